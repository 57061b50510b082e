//! The whole `SwinUNETR`: encoder, five up-sampling blocks, output convolution.

use burn::module::Module;
use burn::nn::conv::Conv3d;
use burn::tensor::{Device, Tensor};

use super::{ResBlock, SwinConfig, SwinEncoder, SwinFeatures};
use crate::checkpoint::part;
use crate::ops::{conv, convolve};
use crate::up_conv::UpConv;

/// Shape of a [`SwinUnetr`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwinUnetrConfig {
    /// Everything about the encoder.
    pub encoder: SwinConfig,
    /// Channels of the logits, background included.
    pub classes: usize,
}

impl SwinUnetrConfig {
    /// Version 2 with one input channel, as the published weights.
    pub fn new(feature_size: usize, classes: usize) -> Self {
        Self { encoder: SwinConfig::new(feature_size), classes }
    }

    /// Builds the network with MONAI's initial distributions.
    ///
    /// # Panics
    /// When the feature size is not a multiple of 3.
    pub fn init(&self, device: &Device) -> SwinUnetr {
        let f = self.encoder.feature_size;
        SwinUnetr {
            trunk: self.encoder.init(device),
            decoder5: UpBlock::new(16 * f, 8 * f, device),
            decoder4: UpBlock::new(8 * f, 4 * f, device),
            decoder3: UpBlock::new(4 * f, 2 * f, device),
            decoder2: UpBlock::new(2 * f, f, device),
            decoder1: UpBlock::new(f, f, device),
            out: conv([f, self.classes], 1, 1, true, device),
            checkpointing: false,
        }
    }
}

/// `SwinUNETR` of MONAI, all keys as there.
#[derive(Module, Debug)]
pub struct SwinUnetr {
    trunk: SwinEncoder,
    decoder5: UpBlock,
    decoder4: UpBlock,
    decoder3: UpBlock,
    decoder2: UpBlock,
    decoder1: UpBlock,
    out: Conv3d,
    /// As in [`SwinEncoder`].
    #[module(skip)]
    checkpointing: bool,
}

/// Result of one forward pass of a [`SwinUnetr`].
#[derive(Debug, Clone)]
pub struct SwinUnetrOutput {
    /// `[N, classes, D, H, W]`.
    pub logits: Tensor<5>,
    /// Hidden states and encoder outputs.
    pub features: SwinFeatures,
}

impl SwinUnetr {
    /// Switches gradient checkpointing on or off, see [`SwinEncoder::with_checkpointing`].
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        Self { trunk: self.trunk.with_checkpointing(is_on), checkpointing: is_on, ..self }
    }

    /// Logits and features of `x` `[N, in, D, H, W]`; see
    /// [`SwinConfig::check_crop`] for the sizes it takes.
    pub fn forward(&self, x: Tensor<5>) -> SwinUnetrOutput {
        let features = self.trunk.forward(x);
        SwinUnetrOutput { logits: self.decode(&features), features }
    }

    /// Logits `[N, classes, D, H, W]` from the encoder's features.
    pub fn decode(&self, features: &SwinFeatures) -> Tensor<5> {
        let [enc0, enc1, enc2, enc3, deepest] = features.encoders.clone();
        // Hidden state 3 is the first skip as it is, without an encoder block.
        let block = |block: &UpBlock, below, skip| {
            part(self.checkpointing, block, [below, skip], |block, [below, skip]| block.forward(below, skip))
        };
        let up = block(&self.decoder5, deepest, features.hidden[3].clone());
        let up = block(&self.decoder4, up, enc3);
        let up = block(&self.decoder3, up, enc2);
        let up = block(&self.decoder2, up, enc1);
        let up = block(&self.decoder1, up, enc0);
        convolve(&self.out, up)
    }

    /// The encoder half.
    pub fn encoder(&self) -> &SwinEncoder {
        &self.trunk
    }

    /// The same network with an encoder that gets no gradients.
    pub fn freeze_encoder(mut self) -> Self {
        self.trunk = self.trunk.no_grad();
        self
    }
}

/// MONAI `UnetrUpBlock`: doubles the resolution, joins the skip, residual block.
#[derive(Module, Debug)]
pub struct UpBlock {
    transp_conv: UpConv,
    conv_block: ResBlock,
}

impl UpBlock {
    /// From `inputs` channels below to `outputs`, which is the skip's width too.
    pub fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            transp_conv: UpConv::new([inputs, outputs], [2; 3], false, device),
            conv_block: ResBlock::new(2 * outputs, outputs, device),
        }
    }

    /// `[N,in,D,H,W]` and the skip `[N,out,2D,2H,2W]` → the skip's shape. The
    /// up-sampled map comes first in the concatenation.
    pub fn forward(&self, x: Tensor<5>, skip: Tensor<5>) -> Tensor<5> {
        let up = self.transp_conv.forward(x);
        self.conv_block.forward(Tensor::cat(vec![up, skip], 1))
    }
}
