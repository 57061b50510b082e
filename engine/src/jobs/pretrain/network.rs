use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use voco_data::rng;
use voco_engine_api::{Model, PretrainConfig};
use voco_nn::voco::{Projections, losses};
use voco_nn::{AdamWSettings, VocoBatch, VocoModel, VocoModelConfig, VocoOutput};

use crate::data::{Batch, INPUT_EDGE};
use crate::position::{loss_recipe, number};

pub(super) fn model_config(config: &PretrainConfig) -> VocoModelConfig {
    let name = config.model.name().to_lowercase();
    // Every name of `Model` is a preset of the network crate; a test goes through them.
    let mut preset = VocoModelConfig::from_name(&name).expect("each model has a preset");
    preset.recipe = loss_recipe(&config.recipe);
    preset
}

pub(super) fn optimizer_settings(config: &PretrainConfig) -> AdamWSettings {
    AdamWSettings { weight_decay: config.weight_decay as f32, ..AdamWSettings::default() }
}

/// Crops in flight: all at once for the small network, few for the large ones, whose activations fill gigabytes.
pub(super) fn chunk(model: Model) -> usize {
    match model {
        Model::UnetTiny => 0,
        Model::Tiny => 2,
        Model::B | Model::L | Model::H => 1,
    }
}

/// A batch on the device.
pub(in crate::jobs) fn batch_tensors(batch: &Batch, config: &PretrainConfig, device: &Device) -> VocoBatch {
    let (volumes, queries) = (config.volumes_per_step, config.crops_per_volume);
    let bases = config.recipe.position_grid().num_bases();
    let edge = INPUT_EDGE;
    let split = volumes * queries * edge.pow(3);
    let crops = |values: &[f32]| -> Tensor<5> {
        let shape = [values.len() / edge.pow(3), 1, edge, edge, edge];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    };
    VocoBatch {
        queries: crops(&batch.crops[..split]),
        bases: crops(&batch.crops[split..]),
        labels: Tensor::from_data(TensorData::new(batch.targets.clone(), [volumes, queries, bases]), device),
    }
}

/// `Dropout1d` on a 2-D tensor drops whole rows; drawn from seed and number like the batch.
pub(in crate::jobs) fn row_scale(
    chance: f64,
    seed: u64,
    number: u64,
    rows: usize,
    device: &Device,
) -> Option<Tensor<1>> {
    if chance == 0.0 {
        return None;
    }
    let mut random = rng(seed, number, u64::MAX);
    let kept = (1.0 / (1.0 - chance)) as f32;
    let scale: Vec<f32> = (0..rows).map(|_| if random.random_bool(chance) { 0.0 } else { kept }).collect();
    Some(Tensor::from_data(TensorData::new(scale, [rows]), device))
}

/// The position loss and the predictions of the step's own crops without row drop-out.
pub(super) fn inspect(model: &VocoModel, output: &VocoOutput, batch: &VocoBatch) -> (f64, Vec<f32>) {
    let [volumes, queries, _] = batch.labels.dims();
    let embeddings = output.embeddings.clone().without_autodiff();
    let student = model.valid().student().forward(embeddings);
    let pair = Projections::split(student, output.teacher.clone().without_autodiff(), volumes, queries);
    let predictions = losses::predictions(model.recipe(), &pair);
    let (positive, negative) =
        losses::cross_entropy(model.recipe(), batch.labels.clone().without_autodiff(), predictions.clone());
    (number(positive) + number(negative), predictions.into_data().iter::<f32>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_has_a_preset() {
        for model in Model::ALL {
            model_config(&PretrainConfig::preset(model, 10));
        }
    }
}
