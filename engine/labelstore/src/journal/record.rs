use serde::{Deserialize, Serialize};
use std::sync::Arc;
use voco_label::{Brick, BrickGrid, LabelVolume};
use voco_volume::Geometry;

use super::ImageKey;
use crate::document::State;
use crate::{AuditEvent, Change, LayerId, LayerInfo, Op, Provenance, Segment, StoreError};

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Head = 1,
    /// A change.
    Change = 2,
    /// An undo or redo.
    Event = 3,
    /// The whole state; what came before is not needed.
    Snapshot = 4,
    /// The audit trail up to the snapshot.
    Audit = 5,
    /// A change from before compaction that undo still has; its audit event is in the trail already.
    Kept = 6,
    /// How many of the past and kept changes are done.
    Cursor = 7,
    /// A change from before the snapshot, which holds it already: undo reads it when it gets there.
    Past = 8,
    /// The number of the last change that is done, when the journal was closed; only as the last record does it mean anything.
    End = 9,
}

impl Kind {
    pub(crate) fn of(byte: u8) -> Option<Self> {
        use Kind::{Audit, Change, Cursor, End, Event, Head, Kept, Past, Snapshot};
        let all = [Head, Change, Event, Snapshot, Audit, Kept, Cursor, Past, End];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// True if its record holds a change.
    pub(crate) fn has_change(self) -> bool {
        matches!(self, Self::Change | Self::Kept | Self::Past)
    }
}

/// The first record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub version: u32,
    pub image: String,
    pub dims: [usize; 3],
    /// Of the grid, as rows; for programs that read the file without the image.
    pub world_from_voxel: [[f64; 4]; 4],
}

/// The version that is written. From 2 on there are past changes, which a program for version 1 would not know.
const VERSION: u32 = 2;

/// What compaction writes.
#[derive(Debug)]
pub(crate) struct Base {
    /// Changes before the snapshot that can be undone, as the old file has them.
    pub past: Vec<u64>,
    /// Before the changes in `kept`.
    pub state: State,
    pub audit: Vec<AuditEvent>,
    pub kept: Vec<(Provenance, Arc<Change>)>,
    /// How many of `past` and `kept` are done.
    pub done: u64,
    pub next_change: u64,
}

/// A change as the file has it: bricks as the exclusive or of before and after.
#[derive(Debug)]
pub(crate) struct StoredChange {
    pub what: Provenance,
    pub ops: Vec<StoredOp>,
}

#[expect(clippy::large_enum_variant, reason = "a change has few parts")]
#[derive(Debug)]
pub(crate) enum StoredOp {
    Bricks {
        layer: LayerId,
        bricks: Vec<(u32, Brick)>,
    },
    /// A segment or layer.
    Other(Op),
}

/// A state as the file has it.
#[derive(Debug, Serialize, Deserialize)]
struct StateText {
    dims: [usize; 3],
    layers: Vec<LayerInfo>,
    segments: Vec<Segment>,
    next_segment: u32,
    next_layer: u32,
    next_change: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChangeText {
    what: Provenance,
    ops: Vec<OpText>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "a change has few parts")]
enum OpText {
    Bricks { layer: LayerId, count: u32 },
    Segment { index: usize, before: Option<Segment>, after: Option<Segment> },
    Layer { index: usize, before: Option<LayerInfo>, after: Option<LayerInfo> },
}

/// The part of a change that says what it was.
#[derive(Debug, Deserialize)]
pub(super) struct WhatText {
    pub what: Provenance,
}

/// A record that was read.
#[derive(Debug)]
pub(crate) enum Record {
    Head(Head),
    Change(StoredChange),
    Kept(StoredChange),
    Past(Provenance),
    Event(AuditEvent),
    Snapshot(Box<(State, u64)>),
    Audit(Vec<AuditEvent>),
    Cursor(u64),
    End,
}

impl Record {
    /// What was done, if it holds a change.
    pub(crate) fn what(&self) -> Option<&Provenance> {
        match self {
            Self::Change(stored) | Self::Kept(stored) => Some(&stored.what),
            Self::Past(what) => Some(what),
            _ => None,
        }
    }

    pub(crate) fn head(key: &ImageKey, geometry: &Geometry) -> Vec<u8> {
        let head = Head {
            version: VERSION,
            image: key.as_str().into(),
            dims: geometry.dims(),
            world_from_voxel: geometry.affine_rows(),
        };
        framed(Kind::Head, &json(&head))
    }

    pub(crate) fn change(kind: Kind, what: &Provenance, change: &Change) -> Vec<u8> {
        let mut blob = Vec::new();
        let mut text = ChangeText { what: what.clone(), ops: Vec::with_capacity(change.ops.len()) };
        for op in &change.ops {
            text.ops.push(match op.clone() {
                Op::Bricks { layer, bricks } => {
                    for brick in &bricks {
                        blob.extend(brick.index.to_le_bytes());
                        brick.before.xor(&brick.after).to_bytes(&mut blob);
                    }
                    OpText::Bricks { layer, count: bricks.len() as u32 }
                }
                Op::Segment { index, before, after } => OpText::Segment { index, before, after },
                Op::Layer { index, before, after } => OpText::Layer { index, before, after },
            });
        }
        framed(kind, &with_blob(&json(&text), &blob))
    }

    pub(crate) fn event(event: &AuditEvent) -> Vec<u8> {
        framed(Kind::Event, &json(event))
    }

    /// Of [`super::survey::END_BYTES`] bytes whatever the number, so that it is found from the end of the file.
    pub(crate) fn end(change: u64) -> Vec<u8> {
        framed(Kind::End, &change.to_le_bytes())
    }

    /// A record of a change under another kind.
    pub(crate) fn past(payload: &[u8]) -> Vec<u8> {
        framed(Kind::Past, payload)
    }

    /// Calls `write` with the records of a compacted journal that follow the head and the past changes; with the number of the
    /// change for those that hold one.
    pub(crate) fn base(
        base: &Base,
        mut write: impl FnMut(Option<u64>, &[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let audit = json(&base.audit);
        write(None, &framed(Kind::Audit, &with_blob(&[], &audit)))?;
        let state = &base.state;
        let text = StateText {
            dims: state.dims,
            layers: state.layers.iter().map(|l| l.0.clone()).collect(),
            segments: state.segments.clone(),
            next_segment: state.next_segment,
            next_layer: state.next_layer,
            next_change: base.next_change,
        };
        let mut blob = Vec::new();
        for (_, volume) in &state.layers {
            volume.bricks().iter().for_each(|brick| brick.to_bytes(&mut blob));
        }
        write(None, &framed(Kind::Snapshot, &with_blob(&json(&text), &blob)))?;
        for (what, change) in &base.kept {
            write(Some(what.change), &Self::change(Kind::Kept, what, change))?;
        }
        write(None, &framed(Kind::Cursor, &json(&base.done)))
    }

    pub(crate) fn decode(kind: Kind, payload: &[u8]) -> Result<Self, StoreError> {
        Ok(match kind {
            Kind::Head => {
                let head: Head = of_json(payload)?;
                if head.version > VERSION {
                    return Err(StoreError::BadJournal("a newer version of the program wrote it"));
                }
                Self::Head(head)
            }
            Kind::Change => Self::Change(StoredChange::decode(payload)?),
            Kind::Kept => Self::Kept(StoredChange::decode(payload)?),
            Kind::Event => Self::Event(of_json(payload)?),
            Kind::Snapshot => Self::Snapshot(Box::new(state_of(payload)?)),
            Kind::Audit => Self::Audit(of_json(&split_blob(payload)?.1)?),
            Kind::Cursor => Self::Cursor(of_json(payload)?),
            Kind::End => Self::End,
            // Its voxels are unpacked when it is undone.
            Kind::Past => Self::Past(of_json::<WhatText>(split_text(payload)?.0)?.what),
        })
    }
}

impl StoredChange {
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, StoreError> {
        let (text, blob) = split_blob(payload)?;
        let text: ChangeText = of_json(text)?;
        let mut rest = blob.as_slice();
        let mut ops = Vec::with_capacity(text.ops.len());
        for op in text.ops {
            ops.push(match op {
                OpText::Bricks { layer, count } => {
                    let mut bricks: Vec<(u32, Brick)> = Vec::new();
                    for _ in 0..count {
                        let (index, after) = rest.split_first_chunk::<4>().ok_or(DAMAGED)?;
                        rest = after;
                        let index = u32::from_le_bytes(*index);
                        if bricks.last().is_some_and(|last| last.0 >= index) {
                            return Err(DAMAGED);
                        }
                        bricks.push((index, Brick::from_bytes(&mut rest).ok_or(DAMAGED)?));
                    }
                    StoredOp::Bricks { layer, bricks }
                }
                OpText::Segment { index, before, after } => StoredOp::Other(Op::Segment { index, before, after }),
                OpText::Layer { index, before, after } => StoredOp::Other(Op::Layer { index, before, after }),
            });
        }
        Ok(Self { what: text.what, ops })
    }
}

const DAMAGED: StoreError = StoreError::BadJournal("a record holds something else than it should");

fn state_of(payload: &[u8]) -> Result<(State, u64), StoreError> {
    let (text, blob) = split_blob(payload)?;
    let text: StateText = of_json(text)?;
    let mut rest = blob.as_slice();
    let mut layers = Vec::with_capacity(text.layers.len());
    for info in text.layers {
        let mut volume = LabelVolume::empty(text.dims)?;
        for index in 0..BrickGrid::new(text.dims).count() {
            volume.replace_brick(index, Brick::from_bytes(&mut rest).ok_or(DAMAGED)?);
        }
        layers.push((info, volume));
    }
    let state = State {
        dims: text.dims,
        layers,
        segments: text.segments,
        next_segment: text.next_segment,
        next_layer: text.next_layer,
    };
    Ok((state, text.next_change))
}

/// Length, checksum, kind, payload.
fn framed(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + super::RECORD_HEAD);
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(checksum(kind as u8, payload).to_le_bytes());
    out.push(kind as u8);
    out.extend(payload);
    out
}

pub(crate) fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&(payload.len() as u32).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &[kind]), payload)
}

/// Text, then bytes that are compressed: length of the text, the text, length of the bytes, LZ4.
fn with_blob(text: &[u8], blob: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(blob);
    let mut out = Vec::with_capacity(text.len() + packed.len() + 12);
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text);
    out.extend((blob.len() as u64).to_le_bytes());
    out.extend(packed);
    out
}

fn split_text(payload: &[u8]) -> Result<(&[u8], &[u8]), StoreError> {
    let (length, rest) = payload.split_first_chunk::<4>().ok_or(DAMAGED)?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(DAMAGED)
}

fn split_blob(payload: &[u8]) -> Result<(&[u8], Vec<u8>), StoreError> {
    let (text, rest) = split_text(payload)?;
    let (length, packed) = rest.split_first_chunk::<8>().ok_or(DAMAGED)?;
    let length = u64::from_le_bytes(*length);
    // LZ4 packs no tighter than 1 to 255.
    if length > packed.len() as u64 * 256 + 64 {
        return Err(DAMAGED);
    }
    let blob = lz4_flex::block::decompress(packed, length as usize).map_err(|_bad| DAMAGED)?;
    Ok((text, blob))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // These types have string keys only and no maps, which is all that could fail.
    serde_json::to_vec(value).unwrap_or_default()
}

pub(super) fn of_json<T: for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|_bad| DAMAGED)
}
