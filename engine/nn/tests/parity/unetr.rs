//! The whole `SwinUNETR`: logits and gradients against MONAI.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use voco_nn::swin::{MergeOrder, SwinConfig, SwinUnetr, SwinUnetrConfig};
use voco_nn::weights::{import_tensors, named_tensors};

use crate::fixture::{Fixture, cosine, json, rel_l2, vec, within};
use crate::model::named_gradients;
use crate::swin::sampled;

pub fn network(order: MergeOrder, device: &Device) -> Option<SwinUnetr> {
    let data = Fixture::open("swin_unetr/model.safetensors")?;
    let encoder = SwinConfig { merge_order: order, ..SwinConfig::new(12) };
    let model = SwinUnetrConfig { encoder, classes: 5 }.init(device);
    let (model, report) = import_tensors(model, data.tensors).unwrap();
    assert_eq!(report.matched.len(), 159, "all");
    let rest = [report.missing.len(), report.unexpected.len(), report.mismatched.len()];
    assert_eq!(rest, [0; 3], "nothing else");
    Some(model)
}

fn forward(number: usize, order: MergeOrder) {
    let Some(model) = network(order, &Device::flex()) else { return };
    let file = format!("swin_unetr/forward_{number}.safetensors");
    let data = Fixture::open(&file).unwrap();
    let tag = if order == MergeOrder::Legacy { "legacy" } else { "fixed" };
    let logits = model.forward(data.get("input", &Device::flex())).logits;
    check_logits(&logits, &data, &format!("{tag}."), &file);
    let best = vec(sampled(logits, 2).argmax(1).float());
    assert_eq!(best, data.values(&format!("{tag}.argmax_s2")), "argmax");
}

/// Strided logits, a slice, mean and deviation per class.
pub fn check_logits(logits: &Tensor<5>, data: &Fixture, prefix: &str, what: &str) {
    for (suffix, every) in [("_s2", 2), ("_s4", 4)] {
        let key = format!("{prefix}logits{suffix}");
        if data.tensors.contains_key(&key) {
            let error = rel_l2(&vec(sampled(logits.clone(), every)), data.values(&key));
            println!("{what} {key}: {:.1e}", within(&key, error, 1e-4));
        }
    }
    let key = format!("{prefix}logits_slice0");
    if data.tensors.contains_key(&key) {
        within(&key, rel_l2(&vec(logits.clone().narrow(2, 0, 1)), data.values(&key)), 1e-4);
    }
    let [_, classes, d, h, w] = logits.dims();
    let rows = logits.clone().narrow(0, 0, 1).reshape([classes, d * h * w]);
    let (deviation, mean) = rows.var_mean(1);
    let got = vec(Tensor::cat(vec![mean.reshape([1, classes]), deviation.sqrt().reshape([1, classes])], 0));
    let key = format!("{prefix}logits_mean_std");
    within(&key, rel_l2(&got, data.values(&key)), 1e-4);
}

#[test]
fn logits_64_legacy() {
    forward(1, MergeOrder::Legacy);
}

#[test]
fn logits_64_fixed() {
    forward(1, MergeOrder::Fixed);
}

#[test]
fn logits_96_64_32_legacy() {
    forward(2, MergeOrder::Legacy);
}

#[test]
fn logits_96_64_32_fixed() {
    forward(2, MergeOrder::Fixed);
}

#[test]
fn gradients_follow_torch() {
    let device = Device::flex().autodiff();
    let Some(model) = network(MergeOrder::Legacy, &device) else { return };
    let data = Fixture::open("swin_unetr/grads_1.safetensors").unwrap();
    let norms = json("swin_unetr/grad_norms_1.json").unwrap();
    let input = Fixture::open("swin_unetr/forward_1.safetensors").unwrap().get::<5>("input", &device).require_grad();
    let loss = separable_loss(model.forward(input.clone()).logits, &data, &device);
    let got = f64::from(loss.clone().into_scalar::<f32>());
    let want = f64::from(data.scalar("loss"));
    println!("loss: {:.1e}", within("loss", ((got - want) / want).abs(), 1e-4));
    let mut gradients = loss.backward();
    let to_input = input.grad_remove(&mut gradients).unwrap();
    let error = rel_l2(&vec(sampled(to_input, 4)), data.values("grad.input_s4"));
    println!("input: {:.1e}", within("input", error, 1e-2));

    let named = named_gradients(&model, &GradientsParams::from_grads(gradients, &model));
    assert_eq!(named.len(), 159, "every parameter has a gradient");
    let limit = |key: &str| (5.0 * norms[key]["torch_f32_rel_err"].as_f64().unwrap()).max(1e-3);
    let mut worst = (0.0f64, String::new());
    for (key, want) in data.below("grad.") {
        let (name, _) = key.split_once('[').unwrap_or((&key, ""));
        let Some(got) = named.get(name) else {
            assert_eq!(name, "input_s4");
            continue;
        };
        let got = &got.values[..want.values.len()];
        let error = within(&key, rel_l2(got, &want.values), limit(name));
        assert!(cosine(got, &want.values) >= 0.9999, "{key}: direction");
        if error > worst.0 {
            worst = (error, key);
        }
    }
    println!("worst gradient: {:.1e} in {}", worst.0, worst.1);
    // Every parameter, by norm: a relative difference of norms is at most that of vectors.
    for (key, gradient) in &named {
        let norm = gradient.values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let want = norms[key]["l2"].as_f64().unwrap();
        within(key, ((norm - want) / want).abs(), limit(key));
    }
}

/// Mean of logits·w, where w is a product of three factors along the axes.
fn separable_loss(logits: Tensor<5>, data: &Fixture, device: &Device) -> Tensor<1> {
    let factor = |key: &str, shape: [usize; 5]| data.get::<2>(key, device).reshape(shape);
    let weight = factor("w_d", [1, 5, 64, 1, 1]) * factor("w_h", [1, 5, 1, 64, 1]) * factor("w_w", [1, 5, 1, 1, 64]);
    (logits * weight).mean()
}

#[test]
fn parameter_counts_are_the_published_ones() {
    // Facts 5.1, 21 classes. Built lazily: nothing is drawn here.
    for (features, want) in [(48, 72_762_999), (96, 290_392_695), (192, 1_160_845_431)] {
        assert_eq!(SwinUnetrConfig::new(features, 21).init(&Device::flex()).num_params(), want);
    }
}

#[test]
fn version_1_lacks_only_the_convolutions() {
    let device = Device::flex();
    let v2 = SwinUnetrConfig { encoder: SwinConfig { in_channels: 2, ..SwinConfig::new(24) }, classes: 3 };
    let v1 = SwinUnetrConfig { encoder: SwinConfig { use_v2: false, ..v2.encoder.clone() }, ..v2.clone() };
    let (v2, v1) = (v2.init(&device), v1.init(&device));
    let (keys2, keys1) = (named_tensors(&v2), named_tensors(&v1));
    let extra: Vec<&String> = keys2.keys().filter(|key| !keys1.contains_key(*key)).collect();
    assert_eq!(extra.len(), 8);
    assert!(extra.iter().all(|key| key.starts_with("swinViT.layers") && key.contains("c.0.layer.conv")));
    let x = Tensor::<5>::random([1, 2, 64, 32, 32], burn::tensor::Distribution::Default, &device);
    let out = v1.forward(x);
    assert_eq!(out.logits.dims(), [1, 3, 64, 32, 32]);
    assert_eq!(out.features.embedding().dims(), [1, 24 * 24]);
    assert_eq!(out.features.hidden[4].dims(), [1, 24 * 16, 2, 1, 1]);
}

/// Fact sheet 8.1: the whole B network filled from a formula.
#[test]
#[ignore = "over a minute: the full-size network"]
fn golden_feature_48_logits() {
    let Some(keys) = crate::swin::golden_keys() else { return };
    let model = SwinUnetrConfig::new(48, 21).init(&Device::flex());
    let mut tensors = named_tensors(&model);
    for (n, key) in (0..).zip(&keys) {
        crate::swin::fill(n, key, tensors.get_mut(key).unwrap());
    }
    let (model, report) = import_tensors(model, tensors).unwrap();
    assert_eq!(report.matched.len(), 159);
    for (size, mean_abs, mean, corner, inside) in [
        (
            [64, 64, 64],
            0.757_846_963,
            -0.068_485_502,
            [0.855_216, -0.315_005, 0.887_520],
            [-1.047_184, -0.017_268, -0.774_126],
        ),
        (
            [64, 64, 32],
            0.758_808_530,
            -0.068_768_415,
            [0.630_210, -0.165_893, 0.914_048],
            [0.918_278, -0.962_881, 0.815_029],
        ),
    ] {
        let logits = model.forward(crate::swin::golden_input(size)).logits;
        let at = |[d, h, w]: [usize; 3]| vec(logits.clone().slice([0..1, 0..3, d..d + 1, h..h + 1, w..w + 1]));
        println!("corner {:.1e}", within("corner", rel_l2(&at([0; 3]), &corner), 1e-4));
        println!("inside {:.1e}", within("inside", rel_l2(&at([31, 17, 20]), &inside), 1e-4));
        let got = f64::from(logits.clone().abs().mean().into_scalar::<f32>());
        within("mean abs", (got - mean_abs).abs(), 2e-5);
        within("mean", (f64::from(logits.mean().into_scalar::<f32>()) - mean).abs(), 2e-5);
    }
}
