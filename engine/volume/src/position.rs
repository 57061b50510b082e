//! VoCo's position task: where the base crops lie, and how much of each a random crop covers.
//!
//! Source: Wu et al., "Large-Scale 3D Medical Image Pre-training with Geometric Context Priors", and the published code's
//! 3×3 (TPAMI) and 4×4 (CVPR 2024) grids. Base k = n·i + j, i along the frame's x and j along its y; z is never predicted.

use crate::{Box3, Frame, Geometry};
use glam::DVec3;

/// An n×n×1 grid of base crops that tiles a frame of (n·edge, n·edge, edge) voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionGrid {
    /// Base crops along x and along y.
    pub n: usize,
    /// Crop edge in frame voxels.
    pub edge: usize,
}

/// A crop of the frame, in frame voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// First voxel.
    pub start: [usize; 3],
    /// Voxels along each axis.
    pub size: [usize; 3],
}

impl PositionGrid {
    /// 3×3 crops of 64³ (TPAMI).
    pub const TPAMI: Self = Self { n: 3, edge: 64 };
    /// 4×4 crops of 96³ (CVPR 2024).
    pub const CVPR: Self = Self { n: 4, edge: 96 };

    /// The frame that the grid tiles.
    pub fn frame_dims(self) -> [usize; 3] {
        [self.n * self.edge, self.n * self.edge, self.edge]
    }

    /// n².
    pub fn num_bases(self) -> usize {
        self.n * self.n
    }

    /// Base crop `k` = n·i + j.
    pub fn base(self, k: usize) -> Crop {
        let (i, j) = (k / self.n, k % self.n);
        Crop { start: [i * self.edge, j * self.edge, 0], size: [self.edge; 3] }
    }

    /// A crop whose corner is (x, y, 0); both at most [`Self::max_start`].
    pub fn crop_at(self, x: usize, y: usize) -> Crop {
        Crop { start: [x.min(self.max_start()), y.min(self.max_start()), 0], size: [self.edge; 3] }
    }

    /// Greatest first voxel of a random crop along x and y. The published code never draws it (its upper bound is exclusive);
    /// here it is drawn, so that every place in the frame can be met.
    pub fn max_start(self) -> usize {
        (self.n - 1) * self.edge
    }

    /// Top-1 accuracy of whoever always names the likeliest base crop (25 % for 3×3).
    pub fn chance_top1(self) -> f64 {
        // Along one axis: how often each cell has the greatest overlap. Both axes are drawn alike and apart.
        let mut wins = vec![0_usize; self.n];
        for start in 0..=self.max_start() {
            wins[(start + self.edge / 2 - 1) / self.edge] += 1;
        }
        let best = wins.into_iter().max().unwrap_or(0) as f64 / (self.max_start() + 1) as f64;
        best * best
    }

    /// Share of the crop that lies in each base crop, n² numbers that sum to 1.
    pub fn target(self, crop: Crop) -> Vec<f64> {
        let overlap = |axis: usize, cell: usize| {
            let (low, high) = (cell * self.edge, (cell + 1) * self.edge);
            let end = (crop.start[axis] + crop.size[axis]).min(high);
            end.saturating_sub(crop.start[axis].max(low)) as f64 / crop.size[axis] as f64
        };
        (0..self.num_bases()).map(|k| overlap(0, k / self.n) * overlap(1, k % self.n)).collect()
    }

    /// Middle of the crop from the overlaps with the base crops, in frame voxels (x, y): the centre of mass of the base
    /// crops' centres. For exact targets this is the crop's true centre, as overlap falls linearly with distance.
    pub fn center_from_overlaps(self, overlaps: &[f32]) -> Option<[f64; 2]> {
        let sum: f64 = overlaps.iter().map(|&v| f64::from(v.max(0.0))).sum();
        if sum <= 1e-6 {
            return None;
        }
        let mut center = [0.0; 2];
        for (k, &v) in overlaps.iter().enumerate().take(self.num_bases()) {
            let weight = f64::from(v.max(0.0)) / sum;
            center[0] += weight * ((k / self.n) as f64 + 0.5) * self.edge as f64;
            center[1] += weight * ((k % self.n) as f64 + 0.5) * self.edge as f64;
        }
        Some(center)
    }
}

impl Crop {
    /// The crop's outer borders in frame voxel space (voxel 0 reaches from −½ to ½).
    pub fn voxel_box(self) -> Box3 {
        let min = DVec3::from_array(self.start.map(|s| s as f64 - 0.5));
        Box3 { min, max: min + DVec3::from_array(self.size.map(|s| s as f64)) }
    }

    /// Its eight corners in the patient (RAS+ mm), numbered as [`Box3::corners`].
    pub fn world_corners(self, frame: &Geometry) -> [DVec3; 8] {
        self.voxel_box().corners().map(|c| frame.world_from_voxel().transform_point3(c))
    }

    /// Values of the crop as a tensor [X, Y, Z] with z fastest, resized to `edge`³ if it has another size.
    pub fn values(self, frame: &Frame, edge: usize) -> Vec<f32> {
        let mut out = vec![0.0; edge * edge * edge];
        if self.size == [edge; 3] {
            frame.grid.copy_crop(self.start, self.size, &mut out);
        } else if let Ok(small) =
            frame.grid.cropped(self.start, self.size).and_then(|g| g.resized([edge; 3], crate::Interpolation::Linear))
        {
            small.copy_crop([0; 3], [edge; 3], &mut out);
        }
        out
    }
}
