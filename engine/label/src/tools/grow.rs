//! Growing from seeds: each voxel goes to the seed that reaches it at the least cost.
//!
//! A step costs its length and the difference of intensities along it, so regions meet at edges, as with `GrowCut` and geodesic
//! segmentation (Criminisi, Sharp and Blake, 2008). The costs are found by sweeps over planes, each from the nine nearest voxels of
//! the plane before, which all threads and vector units share; sweeps go on until nothing changes or for a set number of rounds.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::error::filled;
use crate::lattice::check_count;
use crate::{LabelError, Lattice, Watch};

/// What a step costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthCost {
    /// Cost per millimetre; it keeps regions near their seeds where the image says nothing.
    pub per_mm: f32,
    /// Cost per unit of intensity (HU for CT).
    pub per_unit: f32,
    /// Rounds of six sweeps at most. Two are near the end result, eight mostly at it.
    pub rounds: usize,
}

impl Default for GrowthCost {
    fn default() -> Self {
        Self { per_mm: 0.5, per_unit: 1.0, rounds: 3 }
    }
}

/// What a network or an atlas says beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Prior<'a> {
    /// For each voxel the probability (0 to 1) that it belongs to `label`.
    pub probability: &'a [f32],
    /// The label that it is about; for all others the probability is the rest.
    pub label: u16,
    /// Cost of a step into a voxel that is certainly something else.
    pub weight: f32,
}

/// What grew.
#[derive(Debug, Clone, PartialEq)]
pub struct Grown {
    /// The label of each voxel, i fastest; 0 where no seed reaches.
    pub labels: Vec<u16>,
    /// What it cost to get there; infinite where no seed reaches.
    pub cost: Vec<f32>,
}

impl Grown {
    /// The voxels of a label that were reached at most at `limit`.
    ///
    /// # Errors
    /// If there is not one value per voxel of `dims`.
    pub fn mask(&self, dims: [usize; 3], label: u16, limit: f32) -> Result<crate::Mask, LabelError> {
        let inside: Vec<u8> = self
            .labels
            .par_iter()
            .zip(&self.cost)
            .with_min_len(1 << 14)
            .map(|(&l, &cost)| u8::from(l == label && cost <= limit))
            .collect();
        crate::Mask::of_nonzero(&inside, dims)
    }
}

/// Grows `seeds` (0 is none) over a box of an image, i fastest. For a scribble segmentation the object is label 1 and the
/// background label 2.
///
/// # Errors
/// If there is not one value per voxel, too little memory, or cancelled.
pub fn grow_from_seeds(
    image: &[f32],
    lattice: &Lattice,
    seeds: &[u16],
    prior: Option<Prior<'_>>,
    cost: GrowthCost,
    watch: &Watch<'_>,
) -> Result<Grown, LabelError> {
    let dims = lattice.dims();
    check_count(dims, image.len())?;
    check_count(dims, seeds.len())?;
    if let Some(prior) = prior {
        check_count(dims, prior.probability.len())?;
    }
    if !(cost.per_mm >= 0.0 && cost.per_unit >= 0.0 && cost.per_mm + cost.per_unit > 0.0) {
        return Err(LabelError::BadSetting("the costs must be 0 or more, and one of them more than 0"));
    }
    let mut labels = filled(seeds.len(), 0_u32)?;
    let mut costs = filled(seeds.len(), f32::INFINITY)?;
    labels.par_iter_mut().zip(&mut costs).zip(seeds).with_min_len(1 << 14).for_each(|((label, cost), &seed)| {
        if seed != 0 {
            (*label, *cost) = (u32::from(seed), 0.0);
        }
    });
    let sweep = Sweep::new(image, prior, cost, lattice);
    for round in 0..cost.rounds.max(1) {
        let mut changed = 0;
        for (n, (axis, is_forward)) in
            [(2, true), (2, false), (1, true), (1, false), (0, true), (0, false)].into_iter().enumerate()
        {
            watch.at((round * 6 + n) as f32 / (cost.rounds * 6) as f32)?;
            changed += sweep.run(axis, is_forward, &mut labels, &mut costs, watch)?;
        }
        if changed == 0 {
            break;
        }
    }
    watch.at(1.0)?;
    let labels = labels.par_iter().with_min_len(1 << 14).map(|&l| l as u16).collect();
    Ok(Grown { labels, cost: costs })
}

struct Sweep<'a> {
    image: &'a [f32],
    prior: Option<Prior<'a>>,
    cost: GrowthCost,
    dims: [usize; 3],
    spacing: [f64; 3],
}

/// A row of voxels.
struct Row<'a> {
    labels: &'a mut [u32],
    costs: &'a mut [f32],
}

impl<'a> Sweep<'a> {
    fn new(image: &'a [f32], prior: Option<Prior<'a>>, cost: GrowthCost, lattice: &Lattice) -> Self {
        Self { image, prior, cost, dims: lattice.dims(), spacing: lattice.spacing_mm() }
    }

    /// One sweep; how many rows changed.
    fn run(
        &self,
        axis: usize,
        is_forward: bool,
        labels: &mut [u32],
        costs: &mut [f32],
        watch: &Watch<'_>,
    ) -> Result<usize, LabelError> {
        let [nx, ny, nz] = self.dims;
        if axis == 0 {
            let rows = labels.par_chunks_mut(nx).zip(costs.par_chunks_mut(nx)).enumerate().with_min_len(16);
            let step = (self.spacing[0] as f32) * self.cost.per_mm;
            return Ok(rows.map(|(r, (labels, costs))| self.along(r, is_forward, step, labels, costs)).sum());
        }
        // Rows by their place along the axis.
        let (planes, per_plane) = if axis == 2 { (nz, ny) } else { (ny, nz) };
        let mut all: Vec<Vec<Row<'_>>> = (0..planes).map(|_| Vec::with_capacity(per_plane)).collect();
        for (r, (labels, costs)) in labels.chunks_mut(nx).zip(costs.chunks_mut(nx)).enumerate() {
            all[if axis == 2 { r / ny } else { r % ny }].push(Row { labels, costs });
        }
        if !is_forward {
            all.reverse();
        }
        let row_index = |plane: usize, row: usize| {
            let plane = if is_forward { plane } else { planes - 1 - plane };
            if axis == 2 { row + ny * plane } else { plane + ny * row }
        };
        let other = if axis == 2 { 1 } else { 2 };
        let mut changed = 0;
        for plane in 1..planes {
            if watch.is_cancelled() {
                return Err(LabelError::Cancelled);
            }
            let (before, here) = all.split_at_mut(plane);
            let before = &before[plane - 1];
            let relax = |(row, to): (usize, &mut Row<'_>)| {
                let mut any = false;
                let to_start = row_index(plane, row) * nx;
                let first = row.saturating_sub(1);
                for (near, from) in before.iter().enumerate().take(row + 2).skip(first) {
                    if from.costs.iter().all(|c| *c == f32::INFINITY) {
                        continue;
                    }
                    let from_start = row_index(plane - 1, near) * nx;
                    let aside = (row.abs_diff(near)) as f64 * self.spacing[other];
                    let flat = self.spacing[axis].hypot(aside);
                    let steps = [flat.hypot(self.spacing[0]), flat].map(|mm| mm as f32 * self.cost.per_mm);
                    any |= relax_row(
                        (to.labels, to.costs, &self.image[to_start..][..nx]),
                        (from.labels, from.costs, &self.image[from_start..][..nx]),
                        self.prior.map(|p| (&p.probability[to_start..][..nx], u32::from(p.label), p.weight)),
                        steps,
                        self.cost.per_unit,
                    );
                }
                usize::from(any)
            };
            let rows = here[0].par_iter_mut().enumerate().with_min_len(8);
            changed += rows.map(relax).sum::<usize>();
        }
        Ok(changed)
    }

    /// Along a row, each voxel from the one before.
    fn along(&self, r: usize, is_forward: bool, step: f32, labels: &mut [u32], costs: &mut [f32]) -> usize {
        let nx = self.dims[0];
        let image = &self.image[r * nx..][..nx];
        let mut changed = 0;
        for n in 1..nx {
            let (from, to) = if is_forward { (n - 1, n) } else { (nx - n, nx - 1 - n) };
            let prior = self.prior.map_or(0.0, |p| {
                let probability = p.probability[r * nx + to];
                p.weight * if labels[from] == u32::from(p.label) { 1.0 - probability } else { probability }
            });
            let cost = costs[from] + step + self.cost.per_unit * (image[from] - image[to]).abs() + prior;
            if cost < costs[to] {
                (costs[to], labels[to], changed) = (cost, labels[from], 1);
            }
        }
        changed
    }
}

type Voxels<'a> = (&'a [u32], &'a [f32], &'a [f32]);

/// From a row to the next one: from the voxels at i − 1, i and i + 1. `steps` are the costs of the lengths, aslant and straight.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn relax_row(
    to: (&mut [u32], &mut [f32], &[f32]),
    from: Voxels<'_>,
    prior: Option<(&[f32], u32, f32)>,
    steps: [f32; 2],
    per_unit: f32,
) -> bool {
    let nx = to.1.len();
    let mut any = false;
    for shift in 0..3_usize {
        // to[t..] takes from[f..].
        let (t, f) = (usize::from(shift == 0), usize::from(shift == 2));
        let count = nx - usize::from(shift != 1);
        let step = steps[usize::from(shift == 1)];
        let (labels, costs, image) = (&mut to.0[t..][..count], &mut to.1[t..][..count], &to.2[t..][..count]);
        let (from_labels, from_costs, from_image) =
            (&from.0[f..][..count], &from.1[f..][..count], &from.2[f..][..count]);
        if let Some((probability, label, weight)) = prior {
            let probability = &probability[t..][..count];
            for n in 0..count {
                let p = if from_labels[n] == label { 1.0 - probability[n] } else { probability[n] };
                let cost = from_costs[n] + (step + weight * p) + per_unit * (from_image[n] - image[n]).abs();
                let is_less = cost < costs[n];
                any |= is_less;
                costs[n] = if is_less { cost } else { costs[n] };
                labels[n] = if is_less { from_labels[n] } else { labels[n] };
            }
        } else {
            for n in 0..count {
                let cost = from_costs[n] + step + per_unit * (from_image[n] - image[n]).abs();
                let is_less = cost < costs[n];
                any |= is_less;
                costs[n] = if is_less { cost } else { costs[n] };
                labels[n] = if is_less { from_labels[n] } else { labels[n] };
            }
        }
    }
    any
}
