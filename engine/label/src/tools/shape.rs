//! Operations on the shape of a set: islands, margins, shells, smoothing. Each looks at the box around the set only.

use rayon::prelude::*;

use crate::error::filled;
use crate::tools::smooth::gaussian;
use crate::{
    Border, BrickMask, Components, Connectivity, Element, LabelError, Lattice, Mask, VoxelBox, Watch, dilate, erode,
    fill_holes,
};

/// Where the wall of a hollowed set lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// The set's surface is the outer side of the wall.
    Inside,
    /// The set's surface is the inner side of the wall.
    Outside,
    /// The set's surface is in the middle of the wall.
    Middle,
}

/// The connected part with the most voxels.
///
/// # Errors
/// Too little memory, or cancelled; so for all below.
pub fn keep_largest(set: &BrickMask, connectivity: Connectivity, watch: &Watch<'_>) -> Result<BrickMask, LabelError> {
    on_part(set, [0; 3], watch, |mask, _| Components::of_mask(&mask, connectivity)?.keep_largest())
}

/// The connected parts with at least `min_voxels` voxels.
///
/// # Errors
/// As [`keep_largest`].
pub fn remove_small(
    set: &BrickMask,
    min_voxels: u64,
    connectivity: Connectivity,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    on_part(set, [0; 3], watch, |mask, _| Components::of_mask(&mask, connectivity)?.remove_small(min_voxels))
}

/// The connected part that holds a voxel; empty if none does.
///
/// # Errors
/// As [`keep_largest`].
pub fn island_at(
    set: &BrickMask,
    voxel: [usize; 3],
    connectivity: Connectivity,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    on_part(set, [0; 3], watch, |mask, part| {
        let parts = Components::of_mask(&mask, connectivity)?;
        let inside = (0..3).all(|a| voxel[a] >= part.min[a]);
        let found = if inside { parts.at(std::array::from_fn(|a| voxel[a] - part.min[a])) } else { None };
        parts.select(|n| Some(n) == found)
    })
}

/// The connected parts with at least `min_voxels` voxels, the largest first, `most` at most: for splitting into segments. And how
/// many more there are.
///
/// # Errors
/// As [`keep_largest`].
pub fn split(
    set: &BrickMask,
    min_voxels: u64,
    most: usize,
    connectivity: Connectivity,
    watch: &Watch<'_>,
) -> Result<(Vec<BrickMask>, usize), LabelError> {
    let Some(part) = set.bounding_box() else { return Ok((Vec::new(), 0)) };
    let parts = Components::of_mask(&set.to_mask(&part)?, connectivity)?;
    let mut order: Vec<usize> = (0..parts.count()).filter(|&n| parts.sizes()[n] >= min_voxels).collect();
    order.sort_by_key(|&n| std::cmp::Reverse(parts.sizes()[n]));
    let left_out = order.len().saturating_sub(most);
    order.truncate(most);
    let mut all = Vec::with_capacity(order.len());
    for (done, &n) in order.iter().enumerate() {
        watch.at(done as f32 / order.len() as f32)?;
        all.push(BrickMask::of_mask(set.dims(), &parts.select(|m| m == n)?, part.min)?);
    }
    Ok((all, left_out))
}

/// Larger (above 0) or smaller (below 0) by so many millimetres. The border of the grid does not shrink anything.
///
/// # Errors
/// As [`keep_largest`].
pub fn margin(set: &BrickMask, spacing_mm: [f64; 3], mm: f64, watch: &Watch<'_>) -> Result<BrickMask, LabelError> {
    let ball = Element::Ball { radius_mm: checked(mm.abs())? };
    on_part(set, if mm > 0.0 { reach(spacing_mm, mm) } else { [1; 3] }, watch, |mask, part| {
        let lattice = Lattice::new(part.size(), spacing_mm)?;
        if mm > 0.0 { dilate(&mask, &lattice, ball) } else { erode(&mask, &lattice, ball, Border::Ignored) }
    })
}

/// A wall of `thickness_mm` at the surface.
///
/// # Errors
/// As [`keep_largest`].
pub fn hollow(
    set: &BrickMask,
    spacing_mm: [f64; 3],
    thickness_mm: f64,
    shell: Shell,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    let (out, inner) = match shell {
        Shell::Inside => (0.0, thickness_mm),
        Shell::Outside => (thickness_mm, 0.0),
        Shell::Middle => (thickness_mm / 2.0, thickness_mm / 2.0),
    };
    let (out, inner) = (checked(out)?, checked(inner)?);
    on_part(set, reach(spacing_mm, out), watch, |mask, part| {
        let lattice = Lattice::new(part.size(), spacing_mm)?;
        let core = if inner > 0.0 {
            erode(&mask, &lattice, Element::Ball { radius_mm: inner }, Border::Ignored)?
        } else {
            mask.clone()
        };
        watch.at(0.5)?;
        let mut wall = if out > 0.0 { dilate(&mask, &lattice, Element::Ball { radius_mm: out })? } else { mask };
        wall.subtract(&core)?;
        Ok(wall)
    })
}

/// Opening (removes what a ball does not fit into) or closing (fills what a ball does not fit into).
///
/// # Errors
/// As [`keep_largest`].
pub fn open_or_close(
    set: &BrickMask,
    spacing_mm: [f64; 3],
    radius_mm: f64,
    is_open: bool,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    let ball = Element::Ball { radius_mm: checked(radius_mm)? };
    let around = reach(spacing_mm, radius_mm).map(|n| n + 1);
    on_part(set, around, watch, |mask, part| {
        let lattice = Lattice::new(part.size(), spacing_mm)?;
        if is_open {
            let core = erode(&mask, &lattice, ball, Border::Ignored)?;
            watch.at(0.5)?;
            dilate(&core, &lattice, ball)
        } else {
            let grown = dilate(&mask, &lattice, ball)?;
            watch.at(0.5)?;
            erode(&grown, &lattice, ball, Border::Ignored)
        }
    })
}

/// The set with its holes filled, in 3D or (with `axis`) slice by slice.
///
/// # Errors
/// As [`keep_largest`].
pub fn filled_holes(set: &BrickMask, axis: Option<usize>, watch: &Watch<'_>) -> Result<BrickMask, LabelError> {
    // With a margin, or what touches the border of the box would count as closed.
    let around = std::array::from_fn(|a| usize::from(Some(a) != axis));
    on_part(set, around, watch, |mask, _| fill_holes(&mask, axis))
}

/// The median of the set over boxes of 2·`reach` + 1 voxels: a voxel is inside if more than half of its box is. What lies beyond
/// the grid is outside.
///
/// # Errors
/// As [`keep_largest`].
pub fn median(set: &BrickMask, reach_voxels: [usize; 3], watch: &Watch<'_>) -> Result<BrickMask, LabelError> {
    if reach_voxels.iter().any(|&r| r > 40) {
        return Err(LabelError::BadSetting("a median reaches at most 40 voxels"));
    }
    let half = reach_voxels.iter().map(|r| 2 * r + 1).product::<usize>() as u32 / 2;
    on_part(set, reach_voxels, watch, |mask, part| {
        let dims = part.size();
        let values = mask.to_values()?;
        let mut counts = filled(values.len(), 0_u32)?;
        counts.par_iter_mut().zip(&values).with_min_len(1 << 14).for_each(|(c, v)| *c = u32::from(*v));
        for (axis, &reach) in reach_voxels.iter().enumerate() {
            watch.at(axis as f32 / 3.0)?;
            box_sums(&mut counts, dims, axis, reach);
        }
        let inside: Vec<u8> = counts.par_iter().with_min_len(1 << 14).map(|&c| u8::from(c > half)).collect();
        Mask::of_nonzero(&inside, dims)
    })
}

/// The set after a Gaussian of `sigma_mm`, cut at one half.
///
/// # Errors
/// As [`keep_largest`].
pub fn gaussian_smoothed(
    set: &BrickMask,
    spacing_mm: [f64; 3],
    sigma_mm: f64,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    checked(sigma_mm)?;
    // Half of the sum is never reached beyond a sigma or two.
    on_part(set, reach(spacing_mm, 2.0 * sigma_mm), watch, |mask, part| {
        let dims = part.size();
        let values = mask.to_values()?;
        let mut field: Vec<f32> = values.par_iter().with_min_len(1 << 14).map(|&v| f32::from(v)).collect();
        gaussian(&mut field, dims, spacing_mm, sigma_mm, watch)?;
        let inside: Vec<u8> = field.par_iter().with_min_len(1 << 14).map(|&v| u8::from(v > 0.5)).collect();
        Mask::of_nonzero(&inside, dims)
    })
}

/// Sums over `2·reach + 1` values along an axis.
fn box_sums(values: &mut [u32], dims: [usize; 3], axis: usize, reach: usize) {
    if reach == 0 {
        return;
    }
    crate::tools::smooth::for_each_line(values, dims, axis, |line, out| {
        let mut sum: u32 = line.iter().take(reach).sum();
        for n in 0..line.len() {
            sum += line.get(n + reach).copied().unwrap_or(0);
            out[n] = sum;
            sum -= if n >= reach { line[n - reach] } else { 0 };
        }
    });
}

/// Does something with the box around a set, larger by `around`; gives the result in its place.
pub(crate) fn on_part(
    set: &BrickMask,
    around: [usize; 3],
    watch: &Watch<'_>,
    f: impl FnOnce(Mask, VoxelBox) -> Result<Mask, LabelError>,
) -> Result<BrickMask, LabelError> {
    let dims = set.dims();
    let Some(part) = set.bounding_box() else { return BrickMask::empty(dims) };
    let part = part.grown(around, dims);
    watch.at(0.0)?;
    let result = f(set.to_mask(&part)?, part)?;
    watch.at(1.0)?;
    BrickMask::of_mask(dims, &result, part.min)
}

fn reach(spacing_mm: [f64; 3], mm: f64) -> [usize; 3] {
    spacing_mm.map(|s| (mm / s).clamp(0.0, 1e6).ceil() as usize + 1)
}

fn checked(mm: f64) -> Result<f64, LabelError> {
    if (0.0..=1000.0).contains(&mm) {
        Ok(mm)
    } else {
        Err(LabelError::BadSetting("the distance must lie between 0 and 1000 mm"))
    }
}
