//! Ends beside the window what takes its time to end: the writer of a label map does what waits and syncs its journal.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use parking_lot::Mutex;

/// How often somebody who waits looks whether he still should.
const LOOK: Duration = Duration::from_millis(50);

/// What is being closed.
#[derive(Default)]
pub(super) struct Closers {
    running: Mutex<Vec<(JoinHandle<()>, Receiver<()>)>>,
}

impl Closers {
    /// Drops something on a thread of its own.
    pub fn close<T: Send + 'static>(&self, thing: T) {
        let (done, ends) = bounded::<()>(0);
        let body = move || {
            drop(thing);
            // Who waits for the channel's end goes on now.
            drop(done);
        };
        // Without a thread it is dropped here, which only takes longer.
        let Ok(thread) = std::thread::Builder::new().name("label-closer".into()).spawn(body) else { return };
        let mut running = self.running.lock();
        running.retain(|(thread, _)| !thread.is_finished());
        running.push((thread, ends));
    }

    /// Waits for all that is being closed: its journals are locked until then. False if it was cancelled meanwhile.
    pub fn wait(&self, is_cancelled: &dyn Fn() -> bool) -> bool {
        let ends: Vec<Receiver<()>> = self.running.lock().iter().map(|(_, ends)| ends.clone()).collect();
        for end in ends {
            while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(LOOK) {
                if is_cancelled() {
                    return false;
                }
            }
        }
        true
    }

    /// Waits for all of it; the program ends after that.
    pub fn finish(&self) {
        for (thread, _) in self.running.lock().drain(..) {
            // A panic has been told.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    struct Slow(Arc<AtomicBool>);

    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(Duration::from_millis(300));
            self.0.store(true, Ordering::Release);
        }
    }

    #[test]
    fn closing_does_not_wait_and_whoever_waits_finds_it_closed() {
        let (closers, is_closed) = (Closers::default(), Arc::new(AtomicBool::new(false)));
        let begun = Instant::now();
        closers.close(Slow(Arc::clone(&is_closed)));
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
        assert!(!closers.wait(&|| true), "cancelled");
        assert!(!is_closed.load(Ordering::Acquire));
        assert!(closers.wait(&|| false));
        assert!(is_closed.load(Ordering::Acquire));
        let again = Arc::new(AtomicBool::new(false));
        closers.close(Slow(Arc::clone(&again)));
        closers.finish();
        assert!(again.load(Ordering::Acquire));
    }
}
