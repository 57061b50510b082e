//! Numbers about the segments of a layer.

use glam::DVec3;
use rayon::prelude::*;
use voco_volume::{Geometry, Volume, Voxels};

use crate::image::with_voxels;
use crate::metrics::surface_area_mm2;
use crate::{BRICK, BRICK_ROWS, LabelError, LabelVolume, Mask, VoxelBox, Watch};

/// Bins of the histogram that percentiles come from. Whole numbers that span less are exact.
const BINS: usize = 65_536;

/// What is known of one segment.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentStats {
    /// Its voxel value.
    pub value: u16,
    /// Number of voxels.
    pub voxels: u64,
    /// Volume in millilitres.
    pub volume_ml: f64,
    /// The middle of its voxels, world mm.
    pub centroid_mm: DVec3,
    /// The least box around it.
    pub bounds: VoxelBox,
    /// The least box around its voxel centres along the patient's axes, world mm: from and to.
    pub bounds_mm: [DVec3; 2],
    /// Area in mm² of its surface (marching cubes half way between voxels, as `SurfaceKind::Elements`).
    pub surface_mm2: f64,
    /// The image within it; `None` without an image, or if no value there is finite.
    pub intensity: Option<IntensityStats>,
}

/// Real values (HU for CT) of an image within a segment; those that are not finite are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntensityStats {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of the population.
    pub sd: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
    /// The 5th, 25th, 50th, 75th and 95th percentile, interpolated between values as numpy does.
    pub percentiles: [f64; 5],
}

/// The percentiles that are given.
pub const PERCENTILES: [f64; 5] = [5.0, 25.0, 50.0, 75.0, 95.0];

#[derive(Clone)]
struct Sums {
    voxels: u64,
    /// Of voxel indices.
    at: [u64; 3],
    bounds: VoxelBox,
    world: [DVec3; 2],
    finite: u64,
    sum: f64,
    squares: f64,
    min: f64,
    max: f64,
    is_whole: bool,
}

impl Sums {
    const EMPTY: Self = Self {
        voxels: 0,
        at: [0; 3],
        bounds: VoxelBox::EMPTY,
        world: [DVec3::INFINITY, DVec3::NEG_INFINITY],
        finite: 0,
        sum: 0.0,
        squares: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        is_whole: true,
    };

    fn add(mut self, o: &Self) -> Self {
        self.voxels += o.voxels;
        self.at = std::array::from_fn(|a| self.at[a] + o.at[a]);
        self.bounds = self.bounds.union(&o.bounds);
        self.world = [self.world[0].min(o.world[0]), self.world[1].max(o.world[1])];
        self.finite += o.finite;
        self.sum += o.sum;
        self.squares += o.squares;
        (self.min, self.max) = (self.min.min(o.min), self.max.max(o.max));
        self.is_whole &= o.is_whole;
        self
    }
}

/// The numbers of each of `values` that occurs in a layer, in their order. `origin` of sums is the image's mean of the first
/// voxel, so that large offsets cost no precision.
///
/// # Errors
/// A geometry or image with other dims, too little memory, or cancelled.
pub fn segment_stats(
    volume: &LabelVolume,
    geometry: &Geometry,
    image: Option<&Volume>,
    values: &[u16],
    watch: &Watch<'_>,
) -> Result<Vec<SegmentStats>, LabelError> {
    if volume.dims() != geometry.dims() {
        return Err(LabelError::OtherDims(volume.dims(), geometry.dims()));
    }
    if let Some(image) = image.filter(|image| image.dims() != volume.dims()) {
        return Err(LabelError::OtherImage(image.dims(), volume.dims()));
    }
    let mut all = Vec::new();
    for (n, &value) in values.iter().enumerate() {
        watch.at(n as f32 / values.len() as f32)?;
        all.extend(of_value(volume, geometry, image, value)?);
    }
    watch.at(1.0)?;
    Ok(all)
}

fn of_value(
    volume: &LabelVolume,
    geometry: &Geometry,
    image: Option<&Volume>,
    value: u16,
) -> Result<Option<SegmentStats>, LabelError> {
    let mask = volume.select(&[value]);
    let touched = mask.touched();
    let grid = mask.grid();
    let affine = geometry.world_from_voxel();
    let of_brick = |&index: &u32| {
        let (at, bits) = (grid.origin(index as usize), mask.brick(index as usize));
        let mut sums = Sums::EMPTY;
        for row in 0..BRICK_ROWS {
            let mut word = bits.row(row);
            if word == 0 {
                continue;
            }
            let (j, k) = (at[1] + row % BRICK, at[2] + row / BRICK);
            let count = u64::from(word.count_ones());
            let (first, last) = (at[0] + word.trailing_zeros() as usize, at[0] + 31 - word.leading_zeros() as usize);
            sums.voxels += count;
            sums.at[1] += count * j as u64;
            sums.at[2] += count * k as u64;
            sums.bounds = sums.bounds.union(&VoxelBox { min: [first, j, k], max: [last + 1, j + 1, k + 1] });
            for i in [first, last] {
                let p = affine.transform_point3(DVec3::new(i as f64, j as f64, k as f64));
                sums.world = [sums.world[0].min(p), sums.world[1].max(p)];
            }
            let start = at[0] + volume.dims()[0] * (j + volume.dims()[1] * k);
            while word != 0 {
                let i = word.trailing_zeros() as usize;
                word &= word - 1;
                sums.at[0] += (at[0] + i) as u64;
                if let Some(v) = image.and_then(|image| real(image, start + i)) {
                    sums.finite += 1;
                    sums.sum += v;
                    sums.squares += v * v;
                    (sums.min, sums.max) = (sums.min.min(v), sums.max.max(v));
                    sums.is_whole &= v.fract() == 0.0;
                }
            }
        }
        sums
    };
    let parts: Vec<Sums> = touched.par_iter().map(of_brick).collect();
    // In order, so that the sums are the same whatever the number of threads.
    let sums = parts.iter().fold(Sums::EMPTY, Sums::add);
    if sums.voxels == 0 {
        return Ok(None);
    }
    let middle = DVec3::from_array(sums.at.map(|n| n as f64 / sums.voxels as f64));
    let mut around = Mask::empty(sums.bounds.size().map(|n| n + 2))?;
    around.unite_at(&mask.to_mask(&sums.bounds)?, [1; 3]);
    let spacing = geometry.spacing_mm().to_array();
    let surface_mm2 = surface_area_mm2(&around, spacing)?;
    let intensity = image.filter(|_| sums.finite > 0).map(|image| {
        let mean = sums.sum / sums.finite as f64;
        let sd = (sums.squares / sums.finite as f64 - mean * mean).max(0.0).sqrt();
        let width = if sums.is_whole && sums.max - sums.min < BINS as f64 {
            1.0
        } else {
            ((sums.max - sums.min) / (BINS - 1) as f64).max(f64::MIN_POSITIVE)
        };
        let count = |counts: &mut Vec<u64>, &index: &u32| {
            let (at, bits) = (grid.origin(index as usize), mask.brick(index as usize));
            for row in 0..BRICK_ROWS {
                let mut word = bits.row(row);
                let (j, k) = (at[1] + row % BRICK, at[2] + row / BRICK);
                let start = at[0] + volume.dims()[0] * (j + volume.dims()[1] * k);
                while word != 0 {
                    let i = word.trailing_zeros() as usize;
                    word &= word - 1;
                    if let Some(v) = real(image, start + i) {
                        counts[(((v - sums.min) / width).round() as usize).min(BINS - 1)] += 1;
                    }
                }
            }
        };
        let fold = |mut counts: Vec<u64>, index: &u32| {
            count(&mut counts, index);
            counts
        };
        let parts = touched.par_iter().with_min_len(64).fold(|| vec![0; BINS], fold);
        let counts = parts.reduce(
            || vec![0; BINS],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        );
        let percentiles = PERCENTILES.map(|q| percentile(&counts, sums.finite, q, sums.min, width));
        IntensityStats { mean, sd, min: sums.min, max: sums.max, percentiles }
    });
    let voxel_ml = affine.matrix3.determinant().abs() / 1000.0;
    Ok(Some(SegmentStats {
        value,
        voxels: sums.voxels,
        volume_ml: sums.voxels as f64 * voxel_ml,
        centroid_mm: affine.transform_point3(middle),
        bounds: sums.bounds,
        bounds_mm: sums.world,
        surface_mm2,
        intensity,
    }))
}

fn real(image: &Volume, at: usize) -> Option<f64> {
    let value = with_voxels!(image, values => values[at] as f64);
    let value = image.rescale().apply(value);
    value.is_finite().then_some(value)
}

fn percentile(counts: &[u64], total: u64, q: f64, min: f64, width: f64) -> f64 {
    let place = q / 100.0 * (total - 1) as f64;
    let value_at = |rank: u64| {
        let mut before = 0;
        let bin = counts.iter().position(|&c| {
            before += c;
            before > rank
        });
        min + bin.unwrap_or(0) as f64 * width
    };
    let (low, part) = (place.floor(), place.fract());
    let (a, b) = (value_at(low as u64), value_at((low as u64 + 1).min(total - 1)));
    a + (b - a) * part
}

/// The numbers as CSV with a header; `name` says what a value is called.
pub fn stats_csv(stats: &[SegmentStats], name: impl Fn(u16) -> String) -> String {
    let mut out = String::from(
        "value,name,voxels,volume_ml,surface_mm2,centroid_r_mm,centroid_a_mm,centroid_s_mm,\
         min_i,min_j,min_k,max_i,max_j,max_k,mean,sd,min,max,p5,p25,p50,p75,p95\n",
    );
    for s in stats {
        let name = name(s.value).replace('"', "\"\"");
        // A text that begins so is taken for a formula by spreadsheets.
        let guard = if name.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        out.extend([format!("{},\"{guard}{name}\",{},{:.6},{:.3}", s.value, s.voxels, s.volume_ml, s.surface_mm2)]);
        for v in s.centroid_mm.to_array() {
            out.extend([format!(",{v:.3}")]);
        }
        for v in s.bounds.min.into_iter().chain(s.bounds.max.map(|n| n - 1)) {
            out.extend([format!(",{v}")]);
        }
        match &s.intensity {
            Some(i) => {
                for v in [i.mean, i.sd, i.min, i.max].into_iter().chain(i.percentiles) {
                    out.extend([format!(",{v:.4}")]);
                }
            }
            None => out += ",,,,,,,,,",
        }
        out.push('\n');
    }
    out
}
