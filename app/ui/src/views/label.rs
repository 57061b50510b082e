//! Labelling with the mouse on a slice: strokes, outlines, clicks that ask an algorithm, marks.

use egui::{Align2, Color32, CursorIcon, Painter, Pos2, Shape, Stroke, Ui};
use glam::DVec3;
use voco_label::BrickMask;
use voco_label::tools::brush::{Tip, adapted, stroke};
use voco_label::tools::{Plane, polygon};
use voco_labelstore::{Target, change_name};

use super::{overlay, port::SlicePort, wire};
use crate::document::{Drag, Pane, Side};
use crate::labelling::{Ask, LabelTool, LabelWork, Mark, What};
use crate::{Request, Session, ViewSettings, i18n, theme};

/// How near the pointer must be to a point of an outline.
const POINT_REACH: f32 = 8.0;
/// Points of an outline that is drawn freely are this far apart on the screen.
const FREEHAND_STEP: f32 = 2.5;

/// An outline that is not used yet.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Where it is drawn.
    pub pane: Pane,
    /// With which tool.
    pub tool: LabelTool,
    /// The plane.
    pub plane: Plane,
    /// Its points, RAS+ mm.
    pub points_mm: Vec<DVec3>,
    /// How many of them are there for good: what follows is the wire to the pointer.
    pub fixed: usize,
    /// No more points: they can be moved.
    pub is_closed: bool,
}

/// The plane of a view for the tools, in the patient.
pub(super) fn plane(port: &SlicePort) -> Plane {
    Plane { origin: port.through_mm, right: port.frame.right, down: port.frame.down }
}

/// A button went down with a tool for labels in hand.
pub(super) fn press(
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    tool: LabelTool,
    at: Pos2,
    [is_secondary, is_shift]: [bool; 2],
) {
    if pane.side == Side::B {
        return session.notice(i18n::text("label-other-side"), false);
    }
    let Some(id) = session.active else { return };
    let Some(volume) = session.volume_mut(id) else { return };
    if volume.incoming.is_some() {
        // A stroke would go to labels that are not on show.
        return session.notice(i18n::text("label-incoming"), false);
    }
    let grid = *volume.volume.geometry();
    let Some(work) = &mut volume.labels else { return settings.asks.push(Request::NewLabels(id)) };
    if !work.geometry().is_same_grid(&grid, 1e-3) {
        return session.notice(i18n::text("label-other-grid"), true);
    }
    let to = port.world_from_screen(at);
    if tool == LabelTool::Pick {
        if let Some(found) = work.segment_at_world(to) {
            work.current = Some(found);
        }
        return;
    }
    let Some(current) = work.current else { return settings.asks.push(Request::NewSegment(id)) };
    let told = match tool {
        LabelTool::Paint | LabelTool::Erase => {
            let erases = (tool == LabelTool::Erase) != is_secondary;
            let begun = begin_stroke(work, settings, current, erases);
            if begun.is_ok() {
                settings.drag = Some(Drag::Stroke(pane, to));
                dab(session, settings, port, [to, to]);
            }
            begun
        }
        LabelTool::Polygon | LabelTool::Lasso | LabelTool::LiveWire | LabelTool::Scissors => {
            outline_press(session, settings, port, pane, tool, at);
            Ok(())
        }
        LabelTool::Smart => {
            let mark =
                Mark { is_object: !is_secondary, points_mm: vec![to], is_box: is_shift, normal: plane(port).normal() };
            work.marks.push(mark);
            work.marks_taken_back.clear();
            settings.drag = Some(Drag::Mark(pane));
            Ok(())
        }
        LabelTool::Fill | LabelTool::Grow | LabelTool::LevelTrace | LabelTool::Island => {
            let Some(voxel) = work.voxel_at(to) else { return };
            let labels = &settings.labels;
            let what = match tool {
                LabelTool::Fill => What::Fill {
                    voxel,
                    tolerance: labels.tolerance,
                    leak_mm: labels.leak_mm,
                    reach_mm: labels.reach_mm,
                },
                LabelTool::Grow => What::Grow {
                    voxel,
                    multiplier: labels.multiplier,
                    leak_mm: labels.leak_mm,
                    reach_mm: labels.reach_mm,
                },
                LabelTool::LevelTrace => What::LevelTrace { plane: plane(port), point_mm: to, erases: is_secondary },
                _ => What::Island { voxel, then: labels.island },
            };
            let ask = Ask { segment: current, rules: labels.rules(), what };
            settings.asks.push(Request::Propose(id, Box::new(ask)));
            Ok(())
        }
        LabelTool::Pick => Ok(()),
    };
    if let Err(problem) = told {
        session.notice(format!("{problem}."), true);
    }
}

fn begin_stroke(
    work: &mut LabelWork,
    settings: &ViewSettings,
    current: voco_labelstore::SegmentId,
    erases: bool,
) -> Result<(), voco_labelstore::StoreError> {
    let segment = work.document().segment(current)?.clone();
    let target = match (erases, settings.labels.erase_any) {
        (false, _) => Target::Paint(current),
        (true, false) => Target::Erase(current),
        (true, true) => Target::EraseAll(segment.layer),
    };
    let tool = if erases { "eraser" } else { "brush" };
    work.begin(target, settings.labels.rules(), tool, &change_name(tool, &[&segment.name]))
}

/// Adds what lies under the tip between two points.
fn dab(session: &mut Session, settings: &ViewSettings, port: &SlicePort, [from, to]: [DVec3; 2]) {
    let Some(volume) = session.active_mut() else { return };
    let image = volume.volume.clone();
    let Some(work) = &mut volume.labels else { return };
    let (geometry, plane) = (*work.geometry(), plane(port));
    let labels = &settings.labels;
    let (tip, radius) = (labels.tip, labels.radius_mm);
    let done = match labels.adapt {
        None => work.stage(|staged| stroke(staged, &geometry, tip, radius, &plane, [from, to])),
        Some(tolerance) => {
            let steps = (from.distance(to) / (radius * 0.5)).ceil().max(1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
            let count = steps.min(64.0) as u32;
            (1..=count).try_for_each(|n| {
                let at = from.lerp(to, f64::from(n) / f64::from(count));
                let center = work.voxel_at(at);
                work.stage(|staged| {
                    let mut one = BrickMask::empty(geometry.dims())?;
                    let part = stroke(&mut one, &geometry, tip, radius, &plane, [at, at])?;
                    let Some(center) = center else { return Ok(part) };
                    staged.unite(&adapted(&one, &image, center, tolerance)?)?;
                    Ok(part)
                })
            })
        }
    };
    if let Err(problem) = done {
        session.notice(format!("{problem}."), true);
    }
}

/// The pointer moved with the button down.
pub(super) fn go_on(session: &mut Session, settings: &mut ViewSettings, port: &SlicePort, at: Pos2) {
    let to = port.world_from_screen(at);
    match settings.drag.clone() {
        Some(Drag::Stroke(pane, from)) if from != to => {
            dab(session, settings, port, [from, to]);
            settings.drag = Some(Drag::Stroke(pane, to));
        }
        Some(Drag::Mark(_)) => {
            if let Some(mark) = session.active_mut().and_then(|v| v.labels.as_mut()).and_then(|w| w.marks.last_mut()) {
                if mark.is_box {
                    mark.points_mm.truncate(1);
                    mark.points_mm.push(to);
                } else if mark.points_mm.last().is_none_or(|p| p.distance(to) > port.mm_per_point * 2.0) {
                    mark.points_mm.push(to);
                }
            }
        }
        Some(Drag::OutlinePoint(_, index)) => {
            if let Some(point) = settings.outline.as_mut().and_then(|o| o.points_mm.get_mut(index)) {
                *point = to;
            }
        }
        Some(Drag::OutlineFree(_)) => {
            if let Some(outline) = &mut settings.outline {
                let last = outline.points_mm.last().map(|&p| port.screen_from_world(p));
                if last.is_none_or(|last| last.distance(at) > FREEHAND_STEP) {
                    outline.points_mm.push(to);
                    outline.fixed = outline.points_mm.len();
                }
            }
        }
        _ => {}
    }
}

/// The button was let go.
pub(super) fn release(session: &mut Session, settings: &mut ViewSettings, drag: &Drag) {
    match drag {
        Drag::Stroke(..) => {
            if let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) {
                work.finish();
            }
        }
        Drag::OutlineFree(_) => {
            let Some(outline) = &mut settings.outline else { return };
            let is_free = matches!(outline.tool, LabelTool::Lasso | LabelTool::Scissors);
            if is_free && outline.points_mm.len() > 2 {
                outline.is_closed = true;
                use_outline(session, settings);
            } else if is_free {
                settings.outline = None;
            }
        }
        Drag::Mark(_) => ask_smart(session, settings),
        _ => {}
    }
}

/// Asks for what the marks enclose.
pub(crate) fn ask_smart(session: &mut Session, settings: &mut ViewSettings) {
    let Some(volume) = session.active_mut() else { return };
    let id = volume.id;
    let Some(work) = &mut volume.labels else { return };
    let Some(segment) = work.current else { return };
    let has_object = work.marks.iter().any(|mark| mark.is_object);
    if !has_object {
        return;
    }
    let what = What::Smart {
        marks: work.marks.clone(),
        margin_mm: settings.labels.smart_margin_mm,
        radius_mm: settings.labels.radius_mm.min(3.0),
    };
    let ask = Ask { segment, rules: settings.labels.rules(), what };
    let request = if settings.labels.smart_prior { Request::ProposeWithNetwork } else { Request::Propose };
    settings.asks.push(request(id, Box::new(ask)));
}

fn outline_press(
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    tool: LabelTool,
    at: Pos2,
) {
    let to = port.world_from_screen(at);
    // One drawn elsewhere, or on another slice, is given up.
    settings.outline.take_if(|o| o.pane != pane || o.tool != tool || !is_on(o, port));
    let Some(outline) = &mut settings.outline else {
        let plane = plane(port);
        settings.outline = Some(Outline { pane, tool, plane, points_mm: vec![to], fixed: 1, is_closed: false });
        if tool == LabelTool::LiveWire {
            wire::anchor(session, settings, port, to);
        } else {
            settings.drag = Some(Drag::OutlineFree(pane));
        }
        return;
    };
    let near = |p: DVec3| port.screen_from_world(p).distance(at) < POINT_REACH;
    if outline.is_closed {
        if let Some(index) = outline.points_mm.iter().position(|&p| near(p)) {
            settings.drag = Some(Drag::OutlinePoint(pane, index));
        } else if let Some(index) = edge_at(outline, port, at) {
            outline.points_mm.insert(index + 1, to);
            outline.fixed = outline.points_mm.len();
            settings.drag = Some(Drag::OutlinePoint(pane, index + 1));
        } else {
            use_outline(session, settings);
        }
        return;
    }
    if outline.fixed > 2 && near(outline.points_mm[0]) {
        return close(settings);
    }
    if tool == LabelTool::LiveWire {
        if outline.points_mm.len() == outline.fixed {
            outline.points_mm.push(to);
        }
        outline.fixed = outline.points_mm.len();
        wire::anchor(session, settings, port, to);
    } else {
        outline.points_mm.push(to);
        outline.fixed = outline.points_mm.len();
        settings.drag = Some(Drag::OutlineFree(pane));
    }
}

/// The edge that the pointer is on.
fn edge_at(outline: &Outline, port: &SlicePort, at: Pos2) -> Option<usize> {
    let points: Vec<Pos2> = outline.points_mm.iter().map(|&p| port.screen_from_world(p)).collect();
    (0..points.len()).find(|&n| {
        let (a, b) = (points[n], points[(n + 1) % points.len()]);
        let along = b - a;
        let share = ((at - a).dot(along) / along.length_sq().max(1e-6)).clamp(0.0, 1.0);
        (a + along * share).distance(at) < 4.0
    })
}

/// Ends an outline; its points can be moved until it is used.
pub(crate) fn close(settings: &mut ViewSettings) {
    settings.wire = None;
    let Some(outline) = &mut settings.outline else { return };
    outline.points_mm.truncate(outline.fixed);
    if outline.points_mm.len() < 3 {
        settings.outline = None;
        return;
    }
    if outline.tool == LabelTool::LiveWire {
        // Every pixel would be a handle.
        thin(outline);
    }
    outline.is_closed = true;
}

/// Leaves points out where the outline stays within half a millimetre.
fn thin(outline: &mut Outline) {
    let (origin, right, down) = (outline.plane.origin, outline.plane.right, outline.plane.down);
    let flat: Vec<glam::DVec2> =
        outline.points_mm.iter().map(|&p| glam::DVec2::new((p - origin).dot(right), (p - origin).dot(down))).collect();
    outline.points_mm = polygon::simplified(&flat, 0.5).iter().map(|p| origin + right * p.x + down * p.y).collect();
    outline.fixed = outline.points_mm.len();
}

/// True if the outline lies on the slice that a view shows.
pub(super) fn is_on(outline: &Outline, port: &SlicePort) -> bool {
    let normal = port.frame.right.cross(port.frame.down).normalize_or_zero();
    normal.dot(outline.plane.normal()).abs() > 1.0 - 1e-6
        && (outline.plane.origin - port.through_mm).dot(normal).abs() < port.half_slice_mm()
}

/// Fills an outline that is closed, or cuts with it.
pub(crate) fn use_outline(session: &mut Session, settings: &mut ViewSettings) {
    let Some(outline) = settings.outline.take_if(|o| o.is_closed) else { return };
    let Some(volume) = session.active_mut() else { return };
    if volume.incoming.is_some() {
        return session.notice(i18n::text("label-incoming"), false);
    }
    let id = volume.id;
    let Some(work) = &mut volume.labels else { return };
    let Some(current) = work.current else { return };
    let name = work.document().segment(current).map_or_else(|_| String::new(), |s| s.name.clone());
    if outline.tool == LabelTool::Scissors {
        let labels = &settings.labels;
        let what = What::Cut {
            plane: outline.plane,
            points_mm: outline.points_mm,
            outside: labels.cut_outside,
            fills: labels.cut_fills,
        };
        let ask = Ask { segment: current, rules: labels.rules(), what };
        return settings.asks.push(Request::Propose(id, Box::new(ask)));
    }
    let tool = match outline.tool {
        LabelTool::Lasso => "lasso",
        LabelTool::LiveWire => "livewire",
        _ => "polygon",
    };
    let geometry = *work.geometry();
    let told = work
        .begin(Target::Paint(current), settings.labels.rules(), tool, &change_name(tool, &[&name]))
        .map_err(|e| e.to_string())
        .and_then(|()| {
            let filled =
                polygon::fill_outline(&geometry, &outline.plane, &outline.points_mm).map_err(|e| e.to_string())?;
            let add = |staged: &mut BrickMask| {
                staged.unite(&filled)?;
                Ok(filled.bounding_box().unwrap_or(voco_label::VoxelBox::EMPTY))
            };
            work.stage(add).map_err(|e| e.to_string())
        });
    match told {
        Ok(()) => work.finish(),
        Err(problem) => session.notice(format!("{problem}."), true),
    }
}

/// Outline, marks and the tip under the pointer.
pub(super) fn draw(
    ui: &Ui,
    painter: &Painter,
    session: &Session,
    settings: &ViewSettings,
    port: &SlicePort,
    pane: Pane,
    pointer: Option<Pos2>,
) {
    if pane.side == Side::B {
        return;
    }
    let Some(volume) = session.active() else { return };
    let Some(work) = &volume.labels else { return };
    let color = work
        .current
        .and_then(|id| work.document().segment(id).ok())
        .map_or(theme::ON_PICTURE, |segment| theme::label_color(segment.color));
    if let Some(outline) = settings.outline.as_ref().filter(|o| is_on(o, port)) {
        draw_outline(painter, port, outline, color, pointer.filter(|_| outline.pane == pane));
    }
    draw_marks(painter, port, &work.marks, color);
    if settings.wire.as_ref().is_some_and(wire::Wire::is_pending) {
        ui.ctx().request_repaint();
    }
    let crate::Tool::Label(tool) = settings.tool else { return };
    let Some(at) = pointer.filter(|_| settings.drag.is_none() || matches!(settings.drag, Some(Drag::Stroke(..))))
    else {
        return;
    };
    if tool.is_brush() {
        ui.ctx().set_cursor_icon(CursorIcon::None);
        let reach = (settings.labels.radius_mm / port.mm_per_point) as f32;
        let is_erasing = tool == LabelTool::Erase;
        let color = if is_erasing { theme::ON_PICTURE } else { color };
        let shadow = Stroke::new(3.0, Color32::from_black_alpha(120));
        for stroke in [shadow, Stroke::new(1.25, color)] {
            match settings.labels.tip {
                Tip::Disc | Tip::Ball => drop(painter.circle_stroke(at, reach.max(1.0), stroke)),
                Tip::Square | Tip::Cube => {
                    let rect = egui::Rect::from_center_size(at, egui::Vec2::splat(2.0 * reach.max(1.0)));
                    painter.rect_stroke(rect, 0, stroke, egui::StrokeKind::Middle);
                }
            }
        }
        if reach > 6.0 || is_erasing {
            painter.circle_filled(at, 1.2, color);
        }
    } else {
        ui.ctx().set_cursor_icon(CursorIcon::Crosshair);
    }
}

fn draw_outline(painter: &Painter, port: &SlicePort, outline: &Outline, color: Color32, pointer: Option<Pos2>) {
    let mut points: Vec<Pos2> = outline.points_mm.iter().map(|&p| port.screen_from_world(p)).collect();
    let handles: Vec<Pos2> = if outline.tool == LabelTool::LiveWire && !outline.is_closed {
        points.first().copied().into_iter().collect()
    } else {
        points.clone()
    };
    if !outline.is_closed && outline.tool == LabelTool::Polygon {
        points.extend(pointer);
    }
    for stroke in [Stroke::new(3.5, Color32::from_black_alpha(120)), Stroke::new(1.75, color)] {
        painter.add(if outline.is_closed {
            Shape::closed_line(points.clone(), stroke)
        } else {
            Shape::line(points.clone(), stroke)
        });
    }
    if handles.len() <= 200 {
        for at in handles {
            painter.circle(at, 3.5, color, Stroke::new(1.0, Color32::BLACK));
        }
    }
    if outline.is_closed
        && let Some(&at) = points.first()
    {
        let text = i18n::text("label-outline-hint").to_owned();
        overlay::block(painter, at + egui::vec2(10.0, 4.0), &[text], color, port.rect, &mut Vec::new());
    }
}

fn draw_marks(painter: &Painter, port: &SlicePort, marks: &[Mark], color: Color32) {
    let normal = port.frame.right.cross(port.frame.down).normalize_or_zero();
    for mark in marks {
        let near = |p: &DVec3| (*p - port.through_mm).dot(normal).abs() < port.half_slice_mm();
        if !mark.points_mm.iter().any(near) {
            continue;
        }
        let color = if mark.is_object { color } else { theme::ON_PICTURE };
        let points: Vec<Pos2> = mark.points_mm.iter().map(|&p| port.screen_from_world(p)).collect();
        let stroke = Stroke::new(3.0, color);
        if mark.is_box {
            if let [a, b] = points[..] {
                painter.rect_stroke(
                    egui::Rect::from_two_pos(a, b),
                    0,
                    Stroke::new(1.75, color),
                    egui::StrokeKind::Middle,
                );
            }
        } else if let [at] = points[..] {
            painter.circle(at, 5.0, color, Stroke::new(1.5, Color32::BLACK));
            let sign = if mark.is_object { "+" } else { "−" };
            let font = egui::FontId::proportional(12.0);
            painter.text(at, Align2::CENTER_CENTER, sign, font, Color32::BLACK);
        } else {
            painter.add(Shape::line(points, stroke));
        }
    }
}
