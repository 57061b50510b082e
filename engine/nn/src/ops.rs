//! Small tensor functions that burn lacks or builds with an affine part.

use burn::module::Param;
use burn::nn::conv::{Conv3d, Conv3dConfig, ConvTranspose3d};
use burn::nn::{LayerNorm, Linear, PaddingConfig3d};
use burn::tensor::activation;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{DType, Device, Tensor};

use crate::kernels;
use crate::kernels::norm::NormOptions;

/// Added to a variance before the root; the value of every PyTorch norm here.
pub const NORM_EPS: f64 = 1e-5;

/// Slope of the leaky ReLU in all convolution blocks (MONAI, nnU-Net).
pub const LEAKY_SLOPE: f64 = 0.01;

/// Normalises over `dim` with the biased variance and no affine part.
///
/// Shape in and out: the same. This one function is the instance norm (over
/// flattened space), the batch norm of the projector (over rows) and the
/// `proj_out` layer norm of `SwinViT` (over channels). It computes in f32 at least.
pub fn standardize<const D: usize>(x: Tensor<D>, dim: usize) -> Tensor<D> {
    let format = x.dtype();
    let x = at_least_f32(x);
    let mean = x.clone().mean_dim(dim);
    let centred = x - mean;
    let variance = centred.clone().square().mean_dim(dim);
    into_format(centred / (variance + NORM_EPS).sqrt(), format)
}

/// `InstanceNorm3d(affine=False)`: `[N,C,D,H,W]` → the same shape.
pub fn instance_norm(x: Tensor<5>) -> Tensor<5> {
    Norm::default().forward(x)
}

/// An instance norm and what follows it, in one pass where that is possible.
#[derive(Debug, Clone, Default)]
pub struct Norm {
    /// Scale and shift `[C]` after the norm.
    pub affine: Option<(Tensor<1>, Tensor<1>)>,
    /// Added after that.
    pub shortcut: Option<Tensor<5>>,
    /// Whether a leaky ReLU with [`LEAKY_SLOPE`] ends it.
    pub leaky: bool,
}

impl Norm {
    /// `[N,C,D,H,W]` → the same shape.
    pub fn forward(self, x: Tensor<5>) -> Tensor<5> {
        let options =
            NormOptions { epsilon: NORM_EPS as f32, slope: if self.leaky { LEAKY_SLOPE as f32 } else { 1.0 } };
        match kernels::norm::norm(&x, self.affine.clone(), self.shortcut.as_ref(), options) {
            Some(y) => y,
            None => self.reference(x),
        }
    }

    /// The same by burn's operators.
    pub fn reference(self, x: Tensor<5>) -> Tensor<5> {
        let [n, c, d, h, w] = x.dims();
        let format = x.dtype();
        let x = at_least_f32(x);
        let mut y = standardize(x.reshape([n, c, d * h * w]), 2).reshape([n, c, d, h, w]);
        if let Some((scale, shift)) = self.affine {
            y = y * scale.reshape([1, c, 1, 1, 1]) + shift.reshape([1, c, 1, 1, 1]);
        }
        if let Some(shortcut) = self.shortcut {
            y = y + at_least_f32(shortcut);
        }
        into_format(if self.leaky { leaky_relu(y) } else { y }, format)
    }
}

/// A convolution layer: `[N,in,D,H,W]` → `[N,out,..]`.
pub fn convolve(layer: &Conv3d, x: Tensor<5>) -> Tensor<5> {
    if let Some(y) = kernels::conv::conv3d(layer, &x) {
        return y;
    }
    let padding = match layer.padding {
        _ if x.dtype() == layer.weight.val().dtype() => return layer.forward(x),
        PaddingConfig3d::Same => return layer.forward(x), // no network here has it
        PaddingConfig3d::Valid => [0; 3],
        PaddingConfig3d::Explicit(d, h, w) => [d, h, w],
    };
    let weight = in_format_of(&x, &layer.weight);
    let bias = layer.bias.as_ref().map(|bias| in_format_of(&x, bias));
    module::conv3d(x, weight, bias, ConvOptions::new(layer.stride, padding, layer.dilation, layer.groups))
}

/// A transposed convolution layer: `[N,in,D,H,W]` → `[N,out,..]`.
pub fn convolve_transposed(layer: &ConvTranspose3d, x: Tensor<5>) -> Tensor<5> {
    if let Some(y) = kernels::conv::conv_transpose3d(layer, &x) {
        return y;
    }
    let weight = in_format_of(&x, &layer.weight);
    let bias = layer.bias.as_ref().map(|bias| in_format_of(&x, bias));
    let options =
        ConvTransposeOptions::new(layer.stride, layer.padding, layer.padding_out, layer.dilation, layer.groups);
    module::conv_transpose3d(x, weight, bias, options)
}

/// A linear layer: `[.., in]` → `[.., out]`.
pub fn project<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == layer.weight.val().dtype() {
        return layer.forward(x);
    }
    let weight = in_format_of(&x, &layer.weight);
    let bias = layer.bias.as_ref().map(|bias| in_format_of(&x, bias));
    module::linear(x, weight, bias)
}

/// A layer norm over the last axis, in f32 at least; shape and format stay.
pub fn layer_norm<const D: usize>(layer: &LayerNorm, x: Tensor<D>) -> Tensor<D> {
    let format = x.dtype();
    into_format(layer.forward(at_least_f32(x)), format)
}

/// Leaky ReLU with slope [`LEAKY_SLOPE`], any shape.
pub fn leaky_relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::leaky_relu(x, LEAKY_SLOPE)
}

/// Mean over all voxels: `[N,C,D,H,W]` → `[N,C]`, in f32 at least.
pub fn global_average(x: Tensor<5>) -> Tensor<2> {
    let [n, c, d, h, w] = x.dims();
    at_least_f32(x).reshape([n, c, d * h * w]).mean_dim(2).reshape([n, c])
}

/// A half-precision tensor as f32, any other as it is: for sums over many voxels
/// and logarithms near 0.
pub fn at_least_f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(DType::F32),
        _ => x,
    }
}

/// A tensor in another number format, or as it is.
fn into_format<const D: usize>(x: Tensor<D>, format: DType) -> Tensor<D> {
    if x.dtype() == format { x } else { x.cast(format) }
}

/// A weight in the number format of the tensor that it meets.
pub fn in_format_of<const D: usize, const E: usize>(x: &Tensor<D>, weight: &Param<Tensor<E>>) -> Tensor<E> {
    into_format(weight.val(), x.dtype())
}

/// A cubic convolution; see [`conv_box`].
pub fn conv(channels: [usize; 2], kernel: usize, stride: usize, bias: bool, device: &Device) -> Conv3d {
    conv_box(channels, [kernel; 3], [stride; 3], bias, device)
}

/// A convolution with "same" padding for odd kernels and PyTorch's default
/// initialisation (uniform ±1/√fan-in, which is burn's default too).
pub fn conv_box(channels: [usize; 2], kernel: [usize; 3], stride: [usize; 3], bias: bool, device: &Device) -> Conv3d {
    let [d, h, w] = kernel.map(|edge| edge.saturating_sub(1) / 2);
    Conv3dConfig::new(channels, kernel)
        .with_stride(stride)
        .with_padding(PaddingConfig3d::Explicit(d, h, w))
        .with_bias(bias)
        .init(device)
}
