//! A document of labels: segments, the voxels that belong to them, one writer for every change, undo, and a journal on disk.
//!
//! Start with [`Document`]. A tool begins a [`Gesture`], adds voxels to [`Gesture::staged`] while the hand moves, and gives it to
//! [`Document::commit`]; algorithms and networks stage a mask or write values in the same way. The [`Rules`] say which voxels
//! may change. A window owns a [`LabelWorker`], which owns the document on a thread of its own. Each commit is one entry of the history and one record of the journal.

mod change;
mod document;
mod error;
mod gesture;
mod history;
mod journal;
mod naming;
mod presets;
mod segment;
mod tables;
mod terms;
mod worker;

pub use change::{BrickChange, Change, Op};
pub use document::{Dirty, Document, Logic, Recovery};
pub use error::StoreError;
pub use gesture::{Committed, DrawOver, Gesture, Rules, Target};
pub use history::{AuditEvent, AuditKind, HistoryItem, Provenance};
pub use journal::{ImageKey, JournalHealth, last_change_in, set_aside};
pub use naming::{change_name, split_change_name};
pub use presets::{PresetEntry, preset_from_json};
pub use segment::{LayerId, LayerInfo, Segment, SegmentId, distinct_color};
pub use tables::{TableFormat, read_table, write_itksnap, write_slicer};
pub use terms::{KnownTerms, known_terms, search_terms, terms_of_name};
pub use voco_volume::{Code, Status, Terms};
pub use worker::{Edit, HistoryLine, JournalNews, LabelWorker, Published};
