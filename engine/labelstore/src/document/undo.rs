use std::sync::Arc;

use super::Document;
use crate::history::now_ms;
use crate::journal::{Base, Record, Source, StoredChange};
use crate::{AuditEvent, AuditKind, Change, Provenance, StoreError};

impl Document {
    /// Whether there is something to take back.
    pub fn can_undo(&self) -> bool {
        self.history.done > 0 || self.group.as_ref().is_some_and(|group| !group.ops.is_empty())
    }

    /// Whether there is something to do again.
    pub fn can_redo(&self) -> bool {
        self.history.done < self.history.steps.len()
    }

    /// Takes back the last change, whatever it was; gives it, or `None` if there is none. Ends a group that is open.
    ///
    /// # Errors
    /// If it lies on the disk and cannot be read.
    pub fn undo(&mut self) -> Result<Option<Provenance>, StoreError> {
        self.end_group();
        let Some(at) = self.history.done.checked_sub(1) else { return Ok(None) };
        let step = &self.history.steps[at];
        let stored = match (&step.change, &self.journal) {
            (Some(_), _) => None,
            (None, Some(journal)) => Some(journal.read(step.what.change)?),
            (None, None) => return Err(StoreError::BadJournal("it is gone")),
        };
        self.step_back(at, stored)?;
        Ok(Some(self.note(AuditKind::Undo, at)))
    }

    /// Takes back step `at`, the last that is done; `stored` is what the disk has of it, if memory has nothing.
    fn step_back(&mut self, at: usize, stored: Option<StoredChange>) -> Result<(), StoreError> {
        let step = &mut self.history.steps[at];
        if let Some(change) = &step.change {
            let inverse = change.inverse();
            self.state.apply(&inverse);
            self.stamp(&inverse);
        } else {
            let stored = stored.ok_or(StoreError::BadJournal("a change is missing"))?;
            // On a copy: a failure halfway must not leave half of it.
            let mut state = self.state.clone();
            let change = state.apply_stored(&stored, true)?;
            self.state = state;
            let bytes = change.num_bytes();
            self.history.bytes += bytes;
            (step.change, step.bytes) = (Some(Arc::new(change.clone())), bytes);
            self.stamp(&change);
        }
        self.history.done = at;
        Ok(())
    }

    fn step_forward(&mut self, at: usize) -> Result<(), StoreError> {
        let change = self.history.steps[at].change.clone();
        let change = change.ok_or(StoreError::BadJournal("an undone change is gone"))?;
        self.state.apply(&change);
        self.stamp(&change);
        self.history.done = at + 1;
        Ok(())
    }

    /// Does the next undone change again; gives it, or `None` if there is none.
    ///
    /// # Errors
    /// If it lies on the disk and cannot be read.
    pub fn redo(&mut self) -> Result<Option<Provenance>, StoreError> {
        self.end_group();
        let at = self.history.done;
        if at >= self.history.steps.len() {
            return Ok(None);
        }
        self.step_forward(at)?;
        let what = self.note(AuditKind::Redo, at);
        self.evict();
        Ok(Some(what))
    }

    /// Undoes or redoes until `change` is the last one that is done; 0 takes everything back. A click in the history list.
    ///
    /// # Errors
    /// As [`Self::undo`].
    pub fn go_to(&mut self, change: u64) -> Result<(), StoreError> {
        self.end_group();
        let steps = &self.history.steps;
        let target = if change == 0 {
            0
        } else {
            steps.iter().position(|s| s.what.change == change).map_or(self.history.done, |n| n + 1)
        };
        while self.history.done > target {
            self.undo()?;
        }
        while self.history.done < target {
            self.redo()?;
        }
        Ok(())
    }

    /// Writes the journal anew with what is needed: the state, the audit trail, and the changes that can be undone or done again.
    /// Of those that are on the disk only, the oldest go if all have more than [`Self::set_undo_disk_bytes`].
    /// The writer's thread does it; if it fails or is killed, the old file stays.
    pub fn compact(&mut self) {
        self.end_group();
        let Some(journal) = &self.journal else { return };
        // Up to the last that lies on the disk only, the records that there are stay as they are.
        let first = self.history.steps.iter().rposition(|step| step.change.is_none()).map_or(0, |n| n + 1);
        let mut past: Vec<u64> = self.history.steps.iter().take(first).map(|step| step.what.change).collect();
        past.drain(..journal.too_many(&past, self.undo_disk_bytes));
        self.history.forget(first - past.len());
        let mut state = self.state.clone();
        let rest = self.history.steps.iter().skip(past.len());
        let kept: Vec<(Provenance, Arc<Change>)> =
            rest.filter_map(|s| Some((s.what.clone(), s.change.clone()?))).collect();
        // What lies on the disk only is done.
        for (_, change) in kept[..self.history.done - past.len()].iter().rev() {
            state.apply(&change.inverse());
        }
        let base = Base {
            past,
            state,
            audit: self.history.audit.clone(),
            kept,
            done: self.history.done as u64,
            next_change: self.next_change,
        };
        journal.compact(base, self.current_change());
    }

    pub(super) fn compact_if_large(&mut self) {
        if self.journal.as_ref().is_some_and(crate::journal::Journal::is_large) {
            self.compact();
        }
    }

    /// Adds an undo or redo of step `at` to the audit trail and the journal.
    fn note(&mut self, kind: AuditKind, at: usize) -> Provenance {
        let mut what = self.history.steps[at].what.clone();
        what.author.clone_from(&self.author);
        what.time_ms = now_ms();
        let event = AuditEvent { kind, what };
        if let Some(journal) = &self.journal {
            journal.event(event.clone(), self.current_change());
        }
        self.history.audit.push(event);
        self.history.steps[at].what.clone()
    }
}

/// Reading a journal back.
impl Document {
    /// The number of the newest change, done or not; 0 if there is none.
    pub(crate) fn last_change(&self) -> u64 {
        self.next_change - 1
    }

    /// Does what a record says; `source` has the changes that were read before.
    pub(crate) fn replay(&mut self, record: Record, source: &Source<'_>) -> Result<(), StoreError> {
        match record {
            Record::Change(stored) => self.replay_change(&stored, true),
            Record::Kept(stored) => self.replay_change(&stored, false),
            Record::Event(event) => {
                match event.kind {
                    AuditKind::Undo => {
                        self.replay_undo(Some(event.what.change), source)?;
                    }
                    AuditKind::Redo => {
                        let at = self.history.done;
                        let step = self.history.steps.get(at).filter(|s| s.what.change == event.what.change);
                        step.ok_or(StoreError::BadJournal("it does again what was not undone"))?;
                        self.step_forward(at)?;
                    }
                    AuditKind::Change => {}
                }
                self.history.audit.push(event);
                Ok(())
            }
            Record::Snapshot(base) => {
                let (state, next_change) = *base;
                if state.dims != self.geometry.dims() {
                    return Err(StoreError::OtherJournal);
                }
                (self.state, self.next_change) = (state, next_change);
                Ok(())
            }
            Record::Audit(events) => {
                self.history.audit = events;
                Ok(())
            }
            Record::Past(what) => {
                self.history.push_past(what);
                Ok(())
            }
            Record::Cursor(done) => {
                while self.history.done as u64 > done {
                    self.replay_undo(None, source)?;
                }
                self.history.find_forgotten();
                Ok(())
            }
            Record::End => Ok(()),
            Record::Head(_) => Err(StoreError::BadJournal("it begins twice")),
        }
    }

    fn replay_change(&mut self, stored: &StoredChange, is_new: bool) -> Result<(), StoreError> {
        let change = Arc::new(self.state.apply_stored(stored, false)?);
        self.history.push(stored.what.clone(), change);
        if !is_new {
            self.history.audit.pop();
        }
        self.next_change = self.next_change.max(stored.what.change.saturating_add(1));
        self.history.evict(self.undo_bytes, true, |_| true);
        Ok(())
    }

    fn replay_undo(&mut self, change: Option<u64>, source: &Source<'_>) -> Result<(), StoreError> {
        let at = self.history.done.checked_sub(1).ok_or(StoreError::BadJournal("it undoes more than there is"))?;
        let step = &self.history.steps[at];
        if change.is_some_and(|change| change != step.what.change) {
            return Err(StoreError::BadJournal("it undoes another change than the last"));
        }
        let stored = if step.change.is_none() { Some(source.read(step.what.change)?) } else { None };
        self.step_back(at, stored)
    }
}
