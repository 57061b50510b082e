use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Serialize;
use voco_engine_api::{CardClass, EngineFailure, FinetuneConfig, ModelCard, PatchMerging, SegmentationModel};
use voco_nn::losses::{DiceSettings, dice_and_cross_entropy};
use voco_nn::plain::PlainUnetConfig;
use voco_nn::swin::SwinUnetrConfig;
use voco_nn::weights::{ImportOptions, ImportReport, import_stored};
use voco_nn::{Architecture, Network, Precision};

use super::data::Batch;
use crate::model_file::{file_name, read_model};

/// Features of the published `VoComni_nnunet.pt`.
const NNUNET_FEATURES: [usize; 6] = [32, 64, 128, 256, 320, 320];

/// The network for a run.
pub(in crate::jobs) fn architecture(config: &FinetuneConfig) -> Result<Architecture, EngineFailure> {
    let classes = config.task.class_names().len();
    let swin = |features: usize| Architecture::SwinUnetr(SwinUnetrConfig::new(features, classes));
    let mut architecture = match config.model {
        SegmentationModel::UnetTiny => Architecture::PlainUnet(PlainUnetConfig::unet_tiny(classes)),
        SegmentationModel::Unet => Architecture::PlainUnet(PlainUnetConfig::nnunet(NNUNET_FEATURES, classes)),
        SegmentationModel::Tiny => swin(12),
        SegmentationModel::B => swin(48),
        SegmentationModel::L => swin(96),
        SegmentationModel::H => swin(192),
    };
    architecture.expect(Some(config.task.channels), None);
    architecture.check_crop(config.task.roi).map_err(|e| {
        EngineFailure::BadInput(format!(
            "{}: {e}; choose another model, or another roi in a task file",
            config.task.name
        ))
    })?;
    Ok(architecture)
}

/// What an import of weights did, for `init.json` and for people.
#[derive(Debug, Clone, Serialize)]
pub(in crate::jobs) struct Init {
    pub file: String,
    pub matched: Vec<String>,
    pub missing: Vec<String>,
    pub unexpected: Vec<String>,
    pub shape_mismatch: Vec<String>,
}

/// Loads whatever of a file belongs to the network: an encoder, a VoCo head, or a whole network of another task, whose last layer is
/// left out.
pub(in crate::jobs) fn init_from<M: Module>(network: M, path: &Path) -> Result<(M, Init), EngineFailure> {
    let name = file_name(path);
    let options = ImportOptions { adapt_input: true };
    let (network, report) = import_stored(network, read_model(path)?.tensors, options).map_err(|e| {
        EngineFailure::BadInput(format!("{name}: {e}; choose weights of the same model, or --init none"))
    })?;
    let ImportReport { matched, missing, unexpected, mismatched, .. } = report;
    let shape_mismatch = mismatched.into_iter().map(|mismatch| mismatch.key).collect();
    Ok((network, Init { file: name, matched, missing, unexpected, shape_mismatch }))
}

impl Init {
    pub fn sentence(&self) -> String {
        let random = self.missing.len() + self.shape_mismatch.len();
        format!(
            "{}: {} of {} tensors of the network were loaded, {random} begin at random, {} of the file were not needed; init.json in \
             the run's folder names them.",
            self.file,
            self.matched.len(),
            self.matched.len() + random,
            self.unexpected.len()
        )
    }
}

/// The loss of one crop of a batch and its parts.
pub(super) struct Loss {
    /// Sum over all resolutions, weighted.
    pub total: Tensor<1>,
    /// At full resolution.
    pub dice: Tensor<1>,
    pub cross_entropy: Tensor<1>,
}

/// Dice + cross-entropy of crop `n`; with several outputs the weights 1, ½, ¼ … without the coarsest, as in nnU-Net.
pub(super) fn loss(
    network: &Network,
    batch: &Batch,
    n: usize,
    (deep, precision): (bool, Precision),
    device: &Device,
) -> Result<Loss, EngineFailure> {
    let [x, y, z] = batch.size;
    let voxels = x * y * z;
    let image = batch.images[n * batch.channels * voxels..][..batch.channels * voxels].to_vec();
    let input = Tensor::<5>::from_data(TensorData::new(image, [1, batch.channels, x, y, z]), device);
    let mut outputs = if deep {
        network.forward_deep(precision.enter(input))
    } else {
        network.forward(precision.enter(input)).logits.into_iter().collect()
    };
    if outputs.is_empty() {
        return Err(EngineFailure::Internal("the network gives no logits".into()));
    }
    // The coarsest output alone would see a few voxels.
    outputs.truncate((outputs.len() - 1).max(1));
    let weights: Vec<f64> = (0..outputs.len()).map(|level| 0.5_f64.powi(level as i32)).collect();
    let sum: f64 = weights.iter().sum();
    let labels = &batch.labels[n * voxels..][..voxels];
    let mut loss: Option<Loss> = None;
    for (logits, weight) in outputs.into_iter().zip(weights) {
        let [_, _, size @ ..] = logits.dims();
        let target = Tensor::<5, Int>::from_data(
            TensorData::new(coarse(labels, batch.size, size), [1, 1, size[0], size[1], size[2]]),
            device,
        );
        let (dice, cross_entropy) = dice_and_cross_entropy(&DiceSettings::default(), logits, target);
        let term = (dice.clone() + cross_entropy.clone()) * (weight / sum);
        loss = Some(match loss {
            None => Loss { total: term, dice, cross_entropy },
            Some(full) => Loss { total: full.total + term, ..full },
        });
    }
    loss.ok_or_else(|| EngineFailure::Internal("the network gives no logits".into()))
}

/// Labels [X, Y, Z] at every so many voxels.
fn coarse(labels: &[u16], from: [usize; 3], to: [usize; 3]) -> Vec<i32> {
    let step: [usize; 3] = std::array::from_fn(|a| from[a] / to[a].max(1));
    let mut values = Vec::with_capacity(to.iter().product());
    for i in 0..to[0] {
        for j in 0..to[1] {
            let row = (i * step[0] * from[1] + j * step[1]) * from[2];
            values.extend((0..to[2]).map(|k| i32::from(labels[row + k * step[2]])));
        }
    }
    values
}

/// The learning rate of a parameter as a share of the whole: `decay` for each level between it and the decoder.
pub(super) fn layer_share(key: &str, decay: f64) -> f64 {
    if decay == 1.0 { 1.0 } else { decay.powi(levels_below_decoder(key)) }
}

fn levels_below_decoder(key: &str) -> i32 {
    if let Some(rest) = key.strip_prefix("swinViT.") {
        // patch_embed, layers1 to layers4 (and their convolutions, layers1c …).
        let stage = rest.strip_prefix("layers").and_then(|r| r.get(..1)?.parse::<i32>().ok());
        return 5 - stage.unwrap_or(0);
    }
    if let Some(rest) = key.strip_prefix("encoder.stages.") {
        let stage = rest.split('.').next().and_then(|s| s.parse::<i32>().ok()).unwrap_or(0);
        // Plain encoders have five or six stages.
        return (6 - stage).max(1);
    }
    // Blocks on the way from the transformer to the decoder.
    i32::from(key.starts_with("encoder"))
}

/// What the weights of a run are for.
pub(in crate::jobs) fn card(
    config: &FinetuneConfig,
    architecture: &Architecture,
    trained_cases: usize,
    steps: u64,
    validation_dice: Option<f64>,
    parent: Option<String>,
) -> ModelCard {
    let task = &config.task;
    let named = task.classes.iter().enumerate();
    ModelCard {
        architecture: architecture.name().to_owned(),
        patch_merging: PatchMerging::Legacy,
        task: task.name.clone(),
        classes: named.map(|(n, class)| CardClass { id: n as u16 + 1, name: class.name.clone() }).collect(),
        channels: task.channels,
        preprocess: task.preprocess.clone(),
        roi: task.roi,
        orientation: "RAS".into(),
        trained_cases,
        steps,
        validation_dice,
        // The user's own data: whoever passes the weights on has to say.
        licence: None,
        parent,
    }
}

#[cfg(test)]
mod tests {
    use voco_engine_api::task_named;

    use super::*;

    #[test]
    fn every_model_fits_the_usual_tasks() {
        for name in ["btcv", "msd05-prostate", "abdomen-organs", "msd08-hepatic-vessel"] {
            for model in SegmentationModel::ALL {
                let task = task_named(name).expect("a task");
                let classes = task.class_names().len();
                let made = architecture(&FinetuneConfig::preset(task, model)).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(made.classes(), Some(classes), "{name}, {}", model.name());
            }
        }
    }

    #[test]
    fn deeper_layers_learn_faster() {
        let levels: Vec<i32> = [
            "swinViT.patch_embed.proj.weight",
            "swinViT.layers1.0.blocks.0.attn.qkv.weight",
            "swinViT.layers1c.0.layer.conv1.conv.weight",
            "swinViT.layers4.0.blocks.1.mlp.linear1.bias",
            "encoder10.layer.conv1.conv.weight",
            "decoder5.transp_conv.conv.weight",
            "out.conv.conv.bias",
            "encoder.stages.0.0.convs.0.conv.weight",
            "encoder.stages.4.0.convs.0.conv.weight",
            "decoder.stages.0.convs.0.conv.weight",
            "stem.convs.0.conv.weight",
        ]
        .map(levels_below_decoder)
        .into();
        assert_eq!(levels, [5, 4, 4, 1, 1, 0, 0, 6, 2, 0, 0]);
        assert!((layer_share("swinViT.layers4.0.x", 0.5) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn coarse_labels_are_every_second_voxel() {
        let labels: Vec<u16> = (0..4 * 2 * 6).collect();
        assert_eq!(coarse(&labels, [4, 2, 6], [2, 1, 3]), [0, 2, 4, 24, 26, 28]);
    }
}
