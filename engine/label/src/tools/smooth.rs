//! Gaussian filters, and the joint smoothing of several segments.

use rayon::prelude::*;

use crate::error::filled;
use crate::lattice::check_count;
use crate::{LabelError, Watch};

/// Smooths values by a Gaussian of `sigma_mm`, cut at 4 sigma; beyond the grid all is 0.
/// Convolves an image (i fastest) with a Gaussian of `sigma_mm`; what lies beyond the border is as the border.
///
/// # Errors
/// If there is not one value per voxel, too little memory, or cancelled.
pub fn gaussian_image(
    image: &mut [f32],
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    sigma_mm: f64,
    watch: &Watch<'_>,
) -> Result<(), LabelError> {
    check_count(dims, image.len())?;
    if !(sigma_mm > 0.0 && sigma_mm < 1000.0) {
        return Err(LabelError::BadSetting("the width of the filter must lie between 0 and 1000 mm"));
    }
    gaussian(image, dims, spacing_mm, sigma_mm, watch)
}

pub(crate) fn gaussian(
    values: &mut [f32],
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    sigma_mm: f64,
    watch: &Watch<'_>,
) -> Result<(), LabelError> {
    for axis in 0..3 {
        watch.at(axis as f32 / 3.0)?;
        let sigma = sigma_mm / spacing_mm[axis];
        let reach = (4.0 * sigma + 0.5) as usize;
        if reach == 0 || dims[axis] == 1 {
            continue;
        }
        let weight = |n: usize| (-0.5 * (n as f64 / sigma).powi(2)).exp();
        let sum: f64 = weight(0) + 2.0 * (1..=reach).map(weight).sum::<f64>();
        let kernel: Vec<f32> = (0..=reach).map(|n| (weight(n) / sum) as f32).collect();
        for_each_line(values, dims, axis, |line, out| {
            for (n, out) in out.iter_mut().enumerate() {
                let mut value = line[n] * kernel[0];
                for (d, k) in kernel.iter().enumerate().skip(1) {
                    let before = if n >= d { line[n - d] } else { 0.0 };
                    value += k * (before + line.get(n + d).copied().unwrap_or(0.0));
                }
                *out = value;
            }
        });
    }
    Ok(())
}

/// Calls `f(line, out)` for each line of values along an axis, in parallel; `out` takes the line's place.
pub(crate) fn for_each_line<T: Copy + Default + Send + Sync>(
    values: &mut [T],
    [nx, ny, nz]: [usize; 3],
    axis: usize,
    f: impl Fn(&[T], &mut [T]) + Sync,
) {
    if axis == 0 {
        values.par_chunks_mut(nx).with_min_len(16).for_each_init(Vec::new, |line: &mut Vec<T>, row| {
            line.clear();
            line.extend_from_slice(row);
            f(line, row);
        });
        return;
    }
    // Lines across rows: those of one row's voxels are gathered together, so that memory is read in order.
    let (groups, len) = if axis == 1 { (nz, ny) } else { (ny, nz) };
    let mut rows: Vec<Vec<&mut [T]>> = (0..groups).map(|_| Vec::with_capacity(len)).collect();
    for (r, row) in values.chunks_mut(nx).enumerate() {
        rows[if axis == 1 { r / ny } else { r % ny }].push(row);
    }
    rows.par_iter_mut().for_each(|rows| {
        const LANES: usize = 16;
        let mut lines = vec![T::default(); len * LANES];
        let mut out = vec![T::default(); len];
        for from in (0..nx).step_by(LANES) {
            let count = LANES.min(nx - from);
            for (n, row) in rows.iter().enumerate() {
                for x in 0..count {
                    lines[x * len + n] = row[from + x];
                }
            }
            for x in 0..count {
                f(&lines[x * len..][..len], &mut out);
                for (row, out) in rows.iter_mut().zip(&out) {
                    row[from + x] = *out;
                }
            }
        }
    });
}

/// Smooths all segments of a box together, so that they neither overlap nor leave gaps: each voxel goes to the label whose
/// Gaussian (`sigma_mm`) is greatest there. `values` are changed in place; labels that are not in `labels` (0 stands for
/// the background and may be among them) stay, and nothing grows into them.
///
/// # Errors
/// If there is not one value per voxel, too little memory, or cancelled.
pub fn joint_smoothed(
    values: &mut [u16],
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    labels: &[u16],
    sigma_mm: f64,
    watch: &Watch<'_>,
) -> Result<(), LabelError> {
    check_count(dims, values.len())?;
    if !(sigma_mm > 0.0 && sigma_mm < 1000.0) {
        return Err(LabelError::BadSetting("the width of the filter must lie between 0 and 1000 mm"));
    }
    let mut best = filled(values.len(), 0.0_f32)?;
    let mut winner = filled(values.len(), 0_u16)?;
    winner.copy_from_slice(values);
    for (n, &label) in labels.iter().enumerate() {
        watch.at(n as f32 / labels.len() as f32)?;
        let mut field: Vec<f32> =
            values.par_iter().with_min_len(1 << 14).map(|&v| f32::from(u8::from(v == label))).collect();
        gaussian(&mut field, dims, spacing_mm, sigma_mm, &Watch::NONE)?;
        let all = winner.par_iter_mut().zip(&mut best).zip(&field).zip(&*values).with_min_len(1 << 14);
        all.for_each(|(((winner, best), &here), old)| {
            if here > *best && labels.contains(old) {
                (*winner, *best) = (label, here);
            }
        });
    }
    watch.at(1.0)?;
    values.copy_from_slice(&winner);
    Ok(())
}

/// The length of the gradient of values, per millimetre (central differences; at the border one-sided).
///
/// # Errors
/// If there is not one value per voxel, or too little memory.
pub fn gradient_length(image: &[f32], dims: [usize; 3], spacing_mm: [f64; 3]) -> Result<Vec<f32>, LabelError> {
    check_count(dims, image.len())?;
    let [nx, ny, nz] = dims;
    let mut out = filled(image.len(), 0.0_f32)?;
    out.par_chunks_mut(nx).enumerate().with_min_len(16).for_each(|(row, out)| {
        let (j, k) = (row % ny, row / ny);
        let difference = |n: usize, len: usize, stride: usize, at: usize, spacing: f64| {
            let (a, b) = (n.saturating_sub(1), (n + 1).min(len - 1));
            if a == b {
                return 0.0;
            }
            let value = |m: usize| image[at + m * stride - n * stride];
            (value(b) - value(a)) / ((b - a) as f64 * spacing) as f32
        };
        for (i, out) in out.iter_mut().enumerate() {
            let at = i + nx * row;
            let x = difference(i, nx, 1, at, spacing_mm[0]);
            let y = difference(j, ny, nx, at, spacing_mm[1]);
            let z = difference(k, nz, nx * ny, at, spacing_mm[2]);
            *out = (x * x + y * y + z * z).sqrt();
        }
    });
    Ok(out)
}
