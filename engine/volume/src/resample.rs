use glam::{DAffine3, DMat3, DVec3};
use rayon::prelude::*;

use crate::grid::zeros;
use crate::{Geometry, Grid, VolumeError};

/// How values between voxels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Trilinear.
    Linear,
    /// The nearest voxel; halves go to the even one, as in MONAI.
    Nearest,
}

/// Changes of an affine below this are none, and a spacing this near is the one asked for (MONAI's `AFFINE_TOL`).
const AFFINE_TOLERANCE: f64 = 1e-3;
/// A corner that is not the least of all by more than this many voxels is not a corner to keep in place (numpy's `allclose`).
const CORNER_TOLERANCE: f64 = 1e-8;
/// Voxels by which the far end of an axis may stray before the axes count as mixed.
const MIXED: f64 = 1e-7;

impl Grid {
    /// Resampled to `spacing_mm`, as MONAI's `Spacing` with the default arguments of the published recipes.
    ///
    /// The directions stay, shear goes (the new matrix is Q · diag(spacing), where M = Q · U and U is upper triangular). The size is round(extent between the outer voxel centres + 1), halves to even. The first voxel stays in place, unless
    /// no corner of the old grid is the least along all new axes to within 1e-8 voxels, as happens to oblique grids whose
    /// affine was rounded to 32 bits: then the middles of both grids are laid on one another. A grid that would change by less
    /// than 1e-3 is returned as it is.
    ///
    /// # Errors
    /// If the result would have no sensible size.
    pub fn to_spacing(self, spacing_mm: [f64; 3], interpolation: Interpolation) -> Result<Self, VolumeError> {
        match resampling(self.geometry(), spacing_mm)? {
            Some((geometry, source_from_out)) => self.sampled(geometry, source_from_out, interpolation),
            None => Ok(self),
        }
    }

    /// The values on another grid, by the places that both have in the patient. A place beyond the outer voxels' borders gets
    /// `outside`; between those borders and their centres the outer voxels count, as in ITK.
    ///
    /// # Errors
    /// If the grid is too large.
    pub fn onto(&self, geometry: &Geometry, interpolation: Interpolation, outside: f32) -> Result<Self, VolumeError> {
        // Places that lie on the border but for rounding are inside.
        const ROUNDING: f64 = 1e-6;
        let source_from_out = self.geometry().voxel_from_world() * geometry.world_from_voxel();
        let dims = self.dims();
        let [nx, ny, _] = geometry.dims();
        let mut data = zeros(geometry)?;
        data.par_chunks_mut(nx * ny).enumerate().for_each(|(k, slab)| {
            for (n, value) in slab.iter_mut().enumerate() {
                let at = source_from_out.transform_point3(DVec3::new((n % nx) as f64, (n / nx) as f64, k as f64));
                let is_inside = (0..3).all(|a| (-0.5 - ROUNDING..=dims[a] as f64 - 0.5 + ROUNDING).contains(&at[a]));
                *value = if is_inside { self.sample(at, interpolation) } else { outside };
            }
        });
        Self::new(*geometry, data)
    }

    /// The value at a place in voxels, clamped to the border.
    fn sample(&self, at: DVec3, interpolation: Interpolation) -> f32 {
        let dims = self.dims();
        let [x, y, z] = std::array::from_fn(|a| Tap::at(at[a], dims[a], interpolation));
        let value = |i: usize, j: usize, k: usize| f64::from(self.data()[i + dims[0] * (j + dims[1] * k)]);
        let row = |j: usize, k: usize| mix(value(x.low, j, k), value(x.high, j, k), x.weight);
        let plane = |k: usize| mix(row(y.low, k), row(y.high, k), y.weight);
        mix(plane(z.low), plane(z.high), z.weight) as f32
    }

    /// Resized to `out_dims` with the first and last voxels kept in place (`align_corners`).
    ///
    /// # Errors
    /// If `out_dims` has a zero.
    pub fn resized(self, out_dims: [usize; 3], interpolation: Interpolation) -> Result<Self, VolumeError> {
        let dims = self.dims();
        if dims == out_dims {
            return Ok(self);
        }
        let step = DVec3::from_array(std::array::from_fn(|a| {
            // A single voxel has no extent to stretch over; it keeps its own spacing.
            if out_dims[a] > 1 && dims[a] > 1 { (dims[a] - 1) as f64 / (out_dims[a] - 1) as f64 } else { 1.0 }
        }));
        let old = self.geometry().world_from_voxel();
        let affine = DAffine3::from_mat3_translation(old.matrix3 * DMat3::from_diagonal(step), old.translation);
        self.sampled(Geometry::new(out_dims, affine)?, DAffine3::from_scale(step), interpolation)
    }

    /// The nearest value at each place of `file`, as the inverse of a crop out of the grid `uncropped`: places beyond that grid
    /// take its border, places outside the crop are 0.
    pub(crate) fn restored(&self, uncropped: &Geometry, file: &Geometry) -> Result<Self, VolumeError> {
        let full_from_file = uncropped.voxel_from_world() * file.world_from_voxel();
        let full_last = DVec3::from_array(uncropped.dims().map(|d| (d - 1) as f64));
        let crop_from_full = self.geometry().voxel_from_world() * uncropped.world_from_voxel();
        let [nx, ny, _] = file.dims();
        let dims = self.dims();
        let mut data = zeros(file)?;
        data.par_chunks_mut(nx * ny).enumerate().for_each(|(k, slab)| {
            for (n, value) in slab.iter_mut().enumerate() {
                let place = DVec3::new((n % nx) as f64, (n / nx) as f64, k as f64);
                let full = full_from_file.transform_point3(place).clamp(DVec3::ZERO, full_last);
                let full = DVec3::from_array(full.to_array().map(f64::round_ties_even));
                let at = crop_from_full.transform_point3(full).round();
                if (0..3).all(|a| at[a] >= 0.0 && at[a] < dims[a] as f64) {
                    let [i, j, k] = at.to_array().map(|v| v as usize);
                    *value = self.data()[i + dims[0] * (j + dims[1] * k)];
                }
            }
        });
        Self::new(*file, data)
    }

    /// The value of place p of the new grid is that of this one at `source_from_out` · p, clamped to the border.
    fn sampled(
        &self,
        geometry: Geometry,
        source_from_out: DAffine3,
        interpolation: Interpolation,
    ) -> Result<Self, VolumeError> {
        let mut data = zeros(&geometry)?;
        if let Some((step, offset)) = step_along_axes(source_from_out, geometry.dims()) {
            self.sample_along_axes(geometry.dims(), step, offset, interpolation, &mut data);
        } else {
            self.sample_anywhere(geometry.dims(), source_from_out, interpolation, &mut data);
        }
        Self::new(geometry, data)
    }

    /// Source axes run along the new ones: each axis has its own table of neighbours and weights.
    fn sample_along_axes(
        &self,
        out_dims: [usize; 3],
        step: DVec3,
        offset: DVec3,
        interpolation: Interpolation,
        data: &mut [f32],
    ) {
        let dims = self.dims();
        let taps = |a: usize| -> Vec<Tap> {
            (0..out_dims[a]).map(|n| Tap::at(n as f64 * step[a] + offset[a], dims[a], interpolation)).collect()
        };
        let (tx, ty, tz) = (taps(0), taps(1), taps(2));
        let (row, slab) = (dims[0], dims[0] * dims[1]);
        let src = self.data();
        data.par_chunks_mut(out_dims[0] * out_dims[1]).zip(&tz).for_each(|(out_slab, z)| {
            // Blend the two source rows of each pair of slabs once, then interpolate along the row. 64-bit like MONAI.
            let mut blended = vec![0.0_f64; row];
            for (out_row, y) in out_slab.chunks_mut(out_dims[0]).zip(&ty) {
                let at = |z: usize, y: usize| &src[z * slab + y * row..][..row];
                let (a, b, c, d) = (at(z.low, y.low), at(z.low, y.high), at(z.high, y.low), at(z.high, y.high));
                for (n, v) in blended.iter_mut().enumerate() {
                    let lower = mix(a[n].into(), b[n].into(), y.weight);
                    let upper = mix(c[n].into(), d[n].into(), y.weight);
                    *v = mix(lower, upper, z.weight);
                }
                for (v, x) in out_row.iter_mut().zip(&tx) {
                    *v = mix(blended[x.low], blended[x.high], x.weight) as f32;
                }
            }
        });
    }

    /// Source axes are turned or sheared against the new ones.
    fn sample_anywhere(
        &self,
        out_dims: [usize; 3],
        source_from_out: DAffine3,
        interpolation: Interpolation,
        data: &mut [f32],
    ) {
        let dims = self.dims();
        let src = self.data();
        data.par_chunks_mut(out_dims[0] * out_dims[1]).enumerate().for_each(|(k, slab)| {
            for (n, value) in slab.iter_mut().enumerate() {
                let place = DVec3::new((n % out_dims[0]) as f64, (n / out_dims[0]) as f64, k as f64);
                let at = source_from_out.transform_point3(place);
                let [x, y, z] = std::array::from_fn(|a| Tap::at(at[a], dims[a], interpolation));
                let get = |x: usize, y: usize, z: usize| f64::from(src[x + dims[0] * (y + dims[1] * z)]);
                let line = |y: usize, z: usize| mix(get(x.low, y, z), get(x.high, y, z), x.weight);
                let plane = |z: usize| mix(line(y.low, z), line(y.high, z), y.weight);
                *value = mix(plane(z.low), plane(z.high), z.weight) as f32;
            }
        });
    }
}

/// The grid of `spacing_mm` and the way from it to the old one, as [`Grid::to_spacing`] takes it; `None` if nothing would change.
pub(crate) fn resampling(
    geometry: &Geometry,
    spacing_mm: [f64; 3],
) -> Result<Option<(Geometry, DAffine3)>, VolumeError> {
    let old = geometry.world_from_voxel();
    let Target { dims, affine } = spaced(geometry, spacing_mm);
    let source_from_out = old.inverse() * affine;
    let is_close = |a: DAffine3, b: DAffine3| {
        let mut pairs = a.to_cols_array().into_iter().zip(b.to_cols_array());
        pairs.all(|(a, b)| (a - b).abs() <= AFFINE_TOLERANCE + 1e-5 * b.abs())
    };
    if geometry.dims() == dims && (is_close(old, affine) || is_close(source_from_out, DAffine3::IDENTITY)) {
        return Ok(None);
    }
    Ok(Some((Geometry::new(dims, affine)?, source_from_out)))
}

/// Step and offset along each source axis, if the axes of both grids run alike over `dims` voxels.
pub(crate) fn step_along_axes(source_from_out: DAffine3, dims: [usize; 3]) -> Option<(DVec3, DVec3)> {
    let matrix = source_from_out.matrix3;
    let last = DVec3::from_array(dims.map(|d| (d - 1) as f64));
    let diagonal = DVec3::new(matrix.x_axis.x, matrix.y_axis.y, matrix.z_axis.z);
    let mixed =
        (matrix - DMat3::from_diagonal(diagonal)).to_cols_array().into_iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    (mixed * last.max_element() < MIXED).then_some((diagonal, source_from_out.translation))
}

/// A grid to resample to.
struct Target {
    dims: [usize; 3],
    affine: DAffine3,
}

/// The grid of `spacing_mm` along the directions of `geometry`.
fn spaced(geometry: &Geometry, spacing_mm: [f64; 3]) -> Target {
    let dims = geometry.dims();
    let (old, old_spacing) = (geometry.world_from_voxel(), geometry.spacing_mm());
    let spacing = DVec3::from_array(std::array::from_fn(|a| {
        if (old_spacing[a] - spacing_mm[a]).abs() <= AFFINE_TOLERANCE { old_spacing[a] } else { spacing_mm[a] }
    }));
    let matrix = without_shear(old.matrix3) * DMat3::from_diagonal(spacing);
    let new_from_old = matrix.inverse() * old.matrix3;
    let last = DVec3::from_array(dims.map(|d| (d - 1) as f64));
    // x slowest, as MONAI goes through them.
    let corners: [DVec3; 8] = std::array::from_fn(|n| {
        let pick = |axis: usize| if n >> (2 - axis) & 1 == 1 { last[axis] } else { 0.0 };
        DVec3::new(pick(0), pick(1), pick(2))
    });
    // In new voxels. The common translation matters to the rounding of the differences, as it does in MONAI.
    let shift = matrix.inverse() * old.translation;
    let placed = corners.map(|c| new_from_old * c + shift);
    let low = placed.into_iter().reduce(DVec3::min).unwrap_or(shift);
    let high = placed.into_iter().reduce(DVec3::max).unwrap_or(shift);
    let exact = high - low + DVec3::ONE;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; checked by Geometry::new")]
    let out_dims = exact.to_array().map(|n| n.round_ties_even().max(1.0) as usize);
    let kept = (0..8).find(|&n| (low - placed[n]).abs().max_element() <= CORNER_TOLERANCE);
    let origin = if let Some(n) = kept {
        old.transform_point3(corners[n])
    } else {
        let half = |dims: [usize; 3]| DVec3::from_array(dims.map(|d| d as f64 / 2.0));
        old.transform_point3(half(dims)) - matrix * half(out_dims)
    };
    Target { dims: out_dims, affine: DAffine3::from_mat3_translation(matrix, origin) }
}

/// Q of M = Q · U with U upper triangular and its diagonal above 0: the first axis keeps its direction, the second its plane.
fn without_shear(m: DMat3) -> DMat3 {
    let x = m.x_axis.normalize();
    let y = (m.y_axis - x * x.dot(m.y_axis)).normalize();
    let z = m.z_axis - x * x.dot(m.z_axis);
    DMat3::from_cols(x, y, (z - y * y.dot(z)).normalize())
}

pub(crate) fn mix(a: f64, b: f64, weight: f64) -> f64 {
    a + (b - a) * weight
}

/// The two neighbours of a place on an axis, and the weight of the second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tap {
    pub low: usize,
    pub high: usize,
    pub weight: f64,
}

impl Tap {
    /// At `x` on an axis of `n` voxels, clamped to it.
    pub fn at(x: f64, n: usize, interpolation: Interpolation) -> Self {
        let last = n - 1;
        let x = x.clamp(0.0, last as f64);
        match interpolation {
            Interpolation::Nearest => {
                let nearest = x.round_ties_even() as usize;
                Self { low: nearest, high: nearest, weight: 0.0 }
            }
            Interpolation::Linear => {
                let low = (x.floor() as usize).min(last);
                Self { low, high: (low + 1).min(last), weight: x - low as f64 }
            }
        }
    }

    /// The same, counted from `first`.
    pub fn minus(self, first: usize) -> Self {
        Self { low: self.low - first, high: self.high - first, ..self }
    }
}

/// Block means over `factor` voxels per axis (border blocks may be smaller), on the grid of block centres.
///
/// # Errors
/// If a factor is zero.
pub fn reduce_by(grid: &Grid, factor: [usize; 3]) -> Result<Grid, VolumeError> {
    if factor.contains(&0) {
        return Err(VolumeError::BadDims(factor));
    }
    let dims = grid.dims();
    let out_dims: [usize; 3] = std::array::from_fn(|a| dims[a].div_ceil(factor[a]));
    let f = DVec3::from_array(factor.map(|f| f as f64));
    let old = grid.geometry().world_from_voxel();
    let origin = old.transform_point3((f - DVec3::ONE) / 2.0);
    let affine = DAffine3::from_mat3_translation(old.matrix3 * DMat3::from_diagonal(f), origin);
    let geometry = Geometry::new(out_dims, affine)?;
    let mut data = vec![0.0; geometry.num_voxels()];
    data.par_chunks_mut(out_dims[0] * out_dims[1]).enumerate().for_each(|(k, slab)| {
        let range = |a: usize, n: usize| n * factor[a]..((n + 1) * factor[a]).min(dims[a]);
        for (n, value) in slab.iter_mut().enumerate() {
            let (i, j) = (n % out_dims[0], n / out_dims[0]);
            let (mut sum, mut count) = (0.0, 0.0);
            for z in range(2, k) {
                for y in range(1, j) {
                    let row = dims[0] * (y + dims[1] * z);
                    for x in range(0, i) {
                        sum += grid.data()[row + x];
                        count += 1.0;
                    }
                }
            }
            *value = sum / count;
        }
    });
    Grid::new(geometry, data)
}
