use voco_label::Brick;

use crate::{LayerId, LayerInfo, Segment};

/// What one entry of the history did; done backwards it is undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// In order.
    pub ops: Vec<Op>,
}

/// One part of a change.
#[expect(clippy::large_enum_variant, reason = "a change has few parts")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Voxels of a layer.
    Bricks {
        /// The layer.
        layer: LayerId,
        /// Its bricks that differ, ascending.
        bricks: Vec<BrickChange>,
    },
    /// A segment was added (no `before`), removed (no `after`) or changed.
    Segment {
        /// Its place in the list.
        index: usize,
        /// What it was.
        before: Option<Segment>,
        /// What it is.
        after: Option<Segment>,
    },
    /// A layer was added, removed (it is empty then) or renamed.
    Layer {
        /// Its place in the list.
        index: usize,
        /// What it was.
        before: Option<LayerInfo>,
        /// What it is.
        after: Option<LayerInfo>,
    },
}

/// A brick before and after; both share their memory with the layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrickChange {
    /// Which one.
    pub index: u32,
    /// What it was.
    pub before: Brick,
    /// What it is.
    pub after: Brick,
}

impl Change {
    /// The change that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self { ops: self.ops.iter().rev().map(Op::inverse).collect() }
    }

    /// Bytes of memory that only this change holds: the bricks as they were.
    pub fn num_bytes(&self) -> usize {
        let of_op = |op: &Op| match op {
            Op::Bricks { bricks, .. } => bricks.iter().map(|b| b.before.num_bytes() + size_of::<BrickChange>()).sum(),
            _ => 512,
        };
        self.ops.iter().map(of_op).sum::<usize>() + size_of::<Self>()
    }
}

impl Op {
    fn inverse(&self) -> Self {
        match self {
            Self::Bricks { layer, bricks } => {
                let swap =
                    |b: &BrickChange| BrickChange { index: b.index, before: b.after.clone(), after: b.before.clone() };
                Self::Bricks { layer: *layer, bricks: bricks.iter().map(swap).collect() }
            }
            Self::Segment { index, before, after } => {
                Self::Segment { index: *index, before: after.clone(), after: before.clone() }
            }
            Self::Layer { index, before, after } => {
                Self::Layer { index: *index, before: after.clone(), after: before.clone() }
            }
        }
    }
}
