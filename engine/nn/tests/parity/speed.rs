//! Seconds of a training step, to be run by hand:
//! `cargo nextest run --release -p voco_nn speed --run-ignored all --no-capture`.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use voco_nn::{AdamW, AdamWSettings, VocoBatch, VocoModelConfig};

fn batch(device: &Device) -> VocoBatch {
    let crop = |n: usize| Tensor::random([n, 1, 64, 64, 64], Distribution::Uniform(0.0, 1.0), device);
    let mut labels = vec![0.0f32; 36];
    for row in labels.chunks_mut(9) {
        row[4] = 1.0;
    }
    VocoBatch {
        queries: crop(4),
        bases: crop(18),
        labels: Tensor::<1>::from_data(labels.as_slice(), device).reshape([2, 2, 9]),
    }
}

fn time(name: &str, chunk: usize, steps: usize) {
    let device = Device::flex().autodiff();
    let mut model = VocoModelConfig::from_name(name).unwrap().init(&device, 1);
    let mut optimizer = AdamW::new(AdamWSettings::default());
    let batch = batch(&device);
    for _ in 0..steps {
        let start = Instant::now();
        let embedded = model.predict(&batch, chunk);
        drop(embedded.into_data());
        let forward = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let (out, gradients) = model.step_chunked(&batch, None, chunk, || true).unwrap();
        let step = start.elapsed().as_secs_f64();
        let start = Instant::now();
        model = optimizer.step(1e-4, model, gradients);
        println!(
            "{name} chunk {chunk}: forward {forward:.2} s, step {step:.2} s, optimiser {:.2} s, loss {}",
            start.elapsed().as_secs_f64(),
            out.losses.values().total
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_unet_tiny() {
    time("unet-tiny", 0, 3);
    time("unet-tiny", 4, 2);
}

#[test]
#[ignore = "a measurement, minutes"]
fn speed_tiny() {
    time("tiny", 1, 1);
}

#[test]
#[ignore = "a measurement"]
fn speed_tiny_crop() {
    let device = Device::flex().autodiff();
    let model = VocoModelConfig::from_name("tiny").unwrap().init(&device, 1);
    let crop = batch(&device).queries.narrow(0, 0, 1);
    for _ in 0..3 {
        let start = Instant::now();
        drop(model.embed(crop.clone().without_autodiff()).into_data());
        let plain = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let sum = model.embed(crop.clone()).sum();
        let forward = start.elapsed().as_secs_f64();
        let start = Instant::now();
        drop(sum.backward());
        let backward = start.elapsed().as_secs_f64();
        println!("tiny, one crop: {plain:.2} s, with graph {forward:.2} s, backward {backward:.2} s");
    }
}
