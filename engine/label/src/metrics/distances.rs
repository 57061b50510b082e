//! Distances from each of two surfaces to the other, and the numbers made of them.

use rayon::prelude::*;

use super::surface::{MARGIN, Surface, SurfaceKind, surface};
use crate::distance::transform;
use crate::runs::for_each_bit;
use crate::{LabelError, Lattice, Mask};

/// The distances between the surfaces of two masks.
#[derive(Debug, Clone)]
pub struct SurfaceDistances {
    /// From the surface of the prediction to that of the reference.
    pub from_prediction: Directed,
    /// From the surface of the reference to that of the prediction.
    pub from_reference: Directed,
    kind: SurfaceKind,
}

/// Distances from the points of one surface to the other surface, ascending.
#[derive(Debug, Clone)]
pub struct Directed {
    /// Millimetres; infinite if the other surface is empty.
    distance_mm: Vec<f64>,
    /// Area of each point in mm²; empty if each counts 1.
    area_mm2: Vec<f64>,
}

/// The distances between the surfaces of two masks on one grid.
///
/// # Errors
/// If the dims differ, or too little memory.
pub fn surface_distances(
    prediction: &Mask,
    reference: &Mask,
    lattice: &Lattice,
    kind: SurfaceKind,
) -> Result<SurfaceDistances, LabelError> {
    for mask in [prediction, reference] {
        if mask.dims() != lattice.dims() {
            return Err(LabelError::OtherDims(mask.dims(), lattice.dims()));
        }
    }
    let boxes = [prediction, reference].map(Mask::bounding_box);
    let Some(part) = boxes.into_iter().flatten().reduce(|a, b| a.union(&b)) else {
        let none = Directed { distance_mm: Vec::new(), area_mm2: Vec::new() };
        return Ok(SurfaceDistances { from_prediction: none.clone(), from_reference: none, kind });
    };
    let with_margin = |mask: &Mask| -> Result<Mask, LabelError> {
        let mut out = Mask::empty(part.size().map(|n| n + 2 * MARGIN))?;
        out.unite_at(&mask.cropped(&part)?, [MARGIN; 3]);
        Ok(out)
    };
    between(&with_margin(prediction)?, &with_margin(reference)?, lattice.spacing_mm(), kind)
}

/// As [`surface_distances`], for masks with [`MARGIN`] empty voxels around.
pub(crate) fn between(
    prediction: &Mask,
    reference: &Mask,
    spacing_mm: [f64; 3],
    kind: SurfaceKind,
) -> Result<SurfaceDistances, LabelError> {
    let [p, r] = [prediction, reference].map(|mask| surface(mask, spacing_mm, kind));
    let (p, r) = (p?, r?);
    Ok(SurfaceDistances {
        from_prediction: Directed::new(&p, &r.points, spacing_mm)?,
        from_reference: Directed::new(&r, &p.points, spacing_mm)?,
        kind,
    })
}

impl SurfaceDistances {
    /// Hausdorff distance: the largest distance from either surface. Infinite if one is empty; if both are, NaN for edge voxels and
    /// infinite for elements.
    pub fn hausdorff(&self) -> f64 {
        self.larger(|d| d.distance_mm.last().copied(), f64::INFINITY)
    }

    /// The larger of the two directions' quantile `q` (0.95 for the usual HD95).
    ///
    /// For edge voxels it is interpolated, and NaN if a surface is empty, as in MONAI; for elements it is the first distance at
    /// which the area reaches the share `q`, and infinite if a surface is empty, as in the surface-distance package.
    pub fn hausdorff_percentile(&self, q: f64) -> f64 {
        self.larger(|d| d.quantile(q), f64::NAN)
    }

    /// Average symmetric surface distance: the mean over the points of both surfaces. Infinite if one is empty, NaN if both are.
    pub fn assd(&self) -> f64 {
        let (a, b) = (&self.from_prediction, &self.from_reference);
        if a.distance_mm.is_empty() != b.distance_mm.is_empty() {
            return f64::INFINITY;
        }
        (a.sum() + b.sum()) / (a.area() + b.area())
    }

    /// Normalised surface distance: the share of both surfaces that lies at most `tolerance_mm` from the other. 0 if one is
    /// empty, NaN if both are.
    pub fn nsd(&self, tolerance_mm: f64) -> f64 {
        let (a, b) = (&self.from_prediction, &self.from_reference);
        (a.area_within(tolerance_mm) + b.area_within(tolerance_mm)) / (a.area() + b.area())
    }

    /// The larger one of a number of both directions. `one_empty` is what edge voxels have if one surface is empty.
    fn larger(&self, of: impl Fn(&Directed) -> Option<f64>, one_empty: f64) -> f64 {
        match (of(&self.from_prediction), of(&self.from_reference), self.kind) {
            (Some(a), Some(b), _) => a.max(b),
            (_, _, SurfaceKind::Elements) => f64::INFINITY,
            (None, None, SurfaceKind::EdgeVoxels) => f64::NAN,
            (_, _, SurfaceKind::EdgeVoxels) => one_empty,
        }
    }
}

impl Directed {
    fn new(from: &Surface, to: &Mask, spacing_mm: [f64; 3]) -> Result<Self, LabelError> {
        if from.points.is_empty() {
            return Ok(Self { distance_mm: Vec::new(), area_mm2: Vec::new() });
        }
        if to.is_empty() {
            let distance_mm = vec![f64::INFINITY; from.points.count()];
            return Ok(Self { distance_mm, area_mm2: from.areas.clone() });
        }
        let dims = to.dims();
        let all: Vec<f64> = transform(to, &Lattice::new(dims, spacing_mm)?)?;
        let per_row = from.points.words_per_row();
        let rows = from.points.words().par_chunks(per_row).zip(all.par_chunks(dims[0])).with_min_len(256);
        let gathered = rows.fold(Vec::new, |mut found, (words, row)| {
            for_each_bit(words, |i| found.push(row[i]));
            found
        });
        let gathered: Vec<Vec<f64>> = gathered.collect();
        Ok(Self::sorted(gathered.concat(), &from.areas))
    }

    fn sorted(mut distance_mm: Vec<f64>, areas: &[f64]) -> Self {
        if areas.is_empty() {
            distance_mm.par_sort_unstable_by(f64::total_cmp);
            return Self { distance_mm, area_mm2: Vec::new() };
        }
        let mut pairs: Vec<(f64, f64)> = distance_mm.into_iter().zip(areas.iter().copied()).collect();
        pairs.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (distance_mm, area_mm2) = pairs.into_iter().unzip();
        Self { distance_mm, area_mm2 }
    }

    /// The distances in millimetres, ascending.
    pub fn distances_mm(&self) -> &[f64] {
        &self.distance_mm
    }

    /// Area of the surface in mm², or the number of its voxels.
    pub fn area(&self) -> f64 {
        if self.area_mm2.is_empty() { self.distance_mm.len() as f64 } else { self.area_mm2.iter().sum() }
    }

    /// Mean distance to the other surface, by area; NaN for an empty surface.
    pub fn mean(&self) -> f64 {
        self.sum() / self.area()
    }

    fn sum(&self) -> f64 {
        if self.area_mm2.is_empty() {
            self.distance_mm.iter().sum()
        } else {
            self.distance_mm.iter().zip(&self.area_mm2).map(|(d, a)| d * a).sum()
        }
    }

    fn area_within(&self, tolerance_mm: f64) -> f64 {
        let count = self.distance_mm.partition_point(|&d| d <= tolerance_mm);
        if self.area_mm2.is_empty() { count as f64 } else { self.area_mm2[..count].iter().sum() }
    }

    /// See [`SurfaceDistances::hausdorff_percentile`].
    fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.distance_mm.len().checked_sub(1)?;
        if self.area_mm2.is_empty() {
            // torch takes this place in f32: where neighbours lie far apart, its result differs by a micrometre.
            let place = q * last as f64;
            let at = |place: f64| self.distance_mm[(place as usize).min(last)];
            let (below, above) = (at(place.floor()), at(place.ceil()));
            return Some(below + (above - below) * place.fract());
        }
        let area = self.area();
        let mut sum = 0.0;
        let reaches = |a: &f64| {
            sum += a;
            sum / area >= q
        };
        let place = self.area_mm2.iter().position(reaches).unwrap_or(last);
        self.distance_mm.get(place).copied()
    }
}
