//! Learning rate schedules of the published code, in f64.

use std::f64::consts::PI;

/// `WarmupCosineSchedule` of the pre-training (`optimizers/lr_scheduler.py`).
///
/// The factor is not clamped after `total`: half a period later it has risen
/// again, as in the reference. A run should end at `total`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupCosine {
    /// Steps of the linear rise from 0.
    pub warmup: u64,
    /// Step at which the cosine reaches 0 (with half a cycle).
    pub total: u64,
    /// Cosine periods between the end of the warm-up and `total`.
    pub cycles: f64,
}

impl WarmupCosine {
    /// Half a cosine period, as published (5 000 and 2 000 000 steps there).
    pub fn new(warmup: u64, total: u64) -> Self {
        Self { warmup, total, cycles: 0.5 }
    }

    /// Multiplier of the base learning rate in optimiser step `step`, counted
    /// from 0. Step 0 of a warm-up has factor 0.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup {
            return real(step) / real(self.warmup.max(1));
        }
        let span = self.total.saturating_sub(self.warmup).max(1);
        let progress = real(step - self.warmup) / real(span);
        (0.5 * (1.0 + (PI * 2.0 * self.cycles * progress).cos())).max(0.0)
    }
}

/// `LinearWarmupCosineAnnealingLR` of the fine-tuning, closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearWarmupCosine {
    /// Rate at the end of the warm-up.
    pub base_lr: f64,
    /// Steps of the warm-up; the base rate is reached one step before its end.
    pub warmup: u64,
    /// Step at which the rate is `eta_min`.
    pub total: u64,
    /// Rate at step 0.
    pub start_lr: f64,
    /// Lowest rate.
    pub eta_min: f64,
}

impl LinearWarmupCosine {
    /// Learning rate in step `step`, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        if step < self.warmup {
            // The reference divides by warmup − 1.
            let rise = (self.base_lr - self.start_lr) / real(self.warmup.max(2) - 1);
            return self.start_lr + real(step) * rise;
        }
        let span = self.total.saturating_sub(self.warmup).max(1);
        let progress = real(step - self.warmup) / real(span);
        self.eta_min + 0.5 * (self.base_lr - self.eta_min) * (1.0 + (PI * progress).cos())
    }
}

/// `PolyLRScheduler` of nnU-Net: base·(1 − step/total)^exponent, 0 from `total` on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Polynomial {
    /// Rate at step 0.
    pub base_lr: f64,
    /// Step at which the rate is 0.
    pub total: u64,
    /// 0.9 in nnU-Net.
    pub exponent: f64,
}

impl Polynomial {
    /// With nnU-Net's exponent of 0.9.
    pub fn new(base_lr: f64, total: u64) -> Self {
        Self { base_lr, total, exponent: 0.9 }
    }

    /// Learning rate in step `step` (nnU-Net counts epochs), from 0.
    pub fn lr(&self, step: u64) -> f64 {
        let left = 1.0 - real(step.min(self.total)) / real(self.total.max(1));
        self.base_lr * left.max(0.0).powf(self.exponent)
    }
}

#[expect(clippy::cast_precision_loss, reason = "step counts stay far below 2^52")]
fn real(step: u64) -> f64 {
    step as f64
}
