//! Cutting token grids into windows: sizes, shifts, padding, masks.

use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor, TensorData};

/// Edge of a full window in tokens.
pub const WINDOW: usize = 7;

/// Added to the logits of token pairs that the cyclic shift brought together.
pub const MASKED: f32 = -100.0;

/// How one grid is cut: MONAI's `get_window_size` and padding rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowPlan {
    /// Token grid as it comes.
    pub grid: [usize; 3],
    /// Grid after zero padding at the high end to a multiple of the window.
    pub padded: [usize; 3],
    /// Window edge per axis: 7, or the grid where that is not longer than 7.
    pub window: [usize; 3],
    /// Cyclic shift per axis; 0 where the window covers the grid.
    pub shift: [usize; 3],
}

impl WindowPlan {
    /// The plan for a grid in a block with this `shift` (0 or 3).
    pub fn new(grid: [usize; 3], shift: usize) -> Self {
        let window = grid.map(|edge| edge.min(WINDOW));
        let shift = grid.map(|edge| if edge > WINDOW { shift } else { 0 });
        let mut padded = grid;
        for (edge, step) in padded.iter_mut().zip(window) {
            *edge = edge.next_multiple_of(step);
        }
        Self { grid, padded, window, shift }
    }

    /// Windows per volume.
    pub fn windows(&self) -> usize {
        self.padded.iter().zip(self.window).map(|(edge, step)| edge / step).product()
    }

    /// Tokens in a window.
    pub fn tokens(&self) -> usize {
        self.window.iter().product()
    }

    /// The attention mask `[count, tokens, tokens]` of the windows `first..` of a
    /// batch (volume after volume): 0 for token pairs of one region, −100
    /// otherwise. Regions are those of the *padded* grid, three per shifted
    /// axis. `None` when all of it would be 0.
    pub fn mask(&self, first: usize, count: usize, device: &Device) -> Option<Tensor<3>> {
        let regions = self.regions();
        let windows = (first..first + count).map(|window| &regions[window % regions.len()]);
        if windows.clone().all(Vec::is_empty) {
            return None;
        }
        let n = self.tokens();
        let mut values = Vec::with_capacity(count * n * n);
        for regions in windows {
            for a in regions {
                values.extend(regions.iter().map(|b| if a == b { 0.0 } else { MASKED }));
            }
            if regions.is_empty() {
                values.resize(values.len() + n * n, 0.0);
            }
        }
        Some(Tensor::from_data(TensorData::new(values, [count, n, n]), device))
    }

    /// For every window of a volume the region of each token, counted from 0;
    /// empty for a window that lies in one region.
    pub fn regions(&self) -> Vec<Vec<u8>> {
        let counts: [usize; 3] = std::array::from_fn(|axis| self.padded[axis] / self.window[axis]);
        // Only the last window of a shifted axis holds tokens from both ends.
        let is_split = |corner: [usize; 3]| (0..3).any(|axis| self.shift[axis] > 0 && corner[axis] + 1 == counts[axis]);
        let regions = |corner: [usize; 3]| {
            let mut seen: Vec<[u8; 3]> = Vec::new();
            let mut number = |region: [u8; 3]| {
                let at = seen.iter().position(|other| *other == region).unwrap_or_else(|| {
                    seen.push(region);
                    seen.len() - 1
                });
                u8::try_from(at).expect("three regions per axis")
            };
            let place = |cell: [usize; 3]| {
                std::array::from_fn(|axis| self.region(axis, corner[axis] * self.window[axis] + cell[axis]))
            };
            cells(self.window).map(|cell| number(place(cell))).collect()
        };
        cells(counts).map(|corner| if is_split(corner) { regions(corner) } else { Vec::new() }).collect()
    }

    /// Which of the regions of an axis a token of the padded grid belongs to.
    fn region(&self, axis: usize, at: usize) -> u8 {
        let (edge, shift) = (self.padded[axis], self.shift[axis]);
        if shift == 0 || at >= edge - shift { 2 } else { u8::from(at >= edge - self.window[axis]) }
    }
}

/// All cells of a box, last axis fastest.
pub fn cells(size: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [d, h, w] = size;
    (0..d * h * w).map(move |i| [i / (h * w), i / w % h, i % w])
}

/// `[N,D,H,W,C]` → `[N·windows, tokens, C]`: pad, shift, cut.
pub fn partition(x: Tensor<5>, plan: &WindowPlan) -> Tensor<3> {
    let [n, .., c] = x.dims();
    let ([d, h, w], [wd, wh, ww]) = (plan.padded, plan.window);
    let x = if plan.padded == plan.grid {
        x
    } else {
        let [pd, ph, pw] = std::array::from_fn(|axis| plan.padded[axis] - plan.grid[axis]);
        x.pad([(0, 0), (0, pd), (0, ph), (0, pw), (0, 0)], PadMode::Constant(0.0))
    };
    let x = roll_back(x, plan.shift);
    x.reshape([n, d / wd, wd, h / wh, wh, w / ww, ww, c]).permute([0, 1, 3, 5, 2, 4, 6, 7]).reshape([
        n * plan.windows(),
        plan.tokens(),
        c,
    ])
}

/// The inverse of [`partition`]: `[N·windows, tokens, C]` → `[N,D,H,W,C]`.
pub fn reverse(x: Tensor<3>, plan: &WindowPlan, n: usize) -> Tensor<5> {
    let [.., c] = x.dims();
    let ([d, h, w], [wd, wh, ww]) = (plan.padded, plan.window);
    let x = x
        .reshape([n, d / wd, h / wh, w / ww, wd, wh, ww, c])
        .permute([0, 1, 4, 2, 5, 3, 6, 7])
        .reshape([n, d, h, w, c]);
    // Rolling on by (edge − shift) is rolling back by the shift.
    let forward: [usize; 3] = std::array::from_fn(|axis| (plan.padded[axis] - plan.shift[axis]) % plan.padded[axis]);
    let x = roll_back(x, forward);
    if plan.padded == plan.grid {
        return x;
    }
    let [gd, gh, gw] = plan.grid;
    x.slice([0..n, 0..gd, 0..gh, 0..gw, 0..c])
}

/// Cyclic roll by `−shift` on the three spatial axes of `[N,D,H,W,C]`.
fn roll_back(mut x: Tensor<5>, shift: [usize; 3]) -> Tensor<5> {
    for (axis, &by) in shift.iter().enumerate() {
        if by > 0 {
            let dim = axis + 1;
            let len = x.dims()[dim];
            let head = x.clone().narrow(dim, 0, by);
            let tail = x.narrow(dim, by, len - by);
            x = Tensor::cat(vec![tail, head], dim);
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_follow_the_published_table() {
        let plan = WindowPlan::new([32; 3], 3);
        assert_eq!((plan.padded, plan.windows(), plan.tokens()), ([35; 3], 125, 343));
        let plan = WindowPlan::new([8; 3], 3);
        assert_eq!((plan.padded, plan.windows()), ([14; 3], 8));
        let plan = WindowPlan::new([4; 3], 3);
        assert_eq!((plan.window, plan.shift, plan.windows()), ([4; 3], [0; 3], 1));
        let plan = WindowPlan::new([8, 8, 4], 3);
        assert_eq!((plan.window, plan.shift, plan.tokens()), ([7, 7, 4], [3, 3, 0], 196));
    }

    #[test]
    fn reverse_undoes_partition() {
        let device = Device::flex();
        let x = Tensor::<1, burn::tensor::Int>::arange(0..9 * 8 * 3 * 2, &device).float().reshape([1, 9, 8, 3, 2]);
        let plan = WindowPlan::new([9, 8, 3], 3);
        let back = reverse(partition(x.clone(), &plan), &plan, 1);
        assert!(back.all_close(x, None, None), "tokens moved");
    }
}
