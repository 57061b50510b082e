use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use voco_engine_api::{EngineEvent, EngineFailure, Model, PretrainConfig, RunEstimate};
use voco_nn::weights::expected_shapes;
use voco_nn::{Precision, VocoModel};

use super::PretrainJob;
use super::network::{chunk, model_config};
use crate::data::INPUT_EDGE;
use crate::device;
use crate::position::PositionCheck;
use crate::training::{MemoryNeed, Pace, format_of, free_memory, kept, precision};
use crate::worker::Outlet;

/// What to do about a run that is too large.
pub(super) const ADVICE: &str = "choose a smaller model, fewer volumes or crops per step, or another device";

/// Crops that are computed on trial where all are computed at once.
const TRIAL_CROPS: usize = 4;

/// What a run needs, before anything large is made.
pub(super) fn memory_need(config: &PretrainConfig) -> MemoryNeed {
    // The shapes are known before a weight is drawn.
    let shapes = expected_shapes(&model_config(config).build_lazy());
    let parameters = shapes.values().map(|shape| shape.iter().product::<usize>() as u64).sum();
    let rows = rows(config);
    let in_flight = match chunk(config.model) {
        0 => rows,
        chunk => chunk.min(rows),
    } as u64;
    let crop = 4 * (INPUT_EDGE as u64).pow(3);
    MemoryNeed {
        parameters,
        moments: 3,
        activations: kept(in_flight * bytes_per_crop(config.model), config.compute),
        // One being learned from, and those that the loader has ready.
        batches: 4 * rows as u64 * crop,
    }
}

/// Crops of a batch.
fn rows(config: &PretrainConfig) -> usize {
    config.volumes_per_step * (config.crops_per_volume + config.recipe.position_grid().num_bases())
}

/// Bytes that forward and backward of one crop of 64³ hold at their peak, as measured on the processor (rounded up).
fn bytes_per_crop(model: Model) -> u64 {
    let megabytes = match model {
        Model::UnetTiny => 12,
        Model::Tiny => SWIN_PER_FEATURE * 12,
        Model::B => SWIN_PER_FEATURE * 48,
        Model::L => SWIN_PER_FEATURE * 96,
        Model::H => SWIN_PER_FEATURE * 192,
    };
    megabytes * 1_000_000
}

/// Megabytes for each feature of a `SwinUNETR`: every map of it is as many times as deep.
const SWIN_PER_FEATURE: u64 = 20;

/// What a run of `steps` to go will need, with so many crops in each validation.
fn estimate(
    config: &PretrainConfig,
    model: &VocoModel,
    device: &Device,
    (steps, looks): (u64, usize),
    on_cpu: bool,
) -> RunEstimate {
    let (rows, chunk) = (rows(config), chunk(config.model));
    let crops = if chunk == 0 { TRIAL_CROPS.min(rows) } else { chunk.min(rows) };
    let Pace { forward, both } = pace_of(model, (crops, format_of(config.compute)), device);
    let per_crop = if chunk == 0 { both } else { forward + both } / crops as f64;
    let seconds_per_step = per_crop * (rows * config.accumulate) as f64;
    let looks = looks as f64 * forward / crops as f64;
    let validations = 1 + steps / config.validate_every;
    let need = memory_need(config);
    RunEstimate {
        parameters: need.parameters,
        memory_bytes: need.bytes(),
        free_bytes: if on_cpu { free_memory() } else { None },
        seconds_per_step,
        seconds_left: seconds_per_step * steps as f64 + looks * validations as f64,
    }
}

/// Seconds of so many crops.
fn pace_of(model: &VocoModel, (crops, precision): (usize, Precision), device: &Device) -> Pace {
    let shape = [crops, 1, INPUT_EDGE, INPUT_EDGE, INPUT_EDGE];
    // What is in them does not matter for the time.
    let input = precision.enter(Tensor::<5>::ones(shape, device));
    let forward = || drop(model.backbone().valid().embed(input.clone().without_autodiff()).sum().into_data());
    let both = || {
        let gradients = GradientsParams::from_grads(model.embed(input.clone()).sum().backward(), model);
        voco_nn::optim::gradient_norm(model, &gradients);
    };
    Pace::of(forward, both)
}

/// What a run will need, by a few crops computed on trial with random weights; `volumes` it is, of which a part is held out.
///
/// # Errors
/// If there is no such device, or memory will not do: in one sentence with what to do.
pub fn estimate_pretrain(config: &PretrainConfig, volumes: usize) -> Result<RunEstimate, EngineFailure> {
    let (device, device_name, _) = device::resolve(config.device)?;
    let on_cpu = device_name == "cpu";
    if on_cpu {
        memory_need(config).check(free_memory(), ADVICE)?;
    }
    precision(config.compute, &device, &device_name)?;
    let device = device.autodiff();
    let model = model_config(config).init(&device, config.seed);
    let model = model.with_checkpointing(config.compute.gradient_checkpointing);
    let held_out = (volumes as f64 * config.validation_share) as usize;
    let looks = held_out * (config.validation_crops + config.recipe.position_grid().num_bases());
    Ok(estimate(config, &model, &device, (config.steps, looks), on_cpu))
}

impl PretrainJob {
    /// Computes a few crops on trial and says how long the run will take. The network stays as it is.
    pub(super) fn estimate(&self, outlet: &Outlet) {
        let Some(model) = &self.model else { return };
        let left = self.config.steps.saturating_sub(self.step);
        let looks = self.check.as_ref().map_or(0, PositionCheck::num_crops);
        let on_cpu = self.device_name == "cpu";
        let estimate = estimate(&self.config, model, &self.device, (left, looks), on_cpu);
        outlet.send(EngineEvent::Estimate { job: self.id, estimate });
    }
}
