use std::sync::atomic::{AtomicU64, Ordering};

/// A number greater than all before: tells which of several histories was added to last.
pub(crate) fn next_stamp() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
