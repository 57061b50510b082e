use egui::{
    Color32, Key, Modifiers, MouseWheelUnit, PointerButton, Pos2, Rect, Response, Role, Sense, Stroke, Ui, Vec2,
    WidgetInfo,
};
use glam::{DVec2, DVec3};
use voco_render::{Comparison, SliceLook, SliceView};
use voco_volume::{SliceFrame, SlicePlane};

use super::{overlay, position};
use crate::gpu::SliceCallback;
use crate::{LeftDrag, Session, ViewKind, ViewSettings, theme};

/// Place of a slice on the screen: picture mm to points and back.
#[derive(Clone, Copy)]
pub(crate) struct SlicePort {
    pub frame: SliceFrame,
    pub rect: Rect,
    pub through_mm: DVec3,
    pub pan_mm: DVec2,
    pub mm_per_point: f64,
}

impl SlicePort {
    pub fn screen_from_picture(&self, at_mm: DVec2) -> Pos2 {
        let offset = (at_mm - self.pan_mm) / self.mm_per_point;
        self.rect.center() + egui::vec2(offset.x as f32, offset.y as f32)
    }

    pub fn picture_from_screen(&self, at: Pos2) -> DVec2 {
        let offset = at - self.rect.center();
        self.pan_mm + DVec2::new(f64::from(offset.x), f64::from(offset.y)) * self.mm_per_point
    }

    pub fn screen_from_world(&self, point_mm: DVec3) -> Pos2 {
        self.screen_from_picture(self.frame.picture_from_world(point_mm))
    }

    pub fn world_from_screen(&self, at: Pos2) -> DVec3 {
        self.frame.world_from_picture(self.picture_from_screen(at), self.through_mm)
    }
}

/// One of the three slice views: picture, overlays, mouse and keys.
pub(crate) fn slice_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, plane: SlicePlane) {
    let kind = ViewKind::Slice(plane);
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("{} view", kind.title())));
    ui.painter().rect_filled(rect, 0, theme::VIEW_BACKGROUND);
    let Some(volume) = session.active() else { return };
    let geometry = *volume.volume.geometry();
    let frame = SliceFrame::new(&geometry, plane);
    let index = kind.index();
    let mm_per_point = settings.mm_per_point[index].unwrap_or_else(|| fit(&frame, rect));
    let slice = frame.slice_at(&geometry, settings.cursor_mm);
    let port = SlicePort {
        frame,
        rect,
        through_mm: frame.point_on_slice(&geometry, settings.cursor_mm, slice),
        pan_mm: settings.pan_mm[index],
        mm_per_point,
    };
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
            frame,
            through_mm: port.through_mm,
            center_mm_on_picture: port.pan_mm,
            mm_per_pixel: mm_per_point / f64::from(pixels_per_point),
            size_px,
        };
        let look = SliceLook {
            window_width: volume.window.width,
            window_level: volume.window.level,
            label_opacity: settings.label_opacity,
            label_outline: settings.label_outline,
            comparison: volume.reference.as_ref().map_or(Comparison::default(), |r| r.look),
        };
        let labels = volume.labels.as_ref().map(|l| l.texture.clone());
        let reference = volume.reference.as_ref().map(|r| r.labels.texture.clone());
        let callback = SliceCallback { index, volume: volume.texture.clone(), labels, reference, view, look };
        ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, callback));
    }
    let painter = ui.painter().with_clip_rect(rect);
    position::on_slice(&painter, session, settings, &port);
    if settings.show_crosshair {
        crosshair(&painter, settings, &port);
    }
    overlay::letters(&painter, rect, frame.right, frame.down);
    overlay::scale_bar(&painter, rect, mm_per_point);
    overlay::corners(&painter, rect, kind, volume, Some((slice, &port)));
    respond(ui, &response, session, settings, &port);
}

fn fit(frame: &SliceFrame, rect: Rect) -> f64 {
    let (width, height) = (f64::from(rect.width()).max(1.0), f64::from(rect.height()).max(1.0));
    // A margin for the orientation letters.
    (frame.extent_mm.x / width).max(frame.extent_mm.y / height) * 1.08
}

/// The other two planes through the crosshair, each in its colour, with a gap so that what is under it stays visible.
fn crosshair(painter: &egui::Painter, settings: &ViewSettings, port: &SlicePort) {
    let center = port.screen_from_world(settings.cursor_mm);
    let (vertical, horizontal) = match port.frame.plane {
        SlicePlane::Axial => (SlicePlane::Sagittal, SlicePlane::Coronal),
        SlicePlane::Coronal => (SlicePlane::Sagittal, SlicePlane::Axial),
        SlicePlane::Sagittal => (SlicePlane::Coronal, SlicePlane::Axial),
    };
    let stroke = |plane| Stroke::new(1.0, theme::plane_color(plane).gamma_multiply(0.75));
    let (rect, gap) = (port.rect, 9.0);
    painter.vline(center.x, rect.top()..=(center.y - gap), stroke(vertical));
    painter.vline(center.x, (center.y + gap)..=rect.bottom(), stroke(vertical));
    painter.hline(rect.left()..=(center.x - gap), center.y, stroke(horizontal));
    painter.hline((center.x + gap)..=rect.right(), center.y, stroke(horizontal));
}

fn respond(ui: &Ui, response: &Response, session: &mut Session, settings: &mut ViewSettings, port: &SlicePort) {
    let kind = ViewKind::Slice(port.frame.plane);
    let index = kind.index();
    if response.double_clicked() {
        settings.maximized = if settings.maximized.is_none() { Some(kind) } else { None };
        return;
    }
    let modifiers = ui.input(|i| i.modifiers);
    if let Some(at) = response.interact_pointer_pos() {
        let by_window = (settings.left_drag == LeftDrag::Window) != modifiers.ctrl;
        if response.is_pointer_button_down_on() && ui.input(|i| i.pointer.primary_down()) && !by_window {
            settings.cursor_mm = clamped(session, port.world_from_screen(at));
        } else if response.dragged_by(PointerButton::Primary) && by_window {
            drag_window(session, response.drag_delta());
        }
    }
    if response.dragged_by(PointerButton::Secondary) {
        zoom(settings, port, 1.01_f64.powf(f64::from(response.drag_delta().y)), None);
    }
    if response.dragged_by(PointerButton::Middle) {
        let delta = response.drag_delta();
        settings.pan_mm[index] = port.pan_mm - DVec2::new(f64::from(delta.x), f64::from(delta.y)) * port.mm_per_point;
    }
    if let Some(at) = response.hover_pos() {
        settings.hover_mm = Some(port.world_from_screen(at));
        let (turned, pinch) = ui.input(|i| (wheel_slices(i), i.zoom_delta()));
        if pinch != 1.0 {
            zoom(settings, port, 1.0 / f64::from(pinch), Some(at));
        } else if turned != 0.0 {
            let total = settings.wheel_rest + turned;
            settings.wheel_rest = total.fract();
            step(session, settings, port, total.trunc() as i64);
        }
        let keys = ui.input_mut(|i| {
            let mut steps = 0;
            for (key, by) in [(Key::ArrowUp, 1), (Key::ArrowDown, -1), (Key::PageUp, 5), (Key::PageDown, -5)] {
                steps += by * i.count_and_consume_key(Modifiers::NONE, key) as i64;
            }
            steps
        });
        if keys != 0 {
            step(session, settings, port, keys);
        }
    }
}

/// Slices that the wheel has turned in this frame; wheel up goes towards the head, the front, the right.
///
/// A wheel sends whole notches, a touchpad many small distances: those add up.
fn wheel_slices(input: &egui::InputState) -> f32 {
    const POINTS_PER_SLICE: f32 = 25.0;
    input.events.iter().fold(0.0, |sum, event| match event {
        egui::Event::MouseWheel { unit, delta: Vec2 { y, .. }, modifiers, .. } if !modifiers.ctrl => {
            let slices = match unit {
                MouseWheelUnit::Line => y.clamp(-10.0, 10.0),
                MouseWheelUnit::Point => y / POINTS_PER_SLICE,
                MouseWheelUnit::Page => y * 10.0,
            };
            sum + slices
        }
        _ => sum,
    })
}

fn step(session: &Session, settings: &mut ViewSettings, port: &SlicePort, by: i64) {
    let Some(volume) = session.active() else { return };
    let geometry = volume.volume.geometry();
    let slice = port.frame.slice_at(geometry, settings.cursor_mm) as i64 + by;
    let slice = slice.clamp(0, port.frame.num_slices as i64 - 1);
    settings.cursor_mm = port.frame.point_on_slice(geometry, settings.cursor_mm, slice.unsigned_abs() as usize);
}

/// Right wider, up brighter contrast level higher (Slicer's way).
fn drag_window(session: &mut Session, delta: Vec2) {
    let Some(volume) = session.active_mut() else { return };
    // In parts of the present width, so that a map of 0…0.003 is as easy to set as one of thousands of HU.
    let gain = volume.window.width / 200.0;
    let least = (volume.stats.max - volume.stats.min).abs().max(f64::MIN_POSITIVE) * 1e-4;
    volume.window.width = (volume.window.width + f64::from(delta.x) * gain).max(volume.window.width * 0.05).max(least);
    volume.window.level -= f64::from(delta.y) * gain;
}

fn zoom(settings: &mut ViewSettings, port: &SlicePort, factor: f64, about: Option<Pos2>) {
    let index = ViewKind::Slice(port.frame.plane).index();
    let fitted = fit(&port.frame, port.rect);
    let mm_per_point = (port.mm_per_point * factor).clamp(fitted / 60.0, fitted * 4.0);
    if let Some(at) = about {
        // What is under the pointer stays there.
        let offset = at - port.rect.center();
        let offset = DVec2::new(f64::from(offset.x), f64::from(offset.y));
        settings.pan_mm[index] = port.pan_mm + offset * (port.mm_per_point - mm_per_point);
    }
    settings.mm_per_point[index] = Some(mm_per_point);
}

/// The nearest point inside the volume, so that the crosshair is never lost outside.
fn clamped(session: &Session, point_mm: DVec3) -> DVec3 {
    let Some(volume) = session.active() else { return point_mm };
    let geometry = volume.volume.geometry();
    let last = DVec3::from_array(geometry.dims().map(|d| (d - 1) as f64));
    let voxel = geometry.voxel_from_world().transform_point3(point_mm).clamp(DVec3::ZERO, last);
    geometry.world_from_voxel().transform_point3(voxel)
}

pub(crate) fn text_color(color: Color32) -> Color32 {
    color.gamma_multiply(0.95)
}
