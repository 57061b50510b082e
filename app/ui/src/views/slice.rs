use egui::{Color32, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo};
use voco_render::{ColorMap, Comparison, Mask, SliceLook, SliceView};

use super::{axes, crop, input, label, measure, overlay, port::SlicePort, position};
use crate::commands::MouseMap;
use crate::document::{Mix, Pane, Side};
use crate::gpu::{DrawnOverlay, SliceCallback};
use crate::{OpenVolume, Session, ViewSettings, Window, i18n, theme};

/// A slice view: picture, overlays, mouse.
pub(crate) fn slice_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, pane: Pane, mouse: &MouseMap) {
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name(pane)));
    let Some(volume) = session.of_side(settings, pane.side) else {
        ui.painter().rect_filled(rect, 0, theme::VIEW_BACKGROUND);
        let at = rect.center();
        overlay::text(
            ui.painter(),
            at,
            egui::Align2::CENTER_CENTER,
            i18n::text("compare-empty"),
            14.0,
            theme::ON_PICTURE_WEAK,
        );
        return;
    };
    let Some(port) = SlicePort::new(settings, session, volume, pane, rect) else { return };
    settings.shown_mm_per_point.insert(pane, port.mm_per_point);
    let window = window_of(session, settings, volume, pane.side);
    let pixels_per_point = ui.pixels_per_point();
    let size_px = (rect.size() * pixels_per_point).round();
    if size_px.x >= 1.0 && size_px.y >= 1.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a window is that small and positive"
        )]
        let size_px = [size_px.x as u32, size_px.y as u32];
        let view = SliceView {
            frame: port.frame,
            through_mm: port.through_mm,
            center_mm_on_picture: port.pan_mm,
            mm_per_pixel: port.mm_per_point / f64::from(pixels_per_point),
            size_px,
        };
        let look = SliceLook {
            window_width: window.width,
            window_level: window.level,
            label_opacity: settings.label_opacity,
            label_outline_px: settings.label_outline.then_some(settings.preferences.outline_points * pixels_per_point),
            comparison: volume.reference.as_ref().map_or(Comparison::default(), |r| r.look),
            inverted: volume.inverted,
            slab: settings.slab,
        };
        let labels = volume.label_texture().cloned();
        let reference = volume.reference.as_ref().map(|r| r.labels.texture.clone());
        let overlays = if pane.side == Side::A { overlays(session, settings, pixels_per_point) } else { Vec::new() };
        let index = pane.gpu_index();
        let callback = SliceCallback { index, volume: volume.texture.clone(), labels, reference, view, look, overlays };
        ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, callback));
    }
    let painter = ui.painter().with_clip_rect(rect);
    if pane.side == Side::A {
        position::on_slice(&painter, session, settings, &port);
        crop::on_slice(&painter, settings, volume, &port);
    }
    let hovered = axes::hovered(ui, settings, &port, pane, &response);
    if settings.show_crosshair {
        axes::draw(&painter, settings, &port, pane, hovered, response.hovered());
    }
    if pane.side == Side::A && settings.mix == Mix::Swipe && !settings.overlays.is_empty() {
        let x = rect.left() + rect.width() * settings.swipe_at;
        painter.vline(x, rect.y_range(), Stroke::new(1.5, theme::ON_PICTURE));
        painter.circle_filled(egui::pos2(x, rect.center().y), 5.0, theme::ON_PICTURE);
    }
    measure::draw(&painter, session, settings, &port, pane, response.hover_pos());
    label::draw(ui, &painter, session, settings, &port, pane, response.hover_pos());
    overlay::letters(&painter, rect, port.frame.right, port.frame.down);
    if settings.show_texts && overlay::has_room(rect) {
        overlay::scale_bar(&painter, rect, port.mm_per_point);
        let time = session.times.get(&volume.id.0).map(|t| [t.shown + 1, t.count]);
        overlay::slice_corners(&painter, settings, pane, volume, window, &port, time);
    }
    if settings.active_view == pane {
        let stroke = Stroke::new(1.0, theme::ACTIVE_VIEW);
        painter.rect_stroke(rect, 0, stroke, StrokeKind::Inside);
    } else {
        painter.rect_stroke(rect, 0, Stroke::new(1.0, Color32::from_gray(38)), StrokeKind::Inside);
    }
    input::respond(ui, &response, session, settings, &port, pane, mouse, hovered);
}

/// What a screen reader calls a view.
pub(crate) fn name(pane: Pane) -> String {
    let title = pane.kind.title();
    match pane.side {
        Side::A => i18n::text_with("view-name", [("view", title.into())]),
        Side::B => i18n::text_with("view-name-compared", [("view", title.into())]),
    }
}

/// Both sides may share the window of the volume on show.
fn window_of(session: &Session, settings: &ViewSettings, volume: &OpenVolume, side: Side) -> Window {
    let main = session.active().filter(|_| side == Side::B && settings.compare.link_window);
    main.map_or(volume.window, |v| v.window)
}

fn overlays(session: &Session, settings: &ViewSettings, pixels_per_point: f32) -> Vec<DrawnOverlay> {
    let mut drawn = Vec::new();
    for overlay in settings.overlays.iter().filter(|o| o.is_visible) {
        let Some(volume) = session.volume(overlay.volume) else { continue };
        let is_part = drawn.is_empty() && settings.mix != Mix::Blend;
        let mask = match settings.mix {
            Mix::Checkerboard if is_part => Mask::Checkerboard { side_px: 64.0 * pixels_per_point },
            Mix::Swipe if is_part => Mask::Swipe { at: settings.swipe_at },
            _ => Mask::All,
        };
        // In its own part of the view it looks like the volume on show: grey, whole, in its own window.
        drawn.push(if is_part {
            DrawnOverlay {
                volume: volume.texture.clone(),
                window: window_of(session, settings, volume, Side::B),
                color_map: ColorMap::Grey,
                opacity: 1.0,
                range: [f64::MIN, f64::MAX],
                additive: false,
                mask,
            }
        } else {
            DrawnOverlay {
                volume: volume.texture.clone(),
                window: overlay.window,
                color_map: overlay.color_map,
                opacity: overlay.opacity,
                range: [overlay.low, overlay.high],
                additive: overlay.additive,
                mask,
            }
        });
    }
    drawn
}
