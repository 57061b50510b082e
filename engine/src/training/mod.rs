//! What every training job needs besides its network: a run's folder, its log, the mean and the norm of gradients, and a watch
//! over the loss.

mod gradients;
mod run_folder;
mod run_log;
mod tensorboard;
mod watchdog;

pub(crate) use gradients::GradientMean;
#[expect(unused_imports, reason = "for runs that are validated")]
pub(crate) use run_folder::Best;
pub(crate) use run_folder::{Checkpoint, RunFolder, Snapshot, weights_path};
pub(crate) use run_log::RunLog;
pub(crate) use watchdog::Watchdog;

use voco_engine_api::EngineFailure;

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn cannot_save(error: std::io::Error) -> EngineFailure {
    // The kind only: some errors carry the whole path.
    EngineFailure::Io(format!("The run cannot be saved ({}); free disk space or choose another folder", error.kind()))
}
