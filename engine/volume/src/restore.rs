use std::ops::Range;

use glam::{DAffine3, DVec3};
use rayon::prelude::*;

use crate::resample::{Tap, mix};
use crate::{Geometry, Interpolation};

/// The way back from a prepared grid to the grid of the file: the inverse of crop and resampling, as MONAI's `Invertd`.
///
/// It works on parts, so that a result can be restored while the rest of it is still being computed.
#[derive(Debug, Clone)]
pub struct Restore {
    file: Geometry,
    uncropped_dims: [usize; 3],
    uncropped_from_file: DAffine3,
    /// The first prepared voxel in the grid before the crop.
    start: [isize; 3],
    /// The body in prepared voxels; around it lies padding, from which nothing comes back.
    body: [Range<usize>; 3],
}

/// A part of a prepared grid in memory.
#[derive(Debug, Clone)]
pub struct Part<'a, T> {
    /// Its first prepared voxel.
    pub start: [usize; 3],
    /// Distance of neighbours along x, y, z in `values`.
    pub strides: [usize; 3],
    /// Its values.
    pub values: &'a [T],
    /// The prepared voxels by which places of the file are told to belong to this part: each place belongs to the voxel nearest to
    /// it, or to the last of those between which it lies. Those one before along each axis must be in memory too for
    /// [`Restore::linear`].
    pub own: [Range<usize>; 3],
}

/// Neighbours along i in the grid of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<T> {
    /// The first voxel.
    pub start: [usize; 3],
    /// Its value and those that follow.
    pub values: Vec<T>,
}

impl Restore {
    pub(crate) fn new(file: Geometry, uncropped: Geometry, start: [isize; 3], body: [Range<usize>; 3]) -> Self {
        let uncropped_from_file = uncropped.voxel_from_world() * file.world_from_voxel();
        Self { file, uncropped_dims: uncropped.dims(), uncropped_from_file, start, body }
    }

    /// The grid of the file.
    pub fn file(&self) -> &Geometry {
        &self.file
    }

    /// The values of `part` at the places of the file that belong to it, by the nearest voxel (halves to the even one). Places that
    /// belong to no part at all are outside of the body: background.
    pub fn nearest<T: Copy + Send + Sync>(&self, part: &Part<'_, T>) -> Vec<Run<T>> {
        self.runs(part, Interpolation::Nearest, |taps| {
            let [x, y, z] = taps.map(|tap| tap.low);
            x.zip(y).zip(z).map(|((x, y), z)| part.at([x, y, z]))
        })
    }

    /// The values of `part` between its voxels; voxels outside of the body count as `outside`.
    pub fn linear(&self, part: &Part<'_, f32>, outside: f32) -> Vec<Run<f32>> {
        self.runs(part, Interpolation::Linear, |[x, y, z]| {
            let get = |x: Option<usize>, y: Option<usize>, z: Option<usize>| {
                let inside = x.zip(y).zip(z).map(|((x, y), z)| part.at([x, y, z]));
                f64::from(inside.unwrap_or(outside))
            };
            let line = |y: Option<usize>, z: Option<usize>| mix(get(x.low, y, z), get(x.high, y, z), x.weight);
            let plane = |z: Option<usize>| mix(line(y.low, z), line(y.high, z), y.weight);
            Some(mix(plane(z.low), plane(z.high), z.weight) as f32)
        })
    }

    /// Runs of the file's places that belong to a part, with the value of each.
    fn runs<P: Sync, T: Send>(
        &self,
        part: &Part<'_, P>,
        interpolation: Interpolation,
        value: impl Fn([BodyTap; 3]) -> Option<T> + Sync,
    ) -> Vec<Run<T>> {
        let [is, js, ks] = self.around(&part.own);
        let rows: Vec<[usize; 2]> = ks.flat_map(|k| js.clone().map(move |j| [j, k])).collect();
        let found = rows.par_iter().map(|&[j, k]| {
            let mut runs: Vec<Run<T>> = Vec::new();
            for i in is.clone() {
                let taps = self.taps([i, j, k], interpolation);
                let is_own = (0..3).all(|a| taps[a].last().is_some_and(|last| part.own[a].contains(&last)));
                let Some(value) = Some(taps).filter(|_| is_own).and_then(&value) else { continue };
                match runs.last_mut() {
                    Some(run) if run.start[0] + run.values.len() == i => run.values.push(value),
                    _ => runs.push(Run { start: [i, j, k], values: vec![value] }),
                }
            }
            runs
        });
        found.flatten_iter().collect()
    }

    /// Prepared voxels around a place of the file, by axis.
    fn taps(&self, voxel: [usize; 3], interpolation: Interpolation) -> [BodyTap; 3] {
        let place = self.uncropped_from_file.transform_point3(DVec3::from_array(voxel.map(|v| v as f64)));
        std::array::from_fn(|a| {
            let tap = Tap::at(place[a], self.uncropped_dims[a], interpolation);
            let in_body = |index: usize| {
                let prepared = usize::try_from(index as isize - self.start[a]).ok()?;
                self.body[a].contains(&prepared).then_some(prepared)
            };
            BodyTap { low: in_body(tap.low), high: in_body(tap.high), weight: tap.weight }
        })
    }

    /// A box of the file that holds all places which belong to these prepared voxels.
    fn around(&self, own: &[Range<usize>; 3]) -> [Range<usize>; 3] {
        let dims = self.file.dims();
        if own.iter().any(Range::is_empty) {
            return [0..0, 0..0, 0..0];
        }
        let file_from_uncropped = self.uncropped_from_file.inverse();
        // Places beyond the grid take its border.
        let far = 1e6;
        let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
        for n in 0..8 {
            let corner: [f64; 3] = std::array::from_fn(|a| {
                let voxel = self.start[a] as f64;
                let first = voxel + own[a].start as f64 - 1.5;
                let last = voxel + own[a].end as f64 + 0.5;
                match n >> a & 1 {
                    0 if first < 0.0 => -far,
                    1 if last > (self.uncropped_dims[a] - 1) as f64 => self.uncropped_dims[a] as f64 + far,
                    0 => first,
                    _ => last,
                }
            });
            let place = file_from_uncropped.transform_point3(DVec3::from_array(corner));
            (low, high) = (low.min(place), high.max(place));
        }
        std::array::from_fn(|a| {
            let last = dims[a] as f64;
            let (low, high) = ((low[a].floor() - 1.0).clamp(0.0, last), (high[a].ceil() + 2.0).clamp(0.0, last));
            low as usize..high as usize
        })
    }
}

impl<T: Copy> Part<'_, T> {
    fn at(&self, voxel: [usize; 3]) -> T {
        self.values[(0..3).map(|a| (voxel[a] - self.start[a]) * self.strides[a]).sum::<usize>()]
    }
}

/// The two voxels around a place along one axis; none is outside of the body.
#[derive(Debug, Clone, Copy)]
struct BodyTap {
    low: Option<usize>,
    high: Option<usize>,
    weight: f64,
}

impl BodyTap {
    /// The voxel that has to be there before the place can be told.
    fn last(self) -> Option<usize> {
        self.high.max(self.low)
    }
}
