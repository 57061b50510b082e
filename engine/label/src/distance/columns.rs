//! Least sums along an axis: out[p] = min over q of in[q] + (p − q)²·s², for many columns at once.
//!
//! The best q never falls as p grows (the sums form a Monge array), so the best q of the middle p splits the search in two
//! halves. Neighbouring columns have nearly the same answers: a block of them shares the bounds of the search, and each
//! step is a few vector instructions. The search of one p starts at q = p and goes outwards until the square alone is too
//! large. Positions q that hold nothing for all columns are left out from the start.

#![expect(clippy::inline_always, reason = "what is inlined is compiled for each set of vector instructions")]

use multiversion::multiversion;

use super::{Group, Real};

/// The most columns of a block: a cache line of `f32`.
pub(crate) const MAX_LANES: usize = 16;
/// Steps outwards between two looks at the bound.
const STRIDE: usize = 4;
/// Open halves: each step down leaves one, and a side has fewer than 2³² positions.
const DEPTH: usize = 40;

/// Squares in mm² of the distances of 0, 1, … n−1 voxels.
pub(crate) fn squares<T: Real>(n: usize, spacing_mm: f64) -> Vec<T> {
    (0..n).map(|d| T::from_f64((d as f64 * spacing_mm) * (d as f64 * spacing_mm))).collect()
}

/// Where the columns hold something, and the squares along them.
pub(crate) struct Axis<'a, T> {
    /// Positions that hold something, ascending.
    held: Vec<u32>,
    /// For each position the first of `held` at or after it.
    first: Vec<u32>,
    squares: &'a [T],
}

impl<'a, T: Real> Axis<'a, T> {
    /// `holds[p]` says whether position p of every column holds a sum; one of them must.
    pub(crate) fn new(holds: &[bool], squares: &'a [T]) -> Self {
        let held: Vec<u32> = (0..holds.len() as u32).filter(|&p| holds[p as usize]).collect();
        let mut next = 0;
        let first = holds.iter().map(|&holds| {
            let first = next;
            next += u32::from(holds);
            first
        });
        Self { first: first.collect(), held, squares }
    }
}

/// One block of `L` columns: their sums at the held positions.
#[inline(always)]
fn solve<T: Real + Lane, const L: usize>(
    block: &[[T; L]],
    axis: &Axis<'_, T>,
    mut emit: impl FnMut(usize, &[T; L], &[T; L]),
) {
    let (held, squares) = (&axis.held[..block.len()], axis.squares);
    let mut stack = [(0_usize, 0_usize, 0_usize, 0_usize); DEPTH];
    stack[0] = (0, axis.first.len(), 0, block.len() - 1);
    let mut open = 1;
    while open > 0 {
        open -= 1;
        let (from, to, low, high) = stack[open];
        let middle = usize::midpoint(from, to);
        let square = |q: usize| squares[middle.abs_diff(held[q] as usize)];
        let mut best = [T::INFINITY; L];
        let mut at = [T::ZERO; L];
        if high - low < STRIDE {
            improve(&mut best, &mut at, block, |step| {
                let q = (low + step).min(high);
                (q, square(q))
            });
        } else {
            let start = (axis.first[middle] as usize).clamp(low, high);
            // Both sides of the start at once, then each as far as it can still help.
            let (first, last) = (start.saturating_sub(STRIDE / 2).max(low), (start + STRIDE / 2 - 1).min(high));
            improve(&mut best, &mut at, block, |step| {
                let q = (first + step).min(last);
                (q, square(q))
            });
            let mut bound = greatest(&best);
            let mut q = first;
            while q > low && square(q - 1) < bound {
                improve(&mut best, &mut at, block, |step| {
                    let q = (q - 1).saturating_sub(step).max(low);
                    (q, square(q))
                });
                bound = greatest(&best);
                q = q.saturating_sub(STRIDE).max(low);
            }
            let mut q = last + 1;
            while q <= high && square(q) < bound {
                improve(&mut best, &mut at, block, |step| {
                    let q = (q + step).min(high);
                    (q, square(q))
                });
                bound = greatest(&best);
                q += STRIDE;
            }
        }
        emit(middle, &best, &at);
        if to - from == 1 {
            continue;
        }
        let (least, most) = (least(&at).to_index(), greatest(&at).to_index());
        if middle + 1 < to {
            stack[open] = (middle + 1, to, least, high);
            open += 1;
        }
        if from < middle {
            stack[open] = (from, middle, low, most);
            open += 1;
        }
    }
}

/// Takes the sums of [`STRIDE`] positions with their squares into account.
///
/// The loop over lanes is the outer one, and too long to unroll: so the compiler makes vectors of it.
#[inline(always)]
fn improve<T: Real + Lane, const L: usize>(
    best: &mut [T; L],
    at: &mut [T; L],
    block: &[[T; L]],
    candidate: impl Fn(usize) -> (usize, T),
) {
    let candidates: [(usize, T); STRIDE] = std::array::from_fn(candidate);
    let rows = candidates.map(|(q, _)| &block[q]);
    let numbers = candidates.map(|(q, _)| T::from_index(q));
    for lane in 0..L {
        let (mut least, mut place) = (best[lane], at[lane]);
        for n in 0..STRIDE {
            let sum = rows[n][lane] + candidates[n].1;
            let better = sum < least;
            least = if better { sum } else { least };
            place = if better { numbers[n] } else { place };
        }
        best[lane] = least;
        at[lane] = place;
    }
}

#[inline(always)]
fn greatest<T: Real, const L: usize>(values: &[T; L]) -> T {
    fold(*values, |a, b| if a > b { a } else { b })
}

#[inline(always)]
fn least<T: Real, const L: usize>(values: &[T; L]) -> T {
    fold(*values, |a, b| if a < b { a } else { b })
}

/// Folds halves onto each other, which the compiler turns into vectors; `L` is a power of two.
#[inline(always)]
fn fold<T: Copy, const L: usize>(mut values: [T; L], f: impl Fn(T, T) -> T) -> T {
    let mut half = L / 2;
    while half > 0 {
        for lane in 0..half {
            values[lane] = f(values[lane], values[lane + half]);
        }
        half /= 2;
    }
    values[0]
}

/// A number that also counts positions: one kind of vector serves both.
trait Lane {
    fn from_index(index: usize) -> Self;
    fn to_index(self) -> usize;
}

/// Blocks that are read and written together: their rows are one stretch of memory, which spares misses.
const TOGETHER: usize = 4;

#[inline(always)]
fn pass<T: Real + Lane, const L: usize>(
    axis: &Axis<'_, T>,
    group: &mut Group<'_, T>,
    finish: impl Fn(T) -> T + Copy,
    is_last: bool,
) {
    let width = group.distance.first().map_or(0, |row| row.len());
    let (held, height) = (axis.held.len(), axis.first.len());
    let wants_voxels = !group.voxel.is_empty();
    let mut blocks = vec![[T::ZERO; L]; TOGETHER * held];
    let mut done = vec![[T::ZERO; L]; TOGETHER * height];
    let mut voxels = vec![[0_u32; L]; if wants_voxels { TOGETHER * held } else { 0 }];
    for x in (0..width).step_by(TOGETHER * L) {
        let columns = (TOGETHER * L).min(width - x);
        let mut is_zero = [true; TOGETHER];
        for (n, &q) in axis.held.iter().enumerate() {
            for (b, from) in group.distance[q as usize][x..x + columns].chunks(L).enumerate() {
                let sums = &mut blocks[b * held + n];
                if let Ok(whole) = from.try_into() {
                    *sums = whole;
                } else {
                    // The last column stands for those beyond the border.
                    *sums = [from[from.len() - 1]; L];
                    sums[..from.len()].copy_from_slice(from);
                }
                let mut zero = true;
                for sum in sums {
                    zero &= *sum == T::ZERO;
                }
                is_zero[b] &= zero;
            }
            if wants_voxels {
                for (b, from) in group.voxel[q as usize][x..x + columns].chunks(L).enumerate() {
                    voxels[b * held + n][..from.len()].copy_from_slice(from);
                }
            }
        }
        if is_zero == [true; TOGETHER] && held == height {
            continue;
        }
        for b in 0..columns.div_ceil(L) {
            let done = &mut done[b * height..][..height];
            if is_zero[b] && held == height {
                done.fill([T::ZERO; L]);
                continue;
            }
            let lanes = L.min(columns - b * L);
            solve(&blocks[b * held..][..held], axis, |p, best, at| {
                done[p] = *best;
                if is_last {
                    for value in &mut done[p] {
                        *value = finish(*value);
                    }
                }
                if let Some(out) = group.voxel.get_mut(p) {
                    for (lane, out) in out[x + b * L..][..lanes].iter_mut().enumerate() {
                        *out = voxels[b * held + at[lane].to_index()][lane];
                    }
                }
            });
        }
        for (p, row) in group.distance.iter_mut().enumerate() {
            for (b, to) in row[x..x + columns].chunks_mut(L).enumerate() {
                let from = &done[b * height + p];
                if let Ok(whole) = to.try_into() {
                    let whole: &mut [T; L] = whole;
                    *whole = *from;
                } else {
                    let lanes = to.len();
                    to.copy_from_slice(&from[..lanes]);
                }
            }
        }
    }
}

macro_rules! real {
    ($ty:ident, $lanes:literal, $name:ident) => {
        /// Compiled for several sets of vector instructions; the processor chooses.
        #[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+avx512bw", "x86_64+avx2+fma"))]
        fn $name(axis: &Axis<'_, $ty>, group: &mut Group<'_, $ty>, is_last: bool) {
            pass::<$ty, $lanes>(axis, group, |x| x.sqrt(), is_last);
        }

        impl Lane for $ty {
            #[inline(always)]
            fn from_index(index: usize) -> Self {
                index as $ty
            }

            #[inline(always)]
            fn to_index(self) -> usize {
                self as usize
            }
        }

        impl Real for $ty {
            const ZERO: Self = 0.0;
            const INFINITY: Self = $ty::INFINITY;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $ty
            }

            fn pass(axis: &Axis<'_, Self>, group: &mut Group<'_, Self>, root: bool) {
                $name(axis, group, root);
            }
        }
    };
}

real!(f32, 16, pass_f32);
real!(f64, 16, pass_f64);
