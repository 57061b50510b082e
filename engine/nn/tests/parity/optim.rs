//! Optimiser trajectories and schedules.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use voco_nn::optim::clip_gradient_norm;
use voco_nn::schedule::{LinearWarmupCosine, Polynomial, WarmupCosine};
use voco_nn::{AdamW, AdamWSettings, Sgd, SgdSettings};

use crate::fixture::{Fixture, json, max_abs, vec, within};

#[derive(Module, Debug)]
struct One {
    weight: Param<Tensor<2>>,
}

fn start(data: &Fixture) -> One {
    let device = Device::flex().autodiff();
    One { weight: Param::from_tensor(data.get("param0", &device)) }
}

fn step(optimizer: &mut AdamW, lr: f64, model: One, grads: &Tensor<3>, index: usize) -> One {
    let mut gradients = GradientsParams::new();
    let grad = grads.clone().narrow(0, index, 1).squeeze_dim::<2>(0);
    gradients.register(model.weight.id, grad);
    optimizer.step(lr, model, gradients)
}

fn sgd_step(optimizer: &mut Sgd, lr: f64, model: One, grads: &Tensor<3>, index: usize) -> One {
    let mut gradients = GradientsParams::new();
    gradients.register(model.weight.id, grads.clone().narrow(0, index, 1).squeeze_dim::<2>(0));
    optimizer.step(lr, model, gradients)
}

#[test]
fn adamw_follows_torch() {
    let Some(data) = Fixture::open("optim/steps.safetensors") else { return };
    let grads = data.get::<3>("grads", &Device::flex());
    let published = AdamWSettings::default();
    let fine = AdamWSettings { weight_decay: 1e-5, amsgrad: false, ..published };
    for (name, lr, settings) in [
        ("adamw_amsgrad_1e-4", 1e-4, published),
        ("adamw_amsgrad_3e-3", 3e-3, published),
        ("adamw_wd1e-5_3e-4", 3e-4, fine),
        ("adam_l2_1e-3", 1e-3, AdamWSettings { weight_decay: 1e-3, coupled: true, ..fine }),
    ] {
        let mut optimizer = AdamW::new(settings);
        let mut model = start(&data);
        let mut worst = 0.0f64;
        for index in 0..5 {
            if index == 2 {
                // A restart in the middle must not show.
                let bytes = optimizer.to_bytes().unwrap();
                optimizer = AdamW::from_bytes(settings, &bytes, &Device::flex().autodiff()).unwrap();
            }
            model = step(&mut optimizer, lr, model, &grads, index);
            let got = vec(model.weight.val());
            let want = &data.values(&format!("{name}.params"))[index * 35..][..35];
            worst = worst.max(within(name, max_abs(&got, want), 2e-6));
        }
        assert!(model.weight.is_require_grad(), "still trainable");
        println!("{name}: {worst:.1e}");
    }
}

#[test]
fn sgd_follows_torch() {
    let Some(data) = Fixture::open("optim/steps.safetensors") else { return };
    let grads = data.get::<3>("grads", &Device::flex());
    let nesterov = SgdSettings { momentum: 0.99, nesterov: true, weight_decay: 1e-5 };
    let plain = SgdSettings { momentum: 0.9, nesterov: false, weight_decay: 1e-3 };
    for (name, settings) in [("sgd_nesterov", nesterov), ("sgd_momentum", plain)] {
        let mut optimizer = Sgd::new(settings);
        let mut model = start(&data);
        let mut worst = 0.0f64;
        for index in 0..5 {
            if index == 2 {
                let bytes = optimizer.to_bytes().unwrap();
                optimizer = Sgd::from_bytes(settings, &bytes, &Device::flex().autodiff()).unwrap();
            }
            model = sgd_step(&mut optimizer, 0.01, model, &grads, index);
            let want = &data.values(&format!("{name}.params"))[index * 35..][..35];
            worst = worst.max(within(name, max_abs(&vec(model.weight.val()), want), 2e-6));
        }
        println!("{name}: {worst:.1e}");
    }
}

#[test]
fn clipping_follows_torch() {
    #[derive(Module, Debug)]
    struct Three {
        a: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
        c: Param<Tensor<3>>,
    }
    let Some(data) = Fixture::open("optim/steps.safetensors") else { return };
    let device = Device::flex();
    let model = Three {
        a: Param::from_tensor(data.get("clip.grad0", &device)),
        b: Param::from_tensor(data.get("clip.grad1", &device)),
        c: Param::from_tensor(data.get("clip.grad2", &device)),
    };
    let mut gradients = GradientsParams::new();
    gradients.register(model.a.id, model.a.val());
    gradients.register(model.b.id, model.b.val());
    gradients.register(model.c.id, model.c.val());
    let norm = clip_gradient_norm(&model, &mut gradients, 1.0);
    within("norm", (norm - f64::from(data.scalar("clip.total_norm"))).abs(), 1e-5);
    let got = [
        vec(gradients.get::<2>(model.a.id).unwrap()),
        vec(gradients.get::<1>(model.b.id).unwrap()),
        vec(gradients.get::<3>(model.c.id).unwrap()),
    ];
    for (i, got) in got.iter().enumerate() {
        let want = data.values(&format!("clip.out{i}"));
        within("clipped", max_abs(got, want), 1e-6);
    }
    let norm = clip_gradient_norm(&model, &mut gradients, 2.0);
    within("small gradients stay", (norm - 1.0).abs(), 1e-5);
}

#[test]
fn polynomial_schedule_is_the_formula() {
    let schedule = Polynomial::new(0.01, 1000);
    check("start", schedule.lr(0), 0.01);
    check("middle", schedule.lr(500), 0.01 * 0.5f64.powf(0.9));
    check("last", schedule.lr(999), 0.01 * (1.0f64 - 0.999).powf(0.9));
    check("end", schedule.lr(1000), 0.0);
    check("beyond", schedule.lr(2000), 0.0);
}

#[test]
fn scheduled_run_follows_torch() {
    let Some(data) = Fixture::open("optim/steps.safetensors") else { return };
    let grads = data.get::<3>("scheduled.grads", &Device::flex());
    let schedule = WarmupCosine::new(3, 20);
    let mut optimizer = AdamW::new(AdamWSettings::default());
    let mut model = start(&data);
    for index in 0..12 {
        let lr = 0.01 * schedule.factor(index as u64);
        model = step(&mut optimizer, lr, model, &grads, index);
        let want = &data.values("scheduled.params")[index * 35..][..35];
        within("scheduled", max_abs(&vec(model.weight.val()), want), 2e-6);
    }
}

#[test]
fn resumed_optimiser_is_bit_exact() {
    let Some(data) = Fixture::open("optim/steps.safetensors") else { return };
    let grads = data.get::<3>("grads", &Device::flex());
    let settings = AdamWSettings::default();
    let run = |restart: bool| {
        let mut optimizer = AdamW::new(settings);
        let mut model = start(&data);
        for index in 0..5 {
            if restart {
                let bytes = optimizer.to_bytes().unwrap();
                optimizer = AdamW::from_bytes(settings, &bytes, &Device::flex()).unwrap();
            }
            model = step(&mut optimizer, 3e-3, model, &grads, index);
        }
        vec(model.weight.val()).into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn schedules_match() {
    let Some(cases) = json("optim/warmup_cosine.json") else { return };
    for (name, case) in cases.as_object().unwrap() {
        let schedule = WarmupCosine {
            warmup: case["warmup_steps"].as_u64().unwrap(),
            total: case["t_total"].as_u64().unwrap(),
            cycles: case["cycles"].as_f64().unwrap(),
        };
        let steps = case["steps"].as_array().unwrap();
        for (step, want) in steps.iter().zip(case["factor"].as_array().unwrap()) {
            check(name, schedule.factor(step.as_u64().unwrap()), want.as_f64().unwrap());
        }
    }
    let Some(cases) = json("optim/linear_warmup_cosine.json") else { return };
    for (name, case) in cases.as_object().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let schedule = LinearWarmupCosine {
            base_lr: number("base_lr"),
            warmup: case["warmup_epochs"].as_u64().unwrap(),
            total: case["max_epochs"].as_u64().unwrap(),
            start_lr: number("warmup_start_lr"),
            eta_min: number("eta_min"),
        };
        for (step, want) in (0..).zip(case["lr_closed_form"].as_array().unwrap()) {
            check(name, schedule.lr(step), want.as_f64().unwrap());
        }
    }
}

fn check(name: &str, got: f64, want: f64) {
    // Relative, except at the zero of the cosine.
    assert!((got - want).abs() <= 1e-9 * want.abs() + 1e-15, "{name}: {got} for {want}");
}
