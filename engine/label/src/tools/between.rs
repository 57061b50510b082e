//! Filling between slices: what was drawn on some slices is carried to those in between.
//!
//! Shape-based interpolation (Raya and Udupa, 1990): the signed distances of the two neighbouring slices are mixed. Both are laid
//! over each other at their centroids first, so that a vessel that runs askew is not lost.

use rayon::prelude::*;

use crate::{BrickMask, LabelError, Lattice, Mask, VoxelBox, Watch, signed_distance_mm};

/// A drawn slice within the box around all of them.
struct Drawn {
    slice: usize,
    distance_mm: Vec<f32>,
    centroid: [f64; 2],
}

/// The voxels between the slices across `axis` (0, 1, 2 for i, j, k) that hold some of `set`; those slices themselves are not
/// changed and not given. Fewer than two slices give nothing.
///
/// # Errors
/// An axis above 2, too little memory, or cancelled.
pub fn fill_between(
    set: &BrickMask,
    spacing_mm: [f64; 3],
    axis: usize,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    let dims = set.dims();
    let mut out = BrickMask::empty(dims)?;
    let Some(part) = set.bounding_box() else { return Ok(out) };
    let across = match axis {
        0 => [1, 2],
        1 => [0, 2],
        2 => [0, 1],
        _ => return Err(LabelError::BadSetting("slices lie across axis 0, 1 or 2")),
    };
    let size = across.map(|a| part.size()[a]);
    // With a frame of one empty pixel, so that every slice has an outside.
    let framed = size.map(|n| n + 2);
    let mm = across.map(|a| spacing_mm[a]);
    let lattice = Lattice::new([framed[0], framed[1], 1], [mm[0], mm[1], 1.0])?;
    let slice_box = |slice: usize| {
        let (mut min, mut max) = (part.min, part.max);
        (min[axis], max[axis]) = (slice, slice + 1);
        VoxelBox { min, max }
    };
    let drawn = |slice: usize| -> Result<Option<Drawn>, LabelError> {
        if watch.is_cancelled() {
            return Err(LabelError::Cancelled);
        }
        let values = set.to_mask(&slice_box(slice))?.to_values()?;
        let (mut sum, mut count) = ([0.0; 2], 0.0);
        for (n, _) in values.iter().enumerate().filter(|(_, v)| **v != 0) {
            sum[0] += (n % size[0]) as f64;
            sum[1] += (n / size[0]) as f64;
            count += 1.0;
        }
        if count == 0.0 {
            return Ok(None);
        }
        let mut mask = Mask::empty([framed[0], framed[1], 1])?;
        mask.unite_at(&Mask::of_nonzero(&values, [size[0], size[1], 1])?, [1, 1, 0]);
        let distance_mm = signed_distance_mm(&mask, &lattice)?;
        Ok(Some(Drawn { slice, distance_mm, centroid: sum.map(|s| s / count) }))
    };
    let slices: Vec<usize> = (part.min[axis]..part.max[axis]).collect();
    let drawn: Vec<Option<Drawn>> = slices.par_iter().map(|&slice| drawn(slice)).collect::<Result<_, _>>()?;
    watch.at(0.5)?;
    let drawn: Vec<Drawn> = drawn.into_iter().flatten().collect();
    let gaps =
        drawn.windows(2).flat_map(|pair| (pair[0].slice + 1..pair[1].slice).map(move |s| (s, &pair[0], &pair[1])));
    let gaps: Vec<_> = gaps.collect();
    let fill = |&(slice, a, b): &(usize, &Drawn, &Drawn)| -> Result<(usize, Mask), LabelError> {
        let t = (slice - a.slice) as f64 / (b.slice - a.slice) as f64;
        let center: [f64; 2] = std::array::from_fn(|n| a.centroid[n] * (1.0 - t) + b.centroid[n] * t);
        let shift =
            |from: &Drawn| -> [isize; 2] { std::array::from_fn(|n| (from.centroid[n] - center[n]).round() as isize) };
        let (to_a, to_b) = (shift(a), shift(b));
        // Beyond the frame it gets farther and farther.
        let sample = |from: &Drawn, at: [usize; 2], by: [isize; 2]| {
            let wanted: [isize; 2] = std::array::from_fn(|n| at[n] as isize + 1 + by[n]);
            let place: [usize; 2] = std::array::from_fn(|n| wanted[n].clamp(0, framed[n] as isize - 1) as usize);
            let over: f64 = (0..2).map(|n| (wanted[n] - place[n] as isize).abs() as f64 * mm[n]).sum();
            from.distance_mm[place[0] + framed[0] * place[1]] + over as f32
        };
        let mut values = vec![0_u8; size[0] * size[1]];
        for (n, value) in values.iter_mut().enumerate() {
            let at = [n % size[0], n / size[0]];
            let mixed = sample(a, at, to_a) * (1.0 - t as f32) + sample(b, at, to_b) * t as f32;
            *value = u8::from(mixed < 0.0);
        }
        Ok((slice, Mask::of_nonzero(&values, slice_box(slice).size())?))
    };
    let filled: Vec<(usize, Mask)> = gaps.par_iter().map(fill).collect::<Result<_, _>>()?;
    watch.at(1.0)?;
    for (slice, mask) in &filled {
        out.unite_mask(mask, slice_box(*slice).min);
    }
    Ok(out)
}
