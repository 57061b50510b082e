//! Runs of voxels along i, and union-find over them: what connected components are made of.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::filled;
use crate::lattice::check_dims;
use crate::mask::WORD;
use crate::runs::{count_bits, count_runs, for_each_run};
use crate::{Connectivity, LabelError, Mask};

/// Voxels from..to of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub from: u32,
    pub to: u32,
}

/// All runs of a grid, and for each the number of its component, in the order of first runs.
#[derive(Debug, Clone)]
pub(crate) struct Forest {
    pub dims: [usize; 3],
    pub runs: Vec<Run>,
    /// The first run of each row, and the number of runs.
    starts: Vec<u32>,
    pub of_run: Vec<u32>,
    /// How many components there are.
    pub count: usize,
    /// The label of each run; empty if there is one label only.
    pub ids: Vec<u32>,
}

/// The part of a [`Forest`] that one task makes: whole rows.
struct Part<'a> {
    rows: Range<usize>,
    /// The first run of each row of the grid.
    starts: &'a [u32],
    runs: &'a mut [Run],
    parents: &'a mut [u32],
    ids: &'a mut [u32],
}

impl Forest {
    /// Voxels of a mask touch along the axes that `along` says; with `along[0]` false each voxel is its own run.
    pub(crate) fn of_mask(mask: &Mask, connectivity: Connectivity, along: [bool; 3]) -> Result<Self, LabelError> {
        let dims = mask.dims();
        let words = |row: usize| mask.row(row % dims[1], row / dims[1]);
        let count = |row: usize| if along[0] { count_runs(words(row)) } else { count_bits(words(row)) };
        Self::grow(dims, connectivity, along, false, count, |row, runs, _| {
            let mut places = runs.iter_mut();
            for_each_run(words(row), |from, to| {
                let (from, to) = (from as u32, to as u32);
                if along[0] {
                    places.by_ref().take(1).for_each(|place| *place = Run { from, to });
                } else {
                    (from..to).zip(places.by_ref()).for_each(|(from, place)| *place = Run { from, to: from + 1 });
                }
            });
        })
    }

    /// `count(row)` says how many runs a row has, `read(row, runs, ids)` fills in that many; `ids` is empty unless `has_ids`.
    pub(crate) fn grow(
        dims: [usize; 3],
        connectivity: Connectivity,
        along: [bool; 3],
        has_ids: bool,
        count: impl Fn(usize) -> usize + Sync,
        read: impl Fn(usize, &mut [Run], &mut [u32]) + Sync,
    ) -> Result<Self, LabelError> {
        check_dims(dims)?;
        let [_, ny, nz] = dims;
        let rows = ny * nz;
        let mut starts = filled(rows + 1, 0_u32)?;
        let counts = starts[1..].par_iter_mut().enumerate().with_min_len(64);
        counts.for_each(|(row, runs)| *runs = count(row) as u32);
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let total = sum as usize;
        let mut runs = filled(total, Run { from: 0, to: 0 })?;
        let mut parents = filled(total, 0_u32)?;
        let mut ids = filled(if has_ids { total } else { 0 }, 0_u32)?;
        // Whole slabs where there are enough: then only their first rows touch another task's.
        let tasks = 4 * rayon::current_num_threads();
        let rows_per_part = if nz >= tasks { nz.div_ceil(tasks) * ny } else { rows.div_ceil(tasks) };
        let touching = Touching { connectivity, along, ny };
        let mut parts = Vec::new();
        let (mut runs_left, mut parents_left, mut ids_left) = (&mut runs[..], &mut parents[..], &mut ids[..]);
        for first in (0..rows).step_by(rows_per_part) {
            let rows = first..rows.min(first + rows_per_part);
            let num_runs = (starts[rows.end] - starts[rows.start]) as usize;
            let (runs, parents, ids);
            (runs, runs_left) = runs_left.split_at_mut(num_runs);
            (parents, parents_left) = parents_left.split_at_mut(num_runs);
            (ids, ids_left) = ids_left.split_at_mut(if has_ids { num_runs } else { 0 });
            parts.push(Part { rows, starts: &starts, runs, parents, ids });
        }
        parts.par_iter_mut().for_each(|part| part.grow(&touching, &read));
        let firsts: Vec<Range<usize>> = parts.iter().skip(1).map(|part| part.rows.clone()).collect();
        // Parents are counted from the first run of their part.
        let bases: Vec<u32> = parts.iter().map(|part| starts[part.rows.start]).collect();
        parts.par_iter_mut().zip(bases).for_each(|(part, base)| part.parents.iter_mut().for_each(|run| *run += base));
        let runs_of = |row: usize| starts[row] as usize..starts[row + 1] as usize;
        for part in firsts {
            for row in part.start..part.end.min(part.start + ny + 1) {
                touching.for_each_earlier(row, |earlier, reach| {
                    if earlier < part.start {
                        join(&runs, &ids, &mut parents, runs_of(row), runs_of(earlier), reach);
                    }
                });
            }
        }
        // A parent comes before its children, so one pass gives each run the number of its component.
        let mut count = 0;
        for run in 0..parents.len() {
            let parent = parents[run] as usize;
            if parent == run {
                parents[run] = count;
                count += 1;
            } else {
                parents[run] = parents[parent];
            }
        }
        Ok(Self { dims, runs, starts, of_run: parents, count: count as usize, ids })
    }

    pub(crate) fn runs_of(&self, row: usize) -> Range<usize> {
        self.starts[row] as usize..self.starts[row + 1] as usize
    }

    /// The mask of the runs that `keep(run)` holds for.
    pub(crate) fn mask(&self, keep: impl Fn(usize) -> bool + Sync) -> Result<Mask, LabelError> {
        let mut mask = Mask::empty(self.dims)?;
        let per_row = mask.words_per_row();
        mask.words_mut().par_chunks_mut(per_row).enumerate().with_min_len(64).for_each(|(row, words)| {
            for run in self.runs_of(row).filter(|&run| keep(run)) {
                set_bits(words, self.runs[run].from as usize, self.runs[run].to as usize);
            }
        });
        Ok(mask)
    }
}

impl Part<'_> {
    fn grow(&mut self, touching: &Touching, read: &impl Fn(usize, &mut [Run], &mut [u32])) {
        let base = self.starts[self.rows.start];
        for (n, parent) in self.parents.iter_mut().enumerate() {
            *parent = n as u32;
        }
        let starts = self.starts;
        let runs_of = |row: usize| (starts[row] - base) as usize..(starts[row + 1] - base) as usize;
        for row in self.rows.clone() {
            let here = runs_of(row);
            let ids = if self.ids.is_empty() { &mut [][..] } else { &mut self.ids[here.clone()] };
            read(row, &mut self.runs[here.clone()], ids);
            touching.for_each_earlier(row, |earlier, reach| {
                if earlier >= self.rows.start {
                    join(self.runs, self.ids, self.parents, here.clone(), runs_of(earlier), reach);
                }
            });
        }
    }
}

/// Sets the bits from..to.
fn set_bits(words: &mut [u64], from: usize, to: usize) {
    let (first, last) = (from / WORD, (to - 1) / WORD);
    let (low, high) = (u64::MAX << (from % WORD), u64::MAX >> (WORD - 1 - (to - 1) % WORD));
    if first == last {
        words[first] |= low & high;
        return;
    }
    words[first] |= low;
    words[first + 1..last].fill(u64::MAX);
    words[last] |= high;
}

/// Which rows touch which.
struct Touching {
    connectivity: Connectivity,
    along: [bool; 3],
    ny: usize,
}

impl Touching {
    /// Calls `f(row, reach)` for the rows before `row` that touch it: voxels do whose i differ by at most `reach`.
    fn for_each_earlier(&self, row: usize, mut f: impl FnMut(usize, u32)) {
        let (j, ny) = (row % self.ny, self.ny);
        let [along_i, along_j, along_k] = self.along;
        let straight = u32::from(along_i && self.connectivity != Connectivity::Faces6);
        let diagonal = u32::from(along_i && self.connectivity == Connectivity::Corners26);
        let has_diagonals = along_j && along_k && self.connectivity != Connectivity::Faces6;
        if along_j && j > 0 {
            f(row - 1, straight);
        }
        if along_k && row >= ny {
            f(row - ny, straight);
            if has_diagonals && j > 0 {
                f(row - ny - 1, diagonal);
            }
            if has_diagonals && j + 1 < ny {
                f(row - ny + 1, diagonal);
            }
        }
    }
}

/// Unites the runs of two rows that touch.
fn join(runs: &[Run], ids: &[u32], parents: &mut [u32], here: Range<usize>, there: Range<usize>, reach: u32) {
    // In noise nobody can foretell which run ends first or whether two touch: so this part has no branches, and pairs that touch
    // are kept for later.
    const KEPT: usize = 64;
    let mut pairs = [(0_u32, 0_u32); KEPT];
    let mut kept = 0;
    let (mut a, mut b) = (here.start, there.start);
    while a < here.end && b < there.end {
        let (x, y) = (runs[a], runs[b]);
        pairs[kept % KEPT] = (a as u32, b as u32);
        kept += usize::from(x.from < y.to + reach) & usize::from(y.from < x.to + reach);
        // Runs of different labels may follow each other without a gap. Where both end together, each may touch the next one
        // of the other row.
        if !ids.is_empty() && x.to == y.to && a + 1 < here.end && runs[a + 1].from < y.to + reach {
            pairs[kept % KEPT] = (a as u32 + 1, b as u32);
            kept += 1;
        }
        // The one that ends first touches nothing more.
        let is_first = x.to < y.to;
        a += usize::from(is_first);
        b += usize::from(!is_first);
        if kept >= KEPT - 1 {
            unite(parents, ids, &pairs[..kept]);
            kept = 0;
        }
    }
    unite(parents, ids, &pairs[..kept]);
}

/// Unites pairs of runs if they have the same label.
#[inline]
fn unite(parents: &mut [u32], ids: &[u32], pairs: &[(u32, u32)]) {
    for &(a, b) in pairs {
        // Most often they are known to be one.
        let known = parents[a as usize] == parents[b as usize];
        if !known && (ids.is_empty() || ids[a as usize] == ids[b as usize]) {
            let (a, b) = (root(parents, a), root(parents, b));
            parents[a.max(b) as usize] = a.min(b);
        }
    }
}

fn root(parents: &mut [u32], mut run: u32) -> u32 {
    loop {
        let parent = parents[run as usize];
        let above = parents[parent as usize];
        if parent == above {
            return parent;
        }
        parents[run as usize] = above;
        run = above;
    }
}
