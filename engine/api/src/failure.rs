/// Why a job failed: a sentence, with what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineFailure {
    /// The data or the settings are not usable.
    #[error("{0}")]
    BadInput(String),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(String),
    /// A loss became NaN or infinite.
    #[error(
        "The loss became {value} at step {step}; lower the learning rate or lengthen the warm-up, and resume from the last checkpoint"
    )]
    Diverged {
        /// Step of the bad value.
        step: u64,
        /// NaN or infinity.
        value: f64,
    },
    /// A loss rose and did not come back.
    #[error(
        "The loss has been far above its usual {usual:.3} for a hundred steps, {value:.3} at step {step}; lower the learning rate, and \
         resume from an earlier checkpoint"
    )]
    LossRose {
        /// The last of those steps.
        step: u64,
        /// Its loss.
        value: f64,
        /// The running mean before.
        usual: f64,
    },
    /// No such device.
    #[error("{0}")]
    Device(String),
    /// A fault of the program; the job is over, the program goes on.
    #[error("The job ended by an error in the program ({0}); the last checkpoint is intact, please report this")]
    Internal(String),
}
