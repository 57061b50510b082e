use serde::{Deserialize, Serialize};

use crate::recipe::{file_named, read_checked};
use crate::{EngineFailure, FinetuneConfig, PretrainRecipe, SegmentationModel, Task};

/// A recipe that trains a whole network on labels: alone, with what a frozen snapshot of itself says of unlabelled volumes, or with
/// the contrast of volumes besides. Read from a TOML file that people edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OmniRecipe {
    /// Which of the three.
    pub kind: OmniKind,
    /// On the command line.
    pub name: String,
    /// For people.
    pub about: String,
    /// The recipe of the contrast, for the omni-supervised training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast: Option<String>,
    /// Name or file of the task: classes and preprocessing of labelled volumes.
    pub task: String,
    /// Crops of labelled volumes.
    pub labelled: LabelledCrops,
    /// What the network's own past teaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudo: Option<PseudoLabels>,
    /// Numbers of the training.
    pub training: OmniTraining,
    /// Numbers that depend on the size of the network.
    #[serde(rename = "size")]
    pub sizes: Vec<OmniSize>,
}

/// How much is learned without labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OmniKind {
    /// Nothing.
    Supervised,
    /// What a frozen snapshot says of unlabelled crops.
    Semi,
    /// That, and the contrast of volumes.
    Omni,
}

/// Crops of labelled volumes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledCrops {
    /// Edges in voxels.
    pub roi: [usize; 3],
    /// Share of crops around a labelled voxel …
    pub positive: f64,
    /// … and around a background voxel in the body.
    pub negative: f64,
}

/// A frozen snapshot of the network as the teacher of unlabelled crops.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PseudoLabels {
    /// Share of the steps after which the snapshot is taken.
    pub from_share: f64,
    /// Factor of its loss.
    pub weight: f64,
}

/// Numbers of the training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OmniTraining {
    /// Greatest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// `AdamW` with `AMSGrad`.
    pub amsgrad: bool,
    /// Steps of linear warm-up before the cosine.
    pub warmup_steps: u64,
    /// Greatest common norm of the gradients; none leaves them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
}

/// Numbers that depend on the size of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OmniSize {
    /// For these networks.
    pub models: Vec<SegmentationModel>,
    /// Unlabelled volumes in a step.
    #[serde(default = "one")]
    pub volumes: usize,
    /// Labelled volumes in a step.
    #[serde(default = "one")]
    pub labelled_volumes: usize,
    /// Crops of each volume, labelled or not.
    pub crops: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Steps of warm-up in place of those of `[training]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u64>,
}

fn one() -> usize {
    1
}

/// The files that come with the program, by name.
const BUILT_IN: [(&str, &str); 3] = [
    ("supervised", include_str!("../../../assets/recipes/supervised.toml")),
    ("semi", include_str!("../../../assets/recipes/semi.toml")),
    ("omni", include_str!("../../../assets/recipes/omni.toml")),
];

impl OmniRecipe {
    /// Names of the recipes that come with the program.
    pub fn names() -> [&'static str; 3] {
        BUILT_IN.map(|(name, _)| name)
    }

    /// The file of a recipe that comes with the program.
    pub fn built_in_text(name: &str) -> Option<&'static str> {
        file_named(&BUILT_IN, name)
    }

    /// A recipe that comes with the program.
    pub fn built_in(name: &str) -> Option<Self> {
        // A test goes through all of them.
        Self::built_in_text(name).and_then(|text| Self::from_toml(name, text).ok())
    }

    /// Reads a recipe's file; `file` is its name, for the message.
    ///
    /// # Errors
    /// One sentence: the file, the line, and what is wrong with it.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, String> {
        read_checked(file, text, Self::problem)
    }

    /// The recipe as a file, without comments.
    ///
    /// # Errors
    /// None for a recipe that was read.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|e| e.to_string())
    }

    /// The numbers for a network: those given for it, else the first.
    fn size(&self, model: SegmentationModel) -> Option<&OmniSize> {
        self.sizes.iter().find(|size| size.models.contains(&model)).or(self.sizes.first())
    }

    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let t = &self.training;
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let is_weight = |weight: f64| weight.is_finite() && weight >= 0.0;
        let (positive, negative) = (self.labelled.positive, self.labelled.negative);
        if (self.kind == OmniKind::Omni) != self.contrast.is_some() {
            Some("contrast belongs to the kind omni, and to no other".into())
        } else if (self.kind == OmniKind::Supervised) == self.pseudo.is_some() {
            Some("[pseudo] belongs to the kinds semi and omni".into())
        } else if self.pseudo.is_some_and(|p| !(is_share(p.from_share) && is_weight(p.weight))) {
            Some("pseudo: from_share must be from 0 to 1, weight at least 0".into())
        } else if self.labelled.roi.iter().any(|edge| !(8..=512).contains(edge)) {
            Some("labelled: roi must be three edges from 8 to 512 voxels".into())
        } else if !(is_weight(positive) && is_weight(negative) && positive + negative > 0.0) {
            Some("labelled: positive and negative must be shares of at least 0, not both 0".into())
        } else if !(t.learning_rate > 0.0 && t.learning_rate.is_finite() && is_weight(t.weight_decay)) {
            Some("training: learning_rate must be a number above 0, weight_decay one of at least 0".into())
        } else if t.checkpoint_every == 0 || t.validate_every == 0 {
            Some("training: steps between checkpoints and validations must be at least 1".into())
        } else if self.sizes.is_empty() {
            Some("there must be at least one [[size]]".into())
        } else {
            let in_range = |n: usize| (1..=64).contains(&n);
            let bad = |size: &&OmniSize| {
                !in_range(size.volumes) || !in_range(size.labelled_volumes) || !in_range(size.crops) || size.steps == 0
            };
            self.sizes.iter().find(bad).map(|_| "size: volumes and crops must be from 1 to 64, steps at least 1".into())
        }
    }
}

/// Everything that decides a supervised, semi- or omni-supervised run besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OmniRunConfig {
    /// Where the numbers come from.
    pub recipe: OmniRecipe,
    /// The recipe of the contrast, if the run has it.
    pub contrast: Option<PretrainRecipe>,
    /// Network, task with the recipe's crops, who is held out, seed, device.
    pub labelled: FinetuneConfig,
    /// Optimiser steps in all.
    pub steps: u64,
    /// Steps of linear warm-up before the cosine.
    pub warmup_steps: u64,
    /// Unlabelled volumes in a step.
    pub volumes: usize,
    /// Labelled volumes in a step.
    pub labelled_volumes: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
}

impl OmniRunConfig {
    /// The recipe's numbers for `model`, and for a run of `steps` if it is to be shorter: warm-up, checkpoints and validations then
    /// come likewise earlier.
    ///
    /// # Errors
    /// If the recipe names a contrast that there is not.
    pub fn new(
        recipe: OmniRecipe,
        task: Task,
        model: SegmentationModel,
        steps: Option<u64>,
    ) -> Result<Self, EngineFailure> {
        let bad = |problem: String| EngineFailure::BadInput(format!("{}: {problem}", recipe.name));
        let contrast = match &recipe.contrast {
            Some(name) => Some(
                PretrainRecipe::built_in(name)
                    .ok_or_else(|| bad(format!("contrast: there is no recipe '{name}' that comes with the program")))?,
            ),
            None => None,
        };
        let size = recipe.size(model).cloned().ok_or_else(|| bad("it has no [[size]]".into()))?;
        let steps = steps.unwrap_or(size.steps);
        let share = steps as f64 / size.steps as f64;
        let scaled = |full: u64| if share < 1.0 { ((full as f64 * share).ceil() as u64).max(1) } else { full };
        let t = recipe.training;
        let mut labelled = FinetuneConfig::preset(task, model);
        labelled.task.roi = recipe.labelled.roi;
        labelled.task.training.positive = recipe.labelled.positive;
        labelled.task.training.negative = recipe.labelled.negative;
        labelled.crops = size.crops;
        labelled.deep_supervision = false;
        labelled.steps = Some(steps);
        if !matches!(model, SegmentationModel::UnetTiny | SegmentationModel::Tiny) {
            labelled.learning_rate = t.learning_rate;
        }
        Ok(Self {
            contrast,
            labelled,
            steps,
            warmup_steps: scaled(size.warmup_steps.unwrap_or(t.warmup_steps)),
            volumes: size.volumes,
            labelled_volumes: size.labelled_volumes,
            checkpoint_every: if share < 1.0 {
                t.checkpoint_every.min((steps / 10).max(1))
            } else {
                t.checkpoint_every
            },
            validate_every: if share < 1.0 { t.validate_every.min((steps / 10).max(1)) } else { t.validate_every },
            recipe,
        })
    }

    /// The step after which the snapshot teaches, if one does.
    pub fn snapshot_at(&self) -> Option<u64> {
        self.recipe.pseudo.map(|pseudo| (self.steps as f64 * pseudo.from_share).round() as u64)
    }

    /// The settings with which this run goes on when it is resumed with `now`: its own, on the device of `now`.
    ///
    /// # Errors
    /// If `now` is for another network or recipe.
    pub fn resumed(&self, now: &Self) -> Result<Self, EngineFailure> {
        if (self.labelled.model, &self.recipe.name) != (now.labelled.model, &now.recipe.name) {
            return Err(EngineFailure::BadInput(format!(
                "The run was begun with model {} and recipe {}; go on with the same",
                self.labelled.model.name(),
                self.recipe.name
            )));
        }
        let labelled = FinetuneConfig { device: now.labelled.device, ..self.labelled.clone() };
        // Longer, if asked for, but the snapshot's step stays a share of the whole: only an equal length goes on exactly.
        Ok(Self { labelled, steps: self.steps.max(now.steps), ..self.clone() })
    }

    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let contrast = || self.contrast.as_ref().and_then(PretrainRecipe::problem);
        if let Some(problem) = self.recipe.problem().or_else(|| self.labelled.problem()).or_else(contrast) {
            Some(problem)
        } else if self.steps == 0 || self.checkpoint_every == 0 || self.validate_every == 0 {
            Some("Steps, and steps between checkpoints and validations, must be at least 1.".into())
        } else if self.contrast.is_some() && self.volumes < 2 {
            Some("VoCo compares volumes with one another: use at least 2 volumes per step.".into())
        } else {
            None
        }
    }
}

/// The numbers of one optimiser step; the field names are those of the JSON lines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OmniReport {
    /// From 1.
    pub step: u64,
    /// The sum of all losses.
    pub loss: f64,
    /// `DiceCE` of labelled crops.
    pub segmentation: f64,
    /// `DiceCE` of unlabelled crops with the snapshot's labels; none before there is one.
    pub pseudo: Option<f64>,
    /// Position loss of the contrast.
    pub intra: Option<f64>,
    /// Its inter-volume loss.
    pub inter: Option<f64>,
    /// Its regularisation.
    pub reg: Option<f64>,
    /// Learning rate.
    pub lr: f64,
    /// Common norm of all gradients, before clipping.
    pub gradient_norm: f64,
    /// Seconds for this step, waiting for data included.
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_come_with_the_program_hold_the_published_numbers() {
        for name in OmniRecipe::names() {
            let text = OmniRecipe::built_in_text(name).expect("a file");
            let recipe = OmniRecipe::from_toml(name, text).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(recipe.name, name, "a recipe is called as its file");
            let again = OmniRecipe::from_toml(name, &recipe.to_toml().expect("a file")).expect("readable");
            assert_eq!(again, recipe, "{name}: written and read again");
            let task = crate::task_named(&recipe.task).expect("a task that comes with the program");
            let config = OmniRunConfig::new(recipe, task, SegmentationModel::L, None).expect("whole");
            assert_eq!(config.problem(), None, "{name}");
            // Facts 2.2 to 2.4, size L.
            let (roi, lr, steps, snapshot) = match name {
                "supervised" => ([96; 3], 3e-4, 150_150, None),
                "semi" => ([96; 3], 1e-4, 1_000_000, Some(500_000)),
                _ => ([64; 3], 1e-4, 2_000_000, Some(1_000_000)),
            };
            assert_eq!((config.labelled.task.roi, config.labelled.learning_rate), (roi, lr), "{name}");
            assert_eq!((config.steps, config.snapshot_at()), (steps, snapshot), "{name}");
            assert_eq!((config.labelled.crops, config.contrast.is_some()), (4, name == "omni"), "{name}");
        }
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let text = OmniRecipe::built_in_text("omni").expect("a file");
        for (good, bad, what) in [
            ("kind = \"omni\"", "kind = \"semi\"", "contrast belongs"),
            ("kind = \"omni\"", "kind = \"omnis\"", "line 10"),
            ("crops = 4", "crops = 0", "from 1 to 64"),
            ("weight = 1.0", "wait = 1.0", "unknown field `wait`"),
        ] {
            let error = OmniRecipe::from_toml("mine.toml", &text.replace(good, bad)).expect_err(bad);
            assert!(error.contains(what), "{bad}: '{error}' says {what}");
        }
    }
}
