//! Threads that make the coming items of a sequence.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use voco_engine_api::CancelFlag;

/// Makes numbered items on threads, ahead of whoever takes them, and hands them out in order.
///
/// What an item is depends on its number alone, so any number of threads gives the same sequence.
#[derive(Debug)]
pub struct Loader<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
    cancel: CancelFlag,
    started: Instant,
    waited: Duration,
}

/// How many threads, and how far ahead.
#[derive(Debug, Clone, Copy)]
pub struct LoaderOptions {
    /// Threads; at least one is started.
    pub workers: usize,
    /// Items that are made before they are asked for, those in work included; at least 1.
    pub prefetch: usize,
    /// Called first on each thread, e.g. to lower its priority beside a window.
    pub on_thread_start: fn(),
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self { workers: 1, prefetch: 2, on_thread_start: || {} }
    }
}

/// Why there is no next item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoaderError {
    /// The thread that made it panicked; the others go on.
    #[error("item {item} could not be loaded: {text}")]
    Panicked {
        /// Its number.
        item: u64,
        /// What the panic said.
        text: String,
    },
    /// A thread could not be started.
    #[error("no thread for loading could be started: {0}")]
    NoThread(String),
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// An item is there.
    made: Condvar,
    /// There is room for one more.
    room: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// Next to be made.
    ticket: u64,
    /// Next to be handed out.
    wanted: u64,
    end: u64,
    prefetch: u64,
    items: BTreeMap<u64, Result<T, LoaderError>>,
    stop: bool,
}

impl<T: Send + 'static> Loader<T> {
    /// Begins to make the items of `range` (an open end is `u64::MAX`). `make` gets a flag that is set when the loader is
    /// dropped, so that a long item can end early.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        range: Range<u64>,
        options: LoaderOptions,
        make: impl Fn(u64, &CancelFlag) -> T + Send + Sync + 'static,
    ) -> Result<Self, LoaderError> {
        let state = State {
            ticket: range.start,
            wanted: range.start,
            end: range.end,
            prefetch: options.prefetch.max(1) as u64,
            items: BTreeMap::new(),
            stop: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), made: Condvar::new(), room: Condvar::new() });
        let (make, cancel) = (Arc::new(make), CancelFlag::default());
        let mut loader = Self { shared, threads: Vec::new(), cancel, started: Instant::now(), waited: Duration::ZERO };
        for n in 0..options.workers.max(1) {
            let (shared, make, cancel) = (Arc::clone(&loader.shared), Arc::clone(&make), loader.cancel.clone());
            let work = move || {
                (options.on_thread_start)();
                shared.work(&*make, &cancel);
            };
            let thread = std::thread::Builder::new().name(format!("loader-{n}")).spawn(work);
            loader.threads.push(thread.map_err(|e| LoaderError::NoThread(e.to_string()))?);
        }
        Ok(loader)
    }

    /// Share of the time since the start, or since the last call of [`Self::restart_clock`], in which the taker waited.
    pub fn wait_share(&self) -> f64 {
        self.waited.as_secs_f64() / self.started.elapsed().as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Time that the taker waited.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Counts waiting from now on.
    pub fn restart_clock(&mut self) {
        self.started = Instant::now();
        self.waited = Duration::ZERO;
    }
}

impl<T: Send + 'static> Iterator for Loader<T> {
    type Item = Result<T, LoaderError>;

    /// The next item; waits for it. `None` after the last.
    fn next(&mut self) -> Option<Self::Item> {
        let began = Instant::now();
        let mut state = self.shared.state.lock();
        let number = state.wanted;
        if number >= state.end {
            return None;
        }
        let item = loop {
            if let Some(item) = state.items.remove(&number) {
                break item;
            }
            self.shared.made.wait(&mut state);
        };
        state.wanted += 1;
        drop(state);
        self.shared.room.notify_all();
        self.waited += began.elapsed();
        Some(item)
    }
}

impl<T> Shared<T> {
    fn work(&self, make: &(dyn Fn(u64, &CancelFlag) -> T + Send + Sync), cancel: &CancelFlag) {
        loop {
            let mut state = self.state.lock();
            while !state.stop && state.ticket < state.end && state.ticket - state.wanted >= state.prefetch {
                self.room.wait(&mut state);
            }
            if state.stop || state.ticket >= state.end {
                return;
            }
            let item = state.ticket;
            state.ticket += 1;
            drop(state);
            let made = catch_unwind(AssertUnwindSafe(|| make(item, cancel)))
                .map_err(|panic| LoaderError::Panicked { item, text: panic_text(panic.as_ref()) });
            self.state.lock().items.insert(item, made);
            self.made.notify_all();
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.shared.state.lock().stop = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // Its panics were caught and handed out.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn drawn(workers: usize) -> Vec<u64> {
        let options = LoaderOptions { workers, prefetch: 5, ..LoaderOptions::default() };
        let loader = Loader::start(3..40, options, |n, _| {
            std::thread::sleep(Duration::from_micros((40 - n) * 20));
            crate::rng(1, 2, n).random::<u64>()
        })
        .expect("threads");
        loader.map(|item| item.expect("made")).collect()
    }

    #[test]
    fn any_number_of_threads_gives_the_same_sequence() {
        let one = drawn(1);
        assert_eq!(one.len(), 37, "every item comes once");
        assert_eq!(one, drawn(4), "in the same order");
    }

    #[test]
    fn no_more_is_made_than_asked_for_and_dropping_ends_the_threads() {
        let made = Arc::new(Mutex::new(Vec::new()));
        let options = LoaderOptions { workers: 3, prefetch: 4, ..LoaderOptions::default() };
        let log = Arc::clone(&made);
        let mut loader = Loader::start(0..u64::MAX, options, move |n, _| log.lock().push(n)).expect("threads");
        for taken in 0..10 {
            loader.next().expect("endless").expect("made");
            let most = made.lock().iter().copied().max();
            assert!(most < Some(taken + 1 + 4), "at most four ahead of {taken}: {most:?}");
        }
        drop(loader);
        assert_eq!(Arc::strong_count(&made), 1, "no thread holds on to it");
    }

    #[test]
    fn a_panic_is_an_error_and_the_rest_goes_on() {
        let options = LoaderOptions { workers: 2, prefetch: 2, ..LoaderOptions::default() };
        let loader = Loader::start(0..4, options, |n, _| assert_ne!(n, 2, "two is bad")).expect("threads");
        let items: Vec<_> = loader.collect();
        assert_eq!(items.iter().filter(|i| i.is_ok()).count(), 3, "{items:?}");
        assert!(matches!(&items[2], Err(LoaderError::Panicked { item: 2, .. })), "{items:?}");
    }
}
