//! The whole network with projectors: pieces give the numbers of the whole, and each loss reaches the parts that it should.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use voco_nn::losses::{DiceCeSettings, dice_ce};
use voco_nn::plain::PlainUnetConfig;
use voco_nn::swin::SwinUnetrConfig;
use voco_nn::voco::{OmniConfig, OmniModel, VocoBatch, pseudo_labels};
use voco_nn::weights::named_tensors;
use voco_nn::{AdamW, AdamWSettings, Architecture, VocoModelConfig};

fn plain() -> OmniConfig {
    OmniConfig {
        network: Architecture::PlainUnet(PlainUnetConfig::unet_tiny(3)),
        head: VocoModelConfig::from_name("unet-tiny"),
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn crops(count: usize, edge: usize, phase: f32) -> Tensor<5> {
    let values: Vec<f32> =
        (0..count * edge.pow(3)).map(|n| ((n as f32 * 0.37 + phase).sin() * 437.5).fract()).collect();
    Tensor::from_data(TensorData::new(values, [count, 1, edge, edge, edge]), &device())
}

fn labels(count: usize, edge: usize) -> Tensor<5, Int> {
    let values: Vec<i32> = (0..count * edge.pow(3)).map(|n| (n / 97 % 3) as i32).collect();
    Tensor::from_data(TensorData::new(values, [count, 1, edge, edge, edge]), &device())
}

/// Values that change in one step by these gradients.
fn moved(model: &OmniModel, gradients: GradientsParams) -> Vec<String> {
    let before = named_tensors(model);
    let after = named_tensors(&AdamW::new(AdamWSettings::default()).step(1e-2, model.clone(), gradients));
    before.into_iter().filter(|(key, tensor)| after[key] != *tensor).map(|(key, _)| key).collect()
}

#[test]
fn both_halves_are_the_whole_and_chunks_are_the_batch() {
    let model = plain().init(&device(), 3);
    let (images, labels) = (crops(3, 64, 0.1), labels(3, 64));
    let whole = model.network().forward(images.clone()).logits.expect("logits");
    let halves = model.network().logits(images.clone());
    assert_eq!(whole.clone().into_data(), halves.into_data(), "encode and decode are forward");
    let loss = dice_ce(&DiceCeSettings::default(), whole, labels.clone());
    let expected: f32 = loss.into_data().iter::<f32>().next().expect("a number");
    for chunk in [0, 1, 2] {
        let (value, _) = model.supervise_chunked(&images, &labels, chunk, || true).expect("not stopped");
        assert!((value - f64::from(expected)).abs() < 1e-5, "chunk {chunk}: {value}, {expected} at once");
    }
    assert!(model.supervise_chunked(&images, &labels, 1, || false).is_none(), "stopped");
}

#[test]
fn each_loss_reaches_the_parts_that_it_should() {
    let swin = OmniConfig {
        network: Architecture::SwinUnetr(SwinUnetrConfig::new(12, 3)),
        head: VocoModelConfig::from_name("tiny"),
    };
    for (config, encoder) in [(plain(), "encoder."), (swin, "swinViT.")] {
        let model = config.init(&device(), 5);
        let (images, labels) = (crops(1, 64, 0.2), labels(1, 64));
        let part = |keys: &[String], start: &str| keys.iter().any(|key| key.starts_with(start));

        let (_, gradients) = model.supervise_chunked(&images, &labels, 1, || true).expect("not stopped");
        let keys = moved(&model, gradients);
        assert!(part(&keys, encoder) && part(&keys, "decoder"), "labels teach both halves: {keys:?}");
        assert!(!part(&keys, "student.") && !part(&keys, "teacher."), "and no projector: {keys:?}");

        let (_, gradients) = model.supervise_decoder_chunked(&images, &labels, 1, || true).expect("not stopped");
        let keys = moved(&model, gradients);
        assert!(part(&keys, "decoder") && !part(&keys, encoder), "pseudo-labels teach the decoder only: {keys:?}");

        let batch = VocoBatch {
            queries: crops(2, 64, 0.3),
            bases: crops(18, 64, 0.4),
            labels: Tensor::from_data(TensorData::new(vec![1.0 / 9.0; 18], [2, 1, 9]), &device()),
        };
        let (output, gradients) = model.contrast_chunked(&batch, None, 4, || true).expect("not stopped");
        assert!(output.losses.values().total.is_finite(), "a loss");
        let keys = moved(&model, gradients);
        assert!(part(&keys, encoder) && part(&keys, "student."), "the contrast teaches encoder and student: {keys:?}");
        assert!(!part(&keys, "decoder") && !part(&keys, "teacher."), "and nothing else: {keys:?}");
    }
}

#[test]
fn pseudo_labels_are_the_likeliest_classes() {
    let model = plain().init(&device(), 7);
    let images = crops(2, 64, 0.5);
    let teacher = model.network().valid();
    let found = pseudo_labels(&teacher, &images, 1);
    assert_eq!(found.dims(), [2, 1, 64, 64, 64], "one class for each voxel");
    let logits = model.network().logits(images.clone()).into_data();
    let logits: Vec<f32> = logits.iter::<f32>().collect();
    let classes: Vec<i64> = found.clone().into_data().iter::<i64>().collect();
    let voxels = 64 * 64 * 64;
    for n in (0..2 * voxels).step_by(1237) {
        let (image, voxel) = (n / voxels, n % voxels);
        let of = |class: usize| logits[(image * 3 + class) * voxels + voxel];
        let best = of(usize::try_from(classes[n]).expect("a class"));
        assert!((0..3).all(|class| of(class) <= best), "voxel {n}");
    }
    // They are labels like any others.
    model.supervise_chunked(&images, &found, 1, || true).expect("not stopped");
}
