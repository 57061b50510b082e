mod cine;
mod compare_view;
mod comparison;
mod finetune;
mod hanging;
mod labelled;
mod layout;
mod models;
mod preferences;
mod preflight;
mod presets3d;
mod runs;
mod save_labels;
mod segment;
mod series;
mod session;
mod stamp;
mod times;
mod tool;
mod training;
mod view3d;
mod view_settings;

pub use cine::Cine;
pub use compare_view::{CompareView, Mix, OverlayVolume};
pub use comparison::{ClassAgreement, ComparisonReport, ReferenceLabels};
pub use finetune::{FinetuneJob, FinetuneSetup, FinetuneState};
pub use hanging::{Examination, HangingProtocol, Modality};
pub use labelled::{LabelledData, recipe_names};
pub use layout::{Layout, Pane, Side, Split};
pub use models::{ModelRow, ModelState, ModelsState};
pub use preferences::{Look, NamedWindow, Preferences};
pub use preflight::{Preflight, PreflightAsked, PreflightReport};
pub use presets3d::{presets_from_json, presets_to_json};
pub use runs::{RunCurves, RunKind, RunSummary, RunsState};
pub use save_labels::{LabelFormat, SaveLabelsAs};
pub use segment::{CardOf, SegmentJob, SegmentState};
pub use series::{SeriesChoice, SeriesRow, Thumbnail};
pub use session::{
    CopiedSlice, IncomingLabels, LabelPreset, LabelStats, LabelStatsRow, Loading, Notice, OpenLabels, OpenVolume,
    PositionOverlay, Proposing, Session, Told, VolumeId, Window, WindowPreset, numbers_only,
};
pub(crate) use stamp::next_stamp;
pub use times::{Reading, TimePoint, TimeSeries};
pub use tool::Tool;
pub use training::{Previews, TrainedVolume, TrainingJob, TrainingSetup, TrainingSource, TrainingState};
pub use view_settings::{Drag, Drawing, ViewKind, ViewSettings, Work};
pub(crate) use view3d::cube_faces;
pub use view3d::{Cut, Histogram, Made3d, OcclusionKey, SurfaceSet, View3d, View3dRequest};
