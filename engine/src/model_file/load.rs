use std::path::Path;

use burn::tensor::Device;
use voco_engine_api::{EngineFailure, ModelCard, PatchMerging};
use voco_nn::swin::MergeOrder;
use voco_nn::weights::{ImportOptions, import_stored};
use voco_nn::{Architecture, Network};

use super::read::{ModelFile, file_name, read_model};

/// A network with all its weights.
pub(crate) struct Loaded {
    pub architecture: Architecture,
    pub network: Network,
    /// What it was made for, if its file tells.
    pub card: Option<ModelCard>,
}

/// Reads a network; `merging` chooses the order of its patch merging by its card.
pub(crate) fn load_network(
    path: &Path,
    merging: impl FnOnce(Option<&ModelCard>) -> PatchMerging,
    device: &Device,
) -> Result<Loaded, EngineFailure> {
    let name = file_name(path);
    let (mut architecture, file) = read_complete_model(path)?;
    let card = file.card()?;
    architecture.set_merge_order(match merging(card.as_ref()) {
        PatchMerging::Legacy => MergeOrder::Legacy,
        PatchMerging::Fixed => MergeOrder::Fixed,
    });
    let network = architecture.init(device);
    let (network, _) = import_stored(network, file.tensors, ImportOptions::default())
        .map_err(|e| EngineFailure::BadInput(format!("{name}: {e}; download or save it again")))?;
    Ok(Loaded { architecture, network, card })
}

/// A file of weights and its network, of which nothing is missing.
pub(crate) fn read_complete_model(checkpoint: &Path) -> Result<(Architecture, ModelFile), EngineFailure> {
    let file = read_model(checkpoint)?;
    let name = file_name(checkpoint);
    let architecture = file.architecture()?;
    let (report, _) = super::report(&architecture, &file);
    let odd = report.missing.iter().chain(report.mismatched.iter().map(|mismatch| &mismatch.key));
    if let Some(example) = odd.clone().next() {
        // A network with random parts would run and tell nonsense.
        return Err(EngineFailure::BadInput(format!(
            "{name}: {} tensors of the {} are missing or of another shape, {example} among them; \
             'voco model show' lists them, choose a complete file",
            odd.count(),
            architecture.name()
        )));
    }
    Ok((architecture, file))
}
