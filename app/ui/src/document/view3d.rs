use std::collections::BTreeMap;
use std::sync::Arc;

use glam::{DQuat, DVec3};
use voco_render::{
    Clip, ClipPlane, Lighting, OcclusionTexture, Quality, RenderMode, SliceIn3d, SurfaceMesh, TransferFunction,
    VolumeLook,
};
use voco_volume::{Box3, Geometry, SlicePlane};

use super::{ViewSettings, VolumeId};
use crate::OpenVolume;

/// Which side of a plane through the crosshair is cut away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// Neither.
    #[default]
    None,
    /// What lies to the left, behind or below (against the direction in which slices are counted).
    Below,
    /// What lies on the other side.
    Above,
}

/// How 3D views look, beside the transfer function and the camera.
#[derive(Debug, Clone)]
pub struct View3d {
    /// Overrides the preset's.
    pub mode: Option<RenderMode>,
    /// The isosurface's value (HU).
    pub iso_value: f64,
    /// Overrides the preset's light.
    pub lighting: Option<Lighting>,
    /// Overrides whether the preset is lit.
    pub shaded: Option<bool>,
    /// Share of light that occlusion takes away, 0…1.
    pub occlusion: f32,
    /// The volume is drawn.
    pub show_volume: bool,
    /// The crop box is in use, and its handles are drawn.
    pub crops: bool,
    /// The crop box in voxels of the volume on show; none = all of it.
    pub crop: Option<Box3>,
    /// The face of the crop box under the pointer or held by it: axis, and whether it is the far one.
    pub crop_face: Option<(usize, bool)>,
    /// Sides of the axial, coronal and sagittal plane through the crosshair that are cut away.
    pub cuts: [Cut; 3],
    /// Only the corner that all cuts have in common goes.
    pub cuts_corner: bool,
    /// Surfaces of labels are cut, too.
    pub cuts_surfaces: bool,
    /// The axial, coronal and sagittal slice, drawn in their places.
    pub slices: [bool; 3],
    /// 0…1.
    pub slice_opacity: f32,
    /// Opacity of single labels where it is not that of all.
    pub label_opacity: BTreeMap<u16, f32>,
    /// The label whose opacity is being set.
    pub chosen_label: Option<u16>,
    /// The transfer function under the pointer's hand.
    pub editor: CurveEditor,
    /// Pictures that are being written.
    pub export: Export3d,
    /// What tasks have made for the scene.
    pub made: Made3d,
    /// The volume whose slices have been drawn: they come a frame before its 3D picture, which takes longer.
    pub(crate) announced: Option<VolumeId>,
    /// What the last picture showed; coarse while it changes.
    pub drawn: Option<Drawn3d>,
    /// The last frame cast rays for a coarse picture: the next one knows how long that took.
    pub was_cast: bool,
    /// Rays per pixel while something turns; follows the time that pictures take.
    pub moving_scale: f32,
}

/// What the editor of the transfer function remembers.
#[derive(Debug, Clone, Default)]
pub struct CurveEditor {
    /// Its window is open.
    pub is_open: bool,
    /// The chosen point.
    pub point: Option<usize>,
    /// The preset as it was, to go back to, with its number.
    pub before: Option<(usize, TransferFunction)>,
    /// A name for an own preset.
    pub name: String,
    /// Counts of values, and the volume they are of.
    pub histogram: Option<(VolumeId, Arc<Histogram>)>,
}

/// How often values occur in a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Where the first bin begins.
    pub min: f64,
    /// Where the last one ends.
    pub max: f64,
    /// Voxels in each.
    pub counts: Vec<u64>,
}

/// Export of pictures and turns.
#[derive(Debug, Clone)]
pub struct Export3d {
    /// Its window is open.
    pub is_open: bool,
    /// Pixels.
    pub size: [u32; 2],
    /// Pictures of a whole turn.
    pub num_frames: u32,
    /// Of a film.
    pub frames_per_second: u32,
    /// Number of the task that writes, and how far it is.
    pub running: Option<(u64, f32)>,
}

/// What was computed beside the window for the scene.
#[derive(Debug, Clone, Default)]
pub struct Made3d {
    /// Occlusion and what it was made for.
    pub occlusion: Option<(OcclusionKey, Arc<OcclusionTexture>)>,
    /// What was asked for and is not there yet.
    pub occlusion_asked: Option<OcclusionKey>,
    /// Surfaces of labels.
    pub surfaces: SurfaceSet,
    /// A task is making surfaces.
    pub surfaces_asked: bool,
}

/// What an occlusion depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct OcclusionKey {
    /// The volume.
    pub volume: VolumeId,
    /// Fitted and shifted.
    pub transfer: TransferFunction,
    /// Of isosurfaces.
    pub iso_value: Option<f64>,
}

/// What a picture was made of: colours, look, and which surfaces.
pub type Drawn3d = (TransferFunction, VolumeLook, Option<(u64, u64)>);

/// The surfaces of a label map.
#[derive(Debug, Clone, Default)]
pub struct SurfaceSet {
    /// The map's texture, and how often it had been written to.
    pub of: Option<(u64, u64)>,
    /// By label, with a number that tells whether its voxels changed.
    pub meshes: BTreeMap<u16, (u64, Arc<SurfaceMesh>)>,
}

/// What the 3D view asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum View3dRequest {
    /// Light taken away by what lies around.
    Occlusion(Box<OcclusionKey>),
    /// Surfaces of the label map of a volume.
    Surfaces(VolumeId),
    /// How often values occur.
    Histogram(VolumeId),
    /// Write the user's presets.
    KeepPresets,
    /// Ask where to write a still picture.
    PictureDialog,
    /// Ask where to write a turn.
    TurnDialog,
    /// Stop writing.
    CancelWriting,
}

impl Default for View3d {
    fn default() -> Self {
        Self {
            mode: None,
            iso_value: 250.0,
            lighting: None,
            shaded: None,
            occlusion: 0.6,
            show_volume: true,
            crops: false,
            crop: None,
            crop_face: None,
            cuts: [Cut::None; 3],
            cuts_corner: false,
            cuts_surfaces: true,
            slices: [false; 3],
            slice_opacity: 1.0,
            label_opacity: BTreeMap::new(),
            chosen_label: None,
            editor: CurveEditor::default(),
            export: Export3d {
                is_open: false,
                size: [1920, 1080],
                num_frames: 90,
                frames_per_second: 20,
                running: None,
            },
            made: Made3d::default(),
            announced: None,
            drawn: None,
            was_cast: false,
            moving_scale: 0.5,
        }
    }
}

impl View3d {
    /// Forgets what belongs to a volume that is no longer on show.
    pub fn reset_for(&mut self, volume: &OpenVolume) {
        (self.crop, self.crop_face, self.drawn) = (None, None, None);
        self.cuts = [Cut::None; 3];
        (self.mode, self.lighting, self.shaded) = (None, None, None);
        self.editor.before = None;
        self.label_opacity.clear();
        self.chosen_label = None;
        let is_ct = volume.unit() == "HU";
        let stats = volume.stats;
        self.iso_value = if is_ct { 250.0 } else { stats.mean + (stats.max - stats.mean) * 0.3 };
    }

    /// The crop box in voxels, the whole volume without one.
    pub fn crop_or_all(&self, geometry: &Geometry) -> Box3 {
        let all = geometry.voxel_box();
        // One drawn on a larger volume does not fit every other.
        self.crop.filter(|c| (0..3).all(|a| c.min[a] >= all.min[a] && c.max[a] <= all.max[a])).unwrap_or(all)
    }

    /// What the renderer is told, for the volume on show.
    pub fn look(&self, settings: &ViewSettings, volume: &OpenVolume) -> VolumeLook {
        let geometry = volume.volume.geometry();
        let frames =
            [SlicePlane::Axial, SlicePlane::Coronal, SlicePlane::Sagittal].map(|p| settings.frame(geometry, p));
        let mut planes = Vec::new();
        for (frame, cut) in frames.iter().zip(self.cuts) {
            let keeps = match cut {
                Cut::None => continue,
                Cut::Below => frame.normal,
                Cut::Above => -frame.normal,
            };
            planes.push(ClipPlane { point_mm: settings.cursor_mm, keeps });
        }
        let mut slices = Vec::new();
        for (frame, _) in frames.iter().zip(self.slices).filter(|(_, is_on)| *is_on) {
            // Beyond the volume nothing is drawn; a square that reaches over its corners will do.
            let slice = frame.slice_at(geometry, settings.cursor_mm);
            let through = frame.point_on_slice(geometry, settings.cursor_mm, slice);
            let reach = geometry.world_bounds().size().length();
            let corner = |x: f64, y: f64| through + frame.right * (x * reach) + frame.down * (y * reach);
            let corners_mm = [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
            slices.push(SliceIn3d { corners_mm, opacity: self.slice_opacity });
        }
        let window = volume.window;
        let sign = if volume.inverted { -1.0 } else { 1.0 };
        VolumeLook {
            clip: Clip {
                crop: self.crop.filter(|_| self.crops),
                planes,
                corner: self.cuts_corner,
                cuts_surfaces: self.cuts_surfaces,
            },
            occlusion: self.occlusion,
            iso_value: self.iso_value,
            has_volume: self.show_volume,
            slices,
            slice_window: [window.width * sign, window.level],
        }
    }

    /// A preset with the mode and light that were chosen over it. Projections of a preset that is none follow the window of the
    /// slices.
    pub fn apply(&self, mut transfer: TransferFunction, volume: &OpenVolume) -> TransferFunction {
        let mode = self.mode.unwrap_or(transfer.mode);
        if mode.is_projection() && !transfer.mode.is_projection() {
            transfer = transfer.projection(mode, volume.window.width, volume.window.level);
        }
        transfer.mode = mode;
        if !mode.is_projection() {
            transfer.lighting = self.lighting.unwrap_or(transfer.lighting);
            transfer.shaded = self.shaded.unwrap_or(transfer.shaded);
        }
        transfer
    }

    /// A preset with the light and mode that were chosen over it, as values of its own.
    pub fn apply_light(&self, mut transfer: TransferFunction) -> TransferFunction {
        transfer.mode = self.mode.unwrap_or(transfer.mode);
        transfer.lighting = self.lighting.unwrap_or(transfer.lighting);
        transfer.shaded = self.shaded.unwrap_or(transfer.shaded);
        transfer
    }

    /// Sets the scale of moving pictures by the time the last one took.
    pub fn adapt(&mut self, seconds: f32) {
        const WANTED_SECONDS: f32 = 0.028;
        // A frame that waited for something else says nothing.
        if !(0.002..0.5).contains(&seconds) {
            return;
        }
        let wanted = self.moving_scale * (WANTED_SECONDS / seconds).sqrt();
        let step = if wanted < self.moving_scale { 0.7 } else { 0.2 };
        self.moving_scale = (self.moving_scale + (wanted - self.moving_scale) * step).clamp(0.2, 1.0);
    }

    /// Of pictures while something moves. In steps, so that textures are not made anew for each picture.
    pub fn moving_quality(&self) -> Quality {
        let scale = (self.moving_scale * 10.0).round().max(2.0) / 10.0;
        // What has few rays needs few samples along them.
        Quality { scale, step_voxels: (0.75 / scale).clamp(1.0, 2.2), smooth_normals: false }
    }
}

impl Histogram {
    /// Bins of a histogram.
    pub const BINS: usize = 256;

    /// Over values between `min` and `max`; what lies outside is counted at the ends.
    pub fn of(values: impl Iterator<Item = f64>, min: f64, max: f64) -> Self {
        let mut counts = vec![0_u64; Self::BINS];
        let gain = Self::BINS as f64 / (max - min).max(f64::MIN_POSITIVE);
        for value in values.filter(|v| v.is_finite()) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bins")]
            let bin = ((value - min) * gain).clamp(0.0, (Self::BINS - 1) as f64) as usize;
            counts[bin] += 1;
        }
        Self { min, max, counts }
    }

    /// Height of each bin on a logarithmic scale, 0…1.
    pub fn log_heights(&self) -> Vec<f32> {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1);
        let scale = (1.0 + most as f64).ln();
        self.counts.iter().map(|&n| ((1.0 + n as f64).ln() / scale) as f32).collect()
    }
}

/// The orientations from which the six faces of the orientation cube are seen, with their letters.
pub(crate) fn cube_faces() -> [(char, DVec3, DQuat); 6] {
    let look = |from: DVec3, up: DVec3| {
        let back = from;
        DQuat::from_mat3(&glam::DMat3::from_cols(up.cross(back), up, back))
    };
    [
        ('R', DVec3::X, DVec3::Z),
        ('L', DVec3::NEG_X, DVec3::Z),
        ('A', DVec3::Y, DVec3::Z),
        ('P', DVec3::NEG_Y, DVec3::Z),
        ('S', DVec3::Z, DVec3::Y),
        ('I', DVec3::NEG_Z, DVec3::Y),
    ]
    .map(|(letter, from, up)| (letter, from, look(from, up)))
}

#[cfg(test)]
mod tests {
    use glam::DVec3;
    use voco_render::VolumeCamera;

    use super::{Histogram, View3d, cube_faces};

    #[test]
    fn a_face_of_the_cube_looks_from_its_side() {
        let camera = VolumeCamera::default();
        for (letter, from, orientation) in cube_faces() {
            let eye = VolumeCamera { orientation, ..camera.clone() }.eye_mm();
            assert!((eye.normalize() - from).length() < 1e-9, "{letter}");
            let up = orientation * DVec3::Y;
            assert!(up.z > 0.99 || up.y > 0.99, "{letter}: the head, or the front, is up");
        }
        let front = cube_faces()[2].2;
        assert!(front.dot(camera.orientation).abs() > 1.0 - 1e-9, "the front is the usual view");
    }

    #[test]
    fn slow_pictures_get_coarser_and_fast_ones_finer() {
        let mut view = View3d::default();
        for _ in 0..10 {
            view.adapt(0.12);
        }
        assert!(view.moving_quality().scale < 0.31, "{}", view.moving_scale);
        for _ in 0..60 {
            view.adapt(0.004);
        }
        assert!(view.moving_quality().scale > 0.9, "{}", view.moving_scale);
        let before = view.moving_scale;
        view.adapt(3.0);
        assert_eq!(view.moving_scale, before, "a pause is not a slow picture");
    }

    #[test]
    fn a_histogram_counts_every_value_once() {
        let values = [-5.0, 0.0, 0.4, 99.9, 100.0, 500.0, f64::NAN];
        let histogram = Histogram::of(values.into_iter(), 0.0, 100.0);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 6);
        assert_eq!((histogram.counts[0], histogram.counts[1], histogram.counts[255]), (2, 1, 3));
        assert!(histogram.log_heights().iter().all(|h| (0.0..=1.0).contains(h)));
    }
}
