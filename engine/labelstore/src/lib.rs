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
mod presets;
mod segment;
mod tables;
mod worker;

pub use change::{BrickChange, Change, Op};
pub use document::{Dirty, Document, Logic, Recovery};
pub use error::StoreError;
pub use gesture::{Committed, DrawOver, Gesture, Rules, Target};
pub use history::{AuditEvent, AuditKind, HistoryItem, Provenance};
pub use journal::{ImageKey, JournalHealth};
pub use presets::{PresetEntry, preset_from_json};
pub use segment::{Code, LayerId, LayerInfo, Segment, SegmentId, Status, distinct_color};
pub use tables::{TableFormat, read_table, write_itksnap, write_slicer};
pub use worker::{Edit, HistoryLine, LabelWorker, Published};
