use serde::{Deserialize, Serialize};

use crate::{Compute, DeviceChoice, EngineFailure, PretrainRecipe};

/// Everything that decides a pre-training run besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// Preprocessing, grid of base crops, augmentation, loss.
    pub recipe: PretrainRecipe,
    /// Network.
    pub model: Model,
    /// Optimiser steps in all.
    pub steps: u64,
    /// Volumes per step; at least 2, or the inter-volume loss compares a volume with itself.
    pub volumes_per_step: usize,
    /// Random crops per volume and step.
    pub crops_per_volume: usize,
    /// Greatest learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up before the cosine.
    pub warmup_steps: u64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Flips, quarter turns and intensity shifts of crops (the label does not follow them: trap 4 of the facts).
    pub augment: bool,
    /// Chance with which a crop's whole embedding is set to 0 on its way to the student (published: 0.2).
    pub row_dropout: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceChoice,
    /// How to compute.
    #[serde(default)]
    pub compute: Compute,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between checkpoints that are never removed.
    pub keep_every: Option<u64>,
    /// Batches whose gradients make one step; each has its own batch statistics, as a GPU of the published training has.
    pub accumulate: usize,
    /// Greatest common norm of the gradients; none, as published, leaves them alone.
    pub clip_norm: Option<f64>,
    /// Share of the people who are held out for validation. Nobody is below five people.
    pub validation_share: f64,
    /// Which part of the people is held out, from 0. None: those that the list of data calls validation, if it does; else part 0.
    pub fold: Option<usize>,
    /// Steps between validations.
    pub validate_every: u64,
    /// Random crops of each held-out volume.
    pub validation_crops: usize,
}

impl PretrainConfig {
    /// [`Self::new`] with the recipe for any CT.
    pub fn preset(model: Model, steps: u64) -> Self {
        Self::new(PretrainRecipe::default_recipe(), model, Some(steps))
    }

    /// Sensible numbers: the recipe's for the published sizes, others for the small models. A run of fewer steps than the recipe's
    /// has its warm-up shortened likewise, since 5 000 steps of warm-up would be all of it.
    pub fn new(recipe: PretrainRecipe, model: Model, steps: Option<u64>) -> Self {
        let is_small = matches!(model, Model::UnetTiny | Model::Tiny);
        let published = recipe.training;
        let steps = steps.unwrap_or(if is_small { 2000 } else { published.steps });
        let is_short = steps < 20_000;
        let share = steps as f64 / published.steps.max(1) as f64;
        let warmup = if is_small { steps / 20 } else { (published.warmup_steps as f64 * share.min(1.0)) as u64 };
        let row_dropout = recipe.loss.row_dropout;
        Self {
            recipe,
            model,
            steps,
            volumes_per_step: published.volumes_per_step,
            crops_per_volume: if model == Model::UnetTiny { 4 } else { published.crops_per_volume },
            learning_rate: match model {
                Model::UnetTiny => 1e-3,
                Model::Tiny if is_short => 5e-4,
                _ => published.learning_rate,
            },
            warmup_steps: if is_short { warmup.max(steps / 20).max(1) } else { warmup.max(1) },
            weight_decay: published.weight_decay,
            augment: model != Model::UnetTiny,
            // Two dropped crops look exactly alike, which the inter-volume loss punishes with up to 13.8 where the teacher sees no
            // likeness; the published networks live with that noise over their 2 million steps, a run of hundreds cannot.
            row_dropout: if model == Model::UnetTiny { 0.0 } else { row_dropout },
            seed: 0,
            device: DeviceChoice::Auto,
            compute: Compute::default(),
            checkpoint_every: if is_short { 100 } else { published.checkpoint_every },
            keep_every: (!is_short).then_some(200_000),
            accumulate: if is_small { 1 } else { published.accumulate },
            clip_norm: published.clip_norm,
            validation_share: 0.2,
            fold: None,
            validate_every: if is_short { (steps / 20).clamp(10, 100) } else { published.validate_every },
            validation_crops: if model == Model::UnetTiny { 64 } else { 8 },
        }
    }

    /// The settings with which this run goes on when it is resumed with `now`: its own, on the device of `now`, and longer if
    /// `now` asks for more steps (the learning rate then follows the longer schedule).
    ///
    /// # Errors
    /// If `now` is for another network or recipe.
    pub fn resumed(&self, now: &Self) -> Result<Self, EngineFailure> {
        if (self.model, &self.recipe.name) != (now.model, &now.recipe.name) {
            return Err(EngineFailure::BadInput(format!(
                "The run was begun with model {} and recipe {}; go on with the same",
                self.model.name(),
                self.recipe.name
            )));
        }
        let steps = self.steps.max(now.steps);
        Ok(Self { device: now.device, steps, ..self.clone() })
    }

    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        if let Some(problem) = self.recipe.problem() {
            Some(problem)
        } else if self.steps == 0 {
            Some("The number of steps must be at least 1.".into())
        } else if self.volumes_per_step < 2 {
            Some("VoCo compares volumes with one another: use at least 2 volumes per step.".into())
        } else if self.crops_per_volume == 0 {
            Some("At least 1 random crop per volume is needed.".into())
        } else if !(0.0..1.0).contains(&self.row_dropout) {
            Some("The row drop-out must be at least 0 and below 1.".into())
        } else if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            Some("The learning rate must be a number above 0.".into())
        } else if self.accumulate == 0 {
            Some("A step needs at least 1 batch.".into())
        } else if self.clip_norm.is_some_and(|norm| !(norm > 0.0 && norm.is_finite())) {
            Some("The greatest gradient norm must be a number above 0.".into())
        } else if !(0.0..=0.5).contains(&self.validation_share) {
            Some("The share of people for validation must be from 0 to 0.5.".into())
        } else if self.checkpoint_every == 0 || self.validate_every == 0 || self.keep_every == Some(0) {
            Some("Steps between checkpoints and validations must be at least 1.".into())
        } else if self.validation_crops == 0 {
            Some("At least 1 crop of each held-out volume is needed.".into())
        } else {
            None
        }
    }
}

/// The networks that can be pre-trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Model {
    /// Small plain convolutional encoder, the choice for a CPU.
    #[serde(rename = "unet-tiny")]
    UnetTiny,
    /// `SwinUNETR` v2 encoder, feature size 12.
    #[serde(rename = "tiny")]
    Tiny,
    /// Feature size 48.
    B,
    /// Feature size 96.
    L,
    /// Feature size 192.
    H,
}

impl Model {
    /// Smallest first.
    pub const ALL: [Self; 5] = [Self::UnetTiny, Self::Tiny, Self::B, Self::L, Self::H];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnetTiny => "unet-tiny",
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
