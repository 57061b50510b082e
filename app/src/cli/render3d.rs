//! `voco render` in 3D: mode, light, cuts, surfaces of labels, turns, and how long pictures take.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use glam::DVec3;
use serde_json::{Value, json};
use voco_io::Control;
use voco_render::{
    Clip, ClipPlane, LabelTexture, Line, OcclusionTexture, Quality, RenderContext, RenderMode, Renderer, SliceIn3d,
    Surface, TransferFunction, ViewState, VolumeCamera, VolumeLook, VolumeTexture, VolumeView,
};
use voco_ui::{SurfaceSet, Window};
use voco_volume::{Box3, Geometry, LabelTable, SliceFrame, SlicePlane};

use crate::turntable::{Film, turned, write};

/// What only 3D pictures have.
#[derive(Debug, Args)]
pub(crate) struct Args3d {
    /// How a 3D picture comes about; the preset's way if left out.
    #[arg(long, value_parser = parse_mode)]
    mode: Option<RenderMode>,
    /// Value of the isosurface (HU).
    #[arg(long, default_value_t = 250.0, allow_negative_numbers = true)]
    iso: f64,
    /// Share of light that what lies around takes away, 0 to 1.
    #[arg(long, default_value_t = 0.6)]
    occlusion: f32,
    /// Opacity of the surfaces of labels in 3D, 0 to 1.
    #[arg(long, default_value_t = 1.0)]
    label_opacity: f32,
    /// Degrees to turn the patient to the right, seen from the front.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    turn: f64,
    /// Degrees to tip the head towards the eye.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    tip: f64,
    /// Draw the middle slices (or --slice) in their places: any of axial, coronal, sagittal.
    #[arg(long, value_delimiter = ',')]
    slices: Vec<String>,
    /// Cut away a side of the middle: any of R, L, A, P, S, I.
    #[arg(long, value_delimiter = ',')]
    cut: Vec<char>,
    /// Show only this box of voxels, as I0:I1,J0:J1,K0:K1.
    #[arg(long, value_parser = parse_crop)]
    crop: Option<Box3>,
    /// Do not draw the volume itself.
    #[arg(long)]
    no_volume: bool,
    /// Write a turn of this many pictures: into OUTPUT.gif, or into a folder of PNG files.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=1440))]
    turntable: Option<u32>,
    /// Pictures per second of a turn.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50))]
    fps: u32,
    /// Draw the 3D picture this many times, turned a little each time, and tell how long one takes.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: Option<u32>,
    /// Rays per pixel along each side, 0.1 to 1; less than 1 is what the window draws while the volume turns.
    #[arg(long, default_value_t = 1.0)]
    scale: f32,
}

fn parse_mode(text: &str) -> Result<RenderMode, String> {
    let names = RenderMode::ALL.map(RenderMode::id).join(", ");
    RenderMode::ALL.into_iter().find(|m| m.id() == text).ok_or_else(|| format!("the modes are {names}"))
}

fn parse_crop(text: &str) -> Result<Box3, String> {
    let mut bounds = [[0.0_f64; 2]; 3];
    let parts: Vec<&str> = text.split(',').collect();
    let read = |part: &str| -> Option<[f64; 2]> {
        let (from, to) = part.split_once(':')?;
        let (from, to): (u32, u32) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (from < to).then(|| [f64::from(from), f64::from(to)])
    };
    for (bound, part) in bounds.iter_mut().zip(&parts) {
        *bound = read(part).ok_or_else(|| format!("'{part}' is no range; give FROM:TO in voxels"))?;
    }
    if parts.len() != 3 {
        return Err("give three ranges, as 0:100,0:100,20:80".into());
    }
    let corner = |n: usize| DVec3::from_array(bounds.map(|b| b[n])) - 0.5;
    Ok(Box3 { min: corner(0), max: corner(1) })
}

/// What all 3D pictures of a call share.
pub(super) struct Scene3d {
    look: VolumeLook,
    transfer: TransferFunction,
    occlusion: Option<OcclusionTexture>,
    surfaces: SurfaceSet,
    table: Option<LabelTable>,
    label_opacity: f32,
    camera: VolumeCamera,
    quality: Quality,
    state: ViewState,
}

/// The volume and what is laid over it.
pub(super) struct Shown<'a> {
    pub ctx: &'a RenderContext,
    pub renderer: &'a Renderer,
    pub geometry: &'a Geometry,
    pub texture: &'a VolumeTexture,
    pub labels: Option<(&'a LabelTexture, &'a LabelTable)>,
    pub window: Window,
    pub inverted: bool,
    pub lines: &'a [Line],
}

impl Scene3d {
    pub fn new(args: &Args3d, shown: &Shown<'_>, transfer: &TransferFunction) -> anyhow::Result<Self> {
        let mut transfer = transfer.clone();
        if let Some(mode) = args.mode {
            if mode.is_projection() && !transfer.mode.is_projection() {
                transfer = transfer.projection(mode, shown.window.width, shown.window.level);
            }
            transfer.mode = mode;
        }
        let occlusion = (args.occlusion > 0.0 && !transfer.mode.is_projection() && !args.no_volume)
            .then(|| OcclusionTexture::new(shown.ctx, shown.texture, &transfer, args.iso))
            .transpose()?;
        let mut surfaces = SurfaceSet::default();
        if let Some((labels, _)) = shown.labels.filter(|_| args.label_opacity > 0.0) {
            let none = (BTreeMap::new(), AtomicBool::new(false));
            surfaces = crate::surfaces::label_surfaces(shown.ctx, labels, &none.0, &none.1, &|_| {})
                .map_err(|text| anyhow::anyhow!(text))?;
        }
        let mut camera = VolumeCamera::fit(shown.geometry);
        camera.turn(args.turn.to_radians(), 0.0);
        camera.turn(0.0, args.tip.to_radians());
        let (mut planes, mut slices) = (Vec::new(), Vec::new());
        let middle = shown.geometry.center_mm();
        for side in &args.cut {
            let keeps = match side.to_ascii_uppercase() {
                'R' => DVec3::NEG_X,
                'L' => DVec3::X,
                'A' => DVec3::NEG_Y,
                'P' => DVec3::Y,
                'S' => DVec3::NEG_Z,
                'I' => DVec3::Z,
                other => anyhow::bail!("there is no side '{other}'; the sides are R, L, A, P, S and I"),
            };
            planes.push(ClipPlane { point_mm: middle, keeps });
        }
        anyhow::ensure!(planes.len() <= 3, "at most three sides can be cut away");
        for name in &args.slices {
            let plane = match name.as_str() {
                "axial" => SlicePlane::Axial,
                "coronal" => SlicePlane::Coronal,
                "sagittal" => SlicePlane::Sagittal,
                other => anyhow::bail!("there is no slice '{other}'; they are axial, coronal and sagittal"),
            };
            let frame = SliceFrame::new(shown.geometry, plane);
            let through = frame.point_on_slice(shown.geometry, middle, frame.num_slices / 2);
            let reach = shown.geometry.world_bounds().size().length();
            let corner = |x: f64, y: f64| through + frame.right * (x * reach) + frame.down * (y * reach);
            let corners_mm = [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
            slices.push(SliceIn3d { corners_mm, opacity: 1.0 });
        }
        let look = VolumeLook {
            clip: Clip { crop: args.crop, planes, corner: false, cuts_surfaces: true },
            occlusion: args.occlusion,
            iso_value: args.iso,
            has_volume: !args.no_volume,
            slices,
            slice_window: [if shown.inverted { -shown.window.width } else { shown.window.width }, shown.window.level],
        };
        // Times are those of the window, which draws a little coarser without a GPU; a picture to keep is drawn as well as can be.
        let suited = |quality: Quality| if args.repeat.is_some() { quality.suited_to(shown.ctx) } else { quality };
        let quality = if args.scale < 1.0 {
            Quality {
                scale: args.scale,
                step_voxels: (0.75 / args.scale.max(0.1)).clamp(1.0, 2.2),
                smooth_normals: false,
            }
        } else {
            Quality::RESTING
        };
        Ok(Self {
            look,
            transfer,
            occlusion,
            surfaces,
            table: shown.labels.map(|(_, table)| table.clone()),
            label_opacity: args.label_opacity,
            camera,
            quality: suited(quality),
            state: ViewState::new(shown.ctx, shown.renderer),
        })
    }

    /// One picture; `camera` if it is not that of the call.
    pub fn picture(
        &mut self,
        shown: &Shown<'_>,
        size: [u32; 2],
        camera: Option<&VolumeCamera>,
    ) -> anyhow::Result<Vec<u8>> {
        let color = |id: u16| self.table.as_ref().and_then(|t| t.get(id)).filter(|e| e.visible).map(|e| e.color);
        let surfaces: Vec<Surface<'_>> = self
            .surfaces
            .meshes
            .iter()
            .filter_map(|(id, (_, mesh))| Some(Surface { mesh, color: color(*id)?, opacity: self.label_opacity }))
            .collect();
        let quality = self.quality;
        let camera = camera.unwrap_or(&self.camera);
        let view = VolumeView {
            occlusion: self.occlusion.as_ref(),
            surfaces: &surfaces,
            lines: shown.lines,
            ..VolumeView::new(camera, size, &self.transfer, quality, &self.look)
        };
        Ok(shown.renderer.render_volume_to_rgba(shown.ctx, &mut self.state, shown.texture, &view)?)
    }

    /// A whole turn, written to a file or folder.
    pub fn turntable(
        &mut self,
        shown: &Shown<'_>,
        path: &Path,
        film: Film,
        control: Control<'_>,
    ) -> anyhow::Result<()> {
        let start = self.camera.clone();
        let mut picture = |n: u32| self.picture(shown, film.size, Some(&turned(&start, n, film.num_frames)));
        write(path, film, &mut picture, control)
    }

    /// Seconds of each of `num` pictures, drawn and read back, each from another direction.
    pub fn seconds(&mut self, shown: &Shown<'_>, size: [u32; 2], num: u32) -> anyhow::Result<Vec<f64>> {
        let start = self.camera.clone();
        // The first one compiles what the driver left for later.
        self.picture(shown, size, Some(&turned(&start, num, num * 8)))?;
        let one = |n: u32| -> anyhow::Result<f64> {
            let camera = turned(&start, n, num * 8);
            let began = Instant::now();
            self.picture(shown, size, Some(&camera))?;
            Ok(began.elapsed().as_secs_f64())
        };
        (0..num).map(one).collect()
    }
}

impl Args3d {
    pub fn film(&self, size: [u32; 2]) -> Option<Film> {
        let num_frames = self.turntable?;
        Some(Film { size, num_frames, frames_per_second: self.fps })
    }

    pub fn repeats(&self) -> Option<u32> {
        self.repeat
    }
}

/// Median and range of measured times.
pub(super) fn times_json(adapter: &str, seconds: &[f64]) -> Value {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).copied();
    json!({
        "adapter": adapter,
        "num_frames": seconds.len(),
        "seconds_per_frame": at(0.5),
        "least_seconds": at(0.0),
        "greatest_seconds": at(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::{parse_crop, times_json};

    #[test]
    fn a_crop_is_given_in_voxels() {
        let crop = parse_crop("0:10, 5:6,20:40").unwrap();
        assert_eq!((crop.min.to_array(), crop.max.to_array()), ([-0.5, 4.5, 19.5], [9.5, 5.5, 39.5]));
        for wrong in ["", "1:2", "1:2,3:4", "5:5,0:1,0:1", "a:b,0:1,0:1", "0:1,0:1,0:1,0:1"] {
            assert!(parse_crop(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_middle_of_times_is_told() {
        let told = times_json("a", &[0.5, 0.1, 0.3]);
        assert_eq!((&told["seconds_per_frame"], &told["least_seconds"]), (&0.3.into(), &0.1.into()));
    }
}
