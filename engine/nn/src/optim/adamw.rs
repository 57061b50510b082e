//! Adam and `AdamW`.
//!
//! burn's own `AdamW` does the arithmetic: its decay is `lr·weight_decay` and its
//! AMSGrad keeps the maximum of the uncorrected second moment, as PyTorch's. Only
//! the bookkeeping is ours, because burn files its state under random parameter
//! ids that a new process does not have; here it is filed under PyTorch keys.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::optim::{AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Rule, step_layers, step_module};
use crate::error::NnError;
use crate::weights::{f32_bytes, f32_values};

/// Settings of [`AdamW`]; the default is the published pre-training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWSettings {
    /// Decay rates of the two moments.
    pub betas: (f32, f32),
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Weight decay. Decoupled: each step multiplies by 1 − lr·this.
    pub weight_decay: f32,
    /// Plain Adam: `weight_decay`·parameter is added to the gradient instead.
    pub coupled: bool,
    /// Use the running maximum of the second moment.
    pub amsgrad: bool,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, coupled: false, amsgrad: true }
    }
}

/// The optimiser with its moments.
pub struct AdamW {
    rule: burn::optim::AdamW,
    /// Share of the parameter that is added to its gradient.
    l2: f32,
    /// Moments, flattened, by PyTorch key.
    states: BTreeMap<String, AdaptiveMomentumState<1>>,
}

impl AdamW {
    /// A fresh optimiser.
    pub fn new(settings: AdamWSettings) -> Self {
        let (decay, l2) = if settings.coupled { (0.0, settings.weight_decay) } else { (settings.weight_decay, 0.0) };
        let rule = AdamWConfig::new()
            .with_beta_1(settings.betas.0)
            .with_beta_2(settings.betas.1)
            .with_epsilon(settings.eps)
            .with_weight_decay(decay)
            .with_amsgrad(settings.amsgrad)
            .build();
        Self { rule, l2, states: BTreeMap::new() }
    }

    /// One step with learning rate `lr` on every parameter that has a gradient.
    /// Others, the teacher among them, stay as they are: no decay either.
    #[must_use]
    pub fn step<M: Module>(&mut self, lr: f64, module: M, gradients: GradientsParams) -> M {
        step_module(self, lr, module, gradients)
    }

    /// As [`AdamW::step`], with a learning rate for each parameter by its PyTorch key.
    #[must_use]
    pub fn step_layers<M: Module>(&mut self, lr: impl Fn(&str) -> f64, module: M, gradients: GradientsParams) -> M {
        step_layers(self, &lr, module, gradients)
    }

    /// The moments as safetensors: per parameter `exp_avg`, `exp_avg_sq`,
    /// `max_exp_avg_sq` (flat) and `step`.
    ///
    /// # Errors
    /// When the container cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NnError> {
        let mut entries: Vec<(String, Dtype, usize, Vec<u8>)> = Vec::new();
        for (key, state) in &self.states {
            let moments = [
                ("exp_avg", Some(&state.moment_1)),
                ("exp_avg_sq", Some(&state.moment_2)),
                ("max_exp_avg_sq", state.max_moment_2.as_ref()),
            ];
            for (name, moment) in moments {
                if let Some(moment) = moment {
                    let bytes = f32_bytes(&moment.to_data());
                    entries.push((format!("{key}.{name}"), Dtype::F32, bytes.len() / 4, bytes));
                }
            }
            let time = (state.time as u64).to_le_bytes().to_vec();
            entries.push((format!("{key}.step"), Dtype::U64, 1, time));
        }
        let mut views = Vec::with_capacity(entries.len());
        for (name, dtype, len, bytes) in &entries {
            views.push((name.as_str(), TensorView::new(*dtype, vec![*len], bytes)?));
        }
        Ok(safetensors::serialize(views, None)?)
    }

    /// An optimiser that goes on where [`AdamW::to_bytes`] was called.
    ///
    /// # Errors
    /// When the bytes are no safetensors or a moment is missing.
    pub fn from_bytes(settings: AdamWSettings, bytes: &[u8], device: &Device) -> Result<Self, NnError> {
        let file = SafeTensors::deserialize(bytes)?;
        // Moments live outside the graph, like the gradients they are mixed with.
        let device = device.clone().without_autodiff();
        let moment = |name: String| -> Result<Tensor<1>, NnError> {
            let Ok(view) = file.tensor(&name) else {
                return Err(NnError::OptimizerState { key: name });
            };
            let values = f32_values(&name, &view)?;
            let len = values.len();
            Ok(Tensor::from_data(TensorData::new(values, [len]), &device))
        };
        let mut optimizer = Self::new(settings);
        for name in file.names() {
            let Some(key) = name.strip_suffix(".step") else { continue };
            let view = file.tensor(name)?;
            let time = <[u8; 8]>::try_from(view.data())
                .ok()
                .and_then(|raw| usize::try_from(u64::from_le_bytes(raw)).ok())
                .ok_or_else(|| NnError::OptimizerState { key: name.to_owned() })?;
            let mut state = AdaptiveMomentumState::new(
                time,
                moment(format!("{key}.exp_avg"))?,
                moment(format!("{key}.exp_avg_sq"))?,
            );
            if settings.amsgrad {
                state.max_moment_2 = Some(moment(format!("{key}.max_exp_avg_sq"))?);
            }
            optimizer.states.insert(key.to_owned(), state);
        }
        Ok(optimizer)
    }
}

impl Rule for AdamW {
    fn update(&mut self, key: String, lr: f64, value: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let gradient = if self.l2 == 0.0 { gradient } else { gradient + value.clone() * self.l2 };
        let state = self.states.remove(&key).map(|momentum| AdamWState { momentum });
        let (updated, state) = self.rule.step(lr, value, gradient, state);
        if let Some(state) = state {
            self.states.insert(key, state.momentum);
        }
        updated
    }
}
