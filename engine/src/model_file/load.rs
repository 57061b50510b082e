use std::path::Path;

use burn::tensor::Device;
use voco_engine_api::{EngineFailure, ModelCard, PatchMerging};
use voco_nn::swin::MergeOrder;
use voco_nn::weights::{ImportOptions, import_stored};
use voco_nn::{Architecture, Network};

use super::read::{file_name, read_model};

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
    let file = read_model(path)?;
    let name = file_name(path);
    let card = file.card()?;
    let mut architecture = file.architecture()?;
    architecture.set_merge_order(match merging(card.as_ref()) {
        PatchMerging::Legacy => MergeOrder::Legacy,
        PatchMerging::Fixed => MergeOrder::Fixed,
    });
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
    let network = architecture.init(device);
    let (network, _) = import_stored(network, file.tensors, ImportOptions::default())
        .map_err(|e| EngineFailure::BadInput(format!("{name}: {e}; download or save it again")))?;
    Ok(Loaded { architecture, network, card })
}
