//! Measurements on a slice: drawn, drawn anew, and moved.

use egui::{Align2, Color32, Painter, Pos2, Rect, Shape, Stroke, vec2};
use glam::{DVec2, DVec3};

use super::{overlay, port::SlicePort};
use crate::document::{Drag, Drawing, Pane, Side, VolumeId};
use crate::measure::{MeasureDoc, MeasureKind, MeasurePlane, Measurement, perpendicular_through};
use crate::{Session, ViewSettings, theme};

/// How near the pointer must be to a point or a line.
const POINT_REACH: f32 = 8.0;
const LINE_REACH: f32 = 5.0;
/// Points of a freehand outline are this far apart on the screen.
const FREEHAND_STEP: f32 = 3.0;

/// What the pointer is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Hit {
    Point(u32, usize),
    Body(u32),
}

fn volume_id(session: &Session, settings: &ViewSettings, side: Side) -> Option<VolumeId> {
    session.of_side(settings, side).map(|v| v.id)
}

pub(super) fn draw(
    painter: &Painter,
    session: &Session,
    settings: &ViewSettings,
    port: &SlicePort,
    pane: Pane,
    pointer: Option<Pos2>,
) {
    let Some(volume) = session.of_side(settings, pane.side) else { return };
    let doc = session.measurements.get(&volume.id.0);
    let is_on = |item: &&Measurement| item.is_on(&port.frame, port.through_mm, port.half_slice_mm());
    let is_selected = |item: &Measurement| settings.selected == Some((volume.id, item.number));
    let shown: Vec<&Measurement> = doc.map_or(&[][..], MeasureDoc::items).iter().filter(is_on).collect();
    let drawn = settings.drawing.as_ref().filter(|d| d.pane == pane).map(|drawing| {
        let mut points = drawing.points_mm.clone();
        if let Some(at) = pointer.filter(|_| drawing.kind != MeasureKind::Freehand) {
            points.push(port.world_from_screen(at));
        }
        finished(drawing, &points)
    });
    let all = || drawn.iter().map(|item| (item, true)).chain(shown.iter().map(|&item| (item, is_selected(item))));
    for (item, is_selected) in all() {
        draw_outline(painter, port, item, is_selected);
    }
    // Texts lie on all lines and beside one another; what is in hand has the first choice of place.
    let mut taken = Vec::new();
    for wanted in [true, false] {
        for (item, is_selected) in all().filter(|&(_, is_selected)| is_selected == wanted) {
            draw_text(painter, port, item, volume.unit(), is_selected, &mut taken);
        }
    }
}

/// A drawing as far as it is, with the parts that follow by themselves.
fn finished(drawing: &Drawing, points: &[DVec3]) -> Measurement {
    let mut points_mm = points.to_vec();
    if drawing.kind == MeasureKind::Bidirectional && points_mm.len() == 2 {
        let long = [points_mm[0], points_mm[1]];
        let half = long[0].distance(long[1]) / 4.0;
        points_mm.extend(perpendicular_through(long, drawing.plane.normal(), long[0].midpoint(long[1]), half));
    }
    Measurement { number: 0, kind: drawing.kind, plane: drawing.plane, points_mm, note: String::new(), stats: None }
}

const fn color(is_selected: bool) -> Color32 {
    if is_selected { theme::MEASURE_SELECTED } else { theme::MEASURE }
}

fn draw_outline(painter: &Painter, port: &SlicePort, item: &Measurement, is_selected: bool) {
    let color = color(is_selected);
    let stroke = Stroke::new(if is_selected { 2.0 } else { 1.5 }, color);
    let shadow = Stroke::new(stroke.width + 1.5, Color32::from_black_alpha(110));
    for line in screen_lines(port, item) {
        painter.add(Shape::line(line.clone(), shadow));
        painter.add(Shape::line(line, stroke));
    }
    for at in handles(port, item) {
        if item.kind == MeasureKind::Probe {
            for (a, b) in [(vec2(-6.0, 0.0), vec2(6.0, 0.0)), (vec2(0.0, -6.0), vec2(0.0, 6.0))] {
                painter.line_segment([at + a, at + b], stroke);
            }
        } else {
            painter.circle(at, if is_selected { 4.0 } else { 2.5 }, color, Stroke::new(1.0, Color32::BLACK));
        }
    }
}

fn draw_text(
    painter: &Painter,
    port: &SlicePort,
    item: &Measurement,
    unit: &str,
    is_selected: bool,
    taken: &mut Vec<Rect>,
) {
    let lines = item.lines(unit);
    let Some(at) = text_place(port, item).filter(|_| !lines.is_empty()) else { return };
    let lines: Vec<String> =
        if item.note.is_empty() { lines } else { std::iter::once(item.note.clone()).chain(lines).collect() };
    overlay::block(painter, at, &lines, color(is_selected), port.rect, taken);
}

/// Right of everything that is drawn, so that numbers hide nothing of it.
fn text_place(port: &SlicePort, item: &Measurement) -> Option<Pos2> {
    let all = handles(port, item).chain(screen_lines(port, item).into_iter().flatten());
    Some(all.reduce(|a, b| if b.x > a.x { b } else { a })? + vec2(9.0, 2.0))
}

/// The points on the screen that can be taken hold of.
fn handles(port: &SlicePort, item: &Measurement) -> impl Iterator<Item = Pos2> {
    handle_points(item).iter().map(|&p| port.screen_from_world(p))
}

/// The lines of a measurement on the screen.
fn screen_lines(port: &SlicePort, item: &Measurement) -> Vec<Vec<Pos2>> {
    let p: Vec<Pos2> = item.points_mm.iter().map(|&p| port.screen_from_world(p)).collect();
    let pairs = |n: &[(usize, usize)]| -> Vec<Vec<Pos2>> {
        n.iter().filter(|&&(a, b)| a.max(b) < p.len()).map(|&(a, b)| vec![p[a], p[b]]).collect()
    };
    match item.kind {
        MeasureKind::Probe => Vec::new(),
        MeasureKind::Length => pairs(&[(0, 1)]),
        MeasureKind::Angle => pairs(&[(0, 1), (1, 2)]),
        MeasureKind::Cobb | MeasureKind::Bidirectional => pairs(&[(0, 1), (2, 3)]),
        MeasureKind::Sphere => sphere_section(port, item).into_iter().collect(),
        MeasureKind::Freehand if item.shape().is_none() => vec![p],
        MeasureKind::Ellipse | MeasureKind::Rectangle | MeasureKind::Freehand => {
            let (Some(shape), Some(&origin)) = (item.shape(), item.points_mm.first()) else { return Vec::new() };
            let place = |at: DVec2| port.screen_from_world(item.plane.world(origin, at));
            let mut outline: Vec<Pos2> = shape.outline().into_iter().map(place).collect();
            outline.extend(outline.first().copied());
            vec![outline]
        }
    }
}

/// Where a ball meets the slice.
fn sphere_section(port: &SlicePort, item: &Measurement) -> Option<Vec<Pos2>> {
    let [center, surface] = item.points_mm.as_slice() else { return None };
    let normal = port.frame.right.cross(port.frame.down).normalize_or_zero();
    let height = (*center - port.through_mm).dot(normal);
    let radius = (center.distance_squared(*surface) - height * height).max(0.0).sqrt();
    let at = port.screen_from_world(*center);
    let reach = (radius / port.mm_per_point) as f32;
    let turn = |n: u8| egui::Vec2::angled(f32::from(n) / 64.0 * std::f32::consts::TAU) * reach;
    Some((0..=64).map(|n| at + turn(n)).collect())
}

/// Points that can be taken hold of.
fn handle_points(item: &Measurement) -> &[DVec3] {
    match item.kind {
        // An outline has too many: it is moved as a whole.
        MeasureKind::Freehand => &[],
        _ => &item.points_mm,
    }
}

/// The measurement under the pointer, the newest first.
pub(super) fn hit(session: &Session, settings: &ViewSettings, port: &SlicePort, pane: Pane, at: Pos2) -> Option<Hit> {
    let doc = session.measurements.get(&volume_id(session, settings, pane.side)?.0)?;
    let shown = || {
        let is_on = |m: &&Measurement| m.is_on(&port.frame, port.through_mm, port.half_slice_mm());
        doc.items().iter().rev().filter(is_on)
    };
    for item in shown() {
        let near = handle_points(item).iter().position(|&p| port.screen_from_world(p).distance(at) <= POINT_REACH);
        if let Some(index) = near {
            return Some(Hit::Point(item.number, index));
        }
    }
    let over = |item: &&Measurement| {
        let near = |pair: &[Pos2]| distance_to_segment(at, pair[0], pair[1]) <= LINE_REACH;
        screen_lines(port, item).iter().any(|line| line.windows(2).any(near))
    };
    shown().find(over).map(|item| Hit::Body(item.number))
}

fn distance_to_segment(at: Pos2, a: Pos2, b: Pos2) -> f32 {
    let along = b - a;
    let t = ((at - a).dot(along) / along.length_sq().max(1e-6)).clamp(0.0, 1.0);
    at.distance(a + along * t)
}

/// Sets a point; the measurement is done when it has all.
pub(super) fn press(
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    kind: MeasureKind,
    at: Pos2,
) {
    let point = port.world_from_screen(at);
    match &mut settings.drawing {
        Some(drawing) if drawing.pane == pane && drawing.kind == kind => drawing.points_mm.push(point),
        other => {
            let plane = MeasurePlane::of(&port.frame);
            *other = Some(Drawing { pane, kind, plane, points_mm: vec![point] });
        }
    }
    settings.selected = None;
    complete(session, settings);
}

/// Sets a point; a second one at the same place ends a freehand outline.
pub(super) fn press_by_key(
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    kind: MeasureKind,
    at: Pos2,
) {
    let is_last = settings
        .drawing
        .as_ref()
        .filter(|d| d.pane == pane && d.kind == kind)
        .is_some_and(|d| d.points_mm.last().is_some_and(|&p| port.screen_from_world(p).distance(at) < 1.0));
    match kind {
        MeasureKind::Freehand if is_last => release(session, settings, port, at, at),
        // A length of nothing is none.
        _ if is_last => {}
        _ => press(session, settings, port, pane, kind, at),
    }
}

/// A drag that ends away from where it began sets the point there.
pub(super) fn release(
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pressed_at: Pos2,
    at: Pos2,
) {
    let Some(drawing) = &mut settings.drawing else { return };
    if drawing.kind == MeasureKind::Freehand {
        let is_outline = drawing.points_mm.len() >= 3;
        let drawing = settings.drawing.take();
        if let Some(drawing) = drawing.filter(|_| is_outline) {
            add(session, settings, &drawing);
        }
        return;
    }
    if pressed_at.distance(at) > 5.0 {
        drawing.points_mm.push(port.world_from_screen(at));
        complete(session, settings);
    }
}

/// Goes on with a freehand outline.
pub(super) fn trace(settings: &mut ViewSettings, port: &SlicePort, at: Pos2) {
    if let Some(drawing) = settings.drawing.as_mut().filter(|d| d.kind == MeasureKind::Freehand) {
        let last = drawing.points_mm.last().map(|&p| port.screen_from_world(p));
        if last.is_none_or(|p| p.distance(at) >= FREEHAND_STEP) && drawing.points_mm.len() < 5000 {
            drawing.points_mm.push(port.world_from_screen(at));
        }
    }
}

fn complete(session: &mut Session, settings: &mut ViewSettings) {
    let Some(drawing) = &settings.drawing else { return };
    let needed = match drawing.kind {
        // The short diameter follows from the long one, and is then moved.
        MeasureKind::Bidirectional => 2,
        kind => kind.num_points().unwrap_or(usize::MAX),
    };
    if drawing.points_mm.len() >= needed
        && let Some(drawing) = settings.drawing.take()
    {
        add(session, settings, &drawing);
    }
}

fn add(session: &mut Session, settings: &mut ViewSettings, drawing: &Drawing) {
    let Some(id) = volume_id(session, settings, drawing.pane.side) else { return };
    let item = finished(drawing, &drawing.points_mm);
    let is_empty =
        item.kind != MeasureKind::Probe && item.points_mm.iter().all(|p| p.distance(item.points_mm[0]) < 1e-9);
    if !is_empty {
        let number = session.measurements.entry(id.0).or_default().add(item.kind, item.plane, item.points_mm);
        settings.selected = Some((id, number));
    }
}

/// Moves what a drag holds by the way that the pointer went.
pub(super) fn drag(
    session: &mut Session,
    settings: &ViewSettings,
    port: &SlicePort,
    drag: &Drag,
    to: Pos2,
    by: egui::Vec2,
) {
    let (Drag::Point { pane, number, .. } | Drag::Measurement(pane, number)) = drag else { return };
    let Some(id) = volume_id(session, settings, pane.side) else { return };
    let Some(doc) = session.measurements.get_mut(&id.0) else { return };
    let Some(item) = doc.get(*number) else { return };
    let mut points = item.points_mm.clone();
    match drag {
        Drag::Measurement(..) => {
            let way = port.frame.right * (f64::from(by.x) * port.mm_per_point)
                + port.frame.down * (f64::from(by.y) * port.mm_per_point);
            for point in &mut points {
                *point += way;
            }
        }
        Drag::Point { index, .. } => {
            let target = port.world_from_screen(to);
            // A ball is moved by its middle and sized by its surface.
            match (item.kind, *index) {
                (MeasureKind::Sphere | MeasureKind::Probe, 0) => {
                    let way = target - points[0];
                    for point in &mut points {
                        *point += way;
                    }
                }
                (MeasureKind::Bidirectional, index) => points = bidirectional(&points, &item.plane, index, target),
                (_, index) => {
                    if let Some(point) = points.get_mut(index) {
                        *point = target;
                    }
                }
            }
        }
        _ => {}
    }
    doc.set_points(*number, points);
}

/// The short diameter stays at right angles to the long one: it goes along with an end of that, and is slid and sized by its own.
fn bidirectional(points: &[DVec3], plane: &MeasurePlane, index: usize, target: DVec3) -> Vec<DVec3> {
    let &[a, b, c, d] = points else { return points.to_vec() };
    let share = |long: [DVec3; 2], p: DVec3| {
        let along = long[1] - long[0];
        ((p - long[0]).dot(along) / along.length_squared().max(1e-12)).clamp(0.0, 1.0)
    };
    let foot = |long: [DVec3; 2], t: f64| long[0].lerp(long[1], t);
    let old = [a, b];
    let t = share(old, c);
    let [left, right] = [c, d].map(|p| p.distance(foot(old, t)));
    let (long, t, left, right) = match index {
        0 => ([target, b], t, left, right),
        1 => ([a, target], t, left, right),
        _ => {
            let t = share(old, target);
            let reach = target.distance(foot(old, t));
            if index == 2 { (old, t, reach, right) } else { (old, t, left, reach) }
        }
    };
    let at = foot(long, t);
    let normal = plane.normal();
    let [c, _] = perpendicular_through(long, normal, at, left);
    let [_, d] = perpendicular_through(long, normal, at, right);
    vec![long[0], long[1], c, d]
}

/// A hint of what the next click does, at the foot of the view.
pub(super) fn hint(settings: &ViewSettings) -> Option<&'static str> {
    let drawing = settings.drawing.as_ref()?;
    let id = match (drawing.kind, drawing.points_mm.len()) {
        (MeasureKind::Angle, 1) => "hint-angle-corner",
        (MeasureKind::Angle, _) => "hint-angle-end",
        (MeasureKind::Cobb, 2 | 3) => "hint-cobb-second",
        (MeasureKind::Freehand, _) => "hint-freehand",
        _ => "hint-second-point",
    };
    Some(crate::i18n::text(id))
}

pub(super) fn draw_hint(painter: &Painter, port: &SlicePort, settings: &ViewSettings, pane: Pane) {
    if settings.drawing.as_ref().is_some_and(|d| d.pane == pane)
        && let Some(hint) = hint(settings)
    {
        let at = port.rect.center_bottom() - vec2(0.0, 26.0);
        overlay::text(painter, at, Align2::CENTER_BOTTOM, hint, 12.0, theme::MEASURE_SELECTED);
    }
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::bidirectional;
    use crate::measure::MeasurePlane;

    #[test]
    fn moving_any_end_keeps_the_diameters_at_right_angles_and_crossing() {
        let plane = MeasurePlane { right: DVec3::X, down: DVec3::Y };
        let start = [DVec3::ZERO, DVec3::X * 10.0, DVec3::new(4.0, -2.0, 0.0), DVec3::new(4.0, 3.0, 0.0)];
        for index in 0..4 {
            let moved = bidirectional(&start, &plane, index, DVec3::new(7.0, 6.0, 0.0));
            let (long, short) = (moved[1] - moved[0], moved[3] - moved[2]);
            assert!(long.dot(short).abs() < 1e-9, "{index}");
            if index == 2 || index == 3 {
                assert_eq!([moved[0], moved[1]], [start[0], start[1]]);
                assert!((moved[2].x - 7.0).abs() < 1e-9, "slid along the long one");
            }
        }
    }
}
