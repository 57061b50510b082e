//! Multi-head attention inside windows, with the relative bias table.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::window::{MASKED, WINDOW, WindowPlan, cells};
use crate::kernels::attention::{Masks, attention};
use crate::ops::{at_least_f32, project};

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
    pub fn forward(&self, x: Tensor<3>, plan: &WindowPlan) -> Tensor<3> {
        let [batch, n, c] = x.dims();
        let bias = self.bias(n, &x.device());
        let qkv = project(&self.qkv, x.reshape([batch * n, c])).reshape([batch, n, 3 * c]);
        let masks = Masks { regions: plan.regions(), value: MASKED };
        let mixed = match attention(&qkv, &bias, masks) {
            Some(mixed) => mixed,
            None => attend_in_groups(qkv, bias, plan),
        };
        project(&self.proj, mixed.reshape([batch * n, c])).reshape([batch, n, c])
    }

    /// The bias `[heads, n, n]`.
    fn bias(&self, n: usize, device: &Device) -> Tensor<3> {
        let index = Tensor::<1, Int>::from_data(TensorData::new(relative_index(n), [n * n]), device);
        self.relative_position_bias_table.val().select(0, index).reshape([n, n, self.heads]).permute([2, 0, 1])
    }
}

/// Attention by burn's operators, on groups of windows: the logits of a whole
/// crop are hundreds of megabytes, and on a CPU fetching that much fresh memory
/// from the system costs as much as the arithmetic.
///
/// `qkv` `[N·windows, tokens, 3·C]`, `bias` `[heads, tokens, tokens]`, the result
/// `[N·windows, tokens, C]`.
pub fn attend_in_groups(qkv: Tensor<3>, bias: Tensor<3>, plan: &WindowPlan) -> Tensor<3> {
    let [batch, n, _] = qkv.dims();
    let [heads, ..] = bias.dims();
    let group = (GROUP_LOGITS / (heads * n * n)).max(1);
    if group >= batch {
        return attend(qkv, bias, plan, 0);
    }
    let parts = (0..batch).step_by(group).map(|start| {
        let part = qkv.clone().narrow(0, start, group.min(batch - start));
        attend(part, bias.clone(), plan, start)
    });
    Tensor::cat(parts.collect(), 0)
}

/// Attention in the windows `first..` of a batch.
fn attend(qkv: Tensor<3>, bias: Tensor<3>, plan: &WindowPlan, first: usize) -> Tensor<3> {
    let ([count, n, width], [heads, ..]) = (qkv.dims(), bias.dims());
    let head_dim = width / 3 / heads;
    let device = qkv.device();
    let qkv = qkv.reshape([count, n, 3, heads, head_dim]).permute([2, 0, 3, 1, 4]);
    let [q, k, v] = std::array::from_fn(|part| qkv.clone().narrow(0, part, 1).reshape([count, heads, n, head_dim]));
    // Scaling q (small) instead of the logits (large) is also what MONAI does.
    #[expect(clippy::cast_precision_loss, reason = "a head has a few dozen channels")]
    let scale = (head_dim as f64).powf(-0.5);
    let format = v.dtype();
    // Scores and their exponentials in f32 at least.
    let mut logits = at_least_f32((q * scale).matmul(k.swap_dims(2, 3))) + bias.unsqueeze::<4>();
    if let Some(mask) = plan.mask(first, count, &device) {
        logits = logits + mask.unsqueeze_dim::<4>(1);
    }
    // Softmax with the division moved behind the product with v, and the row
    // sums taken by the same product through a column of ones: the matrices
    // of n×n are passed over half as often.
    let top = logits.clone().detach().max_dim(3);
    let weights = (logits - top).exp().cast(format);
    let ones = Tensor::<4>::ones([count, heads, n, 1], &device).cast(format);
    let mixed = weights.matmul(Tensor::cat(vec![v, ones], 3));
    let sums = mixed.clone().narrow(3, head_dim, 1);
    let mixed = mixed.narrow(3, 0, head_dim) / sums;
    mixed.swap_dims(1, 2).reshape([count, n, width / 3])
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
    use burn::tensor::Distribution;

    use super::*;
    use crate::kernels::{Limit, set_limit};

    /// Fused against plain, with gradients, for one grid and head width.
    fn compare(grid: [usize; 3], shift: usize, heads: usize, head_dim: usize) {
        let device = Device::flex().autodiff();
        let plan = WindowPlan::new(grid, shift);
        let (batch, n) = (2 * plan.windows(), plan.tokens());
        let random = |dims: [usize; 3]| Tensor::<3>::random(dims, Distribution::Normal(0.1, 1.5), &device);
        let qkv = random([batch, n, 3 * heads * head_dim]).require_grad();
        let bias = random([heads, n, n]).require_grad();
        let masks = Masks { regions: plan.regions(), value: MASKED };
        let fast = attention(&qkv, &bias, masks).expect("plain memory");
        let slow = attend_in_groups(qkv.clone(), bias.clone(), &plan);
        let close = |what: &str, got: Tensor<3>, want: Tensor<3>| {
            let norm = want.clone().square().sum().into_scalar::<f32>();
            let error = ((got - want).square().sum().into_scalar::<f32>() / norm).sqrt();
            assert!(error < 1e-5, "{grid:?} {shift} {heads}×{head_dim} {what}: {error:.1e}");
        };
        close("output", fast.clone().inner(), slow.clone().inner());
        let upstream = random([batch, n, heads * head_dim]);
        let fast = (fast * upstream.clone()).sum().backward();
        let slow = (slow * upstream).sum().backward();
        for (what, tensor) in [("qkv", &qkv), ("bias", &bias)] {
            close(what, tensor.grad(&fast).expect("a gradient"), tensor.grad(&slow).expect("a gradient"));
        }
    }

    #[test]
    fn fused_attention_equals_the_plain_one() {
        for limit in [Limit::Portable, Limit::Avx2] {
            set_limit(limit);
            compare([7, 9, 3], 3, 2, 9);
        }
        set_limit(Limit::None);
        compare([8, 8, 8], 3, 3, 4);
        compare([9, 7, 10], 3, 2, 16);
        compare([4, 4, 4], 3, 6, 4);
        compare([3, 2, 3], 0, 2, 5);
        compare([7, 7, 2], 3, 1, 32);
        compare([1, 1, 2], 0, 2, 13);
    }

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
