use std::sync::atomic::{AtomicU64, Ordering};

use super::OpenLabels;

/// Label maps that can be had back. A version shares its voxels with the map on show as long as it is on show.
const MAX_VERSIONS: usize = 8;

/// What was done to the label map of a volume, to undo and redo it.
#[derive(Default)]
pub struct LabelHistory {
    past: Vec<LabelVersion>,
    future: Vec<LabelVersion>,
}

/// A label map before or after an edit.
struct LabelVersion {
    /// When it was made; see [`next_stamp`].
    stamp: u64,
    /// What the edit is called.
    edit: String,
    labels: Option<OpenLabels>,
}

impl LabelHistory {
    /// Keeps the map before an edit. What was undone before can no longer be redone.
    pub fn record(&mut self, edit: impl Into<String>, before: Option<OpenLabels>) {
        self.future.clear();
        self.past.push(LabelVersion { stamp: next_stamp(), edit: edit.into(), labels: before });
        let surplus = self.past.len().saturating_sub(MAX_VERSIONS);
        self.past.drain(..surplus);
    }

    /// Takes the last edit back; false if there is none.
    pub fn undo(&mut self, labels: &mut Option<OpenLabels>) -> bool {
        Self::step(&mut self.past, &mut self.future, labels)
    }

    /// Does the edit taken back last again; false if there is none.
    pub fn redo(&mut self, labels: &mut Option<OpenLabels>) -> bool {
        Self::step(&mut self.future, &mut self.past, labels)
    }

    /// The map before the last edit, if there was one.
    pub fn before(&self) -> Option<&OpenLabels> {
        self.past.last().and_then(|version| version.labels.as_ref())
    }

    /// All maps that can be had back.
    pub fn maps_mut(&mut self) -> impl Iterator<Item = &mut OpenLabels> {
        self.past.iter_mut().chain(&mut self.future).filter_map(|v| v.labels.as_mut())
    }

    /// Name of the edit that [`Self::undo`] would take back.
    pub fn undo_name(&self) -> Option<&str> {
        self.past.last().map(|v| v.edit.as_str())
    }

    /// Name of the edit that [`Self::redo`] would do again.
    pub fn redo_name(&self) -> Option<&str> {
        self.future.last().map(|v| v.edit.as_str())
    }

    /// When the last edit was made, and when the one that was taken back last was.
    pub fn stamps(&self) -> [Option<u64>; 2] {
        [self.past.last().map(|v| v.stamp), self.future.last().map(|v| v.stamp)]
    }

    fn step(from: &mut Vec<LabelVersion>, to: &mut Vec<LabelVersion>, labels: &mut Option<OpenLabels>) -> bool {
        let Some(version) = from.pop() else { return false };
        let (stamp, edit) = (version.stamp, version.edit);
        to.push(LabelVersion { stamp, edit, labels: std::mem::replace(labels, version.labels) });
        true
    }
}

/// A number greater than all before: tells which of several histories was added to last.
pub(crate) fn next_stamp() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
