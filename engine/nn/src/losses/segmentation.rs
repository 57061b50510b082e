//! Dice and cross-entropy on raw logits, as MONAI computes them (1.3.0 and 1.6.1
//! agree): softmax over classes, labels as class numbers.

use burn::tensor::{Int, Tensor, activation};

use crate::ops::at_least_f32;

/// Settings of [`dice`]; the default is the one of the published fine-tuning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiceSettings {
    /// Whether class 0 counts.
    pub include_background: bool,
    /// Squares in the denominator (`squared_pred`).
    pub squared: bool,
    /// Sums over the images of the batch before the quotient.
    pub batch: bool,
    /// Jaccard index in place of Dice.
    pub jaccard: bool,
    /// Added to the numerator. With it a class that is neither in the label nor
    /// predicted costs 0; one that is only faintly predicted costs nearly 1.
    pub smooth_nr: f64,
    /// Added to the denominator.
    pub smooth_dr: f64,
}

impl Default for DiceSettings {
    fn default() -> Self {
        Self {
            include_background: false,
            squared: false,
            batch: false,
            jaccard: false,
            smooth_nr: 1e-5,
            smooth_dr: 1e-5,
        }
    }
}

impl DiceSettings {
    /// What the published fine-tuning uses behind `--squared_dice`.
    pub fn squared() -> Self {
        Self { include_background: true, squared: true, smooth_nr: 0.0, smooth_dr: 1e-6, ..Self::default() }
    }
}

/// Settings of [`dice_ce`]; the default is the published fine-tuning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiceCeSettings {
    /// The Dice part.
    pub dice: DiceSettings,
    /// Factor of the Dice part.
    pub lambda_dice: f64,
    /// Factor of the cross-entropy.
    pub lambda_ce: f64,
}

impl Default for DiceCeSettings {
    fn default() -> Self {
        Self { dice: DiceSettings::default(), lambda_dice: 1.0, lambda_ce: 1.0 }
    }
}

/// `DiceCELoss` `[1]` of logits `[N, C, D, H, W]` and labels `[N, 1, D, H, W]`.
///
/// `include_background` concerns the Dice part only: the cross-entropy always
/// covers all classes.
pub fn dice_ce(settings: &DiceCeSettings, logits: Tensor<5>, labels: Tensor<5, Int>) -> Tensor<1> {
    let (overlap, entropy) = dice_and_cross_entropy(&settings.dice, logits, labels);
    overlap * settings.lambda_dice + entropy * settings.lambda_ce
}

/// The two parts of [`dice_ce`], each `[1]` and without its factor.
pub fn dice_and_cross_entropy(
    settings: &DiceSettings,
    logits: Tensor<5>,
    labels: Tensor<5, Int>,
) -> (Tensor<1>, Tensor<1>) {
    let (log, target) = log_softmax(logits, labels);
    let entropy = mean_cross_entropy(log.clone(), target.clone());
    (overlap_loss(settings, log.exp(), target).mean(), entropy)
}

/// `DiceLoss` `[1]` of logits `[N, C, D, H, W]` and labels `[N, 1, D, H, W]`: the
/// mean of [`dice_values`].
pub fn dice(settings: &DiceSettings, logits: Tensor<5>, labels: Tensor<5, Int>) -> Tensor<1> {
    dice_values(settings, logits, labels).mean()
}

/// The Dice loss of each image and class `[N, C]`; without background `[N, C−1]`,
/// with `batch` `[1, ..]`. A class that is missing from the label counts too: its
/// loss is about 1.
pub fn dice_values(settings: &DiceSettings, logits: Tensor<5>, labels: Tensor<5, Int>) -> Tensor<2> {
    let (log, target) = log_softmax(logits, labels);
    overlap_loss(settings, log.exp(), target)
}

/// Cross-entropy `[1]`, mean over all voxels, of logits `[N, C, D, H, W]` and
/// labels `[N, 1, D, H, W]`.
pub fn cross_entropy(logits: Tensor<5>, labels: Tensor<5, Int>) -> Tensor<1> {
    let (log, target) = log_softmax(logits, labels);
    mean_cross_entropy(log, target)
}

/// Labels `[N, 1, voxels]` → `[N, classes, voxels]` of 0 and 1. A label that is
/// no class has no 1 anywhere.
pub fn one_hot(labels: Tensor<3, Int>, classes: usize) -> Tensor<3> {
    let [n, _, voxels] = labels.dims();
    let ids = Tensor::<1, Int>::arange(0..classes as i64, &labels.device());
    let ids = ids.reshape([1, classes, 1]).expand([n, classes, voxels]);
    labels.expand([n, classes, voxels]).equal(ids).float()
}

/// Logarithms of the probabilities and the one-hot labels, both `[N, C, voxels]`.
fn log_softmax(logits: Tensor<5>, labels: Tensor<5, Int>) -> (Tensor<3>, Tensor<3>) {
    let [n, c, d, h, w] = logits.dims();
    // Sums over millions of voxels leave the range of half precision.
    let rows = at_least_f32(logits.reshape([n, c, d * h * w]));
    let log = activation::log_softmax(rows, 1);
    let target = one_hot(labels.reshape([n, 1, d * h * w]), c).cast(log.dtype());
    (log, target)
}

fn mean_cross_entropy(log: Tensor<3>, target: Tensor<3>) -> Tensor<1> {
    let [n, _, voxels] = log.dims();
    #[expect(clippy::cast_precision_loss, reason = "voxel counts stay below 2^52")]
    let count = (n * voxels) as f64;
    (log * target).sum().neg() / count
}

/// One minus the smoothed overlap, `[N, C]` or fewer; see [`dice_values`].
fn overlap_loss(settings: &DiceSettings, probabilities: Tensor<3>, target: Tensor<3>) -> Tensor<2> {
    let classes = probabilities.dims()[1];
    // A single class has nothing but what would be the background.
    let first = usize::from(!settings.include_background && classes > 1);
    let sums = |x: Tensor<3>| {
        let x = x.narrow(1, first, classes - first).sum_dim(2).squeeze_dim::<2>(2);
        if settings.batch { x.sum_dim(0) } else { x }
    };
    let intersection = sums(probabilities.clone() * target.clone());
    // Labels are 0 or 1, so their squares are themselves.
    let predicted = sums(if settings.squared { probabilities.square() } else { probabilities });
    let mut denominator = predicted + sums(target);
    if settings.jaccard {
        denominator = (denominator - intersection.clone()) * 2.0;
    }
    let overlap = (intersection * 2.0 + settings.smooth_nr) / (denominator + settings.smooth_dr);
    overlap.neg() + 1.0
}
