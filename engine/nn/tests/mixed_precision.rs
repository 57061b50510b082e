//! Half precision gives what single precision gives, up to its digits; on the CPU, which computes in both.

#![expect(clippy::print_stdout, reason = "tests print what they measured")]

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Int, Tensor};
use voco_nn::losses::{DiceCeSettings, dice_ce};
use voco_nn::plain::{PlainConfig, PlainUnetConfig};
use voco_nn::swin::SwinUnetrConfig;
use voco_nn::{Architecture, LossScale, Network, Passes, Precision, VocoBatch, VocoModelConfig};

/// All gradients of a module as one vector.
struct Collect(GradientsParams, Vec<f32>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.0.get::<D>(param.id) {
            self.1.extend(gradient.into_data().iter::<f32>());
        }
    }
}

fn flat<M: Module>(module: &M, gradients: GradientsParams) -> Vec<f32> {
    let mut collect = Collect(gradients, Vec::new());
    module.visit(&mut collect);
    collect.1
}

/// Length of the difference as a share of the length.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "as many gradients");
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let difference = square(&mut a.iter().zip(b).map(|(a, b)| a - b));
    (difference / square(&mut b.iter().copied())).sqrt()
}

fn random(dims: [usize; 5], device: &Device) -> Tensor<5> {
    Tensor::random(dims, Distribution::Uniform(0.0, 1.0), device)
}

/// Loss and gradients of a segmentation network.
fn segmentation(network: &Network, x: &Tensor<5>, precision: Precision) -> (f32, Vec<f32>) {
    let [n, _, d, h, w] = x.dims();
    let labels = x.clone().narrow(1, 0, 1).greater_elem(0.7).int().reshape([n, 1, d, h, w]);
    let labels: Tensor<5, Int> = labels.without_autodiff();
    let logits = network.forward(precision.enter(x.clone())).logits.expect("a network with logits");
    let scale = LossScale::new(precision).factor();
    let loss = dice_ce(&DiceCeSettings::default(), logits, labels);
    let value = loss.clone().into_scalar::<f32>();
    let mut gradients = GradientsParams::from_grads((loss * scale).backward(), network);
    voco_nn::optim::scale_gradients(network, &mut gradients, 1.0 / scale);
    (value, flat(network, gradients))
}

#[test]
fn segmentation_networks() {
    let encoder = PlainConfig {
        in_channels: 1,
        features: vec![8, 12, 16],
        kernels: vec![[3; 3]; 3],
        strides: vec![[1; 3], [2; 3], [2; 3]],
        convs: vec![2; 3],
    };
    let plain = PlainUnetConfig { encoder, classes: 2, up_convs: vec![2; 2], stem: None };
    let cases = [
        (Architecture::PlainUnet(plain), [16, 16, 16]),
        (Architecture::SwinUnetr(SwinUnetrConfig::new(12, 2)), [64, 32, 32]),
    ];
    for (architecture, [d, h, w]) in cases {
        let device = Device::flex().autodiff();
        let network = architecture.init_seeded(&device, 3);
        let x = random([1, 1, d, h, w], &device);
        let (loss, gradients) = segmentation(&network, &x, Precision::F32);
        // Rounding of 2⁻¹¹ and 2⁻⁸ adds up over some dozens of layers.
        for (precision, loss_limit, limit) in [(Precision::F16, 2e-3, 0.04), (Precision::BF16, 2e-2, 0.3)] {
            let (half_loss, half) = segmentation(&network, &x, precision);
            let name = architecture.name();
            assert!((half_loss - loss).abs() < loss_limit, "{name} {precision:?}: loss {half_loss}, {loss}");
            let distance = distance(&half, &gradients);
            println!("{name} {precision:?}: {distance:.4}");
            assert!(distance < limit, "{name} {precision:?}: gradients differ by {distance:.3} of their length");
        }
    }
}

#[test]
fn contrast_of_volumes() {
    let device = Device::flex().autodiff();
    let model = VocoModelConfig::from_name("unet-tiny").expect("a model").init(&device, 1);
    let mut labels = vec![0.0f32; 36];
    for row in labels.chunks_mut(9) {
        row[4] = 0.6;
        row[5] = 0.4;
    }
    // Blocks of 16³ that differ from crop to crop: pure noise looks the same everywhere, and what is left is rounding.
    let crops = |n: usize| {
        let blocks = random([n, 1, 4, 4, 4], &device).reshape([n, 1, 4, 1, 4, 1, 4, 1]);
        blocks.expand([n, 1, 4, 16, 4, 16, 4, 16]).reshape([n, 1, 64, 64, 64])
    };
    let batch = VocoBatch {
        queries: crops(4),
        bases: crops(18),
        labels: Tensor::<1>::from_data(labels.as_slice(), &device).reshape([2, 2, 9]),
    };
    let run = |chunk: usize, precision: Precision| {
        // As training finds it: a factor that is too large overflows and is halved.
        let mut scale = LossScale::new(precision);
        loop {
            let passes = Passes { chunk, precision, loss_scale: scale.factor() };
            let (output, gradients) = model.contrast_chunked(&batch, None, passes, || true).expect("not stopped");
            let gradients = flat(&model, gradients);
            if gradients.iter().all(|value| value.is_finite()) {
                return (output.losses.values().total, gradients);
            }
            assert!(scale.can_shrink(), "gradients are not finite with a factor of {}", scale.factor());
            scale.update(false);
        }
    };
    let (loss, gradients) = run(0, Precision::F32);
    for chunk in [0, 8] {
        let (half_loss, half) = run(chunk, Precision::F16);
        let distance = distance(&half, &gradients);
        println!("chunk {chunk}: {distance:.4}");
        assert!((half_loss - loss).abs() < 5e-3 * loss.abs(), "loss {half_loss}, {loss}");
        // Standardised over few crops, what differs between embeddings is small beside what they have in common, and so is
        // rounded more.
        assert!(distance < 0.3, "chunk {chunk}: gradients differ by {distance:.3} of their length");
    }
}

#[test]
fn the_loss_scale_follows_overflows() {
    let mut scale = LossScale::new(Precision::F16);
    let first = scale.factor();
    scale.update(false);
    assert_eq!(scale.factor(), first / 2.0);
    for _ in 0..2000 {
        scale.update(true);
    }
    assert_eq!(scale.factor(), first, "tries a larger one after a while");
    let mut none = LossScale::new(Precision::BF16);
    none.update(false);
    assert_eq!((none.factor(), none.can_shrink()), (1.0, false));
}
