use std::path::PathBuf;

use voco_engine_api::CancelFlag;

/// What a look at the data before a run found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PreflightReport {
    /// Volumes of the list or folder.
    pub volumes: usize,
    /// Those with a label map.
    pub labelled: usize,
    /// Persons they belong to.
    pub persons: usize,
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
    /// Seconds that the run will take, by its first steps on this machine.
    pub seconds: Option<f64>,
}

/// The pre-flight look as the panel holds it.
#[derive(Default)]
pub enum Preflight {
    /// Not asked for.
    #[default]
    None,
    /// Being looked at: of what, share done, and the way to stop it.
    Running(PathBuf, f32, u64, CancelFlag),
    /// What was found, and of what.
    Done(PathBuf, Box<PreflightReport>),
}

impl PreflightReport {
    /// One sentence on why the run cannot go well, if so.
    pub fn problem(&self) -> Option<String> {
        let too_large = |needed: Option<u64>, free: Option<u64>| needed.zip(free).is_some_and(|(n, f)| n > f);
        if self.volumes == 0 {
            Some("There are no volumes in it (.nii, .nii.gz or .hdr).".into())
        } else if self.refused.len() == self.volumes {
            Some("None of the volumes can be used.".into())
        } else if too_large(self.memory_bytes, self.free_memory_bytes) {
            Some("The run needs more memory than is free; choose a smaller network or fewer crops.".into())
        } else if too_large(Some(self.cache_bytes), self.free_disk_bytes) {
            Some("The preprocessed volumes do not fit on the disk.".into())
        } else {
            None
        }
    }
}
