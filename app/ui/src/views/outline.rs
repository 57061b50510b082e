//! Outlines on a slice: polygon, lasso, live wire and scissors, drawn, moved and used.

use egui::{Color32, Painter, Pos2, Shape, Stroke};
use glam::{DVec2, DVec3};
use voco_label::tools::{Plane, polygon};
use voco_label::{BrickMask, VoxelBox};
use voco_labelstore::{StoreError, change_name};

use super::{label, overlay, port::SlicePort, wire};
use crate::document::{Drag, Pane};
use crate::labelling::{Ask, LabelSettings, LabelTool, What};
use crate::{Request, Session, ViewSettings, i18n};

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
    /// Begun with the right button: it does the opposite of what is set.
    pub is_secondary: bool,
    /// Of the screen, when it was begun.
    pub mm_per_point: f64,
}

impl Outline {
    /// True if what it encloses is erased.
    pub fn erases(&self, labels: &LabelSettings) -> bool {
        self.tool.fills_outline() && labels.outline_erases != self.is_secondary
    }

    /// True if it was drawn in one go.
    fn is_free(&self) -> bool {
        matches!(self.tool, LabelTool::Lasso | LabelTool::Scissors)
    }
}

/// A button went down with a tool that draws outlines.
pub(super) fn press(
    session: &mut Session,
    settings: &mut ViewSettings,
    port: &SlicePort,
    pane: Pane,
    tool: LabelTool,
    at: Pos2,
    is_secondary: bool,
) {
    let to = port.world_from_screen(at);
    if let Some(other) = settings.outline.as_ref().filter(|o| o.pane != pane || o.tool != tool || !is_on(o, port)) {
        // One that encloses something waits on its slice; a click or two are given up.
        if other.is_closed || other.fixed > 2 {
            return session.notice(i18n::text("label-outline-waits"), false);
        }
        settings.outline = None;
    }
    let Some(outline) = &mut settings.outline else {
        settings.outline = Some(Outline {
            pane,
            tool,
            plane: label::plane(port),
            points_mm: vec![to],
            fixed: 1,
            is_closed: false,
            is_secondary,
            mm_per_point: port.mm_per_point,
        });
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

/// The pointer moved with the button down.
pub(super) fn draw_on(outline: &mut Outline, port: &SlicePort, at: Pos2) {
    let last = outline.points_mm.last().map(|&p| port.screen_from_world(p));
    if last.is_none_or(|last| last.distance(at) > FREEHAND_STEP) {
        outline.points_mm.push(port.world_from_screen(at));
        outline.fixed = outline.points_mm.len();
    }
}

/// The button was let go: what is drawn in one go is used, or left to be edited.
pub(super) fn release(session: &mut Session, settings: &mut ViewSettings) {
    let edits = settings.labels.lasso_edits;
    let Some(outline) = settings.outline.as_mut().filter(|o| o.is_free()) else { return };
    if outline.points_mm.len() < 3 {
        settings.outline = None;
        return;
    }
    outline.is_closed = true;
    if edits && outline.tool == LabelTool::Lasso {
        let tolerance = outline.mm_per_point;
        thin(outline, tolerance);
    } else {
        use_outline(session, settings);
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
        thin(outline, 0.5);
    }
    outline.is_closed = true;
}

/// Leaves points out where the outline stays within so many millimetres.
fn thin(outline: &mut Outline, tolerance_mm: f64) {
    let (origin, right, down) = (outline.plane.origin, outline.plane.right, outline.plane.down);
    let flat: Vec<DVec2> =
        outline.points_mm.iter().map(|&p| DVec2::new((p - origin).dot(right), (p - origin).dot(down))).collect();
    let few = polygon::simplified(&flat, tolerance_mm);
    // So small a thing keeps its points.
    if few.len() > 2 {
        outline.points_mm = few.iter().map(|p| origin + right * p.x + down * p.y).collect();
        outline.fixed = outline.points_mm.len();
    }
}

/// True if the outline lies on the slice that a view shows.
pub(super) fn is_on(outline: &Outline, port: &SlicePort) -> bool {
    let normal = port.frame.right.cross(port.frame.down).normalize_or_zero();
    normal.dot(outline.plane.normal()).abs() > 1.0 - 1e-6
        && (outline.plane.origin - port.through_mm).dot(normal).abs() < port.half_slice_mm()
}

/// Fills an outline that is closed, erases in it, or cuts with it. It stays if that cannot be done.
pub(crate) fn use_outline(session: &mut Session, settings: &mut ViewSettings) {
    let Some(mut outline) = settings.outline.take_if(|o| o.is_closed) else { return };
    if let Err(problem) = fill_or_cut(session, settings, &outline) {
        if outline.is_free() {
            let tolerance = outline.mm_per_point;
            thin(&mut outline, tolerance);
        }
        settings.outline = Some(outline);
        session.notice(format!("{problem}."), true);
    }
}

fn fill_or_cut(session: &mut Session, settings: &mut ViewSettings, outline: &Outline) -> Result<(), String> {
    let Some(volume) = session.active_mut() else { return Ok(()) };
    if volume.incoming.is_some() {
        return Err(i18n::text("label-incoming").trim_end_matches('.').to_owned());
    }
    let id = volume.id;
    let Some(work) = &mut volume.labels else { return Ok(()) };
    let current = work.current.ok_or_else(|| i18n::text("label-choose-segment").to_owned())?;
    let segment = work.document().segment(current).map_err(|e| e.to_string())?.clone();
    if outline.tool == LabelTool::Scissors {
        // The answer comes later: what is known to fail is told while the outline is still there.
        if segment.locked {
            return Err(StoreError::Locked(segment.name).to_string());
        }
        let labels = &settings.labels;
        let what = What::Cut {
            plane: outline.plane,
            points_mm: outline.points_mm.clone(),
            outside: labels.cut_outside,
            fills: labels.cut_fills,
            depth_mm: labels.cut_depth_mm(),
        };
        let ask = Ask { segment: current, rules: labels.rules(), what };
        settings.asks.push(Request::Propose(id, Box::new(ask)));
        return Ok(());
    }
    let erases = outline.erases(&settings.labels);
    let (tool, key) = match (outline.tool, erases) {
        (LabelTool::Lasso, false) => ("lasso", "lasso"),
        (LabelTool::Lasso, true) => ("lasso", "lasso-erase"),
        (LabelTool::LiveWire, false) => ("livewire", "livewire"),
        (LabelTool::LiveWire, true) => ("livewire", "livewire-erase"),
        (_, false) => ("polygon", "polygon"),
        (_, true) => ("polygon", "polygon-erase"),
    };
    let geometry = *work.geometry();
    let filled = polygon::fill_outline(&geometry, &outline.plane, &outline.points_mm).map_err(|e| e.to_string())?;
    let target = label::target(work, settings, current, erases).map_err(|e| e.to_string())?;
    let rules = settings.labels.rules_for(target);
    work.begin(target, rules, tool, &change_name(key, &[&segment.name])).map_err(|e| e.to_string())?;
    let add = |staged: &mut BrickMask| {
        staged.unite(&filled)?;
        Ok(filled.bounding_box().unwrap_or(VoxelBox::EMPTY))
    };
    work.stage(add).map_err(|e| e.to_string())?;
    work.finish();
    Ok(())
}

/// The outline with its handles, and what to do with it.
pub(super) fn draw(painter: &Painter, port: &SlicePort, outline: &Outline, color: Color32, pointer: Option<Pos2>) {
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
