use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use voco_engine::EngineHandle;
use voco_engine_api::{DataItem, DeviceChoice, JobSpec, Model, PretrainConfig, PretrainRecipe, Task};

use super::compute::ComputeArgs;
use super::finetune::{Names, parse_label_names};
use super::follow::follow;
use super::model::parse_roi;
use super::recipe::{AnyRecipe, RecipeArg, parse_recipe};
use super::tasks::parse_task;

#[derive(Debug, Args)]
pub(crate) struct PretrainArgs {
    /// A folder of volumes, or a JSON list as the Medical Segmentation Decathlon has them. With GROUP= in front it belongs to that
    /// group of the recipe; may be given several times.
    #[arg(long, required_unless_present = "labelled", value_name = "[GROUP=]PATH")]
    pub(super) data: Vec<String>,
    /// Volumes with label maps, for the recipes supervised, semi and omni: a folder or a JSON list.
    #[arg(long)]
    pub(super) labelled: Option<PathBuf>,
    /// What the ids in the label maps mean, where no file says (as for `voco finetune`).
    #[arg(long, value_parser = parse_label_names)]
    pub(super) label_names: Option<Names>,
    /// The task of the labelled volumes in place of the recipe's: a name ('voco tasks' lists them) or a .toml file.
    #[arg(long, value_parser = parse_task)]
    pub(super) task: Option<Task>,
    /// Edges of labelled crops in voxels, as X,Y,Z, in place of the recipe's.
    #[arg(long, value_parser = parse_roi)]
    pub(super) roi: Option<[usize; 3]>,
    /// The run's folder: log, settings, recipe, checkpoints.
    #[arg(long)]
    pub(super) out: PathBuf,
    /// A name (`voco recipes` lists them) or a TOML file.
    #[arg(long, default_value = "abdomen-unlabelled", value_parser = parse_recipe)]
    pub(super) recipe: RecipeArg,
    /// unet-tiny, tiny, B, L or H.
    #[arg(long, default_value = "unet-tiny", value_parser = parse_model)]
    pub(super) model: Model,
    /// Optimiser steps; by default those of the recipe, and 2000 for the small models.
    #[arg(long)]
    pub(super) steps: Option<u64>,
    /// Volumes per step.
    #[arg(long)]
    pub(super) batch: Option<usize>,
    /// Random crops per volume and step.
    #[arg(long)]
    pub(super) crops: Option<usize>,
    /// Batches whose gradients make one step.
    #[arg(long)]
    pub(super) accumulate: Option<usize>,
    /// Greatest common norm of the gradients.
    #[arg(long)]
    pub(super) clip: Option<f64>,
    /// Greatest learning rate.
    #[arg(long)]
    pub(super) lr: Option<f64>,
    /// Steps of warm-up.
    #[arg(long)]
    pub(super) warmup: Option<u64>,
    /// Decoupled weight decay.
    #[arg(long)]
    pub(super) weight_decay: Option<f64>,
    /// Augment crops (true or false).
    #[arg(long, action = clap::ArgAction::Set)]
    pub(super) augment: Option<bool>,
    /// Chance with which a crop's embedding is dropped on its way to the student.
    #[arg(long)]
    pub(super) row_dropout: Option<f64>,
    /// Share of the people who are held out for validation, if there are five or more.
    #[arg(long)]
    pub(super) validation_share: Option<f64>,
    /// Which part of the people is held out, from 0.
    #[arg(long)]
    pub(super) fold: Option<usize>,
    /// Steps between validations.
    #[arg(long)]
    pub(super) validate_every: Option<u64>,
    /// Random crops of each held-out volume.
    #[arg(long)]
    pub(super) validation_crops: Option<usize>,
    /// Steps between checkpoints.
    #[arg(long)]
    pub(super) checkpoint_every: Option<u64>,
    /// Steps between checkpoints that are never removed.
    #[arg(long)]
    pub(super) keep_every: Option<u64>,
    /// Where preprocessed volumes are kept; by default in the user's cache folder.
    #[arg(long)]
    pub(super) cache: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, default_value = "auto")]
    pub(super) device: DeviceChoice,
    #[command(flatten)]
    pub(super) compute: ComputeArgs,
    /// Go on from the run's last checkpoint.
    #[arg(long)]
    pub(super) resume: bool,
    /// Start from these weights: a file, or the name of a fetched model.
    #[arg(long)]
    pub(super) init: Option<PathBuf>,
    /// One JSON line per step is always printed; accepted so that every command knows it.
    #[arg(long)]
    pub(super) json: bool,
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
            compute: self.compute.get(),
            ..preset
        }
    }
}

pub(crate) fn run(args: &PretrainArgs) -> anyhow::Result<()> {
    let recipe = match args.recipe.load()? {
        AnyRecipe::Pretrain(recipe) => *recipe,
        AnyRecipe::Omni(recipe) => return super::omni::run(args, *recipe),
    };
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
    follow(&engine, spec)
}

/// `GROUP=PATH` or `PATH`. A folder with a folder for each of several groups is taken apart by them.
pub(super) fn data_source(text: &str, recipe: &PretrainRecipe) -> Vec<DataItem> {
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
