use rayon::prelude::*;

use crate::error::filled;
use crate::forest::{Forest, Run};
use crate::lattice::check_count;
use crate::mask::WORD;
use crate::runs::run_end;
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
        let for_each = |row: usize, f: &mut dyn FnMut(Run, T)| {
            let row = &labels[row * dims[0]..][..dims[0]];
            let mut from = 0;
            while from < row.len() {
                let to = run_end(row, from);
                if row[from] != T::BACKGROUND {
                    f(Run { from: from as u32, to: to as u32 }, row[from]);
                }
                from = to;
            }
        };
        let count = |row: usize| {
            let mut count = 0;
            for_each(row, &mut |_, _| count += 1);
            count
        };
        let forest = Forest::grow(dims, connectivity, [true; 3], true, count, |row, runs, ids| {
            let mut places = runs.iter_mut().zip(ids);
            for_each(row, &mut |run, label| {
                if let Some((to, id)) = places.next() {
                    (*to, *id) = (run, label.id());
                }
            });
        })?;
        Self::number(forest)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// The one that holds a voxel.
    pub fn at(&self, [i, j, k]: [usize; 3]) -> Option<usize> {
        let [nx, ny, nz] = self.forest.dims;
        if i >= nx || j >= ny || k >= nz {
            return None;
        }
        let runs = self.forest.runs_of(j + ny * k);
        let here = &self.forest.runs[runs.clone()];
        let at = here.partition_point(|run| run.to as usize <= i);
        let is_inside = here.get(at).is_some_and(|run| run.from as usize <= i);
        is_inside.then(|| self.forest.of_run[runs.start + at] as usize)
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
        self.forest.mask(|run| keep[self.forest.of_run[run] as usize])
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
            for (run, &component) in self.forest.runs[runs.clone()].iter().zip(&self.forest.of_run[runs]) {
                if let Some(number) = T::from_id(component + 1) {
                    values[run.from as usize..run.to as usize].fill(number);
                }
            }
        });
        Ok(values)
    }

    /// Numbers the components of a forest in the order of the scan.
    fn number(mut forest: Forest) -> Result<Self, LabelError> {
        let [nx, ny, nz] = forest.dims;
        // Of each component the place of its first voxel in the scan, and its size.
        let mut found = filled(forest.count, (u32::MAX, 0_u32))?;
        let mut ids = filled(if forest.ids.is_empty() { 0 } else { forest.count }, 0_u32)?;
        for row in 0..ny * nz {
            let (j, k) = (row % ny, row / ny);
            for run in forest.runs_of(row) {
                let span = forest.runs[run];
                let place = ((span.from as usize * ny + j) * nz + k) as u32;
                let (first, size) = &mut found[forest.of_run[run] as usize];
                *first = place.min(*first);
                *size += span.to - span.from;
            }
        }
        let numbers = ranks(&found, nx * ny * nz)?;
        let renumber = |component: &mut u32| *component = numbers[*component as usize];
        forest.of_run.par_iter_mut().with_min_len(1 << 14).for_each(renumber);
        let mut sizes = filled(found.len(), 0_u64)?;
        for (&number, &(_, size)) in numbers.iter().zip(&found) {
            sizes[number as usize] = u64::from(size);
        }
        for (&component, &id) in forest.of_run.iter().zip(&forest.ids) {
            ids[component as usize] = id;
        }
        Ok(Self { forest, sizes, ids })
    }
}

/// For each of `found` how many have a lower place; places are below `limit`, and each occurs once.
fn ranks(found: &[(u32, u32)], limit: usize) -> Result<Vec<u32>, LabelError> {
    let mut ranks = filled(found.len(), 0_u32)?;
    if found.len() < limit / 1024 {
        let mut order: Vec<u32> = (0..found.len() as u32).collect();
        order.sort_unstable_by_key(|&n| found[n as usize].0);
        for (rank, &n) in order.iter().enumerate() {
            ranks[n as usize] = rank as u32;
        }
        return Ok(ranks);
    }
    // Many of them, as in noise: one bit per place, and how many bits lie before each word.
    let mut bits = filled(limit.div_ceil(WORD), 0_u64)?;
    for &(place, _) in found {
        bits[place as usize / WORD] |= 1 << (place as usize % WORD);
    }
    let mut before = filled(bits.len(), 0_u32)?;
    let mut sum = 0;
    for (before, bits) in before.iter_mut().zip(&bits) {
        *before = sum;
        sum += bits.count_ones();
    }
    for (rank, &(place, _)) in ranks.iter_mut().zip(found) {
        let (word, bit) = (place as usize / WORD, place as usize % WORD);
        *rank = before[word] + (bits[word] & ((1 << bit) - 1)).count_ones();
    }
    Ok(ranks)
}
