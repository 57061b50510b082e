use std::sync::atomic::{AtomicBool, Ordering};

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

static HAS_WINDOW: AtomicBool = AtomicBool::new(false);

/// Lets the window's thread go first from now on: the threads that compute get a low priority, so that pictures stay smooth while
/// a network trains on all cores. Called once, before anything is computed, by a program that has a window.
///
/// Where the system does not allow it, nothing changes.
pub fn yield_to_window() {
    HAS_WINDOW.store(true, Ordering::Relaxed);
    rayon::ThreadPoolBuilder::new()
        .thread_name(|n| format!("compute-{n}"))
        .start_handler(|_| lower_beside_window())
        .build_global()
        // Somebody computed before: that pool stays as it is.
        .ok();
}

/// At the start of a thread that computes.
pub(crate) fn lower_beside_window() {
    if !HAS_WINDOW.load(Ordering::Relaxed) {
        return;
    }
    // Of 0 to 99; about "nice 6" where the system counts so: behind a window, and still ahead of idle work.
    if let Ok(value) = ThreadPriorityValue::try_from(35_u8) {
        // Refused: the thread stays as fast as it was.
        set_current_thread_priority(ThreadPriority::Crossplatform(value)).ok();
    }
}
