//! Mixed precision: forward and backward pass in half precision, weights, norms, losses and optimiser in f32
//! (Micikevicius and others, "Mixed Precision Training", 2018).
//!
//! A network computes in the number format of its input: [`Precision::enter`] converts the input, every layer converts
//! its weights where it uses them ([`crate::ops`]), and what leaves the network for a loss is f32 again.

use burn::tensor::{DType, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// The number format of the passes through a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Single precision, as everywhere else.
    #[default]
    F32,
    /// IEEE half precision; small gradients need a [`LossScale`].
    F16,
    /// Eight bits of exponent, seven of mantissa: the range of f32, fewer digits.
    BF16,
}

impl Precision {
    /// Whether a device computes in it.
    pub fn is_supported(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::F16 => device.supports_dtype(FloatDType::F16),
            Self::BF16 => device.supports_dtype(FloatDType::BF16),
        }
    }

    /// The input of a network that is to compute in this format, any shape.
    pub fn enter<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::F32 => x,
            Self::F16 => x.cast(DType::F16),
            Self::BF16 => x.cast(DType::BF16),
        }
    }
}

/// A factor on the loss that keeps small gradients above the least number of f16. It is found while training: too large a
/// factor shows as a gradient that is not finite, and that step is left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    factor: f64,
    /// Steps since it was changed.
    good_steps: u32,
}

/// Steps without an overflow after which a larger factor is tried, as in PyTorch's `GradScaler`.
const GROWTH_INTERVAL: u32 = 2000;

impl Default for LossScale {
    /// No scaling, which is right for all formats but f16.
    fn default() -> Self {
        Self { factor: 1.0, good_steps: 0 }
    }
}

impl LossScale {
    /// What training in a format begins with.
    pub fn new(precision: Precision) -> Self {
        let factor = if precision == Precision::F16 { 65_536.0 } else { 1.0 };
        Self { factor, good_steps: 0 }
    }

    /// The factor by which a loss is multiplied, and its gradients are divided.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Whether an overflow may be the factor's fault, and a smaller one can be tried.
    pub fn can_shrink(&self) -> bool {
        self.factor > 1.0
    }

    /// Learns from a step whether its gradients were finite.
    pub fn update(&mut self, is_finite: bool) {
        if !is_finite {
            *self = Self { factor: (self.factor * 0.5).max(1.0), good_steps: 0 };
        } else if self.can_shrink() {
            self.good_steps += 1;
            if self.good_steps >= GROWTH_INTERVAL {
                *self = Self { factor: self.factor * 2.0, good_steps: 0 };
            }
        }
    }
}

/// How crops pass through a network in a step.
#[derive(Debug, Clone, Copy)]
pub struct Passes {
    /// Crops in the graph at a time; 0 for all.
    pub chunk: usize,
    /// Number format.
    pub precision: Precision,
    /// Factor of a [`LossScale`]; the gradients that come out are free of it.
    pub loss_scale: f64,
}

impl From<usize> for Passes {
    /// So many crops at a time in f32.
    fn from(chunk: usize) -> Self {
        Self { chunk, precision: Precision::F32, loss_scale: 1.0 }
    }
}
