mod hub;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use voco_engine::{Expectation, ModelRun, WindowSettings};
use voco_engine_api::DeviceChoice;

/// Keys that are shown of a list for people.
const SHOWN: usize = 8;

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// What a file of weights holds.
    Show(ShowArgs),
    /// A forward pass on a raw tensor.
    Run(RunArgs),
    /// From PyTorch, safetensors or burn to safetensors or burn.
    Convert(ConvertArgs),
    /// The published models, and which of them are on this machine.
    List(hub::ListArgs),
    /// Get a published model from the hub or a folder.
    Fetch(hub::FetchArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A .pt, .pth, .safetensors or .bpk, the folder of a run, or the name of a fetched model.
    checkpoint: PathBuf,
    /// Compare with a network of so many input channels.
    #[arg(long, value_parser = parse_count)]
    in_channels: Option<usize>,
    /// Compare with a network of so many classes.
    #[arg(long, value_parser = parse_count)]
    classes: Option<usize>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A .pt, .pth, .safetensors or .bpk, the folder of a run, or the name of a fetched model.
    checkpoint: PathBuf,
    /// A .safetensors with a tensor named input, of shape [N, C, X, Y, Z].
    #[arg(long)]
    input: PathBuf,
    /// The .safetensors to write; its tensor output holds the logits, or an encoder's embedding.
    #[arg(long)]
    output: PathBuf,
    /// Write hidden0, hidden1, … and embedding too.
    #[arg(long, conflicts_with = "roi")]
    all_outputs: bool,
    /// Order of the patch merging: as in MONAI up to 1.4 and all VoCo files, or as repaired in 1.5.
    #[arg(long, value_enum, default_value = "legacy")]
    patch_merging: Merging,
    /// By sliding window of so many voxels, as X,Y,Z.
    #[arg(long, value_parser = parse_roi)]
    roi: Option<[usize; 3]>,
    /// Share of a window that the next one covers again.
    #[arg(long, default_value_t = 0.75, value_parser = parse_overlap)]
    overlap: f64,
    /// Weights of overlapping windows.
    #[arg(long, value_enum, default_value = "constant")]
    blend: Blending,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// A .pt, .pth, .safetensors or .bpk, the folder of a run, or the name of a fetched model.
    input: PathBuf,
    /// A .safetensors (key names of PyTorch) or .bpk (burn's own file).
    output: PathBuf,
    /// For so many input channels: first filters are repeated and scaled.
    #[arg(long, value_parser = parse_count)]
    in_channels: Option<usize>,
    /// For so many classes: the last layer is drawn anew.
    #[arg(long, value_parser = parse_count)]
    classes: Option<usize>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Merging {
    Legacy,
    Fixed,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Blending {
    Constant,
    Gaussian,
}

/// The file that a path or the name of a published model stands for; every command that takes weights asks here. Fetches nothing.
pub(crate) fn checkpoint_path(path: &Path) -> anyhow::Result<PathBuf> {
    Ok(voco_hub::resolve(path)?)
}

pub(crate) fn run(command: ModelCommand) -> anyhow::Result<()> {
    match command {
        ModelCommand::Show(args) => show(&args),
        ModelCommand::Run(args) => forward(args),
        ModelCommand::Convert(args) => convert(&args),
        ModelCommand::List(args) => hub::list(&args),
        ModelCommand::Fetch(args) => hub::fetch(&args),
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let expectation = Expectation { in_channels: args.in_channels, classes: args.classes };
    let info = voco_engine::show_model(&checkpoint_path(&args.checkpoint)?, expectation)?;
    if args.json {
        return super::print_json(&serde_json::to_value(&info)?);
    }
    super::print(&format!("architecture  {} ({})", info.architecture, info.backbone));
    super::print(&format!("file          {}", info.format));
    super::print(&format!("feature size  {}", info.feature_size));
    super::print(&format!("channels      {}", info.in_channels));
    if let Some(classes) = info.classes {
        super::print(&format!("classes       {classes}"));
    }
    if let Some(card) = &info.card {
        super::print(&format!("task          {} ({} classes)", card.task, card.classes.len()));
        let dice = card.validation_dice.map_or_else(|| "not validated".into(), |d| format!("Dice {d:.3} on others"));
        super::print(&format!("trained       on {} cases, {} steps, {dice}", card.trained_cases, card.steps));
    }
    super::print(&format!("parameters    {}", info.parameters));
    super::print(&format!("matched       {}", info.matched.len()));
    for (name, keys) in
        [("missing", &info.missing), ("unexpected", &info.unexpected), ("mismatch", &info.shape_mismatch)]
    {
        super::print(&format!("{name:<13} {}", keys.len()));
        for key in keys.iter().take(SHOWN) {
            super::print(&format!("              {key}"));
        }
        if keys.len() > SHOWN {
            super::print(&format!("              … and {} more; --json lists all", keys.len() - SHOWN));
        }
    }
    Ok(())
}

fn forward(args: RunArgs) -> anyhow::Result<()> {
    let gaussian = args.blend == Blending::Gaussian;
    let run = ModelRun {
        checkpoint: checkpoint_path(&args.checkpoint)?,
        input: args.input,
        output: args.output,
        all_outputs: args.all_outputs,
        patch_merging: args.patch_merging.into(),
        window: args.roi.map(|roi| WindowSettings { roi, overlap: args.overlap, gaussian }),
        device: args.device,
    };
    let report = voco_engine::run_model(&run)?;
    if args.json {
        return super::print_json(&serde_json::to_value(&report)?);
    }
    super::say(&format!("{} on {} in {:.2} s", report.architecture, report.device, report.seconds));
    for (name, shape) in &report.outputs {
        super::print(&format!("{name:<10} {shape:?}"));
    }
    Ok(())
}

fn convert(args: &ConvertArgs) -> anyhow::Result<()> {
    let fit = Expectation { in_channels: args.in_channels, classes: args.classes };
    let report = voco_engine::convert_model(&checkpoint_path(&args.input)?, &args.output, fit)?;
    if args.json {
        return super::print_json(&serde_json::to_value(&report)?);
    }
    let network = report.architecture.as_deref().unwrap_or("unknown network");
    super::print(&format!("{} tensors of a {network}", report.tensors));
    for (what, keys) in [("fitted", &report.adapted), ("drawn anew", &report.drawn)] {
        for key in keys {
            super::say(&format!("{what}: {key}"));
        }
    }
    for key in &report.left_out {
        super::say(&format!("left out: {key}"));
    }
    if !report.missing.is_empty() {
        super::say(&format!(
            "the input lacks {} tensors of the network; 'voco model show' lists them",
            report.missing.len()
        ));
    }
    Ok(())
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=1024).contains(n))
        .ok_or_else(|| format!("'{text}' is not a number from 1 to 1024"))
}

pub(crate) fn parse_roi(text: &str) -> Result<[usize; 3], String> {
    let edges: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok().filter(|n| *n > 0)).collect();
    edges
        .and_then(|edges| edges.try_into().ok())
        .ok_or_else(|| format!("'{text}' is not a size; write three numbers of voxels, as 96,96,96"))
}

pub(crate) fn parse_overlap(text: &str) -> Result<f64, String> {
    let overlap = text.parse().ok().filter(|overlap| (0.0..1.0).contains(overlap));
    overlap.ok_or_else(|| format!("'{text}' is not an overlap; write a share of at least 0 and below 1"))
}
