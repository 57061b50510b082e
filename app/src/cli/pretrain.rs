use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use voco_engine::EngineHandle;
use voco_engine_api::{
    DataItem, DeviceChoice, EngineEvent, JobSpec, Model, Outcome, Phase, PretrainConfig, PretrainRecipe, RunEstimate,
};

use super::recipe::{RecipeArg, parse_recipe};

#[derive(Debug, Args)]
pub(crate) struct PretrainArgs {
    /// A folder of volumes, or a JSON list as the Medical Segmentation Decathlon has them. With GROUP= in front it belongs to that
    /// group of the recipe; may be given several times.
    #[arg(long, required = true, value_name = "[GROUP=]PATH")]
    data: Vec<String>,
    /// The run's folder: log, settings, recipe, checkpoints.
    #[arg(long)]
    out: PathBuf,
    /// A name (`voco recipes` lists them) or a TOML file.
    #[arg(long, default_value = "abdomen-unlabelled", value_parser = parse_recipe)]
    recipe: RecipeArg,
    /// unet-tiny, tiny, B, L or H.
    #[arg(long, default_value = "unet-tiny", value_parser = parse_model)]
    model: Model,
    /// Optimiser steps; by default those of the recipe, and 2000 for the small models.
    #[arg(long)]
    steps: Option<u64>,
    /// Volumes per step.
    #[arg(long)]
    batch: Option<usize>,
    /// Random crops per volume and step.
    #[arg(long)]
    crops: Option<usize>,
    /// Batches whose gradients make one step.
    #[arg(long)]
    accumulate: Option<usize>,
    /// Greatest common norm of the gradients.
    #[arg(long)]
    clip: Option<f64>,
    /// Greatest learning rate.
    #[arg(long)]
    lr: Option<f64>,
    /// Steps of warm-up.
    #[arg(long)]
    warmup: Option<u64>,
    /// Decoupled weight decay.
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Augment crops (true or false).
    #[arg(long, action = clap::ArgAction::Set)]
    augment: Option<bool>,
    /// Chance with which a crop's embedding is dropped on its way to the student.
    #[arg(long)]
    row_dropout: Option<f64>,
    /// Share of the people who are held out for validation, if there are five or more.
    #[arg(long)]
    validation_share: Option<f64>,
    /// Which part of the people is held out, from 0.
    #[arg(long)]
    fold: Option<usize>,
    /// Steps between validations.
    #[arg(long)]
    validate_every: Option<u64>,
    /// Random crops of each held-out volume.
    #[arg(long)]
    validation_crops: Option<usize>,
    /// Steps between checkpoints.
    #[arg(long)]
    checkpoint_every: Option<u64>,
    /// Steps between checkpoints that are never removed.
    #[arg(long)]
    keep_every: Option<u64>,
    /// Where preprocessed volumes are kept; by default in the user's cache folder.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Go on from the run's last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Start from these weights: a file, or the name of a fetched model.
    #[arg(long)]
    init: Option<PathBuf>,
    /// One JSON line per step is always printed; accepted so that every command knows it.
    #[arg(long)]
    json: bool,
}

fn parse_model(name: &str) -> Result<Model, String> {
    Model::from_name(name).ok_or_else(|| format!("the models are {}", Model::ALL.map(Model::name).join(", ")))
}

impl PretrainArgs {
    fn config(&self, recipe: PretrainRecipe) -> PretrainConfig {
        let preset = PretrainConfig::new(recipe, self.model, self.steps);
        PretrainConfig {
            volumes_per_step: self.batch.unwrap_or(preset.volumes_per_step),
            crops_per_volume: self.crops.unwrap_or(preset.crops_per_volume),
            accumulate: self.accumulate.unwrap_or(preset.accumulate),
            clip_norm: self.clip.or(preset.clip_norm),
            learning_rate: self.lr.unwrap_or(preset.learning_rate),
            warmup_steps: self.warmup.unwrap_or(preset.warmup_steps),
            weight_decay: self.weight_decay.unwrap_or(preset.weight_decay),
            augment: self.augment.unwrap_or(preset.augment),
            row_dropout: self.row_dropout.unwrap_or(preset.row_dropout),
            validation_share: self.validation_share.unwrap_or(preset.validation_share),
            fold: self.fold,
            validate_every: self.validate_every.unwrap_or(preset.validate_every),
            validation_crops: self.validation_crops.unwrap_or(preset.validation_crops),
            checkpoint_every: self.checkpoint_every.unwrap_or(preset.checkpoint_every),
            keep_every: self.keep_every.or(preset.keep_every),
            seed: self.seed,
            device: self.device,
            ..preset
        }
    }
}

pub(crate) fn run(args: &PretrainArgs) -> anyhow::Result<()> {
    let recipe = args.recipe.load()?;
    let init = args.init.as_deref().map(super::model::checkpoint_path).transpose()?;
    let data = args.data.iter().map(|text| data_source(text, &recipe)).collect::<Vec<_>>().concat();
    let config = args.config(recipe);
    let engine = EngineHandle::start(Arc::new(|| {}))?;
    let spec = JobSpec::Pretrain {
        config: Box::new(config),
        data,
        out: args.out.clone(),
        resume: args.resume,
        init,
        cache: args.cache.clone().unwrap_or_else(|| crate::folders::sample_cache(&args.out)),
    };
    let (_, cancel) = engine.start_job(spec).map_err(anyhow::Error::msg)?;
    ctrlc::set_handler(move || cancel.cancel())?;
    let mut saved = false;
    for event in engine.events() {
        match event {
            EngineEvent::Started { device, .. } if !device.is_empty() => super::say(&format!("computing on {device}")),
            EngineEvent::Phase { phase: Phase::Preparing, .. } => super::say("reading and preprocessing…"),
            EngineEvent::Progress { done, total, .. } => super::say(&format!("  {done} of {total} volumes")),
            EngineEvent::Estimate { estimate, .. } => say_estimate(&estimate),
            EngineEvent::Step { report, .. } => super::print(&serde_json::to_string(&report)?),
            EngineEvent::PositionValidation { report, .. } => super::print(&serde_json::to_string(&report)?),
            EngineEvent::CheckpointSaved { step, .. } => {
                saved = true;
                super::say(&format!("checkpoint at step {step}"));
            }
            EngineEvent::Warning { text, .. } => super::say(&format!("warning: {text}")),
            EngineEvent::Ended { outcome, .. } => {
                if let Some(bytes) = peak_memory_bytes() {
                    super::say(&format!("peak memory {:.0} MB", bytes as f64 / 1e6));
                }
                return match outcome {
                    Outcome::Done => Ok(()),
                    Outcome::Cancelled if saved => Err(anyhow::anyhow!("stopped; go on with --resume")),
                    Outcome::Cancelled => Err(anyhow::anyhow!("stopped before anything was learned")),
                    Outcome::Failed(failure) => Err(failure.into()),
                };
            }
            _ => {}
        }
    }
    Err(anyhow::anyhow!("the engine ended without a word"))
}

fn say_estimate(estimate: &RunEstimate) {
    let free = estimate.free_bytes.map_or_else(String::new, |free| format!(" of {:.1} GB free", free as f64 / 1e9));
    let (step, left) = (estimate.seconds_per_step, estimate.seconds_left);
    super::say(&format!(
        "{:.1} million parameters, about {:.1} GB of memory{free}, {step:.1} s a step, {:.0} minutes in all",
        estimate.parameters as f64 / 1e6,
        estimate.memory_bytes as f64 / 1e9,
        (left / 60.0).ceil()
    ));
}

/// `GROUP=PATH` or `PATH`. A folder with a folder for each of several groups is taken apart by them.
fn data_source(text: &str, recipe: &PretrainRecipe) -> Vec<DataItem> {
    let is_group = |name: &str| recipe.groups.iter().any(|group| group.name == name);
    let (group, path) = match text.split_once('=') {
        Some((group, path)) if is_group(group) || !PathBuf::from(text).exists() => (Some(group.to_owned()), path),
        _ => (None, text),
    };
    let path = PathBuf::from(path);
    if group.is_none() && recipe.groups.len() > 1 {
        let folders = recipe.groups.iter().map(|group| (group.name.clone(), path.join(&group.name)));
        let found: Vec<_> = folders
            .filter(|(_, folder)| folder.is_dir())
            .map(|(group, path)| DataItem::Source { path, group: Some(group) })
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
    vec![DataItem::Source { path, group }]
}

/// The most memory the process has had, where the system tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}
