//! What every training job needs besides its network: a run's folder, its log, the mean and the norm of gradients, a watch
//! over the loss, and what it needs of memory.

mod budget;
mod compute;
mod gradients;
mod pace;
mod run_folder;
mod run_log;
mod tensorboard;
mod watchdog;

pub use budget::free_memory;
pub(crate) use budget::{MemoryNeed, kept};
pub(crate) use compute::{MixedPrecision, format_of, precision};
pub(crate) use gradients::GradientMean;
pub(crate) use pace::Pace;
pub(crate) use run_folder::{Best, Checkpoint, RunFolder, Snapshot, weights_path, write_atomically};
pub(crate) use run_log::RunLog;
pub(crate) use watchdog::{Watchdog, exact};

use voco_engine_api::EngineFailure;
use voco_nn::NnError;

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn cannot_save(error: std::io::Error) -> EngineFailure {
    // The kind only: some errors carry the whole path.
    EngineFailure::Io(format!("The run cannot be saved ({}); free disk space or choose another folder", error.kind()))
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
pub(crate) fn bad_file(error: NnError) -> EngineFailure {
    EngineFailure::BadInput(format!("The checkpoint cannot be used: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
pub(crate) fn cannot_encode(error: NnError) -> EngineFailure {
    EngineFailure::Internal(format!("the checkpoint cannot be encoded: {error}"))
}
