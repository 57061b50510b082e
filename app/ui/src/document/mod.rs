mod models;
mod session;
mod training;
mod view_settings;

pub use models::{ModelRow, ModelState, ModelsState};
pub use session::{Loading, Notice, OpenLabels, OpenVolume, PositionOverlay, Session, VolumeId, Window, WindowPreset};
pub use training::{Previews, TrainedVolume, TrainingJob, TrainingSetup, TrainingSource, TrainingState};
pub use view_settings::{LeftDrag, ViewKind, ViewSettings};
