use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use voco_volume::PreprocessSpec;

use crate::{DataItem, DeviceChoice, PatchMerging, Task};

/// How volumes are segmented.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentConfig {
    /// Files of weights. Several give the mean of their probabilities; they must have the same classes.
    pub checkpoints: Vec<PathBuf>,
    /// What takes the place of the model card, where a checkpoint has none.
    pub without_card: Option<WithoutCard>,
    /// Edges of the sliding window in voxels, if they are not to be the card's.
    pub roi: Option<[usize; 3]>,
    /// Share of a window that the next one covers again, at least 0 and below 1.
    pub overlap: f64,
    /// Weights of overlapping windows.
    pub blend: BlendChoice,
    /// Axes along which windows are also mirrored; the mean over all combinations counts.
    pub flips: [bool; 3],
    /// Writes the probabilities of all classes, too.
    pub probabilities: bool,
    /// Leaves windows out in which there is nothing but air; their voxels become background.
    pub skip_air: bool,
    /// For checkpoints without a card.
    pub patch_merging: PatchMerging,
    /// Where to compute.
    pub device: DeviceChoice,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self {
            checkpoints: Vec::new(),
            without_card: None,
            roi: None,
            overlap: 0.75,
            blend: BlendChoice::Constant,
            flips: [false; 3],
            probabilities: false,
            skip_air: true,
            patch_merging: PatchMerging::Legacy,
            device: DeviceChoice::Auto,
        }
    }
}

impl SegmentConfig {
    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        if self.checkpoints.is_empty() {
            Some("There is no checkpoint to segment with; choose one".into())
        } else if !(0.0..1.0).contains(&self.overlap) {
            Some("The overlap must be at least 0 and below 1".into())
        } else if self.roi.is_some_and(|roi| roi.iter().any(|edge| !(1..=1024).contains(edge))) {
            Some("The window's edges must be from 1 to 1024 voxels".into())
        } else {
            match &self.without_card {
                Some(WithoutCard::Task(task)) => task.problem(),
                Some(WithoutCard::Preprocess(spec)) => spec.problem(),
                None => None,
            }
        }
    }
}

/// What a checkpoint without a model card was trained for.
#[derive(Debug, Clone, PartialEq)]
pub enum WithoutCard {
    /// A task: classes, preprocessing and window.
    Task(Box<Task>),
    /// Preprocessing alone; classes are numbered.
    Preprocess(PreprocessSpec),
}

/// How overlapping windows are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlendChoice {
    /// All voxels of a window alike, as published.
    #[default]
    Constant,
    /// More in the middle of a window.
    Gaussian,
}

/// A volume to segment.
#[derive(Debug, Clone)]
pub struct SegmentItem {
    /// The volume.
    pub input: DataItem,
    /// The label map to write (`.nii` or `.nii.gz`); none for a result that is only shown. One that is there already is kept, and
    /// its volume is not segmented again.
    pub output: Option<PathBuf>,
}

/// A part of a label map has become known.
#[derive(Debug, Clone)]
pub struct LabelPatch {
    /// Place of the volume in the job's list.
    pub item: usize,
    /// First voxel, in the grid of the volume's file.
    pub start: [usize; 3],
    /// Voxels along i, j, k.
    pub size: [usize; 3],
    /// All labels of that box, i fastest.
    pub labels: Arc<[u16]>,
}

/// A volume is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentReport {
    /// Place of the volume in the job's list.
    #[serde(skip)]
    pub item: usize,
    /// Its name without folders.
    pub name: String,
    /// What was written.
    pub output: Option<PathBuf>,
    /// The file of probabilities, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilities: Option<PathBuf>,
    /// It was complete already and was left as it is.
    pub skipped: bool,
    /// From reading to the written file.
    pub seconds: f64,
    /// Windows computed, and windows left out because there was only air in them.
    pub windows: u64,
    /// Of those.
    pub windows_skipped: u64,
    /// Every class but the background.
    pub classes: Vec<ClassVolume>,
}

/// How much there is of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassVolume {
    /// The voxel value.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Voxels of the file's grid.
    pub voxels: u64,
    /// Millilitres.
    pub ml: f64,
}
