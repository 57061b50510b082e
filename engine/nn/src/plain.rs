//! `unet-tiny`: a small convolutional encoder for laptops without a GPU.
//!
//! The encoder of nnU-Net's `PlainConvUNet` (convolution, affine instance norm,
//! leaky ReLU) with few features. It starts with stride 2, because a full
//! resolution stage alone would cost more than all the rest, and a step of 22
//! crops has to take seconds on two cores.

use burn::module::{Module, Param};
use burn::nn::conv::Conv3d;
use burn::tensor::{Device, Tensor};

use crate::ops::{Norm, conv, convolve, global_average};

/// Shape of a [`PlainEncoder`]; the three lists have one entry per stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainConfig {
    /// Channels of the input volume.
    pub in_channels: usize,
    /// Output channels of every stage.
    pub features: Vec<usize>,
    /// Stride of the first convolution of every stage.
    pub strides: Vec<usize>,
    /// Convolutions of every stage, at least 1.
    pub convs: Vec<usize>,
}

impl PlainConfig {
    /// The preset behind the name `unet-tiny`: 64³ → 32³ → 16³ → 8³ → 4³ → 2³.
    pub fn unet_tiny() -> Self {
        Self { in_channels: 1, features: vec![8, 16, 32, 64, 64], strides: vec![2; 5], convs: vec![1, 2, 2, 2, 2] }
    }

    /// Length of the embedding: the sum of all stage widths.
    pub fn embedding_len(&self) -> usize {
        self.features.iter().sum()
    }

    /// Builds the encoder with PyTorch's default initialisation.
    ///
    /// # Panics
    /// When the lists differ in length or a stage has no convolution.
    pub fn init(&self, device: &Device) -> PlainEncoder {
        let stages = self.features.len();
        assert!(
            self.strides.len() == stages && self.convs.len() == stages,
            "features, strides and convs must have one entry per stage"
        );
        assert!(self.convs.iter().all(|&count| count > 0), "a stage has no convolution");
        let mut inputs = self.in_channels;
        let mut built = Vec::with_capacity(stages);
        for stage in 0..stages {
            let width = self.features[stage];
            let convs = (0..self.convs[stage])
                .map(|index| {
                    let stride = if index == 0 { self.strides[stage] } else { 1 };
                    let layer = ConvNormAct::new([inputs, width], stride, device);
                    inputs = width;
                    layer
                })
                .collect();
            built.push(PlainStage { convs });
        }
        PlainEncoder { stages: built }
    }
}

/// A chain of convolution stages.
#[derive(Module, Debug)]
pub struct PlainEncoder {
    stages: Vec<PlainStage>,
}

impl PlainEncoder {
    /// Output of every stage for `x` `[N, in, D, H, W]`: `[N, features[s], ..]`.
    pub fn forward(&self, x: Tensor<5>) -> Vec<Tensor<5>> {
        let mut x = x;
        let mut maps = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            for layer in &stage.convs {
                x = layer.forward(x);
            }
            maps.push(x.clone());
        }
        maps
    }

    /// `[N, Σ features]`: global averages of all stages, concatenated, as VoCo
    /// does it with the Swin encoder.
    pub fn embed(&self, x: Tensor<5>) -> Tensor<2> {
        Tensor::cat(self.forward(x).into_iter().map(global_average).collect(), 1)
    }
}

#[derive(Module, Debug)]
struct PlainStage {
    convs: Vec<ConvNormAct>,
}

/// Convolution 3³ with bias → instance norm with affine → leaky ReLU.
#[derive(Module, Debug)]
struct ConvNormAct {
    conv: Conv3d,
    norm: AffineNorm,
}

impl ConvNormAct {
    fn new(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        Self {
            conv: conv(channels, 3, stride, true, device),
            norm: AffineNorm {
                weight: Param::from_tensor(Tensor::ones([channels[1]], device)),
                bias: Param::from_tensor(Tensor::zeros([channels[1]], device)),
            },
        }
    }

    /// `[N,in,D,H,W]` → `[N,out,⌈D/stride⌉,..]`.
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let affine = Some((self.norm.weight.val(), self.norm.bias.val()));
        Norm { affine, leaky: true, shortcut: None }.forward(convolve(&self.conv, x))
    }
}

/// Scale and shift per channel after an instance norm.
#[derive(Module, Debug)]
struct AffineNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}
