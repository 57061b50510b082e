//! Dilation, erosion, opening and closing by a ball in millimetres or a box in voxels.
//!
//! A box is three steps along the axes. A ball is the union of rows of its own widths, 64 voxels per operation; where the
//! ball has very many rows the distance transform is faster.

use rayon::prelude::*;

use crate::distance::transform;
use crate::error::filled;
use crate::mask::WORD;
use crate::{LabelError, Lattice, Mask, VoxelBox};

/// The shape that a voxel becomes in a dilation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element {
    /// All voxels whose centre is at most so many millimetres away.
    Ball {
        /// Radius in millimetres.
        radius_mm: f64,
    },
    /// All voxels at most so many voxels away along i, j and k.
    Box {
        /// Half the width, without the middle voxel.
        reach: [usize; 3],
    },
}

/// What lies beyond the grid, for an erosion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// Background: the set is eroded from the border of the grid too, as scipy does.
    Background,
    /// Nothing: the border erodes nothing, as in ITK.
    Ignored,
}

/// More rows than this, and a ball is found by distances: the two take equally long at about this many.
const MAX_BALL_ROWS: usize = 1800;
/// Squared distances are equal to the squared radius up to this, so that rounding decides nothing.
const SLACK: f64 = 2e-6;

/// Adds all voxels that the element reaches from a voxel of the set.
///
/// # Errors
/// If `mask` has other dims than `lattice`, or too little memory.
pub fn dilate(mask: &Mask, lattice: &Lattice, element: Element) -> Result<Mask, LabelError> {
    check(mask, lattice)?;
    let Some(part) = mask.bounding_box() else { return Ok(mask.clone()) };
    let part = part.grown(reach(lattice, element), mask.dims());
    let grown = dilate_all(mask.cropped(&part)?, lattice, element)?;
    let mut out = Mask::empty(mask.dims())?;
    out.unite_at(&grown, part.min);
    Ok(out)
}

/// Keeps the voxels from which the element reaches voxels of the set only.
///
/// # Errors
/// As [`dilate`].
pub fn erode(mask: &Mask, lattice: &Lattice, element: Element, border: Border) -> Result<Mask, LabelError> {
    check(mask, lattice)?;
    let dims = mask.dims();
    let Some(part) = mask.bounding_box() else { return Ok(mask.clone()) };
    // One layer of background around the set stands for all of it.
    let part = part.grown([1; 3], dims);
    let mut background = mask.cropped(&part)?;
    background.invert();
    let mut kept = dilate_all(background, lattice, element)?;
    kept.invert();
    if border == Border::Background {
        clear_near_border(&mut kept, &part, dims, reach(lattice, element));
    }
    let mut out = Mask::empty(dims)?;
    out.unite_at(&kept, part.min);
    Ok(out)
}

/// An erosion and a dilation: removes what is thinner than the element. The border of the grid removes nothing.
///
/// # Errors
/// As [`dilate`].
pub fn open(mask: &Mask, lattice: &Lattice, element: Element) -> Result<Mask, LabelError> {
    dilate(&erode(mask, lattice, element, Border::Ignored)?, lattice, element)
}

/// A dilation and an erosion: fills gaps thinner than the element. The border of the grid removes nothing.
///
/// # Errors
/// As [`dilate`].
pub fn close(mask: &Mask, lattice: &Lattice, element: Element) -> Result<Mask, LabelError> {
    erode(&dilate(mask, lattice, element)?, lattice, element, Border::Ignored)
}

fn check(mask: &Mask, lattice: &Lattice) -> Result<(), LabelError> {
    if mask.dims() == lattice.dims() { Ok(()) } else { Err(LabelError::OtherDims(mask.dims(), lattice.dims())) }
}

/// How many voxels the element reaches along each axis, at most as many as the axis has.
fn reach(lattice: &Lattice, element: Element) -> [usize; 3] {
    let (dims, spacing) = (lattice.dims(), lattice.spacing_mm());
    match element {
        Element::Box { reach } => std::array::from_fn(|a| reach[a].min(dims[a])),
        Element::Ball { radius_mm } => {
            let limit = square_limit(radius_mm);
            std::array::from_fn(|a| width(limit, spacing[a]).map_or(0, |w| w.min(dims[a])))
        }
    }
}

/// The largest squared distance that still counts; below 0 for a radius that is none.
fn square_limit(radius_mm: f64) -> f64 {
    if radius_mm >= 0.0 { radius_mm * radius_mm * (1.0 + SLACK) } else { -1.0 }
}

/// The most steps along an axis whose squared length is at most `limit`; `None` if not even 0 is.
fn width(limit: f64, spacing_mm: f64) -> Option<usize> {
    (limit >= 0.0).then(|| (limit.sqrt() / spacing_mm).floor() as usize)
}

/// Dilates within the grid of `mask`, which has the spacing of `lattice`.
fn dilate_all(mask: Mask, lattice: &Lattice, element: Element) -> Result<Mask, LabelError> {
    let lattice = Lattice::new(mask.dims(), lattice.spacing_mm())?;
    let reach = reach(&lattice, element);
    match element {
        Element::Box { .. } => dilate_box(mask, reach),
        Element::Ball { radius_mm } => {
            let limit = square_limit(radius_mm);
            let rows = (2 * reach[1] + 1) * (2 * reach[2] + 1);
            if limit < 0.0 {
                Ok(mask)
            } else if rows * 11 / 14 > MAX_BALL_ROWS {
                dilate_by_distance(&mask, &lattice, limit)
            } else {
                dilate_by_rows(&mask, &lattice, limit, reach)
            }
        }
    }
}

fn dilate_by_distance(mask: &Mask, lattice: &Lattice, limit: f64) -> Result<Mask, LabelError> {
    let distance: Vec<f32> = transform(mask, lattice)?;
    let mut out = Mask::empty(mask.dims())?;
    let (per_row, nx) = (out.words_per_row(), mask.dims()[0]);
    let limit = limit.sqrt() as f32;
    out.words_mut().par_chunks_mut(per_row).zip(distance.par_chunks(nx)).with_min_len(64).for_each(|(words, row)| {
        for (word, values) in words.iter_mut().zip(row.chunks(WORD)) {
            *word = values.iter().enumerate().fold(0, |bits, (n, &d)| bits | u64::from(d <= limit) << n);
        }
    });
    Ok(out)
}

/// The union over the ball's rows (dj, dk) of the set's rows, each as wide as the ball is there.
fn dilate_by_rows(mask: &Mask, lattice: &Lattice, limit: f64, reach: [usize; 3]) -> Result<Mask, LabelError> {
    let (dims, spacing) = (mask.dims(), lattice.spacing_mm());
    let mut rows = Vec::new();
    for dk in -(reach[2] as isize)..=reach[2] as isize {
        for dj in -(reach[1] as isize)..=reach[1] as isize {
            let across = (dj as f64 * spacing[1]).powi(2) + (dk as f64 * spacing[2]).powi(2);
            rows.extend(width(limit - across, spacing[0]).map(|w| (w.min(dims[0]), dj, dk)));
        }
    }
    rows.sort_unstable();
    let mut out = Mask::empty(dims)?;
    let (per_row, last, ny) = (out.words_per_row(), out.last_word(), dims[1]);
    // The set as wide as the rows are now; it grows from one width to the next.
    let mut wide = mask.clone();
    let mut width_now = 0;
    for same_width in rows.chunk_by(|a, b| a.0 == b.0) {
        let more = same_width[0].0 - width_now;
        if more > 0 {
            wide.words_mut().par_chunks_mut(per_row).with_min_len(64).for_each(|row| widen(row, more, last));
            width_now += more;
        }
        let from = &wide;
        out.words_mut().par_chunks_mut(per_row * ny).enumerate().for_each(|(k, slab)| {
            for &(_, dj, dk) in same_width {
                let Some(k) = k.checked_add_signed(dk).filter(|&k| k < dims[2]) else { continue };
                // out[j] takes from[j + dj]; whole stretches of rows at once.
                let (to, first) = (dj.min(0).unsigned_abs(), dj.max(0).unsigned_abs());
                let count = ny.saturating_sub(to.max(first));
                let from = &from.words()[(k * ny + first.min(ny)) * per_row..][..count * per_row];
                for (a, b) in slab[to.min(ny) * per_row..][..count * per_row].iter_mut().zip(from) {
                    *a |= b;
                }
            }
        });
    }
    Ok(out)
}

fn dilate_box(mut mask: Mask, reach: [usize; 3]) -> Result<Mask, LabelError> {
    let (per_row, last, [_, ny, nz]) = (mask.words_per_row(), mask.last_word(), mask.dims());
    mask.words_mut().par_chunks_mut(per_row).with_min_len(64).for_each(|row| widen(row, reach[0], last));
    if reach[1] > 0 {
        let mut buffer = filled(mask.words().len(), 0)?;
        let slabs = mask.words_mut().par_chunks_mut(per_row * ny).zip(buffer.par_chunks_mut(per_row * ny));
        slabs.for_each(|(slab, buffer)| {
            spread(reach[1], ny, |step| {
                buffer.copy_from_slice(slab);
                or_shifted(slab, buffer, step * per_row);
            });
        });
    }
    if reach[2] > 0 {
        let mut buffer = filled(mask.words().len(), 0)?;
        let slab = per_row * ny;
        let words = mask.words_mut();
        spread(reach[2], nz, |step| {
            buffer.copy_from_slice(words);
            words.par_chunks_mut(slab).enumerate().for_each(|(k, words)| {
                for k in [k.checked_sub(step), Some(k + step).filter(|&k| k < nz)].into_iter().flatten() {
                    words.iter_mut().zip(&buffer[k * slab..][..slab]).for_each(|(a, b)| *a |= b);
                }
            });
        });
    }
    Ok(mask)
}

/// ORs a slab with copies of itself `words` earlier and later.
fn or_shifted(slab: &mut [u64], copy: &[u64], words: usize) {
    if let Some(earlier) = copy.get(words..) {
        slab.iter_mut().zip(earlier).for_each(|(a, b)| *a |= b);
        slab[words..].iter_mut().zip(copy).for_each(|(a, b)| *a |= b);
    }
}

/// Calls `f(step)` so that the union with what lies `step` before and behind, done in turn, reaches `reach` in all. A step is at
/// most one more than what is reached: so what it adds comes over positions in between, which lie in the grid.
/// More than `limit` steps lead out of it.
fn spread(reach: usize, limit: usize, mut f: impl FnMut(usize)) {
    let (mut reached, reach) = (0, reach.min(limit));
    while reached < reach {
        let step = (reached + 1).min(reach - reached);
        f(step);
        reached += step;
    }
}

/// Dilates a row by `reach` on both sides; `last` are the valid bits of its last word.
fn widen(row: &mut [u64], reach: usize, last: u64) {
    if row.iter().all(|&w| w == 0) {
        return;
    }
    spread(reach, row.len() * WORD, |step| {
        let (skip, shift) = (step / WORD, step % WORD);
        let word = |n: Option<usize>, row: &[u64]| n.and_then(|n| row.get(n)).copied().unwrap_or(0);
        if shift > 0 && skip == 0 {
            let mut before = 0;
            for n in 0..row.len() {
                let (here, next) = (row[n], word(Some(n + 1), row));
                row[n] |= here << shift | before >> (WORD - shift) | here >> shift | next << (WORD - shift);
                before = here;
            }
        } else {
            let copy = row.to_vec();
            let split = |low: u64, high: u64| if shift > 0 { low >> shift | high << (WORD - shift) } else { low };
            for (n, to) in row.iter_mut().enumerate() {
                *to |= split(word(Some(n + skip), &copy), word(Some(n + skip + 1), &copy));
                let (a, b) = (word(n.checked_sub(skip + 1), &copy), word(n.checked_sub(skip), &copy));
                *to |= if shift > 0 { b << shift | a >> (WORD - shift) } else { b };
            }
        }
    });
    if let Some(word) = row.last_mut() {
        *word &= last;
    }
}

/// Takes out the voxels that are within `reach` of what lies beyond the grid of `dims`; `kept` is the part `part` of it.
fn clear_near_border(kept: &mut Mask, part: &VoxelBox, dims: [usize; 3], reach: [usize; 3]) {
    let inner: [std::ops::Range<usize>; 3] = std::array::from_fn(|a| {
        let end = dims[a].saturating_sub(reach[a]).saturating_sub(part.min[a]);
        reach[a].saturating_sub(part.min[a])..end
    });
    let (per_row, ny, last) = (kept.words_per_row(), kept.dims()[1], kept.last_word());
    kept.words_mut().par_chunks_mut(per_row).enumerate().with_min_len(64).for_each(|(row, words)| {
        let (j, k) = (row % ny, row / ny);
        for (n, word) in words.iter_mut().enumerate() {
            let base = n * WORD;
            let from = inner[0].start.saturating_sub(base).min(WORD);
            let to = inner[0].end.saturating_sub(base).min(WORD);
            let bits = if from < to { u64::MAX << from & u64::MAX >> (WORD - to) } else { 0 };
            *word &= if inner[1].contains(&j) && inner[2].contains(&k) { bits } else { 0 };
        }
        words[per_row - 1] &= last;
    });
}
