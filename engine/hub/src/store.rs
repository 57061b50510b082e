use std::path::{Path, PathBuf};

use crate::catalogue::{Model, catalogue};
use crate::error::HubError;
use crate::part::Part;

/// A folder of checkpoints under their published names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// Whether a model is in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing of it.
    Absent,
    /// So many bytes; the next fetch goes on from there.
    Partial {
        /// Bytes on the disk.
        bytes: u64,
    },
    /// All of it.
    Present {
        /// Bytes on the disk.
        bytes: u64,
    },
}

impl Store {
    /// The folder that `VOCO_MODELS_DIR` names, or else `models` in the user's data folder.
    ///
    /// # Errors
    /// [`HubError::NoFolder`] where a user has no data folder.
    pub fn from_env() -> Result<Self, HubError> {
        if let Some(folder) = std::env::var_os("VOCO_MODELS_DIR").filter(|folder| !folder.is_empty()) {
            return Ok(Self::at(folder));
        }
        let dirs = directories::ProjectDirs::from("", "", "voco-workbench").ok_or(HubError::NoFolder)?;
        Ok(Self::at(dirs.data_dir().join("models")))
    }

    /// This folder; it is made when something is fetched into it.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the checkpoints lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a model's file is or would be.
    pub fn path(&self, model: &Model) -> PathBuf {
        self.folder.join(&model.file)
    }

    /// Whether a model is there. A file has its name only once it was found right.
    pub fn presence(&self, model: &Model) -> Presence {
        let size = |path: &Path| path.metadata().ok().filter(std::fs::Metadata::is_file).map(|info| info.len());
        if let Some(bytes) = size(&self.path(model)) {
            return Presence::Present { bytes };
        }
        match size(&Part::path_in(&self.folder, &model.file)) {
            Some(bytes) if bytes > 0 => Presence::Partial { bytes },
            _ => Presence::Absent,
        }
    }
}

/// The file that a user means by the path or the name of a checkpoint: what exists under that path, or else the published model of
/// that name in the user's folder of models. Everything else comes back as it is. Fetches nothing.
///
/// # Errors
/// [`HubError::NotHere`] for a published model that was not fetched yet.
pub fn resolve(path: &Path) -> Result<PathBuf, HubError> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    let Some(model) = path.to_str().and_then(|name| catalogue().find(name)) else { return Ok(path.to_owned()) };
    let store = Store::from_env()?;
    match store.presence(model) {
        Presence::Present { .. } => Ok(store.path(model)),
        _ => Err(HubError::NotHere { name: model.name.clone(), bytes: model.bytes }),
    }
}
