use glam::DVec3;
use voco_volume::Volume;

use super::{MeasureKind, MeasurePlane, Measurement, RoiWork};
use crate::document::next_stamp;

/// Measurements of one case, in order of their making, with what was done to them.
#[derive(Debug, Default)]
pub struct MeasureDoc {
    items: Vec<Measurement>,
    next_number: u32,
    past: Vec<Step>,
    future: Vec<Step>,
    work: Vec<(u32, RoiWork)>,
    /// Counts edits, so that the window knows when to save.
    pub revision: u64,
    /// The file beside the user's data that holds them, once the case's content is known.
    pub key: Option<String>,
    /// The revision that the file holds.
    pub saved_revision: u64,
}

/// The list before (or after) an edit.
#[derive(Debug)]
struct Step {
    stamp: u64,
    items: Vec<Measurement>,
}

/// Edits that can be taken back.
const MAX_STEPS: usize = 200;
/// Voxels counted per frame: well under two milliseconds.
const VOXELS_PER_FRAME: usize = 60_000;

impl MeasureDoc {
    /// All of them, oldest first.
    pub fn items(&self) -> &[Measurement] {
        &self.items
    }

    /// The one of this number.
    pub fn get(&self, number: u32) -> Option<&Measurement> {
        self.items.iter().find(|m| m.number == number)
    }

    /// Adds one; its number.
    pub fn add(&mut self, kind: MeasureKind, plane: MeasurePlane, points_mm: Vec<DVec3>) -> u32 {
        self.record();
        self.next_number += 1;
        let number = self.next_number;
        self.items.push(Measurement { number, kind, plane, points_mm, note: String::new(), stats: None });
        number
    }

    /// Keeps the list as it is, to come back to; to be called before a drag begins.
    pub fn record(&mut self) {
        self.past.push(Step { stamp: next_stamp(), items: self.items.clone() });
        let surplus = self.past.len().saturating_sub(MAX_STEPS);
        self.past.drain(..surplus);
        self.future.clear();
        self.revision += 1;
    }

    /// Moves the points of one, without a step of its own for undo.
    pub fn set_points(&mut self, number: u32, points_mm: Vec<DVec3>) {
        if let Some(item) = self.items.iter_mut().find(|m| m.number == number) {
            item.points_mm = points_mm;
            item.stats = None;
            self.work.retain(|(n, _)| *n != number);
            self.revision += 1;
        }
    }

    /// Writes a note on one.
    pub fn set_note(&mut self, number: u32, note: String) {
        if let Some(item) = self.items.iter_mut().find(|m| m.number == number) {
            item.note = note;
            self.revision += 1;
        }
    }

    /// Removes one; all of them if none is named.
    pub fn remove(&mut self, number: Option<u32>) {
        let stays = |m: &Measurement| number.is_some_and(|n| n != m.number);
        if self.items.iter().any(|m| !stays(m)) {
            self.record();
            self.items.retain(stays);
        }
    }

    /// When the last edit was made, and when the one that was taken back last was.
    pub fn stamps(&self) -> [Option<u64>; 2] {
        [self.past.last().map(|s| s.stamp), self.future.last().map(|s| s.stamp)]
    }

    /// Takes the last edit back; false if there is none.
    pub fn undo(&mut self) -> bool {
        self.step(true)
    }

    /// Does it again; false if there is none.
    pub fn redo(&mut self) -> bool {
        self.step(false)
    }

    fn step(&mut self, back: bool) -> bool {
        let (from, to) = if back { (&mut self.past, &mut self.future) } else { (&mut self.future, &mut self.past) };
        let Some(step) = from.pop() else { return false };
        let now = std::mem::replace(&mut self.items, step.items);
        to.push(Step { stamp: step.stamp, items: now });
        self.work.clear();
        self.revision += 1;
        true
    }

    /// Forgets what was counted: the voxels are others.
    pub fn count_again(&mut self) {
        self.items.iter_mut().for_each(|item| item.stats = None);
        self.work.clear();
    }

    /// Counts voxels of regions for a part of a frame; true while there is more to count.
    pub fn advance(&mut self, volume: &Volume) -> bool {
        for item in &self.items {
            let is_known = item.stats.is_some() || self.work.iter().any(|(n, _)| *n == item.number);
            if !is_known && let Some(work) = item.roi_work(volume) {
                self.work.push((item.number, work));
            }
        }
        if let Some((number, work)) = self.work.last_mut()
            && let Some(stats) = work.advance(volume, VOXELS_PER_FRAME)
        {
            if let Some(item) = self.items.iter_mut().find(|m| m.number == *number) {
                item.stats = Some(stats);
            }
            self.work.pop();
        }
        !self.work.is_empty()
    }

    /// Puts the list of a file in front of what was measured before the file was read.
    pub fn load(&mut self, mut stored: Vec<Measurement>) {
        let offset = stored.iter().map(|m| m.number).max().unwrap_or(0);
        for item in &mut self.items {
            item.number += offset;
        }
        self.next_number += offset;
        let was_empty = self.items.is_empty();
        stored.append(&mut self.items);
        self.items = stored;
        // Steps back would lose the stored ones.
        self.past.clear();
        self.future.clear();
        self.work.clear();
        if was_empty {
            self.saved_revision = self.revision;
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::MeasureDoc;
    use crate::measure::{MeasureKind, MeasurePlane};

    const PLANE: MeasurePlane = MeasurePlane { right: DVec3::X, down: DVec3::Y };

    #[test]
    fn every_edit_can_be_taken_back_and_done_again() {
        let mut doc = MeasureDoc::default();
        let first = doc.add(MeasureKind::Length, PLANE, vec![DVec3::ZERO, DVec3::X]);
        let second = doc.add(MeasureKind::Probe, PLANE, vec![DVec3::Y]);
        doc.record();
        doc.set_points(first, vec![DVec3::ZERO, DVec3::X * 2.0]);
        doc.remove(Some(second));
        let mut states = vec![doc.items().to_vec()];
        while doc.undo() {
            states.push(doc.items().to_vec());
        }
        assert_eq!(states.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 2, 1, 0]);
        assert_ne!(states[1], states[2], "the moved point");
        for state in states.iter().rev().skip(1) {
            assert!(doc.redo());
            assert_eq!(doc.items(), state.as_slice());
        }
        assert!(!doc.redo());
        let third = doc.add(MeasureKind::Probe, PLANE, vec![DVec3::Z]);
        assert!(third > second, "numbers are never used twice");
    }

    #[test]
    fn a_file_read_late_keeps_what_was_measured_meanwhile() {
        let mut stored = MeasureDoc::default();
        stored.add(MeasureKind::Length, PLANE, vec![DVec3::ZERO, DVec3::X]);
        let mut doc = MeasureDoc::default();
        doc.add(MeasureKind::Probe, PLANE, vec![DVec3::Y]);
        doc.load(stored.items().to_vec());
        let numbers: Vec<u32> = doc.items().iter().map(|m| m.number).collect();
        assert_eq!(numbers, [1, 2]);
        assert_ne!(doc.revision, doc.saved_revision, "there is something to save");
    }
}
