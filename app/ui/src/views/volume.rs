use std::sync::Arc;

use egui::{PointerButton, Pos2, Role, Sense, Stroke, Ui, WidgetInfo};
use glam::{DVec2, DVec3};
use voco_render::Quality;

use super::{crop, cube, cut3d, overlay, scene3d};
use crate::commands::{MouseAction, MouseInput, MouseMap};
use crate::document::{Pane, Side};
use crate::gpu::VolumeCallback;
use crate::measure::Measurement;
use crate::{OpenVolume, Session, ViewKind, ViewSettings, theme};

/// Rest after which the picture is made fine again.
const REST_SECS: f64 = 0.12;

/// The 3D view: picture, boxes and mouse.
pub(crate) fn volume_ui(ui: &mut Ui, session: &Session, settings: &mut ViewSettings, mouse: &MouseMap) {
    let kind = ViewKind::Volume;
    let pane = Pane { kind, side: Side::A };
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, super::slice::name(pane)));
    ui.painter().rect_filled(rect, 0, theme::VIEW_BACKGROUND);
    let Some(volume) = session.active() else { return };
    let (now, seconds) = ui.input(|i| (i.time, i.unstable_dt));
    if std::mem::take(&mut settings.view3d.was_cast) {
        settings.view3d.adapt(seconds);
    }
    let pixels_per_point = ui.pixels_per_point();
    let size = (rect.size() * pixels_per_point).round();
    if size.x < 1.0 || size.y < 1.0 {
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a window is that small and positive")]
    let size_px = [size.x as u32, size.y as u32];
    let place = |camera: voco_render::VolumeCamera| {
        move |point: DVec3| -> Option<Pos2> {
            let (at, _depth) = camera.pixel_from_world(point, size_px)?;
            let at: DVec2 = at / f64::from(pixels_per_point);
            Some(rect.left_top() + egui::vec2(at.x as f32, at.y as f32))
        }
    };
    if cut3d::cut(ui, &response, rect, settings, volume) {
        ui.ctx().request_repaint();
    } else if crop::drag(&response, settings, volume, &place(settings.camera.clone())) {
        settings.camera_moved_at = now;
    } else {
        turn(ui, &response, settings, volume, mouse, now);
    }
    picture(ui, rect, size_px, session, settings, volume, pane);
    let painter = ui.painter().with_clip_rect(rect);
    let screen_from_world = place(settings.camera.clone());
    if let Some(doc) = session.measurements.get(&volume.id.0) {
        measured(&painter, doc.items(), volume.unit(), &screen_from_world);
    }
    crop::draw(&painter, settings, volume, response.hover_pos(), &screen_from_world);
    // Perspective bends them a little towards the edges; the letters are those of the middle.
    overlay::letters(
        &painter,
        rect,
        settings.camera.orientation * DVec3::X,
        settings.camera.orientation * DVec3::NEG_Y,
    );
    if settings.show_texts && overlay::has_room(rect) {
        overlay::volume_corners(&painter, rect, settings, pane, volume);
    }
    if cube::cube(ui, rect, settings) {
        ui.ctx().request_repaint();
    }
    let edge = if settings.active_view == pane { theme::ACTIVE_VIEW } else { egui::Color32::from_gray(38) };
    painter.rect_stroke(rect, 0, Stroke::new(1.0, edge), egui::StrokeKind::Inside);
    super::keep_focus(ui, &response, settings);
    if response.clicked() {
        response.request_focus();
    }
    if response.gained_focus() || response.hovered() && super::is_pointer_used(ui) {
        settings.active_view = pane;
    }
    if response.double_clicked() {
        settings.toggle_maximized(pane);
    }
}

/// Adds the picture of this frame; coarse while what it shows changes.
fn picture(
    ui: &Ui,
    rect: egui::Rect,
    size_px: [u32; 2],
    session: &Session,
    settings: &mut ViewSettings,
    volume: &OpenVolume,
    pane: Pane,
) {
    if settings.view3d.announced.replace(volume.id) != Some(volume.id) {
        ui.ctx().request_repaint();
        return;
    }
    let Some(transfer) = settings.transfer(volume) else { return };
    let now = ui.input(|i| i.time);
    let look = settings.view3d.look(settings, volume);
    let drawn = (transfer, look, settings.view3d.made.surfaces.of);
    if settings.view3d.drawn.as_ref() != Some(&drawn) {
        settings.camera_moved_at = now;
        settings.view3d.drawn = Some(drawn.clone());
    }
    let (transfer, look, _) = drawn;
    let is_moving = now - settings.camera_moved_at < REST_SECS;
    let quality = if is_moving { settings.view3d.moving_quality() } else { Quality::RESTING };
    if is_moving {
        // At once if this picture is new, so that its time is known; later, to make it fine.
        settings.view3d.was_cast = now <= settings.camera_moved_at;
        let wait = if settings.view3d.was_cast { 0.0 } else { REST_SECS };
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(wait));
    }
    let occlusion = settings.view3d.made.occlusion.as_ref().filter(|(of, _)| of.volume == volume.id);
    let callback = VolumeCallback {
        index: pane.gpu_index(),
        volume: volume.texture.clone(),
        camera: settings.camera.clone(),
        size_px,
        transfer,
        quality,
        look,
        occlusion: occlusion.map(|(_, texture)| Arc::clone(texture)),
        surfaces: scene3d::surfaces(settings, volume),
        lines: scene3d::lines(session, settings, volume, ui.pixels_per_point()),
        window: ui.ctx().clone(),
    };
    ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, callback));
}

/// The numbers of measurements, beside them.
fn measured(
    painter: &egui::Painter,
    items: &[Measurement],
    unit: &str,
    screen_from_world: &dyn Fn(DVec3) -> Option<Pos2>,
) {
    for item in items {
        let (Some(at), Some(text)) = (screen_from_world(item.center_mm()), item.lines(unit).into_iter().next()) else {
            continue;
        };
        overlay::text(painter, at + egui::vec2(8.0, 0.0), egui::Align2::LEFT_CENTER, &text, 12.0, theme::MEASURE);
    }
}

/// The buttons mean in 3D what they mean on slices: the tool turns, window and crosshair shift the transfer function.
fn turn(
    ui: &Ui,
    response: &egui::Response,
    settings: &mut ViewSettings,
    volume: &OpenVolume,
    mouse: &MouseMap,
    now: f64,
) {
    let delta = response.drag_delta();
    let (x, y) = (f64::from(delta.x), f64::from(delta.y));
    let height = f64::from(response.rect.height()).max(1.0);
    let buttons = [
        PointerButton::Primary,
        PointerButton::Secondary,
        PointerButton::Middle,
        PointerButton::Extra1,
        PointerButton::Extra2,
    ];
    let held = buttons.into_iter().find(|&b| response.dragged_by(b)).filter(|_| delta != egui::Vec2::ZERO);
    let mut moved = held.is_some();
    match held.map(|button| mouse.drag(MouseInput::of(button, ui.input(|i| i.modifiers)))) {
        Some(MouseAction::Tool) => {
            settings.camera.turn(x * std::f64::consts::PI / height, y * std::f64::consts::PI / height);
        }
        // Up shows more of what is less dense, as in Slicer.
        Some(MouseAction::Crosshair | MouseAction::Window) => {
            let range = (volume.stats.max - volume.stats.min).min(2000.0);
            settings.transfer_shift += y / height * range * 0.5;
        }
        Some(MouseAction::Zoom | MouseAction::Scroll) => settings.camera.zoom(1.01_f64.powf(y)),
        Some(MouseAction::Pan) => settings.camera.pan(x / height, y / height),
        Some(MouseAction::Nothing) | None => moved = false,
    }
    if response.hovered() {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta.y, i.zoom_delta()));
        if scroll != 0.0 || pinch != 1.0 {
            settings.camera.zoom(1.002_f64.powf(-f64::from(scroll)) / f64::from(pinch));
            moved = true;
        }
    }
    if moved {
        settings.camera_moved_at = now;
    }
}
