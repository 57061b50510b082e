//! Weight files: round trip, reports, refusals.

use std::collections::BTreeMap;

use burn::tensor::Device;
use voco_nn::weights::{from_safetensors, import_tensors, named_tensors, to_safetensors};
use voco_nn::{NnError, VocoModelConfig};

fn device() -> Device {
    Device::flex().autodiff()
}

#[test]
fn weights_survive_a_round_trip() {
    for name in ["unet-tiny", "tiny"] {
        let config = VocoModelConfig::from_name(name).unwrap();
        let model = config.init(&device(), 1);
        let note = BTreeMap::from([("step".to_owned(), "7".to_owned())]);
        let bytes = to_safetensors(&model, &note).unwrap();
        let (other, report) = from_safetensors(config.init(&device(), 2), &bytes).unwrap();
        assert_eq!(named_tensors(&other), named_tensors(&model), "{name}");
        assert_eq!(report.matched.len(), named_tensors(&model).len());
        assert!(report.missing.is_empty() && report.unexpected.is_empty());
        assert!(report.mismatched.is_empty());
    }
}

#[test]
fn keys_are_those_of_pytorch() {
    let config = VocoModelConfig::from_name("unet-tiny").unwrap();
    let keys = named_tensors(&config.init(&device(), 1));
    for key in [
        "backbone.encoder.stages.1.0.convs.1.conv.weight",
        "backbone.encoder.stages.0.0.convs.0.norm.bias",
        "student.layer1.0.weight",
        "teacher.layer3.0.bias",
    ] {
        assert!(keys.contains_key(key), "{key} in {:?}", keys.keys());
    }
    assert_eq!(keys["student.layer1.0.weight"].shape, [256, 184], "[out, in]");
}

#[test]
fn the_seed_decides_the_weights() {
    let config = VocoModelConfig::from_name("unet-tiny").unwrap();
    let weights = |seed| named_tensors(&config.init(&device(), seed));
    assert_eq!(weights(4), weights(4));
    assert_ne!(weights(4), weights(5));
}

#[test]
fn nothing_matched_is_an_error() {
    let tiny = VocoModelConfig::from_name("unet-tiny").unwrap().init(&device(), 1);
    let mut tensors = named_tensors(&tiny);
    tensors.retain(|key, _| key.starts_with("backbone"));
    let swin = VocoModelConfig::from_name("tiny").unwrap().init(&device(), 1);
    let error = import_tensors(swin, tensors).unwrap_err();
    assert!(matches!(error, NnError::NothingMatched { .. }), "{error}");
    assert!(from_safetensors(tiny, b"no file").is_err());
}

#[test]
fn reports_name_what_is_missing_and_what_is_odd() {
    let config = VocoModelConfig::from_name("unet-tiny").unwrap();
    let model = config.init(&device(), 1);
    let mut tensors = named_tensors(&model);
    let mut odd = tensors.remove("student.layer1.0.bias").unwrap();
    tensors.insert("other.bias".to_owned(), odd.clone());
    odd.shape = vec![1, 256];
    tensors.insert("module.student.layer2.0.bias".to_owned(), odd);
    tensors.remove("student.layer2.0.bias");
    let (_, report) = import_tensors(config.init(&device(), 2), tensors).unwrap();
    assert_eq!(report.missing, ["student.layer1.0.bias"]);
    assert_eq!(report.unexpected, ["other.bias"]);
    assert_eq!(report.mismatched.len(), 1);
    assert_eq!(report.mismatched[0].expected, [256]);
}
