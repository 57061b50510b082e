use egui::{PointerButton, Pos2, Role, Sense, Stroke, Ui, WidgetInfo};
use glam::{DVec2, DVec3};
use voco_render::Quality;
use voco_volume::SlicePlane;

use super::{overlay, position};
use crate::document::{Pane, Side};
use crate::gpu::VolumeCallback;
use crate::{Session, ViewKind, ViewSettings, theme};

/// Rest after which the picture is made fine again.
const REST_SECS: f64 = 0.15;

/// The 3D view: picture, boxes and mouse.
pub(crate) fn volume_ui(ui: &mut Ui, session: &Session, settings: &mut ViewSettings) {
    let kind = ViewKind::Volume;
    let pane = Pane { kind, side: Side::A };
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, super::slice::name(pane)));
    ui.painter().rect_filled(rect, 0, theme::VIEW_BACKGROUND);
    let Some(volume) = session.active() else { return };
    let now = ui.input(|i| i.time);
    turn(ui, &response, settings, now);
    let pixels_per_point = ui.pixels_per_point();
    let size = (rect.size() * pixels_per_point).round();
    if size.x < 1.0 || size.y < 1.0 {
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a window is that small and positive")]
    let size_px = [size.x as u32, size.y as u32];
    let is_moving = now - settings.camera_moved_at < REST_SECS;
    let quality = if is_moving { Quality::MOVING } else { Quality::RESTING };
    if is_moving {
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(REST_SECS));
    }
    if let Some(transfer) = settings.transfer(volume) {
        let callback = VolumeCallback {
            index: pane.gpu_index(),
            volume: volume.texture.clone(),
            labels: volume.label_texture().filter(|_| settings.label_opacity_3d > 0.0).cloned(),
            camera: settings.camera.clone(),
            size_px,
            transfer,
            quality,
            label_opacity: settings.label_opacity_3d,
        };
        ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, callback));
    }
    let painter = ui.painter().with_clip_rect(rect);
    let camera = settings.camera.clone();
    let screen_from_world = move |point| {
        let (at, _depth) = camera.pixel_from_world(point, size_px)?;
        let at: DVec2 = at / f64::from(pixels_per_point);
        Some(rect.left_top() + egui::vec2(at.x as f32, at.y as f32))
    };
    position::in_volume(&painter, session, settings, &screen_from_world);
    if settings.show_crosshair {
        crosshair(&painter, settings.cursor_mm, &screen_from_world);
    }
    // Perspective bends them a little towards the edges; the letters are those of the middle.
    overlay::letters(
        &painter,
        rect,
        settings.camera.orientation * DVec3::X,
        settings.camera.orientation * DVec3::NEG_Y,
    );
    if settings.show_texts {
        overlay::volume_corners(&painter, rect, settings, pane, volume);
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

/// A small cross at the crosshair, each arm in the colour of the plane that it is normal to.
fn crosshair(painter: &egui::Painter, at_mm: DVec3, screen_from_world: &dyn Fn(DVec3) -> Option<Pos2>) {
    const ARM_MM: f64 = 15.0;
    let arms = [(DVec3::X, SlicePlane::Sagittal), (DVec3::Y, SlicePlane::Coronal), (DVec3::Z, SlicePlane::Axial)];
    for (axis, plane) in arms {
        let ends = [at_mm - axis * ARM_MM, at_mm + axis * ARM_MM].map(screen_from_world);
        if let [Some(a), Some(b)] = ends {
            painter.line_segment([a, b], Stroke::new(1.5, theme::plane_color(plane)));
        }
    }
}

fn turn(ui: &Ui, response: &egui::Response, settings: &mut ViewSettings, now: f64) {
    let delta = response.drag_delta();
    let (x, y) = (f64::from(delta.x), f64::from(delta.y));
    let height = f64::from(response.rect.height()).max(1.0);
    let mut moved = false;
    if delta != egui::Vec2::ZERO {
        if response.dragged_by(PointerButton::Primary) {
            settings.camera.turn(x * std::f64::consts::PI / height, y * std::f64::consts::PI / height);
        } else if response.dragged_by(PointerButton::Secondary) {
            settings.camera.zoom(1.01_f64.powf(y));
        } else if response.dragged_by(PointerButton::Middle) {
            settings.camera.pan(x / height, y / height);
        }
        moved = true;
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
