//! Weights in and out, under the names and layouts of the PyTorch code.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::NnError;
use crate::keys::{KeyPath, canonical};

/// What an import did, key by key (PyTorch names, sorted).
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

/// All parameters of a module as a safetensors file, with free `metadata`.
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
    let found = tensors.len();
    let example_found = tensors.keys().next().cloned().unwrap_or_default();
    let tensors = canonical_tensors(tensors);
    let mut import = Import { tensors, report: ImportReport::default(), path: KeyPath::default() };
    let module = module.map(&mut import);
    let Import { tensors, mut report, .. } = import;
    if report.matched.is_empty() {
        let example_expected = report.missing.first().cloned().unwrap_or_default();
        return Err(NnError::NothingMatched { found, example_found, example_expected });
    }
    report.unexpected = tensors.into_keys().collect();
    report.matched.sort_unstable();
    report.missing.sort_unstable();
    report.mismatched.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok((module, report))
}

/// The tensors under their canonical keys. Where a tensor has several names, the
/// one under its own name counts.
fn canonical_tensors(tensors: BTreeMap<String, NamedTensor>) -> BTreeMap<String, NamedTensor> {
    let mut named = BTreeMap::new();
    let mut aliases = Vec::new();
    for (key, tensor) in tensors {
        match canonical(&key) {
            Some(same) if same == key => drop(named.insert(key, tensor)),
            Some(other) => aliases.push((other, tensor)),
            None => {}
        }
    }
    for (key, tensor) in aliases {
        named.entry(key).or_insert(tensor);
    }
    named
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
        let mut value = param.val().without_autodiff();
        if self.path.is_linear_matrix() {
            value = value.swap_dims(0, 1);
        }
        let shape = value.dims().to_vec();
        let values = value.into_data().iter::<f32>().collect();
        self.tensors.insert(self.path.key(), NamedTensor { shape, values });
    }
}

struct Import {
    tensors: BTreeMap<String, NamedTensor>,
    report: ImportReport,
    path: KeyPath,
}

impl ModuleMapper for Import {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let key = self.path.key();
        let Some(tensor) = canonical(&key).and_then(|key| self.tensors.remove(&key)) else {
            self.report.missing.push(key);
            return param;
        };
        let mut expected = param.lazy_shape().to_vec();
        let transposed = self.path.is_linear_matrix();
        if transposed {
            expected.swap(0, 1);
        }
        if expected != tensor.shape {
            self.report.mismatched.push(ShapeMismatch { key, expected, found: tensor.shape });
            return param;
        }
        self.report.matched.push(key);
        let device = param.lazy_device();
        let mut value: Tensor<D> = Tensor::from_data(TensorData::new(tensor.values, tensor.shape), &device);
        if transposed {
            // A plain transpose is a view; later products want rows in memory order.
            value = (value.swap_dims(0, 1)).add_scalar(0.0);
        }
        let id = param.id;
        param.transform_for_load(value, id)
    }
}
