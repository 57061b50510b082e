//! The crosshair: where the other two planes cut a view, with handles that turn them.

use egui::{Painter, Pos2, Response, Stroke, Ui, Vec2, vec2};
use glam::{DQuat, DVec3};
use voco_volume::{SliceFrame, SlicePlane};

use super::port::SlicePort;
use crate::document::{Drag, Pane};
use crate::{OpenVolume, ViewSettings, theme};

/// How near the pointer must be to a handle.
const REACH: f32 = 9.0;
/// The crosshair leaves what is under it visible.
const GAP: f32 = 9.0;

/// Where another plane cuts this view: its colour's plane and the line's direction on the screen.
fn lines(settings: &ViewSettings, port: &SlicePort) -> [(SlicePlane, Vec2); 2] {
    let here = port.frame.right.cross(port.frame.down);
    let (vertical, horizontal) = match port.frame.plane {
        SlicePlane::Axial => (SlicePlane::Sagittal, SlicePlane::Coronal),
        SlicePlane::Coronal => (SlicePlane::Sagittal, SlicePlane::Axial),
        SlicePlane::Sagittal => (SlicePlane::Coronal, SlicePlane::Axial),
    };
    [(vertical, vec2(0.0, 1.0)), (horizontal, vec2(1.0, 0.0))].map(|(plane, straight)| {
        if settings.turn == DQuat::IDENTITY {
            return (plane, straight);
        }
        let along = here.cross(port.normal_of(plane));
        let direction = vec2(along.dot(port.frame.right) as f32, along.dot(port.frame.down) as f32);
        let direction = if direction.dot(straight) < 0.0 { -direction } else { direction };
        (plane, if direction.length() > 1e-3 { direction.normalized() } else { straight })
    })
}

/// The handles of a view, two on each line, as far out as the view allows; none where there is no room.
fn handles(settings: &ViewSettings, port: &SlicePort, pane: Pane) -> Vec<(Pos2, SlicePlane)> {
    /// Nearer than this, a turn of a pixel would be one of degrees.
    const LEAST: f32 = 40.0;
    let center = port.screen_from_world(settings.cursor_of(pane.side));
    let (low, high) = (port.rect.min - center, port.rect.max - center);
    let room = |along: Vec2| {
        let side = |d: f32, low: f32, high: f32| match d {
            d if d > 1e-6 => high / d,
            d if d < -1e-6 => low / d,
            _ => f32::INFINITY,
        };
        side(along.x, low.x, high.x).min(side(along.y, low.y, high.y))
    };
    let mut handles = Vec::new();
    for (plane, along) in lines(settings, port) {
        for along in [along, -along] {
            let reach = room(along) * 0.72;
            if reach >= LEAST {
                handles.push((center + along * reach, plane));
            }
        }
    }
    handles
}

/// True if the pointer is over a handle: a drag from there turns the planes.
pub(super) fn hovered(ui: &Ui, settings: &ViewSettings, port: &SlicePort, pane: Pane, response: &Response) -> bool {
    let is_turning = settings.drag == Some(Drag::Turn(pane));
    let at =
        response.hover_pos().filter(|_| settings.show_crosshair && settings.drag.is_none() && !is_labelling(settings));
    let over = at.is_some_and(|at| handles(settings, port, pane).iter().any(|(h, _)| h.distance(at) <= REACH));
    if over || is_turning {
        ui.ctx().set_cursor_icon(egui::CursorIcon::Alias);
    }
    over || is_turning
}

/// Tools for labels need the whole picture.
fn is_labelling(settings: &ViewSettings) -> bool {
    matches!(settings.tool, crate::Tool::Label(_))
}

pub(super) fn draw(painter: &Painter, settings: &ViewSettings, port: &SlicePort, pane: Pane, lit: bool, hovered: bool) {
    let center = port.screen_from_world(settings.cursor_of(pane.side));
    let long = port.rect.size().length();
    for (plane, along) in lines(settings, port) {
        let stroke = Stroke::new(1.0, theme::plane_color(plane).gamma_multiply(0.75));
        for side in [1.0, -1.0] {
            painter.line_segment([center + along * GAP * side, center + along * long * side], stroke);
        }
    }
    if (hovered && !is_labelling(settings)) || lit {
        for (at, plane) in handles(settings, port, pane) {
            let color = theme::plane_color(plane);
            painter.circle(at, if lit { 5.0 } else { 3.5 }, theme::VIEW_BACKGROUND, Stroke::new(1.5, color));
        }
    }
}

/// Turns the planes by the angle that the pointer went around the crosshair.
pub(super) fn turn(settings: &mut ViewSettings, port: &SlicePort, pane: Pane, from: Pos2, to: Pos2) {
    let center = port.screen_from_world(settings.cursor_of(pane.side));
    let angle = f64::from((to - center).angle() - (from - center).angle());
    if angle.is_finite() && (from - center).length() > 4.0 {
        let axis = port.frame.right.cross(port.frame.down).normalize_or_zero();
        if axis != DVec3::ZERO {
            settings.turn = (DQuat::from_axis_angle(axis, angle) * settings.turn).normalize();
        }
    }
}

/// By how much a view's plane is off the volume's own, degrees.
pub(super) fn tilt_deg(settings: &ViewSettings, volume: &OpenVolume, port: &SlicePort) -> f64 {
    let straight = SliceFrame::new(volume.volume.geometry(), port.frame.plane).normal;
    let tilt = straight.angle_between(port.normal_of(port.frame.plane)).to_degrees();
    if settings.turn == DQuat::IDENTITY { 0.0 } else { tilt }
}
