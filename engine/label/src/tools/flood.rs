//! Flood fill and region growing: what is alike and connected with a seed.

use voco_volume::Volume;

use crate::image::check_box;
use crate::{
    Border, BrickMask, Components, Connectivity, Element, LabelError, Lattice, VoxelBox, Watch, dilate, erode,
    in_range_box, read_image_box,
};

/// How far a region may grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The part of the grid to stay in, for example one slice.
    pub part: VoxelBox,
    /// Not through passages that a ball of this radius does not fit through: a leak. 0 for no such limit.
    pub leak_mm: f64,
    /// Not farther from the seed than this.
    pub radius_mm: f64,
    /// Which voxels touch.
    pub connectivity: Connectivity,
}

impl Limits {
    /// The whole of a grid.
    pub fn whole(dims: [usize; 3]) -> Self {
        let part = VoxelBox { min: [0; 3], max: dims };
        Self { part, leak_mm: 0.0, radius_mm: f64::INFINITY, connectivity: Connectivity::Faces6 }
    }
}

/// The voxels with real values in `range` that are connected with `seed_voxel`; empty if the seed itself is not in the range.
///
/// # Errors
/// A seed or part outside of the volume, too little memory, or cancelled.
pub fn flood_fill(
    volume: &Volume,
    seed_voxel: [usize; 3],
    range: [f64; 2],
    limits: &Limits,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    let dims = volume.dims();
    let lattice = Lattice::of(volume.geometry())?;
    let part = within_radius(dims, lattice.spacing_mm(), seed_voxel, limits)?;
    watch.at(0.0)?;
    let mut alike = in_range_box(volume, range, &part)?;
    let seed: [usize; 3] = std::array::from_fn(|a| seed_voxel[a] - part.min[a]);
    let empty = BrickMask::empty(dims)?;
    if !alike.get(seed) {
        return Ok(empty);
    }
    if limits.radius_mm.is_finite() {
        let mut ball = BrickMask::empty(part.size())?;
        let spacing = lattice.spacing_mm();
        let [sx, sy, sz] = part.size();
        for k in 0..sz {
            for j in 0..sy {
                let across = ((j.abs_diff(seed[1])) as f64 * spacing[1]).powi(2)
                    + ((k.abs_diff(seed[2])) as f64 * spacing[2]).powi(2);
                let left = limits.radius_mm.powi(2) - across;
                if left >= 0.0 {
                    let reach = (left.sqrt() / spacing[0]).floor() as usize;
                    ball.add_row(seed[0].saturating_sub(reach), (seed[0] + reach + 1).min(sx), j, k);
                }
            }
        }
        alike.intersect(&ball.to_mask(&VoxelBox { min: [0; 3], max: part.size() })?)?;
    }
    watch.at(0.3)?;
    let found = if limits.leak_mm > 0.0 {
        let lattice = Lattice::new(part.size(), lattice.spacing_mm())?;
        let ball = Element::Ball { radius_mm: limits.leak_mm };
        // What stays after an erosion falls apart at narrow passages; the seed's part is grown back within the range.
        let thin = erode(&alike, &lattice, ball, Border::Ignored)?;
        watch.at(0.5)?;
        let parts = Components::of_mask(&thin, limits.connectivity)?;
        let near = nearest_in(&thin, seed, lattice.spacing_mm());
        let Some(core) = near.and_then(|voxel| parts.at(voxel)) else {
            return only_component(&alike, seed, limits.connectivity, dims, part.min);
        };
        watch.at(0.7)?;
        let mut grown = dilate(&parts.select(|n| n == core)?, &lattice, ball)?;
        grown.intersect(&alike)?;
        grown
    } else {
        let parts = Components::of_mask(&alike, limits.connectivity)?;
        let Some(found) = parts.at(seed) else { return Ok(empty) };
        parts.select(|n| n == found)?
    };
    watch.at(0.9)?;
    BrickMask::of_mask(dims, &found, part.min)
}

/// Region growing with a range that follows from the region (as ITK's `ConfidenceConnected`): begins with the voxels at most
/// `start_voxels` from the seed, takes their mean ± `multiplier` standard deviations, and does so again with what was found.
///
/// # Errors
/// As [`flood_fill`].
pub fn grow_region(
    volume: &Volume,
    seed_voxel: [usize; 3],
    start_voxels: usize,
    multiplier: f64,
    iterations: usize,
    limits: &Limits,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    let dims = volume.dims();
    let seed = VoxelBox { min: seed_voxel, max: seed_voxel.map(|n| n.saturating_add(1)) };
    check_box(dims, &seed)?;
    let values = read_image_box(volume, &seed.grown([start_voxels; 3], dims))?;
    let mut range = confidence(values.iter().map(|&v| f64::from(v)), multiplier);
    let own = volume.value(seed_voxel).unwrap_or(0.0);
    let with_seed = |[low, high]: [f64; 2]| [low.min(own), high.max(own)];
    let mut found = flood_fill(volume, seed_voxel, with_seed(range), limits, watch)?;
    for n in 0..iterations {
        watch.at(n as f32 / iterations as f32)?;
        let Some(part) = found.bounding_box() else { break };
        let (values, inside) = (read_image_box(volume, &part)?, found.to_mask(&part)?.to_values()?);
        let values = values.iter().zip(&inside).filter(|(_, inside)| **inside == 1).map(|(v, _)| f64::from(*v));
        let next = confidence(values, multiplier);
        if next == range {
            break;
        }
        range = next;
        found = flood_fill(volume, seed_voxel, with_seed(range), limits, watch)?;
    }
    Ok(found)
}

fn confidence(values: impl Iterator<Item = f64>, multiplier: f64) -> [f64; 2] {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        sum += value;
        squares += value * value;
    }
    let mean = sum / f64::max(count, 1.0);
    let variance = (squares - sum * mean) / f64::max(count - 1.0, 1.0);
    let reach = multiplier * variance.max(0.0).sqrt();
    [mean - reach, mean + reach]
}

/// The box that the limits leave around the seed.
fn within_radius(
    dims: [usize; 3],
    spacing: [f64; 3],
    seed: [usize; 3],
    limits: &Limits,
) -> Result<VoxelBox, LabelError> {
    check_box(dims, &limits.part)?;
    if (0..3).any(|a| seed[a] < limits.part.min[a] || seed[a] >= limits.part.max[a]) {
        return Err(LabelError::BadSetting("the seed lies outside of the region; choose one inside"));
    }
    let reach: [usize; 3] = std::array::from_fn(|a| (limits.radius_mm / spacing[a]).clamp(0.0, 1e9) as usize);
    let around = VoxelBox { min: seed, max: seed.map(|n| n + 1) }.grown(reach, dims);
    Ok(VoxelBox {
        min: std::array::from_fn(|a| around.min[a].max(limits.part.min[a])),
        max: std::array::from_fn(|a| around.max[a].min(limits.part.max[a])),
    })
}

/// The voxel of a mask that is nearest to another one, within a small box; a seed may lie beside the core of its region.
fn nearest_in(mask: &crate::Mask, seed: [usize; 3], spacing: [f64; 3]) -> Option<[usize; 3]> {
    let near = VoxelBox { min: seed, max: seed.map(|n| n + 1) }.grown([24; 3], mask.dims());
    let mut best: Option<(f64, [usize; 3])> = None;
    for k in near.min[2]..near.max[2] {
        for j in near.min[1]..near.max[1] {
            for i in (near.min[0]..near.max[0]).filter(|&i| mask.get([i, j, k])) {
                let at = [i, j, k];
                let square: f64 = (0..3).map(|a| (at[a].abs_diff(seed[a]) as f64 * spacing[a]).powi(2)).sum();
                if best.is_none_or(|(least, _)| square < least) {
                    best = Some((square, at));
                }
            }
        }
    }
    best.map(|(_, at)| at)
}

fn only_component(
    alike: &crate::Mask,
    seed: [usize; 3],
    connectivity: Connectivity,
    dims: [usize; 3],
    at: [usize; 3],
) -> Result<BrickMask, LabelError> {
    // Thinner than the ball everywhere: there is nothing to leak from, so the seed's slender part is all there is.
    let parts = Components::of_mask(alike, connectivity)?;
    match parts.at(seed) {
        Some(found) => BrickMask::of_mask(dims, &parts.select(|n| n == found)?, at),
        None => BrickMask::empty(dims),
    }
}
