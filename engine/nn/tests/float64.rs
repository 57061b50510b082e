//! The whole VoCo step in double precision.
//!
//! In f32 the kinks of the leaky ReLU cost up to a percent in single gradients,
//! in torch's own f32 too. In f64 nothing but the method itself is left, and
//! every gradient agrees to the seven digits that the fixtures store. A separate
//! binary, because a process sets the number format of a device only once.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests stop at the first surprise and print what they measured"
)]

#[path = "parity/fixture.rs"]
#[expect(dead_code, reason = "shared with the parity tests")]
mod fixture;
#[path = "parity/model.rs"]
mod model;

use std::sync::Once;

use burn::optim::GradientsParams;
use burn::tensor::{Device, DeviceConfig, FloatDType, Tensor};
use voco_nn::weights::import_tensors;
use voco_nn::{VocoBatch, VocoModel};

use fixture::{Fixture, rel_l2, vec, within};
use model::{head_model, named_gradients};

fn device() -> Device {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let config = DeviceConfig::default().float_dtype(FloatDType::F64);
        Device::flex().configure(config).unwrap();
    });
    Device::flex().autodiff()
}

fn load() -> Option<(VocoModel, Fixture, Fixture)> {
    let device = device();
    assert!(device.is_autodiff(), "configured before the first tensor");
    let head = Fixture::open("voco/head.safetensors")?;
    let data = Fixture::open("voco/end_to_end.safetensors")?;
    let backbone = Fixture::open("swin_unetr/model.safetensors")?;
    let (model, _) = import_tensors(head_model(&head), backbone.tensors).unwrap();
    Some((model, head, data))
}

#[test]
fn gradients_of_one_crop_are_exact() {
    let Some((model, head, data)) = load() else { return };
    let crop = data.get::<5>("imgs", &device()).narrow(0, 0, 1) / 256.0;
    let upstream = head.get::<2>("a.grad.embeddings", &device()).narrow(0, 0, 1);
    let embedding: Tensor<2> = model.embed(crop);
    let want = &data.values("embeddings64")[..288];
    within("embedding", rel_l2(&vec(embedding.clone()), want), 1e-6);
    let product = (embedding * upstream).sum();
    let gradients = GradientsParams::from_grads(product.backward(), &model);
    compare(&model, &gradients, &data, "grad_sample0.");
}

#[test]
#[ignore = "two minutes"]
fn whole_step_is_exact() {
    let Some((mut model, head, data)) = load() else { return };
    let batch = VocoBatch {
        queries: data.get::<5>("imgs", &device()) / 256.0,
        bases: data.get::<5>("crops", &device()) / 256.0,
        labels: head.get::<3>("labels", &device()),
    };
    let (out, gradients) = model.step_chunked(&batch, None, 2, || true).unwrap();
    within("embeddings", rel_l2(&vec(out.embeddings), data.values("embeddings64")), 1e-6);
    let error = f64::from((out.losses.values().total - head.scalar("a.total")).abs());
    within("total", error, 1e-6);
    compare(&model, &gradients, &data, "grad.");
}

fn compare(model: &VocoModel, gradients: &GradientsParams, data: &Fixture, prefix: &str) {
    let named = named_gradients(model, gradients);
    let mut worst = 0.0f64;
    for (key, want) in data.below(prefix) {
        // Keys with a range hold the first rows only.
        let (name, _) = key.split_once('[').unwrap_or((&key, ""));
        let got = &named[&format!("backbone.{name}")].values[..want.values.len()];
        worst = worst.max(within(&key, rel_l2(got, &want.values), 2e-6));
    }
    println!("{prefix}: worst {worst:.1e}");
}
