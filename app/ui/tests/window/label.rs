//! Labelling with real pointer and key events on the window's views.

use std::sync::Arc;

use egui::{Key, Modifiers, PointerButton, vec2};
use egui_kittest::kittest::Queryable;
use voco_labelstore::{Document, LabelWorker};
use voco_render::LabelTexture;
use voco_ui::labelling::{DisplayIds, LabelTool, LabelWork};
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
    assert_eq!((marks(&harness), count(&mut harness)), (0, painted), "the stroke comes again; the marks before it do not");
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
