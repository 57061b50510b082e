//! Random changes that stand for patients and scanners the data does not have: other sizes of the body, contrast medium, noise, short
//! scans. None of the published recipes has them; a task asks for them where there are few cases.

use rand::Rng;
use rayon::prelude::*;
use voco_data::Crop;
use voco_engine_api::TaskAugmentation;

/// A slab of a short scan has at least so many voxels along z.
const THINNEST_SLAB: usize = 8;

/// Voxels to read for a crop of `roi`: more or fewer, if the crop is to be zoomed; never more than the sample has.
pub(super) fn region(how: &TaskAugmentation, roi: [usize; 3], dims: [usize; 3], random: &mut impl Rng) -> [usize; 3] {
    let [chance, size] = how.zoom;
    if size <= 0.0 || chance <= 0.0 || !random.random_bool(chance) {
        return roi;
    }
    // One factor for the body, and a little for its proportions.
    let whole = random.random_range(-size..size);
    std::array::from_fn(|a| {
        let factor = (whole + random.random_range(-size..size) / 3.0).exp();
        ((roi[a] as f64 * factor).round() as usize).clamp(1, dims[a])
    })
}

/// The crop stretched to `size`: the first and the last voxels stay at the ends; labels by the nearest voxel.
pub(super) fn zoomed(crop: Crop, size: [usize; 3]) -> Crop {
    if crop.size == size {
        return crop;
    }
    let from = crop.size;
    let step: [f64; 3] =
        std::array::from_fn(|a| if size[a] > 1 { (from[a] - 1) as f64 / (size[a] - 1) as f64 } else { 0.0 });
    let taps: [Vec<(usize, usize, f32)>; 3] = std::array::from_fn(|a| {
        let tap = |n: usize| {
            let at = n as f64 * step[a];
            let low = (at as usize).min(from[a] - 1);
            (low, (low + 1).min(from[a] - 1), (at - low as f64) as f32)
        };
        (0..size[a]).map(tap).collect()
    });
    let (source_len, len) = (from.iter().product::<usize>(), size.iter().product::<usize>());
    let index = |x: usize, y: usize, z: usize| (x * from[1] + y) * from[2] + z;
    let mix = |a: f32, b: f32, weight: f32| a + (b - a) * weight;
    let channels = crop.image.len() / source_len.max(1);
    let mut image = vec![0.0; len * channels];
    for (out, values) in image.chunks_exact_mut(len).zip(crop.image.chunks_exact(source_len)) {
        out.par_chunks_mut(size[1] * size[2]).zip(&taps[0]).for_each(|(plane, &(x0, x1, wx))| {
            for (row, &(y0, y1, wy)) in plane.chunks_mut(size[2]).zip(&taps[1]) {
                for (value, &(z0, z1, wz)) in row.iter_mut().zip(&taps[2]) {
                    let line = |x: usize, y: usize| mix(values[index(x, y, z0)], values[index(x, y, z1)], wz);
                    *value = mix(mix(line(x0, y0), line(x0, y1), wy), mix(line(x1, y0), line(x1, y1), wy), wx);
                }
            }
        });
    }
    let near = |tap: &(usize, usize, f32)| if tap.2 < 0.5 { tap.0 } else { tap.1 };
    let mut label = Vec::with_capacity(if crop.label.is_empty() { 0 } else { len });
    if !crop.label.is_empty() {
        for x in &taps[0] {
            for y in &taps[1] {
                label.extend(taps[2].iter().map(|z| crop.label[index(near(x), near(y), near(z))]));
            }
        }
    }
    Crop { size, image, label }
}

/// Contrast medium, noise and a short scan.
pub(super) fn vary(crop: &mut Crop, how: &TaskAugmentation, random: &mut impl Rng) {
    if how.contrast[0] > 0.0 && how.contrast[1] > 0.0 && random.random_bool(how.contrast[0]) {
        contrast(crop, how.contrast[1] as f32, random);
    }
    if how.noise[0] > 0.0 && how.noise[1] > 0.0 && random.random_bool(how.noise[0]) {
        let sigma = random.random_range(0.0..how.noise[1] as f32);
        for value in &mut crop.image {
            // The sum of three is near enough to a normal distribution: variance 3 · 1/3.
            let sum: f32 = (0..3).map(|_| random.random_range(-1.0_f32..1.0)).sum();
            *value += sigma * sum;
        }
    }
    if how.short_scan > 0.0 && random.random_bool(how.short_scan) {
        cut_to_slab(crop, random);
    }
}

/// Adds an offset of its own to each class, the same towards all for one half, fading out over its border.
fn contrast(crop: &mut Crop, most: f32, random: &mut impl Rng) {
    let classes = crop.label.iter().copied().max().unwrap_or(0);
    let common = random.random_range(-most..most) / 2.0;
    let offsets: Vec<f32> = (0..=classes)
        .map(|class| if class == 0 { 0.0 } else { common + random.random_range(-most..most) / 2.0 })
        .collect();
    let mut field: Vec<f32> = crop.label.iter().map(|&class| offsets[usize::from(class)]).collect();
    for axis in 0..3 {
        smooth(&mut field, crop.size, axis);
    }
    let len = field.len().max(1);
    for channel in crop.image.chunks_exact_mut(len) {
        channel.iter_mut().zip(&field).for_each(|(value, offset)| *value += offset);
    }
}

/// The mean of each value and its two neighbours along an axis, ¼ ½ ¼; borders count twice.
fn smooth(values: &mut [f32], size: [usize; 3], axis: usize) {
    let stride: usize = size[axis + 1..].iter().product();
    let last = size[axis] - 1;
    for block in values.chunks_exact_mut(size[axis] * stride) {
        for offset in 0..stride {
            let mut before = block[offset];
            for n in 0..=last {
                let at = n * stride + offset;
                let value = block[at];
                let after = if n < last { block[at + stride] } else { value };
                block[at] = 0.25 * before + 0.5 * value + 0.25 * after;
                before = value;
            }
        }
    }
}

/// Keeps a random slab along z in the middle of the crop, as a scan of a few slices comes with padding around it.
fn cut_to_slab(crop: &mut Crop, random: &mut impl Rng) {
    let depth = crop.size[2];
    if depth <= THINNEST_SLAB {
        return;
    }
    let kept = random.random_range(THINNEST_SLAB..depth);
    let from = random.random_range(0..=depth - kept);
    let to = (depth - kept) / 2;
    move_slab(&mut crop.image, depth, from, kept, to);
    move_slab(&mut crop.label, depth, from, kept, to);
}

/// In each row of `depth` values: those from `from` on go to `to`, the rest becomes 0.
fn move_slab<T: Copy + Default>(values: &mut [T], depth: usize, from: usize, kept: usize, to: usize) {
    for row in values.chunks_exact_mut(depth) {
        row.copy_within(from..from + kept, to);
        row[..to].fill(T::default());
        row[to + kept..].fill(T::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_is_moved_to_the_middle_and_the_rest_is_empty() {
        let mut values: Vec<u16> = (1..=12).collect();
        move_slab(&mut values, 6, 3, 2, 2);
        assert_eq!(values, [0, 0, 4, 5, 0, 0, 0, 0, 10, 11, 0, 0]);
        let mut all: Vec<u16> = (1..=6).collect();
        move_slab(&mut all, 6, 0, 5, 0);
        assert_eq!(all, [1, 2, 3, 4, 5, 0]);
    }

    #[test]
    fn smoothing_keeps_constants_and_spreads_a_peak() {
        let mut constant = vec![2.0; 27];
        (0..3).for_each(|axis| smooth(&mut constant, [3, 3, 3], axis));
        assert_eq!(constant, [2.0; 27]);
        let mut line = vec![0.0, 0.0, 4.0, 0.0, 0.0];
        smooth(&mut line, [1, 1, 5], 2);
        assert_eq!(line, [0.0, 1.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn a_zoomed_ramp_is_a_ramp_with_labels_at_the_same_places() {
        let size = [5, 3, 9];
        let ramp = |n: usize| [n / 27, n / 9 % 3, n % 9];
        let image: Vec<f32> = (0..135).map(|n| ramp(n)[0] as f32 + 10.0 * ramp(n)[2] as f32).collect();
        let label: Vec<u16> = (0..135).map(|n| ramp(n)[2] as u16).collect();
        let crop = zoomed(Crop { size, image, label }, [9, 3, 17]);
        assert_eq!(crop.size, [9, 3, 17]);
        for (n, &value) in crop.image.iter().enumerate() {
            let (i, k) = (n / 51, n % 17);
            assert!((value - (i as f32 / 2.0 + 5.0 * k as f32)).abs() < 1e-4, "voxel {n}: {value}");
            assert_eq!(usize::from(crop.label[n]), k.div_ceil(2), "voxel {n}");
        }
    }
}
