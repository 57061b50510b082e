//! Losses of deformable registration, as the downstream code takes them from
//! `TransMorph` (facts 3.5): local normalised cross-correlation and the squared
//! gradient of the displacement.

use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};

use crate::ops::at_least_f32;

/// Added to the product of the variances.
const NCC_EPS: f64 = 1e-5;

/// Negative mean of the squared local correlation (`NCC_vxm`) `[1]` of two images
/// `[N, 1, D, H, W]`.
///
/// Sums run over cubes of `window` voxels (odd; 9 as published) with zeros outside
/// the image: −1 for images that are linear in each other, 0 for unrelated ones.
pub fn local_ncc(fixed: Tensor<5>, moved: Tensor<5>, window: usize) -> Tensor<1> {
    let n = fixed.dims()[0];
    // Differences of large sums need f32 at least.
    let (a, b) = (at_least_f32(fixed), at_least_f32(moved));
    let products = vec![a.clone(), b.clone(), a.clone().square(), b.clone().square(), a * b];
    let sums = box_sum(Tensor::cat(products, 0), window);
    let part = |index: usize| sums.clone().narrow(0, index * n, n);
    let (a, b) = (part(0), part(1));
    #[expect(clippy::cast_precision_loss, reason = "a window has a few hundred voxels")]
    let count = window.pow(3) as f64;
    let cross = part(4) - a.clone() * b.clone() / count;
    let variances = (part(2) - a.square() / count) * (part(3) - b.square() / count);
    (cross.square() / (variances + NCC_EPS)).mean().neg()
}

/// Mean squared forward difference of a displacement field `[N, 3, D, H, W]`,
/// averaged over the axes (`Grad3d('l2')`) `[1]`.
pub fn gradient_l2(flow: &Tensor<5>) -> Tensor<1> {
    let axes = (2..5).map(|axis| {
        let len = flow.dims()[axis];
        let next = flow.clone().narrow(axis, 1, len - 1);
        (next - flow.clone().narrow(axis, 0, len - 1)).square().mean()
    });
    Tensor::cat(axes.collect(), 0).mean()
}

/// Sums over cubes of `window` voxels around each voxel of `[N, 1, D, H, W]`, zeros
/// outside. Three passes along the axes instead of one over the cube.
fn box_sum(x: Tensor<5>, window: usize) -> Tensor<5> {
    (0..3).fold(x, |x, axis| {
        let (mut shape, mut padding) = ([1; 5], [0; 3]);
        shape[axis + 2] = window;
        padding[axis] = window / 2;
        let ones = TensorData::new(vec![1.0f32; window], shape);
        let ones = Tensor::from_data(ones.convert_dtype(x.dtype()), &x.device());
        conv3d(x, ones, None, ConvOptions::new([1; 3], padding, [1; 3], 1))
    })
}
