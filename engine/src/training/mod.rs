//! What every training job needs besides its network: a run's folder, its log, the mean and the norm of gradients, a watch
//! over the loss, and what it needs of memory.

mod budget;
mod gradients;
mod run_folder;
mod run_log;
mod tensorboard;
mod watchdog;

pub(crate) use budget::{MemoryNeed, free_memory};
pub(crate) use gradients::GradientMean;
pub(crate) use run_folder::Best;
pub(crate) use run_folder::{Checkpoint, RunFolder, Snapshot, weights_path};
pub(crate) use run_log::RunLog;
pub(crate) use watchdog::{Watchdog, exact};

use voco_engine_api::EngineFailure;

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn cannot_save(error: std::io::Error) -> EngineFailure {
    // The kind only: some errors carry the whole path.
    EngineFailure::Io(format!("The run cannot be saved ({}); free disk space or choose another folder", error.kind()))
}
