//! The position task's data: bodies in the recipe's grid, and batches of crops of them.
//!
//! Everything random in a batch follows from (seed, number of the batch): a run that was interrupted draws what it would have drawn.

mod batch;
mod body;

use rand::Rng;
use voco_volume::position::{Crop, PositionGrid};
use voco_volume::{FrameWindow, Preprocessed};

pub(crate) use batch::{Batch, BatchPlan};
pub(crate) use body::{Bodies, Body, INPUT_EDGE};

/// A window of the body for the frame, uniform over those there are.
pub fn draw_window(body: &Preprocessed, random: &mut impl Rng) -> FrameWindow {
    FrameWindow { start: draw_start(body.num_windows(), random) }
}

/// A random crop: x and y uniform, z fixed, as published.
pub fn draw_crop(grid: PositionGrid, random: &mut impl Rng) -> Crop {
    let max = grid.max_start();
    grid.crop_at(random.random_range(0..=max), random.random_range(0..=max))
}

fn draw_start(num_windows: [usize; 3], random: &mut impl Rng) -> [usize; 3] {
    num_windows.map(|n| random.random_range(0..n))
}
