//! Stochastic gradient descent with momentum, nnU-Net's optimiser.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Rule, step_module};
use crate::error::NnError;
use crate::weights::{f32_bytes, f32_values};

/// Ending of a key in the saved state, as PyTorch calls it.
const BUFFER: &str = ".momentum_buffer";

/// Settings of [`Sgd`]; the default is nnU-Net's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdSettings {
    /// Share of the old velocity that is kept.
    pub momentum: f64,
    /// Look ahead along the new velocity.
    pub nesterov: bool,
    /// `weight_decay`·parameter is added to the gradient.
    pub weight_decay: f64,
}

impl Default for SgdSettings {
    fn default() -> Self {
        Self { momentum: 0.99, nesterov: true, weight_decay: 3e-5 }
    }
}

/// The optimiser with its velocities. `torch.optim.SGD` without dampening.
pub struct Sgd {
    settings: SgdSettings,
    /// Velocities, flattened, by PyTorch key.
    velocities: BTreeMap<String, Tensor<1>>,
}

impl Sgd {
    /// A fresh optimiser.
    pub fn new(settings: SgdSettings) -> Self {
        Self { settings, velocities: BTreeMap::new() }
    }

    /// One step with learning rate `lr` on every parameter that has a gradient.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, module: M, gradients: GradientsParams) -> M {
        step_module(self, lr, module, gradients)
    }

    /// The velocities as safetensors: per parameter `momentum_buffer` (flat).
    ///
    /// # Errors
    /// When the container cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NnError> {
        let entries: Vec<(String, Vec<u8>)> = self
            .velocities
            .iter()
            .map(|(key, velocity)| (format!("{key}{BUFFER}"), f32_bytes(&velocity.to_data())))
            .collect();
        let mut views = Vec::with_capacity(entries.len());
        for (name, bytes) in &entries {
            views.push((name.as_str(), TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?));
        }
        Ok(safetensors::serialize(views, None)?)
    }

    /// An optimiser that goes on where [`Sgd::to_bytes`] was called.
    ///
    /// # Errors
    /// When the bytes are no safetensors or hold something else.
    pub fn from_bytes(settings: SgdSettings, bytes: &[u8], device: &Device) -> Result<Self, NnError> {
        let file = SafeTensors::deserialize(bytes)?;
        // Velocities live outside the graph, like the gradients they are mixed with.
        let device = device.clone().without_autodiff();
        let mut optimizer = Self::new(settings);
        for (name, view) in file.iter() {
            let Some(key) = name.strip_suffix(BUFFER) else {
                return Err(NnError::OptimizerState { key: BUFFER.trim_start_matches('.').to_owned() });
            };
            let values = f32_values(name, &view)?;
            let len = values.len();
            let velocity = Tensor::from_data(TensorData::new(values, [len]), &device);
            optimizer.velocities.insert(key.to_owned(), velocity);
        }
        Ok(optimizer)
    }
}

impl Rule for Sgd {
    fn update(&mut self, key: String, lr: f64, value: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let SgdSettings { momentum, nesterov, weight_decay } = self.settings;
        let gradient = if weight_decay == 0.0 { gradient } else { gradient + value.clone() * weight_decay };
        if momentum == 0.0 {
            return value - gradient * lr;
        }
        let velocity = match self.velocities.remove(&key) {
            Some(velocity) => velocity * momentum + gradient.clone(),
            None => gradient.clone(),
        };
        let direction = if nesterov { gradient + velocity.clone() * momentum } else { velocity.clone() };
        self.velocities.insert(key, velocity);
        value - direction * lr
    }
}
