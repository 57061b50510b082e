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
pub mod columns;
pub mod conv;
pub mod correlate;
mod heads;
pub mod lattice;
pub mod norm;
mod op;
mod scratch;
mod simd;
pub mod weight;
pub mod winograd;
pub mod winograd_weight;

use std::sync::atomic::{AtomicU8, Ordering};

/// How much of the kernels the process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Limit {
    /// burn's operators instead.
    Off,
    /// The vectors that every processor of the target has.
    Portable,
    /// AVX2 at most.
    Avx2,
    /// All that the processor has.
    None,
}

static LIMIT: AtomicU8 = AtomicU8::new(Limit::None as u8);

/// Limits all kernels of the process, to compare one way with another.
pub fn set_limit(limit: Limit) {
    LIMIT.store(limit as u8, Ordering::Relaxed);
}

fn may_use(limit: Limit) -> bool {
    LIMIT.load(Ordering::Relaxed) >= limit as u8
}
