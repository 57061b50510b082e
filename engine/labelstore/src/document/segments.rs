use rayon::prelude::*;
use voco_label::{Brick, BrickMask, MaskBrick};
use voco_volume::Terms;

use super::Document;
use crate::{
    BrickChange, Change, Committed, LayerId, Op, PresetEntry, Segment, SegmentId, Status, StoreError, change_name,
    distinct_color,
};

impl Document {
    /// Adds an empty segment with the next free value of a layer. `color` of `None` takes one that differs from the neighbours'.
    ///
    /// # Errors
    /// A layer that is not there or has no free value.
    pub fn add_segment(&mut self, layer: LayerId, name: &str, color: Option<[u8; 3]>) -> Result<SegmentId, StoreError> {
        let value = self.state.free_value(layer)?;
        self.add_segment_with_value(layer, value, name, color)
    }

    /// As [`Self::add_segment`] with a value of one's own.
    ///
    /// # Errors
    /// A layer that is not there, or a value that is 0 or taken.
    pub fn add_segment_with_value(
        &mut self,
        layer: LayerId,
        value: u16,
        name: &str,
        color: Option<[u8; 3]>,
    ) -> Result<SegmentId, StoreError> {
        self.layer(layer)?;
        if value == 0 || self.segment_at(layer, value).is_some() {
            return Err(StoreError::ValueTaken(value));
        }
        let id = SegmentId(self.state.next_segment);
        let segment = Segment {
            id,
            layer,
            value,
            name: name.into(),
            color: color.unwrap_or_else(|| distinct_color(value)),
            opacity: 255,
            terms: Terms::default(),
            visible: true,
            locked: false,
            status: Status::NotStarted,
            comment: String::new(),
        };
        let index = self.state.segments.len();
        let op = Op::Segment { index, before: None, after: Some(segment) };
        self.apply(&change_name("add", &[name]), "segments", vec![op], 0);
        Ok(id)
    }

    /// Adds those of a preset whose value the layer does not have yet, as one entry of the history; gives the new ones.
    ///
    /// # Errors
    /// A layer that is not there.
    pub fn add_preset(&mut self, layer: LayerId, entries: &[PresetEntry]) -> Result<Vec<SegmentId>, StoreError> {
        self.layer(layer)?;
        let outer = self.group.is_some();
        if !outer {
            self.begin_group(&change_name("add-preset", &[]), "segments");
        }
        let mut added = Vec::new();
        for entry in entries {
            if entry.value != 0 && self.segment_at(layer, entry.value).is_none() {
                let id = self.add_segment_with_value(layer, entry.value, &entry.name, entry.color)?;
                self.update_segment(id, "", |segment| {
                    segment.terms.clone_from(&entry.terms);
                    segment.comment.clone_from(&entry.comment);
                    (segment.visible, segment.opacity) = (entry.visible, entry.opacity);
                    (segment.locked, segment.status) = (entry.locked, entry.status);
                })?;
                added.push(id);
            }
        }
        if !outer {
            self.end_group();
        }
        Ok(added)
    }

    /// Changes name, colour, code, visibility, lock, status or comment of a segment; `name` is what the history calls that.
    /// Its id, layer and value stay as they are. Gives the number of the change, or `None` if nothing differs.
    ///
    /// # Errors
    /// If it is not there.
    pub fn update_segment(
        &mut self,
        id: SegmentId,
        name: &str,
        change: impl FnOnce(&mut Segment),
    ) -> Result<Option<u64>, StoreError> {
        let index = self.state.index_of(id)?;
        let before = self.state.segments[index].clone();
        let mut after = before.clone();
        change(&mut after);
        (after.id, after.layer, after.value) = (before.id, before.layer, before.value);
        if before == after {
            return Ok(None);
        }
        let op = Op::Segment { index, before: Some(before), after: Some(after) };
        Ok(self.apply(name, "segments", vec![op], 0))
    }

    /// Moves a segment to another place in the list.
    ///
    /// # Errors
    /// If it is not there.
    pub fn reorder_segment(&mut self, id: SegmentId, to: usize) -> Result<(), StoreError> {
        let index = self.state.index_of(id)?;
        let to = to.min(self.state.segments.len() - 1);
        if index != to {
            let segment = self.state.segments[index].clone();
            let name = change_name("move-in-list", &[&segment.name]);
            let out = Op::Segment { index, before: Some(segment.clone()), after: None };
            let back = Op::Segment { index: to, before: None, after: Some(segment) };
            self.apply(&name, "segments", vec![out, back], 0);
        }
        Ok(())
    }

    /// Removes a segment and its voxels.
    ///
    /// # Errors
    /// If it is not there or locked.
    pub fn remove_segment(&mut self, id: SegmentId) -> Result<(), StoreError> {
        let (index, segment) = self.unlocked(id)?;
        let (voxels, mut ops) = self.moved_out(&segment, 0);
        let name = change_name("delete", &[&segment.name]);
        ops.push(Op::Segment { index, before: Some(segment), after: None });
        self.apply(&name, "segments", ops, voxels);
        Ok(())
    }

    /// Gives the voxels of `others` to `into` and removes those segments. Locked voxels of the layer of `into` stay.
    ///
    /// # Errors
    /// If one is not there or locked.
    pub fn merge_segments(&mut self, into: SegmentId, others: &[SegmentId]) -> Result<Committed, StoreError> {
        let target = self.unlocked(into)?.1;
        let mut others: Vec<SegmentId> = others.iter().copied().filter(|&id| id != into).collect();
        others.sort_unstable();
        others.dedup();
        let sources = others.iter().map(|&id| Ok(self.unlocked(id)?.1)).collect::<Result<Vec<_>, StoreError>>()?;
        let kept: Vec<u16> =
            self.state.segments.iter().filter(|s| s.layer == target.layer && s.locked).map(|s| s.value).collect();
        let mut all = BrickMask::empty(self.geometry.dims())?;
        for source in &sources {
            all.unite(&self.layer(source.layer)?.select(&[source.value]))?;
        }
        // Step by step on a copy, whose bricks are shared: a brick may be changed by several sources.
        let (mut ops, mut done, mut state) = (Vec::new(), Committed::default(), self.state.clone());
        let volume = state.layer(target.layer)?;
        let grow = |&index: &u32| {
            let before = volume.brick(index as usize);
            let bits =
                all.brick(index as usize).without(&before.select(&[target.value])).without(&before.select(&kept));
            let change = || BrickChange { index, before: before.clone(), after: before.written(&bits, target.value) };
            (!bits.is_empty()).then(|| (bits.count(), change()))
        };
        let grown: Vec<_> = all.touched().par_iter().with_min_len(4).filter_map(grow).collect();
        done.voxels = grown.iter().map(|c| c.0).sum();
        done.bricks = grown.len();
        let mut steps = vec![Op::Bricks { layer: target.layer, bricks: grown.into_iter().map(|c| c.1).collect() }];
        for source in &sources {
            state.apply(&Change { ops: steps.clone() });
            ops.append(&mut steps);
            steps = bricks_without(&state, source, 0).1;
            steps.push(Op::Segment { index: state.index_of(source.id)?, before: Some(source.clone()), after: None });
        }
        ops.append(&mut steps);
        ops.retain(|op| !matches!(op, Op::Bricks { bricks, .. } if bricks.is_empty()));
        let names: Vec<&str> = sources.iter().map(|s| s.name.as_str()).collect();
        let name = change_name("merge", &[&names.join(", "), &target.name]);
        done.change = self.apply(&name, "segments", ops, done.voxels);
        Ok(done)
    }

    /// Puts a segment with its voxels on another layer, where it may overlap those that it was apart from. Voxels of the other
    /// layer that are taken by segments there stay with them. A layer that is empty then goes away in the same change.
    ///
    /// # Errors
    /// If it or the layer is not there, it is locked, or the layer has no free value.
    pub fn move_to_layer(&mut self, id: SegmentId, layer: LayerId) -> Result<Committed, StoreError> {
        let (index, segment) = self.unlocked(id)?;
        if segment.layer == layer {
            return Ok(Committed::default());
        }
        let to = self.layer(layer)?;
        let mut moved = segment.clone();
        moved.layer = layer;
        if self.segment_at(layer, segment.value).is_some() {
            moved.value = self.state.free_value(layer)?;
        }
        let from = self.layer(segment.layer)?;
        let copy = |index: usize| {
            let before = to.brick(index);
            let bits = from.brick(index).select(&[segment.value]).and(&before.select(&[0]));
            let change = || BrickChange {
                index: index as u32,
                before: before.clone(),
                after: before.written(&bits, moved.value),
            };
            (!bits.is_empty()).then(|| (bits.count(), change()))
        };
        let copied: Vec<_> = (0..to.grid().count()).into_par_iter().with_min_len(16).filter_map(copy).collect();
        let voxels = copied.iter().map(|c| c.0).sum();
        let bricks = copied.len();
        let mut ops = self.moved_out(&segment, 0).1;
        if bricks > 0 {
            ops.push(Op::Bricks { layer, bricks: copied.into_iter().map(|c| c.1).collect() });
        }
        let name = change_name("move-to-layer", &[&segment.name]);
        let old = self.emptied_without(&segment)?;
        ops.push(Op::Segment { index, before: Some(segment), after: Some(moved) });
        ops.extend(old);
        let change = self.apply(&name, "segments", ops, voxels);
        Ok(Committed { change, voxels, bricks })
    }

    fn unlocked(&self, id: SegmentId) -> Result<(usize, Segment), StoreError> {
        let index = self.state.index_of(id)?;
        let segment = self.state.segments[index].clone();
        if segment.locked { Err(StoreError::Locked(segment.name)) } else { Ok((index, segment)) }
    }

    /// Removes the layer of a segment if it has nothing else.
    fn emptied_without(&self, segment: &Segment) -> Result<Option<Op>, StoreError> {
        let has_others = self.state.segments.iter().any(|s| s.layer == segment.layer && s.id != segment.id);
        let is_other = |&(value, _): &(u16, u64)| value != 0 && value != segment.value;
        if has_others || self.layer(segment.layer)?.counts().iter().any(is_other) {
            return Ok(None);
        }
        let (index, info) = self.layer_info(segment.layer)?;
        Ok(Some(Op::Layer { index, before: Some(info), after: None }))
    }

    /// Gives another value to the voxels of a segment.
    fn moved_out(&self, segment: &Segment, value: u16) -> (u64, Vec<Op>) {
        bricks_without(&self.state, segment, value)
    }
}

fn bricks_without(state: &super::State, segment: &Segment, value: u16) -> (u64, Vec<Op>) {
    let Ok(volume) = state.layer(segment.layer) else { return (0, Vec::new()) };
    let clear = |(index, before): (usize, &Brick)| {
        let bits: MaskBrick = before.select(&[segment.value]);
        let change =
            || BrickChange { index: index as u32, before: before.clone(), after: before.written(&bits, value) };
        (!bits.is_empty()).then(|| (bits.count(), change()))
    };
    let found: Vec<_> = volume.bricks().par_iter().enumerate().with_min_len(16).filter_map(clear).collect();
    let voxels = found.iter().map(|c| c.0).sum();
    let bricks: Vec<BrickChange> = found.into_iter().map(|c| c.1).collect();
    if bricks.is_empty() { (0, Vec::new()) } else { (voxels, vec![Op::Bricks { layer: segment.layer, bricks }]) }
}
