//! What was done last, and measurements that are chosen from a list.

use glam::DQuat;
use voco_volume::SlicePlane;

use crate::document::{Pane, Side};
use crate::measure::{MeasureKind, Measurement};
use crate::{Session, ViewKind, ViewSettings, VolumeId};

/// What an edit was done to.
#[derive(Clone, Copy)]
pub(super) enum Edited {
    Measurements(VolumeId),
    Labels,
}

/// What the newest edit was done to, or the one that was taken back last: measurements of what is seen, or labels.
pub(super) fn newest_edit(session: &Session, settings: &ViewSettings, back: bool) -> Option<Edited> {
    let which = usize::from(!back);
    let seen = [session.active, settings.compare.other.filter(|_| settings.layout.compares())];
    let measured = seen.into_iter().flatten().filter_map(|id| {
        let stamp = session.measurements.get(&id.0)?.stamps()[which]?;
        Some((stamp, Edited::Measurements(id)))
    });
    let labels = session.active().and_then(|v| v.labels.as_ref()).and_then(|l| l.stamps()[which]);
    let all = measured.chain(labels.map(|stamp| (stamp, Edited::Labels)));
    // What was taken back last is the oldest of all that was.
    let newest = if back { all.max_by_key(|e| e.0) } else { all.min_by_key(|e| e.0) };
    newest.map(|(_, edited)| edited)
}

/// Takes back what was done last, or does again what was taken back last, whatever it was done to.
pub(super) fn step_edits(session: &mut Session, settings: &ViewSettings, back: bool) {
    match newest_edit(session, settings, back) {
        Some(Edited::Labels) => {
            if let Some(labels) = session.active_mut().and_then(|v| v.labels.as_mut()) {
                labels.step(!back);
            }
        }
        Some(Edited::Measurements(id)) => {
            if let Some(doc) = session.measurements.get_mut(&id.0) {
                if back {
                    doc.undo()
                } else {
                    doc.redo()
                };
            }
        }
        None => {}
    }
}

pub(super) fn next_measurement(session: &Session, settings: &mut ViewSettings) {
    let Some(doc) = session.active.and_then(|id| session.measurements.get(&id.0)) else { return };
    let items = doc.items();
    let at = settings.selected.and_then(|(_, n)| items.iter().position(|m| m.number == n));
    let next = at.map_or(0, |n| (n + 1) % items.len());
    if let Some(item) = items.get(next) {
        select(session, settings, item, Side::A);
    }
}

/// Chooses a measurement and shows the slice it lies on, in a view of its plane.
pub(crate) fn select(session: &Session, settings: &mut ViewSettings, item: &Measurement, side: Side) {
    let Some(volume) = session.of_side(settings, side) else { return };
    settings.selected = Some((volume.id, item.number));
    settings.move_cursor(side, item.center_mm());
    if item.kind == MeasureKind::Probe || item.kind == MeasureKind::Sphere {
        return;
    }
    let geometry = volume.volume.geometry();
    let is_seen = |settings: &ViewSettings, plane| {
        settings.frame(geometry, plane).normal.dot(item.plane.normal()).abs() > 1.0 - 1e-6
    };
    if !SlicePlane::ALL.into_iter().any(|plane| is_seen(settings, plane)) {
        // Drawn while the planes were turned otherwise: straight, or with the axial one turned into its plane.
        settings.turn = DQuat::IDENTITY;
        if !SlicePlane::ALL.into_iter().any(|plane| is_seen(settings, plane)) {
            let straight = settings.frame(geometry, SlicePlane::Axial).normal;
            let normal = item.plane.normal() * item.plane.normal().dot(straight).signum();
            settings.turn = DQuat::from_rotation_arc(straight, normal);
        }
    }
    let Some(plane) = SlicePlane::ALL.into_iter().find(|&plane| is_seen(settings, plane)) else { return };
    let pane = Pane { kind: ViewKind::Slice(plane), side };
    if settings.maximized.is_some() {
        (settings.maximized, settings.maximized_side) = (Some(pane.kind), side);
    } else if !settings.layout.panes(settings.main_view).contains(&pane) {
        settings.main_view = pane.kind;
    }
    settings.active_view = pane;
}
