//! The live wire: from its last point to the pointer along the edges of the picture.

use egui::Pos2;
use glam::DVec3;
use voco_label::tools::trace::LiveWire;

use super::port::SlicePort;
use crate::{Session, ViewSettings};

/// Pixels on either side of the last point that the wire knows. Further away it goes straight, which is also what a hand means.
const REACH: usize = 96;

/// A wire from one point.
#[derive(Debug, Clone)]
pub struct Wire {
    live: std::sync::Arc<LiveWire>,
    /// Of pixel 0, 0.
    corner_mm: DVec3,
    right_mm: DVec3,
    down_mm: DVec3,
}

/// Lays the wire from a point of the slice that a view shows.
pub(super) fn anchor(session: &Session, settings: &mut ViewSettings, port: &SlicePort, at_mm: DVec3) {
    settings.wire = None;
    let Some(volume) = session.active() else { return };
    let step = volume.volume.geometry().spacing_mm().min_element();
    let (right_mm, down_mm) = (port.frame.right * step, port.frame.down * step);
    let corner_mm = at_mm - (right_mm + down_mm) * REACH as f64;
    let side = 2 * REACH + 1;
    let window = volume.window;
    let low = window.level - window.width / 2.0;
    // What the eye sees: beyond the window there are no edges.
    let value = |n: usize| {
        let at = corner_mm + right_mm * (n % side) as f64 + down_mm * (n / side) as f64;
        let value = volume.volume.value_at_world(at).unwrap_or(low);
        ((value - low) / window.width).clamp(0.0, 1.0) as f32
    };
    let slice: Vec<f32> = (0..side * side).map(value).collect();
    let Ok(mut live) = LiveWire::new(&slice, [side; 2], [step; 2]) else { return };
    if live.set_anchor([REACH; 2]).is_ok() {
        settings.wire = Some(Wire { live: std::sync::Arc::new(live), corner_mm, right_mm, down_mm });
    }
}

/// Puts the wire to the pointer at the end of the outline.
pub(super) fn follow(settings: &mut ViewSettings, port: &SlicePort, at: Pos2) {
    let Some(wire) = settings.wire.clone() else { return };
    let Some(outline) = settings.outline.as_mut().filter(|o| !o.is_closed) else { return };
    let to = port.world_from_screen(at);
    outline.points_mm.truncate(outline.fixed);
    let step = wire.right_mm.length();
    let offset = to - wire.corner_mm;
    let pixel = [offset.dot(wire.right_mm), offset.dot(wire.down_mm)].map(|d| (d / (step * step)).round());
    let side = (2 * REACH + 1) as f64;
    if pixel.iter().all(|&p| p >= 0.0 && p < side) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the slice")]
        let path = wire.live.path_to(pixel.map(|p| p as usize));
        let place = |[x, y]: [usize; 2]| wire.corner_mm + wire.right_mm * x as f64 + wire.down_mm * y as f64;
        outline.points_mm.extend(path.into_iter().skip(1).map(place));
    }
    outline.points_mm.push(to);
}
