use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use voco_nn::optim::{clip_gradient_norm, gradient_norm, scale_gradients};

/// The mean of the gradients of several batches: one large step in pieces that fit the memory.
///
/// Equal to the gradient of the batches together where a loss is a mean over samples of the same weight, and samples do not look at
/// one another.
pub(crate) struct GradientMean<M> {
    sum: GradientsAccumulator<M>,
    count: usize,
}

impl<M: Module> GradientMean<M> {
    /// Of no batch yet.
    pub fn new() -> Self {
        Self { sum: GradientsAccumulator::new(), count: 0 }
    }

    /// Takes in the gradients of one batch.
    pub fn add(&mut self, module: &M, gradients: GradientsParams) {
        self.sum.accumulate(module, gradients);
        self.count += 1;
    }

    /// The mean, scaled to a common norm of at most `max_norm` if there is one, and the norm before that. It is not finite if any
    /// gradient is not.
    pub fn finish(mut self, module: &M, max_norm: Option<f64>) -> (GradientsParams, f64) {
        let mut gradients = self.sum.grads();
        if self.count > 1 {
            scale_gradients(module, &mut gradients, 1.0 / self.count as f64);
        }
        let norm = match max_norm {
            Some(max_norm) => clip_gradient_norm(module, &mut gradients, max_norm),
            None => gradient_norm(module, &gradients),
        };
        (gradients, norm)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor, TensorData};
    use voco_nn::losses::{DiceCeSettings, dice_ce};
    use voco_nn::plain::{PlainConfig, PlainUnet, PlainUnetConfig};
    use voco_nn::weights::named_tensors;
    use voco_nn::{Sgd, SgdSettings};

    use super::*;

    fn batch(device: &Device, from: usize, count: usize) -> (Tensor<5>, Tensor<5, Int>) {
        let voxels = 16 * 16 * 16;
        let noise = |n: usize| ((n as f32 * 0.37).sin() * 4375.5).fract();
        let range = from * voxels..(from + count) * voxels;
        let values: Vec<f32> = range.clone().map(noise).collect();
        let labels: Vec<i32> = range.map(|n| i32::from(noise(n) > 0.2)).collect();
        let shape = [count, 1, 16, 16, 16];
        (
            Tensor::from_data(TensorData::new(values, shape), device),
            Tensor::from_data(TensorData::new(labels, shape), device),
        )
    }

    fn trained(parts: usize, max_norm: Option<f64>) -> (Vec<f32>, f64) {
        let device = Device::flex().autodiff();
        device.seed(3);
        let encoder = PlainConfig {
            in_channels: 1,
            features: vec![4, 8],
            kernels: vec![[3; 3]; 2],
            strides: vec![[1; 3], [2; 3]],
            convs: vec![1, 1],
        };
        let mut model: PlainUnet = PlainUnetConfig { encoder, classes: 2, up_convs: vec![1], stem: None }.init(&device);
        // Adam would blow up the rounding where gradients are 0, as those of biases before a norm are.
        let mut optimizer = Sgd::new(SgdSettings::default());
        let mut last = 0.0;
        for _ in 0..2 {
            let mut mean = GradientMean::new();
            for part in 0..parts {
                let (images, labels) = batch(&device, part * (4 / parts), 4 / parts);
                let loss = dice_ce(&DiceCeSettings::default(), model.forward(images), labels);
                mean.add(&model, GradientsParams::from_grads(loss.backward(), &model));
            }
            let (gradients, norm) = mean.finish(&model, max_norm);
            last = norm;
            model = optimizer.step(0.1, model, gradients);
        }
        (named_tensors(&model).into_values().flat_map(|tensor| tensor.values).collect(), last)
    }

    #[test]
    fn accumulated_batches_train_as_the_large_batch_does() {
        let (whole, norm) = trained(1, None);
        for parts in [2, 4] {
            let (values, part_norm) = trained(parts, None);
            let worst = whole.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{parts} parts: {worst}");
            assert!((norm - part_norm).abs() < 1e-4 * norm, "{parts} parts: norm {part_norm}, {norm} at once");
        }
        let (clipped, before) = trained(1, Some(norm / 10.0));
        assert!(clipped != whole && before > 0.0, "clipping changes what is learned");
    }
}
