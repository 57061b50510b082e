//! Freed memory, kept for the next layer.
//!
//! A map of a network at full resolution has hundreds of megabytes. By default
//! the C library of Linux fetches each such block from the system and returns it
//! at once; then the system clears every page of the next one, which takes as
//! long as the convolution that fills it takes for a quarter of its work.

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "settings of the C library's allocator are calls of C functions")
)]

/// Makes the process keep what it frees. For the main function, before it starts
/// threads: those that are already there keep memory of their own.
///
/// Does nothing elsewhere than on Linux with glibc.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: these calls only change settings, under the allocator's own lock.
    unsafe {
        // Large blocks come from the heap; the heap does not shrink; there is one for all threads.
        libc::mallopt(libc::M_MMAP_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives what is free back to the system: for the end of a job.
pub fn release_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call looks for free pages only, under the allocator's own lock.
    unsafe {
        libc::malloc_trim(0);
    }
}
