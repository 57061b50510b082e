//! Multi-head attention inside windows, with the relative bias table.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use super::window::{WINDOW, WindowPlan, cells};

/// Rows of the bias table: offsets −6..6 on each of three axes.
const TABLE: usize = (2 * WINDOW - 1).pow(3);

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
    pub fn forward(&self, x: Tensor<3>, plan: &WindowPlan) -> Tensor<3> {
        let [batch, n, c] = x.dims();
        let (heads, head_dim) = (self.heads, c / self.heads);
        let device = x.device();

        let qkv = self
            .qkv
            .forward(x.reshape([batch * n, c]))
            .reshape([batch, n, 3, heads, head_dim])
            .permute([2, 0, 3, 1, 4]);
        let [q, k, v] = std::array::from_fn(|part| {
            qkv.clone().narrow(0, part, 1).reshape([batch, heads, n, head_dim])
        });
        // Scaling q (small) instead of the logits (large) is also what MONAI does.
        #[expect(clippy::cast_precision_loss, reason = "a head has a few dozen channels")]
        let scale = (head_dim as f64).powf(-0.5);
        let mut logits = (q * scale).matmul(k.swap_dims(2, 3)) + self.bias(n, &device);
        if plan.is_shifted() {
            let windows = plan.windows();
            logits = (logits.reshape([batch / windows, windows, heads, n, n])
                + plan.mask(&device).reshape([1, windows, 1, n, n]))
            .reshape([batch, heads, n, n]);
        }
        let mixed = activation::softmax(logits, 3).matmul(v);
        let rows = mixed.swap_dims(1, 2).reshape([batch * n, c]);
        self.proj.forward(rows).reshape([batch, n, c])
    }

    /// The bias `[1, heads, n, n]`.
    fn bias(&self, n: usize, device: &Device) -> Tensor<4> {
        let index = Tensor::<1, Int>::from_data(
            TensorData::new(relative_index(n), [n * n]),
            device,
        );
        self.relative_position_bias_table
            .val()
            .select(0, index)
            .reshape([1, n, n, self.heads])
            .permute([0, 3, 1, 2])
    }
}

/// The top-left `n`×`n` corner of MONAI's `relative_position_index`.
///
/// A window that was clamped to fewer than 343 tokens reads the *first n
/// flattened positions of the 7³ grid*, not its own geometry. That is a quirk of
/// the reference, and trained weights depend on it.
fn relative_index(n: usize) -> Vec<i32> {
    let places: Vec<[i32; 3]> = cells([WINDOW; 3])
        .take(n)
        .map(|cell| cell.map(|at| i32::try_from(at).expect("a window edge is 7")))
        .collect();
    let mut index = Vec::with_capacity(n * n);
    for a in &places {
        index.extend(places.iter().map(|b| {
            (a[0] - b[0] + 6) * 169 + (a[1] - b[1] + 6) * 13 + (a[2] - b[2] + 6)
        }));
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
