//! Dice and cross-entropy against MONAI, values and gradients.

use burn::tensor::{DType, Device, Int, Tensor};
use voco_nn::losses::{DiceCeSettings, DiceSettings, cross_entropy, dice, dice_ce, dice_values};

use crate::fixture::{Fixture, json, max_abs, rel_l2, vec, within};

/// MONAI's defaults count the background.
fn monai() -> DiceSettings {
    DiceSettings { include_background: true, ..DiceSettings::default() }
}

fn loss(name: &str, logits: Tensor<5>, labels: Tensor<5, Int>) -> Tensor<1> {
    let no_background = DiceSettings::default();
    let both = |dice| DiceCeSettings { dice, ..DiceCeSettings::default() };
    match name {
        "ce" => cross_entropy(logits, labels),
        "dicece_nobg" => dice_ce(&DiceCeSettings::default(), logits, labels),
        "dicece_bg" => dice_ce(&both(monai()), logits, labels),
        "dicece_squared" => dice_ce(&both(DiceSettings::squared()), logits, labels),
        "dicece_nobg_batch" => dice_ce(&both(DiceSettings { batch: true, ..no_background }), logits, labels),
        "dicece_weighted" => {
            let settings = DiceCeSettings { lambda_dice: 0.7, lambda_ce: 0.4, ..DiceCeSettings::default() };
            dice_ce(&settings, logits, labels)
        }
        "dice_nobg" => dice(&no_background, logits, labels),
        "dice_bg" => dice(&monai(), logits, labels),
        "dice_squared" => dice(&DiceSettings::squared(), logits, labels),
        "dice_batch" => dice(&DiceSettings { batch: true, ..monai() }, logits, labels),
        "dice_jaccard" => dice(&DiceSettings { jaccard: true, ..monai() }, logits, labels),
        other => panic!("unknown configuration {other}"),
    }
}

#[test]
fn values_and_gradients_follow_monai() {
    let Some(data) = Fixture::open("losses/cases.safetensors") else { return };
    let values = json("losses/values.json").unwrap();
    let device = Device::flex().autodiff();
    let (mut worst_value, mut worst_gradient, mut gradients) = (0.0f64, 0.0f64, 0);
    for (key, want) in values.as_object().unwrap() {
        let (set, name) = key.split_once('.').unwrap();
        let logits = data.get::<5>(&format!("{set}.logits"), &device).require_grad();
        let labels = data.get::<5>(&format!("{set}.labels"), &device).int();
        if name == "dice_none" {
            let got = vec(dice_values(&monai(), logits, labels));
            within(key, max_abs(&got, data.values(&format!("{key}.value"))), 1e-5);
            continue;
        }
        let value = loss(name, logits.clone(), labels);
        let got = f64::from(value.clone().into_scalar::<f32>());
        worst_value = worst_value.max(within(key, (got - want["value"].as_f64().unwrap()).abs(), 1e-5));
        let gradient = format!("{key}.grad");
        if data.tensors.contains_key(&gradient) {
            let got = vec(logits.grad(&value.backward()).unwrap());
            worst_gradient = worst_gradient.max(within(key, rel_l2(&got, data.values(&gradient)), 1e-4));
            gradients += 1;
        }
    }
    println!("values {worst_value:.1e}, {gradients} gradients {worst_gradient:.1e}");
    assert!(gradients >= 20, "all gradients compared");
}

#[test]
fn an_absent_class_costs_one() {
    // Facts 8.4: all background, 3 classes, logits (2, 0, 0).
    let device = Device::flex();
    let row = Tensor::<1>::from_data([2.0f32, 0.0, 0.0], &device);
    let logits = row.reshape([1, 3, 1, 1, 1]).expand([1, 3, 4, 4, 4]);
    let labels = Tensor::<5, Int>::zeros([1, 1, 4, 4, 4], &device);
    let got = dice_ce(&DiceCeSettings::default(), logits, labels).into_scalar::<f32>();
    within("total", f64::from((got - 1.239_543_3).abs()), 1e-5);
}

#[test]
fn half_precision_does_not_overflow() {
    let device = Device::flex();
    let logits = Tensor::<5>::ones([1, 2, 64, 64, 32], &device).cast(DType::F16);
    let labels = Tensor::<5, Int>::ones([1, 1, 64, 64, 32], &device);
    let got = dice_ce(&DiceCeSettings::default(), logits, labels).into_scalar::<f32>();
    // Dice 2·(n/2)/(n/2 + n), cross-entropy ln 2.
    within("total", f64::from((got - (1.0 - 2.0 / 3.0 + std::f32::consts::LN_2)).abs()), 1e-3);
}
