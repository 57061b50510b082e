use serde::{Deserialize, Serialize};
use voco_volume::Recipe;

use crate::{DeviceChoice, EngineFailure};

/// Everything that decides a pre-training run besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainConfig {
    /// Preprocessing and grid of base crops.
    #[serde(with = "recipe_name")]
    pub recipe: Recipe,
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
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
}

impl PretrainConfig {
    /// Sensible numbers for `model` and a run of `steps`: the reference's for the published sizes and long runs; shorter
    /// warm-up and a higher rate where a run is short, since 5 000 steps of warm-up would be all of it.
    pub fn preset(model: Model, steps: u64) -> Self {
        let is_short = steps < 20_000;
        Self {
            recipe: Recipe::AbdomenUnlabelled,
            model,
            steps,
            volumes_per_step: 2,
            crops_per_volume: if model == Model::UnetTiny { 4 } else { 2 },
            learning_rate: match (model, is_short) {
                (Model::UnetTiny, _) => 1e-3,
                (Model::Tiny, true) => 5e-4,
                _ => 1e-4,
            },
            warmup_steps: if is_short { (steps / 20).max(1) } else { 5000 },
            weight_decay: 0.01,
            augment: model != Model::UnetTiny,
            // Two dropped crops look exactly alike, which the inter-volume loss punishes with up to 13.8 where the teacher sees no
            // likeness; the published networks live with that noise over their 2 million steps, a run of hundreds cannot.
            row_dropout: if model == Model::UnetTiny { 0.0 } else { 0.2 },
            seed: 0,
            device: DeviceChoice::Auto,
            checkpoint_every: if is_short { 100 } else { 20_000 },
        }
    }

    /// The settings with which this run goes on when it is resumed with `now`: its own, on the device of `now`, and longer if
    /// `now` asks for more steps (the learning rate then follows the longer schedule).
    ///
    /// # Errors
    /// If `now` is for another network or recipe.
    pub fn resumed(&self, now: &Self) -> Result<Self, EngineFailure> {
        if (self.model, self.recipe) != (now.model, now.recipe) {
            return Err(EngineFailure::BadInput(format!(
                "The run was begun with model {} and recipe {}; go on with the same",
                self.model.name(),
                self.recipe.name()
            )));
        }
        let steps = self.steps.max(now.steps);
        Ok(Self { device: now.device, steps, ..self.clone() })
    }

    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        if self.steps == 0 {
            Some("The number of steps must be at least 1.".into())
        } else if self.volumes_per_step < 2 {
            Some("VoCo compares volumes with one another: use at least 2 volumes per step.".into())
        } else if self.crops_per_volume == 0 {
            Some("At least 1 random crop per volume is needed.".into())
        } else if !(0.0..1.0).contains(&self.row_dropout) {
            Some("The row drop-out must be at least 0 and below 1.".into())
        } else if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            Some("The learning rate must be a number above 0.".into())
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

mod recipe_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use voco_volume::Recipe;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(recipe: &Recipe, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(recipe.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Recipe, D::Error> {
        let name = String::deserialize(input)?;
        Recipe::from_name(&name).ok_or_else(|| D::Error::custom(format!("there is no recipe '{name}'")))
    }
}
