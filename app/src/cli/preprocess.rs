use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use voco_io::{Control, image_stem, save_grid, save_labels};
use voco_volume::{Grid, Stage, Volume, prepare};

use super::recipe::{RecipeArg, parse_recipe};

#[derive(Debug, Args)]
pub(crate) struct PreprocessArgs {
    /// A volume, or the folder of a DICOM series.
    input: PathBuf,
    /// The result (.nii or .nii.gz); with --label its label map lies beside it as `NAME_label`.
    output: PathBuf,
    /// The name of a recipe (see `voco recipes`), or a TOML file: a recipe's, or preprocessing settings alone.
    #[arg(long, default_value = "abdomen-unlabelled", value_parser = parse_recipe)]
    recipe: RecipeArg,
    /// The recipe's group of volumes, if not its default one.
    #[arg(long)]
    group: Option<String>,
    /// The label map of the image, taken along by the nearest voxel.
    #[arg(long)]
    label: Option<PathBuf>,
    /// A folder for the result of each stage.
    #[arg(long)]
    stages: Option<PathBuf>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &PreprocessArgs) -> anyhow::Result<()> {
    let spec = args.recipe.preprocess(args.group.as_deref())?;
    if let Some(folder) = &args.stages {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{}: the folder for the stages cannot be made", name_of(folder)))?;
    }
    let image = voco_io::open(&args.input, Control::NONE)?;
    let label = args.label.as_deref().map(open_label).transpose()?;
    for warning in &image.warnings {
        super::say(&format!("note: {warning}"));
    }
    let mut stages: Vec<Value> = Vec::new();
    let mut failed = None;
    let mut keep = |stage: Stage, image: &Grid, label: Option<&Grid>| {
        let geometry = image.geometry();
        stages.push(json!({ "name": stage.name(), "dims": geometry.dims(), "affine": geometry.affine_rows(),
                            "spacing_mm": geometry.spacing_mm().to_array() }));
        if let (Some(folder), None) = (&args.stages, &failed) {
            let path = folder.join(format!("{}.nii.gz", stage.name()));
            failed = save(&path, image, label).err();
        }
    };
    let prepared = prepare(&image.volume, label.as_ref(), &spec, &|| false, &mut keep)
        .map_err(|e| anyhow::anyhow!("{}: {e}", name_of(&args.input)))?;
    if let Some(error) = failed {
        return Err(error);
    }
    save(&args.output, &prepared.image, prepared.label.as_ref())?;
    if args.json {
        return super::print_json(
            &json!({ "recipe": args.recipe.text(), "group": args.group, "settings": spec, "stages": stages }),
        );
    }
    for stage in stages {
        let number = |key: &str, axis: usize| stage[key][axis].as_f64().unwrap_or(0.0);
        let [x, y, z] = [0, 1, 2].map(|a| number("dims", a));
        let [sx, sy, sz] = [0, 1, 2].map(|a| number("spacing_mm", a));
        let name = stage["name"].as_str().unwrap_or_default();
        super::print(&format!("{name:<8} {x:>4} × {y:>4} × {z:>4} voxels of {sx:.3} × {sy:.3} × {sz:.3} mm"));
    }
    Ok(())
}

fn open_label(path: &Path) -> anyhow::Result<Volume> {
    let volume = voco_io::open(path, Control::NONE)?.volume;
    // Whole numbers that fit, or this is an image.
    voco_io::label_table(&volume, &voco_io::LabelNames::new())
        .map_err(|e| anyhow::anyhow!("{}: {e}", name_of(path)))?;
    Ok(volume)
}

fn save(path: &Path, image: &Grid, label: Option<&Grid>) -> anyhow::Result<()> {
    save_grid(path, image, Control::NONE)?;
    if let Some(label) = label {
        let ids: Vec<u16> = label.data().iter().map(|&v| v as u16).collect();
        let beside = path.with_file_name(format!("{}_label.nii.gz", image_stem(path)));
        save_labels(&beside, label.geometry(), &ids, Control::NONE)?;
    }
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "the file".into(), |n| n.to_string_lossy().into_owned())
}
