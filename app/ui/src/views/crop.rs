//! The crop box: six faces to drag in 3D, a rectangle on slices.

use egui::{Color32, Painter, PointerButton, Pos2, Response, Shape, Stroke, Vec2};
use glam::DVec3;
use voco_volume::Geometry;

use super::port::SlicePort;
use crate::boxes::box_section;
use crate::{OpenVolume, ViewSettings, theme};

/// How near the pointer must be to the middle of a face to take it, in screen points.
const GRAB: f32 = 11.0;

/// The middle of a face on the screen, and how far one voxel along its normal is there.
struct Handle {
    axis: usize,
    is_far: bool,
    at: Pos2,
    per_voxel: Vec2,
}

fn handles(
    settings: &ViewSettings,
    geometry: &Geometry,
    screen_from_world: &dyn Fn(DVec3) -> Option<Pos2>,
) -> Vec<Handle> {
    let crop = settings.view3d.crop_or_all(geometry);
    let to_world = geometry.world_from_voxel();
    let middle = (crop.min + crop.max) / 2.0;
    let mut handles = Vec::new();
    for axis in 0..3 {
        for is_far in [false, true] {
            let mut at = middle;
            at[axis] = if is_far { crop.max[axis] } else { crop.min[axis] };
            let mut next = at;
            next[axis] += 1.0;
            let [a, b] = [at, next].map(|p| screen_from_world(to_world.transform_point3(p)));
            if let (Some(at), Some(next)) = (a, b) {
                handles.push(Handle { axis, is_far, at, per_voxel: next - at });
            }
        }
    }
    handles
}

/// Takes and moves faces. True while one is held: the drag is not the camera's then.
pub(crate) fn drag(
    response: &Response,
    settings: &mut ViewSettings,
    volume: &OpenVolume,
    screen_from_world: &dyn Fn(DVec3) -> Option<Pos2>,
) -> bool {
    if !settings.view3d.crops {
        settings.view3d.crop_face = None;
        return false;
    }
    let geometry = volume.volume.geometry();
    let handles = handles(settings, geometry, screen_from_world);
    if response.drag_started_by(PointerButton::Primary) {
        let from = response.ctx.input(|i| i.pointer.press_origin());
        let near = from.and_then(|at| handles.iter().find(|h| h.at.distance(at) < GRAB));
        settings.view3d.crop_face = near.map(|h| (h.axis, h.is_far));
    }
    let Some((axis, is_far)) = settings.view3d.crop_face else { return false };
    if !response.dragged_by(PointerButton::Primary) {
        settings.view3d.crop_face = None;
        return false;
    }
    let Some(handle) = handles.iter().find(|h| h.axis == axis && h.is_far == is_far) else { return true };
    // Seen along its normal a face does not move on the screen, however far it is dragged.
    let length = handle.per_voxel.length_sq();
    if length < 1e-4 {
        return true;
    }
    let by = f64::from(response.drag_delta().dot(handle.per_voxel) / length);
    let all = geometry.voxel_box();
    let mut crop = settings.view3d.crop_or_all(geometry);
    if is_far {
        crop.max[axis] = (crop.max[axis] + by).clamp(crop.min[axis] + 1.0, all.max[axis]);
    } else {
        crop.min[axis] = (crop.min[axis] + by).clamp(all.min[axis], crop.max[axis] - 1.0);
    }
    settings.view3d.crop = Some(crop);
    true
}

/// The handles, over the picture.
pub(crate) fn draw(
    painter: &Painter,
    settings: &ViewSettings,
    volume: &OpenVolume,
    hovered: Option<Pos2>,
    screen_from_world: &dyn Fn(DVec3) -> Option<Pos2>,
) {
    if !settings.view3d.crops {
        return;
    }
    for handle in handles(settings, volume.volume.geometry(), screen_from_world) {
        let is_held = settings.view3d.crop_face == Some((handle.axis, handle.is_far));
        let is_near = hovered.is_some_and(|at| at.distance(handle.at) < GRAB);
        let fill = if is_held || is_near { theme::MEASURE_SELECTED } else { theme::CROP_BOX };
        painter.circle(handle.at, 5.0, fill, Stroke::new(1.5, Color32::BLACK));
    }
}

/// Where the box meets a slice.
pub(crate) fn on_slice(painter: &Painter, settings: &ViewSettings, volume: &OpenVolume, port: &SlicePort) {
    if !settings.view3d.crops {
        return;
    }
    let geometry = volume.volume.geometry();
    let to_world = geometry.world_from_voxel();
    let corners = settings.view3d.crop_or_all(geometry).corners().map(|c| to_world.transform_point3(c));
    if let Some(outline) = box_section(&corners, &port.frame, port.through_mm) {
        let points = outline.into_iter().map(|p| port.screen_from_picture(p)).collect();
        painter.add(Shape::closed_line(points, Stroke::new(1.5, theme::CROP_BOX)));
    }
}
