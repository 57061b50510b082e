//! From the layers of a document to the one label map that a view draws.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;
use voco_label::{BRICK, BRICK_VOXELS, Brick, LabelError, VoxelBox};
use voco_labelstore::{Document, Gesture, LayerId, Segment, SegmentId, Target};
use voco_volume::{Geometry, LabelEntry, LabelTable, Rescale, Volume, Voxels};

/// Which number each segment is drawn and saved with: its own value, so that a file comes out with the numbers it came in with.
///
/// Only where segments of different layers have the same value, those of upper layers get a number that is free; it depends on
/// neither their place in the list nor on what is hidden. What is hidden leaves room for what lies below if there are several layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayIds {
    layers: Vec<LayerIds>,
    /// Of segments that are not drawn with their own value.
    renumbered: BTreeMap<SegmentId, u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LayerIds {
    layer: LayerId,
    /// By voxel value, 0 for what is not drawn; none if each value stands for itself.
    by_value: Option<Vec<u16>>,
}

/// What is on show of a document as one label map, made where it is asked for: on a task.
#[derive(Debug, Clone)]
pub struct FlatLabels {
    /// All layers.
    pub document: Arc<Document>,
    /// How they are numbered.
    pub ids: DisplayIds,
    /// What the numbers mean.
    pub table: LabelTable,
}

impl DisplayIds {
    /// Those of a document.
    pub fn of(document: &Document) -> Self {
        let mut layers = document.layers();
        let renumbered = renumbered(document);
        if layers.len() == 1 {
            let ids = layers.next().map(|layer| LayerIds { layer: layer.id, by_value: None });
            return Self { layers: ids.into_iter().collect(), renumbered };
        }
        let of_layer = |layer: LayerId| {
            let mut by_value = Vec::new();
            for segment in document.segments().iter().filter(|s| s.layer == layer && s.visible) {
                let value = usize::from(segment.value);
                by_value.resize(by_value.len().max(value + 1), 0);
                by_value[value] = renumbered.get(&segment.id).copied().unwrap_or(segment.value);
            }
            LayerIds { layer, by_value: Some(by_value) }
        };
        Self { layers: layers.map(|layer| of_layer(layer.id)).collect(), renumbered }
    }

    /// The number of a segment.
    pub fn id(&self, document: &Document, segment: SegmentId) -> Option<u16> {
        let own = document.segment(segment).ok()?.value;
        Some(self.renumbered.get(&segment).copied().unwrap_or(own))
    }

    /// How many segments have another number than their value.
    pub fn num_renumbered(&self) -> usize {
        self.renumbered.len()
    }

    /// The segment with a number.
    pub fn segment(&self, document: &Document, id: u16) -> Option<SegmentId> {
        if let Some((&found, _)) = self.renumbered.iter().find(|(_, number)| **number == id) {
            return Some(found);
        }
        let is_it = |s: &&Segment| s.value == id && !self.renumbered.contains_key(&s.id);
        document.segments().iter().find(is_it).map(|segment| segment.id)
    }

    /// Names, colours and visibility by number.
    pub fn table(&self, document: &Document) -> LabelTable {
        let entries = document.segments().iter().filter_map(|segment| {
            let id = self.id(document, segment.id)?;
            Some(LabelEntry { id, name: segment.name.clone(), color: segment.color, visible: segment.visible })
        });
        LabelTable::from_entries(entries)
    }

    /// The numbers in one brick, with gestures that are not committed yet. `out` is 32³, i fastest.
    pub(super) fn compose(&self, document: &Document, gestures: &[&Gesture], brick: usize, out: &mut [u16]) {
        let mut values = [0_u16; BRICK];
        let mut is_first = true;
        for ids in &self.layers {
            let Ok(volume) = document.layer(ids.layer) else { continue };
            let mut labels = volume.brick(brick).clone();
            for gesture in gestures {
                if let Some(value) = value_of(document, gesture, ids.layer)
                    && let Ok(bits) = document.preview_over(gesture, brick, &labels)
                {
                    labels = labels.written(&bits, value);
                }
            }
            if std::mem::take(&mut is_first) {
                labels.read(out);
                if let Some(by_value) = &ids.by_value {
                    for value in out.iter_mut() {
                        *value = by_value.get(usize::from(*value)).copied().unwrap_or(0);
                    }
                }
                continue;
            }
            let by_value = ids.by_value.as_deref().unwrap_or(&[]);
            if labels.values().iter().all(|&v| by_value.get(usize::from(v)).is_none_or(|&id| id == 0)) {
                continue;
            }
            for (row, out) in out.chunks_mut(BRICK).enumerate() {
                labels.read_row(row, &mut values);
                for (out, &value) in out.iter_mut().zip(&values) {
                    match by_value.get(usize::from(value)) {
                        Some(&id) if id != 0 => *out = id,
                        _ => {}
                    }
                }
            }
        }
    }

    /// The number at a voxel; 0 for background.
    pub fn at(&self, document: &Document, voxel: [usize; 3]) -> u16 {
        self.layers
            .iter()
            .rev()
            .find_map(|ids| {
                let value = document.layer(ids.layer).ok()?.get(voxel)?;
                let id = match &ids.by_value {
                    Some(by_value) => by_value.get(usize::from(value)).copied().unwrap_or(0),
                    None => value,
                };
                (id != 0).then_some(id)
            })
            .unwrap_or(0)
    }

    /// Bricks that are not all background.
    pub(super) fn filled_bricks(&self, document: &Document) -> Vec<u32> {
        let empty = Brick::Uniform(0);
        let layers: Vec<&[Brick]> =
            self.layers.iter().filter_map(|ids| Some(document.layer(ids.layer).ok()?.bricks())).collect();
        let count = layers.first().map_or(0, |bricks| bricks.len());
        (0..count as u32).filter(|&n| layers.iter().any(|bricks| bricks[n as usize] != empty)).collect()
    }
}

/// Free numbers for the segments whose value a lower layer has, too: the least ones, so that a file stays small.
fn renumbered(document: &Document) -> BTreeMap<SegmentId, u16> {
    let mut taken: BTreeSet<u16> = BTreeSet::new();
    let mut again: Vec<&Segment> = Vec::new();
    for layer in document.layers() {
        let mut own: Vec<&Segment> = document.segments().iter().filter(|s| s.layer == layer.id).collect();
        own.sort_by_key(|s| s.value);
        again.extend(own.into_iter().filter(|s| !taken.insert(s.value)));
    }
    // More segments than numbers are none that can be drawn apart.
    let free: Vec<u16> = (1..=u16::MAX).filter(|number| !taken.contains(number)).take(again.len()).collect();
    again.iter().zip(free).map(|(segment, number)| (segment.id, number)).collect()
}

/// The value that a gesture puts into a layer; none if it is about another one.
fn value_of(document: &Document, gesture: &Gesture, layer: LayerId) -> Option<u16> {
    match gesture.target {
        Target::Paint(id) => document.segment(id).ok().filter(|s| s.layer == layer).map(|s| s.value),
        Target::Erase(id) => document.segment(id).ok().filter(|s| s.layer == layer).map(|_| 0),
        Target::EraseAll(of) => (of == layer).then_some(0),
    }
}

impl FlatLabels {
    /// Where it lies.
    pub fn geometry(&self) -> &Geometry {
        self.document.geometry()
    }

    /// The label map with one number per voxel: bytes where they are enough.
    ///
    /// # Errors
    /// Too little memory.
    pub fn volume(&self) -> Result<Volume, LabelError> {
        let geometry = *self.document.geometry();
        let is_wide = self.table.entries().last().is_some_and(|entry| entry.id > 255);
        let voxels = if is_wide {
            Voxels::U16(self.values(|id| id)?.into())
        } else {
            // What has no name is no label.
            Voxels::U8(self.values(|id| u8::try_from(id).unwrap_or(0))?.into())
        };
        Volume::new(geometry, voxels, Rescale::IDENTITY)
            .map_err(|_e| LabelError::Count { needed: geometry.num_voxels(), given: 0 })
    }

    fn values<T: Copy + Default + Send + Sync>(&self, convert: impl Fn(u16) -> T + Sync) -> Result<Vec<T>, LabelError> {
        let dims = self.document.geometry().dims();
        let (slab, count) = (dims[0] * dims[1] * BRICK, dims.iter().product());
        let mut all: Vec<T> = Vec::new();
        all.try_reserve_exact(count).map_err(|_e| LabelError::Memory(count * size_of::<T>() / 1_000_000))?;
        all.resize(count, T::default());
        let Some(layer) = self.document.layers().next() else { return Ok(all) };
        let grid = self
            .document
            .layer(layer.id)
            .map_or_else(|_| voco_label::BrickGrid::new(dims), voco_label::LabelVolume::grid);
        let per_slab = grid.bricks()[0] * grid.bricks()[1];
        all.par_chunks_mut(slab).enumerate().for_each(|(n, slab)| {
            let mut brick = vec![0_u16; BRICK_VOXELS];
            for index in n * per_slab..(n + 1) * per_slab {
                self.ids.compose(&self.document, &[], index, &mut brick);
                let VoxelBox { min, max } = grid.voxels(index);
                for k in min[2]..max[2] {
                    for j in min[1]..max[1] {
                        let from = &brick[BRICK * (j - min[1] + BRICK * (k - min[2]))..][..max[0] - min[0]];
                        let to = &mut slab[min[0] + dims[0] * (j + dims[1] * (k - min[2]))..][..from.len()];
                        to.iter_mut().zip(from).for_each(|(to, &id)| *to = convert(id));
                    }
                }
            }
        });
        Ok(all)
    }
}
