//! From volumes to batches of crops.
//!
//! Everything random in a batch follows from (seed, step): a run that was interrupted draws what it would have drawn.

mod augment;
mod batch;
mod loader;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_volume::position::{Crop, PositionGrid};
use voco_volume::{FrameWindow, Preprocessed};

pub(crate) use batch::{Batch, BatchPlan, INPUT_EDGE, Prepared};
pub(crate) use loader::Loader;

/// Random numbers of their own for (seed, step, purpose).
pub(crate) fn rng(seed: u64, step: u64, purpose: u64) -> StdRng {
    let mut key = [0_u8; 32];
    for (n, word) in [seed, step, purpose, 0x566f_436f].into_iter().enumerate() {
        key[8 * n..8 * n + 8].copy_from_slice(&word.to_le_bytes());
    }
    StdRng::from_seed(key)
}

/// A window of the body for the frame, uniform over those there are.
pub fn draw_window(body: &Preprocessed, random: &mut impl Rng) -> FrameWindow {
    FrameWindow { start: body.num_windows().map(|n| random.random_range(0..n)) }
}

/// A random crop: x and y uniform, z fixed, as published.
pub fn draw_crop(grid: PositionGrid, random: &mut impl Rng) -> Crop {
    let max = grid.max_start();
    grid.crop_at(random.random_range(0..=max), random.random_range(0..=max))
}

/// Half of what is free, where the system tells: the rest is for the network and for everything else that runs.
pub(crate) fn memory_for_volumes() -> u64 {
    let free = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|l| l.starts_with("MemAvailable"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    free().map_or(u64::MAX, |kilobytes| kilobytes * 512)
}
