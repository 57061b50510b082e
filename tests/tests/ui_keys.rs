//! The window without a mouse: every control has a name that a screen reader can say, and from opening a file to saving labels keys
//! are enough.

use egui::accessibility::is_input;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use voco_tests::gpu;
use voco_tests::stage::Stage;
use voco_ui::labelling::{EffectKind, LabelTool};
use voco_ui::measure::{MeasureKind, Quantity};
use voco_ui::{
    LabelFormat, ModelRow, ModelState, OverlayVolume, Request, RunSummary, SaveLabelsAs, SeriesChoice, SeriesRow,
    Thumbnail, Tool, VolumeId, Work,
};

fn harness(stage: Stage) -> Harness<'static, Stage> {
    Harness::builder()
        .with_size([1600.0, 1400.0])
        .with_accessibility_check(false)
        .with_context_setup(voco_ui::theme::apply)
        .build_ui_state(Stage::show, stage)
}

/// Controls that nobody can call by a name: without one, or with a sign for one.
fn nameless(harness: &Harness<'_, Stage>) -> Vec<String> {
    let mut found = harness.unnamed_widgets();
    for node in harness.root().children_recursive() {
        let node = node.accesskit_node();
        let is_control = is_input(node.role()) && !node.is_hidden() && !node.data().is_read_only();
        let label = node.label().unwrap_or_default();
        if is_control && !label.is_empty() && !label.chars().any(char::is_alphanumeric) {
            found.push(format!("{:?} named {label:?} at {:?}", node.role(), node.raw_bounds()));
        }
    }
    found
}

/// Shows a state of the window, and notes what has no name in it.
fn look(problems: &mut Vec<String>, what: &str, harness: &mut Harness<'_, Stage>, set: impl FnOnce(&mut Stage)) {
    set(harness.state_mut());
    harness.run_steps(4);
    problems.extend(nameless(harness).into_iter().map(|one| format!("{what}: {one}")));
}

#[test]
fn every_control_of_a_volume_has_a_name() {
    let Some(render) = gpu::context() else { return };
    let mut stage = Stage::sample(&render);
    stage.open(&render, 2);
    let overlay = OverlayVolume::new(&stage.session.volumes[0]);
    stage.settings.overlays.push(overlay);
    stage.session.tasks = voco_engine_api::built_in_tasks();
    stage.session.finetune.setup = stage.session.tasks.first().cloned().map(voco_ui::FinetuneSetup::new);
    let mut harness = harness(stage);
    let mut problems = Vec::new();
    for work in [Work::Label, Work::Pretrain, Work::Finetune, Work::Segment] {
        look(&mut problems, &format!("{work:?}"), &mut harness, |stage| stage.settings.work = work);
    }
    harness.state_mut().settings.work = Work::Label;
    for tool in LabelTool::ALL {
        look(&mut problems, tool.id(), &mut harness, |stage| stage.settings.tool = Tool::Label(tool));
    }
    for kind in EffectKind::ALL {
        look(&mut problems, &format!("{kind:?}"), &mut harness, |stage| stage.settings.labels.effect = kind);
    }
    look(&mut problems, "preferences", &mut harness, |stage| stage.settings.show_preferences = true);
    look(&mut problems, "curve", &mut harness, |stage| {
        stage.settings.show_preferences = false;
        stage.settings.view3d.editor.is_open = true;
        stage.settings.view3d.editor.point = Some(1);
    });
    look(&mut problems, "export", &mut harness, |stage| {
        stage.settings.view3d.editor.is_open = false;
        stage.settings.view3d.export.is_open = true;
    });
    look(&mut problems, "measurement", &mut harness, |stage| {
        stage.settings.view3d.export.is_open = false;
        let (center, geometry) = (stage.settings.cursor_mm, *stage.session.volumes[1].volume.geometry());
        let frame = voco_volume::SliceFrame::new(&geometry, voco_volume::SlicePlane::Axial);
        let plane = voco_ui::measure::MeasurePlane::of(&frame);
        let points = vec![center, center + glam::DVec3::X * 40.0];
        let number = stage.session.measurements.entry(2).or_default().add(MeasureKind::Length, plane, points);
        stage.settings.selected = Some((voco_ui::VolumeId(2), number));
    });
    look(&mut problems, "save labels", &mut harness, |stage| {
        stage.session.save_labels = Some(save_as());
    });
    assert!(problems.is_empty(), "{} controls have no name:\n{}", problems.len(), problems.join("\n"));
}

fn save_as() -> SaveLabelsAs {
    SaveLabelsAs {
        volume: VolumeId(1),
        format: LabelFormat::Nifti,
        path: "sample_label.nii.gz".into(),
        is_dicom: false,
        replaces: false,
        lps: false,
    }
}

#[test]
fn every_control_of_lists_has_a_name() {
    let mut problems = Vec::new();
    let mut harness = harness(Stage::default());
    look(&mut problems, "start", &mut harness, |_| {});
    look(&mut problems, "palette", &mut harness, |stage| stage.settings.show_palette = true);
    look(&mut problems, "sheet", &mut harness, |stage| {
        (stage.settings.show_palette, stage.settings.show_help) = (false, true);
    });
    look(&mut problems, "models", &mut harness, |stage| {
        stage.settings.show_help = false;
        stage.session.models.is_open = true;
        let row = |name: &str, state| ModelRow {
            name: name.into(),
            size: "220 MB".into(),
            licence: "Apache-2.0".into(),
            network: "SwinUNETR".into(),
            purpose: "A start".into(),
            state,
            path: format!("{name}.pt").into(),
            error: None,
        };
        let running = ModelState::Running { text: "fetching".into(), share: 0.5, is_stopping: false };
        stage.session.models.rows = vec![row("one", ModelState::Absent), row("two", running)];
        stage.session.models.rows.push(row("three", ModelState::Present));
    });
    look(&mut problems, "runs", &mut harness, |stage| {
        stage.session.models.is_open = false;
        stage.session.runs.is_open = true;
        let run = RunSummary { folder: "run-001".into(), name: "run-001".into(), ..RunSummary::default() };
        stage.session.runs.set_list(vec![run]);
        stage.session.runs.focus = Some("run-001".into());
    });
    look(&mut problems, "series", &mut harness, |stage| {
        stage.session.runs.is_open = false;
        let row = || SeriesRow {
            description: "Thorax".into(),
            modality: "CT".into(),
            num_volumes: 1,
            dims: [8, 6, 40],
            spacing_mm: [0.5, 0.75, 2.5],
            warnings: Vec::new(),
            thumbnail: Some(Thumbnail::new([8, 6], vec![7; 48])),
            is_chosen: false,
        };
        let rows = vec![row(), row()];
        stage.session.series = Some(SeriesChoice { folder: "disc".into(), rows, notes: Vec::new() });
    });
    assert!(problems.is_empty(), "{} controls have no name:\n{}", problems.len(), problems.join("\n"));
}

/// Types a part of a command's name into the palette, and takes the first that is found.
fn by_palette(harness: &mut Harness<'_, Stage>, text: &str) {
    press(harness, Modifiers::COMMAND, Key::K);
    harness.event(egui::Event::Text(text.into()));
    harness.run_steps(2);
    press(harness, Modifiers::NONE, Key::Enter);
    assert!(!harness.state().settings.show_palette, "{text}: chosen");
}

fn press(harness: &mut Harness<'_, Stage>, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.run_steps(2);
}

#[test]
fn files_are_opened_without_a_mouse() {
    let mut harness = harness(Stage::default());
    harness.run_steps(2);
    press(&mut harness, Modifiers::COMMAND, Key::O);
    by_palette(&mut harness, "dicom folder");
    by_palette(&mut harness, "open the sample");
    let asked = harness.state_mut().outbox.take();
    assert_eq!(asked, [Request::OpenDialog, Request::OpenFolderDialog, Request::OpenSample]);
    // Tab reaches what lies in the middle of the window, too.
    let is_there = |harness: &Harness<'_, Stage>| harness.get_by_label("Open the sample CT").is_focused();
    for _ in 0..200 {
        if is_there(&harness) {
            break;
        }
        press(&mut harness, Modifiers::NONE, Key::Tab);
    }
    assert!(is_there(&harness), "after 200 steps");
    press(&mut harness, Modifiers::NONE, Key::Space);
    assert_eq!(harness.state_mut().outbox.take(), [Request::OpenSample]);
}

#[test]
fn a_scan_is_read_measured_labelled_and_saved_without_a_mouse() {
    let Some(render) = gpu::context() else { return };
    let mut harness = harness(Stage::sample(&render));
    harness.run_steps(3);
    by_palette(&mut harness, "bone");
    let window = harness.state().session.volumes[0].window;
    assert_eq!((window.width, window.level), (2000.0, 400.0), "the window for bone");
    // A length of 20 voxels of 3 mm, begun at the crosshair.
    press(&mut harness, Modifiers::NONE, Key::L);
    let use_tool = |harness: &mut Harness<'_, Stage>| press(harness, Modifiers::ALT, Key::Enter);
    use_tool(&mut harness);
    for _ in 0..2 {
        press(&mut harness, Modifiers::ALT | Modifiers::SHIFT, Key::ArrowRight);
    }
    use_tool(&mut harness);
    let items = harness.state().session.measurements[&1].items().to_vec();
    assert_eq!((items.len(), items[0].kind), (1, MeasureKind::Length));
    let [Quantity::Length(mm)] = items[0].quantities()[..] else { panic!("{:?}", items[0].quantities()) };
    // By way of the screen, whose places are f32.
    assert!((mm - 60.0).abs() < 1e-3, "{mm} mm");
    // Up is to the front on an axial slice, by one voxel; the right of the picture is the patient's left.
    let before = harness.state().settings.cursor_mm;
    press(&mut harness, Modifiers::ALT, Key::ArrowUp);
    let after = harness.state().settings.cursor_mm;
    assert!((after - before - glam::DVec3::Y * 3.0).length() < 1e-6, "{before} to {after}");
    // A dab of the brush at the crosshair belongs to the segment that is worked on.
    by_palette(&mut harness, "brush");
    let at = harness.state().settings.cursor_mm;
    let current = harness.state_mut().labels().current.expect("a segment");
    assert_ne!(harness.state_mut().labels().segment_at_world(at), Some(current), "before");
    use_tool(&mut harness);
    for _ in 0..500 {
        harness.state_mut().labels().poll();
        if !harness.state_mut().labels().is_writing() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(harness.state_mut().labels().segment_at_world(at), Some(current), "after");
    assert!(harness.state_mut().labels().is_unsaved());
    press(&mut harness, Modifiers::COMMAND, Key::S);
    let asked = harness.state_mut().outbox.take();
    assert!(asked.contains(&Request::SaveLabelsDialog(VolumeId(1))), "{asked:?}");
    harness.state_mut().session.save_labels = Some(save_as());
    harness.run_steps(3);
    press(&mut harness, Modifiers::NONE, Key::Enter);
    let asked = harness.state_mut().outbox.take();
    assert!(asked.contains(&Request::SaveLabels(Box::new(save_as()))), "{asked:?}");
}
