use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Change;

/// Who did something, with which tool, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The number of the change, from 1 on.
    pub change: u64,
    /// Who; whatever the user typed, or empty.
    pub author: String,
    /// Which tool.
    pub tool: String,
    /// What the history calls it.
    pub name: String,
    /// Milliseconds since 1970, UTC.
    pub time_ms: u64,
    /// Voxels whose value differs.
    pub voxels: u64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditKind {
    /// A change.
    Change,
    /// A change was taken back.
    Undo,
    /// A change was done again.
    Redo,
}

/// A line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// What happened.
    pub kind: AuditKind,
    /// To which change, by whom, when. The author and time are those of this event.
    #[serde(flatten)]
    pub what: Provenance,
}

/// A line of the history list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryItem<'a> {
    /// Who, what, when.
    pub what: &'a Provenance,
    /// False if it is undone and can be done again.
    pub is_done: bool,
}

/// A change that can be undone or done again.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub what: Provenance,
    /// `None` if it lies on the disk only.
    pub change: Option<Arc<Change>>,
    pub bytes: usize,
}

/// The line of changes, and how far it is done.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub steps: VecDeque<Step>,
    /// Steps before this one are done.
    pub done: usize,
    /// The number of the last change that cannot be taken back any more; 0 if all can.
    pub forgotten: u64,
    /// Bytes of the changes in memory.
    pub bytes: usize,
    pub audit: Vec<AuditEvent>,
}

/// The numbers of changes, as the events of an audit trail leave them.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub done: Vec<u64>,
    /// The next to be done again last.
    pub undone: Vec<u64>,
}

impl Line {
    pub(crate) fn of(audit: &[AuditEvent]) -> Self {
        let mut line = Self::default();
        for event in audit {
            line.follow(event.kind, event.what.change);
        }
        line
    }

    pub(crate) fn follow(&mut self, kind: AuditKind, change: u64) {
        match kind {
            AuditKind::Change => {
                self.undone.clear();
                self.done.push(change);
            }
            AuditKind::Undo => self.undone.extend(self.done.pop()),
            AuditKind::Redo => self.done.extend(self.undone.pop()),
        }
    }
}

impl History {
    /// Adds a step that was done just now; what was undone is forgotten (the journal keeps it).
    pub(crate) fn push(&mut self, what: Provenance, change: Arc<Change>) {
        for step in self.steps.drain(self.done..) {
            self.bytes -= step.change.as_ref().map_or(0, |_| step.bytes);
        }
        self.audit.push(AuditEvent { kind: AuditKind::Change, what: what.clone() });
        let bytes = change.num_bytes();
        self.steps.push_back(Step { what, change: Some(change), bytes });
        self.bytes += bytes;
        self.done += 1;
    }

    /// Adds a step that was done before and lies on the disk.
    pub(crate) fn push_past(&mut self, what: Provenance) {
        self.steps.push_back(Step { what, change: None, bytes: 0 });
        self.done = self.steps.len();
    }

    /// Looks in the audit trail for what there was before the oldest step.
    pub(crate) fn find_forgotten(&mut self) {
        let line = Line::of(&self.audit);
        let all = line.done.iter().chain(line.undone.iter().rev());
        self.forgotten = match self.steps.front() {
            Some(oldest) => all.take_while(|change| **change != oldest.what.change).last(),
            None => line.done.last(),
        }
        .copied()
        .unwrap_or(0);
    }

    /// Lets go of changes, the oldest first, until the others fit into `budget`. `on_disk(change)` says which ones can be read
    /// again; without a disk the oldest can no longer be undone and are dropped.
    pub(crate) fn evict(&mut self, budget: usize, has_disk: bool, on_disk: impl Fn(u64) -> bool) {
        // The newest stays in any case.
        let mut at = 0;
        while self.bytes > budget && at + 1 < self.done {
            if !has_disk {
                self.forget(1);
                continue;
            }
            let step = &mut self.steps[at];
            if step.change.is_some() && on_disk(step.what.change) {
                step.change = None;
                self.bytes -= step.bytes;
            }
            at += 1;
        }
    }

    /// Drops the oldest steps, which are done.
    pub(crate) fn forget(&mut self, count: usize) {
        for step in self.steps.drain(..count) {
            self.bytes -= step.change.as_ref().map_or(0, |_| step.bytes);
            self.forgotten = step.what.change;
        }
        self.done -= count;
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
