use std::fs;

use voco_engine_api::{Compute, EngineFailure};

/// What a training holds in memory, by what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryNeed {
    /// Numbers in the network.
    pub parameters: u64,
    /// Numbers that the optimiser keeps of each parameter: 3 for `AdamW` with `AMSGrad`.
    pub moments: u64,
    /// Bytes of what a step computes on the way, at its peak.
    pub activations: u64,
    /// Bytes of batches that wait.
    pub batches: u64,
}

/// Bytes of activations that are left of `bytes` when blocks are computed again for their gradients: measured are 47 to 55 % for
/// `SwinUNETR` B. Half precision is not counted, since norms compute in f32.
pub(crate) fn kept(bytes: u64, compute: Compute) -> u64 {
    if compute.gradient_checkpointing { bytes / 10 * 6 } else { bytes }
}

impl MemoryNeed {
    /// Bytes at the peak: in a step, or while a checkpoint is written.
    pub fn bytes(&self) -> u64 {
        const F32: u64 = 4;
        let live = 1 + self.moments;
        // Gradients, and as much again while they are added up and scaled.
        let step = F32 * self.parameters * (live + 2) + self.activations;
        // The weights as bytes; the moments one by one and as one file.
        let save = F32 * self.parameters * (live + 1 + 2 * self.moments);
        step.max(save) + self.batches
    }

    /// Refuses a run that cannot fit into what is free, where the system tells.
    ///
    /// # Errors
    /// If it cannot, with what to do.
    pub fn check(&self, free: Option<u64>, advice: &str) -> Result<(), EngineFailure> {
        let need = self.bytes();
        match free {
            Some(free) if need > free => Err(EngineFailure::BadInput(format!(
                "The run needs about {} of memory and {} are free; {advice}",
                text(need),
                text(free)
            ))),
            _ => Ok(()),
        }
    }
}

/// Bytes of main memory that the process may still take: what the system has available, or less where a container limits it.
/// `None` where the system does not tell.
pub fn free_memory() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let system = || {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|l| l.starts_with("MemAvailable"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    let container = || {
        let limit = number("/sys/fs/cgroup/memory.max")?;
        Some(limit.saturating_sub(number("/sys/fs/cgroup/memory.current")?))
    };
    match (system(), container()) {
        (Some(system), Some(container)) => Some(system.min(container)),
        (system, container) => system.or(container),
    }
}

fn text(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_cannot_fit_is_refused_with_both_numbers() {
        let need = MemoryNeed { parameters: 1_000_000_000, moments: 3, activations: 1 << 30, batches: 0 };
        // While a checkpoint is written: weights 1, moments 3, weights again 1, moments twice 6.
        assert_eq!(need.bytes(), 44_000_000_000, "eleven numbers for each parameter");
        need.check(Some(50_000_000_000), "").expect("it fits");
        need.check(None, "").expect("nobody knows");
        let text = need.check(Some(8_000_000_000), "choose less").expect_err("too large").to_string();
        assert!(text.contains("44.0 GB") && text.contains("8.0 GB") && text.ends_with("choose less"), "{text}");
    }
}
