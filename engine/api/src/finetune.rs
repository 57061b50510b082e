use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Compute, DeviceChoice, EngineFailure, Task};

/// Everything that decides a fine-tuning run besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinetuneConfig {
    /// Classes, preprocessing, crops, augmentation.
    pub task: Task,
    /// Network.
    pub model: SegmentationModel,
    /// Optimiser steps in all; none for the task's epochs.
    pub steps: Option<u64>,
    /// Epochs in place of the task's, where `steps` is none.
    pub epochs: Option<u64>,
    /// Crops per step.
    pub crops: usize,
    /// Greatest learning rate.
    pub learning_rate: f64,
    /// The encoder stays as it is.
    pub freeze_encoder: bool,
    /// Factor of the learning rate from one level of the encoder to the next deeper-lying (earlier) one; 1 for the same rate
    /// everywhere.
    pub layer_decay: f64,
    /// The loss also looks at the coarser outputs of a plain U-Net (halving weights).
    pub deep_supervision: bool,
    /// Which persons are held out.
    pub holdout: HoldoutChoice,
    /// Steps between validations; none for the task's epochs.
    pub validate_every: Option<u64>,
    /// Stops after so many validations without a better mean Dice.
    pub patience: Option<u64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceChoice,
    /// How to compute.
    #[serde(default)]
    pub compute: Compute,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

/// The networks that can be fine-tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentationModel {
    /// A small plain U-Net, the choice for a CPU.
    #[serde(rename = "unet-tiny")]
    UnetTiny,
    /// nnU-Net's `PlainConvUNet` with the shape of the published `VoComni_nnunet.pt`.
    #[serde(rename = "unet")]
    Unet,
    /// `SwinUNETR` v2, feature size 12.
    #[serde(rename = "tiny")]
    Tiny,
    /// Feature size 48.
    B,
    /// Feature size 96.
    L,
    /// Feature size 192.
    H,
}

/// Which persons are held out for validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldoutChoice {
    /// Nobody.
    Nobody,
    /// Those that the list calls validation.
    Listed,
    /// This share of the persons.
    Share(f64),
    /// Part `k` (from 0) of `n` parts.
    Fold {
        /// Which.
        k: usize,
        /// Of how many.
        n: usize,
    },
}

impl FinetuneConfig {
    /// The task's own numbers.
    pub fn preset(task: Task, model: SegmentationModel) -> Self {
        Self {
            crops: task.training.crops,
            learning_rate: if model == SegmentationModel::UnetTiny { 2e-3 } else { task.training.learning_rate },
            task,
            model,
            steps: None,
            epochs: None,
            freeze_encoder: false,
            layer_decay: 1.0,
            deep_supervision: matches!(model, SegmentationModel::Unet | SegmentationModel::UnetTiny),
            holdout: HoldoutChoice::Listed,
            validate_every: None,
            patience: None,
            seed: 0,
            device: DeviceChoice::Auto,
            compute: Compute::default(),
            checkpoint_every: 100,
        }
    }

    /// The settings with which this run goes on when it is resumed with `now`: its own, on the device of `now`, and longer if `now`
    /// asks for more steps (the learning rate then follows the longer schedule).
    ///
    /// # Errors
    /// If `now` is for another network or task.
    pub fn resumed(&self, now: &Self) -> Result<Self, EngineFailure> {
        if (self.model, &self.task.name) != (now.model, &now.task.name) {
            return Err(EngineFailure::BadInput(format!(
                "The run was begun with model {} and task {}; go on with the same",
                self.model.name(),
                self.task.name
            )));
        }
        Ok(Self {
            device: now.device,
            steps: self.steps.max(now.steps),
            epochs: self.epochs.max(now.epochs),
            ..self.clone()
        })
    }

    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let share = |share: f64| share > 0.0 && share < 1.0;
        if let Some(problem) = self.task.problem() {
            Some(problem)
        } else if self.steps == Some(0) || self.epochs == Some(0) || self.validate_every == Some(0) {
            Some("Steps, epochs and the steps between validations must be at least 1.".into())
        } else if self.crops == 0 || self.crops > 64 {
            Some("A step takes 1 to 64 crops.".into())
        } else if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            Some("The learning rate must be a number above 0.".into())
        } else if !(self.layer_decay > 0.0 && self.layer_decay <= 1.0) {
            Some("The decay of the learning rate by layer must be above 0 and at most 1.".into())
        } else if self.checkpoint_every == 0 {
            Some("There must be at least 1 step between checkpoints.".into())
        } else {
            match self.holdout {
                HoldoutChoice::Fold { k, n } if k >= n || n < 2 => {
                    Some("A fold is K/N with K from 1 to N and N at least 2.".into())
                }
                HoldoutChoice::Share(s) if !share(s) => Some("The share held out must be above 0 and below 1.".into()),
                _ => None,
            }
        }
    }
}

impl SegmentationModel {
    /// Smallest first.
    pub const ALL: [Self; 6] = [Self::UnetTiny, Self::Tiny, Self::Unet, Self::B, Self::L, Self::H];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnetTiny => "unet-tiny",
            Self::Unet => "unet",
            Self::Tiny => "tiny",
            Self::B => "B",
            Self::L => "L",
            Self::H => "H",
        }
    }

    /// The model of that name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(name))
    }
}

/// The numbers of one optimiser step; the field names are those of the JSON lines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FinetuneReport {
    /// From 1.
    pub step: u64,
    /// Dice loss + cross-entropy, the mean over outputs of several resolutions if there are any.
    pub loss: f64,
    /// Dice loss of the full resolution, background left out. A class that is in no crop adds about 1 to the mean over classes.
    pub dice_loss: f64,
    /// Cross-entropy of the full resolution.
    pub cross_entropy: f64,
    /// Greatest learning rate of the step.
    pub lr: f64,
    /// Norm of all gradients.
    pub gradient_norm: f64,
    /// Seconds for this step, waiting for data included.
    pub seconds: f64,
    /// Those of them in which there was no data to compute on.
    pub waited_seconds: f64,
}

/// A validation on held-out persons; the field names are those of the JSON lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationReport {
    /// Optimiser steps done.
    pub step: u64,
    /// Cases.
    pub cases: usize,
    /// Mean Dice over the cases that have the class; none if no case has it.
    pub dice: BTreeMap<String, Option<f64>>,
    /// Mean over the classes that occur.
    pub mean_dice: Option<f64>,
    /// The best so far.
    pub best: bool,
    /// Seconds it took.
    pub seconds: f64,
}
