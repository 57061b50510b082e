//! The slice views under the mouse, on the sample CT: what moves is read from the model, not from a picture.

use std::sync::Arc;

use egui::{Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use voco_io::Control;
use voco_render::{PreparedVolume, UploadLimits, VolumeTexture};
use voco_tests::gpu;
use voco_ui::{OpenVolume, Outbox, Session, Shell, Told, ViewKind, ViewSettings, VolumeId, Window};
use voco_volume::{SliceFrame, SlicePlane, Stats};

#[derive(Default)]
struct App {
    shell: Shell,
    session: Session,
    settings: ViewSettings,
    outbox: Outbox,
}

/// The sample in four views; `None` where there is no adapter.
fn harness() -> Option<Harness<'static, App>> {
    let context = gpu::context()?;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples/ts_abdomen.nii.gz");
    let volume = voco_io::open(&path, Control::NONE).expect("the sample is readable").volume;
    let stats = Stats::of(&volume);
    let prepared = PreparedVolume::new(&volume, &UploadLimits::of(&context));
    let open = OpenVolume {
        id: VolumeId(1),
        name: "sample".into(),
        path: None,
        stats,
        warnings: Vec::new(),
        window: Window::default_for(&stats),
        inverted: false,
        told: Told::default(),
        texture: Arc::new(VolumeTexture::upload(&context, &prepared).expect("room for the sample")),
        labels: None,
        incoming: None,
        label_stats: None,
        reference: None,
        position: None,
        volume,
    };
    let mut app = App::default();
    app.settings.reset_for(&open);
    app.session.active = Some(open.id);
    app.session.volumes.push(open);
    let mut harness = Harness::builder()
        .with_size([1400.0, 900.0])
        // Two clicks must fall within the time of a double click.
        .with_step_dt(1.0 / 60.0)
        .build_ui_state(|ui, a| a.shell.show(ui, &mut a.session, &mut a.settings, &mut a.outbox), app);
    harness.run_steps(3);
    Some(harness)
}

/// The middle of a view on the screen.
fn middle(harness: &Harness<'_, App>, view: &str) -> Pos2 {
    harness.get_by_label(view).rect().center()
}

fn slice(app: &App, plane: SlicePlane) -> usize {
    let geometry = app.session.active().expect("open").volume.geometry();
    SliceFrame::new(geometry, plane).slice_at(geometry, app.settings.cursor_mm)
}

fn wheel(harness: &mut Harness<'_, App>, at: Pos2, notches: f32, modifiers: Modifiers) {
    harness.hover_at(at);
    harness.step();
    let event = Event::MouseWheel {
        unit: MouseWheelUnit::Line,
        source: egui::MouseWheelSource::Wheel,
        delta: vec2(0.0, notches),
        phase: egui::TouchPhase::Move,
        modifiers,
    };
    harness.event_modifiers(event, modifiers);
    harness.run_steps(2);
}

fn drag(harness: &mut Harness<'_, App>, button: PointerButton, from: Pos2, to: Pos2, modifiers: Modifiers) {
    let press = |pos, pressed| Event::PointerButton { pos, button, pressed, modifiers };
    harness.hover_at(from);
    harness.step();
    harness.event_modifiers(press(from, true), modifiers);
    harness.step();
    for n in 1..=4 {
        harness.event_modifiers(Event::PointerMoved(from.lerp(to, n as f32 / 4.0)), modifiers);
        harness.step();
    }
    harness.event_modifiers(press(to, false), modifiers);
    harness.run_steps(2);
}

#[test]
fn the_wheel_goes_through_the_slices_of_the_view_under_it() {
    let Some(mut harness) = harness() else { return };
    for (view, plane) in [
        ("Axial view", SlicePlane::Axial),
        ("Coronal view", SlicePlane::Coronal),
        ("Sagittal view", SlicePlane::Sagittal),
    ] {
        let before: Vec<usize> = SlicePlane::ALL.iter().map(|&p| slice(harness.state(), p)).collect();
        let at = middle(&harness, view);
        wheel(&mut harness, at, 1.0, Modifiers::NONE);
        wheel(&mut harness, at, 1.0, Modifiers::NONE);
        for (n, &p) in SlicePlane::ALL.iter().enumerate() {
            let expected = before[n] + if p == plane { 2 } else { 0 };
            assert_eq!(slice(harness.state(), p), expected, "{view}: slice of {p:?}");
        }
        wheel(&mut harness, at, -1.0, Modifiers::NONE);
        let now = slice(harness.state(), plane);
        assert_eq!(
            now,
            before[SlicePlane::ALL.iter().position(|&p| p == plane).expect("one of three")] + 1,
            "{view}: back"
        );
    }
    // The ends hold.
    let at = middle(&harness, "Axial view");
    for _ in 0..200 {
        wheel(&mut harness, at, 5.0, Modifiers::NONE);
    }
    assert_eq!(slice(harness.state(), SlicePlane::Axial), 111, "the last slice");
}

/// Right of the picture is the patient's left, and a crosshair dragged outside stays at the border.
#[test]
fn a_left_drag_moves_the_crosshair_in_the_patient() {
    let Some(mut harness) = harness() else { return };
    let center = middle(&harness, "Axial view");
    let before = harness.state().settings.cursor_mm;
    drag(&mut harness, PointerButton::Primary, center, center + vec2(40.0, -30.0), Modifiers::NONE);
    let after = harness.state().settings.cursor_mm;
    assert!(after.x < before.x - 5.0, "to the patient's left: {before} to {after}");
    assert!(after.y > before.y + 5.0, "to the front: {before} to {after}");
    assert!((after.z - before.z).abs() < 3.0, "within the slice: {before} to {after}");
    drag(&mut harness, PointerButton::Primary, center, center - vec2(2000.0, 0.0), Modifiers::NONE);
    let volume = &harness.state().session.volumes[0].volume;
    let border = volume.geometry().world_bounds().max.x;
    let cursor = harness.state().settings.cursor_mm;
    assert!((border - cursor.x - 1.5).abs() < 0.01, "at the right border {border}, half a voxel in: {cursor}");
}

#[test]
fn drags_zoom_pan_and_window() {
    let Some(mut harness) = harness() else { return };
    let center = middle(&harness, "Axial view");
    let axial = 0;
    drag(&mut harness, PointerButton::Secondary, center, center - vec2(0.0, 60.0), Modifiers::NONE);
    let zoomed = harness.state().settings.mm_per_point[axial].expect("zoomed");
    drag(&mut harness, PointerButton::Secondary, center, center + vec2(0.0, 60.0), Modifiers::NONE);
    let back = harness.state().settings.mm_per_point[axial].expect("zoomed");
    assert!(zoomed < back * 0.7, "up zooms in: {zoomed} and back {back} mm per point");
    drag(&mut harness, PointerButton::Middle, center, center + vec2(30.0, 0.0), Modifiers::NONE);
    let pan = harness.state().settings.pan_mm[axial];
    assert!((pan.x + 30.0 * back).abs() < 0.6 * back && pan.y.abs() < 1e-6, "the picture follows the pointer: {pan}");
    let before = harness.state().session.volumes[0].window;
    drag(&mut harness, PointerButton::Primary, center, center + vec2(50.0, -20.0), Modifiers::CTRL);
    let after = harness.state().session.volumes[0].window;
    assert!(after.width > before.width + 50.0 && after.level > before.level + 20.0, "{before:?} to {after:?}");
    // What is under the pointer stays under it.
    let at = center + vec2(55.0, 35.0);
    wheel(&mut harness, at, 0.0, Modifiers::NONE);
    let under = harness.state().settings.hover_mm.expect("over a slice");
    wheel(&mut harness, at, 2.0, Modifiers::CTRL);
    harness.run_steps(8);
    let still = harness.state().settings.hover_mm.expect("over a slice");
    assert!(harness.state().settings.mm_per_point[axial].expect("zoomed") < back * 0.99, "Ctrl and wheel zoom in");
    assert!(under.distance(still) < 0.01, "{under} stays, is {still}");
}

#[test]
fn a_double_click_fills_the_window_and_restores() {
    let Some(mut harness) = harness() else { return };
    for (view, kind) in [("Coronal view", ViewKind::Slice(SlicePlane::Coronal)), ("3D view", ViewKind::Volume)] {
        for expected in [Some(kind), None] {
            let at = middle(&harness, view);
            harness.hover_at(at);
            harness.step();
            for pressed in [true, false, true, false] {
                let modifiers = Modifiers::NONE;
                harness.event(Event::PointerButton { pos: at, button: PointerButton::Primary, pressed, modifiers });
                harness.step();
            }
            harness.run_steps(3);
            assert_eq!(harness.state().settings.maximized, expected, "{view}");
            // A second pair of clicks must not count as four.
            harness.run_steps(120);
        }
    }
}

#[test]
fn number_keys_set_the_windows_of_the_presets() {
    let Some(mut harness) = harness() else { return };
    harness.key_press(egui::Key::Num2);
    harness.run_steps(2);
    assert_eq!(harness.state().session.volumes[0].window, Window { width: 1500.0, level: -600.0 }, "lung");
    harness.key_press(egui::Key::Num9);
    harness.run_steps(2);
    assert_eq!(
        harness.state().session.volumes[0].window,
        Window { width: 425.0, level: 37.5 },
        "what the network sees"
    );
}
