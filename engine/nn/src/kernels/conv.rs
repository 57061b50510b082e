//! The convolution as an operation on tensors.

use burn::module::Param;
use burn::nn::PaddingConfig3d;
use burn::nn::conv::{Conv3d, ConvTranspose3d};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::lattice::ConvShape;
use super::op::{CpuOp, Inputs, Value};
use super::{columns, correlate, weight, winograd, winograd_weight};

/// `[N,in,D,H,W]` → `[N,out,..]` by the fast kernels, or `None` where they do
/// not apply: on another device, in another number format, with groups,
/// dilation or a padding wider than the kernel.
pub fn conv3d(layer: &Conv3d, x: &Tensor<5>) -> Option<Tensor<5>> {
    if layer.groups != 1 || layer.dilation != [1; 3] {
        return None;
    }
    let [batch, inputs, d, h, w] = x.dims();
    let weight = layer.weight.val();
    let [outputs, ..] = weight.dims();
    let padding = match layer.padding {
        PaddingConfig3d::Valid => [0; 3],
        PaddingConfig3d::Explicit(d, h, w) => [d, h, w],
        PaddingConfig3d::Same => return None, // may differ from side to side
    };
    let shape = ConvShape {
        batch,
        channels: [inputs, outputs],
        input: [d, h, w],
        kernel: layer.kernel_size,
        stride: layer.stride,
        padding,
    };
    if weight.dims()[1] != inputs || !shape.is_supported() {
        return None;
    }
    let (x, weight) = (x.clone().into_dispatch(), weight.into_dispatch());
    let output = match &layer.bias {
        Some(bias) => Inputs::new([x, weight, bias.val().into_dispatch()])?.apply(Conv(shape)),
        None => Inputs::new([x, weight])?.apply(Conv(shape)),
    };
    Some(Tensor::from_dispatch(output))
}

/// Inputs: the image, the weight, perhaps the bias.
#[derive(Debug, Clone)]
struct Conv(ConvShape);

impl<const N: usize> CpuOp<N> for Conv {
    type Saved = ();

    fn forward(&self, inputs: [&[f32]; N]) -> (Value, ()) {
        let shape = &self.0;
        let numbers = output(shape, inputs[0], inputs[1], inputs.get(2).copied());
        let [d, h, w] = shape.output();
        (Value::new(numbers, &[shape.batch, shape.channels[1], d, h, w]), ())
    }

    fn backward(&self, inputs: [&[f32]; N], (): &(), gradient: &[f32], wanted: [bool; N]) -> [Option<Value>; N] {
        let shape = &self.0;
        let [input_channels, outputs] = shape.channels;
        std::array::from_fn(|index| {
            wanted[index].then(|| match index {
                0 => {
                    let [d, h, w] = shape.input;
                    let numbers = input_gradient(shape, gradient, inputs[1], None);
                    Value::new(numbers, &[shape.batch, input_channels, d, h, w])
                }
                1 => {
                    let [d, h, w] = shape.kernel;
                    let numbers = weight_gradient(shape, inputs[0], gradient);
                    Value::new(numbers, &[outputs, input_channels, d, h, w])
                }
                _ => Value::new(bias_gradient(gradient, outputs, shape.output()), &[outputs]),
            })
        })
    }
}

/// `[N, in, ..]` → `[N, out, ..]` by the fastest way for the shape.
fn output(shape: &ConvShape, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    if winograd::applies(shape) {
        winograd::forward(shape, input, weight, bias)
    } else if columns::applies(shape) {
        columns::forward(shape, input, weight, bias)
    } else {
        correlate::forward(shape, input, weight, bias)
    }
}

/// `[N, out, ..]` → `[N, in, ..]`, likewise.
fn input_gradient(shape: &ConvShape, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    if winograd::applies(shape) {
        winograd::backward(shape, gradient, weight, bias)
    } else if columns::applies(shape) {
        columns::backward(shape, gradient, weight, bias)
    } else {
        correlate::backward(shape, gradient, weight, bias)
    }
}

/// `[out, in, taps]`, likewise.
fn weight_gradient(shape: &ConvShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    if columns::applies(shape) {
        columns::gradient(shape, input, gradient)
    } else if winograd_weight::applies(shape) {
        winograd_weight::gradient(shape, input, gradient)
    } else {
        weight::gradient(shape, input, gradient)
    }
}

/// The transposed convolution, likewise.
pub fn conv_transpose3d(layer: &ConvTranspose3d, x: &Tensor<5>) -> Option<Tensor<5>> {
    if layer.groups != 1 || layer.dilation != [1; 3] {
        return None;
    }
    let bias = layer.bias.as_ref().map(Param::val);
    let grid = TransposedGrid { stride: layer.stride, padding: layer.padding, padding_out: layer.padding_out };
    transposed(x, layer.weight.val(), bias, grid)
}

/// How the input voxels of a transposed convolution lie in the output.
#[derive(Debug, Clone, Copy)]
pub struct TransposedGrid {
    /// Steps in the output from an input voxel to the next.
    pub stride: [usize; 3],
    /// Lines that are cut off on both sides.
    pub padding: [usize; 3],
    /// Lines that are added at the end.
    pub padding_out: [usize; 3],
}

/// `[N,in,..]` with weights `[in, out, kernel]` and a bias `[out]` → `[N,out,..]`.
pub fn transposed(
    x: &Tensor<5>,
    weight: Tensor<5>,
    bias: Option<Tensor<1>>,
    grid: TransposedGrid,
) -> Option<Tensor<5>> {
    let [batch, inputs, edges @ ..] = x.dims();
    let [weight_inputs, outputs, kernel @ ..] = weight.dims();
    // The convolution whose gradient it is.
    let mut output = [0; 3];
    for (axis, side) in output.iter_mut().enumerate() {
        let edge = edges[axis];
        // Where the kernel is shorter than the stride, some voxels get the bias only.
        if edge == 0 || kernel[axis] < grid.stride[axis] {
            return None;
        }
        *side = ((edge - 1) * grid.stride[axis] + kernel[axis] + grid.padding_out[axis])
            .checked_sub(2 * grid.padding[axis])?;
    }
    let TransposedGrid { stride, padding, .. } = grid;
    let shape = ConvShape { batch, channels: [outputs, inputs], input: output, kernel, stride, padding };
    if weight_inputs != inputs || !shape.is_supported() || shape.output() != edges {
        return None;
    }
    let (x, weight) = (x.clone().into_dispatch(), weight.into_dispatch());
    let output = match bias {
        Some(bias) => Inputs::new([x, weight, bias.into_dispatch()])?.apply(Transposed(shape)),
        None => Inputs::new([x, weight])?.apply(Transposed(shape)),
    };
    Some(Tensor::from_dispatch(output))
}

/// Inputs as for [`Conv`]; the shape is that of the convolution the other way.
#[derive(Debug, Clone)]
struct Transposed(ConvShape);

impl<const N: usize> CpuOp<N> for Transposed {
    type Saved = ();

    fn forward(&self, inputs: [&[f32]; N]) -> (Value, ()) {
        let shape = &self.0;
        let numbers = input_gradient(shape, inputs[0], inputs[1], inputs.get(2).copied());
        let [d, h, w] = shape.input;
        (Value::new(numbers, &[shape.batch, shape.channels[0], d, h, w]), ())
    }

    fn backward(&self, inputs: [&[f32]; N], (): &(), gradient: &[f32], wanted: [bool; N]) -> [Option<Value>; N] {
        let shape = &self.0;
        let [outputs, input_channels] = shape.channels;
        std::array::from_fn(|index| {
            wanted[index].then(|| match index {
                0 => {
                    let [d, h, w] = shape.output();
                    let numbers = output(shape, gradient, inputs[1], None);
                    Value::new(numbers, &[shape.batch, input_channels, d, h, w])
                }
                1 => {
                    let [d, h, w] = shape.kernel;
                    let numbers = weight_gradient(shape, gradient, inputs[0]);
                    Value::new(numbers, &[input_channels, outputs, d, h, w])
                }
                _ => Value::new(bias_gradient(gradient, outputs, shape.input), &[outputs]),
            })
        })
    }
}

/// Sums over images and voxels.
fn bias_gradient(gradient: &[f32], outputs: usize, grid: [usize; 3]) -> Vec<f32> {
    let grid = grid.iter().product();
    let sums: Vec<f32> = gradient.par_chunks_exact(grid).map(sum).collect();
    (0..outputs).map(|channel| sums[channel..].iter().step_by(outputs).sum()).collect()
}

/// The sum of `values` in 16 lanes: as exact as pairs, and as fast as memory.
pub(super) fn sum(values: &[f32]) -> f32 {
    let (blocks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for block in blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}
