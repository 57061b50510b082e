//! Parts that would become segments: each has a colour of its own while they are proposed.

use voco_label::{BRICK, BRICK_ROWS};
use voco_labelstore::{Document, Gesture};
use voco_volume::{LabelColors, LabelEntry, LabelTable};

use super::Proposal;

/// The numbers that the parts of a proposal are drawn with, one for each gesture: those of no segment. Empty for other proposals.
pub(super) fn ids(table: &LabelTable, proposal: &Proposal) -> Vec<u16> {
    let count = if proposal.apart.is_some() { proposal.gestures.len() } else { 0 };
    // Those of one byte, as the texture may have no more; segments have the low ones.
    let free: Vec<u16> = (1..=255).rev().filter(|id| table.get(*id).is_none()).take(count).collect();
    // With more parts than numbers, some look alike.
    free.iter().copied().cycle().take(count).collect()
}

/// A table with the colours of the parts, too.
pub(super) fn table(table: &LabelTable, proposal: Option<&Proposal>) -> LabelTable {
    let part = |id| LabelEntry { id, name: String::new(), color: LabelColors::Distinct.color(id), visible: true };
    let parts = proposal.map_or_else(Vec::new, |proposal| ids(table, proposal));
    LabelTable::from_entries(table.entries().iter().cloned().chain(parts.into_iter().map(part)))
}

/// Draws a part over one brick, 32³ numbers, i fastest.
pub(super) fn draw(document: &Document, gesture: &Gesture, id: u16, brick: usize, out: &mut [u16]) {
    if gesture.staged.brick(brick).is_empty() {
        return;
    }
    let Ok(bits) = document.preview(gesture, brick) else { return };
    for row in 0..BRICK_ROWS {
        let mut word = bits.row(row);
        while word != 0 {
            out[row * BRICK + word.trailing_zeros() as usize] = id;
            word &= word - 1;
        }
    }
}
