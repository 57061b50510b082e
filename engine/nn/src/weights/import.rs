//! From the tensors of a file to the parameters of a module.

use std::collections::BTreeMap;
use std::io;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};

use super::{ImportReport, NamedTensor, ShapeMismatch, StoredTensor};
use crate::error::NnError;
use crate::keys::{KeyPath, canonical};

/// Layers that see the input volume: their second axis is its channels.
const INPUT_LAYERS: [&str; 4] = [
    "swinViT.patch_embed.proj.weight",
    "encoder1.layer.conv1.conv.weight",
    "encoder1.layer.conv3.conv.weight",
    "encoder.stages.0.0.convs.0.conv.weight",
];

/// How an import treats tensors that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// Fits the first layers to another number of input channels instead of
    /// leaving them as they are: filters are repeated when the network has a
    /// multiple of the file's channels and summed otherwise, and scaled so that
    /// equal channels give what they gave before.
    pub adapt_input: bool,
}

/// Shapes of all parameters of a module in PyTorch layout, by canonical key.
/// Draws no random number and reads no weight.
pub fn expected_shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    struct Shapes {
        path: KeyPath,
        shapes: BTreeMap<String, Vec<usize>>,
    }
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.path.enter(name, container_type);
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let mut shape = param.lazy_shape().to_vec();
            if self.path.is_linear_matrix() {
                shape.swap(0, 1);
            }
            let key = self.path.key();
            self.shapes.insert(canonical(&key).unwrap_or(key), shape);
        }
    }
    let mut shapes = Shapes { path: KeyPath::default(), shapes: BTreeMap::new() };
    module.visit(&mut shapes);
    shapes.shapes
}

/// What an import of tensors with the shapes `found` (canonical keys) into
/// parameters of the shapes `expected` does.
pub fn compare(
    expected: &BTreeMap<String, Vec<usize>>,
    found: &BTreeMap<String, Vec<usize>>,
    options: ImportOptions,
) -> ImportReport {
    let mut report = ImportReport::default();
    for (key, want) in expected {
        match found.get(key) {
            None => report.missing.push(key.clone()),
            Some(have) if have == want => report.matched.push(key.clone()),
            Some(have) if options.adapt_input && can_adapt(key, want, have) => {
                report.matched.push(key.clone());
                report.adapted.push(key.clone());
            }
            Some(have) => {
                let mismatch = ShapeMismatch { key: key.clone(), expected: want.clone(), found: have.clone() };
                report.mismatched.push(mismatch);
            }
        }
    }
    report.unexpected = found.keys().filter(|key| !expected.contains_key(*key)).cloned().collect();
    report
}

/// Loads tensors by PyTorch key into a module, whatever prefix style the keys
/// have. Reads those that fit, one at a time, and no others.
///
/// # Errors
/// [`NnError::NothingMatched`] when not one tensor fits, or when a tensor cannot
/// be read.
pub fn import_stored<M: Module>(
    module: M,
    tensors: BTreeMap<String, StoredTensor>,
    options: ImportOptions,
) -> Result<(M, ImportReport), NnError> {
    let count = tensors.len();
    let example_found = tensors.keys().next().cloned().unwrap_or_default();
    let tensors = canonical_tensors(tensors);
    let found = tensors.iter().map(|(key, tensor)| (key.clone(), tensor.shape().to_vec())).collect();
    let expected = expected_shapes(&module);
    let report = compare(&expected, &found, options);
    if report.matched.is_empty() {
        let example_expected = expected.into_keys().next().unwrap_or_default();
        return Err(NnError::NothingMatched { found: count, example_found, example_expected });
    }
    let mut import = Import { tensors, expected, path: KeyPath::default(), options, error: None };
    let module = module.map(&mut import);
    match import.error {
        Some(error) => Err(error),
        None => Ok((module, report)),
    }
}

/// A tensor of an input layer as [`ImportOptions::adapt_input`] fits it to the
/// shape `want` when it is read; one that cannot be fitted comes back as it is.
pub fn adapted(key: &str, tensor: StoredTensor, want: &[usize]) -> StoredTensor {
    if !can_adapt(key, want, tensor.shape()) {
        return tensor;
    }
    let (key, shape) = (key.to_owned(), want.to_vec());
    let read = move || {
        let tensor = tensor.load(&key).map_err(io::Error::other)?;
        Ok(adapt(&tensor, &shape).values.into_iter().flat_map(f32::to_ne_bytes).collect())
    };
    StoredTensor::new(want.to_vec(), DType::F32, read)
}

/// The floating point tensors under their canonical keys. Where a tensor has
/// several names, the one under its own name counts.
pub fn canonical_tensors(tensors: BTreeMap<String, StoredTensor>) -> BTreeMap<String, StoredTensor> {
    let mut named = BTreeMap::new();
    let mut aliases = Vec::new();
    for (key, tensor) in tensors {
        match canonical(&key).filter(|_| tensor.is_float()) {
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

struct Import {
    tensors: BTreeMap<String, StoredTensor>,
    expected: BTreeMap<String, Vec<usize>>,
    path: KeyPath,
    options: ImportOptions,
    error: Option<NnError>,
}

impl Import {
    /// The values for the current parameter, if the file has them.
    fn take(&mut self) -> Option<NamedTensor> {
        let key = canonical(&self.path.key())?;
        let want = self.expected.get(&key)?;
        let have = self.tensors.get(&key)?.shape();
        let same = have == want;
        if self.error.is_some() || !(same || self.options.adapt_input && can_adapt(&key, want, have)) {
            return None;
        }
        match self.tensors.remove(&key)?.load(&key) {
            Ok(tensor) if same => Some(tensor),
            Ok(tensor) => Some(adapt(&tensor, want)),
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }
}

impl ModuleMapper for Import {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(tensor) = self.take() else { return param };
        let device = param.lazy_device();
        let mut value: Tensor<D> = Tensor::from_data(TensorData::new(tensor.values, tensor.shape), &device);
        if self.path.is_linear_matrix() {
            // A plain transpose is a view; later products want rows in memory order.
            value = (value.swap_dims(0, 1)).add_scalar(0.0);
        }
        let id = param.id;
        param.transform_for_load(value, id)
    }
}

/// Whether a tensor differs in its number of input channels and nothing else.
fn can_adapt(key: &str, want: &[usize], have: &[usize]) -> bool {
    let rest_equals = || want[0] == have[0] && want[2..] == have[2..];
    INPUT_LAYERS.contains(&key) && want.len() == 5 && have.len() == 5 && have[1] > 0 && rest_equals()
}

/// Filters `[out, have, ..]` as `[out, want, ..]`; see [`ImportOptions::adapt_input`].
fn adapt(tensor: &NamedTensor, want: &[usize]) -> NamedTensor {
    let (have, wanted) = (tensor.shape[1], want[1]);
    let voxels: usize = want[2..].iter().product();
    #[expect(clippy::cast_precision_loss, reason = "a few channels")]
    let (repeat, sum) = (have as f32 / wanted as f32, 1.0 / wanted as f32);
    let mut values = Vec::with_capacity(want.iter().product());
    for filter in tensor.values.chunks_exact(have * voxels) {
        for channel in 0..wanted {
            let value = |voxel: usize| {
                if wanted.is_multiple_of(have) {
                    filter[channel % have * voxels + voxel] * repeat
                } else {
                    filter.iter().skip(voxel).step_by(voxels).sum::<f32>() * sum
                }
            };
            values.extend((0..voxels).map(value));
        }
    }
    NamedTensor { shape: want.to_vec(), values }
}
