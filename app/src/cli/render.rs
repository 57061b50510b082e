use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use glam::{DVec2, DVec3};
use serde_json::json;
use voco_io::{Control, Opened};
use voco_render::{
    Comparison, ComparisonStyle, LabelTexture, Line, PreparedVolume, RenderContext, Renderer, Slab, SliceLabels,
    SliceLook, SliceView, TransferFunction, UploadLimits, ViewState, VolumeTexture,
};
use voco_ui::{Window, WindowPreset, box_edges, box_section};
use voco_volume::{FrameWindow, LabelTable, Recipe, SliceFrame, SlicePlane, Stats, Volume, preprocess};

use super::render3d::{Args3d, Scene3d, Shown, times_json};
use crate::turntable::Film;

#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// A volume, or the folder of a DICOM series.
    input: PathBuf,
    /// The picture to write.
    output: PathBuf,
    /// What to show.
    #[arg(long, value_enum, default_value_t = View::Four)]
    view: View,
    /// Slice number, from 0, counted to the right, front or head; the middle if left out.
    #[arg(long)]
    slice: Option<usize>,
    /// Window width and level, as WIDTH/LEVEL.
    #[arg(long, value_parser = parse_window)]
    window: Option<Window>,
    /// A window preset for slices (abdomen, lung, bone …) or a 3D preset (CT-Bone, CT-Lung …).
    #[arg(long)]
    preset: Option<String>,
    /// A label map to lay over.
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Another label map, to compare --labels with.
    #[arg(long, requires = "labels")]
    reference: Option<PathBuf>,
    /// How they are compared on slices.
    #[arg(long, value_enum, default_value_t = Compare::Outlines, requires = "reference")]
    compare: Compare,
    /// Compare only the class with this voxel value.
    #[arg(long, requires = "reference")]
    class: Option<u16>,
    /// Draw the base crops of the recipe.
    #[arg(long)]
    position_grid: bool,
    /// The recipe of the base crops.
    #[arg(long, default_value = "abdomen-unlabelled", value_parser = parse_grid_recipe)]
    recipe: Recipe,
    /// Size in pixels, as `WxH`.
    #[arg(long, default_value = "800x800", value_parser = parse_size)]
    size: [u32; 2],
    #[command(flatten)]
    in_3d: Args3d,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum View {
    Axial,
    Coronal,
    Sagittal,
    #[value(name = "3d")]
    Volume,
    Four,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compare {
    /// Both outlines: --labels in orange, --reference in blue, white where they coincide.
    Outlines,
    /// Areas: green where both agree, orange and blue where only one has the class, purple where the classes differ.
    Differences,
}

fn parse_window(text: &str) -> Result<Window, String> {
    let numbers = text.split_once('/').and_then(|(w, l)| Some((w.trim().parse().ok()?, l.trim().parse().ok()?)));
    match numbers {
        Some((width, level)) if width > 0.0 => Ok(Window { width, level }),
        _ => Err("give the window as WIDTH/LEVEL, for example 400/40".into()),
    }
}

pub(super) fn parse_size(text: &str) -> Result<[u32; 2], String> {
    let numbers = text.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    numbers
        .filter(|s: &[u32; 2]| s.iter().all(|&n| (16..=8192).contains(&n)))
        .ok_or_else(|| "give the size as WIDTHxHEIGHT, each from 16 to 8192".into())
}

/// Everything that the pictures of one volume share.
struct Scene<'a> {
    context: RenderContext,
    renderer: Renderer,
    volume: &'a Volume,
    stats: Stats,
    texture: VolumeTexture,
    labels: Option<(LabelTexture, LabelTable)>,
    reference: Option<(LabelTexture, LabelTable)>,
    comparison: Comparison,
    window: Window,
    inverted: bool,
    transfer: TransferFunction,
    lines: Vec<Line>,
    boxes: Vec<[DVec3; 8]>,
    slice: Option<usize>,
}

pub(crate) fn run(args: &RenderArgs) -> anyhow::Result<()> {
    let opened = voco_io::open(&args.input, Control::NONE)?;
    let context = RenderContext::headless()?;
    let scene = Scene::new(args, &opened, context)?;
    if let Some(film) = args.in_3d.film(args.size) {
        return scene.film(args, film);
    }
    if let Some(num) = args.in_3d.repeats() {
        let (shown, mut in_3d) = scene.in_3d(args)?;
        let seconds = in_3d.seconds(&shown, args.size, num)?;
        save(args, &in_3d.picture(&shown, args.size, None)?)?;
        return super::print_json(&times_json(scene.context.adapter_name(), &seconds));
    }
    let began = Instant::now();
    let rgba = match args.view {
        View::Four => scene.four(args)?,
        View::Volume => scene.volume_view(args, args.size)?,
        View::Axial => scene.slice_view(SlicePlane::Axial, args.size)?,
        View::Coronal => scene.slice_view(SlicePlane::Coronal, args.size)?,
        View::Sagittal => scene.slice_view(SlicePlane::Sagittal, args.size)?,
    };
    let frame_ms = began.elapsed().as_secs_f64() * 1e3;
    save(args, &rgba)?;
    let adapter = scene.context.adapter_name();
    if args.json {
        return super::print_json(&json!({ "adapter": adapter, "frame_ms": frame_ms }));
    }
    super::say(&format!("{frame_ms:.0} ms on {adapter}"));
    Ok(())
}

fn save(args: &RenderArgs, rgba: &[u8]) -> anyhow::Result<()> {
    let name = args.output.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let [width, height] = args.size;
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::write_image(encoder, rgba, width, height, image::ExtendedColorType::Rgba8)?;
    let folder = match args.output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => std::path::Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, &bytes)?;
        file.persist(&args.output)?;
        Ok(())
    };
    write().map_err(|e| anyhow::anyhow!("{name}: the picture cannot be written ({}); choose another place", e.kind()))
}

impl<'a> Scene<'a> {
    fn new(args: &RenderArgs, opened: &'a Opened, context: RenderContext) -> anyhow::Result<Self> {
        let volume = &opened.volume;
        let stats = Stats::of(volume);
        let prepared = PreparedVolume::new(volume, &UploadLimits::of(&context));
        let texture = VolumeTexture::upload(&context, &prepared)?;
        let labels = args.labels.as_ref().map(|path| load_labels(path, &context)).transpose()?;
        let reference = args.reference.as_ref().map(|path| load_labels(path, &context)).transpose()?;
        let style = match args.compare {
            Compare::Outlines => ComparisonStyle::Outlines,
            Compare::Differences => ComparisonStyle::Differences,
        };
        let comparison = Comparison { style, class: args.class };
        let transfers = TransferFunction::presets();
        let wanted = args.preset.as_deref().unwrap_or_default();
        let find = |name: &str| {
            transfers
                .iter()
                .find(|t| t.name.eq_ignore_ascii_case(name) || t.name.eq_ignore_ascii_case(&format!("CT-{name}")))
        };
        let window_preset = WindowPreset::ALL.iter().find(|p| p.name.eq_ignore_ascii_case(wanted));
        if !wanted.is_empty() && find(wanted).is_none() && window_preset.is_none() {
            let names: Vec<&str> =
                WindowPreset::ALL.iter().map(|p| p.name).chain(transfers.iter().map(|t| t.name.as_str())).collect();
            anyhow::bail!("there is no preset '{wanted}'; the presets are {}", names.join(", "));
        }
        let default = if stats.min <= -500.0 { "CT-Bone" } else { "MR-Default" };
        let transfer = find(wanted).or_else(|| find(default)).unwrap_or(&transfers[0]).fitted(stats.min, stats.max);
        let told = || opened.window_for(&stats).map(|[width, level]| Window { width, level });
        let window = args.window.or(window_preset.map(|p| p.window)).or_else(told);
        let window = window.unwrap_or_else(|| Window::default_for(&stats));
        let boxes = if args.position_grid {
            let body = preprocess(volume, args.recipe, &|| false, &mut |_, _| {})?;
            let frame = body.frame(FrameWindow { start: body.num_windows().map(|n| n / 2) })?;
            let grid = frame.position_grid;
            (0..grid.num_bases()).map(|k| grid.base(k).world_corners(frame.geometry())).collect()
        } else {
            Vec::new()
        };
        let renderer = Renderer::new(&context, RenderContext::OFFSCREEN_FORMAT);
        Ok(Self {
            context,
            renderer,
            volume,
            stats,
            texture,
            labels,
            reference,
            comparison,
            window,
            inverted: opened.is_inverted,
            transfer,
            lines: boxes.iter().flat_map(box_edges).map(|[a, b]| grid_line(a, b)).collect(),
            boxes,
            slice: args.slice,
        })
    }

    fn slice_view(&self, plane: SlicePlane, size: [u32; 2]) -> anyhow::Result<Vec<u8>> {
        let geometry = self.volume.geometry();
        let frame = SliceFrame::new(geometry, plane);
        let slice = self.slice.unwrap_or(frame.num_slices / 2);
        anyhow::ensure!(
            slice < frame.num_slices,
            "there is no slice {slice}: this view has slices 0 to {}",
            frame.num_slices - 1
        );
        let through_mm = frame.point_on_slice(geometry, geometry.center_mm(), slice);
        let [width, height] = size.map(f64::from);
        let mm_per_pixel = (frame.extent_mm.x / width).max(frame.extent_mm.y / height);
        let view = SliceView { frame, through_mm, center_mm_on_picture: DVec2::ZERO, mm_per_pixel, size_px: size };
        let look = SliceLook {
            window_width: self.window.width,
            window_level: self.window.level,
            label_opacity: 0.4,
            label_outline_px: None,
            comparison: self.comparison,
            inverted: self.inverted,
            slab: Slab::default(),
        };
        let mut lines = Vec::new();
        for corners in &self.boxes {
            let outline = box_section(corners, &frame, through_mm).unwrap_or_default();
            for (n, &a) in outline.iter().enumerate() {
                let b = outline[(n + 1) % outline.len()];
                let [a, b] = [a, b].map(|p| frame.world_from_picture(p, through_mm));
                lines.push(grid_line(a, b));
            }
        }
        let mut state = ViewState::new(&self.context, &self.renderer);
        Ok(self.renderer.render_slice_to_rgba(
            &self.context,
            &mut state,
            Some(&self.texture),
            SliceLabels {
                labels: self.labels.as_ref().map(|(texture, _)| texture),
                reference: self.reference.as_ref().map(|(texture, _)| texture),
            },
            &view,
            &look,
            &lines,
        )?)
    }

    fn in_3d<'s>(&'s self, args: &RenderArgs) -> anyhow::Result<(Shown<'s>, Scene3d)> {
        debug_assert!(self.stats.max >= self.stats.min, "statistics of a volume are ordered");
        let shown = Shown {
            ctx: &self.context,
            renderer: &self.renderer,
            geometry: self.volume.geometry(),
            texture: &self.texture,
            labels: self.labels.as_ref().map(|(texture, table)| (texture, table)),
            window: self.window,
            inverted: self.inverted,
            lines: &self.lines,
        };
        let scene = Scene3d::new(&args.in_3d, &shown, &self.transfer)?;
        Ok((shown, scene))
    }

    fn volume_view(&self, args: &RenderArgs, size: [u32; 2]) -> anyhow::Result<Vec<u8>> {
        let (shown, mut scene) = self.in_3d(args)?;
        scene.picture(&shown, size, None)
    }

    fn film(&self, args: &RenderArgs, film: Film) -> anyhow::Result<()> {
        let (shown, mut scene) = self.in_3d(args)?;
        let began = Instant::now();
        scene.turntable(&shown, &args.output, film, Control::NONE)?;
        let seconds = began.elapsed().as_secs_f64();
        if args.json {
            let adapter = self.context.adapter_name();
            return super::print_json(
                &json!({ "adapter": adapter, "num_frames": film.num_frames, "seconds": seconds }),
            );
        }
        super::say(&format!("{} pictures in {seconds:.1} s", film.num_frames));
        Ok(())
    }

    /// Axial, 3D, coronal and sagittal, as in the window.
    fn four(&self, args: &RenderArgs) -> anyhow::Result<Vec<u8>> {
        let [width, height] = args.size;
        let (left, top) = (width / 2, height / 2);
        let mut out = vec![0; (width * height * 4) as usize];
        let mut put = |rgba: &[u8], x: u32, y: u32, w: u32| {
            for (row, line) in rgba.chunks((w * 4) as usize).enumerate() {
                let at = (((y + row as u32) * width + x) * 4) as usize;
                out[at..at + line.len()].copy_from_slice(line);
            }
        };
        put(&self.slice_view(SlicePlane::Axial, [left, top])?, 0, 0, left);
        put(&self.volume_view(args, [width - left, top])?, left, 0, width - left);
        put(&self.slice_view(SlicePlane::Coronal, [left, height - top])?, 0, top, left);
        put(&self.slice_view(SlicePlane::Sagittal, [width - left, height - top])?, left, top, width - left);
        Ok(out)
    }
}

fn load_labels(path: &std::path::Path, context: &RenderContext) -> anyhow::Result<(LabelTexture, LabelTable)> {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let opened = voco_io::open(path, Control::NONE)?;
    let table = voco_io::label_table(&opened.volume, &voco_io::LabelNames::new())
        .map_err(|e| anyhow::anyhow!("{name}: {e}"))?;
    Ok((LabelTexture::upload(context, &opened.volume, &table)?, table))
}

fn grid_line(a: DVec3, b: DVec3) -> Line {
    Line { a, b, color: [96, 165, 250, 255], width_px: 1.5 }
}

/// The recipe of that name, or which ones there are.
fn parse_grid_recipe(name: &str) -> Result<Recipe, String> {
    Recipe::from_name(name).ok_or_else(|| format!("the recipes are {}", Recipe::ALL.map(Recipe::name).join(", ")))
}
