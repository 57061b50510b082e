use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use voco_io::{Control, save_volumes};
use voco_volume::{Anatomical, Grid, Interpolation, Volume, axis_codes};

use super::input::Input;

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    input: Input,
    /// The result: .nii, .nii.gz or .nrrd.
    output: PathBuf,
    /// The directions in which the axes are to grow, e.g. RAS; voxels are only reordered.
    #[arg(long, value_parser = orientation)]
    orientation: Option<Orientation>,
    /// Distance between voxels in millimetres, as X,Y,Z or one number.
    #[arg(long, value_parser = spacing, conflicts_with = "like")]
    spacing: Option<Spacing>,
    /// A file whose grid the result is to have.
    #[arg(long, value_name = "REF", conflicts_with = "orientation")]
    like: Option<PathBuf>,
    /// How values between voxels are found; label maps want `nearest`.
    #[arg(long, default_value = "linear")]
    interpolation: InterpolationArg,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum InterpolationArg {
    Linear,
    Nearest,
}

#[derive(Debug, Clone, Copy)]
struct Orientation([Anatomical; 3]);

#[derive(Debug, Clone, Copy)]
struct Spacing([f64; 3]);

pub(crate) fn run(args: &ConvertArgs) -> anyhow::Result<()> {
    let interpolation = match args.interpolation {
        InterpolationArg::Linear => Interpolation::Linear,
        InterpolationArg::Nearest => Interpolation::Nearest,
    };
    let like = args.like.as_ref().map(|path| voco_io::open(path, Control::NONE)).transpose()?;
    let name = args.input.name();
    let mut volumes: Vec<Volume> = Vec::new();
    let mut warnings = Vec::new();
    let mut failed = None;
    args.input.each(&mut |opened| {
        warnings.clone_from(&opened.warnings);
        let changed = changed(&opened.volume, args, like.as_ref().map(|l| &l.volume), interpolation);
        match changed {
            Ok(volume) => volumes.push(volume),
            Err(error) => failed = Some(error),
        }
        failed.is_none()
    })?;
    if let Some(error) = failed {
        anyhow::bail!("{name}: {error}");
    }
    for warning in &warnings {
        super::say(&format!("note: {warning}"));
    }
    save_volumes(&args.output, &volumes, Control::NONE)?;
    let Some(first) = volumes.first() else { anyhow::bail!("{name}: it holds no volume") };
    let geometry = first.geometry();
    let codes: String = axis_codes(geometry.directions()).map(Anatomical::letter).iter().collect();
    if args.json {
        return super::print_json(&json!({
            "dims": geometry.dims(),
            "spacing_mm": geometry.spacing_mm().to_array(),
            "affine_ras": geometry.affine_rows(),
            "orientation": codes,
            "dtype": first.voxels().voxel_type().name(),
            "num_components": volumes.len(),
            "warnings": warnings,
        }));
    }
    let [nx, ny, nz] = geometry.dims();
    super::print(&format!("{nx} × {ny} × {nz} voxels, {codes}, {} volume(s)", volumes.len()));
    Ok(())
}

/// Values stay in the type of the file.
fn changed(
    volume: &Volume,
    args: &ConvertArgs,
    like: Option<&Volume>,
    interpolation: Interpolation,
) -> Result<Volume, voco_volume::VolumeError> {
    let mut volume = match args.orientation {
        Some(Orientation(axes)) => volume.to_orientation(axes)?,
        None => volume.clone(),
    };
    if let Some(Spacing(spacing_mm)) = args.spacing {
        let grid = Grid::from_volume(&volume).to_spacing(spacing_mm, interpolation)?;
        if grid.geometry() != volume.geometry() {
            volume = volume.like_this(&grid)?;
        }
    }
    if let Some(like) = like
        && !like.geometry().is_same_grid(volume.geometry(), 1e-4)
    {
        let grid = Grid::from_volume(&volume);
        // What the scanner did not see is as empty as the emptiest voxel; no label is there.
        let outside = match interpolation {
            Interpolation::Linear => {
                grid.data().iter().copied().filter(|v| v.is_finite()).fold(f32::INFINITY, f32::min)
            }
            Interpolation::Nearest => 0.0,
        };
        let outside = if outside.is_finite() { outside } else { 0.0 };
        volume = volume.like_this(&grid.onto(like.geometry(), interpolation, outside)?)?;
    }
    Ok(volume)
}

fn orientation(text: &str) -> Result<Orientation, String> {
    let bad = || "give three letters such as RAS: each of R or L, A or P, S or I once".to_owned();
    let axes: Option<Vec<Anatomical>> = text.chars().map(Anatomical::of_letter).collect();
    let axes: [Anatomical; 3] = axes.and_then(|a| a.try_into().ok()).ok_or_else(bad)?;
    let mut named = axes.map(|a| a.axis().0);
    named.sort_unstable();
    if named == [0, 1, 2] { Ok(Orientation(axes)) } else { Err(bad()) }
}

fn spacing(text: &str) -> Result<Spacing, String> {
    let bad = || "give three numbers above 0 such as 1,1,2.5, or one for all".to_owned();
    let numbers: Option<Vec<f64>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    let numbers = numbers.filter(|n| n.iter().all(|&v| v > 0.0 && f64::is_finite(v))).ok_or_else(bad)?;
    match numbers[..] {
        [all] => Ok(Spacing([all; 3])),
        [x, y, z] => Ok(Spacing([x, y, z])),
        _ => Err(bad()),
    }
}
