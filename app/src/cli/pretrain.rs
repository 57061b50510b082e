use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use voco_engine::EngineHandle;
use voco_engine_api::{DataItem, DeviceChoice, EngineEvent, JobSpec, Model, Outcome, Phase, PretrainConfig};
use voco_volume::Recipe;

use super::position::parse_recipe;

#[derive(Debug, Args)]
pub(crate) struct PretrainArgs {
    /// A folder of volumes, or a JSON list as the Medical Segmentation Decathlon has them.
    #[arg(long)]
    data: PathBuf,
    /// The run's folder: log, settings, checkpoints.
    #[arg(long)]
    out: PathBuf,
    /// abdomen, abdomen-unlabelled, chest, head-neck or cvpr.
    #[arg(long, default_value = "abdomen-unlabelled", value_parser = parse_recipe)]
    recipe: Recipe,
    /// unet-tiny, tiny, B, L or H.
    #[arg(long, default_value = "unet-tiny", value_parser = parse_model)]
    model: Model,
    /// Optimiser steps.
    #[arg(long, default_value_t = 300)]
    steps: u64,
    /// Volumes per step.
    #[arg(long, default_value_t = 2)]
    batch: usize,
    /// Random crops per volume and step.
    #[arg(long)]
    crops: Option<usize>,
    /// Greatest learning rate.
    #[arg(long)]
    lr: Option<f64>,
    /// Steps of warm-up.
    #[arg(long)]
    warmup: Option<u64>,
    /// Augment crops (true or false).
    #[arg(long, action = clap::ArgAction::Set)]
    augment: Option<bool>,
    /// Chance with which a crop's embedding is dropped on its way to the student.
    #[arg(long)]
    row_dropout: Option<f64>,
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

pub(crate) fn run(args: &PretrainArgs) -> anyhow::Result<()> {
    let init = args.init.as_deref().map(super::model::checkpoint_path).transpose()?;
    let data = data_items(&args.data)?;
    let preset = PretrainConfig::preset(args.model, args.steps);
    let config = PretrainConfig {
        recipe: args.recipe,
        volumes_per_step: args.batch,
        crops_per_volume: args.crops.unwrap_or(preset.crops_per_volume),
        learning_rate: args.lr.unwrap_or(preset.learning_rate),
        warmup_steps: args.warmup.unwrap_or(preset.warmup_steps),
        augment: args.augment.unwrap_or(preset.augment),
        row_dropout: args.row_dropout.unwrap_or(preset.row_dropout),
        seed: args.seed,
        device: args.device,
        ..preset
    };
    let engine = EngineHandle::start(Arc::new(|| {}))?;
    let spec = JobSpec::Pretrain { config, data, out: args.out.clone(), resume: args.resume, init };
    let (_, cancel) = engine.start_job(spec).map_err(anyhow::Error::msg)?;
    ctrlc::set_handler(move || cancel.cancel())?;
    let mut saved = false;
    for event in engine.events() {
        match event {
            EngineEvent::Started { device, .. } if !device.is_empty() => super::say(&format!("computing on {device}")),
            EngineEvent::Phase { phase: Phase::Preparing, .. } => super::say("reading and preprocessing…"),
            EngineEvent::Progress { done, total, .. } => super::say(&format!("  {done} of {total} volumes")),
            EngineEvent::Step { report, .. } => super::print(&serde_json::to_string(&report)?),
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

/// The volumes of a folder or of a list (`{"training": [{"image": …}]}`, or plain paths), relative to the list.
fn data_items(path: &Path) -> anyhow::Result<Vec<DataItem>> {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let files = if path.is_dir() {
        voco_io::list_images(path).map_err(|e| anyhow::anyhow!("{name}: the folder cannot be read ({e})"))?
    } else {
        let text =
            std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("{name}: the list cannot be read ({e})"))?;
        let list: serde_json::Value = serde_json::from_str(&text)
            .map_err(|e| anyhow::anyhow!("{name}: this is not a JSON list of volumes ({e})"))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let entries = list.get("training").unwrap_or(&list).as_array().cloned().unwrap_or_default();
        let image = |entry: &serde_json::Value| entry.get("image").unwrap_or(entry).as_str().map(|s| folder.join(s));
        entries.iter().filter_map(image).collect()
    };
    anyhow::ensure!(!files.is_empty(), "{name}: no .nii, .nii.gz or .hdr volume was found there");
    Ok(files.into_iter().map(DataItem::File).collect())
}

/// The most memory the process has had, where the system tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}
