use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use voco_engine_api::{DeviceChoice, EngineFailure};
use voco_nn::infer::{Blend, SlidingWindow};
use voco_nn::swin::MergeOrder;
use voco_nn::weights::{ImportOptions, import_stored};
use voco_nn::{Architecture, Network, NnError};

use super::read::{ModelFile, file_name, read_model};
use super::write::write_tensors;

/// Order in which a `SwinUNETR` merges patches. No file tells which one its weights were trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatchMerging {
    /// MONAI up to 1.4, and with it the published VoCo weights.
    #[default]
    Legacy,
    /// MONAI 1.5 and later.
    Fixed,
}

/// Sliding-window inference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowSettings {
    /// Edges of the window in voxels.
    pub roi: [usize; 3],
    /// Share of a window that the next one covers again, at least 0 and below 1.
    pub overlap: f64,
    /// Gaussian weights in place of constant ones.
    pub gaussian: bool,
}

/// A forward pass on a raw tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRun {
    /// The weights.
    pub checkpoint: PathBuf,
    /// A `.safetensors` with a tensor `input` `[N, C, X, Y, Z]`.
    pub input: PathBuf,
    /// Where `output` goes.
    pub output: PathBuf,
    /// Writes `hidden0`, … and `embedding` too.
    pub all_outputs: bool,
    /// Order of the patch merging.
    pub patch_merging: PatchMerging,
    /// By sliding window instead of all at once.
    pub window: Option<WindowSettings>,
    /// Where to compute.
    pub device: DeviceChoice,
}

/// What a forward pass gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    /// The network.
    pub architecture: String,
    /// The device.
    pub device: String,
    /// Seconds of the forward pass alone.
    pub seconds: f64,
    /// Shapes of the tensors written, by name.
    pub outputs: std::collections::BTreeMap<String, Vec<usize>>,
}

/// Runs a network on a raw tensor and writes what it gives.
///
/// # Errors
/// If a file cannot be read or written, weights are missing, or the input does not fit the network.
pub fn run_model(run: &ModelRun) -> Result<RunReport, EngineFailure> {
    let (device, device_name, _) = crate::device::resolve(run.device)?;
    let (architecture, network) = load(run, &device)?;
    let input = read_input(run, &architecture, &device)?;
    let name = file_name(&run.input);
    let [_, _, size @ ..] = input.dims();
    let start = Instant::now();
    let results = match run.window {
        None => {
            architecture.check_crop(size).map_err(|e| bad(&name, &e, "pad it, or use --roi"))?;
            network.forward(input).named(run.all_outputs)
        }
        Some(window) => {
            let checkpoint = file_name(&run.checkpoint);
            if architecture.classes().is_none() || run.all_outputs {
                return Err(EngineFailure::BadInput(format!(
                    "{checkpoint}: a sliding window gives logits only; leave out --roi for an encoder or for --all-outputs"
                )));
            }
            architecture.check_crop(window.roi).map_err(|e| bad(&checkpoint, &e, "choose another --roi"))?;
            let blend = if window.gaussian { Blend::Gaussian } else { Blend::Constant };
            let sliding = SlidingWindow { roi: window.roi, overlap: window.overlap, blend };
            let logits = sliding
                .run(&input, |part| {
                    let out = network.forward(part);
                    out.logits.ok_or(NnError::UnknownArchitecture { reason: "it gives no logits".to_owned() })
                })
                .map_err(|e| bad(&checkpoint, &e, "choose another network"))?;
            let shape = logits.dims().to_vec();
            let values = logits.into_data().iter::<f32>().collect();
            [("output".to_owned(), voco_nn::weights::NamedTensor { shape, values })].into()
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let outputs = results.iter().map(|(key, tensor)| (key.clone(), tensor.shape.clone())).collect();
    write_tensors(results, &run.output)?;
    Ok(RunReport { architecture: architecture.name().to_owned(), device: device_name, seconds, outputs })
}

/// The network of the checkpoint with all its weights.
fn load(run: &ModelRun, device: &Device) -> Result<(Architecture, Network), EngineFailure> {
    let name = file_name(&run.checkpoint);
    let (mut architecture, file) = read_complete_model(&run.checkpoint)?;
    architecture.set_merge_order(match run.patch_merging {
        PatchMerging::Legacy => MergeOrder::Legacy,
        PatchMerging::Fixed => MergeOrder::Fixed,
    });
    let network = architecture.init(device);
    let (network, _) = import_stored(network, file.tensors, ImportOptions::default())
        .map_err(|e| bad(&name, &e, "download or save it again"))?;
    Ok((architecture, network))
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

fn read_input(run: &ModelRun, architecture: &Architecture, device: &Device) -> Result<Tensor<5>, EngineFailure> {
    let name = file_name(&run.input);
    let mut file = read_model(&run.input)?;
    let wrong = |what: String| EngineFailure::BadInput(format!("{name}: {what}"));
    let Some(tensor) = file.tensors.remove("input") else {
        return Err(wrong("there is no floating point tensor called input; save it under that name".to_owned()));
    };
    let tensor = tensor.load("input").map_err(|e| wrong(format!("{e}; save it again")))?;
    let &[_, channels, ..] = tensor.shape.as_slice() else {
        return Err(wrong("the tensor input must be of shape [N, C, X, Y, Z]".to_owned()));
    };
    if tensor.shape.len() != 5 || tensor.shape.contains(&0) {
        return Err(wrong(format!("the tensor input must be of shape [N, C, X, Y, Z], not {:?}", tensor.shape)));
    }
    if channels != architecture.in_channels() {
        return Err(wrong(format!(
            "the input has {channels} channels and the network takes {}; choose another input",
            architecture.in_channels()
        )));
    }
    Ok(Tensor::from_data(TensorData::new(tensor.values, tensor.shape), device))
}

fn bad(name: &str, error: &NnError, remedy: &str) -> EngineFailure {
    EngineFailure::BadInput(format!("{name}: {error}; {remedy}"))
}
