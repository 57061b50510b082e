use voco_label::LabelVolume;

use crate::journal::{StoredChange, StoredOp};
use crate::{BrickChange, Change, LayerId, LayerInfo, Op, Segment, SegmentId, StoreError};

/// What a document holds at one moment. A copy is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub dims: [usize; 3],
    pub layers: Vec<(LayerInfo, LabelVolume)>,
    pub segments: Vec<Segment>,
    pub next_segment: u32,
    pub next_layer: u32,
}

impl State {
    /// One empty layer.
    pub(crate) fn new(dims: [usize; 3]) -> Result<Self, StoreError> {
        let layer = LayerInfo { id: LayerId(1), name: "Labels".into() };
        let layers = vec![(layer, LabelVolume::empty(dims)?)];
        Ok(Self { dims, layers, segments: Vec::new(), next_segment: 1, next_layer: 2 })
    }

    pub(crate) fn layer(&self, id: LayerId) -> Result<&LabelVolume, StoreError> {
        self.layers.iter().find(|layer| layer.0.id == id).map(|layer| &layer.1).ok_or(StoreError::NoLayer(id))
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        change.ops.iter().for_each(|op| self.apply_op(op));
    }

    fn apply_op(&mut self, op: &Op) {
        match op {
            Op::Bricks { layer, bricks } => {
                if let Some((_, volume)) = self.layers.iter_mut().find(|l| l.0.id == *layer) {
                    for brick in bricks {
                        volume.replace_brick(brick.index as usize, brick.after.clone());
                    }
                }
            }
            Op::Segment { index, before, after } => {
                let at = before.as_ref().and_then(|b| self.segments.iter().position(|s| s.id == b.id));
                match (at, after) {
                    (Some(at), Some(after)) => self.segments[at] = after.clone(),
                    (Some(at), None) => drop(self.segments.remove(at)),
                    (None, Some(after)) => {
                        self.segments.insert((*index).min(self.segments.len()), after.clone());
                        self.next_segment = self.next_segment.max(after.id.0.saturating_add(1));
                    }
                    (None, None) => {}
                }
            }
            Op::Layer { index, before, after } => {
                let at = before.as_ref().and_then(|b| self.layers.iter().position(|l| l.0.id == b.id));
                match (at, after) {
                    (Some(at), Some(after)) => self.layers[at].0 = after.clone(),
                    (Some(at), None) => drop(self.layers.remove(at)),
                    (None, Some(after)) => {
                        // The dims were good for the first layer.
                        if let Ok(volume) = LabelVolume::empty(self.dims) {
                            self.layers.insert((*index).min(self.layers.len()), (after.clone(), volume));
                            self.next_layer = self.next_layer.max(after.id.0.saturating_add(1));
                        }
                    }
                    (None, None) => {}
                }
            }
        }
    }

    /// Does what the journal holds, or takes it back, and gives it as a change (in the sense of doing).
    pub(crate) fn apply_stored(&mut self, stored: &StoredChange, backwards: bool) -> Result<Change, StoreError> {
        let mut ops = Vec::with_capacity(stored.ops.len());
        let mut step = |op: &StoredOp| -> Result<(), StoreError> {
            let op = match op {
                StoredOp::Bricks { layer, bricks } => {
                    let volume = self.layer(*layer)?;
                    if bricks.last().is_some_and(|b| b.0 as usize >= volume.grid().count()) {
                        return Err(StoreError::BadJournal("it changes voxels that are not there"));
                    }
                    let resolve = |(index, xor): &(u32, voco_label::Brick)| {
                        let before = volume.brick(*index as usize).clone();
                        let after = before.xor(xor);
                        BrickChange { index: *index, before, after }
                    };
                    Op::Bricks { layer: *layer, bricks: bricks.iter().map(resolve).collect() }
                }
                StoredOp::Other(op) if backwards => Change { ops: vec![op.clone()] }.inverse().ops.remove(0),
                StoredOp::Other(op) => op.clone(),
            };
            self.apply_op(&op);
            ops.push(op);
            Ok(())
        };
        if backwards {
            stored.ops.iter().rev().try_for_each(&mut step)?;
            Ok(Change { ops }.inverse())
        } else {
            stored.ops.iter().try_for_each(&mut step)?;
            Ok(Change { ops })
        }
    }

    /// The lowest value of a layer that no segment has.
    pub(crate) fn free_value(&self, layer: LayerId) -> Result<u16, StoreError> {
        let mut taken: Vec<u16> = self.segments.iter().filter(|s| s.layer == layer).map(|s| s.value).collect();
        taken.sort_unstable();
        let mut free = 1_u16;
        for value in taken {
            if value == free {
                free = free.checked_add(1).ok_or(StoreError::LayerFull)?;
            }
        }
        Ok(free)
    }

    pub(crate) fn index_of(&self, id: SegmentId) -> Result<usize, StoreError> {
        self.segments.iter().position(|s| s.id == id).ok_or(StoreError::NoSegment(id))
    }
}
