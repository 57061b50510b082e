use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Grid, VolumeError};

/// What preprocessing does to a volume; saved with a run and read from a recipe file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreprocessSpec {
    /// Spacing in millimetres to resample to; none keeps the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing_mm: Option<[f64; 3]>,
    /// How intensities are scaled.
    pub intensity: Intensity,
    /// The body is the box of voxels above this, after scaling; none keeps the whole volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreground_above: Option<f32>,
    /// The body's box is grown to multiples of these voxels (published for MRI).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop_multiple_of: Option<[usize; 3]>,
    /// Least size in voxels; the rest is zero.
    #[serde(default = "one_voxel")]
    pub pad_to: [usize; 3],
    /// Size in voxels to stretch to; none keeps the spacing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_to: Option<[usize; 3]>,
}

/// How intensities are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Intensity {
    /// `low`…`high` becomes 0…1; what lies outside is clipped (CT, in Hounsfield units).
    Window {
        /// Becomes 0.
        low: f64,
        /// Becomes 1.
        high: f64,
    },
    /// Voxels that are not 0 get mean 0 and standard deviation 1, the others stay 0 (MR).
    #[serde(rename = "zscore_nonzero")]
    ZScoreNonzero,
}

const MAX_SIDE: usize = 1 << 14;

fn one_voxel() -> [usize; 3] {
    [1; 3]
}

impl PreprocessSpec {
    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let is_length = |s: f64| s.is_finite() && s > 0.0;
        let is_size = |n: usize| (1..=MAX_SIDE).contains(&n);
        if self.spacing_mm.is_some_and(|s| !s.into_iter().all(is_length)) {
            return Some("spacing_mm must be three lengths above 0".into());
        }
        if let Intensity::Window { low, high } = self.intensity
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Some(format!("the intensity window {low}…{high} is empty; low must be below high"));
        }
        if self.foreground_above.is_some_and(|t| !t.is_finite()) {
            return Some("foreground_above must be a finite number".into());
        }
        let sizes =
            [("crop_multiple_of", self.crop_multiple_of), ("pad_to", Some(self.pad_to)), ("resize_to", self.resize_to)];
        let bad = sizes.iter().find(|(_, size)| size.is_some_and(|s| !s.into_iter().all(is_size)));
        bad.map(|(name, _)| format!("{name} must be three sizes from 1 to {MAX_SIDE}"))
    }
}

impl Intensity {
    /// Scales a grid.
    pub(super) fn apply(self, grid: Grid) -> Grid {
        let scaling = match self {
            Self::Window { low, high } => Scaling::Window { low, high },
            Self::ZScoreNonzero => {
                let (mean, deviation) = nonzero_moments(grid.data());
                Scaling::Standard { mean, deviation }
            }
        };
        grid.map(|v| scaling.apply(v))
    }

    /// How values are scaled that are not all in memory: `scan` calls what it is given with one run of them after the other.
    pub(crate) fn scaling(
        self,
        scan: impl Fn(&mut dyn FnMut(&[f32])) -> Result<(), VolumeError>,
    ) -> Result<Scaling, VolumeError> {
        let Self::ZScoreNonzero = self else {
            let Self::Window { low, high } = self else { return Ok(Scaling::NONE) };
            return Ok(Scaling::Window { low, high });
        };
        let sum = |f: &dyn Fn(f64) -> f64| {
            let mut sums = Sums::default();
            scan(&mut |values| values.iter().for_each(|&v| sums.add(v, f)))?;
            Ok(sums.total())
        };
        let (total, count) = sum(&|v| v)?;
        if count == 0 {
            return Ok(Scaling::Standard { mean: 0.0, deviation: 1.0 });
        }
        let mean = total / count as f64;
        let deviation = (sum(&|v| (v - mean) * (v - mean))?.0 / count as f64).sqrt();
        Ok(Scaling::Standard { mean, deviation: if deviation == 0.0 { 1.0 } else { deviation } })
    }

    /// What takes the place of values that are no numbers.
    pub(crate) fn outside(self) -> f32 {
        match self {
            Self::Window { low, .. } => low as f32,
            Self::ZScoreNonzero => 0.0,
        }
    }

    pub(crate) fn empty_foreground(self, threshold: f32) -> VolumeError {
        match self {
            Self::Window { low, high } => VolumeError::EmptyForeground(low + f64::from(threshold) * (high - low), high),
            Self::ZScoreNonzero => VolumeError::EmptyForegroundZScore(threshold),
        }
    }
}

/// What happens to each value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scaling {
    /// Nothing.
    None,
    /// `low`…`high` becomes 0…1, clipped.
    Window { low: f64, high: f64 },
    /// Values that are not 0 lose the mean and are divided by the deviation.
    Standard { mean: f64, deviation: f64 },
}

impl Scaling {
    pub const NONE: Self = Self::None;

    pub fn apply(self, v: f32) -> f32 {
        match self {
            Self::None => v,
            Self::Window { low, high } => ((f64::from(v) - low) / (high - low)).clamp(0.0, 1.0) as f32,
            Self::Standard { .. } if v == 0.0 => 0.0,
            Self::Standard { mean, deviation } => ((f64::from(v) - mean) / deviation) as f32,
        }
    }
}

/// Values that are summed together before sums are added: the same number however they come.
const PIECE: usize = 1 << 16;

/// A sum over values that are not 0, in the order and pieces of [`nonzero_moments`].
#[derive(Default)]
struct Sums {
    total: (f64, usize),
    piece: (f64, usize),
    seen: usize,
}

impl Sums {
    fn add(&mut self, value: f32, f: &dyn Fn(f64) -> f64) {
        if value != 0.0 {
            self.piece = (self.piece.0 + f(f64::from(value)), self.piece.1 + 1);
        }
        self.seen += 1;
        if self.seen.is_multiple_of(PIECE) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.total = (self.total.0 + self.piece.0, self.total.1 + self.piece.1);
        self.piece = (0.0, 0);
    }

    fn total(mut self) -> (f64, usize) {
        self.flush();
        self.total
    }
}

/// Mean and population standard deviation of the values that are not 0; a deviation of 0 counts as 1.
fn nonzero_moments(data: &[f32]) -> (f64, f64) {
    let sum = |f: &(dyn Fn(f64) -> f64 + Sync)| -> (f64, usize) {
        // Sums of fixed pieces, added in order: the same number whatever the threads.
        let parts: Vec<(f64, usize)> = data
            .par_chunks(PIECE)
            .map(|part| {
                let values = part.iter().filter(|&&v| v != 0.0);
                values.fold((0.0, 0), |(sum, n), &v| (sum + f(f64::from(v)), n + 1))
            })
            .collect();
        parts.into_iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    let (total, count) = sum(&|v| v);
    if count == 0 {
        return (0.0, 1.0);
    }
    let mean = total / count as f64;
    let deviation = (sum(&|v| (v - mean) * (v - mean)).0 / count as f64).sqrt();
    (mean, if deviation == 0.0 { 1.0 } else { deviation })
}
