//! Where crops are cut.

use rand::Rng;

use crate::cache::StoredSample;

/// A part of a sample as a network takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Crop {
    /// Voxels along x, y, z.
    pub size: [usize; 3],
    /// Intensities [C, X, Y, Z], z fastest.
    pub image: Vec<f32>,
    /// Class ids [X, Y, Z], z fastest; empty if the sample has no label.
    pub label: Vec<u16>,
}

/// How often a crop is drawn around a foreground voxel, and how often around a background voxel (e.g. 9 : 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PosNeg {
    /// Share of crops around a voxel of any class but the background.
    pub positive: f64,
    /// Share of crops around a background voxel inside the body.
    pub negative: f64,
}

impl PosNeg {
    /// First voxel of a crop of `size`, drawn as MONAI's `RandCropByPosNegLabel`: with chance positive / (positive +
    /// negative) around a random labelled voxel, else around a random voxel of class 0 brighter than 0; moved so that it lies
    /// inside. If one kind is missing the other is taken, and any place if both are. `None` if the sample is too small.
    pub fn start(self, sample: &StoredSample, size: [usize; 3], random: &mut impl Rng) -> Option<[usize; 3]> {
        let dims = sample.dims();
        (0..3).all(|a| size[a] <= dims[a]).then_some(())?;
        let (foreground, background) = (sample.foreground(), sample.background());
        let chance = match (foreground.count(), background.count()) {
            (0, 0) => return random_start(dims, size, random),
            (0, _) => 0.0,
            (_, 0) => 1.0,
            _ => (self.positive / (self.positive + self.negative)).clamp(0.0, 1.0),
        };
        let center = if random.random::<f64>() < chance { foreground.draw(random) } else { background.draw(random) };
        Some(start_around(unravel(center?, dims), dims, size))
    }
}

/// First voxel of a crop of `size` anywhere in `dims`, uniform over those there are (MONAI's `RandSpatialCrop`); `None` if it
/// does not fit.
pub fn random_start(dims: [usize; 3], size: [usize; 3], random: &mut impl Rng) -> Option<[usize; 3]> {
    (0..3).all(|a| size[a] <= dims[a]).then(|| std::array::from_fn(|a| random.random_range(0..=dims[a] - size[a])))
}

/// First voxel of the crop of `size` with `center` in its middle, moved as little as lets it lie inside.
///
/// # Panics
/// If it does not fit.
pub fn start_around(center: [usize; 3], dims: [usize; 3], size: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|a| center[a].saturating_sub(size[a] / 2).min(dims[a] - size[a]))
}

/// Voxel of a flat index, x fastest.
pub(crate) fn unravel(index: u32, dims: [usize; 3]) -> [usize; 3] {
    let n = index as usize;
    [n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1])]
}
