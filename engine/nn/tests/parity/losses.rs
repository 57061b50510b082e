//! Position loss, similarity, regularisation, dropout rows, CVPR recipe.

use burn::tensor::{Device, Tensor, TensorData};
use voco_nn::voco::losses::{cross_entropy, regularization, similarity, total};
use voco_nn::voco::{Projections, Recipe};

use crate::fixture::{Fixture, json, max_abs, rel_l2, vec, within};

fn device() -> Device {
    Device::flex().autodiff()
}

#[test]
fn ce_loss_matches_twenty_cases() {
    let Some(data) = Fixture::open("voco/ce_loss.safetensors") else { return };
    let Some(cases) = json("voco/ce_loss.json") else { return };
    let (mut worst, mut worst_grad) = (0.0f64, 0.0f64);
    for case in cases.as_array().unwrap() {
        let name = format!("ce{:02}", case["index"].as_u64().unwrap());
        let labels = data.get::<2>(&format!("{name}.labels"), &device()).unsqueeze::<3>();
        let logits = data.get::<2>(&format!("{name}.logits"), &device()).require_grad();
        let near = |got: f32, key: &str| {
            let want = case[key].as_f64().unwrap();
            let error = (f64::from(got) - want).abs();
            assert!(error <= 1e-5 || error <= 1e-4 * want.abs(), "{name} {key}: {got} for {want}");
            error / want.abs().max(0.1)
        };
        for recipe in [Recipe::Tpami, Recipe::Cvpr] {
            let (pos, neg) = cross_entropy(recipe, labels.clone(), logits.clone().unsqueeze::<3>());
            let sum = pos.clone() + neg.clone();
            let key = match recipe {
                Recipe::Tpami => {
                    worst = worst.max(near(sum.clone().into_scalar(), "lsm_f64"));
                    "grad_lsm"
                }
                Recipe::Cvpr => {
                    worst = worst.max(near(pos.into_scalar(), "cvpr_pos_f64"));
                    worst = worst.max(near(neg.into_scalar(), "cvpr_neg_f64"));
                    "grad_cvpr"
                }
            };
            let grad = vec(logits.grad(&sum.backward()).unwrap());
            let error = rel_l2(&grad, data.values(&format!("{name}.{key}")));
            worst_grad = worst_grad.max(within(&format!("{name} {key}"), error, 1e-4));
        }
    }
    println!("ce_loss: worst relative {worst:.1e}, gradient {worst_grad:.1e}");
}

#[test]
fn similarity_and_regularisation_match() {
    let Some(data) = Fixture::open("voco/assign_regularization.safetensors") else { return };
    let (mut value, mut gradient) = (0.0f64, 0.0f64);
    for i in 0..10 {
        let key = |part: &str| format!("oa{i}.{part}");
        let feats = data.get::<2>(&key("feats"), &device()).require_grad();
        let bases = data.get::<2>(&key("bases"), &device()).require_grad();
        let out = similarity(feats.clone().unsqueeze(), bases.clone().unsqueeze());
        let weight = data.get::<2>(&key("weight"), &device()).unsqueeze::<3>();
        let grads = (out.clone() * weight).sum().backward();
        value = value.max(within(&key("out"), max_abs(&vec(out), data.values(&key("out"))), 1e-5));
        for (name, tensor) in [("grad_feats", &feats), ("grad_bases", &bases)] {
            let grad = vec(tensor.grad(&grads).unwrap());
            let error = relative(&grad, data.values(&key(name)));
            gradient = gradient.max(within(&key(name), error, 1e-4));
        }
        let key = |part: &str| format!("reg{i}.{part}");
        let bases = data.get::<2>(&key("bases"), &device()).require_grad();
        let loss = regularization(bases.clone().unsqueeze());
        let grad = vec(bases.grad(&loss.backward()).unwrap());
        let error = max_abs(&vec(loss), data.values(&key("value")));
        value = value.max(within(&key("value"), error, 1e-5));
        let error = relative(&grad, data.values(&key("grad")));
        gradient = gradient.max(within(&key("grad"), error, 1e-4));
    }
    println!("assign/reg: value {value:.1e}, gradient {gradient:.1e}");
}

/// Relative error, but (100-fold) absolute for gradients that are zero up to
/// rounding, as those of parallel and of orthogonal vectors are.
fn relative(got: &[f32], want: &[f32]) -> f64 {
    let zero = want.iter().all(|v| v.abs() < 1e-6);
    if zero { max_abs(got, want) * 1e2 } else { rel_l2(got, want) }
}

#[test]
fn dropout1d_is_a_row_scale() {
    let Some(data) = Fixture::open("voco/dropout1d.safetensors") else { return };
    let x = data.values("x");
    for draw in data.values("y").chunks(x.len()) {
        for (row, out) in x.chunks(3).zip(draw.chunks(3)) {
            let scale = if out.iter().all(|&v| v == 0.0) { 0.0 } else { 1.25 };
            let scaled: Vec<f32> = row.iter().map(|v| v * scale).collect();
            within("row", max_abs(&scaled, out), 1e-6);
        }
    }
}

#[test]
fn cvpr_recipe_matches_the_reference_forward() {
    let Some(data) = Fixture::open("voco/cvpr_head.safetensors") else { return };
    let get = |key: &str| data.get::<2>(key, &device());
    let rows = Tensor::cat(["img", "crops"].map(|key| data.get::<3>(key, &device())).to_vec(), 0);
    let [n, _, width] = rows.dims();
    let rows = rows.reshape([n, width]);
    // The stand-in networks: y = l2(tanh(l1(x))).
    let run = |l1: &Tensor<2>, b1: &Tensor<1>, l2: &Tensor<2>, b2: &Tensor<1>| {
        let hidden = rows.clone().matmul(l1.clone().transpose()) + b1.clone().unsqueeze();
        hidden.tanh().matmul(l2.clone().transpose()) + b2.clone().unsqueeze()
    };
    let l1 = get("student.l1.weight").require_grad();
    let l2 = get("student.l2.weight").require_grad();
    let bias = |key: &str| data.get::<1>(key, &device());
    let student = run(&l1, &bias("student.l1.bias"), &l2, &bias("student.l2.bias"));
    let teacher = run(
        &get("teacher_after.l1.weight"),
        &bias("teacher_after.l1.bias"),
        &get("teacher_after.l2.weight"),
        &bias("teacher_after.l2.bias"),
    );
    let pair = Projections::split(student, teacher, 2, 2);
    let (terms, _) = total(Recipe::Cvpr, &pair, data.get::<3>("labels", &device()));
    let values = terms.values();
    for (got, key) in [(values.positive, "pos"), (values.negative, "neg"), (values.reg, "base")] {
        within(key, f64::from((got - data.scalar(key)).abs()), 1e-5);
    }
    assert!(values.inter.abs() < f32::EPSILON, "no inter term");
    let grads = terms.total.backward();
    for (weight, key) in [(&l1, "grad.student.l1.weight"), (&l2, "grad.student.l2.weight")] {
        let grad = vec(weight.grad(&grads).unwrap());
        within(key, rel_l2(&grad, data.values(key)), 1e-4);
    }
}

// Golden vectors of the fact sheet, 8.2: formulas only.

#[expect(clippy::cast_precision_loss, reason = "small indices")]
fn table(rows: usize, columns: usize, value: impl Fn(f64, f64) -> f64) -> Tensor<3> {
    let mut values = Vec::new();
    for k in 0..rows {
        values.extend((0..columns).map(|i| value(i as f64, k as f64)));
    }
    Tensor::from_data(TensorData::new(values, [1, rows, columns]), &device())
}

fn golden_bases() -> Tensor<3> {
    table(9, 5, |i, k| (0.7 * i + 0.3 * k * k).sin())
}

#[test]
fn golden_similarity() {
    let queries = table(2, 5, |i, k| (0.4 * i + 0.9 * k).cos());
    let want = [
        0.673_001, 0.853_721, 0.835_896, 0.0, 0.0, 0.828_760, 0.0, 0.219_500, 0.875_162, //
        0.0, 0.0, 0.764_960, 0.754_474, 0.0, 0.774_932, 0.0, 0.981_347, 0.002_292,
    ];
    within("sim", max_abs(&vec(similarity(queries, golden_bases())), &want), 2e-6);
}

#[test]
fn golden_regularisation() {
    let bases = golden_bases().require_grad();
    let loss = regularization(bases.clone());
    let grad = vec(bases.grad(&loss.backward()).unwrap());
    within("reg", (f64::from(loss.into_scalar::<f32>()) - 0.223_326_490_503_083_04).abs(), 1e-6);
    let norms: Vec<f32> = grad.chunks(5).map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt()).collect();
    let want = [0.041_014, 0.037_449, 0.006_404, 0.022_480, 0.008_199, 0.000_309, 0.0, 0.0, 0.0];
    within("reg gradient", max_abs(&norms, &want), 1e-6);
}

#[test]
fn golden_position_loss() {
    let row = |values: [f32; 9]| Tensor::<3>::from_data(TensorData::new(values.to_vec(), [1, 1, 9]), &device());
    let ce = |labels: [f32; 9], p: [f32; 9]| {
        let (pos, neg) = cross_entropy(Recipe::Tpami, row(labels), row(p));
        (f64::from(pos.into_scalar::<f32>()), f64::from(neg.into_scalar::<f32>()))
    };
    let mut one_hot = [0.0; 9];
    one_hot[4] = 1.0;
    let corner = [0.25, 0.25, 0.0, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0];
    let (pos, neg) = ce(one_hot, [0.5; 9]);
    within("pos", (pos - 0.693_144).abs(), 2e-6);
    within("neg", (neg - 0.693_145).abs(), 2e-6);
    within("corner", (ce(corner, [0.5; 9]).0 - 0.287_680).abs(), 2e-6);
    // log(1e-6) through f32 addition: 1 + 1e-6 rounds, so four digits are left.
    within("zero", (ce(one_hot, [0.0; 9]).0 - 13.815_497).abs(), 1e-4);
    within("one", (ce(one_hot, [1.0; 9]).1 - 13.815_509).abs(), 1e-4);

    let mut second = [0.0; 9];
    for (k, value) in [(3, 0.673_828_1), (4, 0.263_671_9), (6, 0.044_921_9), (7, 0.017_578_1)] {
        second[k] = value;
    }
    let p = [[0.1, 0.2, 0.05, 0.3, 0.8, 0.15, 0.0, 0.25, 0.4], [0.6, 0.1, 0.0, 0.2, 0.3, 0.05, 0.0, 0.0, 0.1]];
    let pair = |a: [f32; 9], b: [f32; 9]| Tensor::cat(vec![row(a), row(b)], 1);
    let (pos, neg) = cross_entropy(Recipe::Tpami, pair(one_hot, second), pair(p[0], p[1]));
    within("pos", (f64::from(pos.into_scalar::<f32>()) - 0.333_978_6).abs(), 2e-6);
    within("neg", (f64::from(neg.into_scalar::<f32>()) - 0.221_214_4).abs(), 2e-6);
    // A perfect prediction is slightly below zero.
    assert!(ce(corner, corner).0 <= 0.0, "1e-6 inside the logarithm");
}
