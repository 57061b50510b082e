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
    LabelledData, LeftDrag, Loading, ModelRow, ModelState, ModelsState, NUMBERS_ONLY, Notice, OpenLabels, OpenVolume,
    PositionOverlay, Preflight, PreflightAsked, PreflightReport, Previews, ReferenceLabels, RunCurves, RunKind,
    RunSummary, RunsState, SegmentJob, SegmentState, SeriesChoice, SeriesRow, Session, Thumbnail, TrainedVolume,
    TrainingJob, TrainingSetup, TrainingSource, TrainingState, ViewKind, ViewSettings, VolumeId, Window, WindowPreset,
    Work, recipe_names,
};
pub use gpu::{GpuViews, install as install_gpu};
pub use outbox::{Outbox, Request};
pub use shell::Shell;
