//! Labelling with the mouse on a slice: strokes, clicks that ask an algorithm, marks.

use egui::{Align2, Color32, CursorIcon, Painter, Pos2, Shape, Stroke, Ui};
use glam::DVec3;
use voco_label::BrickMask;
use voco_label::tools::Plane;
use voco_label::tools::brush::{Tip, adapted, stroke};
use voco_labelstore::{SegmentId, StoreError, Target, change_name};

pub(super) use super::outline::close;
use super::{outline, port::SlicePort, wire};
use crate::document::{Drag, Pane, Side};
use crate::labelling::{Ask, LabelTool, LabelWork, Mark, What};
use crate::{Request, Session, ViewSettings, i18n, theme};

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
            outline::press(session, settings, port, pane, tool, at, is_secondary);
            Ok(())
        }
        LabelTool::Smart => {
            let (is_object, plane) = (!is_secondary, plane(port));
            let (normal, right) = (plane.normal(), plane.right);
            let mark = Mark { is_object, points_mm: vec![to], is_box: is_shift, normal, right };
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
                LabelTool::LevelTrace => {
                    What::LevelTrace { plane: plane(port), point_mm: to, erases: is_secondary, side: labels.trace }
                }
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
    current: SegmentId,
    erases: bool,
) -> Result<(), StoreError> {
    let segment = work.document().segment(current)?.clone();
    let target = target(work, settings, current, erases)?;
    let tool = if erases { "eraser" } else { "brush" };
    work.begin(target, settings.labels.rules_for(target), tool, &change_name(tool, &[&segment.name]))
}

/// What a hand paints into, or erases from.
pub(super) fn target(
    work: &LabelWork,
    settings: &ViewSettings,
    current: SegmentId,
    erases: bool,
) -> Result<Target, StoreError> {
    Ok(match (erases, settings.labels.erase_any) {
        (false, _) => Target::Paint(current),
        (true, false) => Target::Erase(current),
        (true, true) => Target::EraseAll(work.document().segment(current)?.layer),
    })
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
                outline::draw_on(outline, port, at);
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
        Drag::OutlineFree(_) => outline::release(session, settings),
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
    if let Some(shown) = settings.outline.as_ref().filter(|o| outline::is_on(o, port)) {
        // As the eraser is.
        let color = if shown.erases(&settings.labels) { theme::ON_PICTURE } else { color };
        outline::draw(painter, port, shown, color, pointer.filter(|_| shown.pane == pane));
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
            let corners = mark.corners().map(|p| port.screen_from_world(p));
            painter.add(Shape::closed_line(corners.to_vec(), Stroke::new(1.75, color)));
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
