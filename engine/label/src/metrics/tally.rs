//! One pass over both label maps: what is where.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::lattice::check_count;
use crate::runs::run_end;
use crate::{Label, LabelError, VoxelBox};

/// Most labels of a map. An image taken for a label map has far more.
pub const MAX_CLASSES: usize = 1024;

/// Voxels of one class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    pub id: u32,
    pub in_prediction: u64,
    pub in_reference: u64,
    pub in_both: u64,
    pub prediction_box: VoxelBox,
    pub reference_box: VoxelBox,
}

impl Tally {
    pub(crate) fn none(id: u32) -> Self {
        let none = VoxelBox::EMPTY;
        Self { id, in_prediction: 0, in_reference: 0, in_both: 0, prediction_box: none, reference_box: none }
    }

    fn add(&mut self, other: &Self) {
        self.in_prediction += other.in_prediction;
        self.in_reference += other.in_reference;
        self.in_both += other.in_both;
        self.prediction_box = self.prediction_box.union(&other.prediction_box);
        self.reference_box = self.reference_box.union(&other.reference_box);
    }
}

/// The labels of a map except 0, ascending.
///
/// # Errors
/// If there is not one value per voxel, or more than [`MAX_CLASSES`] labels.
pub fn present_labels<T: Label>(labels: &[T], dims: [usize; 3]) -> Result<Vec<u32>, LabelError> {
    check_count(dims, labels.len())?;
    let tallies = tally(labels, labels, dims)?;
    Ok(tallies.iter().map(|t| t.id).collect())
}

/// The tallies of all labels but 0, by ascending id.
pub(crate) fn tally<T: Label>(prediction: &[T], reference: &[T], dims: [usize; 3]) -> Result<Vec<Tally>, LabelError> {
    let [nx, ny, nz] = dims;
    let rows = ny * nz;
    let rows_per_part = rows.div_ceil(4 * rayon::current_num_threads());
    let parts = prediction.par_chunks(rows_per_part * nx).zip(reference.par_chunks(rows_per_part * nx));
    let of_part = |(n, (prediction, reference)): (usize, (&[T], &[T]))| {
        let mut table = Table::default();
        for (r, (p, q)) in prediction.chunks(nx).zip(reference.chunks(nx)).enumerate() {
            let row = n * rows_per_part + r;
            table.add_row(p, q, row % ny, row / ny)?;
        }
        Ok(table.tallies)
    };
    let parts = parts.enumerate().map(of_part).collect::<Result<Vec<_>, LabelError>>()?;
    let mut all: BTreeMap<u32, Tally> = BTreeMap::new();
    for tally in parts.iter().flatten() {
        all.entry(tally.id).or_insert(Tally::none(tally.id)).add(tally);
    }
    if all.len() > MAX_CLASSES {
        return Err(LabelError::TooManyLabels);
    }
    Ok(all.into_values().collect())
}

/// Ids below this have a place of their own.
const DIRECT: usize = 1 << 16;
const NOWHERE: u16 = u16::MAX;

/// The tallies of some rows.
#[derive(Default)]
struct Table {
    tallies: Vec<Tally>,
    /// Where the tally of a small id lies.
    direct: Vec<u16>,
    /// The same for large ids.
    others: BTreeMap<u32, u16>,
}

impl Table {
    fn add_row<T: Label>(&mut self, p: &[T], q: &[T], j: usize, k: usize) -> Result<(), LabelError> {
        let (mut p_end, mut q_end, mut from) = (0, 0, 0);
        let box_of = |from: usize, to: usize| VoxelBox { min: [from, j, k], max: [to, j + 1, k + 1] };
        while from < p.len() {
            // Runs of both maps, cut where either ends.
            if p_end == from {
                p_end = run_end(p, from);
            }
            if q_end == from {
                q_end = run_end(q, from);
            }
            let to = p_end.min(q_end);
            let (a, b) = (p[from], q[from]);
            let count = (to - from) as u64;
            if a != T::BACKGROUND {
                let tally = self.of(a.id())?;
                tally.in_prediction += count;
                tally.in_both += if a == b { count } else { 0 };
                tally.prediction_box = tally.prediction_box.union(&box_of(from, to));
            }
            if b != T::BACKGROUND {
                let tally = self.of(b.id())?;
                tally.in_reference += count;
                tally.reference_box = tally.reference_box.union(&box_of(from, to));
            }
            from = to;
        }
        Ok(())
    }

    fn of(&mut self, id: u32) -> Result<&mut Tally, LabelError> {
        if self.direct.is_empty() {
            self.direct.resize(DIRECT, NOWHERE);
        }
        let known = match self.direct.get(id as usize) {
            Some(&place) => Some(place).filter(|&place| place != NOWHERE),
            None => self.others.get(&id).copied(),
        };
        let place = if let Some(place) = known {
            usize::from(place)
        } else {
            let place = self.tallies.len();
            if place >= MAX_CLASSES {
                return Err(LabelError::TooManyLabels);
            }
            self.tallies.push(Tally::none(id));
            match self.direct.get_mut(id as usize) {
                Some(slot) => *slot = place as u16,
                None => drop(self.others.insert(id, place as u16)),
            }
            place
        };
        Ok(&mut self.tallies[place])
    }
}
