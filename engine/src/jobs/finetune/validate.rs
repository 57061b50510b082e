use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use voco_data::StoredSample;
use voco_engine_api::{DiceProtocol, EngineFailure, FinetuneConfig, Task, ValidationReport};
use voco_label::{ClassRule, LabelError, Lattice, Protocol, evaluate, flare};
use voco_nn::Network;
use voco_nn::infer::{Blend, Slab, SlidingWindow, Stitcher};

/// A validation under way: the held-out samples by sliding window, one window per step.
///
/// It is measured where the network works, in the resampled and cropped volume, like the published validation, by the protocol of
/// the task.
pub(in crate::jobs) struct Validation {
    samples: Vec<Arc<StoredSample>>,
    window: SlidingWindow,
    names: Vec<String>,
    /// Without graph.
    network: Network,
    device: Device,
    current: usize,
    stitcher: Option<Stitcher>,
    protocol: Protocol,
    rules: Vec<ClassRule>,
    /// What was found in the present sample, i fastest.
    found: Vec<u16>,
    /// Dice by class and case.
    dice: Vec<Vec<f64>>,
    began: Instant,
}

impl Validation {
    pub fn new(config: &FinetuneConfig, network: Network, samples: Vec<Arc<StoredSample>>, device: Device) -> Self {
        let names = config.task.class_names();
        let classes = names.len();
        Self {
            samples,
            window: window(&config.task),
            names,
            network,
            device,
            current: 0,
            stitcher: None,
            protocol: match config.task.validation.protocol {
                DiceProtocol::Monai => Protocol::Monai,
                DiceProtocol::Flare => Protocol::Flare,
            },
            rules: rules(&config.task),
            found: Vec::new(),
            dice: vec![Vec::new(); classes],
            began: Instant::now(),
        }
    }

    /// One window; true when all samples are done.
    pub fn step(&mut self) -> Result<bool, EngineFailure> {
        let Some(sample) = self.samples.get(self.current).cloned() else { return Ok(true) };
        let classes = self.names.len();
        let mut stitcher = self.stitcher.take().unwrap_or_else(|| {
            self.found = vec![0; sample.dims().iter().product()];
            Stitcher::new(self.window, sample.dims(), classes, usize::MAX)
        });
        if let Some(start) = stitcher.next_window() {
            let [x, y, z] = self.window.roi;
            let image =
                sample.read_image(start, self.window.roi).map_err(|e| EngineFailure::BadInput(e.to_string()))?;
            let input = Tensor::<5>::from_data(TensorData::new(image, [1, sample.channels(), x, y, z]), &self.device);
            let Some(logits) = self.network.forward(input).logits else {
                return Err(EngineFailure::Internal("the network gives no logits".into()));
            };
            let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
            if let Some(slab) = stitcher.add(&values) {
                self.keep(&slab, sample.dims());
            }
        }
        if stitcher.next_window().is_some() {
            self.stitcher = Some(stitcher);
            return Ok(false);
        }
        self.compare(&sample)?;
        self.current += 1;
        Ok(self.current == self.samples.len())
    }

    /// Cases done and in all.
    pub fn progress(&self) -> (u64, u64) {
        (self.current as u64, self.samples.len() as u64)
    }

    pub fn report(&self, step: u64, best_before: Option<f64>) -> ValidationReport {
        let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let named = self.names.iter().zip(&self.dice).skip(1);
        let dice: BTreeMap<String, Option<f64>> = named.map(|(name, dice)| (name.clone(), mean(dice))).collect();
        let means: Vec<f64> = dice.values().copied().flatten().collect();
        let mean_dice = mean(&means);
        let best = mean_dice.is_some_and(|dice| best_before.is_none_or(|before| dice > before));
        let seconds = self.began.elapsed().as_secs_f64();
        ValidationReport { step, cases: self.samples.len(), dice, mean_dice, best, seconds }
    }

    fn keep(&mut self, slab: &Slab, [nx, ny, _]: [usize; 3]) {
        let rest: Vec<usize> = (0..3).filter(|&a| a != slab.axis).collect();
        let (nb, nc) = (slab.size[rest[0]], slab.size[rest[1]]);
        for (n, label) in slab.labels().into_iter().enumerate() {
            let mut at = slab.start;
            at[slab.axis] += n / (nb * nc);
            at[rest[0]] += n / nc % nb;
            at[rest[1]] += n % nc;
            self.found[at[0] + nx * (at[1] + ny * at[2])] = label;
        }
    }

    /// All windows of a sample are done.
    fn compare(&mut self, sample: &StoredSample) -> Result<(), EngineFailure> {
        let dims @ [nx, ny, nz] = sample.dims();
        let stored = sample.read_label([0; 3], dims).map_err(|e| EngineFailure::BadInput(e.to_string()))?;
        // Samples have z fastest.
        let mut truth = vec![0_u16; stored.len()];
        for (row, line) in stored.chunks(nz).enumerate() {
            let at = row / ny + nx * (row % ny);
            line.iter().enumerate().for_each(|(k, &label)| truth[at + nx * ny * k] = label);
        }
        let sentence = |e: LabelError| EngineFailure::Internal(format!("a validation cannot be measured: {e}"));
        let lattice = Lattice::of(sample.geometry()).map_err(sentence)?;
        let found = std::mem::take(&mut self.found);
        let metrics = evaluate(&found, &truth, &lattice, self.protocol, &self.rules).map_err(sentence)?;
        for class in metrics.iter().filter(|class| class.dice.is_finite()) {
            self.dice[class.id as usize].push(class.dice);
        }
        Ok(())
    }
}

/// The window of a task's validation.
pub(super) fn window(task: &Task) -> SlidingWindow {
    SlidingWindow { roi: task.roi, overlap: task.validation.overlap, blend: Blend::Constant }
}

/// How each class of a task is compared.
fn rules(task: &Task) -> Vec<ClassRule> {
    (1..).zip(&task.classes).map(|(id, class)| flare::rule(id, flare::organ_by_name(&class.name))).collect()
}

#[cfg(test)]
mod tests {
    use voco_engine_api::task_named;

    use super::*;

    #[test]
    fn a_task_says_how_it_is_validated() {
        let btcv = task_named("btcv").expect("a task");
        assert_eq!((window(&btcv).overlap, btcv.validation.protocol), (0.5, DiceProtocol::Monai), "as published");
        let flare = task_named("flare22").expect("a task");
        assert_eq!(flare.validation.protocol, DiceProtocol::Flare, "its own rules");
        let trimmed: Vec<String> = rules(&flare)
            .into_iter()
            .filter(|rule| rule.is_trimmed)
            .map(|rule| flare.classes[rule.id as usize - 1].name.clone())
            .collect();
        assert_eq!(trimmed.len(), 3, "aorta, vena cava, esophagus: {trimmed:?}");
    }
}
