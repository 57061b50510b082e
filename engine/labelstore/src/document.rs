//! The document: what is labelled, and the only way to change it.

mod layers;
mod segments;
mod state;
mod undo;
mod voxels;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use voco_label::LabelVolume;
use voco_volume::{Geometry, Volume};

use crate::history::{History, now_ms};
use crate::journal::{Journal, JournalHealth};
use crate::{Change, HistoryItem, ImageKey, LayerId, LayerInfo, Op, Provenance, Segment, SegmentId, StoreError};

pub(crate) use state::State;
pub use voxels::Logic;

/// Bytes of old bricks that undo keeps in memory unless told otherwise.
const DEFAULT_UNDO_BYTES: usize = 256 << 20;
/// Bytes of older changes that a journal keeps for undo when it is compacted, unless told otherwise: ten thousands of strokes.
const DEFAULT_UNDO_DISK_BYTES: u64 = 2 << 30;

/// Segments of an image: one writer for every change, undo as far as memory and disk go, and a journal if it was opened on one.
///
/// It is meant to be owned by one thread. Others get [`Self::layer`] copies, which are cheap and stay as they are.
#[derive(Debug)]
pub struct Document {
    geometry: Geometry,
    /// For rules that look at intensities.
    image: Option<Volume>,
    state: State,
    /// For each layer the revision in which each brick last changed.
    stamps: Vec<(LayerId, Vec<u64>)>,
    /// Counts up with every change of anything.
    revision: u64,
    history: History,
    group: Option<Group>,
    next_change: u64,
    undo_bytes: usize,
    undo_disk_bytes: u64,
    author: String,
    journal: Option<Journal>,
}

/// Several changes that become one entry of the history.
#[derive(Debug, Default)]
struct Group {
    name: String,
    tool: String,
    ops: Vec<Op>,
    voxels: u64,
}

/// What a reader of voxels has to look at again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Give it to the next call.
    pub revision: u64,
    /// Bricks that differ from what they were, ascending.
    pub bricks: Vec<u32>,
}

/// What was found when a document was opened on a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Changes, undos and redos that were read back.
    pub records: u64,
    /// Bytes at the end that were not whole, and were cut off.
    pub cut_bytes: u64,
    /// Where they lie, if they are more than the last record that was being written.
    pub damaged: Option<PathBuf>,
    /// The number of the last change.
    pub last_change: u64,
}

impl Document {
    /// Without segments and without a journal; has one layer.
    ///
    /// # Errors
    /// A grid that is too large, or an image on another one.
    pub fn new(geometry: Geometry, image: Option<Volume>) -> Result<Self, StoreError> {
        if let Some(image) = &image
            && image.dims() != geometry.dims()
        {
            return Err(StoreError::OtherImage(image.dims(), geometry.dims()));
        }
        let mut document = Self {
            geometry,
            image,
            state: State::new(geometry.dims())?,
            stamps: Vec::new(),
            revision: 1,
            history: History::default(),
            group: None,
            next_change: 1,
            undo_bytes: DEFAULT_UNDO_BYTES,
            undo_disk_bytes: DEFAULT_UNDO_DISK_BYTES,
            author: String::new(),
            journal: None,
        };
        document.match_stamps();
        Ok(document)
    }

    /// On a journal: all that was ever committed is there again, and every change is written within a second.
    ///
    /// A journal that does not exist is begun. One that ends in the middle of a record is cut there.
    ///
    /// # Errors
    /// As [`Self::new`]; if the journal belongs to another image, is open elsewhere, or cannot be read or written.
    pub fn open(
        journal: &Path,
        key: &ImageKey,
        geometry: Geometry,
        image: Option<Volume>,
    ) -> Result<(Self, Recovery), StoreError> {
        let mut document = Self::new(geometry, image)?;
        let (journal, recovery) = Journal::open(journal, key, &mut document)?;
        document.journal = Some(journal);
        document.match_stamps();
        document.evict();
        Ok((document, recovery))
    }

    /// Begins a journal for a document that was made without one; what it holds now is its first record. For labels that were
    /// only looked at so far: they leave no file behind until something is changed.
    ///
    /// # Errors
    /// If there is work in that journal already, or it cannot be written.
    pub fn keep_in(&mut self, journal: &Path, key: &ImageKey) -> Result<(), StoreError> {
        let mut found = Self::new(self.geometry, None)?;
        if let Some(folder) = journal.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let (journal, recovery) = Journal::open(journal, key, &mut found)?;
        if recovery.records > 0 {
            return Err(StoreError::BadJournal("it holds other work on this image"));
        }
        self.journal = Some(journal);
        self.compact();
        Ok(())
    }

    /// True if every change is written to a journal.
    pub fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// What it holds now, for readers on other threads: cheap, without history and journal, and never changing.
    #[must_use]
    pub fn frozen(&self) -> Self {
        Self {
            geometry: self.geometry,
            image: self.image.clone(),
            state: self.state.clone(),
            stamps: self.stamps.clone(),
            revision: self.revision,
            history: History::default(),
            group: None,
            next_change: self.next_change,
            undo_bytes: self.undo_bytes,
            undo_disk_bytes: self.undo_disk_bytes,
            author: self.author.clone(),
            journal: None,
        }
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The image whose intensities rules look at.
    pub fn image(&self) -> Option<&Volume> {
        self.image.as_ref()
    }

    /// All segments in the order of the list.
    pub fn segments(&self) -> &[Segment] {
        &self.state.segments
    }

    /// One segment.
    ///
    /// # Errors
    /// If it is not there.
    pub fn segment(&self, id: SegmentId) -> Result<&Segment, StoreError> {
        self.state.segments.iter().find(|s| s.id == id).ok_or(StoreError::NoSegment(id))
    }

    /// The segment with a value in a layer.
    pub fn segment_at(&self, layer: LayerId, value: u16) -> Option<&Segment> {
        self.state.segments.iter().find(|s| s.layer == layer && s.value == value)
    }

    /// All layers, the lowest first.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = &LayerInfo> {
        self.state.layers.iter().map(|layer| &layer.0)
    }

    /// The voxels of a layer; clone it to read it elsewhere.
    ///
    /// # Errors
    /// If it is not there.
    pub fn layer(&self, id: LayerId) -> Result<&LabelVolume, StoreError> {
        self.state.layer(id)
    }

    /// Counts up with every change of anything.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The bricks of a layer that changed after `revision`; with 0 all that are not empty. Undo and redo count as changes.
    ///
    /// # Errors
    /// If the layer is not there.
    pub fn dirty_since(&self, layer: LayerId, revision: u64) -> Result<Dirty, StoreError> {
        let stamps = self.stamps.iter().find(|s| s.0 == layer).ok_or(StoreError::NoLayer(layer))?;
        let mut bricks = Vec::new();
        if revision < self.revision {
            let newer = stamps.1.iter().enumerate().filter(|(_, stamp)| **stamp > revision);
            bricks.extend(newer.map(|(n, _)| n as u32));
        }
        Ok(Dirty { revision: self.revision, bricks })
    }

    /// The name that the audit trail gets from now on.
    pub fn set_author(&mut self, author: &str) {
        author.clone_into(&mut self.author);
    }

    /// Bytes of old bricks that undo keeps in memory; what is older is read from the journal, or lost without one.
    pub fn set_undo_bytes(&mut self, bytes: usize) {
        self.undo_bytes = bytes;
        self.evict();
    }

    /// Bytes of older changes that stay in the journal when it is compacted; those before can no longer be undone.
    pub fn set_undo_disk_bytes(&mut self, bytes: u64) {
        self.undo_disk_bytes = bytes;
    }

    /// What can be undone and redone, the oldest first.
    pub fn history(&self) -> impl ExactSizeIterator<Item = HistoryItem<'_>> {
        let done = self.history.done;
        self.history.steps.iter().enumerate().map(move |(n, step)| HistoryItem { what: &step.what, is_done: n < done })
    }

    /// How many changes of [`Self::history`] are done; the others can be done again.
    pub fn num_done(&self) -> usize {
        self.history.done
    }

    /// True if there were changes before the oldest that can be taken back.
    pub fn has_forgotten(&self) -> bool {
        self.history.forgotten > 0
    }

    /// The number of the last change that is done, whether or not it can be taken back; 0 if there is none.
    pub fn current_change(&self) -> u64 {
        self.history.done.checked_sub(1).map_or(self.history.forgotten, |n| self.history.steps[n].what.change)
    }

    /// Everything that ever happened, the oldest first.
    pub fn audit(&self) -> &[crate::AuditEvent] {
        &self.history.audit
    }

    /// The audit trail, one JSON object per line.
    pub fn audit_json_lines(&self) -> String {
        let line = |event| serde_json::to_string(event).map_or_else(|_| String::new(), |line| line + "\n");
        self.audit().iter().map(line).collect()
    }

    /// The audit trail as CSV with a header.
    pub fn audit_csv(&self) -> String {
        let mut out = String::from("time_ms,kind,change,author,tool,name,voxels\n");
        for event in self.audit() {
            let what = &event.what;
            let kind = match event.kind {
                crate::AuditKind::Change => "change",
                crate::AuditKind::Undo => "undo",
                crate::AuditKind::Redo => "redo",
            };
            let [author, tool, name] = [&what.author, &what.tool, &what.name].map(|text| csv_field(text));
            out.extend([format!("{},{kind},{},{author},{tool},{name},{}\n", what.time_ms, what.change, what.voxels)]);
        }
        out
    }

    /// Whether the journal keeps up; `None` without one.
    pub fn journal_health(&self) -> Option<JournalHealth> {
        self.journal.as_ref().map(Journal::health)
    }

    /// Waits until everything is on the disk. For closing and tests; it may take as long as the disk does.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.journal.as_ref().map_or(Ok(()), Journal::flush)
    }

    /// Bytes of memory: voxels, and old bricks kept for undo.
    pub fn num_bytes(&self) -> usize {
        self.state.layers.iter().map(|layer| layer.1.num_bytes()).sum::<usize>() + self.history.bytes
    }

    /// From here on changes become one entry of the history, until [`Self::end_group`]. Ends a group that is open.
    pub fn begin_group(&mut self, name: &str, tool: &str) {
        self.end_group();
        self.group = Some(Group { name: name.into(), tool: tool.into(), ..Group::default() });
    }

    /// Ends a group; gives the number of its change, or `None` if nothing differed.
    pub fn end_group(&mut self) -> Option<u64> {
        let group = self.group.take()?;
        self.record(&group.name, &group.tool, group.ops, group.voxels)
    }

    /// Does something and records it; gives its number, or `None` if nothing differs or a group is open.
    fn apply(&mut self, name: &str, tool: &str, ops: Vec<Op>, voxels: u64) -> Option<u64> {
        if ops.is_empty() {
            return None;
        }
        let change = Change { ops };
        self.state.apply(&change);
        self.stamp(&change);
        if let Some(group) = &mut self.group {
            group.ops.extend(change.ops);
            group.voxels += voxels;
            return None;
        }
        self.record(name, tool, change.ops, voxels)
    }

    fn record(&mut self, name: &str, tool: &str, ops: Vec<Op>, voxels: u64) -> Option<u64> {
        if ops.is_empty() {
            return None;
        }
        let what = Provenance {
            change: self.next_change,
            author: self.author.clone(),
            tool: tool.into(),
            name: name.into(),
            time_ms: now_ms(),
            voxels,
        };
        self.next_change += 1;
        let change = Arc::new(Change { ops });
        self.history.push(what.clone(), Arc::clone(&change));
        if let Some(journal) = &self.journal {
            journal.change(what.clone(), change);
        }
        self.evict();
        self.compact_if_large();
        Some(what.change)
    }

    /// Marks what a change touched.
    fn stamp(&mut self, change: &Change) {
        self.revision += 1;
        if change.ops.iter().any(|op| matches!(op, Op::Layer { .. })) {
            self.match_stamps();
        }
        for op in &change.ops {
            if let Op::Bricks { layer, bricks } = op
                && let Some((_, stamps)) = self.stamps.iter_mut().find(|s| s.0 == *layer)
            {
                for brick in bricks {
                    stamps[brick.index as usize] = self.revision;
                }
            }
        }
    }

    /// One list of stamps per layer; a layer that is new counts as changed where it is not empty.
    fn match_stamps(&mut self) {
        let revision = self.revision;
        let mut old = std::mem::take(&mut self.stamps);
        for (info, volume) in &self.state.layers {
            let known = old.iter().position(|s| s.0 == info.id).map(|n| old.swap_remove(n));
            let fresh = || {
                let stamp =
                    |brick: &voco_label::Brick| if *brick == voco_label::Brick::Uniform(0) { 0 } else { revision };
                (info.id, volume.bricks().iter().map(stamp).collect())
            };
            self.stamps.push(known.unwrap_or_else(fresh));
        }
    }

    fn evict(&mut self) {
        let journal = self.journal.as_ref();
        let on_disk = |change| journal.is_some_and(|journal| journal.has(change));
        self.history.evict(self.undo_bytes, journal.is_some(), on_disk);
    }
}

/// Quoted if it must be.
pub(crate) fn csv_field(text: &str) -> String {
    // A field that begins so is taken for a formula by spreadsheets.
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.into() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
