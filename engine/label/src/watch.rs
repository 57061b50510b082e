use std::sync::atomic::{AtomicBool, Ordering};

use crate::LabelError;

/// How a long computation is watched from outside: a flag that ends it, and a place for its progress.
#[derive(Clone, Copy, Default)]
pub struct Watch<'a> {
    cancel: Option<&'a AtomicBool>,
    progress: Option<&'a (dyn Fn(f32) + Sync)>,
}

impl<'a> Watch<'a> {
    /// Nobody looks.
    pub const NONE: Self = Self { cancel: None, progress: None };

    /// Ends soon after `cancel` is set; calls `progress` with 0 to 1 now and then, from any thread.
    pub fn new(cancel: &'a AtomicBool, progress: &'a (dyn Fn(f32) + Sync)) -> Self {
        Self { cancel: Some(cancel), progress: Some(progress) }
    }

    /// Ends soon after `cancel` is set.
    pub fn cancelled_by(cancel: &'a AtomicBool) -> Self {
        Self { cancel: Some(cancel), progress: None }
    }

    /// Says how far the work is (0 to 1).
    ///
    /// # Errors
    /// [`LabelError::Cancelled`] if the flag is set.
    pub(crate) fn at(&self, done: f32) -> Result<(), LabelError> {
        if self.is_cancelled() {
            return Err(LabelError::Cancelled);
        }
        if let Some(progress) = self.progress {
            progress(done.clamp(0.0, 1.0));
        }
        Ok(())
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}
