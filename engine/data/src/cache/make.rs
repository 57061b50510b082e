use std::path::{Path, PathBuf};

use voco_engine_api::CancelFlag;
use voco_io::{Control, LabelNames, OpenError};
use voco_volume::{PreprocessSpec, Stage, Volume, VolumeError, prepare_channels};
use xxhash_rust::xxh3::Xxh3;

use super::contents::{Contents, Stamp};
use super::sample::{Facts, Voxels};
use super::shelf::Key;
use super::{FORMAT, MIN_SIDE, SkipReason};
use crate::error::file_name;
use crate::{Case, LabelMap};

/// Most volumes of a file that are taken for channels.
const MAX_CHANNELS: usize = 16;

/// What a sample of the case is known by, and the stamps of its files from before they were read.
pub(super) fn key(
    contents: &Contents,
    case: &Case,
    spec: &PreprocessSpec,
    labels: Option<&LabelMap>,
) -> Result<(Key, Vec<(PathBuf, Stamp)>), SkipReason> {
    let label = case.label.iter().filter(|_| labels.is_some());
    let mut stamps = Vec::new();
    let mut hash = Xxh3::new();
    hash.update(&FORMAT.to_le_bytes());
    for (kind, path) in case.image.iter().map(|p| (b'i', p)).chain(label.map(|p| (b'l', p))) {
        for path in voco_io::files_of(path) {
            let (content, stamp) = contents.hash(&path).map_err(|e| {
                SkipReason::Unreadable(format!("{}: the file cannot be read ({})", file_name(&path), e.kind()))
            })?;
            hash.update(&[kind]);
            hash.update(&content.to_le_bytes());
            stamps.push((path, stamp));
        }
        hash.update(b";");
    }
    let spec = serde_json::to_vec(spec).map_err(|e| VolumeError::BadSpec(e.to_string()))?;
    hash.update(&spec);
    for (id, class) in labels.into_iter().flat_map(LabelMap::pairs) {
        hash.update(&[id.to_le_bytes(), class.to_le_bytes()].concat());
    }
    Ok((hash.digest128(), stamps))
}

/// Reads and preprocesses a case.
pub(super) fn sample(
    case: &Case,
    spec: &PreprocessSpec,
    labels: Option<&LabelMap>,
    cancel: &CancelFlag,
) -> Result<(Facts, Voxels), SkipReason> {
    let mut channels = Vec::new();
    for path in &case.image {
        read_channels(path, cancel, &mut channels)?;
    }
    let label = match (&case.label, labels) {
        (Some(path), Some(_)) => Some(read_label(path, cancel)?),
        _ => None,
    };
    let channels: Vec<&Volume> = channels.iter().collect();
    let is_cancelled = || cancel.is_cancelled();
    let mut body_dims = [0; 3];
    let prepared = prepare_channels(&channels, label.as_ref(), spec, &is_cancelled, &mut |stage, images, _| {
        if stage != Stage::Pad && stage != Stage::Resize {
            body_dims = images[0].dims();
        }
    });
    let prepared = prepared.map_err(|e| if e == VolumeError::Cancelled { SkipReason::Cancelled } else { e.into() })?;
    if body_dims.iter().any(|&n| n < MIN_SIDE) {
        return Err(SkipReason::TooSmall(body_dims));
    }
    Ok(Facts::of(prepared, labels))
}

fn read_channels(path: &Path, cancel: &CancelFlag, out: &mut Vec<Volume>) -> Result<(), SkipReason> {
    let is_cancelled = || cancel.is_cancelled();
    let control = Control { progress: &|_| {}, is_cancelled: &is_cancelled };
    let mut num_components = 0;
    voco_io::read_components(path, control, &mut |opened| {
        num_components = opened.num_components;
        out.push(opened.volume);
        num_components <= MAX_CHANNELS
    })
    .map_err(unreadable)?;
    if num_components > MAX_CHANNELS { Err(SkipReason::Channels(num_components)) } else { Ok(()) }
}

fn read_label(path: &Path, cancel: &CancelFlag) -> Result<Volume, SkipReason> {
    let is_cancelled = || cancel.is_cancelled();
    let control = Control { progress: &|_| {}, is_cancelled: &is_cancelled };
    let volume = voco_io::open(path, control).map_err(unreadable)?.volume;
    // Whole numbers that fit, or this is an image under a label map's name.
    let checked = voco_io::label_table(&volume, &LabelNames::new());
    checked.map_err(|e| SkipReason::Label(format!("{}: {e}", file_name(path))))?;
    Ok(volume)
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn unreadable(error: OpenError) -> SkipReason {
    if error.is_cancelled() { SkipReason::Cancelled } else { SkipReason::Unreadable(error.to_string()) }
}
