//! Shapes of a VoCo model and the presets by name.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::{EmbeddingNorm, Encoder, ProjectorConfig, Recipe, VocoModel};
use crate::plain::PlainConfig;
use crate::swin::SwinConfig;

/// Which backbone, with its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncoderConfig {
    /// `SwinUNETR` v2 encoder.
    Swin(SwinConfig),
    /// Plain convolutional encoder.
    Plain(PlainConfig),
}

impl EncoderConfig {
    /// Length of the embedding.
    pub fn embedding_len(&self) -> usize {
        match self {
            Self::Swin(config) => config.embedding_len(),
            Self::Plain(config) => config.embedding_len(),
        }
    }
}

/// Everything needed to build a [`VocoModel`].
#[derive(Debug, Clone, PartialEq)]
pub struct VocoModelConfig {
    /// The backbone.
    pub encoder: EncoderConfig,
    /// Width of both hidden layers of the projectors; 1024 as published.
    pub hidden: usize,
    /// Length of the projections; 1024 as published.
    pub output: usize,
    /// Share of the old teacher in the moving average; 0.9 as published.
    pub momentum: f64,
    /// Which losses.
    pub recipe: Recipe,
    /// What happens to embeddings before the projectors; nothing, as published.
    pub embedding_norm: EmbeddingNorm,
}

impl VocoModelConfig {
    /// Names that [`VocoModelConfig::from_name`] knows, small to large.
    pub const NAMES: [&'static str; 5] = ["unet-tiny", "tiny", "b", "l", "h"];

    /// The preset behind a name: `unet-tiny`, `tiny` (F=12), `b` (48), `l` (96),
    /// `h` (192).
    pub fn from_name(name: &str) -> Option<Self> {
        let (encoder, hidden) = match name {
            "unet-tiny" => (EncoderConfig::Plain(PlainConfig::unet_tiny()), 256),
            "tiny" => (EncoderConfig::Swin(SwinConfig::new(12)), 1024),
            "b" => (EncoderConfig::Swin(SwinConfig::new(48)), 1024),
            "l" => (EncoderConfig::Swin(SwinConfig::new(96)), 1024),
            "h" => (EncoderConfig::Swin(SwinConfig::new(192)), 1024),
            _ => return None,
        };
        // Our own network may differ from the published head where that makes it learn in
        // hundreds of steps rather than tens of thousands.
        let embedding_norm = if name == "unet-tiny" { EmbeddingNorm::PerVolume } else { EmbeddingNorm::None };
        Some(Self { encoder, hidden, output: hidden, momentum: 0.9, recipe: Recipe::Tpami, embedding_norm })
    }

    /// The model with weights that are drawn when they are first read.
    pub(crate) fn build(&self, device: &Device) -> VocoModel {
        let projector =
            ProjectorConfig { input: self.encoder.embedding_len(), hidden: self.hidden, output: self.output };
        VocoModel {
            backbone: match &self.encoder {
                EncoderConfig::Swin(config) => Encoder::Swin(config.init(device)),
                EncoderConfig::Plain(config) => Encoder::Plain(config.init(device)),
            },
            student: projector.init(device),
            // Its own random start, as in the reference; forgotten in ~50 steps.
            teacher: projector.init(device).no_grad(),
            momentum: self.momentum,
            recipe: self.recipe,
            embedding_norm: self.embedding_norm,
        }
    }

    /// A model whose weights nobody has drawn, to ask for its shapes.
    pub fn build_lazy(&self) -> VocoModel {
        self.build(&Device::flex())
    }

    /// Builds a model with random weights on `device`, the same for the same
    /// `seed` on the same device. Use an autodiff device for training.
    pub fn init(&self, device: &Device, seed: u64) -> VocoModel {
        let model = self.build(device);
        // burn draws a weight when it is first read. Reading all now, in module
        // order, ties the weights to the seed instead of to the first crop.
        device.seed(seed);
        model.visit(&mut Materialize);
        model
    }
}

struct Materialize;

impl ModuleVisitor for Materialize {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        drop(param.val());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_counts_are_the_published_ones() {
        // Facts 5.1: F=48 has 53,164,146 parameters in the encoder and
        // 3,279,872 in a projector. Built lazily, so nothing is drawn here.
        let device = Device::flex();
        assert_eq!(SwinConfig::new(48).init(&device).num_params(), 53_164_146);
        assert_eq!(SwinConfig::new(96).init(&device).num_params(), 211_999_362);
        let projector = ProjectorConfig { input: 1152, hidden: 1024, output: 1024 };
        assert_eq!(projector.init(&device).num_params(), 3_279_872);
    }

    #[test]
    fn every_name_builds() {
        for name in VocoModelConfig::NAMES {
            assert!(VocoModelConfig::from_name(name).is_some(), "{name}");
        }
        assert_eq!(VocoModelConfig::from_name("xl"), None);
    }
}
