//! A whole segmentation network that learns from labels, from its own frozen past, and
//! from the contrast of volumes (Omni- and Semi-supervised of Large-Scale-Medical).

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Int, Tensor};

use super::{VocoBatch, VocoHead, VocoModelConfig, VocoOutput, head};
use crate::architecture::{Architecture, Network};
use crate::losses::{DiceCeSettings, dice_ce};
use crate::optim::{scale_gradients, unscaled_gradients};
use crate::precision::Passes;

/// Encoder and decoder, and for the contrast of volumes the two projectors.
#[derive(Module, Debug)]
pub struct OmniModel {
    whole: Network,
    head: Option<VocoHead>,
}

/// Shape of an [`OmniModel`].
#[derive(Debug, Clone, PartialEq)]
pub struct OmniConfig {
    /// A whole network: one that gives logits.
    pub network: Architecture,
    /// The projectors, for networks that are to learn by contrast; their encoder must be
    /// the network's.
    pub head: Option<VocoModelConfig>,
}

impl OmniConfig {
    /// A model whose weights nobody has drawn.
    pub fn build_lazy(&self, device: &Device) -> OmniModel {
        OmniModel { whole: self.network.init(device), head: self.head.as_ref().map(|head| head.build_head(device)) }
    }

    /// Builds the model with random weights, the same for the same `seed` on the same
    /// device.
    pub fn init(&self, device: &Device, seed: u64) -> OmniModel {
        let model = self.build_lazy(device);
        device.seed(seed);
        model.visit(&mut super::Materialize);
        model
    }
}

impl OmniModel {
    /// Switches gradient checkpointing on or off, see [`Network::with_checkpointing`].
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        Self { whole: self.whole.with_checkpointing(is_on), ..self }
    }

    /// The network without projectors.
    pub fn network(&self) -> &Network {
        &self.whole
    }

    /// The projectors.
    pub fn head(&self) -> Option<&VocoHead> {
        self.head.as_ref()
    }

    /// Moves the teacher of the contrast towards its student, once per step.
    pub fn move_teacher(&mut self) {
        if let Some(head) = &mut self.head {
            head.move_teacher();
        }
    }

    /// The model with other projectors, for a step that is taken back.
    #[must_use]
    pub fn with_head(self, head: Option<VocoHead>) -> Self {
        Self { head, ..self }
    }

    /// Losses of the contrast of volumes and their gradients, at most `chunk` crops in the
    /// graph at a time; `None` if `between` ended it, or for a model without projectors.
    pub fn contrast_chunked(
        &self,
        batch: &VocoBatch,
        row_scale: Option<Tensor<1>>,
        passes: impl Into<Passes>,
        between: impl FnMut() -> bool,
    ) -> Option<(VocoOutput, GradientsParams)> {
        let frozen = self.whole.valid();
        let (plain, graph) = (|crops| frozen.embed(crops), |crops| self.whole.embed(crops));
        head::contrast_chunked(self, self.head.as_ref()?, &plain, &graph, (batch, row_scale, passes.into()), between)
    }

    /// `DiceCE` of `images` `[N, in, D, H, W]` with `labels` `[N, 1, D, H, W]` and its
    /// gradients, at most `chunk` crops (0: all) in the graph at a time: the same numbers as
    /// all at once, since the loss is a mean over crops. `None` if `between` ended it.
    pub fn supervise_chunked(
        &self,
        images: &Tensor<5>,
        labels: &Tensor<5, Int>,
        passes: impl Into<Passes>,
        between: impl FnMut() -> bool,
    ) -> Option<(f64, GradientsParams)> {
        self.mean_over(images, labels, passes.into(), &|images| self.whole.logits(images), between)
    }

    /// As [`OmniModel::supervise_chunked`], but the encoder does not learn: the decoder
    /// stands on its maps as they are. So the omni-supervised training uses labels that the
    /// network's own past gave (facts 2.4; every map is detached here, while the published
    /// code forgets one).
    pub fn supervise_decoder_chunked(
        &self,
        images: &Tensor<5>,
        labels: &Tensor<5, Int>,
        passes: impl Into<Passes>,
        between: impl FnMut() -> bool,
    ) -> Option<(f64, GradientsParams)> {
        let frozen = self.whole.valid();
        let logits = |images: Tensor<5>| {
            let maps = frozen.encode(images.without_autodiff());
            self.whole.decode(&maps.tracked())
        };
        self.mean_over(images, labels, passes.into(), &logits, between)
    }

    fn mean_over(
        &self,
        images: &Tensor<5>,
        labels: &Tensor<5, Int>,
        passes: Passes,
        logits: &dyn Fn(Tensor<5>) -> Tensor<5>,
        mut between: impl FnMut() -> bool,
    ) -> Option<(f64, GradientsParams)> {
        let Passes { chunk, precision, loss_scale } = passes;
        let count = images.dims()[0];
        let chunk = if chunk == 0 { count } else { chunk.min(count) };
        let mut sum = GradientsAccumulator::new();
        let mut total = 0.0;
        for (images, labels) in images.clone().split(chunk, 0).into_iter().zip(labels.clone().split(chunk, 0)) {
            #[expect(clippy::cast_precision_loss, reason = "a few crops")]
            let share = images.dims()[0] as f64 / count as f64;
            let loss = dice_ce(&DiceCeSettings::default(), logits(precision.enter(images)), labels);
            let value = loss.clone().detach().into_data().iter::<f32>().next().map_or(f64::NAN, f64::from);
            total += share * value;
            let mut gradients = unscaled_gradients(self, loss, loss_scale);
            scale_gradients(self, &mut gradients, share);
            sum.accumulate(self, gradients);
            if !between() {
                return None;
            }
        }
        Some((total, sum.grads()))
    }
}

/// The classes `[N, 1, D, H, W]` that a network finds likeliest in `images`, without
/// threshold: the pseudo-labels of the published training. At most `chunk` crops (0: all)
/// at a time.
pub fn pseudo_labels(teacher: &Network, images: &Tensor<5>, chunk: usize) -> Tensor<5, Int> {
    let images = images.clone().without_autodiff();
    let chunk = if chunk == 0 { images.dims()[0] } else { chunk };
    let parts = images.split(chunk, 0).into_iter().map(|part| teacher.logits(part).argmax(1));
    Tensor::cat(parts.collect(), 0)
}
