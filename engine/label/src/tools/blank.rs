//! Masking the image by a segment.

use rayon::prelude::*;
use voco_volume::{Volume, VolumeError, Voxels};

use crate::{BrickMask, LabelError, VoxelBox};

/// The image with `fill` (a real value, HU for CT) outside of a set, or inside of it if `is_inside`. The voxels keep their type;
/// a value that it cannot hold becomes the nearest it can.
///
/// # Errors
/// If the dims differ, or too little memory.
pub fn masked_image(volume: &Volume, set: &BrickMask, fill: f64, is_inside: bool) -> Result<Volume, LabelError> {
    let dims = volume.dims();
    if dims != set.dims() {
        return Err(LabelError::OtherImage(dims, set.dims()));
    }
    let mask = set.to_mask(&VoxelBox { min: [0; 3], max: dims })?;
    let rescale = volume.rescale();
    let stored = (fill - rescale.inter) / rescale.slope;
    macro_rules! blank {
        ($($variant:ident $ty:ty, $round:expr;)*) => {
            match volume.voxels() {
                $(Voxels::$variant(values) => {
                    let fill = $round(stored) as $ty;
                    let mut values = values.to_vec();
                    values.par_chunks_mut(dims[0]).enumerate().with_min_len(32).for_each(|(row, values)| {
                        let words = mask.row(row % dims[1], row / dims[1]);
                        for (i, value) in values.iter_mut().enumerate() {
                            if (words[i / 64] >> (i % 64) & 1 == 1) == is_inside {
                                *value = fill;
                            }
                        }
                    });
                    Voxels::$variant(values.into())
                })*
            }
        };
    }
    let same = |v: f64| v;
    let voxels = blank! {
        U8 u8, f64::round;
        I8 i8, f64::round;
        U16 u16, f64::round;
        I16 i16, f64::round;
        U32 u32, f64::round;
        I32 i32, f64::round;
        U64 u64, f64::round;
        I64 i64, f64::round;
        F32 f32, same;
        F64 f64, same;
    };
    Volume::new(*volume.geometry(), voxels, rescale).map_err(|error: VolumeError| match error {
        VolumeError::VoxelCount { needed, given } => LabelError::Count { needed, given },
        _ => LabelError::BadDims(dims),
    })
}
