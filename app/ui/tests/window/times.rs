//! Time series in the window: what the slider, keys and cine show.

use glam::{DAffine3, DVec3};
use std::sync::Arc;
use voco_render::{RenderContext, VolumeTexture};
use voco_ui::commands::Command;
use voco_ui::measure::{MeasureKind, MeasurePlane};
use voco_ui::{Request, TimePoint, TimeSeries, VolumeId, Window};
use voco_volume::{Geometry, Rescale, Stats, Volume, Voxels};

use crate::support::harness;

fn constant(value: i16) -> Volume {
    let geometry = Geometry::new([16, 16, 8], DAffine3::from_scale(DVec3::splat(2.0))).expect("a grid");
    Volume::new(geometry, Voxels::I16(vec![value; 16 * 16 * 8].into()), Rescale::IDENTITY).expect("a volume")
}

fn point(value: i16) -> TimePoint {
    let context = RenderContext::headless().expect("an adapter");
    let volume = constant(value);
    let stats = Stats::of(&volume);
    let texture = Arc::new(VolumeTexture::of(&context, &volume, &stats).expect("room"));
    TimePoint { volume, stats, texture }
}

#[test]
fn the_next_volume_is_asked_for_and_shown_in_the_same_window() {
    let Some(mut harness) = harness([1200.0, 800.0], vec![("perfusion.nii", constant(10))]) else { return };
    let app = harness.state_mut();
    app.session.times.insert(1, TimeSeries::new(4, 0, point(10)));
    app.session.volumes[0].window = Window { width: 77.0, level: 33.0 };
    let plane = MeasurePlane { right: DVec3::X, down: DVec3::Y };
    let at = app.session.center_mm();
    app.settings.cursor_mm = at + DVec3::X;
    app.session.measurements.entry(1).or_default().add(MeasureKind::Probe, plane, vec![at]);
    harness.run_steps(3);
    let mean = |app: &crate::App| app.session.measurements[&1].items()[0].stats.map(|s| s.mean);
    assert_eq!(mean(harness.state()), Some(10.0));
    harness.key_press_modifiers(egui::Modifiers::CTRL | egui::Modifiers::COMMAND, egui::Key::ArrowRight);
    harness.run_steps(2);
    let app = harness.state_mut();
    assert_eq!((app.session.times[&1].wanted, app.session.times[&1].shown), (1, 0));
    assert!(app.outbox.take().contains(&Request::ReadTimes(VolumeId(1))));
    // As a task does.
    app.session.times.get_mut(&1).expect("there").put(1, point(20));
    harness.run_steps(3);
    let app = harness.state();
    let volume = &app.session.volumes[0];
    assert_eq!(app.session.times[&1].shown, 1);
    assert_eq!((volume.volume.value([3, 3, 3]), volume.stats.mean), (Some(20.0), 20.0));
    assert_eq!((volume.window, app.settings.cursor_mm), (Window { width: 77.0, level: 33.0 }, at + DVec3::X));
    assert_eq!(mean(app), Some(20.0), "regions are counted anew");
    assert!(Command::from_id("slice.time-cine").is_some());
}

#[test]
fn what_is_far_from_the_one_wanted_is_dropped_where_memory_ends() {
    if RenderContext::headless().is_err() {
        return;
    }
    let mut series = TimeSeries::new(10, 0, point(0));
    series.capacity = 3;
    for number in 1..5 {
        series.want(number);
        series.put(number, point(number as i16));
    }
    assert!(series.num_ready() <= 3);
    assert!(series.ready(4).is_some() && series.ready(0).is_some(), "the wanted one and the one on show");
}
