//! What the window and the engine thread say to each other: plain data, no tensors.
//!
//! Small things are queued ([`EngineCommand`], [`EngineEvent`]); the latest state of a big thing lies in a [`Slot`]; stopping is
//! a [`CancelFlag`], which works while the queues are full.

mod cancel;
mod card;
mod command;
mod config;
mod device;
mod event;
mod failure;
mod finetune;
mod omni;
mod preview;
mod recipe;
mod segment;
mod slot;
mod task;
mod tasks;

pub use cancel::CancelFlag;
pub use card::{CardClass, ModelCard, PatchMerging};
pub use command::{DataItem, EngineCommand, JobId, JobSpec};
pub use config::{Model, PretrainConfig};
pub use device::{Compute, DeviceChoice, DeviceInfo, Precision};
pub use event::{EngineEvent, Outcome, Phase, PositionReport, RunEstimate, StepReport};
pub use failure::EngineFailure;
pub use finetune::{FinetuneConfig, FinetuneReport, HoldoutChoice, SegmentationModel, ValidationReport};
pub use omni::{LabelledCrops, OmniKind, OmniRecipe, OmniReport, OmniRunConfig, OmniSize, OmniTraining, PseudoLabels};
pub use preview::{CropPrediction, PositionPreview};
pub use recipe::{
    CropAugmentation, LossVersion, PositionTask, PretrainRecipe, RecipeGroup, RecipeLoss, RecipeTraining, read_toml,
};
pub use segment::{BlendChoice, ClassVolume, LabelPatch, SegmentConfig, SegmentItem, SegmentReport, WithoutCard};
pub use slot::Slot;
pub use task::{DiceProtocol, Modality, Task, TaskAugmentation, TaskClass, TaskTraining, TaskValidation};
pub use tasks::{built_in_tasks, task_file, task_named};
