//! `PlainConvUNet` against dynamic-network-architectures.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use voco_nn::Architecture;
use voco_nn::plain::{PlainConfig, PlainUnet, PlainUnetConfig};
use voco_nn::weights::{import_tensors, named_tensors};

use crate::fixture::{Fixture, json, rel_l2, vec, within};
use crate::model::named_gradients;
use crate::swin::sampled;
use crate::unetr::check_logits;

fn network(device: &Device) -> Option<PlainUnet> {
    let data = Fixture::open("plain_conv_unet/model.safetensors")?;
    let model = PlainUnetConfig::nnunet([4, 8, 16, 24, 24, 24], 5).init(device);
    let (model, report) = import_tensors(model, data.tensors).unwrap();
    assert_eq!(report.matched.len(), 108, "all");
    let rest = [report.missing.len(), report.unexpected.len(), report.mismatched.len()];
    assert_eq!(rest, [0; 3], "nothing else");
    Some(model)
}

#[test]
fn forward_and_deep_supervision() {
    let device = Device::flex();
    let Some(model) = network(&device) else { return };
    let data = Fixture::open("plain_conv_unet/forward.safetensors").unwrap();
    let input = data.get::<5>("input", &device);
    let (logits, skips) = model.forward_features(input.clone());
    check_logits(&logits, &data, "", "plain");
    for (stage, map) in skips.into_iter().enumerate().skip(3) {
        let key = format!("skip{stage}");
        println!("{key}: {:.1e}", within(&key, rel_l2(&vec(map), data.values(&key)), 1e-4));
    }
    for (i, map) in model.forward_deep(input).into_iter().enumerate() {
        let every = if i < 2 { 4 } else { 1 };
        let key = format!("deep{i}_s{every}");
        println!("{key}: {:.1e}", within(&key, rel_l2(&vec(sampled(map, every)), data.values(&key)), 1e-4));
    }
}

#[test]
fn gradients_follow_torch() {
    let device = Device::flex().autodiff();
    let Some(model) = network(&device) else { return };
    let data = Fixture::open("plain_conv_unet/forward.safetensors").unwrap();
    let logits = sampled(model.forward(data.get("input", &device)), 4);
    let loss = (logits * data.get::<5>("loss_weight", &device)).mean();
    let got = f64::from(loss.clone().into_scalar::<f32>());
    let want = f64::from(data.scalar("loss"));
    println!("loss: {:.1e}", within("loss", ((got - want) / want).abs(), 1e-4));
    let named = named_gradients(&model, &GradientsParams::from_grads(loss.backward(), &model));
    let mut worst = 0.0f64;
    for (key, want) in data.below("grad.") {
        worst = worst.max(within(&key, rel_l2(&named[&key].values, &want.values), 1e-2));
    }
    println!("worst gradient: {worst:.1e}");
    let settings = json("plain_conv_unet/settings.json").unwrap();
    for key in settings["parameters_with_zero_or_no_gradient"].as_array().unwrap() {
        let key = key.as_str().unwrap();
        let norm = named.get(key).map_or(0.0, |g| g.values.iter().map(|v| v.abs()).fold(0.0, f32::max));
        assert!(norm < 1e-5, "{key}: {norm}");
    }
}

#[test]
fn published_shape_has_the_published_count() {
    let model = PlainUnetConfig::nnunet([32, 64, 128, 256, 320, 320], 21).init(&Device::flex());
    assert_eq!(model.num_params(), 31_210_889);
}

#[test]
fn flat_kernels_and_uneven_strides_come_back_to_size() {
    let encoder = PlainConfig {
        in_channels: 2,
        features: vec![4, 6, 8],
        kernels: vec![[1, 3, 3], [3; 3], [3; 3]],
        strides: vec![[1; 3], [1, 2, 2], [2; 3]],
        convs: vec![1, 2, 3],
    };
    assert!(encoder.check_crop([2, 4, 4]).is_err(), "one voxel at the bottom");
    assert!(encoder.check_crop([4, 6, 8]).is_err(), "6 is no multiple of 4");
    encoder.check_crop([4, 8, 12]).unwrap();
    let model = PlainUnetConfig { encoder, classes: 3, up_convs: vec![2, 1], stem: None }.init(&Device::flex());
    let deep = model.forward_deep(Tensor::ones([1, 2, 4, 8, 12], &Device::flex()));
    let sizes: Vec<[usize; 5]> = deep.iter().map(Tensor::dims).collect();
    assert_eq!(sizes, [[1, 3, 4, 8, 12], [1, 3, 4, 4, 6]]);
}

#[test]
fn a_unet_on_a_strided_encoder_reaches_full_resolution_and_is_found_again() {
    let device = Device::flex();
    let config = PlainUnetConfig::unet_tiny(4);
    let model = config.init(&device);
    let input = Tensor::<5>::zeros([1, 1, 64, 32, 32], &device);
    assert_eq!(model.forward(input.clone()).dims(), [1, 4, 64, 32, 32]);
    let sizes: Vec<usize> = model.forward_deep(input).iter().map(|map| map.dims()[2]).collect();
    assert_eq!(sizes, [64, 32, 16, 8, 4], "full resolution first");
    let tensors = named_tensors(&model);
    let encoder = named_tensors(&config.encoder.init(&device));
    assert!(encoder.keys().all(|key| tensors.contains_key(key)), "the encoder keeps its names");
    let shapes = tensors.into_iter().map(|(key, tensor)| (key, tensor.shape)).collect();
    assert_eq!(Architecture::detect(&shapes).unwrap(), Architecture::PlainUnet(config));
}
