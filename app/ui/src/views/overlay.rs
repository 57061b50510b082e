use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Stroke, pos2, vec2};
use glam::DVec3;
use voco_render::SlabMode;
use voco_volume::direction_letters;

use super::port::SlicePort;
use crate::document::{Pane, Side};
use crate::measure::with_minus;
use crate::panels::decimals;
use crate::{OpenVolume, ViewKind, ViewSettings, Window, i18n, theme};

/// Views of less width, in points, have their corner texts in two lines.
const NARROW: f32 = 250.0;

/// Text on a picture: readable on black and, by a dark line all around each letter, on white.
pub(crate) fn text(painter: &Painter, at: Pos2, anchor: Align2, text: &str, size: f32, color: Color32) {
    let font = FontId::proportional(size);
    for (x, y) in [(-1.0, -1.0), (0.0, -1.0), (1.0, -1.0), (-1.0, 0.0), (1.0, 0.0), (-1.0, 1.0), (0.0, 1.0), (1.0, 1.0)]
    {
        painter.text(at + egui::vec2(x, y), anchor, text, font.clone(), Color32::from_black_alpha(190));
    }
    painter.text(at, anchor, text, font, color);
}

/// The patient's directions at the middle of each edge, for screen right and screen down.
pub(crate) fn letters(painter: &Painter, rect: Rect, right: DVec3, down: DVec3) {
    // In a narrow view the corners reach to the middle.
    let (above, below) = if rect.width() < NARROW && has_room(rect) { (24.0, 40.0) } else { (5.0, 5.0) };
    let edges = [
        (rect.left_center() + egui::vec2(6.0, 0.0), Align2::LEFT_CENTER, -right),
        (rect.right_center() - egui::vec2(6.0, 0.0), Align2::RIGHT_CENTER, right),
        (rect.center_top() + egui::vec2(0.0, above), Align2::CENTER_TOP, -down),
        (rect.center_bottom() - egui::vec2(0.0, below), Align2::CENTER_BOTTOM, down),
    ];
    for (at, anchor, direction) in edges {
        text(painter, at, anchor, &direction_letters(direction), 17.0, theme::ON_PICTURE);
    }
}

/// False for a view that is too low for texts in its corners, as with four of them at 300 %: letters are what must stay.
pub(crate) fn has_room(rect: Rect) -> bool {
    rect.height() >= 130.0
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
    let y = rect.bottom() - if rect.width() < NARROW { 50.0 } else { 34.0 };
    // A dark edge first, without which it is lost on bright tissue.
    for (stroke, more) in
        [(Stroke::new(4.0, Color32::from_black_alpha(190)), 1.0), (Stroke::new(2.0, theme::ON_PICTURE), 0.0)]
    {
        painter.hline((right - length - more)..=(right + more), y, stroke);
        for x in [right - length, right] {
            painter.vline(x, (y - 4.0 - more)..=(y + 4.0 + more), stroke);
        }
    }
    let label = if length_mm >= 10.0 { format!("{} cm", length_mm / 10.0) } else { format!("{length_mm} mm") };
    text(painter, pos2(right - length / 2.0, y - 5.0), Align2::CENTER_BOTTOM, &label, 12.0, theme::ON_PICTURE);
}

/// Lines of text on a dark ground, moved so that they stay within the view and off the texts that were `taken` to before; a thin
/// line leads to one that had to go away from its place.
pub(crate) fn block(
    painter: &Painter,
    at: Pos2,
    lines: &[String],
    color: Color32,
    within: Rect,
    taken: &mut Vec<Rect>,
) {
    let font = FontId::proportional(12.5);
    let galley = painter.layout_no_wrap(lines.join("\n"), font, color);
    let size = galley.size() + vec2(8.0, 4.0);
    let left = at.x.min(within.right() - size.x - 2.0).max(within.left() + 2.0);
    let top = at.y.min(within.bottom() - size.y - 2.0).max(within.top() + 2.0);
    let wanted = Rect::from_min_size(pos2(left, top), size);
    let rect = free_place(wanted, within, taken);
    if rect != wanted {
        painter.line_segment([at, rect.clamp(at)], Stroke::new(1.0, color));
    }
    taken.push(rect);
    painter.rect_filled(rect, 3.0, Color32::from_black_alpha(150));
    painter.galley(rect.min + vec2(4.0, 2.0), galley, color);
}

/// The nearest place above or below that is within the view and free; the one that is wanted if there is none.
fn free_place(wanted: Rect, within: Rect, taken: &[Rect]) -> Rect {
    const GAP: f32 = 3.0;
    let is_free = |rect: &Rect| taken.iter().all(|other| !other.intersects(*rect));
    let moved = |dy: f32| wanted.translate(vec2(0.0, dy));
    taken
        .iter()
        .flat_map(|other| [other.bottom() + GAP - wanted.top(), other.top() - GAP - wanted.bottom()])
        .chain([0.0])
        .filter(|&dy| moved(dy).top() >= within.top() && moved(dy).bottom() <= within.bottom())
        .filter(|&dy| is_free(&moved(dy)))
        .min_by(|a, b| a.abs().total_cmp(&b.abs()))
        .map_or(wanted, moved)
}

/// Title, name, window, slice number and notices in the corners of a slice.
pub(crate) fn slice_corners(
    painter: &Painter,
    settings: &ViewSettings,
    pane: Pane,
    volume: &OpenVolume,
    window: Window,
    port: &SlicePort,
    time: Option<[usize; 2]>,
) {
    let rect = port.rect;
    let mut left_top = titles(settings, pane, volume, rect.width());
    if let Some([number, count]) = time {
        let arguments = [("number", number.into()), ("count", count.into())];
        left_top.push((i18n::text_with("times-corner", arguments), theme::ON_PICTURE));
    }
    if port.frame.is_turned() {
        let tilt = super::axes::tilt_deg(settings, volume, port);
        if tilt >= 0.5 {
            left_top.push((format!("{} {tilt:.0}°", i18n::text("view-oblique")), theme::WARNING));
        }
    }
    column(painter, rect.left_top() + vec2(8.0, 6.0), &left_top, false);
    let digits = decimals(window.width).saturating_sub(1);
    let mut left_bottom =
        vec![(with_minus(&format!("W {:.digits$}  L {:.digits$}", window.width, window.level)), theme::ON_PICTURE)];
    if volume.inverted {
        left_bottom.insert(0, (i18n::text("view-inverted").to_owned(), theme::WARNING));
    }
    let mode = match settings.slab.mode {
        SlabMode::Thin => None,
        SlabMode::Max => Some("slab-max"),
        SlabMode::Min => Some("slab-min"),
        SlabMode::Mean => Some("slab-mean"),
    };
    if let Some(mode) = mode {
        left_bottom.insert(0, (format!("{} {:.0} mm", i18n::text(mode), settings.slab.thickness_mm), theme::WARNING));
    }
    let raised = if rect.width() < NARROW { 16.0 } else { 0.0 };
    column(painter, rect.left_bottom() + vec2(8.0, -6.0 - raised), &left_bottom, true);
    let geometry = volume.volume.geometry();
    let slice = port.frame.slice_at(geometry, port.through_mm) + 1;
    let number = format!("{slice} / {}   {:.1} mm", port.frame.num_slices, port.frame.spacing_mm);
    let at = rect.right_bottom() + vec2(-8.0, -6.0);
    text(painter, at, Align2::RIGHT_BOTTOM, &number, 12.0, theme::ON_PICTURE);
}

/// Title and preset in the corners of the 3D view.
pub(crate) fn volume_corners(painter: &Painter, rect: Rect, settings: &ViewSettings, pane: Pane, volume: &OpenVolume) {
    column(painter, rect.left_top() + vec2(8.0, 6.0), &titles(settings, pane, volume, rect.width()), false);
    if let Some(preset) = settings.transfer_functions.get(settings.transfer_function) {
        let at = rect.left_bottom() + vec2(8.0, -6.0);
        let mode = settings.view3d.mode.map(|m| format!("   {}", crate::panels::mode_title(m)));
        let name = format!("{}{}", preset.name, mode.unwrap_or_default());
        text(painter, at, Align2::LEFT_BOTTOM, &name, 12.0, theme::ON_PICTURE_WEAK);
    }
}

fn titles(settings: &ViewSettings, pane: Pane, volume: &OpenVolume, width: f32) -> Vec<(String, Color32)> {
    let color = match pane.kind {
        ViewKind::Slice(plane) => theme::plane_color(plane),
        ViewKind::Volume => theme::VOLUME_TITLE,
    };
    let mut lines = vec![(pane.kind.title().to_owned(), color)];
    if let ViewKind::Slice(plane) = pane.kind
        && settings.is_mirrored(plane)
    {
        // Whoever is used to the other convention must not miss it.
        lines.push((i18n::text("view-neurological").to_owned(), theme::WARNING));
    }
    // Which of two is which must be seen; a name says it only if names may be shown.
    if settings.layout.compares() {
        let side = if pane.side == Side::A { "A" } else { "B" };
        let name = if settings.hides_names() { String::new() } else { shortened(&volume.name, width) };
        lines.push((format!("{side}  {name}").trim_end().to_owned(), theme::ON_PICTURE));
    } else if pane.kind != ViewKind::Volume && !settings.hides_names() && width >= NARROW {
        lines.push((shortened(&volume.name, width), theme::ON_PICTURE_WEAK));
    }
    if let Some(reduction) = volume.texture.reduction() {
        let [x, y, z] = reduction.shown_dims;
        let [fx, fy, fz] = reduction.full_dims;
        let shown = [format!("{x}×{y}×{z}"), format!("{fx}×{fy}×{fz}")];
        let arguments = [("shown", shown[0].as_str().into()), ("full", shown[1].as_str().into())];
        lines.push((i18n::text_with("view-reduced", arguments), theme::WARNING));
    }
    // What they are stands in the list of volumes.
    if !volume.warnings.is_empty() && matches!(pane.kind, ViewKind::Slice(_)) {
        let arguments = [("count", volume.warnings.len().into())];
        lines.push((i18n::text_with("view-warnings", arguments), theme::WARNING));
    }
    lines
}

/// A name that ends before the letter in the middle of the edge: its beginning and its end.
fn shortened(name: &str, view_width: f32) -> String {
    const LETTER_WIDTH: f32 = 7.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 6…200")]
    let most = ((view_width / 2.0 - 50.0) / LETTER_WIDTH).clamp(6.0, 200.0) as usize;
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= most {
        return name.to_owned();
    }
    let half = (most - 1) / 2;
    letters[..half].iter().chain(&['…']).chain(&letters[letters.len() - half..]).collect()
}

/// Lines from a corner downwards, or upwards with the last at the corner.
fn column(painter: &Painter, at: Pos2, lines: &[(String, Color32)], upwards: bool) {
    for (n, (line, color)) in lines.iter().enumerate() {
        let (size, step) = if n == 0 && !upwards { (14.0, 0.0) } else { (12.0, 3.0) };
        let below = n as f32 * 16.0 + step;
        let (at, anchor) = if upwards {
            (at - vec2(0.0, (lines.len() - 1 - n) as f32 * 16.0), Align2::LEFT_BOTTOM)
        } else {
            (at + vec2(0.0, below), Align2::LEFT_TOP)
        };
        text(painter, at, anchor, line, size, *color);
    }
}

#[cfg(test)]
mod tests {
    use egui::{Rect, pos2, vec2};

    use super::free_place;

    #[test]
    fn texts_at_one_place_lie_beside_one_another_while_there_is_room() {
        let within = Rect::from_min_size(pos2(0.0, 0.0), vec2(300.0, 400.0));
        let mut taken: Vec<Rect> = Vec::new();
        for n in 0..8 {
            let wanted = Rect::from_min_size(pos2(100.0 + n as f32, 150.0 + 7.0 * n as f32), vec2(90.0, 38.0));
            let rect = free_place(wanted, within, &taken);
            assert!(within.contains_rect(rect), "{rect}");
            assert!(taken.iter().all(|other| !other.intersects(rect)), "{n}: {rect}");
            taken.push(rect);
        }
        assert_eq!(taken[0].min, pos2(100.0, 150.0), "the first has its place");
        let wanted = Rect::from_min_size(pos2(100.0, 150.0), vec2(90.0, 300.0));
        assert_eq!(free_place(wanted, within, &taken), wanted, "where there is no room it stays");
    }
}
