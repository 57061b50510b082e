use burn::tensor::Device;
use voco_engine_api::{EngineFailure, OmniRunConfig, SegmentationModel};
use voco_nn::voco::{EmbeddingNorm, EncoderConfig, OmniConfig, losses};
use voco_nn::weights::expected_shapes;
use voco_nn::{AdamWSettings, Architecture, VocoModelConfig};

use crate::jobs::finetune::{activations, architecture};
use crate::position::loss_recipe;
use crate::training::{MemoryNeed, kept};

/// The network of a run, with projectors if it has a contrast.
pub(super) fn model_config(config: &OmniRunConfig) -> Result<OmniConfig, EngineFailure> {
    let network = architecture(&config.labelled)?;
    let head = config.contrast.as_ref().map(|recipe| {
        let mut head = head(config.labelled.model, &network);
        head.recipe = loss_recipe(recipe);
        head
    });
    Ok(OmniConfig { network, head })
}

/// Projectors for the encoder of a network.
fn head(model: SegmentationModel, network: &Architecture) -> VocoModelConfig {
    let encoder = match network {
        Architecture::PlainUnet(config) => EncoderConfig::Plain(config.encoder.clone()),
        Architecture::SwinUnetr(config) => EncoderConfig::Swin(config.encoder.clone()),
        Architecture::Encoder(encoder) => encoder.clone(),
        Architecture::Voco(config) => config.encoder.clone(),
    };
    // As in the pre-training, so that its networks can be gone on with.
    let known = VocoModelConfig::from_name(&model.name().to_lowercase()).filter(|known| known.encoder == encoder);
    known.unwrap_or(VocoModelConfig {
        encoder,
        hidden: 1024,
        output: 1024,
        momentum: 0.9,
        recipe: losses::Recipe::Tpami,
        embedding_norm: EmbeddingNorm::None,
    })
}

pub(super) fn optimizer_settings(config: &OmniRunConfig) -> AdamWSettings {
    let training = &config.recipe.training;
    AdamWSettings { weight_decay: training.weight_decay as f32, amsgrad: training.amsgrad, ..AdamWSettings::default() }
}

/// Crops in flight in the contrast: all at once for the small network, few for the large ones.
pub(super) fn contrast_chunk(model: SegmentationModel) -> usize {
    match model {
        SegmentationModel::UnetTiny => 0,
        SegmentationModel::Tiny => 2,
        SegmentationModel::Unet | SegmentationModel::B | SegmentationModel::L | SegmentationModel::H => 1,
    }
}

/// What a run needs, before anything large is made.
pub(super) fn memory_need(config: &OmniRunConfig, shape: &OmniConfig) -> MemoryNeed {
    let shapes = expected_shapes(&shape.build_lazy(&Device::flex()));
    let parameters = shapes.values().map(|shape| shape.iter().product::<usize>() as u64).sum();
    let voxels = config.labelled.task.roi.iter().product::<usize>() as u64;
    let crops = config.labelled.crops * config.labelled_volumes + config.labelled.crops * config.volumes;
    MemoryNeed {
        parameters,
        moments: if config.recipe.training.amsgrad { 3 } else { 2 },
        activations: kept(activations(&shape.network, config.labelled.task.roi), config.labelled.compute),
        batches: 4 * crops as u64 * voxels * 4,
    }
}
