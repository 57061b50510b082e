use serde::{Deserialize, Serialize};

/// How far the work on a segment is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nobody has begun.
    #[default]
    NotStarted,
    /// Begun.
    InProgress,
    /// Done.
    Done,
    /// Somebody should look at it.
    Flagged,
}

/// What people said of a segment while they worked on it; files that have a place for it keep it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// How far the work is.
    pub status: Status,
    /// Its voxels do not change.
    pub locked: bool,
    /// It is not drawn.
    pub hidden: bool,
    /// What a reviewer wrote.
    pub comment: String,
}
