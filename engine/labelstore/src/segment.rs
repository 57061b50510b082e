use serde::{Deserialize, Serialize};
use voco_volume::{Status, Terms};

/// Names a segment for as long as the document lives; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SegmentId(pub u32);

/// Names a layer for as long as the document lives; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayerId(pub u32);

/// A segment: a name for the voxels that have one value in one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Which one.
    pub id: SegmentId,
    /// The layer that holds its voxels.
    pub layer: LayerId,
    /// Their value there; never 0.
    pub value: u16,
    /// What a reader calls it.
    pub name: String,
    /// sRGB.
    pub color: [u8; 3],
    /// 0 to 255.
    pub opacity: u8,
    /// What it is in the terms of a terminology, if somebody chose them.
    #[serde(flatten)]
    pub terms: Terms,
    /// Drawn or not.
    pub visible: bool,
    /// Its voxels do not change.
    pub locked: bool,
    /// How far the work is.
    pub status: Status,
    /// What a reviewer wrote.
    #[serde(default)]
    pub comment: String,
}

/// A layer. Its segments do not overlap; those of different layers may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Which one.
    pub id: LayerId,
    /// What a reader calls it.
    pub name: String,
}

/// A colour for a voxel value; neighbouring values get hues far apart.
pub fn distinct_color(value: u16) -> [u8; 3] {
    let table = voco_volume::LabelTable::from_ids([value.max(1)], |_| None);
    table.entries().first().map_or([255, 0, 0], |entry| entry.color)
}
