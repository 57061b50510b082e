//! Where a network thinks that crops lie: with the projectors of a pre-training, and without.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use voco_engine::{AskedCrops, EngineHandle, PositionAnswer, PositionQuestion, predict_position};
use voco_engine_api::{DataItem, DeviceChoice, EngineEvent, JobSpec, Model, Outcome, PretrainConfig};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples/ts_abdomen.nii.gz")
}

/// Two steps on the sample: a run with projectors.
fn run(out: &Path) {
    let engine = EngineHandle::start(Arc::new(|| {})).expect("a thread");
    let config =
        PretrainConfig { crops_per_volume: 1, device: DeviceChoice::Cpu, ..PretrainConfig::preset(Model::UnetTiny, 2) };
    let data = vec![DataItem::File(sample()), DataItem::File(sample())];
    let cache = out.with_file_name("cache");
    let spec = JobSpec::Pretrain { config: Box::new(config), data, out: out.into(), resume: false, init: None, cache };
    engine.start_job(spec).expect("started");
    let outcome = engine.events().iter().find_map(|event| match event {
        EngineEvent::Ended { outcome, .. } => Some(outcome),
        _ => None,
    });
    assert!(matches!(outcome, Some(Outcome::Done)), "{outcome:?}");
}

fn ask(checkpoint: &Path, crops: AskedCrops) -> PositionAnswer {
    let question = PositionQuestion {
        input: sample(),
        checkpoint: checkpoint.to_owned(),
        recipe: None,
        group: None,
        crops,
        seed: 3,
        crops_per_batch: 4,
        device: DeviceChoice::Cpu,
    };
    predict_position(&question).expect("an answer")
}

#[test]
fn a_run_and_a_file_without_projectors_both_answer_and_say_what_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    run(&out);
    let answer = ask(&out, AskedCrops::Random { seed: 5, count: 6 });
    assert!(answer.calibrated, "projectors were trained to say overlaps");
    assert_eq!((answer.crops.len(), answer.frame.dims, answer.batch.rows), (6, [192, 192, 64], 13), "{answer:?}");
    for crop in &answer.crops {
        let sum: f32 = crop.target.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5 && crop.prediction.len() == 9, "{crop:?}");
        assert!(crop.prediction.iter().all(|p| (0.0..=1.0 + 1e-5).contains(p)), "{crop:?}");
    }
    let right = answer.crops.iter().filter(|crop| crop.top1_correct).count() as f64;
    assert!((answer.summary.top1_accuracy - right / 6.0).abs() < 1e-9, "the share of right ones");
    assert_eq!(answer.summary.constant_predictor_loss, Some(0.506), "to compare with");
    assert_eq!(
        answer,
        ask(&out.join("last"), AskedCrops::Random { seed: 5, count: 6 }),
        "the same question and weights"
    );

    // The published files have no projectors.
    let bytes = std::fs::read(out.join("checkpoints/step-0000002/model.safetensors")).expect("weights");
    let file = SafeTensors::deserialize(&bytes).expect("readable");
    let encoder = file.iter().filter(|(key, _)| !key.starts_with("student.") && !key.starts_with("teacher."));
    let views: Vec<(&str, TensorView<'_>)> = encoder.collect();
    let path = folder.path().join("encoder.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).expect("written")).expect("written");
    let answer = ask(&path, AskedCrops::Centers(vec![[96.0, 96.0], [32.0, 160.0]]));
    assert!(!answer.calibrated, "likeness only");
    // These crops are base crops: nothing is more like them than themselves.
    for (crop, base) in answer.crops.iter().zip([4, 2]) {
        assert_eq!((crop.target[base], crop.top1_correct), (1.0, true), "{crop:?}");
        assert!((crop.prediction[base] - 1.0).abs() < 1e-4, "{crop:?}");
    }
}

#[test]
fn crops_outside_the_frame_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    run(&out);
    let question = |crops: AskedCrops, group: Option<&str>| PositionQuestion {
        input: sample(),
        checkpoint: out.clone(),
        recipe: None,
        group: group.map(str::to_owned),
        crops,
        seed: 0,
        crops_per_batch: 4,
        device: DeviceChoice::Cpu,
    };
    for (crops, group, word) in [
        (AskedCrops::Centers(vec![[31.0, 96.0]]), None, "31,96"),
        (AskedCrops::Centers(vec![[f64::NAN, 96.0]]), None, "inside the frame"),
        (AskedCrops::Random { seed: 0, count: 0 }, None, "number of crops"),
        (AskedCrops::Random { seed: 0, count: 1 }, Some("legs"), "no group legs"),
    ] {
        let text = predict_position(&question(crops, group)).expect_err(word).to_string();
        assert!(text.contains(word) && text.lines().count() == 1, "'{text}' names {word}");
    }
}
