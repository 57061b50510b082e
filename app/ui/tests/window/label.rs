//! Labelling with real pointer and key events on the window's views.

use std::sync::Arc;

use egui::{Key, Modifiers, PointerButton, vec2};
use egui_kittest::kittest::Queryable;
use voco_labelstore::{Document, LabelWorker};
use voco_render::LabelTexture;
use voco_ui::labelling::{DisplayIds, LabelTool, LabelWork, Over};
use voco_ui::{Layout, Tool};
use voco_volume::Volume;

use crate::support::{self, App};

type Harness = egui_kittest::Harness<'static, App>;

/// A window whose volume has an empty segment.
fn window(image: Volume) -> Option<Harness> {
    let mut harness = support::harness([1100.0, 800.0], vec![("scan.nii.gz", image.clone())])?;
    let mut document = Document::new(*image.geometry(), Some(image)).expect("a document");
    let layer = document.layers().next().expect("a layer").id;
    document.add_segment(layer, "liver", None).expect("added");
    let table = DisplayIds::of(&document).table(&document);
    let render = harness.state().render.clone().expect("a device");
    let texture = LabelTexture::empty(&render, document.geometry(), &table).expect("room");
    let (worker, first) = LabelWorker::start(document, None, Arc::new(|| {})).expect("a thread");
    let work = LabelWork::new("Labels".into(), "your work".into(), worker, first, Arc::new(texture));
    let app = harness.state_mut();
    app.session.volumes[0].labels = Some(work);
    app.settings.layout = Layout::One;
    app.settings.tool = Tool::Label(LabelTool::Paint);
    app.settings.labels.radius_mm = 8.0;
    harness.run_steps(3);
    Some(harness)
}

/// Voxels of the first segment once all is written.
fn count(harness: &mut Harness) -> u64 {
    for _ in 0..500 {
        let work = harness.state_mut().session.volumes[0].labels.as_mut().expect("labels");
        let polled = work.poll();
        assert!(polled.errors.is_empty(), "{:?}", polled.errors);
        if !work.is_writing() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(4));
    }
    let work = harness.state().session.volumes[0].labels.as_ref().expect("labels");
    let document = work.document();
    document.mask(document.segments()[0].id).expect("there").count()
}

#[test]
fn strokes_outlines_and_keys_do_what_they_say() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let at = support::middle(&harness, "Axial view");
    support::drag(&mut harness, PointerButton::Primary, at, at + vec2(60.0, 0.0), Modifiers::NONE);
    let painted = count(&mut harness);
    assert!(painted > 0);
    let bounds = {
        let document = harness.state().session.volumes[0].labels.as_ref().expect("labels").document().clone();
        document.mask(document.segments()[0].id).expect("there").bounding_box().expect("some")
    };
    assert_eq!(bounds.size()[2], 1, "a disc paints on one slice");
    // The right button erases while a brush is in hand.
    support::drag(&mut harness, PointerButton::Secondary, at, at + vec2(30.0, 0.0), Modifiers::NONE);
    let erased = count(&mut harness);
    assert!(erased < painted && erased > 0);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(count(&mut harness), painted);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    assert_eq!(count(&mut harness), 0);
    // A polygon by clicks: closed by Enter, filled by the next.
    harness.state_mut().settings.tool = Tool::Label(LabelTool::Polygon);
    for corner in [vec2(-60.0, -60.0), vec2(60.0, -60.0), vec2(60.0, 60.0), vec2(-60.0, 60.0)] {
        support::click(&mut harness, at + corner);
    }
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    assert!(harness.state().settings.outline.as_ref().is_some_and(|outline| outline.is_closed));
    assert_eq!(count(&mut harness), 0, "its points can still be moved");
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    let square = count(&mut harness);
    assert!(square > painted);
    // Escape puts the tool down.
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert_eq!(harness.state().settings.tool, Tool::Crosshair);
}

fn segment(harness: &Harness) -> voco_labelstore::Segment {
    harness.state().session.volumes[0].labels.as_ref().expect("labels").document().segments()[0].clone()
}

#[test]
fn layers_have_headers_that_hide_and_delete_them() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    harness.set_size(vec2(1100.0, 1500.0));
    harness.run_steps(2);
    assert!(harness.query_by_label("Hide layer Labels").is_none(), "one layer needs no header");
    let work = harness.state_mut().session.volumes[0].labels.as_mut().expect("labels");
    work.edit(|document| {
        let layer = document.add_layer("second");
        document.add_segment(layer, "spleen", None).map(drop)
    });
    count(&mut harness);
    harness.run_steps(4);
    let document =
        |harness: &Harness| harness.state().session.volumes[0].labels.as_ref().expect("labels").document().clone();
    harness.get_by_label("Hide layer second").click();
    harness.run_steps(2);
    count(&mut harness);
    let shown: Vec<bool> = document(&harness).segments().iter().map(|s| s.visible).collect();
    assert_eq!(shown, [true, false]);
    harness.run_steps(2);
    harness.get_by_label("Delete layer second with its segments").click();
    harness.run_steps(2);
    count(&mut harness);
    assert_eq!((document(&harness).layers().len(), document(&harness).segments().len()), (1, 1));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    count(&mut harness);
    assert_eq!((document(&harness).layers().len(), document(&harness).segments().len()), (2, 2), "taken back");
}

#[test]
fn terms_are_found_by_name_chosen_and_taken_back() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    // The list lies below the edge of the small window.
    harness.set_size(vec2(1100.0, 1500.0));
    harness.run_steps(4);
    let row = harness.get_by_label("liver").rect().center();
    harness.hover_at(row);
    harness.step();
    for pressed in [true, false] {
        let (button, modifiers) = (PointerButton::Secondary, Modifiers::NONE);
        harness.event(egui::Event::PointerButton { pos: row, button, pressed, modifiers });
        harness.step();
    }
    harness.run_steps(3);
    harness.get_by_label("Terminology…").click();
    harness.run_steps(4);
    // It looks for the segment's name at once.
    harness.get_by_label("Liver").click();
    harness.run_steps(2);
    harness.get_by_label("Apply").click();
    harness.run_steps(2);
    count(&mut harness);
    let terms = segment(&harness).terms;
    let code = |code: &Option<voco_labelstore::Code>| code.as_ref().map(|c| (c.scheme.clone(), c.value.clone()));
    assert_eq!(code(&terms.category), Some(("SCT".into(), "123037004".into())));
    assert_eq!(code(&terms.kind), Some(("SCT".into(), "10200004".into())), "as DICOM's PS3.16 has it");
    assert_eq!(terms.modifier, None);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(2);
    count(&mut harness);
    assert!(segment(&harness).terms.is_empty());
}

#[test]
fn outlines_get_wider_and_thinner_by_keys() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let width = |harness: &Harness| {
        let settings = &harness.state().settings;
        settings.label_outline.then_some(settings.preferences.outline_points)
    };
    assert_eq!(width(&harness), None);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::D);
    harness.run_steps(2);
    assert_eq!(width(&harness), Some(1.5));
    for _ in 0..12 {
        harness.key_press_modifiers(Modifiers::SHIFT, Key::D);
        harness.run_steps(2);
    }
    assert_eq!(width(&harness), Some(5.0));
    for _ in 0..12 {
        harness.key_press_modifiers(Modifiers::SHIFT, Key::A);
        harness.run_steps(2);
    }
    assert_eq!(width(&harness), Some(0.5));
}

#[test]
fn marks_of_the_smart_tool_are_taken_back_one_by_one_before_changes() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let at = support::middle(&harness, "Axial view");
    support::drag(&mut harness, PointerButton::Primary, at, at + vec2(60.0, 0.0), Modifiers::NONE);
    let painted = count(&mut harness);
    harness.state_mut().settings.tool = Tool::Label(LabelTool::Smart);
    let marks = |harness: &Harness| harness.state().session.volumes[0].labels.as_ref().map_or(0, |l| l.marks.len());
    for n in 0..3 {
        support::click(&mut harness, at + vec2(0.0, 20.0 * n as f32));
    }
    assert_eq!(marks(&harness), 3);
    for left in [2, 1, 0] {
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        harness.run_steps(2);
        assert_eq!((marks(&harness), count(&mut harness)), (left, painted), "the stroke stays");
    }
    let redo = Modifiers::COMMAND | Modifiers::SHIFT;
    for left in [1, 2, 3, 3] {
        harness.key_press_modifiers(redo, Key::Z);
        harness.run_steps(2);
        assert_eq!((marks(&harness), count(&mut harness)), (left, painted), "marks come again");
    }
    for _ in 0..4 {
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        harness.run_steps(2);
    }
    assert_eq!((marks(&harness), count(&mut harness)), (0, 0), "then the stroke goes");
    harness.key_press_modifiers(redo, Key::Z);
    harness.run_steps(2);
    assert_eq!(
        (marks(&harness), count(&mut harness)),
        (0, painted),
        "the stroke comes again; the marks before it do not"
    );
}

#[test]
fn a_slice_is_copied_to_another() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let at = support::middle(&harness, "Axial view");
    support::drag(&mut harness, PointerButton::Primary, at, at + vec2(60.0, 0.0), Modifiers::NONE);
    let painted = count(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::C);
    harness.run_steps(2);
    harness.key_press(Key::ArrowUp);
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::V);
    harness.run_steps(2);
    assert_eq!(count(&mut harness), 2 * painted);
}

/// Goes along a way with a button held.
fn draw(harness: &mut Harness, button: PointerButton, way: &[egui::Pos2]) {
    let press = |pos, pressed| egui::Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE };
    harness.hover_at(way[0]);
    harness.step();
    harness.event(press(way[0], true));
    harness.step();
    for at in way {
        harness.event(egui::Event::PointerMoved(*at));
        harness.step();
    }
    harness.event(press(way[way.len() - 1], false));
    harness.run_steps(2);
}

#[test]
fn the_right_button_erases_in_a_lasso_and_beside_what_may_be_drawn_over() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let at = support::middle(&harness, "Axial view");
    let square = |h: f32| [vec2(-h, -h), vec2(h, -h), vec2(h, h), vec2(-h, h)].map(|by| at + by);
    harness.state_mut().settings.tool = Tool::Label(LabelTool::Lasso);
    draw(&mut harness, PointerButton::Primary, &square(60.0));
    let filled = count(&mut harness);
    assert!(filled > 0);
    draw(&mut harness, PointerButton::Secondary, &square(30.0));
    let ring = count(&mut harness);
    assert!(ring > 0 && ring < filled, "{ring} of {filled}");
    // The switch turns both around.
    harness.state_mut().settings.labels.outline_erases = true;
    draw(&mut harness, PointerButton::Secondary, &square(30.0));
    assert_eq!(count(&mut harness), filled);
    draw(&mut harness, PointerButton::Primary, &square(30.0));
    assert_eq!(count(&mut harness), ring);
    harness.state_mut().settings.labels.over = Over::Empty;
    harness.state_mut().settings.tool = Tool::Label(LabelTool::Paint);
    let (from, to) = (at + vec2(45.0, -20.0), at + vec2(45.0, 20.0));
    support::drag(&mut harness, PointerButton::Secondary, from, to, Modifiers::NONE);
    assert!(count(&mut harness) < ring);
}

#[test]
fn an_outline_that_is_not_used_yet_is_kept() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let at = support::middle(&harness, "Axial view");
    let square = |h: f32| [vec2(-h, -h), vec2(h, -h), vec2(h, h), vec2(-h, h)].map(|by| at + by);
    let closed = |harness: &Harness| harness.state().settings.outline.as_ref().map(|outline| outline.is_closed);
    harness.state_mut().settings.tool = Tool::Label(LabelTool::Lasso);
    harness.state_mut().settings.labels.lasso_edits = true;
    draw(&mut harness, PointerButton::Primary, &square(60.0));
    assert_eq!((closed(&harness), count(&mut harness)), (Some(true), 0), "its points can be moved");
    // On another slice nothing is begun while it waits.
    harness.key_press(Key::ArrowUp);
    harness.run_steps(2);
    support::click(&mut harness, at);
    assert_eq!((closed(&harness), count(&mut harness)), (Some(true), 0));
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    let filled = count(&mut harness);
    assert!(closed(&harness).is_none() && filled > 0);
    // What cannot be filled stays, too.
    harness.state_mut().settings.labels.lasso_edits = false;
    let work = harness.state_mut().session.volumes[0].labels.as_mut().expect("labels");
    let id = work.document().segments()[0].id;
    work.update_segment(id, String::new(), |segment| segment.locked = true);
    count(&mut harness);
    draw(&mut harness, PointerButton::Primary, &square(40.0));
    assert_eq!((closed(&harness), count(&mut harness)), (Some(true), filled));
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert_eq!(closed(&harness), None);
}

#[test]
fn slices_of_turned_planes_are_not_copied() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let at = support::middle(&harness, "Axial view");
    support::drag(&mut harness, PointerButton::Primary, at, at + vec2(60.0, 0.0), Modifiers::NONE);
    count(&mut harness);
    harness.state_mut().settings.turn = glam::DQuat::from_rotation_x(0.4);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::C);
    harness.run_steps(2);
    assert!(harness.state().session.slice_clipboard.is_none());
}

#[test]
fn two_strokes_within_a_slow_frame_stay_two() {
    let Some(mut harness) = window(crate::ball(glam::DVec3::ZERO)) else { return };
    let at = support::middle(&harness, "Axial view");
    let button = |pos, pressed| egui::Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.state_mut().settings.labels.radius_mm = 2.0;
    for event in [egui::Event::PointerMoved(at), button(at, true)] {
        harness.event(event);
    }
    harness.run_steps(1);
    // The first one ends, and the next begins far below, in one frame.
    let (end, next) = (at + vec2(40.0, 0.0), at + vec2(0.0, 120.0));
    for event in [
        egui::Event::PointerMoved(end),
        button(end, false),
        egui::Event::PointerMoved(next),
        button(next, true),
        egui::Event::PointerMoved(next + vec2(40.0, 0.0)),
    ] {
        harness.input_mut().events.push(event);
    }
    harness.step();
    harness.event(button(next + vec2(40.0, 0.0), false));
    harness.run_steps(2);
    let painted = count(&mut harness);
    let work = harness.state().session.volumes[0].labels.as_ref().expect("labels");
    let document = work.document();
    let set = document.mask(document.segments()[0].id).expect("there");
    let (parts, _) =
        voco_label::tools::shape::split(&set, 1, 10, voco_label::Connectivity::Corners26, &voco_label::Watch::NONE)
            .expect("islands");
    assert!(painted > 0);
    let boxes: Vec<_> = parts.iter().map(voco_label::BrickMask::bounding_box).collect();
    assert_eq!(parts.len(), 2, "no line between them: {boxes:?}");
}
