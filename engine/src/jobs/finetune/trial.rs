use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use voco_engine_api::{EngineEvent, EngineFailure, FinetuneConfig, RunEstimate};
use voco_nn::weights::expected_shapes;
use voco_nn::{Architecture, Network};

use super::FinetuneJob;
use super::data::Batch;
use super::network::{self, architecture};
use super::validate::window;
use crate::device;
use crate::training::{MemoryNeed, Pace, format_of, free_memory, kept, precision};
use crate::worker::Outlet;

/// Bytes of activations for each feature of a whole `SwinUNETR` and each voxel of a crop, forward and backward, as measured on the
/// processor for the encoder and doubled for the decoder.
const BYTES_PER_VOXEL: u64 = 150;

/// What to do about a run that is too large.
pub(super) const ADVICE: &str = "choose a smaller model, smaller crops, or another device";

/// Numbers in a network, before a weight is drawn.
fn num_parameters(architecture: &Architecture) -> u64 {
    let shapes = expected_shapes(&architecture.init(&Device::flex()));
    shapes.values().map(|shape| shape.iter().product::<usize>() as u64).sum()
}

/// Bytes that forward and backward of one crop of a whole network hold at their peak.
pub(in crate::jobs) fn activations(network: &Architecture, roi: [usize; 3]) -> u64 {
    let features = match network {
        // A plain network has a third of the maps of a `SwinUNETR` of that width.
        Architecture::PlainUnet(unet) => unet.encoder.features.first().map_or(1, |f| f.div_ceil(3)),
        other => other.feature_size(),
    } as u64;
    features * roi.iter().product::<usize>() as u64 * BYTES_PER_VOXEL
}

/// What a run needs, before anything large is made.
pub(super) fn memory_need(config: &FinetuneConfig, architecture: &Architecture) -> MemoryNeed {
    let voxels = config.task.roi.iter().product::<usize>() as u64;
    // An image in f32 and a label in 16 bits; those that wait and the one that is learned from.
    let crop = voxels * (4 * config.task.channels as u64 + 2);
    MemoryNeed {
        parameters: num_parameters(architecture),
        moments: 2,
        // A crop at a time.
        activations: kept(activations(architecture, config.task.roi), config.compute),
        batches: 5 * config.crops as u64 * crop,
    }
}

/// Seconds of one crop of a whole network.
pub(in crate::jobs) fn pace(config: &FinetuneConfig, network: &Network, device: &Device) -> Pace {
    let precision = format_of(config.compute);
    let roi = config.task.roi;
    let voxels: usize = roi.iter().product();
    // What is in them does not matter for the time.
    let batch = Batch {
        channels: config.task.channels,
        size: roi,
        images: vec![0.5; config.task.channels * voxels],
        labels: vec![0; voxels],
    };
    let frozen = network.valid();
    let plain = device.clone().without_autodiff();
    let forward = || {
        if let Ok(loss) = network::loss(&frozen, &batch, 0, (false, precision), &plain) {
            loss.total.into_data();
        }
    };
    let both = || {
        if let Ok(loss) = network::loss(network, &batch, 0, (config.deep_supervision, precision), device) {
            let gradients = GradientsParams::from_grads(loss.total.backward(), network);
            voco_nn::optim::gradient_norm(network, &gradients);
        }
    };
    Pace::of(forward, both)
}

/// How much a run has to compute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunLength {
    /// Optimiser steps to go.
    pub steps: u64,
    /// Validations to go.
    pub validations: u64,
    /// Windows of one validation.
    pub windows: u64,
}

impl RunLength {
    /// That of a run with so many cases to learn from and held-out volumes of these sizes in voxels.
    pub fn of(config: &FinetuneConfig, training_cases: u64, held_out: &[[usize; 3]]) -> Self {
        let training = config.task.training;
        let cases = training_cases.max(1);
        let steps = config.steps.unwrap_or(config.epochs.unwrap_or(training.epochs) * cases);
        let every = config.validate_every.unwrap_or(training.validate_every * cases).max(1);
        let window = window(&config.task);
        let fitted = |dims: &[usize; 3]| std::array::from_fn(|axis| dims[axis].max(window.roi[axis]));
        let windows: usize = held_out.iter().map(|dims| window.starts(fitted(dims)).len()).sum();
        let validations = if held_out.is_empty() { 0 } else { steps.div_ceil(every) };
        Self { steps, validations, windows: windows as u64 }
    }
}

fn estimate(config: &FinetuneConfig, pace: Pace, need: &MemoryNeed, length: RunLength, on_cpu: bool) -> RunEstimate {
    let seconds_per_step = pace.both * config.crops as f64;
    RunEstimate {
        parameters: need.parameters,
        memory_bytes: need.bytes(),
        free_bytes: if on_cpu { free_memory() } else { None },
        seconds_per_step,
        seconds_left: seconds_per_step * length.steps as f64
            + pace.forward * (length.windows * length.validations) as f64,
    }
}

/// What a fine-tuning of that length will need, by one crop computed on trial with random weights.
///
/// # Errors
/// If there is no such device, the crop does not suit the network, or memory will not do: in one sentence with what to do.
pub fn estimate_finetune(config: &FinetuneConfig, length: RunLength) -> Result<RunEstimate, EngineFailure> {
    let architecture = architecture(config)?;
    let (device, device_name, _) = device::resolve(config.device)?;
    let need = memory_need(config, &architecture);
    let on_cpu = device_name == "cpu";
    if on_cpu {
        need.check(free_memory(), ADVICE)?;
    }
    precision(config.compute, &device, &device_name)?;
    let device = device.autodiff();
    let mut network = architecture.init_seeded(&device, config.seed);
    if config.freeze_encoder {
        network = network.freeze_encoder();
    }
    network = network.with_checkpointing(config.compute.gradient_checkpointing);
    Ok(estimate(config, pace(config, &network, &device), &need, length, on_cpu))
}

impl FinetuneJob {
    /// Computes a crop on trial and says how long the run will take. The network stays as it is.
    pub(super) fn estimate(&self, outlet: &Outlet) {
        let (Some(network), Some(feed)) = (&self.network, &self.feed) else { return };
        let config = &self.state.config;
        let dims: Vec<[usize; 3]> = self.held_out.iter().map(|sample| sample.dims()).collect();
        let whole = RunLength::of(config, self.training.len() as u64, &dims);
        let left = feed.total.saturating_sub(self.step);
        let validations = if dims.is_empty() { 0 } else { left.div_ceil(feed.validate_every) };
        let length = RunLength { steps: left, validations, ..whole };
        let need = memory_need(config, &self.architecture);
        let pace = pace(config, network, &self.device);
        let estimate = estimate(config, pace, &need, length, self.device_name == "cpu");
        outlet.send(EngineEvent::Estimate { job: self.id, estimate });
    }
}

#[cfg(test)]
mod tests {
    use voco_engine_api::{SegmentationModel, task_named};

    use super::*;

    #[test]
    fn a_run_is_as_long_as_its_steps_and_windows() {
        let task = task_named("abdomen-organs").expect("a task");
        let mut config = FinetuneConfig::preset(task, SegmentationModel::UnetTiny);
        // 64³ windows with half an overlap: 1 × 2 × 3 of them, the first axis being shorter than a window.
        let length = RunLength::of(&config, 4, &[[50, 96, 128]]);
        assert_eq!(length, RunLength { steps: 4000, validations: 20, windows: 6 }, "1000 epochs of 4 cases");
        config.steps = Some(90);
        config.validate_every = Some(40);
        assert_eq!(RunLength::of(&config, 4, &[]), RunLength { steps: 90, validations: 0, windows: 0 }, "nobody");
        assert_eq!(RunLength::of(&config, 4, &[[64; 3]; 2]).validations, 3, "at 40, 80 and 90");
    }

    #[test]
    fn a_network_that_cannot_fit_is_refused_before_it_is_made() {
        let task = task_named("btcv").expect("a task");
        let config = FinetuneConfig::preset(task, SegmentationModel::H);
        let network = architecture(&config).expect("it suits");
        let need = memory_need(&config, &network);
        assert!(need.parameters > 500_000_000, "{need:?}");
        let text = need.check(Some(8_000_000_000), ADVICE).expect_err("too large").to_string();
        assert!(text.contains("8.0 GB are free") && text.ends_with(ADVICE), "{text}");
    }
}
