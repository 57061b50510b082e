//! Volume contrast: backbone, student and teacher projector, one training step.

mod config;
mod head;
pub mod losses;
mod omni;

pub(crate) use config::Materialize;
pub use config::{EncoderConfig, VocoModelConfig};
pub use head::{EmbeddingNorm, Projector, ProjectorConfig, VocoHead};
pub use losses::{LossTerms, LossValues, Projections, Recipe};
pub use omni::{OmniConfig, OmniModel, pseudo_labels};

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::plain::PlainEncoder;
use crate::precision::Passes;
use crate::swin::SwinEncoder;

/// Backbone with two projectors (`models/voco_head.py` of Large-Scale-Medical).
///
/// There is one backbone for both projectors. The teacher never requires a
/// gradient: it follows the student by a moving average inside the step.
#[derive(Module, Debug)]
pub struct VocoModel {
    backbone: Encoder,
    head: VocoHead,
}

/// The backbone of a [`VocoModel`].
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process holds one or two of them")]
pub enum Encoder {
    /// `SwinUNETR` v2 encoder.
    Swin(SwinEncoder),
    /// Plain convolutional encoder.
    Plain(PlainEncoder),
}

impl Encoder {
    /// Switches gradient checkpointing on or off, see [`SwinEncoder::with_checkpointing`].
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        match self {
            Self::Swin(encoder) => Self::Swin(encoder.with_checkpointing(is_on)),
            Self::Plain(encoder) => Self::Plain(encoder.with_checkpointing(is_on)),
        }
    }

    /// Crops `[N, in, D, H, W]` → embeddings `[N, E]`.
    pub fn embed(&self, crops: Tensor<5>) -> Tensor<2> {
        match self {
            Self::Swin(encoder) => encoder.embed(crops),
            Self::Plain(encoder) => encoder.embed(crops),
        }
    }

    /// As [`Encoder::embed`], at most `chunk` crops at a time. Crops do not
    /// interact in the backbone, so the result is the same. A chunk of 0 means
    /// all at once.
    pub fn embed_chunked(&self, crops: Tensor<5>, chunk: usize) -> Tensor<2> {
        let rows = crops.dims()[0];
        if chunk == 0 || chunk >= rows {
            return self.embed(crops);
        }
        Tensor::cat(crops.split(chunk, 0).into_iter().map(|part| self.embed(part)).collect(), 0)
    }
}

/// The crops of one step, volume-major.
#[derive(Debug, Clone)]
pub struct VocoBatch {
    /// Random crops `[B·S, in, D, H, W]`: v0s0, v0s1, v1s0, …
    pub queries: Tensor<5>,
    /// Base crops `[B·K, in, D, H, W]`: v0k0 … v0k8, v1k0, …
    pub bases: Tensor<5>,
    /// Position labels `[B, S, K]`: share of the crop inside each base.
    pub labels: Tensor<3>,
}

impl VocoBatch {
    /// Number of crops, which is the number of embedding rows and the length of
    /// a row scale.
    pub fn rows(&self) -> usize {
        self.queries.dims()[0] + self.bases.dims()[0]
    }
}

/// What one step gives besides gradients.
#[derive(Debug, Clone)]
pub struct VocoOutput {
    /// The loss terms, each `[1]`. After [`VocoModel::step`] they carry the graph.
    pub losses: LossTerms,
    /// Predicted position labels `[B, S, K]`, without graph.
    pub predictions: Tensor<3>,
    /// Embeddings of all crops `[B·S + B·K, E]` as the projectors saw them, before row
    /// dropout, without graph.
    pub embeddings: Tensor<2>,
    /// Student projections, rows as in `embeddings`, `[N, P]`, without graph.
    pub student: Tensor<2>,
    /// Teacher projections of the same rows, without graph.
    pub teacher: Tensor<2>,
}

impl VocoModel {
    /// Switches gradient checkpointing of the backbone on or off, see [`SwinEncoder::with_checkpointing`].
    #[must_use]
    pub fn with_checkpointing(self, is_on: bool) -> Self {
        Self { backbone: self.backbone.with_checkpointing(is_on), ..self }
    }

    /// Embeddings `[N, E]` of crops `[N, in, D, H, W]`.
    pub fn embed(&self, crops: Tensor<5>) -> Tensor<2> {
        self.backbone.embed(crops)
    }

    /// [`VocoModel::embed`] with at most `chunk` crops in flight (0: all).
    pub fn embed_chunked(&self, crops: Tensor<5>, chunk: usize) -> Tensor<2> {
        self.backbone.embed_chunked(crops, chunk)
    }

    /// One training step up to the loss; the caller calls `backward` on
    /// `losses.total`. Moves the teacher.
    ///
    /// `row_scale` `[N]` multiplies the embedding rows on the way to the student:
    /// 0 with probability 0.2 and 1.25 otherwise, which is what `Dropout1d(0.2)`
    /// on an `[N, C]` tensor does in PyTorch. `None` switches it off.
    pub fn step(&mut self, batch: &VocoBatch, row_scale: Option<Tensor<1>>) -> VocoOutput {
        let crops = Tensor::cat(vec![batch.queries.clone(), batch.bases.clone()], 0);
        let embeddings = self.backbone.embed(crops);
        self.head_step(embeddings, batch.labels.clone(), row_scale)
    }

    /// The part of the step after the backbone, from embeddings `[N, E]`
    /// (queries first) and labels `[B, S, K]`: teacher update, projections,
    /// losses.
    pub fn head_step(&mut self, embeddings: Tensor<2>, labels: Tensor<3>, row_scale: Option<Tensor<1>>) -> VocoOutput {
        self.head.move_teacher();
        self.head.contrast(embeddings, labels, row_scale)
    }

    /// Moves the teacher towards the student, once per optimiser step: several batches
    /// of one step see the same teacher, as the ranks of the published training do.
    pub fn move_teacher(&mut self) {
        self.head.move_teacher();
    }

    /// The model with another teacher, for a step that is taken back.
    #[must_use]
    pub fn with_teacher(self, teacher: Projector) -> Self {
        Self { head: VocoHead { teacher, ..self.head }, ..self }
    }

    /// A full step with bounded memory: loss values and gradients of all
    /// parameters, the same numbers as [`VocoModel::step`] plus `backward`.
    ///
    /// With `chunk` smaller than the number of crops the backbone runs twice.
    /// First without a graph, to get the embeddings; the losses give the gradient
    /// of each embedding row; then each chunk runs again with a graph, and the
    /// inner product with those rows is sent backward. Peak memory is that of
    /// one chunk. A chunk of 0 or at least all crops takes the direct way.
    ///
    /// `between` runs after every chunk and ends the step early by returning
    /// false; the result is then `None`, and the model is as it was.
    ///
    /// # Panics
    /// When the model is not on an autodiff device.
    pub fn step_chunked(
        &mut self,
        batch: &VocoBatch,
        row_scale: Option<Tensor<1>>,
        passes: impl Into<Passes>,
        mut between: impl FnMut() -> bool,
    ) -> Option<(VocoOutput, GradientsParams)> {
        let before = self.head.teacher.clone();
        self.move_teacher();
        let result = self.contrast_chunked(batch, row_scale, passes, &mut between);
        if result.is_none() {
            self.head.teacher = before;
        }
        result
    }

    /// [`VocoModel::step_chunked`] without moving the teacher.
    ///
    /// # Panics
    /// When the model is not on an autodiff device.
    pub fn contrast_chunked(
        &self,
        batch: &VocoBatch,
        row_scale: Option<Tensor<1>>,
        passes: impl Into<Passes>,
        between: impl FnMut() -> bool,
    ) -> Option<(VocoOutput, GradientsParams)> {
        let frozen = self.backbone.valid();
        let (plain, graph) = (|crops| frozen.embed(crops), |crops| self.backbone.embed(crops));
        head::contrast_chunked(self, &self.head, &plain, &graph, (batch, row_scale, passes.into()), between)
    }

    /// Predicted position labels `[B, S, K]` without dropout and without moving
    /// the teacher: ReLU of the cosine of student queries and teacher bases.
    ///
    /// The projectors use the statistics of exactly these crops, so the numbers
    /// depend on how many there are (facts 9.11).
    pub fn predict(&self, batch: &VocoBatch, chunk: usize) -> Tensor<3> {
        let crops = Tensor::cat(vec![batch.queries.clone(), batch.bases.clone()], 0);
        let embeddings = self.backbone.valid().embed_chunked(crops.without_autodiff(), chunk);
        let [volumes, queries, _] = batch.labels.dims();
        losses::predictions(self.recipe(), &self.project(embeddings, volumes, queries))
    }

    /// Both projections of raw embeddings `[B·S + B·K, E]` (queries first, volume-major)
    /// of `volumes` B with `queries` S, without graph and without dropout. The rows share
    /// the statistics of exactly these crops.
    pub fn project(&self, embeddings: Tensor<2>, volumes: usize, queries: usize) -> Projections {
        self.head.project(embeddings, volumes, queries)
    }

    /// The backbone.
    pub fn backbone(&self) -> &Encoder {
        &self.backbone
    }

    /// The trained projector.
    pub fn student(&self) -> &Projector {
        &self.head.student
    }

    /// The projector that follows by moving average.
    pub fn teacher(&self) -> &Projector {
        &self.head.teacher
    }

    /// Which losses the model computes.
    pub fn recipe(&self) -> Recipe {
        self.head.recipe
    }
}
