//! The 3D view under keys and mouse.

use egui::{Modifiers, PointerButton, vec2};
use egui_kittest::kittest::Queryable;
use glam::DVec3;
use voco_render::RenderMode;
use voco_ui::{Request, View3dRequest};

use crate::support::{click, drag, middle};
use crate::{ball, one, press};

#[test]
fn the_modes_follow_one_another_and_a_preset_brings_its_own_back() {
    let Some(mut harness) = one() else { return };
    let mode = |app: &crate::support::App| app.session.active().and_then(|v| app.settings.transfer(v)).map(|t| t.mode);
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.extend(mode(harness.state()));
        press(&mut harness, "Alt+R");
    }
    assert_eq!(seen, RenderMode::ALL);
    press(&mut harness, "Alt+R");
    assert_eq!(mode(harness.state()), Some(RenderMode::Mip));
    let number = harness.state().settings.transfer_function;
    harness.state_mut().settings.choose_preset(number);
    assert_eq!(mode(harness.state()), Some(RenderMode::Composite));
}

#[test]
fn a_face_of_the_cube_turns_the_camera_to_its_side() {
    let Some(mut harness) = one() else { return };
    harness.state_mut().settings.camera.turn(0.6, 0.5);
    harness.run_steps(3);
    let at = harness.get_by_label("Look from S").rect().center();
    click(&mut harness, at);
    let camera = &harness.state().settings.camera;
    let from = (camera.eye_mm() - camera.target_mm).normalize();
    assert!((from - DVec3::Z).length() < 1e-6, "{from}");
}

#[test]
fn a_face_of_the_crop_box_follows_the_pointer() {
    let Some(mut harness) = one() else { return };
    press(&mut harness, "Alt+C");
    assert!(harness.state().settings.view3d.crops);
    let volume = ball(DVec3::ZERO);
    let geometry = volume.geometry();
    let rect = harness.get_by_label("3D view").rect();
    let settings = &harness.state().settings;
    let all = geometry.voxel_box();
    // The face towards the head.
    let mut face = (all.min + all.max) / 2.0;
    face.z = all.max.z;
    let size = [rect.width() as u32, rect.height() as u32];
    let world = geometry.world_from_voxel();
    let place = |voxel: DVec3| {
        let (at, _) = settings.camera.pixel_from_world(world.transform_point3(voxel), size).expect("in view");
        rect.left_top() + vec2(at.x as f32, at.y as f32)
    };
    let mut wanted = face;
    wanted.z -= 20.0;
    let (from, to) = (place(face), place(wanted));
    let before = settings.camera.clone();
    drag(&mut harness, PointerButton::Primary, from, to, Modifiers::NONE);
    let settings = &harness.state().settings;
    let crop = settings.view3d.crop.expect("a box");
    assert!((crop.max.z - wanted.z).abs() < 1.5, "{} and {}", crop.max.z, wanted.z);
    assert_eq!((crop.min, crop.max.x), (all.min, all.max.x), "the other faces stay");
    assert_eq!(settings.camera, before, "the camera stays");
    let look = settings.view3d.look(settings, harness.state().session.active().expect("a volume"));
    assert_eq!(look.clip.crop, Some(crop));
}

#[test]
fn a_drag_turns_or_with_shift_moves_the_transfer_function() {
    let Some(mut harness) = one() else { return };
    let at = middle(&harness, "3D view") + vec2(-60.0, 0.0);
    let before = harness.state().settings.camera.clone();
    drag(&mut harness, PointerButton::Primary, at, at + vec2(0.0, 50.0), Modifiers::SHIFT);
    assert_eq!(harness.state().settings.camera, before);
    assert!(harness.state().settings.transfer_shift > 10.0);
    drag(&mut harness, PointerButton::Primary, at, at + vec2(50.0, 0.0), Modifiers::NONE);
    assert_ne!(harness.state().settings.camera, before);
}

#[test]
fn occlusion_is_asked_for_once_for_what_is_shown() {
    let Some(mut harness) = one() else { return };
    harness.run_steps(4);
    let asked = |harness: &mut egui_kittest::Harness<'_, crate::support::App>| {
        let requests = harness.state_mut().outbox.take();
        requests.iter().filter(|r| matches!(r, Request::View3d(View3dRequest::Occlusion(_)))).count()
    };
    assert_eq!(asked(&mut harness), 1);
    harness.run_steps(4);
    assert_eq!(asked(&mut harness), 0);
    harness.state_mut().settings.transfer_shift = 50.0;
    harness.run_steps(4);
    assert_eq!(asked(&mut harness), 1);
}

#[test]
fn points_of_the_curve_are_dragged_added_and_reset() {
    let Some(mut harness) = one() else { return };
    press(&mut harness, "Alt+E");
    harness.run_steps(3);
    let number = harness.state().settings.transfer_function;
    let points = |app: &crate::support::App| app.settings.transfer_functions[number].points.clone();
    let before = points(harness.state());
    let rect = harness.get_by_label("Opacity over value, with the histogram behind").rect();
    // Beside all points: the curve goes along.
    let free = rect.left_top() + vec2(30.0, 30.0);
    drag(&mut harness, PointerButton::Primary, free, free + vec2(40.0, 0.0), Modifiers::NONE);
    let after = points(harness.state());
    let moved: Vec<f64> = before.iter().zip(&after).map(|(a, b)| b.0 - a.0).collect();
    assert!(moved[0] > 1.0 && moved.iter().all(|m| (m - moved[0]).abs() < 1e-6), "{moved:?}");
    let reset = harness.get_by_label("Reset the curve").rect().center();
    click(&mut harness, reset);
    assert_eq!(points(harness.state()), before);
}
