//! The window under keys and mouse: what they do is read from the model, not from pictures.

mod access;
mod label;
mod support;
mod times;
mod view3d;
mod widgets;

use egui::accesskit::Role;
use egui::{Key, Modifiers, PointerButton, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use glam::{DAffine3, DMat3, DQuat, DVec3};
use support::{App, click, drag, harness, middle};
use voco_ui::commands::{Command, Scheme, Shortcut};
use voco_ui::measure::{MeasureKind, Quantity};
use voco_ui::{Layout, Look, Preferences, Side, Tool, ViewKind};
use voco_volume::{Geometry, Rescale, SlicePlane, Volume, Voxels};

const SIZE: [f32; 2] = [1400.0, 900.0];

/// A ball of 60 HU with a radius of 40 mm in air, 128 × 128 × 64 voxels of 1 × 1 × 2 mm.
fn ball(shift_mm: DVec3) -> Volume {
    let affine = DAffine3::from_mat3_translation(DMat3::from_diagonal(DVec3::new(-1.0, -1.0, 2.0)), shift_mm);
    let geometry = Geometry::new([128, 128, 64], affine).expect("a geometry");
    let center = geometry.center_mm();
    let value = |n: usize| {
        let at = DVec3::new((n % 128) as f64, (n / 128 % 128) as f64, (n / (128 * 128)) as f64);
        let inside = affine.transform_point3(at).distance(center) < 40.0;
        if inside { 60 } else { -1000 }
    };
    Volume::new(geometry, Voxels::I16((0..128 * 128 * 64).map(value).collect()), Rescale::IDENTITY).expect("a volume")
}

fn one() -> Option<Harness<'static, App>> {
    harness(SIZE, vec![("ball.nii.gz", ball(DVec3::ZERO))])
}

fn two() -> Option<Harness<'static, App>> {
    harness(SIZE, vec![("a.nii.gz", ball(DVec3::ZERO)), ("b.nii.gz", ball(DVec3::new(0.0, 0.0, 500.0)))])
}

fn press(harness: &mut Harness<'_, App>, text: &str) {
    let shortcut = Shortcut::parse(text).expect("a shortcut");
    let modifiers = Modifiers {
        ctrl: shortcut.ctrl,
        command: shortcut.ctrl,
        shift: shortcut.shift,
        alt: shortcut.alt,
        ..Modifiers::NONE
    };
    harness.key_press_modifiers(modifiers, shortcut.key);
    harness.run_steps(3);
}

#[test]
fn the_palette_runs_what_is_typed() {
    let Some(mut harness) = two() else { return };
    press(&mut harness, "Ctrl+K");
    assert!(harness.state().settings.show_palette);
    harness.event(egui::Event::Text("side by".into()));
    harness.run_steps(2);
    press(&mut harness, "Enter");
    let settings = &harness.state().settings;
    assert_eq!((settings.layout, settings.show_palette), (Layout::SideBySide, false));
    harness.get_by_label("Axial view");
    harness.get_by_label("Axial view, compared");
}

#[test]
fn letters_typed_into_a_field_are_no_commands() {
    let Some(mut harness) = one() else { return };
    press(&mut harness, "Ctrl+K");
    press(&mut harness, "G");
    assert!(!harness.state().settings.show_grid, "the palette's field has the letter");
    press(&mut harness, "Escape");
    press(&mut harness, "G");
    assert!(harness.state().settings.show_grid);
}

#[test]
fn a_length_drawn_with_the_mouse_is_the_way_in_millimetres_and_can_be_undone() {
    let Some(mut harness) = one() else { return };
    press(&mut harness, "L");
    let center = middle(&harness, "Axial view");
    let (from, to) = (center - vec2(60.0, 20.0), center + vec2(30.0, 20.0));
    drag(&mut harness, PointerButton::Primary, from, to, Modifiers::NONE);
    let length = |app: &App| app.session.measurements[&1].items().first().map(|m| m.quantities()[0]);
    let Some(Quantity::Length(mm)) = length(harness.state()) else { panic!("nothing was measured") };
    // 128 mm and a margin of 8 % fill the lesser side of the view.
    let rect = harness.get_by_label("Axial view").rect();
    let mm_per_point = 128.0 * 1.08 / f64::from(rect.size().min_elem());
    let expected = f64::from((to - from).length()) * mm_per_point;
    assert!((mm - expected).abs() < 0.5 * mm_per_point, "{mm} and {expected}");
    press(&mut harness, "Ctrl+Z");
    assert_eq!(length(harness.state()), None);
    press(&mut harness, "Ctrl+Y");
    assert_eq!(length(harness.state()), Some(Quantity::Length(mm)));
    // A point is taken hold of and moved.
    drag(&mut harness, PointerButton::Primary, to, to + vec2(40.0, 0.0), Modifiers::NONE);
    let Some(Quantity::Length(longer)) = length(harness.state()) else { panic!("it is gone") };
    assert!(longer > mm + 20.0 * mm_per_point, "{longer}");
    press(&mut harness, "Delete");
    assert_eq!(length(harness.state()), None);
}

/// Where pictures are slow, a button may go down and up between two frames.
#[test]
fn a_click_within_one_frame_counts() {
    let Some(mut harness) = one() else { return };
    let at = middle(&harness, "Axial view") + vec2(50.0, 0.0);
    let before = harness.state().settings.cursor_mm;
    harness.hover_at(at);
    harness.step();
    for pressed in [true, false] {
        let (button, modifiers) = (PointerButton::Primary, Modifiers::NONE);
        harness.input_mut().events.push(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
    }
    harness.run_steps(2);
    assert!(harness.state().settings.cursor_mm.x < before.x - 5.0, "the crosshair is there");
    assert_eq!(harness.state().settings.drag, None);
}

/// The same for a drag: it begins where the button went down, not where the pointer has come to meanwhile.
#[test]
fn a_drag_begins_where_the_button_went_down() {
    let Some(mut harness) = one() else { return };
    press(&mut harness, "L");
    let center = middle(&harness, "Axial view");
    let (from, on, to) = (center - vec2(80.0, 0.0), center, center + vec2(80.0, 0.0));
    harness.hover_at(from);
    harness.step();
    let (button, modifiers) = (PointerButton::Primary, Modifiers::NONE);
    let down = egui::Event::PointerButton { pos: from, button, pressed: true, modifiers };
    harness.input_mut().events.extend([down, egui::Event::PointerMoved(on)]);
    harness.step();
    let up = egui::Event::PointerButton { pos: to, button, pressed: false, modifiers };
    harness.input_mut().events.extend([egui::Event::PointerMoved(to), up]);
    harness.run_steps(2);
    let points = harness.state().session.measurements[&1].items()[0].points_mm.clone();
    let center = harness.state().session.center_mm();
    assert!((points[0] + points[1] - 2.0 * center).truncate().length() < 1.0, "as far to each side: {points:?}");
}

#[test]
fn three_clicks_make_an_angle_and_escape_leaves_none() {
    let Some(mut harness) = one() else { return };
    press(&mut harness, "N");
    let center = middle(&harness, "Coronal view");
    for at in [center + vec2(60.0, 0.0), center, center + vec2(0.0, -60.0)] {
        click(&mut harness, at);
    }
    let items = harness.state().session.measurements[&1].items().to_vec();
    let [Quantity::Angle(degrees)] = items[0].quantities()[..] else { panic!("{items:?}") };
    assert!((degrees - 90.0).abs() < 1e-3, "{degrees}");
    click(&mut harness, center + vec2(40.0, 40.0));
    assert!(harness.state().settings.drawing.is_some());
    press(&mut harness, "Escape");
    assert!(harness.state().settings.drawing.is_none());
    assert_eq!(harness.state().session.measurements[&1].items().len(), 1);
}

#[test]
fn regions_count_the_voxels_inside() {
    let Some(mut harness) = one() else { return };
    let center = middle(&harness, "Axial view");
    for (key, kind) in [("E", MeasureKind::Ellipse), ("Q", MeasureKind::Rectangle)] {
        press(&mut harness, key);
        drag(
            &mut harness,
            PointerButton::Primary,
            center - vec2(30.0, 30.0),
            center + vec2(30.0, 30.0),
            Modifiers::NONE,
        );
        harness.run_steps(5);
        let item = harness.state().session.measurements[&1].items().last().cloned().expect("a region");
        let stats = item.stats.expect("counted");
        assert_eq!((item.kind, stats.mean, stats.sd), (kind, 60.0, 0.0));
        let Quantity::Area(area) = item.quantities()[0] else { panic!("no area") };
        // Voxels are 1 mm² each: their count is the area, up to the border.
        assert!((stats.count as f64 - area).abs() < 0.1 * area, "{kind:?}: {} voxels, {area} mm²", stats.count);
        press(&mut harness, "Delete");
    }
}

#[test]
fn schemes_give_the_buttons_another_meaning_and_any_can_be_changed() {
    let Some(mut harness) = one() else { return };
    let center = middle(&harness, "Axial view");
    let window = |app: &App| app.session.volumes[0].window;
    let before = window(harness.state());
    harness.state_mut().settings.preferences.scheme = Scheme::Pacs;
    harness.run_steps(2);
    assert_eq!(harness.state().settings.tool, Tool::Window, "the left button sets the window");
    drag(&mut harness, PointerButton::Primary, center, center + vec2(50.0, 0.0), Modifiers::NONE);
    assert!(window(harness.state()).width > before.width + 50.0);
    let changed = Preferences::from_toml("scheme = 'pacs'\n[mouse]\n'Right' = 'scroll'").0;
    harness.state_mut().settings.preferences = changed;
    let cursor = harness.state().settings.cursor_mm;
    drag(&mut harness, PointerButton::Secondary, center, center - vec2(0.0, 60.0), Modifiers::NONE);
    let moved = harness.state().settings.cursor_mm;
    assert!(moved.z > cursor.z + 10.0 && harness.state().settings.mm_per_point[0].is_none(), "{cursor} to {moved}");
}

#[test]
fn a_ring_on_the_crosshair_turns_the_other_planes() {
    let Some(mut harness) = one() else { return };
    let rect = harness.get_by_label("Axial view").rect();
    let center = rect.center();
    let reach = rect.width() * 0.36;
    let ring = center + vec2(reach, 0.0);
    drag(&mut harness, PointerButton::Primary, ring, center + vec2(reach * 0.9, reach * 0.3), Modifiers::NONE);
    let settings = &harness.state().settings;
    let (axis, angle) = settings.turn.to_axis_angle();
    assert!(angle > 0.2 && axis.z.abs() > 0.999, "about the axis of the body: {axis} {angle}");
    let geometry = *harness.state().session.volumes[0].volume.geometry();
    let normal = |plane| settings.frame(&geometry, plane).normal;
    assert!(normal(SlicePlane::Axial).z > 0.999, "its own plane stays");
    let dot = normal(SlicePlane::Coronal).dot(normal(SlicePlane::Sagittal));
    assert!(dot.abs() < 1e-9, "the others stay at right angles");
    press(&mut harness, "O");
    assert_eq!(harness.state().settings.turn, DQuat::IDENTITY);
}

#[test]
fn two_volumes_side_by_side_scroll_together_until_they_are_unlinked() {
    let Some(mut harness) = two() else { return };
    press(&mut harness, "Alt+5");
    let settings =
        |h: &Harness<'_, App>| (h.state().settings.cursor_of(Side::A), h.state().settings.cursor_of(Side::B));
    let (a, b) = settings(&harness);
    assert!((b.z - a.z - 500.0).abs() < 1e-6, "volumes that do not overlap are put middle on middle: {a} {b}");
    let at = middle(&harness, "Axial view, compared");
    harness.hover_at(at);
    harness.run_steps(2);
    // The middles lie between two slices: the first step leads to one.
    press(&mut harness, "ArrowUp");
    let (a, b) = settings(&harness);
    press(&mut harness, "ArrowUp");
    let (a1, b1) = settings(&harness);
    assert!((a1.z - a.z - 2.0).abs() < 1e-6 && (b1.z - b.z - 2.0).abs() < 1e-6, "both go on by one slice");
    press(&mut harness, "Ctrl+L");
    press(&mut harness, "ArrowUp");
    let (a2, b2) = settings(&harness);
    assert!((a2.z - a1.z).abs() < 1e-9 && (b2.z - b1.z - 2.0).abs() < 1e-6, "only the one under the pointer");
}

#[test]
fn the_keyboard_alone_is_enough() {
    let Some(mut harness) = one() else { return };
    assert_eq!(harness.state().settings.active_view.kind, ViewKind::Slice(SlicePlane::Axial));
    press(&mut harness, "F6");
    press(&mut harness, "F6");
    assert_eq!(harness.state().settings.active_view.kind, ViewKind::Slice(SlicePlane::Coronal));
    // The middle of the ball lies between two slices: the first step leads to one.
    press(&mut harness, "PageUp");
    let before = harness.state().settings.cursor_mm;
    press(&mut harness, "PageUp");
    assert!((harness.state().settings.cursor_mm - before - DVec3::Y * 5.0).length() < 1e-6);
    press(&mut harness, "Enter");
    assert_eq!(harness.state().settings.maximized, Some(ViewKind::Slice(SlicePlane::Coronal)));
    press(&mut harness, "Escape");
    assert_eq!(harness.state().settings.maximized, None);
    // With Tab on a button, Enter presses it.
    harness.key_press(Key::Tab);
    harness.run_steps(2);
    press(&mut harness, "Enter");
    assert_eq!(harness.state().settings.maximized, None, "Enter belongs to the button");
}

#[test]
fn keys_can_be_given_away_in_the_sheet() {
    let Some(mut harness) = one() else { return };
    press(&mut harness, "F1");
    harness.get_by_label("Change the key of Invert grey").click_accesskit();
    harness.run_steps(2);
    press(&mut harness, "Ctrl+Shift+F9");
    press(&mut harness, "Escape");
    press(&mut harness, "I");
    let is_inverted = |harness: &Harness<'_, App>| harness.state().session.active().is_some_and(|v| v.inverted);
    assert!(!is_inverted(&harness), "the old key is free");
    press(&mut harness, "Ctrl+Shift+F9");
    assert!(is_inverted(&harness));
    let written = harness.state().settings.preferences.to_toml();
    assert!(written.contains("Ctrl+Shift+F9"), "{written}");
}

#[test]
fn every_control_has_a_name_for_a_screen_reader() {
    let Some(mut harness) = two() else { return };
    press(&mut harness, "Shift+K");
    press(&mut harness, "L");
    let center = middle(&harness, "Axial view");
    drag(&mut harness, PointerButton::Primary, center, center + vec2(50.0, 0.0), Modifiers::NONE);
    press(&mut harness, "Ctrl+Comma");
    for role in [Role::Button, Role::CheckBox, Role::ComboBox, Role::RadioButton] {
        let nodes: Vec<_> = harness.query_all_by_role(role).collect();
        for node in &nodes {
            let label = node.accesskit_node().label().or_else(|| node.accesskit_node().value());
            assert!(label.is_some_and(|l| !l.is_empty()), "a {role:?} has no name: {node:?}");
        }
    }
}

#[test]
fn looks_and_scales_leave_the_views_on_the_screen() {
    let Some(mut harness) = one() else { return };
    for (look, scale) in [(Look::Light, 75), (Look::Dark, 300)] {
        harness.state_mut().settings.preferences.look = look;
        harness.state_mut().settings.preferences.scale_percent = scale;
        harness.run_steps(4);
        let rect = harness.get_by_label("Axial view").rect();
        assert!(rect.width() > 20.0 && rect.height() > 20.0, "{scale} %: {rect}");
        assert_eq!(harness.ctx.theme() == egui::Theme::Light, look == Look::Light);
    }
}

#[test]
fn cine_goes_through_the_slices_and_begins_again() {
    let Some(mut harness) = one() else { return };
    let slice = |h: &Harness<'_, App>| {
        let settings = &h.state().settings;
        let geometry = h.state().session.volumes[0].volume.geometry();
        settings.frame(geometry, SlicePlane::Axial).slice_at(geometry, settings.cursor_mm)
    };
    press(&mut harness, "End");
    assert_eq!(slice(&harness), 63);
    press(&mut harness, "Space");
    harness.run_steps(60);
    let after = slice(&harness);
    assert!((5..=14).contains(&after), "a second at 12 per second, from the first slice on: {after}");
    press(&mut harness, "Space");
    let stopped = slice(&harness);
    harness.run_steps(30);
    assert_eq!(slice(&harness), stopped);
    assert!(Command::from_id("slice.cine").is_some());
}
