use std::path::PathBuf;

use voco_volume::Volume;

use crate::{CancelFlag, PretrainConfig};

/// A job's number; never used twice in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// From the window (or the command line) to the engine.
#[derive(Debug, Clone)]
pub enum EngineCommand {
    /// Begin a job. One runs at a time; a second one waits its turn.
    Start {
        /// Its number.
        job: JobId,
        /// What to do.
        spec: JobSpec,
        /// To stop it by.
        cancel: CancelFlag,
    },
    /// Hold the job after the present step.
    Pause(JobId),
    /// Go on.
    Resume(JobId),
    /// Save now.
    Checkpoint(JobId),
    /// Save, end all jobs and the thread.
    Shutdown,
}

/// What a job is to do.
#[derive(Debug, Clone)]
pub enum JobSpec {
    /// VoCo pre-training.
    Pretrain {
        /// Numbers and choices, as they are saved with the run.
        config: Box<PretrainConfig>,
        /// The volumes.
        data: Vec<DataItem>,
        /// The run's folder.
        out: PathBuf,
        /// Go on from the run's last checkpoint.
        resume: bool,
        /// Start from these weights.
        init: Option<PathBuf>,
        /// Where preprocessed volumes are kept for the next time.
        cache: PathBuf,
    },
}

/// One volume to train on.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a run has a few of them; a volume is a few hundred bytes and an Arc")]
pub enum DataItem {
    /// To be read.
    File(PathBuf),
    /// A folder of volumes, or a list of them, to be looked through. Not to be mixed with the others.
    Source {
        /// A folder, an nnU-Net folder, or a JSON list.
        path: PathBuf,
        /// The recipe's group to which its volumes belong; none for the recipe's default.
        group: Option<String>,
    },
    /// Already open in the window.
    Open {
        /// As the window shows it.
        name: String,
        /// Its voxels.
        volume: Volume,
    },
}

impl DataItem {
    /// A short name without folders.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Source { path, .. } => {
                path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
            }
            Self::Open { name, .. } => name.clone(),
        }
    }
}
