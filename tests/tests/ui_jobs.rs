//! Fine-tuning and segmentation in the window: what is asked for, and what is shown of what the engine says.

use std::collections::BTreeMap;
use std::time::Duration;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use voco_engine_api::{
    EngineEvent, FinetuneConfig, FinetuneReport, JobId, Outcome, Phase, SegmentationModel, ValidationReport,
    built_in_tasks,
};
use voco_ui::{
    FinetuneJob, Outbox, Preflight, PreflightReport, Request, SegmentJob, Session, Shell, ViewSettings, VolumeId, Work,
};

#[derive(Default)]
struct Window {
    shell: Shell,
    session: Session,
    settings: ViewSettings,
    outbox: Outbox,
}

fn window(work: Work) -> Window {
    let mut window = Window::default();
    window.session.tasks = built_in_tasks();
    window.settings.work = work;
    window
}

fn harness(window: Window) -> Harness<'static, Window> {
    Harness::builder()
        .with_size([1600.0, 1000.0])
        .build_ui_state(|ui, w| w.shell.show(ui, &mut w.session, &mut w.settings, &mut w.outbox), window)
}

#[test]
fn fine_tuning_wants_data_is_looked_at_and_starts() {
    let mut harness = harness(window(Work::Finetune));
    harness.run();
    harness.get_by_label("Start fine-tuning").click();
    harness.run();
    assert!(harness.state_mut().outbox.is_empty(), "nothing to train on, nothing started");
    let setup = harness.state_mut().session.finetune.setup.as_mut().expect("the first task is chosen");
    setup.data = Some("scans".into());
    harness.run();
    harness.get_by_label("Look at the data first").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    let [Request::Preflight(asked)] = requests.as_slice() else { panic!("{requests:?}") };
    let report = PreflightReport {
        volumes: 5,
        labelled: 5,
        persons: 4,
        refused: vec!["case3: the data end early".into()],
        classes: vec![("liver".into(), 4), ("spleen".into(), 0)],
        looked_at: 4,
        ..PreflightReport::default()
    };
    harness.state_mut().session.preflight = Preflight::Done(asked.clone(), Box::new(report));
    harness.run();
    harness.get_by_label("4 usable of 5, 4 persons");
    harness.get_by_label("1 volume cannot be used");
    harness.get_by_label("1 of 2 classes found");
    harness.get_by_label("Start fine-tuning").click();
    harness.run();
    let requests = harness.state_mut().outbox.take();
    let [Request::StartFinetune(setup)] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(setup.config.model, SegmentationModel::UnetTiny, "the CPU's network is the default");
}

#[test]
fn a_fine_tuning_shows_dice_per_class_and_leads_to_segmentation() {
    let mut window = window(Work::Finetune);
    let (job, task) = (JobId(3), window.session.tasks[0].clone());
    let config = FinetuneConfig::preset(task, SegmentationModel::UnetTiny);
    let state = &mut window.session.finetune;
    state.job = Some(FinetuneJob::new(job, config, "run".into()));
    state.apply(&EngineEvent::Started { job, device: "cpu".into() });
    state.apply(&EngineEvent::Phase { job, phase: Phase::Training });
    let report = FinetuneReport {
        step: 1,
        loss: 1.5,
        dice_loss: 0.8,
        cross_entropy: 0.7,
        lr: 1e-3,
        gradient_norm: 1.0,
        seconds: 0.5,
        waited_seconds: 0.1,
    };
    state.apply(&EngineEvent::FinetuneStep { job, report });
    let dice: BTreeMap<String, Option<f64>> = [("liver".into(), Some(0.75)), ("spleen".into(), None)].into();
    let validation = ValidationReport { step: 1, cases: 2, dice, mean_dice: Some(0.75), best: true, seconds: 3.0 };
    state.apply(&EngineEvent::Validation { job, report: validation });
    let mut harness = harness(window);
    harness.get_by_label("unet-tiny, training on cpu");
    harness.get_by_label("0.750");
    harness.get_by_label("Stop").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::StopFinetune]);
    let state = &mut harness.state_mut().session.finetune;
    state.apply(&EngineEvent::CheckpointSaved { job, path: "run".into(), step: 1 });
    state.apply(&EngineEvent::Ended { job, outcome: Outcome::Done });
    harness.run();
    harness.get_by_label("Segment with it").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::UseCheckpoint("run".into())]);
}

#[test]
fn a_segmentation_shows_the_time_left_and_can_be_stopped() {
    let mut window = window(Work::Segment);
    let job = JobId(4);
    window.session.segment.job = Some(SegmentJob::new(job, VolumeId(1), "abdomen".into()));
    let state = &mut window.session.segment;
    state.apply(&EngineEvent::Started { job, device: "cpu".into() }, Duration::ZERO);
    state.apply(&EngineEvent::Progress { job, done: 10, total: 40 }, Duration::from_secs(10));
    let mut harness = harness(window);
    harness.get_by_label("10 of 40 windows, 30 s left");
    harness.get_by_label("Stop").click();
    harness.run();
    assert_eq!(harness.state_mut().outbox.take(), [Request::StopSegmenting]);
    let state = &mut harness.state_mut().session.segment;
    state.apply(&EngineEvent::Ended { job, outcome: Outcome::Cancelled }, Duration::from_secs(11));
    harness.run();
    harness.get_by_label("Stopped; what was found so far is kept.");
}
