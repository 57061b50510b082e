use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use voco_data::StoredSample;
use voco_engine_api::{EngineFailure, FinetuneConfig, ValidationReport};
use voco_nn::Network;
use voco_nn::infer::{Blend, Slab, SlidingWindow, Stitcher};

/// As published.
const OVERLAP: f64 = 0.5;

/// A validation under way: the held-out samples by sliding window, one window per step.
///
/// It is measured where the network works, in the resampled and cropped volume, like the published validation; a class that a case
/// does not have is left out for that case.
pub(in crate::jobs) struct Validation {
    samples: Vec<Arc<StoredSample>>,
    window: SlidingWindow,
    names: Vec<String>,
    /// Without graph.
    network: Network,
    device: Device,
    current: usize,
    stitcher: Option<Stitcher>,
    counts: Vec<Counts>,
    /// Dice by class and case.
    dice: Vec<Vec<f64>>,
    began: Instant,
}

/// Voxels of a class in one case.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    both: u64,
    predicted: u64,
    labelled: u64,
}

impl Validation {
    pub fn new(config: &FinetuneConfig, network: Network, samples: Vec<Arc<StoredSample>>, device: Device) -> Self {
        let names = config.task.class_names();
        let classes = names.len();
        Self {
            samples,
            window: SlidingWindow { roi: config.task.roi, overlap: OVERLAP, blend: Blend::Constant },
            names,
            network,
            device,
            current: 0,
            stitcher: None,
            counts: vec![Counts::default(); classes],
            dice: vec![Vec::new(); classes],
            began: Instant::now(),
        }
    }

    /// One window; true when all samples are done.
    pub fn step(&mut self) -> Result<bool, EngineFailure> {
        let Some(sample) = self.samples.get(self.current).cloned() else { return Ok(true) };
        let classes = self.names.len();
        let mut stitcher = match self.stitcher.take() {
            Some(stitcher) => stitcher,
            None => Stitcher::new(self.window, sample.dims(), classes, usize::MAX),
        };
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
                self.count(&slab, &sample)?;
            }
        }
        if stitcher.next_window().is_some() {
            self.stitcher = Some(stitcher);
            return Ok(false);
        }
        for (class, counts) in self.counts.iter_mut().enumerate() {
            let Counts { both, predicted, labelled } = std::mem::take(counts);
            if labelled > 0 {
                self.dice[class].push(2.0 * both as f64 / (predicted + labelled) as f64);
            }
        }
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

    fn count(&mut self, slab: &Slab, sample: &StoredSample) -> Result<(), EngineFailure> {
        let labels = sample.read_label(slab.start, slab.size).map_err(|e| EngineFailure::BadInput(e.to_string()))?;
        let predicted = slab.labels();
        let [_, ny, nz] = slab.size;
        let rest: Vec<usize> = (0..3).filter(|&a| a != slab.axis).collect();
        let (nb, nc) = (slab.size[rest[0]], slab.size[rest[1]]);
        for (n, &predicted) in predicted.iter().enumerate() {
            let mut at = [0; 3];
            (at[slab.axis], at[rest[0]], at[rest[1]]) = (n / (nb * nc), n / nc % nb, n % nc);
            let label = labels[(at[0] * ny + at[1]) * nz + at[2]];
            self.counts[usize::from(predicted)].predicted += 1;
            if let Some(counts) = self.counts.get_mut(usize::from(label)) {
                counts.labelled += 1;
                counts.both += u64::from(label == predicted);
            }
        }
        Ok(())
    }
}
