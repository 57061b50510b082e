//! Entries of PyTorch state dicts that hold no weights of their own, so that
//! exported files load there with `strict=True`.

use crate::swin::window_offsets;

/// A second name under which a state dict of nnU-Net holds a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondName {
    /// The second name.
    pub name: String,
    /// The key whose tensor it is.
    pub of: String,
}

/// The second names that PyTorch's `PlainConvUNet` has for these keys: every
/// convolution and norm once more as `all_modules`, and the whole encoder below
/// the decoder.
pub fn second_names<'a>(keys: impl IntoIterator<Item = &'a String>) -> Vec<SecondName> {
    let mut names = Vec::new();
    for key in keys {
        let mut push = |name: String| names.push(SecondName { name, of: key.clone() });
        let module = key.replace(".conv.", ".all_modules.0.").replace(".norm.", ".all_modules.1.");
        if key.starts_with("encoder.stages.") {
            push(format!("decoder.{key}"));
            push(format!("decoder.{module}"));
        }
        if module != *key {
            push(module);
        }
    }
    names
}

/// MONAI's `relative_position_index` `[343, 343]`, which stands beside every
/// `relative_position_bias_table` in a state dict of `SwinUNETR`.
pub fn window_index() -> Vec<i64> {
    window_offsets().into_iter().map(i64::from).collect()
}
