//! Connected components, by union-find over runs of voxels along i.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::filled;
use crate::lattice::{check_count, check_dims};
use crate::runs::{for_each_run, run_end};
use crate::{Label, LabelError, LabelValues, Mask};

/// Which voxels touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a face.
    Faces6,
    /// Those that share an edge too.
    Edges18,
    /// Those that share a corner too.
    Corners26,
}

/// The connected components of a mask or of a label map.
///
/// They are numbered from 0 in the order in which a scan with i slowest and k fastest meets them, as scipy numbers those of
/// an array [x, y, z].
#[derive(Debug, Clone)]
pub struct Components {
    forest: Forest,
    /// The component of each run.
    of_run: Vec<u32>,
    sizes: Vec<u64>,
    ids: Vec<u32>,
}

impl Components {
    /// The components of a mask.
    ///
    /// # Errors
    /// Too little memory.
    pub fn of_mask(mask: &Mask, connectivity: Connectivity) -> Result<Self, LabelError> {
        Self::number(Forest::of_mask(mask, connectivity, [true; 3])?)
    }

    /// The components of all labels but 0; voxels touch only if they have the same label.
    ///
    /// # Errors
    /// If there is not one value per voxel, or too little memory.
    pub fn of_labels<T: Label>(labels: &[T], dims: [usize; 3], connectivity: Connectivity) -> Result<Self, LabelError> {
        check_count(dims, labels.len())?;
        let forest = Forest::grow(dims, connectivity, [true; 3], |row, runs, ids| {
            let row = &labels[row * dims[0]..][..dims[0]];
            let mut from = 0;
            while from < row.len() {
                let to = run_end(row, from);
                if row[from] != T::BACKGROUND {
                    runs.push(Run { from: from as u32, to: to as u32 });
                    ids.push(row[from].id());
                }
                from = to;
            }
        })?;
        Self::number(forest)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// Voxels of each.
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The label of each; empty for those of a mask.
    pub fn labels(&self) -> &[u32] {
        &self.ids
    }

    /// The largest one, the first of several; `None` if there is none.
    pub fn largest(&self) -> Option<usize> {
        let largest = self.sizes.iter().max()?;
        self.sizes.iter().position(|size| size == largest)
    }

    /// The mask of those that `keep(component)` holds for.
    ///
    /// # Errors
    /// Too little memory.
    pub fn select(&self, keep: impl Fn(usize) -> bool) -> Result<Mask, LabelError> {
        let keep: Vec<bool> = (0..self.count()).map(keep).collect();
        self.forest.mask(|run| keep[self.of_run[run] as usize])
    }

    /// The mask of the largest one; empty if there is none.
    ///
    /// # Errors
    /// Too little memory.
    pub fn keep_largest(&self) -> Result<Mask, LabelError> {
        let largest = self.largest();
        self.select(|component| Some(component) == largest)
    }

    /// The mask of those with at least `min_voxels` voxels.
    ///
    /// # Errors
    /// Too little memory.
    pub fn remove_small(&self, min_voxels: u64) -> Result<Mask, LabelError> {
        self.select(|component| self.sizes[component] >= min_voxels)
    }

    /// One number per voxel, i fastest, in the smallest type that holds them: 0 is background, component n has n + 1.
    ///
    /// # Errors
    /// Too little memory.
    pub fn to_values(&self) -> Result<LabelValues, LabelError> {
        Ok(match self.count() {
            0..=0xff => LabelValues::U8(self.numbers()?),
            0x100..=0xffff => LabelValues::U16(self.numbers()?),
            _ => LabelValues::U32(self.numbers()?),
        })
    }

    fn numbers<T: Label>(&self) -> Result<Vec<T>, LabelError> {
        let [nx, ny, nz] = self.forest.dims;
        let mut values = filled(nx * ny * nz, T::BACKGROUND)?;
        values.par_chunks_mut(nx).enumerate().with_min_len(64).for_each(|(row, values)| {
            let runs = self.forest.runs_of(row);
            for (run, &component) in self.forest.runs[runs.clone()].iter().zip(&self.of_run[runs]) {
                if let Some(number) = T::from_id(component + 1) {
                    values[run.from as usize..run.to as usize].fill(number);
                }
            }
        });
        Ok(values)
    }

    fn number(forest: Forest) -> Result<Self, LabelError> {
        let [_, ny, nz] = forest.dims;
        let mut of_run = filled(forest.runs.len(), 0_u32)?;
        // The place of its first voxel in the scan, and its size.
        let mut found: Vec<(u32, u64)> = Vec::new();
        let mut roots = Vec::new();
        for row in 0..ny * nz {
            let (j, k) = (row % ny, row / ny);
            for run in forest.runs_of(row) {
                let span = forest.runs[run];
                let place = ((span.from as usize * ny + j) * nz + k) as u32;
                let root = forest.parents[run] as usize;
                if root == run {
                    of_run[run] = found.len() as u32;
                    found.push((place, 0));
                    roots.push(run);
                } else {
                    of_run[run] = of_run[root];
                }
                let of_component = &mut found[of_run[run] as usize];
                of_component.0 = of_component.0.min(place);
                of_component.1 += u64::from(span.to - span.from);
            }
        }
        let mut order: Vec<u32> = (0..found.len() as u32).collect();
        order.par_sort_unstable_by_key(|&n| found[n as usize].0);
        let mut number = vec![0; found.len()];
        for (n, &component) in order.iter().enumerate() {
            number[component as usize] = n as u32;
        }
        of_run.par_iter_mut().with_min_len(1 << 14).for_each(|component| *component = number[*component as usize]);
        let sizes = order.iter().map(|&n| found[n as usize].1).collect();
        let ids = order.iter().filter_map(|&n| forest.ids.get(roots[n as usize]).copied()).collect();
        Ok(Self { forest, of_run, sizes, ids })
    }
}

/// Voxels from..to of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub from: u32,
    pub to: u32,
}

/// All runs of a grid, and for each the first run of its component.
#[derive(Debug, Clone)]
pub(crate) struct Forest {
    dims: [usize; 3],
    pub runs: Vec<Run>,
    /// The first run of each row, and the number of runs.
    starts: Vec<u32>,
    pub parents: Vec<u32>,
    /// The label of each run; empty if there is one label only.
    ids: Vec<u32>,
}

/// The part of a [`Forest`] that one task makes: some rows, runs counted from 0.
struct Part {
    runs: Vec<Run>,
    /// One past the last run of each row.
    ends: Vec<u32>,
    parents: Vec<u32>,
    ids: Vec<u32>,
}

impl Forest {
    /// Voxels of a mask touch along the axes that `along` says; with `along[0]` false each voxel is its own run.
    pub(crate) fn of_mask(mask: &Mask, connectivity: Connectivity, along: [bool; 3]) -> Result<Self, LabelError> {
        let dims = mask.dims();
        Self::grow(dims, connectivity, along, |row, runs, _| {
            for_each_run(mask.row(row % dims[1], row / dims[1]), |from, to| {
                let (from, to) = (from as u32, to as u32);
                if along[0] {
                    runs.push(Run { from, to });
                } else {
                    runs.extend((from..to).map(|from| Run { from, to: from + 1 }));
                }
            });
        })
    }

    /// `read(row, runs, ids)` adds the runs of a row.
    fn grow(
        dims: [usize; 3],
        connectivity: Connectivity,
        along: [bool; 3],
        read: impl Fn(usize, &mut Vec<Run>, &mut Vec<u32>) + Sync,
    ) -> Result<Self, LabelError> {
        check_dims(dims)?;
        let [_, ny, nz] = dims;
        let rows = ny * nz;
        // Whole slabs where there are enough: then only their first rows touch another task's.
        let tasks = 4 * rayon::current_num_threads();
        let rows_per_part = if nz >= tasks { nz.div_ceil(tasks) * ny } else { rows.div_ceil(tasks) };
        let touching = Touching { connectivity, along, ny };
        let grow_part = |part: usize| {
            let first = part * rows_per_part;
            let last = rows.min(first + rows_per_part);
            let mut part =
                Part { runs: Vec::new(), ends: Vec::with_capacity(last - first), parents: Vec::new(), ids: Vec::new() };
            for row in first..last {
                let start = part.runs.len() as u32;
                read(row, &mut part.runs, &mut part.ids);
                part.ends.push(part.runs.len() as u32);
                part.parents.extend(start..part.runs.len() as u32);
                touching.for_each_earlier(row, |earlier, reach| {
                    if earlier >= first {
                        let start_of = |row: usize| if row == first { 0 } else { part.ends[row - first - 1] as usize };
                        let here = start_of(row)..part.ends[row - first] as usize;
                        let there = start_of(earlier)..part.ends[earlier - first] as usize;
                        join(&part.runs, &part.ids, &mut part.parents, here, there, reach);
                    }
                });
            }
            part
        };
        let parts: Vec<Part> = (0..rows.div_ceil(rows_per_part)).into_par_iter().map(grow_part).collect();
        let mut forest = Self::gathered(dims, &parts)?;
        for part in 1..parts.len() {
            let first = part * rows_per_part;
            for row in first..rows.min(first + rows_per_part).min(first + ny + 1) {
                touching.for_each_earlier(row, |earlier, reach| {
                    if earlier < first {
                        let (here, there) = (forest.runs_of(row), forest.runs_of(earlier));
                        join(&forest.runs, &forest.ids, &mut forest.parents, here, there, reach);
                    }
                });
            }
        }
        // A parent comes before its children, so one pass gives each run its root.
        for run in 0..forest.parents.len() {
            forest.parents[run] = forest.parents[forest.parents[run] as usize];
        }
        Ok(forest)
    }

    fn gathered(dims: [usize; 3], parts: &[Part]) -> Result<Self, LabelError> {
        let count: usize = parts.iter().map(|part| part.runs.len()).sum();
        let num_ids: usize = parts.iter().map(|part| part.ids.len()).sum();
        let mut runs = filled(count, Run { from: 0, to: 0 })?;
        let mut parents = filled(count, 0_u32)?;
        let mut ids = filled(num_ids, 0_u32)?;
        let mut starts = filled(dims[1] * dims[2] + 1, 0_u32)?;
        let (mut base, mut row) = (0, 1);
        for part in parts {
            let end = base + part.runs.len();
            runs[base..end].copy_from_slice(&part.runs);
            for (to, from) in parents[base..end].iter_mut().zip(&part.parents) {
                *to = from + base as u32;
            }
            if num_ids > 0 {
                ids[base..end].copy_from_slice(&part.ids);
            }
            for end in &part.ends {
                starts[row] = end + base as u32;
                row += 1;
            }
            base = end;
        }
        Ok(Self { dims, runs, starts, parents, ids })
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

/// Sets the bits from..to.
fn set_bits(words: &mut [u64], from: usize, to: usize) {
    const WORD: usize = crate::mask::WORD;
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
