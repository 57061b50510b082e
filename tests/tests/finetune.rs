//! Fine-tuning through the engine: exact resume, labels by name, starts from other weights, validation, and use of the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glam::{DAffine3, DVec3};
use safetensors::SafeTensors;
use voco_engine::EngineHandle;
use voco_engine_api::{
    CancelFlag, DataItem, DeviceChoice, EngineEvent, EngineFailure, FinetuneConfig, FinetuneReport, HoldoutChoice,
    JobSpec, ModelCard, Outcome, SegmentConfig, SegmentItem, SegmentationModel, Task, TaskAugmentation,
    ValidationReport,
};
use voco_io::{Control, PartWriter};
use voco_tests::fixtures::committed;
use voco_volume::Geometry;

const TASK: &str = r#"
name = "phantom"
title = "Two balls in a body"
modality = "CT"
roi = [64, 32, 32]
classes = ["liver", { name = "spleen", also = ["milt"] }]
[preprocess]
intensity = { window = { low = 0.0, high = 200.0 } }
foreground_above = 0.0
[training]
epochs = 2
crops = 2
learning_rate = 3e-3
weight_decay = 1e-5
warmup_epochs = 1
validate_every = 1
positive = 3.0
negative = 1.0
balanced = true
[training.augment]
flip = 0.2
scale = [0.5, 0.1]
shift = [0.5, 0.05]
zoom = [0.5, 0.1]
contrast = [0.5, 0.1]
noise = [0.5, 0.03]
short_scan = 0.3
"#;

fn config() -> FinetuneConfig {
    let task = Task::from_toml("phantom.toml", TASK).unwrap_or_else(|e| panic!("{e}"));
    FinetuneConfig {
        steps: Some(6),
        validate_every: Some(4),
        checkpoint_every: 100,
        holdout: HoldoutChoice::Fold { k: 0, n: 3 },
        seed: 3,
        device: DeviceChoice::Cpu,
        ..FinetuneConfig::preset(task, SegmentationModel::UnetTiny)
    }
}

/// A scratch folder with `data/`: three persons with two balls each. Each label map has ids of its own, with their names beside it.
fn data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let dims = [64, 40, 36];
    let geometry = Geometry::new(dims, DAffine3::from_translation(DVec3::new(-30.0, 5.0, 9.0))).expect("a grid");
    std::fs::create_dir(folder.path().join("data")).expect("made");
    for (n, (liver, spleen)) in [(1_u8, 2_u8), (7, 3), (2, 1)].into_iter().enumerate() {
        let shift = 2.0 * n as f64;
        let (mut image, mut label) = (Vec::new(), Vec::new());
        for at in 0..dims.iter().product::<usize>() {
            let p = DVec3::new((at % 64) as f64, (at / 64 % 40) as f64, (at / (64 * 40)) as f64);
            let is_in = |x: f64, r: f64| (p - DVec3::new(x, 20.0 - shift, 18.0)).length() < r;
            let class = if is_in(18.0 + shift, 9.0) { 1 } else { u8::from(is_in(45.0 - shift, 7.0)) * 2 };
            image.push([40_u16, 110, 190][usize::from(class)] + (at * 7 % 11) as u16);
            label.push([0, liver, spleen][usize::from(class)]);
        }
        let path = |name: String| folder.path().join("data").join(name);
        let mut writer = PartWriter::create::<u16>(&path(format!("p{n}.nii.gz")), &geometry, 1).expect("begun");
        writer.write_volume(0, &image).expect("written");
        writer.finish().expect("finished");
        let mut writer = PartWriter::create::<u8>(&path(format!("p{n}_label.nii.gz")), &geometry, 1).expect("begun");
        writer.write_volume(0, &label).expect("written");
        writer.finish().expect("finished");
        let names = serde_json::json!({ liver.to_string(): "Liver", spleen.to_string(): if n == 1 { "milt" } else { "spleen" } });
        std::fs::write(path(format!("p{n}_label.json")), names.to_string()).expect("written");
    }
    folder
}

struct Run {
    config: FinetuneConfig,
    resume: bool,
    init: Option<PathBuf>,
}

impl Run {
    fn new(config: FinetuneConfig) -> Self {
        Self { config, resume: false, init: None }
    }

    fn spec(self, folder: &Path, out: &str) -> JobSpec {
        JobSpec::Finetune {
            config: Box::new(self.config),
            data: folder.join("data"),
            label_names: BTreeMap::new(),
            cache: folder.join("cache"),
            out: folder.join(out),
            resume: self.resume,
            init: self.init,
        }
    }

    fn go(self, folder: &Path, out: &str) -> Vec<EngineEvent> {
        self.go_with(folder, out, |_, _| {})
    }

    /// All events of the run; `each` may stop it.
    fn go_with(self, folder: &Path, out: &str, mut each: impl FnMut(&EngineEvent, &CancelFlag)) -> Vec<EngineEvent> {
        let engine = EngineHandle::start(Arc::new(|| {})).expect("a thread");
        let (_, cancel) = engine.start_job(self.spec(folder, out)).expect("started");
        let mut events = Vec::new();
        loop {
            let event = engine.events().recv_timeout(Duration::from_secs(100)).expect("the job ends");
            each(&event, &cancel);
            let is_end = matches!(event, EngineEvent::Ended { .. });
            events.push(event);
            if is_end {
                return events;
            }
        }
    }
}

fn steps(events: &[EngineEvent]) -> Vec<FinetuneReport> {
    let step = |e: &EngineEvent| if let EngineEvent::FinetuneStep { report, .. } = e { Some(*report) } else { None };
    // Time is not part of what a run computes.
    events.iter().filter_map(step).map(|r| FinetuneReport { seconds: 0.0, waited_seconds: 0.0, ..r }).collect()
}

fn validations(events: &[EngineEvent]) -> Vec<ValidationReport> {
    let one =
        |e: &EngineEvent| if let EngineEvent::Validation { report, .. } = e { Some(report.clone()) } else { None };
    events.iter().filter_map(one).map(|r| ValidationReport { seconds: 0.0, ..r }).collect()
}

fn is_done(events: &[EngineEvent]) -> bool {
    matches!(events.last(), Some(EngineEvent::Ended { outcome: Outcome::Done, .. }))
}

fn failure(events: &[EngineEvent]) -> String {
    let Some(EngineEvent::Ended { outcome: Outcome::Failed(failure), .. }) = events.last() else {
        panic!("{:?}", events.last())
    };
    assert!(matches!(failure, EngineFailure::BadInput(_)), "{failure:?}");
    let text = failure.to_string();
    assert!(text.len() > 20 && text.lines().count() == 1, "'{text}' is a sentence");
    text
}

/// Bytes of the weights by key, and the card.
fn model(path: &Path) -> (BTreeMap<String, Vec<u8>>, ModelCard) {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let card = header.metadata().as_ref().and_then(|m| m.get("model_card")).expect("a card").clone();
    let file = SafeTensors::deserialize(&bytes).expect("whole");
    let tensors = file.iter().map(|(key, view)| (key.to_owned(), view.data().to_vec())).collect();
    (tensors, serde_json::from_str(&card).expect("a readable card"))
}

fn weights_at(folder: &Path, run: &str, step: u64) -> PathBuf {
    folder.join(run).join(format!("checkpoints/step-{step:07}/model.safetensors"))
}

#[test]
fn a_resumed_run_equals_the_uninterrupted_one() {
    let folder = data();
    let events = Run::new(config()).go(folder.path(), "whole");
    assert!(is_done(&events), "{:?}", events.last());
    let (expected, validated) = (steps(&events), validations(&events));
    assert_eq!((expected.len(), validated.len()), (6, 2), "validated at step 4 and at the end");
    assert!(expected.iter().all(|r| r.loss.is_finite() && r.gradient_norm > 0.0), "{expected:?}");

    let estimate =
        events.iter().find_map(|e| if let EngineEvent::Estimate { estimate, .. } = e { Some(*estimate) } else { None });
    let estimate = estimate.expect("what the run needs is told before the first step");
    let (step, steps_to_go) = (estimate.seconds_per_step, 6.0);
    assert!(estimate.parameters > 1000 && step > 0.0 && estimate.seconds_left > step * steps_to_go, "{estimate:?}");

    // Once within training, and once within the validation of step 4.
    let mut got = Vec::new();
    let first = Run::new(config()).go_with(folder.path(), "parts", |event, cancel| {
        if matches!(event, EngineEvent::FinetuneStep { report, .. } if report.step == 2) {
            cancel.cancel();
        }
    });
    got.extend(steps(&first));
    let mut seen = Vec::new();
    let second = Run { resume: true, ..Run::new(config()) }.go_with(folder.path(), "parts", |event, cancel| {
        if let EngineEvent::Phase { phase, .. } = event {
            seen.push(*phase);
            if *phase == voco_engine_api::Phase::Validating {
                cancel.cancel();
            }
        }
    });
    got.extend(steps(&second));
    assert!(matches!(second.last(), Some(EngineEvent::Ended { outcome: Outcome::Cancelled, .. })), "{seen:?}");
    let third = Run { resume: true, ..Run::new(config()) }.go(folder.path(), "parts");
    got.extend(steps(&third));
    assert!(is_done(&third), "{:?}", third.last());
    assert!(got == expected, "the same numbers: {got:?} {expected:?}");
    let again: Vec<ValidationReport> = [first, second, third].iter().flat_map(|e| validations(e)).collect();
    assert!(again == validated, "{again:?} {validated:?}");
    let (a, card) = model(&weights_at(folder.path(), "whole", 6));
    let (b, _) = model(&weights_at(folder.path(), "parts", 6));
    assert!(a == b, "the same weights to the last bit");

    // What the weights are for.
    let names: Vec<&str> = card.classes.iter().map(|c| c.name.as_str()).collect();
    assert_eq!((names, card.trained_cases, card.steps, card.roi), (vec!["liver", "spleen"], 2, 6, [64, 32, 32]));
    assert_eq!(card.validation_dice, validated[1].mean_dice);

    let log = std::fs::read_to_string(folder.path().join("parts/log.jsonl")).expect("a log");
    assert_eq!(log.lines().count(), 8, "one line for each step and validation, also after resuming: {log}");
    let text = failure(&Run::new(config()).go(folder.path(), "parts"));
    assert!(text.contains("already holds a run"), "{text}");
}

#[test]
fn labels_are_met_by_name_and_the_result_segments() {
    let folder = data();
    // Plain crops: a run of so few steps cannot learn what varies.
    let mut config = FinetuneConfig { steps: Some(70), validate_every: Some(70), learning_rate: 5e-3, ..config() };
    config.task.training.augment = TaskAugmentation::default();
    let events = Run::new(config).go(folder.path(), "run");
    assert!(is_done(&events), "{:?}", events.last());
    // The held-out person has ids of its own: only names can have brought them together.
    let report = validations(&events).pop().expect("a validation");
    assert!(report.best && report.cases == 1, "{report:?}");
    for (class, dice) in &report.dice {
        assert!(dice.is_some_and(|dice| dice > 0.7), "{class}: {report:?}");
    }
    // The folder of the run is a checkpoint for segmentation, whose classes are the task's.
    let out = folder.path().join("result.nii.gz");
    let segment = SegmentConfig {
        checkpoints: vec![folder.path().join("run")],
        overlap: 0.5,
        device: DeviceChoice::Cpu,
        ..SegmentConfig::default()
    };
    let input = DataItem::File(folder.path().join("data/p1.nii.gz"));
    let items = vec![SegmentItem { input, output: Some(out.clone()) }];
    let engine = EngineHandle::start(Arc::new(|| {})).expect("a thread");
    engine.start_job(JobSpec::Segment { config: Box::new(segment), items }).expect("started");
    while !matches!(engine.events().recv_timeout(Duration::from_secs(100)), Ok(EngineEvent::Ended { .. })) {}
    let values = |path: &Path| voco_io::open(path, Control::NONE).unwrap_or_else(|e| panic!("{e}")).volume.to_f32();
    let (got, truth) = (values(&out), values(&folder.path().join("data/p1_label.nii.gz")));
    for (class, id) in [(1.0, 7.0), (2.0, 3.0)] {
        let both = got.iter().zip(&truth).filter(|&(&a, &b)| a == class && b == id).count();
        let sum = got.iter().filter(|&&a| a == class).count() + truth.iter().filter(|&&b| b == id).count();
        assert!(2 * both > sum * 7 / 10, "class {class}: {both} of {sum}");
    }
}

#[test]
fn it_starts_from_other_weights_and_may_leave_the_encoder_alone() {
    let folder = data();
    Run::new(FinetuneConfig { steps: Some(1), holdout: HoldoutChoice::Nobody, ..config() }).go(folder.path(), "first");
    let first = weights_at(folder.path(), "first", 1);
    // Only what a pre-training has: the encoder, under the names of its run.
    let bytes = std::fs::read(&first).expect("weights");
    let file = SafeTensors::deserialize(&bytes).expect("whole");
    let encoder: Vec<_> = file
        .iter()
        .filter(|(key, _)| key.starts_with("encoder."))
        .map(|(key, view)| (format!("backbone.{key}"), view))
        .collect();
    let count = encoder.len();
    let pretrained = folder.path().join("pretrained.safetensors");
    std::fs::write(&pretrained, safetensors::serialize(encoder, None).expect("a file")).expect("written");

    let config = FinetuneConfig { steps: Some(3), freeze_encoder: true, layer_decay: 0.8, ..config() };
    let run = Run { init: Some(pretrained), ..Run::new(config.clone()) };
    let events = run.go(folder.path(), "second");
    assert!(is_done(&events), "{:?}", events.last());
    let said =
        events.iter().find_map(|e| if let EngineEvent::WeightsLoaded { text, .. } = e { Some(text) } else { None });
    let said = said.expect("a word on the weights");
    assert!(said.contains(&format!("{count} of ")) && said.contains("pretrained.safetensors"), "{said}");
    let init: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("second/init.json")).expect("a report"))
            .expect("JSON");
    assert_eq!(init["matched"].as_array().map(Vec::len), Some(count), "{init}");
    let ((before, _), (after, card)) = (model(&first), model(&weights_at(folder.path(), "second", 3)));
    for (key, bytes) in &after {
        let is_same = before.get(key) == Some(bytes);
        // The loss leaves the coarsest output out.
        let stays = key.starts_with("encoder.") || key.starts_with("decoder.seg_layers.0.");
        assert_eq!(is_same, stays, "{key}: the encoder stays, the rest is learned");
    }
    assert_eq!(card.parent.as_deref(), Some("pretrained.safetensors"));

    // A network of which nothing fits must not pass for a start.
    let other = Run {
        init: Some(first),
        ..Run::new(FinetuneConfig { model: SegmentationModel::Tiny, deep_supervision: false, ..config })
    };
    let text = failure(&other.go(folder.path(), "third"));
    assert!(text.contains("none of the") && text.contains("model.safetensors"), "{text}");
}

#[test]
fn it_stops_when_nothing_gets_better() {
    let folder = data();
    let config = FinetuneConfig {
        steps: Some(50),
        validate_every: Some(1),
        patience: Some(2),
        learning_rate: 1e-12,
        ..config()
    };
    let events = Run::new(config).go(folder.path(), "run");
    assert!(is_done(&events), "{:?}", events.last());
    let reports = validations(&events);
    assert_eq!(reports.iter().map(|r| r.best).collect::<Vec<_>>(), [true, false, false], "{reports:?}");
    let best = std::fs::read_to_string(folder.path().join("run/best.json")).expect("the best is named");
    assert!(best.contains("\"step\": 1"), "{best}");
}

#[test]
fn what_cannot_be_learned_from_gets_a_sentence() {
    let folder = data();
    let empty = folder.path().join("data2");
    std::fs::create_dir(&empty).expect("made");
    std::fs::copy(committed("segment/image.nii.gz"), empty.join("a.nii.gz")).expect("copied");
    let spec = |config: FinetuneConfig, data: PathBuf, out: &str| JobSpec::Finetune {
        config: Box::new(config),
        data,
        label_names: BTreeMap::new(),
        cache: folder.path().join("cache"),
        out: folder.path().join(out),
        resume: false,
        init: None,
    };
    let other = Task::from_toml(
        "other.toml",
        &TASK.replace("\"liver\"", "\"lung\"").replace("milt", "heart").replace("spleen", "brain"),
    );
    let other = FinetuneConfig { task: other.expect("a task"), ..config() };
    let engine = EngineHandle::start(Arc::new(|| {})).expect("a thread");
    for (n, (spec, expected)) in [
        (spec(config(), empty, "a"), "label map"),
        (spec(other, folder.path().join("data"), "b"), "None of the cases"),
        (spec(FinetuneConfig { crops: 0, ..config() }, folder.path().join("data"), "c"), "crops"),
        (spec(config(), folder.path().join("absent"), "d"), "absent"),
    ]
    .into_iter()
    .enumerate()
    {
        engine.start_job(spec).expect("started");
        let mut events = Vec::new();
        while !matches!(events.last(), Some(EngineEvent::Ended { .. })) {
            events.push(engine.events().recv_timeout(Duration::from_secs(100)).expect("the job ends"));
        }
        let text = failure(&events);
        assert!(text.contains(expected), "case {n}: {text}");
    }
}
