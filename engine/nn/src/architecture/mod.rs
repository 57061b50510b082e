//! Which network the weights of a file belong to, and that network.

mod detect;
mod halves;

pub use halves::EncoderMaps;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::NnError;
use crate::ops::global_average;
use crate::plain::{PlainConfig, PlainEncoder, PlainUnet, PlainUnetConfig};
use crate::swin::{MergeOrder, SwinConfig, SwinEncoder, SwinFeatures, SwinUnetr, SwinUnetrConfig};
use crate::voco::{EmbeddingNorm, Encoder, EncoderConfig, Materialize, Recipe, VocoModel, VocoModelConfig};
use crate::weights::{NamedTensor, StoredTensor, canonical_tensors};

/// A network that [`Architecture::detect`] knows, with its shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// The whole `SwinUNETR`.
    SwinUnetr(SwinUnetrConfig),
    /// nnU-Net's whole `PlainConvUNet`.
    PlainUnet(PlainUnetConfig),
    /// An encoder alone.
    Encoder(EncoderConfig),
    /// An encoder with the two projectors of the pre-training.
    Voco(VocoModelConfig),
}

impl Architecture {
    /// Finds the network for tensors of these shapes, by canonical key.
    ///
    /// # Errors
    /// [`NnError::UnknownArchitecture`] when there is none, or the shapes are not
    /// those of a network that anybody trains.
    pub fn detect(shapes: &BTreeMap<String, Vec<usize>>) -> Result<Self, NnError> {
        detect::detect(shapes)
    }

    /// Its name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SwinUnetr(_) => "SwinUNETR",
            Self::PlainUnet(config) if config.stem.is_some() => "unet-tiny U-Net",
            Self::PlainUnet(_) => "PlainConvUNet",
            Self::Encoder(config) => encoder_name(config),
            Self::Voco(_) => "VoCo head",
        }
    }

    /// The name of the encoder in it.
    pub fn backbone(&self) -> &'static str {
        match self {
            Self::SwinUnetr(_) => "SwinUNETR encoder",
            Self::PlainUnet(config) if config.stem.is_some() => "unet-tiny",
            Self::PlainUnet(_) => "PlainConvUNet encoder",
            Self::Encoder(config) => encoder_name(config),
            Self::Voco(config) => encoder_name(&config.encoder),
        }
    }

    /// Width of the first stage.
    pub fn feature_size(&self) -> usize {
        match self.encoder() {
            EncoderConfig::Swin(config) => config.feature_size,
            EncoderConfig::Plain(config) => config.features.first().copied().unwrap_or_default(),
        }
    }

    /// Channels of the input.
    pub fn in_channels(&self) -> usize {
        match self.encoder() {
            EncoderConfig::Swin(config) => config.in_channels,
            EncoderConfig::Plain(config) => config.in_channels,
        }
    }

    /// Channels of the logits, if it gives any.
    pub fn classes(&self) -> Option<usize> {
        match self {
            Self::SwinUnetr(config) => Some(config.classes),
            Self::PlainUnet(config) => Some(config.classes),
            Self::Encoder(_) | Self::Voco(_) => None,
        }
    }

    /// Whether a `SwinUNETR` is of version 2; `None` for other networks.
    pub fn is_v2(&self) -> Option<bool> {
        match self.encoder() {
            EncoderConfig::Swin(config) => Some(config.use_v2),
            EncoderConfig::Plain(_) => None,
        }
    }

    /// Takes other numbers of input channels and classes than the file suggests.
    /// Classes are ignored by networks without logits.
    pub fn expect(&mut self, in_channels: Option<usize>, classes: Option<usize>) {
        match self {
            Self::SwinUnetr(config) => config.classes = classes.unwrap_or(config.classes),
            Self::PlainUnet(config) => config.classes = classes.unwrap_or(config.classes),
            Self::Encoder(_) | Self::Voco(_) => {}
        }
        let Some(channels) = in_channels else { return };
        match self {
            Self::SwinUnetr(SwinUnetrConfig { encoder, .. })
            | Self::Encoder(EncoderConfig::Swin(encoder))
            | Self::Voco(VocoModelConfig { encoder: EncoderConfig::Swin(encoder), .. }) => {
                encoder.in_channels = channels;
            }
            Self::PlainUnet(PlainUnetConfig { encoder, .. })
            | Self::Encoder(EncoderConfig::Plain(encoder))
            | Self::Voco(VocoModelConfig { encoder: EncoderConfig::Plain(encoder), .. }) => {
                encoder.in_channels = channels;
            }
        }
    }

    /// Takes another order of patch merging; without effect on networks that have
    /// none. No weight tells which order it was trained with.
    pub fn set_merge_order(&mut self, order: MergeOrder) {
        match self {
            Self::SwinUnetr(SwinUnetrConfig { encoder, .. })
            | Self::Encoder(EncoderConfig::Swin(encoder))
            | Self::Voco(VocoModelConfig { encoder: EncoderConfig::Swin(encoder), .. }) => encoder.merge_order = order,
            _ => {}
        }
    }

    /// Refuses volumes or windows of a size that the network cannot take.
    ///
    /// # Errors
    /// [`NnError::CropSize`] with the broken rule.
    pub fn check_crop(&self, size: [usize; 3]) -> Result<(), NnError> {
        match self.encoder() {
            EncoderConfig::Swin(config) => config.check_crop(size),
            EncoderConfig::Plain(config) => config.check_crop(size),
        }
    }

    /// Builds the network. Weights are drawn when they are first read, so a
    /// network that is only described or filled from a file draws none.
    pub fn init(&self, device: &Device) -> Network {
        match self {
            Self::SwinUnetr(config) => Network::SwinUnetr(config.init(device)),
            Self::PlainUnet(config) => Network::PlainUnet(config.init(device)),
            Self::Encoder(EncoderConfig::Swin(config)) => Network::SwinEncoder(config.init(device)),
            Self::Encoder(EncoderConfig::Plain(config)) => Network::PlainEncoder(config.init(device)),
            Self::Voco(config) => Network::Voco(config.build(device)),
        }
    }

    /// Builds the network with weights that depend on `seed` alone, the same on the
    /// same kind of device. Use an autodiff device for training.
    pub fn init_seeded(&self, device: &Device, seed: u64) -> Network {
        let network = self.init(device);
        // burn draws a weight when it is first read.
        device.seed(seed);
        network.visit(&mut Materialize);
        network
    }

    /// The encoder with the projectors that a file of tensors of these shapes (canonical
    /// keys) holds besides a whole network, as the omni-supervised training leaves them.
    pub fn with_projectors(&self, shapes: &BTreeMap<String, Vec<usize>>) -> Option<Self> {
        let width = |name: &str, layer: usize| {
            shapes.get(&format!("{name}.layer{layer}.0.weight")).and_then(|shape| shape.first().copied())
        };
        let (hidden, output) = (width("student", 1)?, width("student", 3)?);
        (width("teacher", 3)? == output).then(|| Self::Voco(voco_config(self.encoder(), hidden, output)))
    }

    fn encoder(&self) -> EncoderConfig {
        match self {
            Self::SwinUnetr(config) => EncoderConfig::Swin(config.encoder.clone()),
            Self::PlainUnet(config) => EncoderConfig::Plain(config.encoder.clone()),
            Self::Encoder(config) | Self::Voco(VocoModelConfig { encoder: config, .. }) => config.clone(),
        }
    }
}

/// The shapes of the weights of a file by canonical key, for
/// [`Architecture::detect`].
pub fn canonical_shapes(tensors: &BTreeMap<String, StoredTensor>) -> BTreeMap<String, Vec<usize>> {
    // Stand-ins without values: only shapes are wanted.
    let shapes = tensors.iter().map(|(key, tensor)| (key.clone(), tensor.shape_only()));
    let named = canonical_tensors(shapes.collect());
    named.into_iter().map(|(key, tensor)| (key, tensor.shape().to_vec())).collect()
}

fn encoder_name(config: &EncoderConfig) -> &'static str {
    match config {
        EncoderConfig::Swin(_) => "SwinUNETR encoder",
        EncoderConfig::Plain(config) if config.features == PlainConfig::unet_tiny().features => "unet-tiny",
        EncoderConfig::Plain(_) => "PlainConvUNet encoder",
    }
}

/// Any network of this crate.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process holds one or two of them")]
pub enum Network {
    /// The whole `SwinUNETR`.
    SwinUnetr(SwinUnetr),
    /// nnU-Net's whole `PlainConvUNet`.
    PlainUnet(PlainUnet),
    /// The encoder half of `SwinUNETR`.
    SwinEncoder(SwinEncoder),
    /// The encoder half of `PlainConvUNet`.
    PlainEncoder(PlainEncoder),
    /// Encoder and projectors of the pre-training.
    Voco(VocoModel),
}

/// All results of one forward pass.
#[derive(Debug, Clone)]
pub struct NetworkOutput {
    /// `[N, classes, D, H, W]`, from networks that give logits.
    pub logits: Option<Tensor<5>>,
    /// Hidden states of the transformer, or outputs of the convolution stages.
    pub hidden: Vec<Tensor<5>>,
    /// `[N, E]`: global averages of the encoder's outputs, concatenated.
    pub embedding: Tensor<2>,
}

impl Network {
    /// Switches gradient checkpointing on or off: less memory in training for one forward pass more.
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        match self {
            Self::SwinUnetr(network) => Self::SwinUnetr(network.with_checkpointing(is_on)),
            Self::PlainUnet(network) => Self::PlainUnet(network.with_checkpointing(is_on)),
            Self::SwinEncoder(network) => Self::SwinEncoder(network.with_checkpointing(is_on)),
            Self::PlainEncoder(network) => Self::PlainEncoder(network.with_checkpointing(is_on)),
            Self::Voco(network) => Self::Voco(network.with_checkpointing(is_on)),
        }
    }

    /// Everything the network computes from `x` `[N, in, D, H, W]`.
    pub fn forward(&self, x: Tensor<5>) -> NetworkOutput {
        match self {
            Self::SwinUnetr(model) => {
                let out = model.forward(x);
                NetworkOutput { logits: Some(out.logits), ..from_swin(&out.features) }
            }
            Self::PlainUnet(model) => {
                let (logits, maps) = model.forward_features(x);
                NetworkOutput { logits: Some(logits), ..from_plain(maps) }
            }
            Self::SwinEncoder(encoder) => from_swin(&encoder.forward(x)),
            Self::PlainEncoder(encoder) => from_plain(encoder.forward(x)),
            Self::Voco(model) => match model.backbone() {
                Encoder::Swin(encoder) => from_swin(&encoder.forward(x)),
                Encoder::Plain(encoder) => from_plain(encoder.forward(x)),
            },
        }
    }
}

impl Network {
    /// Logits at every resolution there is, full first; nothing from networks without
    /// logits. See [`PlainUnet::forward_deep`].
    pub fn forward_deep(&self, x: Tensor<5>) -> Vec<Tensor<5>> {
        match self {
            Self::SwinUnetr(model) => vec![model.forward(x).logits],
            Self::PlainUnet(model) => model.forward_deep(x),
            Self::SwinEncoder(_) | Self::PlainEncoder(_) | Self::Voco(_) => Vec::new(),
        }
    }

    /// The same network with an encoder that gets no gradients, and so stays as it is.
    pub fn freeze_encoder(self) -> Self {
        match self {
            Self::SwinUnetr(model) => Self::SwinUnetr(model.freeze_encoder()),
            Self::PlainUnet(model) => Self::PlainUnet(model.freeze_encoder()),
            other => other,
        }
    }
}

impl NetworkOutput {
    /// The results by name: `output` (logits, or the embedding of an encoder), and
    /// with `all` also `hidden0`, … and `embedding`.
    pub fn named(self, all: bool) -> BTreeMap<String, NamedTensor> {
        let Self { logits, hidden, embedding } = self;
        let embedding = named(embedding);
        let output = logits.map_or_else(|| embedding.clone(), named);
        let mut results = BTreeMap::from([("output".to_owned(), output)]);
        if all {
            let hidden = hidden.into_iter().enumerate();
            results.extend(hidden.map(|(i, map)| (format!("hidden{i}"), named(map))));
            results.insert("embedding".to_owned(), embedding);
        }
        results
    }
}

fn from_swin(features: &SwinFeatures) -> NetworkOutput {
    let embedding = features.embedding();
    NetworkOutput { logits: None, hidden: features.hidden.to_vec(), embedding }
}

fn from_plain(maps: Vec<Tensor<5>>) -> NetworkOutput {
    let embedding = Tensor::cat(maps.iter().cloned().map(global_average).collect(), 1);
    NetworkOutput { logits: None, hidden: maps, embedding }
}

fn named<const D: usize>(tensor: Tensor<D>) -> NamedTensor {
    let shape = tensor.dims().to_vec();
    NamedTensor { shape, values: tensor.into_data().iter::<f32>().collect() }
}

/// A VoCo model for an encoder and projector widths, losses as published.
fn voco_config(encoder: EncoderConfig, hidden: usize, output: usize) -> VocoModelConfig {
    let tiny = PlainConfig::unet_tiny();
    let per_volume = matches!(&encoder, EncoderConfig::Plain(config) if config.features == tiny.features);
    let embedding_norm = if per_volume { EmbeddingNorm::PerVolume } else { EmbeddingNorm::None };
    VocoModelConfig { encoder, hidden, output, momentum: 0.9, recipe: Recipe::Tpami, embedding_norm }
}

/// A `SwinUNETR` encoder in the legacy order.
fn swin_config(feature_size: usize, in_channels: usize, use_v2: bool) -> SwinConfig {
    SwinConfig { in_channels, use_v2, ..SwinConfig::new(feature_size) }
}
