use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use burn::store::burn_pack;
use burn::store::pytorch_reader::{self, PickleValue, PytorchReader};
use burn::tensor::DType;
use parking_lot::Mutex;
use safetensors::tensor::{Dtype, Metadata};
use voco_engine_api::{EngineFailure, ModelCard};
use voco_nn::weights::{StoredTensor, canonical_tensors};
use voco_nn::{Architecture, canonical_shapes};

use crate::training::weights_path;

/// Where files of PyTorch code keep the weights, in the order in which the published loader looks.
const WRAPPERS: [&str; 6] = ["state_dict", "network_weights", "net", "student", "model_state_dict", "model"];

/// No header of a safetensors file is longer.
const LONGEST_HEADER: u64 = 100 << 20;

/// The floating point tensors of a file by canonical PyTorch key, read when they are needed.
pub(crate) struct ModelFile {
    /// The tensors.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// How the file is written, for people.
    pub format: &'static str,
    /// Free text that safetensors files carry.
    pub metadata: BTreeMap<String, String>,
    name: String,
}

impl ModelFile {
    /// The network that these weights belong to.
    pub fn architecture(&self) -> Result<Architecture, EngineFailure> {
        Architecture::detect(&canonical_shapes(&self.tensors)).map_err(|e| {
            EngineFailure::BadInput(format!("{}: {e}; choose a file of weights of a known network", self.name))
        })
    }
}

/// Where a file of weights keeps its card.
pub(crate) const CARD_KEY: &str = "model_card";

impl ModelFile {
    /// What the network was made for, if the file tells.
    pub fn card(&self) -> Result<Option<ModelCard>, EngineFailure> {
        let Some(text) = self.metadata.get(CARD_KEY) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|e| {
            EngineFailure::BadInput(format!(
                "{}: its model card cannot be read ({e}); save the network again",
                self.name
            ))
        })
    }
}

/// The last part of a path, for messages.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Opens weights: a PyTorch `.pt` or `.pth`, `.safetensors`, burn's `.bpk`, or the folder of a checkpoint or a run.
///
/// The content decides, not the ending of the name. Nothing in a file is executed, and no memory is taken on the word of a header.
pub(crate) fn read_model(path: &Path) -> Result<ModelFile, EngineFailure> {
    let name = file_name(path);
    let path = weights_path(path);
    let open = || -> io::Result<(File, u64, Vec<u8>)> {
        let mut file = File::open(&path)?;
        let info = file.metadata()?;
        if !info.is_file() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut start = Vec::new();
        (&mut file).take(9).read_to_end(&mut start)?;
        Ok((file, info.len(), start))
    };
    let (file, len, start) = open()
        .map_err(|e| EngineFailure::Io(format!("{name}: the weights cannot be read ({}); check the path", e.kind())))?;
    let read = || {
        if start.starts_with(&burn_pack::MAGIC_NUMBER.to_le_bytes()) {
            burnpack(&path, len)
        } else if start.get(8) == Some(&b'{') {
            safetensors(file, len)
        } else {
            pytorch(&path, len)
        }
    };
    // The readers answer damaged files with errors. Should one have a gap, the program goes on all the same.
    let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("its structure is damaged".to_owned()));
    let (tensors, format, metadata) = read.map_err(|reason| {
        let reason = one_line(&reason);
        EngineFailure::BadInput(format!(
            "{name}: this is no readable file of weights ({reason}); download or save it again"
        ))
    })?;
    Ok(ModelFile { tensors, format, metadata, name })
}

type Parsed = Result<(BTreeMap<String, StoredTensor>, &'static str, BTreeMap<String, String>), String>;

fn safetensors(file: File, len: u64) -> Parsed {
    let mut file = file;
    let mut read = |from: u64, count: u64| -> io::Result<Vec<u8>> { read_at(&mut file, from, count) };
    let word = read(0, 8).map_err(|e| e.to_string())?;
    let header_len = word.first_chunk().copied().map(u64::from_le_bytes).ok_or("it has no header")?;
    if header_len > LONGEST_HEADER || header_len > len.saturating_sub(8) {
        return Err(format!("its header claims {header_len} bytes of {len}"));
    }
    let header = read(8, header_len).map_err(|e| e.to_string())?;
    let header: Metadata = serde_json::from_slice(&header).map_err(|e| format!("its header is damaged: {e}"))?;
    let start = 8 + header_len;
    let file = Arc::new(Mutex::new(file));
    let mut tensors = BTreeMap::new();
    for (key, info) in header.tensors().into_iter().collect::<BTreeMap<_, _>>() {
        let dtype = match info.dtype {
            Dtype::F64 => DType::F64,
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            // Index buffers and step counters, and formats that are no weights here.
            _ => continue,
        };
        let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        if from > to || to > len - start {
            return Err(format!("tensor `{key}` lies beyond the end of the file"));
        }
        let bytes = info.shape.iter().try_fold(dtype.size(), |bytes, &edge| bytes.checked_mul(edge));
        if bytes.map(|bytes| bytes as u64) != Some(to - from) {
            return Err(format!("tensor `{key}` has {} bytes, which do not fill its shape", to - from));
        }
        let file = file.clone();
        let read = move || read_at(&mut file.lock(), start + from, to - from);
        tensors.insert(key, StoredTensor::new(info.shape.clone(), dtype, read));
    }
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok((canonical_tensors(tensors), "safetensors", metadata))
}

fn pytorch(path: &Path, len: u64) -> Parsed {
    let top = PytorchReader::read_pickle_data(path, None).map_err(|e| e.to_string())?;
    let is_dict =
        |key: &&str| matches!(&top, PickleValue::Dict(dict) if matches!(dict.get(*key), Some(PickleValue::Dict(_))));
    let reader = match WRAPPERS.into_iter().find(is_dict) {
        Some(key) => PytorchReader::with_top_level_key(path, key),
        None => PytorchReader::new(path),
    };
    let reader = reader.map_err(|e| e.to_string())?;
    let format = if reader.metadata().is_legacy_format() { "PyTorch (legacy)" } else { "PyTorch" };
    let mut tensors = BTreeMap::new();
    for (key, tensor) in reader.into_tensors().into_iter().collect::<BTreeMap<_, _>>() {
        let dtype = match tensor.dtype() {
            pytorch_reader::DType::F64 => DType::F64,
            pytorch_reader::DType::F32 => DType::F32,
            pytorch_reader::DType::F16 => DType::F16,
            pytorch_reader::DType::BF16 => DType::BF16,
            _ => continue,
        };
        // A view may repeat one stored number without end.
        if tensor.byte_len() as u64 > len {
            return Err(format!("tensor `{key}` claims {} bytes, more than the file has", tensor.byte_len()));
        }
        let (_, _, shape, read) = tensor.into_parts();
        tensors.insert(key, StoredTensor::new(shape, dtype, read));
    }
    bounded(canonical_tensors(tensors), len).map(|tensors| (tensors, format, BTreeMap::new()))
}

fn burnpack(path: &Path, len: u64) -> Parsed {
    let reader = burn_pack::Reader::from_file_exact(path).map_err(|e| e.to_string())?;
    let metadata = reader.metadata().clone();
    let mut tensors = BTreeMap::new();
    for tensor in reader.into_tensors().map_err(|e| e.to_string())? {
        if !matches!(tensor.dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
            continue;
        }
        let (key, dtype, shape) = (tensor.name.clone(), tensor.dtype, tensor.shape.to_vec());
        let read = move || match tensor.into_bytes() {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(e) => Err(io::Error::other(e.to_string())),
        };
        tensors.insert(key, StoredTensor::new(shape, dtype, read));
    }
    bounded(canonical_tensors(tensors), len).map(|tensors| (tensors, "burnpack", metadata))
}

/// Refuses tensors that share their bytes so often that together they are far larger than the file.
fn bounded(tensors: BTreeMap<String, StoredTensor>, len: u64) -> Result<BTreeMap<String, StoredTensor>, String> {
    let numbers = |tensor: &StoredTensor| tensor.shape().iter().fold(1u64, |n, &edge| n.saturating_mul(edge as u64));
    let total = tensors.values().map(numbers).fold(0u64, u64::saturating_add);
    // Two bytes for a number at least, and room for weights that are tied.
    if total > len.saturating_mul(2) {
        return Err(format!("its tensors claim {total} numbers, more than the file has"));
    }
    Ok(tensors)
}

fn read_at(file: &mut File, from: u64, count: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == count { Ok(bytes) } else { Err(io::Error::other("the file ends too early")) }
}

/// The beginning of a reason, as part of a sentence.
fn one_line(reason: &str) -> String {
    let line: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(240).collect();
    line.trim_end_matches(['.', ' ']).to_owned()
}
