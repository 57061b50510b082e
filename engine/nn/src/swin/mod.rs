//! `SwinUNETR`: the encoder half, which is the backbone of the published VoCo,
//! and the whole network ([`SwinUnetr`]).
//!
//! Follows MONAI 1.3.0 `monai/networks/nets/swin_unetr.py`, which is what the
//! authors pin, number by number: weights of their checkpoints give the same
//! feature maps. With and without `use_v2`.

mod attention;
mod block;
mod merging;
mod unetr;
mod window;

pub(crate) use attention::window_offsets;
pub use block::{ResBlock, SwinBlock};
pub use merging::{MergeOrder, PatchMerging};
pub use unetr::{SwinUnetr, SwinUnetrConfig, SwinUnetrOutput, UpBlock};

use burn::module::Module;
use burn::nn::conv::{Conv3d, Conv3dConfig};
use burn::tensor::{Device, Tensor};

use crate::checkpoint::part;
use crate::error::NnError;
use crate::ops::{convolve, global_average, standardize};

/// Shape of a [`SwinEncoder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwinConfig {
    /// Width F of the first stage: 12 (tests), 48 (B), 96 (L), 192 (H). A
    /// multiple of 3, because the first stage has 3 heads.
    pub feature_size: usize,
    /// Channels of the input volume.
    pub in_channels: usize,
    /// Order of the patch merging; published weights need the legacy one.
    pub merge_order: MergeOrder,
    /// A residual convolution before each stage (MONAI's `use_v2`). All
    /// published VoCo weights have it.
    pub use_v2: bool,
}

impl SwinConfig {
    /// Version 2 with one input channel and the legacy merging of the published
    /// weights.
    pub fn new(feature_size: usize) -> Self {
        Self { feature_size, in_channels: 1, merge_order: MergeOrder::Legacy, use_v2: true }
    }

    /// Length of the embedding: F + F + 2F + 4F + 16F = 24·F.
    pub fn embedding_len(&self) -> usize {
        24 * self.feature_size
    }

    /// Refuses crops that PyTorch's network refuses: sizes that are no multiple
    /// of 32, and those whose deepest map is a single voxel (32³), on which an
    /// instance norm has no variance.
    ///
    /// # Errors
    /// [`NnError::CropSize`] with the broken rule.
    pub fn check_crop(&self, size: [usize; 3]) -> Result<(), NnError> {
        let reason = if size.iter().any(|&edge| edge == 0 || !edge.is_multiple_of(32)) {
            "every edge must be a multiple of 32"
        } else if size == [32; 3] {
            "at least one edge must be 64 or more"
        } else {
            return Ok(());
        };
        Err(NnError::CropSize { size, reason })
    }

    /// Builds the encoder with MONAI's initial distributions.
    ///
    /// # Panics
    /// When `feature_size` is not a multiple of 3.
    pub fn init(&self, device: &Device) -> SwinEncoder {
        let f = self.feature_size;
        assert!(f > 0 && f.is_multiple_of(3), "feature size {f} is not a multiple of 3");
        SwinEncoder {
            swin_vit: SwinVit::new(self, device),
            encoder1: ResBlock::new(self.in_channels, f, device),
            encoder2: ResBlock::new(f, f, device),
            encoder3: ResBlock::new(2 * f, 2 * f, device),
            encoder4: ResBlock::new(4 * f, 4 * f, device),
            encoder10: ResBlock::new(16 * f, 16 * f, device),
            checkpointing: false,
        }
    }
}

/// `swinViT` and `encoder1,2,3,4,10` of `SwinUNETR`.
///
/// Field names are those of the PyTorch state dict; `crate::keys` turns paths
/// into its exact keys.
#[derive(Module, Debug)]
pub struct SwinEncoder {
    swin_vit: SwinVit,
    encoder1: ResBlock,
    encoder2: ResBlock,
    encoder3: ResBlock,
    encoder4: ResBlock,
    encoder10: ResBlock,
    /// Whether each block keeps its input only, see [`crate::checkpoint`].
    #[module(skip)]
    checkpointing: bool,
}

/// Feature maps of one forward pass, channels first.
#[derive(Debug, Clone)]
pub struct SwinFeatures {
    /// `hidden_states_out` 0..4: `[N, F·2^i, D/2^(i+1), ..]`, layer-normalised
    /// over channels.
    pub hidden: [Tensor<5>; 5],
    /// Outputs of encoder1,2,3,4,10: widths F, F, 2F, 4F, 16F at strides
    /// 1, 2, 4, 8, 32.
    pub encoders: [Tensor<5>; 5],
}

impl SwinFeatures {
    /// The VoCo embedding `[N, 24·F]`: global averages of the five encoder
    /// outputs, concatenated (`voco_head.py`). Hidden state 3 has no part in it.
    pub fn embedding(&self) -> Tensor<2> {
        Tensor::cat(self.encoders.iter().cloned().map(global_average).collect(), 1)
    }
}

impl SwinEncoder {
    /// Switches gradient checkpointing of each block on or off: less memory in training for one forward pass more.
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        Self { checkpointing: is_on, ..self }
    }

    /// All feature maps of `x` `[N, in, D, H, W]`, every edge a multiple of 32.
    pub fn forward(&self, x: Tensor<5>) -> SwinFeatures {
        let hidden = self.swin_vit.forward(x.clone(), self.checkpointing);
        let block = |block: &ResBlock, map| part(self.checkpointing, block, [map], |block, [x]| block.forward(x));
        let encoders = [
            block(&self.encoder1, x),
            block(&self.encoder2, hidden[0].clone()),
            block(&self.encoder3, hidden[1].clone()),
            block(&self.encoder4, hidden[2].clone()),
            block(&self.encoder10, hidden[4].clone()),
        ];
        SwinFeatures { hidden, encoders }
    }

    /// The VoCo embedding `[N, 24·F]` of `x`; see [`SwinFeatures::embedding`].
    pub fn embed(&self, x: Tensor<5>) -> Tensor<2> {
        self.forward(x).embedding()
    }
}

/// The transformer, in v2 with a convolution before each stage.
#[derive(Module, Debug)]
struct SwinVit {
    patch_embed: PatchEmbed,
    layers1: Stage,
    layers2: Stage,
    layers3: Stage,
    layers4: Stage,
    layers1c: Option<ResBlock>,
    layers2c: Option<ResBlock>,
    layers3c: Option<ResBlock>,
    layers4c: Option<ResBlock>,
}

impl SwinVit {
    fn new(config: &SwinConfig, device: &Device) -> Self {
        let f = config.feature_size;
        let stage = |index: usize| Stage::new(f << index, 3 << index, config.merge_order, device);
        let conv = |index: usize| config.use_v2.then(|| ResBlock::new(f << index, f << index, device));
        Self {
            patch_embed: PatchEmbed {
                proj: Conv3dConfig::new([config.in_channels, f], [2; 3]).with_stride([2; 3]).init(device),
            },
            layers1: stage(0),
            layers2: stage(1),
            layers3: stage(2),
            layers4: stage(3),
            layers1c: conv(0),
            layers2c: conv(1),
            layers3c: conv(2),
            layers4c: conv(3),
        }
    }

    /// `[N, in, D, H, W]` → the five normalised hidden states.
    fn forward(&self, x: Tensor<5>, checkpointing: bool) -> [Tensor<5>; 5] {
        let before = |conv: Option<&ResBlock>, map: &Tensor<5>| match conv {
            Some(conv) => part(checkpointing, conv, [map.clone()], |conv, [x]| conv.forward(x)),
            None => map.clone(),
        };
        // The normalised map goes to the caller, the raw one to the next stage.
        let x0 = convolve(&self.patch_embed.proj, x);
        let x1 = self.layers1.forward(before(self.layers1c.as_ref(), &x0), checkpointing);
        let x2 = self.layers2.forward(before(self.layers2c.as_ref(), &x1), checkpointing);
        let x3 = self.layers3.forward(before(self.layers3c.as_ref(), &x2), checkpointing);
        let x4 = self.layers4.forward(before(self.layers4c.as_ref(), &x3), checkpointing);
        [x0, x1, x2, x3, x4].map(|map| standardize(map, 1))
    }
}

/// `patch_embed.proj`: kernel 2, stride 2, with bias.
#[derive(Module, Debug)]
struct PatchEmbed {
    proj: Conv3d,
}

/// Two Swin blocks, the second shifted, then a patch merging.
#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<SwinBlock>,
    downsample: PatchMerging,
}

impl Stage {
    fn new(width: usize, heads: usize, order: MergeOrder, device: &Device) -> Self {
        let shifts = [0, window::WINDOW / 2];
        Self {
            blocks: shifts.map(|shift| SwinBlock::new(width, heads, shift, device)).to_vec(),
            downsample: PatchMerging::new(width, order, device),
        }
    }

    /// `[N,C,D,H,W]` → `[N,2C,D/2,H/2,W/2]`.
    fn forward(&self, x: Tensor<5>, checkpointing: bool) -> Tensor<5> {
        let mut tokens = x.permute([0, 2, 3, 4, 1]);
        for block in &self.blocks {
            tokens = part(checkpointing, block, [tokens], |block, [x]| block.forward(x));
        }
        let merged = part(checkpointing, &self.downsample, [tokens], |merging, [x]| merging.forward(x));
        merged.permute([0, 4, 1, 2, 3])
    }
}
