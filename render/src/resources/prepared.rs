use half::{f16, slice::HalfFloatSliceExt};
use rayon::prelude::*;
use voco_volume::{Geometry, Stats, Volume, VoxelType};

use super::TexelGrid;
use crate::{RenderContext, bricks::Bricks, occlusion::Coarse};

/// What an adapter can hold of one volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// Greatest side of a 3D texture.
    pub max_side: u32,
    /// Bytes that one volume may take.
    pub max_bytes: u64,
}

impl UploadLimits {
    /// Those of a device. Software renders from main memory, which other work needs too.
    pub fn of(ctx: &RenderContext) -> Self {
        let max_bytes = if ctx.is_software() { 512 << 20 } else { 1 << 30 };
        Self { max_side: ctx.device.limits().max_texture_dimension_3d, max_bytes }
    }
}

/// A volume ready to be uploaded. Making it is pure work for a thread of its own.
#[derive(Debug, Clone)]
pub struct PreparedVolume {
    pub(super) grid: TexelGrid,
    pub(super) texels: Vec<f16>,
    pub(super) coding: Coding,
    pub(super) bricks: Bricks,
    pub(super) coarse: Coarse,
}

/// By how much a volume is shown coarser than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reduction {
    /// Voxels that became one, along i, j, k.
    pub factor: [usize; 3],
    /// Sides as shown.
    pub shown_dims: [usize; 3],
    /// Sides of the volume.
    pub full_dims: [usize; 3],
}

/// `real = texel · scale + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coding {
    pub scale: f64,
    pub offset: f64,
}

impl PreparedVolume {
    /// Converts to f16, averages down what exceeds `limits`, and notes the range of each brick. Values that are not finite
    /// become the least one.
    pub fn new(volume: &Volume, limits: &UploadLimits) -> Self {
        let max_side = usize::try_from(limits.max_side).unwrap_or(usize::MAX);
        let grid = TexelGrid::within(volume.geometry(), max_side, limits.max_bytes, 2);
        let stats = Stats::of(volume);
        let coding = Coding::of(volume, &stats);
        let mut texels = vec![f16::ZERO; grid.dims.iter().product()];
        layers(volume, &grid, coding, stats.min, 0..grid.dims[2], &mut texels);
        let bricks = Bricks::of(&texels, grid.dims);
        let coarse = Coarse::of(&texels, &grid);
        Self { grid, texels, coding, bricks, coarse }
    }

    /// What was lost, if anything was.
    pub fn reduction(&self) -> Option<Reduction> {
        reduction(&self.grid)
    }

    /// Where the volume lies.
    pub fn geometry(&self) -> &Geometry {
        &self.grid.geometry
    }

    /// Sides as uploaded.
    pub fn dims(&self) -> [usize; 3] {
        self.grid.dims
    }

    /// The texels as uploaded, i fastest.
    #[cfg(test)]
    pub(crate) fn texels(&self) -> &[f16] {
        &self.texels
    }

    /// Real value of every texel, i fastest, as the texture holds it.
    pub fn real_values(&self) -> impl Iterator<Item = f64> {
        self.texels.iter().map(|t| f64::from(t.to_f32()) * self.coding.scale + self.coding.offset)
    }
}

pub(super) fn reduction(grid: &TexelGrid) -> Option<Reduction> {
    let full_dims = grid.geometry.dims();
    grid.is_reduced().then_some(Reduction { factor: grid.factor, shown_dims: grid.dims, full_dims })
}

impl Coding {
    /// What suits a volume.
    pub(super) fn of(volume: &Volume, stats: &Stats) -> Self {
        Self::for_range(stats, has_whole_steps(volume))
    }

    /// f16 tells 2048 whole numbers apart to each side of 0: the offset puts 0 where precision matters.
    fn for_range(stats: &Stats, has_whole_steps: bool) -> Self {
        const EXACT: f64 = 2048.0;
        const GREATEST: f64 = 60_000.0;
        let (min, max) = (stats.min, stats.max);
        let range = max - min;
        if !(range.is_finite() && range > 0.0) {
            return Self { scale: 1.0, offset: min };
        }
        if range <= 2.0 * EXACT {
            let scale = if has_whole_steps { 1.0 } else { range / (2.0 * EXACT) };
            let middle = f64::midpoint(min, max);
            return Self { scale, offset: if has_whole_steps { middle.round() } else { middle } };
        }
        let is_ct = (-EXACT..=-500.0).contains(&min);
        // CT with metal: −1024…3072 HU stay exact, what is denser gets coarser. Others: the mean is where the tissue is.
        let offset = if is_ct { EXACT / 2.0 } else { stats.mean.clamp(min, max).round() };
        let scale = ((max - offset).max(offset - min) / GREATEST).max(1.0);
        Self { scale, offset }
    }
}

/// True if neighbouring values differ by whole numbers, as in every CT.
fn has_whole_steps(volume: &Volume) -> bool {
    let rescale = volume.rescale();
    let is_integer = !matches!(volume.voxels().voxel_type(), VoxelType::F32 | VoxelType::F64);
    is_integer && rescale.slope.fract() == 0.0 && rescale.inter.fract() == 0.0
}

/// All texels of some layers, x fastest, on all cores; `texels` is filled from its beginning on.
pub(super) fn layers(
    volume: &Volume,
    grid: &TexelGrid,
    coding: Coding,
    least: f64,
    range: std::ops::Range<usize>,
    texels: &mut [f16],
) {
    let layer_len = grid.dims[0] * grid.dims[1];
    let out = texels.par_chunks_mut(layer_len).zip(range);
    out.for_each_init(Vec::new, |rows, (texels, layer)| fill_layer(volume, grid, coding, least, layer, rows, texels));
}

/// `rows` is memory to work in.
fn fill_layer(
    volume: &Volume,
    grid: &TexelGrid,
    coding: Coding,
    least: f64,
    layer: usize,
    rows: &mut Vec<f32>,
    texels: &mut [f16],
) {
    let rescale = volume.rescale();
    let gain = rescale.slope / coding.scale;
    let bias = (rescale.inter - coding.offset) / coding.scale;
    #[expect(clippy::cast_possible_truncation, reason = "f16 follows")]
    let other = ((least - coding.offset) / coding.scale) as f32;
    let full = volume.dims();
    let [fx, fy, fz] = grid.factor;
    let plane = full[0] * full[1];
    if !grid.is_reduced() {
        rows.resize(plane, 0.0);
        volume.voxels().scaled(layer * plane, gain, bias, other, rows);
        texels.convert_from_f32_slice(rows);
        return;
    }
    let (first, last) = (layer * fz, ((layer + 1) * fz).min(full[2]));
    rows.clear();
    rows.resize(texels.len() + full[0], 0.0);
    let (sums, row) = rows.split_at_mut(texels.len());
    for n in first * full[1]..last * full[1] {
        volume.voxels().scaled(n * full[0], gain, bias, other, row);
        let into = &mut sums[(n % full[1] / fy) * grid.dims[0]..][..grid.dims[0]];
        if fx == 1 {
            into.iter_mut().zip(&*row).for_each(|(sum, value)| *sum += value);
        } else {
            into.iter_mut().zip(row.chunks(fx)).for_each(|(sum, values)| *sum += values.iter().sum::<f32>());
        }
    }
    to_means(sums, grid, last - first);
    texels.convert_from_f32_slice(sums);
}

/// Turns sums into means; the last texel of a side may have fewer voxels.
fn to_means(sums: &mut [f32], grid: &TexelGrid, depth: usize) {
    let full = grid.geometry.dims();
    let count = |axis: usize, texel: usize| (full[axis] - texel * grid.factor[axis]).min(grid.factor[axis]);
    for (y, row) in sums.chunks_mut(grid.dims[0]).enumerate() {
        for (x, sum) in row.iter_mut().enumerate() {
            *sum /= (count(0, x) * count(1, y) * depth) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;
    use voco_volume::{Geometry, Rescale, Volume, Voxels};

    use super::{PreparedVolume, UploadLimits};

    const LIMITS: UploadLimits = UploadLimits { max_side: 2048, max_bytes: 1 << 30 };

    fn volume(dims: [usize; 3], voxels: Voxels) -> Volume {
        Volume::new(Geometry::new(dims, DAffine3::IDENTITY).unwrap(), voxels, Rescale::IDENTITY).unwrap()
    }

    #[test]
    fn every_hu_of_a_ct_survives() {
        let values: Vec<i16> = (-1024..=3071).collect();
        let prepared = PreparedVolume::new(&volume([4096 / 16, 16, 1], Voxels::I16(values.clone().into())), &LIMITS);
        assert!(prepared.real_values().eq(values.iter().map(|&v| f64::from(v))));
        // With metal, the tissue keeps its precision.
        let mut metal = values.clone();
        metal[4095] = 30_000;
        let prepared = PreparedVolume::new(&volume([256, 16, 1], Voxels::I16(metal.into())), &LIMITS);
        assert!(prepared.real_values().zip(values).take(4095).all(|(a, b)| a == f64::from(b)));
    }

    #[test]
    fn wide_and_narrow_ranges_fit() {
        let wide: Vec<f64> = vec![0.0, 250.0, 1e9, f64::NAN];
        let prepared = PreparedVolume::new(&volume([4, 1, 1], Voxels::F64(wide.into())), &LIMITS);
        let real: Vec<f64> = prepared.real_values().collect();
        assert!(real[0].abs() < 1e6 && (real[2] - 1e9).abs() < 1e6 && real[3] == real[0]);
        let narrow: Vec<f32> = (0..100).map(|n| 1.0 + n as f32 * 1e-6).collect();
        let prepared = PreparedVolume::new(&volume([100, 1, 1], Voxels::F32(narrow.clone().into())), &LIMITS);
        assert!(prepared.real_values().zip(narrow).all(|(a, b)| (a - f64::from(b)).abs() < 1e-7));
    }

    #[test]
    fn oversize_volumes_are_averaged_and_say_so() {
        let values: Vec<i16> = (0..5 * 4 * 3).map(|n| (n % 5) as i16 * 10).collect();
        let limits = UploadLimits { max_side: 4, max_bytes: 1 << 30 };
        let prepared = PreparedVolume::new(&volume([5, 4, 3], Voxels::I16(values.into())), &limits);
        let reduction = prepared.reduction().unwrap();
        assert_eq!((reduction.factor, reduction.shown_dims, reduction.full_dims), ([2, 1, 1], [3, 4, 3], [5, 4, 3]));
        assert_eq!(prepared.real_values().take(3).collect::<Vec<_>>(), [5.0, 25.0, 40.0]);
        let limits = UploadLimits { max_side: 2, max_bytes: 1 << 30 };
        let values: Vec<i16> = (0..27).map(|n| (n / 9) as i16 * 10).collect();
        let prepared = PreparedVolume::new(&volume([3, 3, 3], Voxels::I16(values.into())), &limits);
        assert_eq!(prepared.real_values().collect::<Vec<_>>(), [5.0, 5.0, 5.0, 5.0, 20.0, 20.0, 20.0, 20.0]);
    }
}
