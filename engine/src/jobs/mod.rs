pub(crate) mod finetune;
pub(crate) mod omni;
pub(crate) mod pretrain;
pub(crate) mod segment;

use voco_engine_api::{CancelFlag, EngineFailure, Phase};

use crate::worker::Outlet;

/// Long work in steps short enough that commands are read between them.
pub(crate) trait Job {
    /// The device, for people.
    fn device_name(&self) -> String;
    /// What it is busy with.
    fn phase(&self) -> Phase;
    /// One step.
    fn step(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<Step, EngineFailure>;
    /// Saves what it has.
    fn checkpoint(&mut self, outlet: &Outlet) -> Result<(), EngineFailure>;
}

/// Whether there is more to do.
pub(crate) enum Step {
    More,
    Done,
}
