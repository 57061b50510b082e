use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};

use super::{Batch, BatchPlan};
use crate::priority::lower_beside_window;

/// Draws the batches of the coming steps on a thread of its own, at most two ahead.
pub(crate) struct Loader {
    batches: Option<Receiver<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// Begins with the batch of `first_step`.
    pub fn start(plan: BatchPlan, first_step: u64) -> std::io::Result<Self> {
        let (sender, batches) = bounded(2);
        let thread = std::thread::Builder::new().name("loader-0".into()).spawn(move || {
            lower_beside_window();
            let mut step = first_step;
            while sender.send(plan.draw(step)).is_ok() {
                step += 1;
            }
        })?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// The next batch; `None` if the loader has died.
    pub fn next(&self) -> Option<Batch> {
        self.batches.as_ref()?.recv().ok()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Closing the channel ends the thread after the batch it is at.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
