use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use voco_engine_api::{EngineEvent, EngineFailure, OmniRunConfig, RunEstimate};
use voco_nn::Precision;
use voco_nn::voco::OmniModel;

use super::OmniJob;
use super::data::contrast_config;
use super::model::{contrast_chunk, memory_need, model_config};
use crate::data::INPUT_EDGE;
use crate::device;
use crate::jobs::finetune::pace;
use crate::position::PositionCheck;
use crate::training::{MemoryNeed, Pace, format_of, free_memory, precision};
use crate::worker::Outlet;

/// What to do about a run that is too large.
pub(super) const ADVICE: &str = "choose a smaller model, smaller crops, or another device";

/// How much a run has to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OmniLength {
    /// Steps that are done.
    pub done: u64,
    /// Windows of one validation.
    pub windows: u64,
    /// Crops of one look at the position task.
    pub looks: u64,
}

fn estimate(
    config: &OmniRunConfig,
    model: &OmniModel,
    need: &MemoryNeed,
    device: &Device,
    (length, on_cpu): (OmniLength, bool),
) -> RunEstimate {
    let labelled = &config.labelled;
    let whole = pace(labelled, model.network(), device);
    let left = config.steps.saturating_sub(length.done);
    let mut step = whole.both * (labelled.crops * config.labelled_volumes) as f64;
    let mut looks = 0.0;
    if let Some(pretrain) = contrast_config(config) {
        let encoder = encoder_pace(model, format_of(labelled.compute), device);
        let rows = pretrain.volumes_per_step * (labelled.crops + pretrain.recipe.position_grid().num_bases());
        let twice = contrast_chunk(labelled.model) != 0;
        step += rows as f64 * (encoder.both + if twice { encoder.forward } else { 0.0 });
        looks = length.looks as f64 * encoder.forward;
    }
    // Once the snapshot is there, it looks at the unlabelled crops and the network learns from what it says.
    let taught = config.snapshot_at().map_or(0, |from| config.steps.saturating_sub(from.max(length.done)));
    let teaching = (whole.forward + whole.both) * (labelled.crops * config.volumes) as f64;
    let validations = left.div_ceil(config.validate_every.max(1)) as f64;
    let seconds = step * left as f64 + teaching * taught as f64;
    RunEstimate {
        parameters: need.parameters,
        memory_bytes: need.bytes(),
        free_bytes: if on_cpu { free_memory() } else { None },
        seconds_per_step: seconds / left.max(1) as f64,
        seconds_left: seconds + (length.windows as f64 * whole.forward + looks) * validations,
    }
}

/// Seconds of one crop of the contrast.
fn encoder_pace(model: &OmniModel, precision: Precision, device: &Device) -> Pace {
    let input = precision.enter(Tensor::<5>::ones([1, 1, INPUT_EDGE, INPUT_EDGE, INPUT_EDGE], device));
    let network = model.network();
    let forward = || drop(network.valid().embed(input.clone().without_autodiff()).sum().into_data());
    let both = || {
        let gradients = GradientsParams::from_grads(network.embed(input.clone()).sum().backward(), network);
        voco_nn::optim::gradient_norm(network, &gradients);
    };
    Pace::of(forward, both)
}

/// What a run will need, by a few crops computed on trial with random weights.
///
/// # Errors
/// If there is no such device, the crops do not suit the network, or memory will not do: in one sentence with what to do.
pub fn estimate_omni(config: &OmniRunConfig, length: OmniLength) -> Result<RunEstimate, EngineFailure> {
    let shape = model_config(config)?;
    let (device, device_name, _) = device::resolve(config.labelled.device)?;
    let need = memory_need(config, &shape);
    let on_cpu = device_name == "cpu";
    if on_cpu {
        need.check(free_memory(), ADVICE)?;
    }
    precision(config.labelled.compute, &device, &device_name)?;
    let device = device.autodiff();
    let model = shape.init(&device, config.labelled.seed);
    let model = model.with_checkpointing(config.labelled.compute.gradient_checkpointing);
    Ok(estimate(config, &model, &need, &device, (length, on_cpu)))
}

impl OmniJob {
    /// Computes a few crops on trial and says how long the run will take. The network stays as it is.
    pub(super) fn estimate(&self, outlet: &Outlet) -> Result<(), EngineFailure> {
        let (Some(model), Some(feeds)) = (&self.model, &self.feeds) else { return Ok(()) };
        let config = &self.state.config;
        let dims: Vec<[usize; 3]> = feeds.held_out.iter().map(|sample| sample.dims()).collect();
        let length = OmniLength {
            done: self.step,
            windows: crate::jobs::finetune::RunLength::of(&config.labelled, 1, &dims).windows,
            looks: feeds.check.as_ref().map_or(0, PositionCheck::num_crops) as u64,
        };
        let need = memory_need(config, &model_config(config)?);
        let estimate = estimate(config, model, &need, &self.device, (length, self.device_name == "cpu"));
        outlet.send(EngineEvent::Estimate { job: self.id, estimate });
        Ok(())
    }
}
