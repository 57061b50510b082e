use glam::{DVec2, DVec3};
use voco_render::{TransferFunction, VolumeCamera};
use voco_volume::{Recipe, SlicePlane};

use crate::OpenVolume;

/// One of the four views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewKind {
    /// A reading plane.
    Slice(SlicePlane),
    /// Volume rendering.
    Volume,
}

impl ViewKind {
    /// In the order of the four-up layout.
    pub const ALL: [Self; 4] = [
        Self::Slice(SlicePlane::Axial),
        Self::Volume,
        Self::Slice(SlicePlane::Coronal),
        Self::Slice(SlicePlane::Sagittal),
    ];

    /// What it is called on the screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::Slice(SlicePlane::Axial) => "Axial",
            Self::Slice(SlicePlane::Coronal) => "Coronal",
            Self::Slice(SlicePlane::Sagittal) => "Sagittal",
            Self::Volume => "3D",
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Slice(SlicePlane::Axial) => 0,
            Self::Slice(SlicePlane::Coronal) => 1,
            Self::Slice(SlicePlane::Sagittal) => 2,
            Self::Volume => 3,
        }
    }
}

/// What a plain left drag does on a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftDrag {
    /// Moves the crosshair.
    Crosshair,
    /// Changes window and level.
    Window,
}

/// What the right panel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// VoCo pre-training.
    Pretrain,
    /// Training with labels.
    Finetune,
    /// Labels for the volume on show.
    Segment,
}

/// How things are looked at. Not part of what is saved or undone; panels change it directly.
pub struct ViewSettings {
    /// The crosshair, RAS+ mm.
    pub cursor_mm: DVec3,
    /// Millimetres per screen point of each slice view; none = fit.
    pub mm_per_point: [Option<f64>; 3],
    /// What lies at the middle of each slice view, in picture mm.
    pub pan_mm: [DVec2; 3],
    /// The view that fills the window, if one does.
    pub maximized: Option<ViewKind>,
    /// What the right panel shows.
    pub work: Work,
    /// Mouse.
    pub left_drag: LeftDrag,
    /// 3D camera.
    pub camera: VolumeCamera,
    /// When the camera was last moved, in seconds of the window's clock: coarse for a moment, then fine.
    pub camera_moved_at: f64,
    /// 3D presets.
    pub transfer_functions: Vec<TransferFunction>,
    /// The preset in use.
    pub transfer_function: usize,
    /// Shift of its inner points, HU.
    pub transfer_shift: f64,
    /// 0…1.
    pub label_opacity: f32,
    /// 0…1, in 3D; 0 hides labels there.
    pub label_opacity_3d: f32,
    /// Only outlines of labels on slices.
    pub label_outline: bool,
    /// Crosshair lines.
    pub show_crosshair: bool,
    /// Base crops on the patient.
    pub show_grid: bool,
    /// Random crops and predictions on the patient.
    pub show_crops: bool,
    /// What the network says of a volume on the patient, instead of the crops drawn by hand.
    pub show_predictions: bool,
    /// The recipe whose frame is drawn.
    pub recipe: Recipe,
    /// Seed of the random crops drawn.
    pub crop_seed: u64,
    /// The help sheet is open.
    pub show_help: bool,
    /// Part of a slice that the wheel has turned so far.
    pub wheel_rest: f32,
    /// The pointer's place in the patient, while it is over a slice.
    pub hover_mm: Option<DVec3>,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            cursor_mm: DVec3::ZERO,
            mm_per_point: [None; 3],
            pan_mm: [DVec2::ZERO; 3],
            maximized: None,
            work: Work::Pretrain,
            left_drag: LeftDrag::Crosshair,
            camera: VolumeCamera::default(),
            camera_moved_at: f64::NEG_INFINITY,
            transfer_functions: TransferFunction::presets(),
            transfer_function: 0,
            transfer_shift: 0.0,
            label_opacity: 0.35,
            label_opacity_3d: 0.0,
            label_outline: false,
            show_crosshair: true,
            show_grid: false,
            show_crops: true,
            show_predictions: true,
            recipe: Recipe::AbdomenUnlabelled,
            crop_seed: 1,
            show_help: false,
            wheel_rest: 0.0,
            hover_mm: None,
        }
    }
}

impl ViewSettings {
    /// Centres and fits everything on a volume that has come on show.
    pub fn reset_for(&mut self, volume: &OpenVolume) {
        let geometry = volume.volume.geometry();
        self.cursor_mm = geometry.center_mm();
        self.camera = VolumeCamera::fit(geometry);
        self.reset_slices();
        let is_ct = volume.stats.min <= -500.0;
        let wanted = if is_ct { "CT-Bone" } else { "MR-Default" };
        self.transfer_function = self.transfer_functions.iter().position(|t| t.name == wanted).unwrap_or(0);
        self.transfer_shift = 0.0;
    }

    /// Fits the slices to their views again.
    pub fn reset_slices(&mut self) {
        self.mm_per_point = [None; 3];
        self.pan_mm = [DVec2::ZERO; 3];
    }

    /// The preset in use, shifted; those for MR are scaled to the volume's range.
    pub fn transfer(&self, volume: &OpenVolume) -> Option<TransferFunction> {
        let preset = self.transfer_functions.get(self.transfer_function)?;
        Some(preset.fitted(volume.stats.min, volume.stats.max).shifted(self.transfer_shift))
    }
}
