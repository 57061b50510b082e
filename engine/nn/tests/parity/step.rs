//! Projector, whole steps, gradients, teacher.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use voco_nn::voco::{Projector, ProjectorConfig};
use voco_nn::weights::{NamedTensor, import_tensors, named_tensors};
use voco_nn::{AdamW, AdamWSettings, VocoBatch, VocoModelConfig};

use crate::fixture::{Fixture, cosine, json, max_abs, rel_l2, vec, within};
use crate::model::{head_model, named_gradients};

fn device() -> Device {
    Device::flex().autodiff()
}

#[test]
fn head_runs_match() {
    let Some(data) = Fixture::open("voco/head.safetensors") else { return };
    for run in ["a", "b"] {
        let key = |part: &str| format!("{run}.{part}");
        let mut model = head_model(&data);
        let embeddings = data.get::<2>("embeddings", &device()).require_grad();
        let scale = (run == "b").then(|| data.get::<1>("b.row_scale", &device()));
        let out = model.head_step(embeddings.clone(), data.get::<3>("labels", &device()), scale);

        for (got, part) in [(&out.student, "student"), (&out.teacher, "teacher")] {
            let error = rel_l2(&vec(got.clone()), data.values(&key(part)));
            println!("{run} {part}: {:.1e}", within(part, error, 1e-5));
        }
        let values = out.losses.values();
        for (got, part) in [
            (values.positive + values.negative, "intra"),
            (values.inter, "inter"),
            (values.reg, "base"),
            (values.total, "total"),
        ] {
            within(part, f64::from((got - data.scalar(&key(part))).abs()), 1e-5);
        }
        let logits: Vec<f32> =
            [0, 1].iter().flat_map(|i| data.values(&key(&format!("vol{i}.logits"))).to_vec()).collect();
        within("logits", max_abs(&vec(out.predictions), &logits), 1e-5);

        let after = named_tensors(&model);
        for (name, want) in data.below("teacher_after.") {
            let got = &after[&format!("teacher.{name}")].values;
            within(&name, max_abs(got, &want.values), 1e-6);
        }

        let mut gradients = out.losses.total.backward();
        let upstream = vec(embeddings.grad_remove(&mut gradients).unwrap());
        let error = rel_l2(&upstream, data.values(&key("grad.embeddings")));
        println!("{run} grad.embeddings: {:.1e}", within("grad.embeddings", error, 1e-4));
        let named = named_gradients(&model, &GradientsParams::from_grads(gradients, &model));
        assert_eq!(named.len(), 6, "the student's, and none of the teacher's");
        for (name, want) in data.below(&key("grad.")) {
            let Some(got) = named.get(&name) else { continue };
            if name.ends_with("layer1.0.bias") || name.ends_with("layer2.0.bias") {
                within(&name, max_abs(&got.values, &want.values), 1e-6);
            } else {
                within(&name, rel_l2(&got.values, &want.values), 1e-4);
            }
        }
    }
}

/// Embeddings of all 22 crops through the backbone, losses behind them, and the
/// backbone gradient of the first crop.
///
/// In f32 a leaky ReLU that falls on the other side of its kink shows in single
/// gradients; `tests/float64.rs` repeats the whole step without that noise.
#[test]
fn end_to_end_step_matches() {
    let Some(head) = Fixture::open("voco/head.safetensors") else { return };
    let Some(data) = Fixture::open("voco/end_to_end.safetensors") else { return };
    let backbone = Fixture::open("swin_unetr/model.safetensors").unwrap();
    let torch = json("voco/grad_norms_backbone.json").unwrap();
    let (mut model, report) = import_tensors(head_model(&head), backbone.tensors).unwrap();
    assert_eq!(report.matched.len(), 137);
    let get = |key: &str| data.get::<5>(key, &device()) / 256.0;
    let crops = Tensor::cat(vec![get("imgs"), get("crops")], 0);

    let embeddings = model.valid().embed_chunked(crops.clone().without_autodiff(), 1);
    let error = rel_l2(&vec(embeddings.clone()), data.values("embeddings64"));
    println!("embeddings: {:.1e}", within("embeddings", error, 2e-4));
    let labels = head.get::<3>("labels", &device());
    let out = model.head_step(embeddings.autodiff(), labels, None);
    let error = f64::from((out.losses.values().total - head.scalar("a.total")).abs());
    println!("total: {:.1e}", within("total", error, 1e-4));

    let upstream = head.get::<2>("a.grad.embeddings", &device()).narrow(0, 0, 1);
    let product = (model.embed(crops.narrow(0, 0, 1)) * upstream).sum();
    let gradients = GradientsParams::from_grads(product.backward(), &model);
    let named = named_gradients(&model, &gradients);
    let mut worst = 0.0f64;
    for (key, want) in data.below("grad_sample0.") {
        // Keys with a range hold the first rows only.
        let (name, _) = key.split_once('[').unwrap_or((&key, ""));
        let got = &named[&format!("backbone.{name}")].values[..want.values.len()];
        let own = torch["torch_f32_rel_err_sample0"][name].as_f64().unwrap_or(0.0);
        let error = rel_l2(got, &want.values);
        worst = worst.max(within(&key, error, (5.0 * own).max(2e-3)));
        assert!(cosine(got, &want.values) >= 0.9999, "{key}: direction");
    }
    println!("backbone gradients of crop 0: worst {worst:.1e}");
}

/// Noise crops of 64³. Smaller ones have two voxels at the bottom, whose instance norm is little but a sign: a
/// rounding that differs, as from one size of batch to another, can turn it over.
fn random_batch() -> VocoBatch {
    let crop = |n: usize| Tensor::random([n, 1, 64, 64, 64], Distribution::Uniform(0.0, 1.0), &device());
    let mut labels = vec![0.0f32; 36];
    for (row, at) in [0usize, 4, 5, 8].into_iter().enumerate() {
        labels[row * 9 + at] = 0.75;
        labels[row * 9 + (at + 1) % 9] = 0.25;
    }
    VocoBatch {
        queries: crop(4),
        bases: crop(18),
        labels: Tensor::<1>::from_data(labels.as_slice(), &device()).reshape([2, 2, 9]),
    }
}

#[test]
fn chunked_step_equals_the_direct_step() {
    let config = VocoModelConfig::from_name("unet-tiny").unwrap();
    let batch = random_batch();
    let scale = Tensor::<1>::from_data([1.25; 21].as_slice(), &device());
    let scale = Some(Tensor::cat(vec![Tensor::zeros([1], &device()), scale], 0));
    let mut direct = config.init(&device(), 3);
    let (a, ga) = direct.step_chunked(&batch, scale.clone(), 0, || true).unwrap();
    let mut chunked = config.init(&device(), 3);
    let mut calls = 0;
    let (b, gb) = chunked
        .step_chunked(&batch, scale, 5, || {
            calls += 1;
            true
        })
        .unwrap();
    assert_eq!(calls, 10, "five chunks, twice");
    within("total", f64::from((a.losses.values().total - b.losses.values().total).abs()), 1e-5);
    let (ga, gb) = (named_gradients(&direct, &ga), named_gradients(&chunked, &gb));
    assert_eq!(ga.len(), gb.len());
    assert!(ga.keys().all(|key| !key.starts_with("teacher")), "teacher has no gradient");
    let mut worst = 0.0f64;
    for (key, a) in &ga {
        // Biases in front of a norm have a zero gradient; only rounding is left.
        let error = rel_l2(&a.values, &gb[key].values);
        let norm: f32 = a.values.iter().map(|v| v * v).sum::<f32>().sqrt();
        worst = worst.max(if norm < 1e-3 { 0.0 } else { error });
        assert!(error < 1e-3 || norm < 1e-3, "{key}: {error:.1e}, norm {norm:.1e}");
    }
    println!("worst gradient: {worst:.1e}");
    assert!(chunked.step_chunked(&batch, None, 5, || false).is_none(), "cancelled");
}

#[test]
fn optimiser_moves_all_but_the_teacher() {
    let mut model = VocoModelConfig::from_name("unet-tiny").unwrap().init(&device(), 5);
    let batch = random_batch();
    let (first, gradients) = model.step_chunked(&batch, None, 0, || true).unwrap();
    let before = named_tensors(&model);
    let mut optimizer = AdamW::new(AdamWSettings::default());
    let mut model = optimizer.step(1e-3, model, gradients);
    let after = named_tensors(&model);
    for (key, tensor) in &before {
        let moved = tensor != &after[key];
        assert_eq!(moved, !key.starts_with("teacher"), "{key}");
    }
    let mut last = first.losses.values().total;
    for _ in 0..8 {
        let (out, gradients) = model.step_chunked(&batch, None, 0, || true).unwrap();
        last = out.losses.values().total;
        model = optimizer.step(1e-3, model, gradients);
    }
    assert!(last < first.losses.values().total, "eight steps on one batch lower the loss");
}

#[test]
fn prediction_leaves_the_model_alone() {
    let model = VocoModelConfig::from_name("unet-tiny").unwrap().init(&device(), 5);
    let before = named_tensors(&model);
    let batch = random_batch();
    let all = vec(model.predict(&batch, 0));
    assert_eq!(all.len(), 36);
    within("chunks", max_abs(&all, &vec(model.predict(&batch, 7))), 1e-5);
    assert_eq!(before, named_tensors(&model));
}

// Golden vectors of the fact sheet.

#[test]
fn golden_projector() {
    let config = ProjectorConfig { input: 8, hidden: 6, output: 4 };
    let shapes = [vec![6, 8], vec![6], vec![6, 6], vec![6], vec![4, 6], vec![4]];
    let mut tensors = BTreeMap::new();
    for (n, shape) in shapes.into_iter().enumerate() {
        let part = if n % 2 == 0 { "weight" } else { "bias" };
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small")]
        let values = (0..shape.iter().product::<usize>())
            .map(|i| (0.37 * i as f64 + 0.11 * n as f64 + 0.5).sin() as f32)
            .collect();
        tensors.insert(format!("layer{}.0.{part}", n / 2 + 1), NamedTensor { shape, values });
    }
    let (projector, _) = import_tensors(config.init(&device()), tensors).unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "inputs are f32")]
    let rows: Vec<f32> = (0..40).map(|at| (0.31 * f64::from(at % 8) + 1.3 * f64::from(at / 8)).sin() as f32).collect();
    let rows = Tensor::<1>::from_data(rows.as_slice(), &device()).reshape([5, 8]);
    let out = vec(projector.forward(rows.clone()));
    within("row 0", max_abs(&out[..4], &[2.679_771, -0.056_823, 0.427_812, 2.539_761]), 1e-5);
    within("row 4", max_abs(&out[16..], &[3.975_024, -1.651_976, 1.061_265, 3.369_002]), 1e-5);
    assert_eq!(out, vec(projector.valid().forward(rows.without_autodiff())), "train = eval");
}

struct NoGrad;
impl ModuleVisitor for NoGrad {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        assert!(!param.is_require_grad(), "the teacher takes no gradients");
    }
}

#[test]
fn golden_moving_average() {
    let config = ProjectorConfig { input: 3, hidden: 2, output: 2 };
    let constant = |value: f32| -> Projector {
        let start = config.init(&device());
        let tensors = named_tensors(&start)
            .into_iter()
            .map(|(key, mut tensor)| {
                tensor.values.fill(value);
                (key, tensor)
            })
            .collect();
        import_tensors(start, tensors).unwrap().0
    };
    let (mut teacher, student) = (constant(0.0).no_grad(), constant(1.0));
    for want in [0.1f32, 0.19, 0.271] {
        teacher = teacher.follow(&student, 0.9);
        for (key, tensor) in named_tensors(&teacher) {
            assert!(tensor.values.iter().all(|v| (v - want).abs() < 1e-6), "{key}");
        }
    }
    teacher.visit(&mut NoGrad);
}
