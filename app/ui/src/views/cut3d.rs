//! Scissors on the 3D view: an outline on the screen cuts labels through the whole patient.

use egui::{PointerButton, Pos2, Rect, Response, Shape, Stroke, Ui};
use glam::{DMat4, DVec2};
use voco_render::VolumeCamera;

use crate::labelling::{Ask, LabelTool, What};
use crate::{OpenVolume, Request, Tool, ViewSettings, theme};

/// Draws the outline while the button is down, and asks for the cut when it is let go. True while the scissors have the pointer.
pub(super) fn cut(ui: &Ui, response: &Response, rect: Rect, settings: &mut ViewSettings, volume: &OpenVolume) -> bool {
    if settings.tool != Tool::Label(LabelTool::Scissors) {
        return false;
    }
    let id = response.id.with("cut");
    let mut points = ui.data(|d| d.get_temp::<Vec<Pos2>>(id)).unwrap_or_default();
    if response.drag_started_by(PointerButton::Primary) {
        points.clear();
    }
    if response.dragged_by(PointerButton::Primary)
        && let Some(at) = response.interact_pointer_pos()
        && points.last().is_none_or(|last| last.distance(at) > 2.0)
    {
        points.push(at);
    }
    if response.drag_stopped_by(PointerButton::Primary) {
        ask(rect, settings, volume, &points);
        points.clear();
    }
    let painter = ui.painter().with_clip_rect(rect);
    painter.add(Shape::closed_line(points.clone(), Stroke::new(1.75, theme::MEASURE_SELECTED)));
    ui.data_mut(|d| d.insert_temp(id, points));
    response.dragged_by(PointerButton::Primary) || response.drag_stopped_by(PointerButton::Primary)
}

fn ask(rect: Rect, settings: &mut ViewSettings, volume: &OpenVolume, points: &[Pos2]) {
    let Some(segment) = volume.labels.as_ref().and_then(|work| work.current) else { return };
    if points.len() < 3 {
        return;
    }
    let ndc = |at: &Pos2| {
        let share = (*at - rect.min) / rect.size();
        DVec2::new(f64::from(share.x) * 2.0 - 1.0, 1.0 - f64::from(share.y) * 2.0)
    };
    let what = What::Cut3d {
        clip_from_world: clip_from_world(&settings.camera, f64::from(rect.width() / rect.height())),
        outline: points.iter().map(ndc).collect(),
        outside: settings.labels.cut_outside,
        fills: settings.labels.cut_fills,
    };
    let ask = Ask { segment, rules: settings.labels.rules(), what };
    settings.asks.push(Request::Propose(volume.id, Box::new(ask)));
}

fn clip_from_world(camera: &VolumeCamera, aspect: f64) -> DMat4 {
    let view = DMat4::from_rotation_translation(camera.orientation, camera.eye_mm()).inverse();
    DMat4::perspective_infinite_rh(camera.fov_y, aspect, 1.0) * view
}

#[cfg(test)]
mod tests {
    use glam::{DVec3, Vec4Swizzles};
    use voco_render::VolumeCamera;

    #[test]
    fn the_matrix_puts_points_where_the_picture_has_them() {
        let camera =
            VolumeCamera { target_mm: DVec3::new(3.0, -8.0, 40.0), distance_mm: 700.0, ..VolumeCamera::default() };
        let size = [640, 480];
        let matrix = super::clip_from_world(&camera, 640.0 / 480.0);
        for point in [DVec3::ZERO, DVec3::new(90.0, -40.0, 120.0), DVec3::new(-60.0, 70.0, -10.0)] {
            let clip = matrix * point.extend(1.0);
            let ndc = clip.xy() / clip.w;
            let pixel = glam::DVec2::new((ndc.x + 1.0) * 320.0, (1.0 - ndc.y) * 240.0);
            let (expected, _) = camera.pixel_from_world(point, size).expect("in front");
            assert!(pixel.distance(expected) < 1e-6, "{pixel} {expected}");
        }
    }
}
