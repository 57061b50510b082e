//! Supervised, semi- and omni-supervised training through the engine: the losses of each, the snapshot, and resuming to the same bits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use voco_engine::{
    AskedCrops, EngineHandle, Expectation, PositionAnswer, PositionQuestion, predict_position, show_model,
};
use voco_engine_api::{
    DataItem, DeviceChoice, EngineEvent, JobSpec, OmniRecipe, OmniReport, OmniRunConfig, Outcome, PretrainRecipe,
    SegmentationModel, task_named,
};

/// Two copies of the sample CT with its label map, as a list.
fn labelled(folder: &Path) -> PathBuf {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples").canonicalize().expect("the samples");
    let case = serde_json::json!({
        "image": samples.join("ts_abdomen.nii.gz"),
        "label": samples.join("ts_abdomen_label.nii.gz"),
    });
    let list = folder.join("list.json");
    let text = serde_json::json!({ "training": [case], "labels": { "1": "spleen", "5": "liver" } }).to_string();
    std::fs::write(&list, text).expect("written");
    list
}

fn config(recipe: &str, steps: u64) -> OmniRunConfig {
    let recipe = OmniRecipe::built_in(recipe).expect("it comes with the program");
    let task = task_named("vocomni").expect("it comes with the program");
    let mut config =
        OmniRunConfig::new(recipe, task, SegmentationModel::UnetTiny, Some(steps)).expect("a whole recipe");
    config.volumes = 2;
    config.labelled_volumes = 1;
    config.labelled.crops = 1;
    config.labelled.task.roi = [64; 3];
    config.labelled.device = DeviceChoice::Cpu;
    config.checkpoint_every = 2;
    config
}

fn spec(config: OmniRunConfig, folder: &Path, out: &Path, resume: bool) -> JobSpec {
    let list = labelled(folder);
    let unlabelled = vec![DataItem::Source { path: list.clone(), group: None }; 2];
    JobSpec::Omni {
        config: Box::new(config),
        labelled: list,
        label_names: BTreeMap::new(),
        unlabelled,
        cache: folder.join("cache"),
        out: out.to_owned(),
        resume,
        init: None,
    }
}

fn run(engine: &EngineHandle, spec: JobSpec, stop_after: Option<u64>) -> (Vec<OmniReport>, Outcome) {
    let (_, cancel) = engine.start_job(spec).expect("started");
    let mut reports = Vec::new();
    loop {
        match engine.events().recv_timeout(Duration::from_secs(100)).expect("the job ends") {
            EngineEvent::OmniStep { report, .. } => {
                if stop_after == Some(report.step) {
                    cancel.cancel();
                }
                reports.push(OmniReport { seconds: 0.0, ..report });
            }
            EngineEvent::Ended { outcome, .. } => return (reports, outcome),
            _ => {}
        }
    }
}

#[test]
fn each_recipe_has_its_losses_and_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = EngineHandle::start(Arc::new(|| {})).expect("a thread");
    for kind in ["supervised", "semi", "omni"] {
        let whole = folder.path().join(format!("{kind}-whole"));
        let (reports, outcome) = run(&engine, spec(config(kind, 4), folder.path(), &whole, false), None);
        assert!(matches!(outcome, Outcome::Done), "{kind}: {outcome:?}");
        assert_eq!(reports.len(), 4, "{kind}: four steps");
        for report in &reports {
            // The snapshot is taken at half of the steps and teaches from the next one on.
            assert_eq!(report.pseudo.is_some(), kind != "supervised" && report.step > 2, "{kind}: {report:?}");
            assert_eq!(report.intra.is_some(), kind == "omni", "{kind}: {report:?}");
            let parts = [Some(report.segmentation), report.pseudo, report.intra, report.inter, report.reg];
            let sum: f64 = parts.into_iter().flatten().sum();
            assert!((report.loss - sum).abs() < 1e-4 && report.loss.is_finite(), "{kind}: {report:?}");
        }
        let parts = folder.path().join(format!("{kind}-parts"));
        let mut got = Vec::new();
        for (start, stop) in [Some(1), Some(3), None].into_iter().enumerate() {
            let spec = spec(config(kind, 4), folder.path(), &parts, start > 0);
            got.extend(run(&engine, spec, stop).0);
        }
        assert_eq!(got, reports, "{kind}: the same steps");
        for entry in std::fs::read_dir(whole.join("checkpoints/step-0000004")).expect("a checkpoint").flatten() {
            let other = parts.join("checkpoints/step-0000004").join(entry.file_name());
            let same = std::fs::read(entry.path()).expect("there") == std::fs::read(other).expect("there, too");
            assert!(same, "{kind}: {:?} is the same to the last bit", entry.file_name());
        }
        let info = show_model(&whole.join("last"), Expectation::default()).expect("a known network");
        assert_eq!((info.classes, info.missing.len()), (Some(21), 0), "{kind}: a whole network");
        let calibrated = asked(&whole.join("last")).calibrated;
        assert_eq!(calibrated, kind == "omni", "{kind}: only the contrast trains projectors");
    }
}

#[test]
fn the_position_task_is_validated_on_people_without_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = EngineHandle::start(Arc::new(|| {})).expect("a thread");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples");
    let scans = folder.path().join("scans");
    std::fs::create_dir(&scans).expect("made");
    for name in ["anna", "bert", "carl", "dora", "emil"] {
        std::fs::copy(samples.join("ts_abdomen.nii.gz"), scans.join(format!("{name}.nii.gz"))).expect("copied");
    }
    let mut config = config("omni", 2);
    config.validate_every = 2;
    let JobSpec::Omni { config, labelled, label_names, cache, resume, init, .. } =
        spec(config, folder.path(), Path::new("unused"), false)
    else {
        panic!("an omni job");
    };
    let unlabelled = vec![DataItem::Source { path: scans, group: None }];
    let out = folder.path().join("run");
    let spec = JobSpec::Omni { config, labelled, label_names, unlabelled, cache, out, resume, init };
    engine.start_job(spec).expect("started");
    let (mut looks, mut estimates, mut steps) = (Vec::new(), 0, 0);
    loop {
        match engine.events().recv_timeout(Duration::from_secs(100)).expect("the job ends") {
            EngineEvent::PositionValidation { report, .. } => looks.push(report),
            EngineEvent::Estimate { estimate, .. } => {
                assert!(steps == 0 && estimate.seconds_left > 2.0 * estimate.seconds_per_step, "{estimate:?}");
                estimates += 1;
            }
            EngineEvent::OmniStep { .. } => steps += 1,
            EngineEvent::Ended { outcome, .. } => {
                assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
                break;
            }
            _ => {}
        }
    }
    assert_eq!((estimates, steps), (1, 2));
    let at: Vec<u64> = looks.iter().map(|look| look.step).collect();
    assert_eq!(at, [0, 2], "before the first step and at the end");
    assert!(looks.iter().all(|look| look.volumes == 1 && look.crops == 64), "one of five people: {looks:?}");
}

fn asked(checkpoint: &Path) -> PositionAnswer {
    let question = PositionQuestion {
        input: Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples/ts_abdomen.nii.gz"),
        checkpoint: checkpoint.to_owned(),
        recipe: PretrainRecipe::built_in("tpami"),
        group: None,
        crops: AskedCrops::Random { seed: 0, count: 2 },
        seed: 0,
        crops_per_batch: 2,
        device: DeviceChoice::Cpu,
    };
    predict_position(&question).expect("an answer")
}

#[test]
fn what_a_recipe_needs_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = EngineHandle::start(Arc::new(|| {})).expect("a thread");
    let out = folder.path().join("run");
    let JobSpec::Omni { config, labelled, label_names, cache, out, resume, init, .. } =
        spec(config("semi", 2), folder.path(), &out, false)
    else {
        panic!("an omni job");
    };
    let unlabelled = Vec::new();
    let spec = JobSpec::Omni { config, labelled, label_names, unlabelled, cache, out, resume, init };
    let (_, outcome) = run(&engine, spec, None);
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.to_string().contains("--data"), "{failure}");
}
