use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use voco_engine_api::{Compute, EngineFailure, Precision as Choice};
use voco_nn::{LossScale, Passes, Precision};

/// The number format of a training's passes and, for f16, the factor on its losses, which is part of a run's state.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct MixedPrecision {
    scale: LossScale,
}

/// The format that a run asks for.
pub(crate) fn format_of(compute: Compute) -> Precision {
    match compute.precision {
        Choice::F32 => Precision::F32,
        Choice::F16 => Precision::F16,
        Choice::Bf16 => Precision::BF16,
    }
}

/// [`format_of`] a run, if the device computes in it.
///
/// # Errors
/// If it does not, with what to do.
pub(crate) fn precision(compute: Compute, device: &Device, device_name: &str) -> Result<Precision, EngineFailure> {
    let (precision, name) = (format_of(compute), compute.precision.name());
    if precision == Precision::F32 {
        Ok(precision)
    } else if device_name == "cpu" {
        // It can, but nothing would be faster for it.
        Err(EngineFailure::Device(format!("The CPU is fastest in f32; leave out --precision {name}, or choose a GPU")))
    } else if precision.is_supported(device) {
        Ok(precision)
    } else {
        Err(EngineFailure::Device(format!(
            "This GPU does not compute in {name}; choose another --precision, f32 always works"
        )))
    }
}

impl MixedPrecision {
    /// For a run that begins.
    pub fn new(precision: Precision) -> Self {
        Self { scale: LossScale::new(precision) }
    }

    /// Passes of so many crops at a time.
    pub fn passes(&self, precision: Precision, chunk: usize) -> Passes {
        Passes { chunk, precision, loss_scale: self.scale.factor() }
    }

    /// Whether a step can be learned from: its gradients have a finite norm, or else the next one tries a smaller factor.
    ///
    /// # Errors
    /// If the factor cannot be the reason.
    pub fn judge(&mut self, step: u64, gradient_norm: f64) -> Result<bool, EngineFailure> {
        let is_finite = gradient_norm.is_finite();
        if !is_finite && !self.scale.can_shrink() {
            return Err(EngineFailure::Diverged { step, value: gradient_norm });
        }
        self.scale.update(is_finite);
        Ok(is_finite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_costs_a_step_in_f16_and_the_run_in_f32() {
        let mut half = MixedPrecision::new(Precision::F16);
        let before = half.passes(Precision::F16, 1).loss_scale;
        assert!(!half.judge(1, f64::INFINITY).expect("tried again"), "not learned from");
        assert!(half.passes(Precision::F16, 1).loss_scale < before);
        assert!(half.judge(2, 1.0).expect("fine"));
        assert!(MixedPrecision::new(Precision::F32).judge(1, f64::NAN).is_err());
    }

    #[test]
    fn half_precision_on_the_cpu_is_refused_with_advice() {
        let compute = Compute { precision: Choice::F16, gradient_checkpointing: false };
        let error = precision(compute, &Device::flex(), "cpu").expect_err("refused").to_string();
        assert!(error.contains("--precision f16"), "{error}");
        assert_eq!(precision(Compute::default(), &Device::flex(), "cpu").ok(), Some(Precision::F32));
    }
}
