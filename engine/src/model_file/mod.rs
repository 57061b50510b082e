//! Files of weights: what is in them, a forward pass, conversion. Behind `voco model`.
//!
//! These functions run on the caller's thread: they serve one-shot commands, which have no engine thread.

mod read;
mod run;
mod write;

pub use run::{ModelRun, PatchMerging, RunReport, WindowSettings, run_model};

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use voco_engine_api::EngineFailure;
use voco_nn::weights::{ImportOptions, ImportReport, StoredTensor, adapted, compare, expected_shapes, some_tensors};
use voco_nn::{Architecture, canonical_shapes};

pub(crate) use read::{ModelFile, file_name, read_model};
pub(crate) use run::read_complete_model;

/// What a file of weights holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// "SwinUNETR", "SwinUNETR encoder", "VoCo head", "PlainConvUNet", "PlainConvUNet encoder" or "unet-tiny".
    pub architecture: String,
    /// The encoder in it.
    pub backbone: String,
    /// How the file is written.
    pub format: String,
    /// Width of the first stage.
    pub feature_size: usize,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the logits, for networks that give any.
    pub classes: Option<usize>,
    /// 1 or 2 for a `SwinUNETR`.
    pub version: Option<u8>,
    /// Numbers in the matched tensors: all trainable parameters of the network if nothing is missing.
    pub parameters: usize,
    /// Parameters of the network that the file has, by PyTorch key.
    pub matched: Vec<String>,
    /// Parameters of the network that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the network lacks.
    pub unexpected: Vec<String>,
    /// In both, in different shapes.
    pub shape_mismatch: Vec<String>,
}

/// A change to the network, from what the file itself suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expectation {
    /// Channels of the input.
    pub in_channels: Option<usize>,
    /// Channels of the logits.
    pub classes: Option<usize>,
}

/// Describes a file of weights without reading the weights.
///
/// # Errors
/// If the file cannot be read, or its weights belong to no network here.
pub fn show_model(path: &Path, expectation: Expectation) -> Result<ModelInfo, EngineFailure> {
    let file = read_model(path)?;
    let mut architecture = file.architecture()?;
    architecture.expect(expectation.in_channels, expectation.classes);
    let (report, parameters) = report(&architecture, &file);
    Ok(ModelInfo {
        architecture: architecture.name().to_owned(),
        backbone: architecture.backbone().to_owned(),
        format: file.format.to_owned(),
        feature_size: architecture.feature_size(),
        in_channels: architecture.in_channels(),
        classes: architecture.classes(),
        version: architecture.is_v2().map(|v2| if v2 { 2 } else { 1 }),
        parameters,
        matched: report.matched,
        missing: report.missing,
        unexpected: report.unexpected,
        shape_mismatch: report.mismatched.into_iter().map(|mismatch| mismatch.key).collect(),
    })
}

/// The tensors of a file against the parameters of a network, and how many numbers match.
fn report(architecture: &Architecture, file: &ModelFile) -> (ImportReport, usize) {
    // Nothing is drawn or computed: the shapes are known before the weights are.
    let expected = expected_shapes(&architecture.init(&burn::tensor::Device::flex()));
    let report = compare(&expected, &canonical_shapes(&file.tensors), ImportOptions::default());
    let count = |key: &String| expected.get(key).map_or(0, |shape| shape.iter().product::<usize>());
    let parameters = report.matched.iter().map(count).sum();
    (report, parameters)
}

/// What a conversion did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConvertReport {
    /// The network, if it is a known one.
    pub architecture: Option<String>,
    /// Tensors written, second names and index buffers included.
    pub tensors: usize,
    /// Tensors of the input that the network does not have; they were not written.
    pub left_out: Vec<String>,
    /// Parameters of the network that the input does not have.
    pub missing: Vec<String>,
    /// First layers that were fitted to another number of channels.
    pub adapted: Vec<String>,
    /// Layers that were drawn anew for another number of classes.
    pub drawn: Vec<String>,
}

/// Writes the weights of `input` as `output`: `.safetensors` with PyTorch's key names, or burn's `.bpk`.
///
/// With `fit` the network takes another number of input channels (filters are repeated and scaled, so that equal channels give what
/// one gave before) or of classes (the last layer is drawn anew, from the same seed each time); all other weights stay. A complete
/// `SwinUNETR` or `PlainConvUNet` gets the index buffers and second names that PyTorch's strict loading asks for.
///
/// # Errors
/// If the input cannot be read, cannot be fitted, the output's name has another ending, or it cannot be written.
pub fn convert_model(input: &Path, output: &Path, fit: Expectation) -> Result<ConvertReport, EngineFailure> {
    let format = write::Format::of(output)?;
    let mut file = read_model(input)?;
    let name = file_name(input);
    if file.tensors.is_empty() {
        return Err(EngineFailure::BadInput(format!("{name}: the file holds no weights; choose another")));
    }
    let fits = fit != Expectation::default();
    let mut architecture = if fits { Some(file.architecture()?) } else { file.architecture().ok() };
    let (mut left_out, mut missing, mut fitted) = (Vec::new(), Vec::new(), Fitted::default());
    if let Some(architecture) = &mut architecture {
        let (report, _) = report(architecture, &file);
        file.tensors.retain(|key, _| report.matched.contains(key));
        (left_out, missing) = (report.unexpected, report.missing);
        left_out.extend(report.mismatched.into_iter().map(|mismatch| mismatch.key));
        if fits {
            fitted = fit_tensors(&mut file, &name, architecture, fit)?;
            left_out.append(&mut fitted.left_out);
            missing.clone_from(&fitted.missing);
        }
    }
    let complete = architecture.as_ref().filter(|_| missing.is_empty());
    let tensors = write::convert(file, &name, complete, format, output)?;
    let architecture = architecture.map(|architecture| architecture.name().to_owned());
    Ok(ConvertReport { architecture, tensors, left_out, missing, adapted: fitted.adapted, drawn: fitted.drawn })
}

/// What became of the tensors of a file when its network changed.
#[derive(Default)]
struct Fitted {
    adapted: Vec<String>,
    drawn: Vec<String>,
    left_out: Vec<String>,
    missing: Vec<String>,
}

/// Changes the network, and the tensors that follow from it.
fn fit_tensors(
    file: &mut ModelFile,
    name: &str,
    architecture: &mut Architecture,
    fit: Expectation,
) -> Result<Fitted, EngineFailure> {
    if fit.classes.is_some() && architecture.classes().is_none() {
        return Err(EngineFailure::BadInput(format!(
            "{name}: a {} gives no classes; leave out --classes, or choose a file with a whole network",
            architecture.name()
        )));
    }
    architecture.expect(fit.in_channels, fit.classes);
    let device = burn::tensor::Device::flex();
    // What is drawn is the same each time.
    device.seed(0);
    let network = architecture.init(&device);
    let expected = expected_shapes(&network);
    let report = compare(&expected, &canonical_shapes(&file.tensors), ImportOptions { adapt_input: true });
    file.tensors.retain(|key, _| !report.unexpected.contains(key));
    for key in &report.adapted {
        if let Some(tensor) = file.tensors.remove(key) {
            file.tensors.insert(key.clone(), adapted(key, tensor, &expected[key]));
        }
    }
    let drawn: BTreeSet<String> = report.mismatched.into_iter().map(|mismatch| mismatch.key).collect();
    let fresh = some_tensors(&network, drawn.clone());
    file.tensors.extend(fresh.into_iter().map(|(key, tensor)| (key, StoredTensor::from(tensor))));
    Ok(Fitted {
        adapted: report.adapted,
        drawn: drawn.into_iter().collect(),
        left_out: report.unexpected,
        missing: report.missing,
    })
}
