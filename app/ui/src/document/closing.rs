use super::VolumeId;

/// What the user wants to close although something would be lost with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// A volume, or the program.
    pub volume: Option<VolumeId>,
    /// Volumes whose labels have changes that are in no file and no journal.
    pub labels: Vec<VolumeId>,
    /// Texts about jobs that would be stopped.
    pub jobs: Vec<&'static str>,
    /// The question was not shown yet.
    pub is_new: bool,
}
