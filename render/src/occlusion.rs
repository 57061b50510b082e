//! Light that is taken away by what lies around: opacity on a coarse grid, spread over a small and a large neighbourhood.

use half::f16;

use crate::{
    RenderContext, RenderError, RenderMode, TransferFunction, VolumeTexture,
    resources::{TexelGrid, next_id, texture_3d},
};

/// Cells along the longest side, at most.
const MAX_CELLS: f64 = 104.0;
/// Half widths of the two neighbourhoods, mm.
const REACHES_MM: [f64; 2] = [7.0, 24.0];

/// Way through a cell's matter, mm, for what it blocks.
const BLOCKING_MM: f32 = 4.0;

/// Some texels of each cell of a coarse grid.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Coarse {
    pub dims: [usize; 3],
    pub factor: [usize; 3],
    per_cell: usize,
    samples: Vec<f16>,
    cell_mm: [f64; 3],
}

impl Coarse {
    /// Two texels along each axis of a cell, where it is that large.
    pub fn of(texels: &[f16], grid: &TexelGrid) -> Self {
        let mut made = Self::empty(grid);
        made.add(texels, grid, 0);
        made
    }

    /// To be filled by [`Self::add`].
    pub fn empty(grid: &TexelGrid) -> Self {
        let spacing: [f64; 3] = std::array::from_fn(|a| grid.geometry.spacing_mm()[a] * grid.factor[a] as f64);
        let longest = (0..3).map(|a| spacing[a] * grid.dims[a] as f64).fold(0.0, f64::max);
        let cell_mm = longest / MAX_CELLS;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the dims")]
        let factor = spacing.map(|s| ((cell_mm / s).round() as usize).max(1));
        let dims: [usize; 3] = std::array::from_fn(|a| grid.dims[a].div_ceil(factor[a]));
        let per_cell = factor.map(|f| f.min(2)).iter().product();
        let samples = vec![f16::ZERO; per_cell * dims.iter().product::<usize>()];
        let cell_mm = std::array::from_fn(|a| spacing[a] * factor[a] as f64);
        Self { dims, factor, per_cell, samples, cell_mm }
    }

    /// Takes up some whole slices of texels; `first` is the number of the first one.
    pub fn add(&mut self, texels: &[f16], grid: &TexelGrid, first: usize) {
        let (dims, factor) = (self.dims, self.factor);
        let along = factor.map(|f| f.min(2));
        let at = |axis: usize, cell: usize, n: usize| {
            (cell * factor[axis] + factor[axis] * (2 * n + 1) / (2 * along[axis])).min(grid.dims[axis] - 1)
        };
        let given = first..first + texels.len() / (grid.dims[0] * grid.dims[1]);
        for z in 0..dims[2] {
            for k in (0..along[2]).filter(|&k| given.contains(&at(2, z, k))) {
                let slice = grid.dims[1] * (at(2, z, k) - first);
                for y in 0..dims[1] {
                    for x in 0..dims[0] {
                        let cell = self.per_cell * (x + dims[0] * (y + dims[1] * z));
                        for n in 0..along[0] * along[1] {
                            let (i, j) = (n % along[0], n / along[0]);
                            let to = cell + n + along[0] * along[1] * k;
                            self.samples[to] = texels[at(0, x, i) + grid.dims[0] * (at(1, y, j) + slice)];
                        }
                    }
                }
            }
        }
    }

    /// Mean share of light that each cell blocks under a transfer function; `gain` and `bias` lead from texels to its table.
    fn blocked(&self, transfer: &TransferFunction, gain: f32, bias: f32, iso_place: f32) -> Vec<f32> {
        let table = transfer.table(1.0);
        let last = (table.len() - 1) as f32;
        let of_entry: Vec<f32> = (0..table.len())
            .map(|n| {
                if transfer.mode == RenderMode::Isosurface {
                    return if n as f32 >= iso_place * last { 1.0 } else { 0.0 };
                }
                1.0 - (1.0 - table[n][3]).powf(BLOCKING_MM)
            })
            .collect();
        let one = |texel: &f16| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the table")]
            let n = ((texel.to_f32() * gain + bias).clamp(0.0, 1.0) * last + 0.5) as usize;
            of_entry[n]
        };
        let mean = |cell: &[f16]| cell.iter().map(one).sum::<f32>() / self.per_cell as f32;
        self.samples.chunks_exact(self.per_cell).map(mean).collect()
    }
}

/// What takes light away around each place of a volume. Making it is work for a thread of its own.
#[derive(Debug)]
pub struct OcclusionTexture {
    pub(crate) id: u64,
    pub(crate) view: wgpu::TextureView,
    /// `(texel + ½) · scale` = place in the texture, 0…1.
    pub(crate) scale: [f32; 3],
}

impl OcclusionTexture {
    /// For a volume under a transfer function (fitted to it); `iso_value` counts for isosurfaces.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn new(
        ctx: &RenderContext,
        volume: &VolumeTexture,
        transfer: &TransferFunction,
        iso_value: f64,
    ) -> Result<Self, RenderError> {
        let coarse = &volume.coarse;
        let (gain, bias) = volume.value_map(transfer);
        let (low, high) = transfer.range();
        #[expect(clippy::cast_possible_truncation, reason = "a place in the table")]
        let iso_place = ((iso_value - low) / (high - low)) as f32;
        let taken = occlusion(coarse, &coarse.blocked(transfer, gain, bias, iso_place));
        let bytes: Vec<u8> = taken.iter().map(|v| (v * 255.0).round() as u8).collect();
        let texture = texture_3d(ctx, "the occlusion", wgpu::TextureFormat::R8Unorm, coarse.dims, &bytes)?;
        let scale = std::array::from_fn(|a| 1.0 / (coarse.factor[a] * coarse.dims[a]) as f32);
        Ok(Self { id: next_id(), view: texture.create_view(&wgpu::TextureViewDescriptor::default()), scale })
    }
}

/// Share of light taken away, 0…1, from the shares that cells block.
fn occlusion(coarse: &Coarse, blocked: &[f32]) -> Vec<f32> {
    let mut sum = vec![0.0_f32; blocked.len()];
    // What a place before a wall has around it anyway is no occlusion; nearby, where a wall is most of it, even less so.
    for (reach_mm, (free, full)) in REACHES_MM.into_iter().zip([(0.12, 0.5), (0.15, 0.55)]) {
        let mut near = blocked.to_vec();
        // Twice over half the reach: a tent rather than a box, without edges that show.
        for _ in 0..2 {
            for axis in 0..3 {
                let radius = (reach_mm / 2.0 / coarse.cell_mm[axis]).round().max(0.0) as usize;
                box_blur(&mut near, coarse.dims, axis, radius);
            }
        }
        for (total, mean) in sum.iter_mut().zip(&near) {
            *total += ((mean - free) / full).clamp(0.0, 1.0) / REACHES_MM.len() as f32;
        }
    }
    sum
}

/// Running mean over 2 · radius + 1 cells along an axis; beyond the border there is nothing.
fn box_blur(values: &mut [f32], dims: [usize; 3], axis: usize, radius: usize) {
    if radius == 0 {
        return;
    }
    let stride: usize = dims[..axis].iter().product();
    let len = dims[axis];
    let mut line = vec![0.0_f32; len];
    let weight = 1.0 / (2 * radius + 1) as f32;
    for outer in 0..values.len() / (stride * len) {
        for inner in 0..stride {
            let first = outer * stride * len + inner;
            for (n, value) in line.iter_mut().enumerate() {
                *value = values[first + n * stride];
            }
            let mut sum: f64 = line.iter().take(radius).map(|&v| f64::from(v)).sum();
            for n in 0..len {
                sum += line.get(n + radius).map_or(0.0, |&v| f64::from(v));
                if n > radius {
                    sum -= f64::from(line[n - radius - 1]);
                }
                values[first + n * stride] = (sum as f32 * weight).max(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::box_blur;

    #[test]
    fn a_running_mean_is_the_mean_of_what_lies_around() {
        let dims = [7, 5, 6];
        let values: Vec<f32> = (0..210).map(|n| ((n * 37) % 19) as f32).collect();
        for (axis, radius) in [(0, 2), (1, 1), (2, 9)] {
            let mut blurred = values.clone();
            box_blur(&mut blurred, dims, axis, radius);
            for (n, got) in blurred.iter().enumerate() {
                let at = [n % 7, n / 7 % 5, n / 35];
                let mut sum = 0.0;
                for other in 0..dims[axis] {
                    if other.abs_diff(at[axis]) <= radius {
                        let mut there = at;
                        there[axis] = other;
                        sum += values[there[0] + 7 * (there[1] + 5 * there[2])];
                    }
                }
                assert!((got - sum / (2 * radius + 1) as f32).abs() < 1e-4, "{axis} {radius} {at:?}");
            }
        }
    }
}
