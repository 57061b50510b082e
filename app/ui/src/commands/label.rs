//! Commands for labels.

use voco_labelstore::change_name;
use voco_volume::SlicePlane;

use super::Command;
use crate::document::{CopiedSlice, Drag, Tool, ViewKind, Work};
use crate::labelling::{Ask, Effect, EffectKind, LabelWork, What};
use crate::{Outbox, Request, Session, ViewSettings, i18n, views};

pub(super) fn run(command: Command, session: &mut Session, settings: &mut ViewSettings) {
    match command {
        Command::LabelFainter => settings.label_opacity = (settings.label_opacity - 0.1).max(0.0),
        Command::LabelStronger => settings.label_opacity = (settings.label_opacity + 0.1).min(1.0),
        Command::LabelToggle => {
            if settings.label_opacity > 0.0 {
                settings.opacity_before_hiding = settings.label_opacity;
                settings.label_opacity = 0.0;
            } else {
                settings.label_opacity = settings.opacity_before_hiding;
            }
        }
        Command::LabelOutline => settings.label_outline = !settings.label_outline,
        Command::OutlineThinner | Command::OutlineWider => {
            // Whoever sets the width wants to see it.
            settings.label_outline = true;
            settings.preferences.step_outline(command == Command::OutlineWider);
        }
        Command::LargerTip | Command::SmallerTip => settings.labels.step_radius(command == Command::LargerTip),
        Command::NewSegment => session.active.into_iter().for_each(|id| settings.asks.push(Request::NewSegment(id))),
        Command::LabelStatistics => {
            session.active.into_iter().for_each(|id| settings.asks.push(Request::LabelStatistics(id)));
        }
        Command::PreviewLabels => {
            let effect = settings.labels.effect();
            if effect.is_by_slices() && settings.is_turned() {
                return session.notice(i18n::text("label-turned"), true);
            }
            let ask = effect_ask(session, settings, effect);
            if let Some((id, ask)) = session.active.zip(ask) {
                settings.asks.push(Request::Propose(id, Box::new(ask)));
            }
        }
        Command::CopySlice => copy_slice(session, settings),
        Command::PasteSlice => paste_slice(session, settings),
        _ if EffectKind::ALL.iter().any(|kind| kind.command() == command) => {
            settings.labels.effect =
                EffectKind::ALL.into_iter().find(|kind| kind.command() == command).unwrap_or(EffectKind::Threshold);
            (settings.work, settings.show_panels[1]) = (Work::Label, true);
        }
        _ => {
            if let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) {
                on_segment(command, work);
            }
        }
    }
}

/// What is about the chosen segment.
fn on_segment(command: Command, work: &mut LabelWork) {
    let Some(current) = work.current else { return };
    let Ok(segment) = work.document().segment(current).cloned() else { return };
    match command {
        Command::NextSegment | Command::PreviousSegment => {
            let all = work.document().segments();
            let at = all.iter().position(|s| s.id == current).unwrap_or(0);
            let by = if command == Command::NextSegment { 1 } else { all.len() - 1 };
            work.current = all.get((at + by) % all.len()).map(|s| s.id);
        }
        Command::ToggleSegment => {
            let key = if segment.visible { "hide" } else { "show" };
            work.update_segment(current, change_name(key, &[&segment.name]), |s| s.visible = !s.visible);
        }
        Command::LockSegment => {
            let key = if segment.locked { "unlock" } else { "lock" };
            work.update_segment(current, change_name(key, &[&segment.name]), |s| s.locked = !s.locked);
        }
        _ => {}
    }
}

/// A tool for labels needs some to work on, and its settings on show.
pub(super) fn take_in_hand(session: &Session, settings: &mut ViewSettings) {
    settings.work = Work::Label;
    if let Some(volume) = session.active().filter(|v| v.labels.is_none()) {
        settings.asks.push(Request::NewLabels(volume.id));
    }
}

/// True if Enter has something to do for labels.
pub(super) fn has_something_to_apply(session: &Session, settings: &ViewSettings) -> bool {
    settings.outline.is_some()
        || session.active().and_then(|v| v.labels.as_ref()).is_some_and(|l| l.proposal().is_some())
}

/// Closes an outline, fills one that is closed, or takes what an algorithm proposes.
pub(super) fn apply(session: &mut Session, settings: &mut ViewSettings) {
    match &settings.outline {
        Some(outline) if outline.is_closed => views::use_outline(session, settings),
        Some(_) => views::close_outline(settings),
        None => {
            // Nobody has seen what the new settings find.
            if is_stale(session, settings) {
                let ask = effect_ask(session, settings, settings.labels.effect());
                return settings
                    .asks
                    .extend(session.active.zip(ask).map(|(id, ask)| Request::Propose(id, Box::new(ask))));
            }
            if let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) {
                work.accept();
            }
        }
    }
}

/// True while the smart tool has marks, or has some that were taken back.
pub(super) fn has_marks(session: &Session, taken_back: bool) -> bool {
    let marks = |work: &LabelWork| !(if taken_back { &work.marks_taken_back } else { &work.marks }).is_empty();
    session.active().and_then(|v| v.labels.as_ref()).is_some_and(marks)
}

/// Takes back the last mark of the smart tool and asks anew without it; false if there is none. Marks are no changes of the
/// labels yet: they come before those.
pub(crate) fn take_back_mark(session: &mut Session, settings: &mut ViewSettings) -> bool {
    let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return false };
    let Some(mark) = work.marks.pop() else { return false };
    work.marks_taken_back.push(mark);
    work.reject();
    // A drag that still draws it would go on with the one before.
    settings.drag.take_if(|drag| matches!(drag, Drag::Mark(_)));
    // What was asked with the mark must not come any more, whether or not something is asked without it.
    settings.asks.push(Request::StopProposing);
    views::ask_smart(session, settings);
    true
}

/// Makes the mark again that was taken back last, and asks anew with it; false if there is none.
pub(super) fn redo_mark(session: &mut Session, settings: &mut ViewSettings) -> bool {
    let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return false };
    let Some(mark) = work.marks_taken_back.pop() else { return false };
    work.marks.push(mark);
    work.reject();
    settings.asks.push(Request::StopProposing);
    views::ask_smart(session, settings);
    true
}

/// Esc: gives up what is in hand. False if nothing is.
pub(super) fn cancel(session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) -> bool {
    let work = session.active_mut().and_then(|v| v.labels.as_mut());
    // Windows lie above everything else.
    if work.is_some_and(|work| work.terms_edit.take().is_some()) || session.save_labels.take().is_some() {
        return true;
    }
    settings.wire = None;
    if settings.outline.take().is_some() {
        return true;
    }
    if session.proposing.is_some() {
        outbox.ask(Request::StopProposing);
        return true;
    }
    let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return false };
    let had = work.gesture().is_some() || work.proposal().is_some() || !work.marks.is_empty();
    work.abandon();
    work.clear_marks();
    if had {
        // A network that was asked with the marks answers late.
        outbox.ask(Request::StopProposing);
    }
    had
}

/// The axis of the grid (0, 1, 2 for i, j, k) that goes through the slices of the view used last, and the slice of the crosshair.
pub(crate) fn slice_of(session: &Session, settings: &ViewSettings) -> Option<(usize, usize)> {
    let volume = session.active()?;
    let geometry = volume.volume.geometry();
    let plane = if let ViewKind::Slice(plane) = settings.active_view.kind { plane } else { SlicePlane::Axial };
    let normal = settings.frame(geometry, plane).normal;
    let directions = geometry.directions();
    let along = [directions.x_axis, directions.y_axis, directions.z_axis].map(|d| d.dot(normal).abs());
    let axis = (0..3).max_by(|&a, &b| along[a].total_cmp(&along[b]))?;
    let voxel = geometry.voxel_from_world().transform_point3(settings.cursor_mm)[axis].round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside the grid")]
    let slice = (voxel.max(0.0) as usize).min(geometry.dims()[axis] - 1);
    Some((axis, slice))
}

/// True if what is proposed, or looked for, was asked with other settings of the panel's algorithm than those on show.
pub(crate) fn is_stale(session: &Session, settings: &ViewSettings) -> bool {
    let Some(volume) = session.active() else { return false };
    let Some(work) = &volume.labels else { return false };
    let asked = match session.proposing.as_ref().filter(|p| p.volume == volume.id).map(|p| &p.ask) {
        Some(Ask { segment, what: What::Effect { effect, .. }, .. }) => Some((effect, *segment)),
        Some(_) => None,
        None => work.proposal().and_then(|p| p.effect.as_ref()).map(|(effect, segment)| (effect, *segment)),
    };
    let now = settings.labels.effect();
    asked.is_some_and(|(effect, segment)| {
        effect.kind() == now.kind() && (*effect != now || Some(segment) != work.current)
    })
}

/// What the panel's algorithm is asked; none if it works on slices of the grid, and the planes are turned.
pub(crate) fn effect_ask(session: &Session, settings: &ViewSettings, effect: Effect) -> Option<Ask> {
    if effect.is_by_slices() && settings.is_turned() {
        return None;
    }
    let work = session.active()?.labels.as_ref()?;
    let (axis, _) = slice_of(session, settings)?;
    Some(Ask { segment: work.current?, rules: settings.labels.rules(), what: What::Effect { effect, axis } })
}

/// Keeps which part of which slice is meant. The writer's thread looks whether there is something, and says so if not.
fn copy_slice(session: &mut Session, settings: &ViewSettings) {
    if settings.is_turned() {
        return session.notice(i18n::text("label-turned"), true);
    }
    let Some((axis, slice)) = slice_of(session, settings) else { return };
    let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return };
    let Some(segment) = work.current else { return };
    let document = work.document().clone();
    let asked = document.clone();
    work.edit(move |_| asked.mask_of_slice(segment, axis, slice).map(drop));
    session.slice_clipboard = Some(CopiedSlice { document, segment, axis, slice });
}

/// Puts the copied part of a slice onto the slice of the crosshair. The writer's thread finds, moves and paints it.
fn paste_slice(session: &mut Session, settings: &ViewSettings) {
    if settings.is_turned() {
        return session.notice(i18n::text("label-turned"), true);
    }
    let Some((axis, slice)) = slice_of(session, settings) else { return };
    let Some(copied) = session.slice_clipboard.clone() else { return };
    if axis != copied.axis {
        return session.notice(i18n::text("label-paste-axis"), true);
    }
    let mut by = [0_isize; 3];
    by[axis] = slice.cast_signed() - copied.slice.cast_signed();
    let rules = settings.labels.rules();
    if session.active().is_some_and(|volume| volume.incoming.is_some()) {
        return session.notice(i18n::text("label-incoming"), false);
    }
    let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return };
    let Some(segment) = work.current.and_then(|id| work.document().segment(id).ok()).cloned() else { return };
    if copied.document.geometry().dims() != work.geometry().dims() {
        return session.notice(i18n::text("label-paste-grid"), true);
    }
    work.abandon();
    work.edit(move |document| {
        let name = change_name("paste", &[&segment.name]);
        let mut gesture = document.begin(voco_labelstore::Target::Paint(segment.id), rules, "paste", &name)?;
        gesture.staged = copied.document.mask_of_slice(copied.segment, axis, copied.slice)?.shifted(by);
        document.commit(&gesture).map(drop)
    });
}

/// The tool in hand, if it is one for labels.
pub(crate) fn tool_in_hand(settings: &ViewSettings) -> Option<crate::labelling::LabelTool> {
    if let Tool::Label(tool) = settings.tool { Some(tool) } else { None }
}
