//! Weights in and out, under the names and layouts of the PyTorch code.

mod import;
mod pytorch;
mod stored;

pub use import::{ImportOptions, adapted, canonical_tensors, compare, expected_shapes, import_stored};
pub use pytorch::{SecondName, second_names, window_index};
pub use stored::StoredTensor;

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::NnError;
use crate::keys::{KeyPath, canonical};

/// What an import did, key by key (PyTorch names without `module.` and `backbone.`,
/// sorted).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportReport {
    /// Loaded.
    pub matched: Vec<String>,
    /// Parameters of the network that the file does not have; they keep their
    /// values.
    pub missing: Vec<String>,
    /// Tensors of the file that the network does not have.
    pub unexpected: Vec<String>,
    /// In both, with different shapes; they keep their values.
    pub mismatched: Vec<ShapeMismatch>,
    /// Those of `matched` that were fitted to another number of input channels.
    pub adapted: Vec<String>,
}

/// A tensor whose shape in the file differs from the network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeMismatch {
    /// PyTorch key.
    pub key: String,
    /// Shape in the network, PyTorch layout.
    pub expected: Vec<usize>,
    /// Shape in the file.
    pub found: Vec<usize>,
}

/// A tensor in PyTorch layout, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Shape; linear matrices are `[out, in]`.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
}

/// All parameters of a module by PyTorch key.
pub fn named_tensors<M: Module>(module: &M) -> BTreeMap<String, NamedTensor> {
    let mut export = Export::default();
    module.visit(&mut export);
    export.tensors
}

/// Some parameters of a module, by canonical key. Of a network that was only
/// described, no other weights are drawn.
pub fn some_tensors<M: Module>(module: &M, keys: BTreeSet<String>) -> BTreeMap<String, NamedTensor> {
    let mut export = Export { only: Some(keys), ..Export::default() };
    module.visit(&mut export);
    export.tensors
}

/// All parameters of a module as a safetensors file, with free `metadata`; with at most
/// one entry of it the bytes are the same each time.
///
/// # Errors
/// When the container cannot be written.
pub fn to_safetensors<M: Module>(module: &M, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, NnError> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = named_tensors(module)
        .into_iter()
        .map(|(key, tensor)| {
            let bytes = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (key, tensor.shape, bytes)
        })
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (key, shape, bytes) in &tensors {
        views.push((key.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?));
    }
    let metadata = metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// Loads a safetensors file into a module; see [`import_tensors`].
///
/// # Errors
/// When the file cannot be read or nothing in it belongs to the module.
pub fn from_safetensors<M: Module>(module: M, bytes: &[u8]) -> Result<(M, ImportReport), NnError> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut tensors = BTreeMap::new();
    for (key, view) in file.iter() {
        // Index buffers and step counters are integers, and no weights.
        if matches!(view.dtype(), Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::BF16) {
            let values = f32_values(key, &view)?;
            tensors.insert(key.to_owned(), NamedTensor { shape: view.shape().to_vec(), values });
        }
    }
    import_tensors(module, tensors)
}

/// Loads tensors by PyTorch key into a module, whatever prefix style the keys
/// have (`module.`, bare encoder keys, `swin_vit`).
///
/// # Errors
/// [`NnError::NothingMatched`] when not one tensor fits.
pub fn import_tensors<M: Module>(
    module: M,
    tensors: BTreeMap<String, NamedTensor>,
) -> Result<(M, ImportReport), NnError> {
    let tensors = tensors.into_iter().map(|(key, tensor)| (key, StoredTensor::from(tensor))).collect();
    import_stored(module, tensors, ImportOptions::default())
}

/// Values of a stored tensor as f32.
pub(crate) fn f32_values(key: &str, view: &TensorView<'_>) -> Result<Vec<f32>, NnError> {
    let data = view.data();
    let dtype = match view.dtype() {
        Dtype::F32 => burn::tensor::DType::F32,
        Dtype::F64 => burn::tensor::DType::F64,
        Dtype::F16 => burn::tensor::DType::F16,
        Dtype::BF16 => burn::tensor::DType::BF16,
        other => {
            return Err(NnError::DataType { key: key.to_owned(), dtype: format!("{other:?}") });
        }
    };
    let shape = view.shape().to_vec();
    let data = TensorData::from_bytes_vec(data.to_vec(), shape, dtype);
    Ok(data.iter::<f32>().collect())
}

/// Little-endian bytes of an f32 tensor.
pub(crate) fn f32_bytes(data: &TensorData) -> Vec<u8> {
    data.iter::<f32>().flat_map(f32::to_le_bytes).collect()
}

#[derive(Default)]
struct Export {
    path: KeyPath,
    only: Option<BTreeSet<String>>,
    tensors: BTreeMap<String, NamedTensor>,
}

impl ModuleVisitor for Export {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let mut key = self.path.key();
        if let Some(only) = &self.only {
            key = canonical(&key).unwrap_or(key);
            if !only.contains(&key) {
                return;
            }
        }
        let mut value = param.val().without_autodiff();
        if self.path.is_linear_matrix() {
            value = value.swap_dims(0, 1);
        }
        let shape = value.dims().to_vec();
        let values = value.into_data().iter::<f32>().collect();
        self.tensors.insert(key, NamedTensor { shape, values });
    }
}
