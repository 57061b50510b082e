use voco_label::BrickMask;

use crate::{LayerId, SegmentId};

/// Which voxels a change may touch, besides locked segments, which none does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What may be drawn over.
    pub draw_over: DrawOver,
    /// Only voxels whose real value (HU for CT) lies in this range, both ends included.
    pub range: Option<[f64; 2]>,
}

/// What may be drawn over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DrawOver {
    /// Everything.
    #[default]
    Everywhere,
    /// Voxels of the layer that belong to no segment.
    OnlyEmpty,
    /// Voxels inside of any of these segments, on whatever layer they lie.
    Inside(Vec<SegmentId>),
    /// Voxels outside of all of these segments, on whatever layer they lie.
    Outside(Vec<SegmentId>),
    /// Voxels of the layer that are empty or belong to a segment that is drawn.
    Visible,
}

/// What becomes of the voxels of a gesture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// They go to this segment.
    Paint(SegmentId),
    /// They leave this segment and belong to none.
    Erase(SegmentId),
    /// They leave any segment of this layer.
    EraseAll(LayerId),
}

/// Voxels that are collected while the hand moves, or that an algorithm proposes: a preview until it is committed.
/// Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Gesture {
    /// The voxels, before the rules.
    pub staged: BrickMask,
    /// What becomes of them.
    pub target: Target,
    /// Which of them may change.
    pub rules: Rules,
    /// What the history calls it, for example "Brush: liver".
    pub name: String,
    /// The tool, for the audit trail, for example `brush`.
    pub tool: String,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// Its number in the history; `None` if nothing differed, and nothing was recorded.
    pub change: Option<u64>,
    /// Voxels whose value differs.
    pub voxels: u64,
    /// Bricks that differ.
    pub bricks: usize,
}
