use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a job to stop; the job looks at it once per step.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Stop as soon as you can.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What algorithms without this type look at.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// True once somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
