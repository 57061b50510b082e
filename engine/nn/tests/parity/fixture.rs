//! Reading fixtures and measuring distances.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use voco_nn::weights::NamedTensor;

/// One safetensors file, everything as f32.
pub struct Fixture {
    pub tensors: BTreeMap<String, NamedTensor>,
}

/// The folder of the fixtures, or a message and `None`.
pub fn path(file: &str) -> Option<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures");
    let path = PathBuf::from(root).join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

pub fn json(file: &str) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(path(file)?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

impl Fixture {
    pub fn open(file: &str) -> Option<Self> {
        let bytes = std::fs::read(path(file)?).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors = BTreeMap::new();
        for (key, view) in file.iter() {
            let data = view.data();
            #[expect(clippy::cast_possible_truncation, reason = "fixtures are compared in f32")]
            let values: Vec<f32> = match view.dtype() {
                Dtype::F32 => chunks(data).map(f32::from_le_bytes).collect(),
                Dtype::F64 => chunks(data).map(|raw| f64::from_le_bytes(raw) as f32).collect(),
                Dtype::U8 => data.iter().map(|&v| f32::from(v)).collect(),
                _ => continue,
            };
            tensors.insert(key.to_owned(), NamedTensor { shape: view.shape().to_vec(), values });
        }
        Some(Self { tensors })
    }

    pub fn values(&self, key: &str) -> &[f32] {
        &self.tensors[key].values
    }

    pub fn scalar(&self, key: &str) -> f32 {
        self.values(key)[0]
    }

    pub fn get<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        let tensor = &self.tensors[key];
        Tensor::from_data(TensorData::new(tensor.values.clone(), tensor.shape.clone()), device)
    }

    /// Entries below a prefix, with the prefix cut off.
    pub fn below(&self, prefix: &str) -> BTreeMap<String, NamedTensor> {
        self.tensors
            .iter()
            .filter_map(|(key, tensor)| key.strip_prefix(prefix).map(|rest| (rest.to_owned(), tensor.clone())))
            .collect()
    }
}

fn chunks<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    data.chunks_exact(N).map(|raw| raw.try_into().unwrap())
}

pub fn vec<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// ‖a − b‖ / ‖b‖.
pub fn rel_l2(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    let norm = |it: &mut dyn Iterator<Item = f64>| it.map(|v| v * v).sum::<f64>().sqrt();
    let diff = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let base = norm(&mut b.iter().map(|b| f64::from(*b)));
    if base == 0.0 { diff } else { diff / base }
}

pub fn max_abs(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Fails with the measured error and returns it for printing.
#[track_caller]
pub fn within(what: &str, error: f64, limit: f64) -> f64 {
    assert!(error <= limit, "{what}: error {error:.3e} is above {limit:.1e}");
    error
}
