use glam::DVec3;
use rayon::prelude::*;

use crate::grid::OrientedAxes;
use crate::{Anatomical, Geometry, Grid, Shared, VolumeError, Zeroed};

/// A scalar volume: voxels in their file's type, a rescale to real values, and the geometry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Volume {
    geometry: Geometry,
    voxels: Voxels,
    rescale: Rescale,
}

impl Volume {
    /// # Errors
    /// If there are not as many voxels as `geometry` has places.
    pub fn new(geometry: Geometry, voxels: Voxels, rescale: Rescale) -> Result<Self, VolumeError> {
        let (needed, given) = (geometry.num_voxels(), voxels.len());
        if needed != given {
            return Err(VolumeError::VoxelCount { needed, given });
        }
        Ok(Self { geometry, voxels, rescale })
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Number of voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.geometry.dims()
    }

    /// The voxels as stored, i fastest.
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// From stored to real values (HU for CT).
    pub fn rescale(&self) -> Rescale {
        self.rescale
    }

    /// Real value at a voxel; `None` outside.
    pub fn value(&self, voxel: [usize; 3]) -> Option<f64> {
        self.voxels.get(self.index(voxel)?).map(|stored| self.rescale.apply(stored))
    }

    /// Real value at the voxel whose cell holds the world point; `None` outside.
    pub fn value_at_world(&self, point_mm: DVec3) -> Option<f64> {
        self.value(self.voxel_at_world(point_mm)?)
    }

    /// The voxel whose cell holds the world point; `None` outside.
    pub fn voxel_at_world(&self, point_mm: DVec3) -> Option<[usize; 3]> {
        let voxel = self.geometry.voxel_from_world().transform_point3(point_mm).round();
        let dims = self.dims();
        let inside = (0..3).all(|a| voxel[a] >= 0.0 && voxel[a] < dims[a] as f64);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked against the dims just above"
        )]
        inside.then_some([voxel.x as usize, voxel.y as usize, voxel.z as usize])
    }

    /// The same values on other axes: permuted and flipped so that i, j, k grow in the directions of `axes` (as nearly as an oblique
    /// grid can), one for each world axis.
    ///
    /// # Errors
    /// If `axes` names a world axis twice.
    pub fn to_orientation(&self, axes: [Anatomical; 3]) -> Result<Self, VolumeError> {
        let oriented = OrientedAxes::of(&self.geometry, axes)?;
        let dims = oriented.geometry.dims();
        let offsets: [Vec<usize>; 3] = std::array::from_fn(|a| (0..dims[a]).map(|n| oriented.offset(a, n)).collect());
        let voxels = self.voxels.picked([&offsets[0], &offsets[1], &offsets[2]]);
        Self::new(oriented.geometry, voxels, self.rescale)
    }

    /// Values of a grid (such as this volume's, resampled) in the type and with the rescale of this volume.
    ///
    /// # Errors
    /// None for a grid that exists.
    pub fn like_this(&self, grid: &Grid) -> Result<Self, VolumeError> {
        let voxels = Voxels::from_real(self.voxels.voxel_type(), grid.data(), self.rescale);
        Self::new(*grid.geometry(), voxels, self.rescale)
    }

    /// All real values as f32, i fastest.
    pub fn to_f32(&self) -> Vec<f32> {
        self.voxels.to_f32(self.rescale)
    }

    fn index(&self, voxel: [usize; 3]) -> Option<usize> {
        let dims = self.dims();
        (0..3).all(|a| voxel[a] < dims[a]).then(|| voxel[0] + dims[0] * (voxel[1] + dims[1] * voxel[2]))
    }
}

/// `real = slope · stored + inter`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rescale {
    /// Factor; never 0.
    pub slope: f64,
    /// Offset.
    pub inter: f64,
}

impl Rescale {
    /// Stored values are the real ones.
    pub const IDENTITY: Self = Self { slope: 1.0, inter: 0.0 };

    /// The real value of a stored one.
    pub fn apply(self, stored: f64) -> f64 {
        stored * self.slope + self.inter
    }
}

macro_rules! voxel_types {
    ($($variant:ident $ty:ty, $name:literal;)*) => {
        /// The stored type of a volume's voxels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum VoxelType {
            $(#[doc = $name] $variant,)*
        }

        impl VoxelType {
            /// numpy's name, e.g. `int16`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Bytes per voxel.
            pub fn num_bytes(self) -> usize {
                match self { $(Self::$variant => size_of::<$ty>(),)* }
            }
        }

        /// Voxels in their stored type.
        #[derive(Debug, Clone)]
        pub enum Voxels {
            $(#[doc = $name] $variant(Shared<$ty>),)*
        }

        impl Voxels {
            /// Number of voxels.
            pub fn len(&self) -> usize {
                match self { $(Self::$variant(v) => v.len(),)* }
            }

            /// True if there is none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Their type.
            pub fn voxel_type(&self) -> VoxelType {
                match self { $(Self::$variant(_) => VoxelType::$variant,)* }
            }

            /// The stored value at a flat index.
            pub fn get(&self, index: usize) -> Option<f64> {
                match self { $(Self::$variant(v) => v.get(index).map(|&x| x as f64),)* }
            }

            /// Calls `f` with every stored value in order.
            pub fn for_each(&self, mut f: impl FnMut(f64)) {
                match self { $(Self::$variant(v) => v.iter().for_each(|&x| f(x as f64)),)* }
            }

            /// The real values as f32.
            pub fn to_f32(&self, rescale: Rescale) -> Vec<f32> {
                match self { $(Self::$variant(v) => v.iter().map(|&x| rescale.apply(x as f64) as f32).collect(),)* }
            }

            /// The real values at the crossings of three lists of offsets (an index is the sum of one of each), x fastest.
            ///
            /// # Panics
            /// If a sum is beyond the end.
            pub(crate) fn gather(&self, rescale: Rescale, offsets: [&[usize]; 3], out: &mut [f32]) {
                let [xs, ys, zs] = offsets;
                match self {
                    $(Self::$variant(v) => {
                        let v: &[$ty] = v;
                        let planes = out.par_chunks_mut((xs.len() * ys.len()).max(1)).zip(zs);
                        planes.for_each(|(plane, z)| {
                            for (row, y) in plane.chunks_mut(xs.len().max(1)).zip(ys) {
                                for (value, x) in row.iter_mut().zip(xs) {
                                    *value = rescale.apply(v[x + y + z] as f64) as f32;
                                }
                            }
                        });
                    })*
                }
            }

            /// The stored values at the crossings of three lists of offsets (an index is the sum of one of each), x fastest.
            ///
            /// # Panics
            /// If a sum is beyond the end.
            pub(crate) fn picked(&self, offsets: [&[usize]; 3]) -> Self {
                let [xs, ys, zs] = offsets;
                match self {
                    $(Self::$variant(v) => {
                        let v: &[$ty] = v;
                        let mut out: Vec<$ty> = vec![<$ty>::default(); xs.len() * ys.len() * zs.len()];
                        let planes = out.par_chunks_mut((xs.len() * ys.len()).max(1)).zip(zs);
                        planes.for_each(|(plane, z)| {
                            for (row, y) in plane.chunks_mut(xs.len().max(1)).zip(ys) {
                                row.iter_mut().zip(xs).for_each(|(value, x)| *value = v[x + y + z]);
                            }
                        });
                        Self::$variant(out.into())
                    })*
                }
            }

            /// The `count` stored values that begin at byte `begin`, in this machine's order; `None` if they are not there (see
            /// [`Zeroed::numbers`]).
            pub fn from_bytes(voxel_type: VoxelType, bytes: Zeroed<u8>, begin: usize, count: usize) -> Option<Self> {
                Some(match voxel_type {
                    $(VoxelType::$variant => Self::$variant(bytes.numbers(begin, count)?),)*
                })
            }

            /// Real values in this type: the nearest stored number, and the least or greatest one where there is none so low or high.
            pub fn from_real(voxel_type: VoxelType, values: &[f32], rescale: Rescale) -> Self {
                let stored = |v: f32| (f64::from(v) - rescale.inter) / rescale.slope;
                match voxel_type {
                    $(VoxelType::$variant => Self::$variant(values.iter().map(|&v| <$ty as Nearest>::nearest(stored(v))).collect()),)*
                }
            }

            /// Of the finite real values, in pieces on all cores; the pieces are the same whatever the number of cores.
            pub(crate) fn extent(&self, rescale: Rescale) -> Extent {
                match self {
                    $(Self::$variant(v) => {
                        let pieces = v.par_chunks(1 << 16).map(|piece| <$ty as Tallied>::tally(piece, rescale));
                        pieces.collect::<Vec<_>>().into_iter().fold(Extent::NONE, Extent::and)
                    })*
                }
            }

            /// Writes `stored · gain + bias` of the stored values from flat index `first` on; those that are not finite become
            /// `other`.
            ///
            /// # Panics
            /// If there are fewer values than places.
            pub fn scaled(&self, first: usize, gain: f64, bias: f64, other: f32, out: &mut [f32]) {
                match self {
                    $(Self::$variant(v) => {
                        let v: &[$ty] = &v[first..first + out.len()];
                        // Up to 16 bits an f32 holds the value; beyond, the difference to an offset might be all that counts.
                        if size_of::<$ty>() <= 2 {
                            let (gain, bias) = (gain as f32, bias as f32);
                            out.iter_mut().zip(v).for_each(|(out, &v)| *out = v as f32 * gain + bias);
                        } else {
                            for (out, &v) in out.iter_mut().zip(v) {
                                let value = v as f64;
                                *out = if value.is_finite() { (value * gain + bias) as f32 } else { other };
                            }
                        }
                    })*
                }
            }

            /// The bytes in this machine's order.
            pub fn as_bytes(&self) -> &[u8] {
                match self { $(Self::$variant(v) => bytemuck::cast_slice(v),)* }
            }
        }
    };
}

/// What some finite values reach and add up to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub min: f64,
    pub max: f64,
    pub sum: f64,
    pub count: usize,
}

impl Extent {
    const NONE: Self = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0 };

    fn and(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
            count: self.count + other.count,
        }
    }
}

/// The extent of some stored values.
trait Tallied: Sized {
    fn tally(piece: &[Self], rescale: Rescale) -> Extent;
}

macro_rules! tallied {
    ($($ty:ty, $sum:ty;)*) => {
        $(impl Tallied for $ty {
            fn tally(piece: &[Self], rescale: Rescale) -> Extent {
                let (mut low, mut high, mut sum) = (<$ty>::MAX, <$ty>::MIN, 0 as $sum);
                for &value in piece {
                    low = low.min(value);
                    high = high.max(value);
                    sum += <$sum>::from(value);
                }
                let ends = [low, high].map(|stored| rescale.apply(stored as f64));
                let count = piece.len();
                if count == 0 {
                    return Extent::NONE;
                }
                let sum = rescale.slope * sum as f64 + rescale.inter * count as f64;
                Extent { min: ends[0].min(ends[1]), max: ends[0].max(ends[1]), sum, count }
            }
        })*
    };
}

// A piece has 2^16 values.
tallied! {
    u8, i32;
    i8, i32;
    u16, u32;
    i16, i32;
    u32, u64;
    i32, i64;
    u64, u128;
    i64, i128;
}

macro_rules! tallied_floats {
    ($($ty:ty)*) => {
        $(impl Tallied for $ty {
            fn tally(piece: &[Self], rescale: Rescale) -> Extent {
                let mut extent = Extent::NONE;
                for &stored in piece {
                    let value = rescale.apply(stored.into());
                    if value.is_finite() {
                        // Not min and max, which take care of values that are none.
                        extent.min = if value < extent.min { value } else { extent.min };
                        extent.max = if value > extent.max { value } else { extent.max };
                        extent.sum += value;
                        extent.count += 1;
                    }
                }
                extent
            }
        })*
    };
}

tallied_floats!(f32 f64);

/// The number of a type that is nearest to a real one.
trait Nearest {
    fn nearest(value: f64) -> Self;
}

macro_rules! nearest {
    (whole: $($ty:ty)*) => {
        $(impl Nearest for $ty {
            fn nearest(value: f64) -> Self {
                value.round_ties_even() as $ty
            }
        })*
    };
    (real: $($ty:ty)*) => {
        $(impl Nearest for $ty {
            fn nearest(value: f64) -> Self {
                value as $ty
            }
        })*
    };
}

// Casts from floats saturate.
nearest!(whole: u8 i8 u16 i16 u32 i32 u64 i64);
nearest!(real: f32 f64);

voxel_types! {
    U8 u8, "uint8";
    I8 i8, "int8";
    U16 u16, "uint16";
    I16 i16, "int16";
    U32 u32, "uint32";
    I32 i32, "int32";
    U64 u64, "uint64";
    I64 i64, "int64";
    F32 f32, "float32";
    F64 f64, "float64";
}
