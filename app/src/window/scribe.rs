//! Writes the small texts that the window keeps, preferences and measurements: in order, the last one of each file, and none is
//! left out when the program ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

/// Writes a text to a file; a sentence if it cannot. The last argument says what it is, for people.
type Write = fn(&Path, &str, &str) -> Result<(), String>;

/// The thread `scribe`. Dropping it writes what waits.
pub(super) struct Scribe {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Default)]
struct Desk {
    /// By file: its text, and what it is.
    waiting: BTreeMap<PathBuf, (String, String)>,
    failures: Vec<String>,
    is_closing: bool,
}

impl Scribe {
    /// `wake` is called when something could not be written.
    pub fn new(write: Write, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let body = move || {
            while let Some((path, (text, what))) = theirs.next() {
                if let Err(failure) = write(&path, &text, &what) {
                    theirs.desk.lock().failures.push(failure);
                    wake();
                }
            }
        };
        let thread = std::thread::Builder::new().name("scribe".into()).spawn(body).ok();
        Self { shared, thread }
    }

    /// Queues a text; one that waits for the same file is forgotten.
    pub fn write(&self, path: PathBuf, text: String, what: String) {
        self.shared.desk.lock().waiting.insert(path, (text, what));
        self.shared.changed.notify_one();
    }

    /// What went wrong since the last call, a sentence each.
    pub fn failures(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.desk.lock().failures)
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.shared.desk.lock().is_closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic has been told.
            drop(thread.join());
        }
    }
}

impl Shared {
    /// Waits for the next text; none once the program ends and all is written.
    fn next(&self) -> Option<(PathBuf, (String, String))> {
        let mut desk = self.desk.lock();
        loop {
            if let Some(next) = desk.waiting.pop_first() {
                return Some(next);
            }
            if desk.is_closing {
                return None;
            }
            self.changed.wait(&mut desk);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_last_text_of_each_file_is_there_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let write: Write = |path, text, _| {
            // Slow, so that later texts wait.
            std::thread::sleep(std::time::Duration::from_millis(2));
            std::fs::write(path, text).map_err(|e| e.to_string())
        };
        let failed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&failed);
        let scribe = Scribe::new(
            write,
            Arc::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
            }),
        );
        for n in 0..100 {
            for file in ["a", "b"] {
                scribe.write(folder.path().join(file), format!("{file}{n}"), String::new());
            }
        }
        scribe.write(folder.path().join("none/such"), String::new(), String::new());
        drop(scribe);
        let read = |file| std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert_eq!([read("a"), read("b")], ["a99", "b99"]);
        assert_eq!(failed.load(Ordering::Relaxed), 1);
    }
}
