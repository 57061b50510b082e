//! Going through the volumes of a time series.

use crate::document::{OpenVolume, ViewSettings};
use crate::{Outbox, Request, Session, VolumeId};

/// The volume of the view that keys speak to, if it is one of several.
fn active(session: &Session, settings: &ViewSettings) -> Option<VolumeId> {
    let volume = session.of_side(settings, settings.active_view.side)?;
    session.times.contains_key(&volume.id.0).then_some(volume.id)
}

/// True if there is more than one volume to go through.
pub(crate) fn has_times(session: &Session, settings: &ViewSettings) -> bool {
    active(session, settings).is_some()
}

/// Asks for the next or an earlier one.
pub(crate) fn step(session: &mut Session, settings: &ViewSettings, by: isize) {
    if let Some(series) = active(session, settings).and_then(|id| session.times.get_mut(&id.0)) {
        series.step(by);
    }
}

/// The next one of cine, once the one before is on show.
pub(crate) fn step_cine(session: &mut Session, settings: &ViewSettings) {
    let Some(series) = active(session, settings).and_then(|id| session.times.get_mut(&id.0)) else { return };
    if series.shown == series.wanted {
        series.step(1);
    }
}

/// Shows what was asked for as soon as it is there, and has the rest read. Window, crosshair and zoom stay; what was counted in
/// regions is counted again.
pub(crate) fn advance(session: &mut Session, outbox: &mut Outbox) {
    let mut shown = Vec::new();
    for (&id, series) in &mut session.times {
        if series.shown != series.wanted
            && let Some(point) = series.ready(series.wanted).cloned()
        {
            series.shown = series.wanted;
            shown.push((id, point));
        } else if series.must_read() {
            outbox.ask(Request::ReadTimes(VolumeId(id)));
        }
    }
    for (id, point) in shown {
        if let Some(volume) = session.volume_mut(VolumeId(id)) {
            let OpenVolume { volume: voxels, stats, texture, .. } = volume;
            (*voxels, *stats, *texture) = (point.volume, point.stats, point.texture);
        }
        if let Some(doc) = session.measurements.get_mut(&id) {
            doc.count_again();
        }
    }
}
