use std::collections::{BTreeMap, HashMap};

use glam::{DQuat, DVec2, DVec3};
use voco_render::{Slab, TransferFunction, VolumeCamera};
use voco_volume::{Geometry, Recipe, SliceFrame, SlicePlane};

use super::View3d;
use super::{Cine, CompareView, Layout, Mix, OverlayVolume, Pane, Preferences, Side, Tool};
use crate::i18n;
use crate::labelling::LabelSettings;
use crate::measure::{MeasureKind, MeasurePlane};
use crate::views::{Outline, Wire};
use crate::{OpenVolume, Request, VolumeId, Window};

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
            Self::Slice(SlicePlane::Axial) => i18n::text("view-axial"),
            Self::Slice(SlicePlane::Coronal) => i18n::text("view-coronal"),
            Self::Slice(SlicePlane::Sagittal) => i18n::text("view-sagittal"),
            Self::Volume => i18n::text("view-3d"),
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

/// What the right panel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Labels by hand.
    Label,
    /// VoCo pre-training.
    Pretrain,
    /// Training with labels.
    Finetune,
    /// Labels for the volume on show.
    Segment,
}

/// A measurement that is not finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Where it is drawn.
    pub pane: Pane,
    /// What it will be.
    pub kind: MeasureKind,
    /// The plane.
    pub plane: MeasurePlane,
    /// Points set so far.
    pub points_mm: Vec<DVec3>,
}

/// What a drag that is going on does; it stays the same if a modifier is let go meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub enum Drag {
    /// What a tool or a button does.
    Tool(Pane, Tool),
    /// Turns the planes about the normal of this view.
    Turn(Pane),
    /// Moves a point of a measurement.
    Point {
        /// Where.
        pane: Pane,
        /// Which measurement.
        number: u32,
        /// Which of its points.
        index: usize,
    },
    /// Moves a whole measurement.
    Measurement(Pane, u32),
    /// Moves the line between two volumes.
    Swipe(Pane),
    /// Adds points to a measurement; began at this place on the screen.
    Draw(Pane, egui::Pos2),
    /// Paints or erases; the tip was last at this place in the patient.
    Stroke(Pane, DVec3),
    /// Draws the last mark of the smart tool.
    Mark(Pane),
    /// Moves a point of the outline.
    OutlinePoint(Pane, usize),
    /// Draws the outline freely.
    OutlineFree(Pane),
}

/// How things are looked at. Not part of what is saved or undone; panels change it directly.
pub struct ViewSettings {
    /// The crosshair, RAS+ mm.
    pub cursor_mm: DVec3,
    /// Millimetres per screen point of each slice view; none = fit.
    pub mm_per_point: [Option<f64>; 3],
    /// The zoom that each slice view was drawn with last, fitted ones included.
    pub shown_mm_per_point: HashMap<Pane, f64>,
    /// What lies at the middle of each slice view, in picture mm.
    pub pan_mm: [DVec2; 3],
    /// The view that fills the window, if one does.
    pub maximized: Option<ViewKind>,
    /// Of which volume it is.
    pub maximized_side: Side,
    /// What the right panel shows.
    pub work: Work,
    /// What a left drag does.
    pub tool: Tool,
    /// What the user likes.
    pub preferences: Preferences,
    /// How views share the window.
    pub layout: Layout,
    /// The view that keys speak to: the one under the pointer last, or chosen by key.
    pub active_view: Pane,
    /// The view that is large, or alone, in layouts that have one.
    pub main_view: ViewKind,
    /// By how much the reading planes are turned in the patient; the identity for the volume's own.
    pub turn: DQuat,
    /// Around each slice.
    pub slab: Slab,
    /// Slices that go by on their own.
    pub cine: Cine,
    /// The volume beside the one on show.
    pub compare: CompareView,
    /// Volumes over the one on show, lowest first.
    pub overlays: Vec<OverlayVolume>,
    /// How the first of them shares the view.
    pub mix: Mix,
    /// Place of the line of [`Mix::Swipe`], 0 left … 1 right.
    pub swipe_at: f32,
    /// The window that each volume was opened in, by its number.
    pub opened_with: BTreeMap<u64, Window>,
    /// A measurement being drawn.
    pub drawing: Option<Drawing>,
    /// The measurement that is chosen: of which volume, and its number.
    pub selected: Option<(VolumeId, u32)>,
    /// What the drag that is going on moves is in the history already.
    pub is_drag_recorded: bool,
    /// What a drag that is going on does.
    pub drag: Option<Drag>,
    /// The view in which the tool in hand is to be used at the crosshair, as by a click.
    pub uses_tool_at_cursor: Option<Pane>,
    /// How the tools for labels are set.
    pub labels: LabelSettings,
    /// An outline that is not used yet.
    pub outline: Option<Outline>,
    /// The live wire from the outline's last point.
    pub wire: Option<Wire>,
    /// What views ask for; the shell passes it on.
    pub asks: Vec<Request>,
    /// Texts in the corners of views.
    pub show_texts: bool,
    /// The side panels.
    pub show_panels: [bool; 2],
    /// The command palette is open.
    pub show_palette: bool,
    /// The window of preferences is open.
    pub show_preferences: bool,
    /// A picture is being taken: names are not drawn, nor what lights up under the pointer.
    pub is_picture_taken: bool,
    /// Where the views lie in the window, points.
    pub views_rect: egui::Rect,
    /// The keyboard is with a view rather than with a button.
    pub is_view_focused: bool,
    /// What labels come back to when they are shown again.
    pub opacity_before_hiding: f32,
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
    /// How many presets come with the program; the user's own follow.
    pub num_built_in_presets: usize,
    /// How 3D views look besides.
    pub view3d: View3d,
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
    /// The side of the view that the pointer was over last.
    pub hover_side: Side,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            cursor_mm: DVec3::ZERO,
            mm_per_point: [None; 3],
            shown_mm_per_point: HashMap::new(),
            pan_mm: [DVec2::ZERO; 3],
            maximized: None,
            maximized_side: Side::A,
            work: Work::Pretrain,
            tool: Tool::Crosshair,
            preferences: Preferences::default(),
            layout: Layout::Four,
            active_view: Pane { kind: ViewKind::Slice(SlicePlane::Axial), side: Side::A },
            main_view: ViewKind::Slice(SlicePlane::Axial),
            turn: DQuat::IDENTITY,
            slab: Slab { mode: voco_render::SlabMode::Thin, thickness_mm: 10.0 },
            cine: Cine::default(),
            compare: CompareView::default(),
            overlays: Vec::new(),
            mix: Mix::Blend,
            swipe_at: 0.5,
            opened_with: BTreeMap::new(),
            drawing: None,
            selected: None,
            is_drag_recorded: false,
            drag: None,
            uses_tool_at_cursor: None,
            labels: LabelSettings::default(),
            outline: None,
            wire: None,
            asks: Vec::new(),
            show_texts: true,
            show_panels: [true; 2],
            show_palette: false,
            show_preferences: false,
            is_picture_taken: false,
            views_rect: egui::Rect::NOTHING,
            is_view_focused: false,
            opacity_before_hiding: 0.35,
            camera: VolumeCamera::default(),
            camera_moved_at: f64::NEG_INFINITY,
            transfer_functions: TransferFunction::presets(),
            transfer_function: 0,
            num_built_in_presets: TransferFunction::presets().len(),
            view3d: View3d::default(),
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
            hover_side: Side::A,
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
        self.turn = DQuat::IDENTITY;
        self.reset_work_for(volume);
    }

    /// A volume has come on show that lies where the one before it lay: only what was going on there ends.
    pub fn reset_work_for(&mut self, volume: &OpenVolume) {
        (self.drawing, self.selected, self.drag) = (None, None, None);
        (self.outline, self.wire) = (None, None);
        let is_ct = volume.stats.min <= -500.0;
        let wanted = if is_ct { "CT-Bone" } else { "MR-Default" };
        self.transfer_function = self.transfer_functions.iter().position(|t| t.name == wanted).unwrap_or(0);
        self.transfer_shift = 0.0;
        self.view3d.reset_for(volume);
    }

    /// Takes a 3D preset as it is.
    pub fn choose_preset(&mut self, number: usize) {
        self.transfer_function = number;
        self.transfer_shift = 0.0;
        (self.view3d.mode, self.view3d.lighting, self.view3d.shaded) = (None, None, None);
        self.view3d.editor.point = None;
    }

    /// Fits the slices to their views again.
    pub fn reset_slices(&mut self) {
        self.mm_per_point = [None; 3];
        self.pan_mm = [DVec2::ZERO; 3];
        self.compare.mm_per_point = [None; 3];
        self.compare.pan_mm = [DVec2::ZERO; 3];
    }

    /// True if the reading planes are oblique: no slice of the grid is what one sees.
    pub fn is_turned(&self) -> bool {
        self.turn != DQuat::IDENTITY
    }

    /// The stack of slices of a view: the volume's own planes, or oblique ones.
    pub fn frame(&self, geometry: &Geometry, plane: SlicePlane) -> SliceFrame {
        let frame = if self.is_turned() {
            SliceFrame::turned(geometry, plane, self.turn)
        } else {
            SliceFrame::new(geometry, plane)
        };
        if self.is_mirrored(plane) { frame.mirrored() } else { frame }
    }

    /// True if the patient's left is on the left of this plane's pictures (the neurological convention).
    pub fn is_mirrored(&self, plane: SlicePlane) -> bool {
        self.preferences.neurological && plane != SlicePlane::Sagittal
    }

    /// The crosshair of a side, RAS+ mm.
    pub fn cursor_of(&self, side: Side) -> DVec3 {
        match side {
            Side::A => self.cursor_mm,
            Side::B => self.cursor_mm + self.compare.offset_mm,
        }
    }

    /// Fills the window with a view, or goes back to all of them.
    pub(crate) fn toggle_maximized(&mut self, pane: Pane) {
        self.maximized = if self.maximized.is_none() { Some(pane.kind) } else { None };
        self.maximized_side = pane.side;
    }

    /// True while names of files and patients must not be seen on pictures.
    pub fn hides_names(&self) -> bool {
        self.preferences.hide_identifiers || self.is_picture_taken
    }

    /// Moves the crosshair of a side; the other one goes with it if both are linked, else it stays.
    pub fn move_cursor(&mut self, side: Side, to_mm: DVec3) {
        let by = to_mm - self.cursor_of(side);
        match side {
            Side::A => {
                self.cursor_mm = to_mm;
                if !self.compare.link_scroll {
                    self.compare.offset_mm -= by;
                }
            }
            Side::B if self.compare.link_scroll => self.cursor_mm += by,
            Side::B => self.compare.offset_mm += by,
        }
    }

    /// Own zoom and pan of a side's plane, to change them.
    pub(crate) fn place_mut(&mut self, side: Side, index: usize) -> (&mut Option<f64>, &mut DVec2) {
        if side == Side::B && !self.compare.link_zoom {
            (&mut self.compare.mm_per_point[index], &mut self.compare.pan_mm[index])
        } else {
            (&mut self.mm_per_point[index], &mut self.pan_mm[index])
        }
    }

    /// The preset in use, shifted, with the mode and light chosen over it; those for MR are scaled to the volume's range.
    pub fn transfer(&self, volume: &OpenVolume) -> Option<TransferFunction> {
        let preset = self.transfer_functions.get(self.transfer_function)?;
        let fitted = preset.fitted(volume.stats.min, volume.stats.max).shifted(self.transfer_shift);
        Some(self.view3d.apply(fitted, volume))
    }
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::ViewSettings;
    use crate::document::Side;

    #[test]
    fn linked_crosshairs_move_together_and_unlinked_ones_do_not() {
        let mut settings = ViewSettings::default();
        settings.compare.offset_mm = DVec3::new(5.0, 0.0, -20.0);
        let places = |s: &ViewSettings| (s.cursor_of(Side::A), s.cursor_of(Side::B));
        let (a, b) = places(&settings);
        for side in [Side::A, Side::B] {
            let to = settings.cursor_of(side) + DVec3::Y;
            settings.move_cursor(side, to);
        }
        assert_eq!(places(&settings), (a + 2.0 * DVec3::Y, b + 2.0 * DVec3::Y));
        settings.compare.link_scroll = false;
        settings.move_cursor(Side::A, a);
        assert_eq!(places(&settings), (a, b + 2.0 * DVec3::Y));
        settings.move_cursor(Side::B, b);
        assert_eq!(places(&settings), (a, b));
    }
}
