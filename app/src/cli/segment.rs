use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use voco_engine::EngineHandle;
use voco_engine_api::{
    BlendChoice, ClassVolume, DataItem, DeviceChoice, EngineEvent, JobSpec, Outcome, PatchMerging, Phase,
    SegmentConfig, SegmentItem, SegmentReport, Task, WithoutCard,
};

use super::model::{Blending, Merging, parse_overlap, parse_roi};
use super::recipe::{RecipeArg, parse_recipe};
use super::tasks::parse_task;

/// Between lines on how far it is.
const SAY_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct SegmentArgs {
    /// Volumes, or folders of volumes.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The network: weights, the folder of a run, or the name of a fetched model. Several vote together.
    #[arg(long, required = true)]
    checkpoint: Vec<PathBuf>,
    /// The label map to write (.nii or .nii.gz), or a folder for `NAME_seg.nii.gz`. Results that are there already are kept.
    #[arg(long)]
    out: PathBuf,
    /// What a checkpoint without a model card was trained for: a task's name, or its .toml file.
    #[arg(long, value_parser = parse_task, conflicts_with = "recipe")]
    task: Option<Task>,
    /// Spacing and intensity window for a checkpoint without a model card, as a recipe of the pre-training has them.
    #[arg(long, value_parser = parse_recipe)]
    recipe: Option<RecipeArg>,
    /// Edges of the sliding window in voxels, as X,Y,Z; the model card's or the task's if it is left out.
    #[arg(long, value_parser = parse_roi)]
    roi: Option<[usize; 3]>,
    /// Share of a window that the next one covers again.
    #[arg(long, default_value_t = 0.75, value_parser = parse_overlap)]
    overlap: f64,
    /// Weights of overlapping windows.
    #[arg(long, value_enum, default_value = "constant")]
    blend: Blending,
    /// Also segment mirrored windows and take the mean: flips (all 8), or the axes, e.g. x or xy.
    #[arg(long, default_value = "none", value_parser = parse_flips)]
    tta: Flips,
    /// Also write the probabilities of all classes, as `NAME_prob.nii.gz` beside the label map.
    #[arg(long)]
    probabilities: bool,
    /// Leave out windows in which there is only air; their voxels become background (the default).
    #[arg(long, overrides_with = "no_skip_air")]
    skip_air: bool,
    /// Compute every window.
    #[arg(long)]
    no_skip_air: bool,
    /// Order of the patch merging of a checkpoint without a model card.
    #[arg(long, value_enum, default_value = "legacy")]
    patch_merging: Merging,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// Axes along which windows are mirrored.
#[derive(Debug, Clone, Copy)]
struct Flips([bool; 3]);

fn parse_flips(text: &str) -> Result<Flips, String> {
    match text {
        "none" => return Ok(Flips([false; 3])),
        "flips" => return Ok(Flips([true; 3])),
        _ => {}
    }
    let mut axes = [false; 3];
    for letter in text.chars() {
        let axis =
            "xyz".find(letter).ok_or_else(|| format!("'{text}' is none of: none, flips, x, y, z, xy, xz, yz"))?;
        axes[axis] = true;
    }
    Ok(Flips(axes))
}

pub(crate) fn run(args: SegmentArgs) -> anyhow::Result<()> {
    let items = items(&args.inputs, &args.out)?;
    let names: Vec<String> = items.iter().map(|item| item.input.name()).collect();
    let task = args.task.map(|task| WithoutCard::Task(Box::new(task)));
    let without_card = match (task, args.recipe) {
        (Some(task), _) => Some(task),
        (None, Some(recipe)) => {
            let recipe = recipe.load_pretrain()?;
            recipe.group(None).map(|group| WithoutCard::Preprocess(group.preprocess.clone()))
        }
        (None, None) => None,
    };
    let config = SegmentConfig {
        checkpoints: args
            .checkpoint
            .iter()
            .map(|path| super::model::checkpoint_path(path))
            .collect::<Result<_, _>>()?,
        without_card,
        roi: args.roi,
        overlap: args.overlap,
        blend: if args.blend == Blending::Gaussian { BlendChoice::Gaussian } else { BlendChoice::Constant },
        flips: args.tta.0,
        probabilities: args.probabilities,
        skip_air: !args.no_skip_air,
        patch_merging: PatchMerging::from(args.patch_merging),
        device: args.device,
    };
    let began = Instant::now();
    let engine = EngineHandle::start(Arc::new(|| {}))?;
    let spec = JobSpec::Segment { config: Box::new(config), items };
    let (_, cancel) = engine.start_job(spec).map_err(anyhow::Error::msg)?;
    ctrlc::set_handler(move || cancel.cancel())?;
    let mut watch = Watch { names: &names, number: 0, began: Instant::now(), said: Instant::now() };
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for event in engine.events() {
        match event {
            EngineEvent::Started { device, .. } if !device.is_empty() => super::say(&format!("computing on {device}")),
            EngineEvent::Phase { phase: Phase::Preparing, .. } => watch.next(),
            EngineEvent::Phase { phase: Phase::Segmenting, .. } => watch.began = Instant::now(),
            EngineEvent::Progress { done, total, .. } => watch.progress(done, total),
            EngineEvent::Segmented { report, .. } => {
                Watch::done(&report, args.json);
                reports.push(report);
            }
            EngineEvent::SegmentFailed { text, .. } => {
                if names.len() > 1 {
                    super::say(&format!("failed: {text}"));
                }
                failures.push(text);
            }
            EngineEvent::Warning { text, .. } => super::say(&format!("warning: {text}")),
            EngineEvent::Ended { outcome, .. } => {
                if args.json && !reports.is_empty() {
                    print_document(&reports, &failures, began.elapsed())?;
                }
                return match outcome {
                    Outcome::Done => Ok(()),
                    Outcome::Cancelled => {
                        Err(anyhow::anyhow!("stopped; the same command goes on with the next volume"))
                    }
                    Outcome::Failed(failure) => Err(failure.into()),
                };
            }
            _ => {}
        }
    }
    Err(anyhow::anyhow!("the engine ended without a word"))
}

/// Words on how far it is, on standard error.
struct Watch<'a> {
    names: &'a [String],
    number: usize,
    began: Instant,
    said: Instant,
}

impl Watch<'_> {
    fn next(&mut self) {
        self.number += 1;
        if let Some(name) = self.names.get(self.number - 1) {
            super::say(&format!("{name} ({} of {})", self.number, self.names.len()));
        }
    }

    fn progress(&mut self, done: u64, total: u64) {
        if done == 0 || done == total || self.said.elapsed() < SAY_EVERY {
            return;
        }
        self.said = Instant::now();
        let left = self.began.elapsed().as_secs_f64() / done as f64 * (total - done) as f64;
        super::say(&format!("  {done} of {total} windows, about {left:.0} s left"));
    }

    fn done(report: &SegmentReport, is_json: bool) {
        if report.skipped {
            super::say("  it is there already");
        } else {
            super::say(&format!(
                "  {} windows, {} of air left out, {:.1} s",
                report.windows, report.windows_skipped, report.seconds
            ));
        }
        if !is_json {
            for class in report.classes.iter().filter(|class| class.voxels > 0) {
                super::print(&format!(
                    "{:>5}  {:<32} {:>10} voxels {:>10.1} ml",
                    class.id, class.name, class.voxels, class.ml
                ));
            }
        }
    }
}

fn print_document(reports: &[SegmentReport], failures: &[String], elapsed: Duration) -> anyhow::Result<()> {
    // Over all volumes; of one alone, its own numbers.
    let mut classes: Vec<ClassVolume> = Vec::new();
    for class in reports.iter().flat_map(|report| &report.classes) {
        match classes.iter_mut().find(|c| c.id == class.id) {
            Some(sum) => {
                sum.voxels += class.voxels;
                sum.ml += class.ml;
            }
            None => classes.push(class.clone()),
        }
    }
    super::print_json(&json!({
        "seconds": elapsed.as_secs_f64(),
        "peak_rss_bytes": super::peak_memory_bytes(),
        "classes": classes,
        "cases": reports,
        "failures": failures,
    }))
}

/// The volumes with the place of each result.
fn items(inputs: &[PathBuf], out: &Path) -> anyhow::Result<Vec<SegmentItem>> {
    let mut files = Vec::new();
    let mut is_folder = false;
    for input in inputs {
        if input.is_dir() {
            is_folder = true;
            let name = input.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            let found =
                voco_io::list_images(input).map_err(|e| anyhow::anyhow!("{name}: the folder cannot be read ({e})"))?;
            anyhow::ensure!(!found.is_empty(), "{name}: no volume was found there; label maps are left out");
            files.extend(found);
        } else {
            files.push(input.clone());
        }
    }
    if voco_io::is_image_name(out) {
        let one = files.first().filter(|_| files.len() == 1 && !is_folder);
        let Some(file) = one else { anyhow::bail!("several volumes need a folder for their results; give --out one") };
        return Ok(vec![SegmentItem { input: DataItem::File(file.clone()), output: Some(out.to_owned()) }]);
    }
    std::fs::create_dir_all(out).map_err(|e| anyhow::anyhow!("the folder of --out cannot be made ({})", e.kind()))?;
    let mut names = BTreeSet::new();
    let item = |file: PathBuf| {
        let name = format!("{}_seg.nii.gz", voco_io::image_stem(&file));
        anyhow::ensure!(
            names.insert(name.clone()),
            "{name}: two volumes have this name; segment them into two folders"
        );
        Ok(SegmentItem { input: DataItem::File(file), output: Some(out.join(name)) })
    };
    files.into_iter().map(item).collect()
}

impl From<Merging> for PatchMerging {
    fn from(merging: Merging) -> Self {
        match merging {
            Merging::Legacy => Self::Legacy,
            Merging::Fixed => Self::Fixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_to_mirror_are_read() {
        for (text, expected) in
            [("none", [false; 3]), ("flips", [true; 3]), ("xz", [true, false, true]), ("y", [false, true, false])]
        {
            assert_eq!(parse_flips(text).map(|f| f.0), Ok(expected), "{text}");
        }
        assert!(parse_flips("both").is_err(), "no axes");
    }

    #[test]
    fn several_volumes_need_a_folder_and_different_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a.nii"), folder.path().join("b.nii.gz"));
        let one = items(std::slice::from_ref(&a), &folder.path().join("x.nii.gz")).expect("one file");
        assert_eq!(one[0].output, Some(folder.path().join("x.nii.gz")));
        let two = items(&[a.clone(), b.clone()], &folder.path().join("out")).expect("a folder");
        assert_eq!(two[1].output, Some(folder.path().join("out/b_seg.nii.gz")));
        assert!(items(&[a.clone(), b], &folder.path().join("x.nii.gz")).is_err(), "two in one file");
        assert!(items(&[a.clone(), a], &folder.path().join("out")).is_err(), "one name twice");
    }
}
