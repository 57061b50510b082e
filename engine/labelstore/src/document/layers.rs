use voco_label::{Brick, LabelVolume, MaskBrick};

use super::Document;
use crate::{BrickChange, LayerId, LayerInfo, Op, PresetEntry, Segment, SegmentId, Status, StoreError, change_name};

impl Document {
    /// Adds an empty layer on top.
    pub fn add_layer(&mut self, name: &str) -> LayerId {
        let id = LayerId(self.state.next_layer);
        let after = LayerInfo { id, name: name.into() };
        let op = Op::Layer { index: self.state.layers.len(), before: None, after: Some(after) };
        self.apply(&change_name("add-layer", &[name]), "layers", vec![op], 0);
        id
    }

    /// Renames a layer.
    ///
    /// # Errors
    /// If it is not there.
    pub fn rename_layer(&mut self, layer: LayerId, name: &str) -> Result<(), StoreError> {
        let (index, before) = self.layer_info(layer)?;
        if before.name != name {
            let (old, after) = (before.name.clone(), Some(LayerInfo { id: layer, name: name.into() }));
            let op = Op::Layer { index, before: Some(before), after };
            self.apply(&change_name("rename-layer", &[&old, name]), "layers", vec![op], 0);
        }
        Ok(())
    }

    /// Removes a layer with its segments.
    ///
    /// # Errors
    /// If it is not there, is the last one, or has a locked segment.
    pub fn remove_layer(&mut self, layer: LayerId) -> Result<(), StoreError> {
        let (index, info) = self.layer_info(layer)?;
        if self.state.layers.len() == 1 {
            return Err(StoreError::LastLayer);
        }
        if let Some(locked) = self.state.segments.iter().find(|s| s.layer == layer && s.locked) {
            return Err(StoreError::Locked(locked.name.clone()));
        }
        let empty = Brick::Uniform(0);
        let (mut bricks, mut voxels) = (Vec::new(), 0);
        for (index, before) in self.layer(layer)?.bricks().iter().enumerate().filter(|(_, b)| **b != empty) {
            before.for_each_count(|value, count| voxels += if value == 0 { 0 } else { count });
            bricks.push(BrickChange { index: index as u32, before: before.clone(), after: empty.clone() });
        }
        let mut ops = Vec::new();
        if !bricks.is_empty() {
            ops.push(Op::Bricks { layer, bricks });
        }
        // From the end, so that each comes back to its place when this is undone.
        for (index, segment) in self.state.segments.iter().enumerate().rev().filter(|(_, s)| s.layer == layer) {
            ops.push(Op::Segment { index, before: Some(segment.clone()), after: None });
        }
        let name = change_name("delete-layer", &[&info.name]);
        ops.push(Op::Layer { index, before: Some(info), after: None });
        self.apply(&name, "layers", ops, voxels);
        Ok(())
    }

    /// Adds a layer with the voxels of a label map, and a segment for each of its values, named after `entries` where they
    /// have the value. One entry of the history.
    ///
    /// # Errors
    /// A label map on another grid.
    pub fn import_layer(
        &mut self,
        name: &str,
        volume: &LabelVolume,
        entries: &[PresetEntry],
    ) -> Result<(LayerId, Vec<SegmentId>), StoreError> {
        if volume.dims() != self.geometry.dims() {
            return Err(StoreError::OtherImage(volume.dims(), self.geometry.dims()));
        }
        let outer = self.group.is_some();
        if !outer {
            self.begin_group(&change_name("open", &[name]), "import");
        }
        let layer = self.add_layer(name);
        let counts = volume.counts();
        let named = |value: u16| entries.iter().find(|e| e.value == value).cloned();
        let present: Vec<PresetEntry> = counts
            .iter()
            .map(|&(value, _)| named(value).unwrap_or_else(|| PresetEntry::new(value, &format!("Label {value}"))))
            .collect();
        let added = self.add_preset(layer, &present)?;
        let empty = Brick::Uniform(0);
        let filled = volume.bricks().iter().enumerate().filter(|(_, b)| **b != empty);
        let changes: Vec<(u64, BrickChange)> = filled
            .map(|(index, after)| {
                // What lies beyond the grid must be 0, whoever made the volume.
                let outside = MaskBrick::Full.without(&volume.grid().valid(index));
                let after = after.written(&outside, 0);
                (0, BrickChange { index: index as u32, before: empty.clone(), after })
            })
            .collect();
        self.write(name, "import", vec![(layer, changes)]);
        if let Some(group) = &mut self.group {
            group.voxels += counts.iter().filter(|c| c.0 != 0).map(|c| c.1).sum::<u64>();
        }
        if !outer {
            self.end_group();
        }
        Ok((layer, added))
    }

    /// Layers of labels beside all that there is, as one entry of the history called `name`; the layers are called `title`.
    ///
    /// # Errors
    /// As [`Self::import_layer`].
    pub fn add_layers(
        &mut self,
        name: &str,
        title: &str,
        layers: &[(LabelVolume, Vec<PresetEntry>)],
    ) -> Result<(), StoreError> {
        self.begin_group(name, "import");
        self.import_layers(|n| if layers.len() == 1 { title.to_owned() } else { format!("{title} {n}") }, layers)?;
        self.end_group();
        Ok(())
    }

    fn import_layers(
        &mut self,
        title: impl Fn(usize) -> String,
        layers: &[(LabelVolume, Vec<PresetEntry>)],
    ) -> Result<(), StoreError> {
        for (n, (volume, entries)) in (1..).zip(layers) {
            let (layer, _) = self.import_layer(&title(n), volume, entries)?;
            let missing: Vec<PresetEntry> =
                entries.iter().filter(|e| self.segment_at(layer, e.value).is_none()).cloned().collect();
            self.add_preset(layer, &missing)?;
        }
        Ok(())
    }

    /// Layers of labels in place of all that there is, locked segments included, as one entry of the history: what opening a file does.
    ///
    /// # Errors
    /// As [`Self::import_layer`].
    pub fn replace_with(
        &mut self,
        name: &str,
        tool: &str,
        layers: &[(LabelVolume, Vec<PresetEntry>)],
    ) -> Result<(), StoreError> {
        self.begin_group(name, tool);
        let old: Vec<LayerId> = self.layers().map(|layer| layer.id).collect();
        let title = |n: usize| if layers.len() == 1 { "Labels".to_owned() } else { format!("Layer {n}") };
        self.import_layers(title, layers)?;
        let locked: Vec<SegmentId> =
            self.segments().iter().filter(|s| old.contains(&s.layer) && s.locked).map(|s| s.id).collect();
        for id in locked {
            self.update_segment(id, "", |segment| segment.locked = false)?;
        }
        for id in old {
            self.remove_layer(id)?;
        }
        self.end_group();
        Ok(())
    }

    /// Layers of labels over all that there is, as one entry of the history: the segments of before keep their voxels and are hidden.
    ///
    /// # Errors
    /// As [`Self::import_layer`].
    pub fn cover_with(
        &mut self,
        name: &str,
        tool: &str,
        title: &str,
        layers: &[(LabelVolume, Vec<PresetEntry>)],
    ) -> Result<(), StoreError> {
        self.begin_group(name, tool);
        for id in self.segments().iter().map(|s| s.id).collect::<Vec<_>>() {
            self.update_segment(id, "", |segment| segment.visible = false)?;
        }
        self.import_layers(|n| if layers.len() == 1 { title.to_owned() } else { format!("{title} {n}") }, layers)?;
        self.end_group();
        Ok(())
    }

    /// True if no voxel has a label, and nobody has locked, judged or commented on a segment: then nothing is lost with it.
    pub fn is_blank(&self) -> bool {
        let empty = Brick::Uniform(0);
        let is_fresh = |s: &Segment| !s.locked && s.status == Status::NotStarted && s.comment.is_empty();
        self.state.layers.iter().all(|layer| layer.1.bricks().iter().all(|brick| *brick == empty))
            && self.segments().iter().all(is_fresh)
    }

    /// True if its layers have these voxels, and the segments in them these names. Files have `_` where people have blanks.
    pub fn holds(&self, layers: &[(LabelVolume, Vec<PresetEntry>)]) -> bool {
        let readable = |name: &str| name.replace('_', " ");
        let is_named = |layer: LayerId, entry: &PresetEntry| {
            self.segment_at(layer, entry.value).is_some_and(|s| readable(&s.name) == readable(&entry.name))
        };
        self.state.layers.len() == layers.len()
            && self.state.layers.iter().zip(layers).all(|((info, own), (other, entries))| {
                entries.iter().all(|entry| is_named(info.id, entry)) && own == other
            })
    }

    pub(super) fn layer_info(&self, layer: LayerId) -> Result<(usize, LayerInfo), StoreError> {
        let index = self.state.layers.iter().position(|l| l.0.id == layer).ok_or(StoreError::NoLayer(layer))?;
        Ok((index, self.state.layers[index].0.clone()))
    }
}
