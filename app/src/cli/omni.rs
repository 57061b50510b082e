use std::sync::Arc;

use voco_engine::EngineHandle;
use voco_engine_api::{
    DataItem, HoldoutChoice, JobSpec, OmniRecipe, OmniRunConfig, PretrainRecipe, SegmentationModel, Task, task_named,
};

use super::follow::follow;
use super::pretrain::{PretrainArgs, data_source};

/// `voco pretrain` with a recipe that also learns from labels.
pub(super) fn run(args: &PretrainArgs, recipe: OmniRecipe) -> anyhow::Result<()> {
    let Some(labelled) = args.labelled.clone() else {
        anyhow::bail!("the recipe {} learns from labels; name volumes with label maps with --labelled", recipe.name);
    };
    let task = args.task.clone().or_else(|| task_named(&recipe.task)).map_or_else(|| task_file(&recipe.task), Ok)?;
    let model = SegmentationModel::from_name(args.model.name())
        .ok_or_else(|| anyhow::anyhow!("there is no whole network {}; choose another --model", args.model.name()))?;
    let mut config = OmniRunConfig::new(recipe, task, model, args.steps)?;
    config.volumes = args.batch.unwrap_or(config.volumes);
    config.warmup_steps = args.warmup.unwrap_or(config.warmup_steps);
    config.validate_every = args.validate_every.unwrap_or(config.validate_every);
    config.checkpoint_every = args.checkpoint_every.unwrap_or(config.checkpoint_every);
    let training = &mut config.recipe.training;
    training.clip_norm = args.clip.or(training.clip_norm);
    training.weight_decay = args.weight_decay.unwrap_or(training.weight_decay);
    let part = &mut config.labelled;
    part.crops = args.crops.unwrap_or(part.crops);
    part.learning_rate = args.lr.unwrap_or(part.learning_rate);
    part.task.roi = args.roi.unwrap_or(part.task.roi);
    part.seed = args.seed;
    part.device = args.device;
    part.compute = args.compute.get();
    let parts = args.validation_share.filter(|share| *share > 0.0).map_or(5.0, |share| (1.0 / share).round());
    part.holdout = match (args.fold, args.validation_share) {
        (Some(k), _) => HoldoutChoice::Fold { k, n: (parts as usize).max(2) },
        (None, Some(share)) if share <= 0.0 => HoldoutChoice::Nobody,
        (None, Some(share)) => HoldoutChoice::Share(share),
        (None, None) => part.holdout,
    };
    let unlabelled: Vec<DataItem> = match &config.contrast {
        Some(contrast) => sources(args, contrast),
        None => sources(args, &PretrainRecipe::default_recipe()),
    };
    let engine = EngineHandle::start(Arc::new(|| {}))?;
    let spec = JobSpec::Omni {
        config: Box::new(config),
        labelled,
        label_names: args.label_names.clone().map(|names| names.0).unwrap_or_default(),
        unlabelled,
        cache: args.cache.clone().unwrap_or_else(|| crate::folders::sample_cache(&args.out)),
        out: args.out.clone(),
        resume: args.resume,
        init: args.init.as_deref().map(super::model::checkpoint_path).transpose()?,
    };
    follow(&engine, spec)
}

fn sources(args: &PretrainArgs, contrast: &PretrainRecipe) -> Vec<DataItem> {
    args.data.iter().flat_map(|text| data_source(text, contrast)).collect()
}

/// A task of the user's own, named in a recipe.
fn task_file(name: &str) -> anyhow::Result<Task> {
    super::tasks::parse_task(name).map_err(|e| anyhow::anyhow!("the recipe's task: {e}"))
}
