//! A tensor of a file whose bytes are read when they are needed.

use std::io;

use burn::tensor::{DType, TensorData};

use super::NamedTensor;
use crate::error::NnError;

/// A tensor in PyTorch layout: shape and number format are known, the values are
/// fetched once they are needed, so that a file of gigabytes is never twice in
/// memory.
pub struct StoredTensor {
    shape: Vec<usize>,
    dtype: DType,
    read: Box<dyn FnOnce() -> io::Result<Vec<u8>>>,
}

impl std::fmt::Debug for StoredTensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredTensor").field("shape", &self.shape).field("dtype", &self.dtype).finish_non_exhaustive()
    }
}

impl StoredTensor {
    /// A tensor of this shape; `read` gives its values, row-major and in the
    /// number format of this machine.
    pub fn new(shape: Vec<usize>, dtype: DType, read: impl FnOnce() -> io::Result<Vec<u8>> + 'static) -> Self {
        Self { shape, dtype, read: Box::new(read) }
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// A stand-in with this shape and number format, and no values.
    pub(crate) fn shape_only(&self) -> Self {
        Self::new(self.shape.clone(), self.dtype, || Ok(Vec::new()))
    }

    /// Whether it can be a weight: index buffers and step counters are integers.
    pub fn is_float(&self) -> bool {
        matches!(self.dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
    }

    /// Fetches the values as f32.
    ///
    /// # Errors
    /// When they cannot be read, are no floating point numbers, or are not as
    /// many as the shape says.
    pub fn load(self, key: &str) -> Result<NamedTensor, NnError> {
        if !self.is_float() {
            return Err(NnError::DataType { key: key.to_owned(), dtype: format!("{:?}", self.dtype) });
        }
        let unreadable = |reason: String| NnError::Unreadable { key: key.to_owned(), reason };
        let count = self.shape.iter().try_fold(1usize, |count, &edge| count.checked_mul(edge));
        let bytes = (self.read)().map_err(|e| unreadable(e.to_string()))?;
        if count.and_then(|count| count.checked_mul(self.dtype.size())) != Some(bytes.len()) {
            return Err(unreadable(format!("{} bytes do not fill the shape {:?}", bytes.len(), self.shape)));
        }
        let data = TensorData::from_bytes_vec(bytes, self.shape.clone(), self.dtype);
        Ok(NamedTensor { shape: self.shape, values: data.iter::<f32>().collect() })
    }
}

impl From<NamedTensor> for StoredTensor {
    fn from(tensor: NamedTensor) -> Self {
        let NamedTensor { shape, values } = tensor;
        Self::new(shape, DType::F32, move || Ok(values.into_iter().flat_map(f32::to_ne_bytes).collect()))
    }
}
