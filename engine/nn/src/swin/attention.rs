//! Multi-head attention inside windows, with the relative bias table.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::window::{WINDOW, WindowPlan, cells};

/// Rows of the bias table: offsets −6..6 on each of three axes.
const TABLE: usize = (2 * WINDOW - 1).pow(3);

/// Logits of one group of windows: 16 MiB in f32, enough to fill a GPU and small
/// enough for the allocator of a CPU process to hand the same memory out again.
const GROUP_LOGITS: usize = 4 << 20;

/// MONAI `WindowAttention`.
#[derive(Module, Debug)]
pub struct WindowAttention {
    /// `[2197, heads]`, row = (Δd+6)·169 + (Δh+6)·13 + (Δw+6).
    relative_position_bias_table: Param<Tensor<2>>,
    qkv: Linear,
    proj: Linear,
    heads: usize,
}

impl WindowAttention {
    /// `width` channels split into `heads`.
    pub fn new(width: usize, heads: usize, device: &Device) -> Self {
        // MONAI truncates at ±2, a hundred standard deviations: a plain normal.
        let table = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            relative_position_bias_table: table.init([TABLE, heads], device),
            qkv: LinearConfig::new(width, 3 * width).init(device),
            proj: LinearConfig::new(width, width).init(device),
            heads,
        }
    }

    /// `[N·windows, tokens, C]` → the same shape.
    ///
    /// Works on groups of windows: the logits of a whole crop are hundreds of
    /// megabytes, and on a CPU fetching that much fresh memory from the system
    /// costs as much as the arithmetic.
    pub fn forward(&self, x: Tensor<3>, plan: &WindowPlan) -> Tensor<3> {
        let [batch, n, _] = x.dims();
        let bias = self.bias(n, &x.device());
        let group = (GROUP_LOGITS / (self.heads * n * n)).max(1);
        if group >= batch {
            return self.attend(x, bias, plan, 0);
        }
        let parts = (0..batch).step_by(group).map(|start| {
            let part = x.clone().narrow(0, start, group.min(batch - start));
            self.attend(part, bias.clone(), plan, start)
        });
        Tensor::cat(parts.collect(), 0)
    }

    /// Attention in the windows `first..` of a batch, `[M, tokens, C]`.
    fn attend(&self, x: Tensor<3>, bias: Tensor<4>, plan: &WindowPlan, first: usize) -> Tensor<3> {
        let [count, n, c] = x.dims();
        let (heads, head_dim) = (self.heads, c / self.heads);
        let device = x.device();

        let qkv = self
            .qkv
            .forward(x.reshape([count * n, c]))
            .reshape([count, n, 3, heads, head_dim])
            .permute([2, 0, 3, 1, 4]);
        let [q, k, v] = std::array::from_fn(|part| qkv.clone().narrow(0, part, 1).reshape([count, heads, n, head_dim]));
        // Scaling q (small) instead of the logits (large) is also what MONAI does.
        #[expect(clippy::cast_precision_loss, reason = "a head has a few dozen channels")]
        let scale = (head_dim as f64).powf(-0.5);
        let mut logits = (q * scale).matmul(k.swap_dims(2, 3)) + bias;
        if let Some(mask) = plan.mask(first, count, &device) {
            logits = logits + mask.unsqueeze_dim::<4>(1);
        }
        // Softmax with the division moved behind the product with v, and the row
        // sums taken by the same product through a column of ones: the matrices
        // of n×n are passed over half as often.
        let top = logits.clone().detach().max_dim(3);
        let weights = (logits - top).exp();
        let ones = Tensor::ones([count, heads, n, 1], &device);
        let mixed = weights.matmul(Tensor::cat(vec![v, ones], 3));
        let sums = mixed.clone().narrow(3, head_dim, 1);
        let mixed = mixed.narrow(3, 0, head_dim) / sums;
        let rows = mixed.swap_dims(1, 2).reshape([count * n, c]);
        self.proj.forward(rows).reshape([count, n, c])
    }

    /// The bias `[1, heads, n, n]`.
    fn bias(&self, n: usize, device: &Device) -> Tensor<4> {
        let index = Tensor::<1, Int>::from_data(TensorData::new(relative_index(n), [n * n]), device);
        self.relative_position_bias_table.val().select(0, index).reshape([1, n, n, self.heads]).permute([0, 3, 1, 2])
    }
}

/// MONAI's whole `relative_position_index`, `[343, 343]` flattened.
pub(crate) fn window_offsets() -> Vec<i32> {
    relative_index(WINDOW.pow(3))
}

/// The top-left `n`×`n` corner of MONAI's `relative_position_index`.
///
/// A window that was clamped to fewer than 343 tokens reads the *first n
/// flattened positions of the 7³ grid*, not its own geometry. That is a quirk of
/// the reference, and trained weights depend on it.
fn relative_index(n: usize) -> Vec<i32> {
    let places: Vec<[i32; 3]> =
        cells([WINDOW; 3]).take(n).map(|cell| cell.map(|at| i32::try_from(at).expect("a window edge is 7"))).collect();
    let mut index = Vec::with_capacity(n * n);
    for a in &places {
        index.extend(places.iter().map(|b| (a[0] - b[0] + 6) * 169 + (a[1] - b[1] + 6) * 13 + (a[2] - b[2] + 6)));
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_is_symmetric_about_the_centre_row() {
        let index = relative_index(343);
        assert_eq!(index[0], 1098, "no offset is the middle row");
        assert!((0..343).all(|i| index[i * 343 + i] == 1098), "diagonal");
        assert_eq!(index.iter().min().zip(index.iter().max()), Some((&0, &2196)));
        // Clamped windows: the second token is the next along the last axis.
        assert_eq!(relative_index(64)[1], 1097);
        assert_eq!(relative_index(64)[63], index[63]);
    }
}
