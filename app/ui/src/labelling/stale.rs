use std::collections::BTreeMap;

use voco_label::{BRICK, BRICK_ROWS, MaskBrick};

/// Bricks whose picture is not up to date, each with the slices (along k, within the brick) that may differ.
#[derive(Debug, Default)]
pub(super) struct Stale(BTreeMap<u32, [usize; 2]>);

impl Stale {
    /// Whole bricks.
    pub(super) fn extend(&mut self, bricks: impl IntoIterator<Item = u32>) {
        self.0.extend(bricks.into_iter().map(|n| (n, [0, BRICK])));
    }

    /// What differs between two masks of a brick: a disc changes one slice of it, and most of a ball was there before.
    pub(super) fn add_changed(&mut self, brick: u32, before: &MaskBrick, after: &MaskBrick) {
        if before == after {
            return;
        }
        let differs = |row: &usize| before.row(*row) != after.row(*row);
        let first = (0..BRICK_ROWS).find(differs).unwrap_or(0) / BRICK;
        let end = (0..BRICK_ROWS).rev().find(differs).map_or(BRICK, |row| row / BRICK + 1);
        let slices = self.0.entry(brick).or_insert([first, end]);
        *slices = [slices[0].min(first), slices[1].max(end)];
    }

    pub(super) fn first(&self, most: usize) -> Vec<(u32, [usize; 2])> {
        self.0.iter().take(most).map(|(&n, &slices)| (n, slices)).collect()
    }

    pub(super) fn remove(&mut self, brick: u32) {
        self.0.remove(&brick);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
