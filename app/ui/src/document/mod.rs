mod comparison;
mod models;
mod runs;
mod session;
mod training;
mod view_settings;

pub use comparison::{ClassAgreement, ComparisonReport, ReferenceLabels};
pub use models::{ModelRow, ModelState, ModelsState};
pub use runs::{RunCurves, RunSummary, RunsState};
pub use session::{
    LabelPreset, Loading, Notice, OpenLabels, OpenVolume, PositionOverlay, Session, VolumeId, Window, WindowPreset,
};
pub use training::{Previews, TrainedVolume, TrainingJob, TrainingSetup, TrainingSource, TrainingState};
pub use view_settings::{LeftDrag, ViewKind, ViewSettings};
