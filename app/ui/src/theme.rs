//! All colours and sizes of the window.

use egui::{Color32, CornerRadius, Stroke, Visuals};
use voco_volume::SlicePlane;

/// Behind pictures.
pub const VIEW_BACKGROUND: Color32 = Color32::BLACK;
/// Letters and read-outs on pictures.
pub const ON_PICTURE: Color32 = Color32::from_rgb(225, 225, 215);
/// Less important text on pictures.
pub const ON_PICTURE_WEAK: Color32 = Color32::from_rgb(160, 160, 155);
/// Base crops.
pub const GRID: Color32 = Color32::from_rgb(96, 165, 250);
/// Numbers of base crops.
pub const GRID_TEXT: Color32 = Color32::from_rgb(147, 197, 253);
/// True places and overlaps.
pub const TRUTH: Color32 = Color32::from_rgb(74, 222, 128);
/// Predicted places and overlaps.
pub const PREDICTION: Color32 = Color32::from_rgb(251, 146, 60);
/// Losses other than the position loss.
pub const LOSS: Color32 = Color32::from_rgb(148, 163, 184);
/// Reference lines.
pub const REFERENCE: Color32 = Color32::from_rgb(150, 150, 150);
/// Faults.
pub const ERROR: Color32 = Color32::from_rgb(248, 113, 113);
/// Warnings on pictures and in panels.
pub const WARNING: Color32 = Color32::from_rgb(250, 204, 21);
/// Curves of several runs (Okabe and Ito's colours, told apart with any colour vision).
pub const SERIES: [Color32; 7] = [
    Color32::from_rgb(230, 159, 0),
    Color32::from_rgb(86, 180, 233),
    Color32::from_rgb(0, 158, 115),
    Color32::from_rgb(240, 228, 66),
    Color32::from_rgb(204, 121, 167),
    Color32::from_rgb(213, 94, 0),
    Color32::from_rgb(150, 170, 200),
];
/// Selected things.
pub const ACCENT: Color32 = Color32::from_rgb(56, 132, 214);

/// The colour of a plane's title and of its line in the other views, as in most readers' programs.
pub fn plane_color(plane: SlicePlane) -> Color32 {
    match plane {
        SlicePlane::Axial => Color32::from_rgb(239, 83, 80),
        SlicePlane::Coronal => Color32::from_rgb(102, 187, 106),
        SlicePlane::Sagittal => Color32::from_rgb(255, 213, 79),
    }
}

/// The 3D view's title.
pub const VOLUME_TITLE: Color32 = Color32::from_rgb(144, 202, 249);

/// A label's colour.
pub fn label_color(rgb: [u8; 3]) -> Color32 {
    Color32::from_rgb(rgb[0], rgb[1], rgb[2])
}

/// From black to `color` as `share` goes from 0 to 1.
pub fn heat(color: Color32, share: f32) -> Color32 {
    let t = share.clamp(0.0, 1.0).powf(0.8);
    let base = Color32::from_rgb(30, 32, 36);
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * t).round() as u8;
    Color32::from_rgb(mix(base.r(), color.r()), mix(base.g(), color.g()), mix(base.b(), color.b()))
}

/// Dark reading-room look.
pub fn apply(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    let mut visuals = Visuals::dark();
    visuals.panel_fill = Color32::from_rgb(24, 26, 29);
    visuals.window_fill = Color32::from_rgb(30, 33, 37);
    visuals.extreme_bg_color = Color32::from_rgb(14, 15, 17);
    visuals.faint_bg_color = Color32::from_rgb(32, 35, 39);
    visuals.override_text_color = Some(Color32::from_rgb(215, 218, 222));
    visuals.selection.bg_fill = ACCENT;
    visuals.selection.stroke = Stroke::new(1.0, Color32::WHITE);
    visuals.widgets.noninteractive.bg_stroke = Stroke::new(1.0, Color32::from_rgb(48, 52, 58));
    for w in [&mut visuals.widgets.inactive, &mut visuals.widgets.hovered, &mut visuals.widgets.active] {
        w.corner_radius = CornerRadius::same(4);
    }
    ctx.set_visuals_of(egui::Theme::Dark, visuals);
    ctx.all_styles_mut(|style| {
        style.text_styles.insert(egui::TextStyle::Small, egui::FontId::proportional(11.0));
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.button_padding = egui::vec2(8.0, 3.0);
        style.spacing.slider_width = 130.0;
    });
}
