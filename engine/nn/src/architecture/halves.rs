//! The two halves of whole networks, one after the other.

use burn::tensor::Tensor;

use super::Network;
use crate::ops::global_average;
use crate::swin::SwinFeatures;
use crate::voco::Encoder;

/// What an encoder hands to its decoder.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a step holds one of them")]
pub enum EncoderMaps {
    /// Of a `SwinUNETR`.
    Swin(SwinFeatures),
    /// Of a plain network.
    Plain {
        /// The volume itself, on which some decoders look once more.
        input: Tensor<5>,
        /// Output of every stage.
        stages: Vec<Tensor<5>>,
    },
}

impl EncoderMaps {
    /// The same maps, computed without a graph, as constants of one.
    #[must_use]
    pub fn tracked(self) -> Self {
        match self {
            Self::Swin(maps) => Self::Swin(SwinFeatures {
                hidden: maps.hidden.map(Tensor::from_inner),
                encoders: maps.encoders.map(Tensor::from_inner),
            }),
            Self::Plain { input, stages } => Self::Plain {
                input: Tensor::from_inner(input),
                stages: stages.into_iter().map(Tensor::from_inner).collect(),
            },
        }
    }
}

impl Network {
    /// The encoder's maps of `x` `[N, in, D, H, W]`.
    pub fn encode(&self, x: Tensor<5>) -> EncoderMaps {
        let swin = |features| EncoderMaps::Swin(features);
        let plain = |input: Tensor<5>, stages| EncoderMaps::Plain { input, stages };
        match self {
            Self::SwinUnetr(model) => swin(model.encoder().forward(x)),
            Self::SwinEncoder(encoder) => swin(encoder.forward(x)),
            Self::PlainUnet(model) => plain(x.clone(), model.encoder().forward(x)),
            Self::PlainEncoder(encoder) => plain(x.clone(), encoder.forward(x)),
            Self::Voco(model) => match model.backbone() {
                Encoder::Swin(encoder) => swin(encoder.forward(x)),
                Encoder::Plain(encoder) => plain(x.clone(), encoder.forward(x)),
            },
        }
    }

    /// Logits `[N, classes, D, H, W]` from the encoder's maps.
    ///
    /// # Panics
    /// For networks that give no logits, and for maps of another kind of network.
    pub fn decode(&self, maps: &EncoderMaps) -> Tensor<5> {
        match (self, maps) {
            (Self::SwinUnetr(model), EncoderMaps::Swin(features)) => model.decode(features),
            (Self::PlainUnet(model), EncoderMaps::Plain { input, stages }) => model.decode(input, stages),
            _ => panic!("this network has no decoder for these maps"),
        }
    }

    /// Logits `[N, classes, D, H, W]` of `x` `[N, in, D, H, W]`.
    ///
    /// # Panics
    /// For networks that give no logits.
    pub fn logits(&self, x: Tensor<5>) -> Tensor<5> {
        self.decode(&self.encode(x))
    }

    /// VoCo's embedding `[N, E]` of `x`: global averages of the encoder's outputs.
    pub fn embed(&self, x: Tensor<5>) -> Tensor<2> {
        match self.encode(x) {
            EncoderMaps::Swin(features) => features.embedding(),
            EncoderMaps::Plain { stages, .. } => Tensor::cat(stages.into_iter().map(global_average).collect(), 1),
        }
    }
}
