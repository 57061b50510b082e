//! The contrast losses, exactly as the published code computes them.
//!
//! Similarities and logarithms need f32 at least: the 1e-6 inside the logarithm
//! vanishes in half precision.

use burn::tensor::{Bool, Int, Tensor, activation};

/// Norms are not taken smaller than this (`F.cosine_similarity`).
const COSINE_EPS: f64 = 1e-8;

/// Inside the logarithms and the normalisers of [`cross_entropy`].
const LOG_EPS: f64 = 1e-6;

/// Which published losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recipe {
    /// Large-Scale-Medical (TPAMI): 3×3 bases, logarithmic negatives, contrast
    /// between volumes, student queries against teacher bases.
    #[default]
    Tpami,
    /// VoCo (CVPR 2024): 4×4 bases, squared negatives, no contrast between
    /// volumes, both student/teacher crossings averaged. There the teacher is a
    /// whole network; here it stays a projector on the shared backbone.
    Cvpr,
}

/// Student and teacher projections of a batch, by volume.
#[derive(Debug, Clone)]
pub struct Projections {
    /// Student projections of the random crops `[B, S, P]`.
    pub student_queries: Tensor<3>,
    /// Student projections of the base crops `[B, K, P]`.
    pub student_bases: Tensor<3>,
    /// Teacher projections of the random crops `[B, S, P]`.
    pub teacher_queries: Tensor<3>,
    /// Teacher projections of the base crops `[B, K, P]`.
    pub teacher_bases: Tensor<3>,
}

impl Projections {
    /// Splits rows `[B·S + B·K, P]` (queries first, both volume-major) of both
    /// projectors for `volumes` B and `queries` S.
    pub fn split(student: Tensor<2>, teacher: Tensor<2>, volumes: usize, queries: usize) -> Self {
        let cut = |rows: Tensor<2>| {
            let [n, width] = rows.dims();
            let random = volumes * queries;
            let bases = (n - random) / volumes;
            (
                rows.clone().narrow(0, 0, random).reshape([volumes, queries, width]),
                rows.narrow(0, random, volumes * bases).reshape([volumes, bases, width]),
            )
        };
        let (student_queries, student_bases) = cut(student);
        let (teacher_queries, teacher_bases) = cut(teacher);
        Self { student_queries, student_bases, teacher_queries, teacher_bases }
    }
}

/// The terms of the loss, each of shape `[1]` and averaged over volumes.
#[derive(Debug, Clone)]
pub struct LossTerms {
    /// Label-weighted part of the position loss.
    pub positive: Tensor<1>,
    /// Part of the position loss over bases that do not touch the crop. The
    /// "intra" loss of the TPAMI code is `positive + negative`.
    pub negative: Tensor<1>,
    /// Contrast with the next volume; 0 in the CVPR recipe.
    pub inter: Tensor<1>,
    /// Regularisation: bases of one volume should differ.
    pub reg: Tensor<1>,
    /// The sum, to be minimised.
    pub total: Tensor<1>,
}

/// [`LossTerms`] as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LossValues {
    /// See [`LossTerms::positive`].
    pub positive: f32,
    /// See [`LossTerms::negative`].
    pub negative: f32,
    /// See [`LossTerms::inter`].
    pub inter: f32,
    /// See [`LossTerms::reg`].
    pub reg: f32,
    /// See [`LossTerms::total`].
    pub total: f32,
}

impl LossTerms {
    /// Reads the numbers back, in one transfer. On a GPU this waits for it.
    pub fn values(&self) -> LossValues {
        let terms = [&self.positive, &self.negative, &self.inter, &self.reg, &self.total];
        let row = Tensor::cat(terms.map(|term| term.clone().detach()).to_vec(), 0);
        let numbers: Vec<f32> = row.into_data().iter::<f32>().collect();
        LossValues { positive: numbers[0], negative: numbers[1], inter: numbers[2], reg: numbers[3], total: numbers[4] }
    }
}

/// All terms for labels `[B, S, K]`, and the predicted labels `[B, S, K]`.
pub fn total(recipe: Recipe, pair: &Projections, labels: Tensor<3>) -> (LossTerms, Tensor<3>) {
    let predictions = predictions(recipe, pair);
    let (positive, negative) = cross_entropy(recipe, labels, predictions.clone());
    let reg = regularization(pair.student_bases.clone());
    let inter = match recipe {
        Recipe::Tpami => inter_volume(pair),
        Recipe::Cvpr => reg.zeros_like(),
    };
    let total = positive.clone() + negative.clone() + inter.clone() + reg.clone();
    (LossTerms { positive, negative, inter, reg, total }, predictions)
}

/// The predicted position labels `[B, S, K]`.
pub fn predictions(recipe: Recipe, pair: &Projections) -> Tensor<3> {
    let direct = similarity(pair.student_queries.clone(), pair.teacher_bases.clone());
    match recipe {
        Recipe::Tpami => direct,
        Recipe::Cvpr => {
            let crossed = similarity(pair.teacher_queries.clone(), pair.student_bases.clone());
            (direct + crossed) * 0.5
        }
    }
}

/// ReLU of the cosine: `[B, S, P]` and `[B, K, P]` → `[B, S, K]` (`online_assign`).
pub fn similarity(queries: Tensor<3>, bases: Tensor<3>) -> Tensor<3> {
    activation::relu(normalized(queries).matmul(normalized(bases).swap_dims(1, 2)))
}

/// Positive and negative part `[1]` of the position loss (`ce_loss`), for labels
/// and predictions `[B, S, K]`; mean over B.
///
/// Negatives are the entries whose label is *exactly* 0.
pub fn cross_entropy(recipe: Recipe, labels: Tensor<3>, predictions: Tensor<3>) -> (Tensor<1>, Tensor<1>) {
    let labels = labels.detach();
    let distance = (labels.clone() - predictions.clone()).abs();
    let log = (distance.neg().add_scalar(1.0).add_scalar(LOG_EPS)).log();
    let weighted = per_volume(labels.clone() * log.neg());
    let positive = weighted / per_volume(labels.clone()).add_scalar(LOG_EPS);

    let absent = labels.equal_elem(0.0).float();
    let penalty = match recipe {
        Recipe::Tpami => predictions.neg().add_scalar(1.0).add_scalar(LOG_EPS).log().neg(),
        Recipe::Cvpr => predictions.square(),
    };
    let summed = per_volume(absent.clone() * penalty);
    let negative = summed / per_volume(absent).add_scalar(LOG_EPS);
    (positive.mean(), negative.mean())
}

/// Contrast with volume (i+1) mod B: the teacher's similarities across volumes
/// are the labels of the student's. `[1]`.
///
/// With one volume it compares that volume with itself, as the reference does.
pub fn inter_volume(pair: &Projections) -> Tensor<1> {
    let target = similarity(pair.teacher_queries.clone(), next_volume(pair.teacher_bases.clone())).detach();
    let prediction = similarity(pair.student_queries.clone(), next_volume(pair.student_bases.clone()));
    let (positive, negative) = cross_entropy(Recipe::Tpami, target, prediction);
    positive + negative
}

/// Mean over pairs a<b of `ReLU(cos(b_a, stopgrad b_b))²`, then over volumes:
/// `[B, K, P]` with K ≥ 2 → `[1]`. The last base gets no gradient, as published.
pub fn regularization(bases: Tensor<3>) -> Tensor<1> {
    let [volumes, count, _] = bases.dims();
    let device = bases.device();
    let unit = normalized(bases);
    let cosines = activation::relu(unit.clone().matmul(unit.detach().swap_dims(1, 2)));
    let index = Tensor::<1, Int>::arange(0..count.try_into().unwrap_or(i64::MAX), &device);
    let rows = index.clone().reshape([1, count, 1]).expand([1, count, count]);
    let columns = index.reshape([1, 1, count]).expand([1, count, count]);
    let upper: Tensor<3, Bool> = columns.greater(rows);
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred pairs")]
    let pairs = (volumes * count * (count - 1) / 2) as f64;
    (cosines.square() * upper.float()).sum() / pairs
}

/// Rows divided by their norm, the norm bounded below as PyTorch bounds it: the
/// value is clamped, the derivative is that of the plain norm.
fn normalized(rows: Tensor<3>) -> Tensor<3> {
    // The tiny bound only keeps the root's derivative finite at a zero row.
    let norm = rows.clone().square().sum_dim(2).clamp_min(1e-30).sqrt();
    let fixed = norm.clone().detach();
    let lift = fixed.clone().clamp_min(COSINE_EPS) - fixed;
    rows / (norm + lift)
}

/// `[B, S, K]` → sums `[B, 1, 1]`.
fn per_volume(x: Tensor<3>) -> Tensor<3> {
    x.sum_dim(2).sum_dim(1)
}

/// `[B, ..]` with volume i replaced by volume i+1.
fn next_volume(x: Tensor<3>) -> Tensor<3> {
    let volumes = x.dims()[0];
    if volumes == 1 {
        return x;
    }
    let rest = x.clone().narrow(0, 1, volumes - 1);
    Tensor::cat(vec![rest, x.narrow(0, 0, 1)], 0)
}
