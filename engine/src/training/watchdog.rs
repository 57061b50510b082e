use serde::{Deserialize, Serialize};
use voco_engine_api::EngineFailure;

/// Steps over which the usual loss is averaged.
const MEMORY: f64 = 200.0;
/// Steps before which nothing is called unusual.
const WARM_UP: u64 = 50;
/// How many times the usual size a loss must rise above the usual loss.
const FAR: f64 = 4.0;
/// Steps in a row after which a high loss is no accident any more.
const LONG: u64 = 100;

/// Watches the loss: stops a run whose loss is no number, or has left its course for good.
///
/// It belongs to the state of a run, so that a resumed one stops where it would have stopped.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watchdog {
    seen: u64,
    /// Running mean of usual losses.
    #[serde(with = "exact")]
    mean: f64,
    /// Running mean of their size.
    #[serde(with = "exact")]
    size: f64,
    /// High losses in a row.
    high: u64,
}

impl Watchdog {
    /// Looks at the loss of `step`, before the weights change.
    ///
    /// # Errors
    /// If the run should stop.
    pub fn check(&mut self, step: u64, loss: f64) -> Result<(), EngineFailure> {
        if !loss.is_finite() {
            return Err(EngineFailure::Diverged { step, value: loss });
        }
        if self.seen >= WARM_UP && loss > self.mean + FAR * self.size.max(1e-3) {
            self.high += 1;
            if self.high >= LONG {
                return Err(EngineFailure::LossRose { step, value: loss, usual: self.mean });
            }
            return Ok(());
        }
        self.high = 0;
        self.seen += 1;
        let share = 1.0 / MEMORY.min(self.seen as f64);
        self.mean += share * (loss - self.mean);
        self.size += share * (loss.abs() - self.size);
        Ok(())
    }

    /// Forgets what was usual: the loss has got another meaning.
    #[expect(dead_code, reason = "for runs that add a loss on the way")]
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Numbers of a run's state by their bits: JSON readers may miss the last of them.
pub(crate) mod exact {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(number: &f64, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(number.to_bits())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
        u64::deserialize(input).map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_at_no_number_and_at_a_loss_that_stays_high() {
        let mut dog = Watchdog::default();
        for step in 0..1000 {
            // Falling, with spikes of some steps.
            let loss = 2.0 / (1.0 + step as f64 / 100.0) + if step % 150 > 145 { 30.0 } else { 0.0 };
            dog.check(step, loss).expect("a usual course");
        }
        let text = serde_json::to_string(&dog).expect("saved");
        assert_eq!(serde_json::from_str::<Watchdog>(&text).expect("read"), dog, "saved to the last bit");
        let failure = (1000..2000).find_map(|step| dog.check(step, 9.0).err());
        assert!(matches!(failure, Some(EngineFailure::LossRose { step: 1099, .. })), "{failure:?}");
        let failure = Watchdog::default().check(1, f64::NAN).expect_err("no number");
        assert!(matches!(failure, EngineFailure::Diverged { step: 1, .. }), "{failure:?}");
    }
}
