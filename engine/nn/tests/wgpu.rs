//! The GPU kernels of burn compute the same networks as the CPU reference.
//!
//! Runs on any Vulkan adapter, a software one included; by hand, because kernel
//! compilation takes a while: `cargo nextest run -E 'binary(wgpu)' --run-ignored all`.

#![expect(clippy::print_stdout, reason = "prints what it measured")]

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, DeviceKind, Distribution, Tensor};
use voco_nn::{VocoBatch, VocoModelConfig};

fn compare(name: &str, size: [usize; 3]) {
    let (cpu, gpu) = (Device::flex().autodiff(), Device::wgpu(DeviceKind::DefaultDevice).autodiff());
    let config = VocoModelConfig::from_name(name).expect("a preset");
    let model = config.init(&cpu, 1);
    let crop = |n: usize| {
        let [d, h, w] = size;
        Tensor::<5>::random([n, 1, d, h, w], Distribution::Uniform(0.0, 1.0), &cpu)
    };
    let labels = Tensor::<3>::full([2, 1, 2], 0.5, &cpu);
    let batch = VocoBatch { queries: crop(2), bases: crop(4), labels };
    let run = |device: &Device| {
        let mut model = model.clone().fork(device);
        let batch = VocoBatch {
            queries: batch.queries.clone().to_device(device),
            bases: batch.bases.clone().to_device(device),
            labels: batch.labels.clone().to_device(device),
        };
        let (out, gradients) = model.step_chunked(&batch, None, 2, || true).expect("not cancelled");
        let norm = voco_nn::optim::gradient_norm(&model, &gradients);
        drop::<GradientsParams>(gradients);
        let rows: Vec<f32> = out.embeddings.into_data().iter::<f32>().collect();
        (rows, out.losses.values().total, norm)
    };
    let (a, b) = (run(&cpu), run(&gpu));
    let error = a.0.iter().zip(&b.0).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{name}: embeddings {error:.1e}, total {} {}, gradient {} {}", a.1, b.1, a.2, b.2);
    assert!(error < 1e-3, "{name}: embeddings differ by {error}");
    assert!((a.1 - b.1).abs() < 1e-2, "{name}: totals {} and {}", a.1, b.1);
}

#[test]
#[ignore = "needs a Vulkan adapter"]
fn unet_tiny_on_the_gpu() {
    compare("unet-tiny", [64; 3]);
}

#[test]
#[ignore = "needs a Vulkan adapter"]
fn swin_tiny_on_the_gpu() {
    compare("tiny", [64, 32, 32]);
}
