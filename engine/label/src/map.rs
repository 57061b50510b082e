use glam::DVec3;
use rayon::prelude::*;
use voco_volume::{Geometry, Volume, Voxels};

use crate::error::filled;
use crate::lattice::check_count;
use crate::{ClassMetrics, ClassRule, Label, LabelError, Lattice, Protocol, evaluate, present_labels};

/// The labels of a volume, in the smallest type that holds them.
#[derive(Debug, Clone)]
pub struct LabelMap {
    geometry: Geometry,
    values: LabelValues,
}

/// Labels, i fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelValues {
    /// None above 255.
    U8(Vec<u8>),
    /// None above 65535.
    U16(Vec<u16>),
    /// Any.
    U32(Vec<u32>),
}

impl LabelMap {
    /// # Errors
    /// If there is not one value per voxel.
    pub fn new(geometry: Geometry, values: LabelValues) -> Result<Self, LabelError> {
        check_count(geometry.dims(), values.len())?;
        Ok(Self { geometry, values })
    }

    /// From a volume of whole numbers, whatever type they are stored in.
    ///
    /// # Errors
    /// If a value is no whole number from 0 to 4294967295, or too little memory.
    pub fn from_volume(volume: &Volume) -> Result<Self, LabelError> {
        macro_rules! whole {
            ($values:expr) => {{
                let rescale = volume.rescale();
                let real = |stored| rescale.apply(stored as f64);
                let is_bad = |&&stored: &&_| !is_label(real(stored));
                if let Some(&bad) = $values.par_iter().with_min_len(1 << 16).find_first(is_bad) {
                    return Err(LabelError::NotALabel(real(bad)));
                }
                let most = $values.par_iter().with_min_len(1 << 16).map(|&v| real(v) as u32).max().unwrap_or(0);
                let count = $values.len();
                match most {
                    0..=0xff => LabelValues::U8(converted(count, |n| real($values[n]) as u8)?),
                    0x100..=0xffff => LabelValues::U16(converted(count, |n| real($values[n]) as u16)?),
                    _ => LabelValues::U32(converted(count, |n| real($values[n]) as u32)?),
                }
            }};
        }
        let values = match volume.voxels() {
            Voxels::U8(v) => whole!(v),
            Voxels::I8(v) => whole!(v),
            Voxels::U16(v) => whole!(v),
            Voxels::I16(v) => whole!(v),
            Voxels::U32(v) => whole!(v),
            Voxels::I32(v) => whole!(v),
            Voxels::U64(v) => whole!(v),
            Voxels::I64(v) => whole!(v),
            Voxels::F32(v) => whole!(v),
            Voxels::F64(v) => whole!(v),
        };
        Self::new(*volume.geometry(), values)
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The labels, i fastest.
    pub fn values(&self) -> &LabelValues {
        &self.values
    }

    /// The labels that occur, except 0, ascending.
    ///
    /// # Errors
    /// If there are more than [`crate::MAX_CLASSES`].
    pub fn present_labels(&self) -> Result<Vec<u32>, LabelError> {
        let dims = self.geometry.dims();
        match &self.values {
            LabelValues::U8(v) => present_labels(v, dims),
            LabelValues::U16(v) => present_labels(v, dims),
            LabelValues::U32(v) => present_labels(v, dims),
        }
    }

    /// Compares this prediction with a reference on the same grid, as [`evaluate`] does. The spacing is that of the reference.
    ///
    /// # Errors
    /// If the dims differ, and as [`evaluate`].
    pub fn compared(
        &self,
        reference: &Self,
        protocol: Protocol,
        rules: &[ClassRule],
    ) -> Result<Vec<ClassMetrics>, LabelError> {
        let (p, r) = (self.geometry.dims(), reference.geometry.dims());
        if p != r {
            return Err(LabelError::OtherDims(p, r));
        }
        let lattice = Lattice::of(&reference.geometry)?;
        match (&self.values, &reference.values) {
            (LabelValues::U8(p), LabelValues::U8(r)) => evaluate(p, r, &lattice, protocol, rules),
            (LabelValues::U16(p), LabelValues::U16(r)) => evaluate(p, r, &lattice, protocol, rules),
            (p, r) => evaluate(&p.to_u32(), &r.to_u32(), &lattice, protocol, rules),
        }
    }

    /// The label of the nearest voxel for each voxel of another grid; 0 outside.
    ///
    /// # Errors
    /// A grid that is too large.
    pub fn resampled(&self, grid: &Geometry) -> Result<Self, LabelError> {
        crate::lattice::check_dims(grid.dims())?;
        let values = match &self.values {
            LabelValues::U8(v) => LabelValues::U8(self.nearest(v, grid)?),
            LabelValues::U16(v) => LabelValues::U16(self.nearest(v, grid)?),
            LabelValues::U32(v) => LabelValues::U32(self.nearest(v, grid)?),
        };
        Ok(Self { geometry: *grid, values })
    }

    fn nearest<T: Label>(&self, values: &[T], grid: &Geometry) -> Result<Vec<T>, LabelError> {
        let [nx, ny, _] = grid.dims();
        let dims = self.geometry.dims();
        let from_grid = self.geometry.voxel_from_world() * grid.world_from_voxel();
        let mut out = filled(grid.num_voxels(), T::BACKGROUND)?;
        out.par_chunks_mut(nx).enumerate().with_min_len(16).for_each(|(row, out)| {
            let start = from_grid.transform_point3(DVec3::new(0.0, (row % ny) as f64, (row / ny) as f64));
            let step = from_grid.matrix3.x_axis;
            for (i, out) in out.iter_mut().enumerate() {
                // Half a voxel up, so that a cell is 0 ≤ v < 1; a value below 0 is no index.
                let v = start + step * i as f64 + DVec3::splat(0.5);
                if v.min_element() >= 0.0 {
                    let [x, y, z] = v.to_array().map(|v| v as usize);
                    if x < dims[0] && y < dims[1] && z < dims[2] {
                        *out = values[x + dims[0] * (y + dims[1] * z)];
                    }
                }
            }
        });
        Ok(out)
    }
}

impl LabelValues {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::U32(v) => v.len(),
        }
    }

    /// The label at a flat index.
    pub fn get(&self, index: usize) -> Option<u32> {
        match self {
            Self::U8(v) => v.get(index).map(|&v| v.into()),
            Self::U16(v) => v.get(index).map(|&v| v.into()),
            Self::U32(v) => v.get(index).copied(),
        }
    }

    /// All labels in order.
    pub fn to_u32(&self) -> Vec<u32> {
        match self {
            Self::U8(v) => v.iter().map(|&v| v.into()).collect(),
            Self::U16(v) => v.iter().map(|&v| v.into()).collect(),
            Self::U32(v) => v.clone(),
        }
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn is_label(value: f64) -> bool {
    value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)
}

fn converted<T: Label>(count: usize, value: impl Fn(usize) -> T + Sync) -> Result<Vec<T>, LabelError> {
    let mut out = filled(count, T::BACKGROUND)?;
    out.par_iter_mut().enumerate().with_min_len(1 << 16).for_each(|(n, out)| *out = value(n));
    Ok(out)
}
