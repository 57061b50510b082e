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
            "swin_vit" => "swinViT".to_owned(),
            "stages" => "encoder.stages".to_owned(),
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

/// Brings a key of a checkpoint into the form of [`KeyPath::key`], or `None` for
/// entries that are no weights.
///
/// Undoes `DistributedDataParallel`'s `module.`, the older spelling `swin_vit`,
/// and gives the bare encoder keys of the released `*_SSL_head.pt` files their
/// `backbone.` (facts 5.7).
pub(crate) fn normalize(key: &str) -> Option<String> {
    let key = key.strip_prefix("module.").unwrap_or(key);
    if key.ends_with("relative_position_index") {
        return None;
    }
    let key = key.replace("swin_vit", "swinViT");
    let bare = key.starts_with("swinViT.") || key.starts_with("encoder");
    Some(if bare { format!("backbone.{key}") } else { key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoint_styles_become_one() {
        let want = "backbone.swinViT.patch_embed.proj.bias";
        for key in [
            "module.backbone.swinViT.patch_embed.proj.bias",
            "backbone.swin_vit.patch_embed.proj.bias",
            "swinViT.patch_embed.proj.bias",
            "module.swin_vit.patch_embed.proj.bias",
        ] {
            assert_eq!(normalize(key).as_deref(), Some(want), "{key}");
        }
        assert_eq!(normalize("a.attn.relative_position_index"), None);
        assert_eq!(normalize("student.layer1.0.bias").as_deref(), Some("student.layer1.0.bias"));
    }
}
