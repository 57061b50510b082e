use std::path::PathBuf;

use clap::{Args, Subcommand};
use glam::DVec3;
use rand::SeedableRng;
use serde_json::{Value, json};
use voco_io::Control;
use voco_volume::position::Crop;
use voco_volume::{Box3, CropStyle, Geometry, Recipe, preprocess};

#[derive(Debug, Subcommand)]
pub(crate) enum PositionCommand {
    /// Base crops and random crops with their targets.
    Targets(TargetsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TargetsArgs {
    /// A NIfTI file.
    input: PathBuf,
    /// abdomen, abdomen-unlabelled, chest, head-neck or cvpr.
    #[arg(long, default_value = "abdomen-unlabelled", value_parser = parse_recipe)]
    recipe: Recipe,
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

/// The recipe of that name, or which ones there are.
pub(crate) fn parse_recipe(name: &str) -> Result<Recipe, String> {
    Recipe::from_name(name).ok_or_else(|| format!("the recipes are {}", Recipe::ALL.map(Recipe::name).join(", ")))
}

pub(crate) fn run(command: PositionCommand) -> anyhow::Result<()> {
    match command {
        PositionCommand::Targets(args) => targets(&args),
    }
}

fn targets(args: &TargetsArgs) -> anyhow::Result<()> {
    let opened = voco_io::open(&args.input, Control::NONE)?;
    let file_name = args.input.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let body = preprocess(&opened.volume, args.recipe, &|| false, &mut |_, _| {})
        .map_err(|e| anyhow::anyhow!("{file_name}: {e}; choose another recipe with --recipe"))?;
    let mut random = rand::rngs::StdRng::seed_from_u64(args.seed);
    let window = voco_engine::draw_window(&body, &mut random);
    let frame = body.frame(window)?;
    let (geometry, grid) = (frame.geometry(), frame.position_grid);
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
            "recipe": args.recipe.name(),
            "crop_style": match args.recipe.crop_style() {
                CropStyle::RandomWindow => "random window of the body",
                CropStyle::WholeBody => "whole body stretched to the frame",
            },
            "window_start": window.start,
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
