use std::path::Path;

use voco_engine_api::CancelFlag;
use voco_io::{Control, LabelNames, OpenError};
use voco_volume::{PreprocessSpec, Volume, VolumeError, prepare_channels};

use super::{SkipReason, StoredSample};
use crate::{Case, LabelMap};

/// Most volumes of a file that are taken for channels.
const MAX_CHANNELS: usize = 16;

/// Reads and preprocesses a case.
pub(super) fn sample(
    case: &Case,
    spec: &PreprocessSpec,
    labels: Option<&LabelMap>,
    cancel: &CancelFlag,
) -> Result<StoredSample, SkipReason> {
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
    let prepared = prepare_channels(&channels, label.as_ref(), spec, &is_cancelled, &mut |_, _, _| {});
    let prepared = prepared.map_err(|e| if e == VolumeError::Cancelled { SkipReason::Cancelled } else { e.into() })?;
    Ok(StoredSample::from_prepared(prepared, labels))
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
    checked.map_err(|e| SkipReason::Label(format!("{}: {e}", crate::error::file_name(path))))?;
    Ok(volume)
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn unreadable(error: OpenError) -> SkipReason {
    if error.is_cancelled() { SkipReason::Cancelled } else { SkipReason::Unreadable(error.to_string()) }
}
