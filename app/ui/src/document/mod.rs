mod cine;
mod compare_view;
mod comparison;
mod finetune;
mod hanging;
mod label_history;
mod layout;
mod models;
mod preferences;
mod preflight;
mod runs;
mod segment;
mod session;
mod tool;
mod training;
mod view_settings;

pub use cine::Cine;
pub use compare_view::{CompareView, Mix, OverlayVolume};
pub use comparison::{ClassAgreement, ComparisonReport, ReferenceLabels};
pub use finetune::{FinetuneJob, FinetuneSetup, FinetuneState};
pub use hanging::HangingProtocol;
pub use label_history::LabelHistory;
pub(crate) use label_history::next_stamp;
pub use layout::{Layout, Pane, Side, Split};
pub use models::{ModelRow, ModelState, ModelsState};
pub use preferences::{Look, NamedWindow, Preferences};
pub use preflight::{Preflight, PreflightReport};
pub use runs::{RunCurves, RunSummary, RunsState};
pub use segment::{CardOf, SegmentJob, SegmentState};
pub use session::{
    LabelPreset, Loading, Notice, OpenLabels, OpenVolume, PositionOverlay, Session, VolumeId, Window, WindowPreset,
};
pub use tool::Tool;
pub use training::{Previews, TrainedVolume, TrainingJob, TrainingSetup, TrainingSource, TrainingState};
pub use view_settings::{Drag, Drawing, ViewKind, ViewSettings, Work};
