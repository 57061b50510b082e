//! Distances along a row, read from its bits.

use std::ops::Range;

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
        for_each_piece(words, x..x + out.len(), |piece, voxels| {
            let to = &mut out[voxels.start - x..voxels.end - x];
            match piece {
                Piece::Run => to.fill(T::ZERO),
                Piece::After(set) => to.copy_from_slice(&self.up[voxels.start - set..voxels.end - set]),
                Piece::Before(set) => {
                    // down[last − d] is the square of d.
                    let last = self.down.len() - 1;
                    to.copy_from_slice(&self.down[last + voxels.start - set..last + voxels.end - set]);
                }
            }
        });
    }
}

/// Index of the nearest set voxel along a row with at least one, for its voxels from `x` on. `first` is the index of voxel 0.
pub(crate) fn nearest(words: &[u64], x: usize, first: usize, out: &mut [u32]) {
    for_each_piece(words, x..x + out.len(), |piece, voxels| {
        let to = &mut out[voxels.start - x..voxels.end - x];
        match piece {
            Piece::Run => to.iter_mut().zip(voxels).for_each(|(to, voxel)| *to = (first + voxel) as u32),
            Piece::After(set) | Piece::Before(set) => to.fill((first + set) as u32),
        }
    });
}

/// Neighbouring voxels whose nearest set voxels follow one rule.
#[derive(Clone, Copy)]
enum Piece {
    /// They are set themselves.
    Run,
    /// It is this one, before all of them.
    After(usize),
    /// It is this one, after all of them.
    Before(usize),
}

/// Calls `f(piece, voxels)` for the runs of a row and for both halves of each gap, cut to `within`.
fn for_each_piece(words: &[u64], within: Range<usize>, mut f: impl FnMut(Piece, Range<usize>)) {
    let mut emit = |piece: Piece, from: usize, to: usize| {
        let (from, to) = (from.max(within.start), to.min(within.end));
        if from < to {
            f(piece, from..to);
        }
    };
    let mut previous = None;
    for_each_run(words, |from, to| {
        if let Some(previous) = previous {
            let middle = usize::midpoint(previous, from) + 1;
            emit(Piece::After(previous), previous + 1, middle);
            emit(Piece::Before(from), middle, from);
        } else {
            emit(Piece::Before(from), 0, from);
        }
        emit(Piece::Run, from, to);
        previous = Some(to - 1);
    });
    if let Some(previous) = previous {
        emit(Piece::After(previous), previous + 1, usize::MAX);
    }
}
