//! From the path of a parameter inside a burn module to its PyTorch key.
//!
//! One rule table serves weights and optimiser state, so that a file written
//! here reads as the authors' own: `backbone.swinViT.layers1.0.blocks.0…`.

/// Follows a module traversal and knows the PyTorch key of the current place.
#[derive(Debug, Default)]
pub(crate) struct KeyPath {
    /// Name and container type of every open level.
    levels: Vec<(String, bool)>,
}

impl KeyPath {
    /// To be called from `enter_module`.
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        let segment = match name {
            // An enum variant is no level of a PyTorch module tree.
            _ if container.starts_with("Enum:") => String::new(),
            "gamma" => "weight".to_owned(),
            "beta" => "bias".to_owned(),
            // Shared parts that PyTorch writes without a level of their own.
            "trunk" | "head" | "whole" => String::new(),
            "swin_vit" => "swinViT".to_owned(),
            "transp_conv" => "transp_conv.conv".to_owned(),
            "out" => "out.conv.conv".to_owned(),
            "stages" => "encoder.stages".to_owned(),
            "up_stages" => "decoder.stages".to_owned(),
            "transpconvs" | "seg_layers" => format!("decoder.{name}"),
            "conv1" | "conv2" | "conv3" => format!("{name}.conv"),
            "layer1" | "layer2" | "layer3" => format!("{name}.0"),
            _ if name.starts_with("layers") && name.ends_with('c') => format!("{name}.0.layer"),
            _ if name.starts_with("layers") => format!("{name}.0"),
            _ if name.starts_with("encoder") => format!("{name}.layer"),
            // nnU-Net wraps the convolutions of a stage once more.
            _ if self.last() == Some("encoder.stages") => format!("{name}.0"),
            _ => name.to_owned(),
        };
        self.levels.push((segment, container == "Struct:Linear"));
    }

    /// To be called from `exit_module`.
    pub(crate) fn exit(&mut self) {
        self.levels.pop();
    }

    /// The PyTorch key of the current parameter.
    pub(crate) fn key(&self) -> String {
        let segments: Vec<&str> = self.levels.iter().map(|(s, _)| s.as_str()).filter(|s| !s.is_empty()).collect();
        segments.join(".")
    }

    /// Whether the parameter is the matrix of a linear layer, which PyTorch
    /// keeps as `[out, in]` and burn as `[in, out]`.
    pub(crate) fn is_linear_matrix(&self) -> bool {
        matches!(self.levels.last(), Some((name, true)) if name == "weight")
    }

    fn last(&self) -> Option<&str> {
        self.levels.last().map(|(segment, _)| segment.as_str())
    }
}

/// The one form in which keys of networks and of checkpoints are compared, or
/// `None` for entries that are no weights.
///
/// Undoes `DistributedDataParallel`'s `module.`, the `backbone.` of the VoCo head
/// (the released `*_SSL_head.pt` files lack it, facts 5.7), the older spelling
/// `swin_vit`, the `student.` of the CVPR code, whose student is a whole network,
/// and the second names that nnU-Net's state dicts hold.
pub(crate) fn canonical(key: &str) -> Option<String> {
    if key.ends_with("relative_position_index") {
        return None;
    }
    let key = key.strip_prefix("module.").unwrap_or(key);
    let key = key.strip_prefix("backbone.").unwrap_or(key).replace("swin_vit", "swinViT");
    let key = match key.strip_prefix("student.") {
        Some(rest) if rest.starts_with("swinViT.") || rest.starts_with("encoder") => rest.to_owned(),
        _ => key,
    };
    let key = key.strip_prefix("decoder.encoder.").map(|rest| format!("encoder.{rest}")).unwrap_or(key);
    Some(key.replace(".all_modules.0.", ".conv.").replace(".all_modules.1.", ".norm."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoint_styles_become_one() {
        let want = "swinViT.patch_embed.proj.bias";
        for key in [
            "module.backbone.swinViT.patch_embed.proj.bias",
            "backbone.swin_vit.patch_embed.proj.bias",
            "swinViT.patch_embed.proj.bias",
            "module.swin_vit.patch_embed.proj.bias",
            "student.swinViT.patch_embed.proj.bias",
        ] {
            assert_eq!(canonical(key).as_deref(), Some(want), "{key}");
        }
        assert_eq!(canonical("a.attn.relative_position_index"), None);
        let alias = "decoder.encoder.stages.1.0.convs.0.all_modules.1.bias";
        assert_eq!(canonical(alias).as_deref(), Some("encoder.stages.1.0.convs.0.norm.bias"));
        assert_eq!(canonical("student.layer1.0.bias").as_deref(), Some("student.layer1.0.bias"));
    }
}
