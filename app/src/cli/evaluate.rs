mod cases;
mod report;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use voco_io::{Control, LabelNames};
use voco_label::{ClassMetrics, ClassRule, LabelMap, Protocol, flare};
use voco_volume::Geometry;

use cases::Case;
use report::Report;

/// Millimetres, where `--nsd-tolerance` is not given and the protocol has none of its own.
const DEFAULT_TOLERANCE_MM: f64 = 2.0;
/// Share of the shortest voxel side by which the places of two grids may differ.
const GRID_TOLERANCE: f64 = 0.05;

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// A label map, or a folder of them.
    #[arg(long)]
    prediction: PathBuf,
    /// The label map to compare with, or a folder with files of the same names.
    #[arg(long)]
    reference: PathBuf,
    /// Definitions and rules: those of MONAI or of the FLARE challenges.
    #[arg(long, value_enum, default_value = "monai")]
    protocol: Rules,
    /// Millimetres up to which surfaces agree; 2 if left out, or what FLARE has for each organ.
    #[arg(long, value_parser = parse_tolerance)]
    nsd_tolerance: Option<f64>,
    /// The classes to compare, with commas; all that occur if left out, and with flare its thirteen organs.
    #[arg(long, value_delimiter = ',')]
    classes: Vec<u32>,
    /// Names of the labels, {"1": "liver"} or {"liver": 1}; if left out, from a file beside the reference.
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Map the prediction to the grid of the reference by nearest neighbour where they differ.
    #[arg(long)]
    resample: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rules {
    Monai,
    Flare,
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    let tolerance = text.parse().ok().filter(|t: &f64| t.is_finite() && *t >= 0.0);
    tolerance.ok_or_else(|| "give the tolerance in millimetres, 0 or more".into())
}

pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let given_names = args.labels.as_deref().map(read_names).transpose()?;
    let (cases, notes) = cases::find(&args.prediction, &args.reference)?;
    for note in &notes {
        super::say(&format!("warning: {note}"));
    }
    let is_folder = args.reference.is_dir();
    let mut report = Report::new(args.protocol.protocol(), is_folder, notes);
    for (n, case) in cases.iter().enumerate() {
        if is_folder && !args.json {
            super::say(&format!("{} of {}", n + 1, cases.len()));
        }
        match evaluate(args, given_names.as_ref(), case) {
            Ok(result) => report.add(&case.name, result),
            Err(error) if is_folder => {
                super::say(&format!("error: {error:#}"));
                report.add_failed(&case.name, &format!("{error:#}"));
            }
            Err(error) => return Err(error),
        }
    }
    if args.json {
        super::print_json(&report.to_json())?;
    } else {
        report.lines().iter().for_each(|line| super::print(line));
    }
    let failed = report.num_failed();
    anyhow::ensure!(failed == 0, "{failed} of {} cases could not be compared; the means leave them out", cases.len());
    Ok(())
}

/// What is known of one case.
struct Evaluated {
    classes: Vec<ClassMetrics>,
    rules: Vec<ClassRule>,
    names: LabelNames,
    warnings: Vec<String>,
}

impl Evaluated {
    fn name(&self, id: u32) -> Option<&str> {
        u16::try_from(id).ok().and_then(|id| self.names.get(&id)).map(String::as_str)
    }
}

fn evaluate(args: &EvaluateArgs, given_names: Option<&LabelNames>, case: &Case) -> anyhow::Result<Evaluated> {
    let Some(prediction_path) = &case.prediction else {
        anyhow::bail!("{}: the folder of predictions has no file of this name; add it", case.name);
    };
    let mut warnings = Vec::new();
    let reference = read_labels(&case.reference, &mut warnings)?;
    let mut prediction = read_labels(prediction_path, &mut warnings)?;
    let name = file_name(prediction_path);
    if let Some(difference) = grid_difference(prediction.geometry(), reference.geometry()) {
        anyhow::ensure!(
            args.resample,
            "{name}: {difference}; give --resample to map it to the reference by nearest neighbour"
        );
        prediction = prediction.resampled(reference.geometry()).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        warnings.push(format!("{name}: {difference}; mapped to the reference by nearest neighbour"));
    }
    let present = |path: &Path, labels: &LabelMap| {
        labels.present_labels().map_err(|error| anyhow::anyhow!("{}: {error}", file_name(path)))
    };
    let mut present_in_either: BTreeSet<u32> = present(&case.reference, &reference)?.into_iter().collect();
    present_in_either.extend(present(prediction_path, &prediction)?);
    let names = given_names.cloned().or_else(|| voco_io::label_names_beside(&case.reference));
    let rules = rules(args, names.as_ref(), &present_in_either);
    let has_others = present_in_either.iter().any(|id| flare::ORGANS.iter().all(|organ| organ.id != *id));
    if args.protocol == Rules::Flare && names.is_none() && has_others {
        warnings.push("the labels are taken for those of FLARE (1 liver, 2 right kidney …) and others; give --labels if they mean something else".into());
    }
    let names = names.unwrap_or_else(|| if args.protocol == Rules::Flare { flare_names() } else { LabelNames::new() });
    let classes = prediction
        .compared(&reference, args.protocol.protocol(), &rules)
        .map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    for warning in &warnings {
        super::say(&format!("warning: {warning}"));
    }
    Ok(Evaluated { classes, rules, names, warnings })
}

impl Rules {
    fn protocol(self) -> Protocol {
        match self {
            Self::Monai => Protocol::Monai,
            Self::Flare => Protocol::Flare,
        }
    }
}

/// The classes to compare and how. FLARE scores its organs in every case; by the names of the labels if there are any, else by its own
/// ids.
fn rules(args: &EvaluateArgs, names: Option<&LabelNames>, present: &BTreeSet<u32>) -> Vec<ClassRule> {
    let organ = |id: u32| match names {
        Some(names) => u16::try_from(id).ok().and_then(|id| names.get(&id)).and_then(|name| flare::organ_by_name(name)),
        None => flare::ORGANS.iter().find(|organ| organ.id == id),
    };
    let mut ids = present.clone();
    if args.protocol == Rules::Flare {
        let scored = &flare::ORGANS[..flare::NUM_SCORED];
        match names {
            Some(names) => {
                let named = names.keys().map(|&id| u32::from(id));
                ids.extend(named.filter(|&id| organ(id).is_some_and(|organ| scored.contains(organ))));
            }
            None => ids.extend(scored.iter().map(|organ| organ.id)),
        }
    }
    let ids: Vec<u32> = if args.classes.is_empty() { ids.into_iter().collect() } else { args.classes.clone() };
    let rule = |id: u32| {
        let mut rule = match args.protocol {
            Rules::Monai => ClassRule { id, tolerance_mm: DEFAULT_TOLERANCE_MM, is_trimmed: false },
            Rules::Flare => flare::rule(id, organ(id)),
        };
        rule.tolerance_mm = args.nsd_tolerance.unwrap_or(rule.tolerance_mm);
        rule
    };
    ids.into_iter().map(rule).collect()
}

fn flare_names() -> LabelNames {
    let organs = flare::ORGANS.iter();
    organs.filter_map(|organ| Some((u16::try_from(organ.id).ok()?, organ.name.to_owned()))).collect()
}

fn read_names(path: &Path) -> anyhow::Result<LabelNames> {
    let name = file_name(path);
    let text = std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("{name}: the names cannot be read ({e})"))?;
    let names = voco_io::label_names(&text);
    names.ok_or_else(|| anyhow::anyhow!("{name}: no names of labels were found there; write {{\"1\": \"liver\"}}"))
}

fn read_labels(path: &Path, warnings: &mut Vec<String>) -> anyhow::Result<LabelMap> {
    let name = file_name(path);
    let opened = voco_io::open(path, Control::NONE)?;
    if opened.num_components > 1 {
        warnings.push(format!("{name}: it holds {} volumes; only the first is compared", opened.num_components));
    }
    let directions = opened.volume.geometry().directions();
    let [x, y, z] = [directions.x_axis, directions.y_axis, directions.z_axis];
    if [x.dot(y), y.dot(z), z.dot(x)].iter().any(|cosine| cosine.abs() > 1e-3) {
        warnings.push(format!("{name}: its axes are not perpendicular; distances are measured as if they were"));
    }
    LabelMap::from_volume(&opened.volume).map_err(|error| anyhow::anyhow!("{name}: {error}"))
}

/// How the grid of a prediction differs from that of its reference, if it does.
fn grid_difference(prediction: &Geometry, reference: &Geometry) -> Option<String> {
    let ([a, b, c], [x, y, z]) = (prediction.dims(), reference.dims());
    if [a, b, c] != [x, y, z] {
        return Some(format!("it has {a}×{b}×{c} voxels and the reference {x}×{y}×{z}"));
    }
    let tolerance_mm = GRID_TOLERANCE * reference.spacing_mm().min_element();
    if prediction.is_same_grid(reference, tolerance_mm) {
        return None;
    }
    let corners = reference.voxel_box().corners();
    let apart = corners.map(|corner| {
        let [p, r] = [prediction, reference].map(|g| g.world_from_voxel().transform_point3(corner));
        p.distance(r)
    });
    let most = apart.into_iter().fold(0.0, f64::max);
    Some(format!(
        "its grid lies up to {most:.3} mm from that of the reference (at most {tolerance_mm:.3} mm are allowed)"
    ))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// A number, or null where there is none: JSON has no NaN and no infinity.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}
