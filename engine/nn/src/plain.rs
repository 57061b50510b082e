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
    /// than the encoder has stages, or as many with a stem.
    pub up_convs: Vec<usize>,
    /// Width of one convolution on the input at full resolution, beside the
    /// encoder, as the last skip. For encoders whose first stage has a stride:
    /// their maps alone do not reach the full resolution.
    pub stem: Option<usize>,
}

impl PlainUnetConfig {
    /// The published shape with two convolutions per stage on both ways; see
    /// [`PlainConfig::nnunet`].
    pub fn nnunet(features: [usize; 6], classes: usize) -> Self {
        Self { encoder: PlainConfig::nnunet(features), classes, up_convs: vec![2; 5], stem: None }
    }

    /// A U-Net on the encoder of `unet-tiny`, for fine-tuning without a GPU.
    pub fn unet_tiny(classes: usize) -> Self {
        Self { encoder: PlainConfig::unet_tiny(), classes, up_convs: vec![2, 2, 2, 2, 1], stem: Some(8) }
    }

    /// Builds the network with PyTorch's default initialisation.
    ///
    /// # Panics
    /// When the lists do not belong together or a stage has no convolution.
    pub fn init(&self, device: &Device) -> PlainUnet {
        let ups = self.up_convs.len();
        let PlainConfig { features, kernels, strides, .. } = &self.encoder;
        // Levels above the encoder's bottleneck, full resolution first.
        let widths: Vec<usize> = self.stem.iter().chain(features).copied().collect();
        let shift = usize::from(self.stem.is_some());
        assert!(widths.len() == ups + 1, "up_convs must have one entry for each level above the deepest stage");
        assert!(self.up_convs.iter().all(|&count| count > 0), "a stage has no convolution");
        let (mut transpconvs, mut up_stages, mut seg_layers) = (Vec::new(), Vec::new(), Vec::new());
        for (up, &count) in self.up_convs.iter().enumerate() {
            let (below, level) = (ups - up, ups - up - 1);
            let width = widths[level];
            transpconvs.push(UpConv::new([widths[below], width], strides[below - shift], true, device));
            let kernel = kernels[level.saturating_sub(shift)];
            let convs = (0..count).map(|index| {
                let inputs = if index == 0 { 2 * width } else { width };
                ConvNormAct::new([inputs, width], kernel, [1; 3], device)
            });
            up_stages.push(PlainStage { convs: convs.collect() });
            seg_layers.push(conv([width, self.classes], 1, 1, true, device));
        }
        let stem = self.stem.map(|width| PlainStage {
            convs: vec![ConvNormAct::new([self.encoder.in_channels, width], kernels[0], [1; 3], device)],
        });
        PlainUnet { trunk: self.encoder.init(device), stem, up_stages, transpconvs, seg_layers }
    }
}

/// `PlainConvUNet` of nnU-Net, all keys as there, without the second names.
#[derive(Module, Debug)]
pub struct PlainUnet {
    trunk: PlainEncoder,
    stem: Option<PlainStage>,
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
    /// size of encoder stage i, or of the stage before it with a stem.
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

    /// Logits `[N, classes, D, H, W]` from the outputs `skips` of all encoder stages for `input`.
    pub fn decode(&self, input: &Tensor<5>, skips: &[Tensor<5>]) -> Tensor<5> {
        self.top(self.up_from(input, skips))
    }

    /// The encoder.
    pub fn encoder(&self) -> &PlainEncoder {
        &self.trunk
    }

    /// The same network with an encoder that gets no gradients.
    pub fn freeze_encoder(mut self) -> Self {
        self.trunk = self.trunk.no_grad();
        self
    }

    fn top(&self, maps: Vec<Tensor<5>>) -> Tensor<5> {
        let (head, map) = self.seg_layers.iter().zip(maps).next_back().expect("a network has a stage on the way up");
        convolve(head, map)
    }

    /// Outputs of the stages on the way up, deepest first, and of the encoder's.
    fn way_up(&self, x: Tensor<5>) -> (Vec<Tensor<5>>, Vec<Tensor<5>>) {
        let input = x.clone();
        let skips = self.trunk.forward(x);
        (self.up_from(&input, &skips), skips)
    }

    /// Outputs of the stages on the way up, deepest first, from those of the encoder for `input`.
    fn up_from(&self, input: &Tensor<5>, skips: &[Tensor<5>]) -> Vec<Tensor<5>> {
        let stem = self.stem.as_ref().map(|stem| stem.forward(input.clone()));
        let (bottleneck, rest) = skips.split_last().expect("a network has a stage");
        let mut x = bottleneck.clone();
        let rest: Vec<&Tensor<5>> = stem.iter().chain(rest).collect();
        let mut maps = Vec::with_capacity(rest.len());
        for ((transpconv, stage), skip) in self.transpconvs.iter().zip(&self.up_stages).zip(rest.into_iter().rev()) {
            // The up-sampled map comes first, the skip second.
            let up = transpconv.forward(x);
            x = part(self.trunk.checkpointing, stage, [up, skip.clone()], |stage, [up, skip]| {
                stage.forward(Tensor::cat(vec![up, skip], 1))
            });
            maps.push(x.clone());
        }
        maps
    }
}
