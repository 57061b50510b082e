//! The editor of the transfer function: points over the histogram.

use egui::{Color32, Pos2, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use voco_render::TransferFunction;

use super::image::decimals;
use crate::document::{Histogram, View3dRequest};
use crate::{Outbox, Request, Session, ViewSettings, i18n, theme};

const HEIGHT: f32 = 190.0;
/// How near the pointer must be to a point to take it, in screen points.
const GRAB: f32 = 9.0;

/// The window with the curve of the preset in use.
pub(crate) fn curve_window(ui: &Ui, session: &Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let Some(volume) = session.active().filter(|_| settings.view3d.editor.is_open) else { return };
    let has_histogram = settings.view3d.editor.histogram.as_ref().is_some_and(|(id, _)| *id == volume.id);
    if !has_histogram {
        // A flat one stands in until it is counted, so that it is asked for once.
        let empty = Histogram { min: volume.stats.min, max: volume.stats.max, counts: Vec::new() };
        settings.view3d.editor.histogram = Some((volume.id, empty.into()));
        outbox.ask(Request::View3d(View3dRequest::Histogram(volume.id)));
    }
    let mut open = true;
    egui::Window::new(i18n::text("curve-title"))
        .open(&mut open)
        .default_width(520.0)
        .default_pos(ui.ctx().content_rect().left_bottom() + vec2(300.0, -420.0))
        .show(ui.ctx(), |ui| editor(ui, settings, (volume.stats.min, volume.stats.max), outbox));
    settings.view3d.editor.is_open &= open;
}

fn editor(ui: &mut Ui, settings: &mut ViewSettings, (min, max): (f64, f64), outbox: &mut Outbox) {
    let number = settings.transfer_function;
    let shift = settings.transfer_shift;
    let Some(preset) = settings.transfer_functions.get_mut(number) else { return };
    // Fractions become values of this volume once they are edited.
    if preset.is_relative || shift != 0.0 {
        let editor = &mut settings.view3d.editor;
        if editor.before.as_ref().is_none_or(|(n, _)| *n != number) {
            editor.before = Some((number, preset.clone()));
        }
        *preset = preset.fitted(min, max).shifted(shift);
        settings.transfer_shift = 0.0;
    }
    let before = preset.clone();
    let editor = &mut settings.view3d.editor;
    let shown = range(preset, min, max);
    plot(ui, preset, &mut editor.point, editor.histogram.as_ref().map(|(_, h)| h.as_ref()), shown);
    point_ui(ui, preset, &mut editor.point, shown);
    if *preset != before && editor.before.as_ref().is_none_or(|(n, _)| *n != number) {
        editor.before = Some((number, before));
    }
    ui.separator();
    let mut is_kept = false;
    ui.horizontal(|ui| {
        let is_changed = editor.before.as_ref().is_some_and(|(n, b)| *n == number && b != preset);
        if ui.add_enabled(is_changed, egui::Button::new(i18n::text("curve-reset"))).clicked()
            && let Some((_, before)) = editor.before.take()
        {
            *preset = before;
        }
        let name = ui.label(i18n::text("curve-name")).id;
        ui.add(egui::TextEdit::singleline(&mut editor.name).desired_width(150.0).char_limit(60)).labelled_by(name);
        let has_name = !editor.name.trim().is_empty();
        let keep = egui::Button::new(i18n::text("curve-keep"));
        is_kept = ui.add_enabled(has_name, keep).on_hover_text(i18n::text("curve-keep-tip")).clicked();
    });
    if is_kept {
        keep(settings, number);
        outbox.ask(Request::View3d(View3dRequest::KeepPresets));
    }
    let is_own = settings
        .transfer_functions
        .get(settings.transfer_function)
        .is_some_and(|p| settings.num_built_in_presets <= settings.transfer_function && !p.name.is_empty());
    if is_own && ui.button(i18n::text("curve-remove")).clicked() {
        settings.transfer_functions.remove(settings.transfer_function);
        settings.choose_preset(0);
        outbox.ask(Request::View3d(View3dRequest::KeepPresets));
    }
}

/// Makes the edited curve a preset of its own and puts the built-in one back.
fn keep(settings: &mut ViewSettings, number: usize) {
    let name = settings.view3d.editor.name.trim().to_owned();
    let Some(edited) = settings.transfer_functions.get(number).cloned() else { return };
    let mut own = settings.view3d.apply_light(edited);
    own.name.clone_from(&name);
    let before = settings.view3d.editor.before.take().filter(|(n, _)| *n == number);
    if let (Some((_, before)), Some(preset)) = (before, settings.transfer_functions.get_mut(number)) {
        *preset = before;
    }
    let built_in = settings.num_built_in_presets;
    let same = settings.transfer_functions.iter().skip(built_in).position(|p| p.name == name);
    let place = same.map_or(settings.transfer_functions.len(), |n| n + built_in);
    if place < settings.transfer_functions.len() {
        settings.transfer_functions[place] = own;
    } else {
        settings.transfer_functions.push(own);
    }
    settings.choose_preset(place);
}

/// What the plot shows: the volume's values where there are many, and all points.
fn range(preset: &TransferFunction, min: f64, max: f64) -> (f64, f64) {
    let inner = preset.points.iter().map(|p| p.0).filter(|v| *v > min && *v < max);
    let (low, high) = inner.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if !low.is_finite() || high <= low {
        return (min, max.max(min + 1e-9));
    }
    let margin = (high - low) * 0.6 + (max - min) * 0.02;
    ((low - margin).max(min), (high + margin).min(max))
}

fn plot(
    ui: &mut Ui,
    preset: &mut TransferFunction,
    chosen: &mut Option<usize>,
    histogram: Option<&Histogram>,
    (low, high): (f64, f64),
) {
    let size = vec2(ui.available_width().max(300.0), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, i18n::text("curve-plot")));
    let response = response.on_hover_text_at_pointer(i18n::text("curve-tip"));
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, 2, ui.visuals().extreme_bg_color);
    let area = rect.shrink(8.0);
    let x_of = |value: f64| area.left() + area.width() * ((value - low) / (high - low)) as f32;
    let value_of = |x: f32| low + (high - low) * f64::from((x - area.left()) / area.width());
    // The square root, so that the small opacities of organs can be told apart.
    let y_of = |opacity: f32| area.bottom() - area.height() * opacity.clamp(0.0, 1.0).sqrt();
    let opacity_of = |y: f32| ((area.bottom() - y) / area.height()).clamp(0.0, 1.0).powi(2);
    if let Some(histogram) = histogram {
        draw_histogram(&painter, histogram, area, &x_of);
    }
    preset.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    draw_curve(&painter, preset, area, (low, high), &y_of);
    let places: Vec<Pos2> = preset.points.iter().map(|(v, [.., a])| pos2(x_of(*v), y_of(*a))).collect();
    let near = |at: Pos2| {
        let distance = |n: &usize| places[*n].distance(at);
        (0..places.len()).filter(|n| distance(n) < GRAB).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let pointer = response.interact_pointer_pos().or(response.hover_pos());
    if response.drag_started() || response.clicked() {
        let from = ui.input(|i| i.pointer.press_origin()).or(pointer);
        *chosen = from.and_then(near);
    }
    if let (Some(n), Some(at), true) = (*chosen, pointer, response.dragged())
        && let Some(point) = preset.points.get(n).copied()
    {
        // A point stays between its neighbours, so that it stays the same point.
        let gap = (high - low) * 1e-4;
        let least = n.checked_sub(1).map_or(f64::NEG_INFINITY, |b| preset.points[b].0 + gap);
        let most = preset.points.get(n + 1).map_or(f64::INFINITY, |p| p.0 - gap);
        let mut color = point.1;
        color[3] = opacity_of(at.y);
        preset.points[n] = (value_of(at.x).clamp(least.min(most), most), color);
    }
    if let (None, Some(_), true) = (*chosen, pointer, response.dragged()) {
        // Beside all points: the whole curve goes along.
        let by = f64::from(response.drag_delta().x / area.width()) * (high - low);
        preset.points.iter_mut().for_each(|p| p.0 += by);
    }
    if let Some(at) = pointer {
        if response.double_clicked() && near(at).is_none() {
            let value = value_of(at.x);
            let [r, g, b] = preset.color_at(value);
            preset.points.push((value, [r, g, b, opacity_of(at.y)]));
            preset.points.sort_by(|a, b| a.0.total_cmp(&b.0));
            *chosen = preset.points.iter().position(|p| p.0 == value);
        }
        if response.secondary_clicked()
            && preset.points.len() > 2
            && let Some(n) = near(at)
        {
            preset.points.remove(n);
            *chosen = None;
        }
    }
    for (n, ((_, [r, g, b, _]), at)) in preset.points.iter().zip(&places).enumerate() {
        let fill = color32([*r, *g, *b]);
        let is_chosen = *chosen == Some(n);
        let stroke =
            Stroke::new(if is_chosen { 2.5 } else { 1.5 }, if is_chosen { theme::ACCENT } else { Color32::WHITE });
        painter.circle(*at, 5.5, fill, Stroke::new(stroke.width + 1.5, Color32::BLACK));
        painter.circle(*at, 5.5, fill, stroke);
    }
}

fn draw_histogram(painter: &egui::Painter, histogram: &Histogram, area: Rect, x_of: &dyn Fn(f64) -> f32) {
    let heights = histogram.log_heights();
    let width = (histogram.max - histogram.min) / heights.len().max(1) as f64;
    let color = ui_grey(painter);
    for (n, height) in heights.iter().enumerate() {
        let left = x_of(histogram.min + width * n as f64);
        let right = x_of(histogram.min + width * (n + 1) as f64);
        if right < area.left() || left > area.right() {
            continue;
        }
        let top = area.bottom() - area.height() * height;
        painter.rect_filled(Rect::from_min_max(pos2(left, top), pos2(right.max(left + 1.0), area.bottom())), 0, color);
    }
}

fn ui_grey(painter: &egui::Painter) -> Color32 {
    let is_dark = painter.ctx().global_style().visuals.dark_mode;
    if is_dark { Color32::from_gray(54) } else { Color32::from_gray(205) }
}

fn draw_curve(
    painter: &egui::Painter,
    preset: &TransferFunction,
    area: Rect,
    (low, high): (f64, f64),
    y_of: &dyn Fn(f32) -> f32,
) {
    const PIECES: u16 = 160;
    let width = area.width() / f32::from(PIECES);
    let mut line = Vec::new();
    for n in 0..=PIECES {
        let value = low + (high - low) * f64::from(n) / f64::from(PIECES);
        let x = area.left() + width * f32::from(n);
        let y = y_of(preset.opacity_at(value));
        line.push(pos2(x, y));
        if n < PIECES {
            let color = color32(preset.color_at(value));
            let strip = Rect::from_min_max(pos2(x, area.bottom() + 1.0), pos2(x + width + 0.5, area.bottom() + 8.0));
            painter.rect_filled(strip, 0, color);
            let under = Rect::from_min_max(pos2(x, y), pos2(x + width, area.bottom()));
            painter.rect_filled(under, 0, color.gamma_multiply(0.35));
        }
    }
    painter.line(line, Stroke::new(1.5, Color32::from_gray(220)));
}

/// Numbers and colour of the chosen point.
fn point_ui(ui: &mut Ui, preset: &mut TransferFunction, chosen: &mut Option<usize>, (low, high): (f64, f64)) {
    ui.horizontal(|ui| {
        let Some(n) = chosen.filter(|&n| n < preset.points.len()) else {
            ui.weak(i18n::text("curve-choose"));
            return;
        };
        let (value, [r, g, b, a]) = &mut preset.points[n];
        let name = ui.label(i18n::text("curve-value")).id;
        let digits = decimals(high - low);
        ui.add(egui::DragValue::new(value).speed((high - low) / 500.0).max_decimals(digits)).labelled_by(name);
        let name = ui.label(i18n::text("curve-opacity")).id;
        ui.add(egui::DragValue::new(a).speed(0.005).range(0.0..=1.0).max_decimals(3))
            .labelled_by(name)
            .on_hover_text(i18n::text("curve-opacity-tip"));
        let mut color = color32([*r, *g, *b]);
        if ui.color_edit_button_srgba(&mut color).on_hover_text(i18n::text("curve-colour")).changed() {
            [*r, *g, *b] = [color.r(), color.g(), color.b()].map(|c| f32::from(c) / 255.0);
        }
        if preset.points.len() > 2 && ui.small_button(i18n::text("curve-remove-point")).clicked() {
            preset.points.remove(n);
            *chosen = None;
        }
    });
}

fn color32(rgb: [f32; 3]) -> Color32 {
    let [r, g, b] = rgb.map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8);
    Color32::from_rgb(r, g, b)
}
