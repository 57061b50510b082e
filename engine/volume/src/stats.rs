use crate::Volume;
use crate::volume::Extent;

/// Minimum, maximum and mean of the finite real values of a volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Least finite value (0 if there is none).
    pub min: f64,
    /// Greatest finite value (0 if there is none).
    pub max: f64,
    /// Mean of the finite values (0 if there is none).
    pub mean: f64,
    /// How many values are NaN or infinite.
    pub num_non_finite: usize,
}

impl Stats {
    /// One pass over all voxels.
    pub fn of(volume: &Volume) -> Self {
        let Extent { min, max, sum, count } = volume.voxels().extent(volume.rescale());
        let num_non_finite = volume.voxels().len() - count;
        if count == 0 {
            return Self { min: 0.0, max: 0.0, mean: 0.0, num_non_finite };
        }
        Self { min, max, mean: sum / count as f64, num_non_finite }
    }
}
