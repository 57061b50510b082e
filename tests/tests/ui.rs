//! The window by its labels, without pictures of it: what a user reads is there, and what is pressed does something.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use voco_engine_api::{EngineEvent, JobId, Model, Outcome, Phase, PretrainConfig, StepReport};
use voco_ui::{
    LabelledData, ModelRow, ModelState, Outbox, Preflight, PreflightAsked, PreflightReport, Request, RunSummary,
    SeriesChoice, SeriesRow, Session, Shell, Thumbnail, TrainingJob, TrainingSource, ViewSettings,
};

#[derive(Default)]
struct Window {
    shell: Shell,
    session: Session,
    settings: ViewSettings,
    outbox: Outbox,
}

fn harness(window: Window) -> Harness<'static, Window> {
    Harness::builder()
        .with_size([1600.0, 1000.0])
        .build_ui_state(|ui, w| w.shell.show(ui, &mut w.session, &mut w.settings, &mut w.outbox), window)
}

fn report(step: u64) -> StepReport {
    StepReport {
        step,
        loss: 0.9,
        intra: 0.6,
        inter: 0.2,
        reg: 0.1,
        intra_clean: 0.4,
        gradient_norm: 1.0,
        lr: 1e-3,
        top1_accuracy: 0.5,
        seconds: 1.0,
        waited_seconds: 0.1,
    }
}

#[test]
fn an_empty_window_says_what_to_do() {
    let mut harness = harness(Window::default());
    harness.get_by_label("Drop a CT or MR volume here");
    harness.get_by_label("Open the sample CT").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::OpenSample]);
}

#[test]
fn series_are_ticked_and_opened() {
    let row = |description: &str, slices| SeriesRow {
        description: description.into(),
        modality: "CT".into(),
        num_volumes: 1,
        dims: [8, 6, slices],
        spacing_mm: [0.5, 0.75, 2.5],
        warnings: vec!["2 slices are missing.".into()],
        thumbnail: Some(Thumbnail::new([8, 6], (0..48).map(|n| 5 * n).collect())),
        is_chosen: false,
    };
    let mut window = Window::default();
    let rows = vec![row("Thorax", 40), row("Topogram", 1)];
    window.session.series = Some(SeriesChoice { folder: "disc".into(), rows, notes: Vec::new() });
    let mut harness = harness(window);
    harness.get_by_label("Series in disc");
    harness.get_by_label("40 slices of 8 × 6 pixels");
    harness.get_by_label("CT  Topogram").click();
    harness.run();
    harness.get_by_label("Open series").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::OpenSeries(vec![1])]);
}

#[test]
fn training_asks_for_data_first_and_starts_on_a_folder() {
    let mut harness = harness(Window::default());
    harness.get_by_label("Start pre-training").click();
    harness.run();
    assert!(harness.state_mut().outbox.is_empty(), "nothing to train on, nothing started");
    let folder = std::path::PathBuf::from("scans");
    harness.state_mut().session.training.setup.source = TrainingSource::Folder(folder.clone());
    harness.run();
    harness.get_by_label("Start pre-training").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    let [Request::StartTraining(setup)] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(setup.source, TrainingSource::Folder(folder));
    assert_eq!(setup.config.model, Model::UnetTiny, "the CPU's network is the default");
}

#[test]
fn a_run_can_be_followed_paused_and_stopped() {
    let mut window = Window::default();
    let job = JobId(1);
    window.session.training.job =
        Some(TrainingJob::new(job, PretrainConfig::preset(Model::UnetTiny, 10), "run".into(), Vec::new()));
    window.session.training.apply(&EngineEvent::Started { job, device: "cpu".into() });
    window.session.training.apply(&EngineEvent::Phase { job, phase: Phase::Training });
    for step in 1..=5 {
        window.session.training.apply(&EngineEvent::Step { job, report: report(step) });
    }
    let mut harness = harness(window);
    harness.get_by_label("unet-tiny, training on cpu");
    harness.get_by_label("50 %");
    harness.get_by_label("Pause").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::PauseTraining]);
    harness.state_mut().session.training.apply(&EngineEvent::Phase { job, phase: Phase::Paused });
    harness.run();
    harness.get_by_label("Resume").click();
    harness.run();
    harness.get_by_label("Stop").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::ResumeTraining, Request::StopTraining]);
    harness.state_mut().session.training.apply(&EngineEvent::Ended { job, outcome: Outcome::Cancelled });
    harness.run();
    harness.get_by_label("Stopped before anything was learned.");
    harness.get_by_label("Start pre-training");
    assert!(harness.query_by_label("Go on").is_none(), "nothing was saved, so there is nothing to go on from");
    harness.state_mut().session.training.apply(&EngineEvent::CheckpointSaved { job, path: "run".into(), step: 5 });
    harness.run();
    harness.get_by_label("Go on").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    let [Request::StartTraining(setup)] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(
        setup.resume && setup.out.as_deref() == Some(std::path::Path::new("run")),
        "the same run goes on: {setup:?}"
    );
}

#[test]
fn keys_do_what_the_help_sheet_says() {
    let mut harness = harness(Window::default());
    // The sheet has arrows, which only the program's fonts have.
    voco_ui::theme::apply(&harness.ctx);
    harness.run();
    harness.key_press(egui::Key::F1);
    harness.run();
    harness.get_by_label("Fill the window with a view, and back");
    harness.key_press(egui::Key::G);
    harness.key_press(egui::Key::X);
    harness.run();
    let settings = &harness.state().settings;
    assert!(settings.show_grid && !settings.show_crosshair, "G shows the base crops, X hides the crosshair");
}

#[test]
fn models_are_listed_fetched_and_stopped() {
    let row = |name: &str, state| ModelRow {
        name: name.to_owned(),
        size: "220 MB".to_owned(),
        licence: "Apache-2.0".to_owned(),
        network: "SwinUNETR".to_owned(),
        purpose: "A start".to_owned(),
        state,
        path: format!("{name}.pt").into(),
        error: None,
    };
    let mut harness = harness(Window::default());
    harness.get_by_label("Training").click();
    harness.run();
    harness.get_by_label("Models…").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::ListModels], "asked for once it is looked at");
    let running = ModelState::Running { text: "fetching, 1 MB of 2 MB".to_owned(), share: 0.5, is_stopping: false };
    let part = ModelState::Partial("5 MB".to_owned());
    let failed = ModelRow { error: Some("the hub cannot be reached".to_owned()), ..row("three", part) };
    harness.state_mut().session.models.rows =
        vec![row("one", ModelState::Absent), row("two", running), failed, row("four", ModelState::Present)];
    harness.run();
    assert!(harness.state_mut().outbox.is_empty(), "nothing is asked for twice, and nothing is fetched by itself");
    for text in ["the hub cannot be reached", "5 MB are here already; a fetch goes on from there", "on this machine"] {
        harness.get_by_label(text);
    }
    for (label, request) in [
        ("Fetch", Request::FetchModel("one".to_owned())),
        ("Cancel", Request::CancelModel("two".to_owned())),
        ("Go on", Request::FetchModel("three".to_owned())),
    ] {
        harness.get_by_label(label).click();
        harness.run();
        assert_eq!(harness.state_mut().outbox.take(), [request], "{label}");
    }
    let folders: Vec<_> = harness.get_all_by_label("Choose folder…").collect();
    assert_eq!(folders.len(), 2, "for those that are not there");
    folders[0].click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::ModelFolderDialog("one".to_owned())]);
    // A new look does not forget what is on its way, nor why something failed.
    let models = &mut harness.state_mut().session.models;
    models.set_list(["one", "two", "three"].map(|name| row(name, ModelState::Absent)).into());
    assert!(matches!(models.rows[1].state, ModelState::Running { .. }), "{:?}", models.rows[1]);
    assert!(models.rows[2].error.is_some() && models.rows.len() == 3, "{:?}", models.rows);
}

#[test]
fn a_recipe_with_labels_asks_for_them_and_starts() {
    let mut window = Window::default();
    window.session.tasks = voco_engine_api::built_in_tasks();
    let folder = std::path::PathBuf::from("scans");
    window.session.training.setup.source = TrainingSource::Folder(folder.clone());
    window.session.training.setup.labelled = LabelledData::new("omni", Model::UnetTiny, 40);
    let mut harness = harness(window);
    harness.run();
    harness.get_by_label("Start pre-training").click();
    harness.run();
    assert!(harness.state_mut().outbox.is_empty(), "it has no labels to learn from yet");
    let setup = &mut harness.state_mut().session.training.setup;
    setup.labelled.as_mut().expect("omni").data = Some("labelled".into());
    setup.config.seed = 7;
    harness.run();
    harness.get_by_label("Look at the data first").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    let [Request::Preflight(PreflightAsked::Training(asked))] = requests.as_slice() else { panic!("{requests:?}") };
    let report = PreflightReport { volumes: 9, persons: 9, labelled: 2, unlabelled: 7, ..PreflightReport::default() };
    harness.state_mut().session.preflight = Preflight::Done(PreflightAsked::Training(asked.clone()), Box::new(report));
    harness.run();
    assert_eq!(harness.get_all_by_label("With labels").count(), 2, "to be chosen, and how many there are");
    harness.get_by_label("Without labels");
    harness.get_by_label("9 usable of 9, 9 persons");
    harness.get_by_label("Start pre-training").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    let [Request::StartTraining(setup)] = requests.as_slice() else { panic!("{requests:?}") };
    let labelled = setup.labelled.as_ref().expect("with labels");
    let config = labelled.run_config(&setup.config);
    assert_eq!((config.labelled.seed, config.steps, config.contrast.is_some()), (7, 40, true));
    assert!(labelled.needs_unlabelled() && setup.source == TrainingSource::Folder(folder));
    let supervised = labelled.with("supervised", Model::Tiny, 80);
    assert!(!supervised.needs_unlabelled() && supervised.data == Some("labelled".into()), "the data stay");
}

#[test]
fn weights_to_begin_with_are_offered_by_name() {
    let mut window = Window::default();
    window.session.models.rows = vec![ModelRow {
        name: "VoComni_B".into(),
        size: "300 MB".into(),
        licence: "Apache-2.0".into(),
        network: "SwinUNETR".into(),
        purpose: "Whole network".into(),
        state: ModelState::Present,
        path: "models/vocomni_b.pt".into(),
        error: None,
    }];
    let run = |name: &str, has_best| RunSummary {
        folder: std::path::Path::new("runs").join(name),
        name: name.into(),
        has_checkpoint: true,
        has_best,
        ..RunSummary::default()
    };
    window.session.runs.set_list(vec![run("run-002", true), run("run-001", false)]);
    let mut harness = harness(window);
    harness.run();
    harness.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Start from").click();
    harness.run();
    harness.get_by_label("VoComni_B");
    harness.get_by_label("run-001, last");
    assert!(harness.query_by_label("run-001, best").is_none(), "no validation said which is the best");
    harness.get_by_label("run-002, best").click();
    harness.run();
    assert_eq!(harness.state().session.training.setup.init, Some("runs/run-002/best".into()));
}

#[test]
fn runs_are_listed_compared_and_annotated() {
    let run = |name: &str, changed_at: u64| RunSummary {
        folder: name.into(),
        name: name.into(),
        settings: vec![("model".into(), "unet-tiny".into())],
        last: vec![("loss".into(), 0.25)],
        steps: 300,
        changed_at,
        ..RunSummary::default()
    };
    let mut window = Window::default();
    window.session.runs.is_open = true;
    window.session.runs.set_list(vec![run("run-002", 2), run("run-001", 1)]);
    let mut harness = harness(window);
    harness.get_by_label("run-001").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    assert!(requests.contains(&Request::ReadRun("run-001".into())), "its curves are wanted: {requests:?}");
    assert_eq!(harness.state().session.runs.focus, Some("run-001".into()));
    harness.state_mut().session.runs.draft = Some(("run-001".into(), "too short".into()));
    harness.get_by_label("run-002").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    let note = Request::SaveRunNote { folder: "run-001".into(), note: "too short".into() };
    assert!(requests.contains(&note), "the note is kept when another run is chosen: {requests:?}");
    // A list read anew forgets curves of runs that have gone on.
    let runs = &mut harness.state_mut().session.runs;
    runs.curves.insert("run-001".into(), std::sync::Arc::default());
    runs.set_list(vec![run("run-001", 5)]);
    assert!(runs.curves.is_empty(), "stale curves are read again");
    assert_eq!(runs.focus, None, "run-002 is gone");
}
