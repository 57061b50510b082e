//! Transposed convolution whose stride is its kernel: every input voxel becomes
//! one block of output voxels, and no two blocks overlap.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::kernels::conv::{TransposedGrid, transposed};
use crate::ops::in_format_of;

/// `ConvTranspose3d(kernel_size=k, stride=k)` of PyTorch.
#[derive(Module, Debug)]
pub struct UpConv {
    /// `[in, out, kd, kh, kw]`, PyTorch's layout.
    weight: Param<Tensor<5>>,
    /// `[out]`.
    bias: Option<Param<Tensor<1>>>,
}

impl UpConv {
    /// `channels` in and out, with PyTorch's default initialisation: uniform
    /// ±1/√(out·kernel voxels).
    pub fn new(channels: [usize; 2], kernel: [usize; 3], bias: bool, device: &Device) -> Self {
        let [inputs, outputs] = channels;
        let [kd, kh, kw] = kernel;
        // PyTorch takes the second axis of a weight for its inputs, here too.
        #[expect(clippy::cast_precision_loss, reason = "network widths")]
        let bound = 1.0 / ((outputs * kd * kh * kw) as f64).sqrt();
        let initial = Initializer::Uniform { min: -bound, max: bound };
        Self {
            weight: initial.init([inputs, outputs, kd, kh, kw], device),
            bias: bias.then(|| initial.init([outputs], device)),
        }
    }

    /// `[N, in, D, H, W]` → `[N, out, D·kd, H·kh, W·kw]`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let weight = self.weight.val();
        let [.., kd, kh, kw] = weight.dims();
        let grid = TransposedGrid { stride: [kd, kh, kw], padding: [0; 3], padding_out: [0; 3] };
        let bias = self.bias.as_ref().map(Param::val);
        match transposed(&x, weight, bias, grid) {
            Some(y) => y,
            None => self.reference(x),
        }
    }

    /// The same by burn's operators.
    ///
    /// Without overlap it is one matrix product per voxel, so it is computed as a
    /// product and a permutation instead of a general transposed convolution.
    pub fn reference(&self, x: Tensor<5>) -> Tensor<5> {
        let [n, c, d, h, w] = x.dims();
        let weight = in_format_of(&x, &self.weight);
        let bias = self.bias.as_ref().map(|bias| in_format_of(&x, bias));
        let [_, out, kd, kh, kw] = weight.dims();
        let rows = weight.reshape([c, out * kd * kh * kw]).swap_dims(0, 1).unsqueeze::<3>();
        let blocks = rows.matmul(x.reshape([n, c, d * h * w]));
        let y = blocks.reshape([n, out, kd, kh, kw, d, h, w]).permute([0, 1, 5, 2, 6, 3, 7, 4]).reshape([
            n,
            out,
            d * kd,
            h * kh,
            w * kw,
        ]);
        match bias {
            Some(bias) => y + bias.reshape([1, out, 1, 1, 1]),
            None => y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::conv::ConvTranspose3dConfig;

    #[test]
    fn equals_the_general_transposed_convolution() {
        let device = Device::flex();
        for kernel in [[2, 2, 2], [1, 2, 2]] {
            let mut general =
                ConvTranspose3dConfig::new([3, 4], kernel).with_stride(kernel).with_bias(true).init(&device);
            let ours = UpConv::new([3, 4], kernel, true, &device);
            general.weight = ours.weight.clone();
            general.bias = ours.bias.clone();
            let x = Tensor::<5>::random([2, 3, 2, 3, 4], burn::tensor::Distribution::Default, &device);
            let general = general.forward(x.clone());
            for ours in [ours.forward(x.clone()), ours.reference(x)] {
                assert_eq!(ours.dims(), general.dims());
                assert!(ours.all_close(general.clone(), None, Some(1e-5)), "kernel {kernel:?}");
            }
        }
    }
}
