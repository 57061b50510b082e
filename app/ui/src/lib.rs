//! Panels and views. Reads the [`Session`], changes the [`ViewSettings`] directly, and asks for everything else through the
//! [`Outbox`]; opens no file and knows no tensor.

mod boxes;
mod document;
mod gpu;
mod outbox;
mod panels;
mod shell;
pub mod theme;
mod views;

pub use boxes::{box_edges, box_section};
pub use document::{
    CardOf, ClassAgreement, ComparisonReport, FinetuneJob, FinetuneSetup, FinetuneState, LabelHistory, LabelPreset,
    LeftDrag, Loading, ModelRow, ModelState, ModelsState, Notice, OpenLabels, OpenVolume, PositionOverlay, Preflight,
    PreflightReport, Previews, ReferenceLabels, RunCurves, RunSummary, RunsState, SegmentJob, SegmentState,
    SeriesChoice, SeriesRow, Session, Thumbnail, TrainedVolume, TrainingJob, TrainingSetup, TrainingSource,
    TrainingState, ViewKind, ViewSettings, VolumeId, Window, WindowPreset, Work,
};
pub use gpu::{GpuViews, install as install_gpu};
pub use outbox::{Outbox, Request};
pub use shell::Shell;
