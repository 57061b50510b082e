//! The engine's protocol: every start has one end; pausing, stopping, resuming; a resumed run is the uninterrupted one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use glam::{DAffine3, DVec3};
use voco_engine::EngineHandle;
use voco_engine_api::{
    DataItem, DeviceChoice, EngineCommand, EngineEvent, EngineFailure, JobSpec, Model, Outcome, Phase, PositionReport,
    PretrainConfig, StepReport,
};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

/// A small body of soft tissue with a bright and a dark ball, different for each `seed`.
fn phantom(seed: usize) -> Volume {
    let dims = [40, 36, 30];
    let affine =
        DAffine3::from_scale_rotation_translation(DVec3::splat(4.0), glam::DQuat::IDENTITY, DVec3::splat(-70.0));
    let geometry = Geometry::new(dims, affine).expect("a regular grid");
    let ball = |p: DVec3, center: DVec3, radius: f64| p.distance(center) < radius;
    let mut voxels = Vec::with_capacity(geometry.num_voxels());
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                let p = DVec3::new(i as f64, j as f64, k as f64);
                let shift = seed as f64;
                voxels.push(if ball(p, DVec3::new(12.0 + shift, 14.0, 15.0), 6.0) {
                    200
                } else if ball(p, DVec3::new(28.0, 22.0 - shift, 14.0), 5.0) {
                    -100
                } else if ball(p, DVec3::new(20.0, 18.0, 15.0), 17.0) {
                    (i % 7 * 5) as i16 + 30
                } else {
                    -1000
                });
            }
        }
    }
    Volume::new(geometry, Voxels::I16(voxels.into()), Rescale::IDENTITY).expect("one voxel for each place")
}

fn data() -> Vec<DataItem> {
    (0..2).map(|n| DataItem::Open { name: format!("phantom {n}"), volume: phantom(n) }).collect()
}

fn config(steps: u64) -> PretrainConfig {
    PretrainConfig {
        crops_per_volume: 1,
        seed: 7,
        device: DeviceChoice::Cpu,
        ..PretrainConfig::preset(Model::UnetTiny, steps)
    }
}

fn spec(config: PretrainConfig, out: &Path, resume: bool) -> JobSpec {
    let cache = out.with_file_name("cache");
    JobSpec::Pretrain { config: Box::new(config), data: data(), out: out.to_owned(), resume, init: None, cache }
}

/// Everything up to and with the first end.
fn until_end(engine: &EngineHandle, mut each: impl FnMut(&EngineEvent)) -> Vec<EngineEvent> {
    let mut events = Vec::new();
    loop {
        let event = engine.events().recv_timeout(Duration::from_secs(100)).expect("the job ends");
        each(&event);
        let is_end = matches!(event, EngineEvent::Ended { .. });
        events.push(event);
        if is_end {
            return events;
        }
    }
}

fn engine() -> EngineHandle {
    EngineHandle::start(Arc::new(|| {})).expect("a thread")
}

fn reports(events: &[EngineEvent]) -> Vec<StepReport> {
    let report = |e: &EngineEvent| if let EngineEvent::Step { report, .. } = e { Some(*report) } else { None };
    // Time is not part of what a run computes.
    events.iter().filter_map(report).map(|r| StepReport { seconds: 0.0, waited_seconds: 0.0, ..r }).collect()
}

#[test]
fn a_resumed_run_equals_the_uninterrupted_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine();
    let whole = folder.path().join("whole");
    engine.start_job(spec(config(4), &whole, false)).expect("started");
    let events = until_end(&engine, |_| {});
    assert!(matches!(events.last(), Some(EngineEvent::Ended { outcome: Outcome::Done, .. })), "{events:?}");
    assert_eq!(events.iter().filter(|e| matches!(e, EngineEvent::Started { .. })).count(), 1, "one start");
    let expected = reports(&events);
    assert_eq!(expected.len(), 4, "four steps");
    assert!(expected.iter().all(|r| r.loss.is_finite()), "{expected:?}");
    // Without drop-out the network is looked at as it was trained, before the update.
    assert!(expected.iter().all(|r| (r.intra - r.intra_clean).abs() < 1e-5), "{expected:?}");

    let parts = folder.path().join("parts");
    let (_, cancel) = engine.start_job(spec(config(4), &parts, false)).expect("started");
    let mut got = reports(&until_end(&engine, |event| {
        if matches!(event, EngineEvent::Step { report, .. } if report.step == 2) {
            cancel.cancel();
        }
    }));
    assert!((2..4).contains(&got.len()), "stopped in the middle: {}", got.len());
    engine.start_job(spec(config(4), &parts, true)).expect("started");
    got.extend(reports(&until_end(&engine, |_| {})));
    assert_eq!(got, expected, "the same numbers");

    let log = std::fs::read_to_string(parts.join("log.jsonl")).expect("a log");
    assert_eq!(log.lines().count(), 4, "one line for each step, also after resuming");
    assert!(whole.join("recipe.toml").exists(), "the recipe is kept with the run");
    // A second run in the same folder would mix with the first.
    engine.start_job(spec(config(4), &parts, false)).expect("started");
    let events = until_end(&engine, |_| {});
    let refused =
        matches!(events.last(), Some(EngineEvent::Ended { outcome: Outcome::Failed(EngineFailure::BadInput(_)), .. }));
    assert!(refused, "{events:?}");
}

/// Six people, of whom some are held out; two batches to a step, clipped.
fn people_spec(out: &Path, resume: bool) -> JobSpec {
    let config = PretrainConfig {
        accumulate: 2,
        clip_norm: Some(0.5),
        augment: true,
        row_dropout: 0.2,
        validate_every: 2,
        validation_crops: 2,
        validation_share: 0.34,
        checkpoint_every: 2,
        ..config(5)
    };
    let data = (0..6).map(|n| DataItem::Open { name: format!("person{n}_ct"), volume: phantom(n) }).collect();
    let cache = out.with_file_name("cache");
    JobSpec::Pretrain { config: Box::new(config), data, out: out.to_owned(), resume, init: None, cache }
}

fn validations(events: &[EngineEvent]) -> Vec<PositionReport> {
    let report =
        |e: &EngineEvent| if let EngineEvent::PositionValidation { report, .. } = e { Some(*report) } else { None };
    events.iter().filter_map(report).map(|r| PositionReport { seconds: 0.0, ..r }).collect()
}

#[test]
fn a_run_stopped_at_every_step_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine();
    let whole = folder.path().join("whole");
    engine.start_job(people_spec(&whole, false)).expect("started");
    let events = until_end(&engine, |_| {});
    assert!(matches!(events.last(), Some(EngineEvent::Ended { outcome: Outcome::Done, .. })), "{events:?}");
    let (expected, looks) = (reports(&events), validations(&events));
    assert_eq!((expected.len(), looks.len()), (5, 4), "five steps; validations at 0, 2, 4 and the end");
    assert!(looks.iter().all(|v| v.volumes == 2 && v.crops == 4 && v.error_mm > 0.0), "{looks:?}");
    assert!(events.iter().any(|e| matches!(e, EngineEvent::Estimate { .. })), "told what it will need");

    let parts = folder.path().join("parts");
    let (mut got, mut seen) = (Vec::new(), Vec::new());
    for start in 0.. {
        assert!(start < 20, "it comes to its end");
        let (_, cancel) = engine.start_job(people_spec(&parts, start > 0)).expect("started");
        let events = until_end(&engine, |event| {
            if matches!(event, EngineEvent::Step { .. }) {
                cancel.cancel();
            }
        });
        got.extend(reports(&events));
        seen.extend(validations(&events));
        if matches!(events.last(), Some(EngineEvent::Ended { outcome: Outcome::Done, .. })) {
            break;
        }
    }
    assert_eq!(got, expected, "the same steps");
    assert_eq!(seen, looks, "the same validations, each once");
    for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
        let read = |run: &Path| std::fs::read(run.join("checkpoints/step-0000005").join(file)).expect(file);
        assert!(read(&parts) == read(&whole), "{file} is the same to the last bit");
    }
    let read = |run: &Path| std::fs::read_to_string(run.join("best.json")).expect("a best checkpoint");
    assert_eq!(read(&parts), read(&whole), "the same best checkpoint");
}

#[test]
fn pause_holds_and_resume_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine();
    let (job, _) = engine.start_job(spec(config(3), &folder.path().join("run"), false)).expect("started");
    engine.send(EngineCommand::Pause(job)).expect("room");
    let mut paused = false;
    while !paused {
        let event = engine.events().recv_timeout(Duration::from_secs(100)).expect("an event");
        paused = matches!(event, EngineEvent::Phase { phase: Phase::Paused, .. });
    }
    // Whatever was under way when it was paused has been said by now or comes at once; then it is quiet.
    while engine.events().recv_timeout(Duration::from_secs(2)).is_ok() {}
    engine.send(EngineCommand::Checkpoint(job)).expect("room");
    engine.send(EngineCommand::Resume(job)).expect("room");
    let events = until_end(&engine, |_| {});
    assert!(matches!(events.last(), Some(EngineEvent::Ended { outcome: Outcome::Done, .. })), "{events:?}");
    let preview = engine.preview().get().expect("a preview");
    assert_eq!(preview.crops.len(), 1, "one random crop per volume");
    assert_eq!(preview.crops[0].target.len(), 9, "nine base crops");
}

#[test]
fn jobs_that_cannot_run_begin_and_end_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine();
    let bad = folder.path().join("text.nii");
    std::fs::write(&bad, "this is no volume").expect("written");
    let cases: Vec<(PretrainConfig, Vec<DataItem>)> = vec![
        (config(2), Vec::new()),
        (config(2), vec![DataItem::File(bad)]),
        (PretrainConfig { volumes_per_step: 1, ..config(2) }, data()),
        (PretrainConfig { device: DeviceChoice::Gpu(99), ..config(2) }, data()),
    ];
    for (n, (config, data)) in cases.into_iter().enumerate() {
        let out = folder.path().join(n.to_string());
        let spec = JobSpec::Pretrain {
            config: Box::new(config),
            data,
            out,
            resume: false,
            init: None,
            cache: folder.path().join("cache"),
        };
        engine.start_job(spec).expect("started");
        let events = until_end(&engine, |_| {});
        let starts = events.iter().filter(|e| matches!(e, EngineEvent::Started { .. })).count();
        assert_eq!(starts, 1, "case {n}: one start");
        let Some(EngineEvent::Ended { outcome: Outcome::Failed(failure), .. }) = events.last() else {
            panic!("case {n}: {events:?}")
        };
        let text = failure.to_string();
        assert!(text.len() > 20 && text.lines().count() == 1, "case {n}: '{text}' is a sentence");
    }
}

#[test]
fn dropping_the_handle_ends_a_running_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let engine = engine();
    engine.start_job(spec(config(1000), &out, false)).expect("started");
    while !matches!(engine.events().recv_timeout(Duration::from_secs(100)), Ok(EngineEvent::Step { .. })) {}
    drop(engine);
    assert!(std::fs::read_dir(out.join("checkpoints")).expect("a folder").next().is_some(), "what it had is saved");
}
