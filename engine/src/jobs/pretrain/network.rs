use burn::module::Module;
use voco_engine_api::{Model, PretrainConfig};
use voco_nn::voco::{Projections, losses};
use voco_nn::{AdamWSettings, VocoBatch, VocoModel, VocoModelConfig, VocoOutput};

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
