use serde::{Deserialize, Serialize};
use voco_volume::PreprocessSpec;

/// What a network was made for, and from what: it lies in the file of its weights (safetensors metadata `model_card`, as JSON).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Name of the network, e.g. `SwinUNETR`.
    pub architecture: String,
    /// Order of the patch merging; without meaning for networks that merge none.
    #[serde(default)]
    pub patch_merging: PatchMerging,
    /// The task's name.
    pub task: String,
    /// Classes from 1; 0 is the background.
    pub classes: Vec<CardClass>,
    /// Channels of the input.
    pub channels: usize,
    /// What is done to volumes.
    pub preprocess: PreprocessSpec,
    /// Edges of the window in voxels.
    pub roi: [usize; 3],
    /// Directions of the axes of the input.
    pub orientation: String,
    /// Cases it was trained on.
    pub trained_cases: usize,
    /// Optimiser steps of the training.
    pub steps: u64,
    /// Mean Dice over the classes on held-out persons, if there were any.
    pub validation_dice: Option<f64>,
    /// Licence of the weights, if it is known.
    pub licence: Option<String>,
    /// Name of the file that the training began with, if any.
    pub parent: Option<String>,
}

/// A class of a network's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardClass {
    /// The voxel value.
    pub id: u16,
    /// Its name.
    pub name: String,
}

impl CardClass {
    /// The class with a name, in whatever case.
    pub fn named<'a>(classes: &'a [Self], name: &str) -> Option<&'a Self> {
        classes.iter().find(|class| class.name.eq_ignore_ascii_case(name))
    }
}

/// Order in which a `SwinUNETR` merges patches. No weight tells which one it was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatchMerging {
    /// MONAI up to 1.4, and with it the published VoCo weights.
    #[default]
    Legacy,
    /// MONAI 1.5 and later.
    Fixed,
}

impl ModelCard {
    /// Names of all classes, background first, by id; ids without a class have none.
    pub fn class_names(&self) -> Vec<String> {
        let last = self.classes.iter().map(|c| c.id).max().unwrap_or(0);
        let name = |id: u16| self.classes.iter().find(|c| c.id == id).map(|c| c.name.clone());
        (0..=last).map(|id| if id == 0 { "background".into() } else { name(id).unwrap_or_default() }).collect()
    }
}
