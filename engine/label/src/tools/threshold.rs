//! Thresholds that are found in the image.

use voco_volume::{Volume, Voxels};

use crate::LabelError;
use crate::image::with_voxels;
use rayon::prelude::*;

/// Voxels that one task counts.
const PART: usize = 1 << 18;

/// Counts of values in bins of equal width.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The real value at the lower edge of the first bin, and at the upper edge of the last.
    pub range: [f64; 2],
    /// Voxels per bin.
    pub counts: Vec<u64>,
}

/// The histogram of all finite values of a volume in `bins` bins from the least to the greatest.
///
/// # Errors
/// Fewer than 2 or more than 65536 bins.
pub fn histogram(volume: &Volume, bins: usize) -> Result<Histogram, LabelError> {
    if !(2..=65_536).contains(&bins) {
        return Err(LabelError::BadSetting("a histogram has 2 to 65536 bins"));
    }
    let rescale = volume.rescale();
    with_voxels!(volume, values => {
        let extent = |part: &[_]| {
            part.iter().map(|&v| rescale.apply(v as f64)).filter(|v| v.is_finite()).fold(
                [f64::INFINITY, f64::NEG_INFINITY],
                |[low, high], v| [low.min(v), high.max(v)],
            )
        };
        let join = |a: [f64; 2], b: [f64; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        let range = values.par_chunks(PART).map(extent).reduce(|| [f64::INFINITY, f64::NEG_INFINITY], join);
        let scale = bins as f64 / (range[1] - range[0]);
        let count = |part: &[_]| {
            let mut counts = vec![0_u64; bins];
            for value in part.iter().map(|&v| rescale.apply(v as f64)).filter(|v| v.is_finite()) {
                counts[(((value - range[0]) * scale) as usize).min(bins - 1)] += 1;
            }
            counts
        };
        let add = |mut a: Vec<u64>, b: Vec<u64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        let counts = values.par_chunks(PART).map(count).reduce(|| vec![0; bins], add);
        Ok(Histogram { range, counts })
    })
}

impl Histogram {
    /// The middle of a bin.
    pub fn center(&self, bin: usize) -> f64 {
        self.range[0] + (bin as f64 + 0.5) * (self.range[1] - self.range[0]) / self.counts.len() as f64
    }

    /// Otsu's threshold (1979): the value above which voxels are foreground, so that the variance between the two classes is
    /// greatest. It is the middle of the last bin of the background, as in scikit-image. `None` if all values are equal.
    pub fn otsu(&self) -> Option<f64> {
        let total: f64 = self.counts.iter().map(|&c| c as f64).sum();
        let sum: f64 = self.counts.iter().enumerate().map(|(n, &c)| c as f64 * self.center(n)).sum();
        let (mut below, mut sum_below, mut best) = (0.0, 0.0, None);
        for (n, &count) in self.counts.iter().enumerate() {
            below += count as f64;
            sum_below += count as f64 * self.center(n);
            let above = total - below;
            if below > 0.0 && above > 0.0 {
                let between = below * above * (sum_below / below - (sum - sum_below) / above).powi(2);
                if best.is_none_or(|(most, _)| between > most) {
                    best = Some((between, self.center(n)));
                }
            }
        }
        best.map(|(_, threshold)| threshold)
    }
}
