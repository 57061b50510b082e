//! What the window and the engine thread say to each other: plain data, no tensors.
//!
//! Small things are queued ([`EngineCommand`], [`EngineEvent`]); the latest state of a big thing lies in a [`Slot`]; stopping is
//! a [`CancelFlag`], which works while the queues are full.

mod cancel;
mod command;
mod config;
mod device;
mod event;
mod failure;
mod preview;
mod recipe;
mod slot;

pub use cancel::CancelFlag;
pub use command::{DataItem, EngineCommand, JobId, JobSpec};
pub use config::{Model, PretrainConfig};
pub use device::{DeviceChoice, DeviceInfo};
pub use event::{EngineEvent, Outcome, Phase, PositionReport, RunEstimate, StepReport};
pub use failure::EngineFailure;
pub use preview::{CropPrediction, PositionPreview};
pub use recipe::{
    CropAugmentation, LossVersion, PositionTask, PretrainRecipe, RecipeGroup, RecipeLoss, RecipeTraining, read_toml,
};
pub use slot::Slot;
