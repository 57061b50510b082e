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
    ClassAgreement, ComparisonReport, LabelPreset, LeftDrag, Loading, ModelRow, ModelState, ModelsState, Notice,
    OpenLabels, OpenVolume, PositionOverlay, Previews, ReferenceLabels, RunCurves, RunSummary, RunsState, Session,
    TrainedVolume, TrainingJob, TrainingSetup, TrainingSource, TrainingState, ViewKind, ViewSettings, VolumeId, Window,
    WindowPreset,
};
pub use gpu::{GpuViews, install as install_gpu};
pub use outbox::{Outbox, Request};
pub use shell::Shell;
