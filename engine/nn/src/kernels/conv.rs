//! The convolution as an operation on tensors.

use burn::nn::PaddingConfig3d;
use burn::nn::conv::{Conv3d, ConvTranspose3d};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::lattice::ConvShape;
use super::op::{CpuOp, Inputs, Value};
use super::{correlate, weight};

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
        let numbers = correlate::forward(shape, inputs[0], inputs[1], inputs.get(2).copied());
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
                    let numbers = correlate::backward(shape, gradient, inputs[1], None);
                    Value::new(numbers, &[shape.batch, input_channels, d, h, w])
                }
                1 => {
                    let [d, h, w] = shape.kernel;
                    let numbers = weight::gradient(shape, inputs[0], gradient);
                    Value::new(numbers, &[outputs, input_channels, d, h, w])
                }
                _ => Value::new(bias_gradient(gradient, outputs, shape.output()), &[outputs]),
            })
        })
    }
}

/// The transposed convolution, likewise.
pub fn conv_transpose3d(layer: &ConvTranspose3d, x: &Tensor<5>) -> Option<Tensor<5>> {
    if layer.groups != 1 || layer.dilation != [1; 3] {
        return None;
    }
    let [batch, inputs, ..] = x.dims();
    let weight = layer.weight.val();
    let outputs = weight.dims()[1];
    // The convolution whose gradient it is.
    let mut grid = [0; 3];
    for (axis, len) in grid.iter_mut().enumerate() {
        let (edge, kernel, stride) = (x.dims()[axis + 2], layer.kernel_size[axis], layer.stride[axis]);
        // Where the kernel is shorter than the stride, some voxels get the bias only.
        if edge == 0 || kernel < stride {
            return None;
        }
        *len = ((edge - 1) * stride + kernel + layer.padding_out[axis]).checked_sub(2 * layer.padding[axis])?;
    }
    let shape = ConvShape {
        batch,
        channels: [outputs, inputs],
        input: grid,
        kernel: layer.kernel_size,
        stride: layer.stride,
        padding: layer.padding,
    };
    let fits = || (0..3).all(|axis| shape.output()[axis] == x.dims()[axis + 2]);
    if weight.dims()[0] != inputs || !shape.is_supported() || !fits() {
        return None;
    }
    let (x, weight) = (x.clone().into_dispatch(), weight.into_dispatch());
    let output = match &layer.bias {
        Some(bias) => Inputs::new([x, weight, bias.val().into_dispatch()])?.apply(Transposed(shape)),
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
        let numbers = correlate::backward(shape, inputs[0], inputs[1], inputs.get(2).copied());
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
                    let numbers = correlate::forward(shape, gradient, inputs[1], None);
                    Value::new(numbers, &[shape.batch, input_channels, d, h, w])
                }
                1 => {
                    let [d, h, w] = shape.kernel;
                    let numbers = weight::gradient(shape, gradient, inputs[0]);
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
