mod comparison;
mod finetune;
mod label_history;
mod labelled;
mod models;
mod preflight;
mod runs;
mod segment;
mod series;
mod session;
mod training;
mod view_settings;

pub use comparison::{ClassAgreement, ComparisonReport, ReferenceLabels};
pub use finetune::{FinetuneJob, FinetuneSetup, FinetuneState};
pub use label_history::LabelHistory;
pub use labelled::{LabelledData, recipe_names};
pub use models::{ModelRow, ModelState, ModelsState};
pub use preflight::{Preflight, PreflightAsked, PreflightReport};
pub use runs::{RunCurves, RunKind, RunSummary, RunsState};
pub use segment::{CardOf, SegmentJob, SegmentState};
pub use series::{SeriesChoice, SeriesRow, Thumbnail};
pub use session::{
    LabelPreset, Loading, NUMBERS_ONLY, Notice, OpenLabels, OpenVolume, PositionOverlay, Session, VolumeId, Window,
    WindowPreset,
};
pub use training::{Previews, TrainedVolume, TrainingJob, TrainingSetup, TrainingSource, TrainingState};
pub use view_settings::{LeftDrag, ViewKind, ViewSettings, Work};
