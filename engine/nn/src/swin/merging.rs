//! Patch merging: eight neighbours become one token of twice the width.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};

use crate::ops::{layer_norm, project};

/// Which neighbour goes into which of the eight slots.
///
/// Names and shapes of the weights are the same for both; only numbers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeOrder {
    /// MONAI up to 1.4: two neighbours twice, (1,1,0) and (0,1,1) never. The
    /// published VoCo weights were trained with it.
    #[default]
    Legacy,
    /// MONAI 1.5 and later (pull request 8285).
    Fixed,
}

impl MergeOrder {
    /// Offsets (d, h, w) of the eight slots.
    pub fn offsets(self) -> [[usize; 3]; 8] {
        let [a, b, c] = match self {
            Self::Legacy => [[1, 0, 1], [0, 1, 0], [0, 0, 1]],
            Self::Fixed => [[1, 1, 0], [1, 0, 1], [0, 1, 1]],
        };
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], a, b, c, [1, 1, 1]]
    }
}

/// MONAI `PatchMerging`: concatenate, layer norm, linear 8C→2C without bias.
#[derive(Module, Debug)]
pub struct PatchMerging {
    norm: LayerNorm,
    reduction: Linear,
    #[module(skip)]
    order: MergeOrder,
}

impl PatchMerging {
    /// For tokens of `width` channels.
    pub fn new(width: usize, order: MergeOrder, device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(8 * width).init(device),
            reduction: LinearConfig::new(8 * width, 2 * width).with_bias(false).init(device),
            order,
        }
    }

    /// `[N,D,H,W,C]` → `[N,⌈D/2⌉,⌈H/2⌉,⌈W/2⌉,2C]`; odd edges get a zero at the end.
    pub fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [n, d, h, w, c] = x.dims();
        let x = if [d, h, w].iter().all(|edge| edge.is_multiple_of(2)) {
            x
        } else {
            let pads = [(0, 0), (0, d % 2), (0, h % 2), (0, w % 2), (0, 0)];
            x.pad(pads, PadMode::Constant(0.0))
        };
        let [d, h, w] = [d.div_ceil(2), h.div_ceil(2), w.div_ceil(2)];
        let rows = n * d * h * w;
        // The two halves of every axis to the front: [8, rows, C].
        let lattices = x.reshape([n, d, 2, h, 2, w, 2, c]).permute([2, 4, 6, 0, 1, 3, 5, 7]).reshape([8, rows, c]);
        let slots =
            self.order.offsets().map(|[i, j, k]| lattices.clone().narrow(0, 4 * i + 2 * j + k, 1).reshape([rows, c]));
        let merged = layer_norm(&self.norm, Tensor::cat(slots.to_vec(), 1));
        project(&self.reduction, merged).reshape([n, d, h, w, 2 * c])
    }
}
