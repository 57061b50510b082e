//! Watershed from markers: basins fill from their markers in the order of the image's values until they meet.

use crate::error::filled;
use crate::lattice::check_count;
use crate::{LabelError, Watch};

/// Levels that values are put in; whole numbers that span less are exact.
const LEVELS: usize = 65_536;

/// Floods a box of values (most often [`super::smooth::gradient_length`]) from `markers` (0 is none), over faces. Every voxel gets a
/// label; of several equally low voxels the one that was reached first goes first, as in scikit-image.
///
/// # Errors
/// If there is not one value per voxel, too little memory, or cancelled.
pub fn watershed(values: &[f32], dims: [usize; 3], markers: &[u16], watch: &Watch<'_>) -> Result<Vec<u16>, LabelError> {
    check_count(dims, values.len())?;
    check_count(dims, markers.len())?;
    let levels = levels_of(values)?;
    let mut labels = filled(markers.len(), 0_u16)?;
    labels.copy_from_slice(markers);
    // A queue per level: voxels in the order in which they were reached, as lists through `next`.
    let (mut first, mut last) = (vec![u32::MAX; LEVELS], vec![u32::MAX; LEVELS]);
    let mut next = filled(values.len(), u32::MAX)?;
    let mut push = |at: usize, first: &mut [u32], next: &mut [u32]| {
        let level = usize::from(levels[at]);
        if first[level] == u32::MAX {
            first[level] = at as u32;
        } else {
            next[last[level] as usize] = at as u32;
        }
        last[level] = at as u32;
        level
    };
    let mut level = LEVELS;
    for (at, _) in markers.iter().enumerate().filter(|(_, m)| **m != 0) {
        level = level.min(push(at, &mut first, &mut next));
    }
    let [nx, ny, nz] = dims;
    let mut done = 0_usize;
    while level < LEVELS {
        let at = first[level];
        if at == u32::MAX {
            level += 1;
            continue;
        }
        let at = at as usize;
        first[level] = next[at];
        done += 1;
        if done.is_multiple_of(1 << 18) {
            watch.at(done as f32 / values.len() as f32)?;
        }
        let (i, j, k) = (at % nx, at / nx % ny, at / nx / ny);
        let around = [
            (k > 0, at.wrapping_sub(nx * ny)),
            (j > 0, at.wrapping_sub(nx)),
            (i > 0, at.wrapping_sub(1)),
            (i + 1 < nx, at + 1),
            (j + 1 < ny, at + nx),
            (k + 1 < nz, at + nx * ny),
        ];
        for (_, to) in around.into_iter().filter(|(inside, _)| *inside) {
            if labels[to] == 0 {
                labels[to] = labels[at];
                level = level.min(push(to, &mut first, &mut next));
            }
        }
    }
    watch.at(1.0)?;
    Ok(labels)
}

fn levels_of(values: &[f32]) -> Result<Vec<u16>, LabelError> {
    let finite = values.iter().copied().filter(|v| v.is_finite());
    let (low, high, is_whole) = finite.fold((f32::INFINITY, f32::NEG_INFINITY, true), |(low, high, whole), v| {
        (low.min(v), high.max(v), whole && v.fract() == 0.0)
    });
    let span = f64::from(high) - f64::from(low);
    let most = (LEVELS - 1) as f64;
    let scale = if is_whole && span <= most { 1.0 } else { most / span.max(f64::MIN_POSITIVE) };
    let mut levels = filled(values.len(), 0_u16)?;
    for (level, &value) in levels.iter_mut().zip(values) {
        // NaN becomes the lowest.
        *level = ((f64::from(value) - f64::from(low)) * scale).clamp(0.0, most) as u16;
    }
    Ok(levels)
}
