use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use glam::DVec3;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use voco_engine::{AskedCrops, PositionAnswer, PositionQuestion};
use voco_engine_api::DeviceChoice;
use voco_io::Control;
use voco_volume::position::Crop;
use voco_volume::{Box3, Geometry, prepare};

use super::recipe::{RecipeArg, parse_recipe};

#[derive(Debug, Subcommand)]
pub(crate) enum PositionCommand {
    /// Base crops and random crops with their targets.
    Targets(TargetsArgs),
    /// Where a trained network thinks that crops lie, against the truth.
    Predict(PredictArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TargetsArgs {
    /// A volume, or the folder of a DICOM series.
    input: PathBuf,
    /// A name (`voco recipes` lists them) or a TOML file.
    #[arg(long, default_value = "abdomen-unlabelled", value_parser = parse_recipe)]
    recipe: RecipeArg,
    /// The recipe's group to which the volume belongs.
    #[arg(long)]
    group: Option<String>,
    /// Seed of the window and the random crops.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Random crops to draw.
    #[arg(long, default_value_t = 4)]
    count: usize,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A volume, or the folder of a DICOM series.
    input: PathBuf,
    /// A run (its best checkpoint by validation, else its last), RUN/best, RUN/last, or a file of weights.
    #[arg(long)]
    checkpoint: PathBuf,
    /// A name (`voco recipes` lists them) or a TOML file; by default that of the checkpoint's run.
    #[arg(long, value_parser = parse_recipe)]
    recipe: Option<RecipeArg>,
    /// The recipe's group to which the volume belongs.
    #[arg(long)]
    group: Option<String>,
    /// Middle of a crop in voxels of the frame; may be given several times. Without it crops are drawn.
    #[arg(long, value_name = "X,Y", value_parser = parse_center, conflicts_with = "count")]
    center: Vec<[f64; 2]>,
    /// Seed of the window and the random crops.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Random crops to draw.
    #[arg(long, default_value_t = 16)]
    count: usize,
    /// Random crops that share a batch with the base crops; the numbers depend on it.
    #[arg(long, default_value_t = 4)]
    per_batch: usize,
    /// auto, cpu, gpu or gpu:N.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

fn parse_center(text: &str) -> Result<[f64; 2], String> {
    let parts: Vec<f64> = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
    let &[x, y] = parts.as_slice() else {
        return Err(format!("'{text}' is no place; write two numbers, e.g. 96,96"));
    };
    Ok([x, y])
}

pub(crate) fn run(command: PositionCommand) -> anyhow::Result<()> {
    match command {
        PositionCommand::Targets(args) => targets(&args),
        PositionCommand::Predict(args) => predict(&args),
    }
}

fn predict(args: &PredictArgs) -> anyhow::Result<()> {
    let answer = voco_engine::predict_position(&PositionQuestion {
        input: args.input.clone(),
        checkpoint: super::model::checkpoint_path(&args.checkpoint)?,
        recipe: args.recipe.as_ref().map(RecipeArg::load_pretrain).transpose()?,
        group: args.group.clone(),
        crops: if args.center.is_empty() {
            AskedCrops::Random { seed: args.seed, count: args.count }
        } else {
            AskedCrops::Centers(args.center.clone())
        },
        seed: args.seed,
        crops_per_batch: args.per_batch,
        device: args.device,
    })?;
    if args.json {
        return super::print_json(&serde_json::to_value(&answer)?);
    }
    print_answer(&answer);
    Ok(())
}

fn print_answer(answer: &PositionAnswer) {
    let best = |values: &[f32]| (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
    for crop in &answer.crops {
        let (truth, said) = (best(&crop.target), best(&crop.prediction));
        let distance = crop.error_mm.map_or_else(|| "nothing recognised".into(), |mm| format!("{mm:.1} mm off"));
        let verdict = if crop.top1_correct { "right" } else { "wrong" };
        super::print(&format!(
            "crop at {:>3},{:<3}  base {truth} ({:.2})  predicted {said} ({:.2})  {verdict}, {distance}",
            crop.start[0], crop.start[1], crop.target[truth], crop.prediction[said]
        ));
    }
    let summary = &answer.summary;
    let constant = summary.constant_predictor_loss.map_or_else(String::new, |c| format!(" (constant answer {c})"));
    super::print(&format!(
        "top-1 {:.1} % (chance {:.1} %), position loss {:.3}{constant}, mean error {:.1} mm (blind {:.1} mm)",
        100.0 * summary.top1_accuracy,
        100.0 * summary.chance_top1,
        summary.intra_loss,
        summary.mean_error_mm,
        summary.blind_error_mm
    ));
    let batch = &answer.batch;
    super::print(&format!(
        "{} by {}; {} random and {} base crops of one volume share the statistics of a batch",
        if answer.calibrated { "overlaps" } else { "likeness, not overlaps (the file has no projectors)," },
        answer.architecture,
        batch.random_crops,
        batch.base_crops
    ));
}

fn targets(args: &TargetsArgs) -> anyhow::Result<()> {
    let recipe = args.recipe.load_pretrain()?;
    let group = recipe
        .group(args.group.as_deref())
        .with_context(|| format!("the recipe {} has no such group; choose another with --group", recipe.name))?;
    let opened = voco_io::open(&args.input, Control::NONE)?;
    let file_name = args.input.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let body = prepare(&opened.volume, None, &group.preprocess, &|| false, &mut |_, _, _| {})
        .map_err(|e| anyhow::anyhow!("{file_name}: {e}; choose another recipe with --recipe"))?
        .image;
    let grid = recipe.position_grid();
    let mut random = rand::rngs::StdRng::seed_from_u64(args.seed);
    let windows: [usize; 3] = std::array::from_fn(|a| body.dims()[a].saturating_sub(grid.frame_dims()[a]) + 1);
    let window = windows.map(|n| random.random_range(0..n));
    let frame = body.cropped(window, grid.frame_dims())?;
    let geometry = frame.geometry();
    let crops: Vec<Crop> = (0..args.count).map(|_| voco_engine::draw_crop(grid, &mut random)).collect();
    if args.json {
        let base: Vec<Value> = (0..grid.num_bases())
            .map(|k| {
                let crop = grid.base(k);
                json!({ "index": k, "start": crop.start, "size": crop.size, "box_ras": box_ras(crop, geometry),
                        "corners_ras": corners(crop, geometry) })
            })
            .collect();
        let crops: Vec<Value> = crops
            .iter()
            .map(|&crop| {
                json!({ "start": crop.start, "size": crop.size, "target": grid.target(crop),
                        "box_ras": box_ras(crop, geometry), "corners_ras": corners(crop, geometry) })
            })
            .collect();
        return super::print_json(&json!({
            "recipe": recipe.name,
            "group": group.name,
            "crop_style": if group.preprocess.resize_to.is_some() {
                "whole body stretched to the frame"
            } else {
                "random window of the body"
            },
            "window_start": window,
            "frame": { "dims": geometry.dims(), "affine_ras": geometry.affine_rows(),
                       "spacing_mm": geometry.spacing_mm().to_array() },
            "base": base,
            "crops": crops,
        }));
    }
    let [x, y, z] = geometry.dims();
    let s = geometry.spacing_mm();
    super::print(&format!("frame   {x} × {y} × {z} voxels of {:.3} × {:.3} × {:.3} mm", s.x, s.y, s.z));
    for k in 0..grid.num_bases() {
        super::print(&format!("base {k:<2} {}", box_text(grid.base(k), geometry)));
    }
    for crop in crops {
        let target: Vec<String> = grid.target(crop).iter().map(|t| format!("{t:.3}")).collect();
        super::print(&format!(
            "crop    {}  start {:?}  target {}",
            box_text(crop, geometry),
            crop.start,
            target.join(" ")
        ));
    }
    Ok(())
}

/// Least and greatest RAS corner; the box itself may be oblique, see `corners_ras`.
fn box_ras(crop: Crop, frame: &Geometry) -> [[f64; 3]; 2] {
    let bounds = Box3::around(crop.world_corners(frame));
    [bounds.min.to_array(), bounds.max.to_array()]
}

fn corners(crop: Crop, frame: &Geometry) -> Vec<[f64; 3]> {
    crop.world_corners(frame).iter().map(DVec3::to_array).collect()
}

fn box_text(crop: Crop, frame: &Geometry) -> String {
    let [low, high] = box_ras(crop, frame);
    format!("R {:.1}…{:.1}  A {:.1}…{:.1}  S {:.1}…{:.1} mm", low[0], high[0], low[1], high[1], low[2], high[2])
}
