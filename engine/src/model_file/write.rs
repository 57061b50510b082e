use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use burn::store::burn_pack;
use burn::tensor::DType;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, View};
use voco_engine_api::EngineFailure;
use voco_nn::Architecture;
use voco_nn::weights::{NamedTensor, second_names, window_index};

use super::read::{ModelFile, file_name};

/// How a file is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Safetensors,
    Burnpack,
}

impl Format {
    /// By the ending of the name.
    pub fn of(path: &Path) -> Result<Self, EngineFailure> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("bpk") => Ok(Self::Burnpack),
            _ => Err(EngineFailure::BadInput(format!(
                "{}: weights are written as .safetensors or .bpk; choose a name that ends so",
                file_name(path)
            ))),
        }
    }
}

/// Bytes under one or several names.
#[derive(Clone)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Arc<[u8]>,
}

impl View for Entry {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl From<NamedTensor> for Entry {
    fn from(tensor: NamedTensor) -> Self {
        let bytes = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: tensor.shape, bytes }
    }
}

/// Writes all tensors of a file and returns how many; `complete` is the network if nothing of it is missing.
pub(super) fn convert(
    file: ModelFile,
    name: &str,
    complete: Option<&Architecture>,
    format: Format,
    output: &Path,
) -> Result<usize, EngineFailure> {
    let ModelFile { tensors, metadata, .. } = file;
    let mut entries = BTreeMap::new();
    for (key, tensor) in tensors {
        let tensor = tensor.load(&key).map_err(|e| EngineFailure::BadInput(format!("{name}: {e}; save it again")))?;
        entries.insert(key, Entry::from(tensor));
    }
    if format == Format::Safetensors
        && let Some(architecture) = complete
    {
        add_pytorch_extras(&mut entries, architecture);
    }
    let count = entries.len();
    match format {
        Format::Safetensors => write_safetensors(entries, metadata, output)?,
        Format::Burnpack => write_burnpack(entries, &metadata, output)?,
    }
    Ok(count)
}

/// Writes tensors as they are, for results.
pub(super) fn write_tensors(tensors: BTreeMap<String, NamedTensor>, output: &Path) -> Result<(), EngineFailure> {
    let entries = tensors.into_iter().map(|(key, tensor)| (key, Entry::from(tensor))).collect();
    write_safetensors(entries, BTreeMap::new(), output)
}

/// What strict loading in PyTorch asks for besides the weights.
fn add_pytorch_extras(entries: &mut BTreeMap<String, Entry>, architecture: &Architecture) {
    let suffix = "relative_position_bias_table";
    let tables: Vec<String> = entries.keys().filter_map(|key| key.strip_suffix(suffix).map(str::to_owned)).collect();
    if !tables.is_empty() {
        let bytes = window_index().into_iter().flat_map(i64::to_le_bytes).collect();
        let index = Entry { dtype: Dtype::I64, shape: vec![343, 343], bytes };
        entries.extend(tables.into_iter().map(|stem| (format!("{stem}relative_position_index"), index.clone())));
    }
    if let Architecture::PlainUnet(_) = architecture {
        for second in second_names(&entries.keys().cloned().collect::<Vec<_>>()) {
            let entry = entries[&second.of].clone();
            entries.insert(second.name, entry);
        }
    }
}

fn write_safetensors(
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    output: &Path,
) -> Result<(), EngineFailure> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut metadata: HashMap<String, String> = metadata.into_iter().collect();
    // What PyTorch's readers look for.
    metadata.entry("format".to_owned()).or_insert_with(|| "pt".to_owned());
    let write = || -> std::io::Result<()> {
        let temporary = tempfile::NamedTempFile::new_in(folder)?;
        safetensors::serialize_to_file(entries, Some(metadata), temporary.path()).map_err(|e| match e {
            SafeTensorError::IoError(e) => e,
            other => std::io::Error::other(other.to_string()),
        })?;
        temporary.as_file().sync_all()?;
        temporary.persist(output)?;
        Ok(())
    };
    // The kind only: some errors carry the whole path.
    write().map_err(|e| cannot_write(output, &e.kind()))
}

fn write_burnpack(
    entries: BTreeMap<String, Entry>,
    metadata: &BTreeMap<String, String>,
    output: &Path,
) -> Result<(), EngineFailure> {
    let tensor = |(key, entry): (String, Entry)| {
        let bytes = burn_pack::Bytes::from_bytes_vec(entry.bytes.to_vec());
        burn_pack::Tensor::new(key, DType::F32, entry.shape, None, bytes)
    };
    let mut writer = burn_pack::Writer::new(entries.into_iter().map(tensor).collect()).auto_extension(false);
    for (key, value) in metadata {
        writer = writer.with_metadata(key, value);
    }
    writer.with_metadata("keys", "pytorch").write_to_file(output).map_err(|e| match e {
        burn_pack::Error::IoError(_) => cannot_write(output, &"the disk or the folder refused it"),
        other => cannot_write(output, &other),
    })
}

fn cannot_write(output: &Path, error: &dyn std::fmt::Display) -> EngineFailure {
    EngineFailure::Io(format!("{}: the file cannot be written ({error}); choose another place", file_name(output)))
}
