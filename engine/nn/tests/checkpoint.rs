//! Gradient checkpointing gives the same numbers, in double precision, where nothing but the order of sums is left, to
//! eleven digits. A separate binary, because a process sets the number format of a device only once.

use std::sync::Once;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, DeviceConfig, Distribution, FloatDType, Tensor};
use voco_nn::plain::{PlainConfig, PlainUnetConfig};
use voco_nn::swin::SwinUnetrConfig;
use voco_nn::{Architecture, Network};

fn device() -> Device {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let config = DeviceConfig::default().float_dtype(FloatDType::F64);
        Device::flex().configure(config).expect("configured before the first tensor");
    });
    Device::flex().autodiff()
}

/// Gradients of all parameters in module order; empty for those that have none.
fn gradients(network: &Network, x: &Tensor<5>) -> Vec<Vec<f64>> {
    struct Collect(GradientsParams, Vec<Vec<f64>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.get::<D>(param.id).map(|gradient| gradient.into_data().iter::<f64>().collect());
            self.1.push(gradient.unwrap_or_default());
        }
    }
    let logits = network.forward(x.clone()).logits.expect("a network with logits");
    // No symmetric loss: every place gets another gradient.
    let weight = Tensor::<1, burn::tensor::Int>::arange(0..logits.shape().num_elements() as i64, &x.device());
    let loss = (logits.clone() * weight.float().sin().reshape(logits.dims())).sum();
    let mut collect = Collect(GradientsParams::from_grads(loss.backward(), network), Vec::new());
    network.visit(&mut collect);
    collect.1
}

fn compare(architecture: &Architecture, size: [usize; 3]) {
    let device = device();
    device.seed(7);
    let network = architecture.init(&device);
    let [d, h, w] = size;
    let x = Tensor::<5>::random([2, 1, d, h, w], Distribution::Uniform(0.0, 1.0), &device);
    let kept = gradients(&network, &x);
    let repeated = gradients(&network.with_checkpointing(true), &x);
    assert_eq!(kept.len(), repeated.len(), "as many parameters");
    for (index, (kept, repeated)) in kept.iter().zip(&repeated).enumerate() {
        assert_eq!(kept.len(), repeated.len(), "parameter {index}");
        let distance: f64 = kept.iter().zip(repeated).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let norm: f64 = kept.iter().map(|a| a.powi(2)).sum::<f64>().sqrt();
        // A bias before an instance norm has a gradient of 0, but for rounding.
        assert!(distance <= 1e-11 * norm.max(1.0), "parameter {index}: {distance:.1e} of {norm:.1e}");
    }
}

#[test]
fn swin_unetr() {
    compare(&Architecture::SwinUnetr(SwinUnetrConfig::new(12, 3)), [64, 32, 32]);
}

#[test]
fn plain_unet() {
    let encoder = PlainConfig {
        in_channels: 1,
        features: vec![4, 8, 12],
        kernels: vec![[3; 3]; 3],
        strides: vec![[1; 3], [2; 3], [2; 3]],
        convs: vec![2; 3],
    };
    compare(
        &Architecture::PlainUnet(PlainUnetConfig { encoder, classes: 3, up_convs: vec![2; 2], stem: None }),
        [8, 12, 16],
    );
}
