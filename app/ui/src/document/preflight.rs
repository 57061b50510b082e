use std::path::PathBuf;

use voco_engine_api::CancelFlag;

use super::{FinetuneSetup, TrainingSetup, TrainingSource};
use crate::i18n;

/// What is to be looked at: the settings of the run, as the panel has them.
#[derive(Debug, Clone, PartialEq)]
pub enum PreflightAsked {
    /// A fine-tuning.
    Finetune(Box<FinetuneSetup>),
    /// A pre-training, with labels or without.
    Training(Box<TrainingSetup>),
}

impl PreflightAsked {
    /// Folders and lists with labels, and without.
    fn data(&self) -> (Option<&PathBuf>, Option<&PathBuf>) {
        match self {
            Self::Finetune(setup) => (setup.data.as_ref(), None),
            Self::Training(setup) => {
                let folder = match &setup.source {
                    TrainingSource::Folder(path) => Some(path),
                    TrainingSource::OpenVolumes => None,
                };
                (setup.labelled.as_ref().and_then(|labelled| labelled.data.as_ref()), folder)
            }
        }
    }

    /// True if both are about the same volumes; their settings may differ.
    pub fn is_same_data(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.data() == other.data()
    }

    /// True if there is something to look at.
    pub fn has_data(&self) -> bool {
        self.data() != (None, None)
    }
}

/// What a look at the data before a run found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PreflightReport {
    /// Volumes of all lists and folders.
    pub volumes: usize,
    /// Those with a label map that is learned from.
    pub labelled: usize,
    /// Those that are learned from without labels.
    pub unlabelled: usize,
    /// Persons they belong to.
    pub persons: usize,
    /// Labelled volumes that are held out for validation; none if the run has no labels.
    pub held_out: Option<usize>,
    /// Volumes that cannot be used, with the reason.
    pub refused: Vec<String>,
    /// Classes of the task with the number of volumes they were found in, among those looked at.
    pub classes: Vec<(String, usize)>,
    /// Label ids that belong to no class of the task.
    pub unknown_ids: Vec<String>,
    /// Volumes whose label maps were read.
    pub looked_at: usize,
    /// Bytes that the preprocessed volumes will take on the disk.
    pub cache_bytes: u64,
    /// Bytes free where they go.
    pub free_disk_bytes: Option<u64>,
    /// Bytes of memory that the run will take.
    pub memory_bytes: Option<u64>,
    /// Bytes of memory that are free.
    pub free_memory_bytes: Option<u64>,
    /// Seconds that a step will take, by a trial on this machine.
    pub seconds_per_step: Option<f64>,
    /// Seconds that the run will take, validations included.
    pub seconds: Option<f64>,
    /// A job was computing, so that no step was computed on trial.
    pub is_busy: bool,
    /// Why the run cannot be: what its network or memory says.
    pub refusal: Option<String>,
}

/// The pre-flight look as the panel holds it.
#[derive(Default)]
pub enum Preflight {
    /// Not asked for.
    #[default]
    None,
    /// Being looked at: of what, share done, number of the task, and the way to stop it.
    Running(PreflightAsked, f32, u64, CancelFlag),
    /// What was found, and of what.
    Done(PreflightAsked, Box<PreflightReport>),
}

impl PreflightReport {
    /// One sentence on why the run cannot go well, if so.
    pub fn problem(&self) -> Option<String> {
        let too_large = |needed: Option<u64>, free: Option<u64>| needed.zip(free).is_some_and(|(n, f)| n > f);
        if self.volumes == 0 {
            Some(i18n::text("look-no-volumes").into())
        } else if self.refused.len() == self.volumes {
            Some(i18n::text("look-none-usable").into())
        } else if let Some(refusal) = &self.refusal {
            Some(refusal.clone())
        } else if too_large(self.memory_bytes, self.free_memory_bytes) {
            Some(i18n::text("look-too-little-memory").into())
        } else if too_large(Some(self.cache_bytes), self.free_disk_bytes) {
            Some(i18n::text("look-too-little-disk").into())
        } else {
            None
        }
    }
}
