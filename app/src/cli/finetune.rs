use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use voco_engine::EngineHandle;
use voco_engine_api::{DeviceChoice, FinetuneConfig, HoldoutChoice, JobSpec, SegmentationModel, Task};

use super::compute::ComputeArgs;
use super::follow::follow;
use super::model::parse_roi;
use super::tasks::parse_task;
use crate::label_presets;

#[derive(Debug, Args)]
pub(crate) struct FinetuneArgs {
    /// What to learn: a task's name ('voco tasks' lists them) or a .toml file.
    #[arg(long, value_parser = parse_task)]
    task: Task,
    /// A folder of volumes with label maps (`NAME_label.nii.gz` beside `NAME.nii.gz`, or `imagesTr` and `labelsTr`), or a JSON list as the
    /// Medical Segmentation Decathlon has them.
    #[arg(long)]
    data: PathBuf,
    /// The run's folder: log, settings, checkpoints.
    #[arg(long)]
    out: PathBuf,
    /// Start from these weights: a run of 'voco pretrain', a VoCo or VoComni file or its name, another fine-tuned network; none
    /// for random ones.
    #[arg(long, default_value = "none")]
    init: PathBuf,
    /// unet-tiny, tiny, unet, B, L or H.
    #[arg(long, default_value = "unet-tiny", value_parser = parse_model)]
    model: SegmentationModel,
    /// Optimiser steps; the task's epochs if it is left out.
    #[arg(long, conflicts_with = "epochs")]
    steps: Option<u64>,
    /// Times that each case is drawn from.
    #[arg(long)]
    epochs: Option<u64>,
    /// Crops per step, all of one case.
    #[arg(long)]
    crops: Option<usize>,
    /// Edges of the crops in voxels, as X,Y,Z, in place of the task's.
    #[arg(long, value_parser = parse_roi)]
    roi: Option<[usize; 3]>,
    /// Hold out part K of N of the persons, as K/N with K from 1.
    #[arg(long, value_parser = parse_fold, conflicts_with = "holdout")]
    fold: Option<HoldoutChoice>,
    /// Hold out this share of the persons. Without it and --fold, those that the list calls validation.
    #[arg(long)]
    holdout: Option<f64>,
    /// Leave the encoder as it is.
    #[arg(long, value_enum, default_value = "none")]
    freeze: Freeze,
    /// Factor of the learning rate from one level of the encoder to the one before it, e.g. 0.75.
    #[arg(long, default_value_t = 1.0)]
    layer_decay: f64,
    /// Greatest learning rate.
    #[arg(long)]
    lr: Option<f64>,
    /// Also learn from the coarser outputs of a plain U-Net (true or false).
    #[arg(long, action = clap::ArgAction::Set)]
    deep_supervision: Option<bool>,
    /// Steps between validations; the task's epochs if it is left out.
    #[arg(long)]
    validate_every: Option<u64>,
    /// Stop after so many validations without a better mean Dice.
    #[arg(long)]
    patience: Option<u64>,
    /// Steps between checkpoints.
    #[arg(long)]
    checkpoint_every: Option<u64>,
    /// What the ids in the label maps mean, where no file says: a JSON file, or totalsegmentator, totalsegmentator-mr, vocomni, btcv,
    /// amos22, flare22.
    #[arg(long, value_parser = parse_label_names)]
    label_names: Option<Names>,
    /// Where preprocessed volumes are kept; by default in the user's cache folder.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Go on from the run's last checkpoint.
    #[arg(long)]
    resume: bool,
    /// JSON lines are always printed; accepted so that every command knows it.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Freeze {
    Encoder,
    None,
}

/// Names of label ids.
#[derive(Debug, Clone)]
pub(super) struct Names(pub(super) BTreeMap<u16, String>);

fn parse_model(name: &str) -> Result<SegmentationModel, String> {
    let known = || SegmentationModel::ALL.map(SegmentationModel::name).join(", ");
    SegmentationModel::from_name(name).ok_or_else(|| format!("the models are {}", known()))
}

fn parse_fold(text: &str) -> Result<HoldoutChoice, String> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
    match parts {
        Some((k, n)) if n >= 2 && (1..=n).contains(&k) => Ok(HoldoutChoice::Fold { k: k - 1, n }),
        _ => Err(format!("'{text}' is no fold; write K/N with K from 1 to N, as 1/5")),
    }
}

pub(super) fn parse_label_names(text: &str) -> Result<Names, String> {
    if let Some(names) = label_presets::named(text) {
        return Ok(Names(names));
    }
    let path = Path::new(text);
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let json = std::fs::read_to_string(path).map_err(|e| format!("{name}: the names cannot be read ({})", e.kind()))?;
    let names = voco_io::label_names(&json);
    names.map(Names).ok_or_else(|| format!("{name}: there are no names of labels in it; write {{\"1\": \"liver\", …}}"))
}

pub(crate) fn run(args: FinetuneArgs) -> anyhow::Result<()> {
    let task = Task { roi: args.roi.unwrap_or(args.task.roi), ..args.task };
    let preset = FinetuneConfig::preset(task, args.model);
    let holdout = args.fold.or_else(|| args.holdout.map(HoldoutChoice::Share));
    let config = FinetuneConfig {
        steps: args.steps,
        epochs: args.epochs,
        crops: args.crops.unwrap_or(preset.crops),
        learning_rate: args.lr.unwrap_or(preset.learning_rate),
        freeze_encoder: args.freeze == Freeze::Encoder,
        layer_decay: args.layer_decay,
        deep_supervision: args.deep_supervision.unwrap_or(preset.deep_supervision),
        holdout: holdout.unwrap_or(preset.holdout),
        validate_every: args.validate_every,
        patience: args.patience,
        checkpoint_every: args.checkpoint_every.unwrap_or(preset.checkpoint_every),
        seed: args.seed,
        device: args.device,
        compute: args.compute.get(),
        ..preset
    };
    let engine = EngineHandle::start(Arc::new(|| {}))?;
    let spec = JobSpec::Finetune {
        config: Box::new(config),
        data: args.data,
        label_names: args.label_names.map(|names| names.0).unwrap_or_default(),
        cache: args.cache.unwrap_or_else(|| crate::folders::sample_cache(&args.out)),
        out: args.out,
        resume: args.resume,
        init: if args.init == Path::new("none") { None } else { Some(super::model::checkpoint_path(&args.init)?) },
    };
    follow(&engine, spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_count_from_one() {
        assert_eq!(parse_fold("1/5"), Ok(HoldoutChoice::Fold { k: 0, n: 5 }));
        assert_eq!(parse_fold("5/5"), Ok(HoldoutChoice::Fold { k: 4, n: 5 }));
        for wrong in ["0/5", "6/5", "1/1", "1", "a/b", "-1/5"] {
            assert!(parse_fold(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_come_from_well_known_tables_and_files() {
        let names = parse_label_names("totalsegmentator").expect("a table").0;
        assert_eq!(names.get(&5).map(String::as_str), Some("liver"));
        assert!(parse_label_names("no such file.json").is_err());
    }
}
