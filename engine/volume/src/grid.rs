use glam::{DAffine3, DMat3, DVec3};
use rayon::prelude::*;

use crate::{Anatomical, Geometry, Volume, VolumeError, orientation::axis_assignment};

/// Real values on a regular grid, i fastest: what preprocessing works on.
#[derive(Debug, Clone)]
pub struct Grid {
    geometry: Geometry,
    data: Vec<f32>,
}

impl Grid {
    /// # Errors
    /// If `data` has not one value per voxel of `geometry`.
    pub fn new(geometry: Geometry, data: Vec<f32>) -> Result<Self, VolumeError> {
        let (needed, given) = (geometry.num_voxels(), data.len());
        if needed != given {
            return Err(VolumeError::VoxelCount { needed, given });
        }
        Ok(Self { geometry, data })
    }

    /// The real values of a volume, without resampling.
    pub fn from_volume(volume: &Volume) -> Self {
        Self { geometry: *volume.geometry(), data: volume.to_f32() }
    }

    /// Where the values lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The same values said to lie elsewhere; the caller knows that both grids have the same size.
    pub(crate) fn placed_at(mut self, geometry: Geometry) -> Self {
        debug_assert_eq!(self.geometry.dims(), geometry.dims(), "a value for each place");
        self.geometry = geometry;
        self
    }

    /// Number of values along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.geometry.dims()
    }

    /// The values, i fastest.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Applies `f` to every value.
    pub fn map(mut self, f: impl Fn(f32) -> f32 + Sync) -> Self {
        self.data.par_iter_mut().with_min_len(1 << 16).for_each(|v| *v = f(*v));
        self
    }

    /// The same values with axes permuted and flipped so that i, j, k grow to the patient's Right, Anterior, Superior
    /// (as nearly as an oblique grid can).
    ///
    /// # Errors
    /// None for a grid that exists; the geometry is checked again all the same.
    pub fn to_ras(self) -> Result<Self, VolumeError> {
        let ras = RasAxes::ras(&self.geometry)?;
        if ras.is_identity() {
            return Ok(self);
        }
        let out_dims = ras.geometry.dims();
        let at = |w: usize, n: usize| ras.offset(w, n);
        let mut data = vec![0.0; self.data.len()];
        data.par_chunks_mut(out_dims[0] * out_dims[1]).enumerate().for_each(|(k, slab)| {
            for (j, row) in slab.chunks_mut(out_dims[0]).enumerate() {
                let base = at(2, k) + at(1, j);
                for (i, value) in row.iter_mut().enumerate() {
                    *value = self.data[base + at(0, i)];
                }
            }
        });
        Self::new(ras.geometry, data)
    }

    /// The part from `start`, `size` voxels long; it must lie inside.
    ///
    /// # Errors
    /// If it does not.
    pub fn cropped(&self, start: [usize; 3], size: [usize; 3]) -> Result<Self, VolumeError> {
        self.window(start.map(|s| s as isize), size)
    }

    /// Padded with zeros to at least `least`, the smaller half before (MONAI's symmetric `SpatialPad`).
    ///
    /// # Errors
    /// If the result is too large to index.
    pub fn padded(self, least: [usize; 3]) -> Result<Self, VolumeError> {
        let dims = self.dims();
        let out: [usize; 3] = std::array::from_fn(|a| dims[a].max(least[a]));
        let start = std::array::from_fn(|a| -(((out[a] - dims[a]) / 2) as isize));
        if out == dims { Ok(self) } else { self.window(start, out) }
    }

    /// The box of values above `threshold` as (start, size); `None` if there is none.
    pub fn foreground_box(&self, threshold: f32) -> Option<([usize; 3], [usize; 3])> {
        let [nx, ny, _] = self.dims();
        let (mut low, mut high) = ([usize::MAX; 3], [0_usize; 3]);
        for (n, row) in self.data.chunks(nx).enumerate() {
            let Some(first) = row.iter().position(|&v| v > threshold) else { continue };
            let last = row.iter().rposition(|&v| v > threshold).unwrap_or(first);
            let at = [(first, last), (n % ny, n % ny), (n / ny, n / ny)];
            for a in 0..3 {
                low[a] = low[a].min(at[a].0);
                high[a] = high[a].max(at[a].1);
            }
        }
        (low[0] != usize::MAX).then(|| (low, std::array::from_fn(|a| high[a] + 1 - low[a])))
    }

    /// Copies the box at `start`, `size` long, to `out` with z fastest, the layout of a tensor [X, Y, Z].
    ///
    /// # Panics
    /// If the box does not lie inside or `out` has another length.
    pub fn copy_crop(&self, start: [usize; 3], size: [usize; 3], out: &mut [f32]) {
        let [nx, ny, nz] = self.dims();
        assert!(
            start[0] + size[0] <= nx && start[1] + size[1] <= ny && start[2] + size[2] <= nz,
            "the crop lies inside"
        );
        assert_eq!(out.len(), size.iter().product::<usize>(), "one place for each value");
        for k in 0..size[2] {
            for j in 0..size[1] {
                let from = start[0] + nx * (start[1] + j + ny * (start[2] + k));
                for (i, &value) in self.data[from..from + size[0]].iter().enumerate() {
                    out[(i * size[1] + j) * size[2] + k] = value;
                }
            }
        }
    }

    /// A box that may reach outside, where it is zero.
    pub(crate) fn window(&self, start: [isize; 3], size: [usize; 3]) -> Result<Self, VolumeError> {
        let old = self.geometry.world_from_voxel();
        let shift = DVec3::from_array(start.map(|s| s as f64));
        let affine = DAffine3::from_mat3_translation(old.matrix3, old.transform_point3(shift));
        let geometry = Geometry::new(size, affine)?;
        let dims = self.dims();
        let mut data = zeros(&geometry)?;
        // Where source and result overlap along x, in result and source indices.
        let from = start[0].max(0) as usize;
        let to = (start[0] + size[0] as isize).clamp(0, dims[0] as isize) as usize;
        if from < to {
            let out_x = (from as isize - start[0]) as usize;
            for k in 0..size[2] {
                for j in 0..size[1] {
                    let (y, z) = (start[1] + j as isize, start[2] + k as isize);
                    if y < 0 || z < 0 || y >= dims[1] as isize || z >= dims[2] as isize {
                        continue;
                    }
                    let src = dims[0] * (y as usize + dims[1] * z as usize);
                    let dst = out_x + size[0] * (j + size[1] * k);
                    data[dst..dst + to - from].copy_from_slice(&self.data[src + from..src + to]);
                }
            }
        }
        Self::new(geometry, data)
    }
}

/// A grid's axes permuted and flipped so that they grow in given directions of the patient.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrientedAxes {
    /// The grid after that.
    pub geometry: Geometry,
    /// The source axis that becomes each axis.
    source: [usize; 3],
    /// It keeps its direction.
    positive: [bool; 3],
    /// Distance in source values of neighbours along each axis.
    strides: [usize; 3],
}

/// The same with Right, Anterior, Superior.
pub(crate) type RasAxes = OrientedAxes;

impl OrientedAxes {
    pub fn ras(geometry: &Geometry) -> Result<Self, VolumeError> {
        Self::of(geometry, [Anatomical::Right, Anatomical::Anterior, Anatomical::Superior])
    }

    pub fn of(geometry: &Geometry, axes: [Anatomical; 3]) -> Result<Self, VolumeError> {
        let wanted = axes.map(Anatomical::axis);
        if (0..3).any(|w| wanted.iter().all(|(axis, _)| *axis != w)) {
            return Err(VolumeError::BadSpec(
                "an orientation names each of R or L, A or P, S or I once, such as RAS".into(),
            ));
        }
        let assignment = axis_assignment(geometry.directions());
        let source = wanted.map(|(w, _)| assignment.iter().position(|a| a.0 == w).unwrap_or(w));
        let positive = std::array::from_fn(|n| assignment[source[n]].1 == wanted[n].1);
        let dims = geometry.dims();
        let out_dims = source.map(|s| dims[s]);
        let strides = source.map(|s| [1, dims[0], dims[0] * dims[1]][s]);
        let old = geometry.world_from_voxel();
        let columns = [old.matrix3.x_axis, old.matrix3.y_axis, old.matrix3.z_axis];
        let mut origin = old.translation;
        let mut axes = [DVec3::ZERO; 3];
        for w in 0..3 {
            let column = columns[source[w]];
            axes[w] = if positive[w] { column } else { -column };
            if !positive[w] {
                origin += column * (out_dims[w] - 1) as f64;
            }
        }
        let matrix = DMat3::from_cols(axes[0], axes[1], axes[2]);
        let affine = DAffine3::from_mat3_translation(matrix, origin);
        Ok(Self { geometry: Geometry::new(out_dims, affine)?, source, positive, strides })
    }

    fn is_identity(&self) -> bool {
        self.source == [0, 1, 2] && self.positive == [true; 3]
    }

    /// What index `n` along `axis` adds to the index of the source value.
    pub fn offset(&self, axis: usize, n: usize) -> usize {
        self.strides[axis] * if self.positive[axis] { n } else { self.geometry.dims()[axis] - 1 - n }
    }
}

/// Most values of a grid: 8 GB of them. A header that claims metres per voxel asks for far more.
const MAX_VALUES: usize = 2_000_000_000;

/// One zero for each voxel, if they fit.
pub(crate) fn zeros(geometry: &Geometry) -> Result<Vec<f32>, VolumeError> {
    let count = geometry.num_voxels();
    let mut data = Vec::new();
    if count > MAX_VALUES || data.try_reserve_exact(count).is_err() {
        return Err(VolumeError::TooLarge(count / 1_000_000));
    }
    data.resize(count, 0.0);
    Ok(data)
}
