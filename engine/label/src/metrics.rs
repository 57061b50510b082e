//! How well two label maps agree, class by class: overlap, surface distances, volumes.
//!
//! Two definitions of a surface are in use and give different numbers; a [`Protocol`] chooses one with the rules that go
//! with it. `surface.rs` has both, `distances.rs` what is computed from them.

mod distances;
pub mod flare;
mod surface;
mod tally;

use rayon::prelude::*;

use crate::lattice::check_count;
use crate::{Label, LabelError, Lattice, Mask, VoxelBox};
pub use distances::{Directed, SurfaceDistances, surface_distances};
pub use surface::SurfaceKind;
pub(crate) use surface::surface_area_mm2;
pub use tally::{MAX_CLASSES, present_labels};
use tally::{Tally, tally};

/// Which definitions and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Those of MONAI: the surface is the voxels that an erosion removes, each counts once. A class that the reference does
    /// not have has no Dice and no `IoU`.
    Monai,
    /// Those of the FLARE challenges: the surface is made of elements with an area (`DeepMind`'s surface-distance). If both lack
    /// a class its scores are 1, if one lacks it 0; below a Dice of 0.2 the NSD is 0; some organs are compared on the
    /// slices of the reference only.
    Flare,
}

/// How one class is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassRule {
    /// The label.
    pub id: u32,
    /// Distance in millimetres up to which surfaces agree, for the NSD.
    pub tolerance_mm: f64,
    /// Compare only the slices along k from the first of the reference to the last but one, as FLARE does for organs whose
    /// ends are a matter of taste. Only [`Protocol::Flare`] heeds it.
    pub is_trimmed: bool,
}

/// The agreement on one class. A number that does not exist is NaN; a distance to nothing is infinite or NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassMetrics {
    /// The label.
    pub id: u32,
    /// Dice coefficient.
    pub dice: f64,
    /// Intersection over union.
    pub iou: f64,
    /// Hausdorff distance in millimetres.
    pub hd: f64,
    /// Its 95th percentile.
    pub hd95: f64,
    /// Average symmetric surface distance in millimetres: the mean over both surfaces together.
    pub assd: f64,
    /// Normalised surface distance: the share of both surfaces within the tolerance of the other.
    pub nsd: f64,
    /// Voxels of the prediction.
    pub voxels_prediction: u64,
    /// Voxels of the reference.
    pub voxels_reference: u64,
    /// Volume of the prediction in millilitres.
    pub volume_ml_prediction: f64,
    /// Volume of the reference in millilitres.
    pub volume_ml_reference: f64,
}

/// Means over classes, or over cases; NaN where there is nothing to take the mean of.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "as in ClassMetrics")]
pub struct MeanMetrics {
    pub dice: f64,
    pub iou: f64,
    pub hd: f64,
    pub hd95: f64,
    pub assd: f64,
    pub nsd: f64,
}

impl MeanMetrics {
    /// The mean of each metric over the rows that have it, as MONAI does: NaN is left out, infinity is not.
    pub fn of(rows: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| {
            let (sum, count) = rows.iter().map(of).filter(|v| !v.is_nan()).fold((0.0, 0), |(s, n), v| (s + v, n + 1));
            if count > 0 { sum / f64::from(count) } else { f64::NAN }
        };
        Self {
            dice: mean(|m| m.dice),
            iou: mean(|m| m.iou),
            hd: mean(|m| m.hd),
            hd95: mean(|m| m.hd95),
            assd: mean(|m| m.assd),
            nsd: mean(|m| m.nsd),
        }
    }
}

impl From<&ClassMetrics> for MeanMetrics {
    fn from(class: &ClassMetrics) -> Self {
        let &ClassMetrics { dice, iou, hd, hd95, assd, nsd, .. } = class;
        Self { dice, iou, hd, hd95, assd, nsd }
    }
}

/// Boxes of more voxels than this are worked on one after the other, each by all threads; they take the most memory.
const LARGE_BOX: usize = 1 << 23;

/// Compares a prediction with a reference on one grid, for each class of `rules`, in their order. Threads share the classes.
///
/// # Errors
/// If there is not one value per voxel in both, more than [`MAX_CLASSES`] rules or labels, or too little memory.
pub fn evaluate<T: Label>(
    prediction: &[T],
    reference: &[T],
    lattice: &Lattice,
    protocol: Protocol,
    rules: &[ClassRule],
) -> Result<Vec<ClassMetrics>, LabelError> {
    check_count(lattice.dims(), prediction.len())?;
    check_count(lattice.dims(), reference.len())?;
    if rules.len() > MAX_CLASSES {
        return Err(LabelError::TooManyLabels);
    }
    let tallies = tally(prediction, reference, lattice.dims())?;
    let task = Task { prediction, reference, lattice, protocol };
    let tally_of = |rule: &ClassRule| tallies.iter().find(|t| t.id == rule.id).copied().unwrap_or(Tally::none(rule.id));
    let mut work: Vec<(usize, &ClassRule, Tally)> =
        rules.iter().enumerate().map(|(n, rule)| (n, rule, tally_of(rule))).collect();
    work.sort_by_key(|(_, _, tally)| std::cmp::Reverse(tally.part().num_voxels()));
    let large = work.partition_point(|(_, _, tally)| tally.part().num_voxels() > LARGE_BOX);
    let (large, small) = work.split_at(large);
    let compare = |&(n, rule, tally): &(usize, &ClassRule, Tally)| Ok((n, task.compare(rule, &tally)?));
    let mut done = large.iter().map(compare).collect::<Result<Vec<_>, LabelError>>()?;
    // One by one: the largest first, or the last thread would wait for it.
    done.extend(small.par_iter().with_max_len(1).map(compare).collect::<Result<Vec<_>, LabelError>>()?);
    done.sort_by_key(|(n, _)| *n);
    Ok(done.into_iter().map(|(_, metrics)| metrics).collect())
}

/// Everything that the comparisons of all classes share.
struct Task<'a, T> {
    prediction: &'a [T],
    reference: &'a [T],
    lattice: &'a Lattice,
    protocol: Protocol,
}

impl<T: Label> Task<'_, T> {
    fn compare(&self, rule: &ClassRule, tally: &Tally) -> Result<ClassMetrics, LabelError> {
        let ml = self.lattice.voxel_ml();
        let (in_prediction, in_reference) = (tally.in_prediction, tally.in_reference);
        let empty = ClassMetrics {
            id: rule.id,
            dice: f64::NAN,
            iou: f64::NAN,
            hd: f64::NAN,
            hd95: f64::NAN,
            assd: f64::NAN,
            nsd: f64::NAN,
            voxels_prediction: in_prediction,
            voxels_reference: in_reference,
            volume_ml_prediction: in_prediction as f64 * ml,
            volume_ml_reference: in_reference as f64 * ml,
        };
        if in_prediction == 0 || in_reference == 0 {
            return Ok(self.one_or_both_empty(empty));
        }
        let mut part = tally.part();
        let is_trimmed = rule.is_trimmed && self.protocol == Protocol::Flare;
        if is_trimmed {
            part.min[2] = tally.reference_box.min[2];
            part.max[2] = tally.reference_box.max[2] - 1;
            if part.is_empty() {
                // A reference of one slice: no slice is left to compare.
                return Ok(empty);
            }
        }
        let Some(id) = T::from_id(rule.id) else { return Ok(empty) };
        let mask_of = |values: &[T]| Mask::of_part(values, self.lattice.dims(), id, &part, surface::MARGIN);
        let (prediction, reference) = (mask_of(self.prediction)?, mask_of(self.reference)?);
        let (a, b, both) = if is_trimmed {
            let mut both = prediction.clone();
            both.intersect(&reference)?;
            (prediction.count() as f64, reference.count() as f64, both.count() as f64)
        } else {
            (in_prediction as f64, in_reference as f64, tally.in_both as f64)
        };
        let dice = 2.0 * both / (a + b);
        let distances =
            distances::between(&prediction, &reference, self.lattice.spacing_mm(), self.protocol.surface())?;
        let mut nsd = distances.nsd(rule.tolerance_mm);
        if self.protocol == Protocol::Flare && dice < flare::LEAST_DICE {
            nsd = 0.0;
        }
        let (hd, hd95) = (distances.hausdorff(), distances.hausdorff_percentile(0.95));
        Ok(ClassMetrics { dice, iou: both / (a + b - both), hd, hd95, assd: distances.assd(), nsd, ..empty })
    }

    fn one_or_both_empty(&self, empty: ClassMetrics) -> ClassMetrics {
        let far = f64::INFINITY;
        let none = empty.voxels_prediction == 0 && empty.voxels_reference == 0;
        match self.protocol {
            Protocol::Monai if none => empty,
            Protocol::Monai => {
                // Without a reference there is no overlap to speak of, but there is a surface that is wrong.
                let overlap = if empty.voxels_reference == 0 { f64::NAN } else { 0.0 };
                ClassMetrics { dice: overlap, iou: overlap, hd: far, assd: far, nsd: 0.0, ..empty }
            }
            Protocol::Flare if none => ClassMetrics { dice: 1.0, iou: 1.0, nsd: 1.0, ..empty },
            Protocol::Flare => ClassMetrics { dice: 0.0, iou: 0.0, hd: far, hd95: far, assd: far, nsd: 0.0, ..empty },
        }
    }
}

impl Protocol {
    /// The definition of a surface that goes with it.
    pub fn surface(self) -> SurfaceKind {
        match self {
            Self::Monai => SurfaceKind::EdgeVoxels,
            Self::Flare => SurfaceKind::Elements,
        }
    }
}

impl Tally {
    /// The box around both.
    fn part(&self) -> VoxelBox {
        self.prediction_box.union(&self.reference_box)
    }
}
