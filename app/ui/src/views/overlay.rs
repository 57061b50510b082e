use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Stroke, pos2};
use glam::DVec3;
use voco_volume::direction_letters;

use super::slice::{SlicePort, text_color};
use crate::panels::decimals;
use crate::{OpenVolume, ViewKind, theme};

/// Text on a picture: readable on black and on white.
pub(crate) fn text(painter: &Painter, at: Pos2, anchor: Align2, text: &str, size: f32, color: Color32) {
    let font = FontId::proportional(size);
    for offset in [egui::vec2(1.0, 1.0), egui::vec2(-1.0, 0.0), egui::vec2(0.0, -1.0)] {
        painter.text(at + offset, anchor, text, font.clone(), Color32::from_black_alpha(170));
    }
    painter.text(at, anchor, text, font, text_color(color));
}

/// The patient's directions at the middle of each edge, for screen right and screen down.
pub(crate) fn letters(painter: &Painter, rect: Rect, right: DVec3, down: DVec3) {
    let edges = [
        (rect.left_center() + egui::vec2(6.0, 0.0), Align2::LEFT_CENTER, -right),
        (rect.right_center() - egui::vec2(6.0, 0.0), Align2::RIGHT_CENTER, right),
        (rect.center_top() + egui::vec2(0.0, 5.0), Align2::CENTER_TOP, -down),
        (rect.center_bottom() - egui::vec2(0.0, 5.0), Align2::CENTER_BOTTOM, down),
    ];
    for (at, anchor, direction) in edges {
        text(painter, at, anchor, &direction_letters(direction), 17.0, theme::ON_PICTURE);
    }
}

/// A bar of a round length near a fifth of the view's width.
pub(crate) fn scale_bar(painter: &Painter, rect: Rect, mm_per_point: f64) {
    let wanted = f64::from(rect.width()) * 0.22 * mm_per_point;
    if !(wanted.is_finite() && wanted > 0.0) {
        return;
    }
    let decade = 10_f64.powf(wanted.log10().floor());
    let length_mm = [5.0, 2.0, 1.0].into_iter().map(|m| m * decade).find(|&l| l <= wanted).unwrap_or(decade);
    let length = (length_mm / mm_per_point) as f32;
    let right = rect.right() - 12.0;
    let y = rect.bottom() - 34.0;
    let stroke = Stroke::new(2.0, theme::ON_PICTURE);
    painter.hline((right - length)..=right, y, stroke);
    for x in [right - length, right] {
        painter.vline(x, (y - 4.0)..=(y + 4.0), stroke);
    }
    let label = if length_mm >= 10.0 { format!("{} cm", length_mm / 10.0) } else { format!("{length_mm} mm") };
    text(painter, pos2(right - length / 2.0, y - 5.0), Align2::CENTER_BOTTOM, &label, 12.0, theme::ON_PICTURE);
}

/// Title, window and level, slice number and notices in the corners.
pub(crate) fn corners(
    painter: &Painter,
    rect: Rect,
    kind: ViewKind,
    volume: &OpenVolume,
    slice: Option<(usize, &SlicePort)>,
) {
    let title_color = match kind {
        ViewKind::Slice(plane) => theme::plane_color(plane),
        ViewKind::Volume => theme::VOLUME_TITLE,
    };
    text(painter, rect.left_top() + egui::vec2(8.0, 6.0), Align2::LEFT_TOP, kind.title(), 14.0, title_color);
    if let Some(reduction) = volume.texture.reduction() {
        let [x, y, z] = reduction.shown_dims;
        let [fx, fy, fz] = reduction.full_dims;
        let line = format!("Shown reduced: {x}×{y}×{z} of {fx}×{fy}×{fz} (graphics memory)");
        text(painter, rect.left_top() + egui::vec2(8.0, 25.0), Align2::LEFT_TOP, &line, 12.0, theme::WARNING);
    }
    if let Some((slice, port)) = slice {
        let digits = decimals(volume.window.width).saturating_sub(1);
        let window = format!("W {:.digits$}  L {:.digits$}", volume.window.width, volume.window.level);
        text(
            painter,
            rect.left_bottom() + egui::vec2(8.0, -6.0),
            Align2::LEFT_BOTTOM,
            &window,
            12.0,
            theme::ON_PICTURE,
        );
        let number = format!("{} / {}   {:.1} mm", slice + 1, port.frame.num_slices, port.frame.spacing_mm);
        let at = rect.right_bottom() + egui::vec2(-8.0, -6.0);
        text(painter, at, Align2::RIGHT_BOTTOM, &number, 12.0, theme::ON_PICTURE);
    }
}
