//! Mouse on a slice view: which button does what is looked up once, when a drag begins.

use egui::{MouseWheelUnit, PointerButton, Pos2, Response, Ui, Vec2};
use glam::{DVec2, DVec3};

use super::{axes, label, measure, port::SlicePort, wire};
use crate::commands::{MouseAction, MouseInput, MouseMap, WheelAction, step_slab, step_slices};
use crate::document::{Drag, Mix, Pane, Side, Tool};
use crate::labelling::LabelTool;
use crate::{Session, ViewSettings};

const BUTTONS: [PointerButton; 5] = [
    PointerButton::Primary,
    PointerButton::Secondary,
    PointerButton::Middle,
    PointerButton::Extra1,
    PointerButton::Extra2,
];

#[expect(clippy::too_many_arguments, reason = "all that a pointer can change")]
pub(super) fn respond(
    ui: &Ui,
    response: &Response,
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    mouse: &MouseMap,
    over_handle: bool,
) {
    super::keep_focus(ui, response, settings);
    if response.gained_focus() || response.hovered() && super::is_pointer_used(ui) {
        settings.active_view = pane;
    }
    if response.double_clicked() && settings.outline.as_ref().is_some_and(|o| !o.is_closed) {
        label::close(settings);
        settings.drag = None;
        return;
    }
    if response.double_clicked() && settings.drawing.is_none() && !is_labelling(settings) {
        settings.toggle_maximized(pane);
        settings.drag = None;
        return;
    }
    // In a slow frame one stroke may end and the next begin: they are two, without a line between them.
    let let_go_at = ui.input(|i| let_go_before_press(&i.events)).filter(|_| settings.drag.is_some());
    if let_go_at.is_some() {
        go_on(ui, response, session, settings, port, pane, false);
        finish(let_go_at, session, settings, port, pane);
    }
    begin(ui, response, session, settings, port, pane, mouse, over_handle);
    go_on(ui, response, session, settings, port, pane, let_go_at.is_some());
    if settings.drag.is_some() && !ui.input(|i| i.pointer.any_down()) {
        finish(pointer(ui), session, settings, port, pane);
    }
    if let Some(at) = response.hover_pos() {
        settings.hover_mm = Some(port.world_from_screen(at));
        settings.hover_side = pane.side;
        wheel(ui, session, settings, port, pane, mouse, at);
        if settings.drag.is_none() {
            wire::follow(settings, port, at);
            if !over_handle && measure::hit(session, settings, port, pane, at).is_some() {
                ui.ctx().set_cursor_icon(egui::CursorIcon::Grab);
            } else if !over_handle && matches!(settings.tool, Tool::Measure(_)) {
                ui.ctx().set_cursor_icon(egui::CursorIcon::Crosshair);
            }
        }
    }
    if settings.uses_tool_at_cursor.take_if(|wanted| *wanted == pane).is_some() {
        use_at_cursor(session, settings, port, pane);
    }
    measure::draw_hint(&ui.painter().with_clip_rect(port.rect), port, settings, pane);
}

#[expect(clippy::too_many_arguments, reason = "those of respond")]
fn begin(
    ui: &Ui,
    response: &Response,
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    mouse: &MouseMap,
    over_handle: bool,
) {
    let pressed = ui.input(|i| BUTTONS.into_iter().find(|&b| i.pointer.button_pressed(b)));
    // Where the button went down: in a slow frame the pointer is further on by now.
    let down_at = pressed.and_then(|b| down_at(ui, b)).or(ui.input(|i| i.pointer.press_origin())).or(pointer(ui));
    // A quick click, and a quick stroke, go down and up within one slow frame; egui does not say then whose they are, nor if one ends
    // and the next begins in it.
    let is_quick = ui.input(|i| !i.pointer.any_down() || let_go_before_press(&i.events).is_some());
    let is_over = |at: Pos2| response.contains_pointer() && port.rect.contains(at) && is_quick;
    let is_ours = |b: &PointerButton| {
        response.is_pointer_button_down_on() || response.clicked_by(*b) || down_at.is_some_and(is_over)
    };
    let Some((button, at)) = pressed.filter(is_ours).zip(down_at) else { return };
    if settings.drag.is_some() {
        return;
    }
    response.request_focus();
    let action = mouse.drag(MouseInput::of(button, ui.input(|i| i.modifiers)));
    let is_primary = button == PointerButton::Primary;
    if let Tool::Label(tool) = settings.tool
        && is_plain(ui, button, tool)
        && !over_handle
    {
        // The right button erases, marks background, or ends an outline, while such a tool is in hand.
        if !is_primary && settings.outline.as_ref().is_some_and(|o| !o.is_closed) {
            return label::close(settings);
        }
        let flags = [!is_primary, ui.input(|i| i.modifiers.shift)];
        return label::press(session, settings, port, pane, tool, at, flags);
    }
    if is_primary && settings.drawing.is_none() {
        let line = port.rect.left() + port.rect.width() * settings.swipe_at;
        let has_line = settings.mix == Mix::Swipe && !settings.overlays.is_empty() && pane.side == Side::A;
        if has_line && (at.x - line).abs() < 7.0 {
            settings.drag = Some(Drag::Swipe(pane));
            return;
        }
        match measure::hit(session, settings, port, pane, at) {
            Some(measure::Hit::Point(number, index)) => return take(session, settings, pane, number, Some(index)),
            Some(measure::Hit::Body(number)) => return take(session, settings, pane, number, None),
            None => settings.selected = None,
        }
        if over_handle {
            settings.drag = Some(Drag::Turn(pane));
            return;
        }
    }
    let tool = match action {
        // Shift, Ctrl and Alt keep their meaning beside a tool for labels.
        MouseAction::Tool if is_labelling(settings) => Tool::Crosshair,
        MouseAction::Tool => settings.tool,
        MouseAction::Crosshair => Tool::Crosshair,
        MouseAction::Window => Tool::Window,
        MouseAction::Zoom => Tool::Zoom,
        MouseAction::Pan => Tool::Pan,
        MouseAction::Scroll => Tool::Scroll,
        MouseAction::Nothing => return,
    };
    if let Tool::Measure(kind) = tool {
        measure::press(session, settings, port, pane, kind, at);
        settings.drag = Some(Drag::Draw(pane, at));
    } else {
        settings.drag = Some(Drag::Tool(pane, tool));
    }
}

/// A click with the tool in hand where the crosshair is.
fn use_at_cursor(session: &mut Session, settings: &mut ViewSettings, port: &SlicePort, pane: Pane) {
    if settings.drag.is_some() {
        return;
    }
    let at = port.screen_from_world(settings.cursor_of(pane.side));
    match settings.tool {
        Tool::Measure(kind) => measure::press_by_key(session, settings, port, pane, kind, at),
        Tool::Label(tool) => {
            label::press(session, settings, port, pane, tool, at, [false; 2]);
            // An outline goes on with the next point; all else is done.
            match settings.drag.take() {
                Some(Drag::OutlineFree(_) | Drag::OutlinePoint(..)) | None => {}
                Some(drag) => label::release(session, settings, &drag),
            }
        }
        _ => {}
    }
}

fn is_labelling(settings: &ViewSettings) -> bool {
    matches!(settings.tool, Tool::Label(_))
}

/// True for the left and the right button without a modifier that means something else. Shift draws a box with the smart tool.
fn is_plain(ui: &Ui, button: PointerButton, tool: LabelTool) -> bool {
    let held = ui.input(|i| i.modifiers);
    let is_held = held.ctrl || held.command || held.alt || (held.shift && tool != LabelTool::Smart);
    matches!(button, PointerButton::Primary | PointerButton::Secondary) && !is_held
}

/// Takes hold of a measurement, or of one of its points.
fn take(session: &Session, settings: &mut ViewSettings, pane: Pane, number: u32, index: Option<usize>) {
    settings.selected = session.of_side(settings, pane.side).map(|v| (v.id, number));
    settings.is_drag_recorded = false;
    settings.drag = Some(index.map_or(Drag::Measurement(pane, number), |index| Drag::Point { pane, number, index }));
}

fn go_on(
    ui: &Ui,
    response: &Response,
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    from_press: bool,
) {
    let Some(drag) = settings.drag.clone().filter(|d| pane_of(d) == pane) else { return };
    let Some(at) = pointer(ui) else { return };
    let by = ui.input(|i| i.pointer.delta());
    // Small moves of a click are none.
    let is_drag = response.dragged();
    match drag {
        Drag::Tool(_, Tool::Crosshair) => {
            let to = clamped(session, settings, pane.side, port.world_from_screen(at));
            settings.move_cursor(pane.side, to);
        }
        Drag::Tool(_, tool) if is_drag && by != Vec2::ZERO => use_tool(session, settings, port, pane, tool, by),
        Drag::Turn(_) if by != Vec2::ZERO => axes::turn(settings, port, pane, at - by, at),
        Drag::Swipe(_) => settings.swipe_at = ((at.x - port.rect.left()) / port.rect.width()).clamp(0.0, 1.0),
        Drag::Draw(..) => measure::trace(settings, port, at),
        Drag::Stroke(..) | Drag::Mark(_) | Drag::OutlinePoint(..) | Drag::OutlineFree(_) => {
            // Every place the hand was at, so that a curve stays one in a slow frame.
            for at in ui.input(|i| moves(&i.events, at, from_press)) {
                label::go_on(session, settings, port, at);
            }
        }
        Drag::Point { .. } | Drag::Measurement(..) if by != Vec2::ZERO && is_drag => {
            // A click alone moves nothing, and is no step of the history.
            if !std::mem::replace(&mut settings.is_drag_recorded, true)
                && let Some((id, _)) = settings.selected
                && let Some(doc) = session.measurements.get_mut(&id.0)
            {
                doc.record();
            }
            measure::drag(session, settings, port, &drag, at, by);
        }
        _ => {}
    }
}

fn finish(at: Option<Pos2>, session: &mut Session, settings: &mut ViewSettings, port: &SlicePort, pane: Pane) {
    let Some(drag) = settings.drag.take_if(|d| pane_of(d) == pane) else { return };
    match drag {
        Drag::Stroke(..) | Drag::Mark(_) | Drag::OutlineFree(_) => label::release(session, settings, &drag),
        Drag::Draw(_, from) => measure::release(session, settings, port, from, at.unwrap_or(from)),
        // What is nearly straight was meant to be.
        Drag::Turn(_) if settings.turn.to_axis_angle().1.abs() < 0.01 => settings.turn = glam::DQuat::IDENTITY,
        _ => {}
    }
}

fn pane_of(drag: &Drag) -> Pane {
    match drag {
        Drag::Tool(pane, _)
        | Drag::Turn(pane)
        | Drag::Swipe(pane)
        | Drag::Draw(pane, _)
        | Drag::Measurement(pane, _)
        | Drag::Stroke(pane, _)
        | Drag::Mark(pane)
        | Drag::OutlinePoint(pane, _)
        | Drag::OutlineFree(pane)
        | Drag::Point { pane, .. } => *pane,
    }
}

/// Where a button went down in this frame, for the last time.
fn down_at(ui: &Ui, wanted: PointerButton) -> Option<Pos2> {
    ui.input(|i| {
        i.events.iter().rev().find_map(|event| match event {
            egui::Event::PointerButton { pos, button, pressed: true, .. } if *button == wanted => Some(*pos),
            _ => None,
        })
    })
}

/// Where a button was let go, if one is pressed again later among these events.
fn let_go_before_press(events: &[egui::Event]) -> Option<Pos2> {
    let is_press = |event: &egui::Event| matches!(event, egui::Event::PointerButton { pressed: true, .. });
    let last = events.iter().rposition(is_press)?;
    events[..last].iter().rev().find_map(|event| match event {
        egui::Event::PointerButton { pos, pressed: false, .. } => Some(*pos),
        _ => None,
    })
}

/// The pointer's places among a frame's events while a button was down; at least the last one. `from_press` leaves out what was before
/// the last press, as that belongs to another stroke.
fn moves(events: &[egui::Event], last: Pos2, from_press: bool) -> Vec<Pos2> {
    let is_press = |event: &egui::Event| matches!(event, egui::Event::PointerButton { pressed: true, .. });
    let from = if from_press { events.iter().rposition(is_press).unwrap_or(0) } else { 0 };
    let mut places = Vec::new();
    for event in &events[from..] {
        match event {
            egui::Event::PointerMoved(at) => places.push(*at),
            egui::Event::PointerButton { pos, pressed: true, .. } => places = vec![*pos],
            egui::Event::PointerButton { pos, pressed: false, .. } => {
                places.push(*pos);
                break;
            }
            _ => {}
        }
    }
    if places.is_empty() {
        places.push(last);
    }
    places
}

fn pointer(ui: &Ui) -> Option<Pos2> {
    ui.input(|i| i.pointer.latest_pos())
}

fn use_tool(session: &mut Session, settings: &mut ViewSettings, port: &SlicePort, pane: Pane, tool: Tool, by: Vec2) {
    match tool {
        Tool::Window => drag_window(session, settings, pane.side, by),
        Tool::Zoom => zoom(settings, port, pane, 1.01_f64.powf(f64::from(by.y)), None),
        Tool::Pan => {
            let (_, pan) = settings.place_mut(pane.side, pane.kind.index());
            *pan -= DVec2::new(f64::from(by.x), f64::from(by.y)) * port.mm_per_point;
        }
        Tool::Scroll => {
            const POINTS_PER_SLICE: f32 = 6.0;
            let total = settings.wheel_rest - by.y / POINTS_PER_SLICE;
            settings.wheel_rest = total.fract();
            #[expect(clippy::cast_possible_truncation, reason = "a few slices")]
            step_slices(session, settings, pane, total.trunc() as i64);
        }
        Tool::Crosshair | Tool::Measure(_) | Tool::Label(_) => {}
    }
}

fn wheel(
    ui: &Ui,
    session: &Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    mouse: &MouseMap,
    at: Pos2,
) {
    let (turned, pinch, modifiers) = ui.input(|i| (wheel_turn(i), pinch(i), i.modifiers));
    let action = mouse.wheel(modifiers);
    if turned == 0.0 {
        if pinch != 1.0 {
            zoom(settings, port, pane, 1.0 / f64::from(pinch), Some(at));
        }
        return;
    }
    if action == WheelAction::Zoom {
        return zoom(settings, port, pane, 0.9_f64.powf(f64::from(turned)), Some(at));
    }
    if let Tool::Label(tool) = settings.tool
        && tool.is_brush()
        && modifiers.shift
    {
        return settings.labels.step_radius(turned > 0.0);
    }
    match action {
        WheelAction::Slice | WheelAction::FiveSlices => {
            let total = settings.wheel_rest + turned * if action == WheelAction::Slice { 1.0 } else { 5.0 };
            settings.wheel_rest = total.fract();
            #[expect(clippy::cast_possible_truncation, reason = "a few slices")]
            step_slices(session, settings, pane, total.trunc() as i64);
        }
        WheelAction::LabelOpacity => {
            settings.label_opacity = (settings.label_opacity + turned * 0.05).clamp(0.0, 1.0);
        }
        WheelAction::Slab => step_slab(settings, turned > 0.0),
        WheelAction::Zoom | WheelAction::Nothing => {}
    }
}

/// Notches that the wheel has turned in this frame; up goes towards the head, the front, the right.
///
/// A wheel sends whole notches, a touchpad many small distances: those add up. Shift turns it sideways on some systems.
fn wheel_turn(input: &egui::InputState) -> f32 {
    const POINTS_PER_SLICE: f32 = 25.0;
    input.events.iter().fold(0.0, |sum, event| match event {
        egui::Event::MouseWheel { unit, delta, modifiers, .. } => {
            let turned = if delta.y == 0.0 && modifiers.shift { delta.x } else { delta.y };
            let slices = match unit {
                MouseWheelUnit::Line => turned.clamp(-10.0, 10.0),
                MouseWheelUnit::Point => turned / POINTS_PER_SLICE,
                MouseWheelUnit::Page => turned * 10.0,
            };
            sum + slices
        }
        _ => sum,
    })
}

/// By how much two fingers zoom in this frame. egui makes a zoom of Ctrl and the wheel, too; that means what the wheel was given.
fn pinch(input: &egui::InputState) -> f32 {
    let zoomed = |event: &egui::Event| if let egui::Event::Zoom(factor) = event { Some(*factor) } else { None };
    input.multi_touch().map_or_else(|| input.events.iter().filter_map(zoomed).product(), |touch| touch.zoom_delta)
}

/// Right wider; up higher level (Slicer's way), or down (OHIF's), as the user likes.
fn drag_window(session: &mut Session, settings: &ViewSettings, side: Side, by: Vec2) {
    let up = if settings.preferences.down_raises_level { -1.0 } else { 1.0 };
    let linked = side == Side::B && settings.compare.link_window;
    let id = if linked { session.active } else { session.of_side(settings, side).map(|v| v.id) };
    let Some(volume) = id.and_then(|id| session.volume_mut(id)) else { return };
    // In parts of the present width, so that a map of 0…0.003 is as easy to set as one of thousands of HU.
    let gain = volume.window.width / 200.0;
    let least = (volume.stats.max - volume.stats.min).abs().max(f64::MIN_POSITIVE) * 1e-4;
    volume.window.width = (volume.window.width + f64::from(by.x) * gain).max(volume.window.width * 0.05).max(least);
    volume.window.level -= f64::from(by.y) * gain * up;
}

fn zoom(settings: &mut ViewSettings, port: &SlicePort, pane: Pane, factor: f64, about: Option<Pos2>) {
    let fitted = port.fitted();
    let new = (port.mm_per_point * factor).clamp(fitted / 60.0, fitted * 4.0);
    let (mm_per_point, pan) = settings.place_mut(pane.side, pane.kind.index());
    if let Some(at) = about {
        // What is under the pointer stays there.
        let offset = at - port.rect.center();
        *pan += DVec2::new(f64::from(offset.x), f64::from(offset.y)) * (port.mm_per_point - new);
    }
    *mm_per_point = Some(new);
}

/// The nearest point inside the volume, so that the crosshair is never lost outside.
fn clamped(session: &Session, settings: &ViewSettings, side: Side, point_mm: DVec3) -> DVec3 {
    let Some(volume) = session.of_side(settings, side) else { return point_mm };
    let geometry = volume.volume.geometry();
    let last = DVec3::from_array(geometry.dims().map(|d| (d - 1) as f64));
    let voxel = geometry.voxel_from_world().transform_point3(point_mm).clamp(DVec3::ZERO, last);
    geometry.world_from_voxel().transform_point3(voxel)
}
