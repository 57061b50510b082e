//! The head-less commands. Machine output goes to standard output, everything else to standard error.

mod bench;
mod compute;
mod convert;
mod devices;
mod evaluate;
mod finetune;
mod follow;
mod info;
mod input;
mod labels;
mod model;
mod omni;
mod position;
mod preprocess;
mod pretrain;
mod recipe;
mod recipes;
mod render;
mod render3d;
mod report;
mod segment;
mod tasks;

use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Opens, shows and labels 3D medical images, and pre-trains networks on them with VoCo.
#[derive(Debug, Parser)]
#[command(name = "voco", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Files to open in the window.
    pub files: Vec<PathBuf>,
    /// Open the sample CT that comes with the program.
    #[arg(long)]
    pub sample: bool,
    /// Say when the window and its first picture are there, then end.
    #[arg(long, hide = true)]
    pub time_start: bool,
    /// Say more on standard error.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Args {
    /// A first word that is neither a command nor a file, and does not look like a path: wrong usage.
    pub(crate) fn unknown_word(&self) -> Option<&str> {
        let word = self.files.first().filter(|_| self.command.is_none())?.to_str()?;
        let is_word = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        (is_word && !std::path::Path::new(word).exists()).then_some(word)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Header and statistics of a volume or label map.
    Info(info::InfoArgs),
    /// Another format, orientation, spacing or grid of a volume.
    Convert(convert::ConvertArgs),
    /// Label maps from one format to another, with their names: voxels, DICOM, surfaces, tables.
    Labels(labels::LabelsArgs),
    /// The deterministic steps before a network sees a volume, each as a file.
    Preprocess(preprocess::PreprocessArgs),
    /// An off-screen picture of a volume.
    Render(render::RenderArgs),
    /// The position task: where crops lie and what the network should say of them.
    #[command(subcommand)]
    Position(position::PositionCommand),
    /// VoCo pre-training on a folder of volumes.
    Pretrain(Box<pretrain::PretrainArgs>),
    /// Training for segmentation on volumes with label maps.
    Finetune(finetune::FinetuneArgs),
    /// Labels for volumes, by sliding window.
    Segment(segment::SegmentArgs),
    /// The tasks that networks can be fine-tuned for.
    Tasks(tasks::TasksArgs),
    /// Recipes of pre-training, and their files.
    Recipes(recipes::RecipesArgs),
    /// Files of weights: what is in them, a forward pass, conversion.
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// How well label maps agree with reference ones: overlap, surface distances, volumes.
    Evaluate(evaluate::EvaluateArgs),
    /// Measurements as a DICOM structured report.
    Report(report::ReportArgs),
    /// Devices, what they can do, and which one `auto` takes.
    Devices(devices::DevicesArgs),
    /// Speed, measured on this machine.
    #[command(subcommand, hide = true)]
    Bench(bench::BenchCommand),
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Info(args) => info::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Labels(args) => labels::run(&args),
        Command::Preprocess(args) => preprocess::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Position(command) => position::run(command),
        Command::Pretrain(args) => pretrain::run(&args),
        Command::Finetune(args) => finetune::run(args),
        Command::Segment(args) => segment::run(args),
        Command::Tasks(args) => tasks::run(&args),
        Command::Recipes(args) => recipes::run(&args),
        Command::Model(command) => model::run(command),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Bench(command) => bench::run(&command),
    }
}

/// A line for people, on standard error.
pub(crate) fn say(line: &str) {
    // Nothing can be told to a user whose standard error is closed.
    writeln!(std::io::stderr(), "{line}").ok();
}

/// A line on standard output. A closed pipe (`voco … | head`) ends the program's output, not the program.
pub(crate) fn print(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").ok();
}

/// A JSON document on standard output.
pub(crate) fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// The most memory the process has had, where the system tells.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}
