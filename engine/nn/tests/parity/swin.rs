//! Swin encoder: hidden states and embedding against MONAI, both merge orders.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use voco_nn::ops::global_average;
use voco_nn::swin::{MergeOrder, SwinConfig, SwinEncoder};
use voco_nn::weights::{NamedTensor, import_tensors};

use crate::fixture::{Fixture, path, rel_l2, vec, within};

fn encoder(order: MergeOrder) -> Option<SwinEncoder> {
    let data = Fixture::open("swin_unetr/model.safetensors")?;
    let config = SwinConfig { merge_order: order, ..SwinConfig::new(12) };
    let model = config.init(&Device::flex());
    // A bare encoder has no `backbone.` in front, a file key gets one.
    let wrapped = Wrapped { backbone: model };
    let (wrapped, report) = import_tensors(wrapped, data.tensors).unwrap();
    assert_eq!(report.missing, Vec::<String>::new(), "the file has all of the encoder");
    assert_eq!(report.mismatched, Vec::new(), "shapes agree");
    assert_eq!(report.matched.len(), 137, "126 of swinViT and 11 of the encoders");
    let is_decoder = |key: &String| key.starts_with("decoder") || key.starts_with("out");
    assert!(report.unexpected.iter().all(is_decoder), "only the decoder is left over: {:?}", report.unexpected);
    Some(wrapped.backbone)
}

#[derive(Module, Debug)]
struct Wrapped {
    backbone: SwinEncoder,
}

fn forward(file: &str, order: MergeOrder) {
    let Some(encoder) = encoder(order) else { return };
    let data = Fixture::open(file).unwrap();
    let tag = if order == MergeOrder::Legacy { "legacy" } else { "fixed" };
    let features = encoder.forward(data.get("input", &Device::flex()));
    for (i, map) in features.hidden.iter().enumerate() {
        for (suffix, every) in [("", 1), ("_s2", 2), ("_s4", 4)] {
            let key = format!("{tag}.hidden{i}{suffix}");
            if data.tensors.contains_key(&key) {
                let error = rel_l2(&vec(sampled(map.clone(), every)), data.values(&key));
                println!("{file} {key}: {:.1e}", within(&key, error, 1e-4));
            }
        }
        // Every tag has mean and deviation of every map.
        let (mean, count) = (map.clone().mean(), map.shape().num_elements());
        let deviation = (map.clone() - mean.clone().unsqueeze()).square().sum();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let deviation = (deviation / (count - 1) as f64).sqrt();
        let got = [mean.into_scalar::<f32>(), deviation.into_scalar::<f32>()];
        let key = format!("{tag}.hidden{i}_mean_std");
        within(&key, rel_l2(&got, data.values(&key)), 1e-4);
    }
    let embedding = vec(Tensor::cat(features.encoders.map(global_average).to_vec(), 1));
    let key = format!("{tag}.embedding");
    let error = rel_l2(&embedding, data.values(&key));
    println!("{file} {key}: {:.1e}", within(&key, error, 1e-4));
}

pub fn sampled(map: Tensor<5>, every: usize) -> Tensor<5> {
    (2..5).fold(map, |map, dim| {
        let index: Vec<i32> = (0..map.dims()[dim]).step_by(every).map(|i| i32::try_from(i).unwrap()).collect();
        map.select(dim, Tensor::from_data(index.as_slice(), &Device::flex()))
    })
}

#[test]
fn forward_64_legacy() {
    forward("swin_unetr/forward_1.safetensors", MergeOrder::Legacy);
}

#[test]
fn forward_64_fixed() {
    forward("swin_unetr/forward_1.safetensors", MergeOrder::Fixed);
}

#[test]
fn forward_96_64_32_legacy() {
    forward("swin_unetr/forward_2.safetensors", MergeOrder::Legacy);
}

#[test]
fn forward_96_64_32_fixed() {
    forward("swin_unetr/forward_2.safetensors", MergeOrder::Fixed);
}

#[test]
fn crop_sizes_are_checked() {
    let config = SwinConfig::new(12);
    assert!(config.check_crop([64, 32, 32]).is_ok());
    assert!(config.check_crop([32; 3]).is_err(), "one voxel at the bottom");
    assert!(config.check_crop([64, 64, 48]).is_err(), "no multiple of 32");
}

/// Fact sheet 8.1: the B encoder filled from a formula, 64³ and 64×64×32.
#[test]
#[ignore = "about half a minute: the full-size network"]
fn golden_feature_48() {
    let Some(keys) = golden_keys() else { return };
    let wrapped = Wrapped { backbone: SwinConfig::new(48).init(&Device::flex()) };
    let mut tensors = voco_nn::weights::named_tensors(&wrapped);
    for (n, key) in (0..).zip(&keys) {
        if let Some(tensor) = tensors.get_mut(&format!("backbone.{key}")) {
            fill(n, key, tensor);
        }
    }
    let (wrapped, report) = import_tensors(wrapped, tensors).unwrap();
    assert_eq!(report.matched.len(), 137);
    for (size, norm, mean_abs, h4) in [
        ([64, 64, 64], 23.285_085_4, 0.791_689_671, [1.650_641, -0.095_816, -0.158_149, 0.227_803]),
        ([64, 64, 32], 23.991_884_2, 0.793_851_753, [0.704_262, 0.738_658, 0.545_081, 0.662_981]),
    ] {
        let input = golden_input(size);
        let features = wrapped.backbone.forward(input.clone());
        let deepest = features.hidden[4].clone();
        let corner = vec(deepest.clone().slice([0..1, 0..4, 0..1, 0..1, 0..1]));
        within("h4 corner", rel_l2(&corner, &h4), 1e-4);
        let got = f64::from(deepest.abs().mean().into_scalar::<f32>());
        within("h4 mean abs", (got - mean_abs).abs(), 2e-5);
        let embedding = vec(wrapped.backbone.embed(input));
        let got = embedding.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        println!("{size:?}: embedding norm {got}");
        within("embedding norm", (got - norm).abs(), 2e-4);
    }
}

/// Trainable keys of the B network, in the order of the fact sheet.
pub fn golden_keys() -> Option<Vec<String>> {
    let text = std::fs::read_to_string(path("swin_unetr/keys_feature48.txt")?).unwrap();
    let keys = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.contains('.')));
    Some(keys.filter(|key| !key.ends_with("relative_position_index")).map(str::to_owned).collect())
}

pub fn golden_input([d, h, w]: [usize; 3]) -> Tensor<5> {
    let values: Vec<f32> = (0..(d * h * w) as u64).map(|i| uniform(999, i)).collect();
    Tensor::<1>::from_data(values.as_slice(), &Device::flex()).reshape([1, 1, d, h, w])
}

fn uniform(n: u64, i: u64) -> f32 {
    let mut z = (n << 32).wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    #[expect(clippy::cast_precision_loss, reason = "24 bits")]
    let value = (z >> 40) as f32;
    value / 16_777_216.0
}

pub fn fill(n: u64, key: &str, tensor: &mut NamedTensor) {
    let len = tensor.values.len();
    #[expect(clippy::cast_precision_loss, reason = "network sizes")]
    let scale = (3.0 * tensor.shape[0] as f64 / len as f64).sqrt();
    for (i, value) in (0..).zip(tensor.values.iter_mut()) {
        let r = 2.0 * f64::from(uniform(n, i)) - 1.0;
        let filled = if key.ends_with("relative_position_bias_table") {
            r
        } else if tensor.shape.len() == 1 && key.contains("norm") && key.ends_with("weight") {
            1.0 + 0.2 * r
        } else if tensor.shape.len() == 1 {
            0.2 * r
        } else {
            r * scale
        };
        #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
        let filled = filled as f32;
        *value = filled;
    }
}
