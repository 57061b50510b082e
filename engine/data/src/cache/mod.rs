//! Each case is preprocessed once; training reads crops of the result.

mod foreground;
mod make;
mod sample;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use voco_engine_api::CancelFlag;
use voco_volume::{PreprocessSpec, VolumeError};

use crate::{Case, DataError, LabelMap};

pub use foreground::VoxelDraw;
pub use sample::StoredSample;

/// Preprocessed samples in a folder, shared by all runs of this machine's user.
#[derive(Debug)]
pub struct SampleCache {
    folder: PathBuf,
    limit_bytes: u64,
}

/// A case that cannot be trained on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{id}: {reason}")]
pub struct Skipped {
    /// The case.
    pub id: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a case cannot be trained on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// A file of it cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Its image cannot be preprocessed.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Its label map is none.
    #[error("{0}")]
    Label(String),
    /// More channels than any task has.
    #[error("the file holds {0} volumes, which is a series over time and no set of channels; name one of them")]
    Channels(usize),
    /// The cache cannot be written.
    #[error("{0}")]
    Cache(String),
    /// Stopped from outside.
    #[error("cancelled")]
    Cancelled,
}

impl SampleCache {
    /// A cache in `folder`, which is made if it is not there, of at most `limit_bytes`.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: &Path, limit_bytes: u64) -> Result<Self, DataError> {
        std::fs::create_dir_all(folder).map_err(DataError::io(folder, "the folder of the cache cannot be made"))?;
        Ok(Self { folder: folder.to_owned(), limit_bytes })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Most bytes of finished samples on the disk.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// The sample of a case. With `labels` its label map is read, too; without, it is left alone.
    ///
    /// # Errors
    /// A case that cannot be used; its text names the case and no folder.
    pub fn get_or_prepare(
        &self,
        case: &Case,
        spec: &PreprocessSpec,
        labels: Option<&LabelMap>,
        cancel: &CancelFlag,
    ) -> Result<Arc<StoredSample>, Skipped> {
        make::sample(case, spec, labels, cancel).map(Arc::new).map_err(|reason| Skipped { id: case.id.clone(), reason })
    }
}
