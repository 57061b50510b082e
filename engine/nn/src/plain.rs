//! nnU-Net's `PlainConvUNet` (dynamic-network-architectures 0.3.1 to 0.4.4), and
//! `unet-tiny`, its encoder with few features for laptops without a GPU.
//!
//! Convolution with bias, affine instance norm, leaky ReLU throughout. `unet-tiny`
//! starts with stride 2, because a full resolution stage alone would cost more
//! than all the rest, and a step of 22 crops has to take seconds on two cores.

use burn::module::{Module, Param};
use burn::nn::conv::Conv3d;
use burn::tensor::{Device, Tensor};

use crate::checkpoint::part;
use crate::error::NnError;
use crate::ops::{Norm, conv, conv_box, convolve, global_average};
use crate::up_conv::UpConv;

/// Shape of a [`PlainEncoder`]; the four lists have one entry per stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainConfig {
    /// Channels of the input volume.
    pub in_channels: usize,
    /// Output channels of every stage.
    pub features: Vec<usize>,
    /// Edges of the kernels of every stage, odd.
    pub kernels: Vec<[usize; 3]>,
    /// Stride of the first convolution of every stage.
    pub strides: Vec<[usize; 3]>,
    /// Convolutions of every stage, at least 1.
    pub convs: Vec<usize>,
}

impl PlainConfig {
    /// The preset behind the name `unet-tiny`: 64³ → 32³ → 16³ → 8³ → 4³ → 2³.
    pub fn unet_tiny() -> Self {
        Self {
            in_channels: 1,
            features: vec![8, 16, 32, 64, 64],
            kernels: vec![[3; 3]; 5],
            strides: vec![[2; 3]; 5],
            convs: vec![1, 2, 2, 2, 2],
        }
    }

    /// nnU-Net's six stages with two convolutions each, kernels of 3³ and strides
    /// 1, 2, 2, 2, 2, 2, as in the published `VoComni_nnunet.pt`.
    pub fn nnunet(features: [usize; 6]) -> Self {
        let strides = [1, 2, 2, 2, 2, 2].map(|stride| [stride; 3]);
        Self {
            in_channels: 1,
            features: features.to_vec(),
            kernels: vec![[3; 3]; 6],
            strides: strides.to_vec(),
            convs: vec![2; 6],
        }
    }

    /// Refuses sizes that do not come back at the same size on the way up.
    ///
    /// # Errors
    /// [`NnError::CropSize`] with the broken rule.
    pub fn check_crop(&self, size: [usize; 3]) -> Result<(), NnError> {
        let total = |axis: usize| self.strides.iter().map(|stride| stride[axis]).product::<usize>();
        let fits = |axis: usize| size[axis] > 0 && size[axis].is_multiple_of(total(axis));
        if !(0..3).all(fits) {
            return Err(NnError::CropSize {
                size,
                reason: "every edge must be a multiple of the product of the strides",
            });
        }
        if (0..3).all(|axis| size[axis] == total(axis)) {
            return Err(NnError::CropSize { size, reason: "the deepest map would be a single voxel" });
        }
        Ok(())
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
            [self.kernels.len(), self.strides.len(), self.convs.len()] == [stages; 3],
            "features, kernels, strides and convs must have one entry per stage"
        );
        assert!(self.convs.iter().all(|&count| count > 0), "a stage has no convolution");
        let mut inputs = self.in_channels;
        let mut built = Vec::with_capacity(stages);
        for stage in 0..stages {
            let width = self.features[stage];
            let convs = (0..self.convs[stage])
                .map(|index| {
                    let stride = if index == 0 { self.strides[stage] } else { [1; 3] };
                    let layer = ConvNormAct::new([inputs, width], self.kernels[stage], stride, device);
                    inputs = width;
                    layer
                })
                .collect();
            built.push(PlainStage { convs });
        }
        PlainEncoder { stages: built, checkpointing: false }
    }
}

/// A chain of convolution stages.
#[derive(Module, Debug)]
pub struct PlainEncoder {
    stages: Vec<PlainStage>,
    /// Whether each stage keeps its input only, see [`crate::checkpoint`].
    #[module(skip)]
    checkpointing: bool,
}

impl PlainEncoder {
    /// Switches gradient checkpointing of each stage on or off: less memory in training for one forward pass more.
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        Self { checkpointing: is_on, ..self }
    }

    /// Output of every stage for `x` `[N, in, D, H, W]`: `[N, features[s], ..]`.
    pub fn forward(&self, x: Tensor<5>) -> Vec<Tensor<5>> {
        let mut x = x;
        let mut maps = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            x = part(self.checkpointing, stage, [x], |stage, [x]| stage.forward(x));
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

impl PlainStage {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.convs.iter().fold(x, |x, layer| layer.forward(x))
    }
}

/// Convolution with bias → instance norm with affine → leaky ReLU.
#[derive(Module, Debug)]
struct ConvNormAct {
    conv: Conv3d,
    norm: AffineNorm,
}

impl ConvNormAct {
    fn new(channels: [usize; 2], kernel: [usize; 3], stride: [usize; 3], device: &Device) -> Self {
        Self {
            conv: conv_box(channels, kernel, stride, true, device),
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

/// Shape of a [`PlainUnet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainUnetConfig {
    /// The way down.
    pub encoder: PlainConfig,
    /// Channels of the logits, background included.
    pub classes: usize,
    /// Convolutions of every stage on the way up, deepest first; one entry less
    /// than the encoder has stages.
    pub up_convs: Vec<usize>,
}

impl PlainUnetConfig {
    /// The published shape with two convolutions per stage on both ways; see
    /// [`PlainConfig::nnunet`].
    pub fn nnunet(features: [usize; 6], classes: usize) -> Self {
        Self { encoder: PlainConfig::nnunet(features), classes, up_convs: vec![2; 5] }
    }

    /// Builds the network with PyTorch's default initialisation.
    ///
    /// # Panics
    /// When the lists differ in length or a stage has no convolution.
    pub fn init(&self, device: &Device) -> PlainUnet {
        let ups = self.up_convs.len();
        let PlainConfig { features, kernels, strides, .. } = &self.encoder;
        assert!(features.len() == ups + 1, "up_convs must have one entry less than there are stages");
        assert!(self.up_convs.iter().all(|&count| count > 0), "a stage has no convolution");
        let (mut transpconvs, mut up_stages, mut seg_layers) = (Vec::new(), Vec::new(), Vec::new());
        for (up, &count) in self.up_convs.iter().enumerate() {
            let (below, level) = (ups - up, ups - up - 1);
            let width = features[level];
            transpconvs.push(UpConv::new([features[below], width], strides[below], true, device));
            let convs = (0..count).map(|index| {
                let inputs = if index == 0 { 2 * width } else { width };
                ConvNormAct::new([inputs, width], kernels[level], [1; 3], device)
            });
            up_stages.push(PlainStage { convs: convs.collect() });
            seg_layers.push(conv([width, self.classes], 1, 1, true, device));
        }
        PlainUnet { trunk: self.encoder.init(device), up_stages, transpconvs, seg_layers }
    }
}

/// `PlainConvUNet` of nnU-Net, all keys as there, without the second names.
#[derive(Module, Debug)]
pub struct PlainUnet {
    trunk: PlainEncoder,
    up_stages: Vec<PlainStage>,
    transpconvs: Vec<UpConv>,
    seg_layers: Vec<Conv3d>,
}

impl PlainUnet {
    /// Switches gradient checkpointing on or off, see [`PlainEncoder::with_checkpointing`].
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        Self { trunk: self.trunk.with_checkpointing(is_on), ..self }
    }

    /// Logits `[N, classes, D, H, W]` of `x` `[N, in, D, H, W]`; see
    /// [`PlainConfig::check_crop`] for the sizes it takes.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        self.forward_features(x).0
    }

    /// Logits at every resolution, full first (deep supervision): output i has the
    /// size of encoder stage i.
    pub fn forward_deep(&self, x: Tensor<5>) -> Vec<Tensor<5>> {
        let (maps, _) = self.way_up(x);
        self.seg_layers.iter().zip(maps).rev().map(|(head, map)| convolve(head, map)).collect()
    }

    /// Logits and the output of every encoder stage, the last of which is the
    /// bottleneck.
    pub fn forward_features(&self, x: Tensor<5>) -> (Tensor<5>, Vec<Tensor<5>>) {
        let (maps, skips) = self.way_up(x);
        (self.top(maps), skips)
    }

    /// The encoder.
    pub fn encoder(&self) -> &PlainEncoder {
        &self.trunk
    }

    fn top(&self, maps: Vec<Tensor<5>>) -> Tensor<5> {
        let (head, map) = self.seg_layers.iter().zip(maps).next_back().expect("a network has a stage on the way up");
        convolve(head, map)
    }

    /// Outputs of the stages on the way up, deepest first, and of the encoder's.
    fn way_up(&self, x: Tensor<5>) -> (Vec<Tensor<5>>, Vec<Tensor<5>>) {
        let skips = self.trunk.forward(x);
        let (bottleneck, rest) = skips.split_last().expect("a network has a stage");
        let mut x = bottleneck.clone();
        let mut maps = Vec::with_capacity(rest.len());
        for ((transpconv, stage), skip) in self.transpconvs.iter().zip(&self.up_stages).zip(rest.iter().rev()) {
            // The up-sampled map comes first, the skip second.
            let up = transpconv.forward(x);
            x = part(self.trunk.checkpointing, stage, [up, skip.clone()], |stage, [up, skip]| {
                stage.forward(Tensor::cat(vec![up, skip], 1))
            });
            maps.push(x.clone());
        }
        (maps, skips)
    }
}
