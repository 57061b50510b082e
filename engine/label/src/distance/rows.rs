//! Distances along a row, read from its bits.

use crate::distance::Real;
use crate::runs::for_each_run;

/// Squares of the distances 0, 1, … n−1 voxels, upwards and downwards: a row between two runs is two copies.
pub(crate) struct Table<T> {
    up: Vec<T>,
    down: Vec<T>,
}

impl<T: Real> Table<T> {
    pub(crate) fn new(nx: usize, spacing_mm: f64) -> Self {
        let up = super::columns::squares(nx, spacing_mm);
        let down = up.iter().rev().copied().collect();
        Self { up, down }
    }

    /// Squared distances along a row with at least one set bit, for its voxels from `x` on.
    pub(crate) fn distances(&self, words: &[u64], x: usize, out: &mut [T]) {
        let end = x + out.len();
        for_each_gap(words, x, end, |previous, from, to, next| {
            if previous == Some(from) {
                // A run itself.
                out[from - x..to - x].fill(T::ZERO);
                return;
            }
            let middle = middle(previous, from, to, next);
            if let Some(previous) = previous {
                out[from - x..middle - x].copy_from_slice(&self.up[from - previous..middle - previous]);
            }
            if let Some(next) = next {
                // down[n − 1 − d] is the square of d.
                let last = self.down.len() - 1;
                out[middle - x..to - x].copy_from_slice(&self.down[last + middle - next..last + to - next]);
            }
        });
    }
}

/// Index of the nearest set voxel along a row with at least one, for its voxels from `x` on. `first` is the index of voxel 0.
pub(crate) fn nearest(words: &[u64], x: usize, first: usize, out: &mut [u32]) {
    let end = x + out.len();
    for_each_gap(words, x, end, |previous, from, to, next| {
        if previous == Some(from) {
            for (n, voxel) in out[from - x..to - x].iter_mut().enumerate() {
                *voxel = (first + from + n) as u32;
            }
            return;
        }
        let middle = middle(previous, from, to, next);
        if let Some(previous) = previous {
            out[from - x..middle - x].fill((first + previous) as u32);
        }
        if let Some(next) = next {
            out[middle - x..to - x].fill((first + next) as u32);
        }
    });
}

/// The first voxel of from..to that is nearer to `next` than to `previous`.
fn middle(previous: Option<usize>, from: usize, to: usize, next: Option<usize>) -> usize {
    match (previous, next) {
        (Some(previous), Some(next)) => (previous + next).div_ceil(2).clamp(from, to),
        (Some(_), None) => to,
        (None, _) => from,
    }
}

/// Calls `f(previous, from, to, next)` for the runs and the gaps between them, cut to x..end: a run with `previous` = from, a
/// gap with the set voxels before and after it.
fn for_each_gap(words: &[u64], x: usize, end: usize, mut f: impl FnMut(Option<usize>, usize, usize, Option<usize>)) {
    let mut previous: Option<usize> = None;
    let mut gap_from = 0;
    let mut gap = |previous: Option<usize>, from: usize, to: usize, next: Option<usize>| {
        let (from, to) = (from.max(x), to.min(end));
        if from < to {
            f(previous, from, to, next);
        }
    };
    for_each_run(words, |from, to| {
        gap(previous, gap_from, from, Some(from));
        let (cut_from, cut_to) = (from.max(x), to.min(end));
        if cut_from < cut_to {
            gap(Some(cut_from), cut_from, cut_to, None);
        }
        previous = Some(to - 1);
        gap_from = to;
    });
    gap(previous, gap_from, usize::MAX, None);
}
