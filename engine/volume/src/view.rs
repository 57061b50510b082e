use glam::{DAffine3, DVec3};
use rayon::prelude::*;

use crate::grid::RasAxes;
use crate::preprocess::{Scaling, around, same_grid, to_multiple};
use crate::resample::{Tap, mix, resampling, step_along_axes};
use crate::restore::Restore;
use crate::{Geometry, Interpolation, PreprocessSpec, Volume, VolumeError};

/// Voxels that are looked at together when the body is searched for.
const SCAN_VOXELS: usize = 1 << 22;

/// A volume as [`prepare`](crate::prepare) makes it, computed where it is looked at: no copy of the volume, however large the
/// prepared one is.
///
/// Any box of it has the very numbers of [`prepare`](crate::prepare).
#[derive(Debug, Clone)]
pub struct PreparedView {
    channels: Vec<Volume>,
    scaling: Vec<Scaling>,
    /// What takes the place of values that are no numbers.
    outside: f32,
    ras: RasAxes,
    /// The grid after resampling, before the crop to the body.
    uncropped: Geometry,
    ras_from_uncropped: DAffine3,
    /// The body in that grid; it may reach outside.
    body_start: [isize; 3],
    body_size: [usize; 3],
    pad_before: [usize; 3],
    geometry: Geometry,
}

impl PreparedView {
    /// The channels of one case through `spec`. `cancelled` is asked now and then while the body is searched for.
    ///
    /// # Errors
    /// As [`prepare_channels`](crate::prepare_channels); also a spec that stretches the volume.
    pub fn new(channels: &[Volume], spec: &PreprocessSpec, cancelled: &dyn Fn() -> bool) -> Result<Self, VolumeError> {
        if let Some(problem) = spec.problem() {
            return Err(VolumeError::BadSpec(problem));
        }
        if spec.resize_to.is_some() {
            return Err(VolumeError::BadSpec("resize_to stretches the volume; leave it out".into()));
        }
        let Some(first) = channels.first() else { return Err(VolumeError::NoChannel) };
        for other in channels.iter().skip(1) {
            same_grid(first, other)
                .map_err(|()| VolumeError::ChannelGrid { first: first.dims(), other: other.dims() })?;
        }
        let ras = RasAxes::ras(first.geometry())?;
        let (uncropped, ras_from_uncropped) = match spec.spacing_mm {
            Some(spacing) => resampling(&ras.geometry, spacing)?.unwrap_or((ras.geometry, DAffine3::IDENTITY)),
            None => (ras.geometry, DAffine3::IDENTITY),
        };
        let mut view = Self {
            channels: channels.to_vec(),
            scaling: vec![Scaling::NONE; channels.len()],
            outside: spec.intensity.outside(),
            ras,
            uncropped,
            ras_from_uncropped,
            body_start: [0; 3],
            body_size: uncropped.dims(),
            pad_before: [0; 3],
            geometry: uncropped,
        };
        for channel in 0..channels.len() {
            let values = |each: &mut dyn FnMut(&[f32])| view.scan(channel, cancelled, &mut |_, part| each(part));
            view.scaling[channel] = spec.intensity.scaling(values)?;
        }
        if let Some(threshold) = spec.foreground_above {
            let found = view.body(threshold, cancelled)?;
            let Some((start, size)) = found else { return Err(spec.intensity.empty_foreground(threshold)) };
            (view.body_start, view.body_size) = to_multiple(start, size, spec.crop_multiple_of.unwrap_or([1; 3]));
        }
        let size: [usize; 3] = std::array::from_fn(|a| view.body_size[a].max(spec.pad_to[a]));
        view.pad_before = std::array::from_fn(|a| (size[a] - view.body_size[a]) / 2);
        let moved = |geometry: &Geometry, shift: [isize; 3]| {
            let affine = geometry.world_from_voxel();
            let origin = affine.transform_point3(DVec3::from_array(shift.map(|s| s as f64)));
            DAffine3::from_mat3_translation(affine.matrix3, origin)
        };
        let body = Geometry::new(view.body_size, moved(&uncropped, view.body_start))?;
        view.geometry = Geometry::new(size, moved(&body, view.pad_before.map(|p| -(p as isize))))?;
        Ok(view)
    }

    /// Voxels along x, y, z.
    pub fn dims(&self) -> [usize; 3] {
        self.geometry.dims()
    }

    /// Where the prepared voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Number of channels.
    pub fn num_channels(&self) -> usize {
        self.channels.len()
    }

    /// The way back to the grid of the file.
    pub fn restore(&self) -> Restore {
        let start: [isize; 3] = std::array::from_fn(|a| self.body_start[a] - self.pad_before[a] as isize);
        let body = std::array::from_fn(|a| self.pad_before[a]..self.pad_before[a] + self.body_size[a]);
        Restore::new(*self.channels[0].geometry(), self.uncropped, start, body)
    }

    /// The box that begins at `start`, as a tensor [C, X, Y, Z] with z fastest; 0 outside.
    ///
    /// # Errors
    /// If it does not fit in memory.
    pub fn read(&self, start: [isize; 3], size: [usize; 3]) -> Result<Vec<f32>, VolumeError> {
        let voxels: usize = size.iter().product();
        let mut out = vec![0.0; voxels * self.channels.len()];
        let dims = self.uncropped.dims();
        // Where the box, the body and the grid overlap: in the grid before the crop.
        let (mut from, mut part, mut at) = ([0; 3], [0; 3], [0; 3]);
        for a in 0..3 {
            let shift = self.body_start[a] - self.pad_before[a] as isize;
            let low = (start[a] + shift).max(self.body_start[a]).max(0);
            let body_end = self.body_start[a] + self.body_size[a] as isize;
            let high = (start[a] + shift + size[a] as isize).min(body_end).min(dims[a] as isize);
            if low >= high {
                return Ok(out);
            }
            (from[a], part[a], at[a]) = (low as usize, (high - low) as usize, (low - shift - start[a]) as usize);
        }
        for (channel, out) in out.chunks_exact_mut(voxels).enumerate() {
            let values = self.sample(channel, from, part);
            let scaling = self.scaling[channel];
            out.par_chunks_mut(size[1] * size[2]).enumerate().for_each(|(x, plane)| {
                let Some(i) = x.checked_sub(at[0]).filter(|i| *i < part[0]) else { return };
                for j in 0..part[1] {
                    let row = &mut plane[(at[1] + j) * size[2] + at[2]..][..part[2]];
                    for (k, value) in row.iter_mut().enumerate() {
                        *value = scaling.apply(values[i + part[0] * (j + part[1] * k)]);
                    }
                }
            });
        }
        Ok(out)
    }

    /// The box of scaled values above `threshold` in any channel, before the crop.
    fn body(&self, threshold: f32, cancelled: &dyn Fn() -> bool) -> Result<Option<StartAndSize>, VolumeError> {
        let [nx, ny, _] = self.uncropped.dims();
        let mut found = None;
        for channel in 0..self.channels.len() {
            let scaling = self.scaling[channel];
            self.scan(channel, cancelled, &mut |first, part| {
                let planes = part.par_chunks(nx * ny).enumerate();
                let boxes = planes.filter_map(|(k, plane)| {
                    let row_box = |(j, row): (usize, &[f32])| {
                        let is_body = |&v: &f32| scaling.apply(v) > threshold;
                        let low = row.iter().position(is_body)?;
                        let high = row.iter().rposition(is_body)?;
                        Some(([low, j, first + k], [high + 1 - low, 1, 1]))
                    };
                    plane.chunks(nx).enumerate().filter_map(row_box).reduce(around)
                });
                let all = boxes.reduce_with(around);
                found = found.into_iter().chain(all).reduce(around);
            })?;
        }
        Ok(found)
    }

    /// Calls `each` with runs of whole planes of a channel before scaling and crop, in order, and the index of the first plane.
    fn scan(
        &self,
        channel: usize,
        cancelled: &dyn Fn() -> bool,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), VolumeError> {
        let [nx, ny, nz] = self.uncropped.dims();
        let planes = (SCAN_VOXELS / (nx * ny)).max(1);
        for first in (0..nz).step_by(planes) {
            if cancelled() {
                return Err(VolumeError::Cancelled);
            }
            each(first, &self.sample(channel, [0, 0, first], [nx, ny, planes.min(nz - first)]));
        }
        Ok(())
    }

    /// A box inside the grid before the crop: resampled, not scaled, x fastest.
    fn sample(&self, channel: usize, start: [usize; 3], size: [usize; 3]) -> Vec<f32> {
        let dims = self.ras.geometry.dims();
        let (nx, ny) = (size[0], size[1]);
        let mut out = vec![0.0_f32; size.iter().product()];
        if let Some((step, offset)) = step_along_axes(self.ras_from_uncropped, self.uncropped.dims()) {
            let taps: [Vec<Tap>; 3] = std::array::from_fn(|a| {
                let place = |n: usize| (start[a] + n) as f64 * step[a] + offset[a];
                (0..size[a]).map(|n| Tap::at(place(n), dims[a], Interpolation::Linear)).collect()
            });
            let used = taps.each_ref().map(|taps| Used::of(taps));
            let [tx, ty, tz]: [Vec<Tap>; 3] = std::array::from_fn(|a| used[a].among(&taps[a]));
            let source = self.gather(channel, used.each_ref().map(|u| u.indices.as_slice()));
            let (row, slab) = (used[0].indices.len(), used[0].indices.len() * used[1].indices.len());
            out.par_chunks_mut(nx * ny).zip(&tz).for_each(|(plane, z)| {
                let mut blended = vec![0.0_f64; row];
                for (out_row, y) in plane.chunks_mut(nx).zip(&ty) {
                    let at = |z: usize, y: usize| &source[z * slab + y * row..][..row];
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
            return out;
        }
        // Turned or sheared axes: the box of source voxels around, and each place by itself.
        let place = |n: [usize; 3]| {
            let point = std::array::from_fn(|a| (start[a] + n[a]) as f64);
            self.ras_from_uncropped.transform_point3(DVec3::from_array(point))
        };
        let corners: [DVec3; 8] =
            std::array::from_fn(|n| place(std::array::from_fn(|a| if n >> a & 1 == 1 { size[a] - 1 } else { 0 })));
        let index = |x: f64, last: usize| x.clamp(0.0, last as f64) as usize;
        let (low, high) = (corners.into_iter().reduce(DVec3::min), corners.into_iter().reduce(DVec3::max));
        let (low, high) = (low.unwrap_or(DVec3::ZERO), high.unwrap_or(DVec3::ZERO));
        let used: [Vec<usize>; 3] =
            std::array::from_fn(|a| (index(low[a] - 1.0, dims[a] - 1)..=index(high[a] + 2.0, dims[a] - 1)).collect());
        let source = self.gather(channel, used.each_ref().map(Vec::as_slice));
        let first = used.each_ref().map(|u| u[0]);
        let (row, slab) = (used[0].len(), used[0].len() * used[1].len());
        out.par_chunks_mut(nx * ny).enumerate().for_each(|(k, plane)| {
            for (n, value) in plane.iter_mut().enumerate() {
                let at = place([n % nx, n / nx, k]);
                let [x, y, z] = std::array::from_fn(|a| Tap::at(at[a], dims[a], Interpolation::Linear).minus(first[a]));
                let get = |x: usize, y: usize, z: usize| f64::from(source[x + row * y + slab * z]);
                let line = |y: usize, z: usize| mix(get(x.low, y, z), get(x.high, y, z), x.weight);
                let rect = |z: usize| mix(line(y.low, z), line(y.high, z), y.weight);
                *value = mix(rect(z.low), rect(z.high), z.weight) as f32;
            }
        });
        out
    }

    /// The real values of a channel at the crossings of three lists of indices after orientation, x fastest.
    fn gather(&self, channel: usize, indices: [&[usize]; 3]) -> Vec<f32> {
        let volume = &self.channels[channel];
        let offsets: [Vec<usize>; 3] =
            std::array::from_fn(|a| indices[a].iter().map(|&n| self.ras.offset(a, n)).collect());
        let mut out = vec![0.0; indices.iter().map(|i| i.len()).product()];
        volume.voxels().gather(volume.rescale(), offsets.each_ref().map(Vec::as_slice), &mut out);
        let outside = self.outside;
        out.par_iter_mut().with_min_len(1 << 16).filter(|v| !v.is_finite()).for_each(|v| *v = outside);
        out
    }
}

type StartAndSize = ([usize; 3], [usize; 3]);

/// The indices that a list of taps needs.
struct Used {
    indices: Vec<usize>,
}

impl Used {
    fn of(taps: &[Tap]) -> Self {
        let mut indices: Vec<usize> = taps.iter().flat_map(|t| [t.low, t.high]).collect();
        indices.sort_unstable();
        indices.dedup();
        Self { indices }
    }

    /// The taps counted among these indices.
    fn among(&self, taps: &[Tap]) -> Vec<Tap> {
        let find = |index: usize| self.indices.partition_point(|&i| i < index);
        taps.iter().map(|t| Tap { low: find(t.low), high: find(t.high), weight: t.weight }).collect()
    }
}
