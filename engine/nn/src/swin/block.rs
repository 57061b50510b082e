//! The two building blocks: shifted-window block and residual convolution.

use burn::module::Module;
use burn::nn::conv::Conv3d;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

use super::attention::WindowAttention;
use super::window::{WindowPlan, partition, reverse};
use crate::ops::{Norm, conv, convolve, instance_norm, layer_norm, project};

/// One (shifted) window attention block with MLP, tokens channel-last.
#[derive(Module, Debug)]
pub struct SwinBlock {
    norm1: LayerNorm,
    attn: WindowAttention,
    norm2: LayerNorm,
    mlp: Mlp,
    /// Shift on axes longer than a window: 0 or 3.
    shift: usize,
}

impl SwinBlock {
    /// `width` channels in `heads` heads; `shift` 0 or half a window.
    pub fn new(width: usize, heads: usize, shift: usize, device: &Device) -> Self {
        Self {
            norm1: LayerNormConfig::new(width).init(device),
            attn: WindowAttention::new(width, heads, device),
            norm2: LayerNormConfig::new(width).init(device),
            mlp: Mlp {
                linear1: LinearConfig::new(width, 4 * width).init(device),
                linear2: LinearConfig::new(4 * width, width).init(device),
            },
            shift,
        }
    }

    /// `[N,D,H,W,C]` → the same shape (MONAI `SwinTransformerBlock`).
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [n, d, h, w, c] = x.dims();
        let plan = WindowPlan::new([d, h, w], self.shift);
        // Padding comes after the norm, so padded tokens are zeros, and they are
        // not masked: the reference lets real tokens attend to them.
        let windows = partition(layer_norm(&self.norm1, x.clone()), &plan);
        let attended = self.attn.forward(windows, &plan);
        let x = x + reverse(attended, &plan, n);
        let rows = layer_norm(&self.norm2, x.clone().reshape([n * d * h * w, c]));
        x + self.mlp.forward(rows).reshape([n, d, h, w, c])
    }
}

/// Linear, exact GELU, linear.
#[derive(Module, Debug)]
struct Mlp {
    linear1: Linear,
    linear2: Linear,
}

impl Mlp {
    /// `[rows, C]` → `[rows, C]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        project(&self.linear2, activation::gelu(project(&self.linear1, x)))
    }
}

/// MONAI `UnetResBlock` with stride 1, the body of `UnetrBasicBlock`: two 3³
/// convolutions without bias, instance norms without affine, and a 1³
/// convolution on the shortcut when the width changes.
#[derive(Module, Debug)]
pub struct ResBlock {
    conv1: Conv3d,
    conv2: Conv3d,
    conv3: Option<Conv3d>,
}

impl ResBlock {
    /// `inputs` → `outputs` channels.
    pub fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Self {
            conv1: conv([inputs, outputs], 3, 1, false, device),
            conv2: conv([outputs, outputs], 3, 1, false, device),
            conv3: (inputs != outputs).then(|| conv([inputs, outputs], 1, 1, false, device)),
        }
    }

    /// `[N,in,D,H,W]` → `[N,out,D,H,W]`.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let y = Norm { leaky: true, ..Norm::default() }.forward(convolve(&self.conv1, x.clone()));
        let y = convolve(&self.conv2, y);
        let shortcut = match &self.conv3 {
            Some(conv3) => instance_norm(convolve(conv3, x)),
            None => x,
        };
        Norm { leaky: true, shortcut: Some(shortcut), affine: None }.forward(y)
    }
}
