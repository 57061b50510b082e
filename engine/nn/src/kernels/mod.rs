//! Fast kernels for `f32` tensors in plain memory (`Device::flex()`).
//!
//! burn's operators stay the reference, and the path on every other device and
//! in every other number format: a function here says `None` where it does not
//! apply, and `crate::ops` then calls burn. Gradients are part of each kernel,
//! see [`op`].

#![expect(
    clippy::inline_always,
    reason = "code that is not inlined is not compiled for the vectors chosen at run time"
)]

pub mod attention;
pub mod conv;
pub mod correlate;
mod heads;
pub mod lattice;
pub mod norm;
mod op;
mod scratch;
mod simd;
pub mod weight;

use std::sync::atomic::{AtomicBool, Ordering};

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Switches all kernels of the process off or on again, to compare a whole
/// network with burn's operators.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}
