//! Working memory that a thread keeps: fetching fresh pages from the system
//! for every layer would cost as much as the arithmetic of a small one.

use std::cell::RefCell;

thread_local! {
    static BUFFER: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with `len` numbers of any value.
///
/// Not to be nested: rayon may run another task in a thread that waits, so
/// `work` must not wait for tasks.
pub fn with<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        work(&mut buffer[..len])
    })
}
