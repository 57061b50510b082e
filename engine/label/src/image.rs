//! What tools read of an image: values in a range, as bits, and boxes of values.

use rayon::prelude::*;
use voco_volume::{Volume, Voxels};

use crate::error::filled;
use crate::lattice::check_dims;
use crate::mask::WORD;
use crate::{BRICK, BRICK_ROWS, BrickGrid, LabelError, Mask, MaskBrick, VoxelBox};

/// Calls a macro with the slice of stored voxels, whatever their type.
macro_rules! with_voxels {
    ($volume:expr, $values:ident => $body:expr) => {{
        #[expect(clippy::unnecessary_cast, reason = "for one of the types")]
        let result = match $volume.voxels() {
            Voxels::U8($values) => $body,
            Voxels::I8($values) => $body,
            Voxels::U16($values) => $body,
            Voxels::I16($values) => $body,
            Voxels::U32($values) => $body,
            Voxels::I32($values) => $body,
            Voxels::U64($values) => $body,
            Voxels::I64($values) => $body,
            Voxels::F32($values) => $body,
            Voxels::F64($values) => $body,
        };
        result
    }};
}
pub(crate) use with_voxels;

/// The voxels of a volume whose real value lies in `range`, both ends included.
///
/// # Errors
/// A volume that is too large, or too little memory.
pub fn in_range(volume: &Volume, range: [f64; 2]) -> Result<Mask, LabelError> {
    let dims = volume.dims();
    in_range_box(volume, range, &VoxelBox { min: [0; 3], max: dims })
}

/// As [`in_range`] within a box, whose first voxel becomes voxel 0.
///
/// # Errors
/// As [`in_range`]; a box that reaches out of the volume.
pub fn in_range_box(volume: &Volume, range: [f64; 2], part: &VoxelBox) -> Result<Mask, LabelError> {
    check_box(volume.dims(), part)?;
    let (mut mask, size, dims) = (Mask::empty(part.size())?, part.size(), volume.dims());
    let per_row = mask.words_per_row();
    let rescale = volume.rescale();
    with_voxels!(volume, values => {
        mask.words_mut().par_chunks_mut(per_row).enumerate().with_min_len(64).for_each(|(row, words)| {
            let (j, k) = (part.min[1] + row % size[1], part.min[2] + row / size[1]);
            let values = &values[part.min[0] + dims[0] * (j + dims[1] * k)..][..size[0]];
            for (word, values) in words.iter_mut().zip(values.chunks(WORD)) {
                *word = bits(values, |v| rescale.apply(v as f64), range);
            }
        });
    });
    Ok(mask)
}

/// The voxels of one brick whose real value lies in `range`.
pub fn in_range_brick(volume: &Volume, range: [f64; 2], brick: usize) -> MaskBrick {
    let (grid, dims) = (BrickGrid::new(volume.dims()), volume.dims());
    let VoxelBox { min, max } = grid.voxels(brick);
    let rescale = volume.rescale();
    let mut found = Box::new([0_u32; BRICK_ROWS]);
    with_voxels!(volume, values => {
        for k in min[2]..max[2] {
            for j in min[1]..max[1] {
                let values = &values[min[0] + dims[0] * (j + dims[1] * k)..][..max[0] - min[0]];
                found[j - min[1] + BRICK * (k - min[2])] = bits(values, |v| rescale.apply(v as f64), range) as u32;
            }
        }
    });
    MaskBrick::from_bits(found)
}

/// The real values of a box that lies in the volume, i fastest.
///
/// # Errors
/// A box that reaches out of the volume, or too little memory.
pub fn read_image_box(volume: &Volume, part: &VoxelBox) -> Result<Vec<f32>, LabelError> {
    check_box(volume.dims(), part)?;
    let (size, dims) = (part.size(), volume.dims());
    check_dims(size)?;
    let mut out = filled(part.num_voxels(), 0.0_f32)?;
    let rescale = volume.rescale();
    with_voxels!(volume, values => {
        out.par_chunks_mut(size[0]).enumerate().with_min_len(64).for_each(|(row, out)| {
            let (j, k) = (part.min[1] + row % size[1], part.min[2] + row / size[1]);
            let values = &values[part.min[0] + dims[0] * (j + dims[1] * k)..];
            for (out, &value) in out.iter_mut().zip(values) {
                *out = rescale.apply(value as f64) as f32;
            }
        });
    });
    Ok(out)
}

/// Checks that a box is not empty and lies in a grid.
pub(crate) fn check_box(dims: [usize; 3], part: &VoxelBox) -> Result<(), LabelError> {
    if part.is_empty() || (0..3).any(|a| part.max[a] > dims[a]) {
        return Err(LabelError::BadSetting("the region lies outside of the image; choose one inside"));
    }
    Ok(())
}

/// Bit n says whether value n lies in the range; at most 64 values.
fn bits<T: Copy>(values: &[T], real: impl Fn(T) -> f64, [low, high]: [f64; 2]) -> u64 {
    let mut flags = [0_u8; WORD];
    for (flag, &value) in flags.iter_mut().zip(values) {
        let value = real(value);
        *flag = u8::from(value >= low) & u8::from(value <= high);
    }
    flags.iter().enumerate().fold(0, |bits, (n, &flag)| bits | u64::from(flag) << n)
}
