mod frames;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use voco_io::{Control, Opened};
use voco_render::VolumeTexture;
use voco_ui::{Layout, OpenVolume, Told, VolumeId, Window};
use voco_volume::Stats;

use frames::Offscreen;

/// Speed, measured on this machine; what `tests/compare` compares with other programs.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Seconds of reading a file or a folder.
    Load(LoadArgs),
    /// Seconds to the first picture, and of frames while slices and the window change. Nothing is shown on the screen.
    View(ViewArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// A volume, or the folder of a DICOM series.
    input: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// A volume, or the folder of a DICOM series.
    input: PathBuf,
    /// Frames of each kind.
    #[arg(long, default_value_t = 60)]
    frames: usize,
    /// Size of the window in pixels, as `WxH`.
    #[arg(long, default_value = "1600x1000", value_parser = super::render::parse_size)]
    size: [u32; 2],
}

pub(crate) fn run(command: &BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Load(args) => super::print_json(&load(args)?),
        BenchCommand::View(args) => super::print_json(&view(args)?),
    }
}

fn load(args: &LoadArgs) -> anyhow::Result<Value> {
    let began = Instant::now();
    let opened = voco_io::open(&args.input, Control::NONE)?;
    let load_s = began.elapsed().as_secs_f64();
    let stats = Stats::of(&opened.volume);
    Ok(json!({
        "load_s": load_s,
        "load_and_statistics_s": began.elapsed().as_secs_f64(),
        "mean": stats.mean,
        "voxel_bytes": opened.volume.voxels().as_bytes().len(),
        "peak_memory_bytes": super::peak_memory_bytes(),
    }))
}

fn view(args: &ViewArgs) -> anyhow::Result<Value> {
    let began = Instant::now();
    let mut screen = Offscreen::new(args.size)?;
    screen.frame()?;
    let window_s = began.elapsed().as_secs_f64();
    let empty = screen.times(args.frames.min(20), |_, _, _| {})?;
    let before_bytes = super::peak_memory_bytes().unwrap_or(0);
    let began = Instant::now();
    let opened = voco_io::open(&args.input, Control::NONE)?;
    let load_s = began.elapsed().as_secs_f64();
    let voxel_bytes = opened.volume.voxels().as_bytes().len();
    let volume = shown(&screen, &args.input, opened)?;
    let upload_s = began.elapsed().as_secs_f64() - load_s;
    let reduction = volume.texture.reduction().map(|r| r.factor);
    screen.show(volume);
    screen.frame()?;
    let first_picture_s = began.elapsed().as_secs_f64();
    // The 3D view follows the slices.
    screen.frame()?;
    let first_3d_s = began.elapsed().as_secs_f64();
    // Now, as some software drivers keep a part of every frame that they have drawn.
    let peak = super::peak_memory_bytes().unwrap_or(0);
    let mut document = json!({
        "adapter": screen.adapter_name(),
        "size_px": args.size,
        "empty_window_s": window_s,
        "empty_frame": empty,
        "load_s": load_s,
        "statistics_and_upload_s": upload_s,
        "open_to_first_picture_s": first_picture_s,
        "open_to_first_3d_s": first_3d_s,
        "texture_reduced_by": reduction,
        "voxel_bytes": voxel_bytes,
    });
    for (name, layout) in [("four_up", Layout::Four), ("one_slice", Layout::One)] {
        screen.set_layout(layout);
        // The 3D view draws coarse and then fine; what is measured begins after that.
        for _ in 0..3 {
            screen.frame()?;
        }
        document[name] = json!({
            "unchanged": screen.times(args.frames, |_, _, _| {})?,
            "scroll": screen.times(args.frames, frames::scroll)?,
            "window_level": screen.times(args.frames, frames::window_level)?,
        });
    }
    document["memory_before_opening_bytes"] = before_bytes.into();
    document["peak_memory_bytes"] = peak.into();
    document["peak_per_voxel_byte"] = (peak.saturating_sub(before_bytes) as f64 / voxel_bytes as f64).into();
    Ok(document)
}

/// As the window opens it.
fn shown(screen: &Offscreen, path: &std::path::Path, opened: Opened) -> anyhow::Result<OpenVolume> {
    let context = screen.context();
    let stats = Stats::of(&opened.volume);
    let texture = Arc::new(VolumeTexture::of(context, &opened.volume, &stats)?);
    let window = opened.window_for(&stats).map(|[width, level]| Window { width, level });
    let told = Told { window, inverted: opened.is_inverted, unit: opened.unit };
    Ok(OpenVolume {
        id: VolumeId(1),
        name: path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        path: None,
        volume: opened.volume,
        stats,
        warnings: opened.warnings,
        window: told.window.unwrap_or_else(|| Window::default_for(&stats)),
        inverted: told.inverted,
        told,
        texture,
        labels: None,
        incoming: None,
        label_stats: None,
        reference: None,
        position: None,
    })
}
