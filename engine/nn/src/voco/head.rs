//! What stands between backbone and losses: two projectors.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, activation};

use super::losses::{self, Projections, Recipe};
use super::{VocoBatch, VocoOutput};
use crate::ops::standardize;
use crate::optim::unscaled_gradients;
use crate::precision::Passes;

/// Student and teacher projector with what they learn by. The teacher never requires a
/// gradient.
#[derive(Module, Debug)]
pub struct VocoHead {
    pub(super) student: Projector,
    pub(super) teacher: Projector,
    /// Share of the old teacher in the moving average, 0.9 as published.
    pub(super) momentum: f64,
    #[module(skip)]
    pub(super) recipe: Recipe,
    #[module(skip)]
    pub(super) embedding_norm: EmbeddingNorm,
}

impl VocoHead {
    /// Moves the teacher towards the student.
    pub fn move_teacher(&mut self) {
        self.teacher = self.teacher.clone().follow(&self.student, self.momentum);
    }

    /// Projections and losses of embeddings `[N, E]` (queries first) with labels `[B, S, K]`.
    pub fn contrast(&self, embeddings: Tensor<2>, labels: Tensor<3>, row_scale: Option<Tensor<1>>) -> VocoOutput {
        let [volumes, queries, _] = labels.dims();
        let embeddings = self.embedding_norm.apply(embeddings, volumes, queries);
        let dropped = match row_scale {
            Some(scale) => embeddings.clone() * scale.unsqueeze_dim::<2>(1),
            None => embeddings.clone(),
        };
        let student = self.student.forward(dropped);
        // The teacher sees clean rows.
        let teacher = self.teacher.forward(embeddings.clone().detach()).detach();
        let pair = Projections::split(student.clone(), teacher.clone(), volumes, queries);
        let (losses, predictions) = losses::total(self.recipe, &pair, labels);
        VocoOutput {
            losses,
            predictions: predictions.detach(),
            embeddings: embeddings.detach(),
            student: student.detach(),
            teacher,
        }
    }

    /// Both projections of raw embeddings; see [`super::VocoModel::project`].
    pub fn project(&self, embeddings: Tensor<2>, volumes: usize, queries: usize) -> Projections {
        let embeddings = self.embedding_norm.apply(embeddings, volumes, queries);
        let (student, teacher) = (self.student.valid(), self.teacher.valid());
        Projections::split(student.forward(embeddings.clone()), teacher.forward(embeddings), volumes, queries)
    }
}

/// Losses and gradients of a batch for a `module` that holds `head` and an encoder; see [`super::VocoModel::step_chunked`].
///
/// `plain` embeds crops without a graph, `graph` with one.
pub(super) fn contrast_chunked<M: Module>(
    module: &M,
    head: &VocoHead,
    plain: &dyn Fn(Tensor<5>) -> Tensor<2>,
    graph: &dyn Fn(Tensor<5>) -> Tensor<2>,
    (batch, row_scale, passes): (&VocoBatch, Option<Tensor<1>>, Passes),
    mut between: impl FnMut() -> bool,
) -> Option<(VocoOutput, GradientsParams)> {
    let Passes { chunk, precision, loss_scale } = passes;
    let crops = precision.enter(Tensor::cat(vec![batch.queries.clone(), batch.bases.clone()], 0));
    if chunk == 0 || chunk >= batch.rows() {
        let output = head.contrast(graph(crops), batch.labels.clone(), row_scale);
        return Some((output.clone(), unscaled_gradients(module, output.losses.total, loss_scale)));
    }
    let chunks = crops.split(chunk, 0);
    let mut rows = Vec::with_capacity(chunks.len());
    for part in &chunks {
        rows.push(plain(part.clone().without_autodiff()));
        if !between() {
            return None;
        }
    }
    let embeddings = Tensor::from_inner(Tensor::cat(rows, 0)).require_grad();
    let output = head.contrast(embeddings.clone(), batch.labels.clone(), row_scale);
    let mut gradients = output.losses.total.backward();
    let upstream = embeddings.grad_remove(&mut gradients).expect("the losses depend on the embeddings");
    let mut sum = GradientsAccumulator::new();
    sum.accumulate(module, GradientsParams::from_grads(gradients, module));
    for (part, rows) in chunks.into_iter().zip(upstream.split(chunk, 0)) {
        let product = (graph(part) * Tensor::from_inner(rows)).sum();
        sum.accumulate(module, unscaled_gradients(module, product, loss_scale));
        if !between() {
            return None;
        }
    }
    Some((output, sum.grads()))
}

/// What happens to the embeddings of a step before the projectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingNorm {
    /// Nothing, as published.
    None,
    /// Each feature is standardised over the crops of one volume (biased statistics, no
    /// affine part).
    ///
    /// Pooled features of a small encoder have a large common part, and differ more between
    /// patients than between places. Row dropout then sets rows to 0 that are nowhere near
    /// any real row, and the projector's batch statistics measure the dropout rather than
    /// the crops. Standardised, a dropped row is an average crop, and what is left of a
    /// real one is its place in its own patient.
    PerVolume,
}

impl EmbeddingNorm {
    /// Rows `[B·S + B·K, E]` (queries first, volume-major) of `volumes` B with `queries` S.
    pub fn apply(self, rows: Tensor<2>, volumes: usize, queries: usize) -> Tensor<2> {
        if self == Self::None {
            return rows;
        }
        let [n, width] = rows.dims();
        let random = volumes * queries;
        let bases = (n - random) / volumes;
        let query_rows = rows.clone().narrow(0, 0, random).reshape([volumes, queries, width]);
        let base_rows = rows.narrow(0, random, volumes * bases).reshape([volumes, bases, width]);
        let by_volume = standardize(Tensor::cat(vec![query_rows, base_rows], 1), 1);
        let query_rows = by_volume.clone().narrow(1, 0, queries).reshape([random, width]);
        let base_rows = by_volume.narrow(1, queries, bases).reshape([volumes * bases, width]);
        Tensor::cat(vec![query_rows, base_rows], 0)
    }
}

/// Linear · BN · ReLU · Linear · BN · ReLU · Linear (`voco_head.py`).
///
/// The norm has no affine part and no running statistics: it always uses the
/// biased statistics of the rows at hand, in evaluation too, and so has no keys.
#[derive(Module, Debug)]
pub struct Projector {
    layer1: Linear,
    layer2: Linear,
    layer3: Linear,
}

/// Widths of a [`Projector`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectorConfig {
    /// Length of the embedding, 24·F for Swin.
    pub input: usize,
    /// Width of the two hidden layers.
    pub hidden: usize,
    /// Length of the projection.
    pub output: usize,
}

impl ProjectorConfig {
    /// Builds a projector with PyTorch's default initialisation.
    pub fn init(&self, device: &Device) -> Projector {
        Projector {
            layer1: LinearConfig::new(self.input, self.hidden).init(device),
            layer2: LinearConfig::new(self.hidden, self.hidden).init(device),
            layer3: LinearConfig::new(self.hidden, self.output).init(device),
        }
    }
}

impl Projector {
    /// Embeddings `[N, E]` → projections `[N, P]`. All rows share the statistics
    /// of the batch, so a row's result depends on the others.
    pub fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let hidden = activation::relu(standardize(self.layer1.forward(rows), 0));
        let hidden = activation::relu(standardize(self.layer2.forward(hidden), 0));
        self.layer3.forward(hidden)
    }

    /// Moves this projector towards `leader`: `momentum`·self +
    /// (1−`momentum`)·leader, all parameters, outside any graph.
    #[must_use]
    pub fn follow(self, leader: &Self, momentum: f64) -> Self {
        Self {
            layer1: follow_linear(self.layer1, &leader.layer1, momentum),
            layer2: follow_linear(self.layer2, &leader.layer2, momentum),
            layer3: follow_linear(self.layer3, &leader.layer3, momentum),
        }
    }
}

fn follow_linear(own: Linear, leader: &Linear, momentum: f64) -> Linear {
    Linear {
        weight: blend(own.weight, &leader.weight, momentum),
        bias: own.bias.zip(leader.bias.as_ref()).map(|(own, leader)| blend(own, leader, momentum)),
    }
}

fn blend<const D: usize>(own: Param<Tensor<D>>, leader: &Param<Tensor<D>>, momentum: f64) -> Param<Tensor<D>> {
    own.map(|value| {
        let tracked = value.is_autodiff();
        let mixed = value.without_autodiff() * momentum + leader.val().without_autodiff() * (1.0 - momentum);
        if tracked { mixed.autodiff() } else { mixed }
    })
}
