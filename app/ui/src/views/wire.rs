//! The live wire: from its last point to the pointer along the edges of the picture.

use std::sync::{Arc, OnceLock};

use egui::Pos2;
use glam::DVec3;
use voco_label::tools::trace::LiveWire;
use voco_volume::Volume;

use super::{outline, port::SlicePort};
use crate::{Session, ViewSettings, Window};

/// Pixels on either side of the last point that the wire knows. Further away it goes straight, which is also what a hand means.
const REACH: usize = 96;

/// A wire from one point.
#[derive(Debug, Clone)]
pub struct Wire {
    /// Filled by a thread that computes: it takes longer than a frame should. None in it if there are no ways.
    live: Arc<OnceLock<Option<LiveWire>>>,
    /// Of pixel 0, 0.
    corner_mm: DVec3,
    right_mm: DVec3,
    down_mm: DVec3,
}

impl Wire {
    /// True until its ways are found; it goes straight until then.
    pub(super) fn is_pending(&self) -> bool {
        self.live.get().is_none()
    }
}

/// Lays the wire from a point of the slice that a view shows.
pub(super) fn anchor(session: &Session, settings: &mut ViewSettings, port: &SlicePort, at_mm: DVec3) {
    settings.wire = None;
    let Some(volume) = session.active() else { return };
    let step_mm = volume.volume.geometry().spacing_mm().min_element();
    let (right_mm, down_mm) = (port.frame.right * step_mm, port.frame.down * step_mm);
    let corner_mm = at_mm - (right_mm + down_mm) * REACH as f64;
    let wire = Wire { live: Arc::default(), corner_mm, right_mm, down_mm };
    let (image, window, to_fill) = (volume.volume.clone(), volume.window, wire.clone());
    rayon::spawn(move || {
        let find = std::panic::AssertUnwindSafe(|| ways(&image, window, &to_fill, step_mm));
        let found = std::panic::catch_unwind(find).unwrap_or_default();
        // Nobody else fills it.
        drop(to_fill.live.set(found));
    });
    settings.wire = Some(wire);
}

/// The ways from the middle of the part of the slice that the wire knows.
fn ways(image: &Volume, window: Window, wire: &Wire, step_mm: f64) -> Option<LiveWire> {
    let side = 2 * REACH + 1;
    let low = window.level - window.width / 2.0;
    // What the eye sees: beyond the window there are no edges.
    let value = |n: usize| {
        let at = wire.corner_mm + wire.right_mm * (n % side) as f64 + wire.down_mm * (n / side) as f64;
        let value = image.value_at_world(at).unwrap_or(low);
        ((value - low) / window.width).clamp(0.0, 1.0) as f32
    };
    let slice: Vec<f32> = (0..side * side).map(value).collect();
    let mut live = LiveWire::new(&slice, [side; 2], [step_mm; 2]).ok()?;
    live.set_anchor([REACH; 2]).ok()?;
    Some(live)
}

/// Puts the wire to the pointer at the end of the outline.
pub(super) fn follow(settings: &mut ViewSettings, port: &SlicePort, at: Pos2) {
    let Some(wire) = settings.wire.clone() else { return };
    // One that waits on another slice does not follow the pointer here.
    let Some(outline) = settings.outline.as_mut().filter(|o| !o.is_closed && outline::is_on(o, port)) else { return };
    let to = port.world_from_screen(at);
    outline.points_mm.truncate(outline.fixed);
    let step = wire.right_mm.length();
    let offset = to - wire.corner_mm;
    let pixel = [offset.dot(wire.right_mm), offset.dot(wire.down_mm)].map(|d| (d / (step * step)).round());
    let side = (2 * REACH + 1) as f64;
    if let Some(Some(live)) = wire.live.get()
        && pixel.iter().all(|&p| p >= 0.0 && p < side)
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the slice")]
        let path = live.path_to(pixel.map(|p| p as usize));
        let place = |[x, y]: [usize; 2]| wire.corner_mm + wire.right_mm * x as f64 + wire.down_mm * y as f64;
        outline.points_mm.extend(path.into_iter().skip(1).map(place));
    }
    outline.points_mm.push(to);
}

#[cfg(test)]
mod tests {
    use voco_volume::{Geometry, Rescale, Voxels};

    use super::*;

    /// A bright disc of 60 voxels across; the wire from one point of its rim to another keeps to the rim.
    #[test]
    fn the_wire_keeps_to_the_edge() {
        let dims = [512, 512, 3];
        let disc = |n: usize| {
            let (x, y) = ((n % 512) as f64 - 256.0, (n / 512 % 512) as f64 - 256.0);
            if x.hypot(y) < 30.0 { 1000_i16 } else { 0 }
        };
        let voxels = Voxels::I16((0..dims.iter().product()).map(disc).collect());
        let geometry = Geometry::new(dims, glam::DAffine3::IDENTITY).expect("a grid");
        let image = Volume::new(geometry, voxels, Rescale::IDENTITY).expect("a volume");
        let corner_mm = DVec3::new(286.0 - REACH as f64, 256.0 - REACH as f64, 1.0);
        let wire = Wire { live: Arc::default(), corner_mm, right_mm: DVec3::X, down_mm: DVec3::Y };
        let window = Window { width: 1000.0, level: 500.0 };
        let live = ways(&image, window, &wire, 1.0).expect("ways");
        // To the point of the rim a quarter further on: 47 mm along the rim, 42 straight.
        let path = live.path_to([REACH - 30, REACH + 30]);
        let off = path.iter().map(|p| {
            let at = wire.corner_mm + DVec3::new(p[0] as f64, p[1] as f64, 0.0) - DVec3::new(256.0, 256.0, 1.0);
            (at.truncate().length() - 30.0).abs()
        });
        let worst = off.fold(0.0, f64::max);
        assert!(path.len() > 30 && worst < 2.5, "{} points, off by {worst}", path.len());
    }
}
