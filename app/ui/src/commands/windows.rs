//! Window and level.

use voco_volume::SlicePlane;

use super::Command;
use crate::document::{Side, Window};
use crate::{OpenVolume, Session, ViewKind, ViewSettings};

pub(super) fn run(command: Command, session: &mut Session, settings: &ViewSettings) {
    match command {
        Command::AutoWindow => auto_window(session, settings),
        Command::ResetWindow => {
            if let Some(volume) = windowed_mut(session, settings) {
                let opened = settings.opened_with.get(&volume.id.0).copied();
                volume.window = opened.unwrap_or_else(|| volume.first_window());
                volume.inverted = volume.told.inverted;
            }
        }
        Command::Invert => {
            let shown = session.of_side(settings, settings.active_view.side).map(|v| v.id);
            if let Some(volume) = shown.and_then(|id| session.volume_mut(id)) {
                volume.inverted = !volume.inverted;
            }
        }
        _ => {}
    }
}

/// The volume whose window the view under the keys shows.
pub(super) fn windowed_mut<'a>(session: &'a mut Session, settings: &ViewSettings) -> Option<&'a mut OpenVolume> {
    let is_other = settings.active_view.side == Side::B && !settings.compare.link_window && settings.layout.compares();
    let other = settings.compare.other.filter(|_| is_other);
    other.or(session.active).and_then(|id| session.volume_mut(id))
}

pub(super) fn window_of(command: Command) -> Option<usize> {
    let all = [
        Command::Window1,
        Command::Window2,
        Command::Window3,
        Command::Window4,
        Command::Window5,
        Command::Window6,
        Command::Window7,
        Command::Window8,
        Command::Window9,
    ];
    all.iter().position(|&c| c == command)
}

/// The window of what the slice under the keys shows: from its 1st to its 99th percentile.
fn auto_window(session: &mut Session, settings: &ViewSettings) {
    /// Enough for percentiles.
    const MAX_VALUES: usize = 4096;
    let pane = settings.active_view;
    let plane = if let ViewKind::Slice(plane) = pane.kind { plane } else { SlicePlane::Axial };
    let Some(volume) = session.of_side(settings, pane.side) else { return };
    let geometry = volume.volume.geometry();
    let frame = settings.frame(geometry, plane);
    let cursor = settings.cursor_of(pane.side);
    let side = 64;
    let mut values: Vec<f64> = (0..side * side)
        .filter_map(|n| {
            let share = |n: i32| (f64::from(n) + 0.5) / f64::from(side) - 0.5;
            let at = frame.extent_mm * glam::DVec2::new(share(n % side), share(n / side));
            volume.volume.value_at_world(frame.world_from_picture(at, cursor))
        })
        .filter(|v| v.is_finite())
        .take(MAX_VALUES)
        .collect();
    // Air around a patient is not what one looks at.
    let floor = volume.stats.min + (volume.stats.max - volume.stats.min) * 0.01;
    if values.iter().filter(|&&v| v > floor).count() > 64 {
        values.retain(|&v| v > floor);
    }
    values.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) = (values.get(values.len() / 100), values.get(values.len() * 99 / 100)) else {
        return;
    };
    if let Some(volume) = windowed_mut(session, settings).filter(|_| high > low) {
        volume.window = Window { width: high - low, level: f64::midpoint(high, low) };
    }
}
