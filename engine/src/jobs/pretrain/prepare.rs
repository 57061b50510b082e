use std::sync::Arc;

use voco_data::{Augmentation, Loader, LoaderOptions};
use voco_engine_api::{CancelFlag, CropAugmentation, EngineEvent, EngineFailure, Phase};

use super::{Feed, PretrainJob};
use crate::data::{BatchPlan, Body};
use crate::position::PositionCheck;
use crate::priority::lower_beside_window;
use crate::worker::Outlet;

impl PretrainJob {
    /// Reads and preprocesses the next volume, and begins to draw batches after the last. One that cannot be used is named and left
    /// out.
    pub(super) fn prepare(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let job = self.id;
        if self.bodies.num_done() == 0 {
            outlet.send(EngineEvent::Phase { job, phase: Phase::Preparing });
        }
        if let Some(prepared) = self.bodies.prepare_next(&self.cache, cancel) {
            match prepared {
                Ok((body, true)) => self.held_out.push(body),
                Ok((body, false)) => self.learned.push(body),
                Err(_) if cancel.is_cancelled() => return Ok(()),
                Err(text) => outlet.send(EngineEvent::Warning { job, text: format!("Left out: {text}") }),
            }
            let (done, total) = (self.bodies.num_done() as u64, self.bodies.len() as u64);
            outlet.send(EngineEvent::Progress { job, done, total });
        }
        if self.bodies.num_done() < self.bodies.len() {
            return Ok(());
        }
        if self.learned.is_empty() {
            return Err(EngineFailure::BadInput("None of the volumes can be used for this recipe".into()));
        }
        if self.learned.len() < self.config.volumes_per_step {
            let text =
                "There are fewer volumes than a step compares: the inter-volume loss compares a volume with itself.";
            outlet.send(EngineEvent::Warning { job, text: text.into() });
        }
        let (bodies, held_out) = (Arc::new(std::mem::take(&mut self.learned)), std::mem::take(&mut self.held_out));
        let fingerprints: Vec<u64> = bodies.iter().chain(&held_out).map(|body| body.sample.fingerprint()).collect();
        if self.fingerprints.replace(fingerprints.clone()).is_some_and(|then| then != fingerprints) {
            let text = "The volumes are not those that the run began with: it goes on, but not as it would have.";
            outlet.send(EngineEvent::Warning { job, text: text.into() });
        }
        self.check = PositionCheck::of_held_out(&self.config, held_out)?;
        if self.check.is_none() && self.config.validation_share > 0.0 {
            let text = "Nobody is held out for validation: that takes five people at least.";
            outlet.send(EngineEvent::Warning { job, text: text.into() });
        }
        self.feed = Some(self.start_feed(bodies)?);
        outlet.send(EngineEvent::Phase { job, phase: Phase::Training });
        self.estimate(outlet);
        Ok(())
    }

    fn start_feed(&self, bodies: Arc<Vec<Body>>) -> Result<Feed, EngineFailure> {
        let config = &self.config;
        let plan = BatchPlan {
            grid: config.recipe.position_grid(),
            volumes_per_step: config.volumes_per_step,
            crops_per_volume: config.crops_per_volume,
            augmentation: if config.augment { augmentation(config.recipe.augment) } else { Augmentation::NONE },
            seed: config.seed,
            bodies: Arc::clone(&bodies),
        };
        let first = self.step * config.accumulate as u64;
        // Computing on the CPU takes all cores already; a GPU is to be fed.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if self.device_name == "cpu" { 1 } else { (cores - 1).clamp(1, 8) };
        let options = LoaderOptions { workers, prefetch: 2 * workers, on_thread_start: lower_beside_window };
        let loader = Loader::start(first..u64::MAX, options, move |number, _| plan.draw(number))
            .map_err(|e| EngineFailure::Internal(e.to_string()))?;
        Ok(Feed { bodies, loader })
    }
}

fn augmentation(recipe: CropAugmentation) -> Augmentation {
    let CropAugmentation { flip, quarter_turn, shift_chance, shift } = recipe;
    Augmentation { flip, quarter_turn, scale: (0.0, 0.0), shift: (shift_chance, shift) }
}
