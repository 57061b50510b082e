//! The crosshair and the camera by keys, and the tool in hand used there: measuring and labelling without a mouse.

use glam::{DQuat, DVec3};

use super::Command;
use crate::document::Tool;
use crate::{Session, ViewKind, ViewSettings};

/// Voxels of a long step.
const LONG: f64 = 10.0;
/// Radians by which a key turns the camera, and oblique planes.
const CAMERA_STEP: f64 = 10.0 * std::f64::consts::PI / 180.0;
const PLANE_STEP: f64 = 2.0 * std::f64::consts::PI / 180.0;

/// Moves the crosshair within its slice, or asks the view to use the tool there. False if the command is another one.
pub(super) fn run(command: Command, session: &Session, settings: &mut ViewSettings) -> bool {
    let (right, down) = match command {
        Command::CursorLeft => (-1.0, 0.0),
        Command::CursorRight => (1.0, 0.0),
        Command::CursorUp => (0.0, -1.0),
        Command::CursorDown => (0.0, 1.0),
        Command::CursorFarLeft => (-LONG, 0.0),
        Command::CursorFarRight => (LONG, 0.0),
        Command::CursorFarUp => (0.0, -LONG),
        Command::CursorFarDown => (0.0, LONG),
        Command::UseTool => {
            settings.uses_tool_at_cursor = Some(settings.active_view);
            return true;
        }
        Command::TurnLeft => return turn(session, settings, [-1.0, 0.0]),
        Command::TurnRight => return turn(session, settings, [1.0, 0.0]),
        Command::TurnUp => return turn(session, settings, [0.0, -1.0]),
        Command::TurnDown => return turn(session, settings, [0.0, 1.0]),
        _ => return false,
    };
    let pane = settings.active_view;
    let (ViewKind::Slice(plane), Some(volume)) = (pane.kind, session.of_side(settings, pane.side)) else { return true };
    let geometry = volume.volume.geometry();
    let frame = settings.frame(geometry, plane);
    let direction = frame.right * right + frame.down * down;
    // So long that the voxel is the next one along the axis that the direction is nearest to.
    let voxels = geometry.voxel_from_world().transform_vector3(direction.normalize()).abs().max_element();
    let to = settings.cursor_of(pane.side) + direction / voxels;
    let last = DVec3::from_array(geometry.dims().map(|d| (d - 1) as f64));
    let inside = geometry.voxel_from_world().transform_point3(to).clamp(DVec3::ZERO, last);
    settings.move_cursor(pane.side, geometry.world_from_voxel().transform_point3(inside));
    true
}

/// Turns the patient in 3D as a drag in that direction does. In a slice view the oblique planes turn: to the sides within the
/// picture, up and down about its horizontal.
fn turn(session: &Session, settings: &mut ViewSettings, [right, down]: [f64; 2]) -> bool {
    let pane = settings.active_view;
    let Some(volume) = session.of_side(settings, pane.side) else { return true };
    match pane.kind {
        ViewKind::Volume => settings.camera.turn(right * CAMERA_STEP, down * CAMERA_STEP),
        ViewKind::Slice(plane) => {
            let frame = settings.frame(volume.volume.geometry(), plane);
            let axis = if right == 0.0 { frame.right * down } else { frame.right.cross(frame.down) * right };
            let step = DQuat::from_axis_angle(axis.normalize_or(DVec3::Z), PLANE_STEP);
            settings.turn = (step * settings.turn).normalize();
        }
    }
    true
}

/// True if it can be done now; none if the command is another one.
pub(super) fn is_enabled(command: Command, session: &Session, settings: &ViewSettings) -> Option<bool> {
    let is_slice = matches!(settings.active_view.kind, ViewKind::Slice(_));
    let can = is_slice && session.of_side(settings, settings.active_view.side).is_some();
    match command {
        Command::CursorLeft
        | Command::CursorRight
        | Command::CursorUp
        | Command::CursorDown
        | Command::CursorFarLeft
        | Command::CursorFarRight
        | Command::CursorFarUp
        | Command::CursorFarDown => Some(can),
        Command::TurnLeft | Command::TurnRight | Command::TurnUp | Command::TurnDown => {
            Some(session.of_side(settings, settings.active_view.side).is_some())
        }
        Command::UseTool => Some(can && matches!(settings.tool, Tool::Measure(_) | Tool::Label(_))),
        _ => None,
    }
}
