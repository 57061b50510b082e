//! Weight files: round trip, reports, refusals.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device};
use voco_nn::swin::{SwinConfig, SwinUnetrConfig};
use voco_nn::weights::{
    ImportOptions, StoredTensor, from_safetensors, import_stored, import_tensors, named_tensors, second_names,
    to_safetensors, window_index,
};
use voco_nn::{Architecture, NnError, VocoModelConfig};

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

/// A small network with these channels and classes, its tensors, and those ready for import.
fn swin(
    in_channels: usize,
    classes: usize,
    seed: u64,
) -> (SwinUnetrConfig, BTreeMap<String, voco_nn::weights::NamedTensor>) {
    let device = Device::flex();
    device.seed(seed);
    let config = SwinUnetrConfig { encoder: SwinConfig { in_channels, ..SwinConfig::new(12) }, classes };
    let tensors = named_tensors(&config.init(&device));
    (config, tensors)
}

#[test]
fn other_channels_and_classes_keep_the_rest() {
    let (_, one) = swin(1, 5, 1);
    let (config, fresh) = swin(3, 7, 2);
    let (model, report) = import_tensors(config.init(&Device::flex()), one.clone()).unwrap();
    let odd: Vec<&str> = report.mismatched.iter().map(|mismatch| mismatch.key.as_str()).collect();
    let first = ["encoder1.layer.conv1.conv.weight", "encoder1.layer.conv3.conv.weight"];
    assert_eq!(
        odd,
        [first[0], first[1], "out.conv.conv.bias", "out.conv.conv.weight", "swinViT.patch_embed.proj.weight"]
    );
    assert_eq!((report.matched.len(), report.missing.len(), fresh.len()), (154, 0, 159));
    let loaded = named_tensors(&model);
    assert!(report.matched.iter().all(|key| loaded[key] == one[key]), "the rest is the file's");
}

#[test]
fn input_channels_can_be_adapted() {
    let options = ImportOptions { adapt_input: true };
    let load = |have: usize, want: usize| {
        let (_, file) = swin(have, 5, 1);
        let (config, _) = swin(want, 5, 2);
        let stored = file.clone().into_iter().map(|(key, tensor)| (key, StoredTensor::from(tensor))).collect();
        let (model, report) = import_stored(config.init(&Device::flex()), stored, options).unwrap();
        assert_eq!((report.matched.len(), report.adapted.len(), report.mismatched.len()), (159, 3, 0));
        (file, named_tensors(&model))
    };
    let key = "swinViT.patch_embed.proj.weight";
    let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} for {b}");
    // 1 to 2: repeated and halved.
    let (file, got) = load(1, 2);
    assert_eq!(got[key].shape, [12, 2, 2, 2, 2]);
    near(got[key].values[0], file[key].values[0] / 2.0);
    near(got[key].values[8 + 3], file[key].values[3] / 2.0);
    near(got[key].values[16 + 8 + 5], file[key].values[8 + 5] / 2.0);
    // 2 to 1: summed.
    let (file, got) = load(2, 1);
    near(got[key].values[8 + 3], file[key].values[16 + 3] + file[key].values[16 + 8 + 3]);
    // 2 to 4: each where it was, halved.
    let (file, got) = load(2, 4);
    near(got[key].values[8 + 1], file[key].values[8 + 1] / 2.0);
    near(got[key].values[24 + 1], file[key].values[8 + 1] / 2.0);
}

#[test]
fn every_network_is_recognised() {
    for name in VocoModelConfig::NAMES {
        let config = VocoModelConfig::from_name(name).unwrap();
        let shapes = voco_nn::weights::expected_shapes(&Architecture::Voco(config.clone()).init(&Device::flex()));
        assert_eq!(Architecture::detect(&shapes).unwrap(), Architecture::Voco(config), "{name}");
    }
    let v1 = SwinConfig { use_v2: false, in_channels: 4, ..SwinConfig::new(24) };
    let plain = voco_nn::plain::PlainUnetConfig::nnunet([32, 64, 128, 256, 320, 320], 21);
    let mut uneven = plain.clone();
    uneven.encoder.strides[5] = [1, 2, 2];
    uneven.encoder.kernels[0] = [1, 3, 3];
    uneven.up_convs = vec![1, 2, 3, 2, 1];
    for architecture in [
        Architecture::SwinUnetr(SwinUnetrConfig { encoder: v1.clone(), classes: 14 }),
        Architecture::SwinUnetr(SwinUnetrConfig::new(48, 21)),
        Architecture::Encoder(voco_nn::voco::EncoderConfig::Swin(v1)),
        Architecture::Encoder(voco_nn::voco::EncoderConfig::Plain(voco_nn::plain::PlainConfig::unet_tiny())),
        Architecture::PlainUnet(plain),
        Architecture::PlainUnet(uneven),
    ] {
        let shapes = voco_nn::weights::expected_shapes(&architecture.init(&Device::flex()));
        assert_eq!(Architecture::detect(&shapes).unwrap(), architecture, "{}", architecture.name());
    }
}

#[test]
fn absurd_shapes_are_no_network() {
    let shapes = |list: &[(&str, &[usize])]| {
        let pairs = list.iter().map(|(key, shape)| ((*key).to_owned(), shape.to_vec()));
        Architecture::detect(&pairs.collect())
    };
    let conv = "encoder.stages.0.0.convs.0.conv.weight";
    for list in [
        &[][..],
        &[("model.weight", &[3, 3][..])],
        &[("swinViT.patch_embed.proj.weight", &[usize::MAX / 3 * 3, 1, 2, 2, 2])],
        &[("swinViT.patch_embed.proj.weight", &[])],
        &[("swinViT.patch_embed.proj.weight", &[48, usize::MAX, 2, 2, 2])],
        &[("swinViT.patch_embed.proj.weight", &[0, 1, 2, 2, 2])],
        &[("swinViT.layers1.0.blocks.0.norm1.weight", &[48]), ("out.conv.conv.bias", &[1 << 60])],
        &[(conv, &[4, 1, 3, 3])],
        &[(conv, &[4, 1, 3, 3, 1 << 40]), ("encoder.stages.1.0.convs.0.conv.weight", &[4, 4, 3, 3, 3])],
    ] {
        let error = shapes(list).unwrap_err();
        assert!(matches!(error, NnError::UnknownArchitecture { .. }), "{error}");
    }
}

#[test]
fn unreadable_tensors_are_errors() {
    let (config, tensors) = swin(1, 5, 1);
    let stored = |broken: fn() -> std::io::Result<Vec<u8>>| {
        let mut stored: BTreeMap<String, StoredTensor> =
            tensors.clone().into_iter().map(|(key, tensor)| (key, StoredTensor::from(tensor))).collect();
        stored.insert("out.conv.conv.bias".to_owned(), StoredTensor::new(vec![5], DType::F32, broken));
        import_stored(config.init(&Device::flex()), stored, ImportOptions::default())
    };
    assert!(matches!(stored(|| Ok(vec![0; 3])).unwrap_err(), NnError::Unreadable { .. }), "too short");
    assert!(matches!(stored(|| Err(std::io::Error::other("gone"))).unwrap_err(), NnError::Unreadable { .. }), "gone");
    assert_eq!(stored(|| Ok(vec![0; 20])).unwrap().1.matched.len(), 159);
}

#[test]
fn strict_loading_gets_its_extras() {
    let index = window_index();
    assert_eq!((index.len(), index[0], index[1]), (343 * 343, 1098, 1097));
    let config = voco_nn::plain::PlainUnetConfig::nnunet([4, 8, 16, 24, 24, 24], 5);
    let keys: Vec<String> = named_tensors(&config.init(&Device::flex())).into_keys().collect();
    let second = second_names(&keys);
    assert_eq!(keys.len() + second.len(), 292, "facts 5.8");
    let Some(want) = crate::fixture::json("plain_conv_unet/checkpoint_final.json") else { return };
    let want = want["keys"].as_object().unwrap();
    for name in &second {
        let shape = &want[&name.name]["shape"];
        assert_eq!(shape, &want[&name.of]["shape"], "{} is {}", name.name, name.of);
    }
}
