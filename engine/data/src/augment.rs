//! Random changes to crops, with their label maps.

use rand::Rng;

use crate::Crop;

/// Chances and strengths of the random changes to a crop, applied in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmentation {
    /// Chance of a flip, for each axis.
    pub flip: f64,
    /// Chance of one to three quarter turns in the x-y plane. Crops that are not square there make half a turn only, so that all
    /// crops of a batch keep their size.
    pub quarter_turn: f64,
    /// Chance and greatest change of a factor 1 ± x on intensities.
    pub scale: (f64, f32),
    /// Chance and greatest size of an offset ± x on intensities.
    pub shift: (f64, f32),
}

impl Augmentation {
    /// Changes nothing.
    pub const NONE: Self = Self { flip: 0.0, quarter_turn: 0.0, scale: (0.0, 0.0), shift: (0.0, 0.0) };
    /// Published VoCo pre-training (TPAMI), after cutting; targets stay as they are.
    pub const PRETRAIN: Self = Self { flip: 0.2, quarter_turn: 0.2, scale: (0.0, 0.0), shift: (0.5, 0.1) };
    /// The CVPR 2024 version of it.
    pub const PRETRAIN_CVPR: Self = Self { shift: (0.1, 0.1), ..Self::PRETRAIN };
    /// Published fine-tuning on CT.
    pub const CT: Self = Self { flip: 0.2, quarter_turn: 0.2, scale: (0.0, 0.0), shift: (0.1, 0.1) };
    /// Published fine-tuning on CT with scaled intensities (BTCV, WORD).
    pub const CT_SCALED: Self = Self { scale: (0.1, 0.1), shift: (0.5, 0.1), ..Self::CT };
    /// Published fine-tuning on MR.
    pub const MR: Self = Self { flip: 0.1, ..Self::NONE };
}

/// Changes a crop in place; its label map moves with it.
pub fn augment(crop: &mut Crop, how: Augmentation, random: &mut impl Rng) {
    for axis in 0..3 {
        if hits(how.flip, random) {
            flip(crop, axis);
        }
    }
    if hits(how.quarter_turn, random) {
        let turns = random.random_range(1..=3);
        if crop.size[0] == crop.size[1] {
            (0..turns).for_each(|_| quarter_turn(crop));
        } else {
            flip(crop, 0);
            flip(crop, 1);
        }
    }
    if hits(how.scale.0, random) && how.scale.1 > 0.0 {
        let factor = 1.0 + random.random_range(-how.scale.1..how.scale.1);
        crop.image.iter_mut().for_each(|v| *v *= factor);
    }
    if hits(how.shift.0, random) && how.shift.1 > 0.0 {
        let offset = random.random_range(-how.shift.1..how.shift.1);
        crop.image.iter_mut().for_each(|v| *v += offset);
    }
}

/// A chance of 0 draws nothing.
fn hits(chance: f64, random: &mut impl Rng) -> bool {
    chance > 0.0 && random.random_bool(chance.min(1.0))
}

/// Mirrors a crop along an axis.
pub fn flip(crop: &mut Crop, axis: usize) {
    let size = crop.size;
    let len = size.iter().product::<usize>().max(1);
    crop.image.chunks_exact_mut(len).for_each(|channel| flip_values(channel, size, axis));
    crop.label.chunks_exact_mut(len).for_each(|label| flip_values(label, size, axis));
}

/// numpy's `rot90` with k = 1 in the plane of axes (0, 1): out[i, j] = in[j, n−1−i]; x and y change places.
pub fn quarter_turn(crop: &mut Crop) {
    let [nx, ny, nz] = crop.size;
    let len = (nx * ny * nz).max(1);
    crop.image.chunks_exact_mut(len).for_each(|channel| turn_values(channel, [nx, ny, nz]));
    crop.label.chunks_exact_mut(len).for_each(|label| turn_values(label, [nx, ny, nz]));
    crop.size = [ny, nx, nz];
}

fn flip_values<T>(values: &mut [T], size: [usize; 3], axis: usize) {
    let stride: usize = size[axis + 1..].iter().product();
    for block in values.chunks_exact_mut(size[axis] * stride) {
        for n in 0..size[axis] / 2 {
            let (low, high) = block.split_at_mut((size[axis] - 1 - n) * stride);
            low[n * stride..][..stride].swap_with_slice(&mut high[..stride]);
        }
    }
}

fn turn_values<T: Copy>(values: &mut [T], [nx, ny, nz]: [usize; 3]) {
    let source = values.to_vec();
    for i in 0..ny {
        for j in 0..nx {
            let from = (j * ny + ny - 1 - i) * nz;
            values[(i * nx + j) * nz..][..nz].copy_from_slice(&source[from..from + nz]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Crop, flip, quarter_turn};

    #[test]
    fn four_quarter_turns_and_two_flips_change_nothing() {
        let size = [3, 4, 5];
        let original =
            Crop { size, image: (0..2 * 60).map(|n| n as f32).collect(), label: (0..60).map(|n| n as u16).collect() };
        let mut crop = original.clone();
        quarter_turn(&mut crop);
        assert_eq!(crop.size, [4, 3, 5], "x and y change places");
        assert_ne!(crop.image, original.image, "one turn moves voxels");
        (0..3).for_each(|_| quarter_turn(&mut crop));
        assert_eq!(crop, original, "four turns are none");
        for axis in 0..3 {
            flip(&mut crop, axis);
            assert_ne!(crop.image, original.image, "one flip moves voxels");
            let moved = crop.image.iter().map(|&v| v as u16).take(60).collect::<Vec<_>>();
            assert_eq!(moved, crop.label, "the label moves with the image");
            flip(&mut crop, axis);
        }
        assert_eq!(crop, original, "two flips are none");
    }
}
