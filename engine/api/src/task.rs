use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use voco_volume::{Intensity, PreprocessSpec};

use crate::read_toml;

/// A segmentation task: its classes, what is done to volumes, and how it is trained. Read from a TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// On the command line.
    pub name: String,
    /// For people.
    pub title: String,
    /// What the volumes are.
    pub modality: Modality,
    /// Channels of a volume.
    #[serde(default = "one")]
    pub channels: usize,
    /// What is done to volumes before a network sees them.
    pub preprocess: PreprocessSpec,
    /// Edges in voxels of the crops and of the sliding window.
    pub roi: [usize; 3],
    /// Class 1 first; class 0 is the background.
    pub classes: Vec<TaskClass>,
    /// Numbers of the training.
    pub training: TaskTraining,
    /// How held-out persons are measured.
    #[serde(default)]
    pub validation: TaskValidation,
}

/// How a network is measured on held-out persons while it is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskValidation {
    /// Share of a window that the next one covers again, at least 0 and below 1.
    pub overlap: f64,
    /// Rules for the Dice.
    pub protocol: DiceProtocol,
}

impl Default for TaskValidation {
    /// As published.
    fn default() -> Self {
        Self { overlap: 0.5, protocol: DiceProtocol::Monai }
    }
}

/// Whose rules say what the Dice of a class is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiceProtocol {
    /// A class that the reference lacks has none and counts in no mean.
    #[default]
    Monai,
    /// 1 where both lack a class, 0 where one does; some organs on the slices of the reference only.
    Flare,
}

/// What made a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Modality {
    /// Computed tomography: Hounsfield units.
    #[serde(rename = "CT")]
    Ct,
    /// Magnetic resonance: no unit.
    #[serde(rename = "MR")]
    Mr,
}

/// A class of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TaskClassText", into = "TaskClassText")]
pub struct TaskClass {
    /// Its name.
    pub name: String,
    /// Other names that data sets use for it. Order, case and punctuation of the words do not matter.
    pub also: Vec<String>,
}

/// As it stands in a file: a name alone, or a table.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum TaskClassText {
    Name(String),
    Class { name: String, also: Vec<String> },
}

/// Numbers of a task's training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskTraining {
    /// Times that each volume is drawn from.
    pub epochs: u64,
    /// Crops of a volume in one step.
    pub crops: usize,
    /// Greatest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Epochs of linear warm-up before the cosine.
    pub warmup_epochs: u64,
    /// Epochs between validations.
    pub validate_every: u64,
    /// Share of crops around a labelled voxel …
    pub positive: f64,
    /// … and around a background voxel in the body.
    pub negative: f64,
    /// Of the crops around a labelled voxel, as many around each class, however small it is. As published, a class has as many as
    /// it has voxels.
    #[serde(default)]
    pub balanced: bool,
    /// Random changes to crops.
    pub augment: TaskAugmentation,
}

/// Random changes to crops; a part that is left out does not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskAugmentation {
    /// Chance of a flip, for each axis.
    pub flip: f64,
    /// Chance of one to three quarter turns in the axial plane.
    pub quarter_turn: f64,
    /// Chance and greatest change of a factor on intensities.
    pub scale: [f64; 2],
    /// Chance and greatest size of an offset on intensities.
    pub shift: [f64; 2],
    /// Chance and size x of a change of scale, up to a factor of about e^x to both sides; the proportions change by a third of it.
    pub zoom: [f64; 2],
    /// Chance and greatest size of an offset ± x on the intensities of each class by itself, as contrast medium changes organs.
    pub contrast: [f64; 2],
    /// Chance and greatest standard deviation of noise.
    pub noise: [f64; 2],
    /// Chance that a crop is cut to a slab along z, as of a scan that ends there.
    pub short_scan: f64,
}

impl Task {
    /// Reads a task's file; `name` is the file's, for the message.
    ///
    /// # Errors
    /// One sentence: the file, the field, and what is wrong with it.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, String> {
        let task: Self =
            read_toml(name, text).map_err(|e| format!("{e}; 'voco tasks show btcv' prints a whole file"))?;
        match task.problem() {
            Some(problem) => Err(format!("{name}: {problem}")),
            None => Ok(task),
        }
    }

    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let names: BTreeSet<&str> = self.classes.iter().map(|c| c.name.as_str()).collect();
        let t = &self.training;
        let a = &t.augment;
        let pairs = [a.scale, a.shift, a.zoom, a.contrast, a.noise];
        let mut chances = [a.flip, a.quarter_turn, a.short_scan].into_iter().chain(pairs.map(|[chance, _]| chance));
        let is_length = |n: f64| n.is_finite() && n >= 0.0;
        if let Some(problem) = self.preprocess.problem() {
            Some(problem)
        } else if self.classes.is_empty() || self.classes.len() > 1000 || names.len() != self.classes.len() {
            Some("classes must be 1 to 1000 different names".into())
        } else if !(1..=64).contains(&self.channels) {
            Some("channels must be from 1 to 64".into())
        } else if self.roi.iter().any(|edge| !(8..=512).contains(edge)) {
            Some("roi must be three edges from 8 to 512 voxels".into())
        } else if self.preprocess.resize_to.is_some() {
            Some("resize_to stretches volumes, which a result could not be mapped back from; use spacing_mm".into())
        } else if t.epochs == 0 || t.crops == 0 || t.crops > 64 || t.validate_every == 0 {
            Some("epochs, crops (at most 64) and validate_every must be at least 1".into())
        } else if !(t.learning_rate > 0.0 && t.learning_rate.is_finite() && is_length(t.weight_decay)) {
            Some("learning_rate must be a number above 0, weight_decay one of at least 0".into())
        } else if !(is_length(t.positive) && is_length(t.negative) && t.positive + t.negative > 0.0) {
            Some("positive and negative must be shares of at least 0, not both 0".into())
        } else if chances.any(|c| !(0.0..=1.0).contains(&c))
            || pairs.iter().any(|[_, size]| !(0.0..=1.0).contains(size))
        {
            Some("augment: chances and sizes must be from 0 to 1".into())
        } else if !(0.0..0.95).contains(&self.validation.overlap) {
            Some("validation: overlap must be at least 0 and below 0.95".into())
        } else {
            None
        }
    }

    /// Names of all classes, background first.
    pub fn class_names(&self) -> Vec<String> {
        std::iter::once("background").chain(self.classes.iter().map(|c| c.name.as_str())).map(str::to_owned).collect()
    }

    /// The intensities that become 0 and 1, for tasks with a window.
    pub fn window(&self) -> Option<[f64; 2]> {
        match self.preprocess.intensity {
            Intensity::Window { low, high } => Some([low, high]),
            Intensity::ZScoreNonzero => None,
        }
    }
}

fn one() -> usize {
    1
}

impl From<TaskClassText> for TaskClass {
    fn from(text: TaskClassText) -> Self {
        match text {
            TaskClassText::Name(name) => Self { name, also: Vec::new() },
            TaskClassText::Class { name, also } => Self { name, also },
        }
    }
}

impl From<TaskClass> for TaskClassText {
    fn from(class: TaskClass) -> Self {
        if class.also.is_empty() { Self::Name(class.name) } else { Self::Class { name: class.name, also: class.also } }
    }
}
