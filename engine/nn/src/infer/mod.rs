//! Sliding-window inference, equal to MONAI's `sliding_window_inference` (1.3.0
//! and 1.6.1).

mod stitch;

pub use stitch::{Slab, Stitcher, softmax};

use burn::tensor::ops::PadMode;
use burn::tensor::{Tensor, TensorData};

use crate::error::NnError;

/// Deviation of the Gaussian as a share of the window's edge.
const SIGMA: f32 = 0.125;

/// Least weight of a voxel in a window.
const LEAST_WEIGHT: f32 = 1e-3;

/// How overlapping windows are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Blend {
    /// All voxels of a window alike; the published fine-tuning's choice.
    #[default]
    Constant,
    /// More in the middle of a window than at its border.
    Gaussian,
}

/// Settings of sliding-window inference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlidingWindow {
    /// Edges of the window in voxels.
    pub roi: [usize; 3],
    /// Share of a window that the next one covers again, at least 0 and below 1.
    pub overlap: f64,
    /// Weights of overlapping windows.
    pub blend: Blend,
}

impl SlidingWindow {
    /// Starts of the windows along the axes, last axis fastest, over a volume of
    /// `size` voxels, no axis of it shorter than the window.
    pub fn starts(&self, size: [usize; 3]) -> Vec<[usize; 3]> {
        let axes: [Vec<usize>; 3] = std::array::from_fn(|axis| self.axis_starts(axis, size[axis]));
        let mut all = Vec::with_capacity(axes.iter().map(Vec::len).product());
        for &i in &axes[0] {
            for &j in &axes[1] {
                all.extend(axes[2].iter().map(|&k| [i, j, k]));
            }
        }
        all
    }

    fn axis_starts(&self, axis: usize, size: usize) -> Vec<usize> {
        let (roi, last) = (self.roi[axis], size.saturating_sub(self.roi[axis]));
        #[expect(clippy::cast_precision_loss, reason = "edges are far below 2^52")]
        let step = if roi == size { roi } else { ((roi as f64 * (1.0 - self.overlap)) as usize).max(1) };
        let mut starts: Vec<usize> = (0..last).step_by(step).collect();
        starts.push(last);
        starts
    }

    /// The weights of a window's voxels, last axis fastest.
    pub fn weights(&self) -> Vec<f32> {
        let count = self.roi.iter().product();
        if self.blend == Blend::Constant {
            return vec![1.0; count];
        }
        let axes = self.roi.map(gaussian);
        let mut weights = Vec::with_capacity(count);
        for a in &axes[0] {
            for b in &axes[1] {
                weights.extend(axes[2].iter().map(|c| a * b * c));
            }
        }
        let floor = weights.iter().copied().fold(f32::INFINITY, f32::min).max(LEAST_WEIGHT);
        for weight in &mut weights {
            *weight = weight.max(floor);
        }
        weights
    }

    /// Applies `predict` to every window of `volume` `[N, C, D, H, W]` and blends the
    /// results `[N, K, D, H, W]`.
    ///
    /// `predict` takes a window `[1, C, roi]` and gives `[1, K, roi]`; an error of it,
    /// cancellation for instance, ends the run. Axes shorter than the window are
    /// filled up with zeros on both sides, and the filling is cut off again. The result
    /// lies in memory as a whole; a [`Stitcher`] gives it out in slabs.
    ///
    /// # Errors
    /// The first error of `predict`, or a result of another size.
    ///
    /// # Panics
    /// When an edge of the window is 0 or the overlap is not in 0..1.
    pub fn run<E: From<NnError>>(
        &self,
        volume: &Tensor<5>,
        mut predict: impl FnMut(Tensor<5>) -> Result<Tensor<5>, E>,
    ) -> Result<Tensor<5>, E> {
        self.check();
        let [n, c, rest @ ..] = volume.dims();
        let pads: [(usize, usize); 3] = std::array::from_fn(|axis| {
            let missing = self.roi[axis].saturating_sub(rest[axis]);
            (missing / 2, missing - missing / 2)
        });
        let padded = if pads == [(0, 0); 3] {
            volume.clone()
        } else {
            volume.clone().pad([(0, 0), (0, 0), pads[0], pads[1], pads[2]], PadMode::Constant(0.0))
        };
        let size: [usize; 3] = std::array::from_fn(|axis| rest[axis] + pads[axis].0 + pads[axis].1);
        let mut window = |image: usize, start: [usize; 3]| -> Result<(usize, Vec<f32>), E> {
            let [x, y, z] = std::array::from_fn(|axis| start[axis]..start[axis] + self.roi[axis]);
            let result = predict(padded.clone().slice([image..image + 1, 0..c, x, y, z]))?;
            let [_, classes, got @ ..] = result.dims();
            if got != self.roi {
                let reason = "a network for sliding windows must give results of the window's size";
                return Err(NnError::CropSize { size: got, reason }.into());
            }
            Ok((classes, result.into_data().iter::<f32>().collect()))
        };
        let mut parts = Vec::with_capacity(n);
        for image in 0..n {
            // The first window tells the number of classes.
            let (classes, mut values) = window(image, [0; 3])?;
            let mut stitcher = Stitcher::new(*self, size, classes, usize::MAX);
            let mut whole = vec![0.0; classes * size.iter().product::<usize>()];
            loop {
                if let Some(slab) = stitcher.add(&values) {
                    place(&slab, size, &mut whole);
                }
                let Some(start) = stitcher.next_window() else { break };
                (_, values) = window(image, start)?;
            }
            let shape = [1, classes, size[0], size[1], size[2]];
            parts.push(Tensor::<5>::from_data(TensorData::new(whole, shape), &volume.device()));
        }
        let whole = Tensor::cat(parts, 0);
        let classes = whole.dims()[1];
        let kept = |axis: usize| pads[axis].0..pads[axis].0 + rest[axis];
        Ok(whole.slice([0..n, 0..classes, kept(0), kept(1), kept(2)]))
    }

    fn check(&self) {
        assert!(self.roi.iter().all(|&edge| edge > 0), "a window has no voxel");
        assert!((0.0..1.0).contains(&self.overlap), "the overlap is not in 0..1");
    }
}

/// Copies a slab to its place in `whole` `[K, size]`.
fn place(slab: &Slab, size: [usize; 3], whole: &mut [f32]) {
    let strides = [size[1] * size[2], size[2], 1];
    let voxels = size.iter().product::<usize>();
    let [b, c] = match slab.axis {
        0 => [1, 2],
        1 => [0, 2],
        _ => [0, 1],
    };
    for (i, plane) in slab.planes.iter().enumerate() {
        for (row, values) in plane.chunks_exact(slab.size[c]).enumerate() {
            let (class, j) = (row / slab.size[b], row % slab.size[b]);
            let at = class * voxels
                + (slab.start[slab.axis] + i) * strides[slab.axis]
                + (slab.start[b] + j) * strides[b]
                + slab.start[c] * strides[c];
            for (k, value) in values.iter().enumerate() {
                whole[at + k * strides[c]] = *value;
            }
        }
    }
}

/// `exp(−x²/2σ²)` at the voxels of an axis, x from its middle.
fn gaussian(edge: usize) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "edges are small")]
    let (edge_real, at) = (edge as f32, |i: usize| i as f32 - (edge as f32 - 1.0) / 2.0);
    let sigma = SIGMA * edge_real;
    (0..edge).map(|i| (-at(i).powi(2) / (2.0 * sigma * sigma)).exp()).collect()
}
