//! Panels and views. Reads the [`Session`], changes the [`ViewSettings`] directly, and asks for everything else through the
//! [`Outbox`]; opens no file and knows no tensor.

mod boxes;
pub mod commands;
mod document;
mod gpu;
pub mod i18n;
mod icons;
pub mod labelling;
pub mod measure;
mod outbox;
mod panels;
mod shell;
pub mod theme;
mod views;
mod widgets_gpu;

pub use boxes::{box_edges, box_section};
pub use document::{
    CardOf, Cine, ClassAgreement, Closing, CompareView, ComparisonReport, Cut, Drag, Drawing, Examination, FinetuneJob,
    FinetuneSetup, FinetuneState, HangingProtocol, Histogram, IncomingLabels, LabelFormat, LabelPreset, LabelStats,
    LabelStatsRow, LabelledData, Layout, Loading, Look, Made3d, Mix, Modality, ModelRow, ModelState, ModelsState,
    NamedWindow, Notice, OcclusionKey, OpenLabels, OpenVolume, OverlayVolume, Pane, PositionOverlay, Preferences,
    Preflight, PreflightAsked, PreflightReport, Previews, Proposing, Reading, ReferenceLabels, RunCurves, RunKind,
    RunSummary, RunsState, SaveLabelsAs, SegmentJob, SegmentState, SeriesChoice, SeriesRow, Session, Side, Split,
    SurfaceSet, Thumbnail, TimePoint, TimeSeries, Told, Tool, TrainedVolume, TrainingJob, TrainingSetup,
    TrainingSource, TrainingState, View3d, View3dRequest, ViewKind, ViewSettings, VolumeId, Window, WindowPreset, Work,
    numbers_only, presets_from_json, presets_to_json, recipe_names,
};
pub use gpu::{GpuViews, install as install_gpu};
pub use outbox::{Outbox, Request};
pub use shell::Shell;
pub use views::scene_of;
pub use widgets_gpu::install as install_widgets;
