//! The engine thread: it alone owns tensors, and runs the jobs that use them.
//!
//! The window, or the command line, holds an [`EngineHandle`]: commands go in, events come out, both bounded. A panic inside a job
//! ends that job with a message; the thread goes on with the next.

mod data;
mod device;
mod handle;
mod jobs;
mod model_file;
mod position;
mod priority;
mod training;
mod worker;

pub use data::{draw_crop, draw_window};
pub use device::{devices, resolve as resolve_device};
pub use handle::EngineHandle;
pub use jobs::finetune::{RunLength, estimate_finetune, finetune_config};
pub use jobs::omni::{OmniLength, estimate_omni, omni_config};
pub use jobs::pretrain::{estimate_pretrain, run_config};
pub use model_file::{
    ConvertReport, Expectation, ModelInfo, ModelRun, PatchMerging, RunReport, WindowSettings, convert_model, run_model,
    show_model,
};
pub use position::{
    AnswerBatch, AnswerCrop, AnswerFrame, AnswerSummary, AskedCrops, PositionAnswer, PositionQuestion, predict_position,
};
pub use priority::yield_to_window;
pub use training::free_memory as free_memory_bytes;
