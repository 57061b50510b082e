mod network;
mod prepare;
mod trial;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use voco_data::{Loader, SampleCache};
use voco_engine_api::{
    CancelFlag, CropPrediction, DataItem, EngineEvent, EngineFailure, JobId, Phase, PositionPreview, PretrainConfig,
    StepReport,
};
use voco_nn::schedule::WarmupCosine;
use voco_nn::weights::{ImportOptions, import_stored};
use voco_nn::{AdamW, Precision, VocoModel, VocoOutput, weights};

pub(super) use self::network::{batch_tensors, row_scale};
use self::network::{chunk, inspect, model_config, optimizer_settings};
pub(super) use self::prepare::augmentation;
pub use self::trial::estimate_pretrain;
use self::trial::memory_need;
use super::{Job, Step};
use crate::data::{Batch, Bodies, Body};
use crate::device;
use crate::model_file::read_model;
use crate::position::{Eye, PositionCheck};
use crate::training::{
    Best, Checkpoint, GradientMean, MixedPrecision, RunFolder, RunLog, Snapshot, Watchdog, bad_file, cannot_encode,
    exact, free_memory, precision,
};
use crate::worker::Outlet;

const CONFIG: &str = "config.json";
const RECIPE: &str = "recipe.toml";
const WEIGHTS: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// Most bytes of preprocessed volumes on the disk.
const CACHE_BYTES: u64 = 100 << 30;

/// Crops over which the top-1 accuracy is averaged.
const ACCURACY_WINDOW: usize = 100;

/// VoCo pre-training as a job: one volume is prepared, or one optimiser step done, per step.
pub(crate) struct PretrainJob {
    id: JobId,
    config: PretrainConfig,
    device: Device,
    device_name: String,
    folder: RunFolder,
    log: RunLog,
    watchdog: Watchdog,
    best: Option<BestLook>,
    check: Option<PositionCheck>,
    /// Last step that was validated.
    validated: Option<u64>,
    /// Last step that was saved with all that is known of it.
    saved: Option<u64>,
    model: Option<VocoModel>,
    precision: Precision,
    mixed: MixedPrecision,
    optimizer: AdamW,
    step: u64,
    hits: VecDeque<bool>,
    bodies: Bodies,
    cache: SampleCache,
    /// Prepared so far: to learn from, and of people who are held out.
    learned: Vec<Body>,
    held_out: Vec<Body>,
    /// Of the volumes that the run began with, if it is resumed.
    fingerprints: Option<Vec<u64>>,
    feed: Option<Feed>,
}

/// The best validation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct BestLook {
    #[serde(with = "exact")]
    accuracy: f64,
    #[serde(with = "exact")]
    intra: f64,
}

/// What besides the tensors a run needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RunState {
    /// The settings of the run.
    config: PretrainConfig,
    /// Latest top-1 hits, oldest first.
    hits: Vec<bool>,
    /// Fingerprints of the volumes; their names might name patients.
    volumes: Vec<u64>,
    /// What losses are usual.
    watchdog: Watchdog,
    /// On held-out people.
    best: Option<BestLook>,
    /// Step of the last validation.
    validated: Option<u64>,
    /// None in states from before there was another precision than f32.
    mixed: Option<MixedPrecision>,
}

/// The prepared volumes and the thread that draws batches from them.
struct Feed {
    bodies: Arc<Vec<Body>>,
    loader: Loader<Result<Batch, String>>,
}

impl PretrainJob {
    pub fn new(
        id: JobId,
        config: PretrainConfig,
        data: Vec<DataItem>,
        out: &Path,
        resume: bool,
        init: Option<PathBuf>,
        cache: &Path,
    ) -> Result<Self, EngineFailure> {
        if let Some(problem) = config.problem() {
            return Err(EngineFailure::BadInput(problem));
        }
        if data.is_empty() {
            return Err(EngineFailure::BadInput("There is no volume to train on; open one or choose a folder".into()));
        }
        let folder = RunFolder::open(out)?;
        let last = if resume { Some(folder.load_last()?) } else { None };
        let state: Option<RunState> = last.as_ref().map(Checkpoint::state).transpose()?;
        let config = match &state {
            Some(state) => state.config.resumed(&config)?,
            None => config,
        };
        let bodies = Bodies::find(data, &config)?;
        let cache = SampleCache::open(cache, CACHE_BYTES).map_err(|e| EngineFailure::Io(e.to_string()))?;
        let (device, device_name, _) = device::resolve(config.device)?;
        if device_name == "cpu" {
            memory_need(&config).check(free_memory(), trial::ADVICE)?;
        }
        let precision = precision(config.compute, &device, &device_name)?;
        let device = device.autodiff();
        let mut model = model_config(&config).init(&device, config.seed);
        let mut mixed = MixedPrecision::new(precision);
        let mut optimizer = AdamW::new(optimizer_settings(&config));
        let (mut step, mut hits, mut fingerprints) = (0, VecDeque::new(), None);
        let (mut watchdog, mut best, mut validated) = (Watchdog::default(), None, None);
        if let (Some(checkpoint), Some(state)) = (last, state) {
            (model, _) = weights::from_safetensors(model, checkpoint.part(WEIGHTS)?).map_err(bad_file)?;
            optimizer = AdamW::from_bytes(optimizer_settings(&config), checkpoint.part(OPTIMIZER)?, &device)
                .map_err(bad_file)?;
            step = checkpoint.step;
            hits = state.hits.into();
            fingerprints = Some(state.volumes);
            (watchdog, best, validated) = (state.watchdog, state.best, state.validated);
            mixed = state.mixed.unwrap_or(mixed);
        } else if folder.has_run() {
            return Err(EngineFailure::BadInput(
                "The folder already holds a run; go on with that one, or choose another folder".into(),
            ));
        } else if let Some(path) = init {
            (model, _) =
                import_stored(model, read_model(&path)?.tensors, ImportOptions::default()).map_err(bad_file)?;
        }
        let text = serde_json::to_vec_pretty(&config).map_err(|e| EngineFailure::Internal(e.to_string()))?;
        folder.write(CONFIG, &text)?;
        folder.write(RECIPE, config.recipe.to_toml().map_err(EngineFailure::Internal)?.as_bytes())?;
        let log = RunLog::open(&folder, resume.then_some(step))?;
        Ok(Self {
            id,
            device,
            device_name,
            folder,
            log,
            watchdog,
            best,
            check: None,
            validated,
            saved: Some(step),
            model: Some(model.with_checkpointing(config.compute.gradient_checkpointing)),
            precision,
            mixed,
            optimizer,
            step,
            hits,
            bodies,
            cache,
            learned: Vec::new(),
            held_out: Vec::new(),
            fingerprints,
            feed: None,
            config,
        })
    }

    fn train(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<Step, EngineFailure> {
        let began = Instant::now();
        let Some(mut model) = self.model.take() else {
            return Err(EngineFailure::Internal("the network was lost in an earlier step".into()));
        };
        let before = model.teacher().clone();
        let lr = self.config.learning_rate
            * WarmupCosine::new(self.config.warmup_steps, self.config.steps).factor(self.step);
        let passes = self.mixed.passes(self.precision, chunk(self.config.model));
        model.move_teacher();
        let mut mean = GradientMean::new();
        let mut sums = Losses::default();
        let mut crops = Vec::new();
        let (mut last, mut waited_seconds) = (None, 0.0);
        for part in 0..self.config.accumulate as u64 {
            let asked = Instant::now();
            let batch = self.next_batch()?;
            waited_seconds += asked.elapsed().as_secs_f64();
            let tensors = batch_tensors(&batch, &self.config, &self.device);
            let number = self.step * self.config.accumulate as u64 + part;
            let rows = row_scale(self.config.row_dropout, self.config.seed, number, tensors.rows(), &self.device);
            let Some((output, gradients)) = model.contrast_chunked(&tensors, rows, passes, || !cancel.is_cancelled())
            else {
                // Stopped within the step: nothing has been learned from it, and it will be done again on resuming.
                self.model = Some(model.with_teacher(before));
                return Ok(Step::More);
            };
            mean.add(&model, gradients);
            // Before the update: afterwards the network has just been fitted to these very crops.
            let (intra_clean, predictions) = inspect(&model, &output, &tensors);
            sums.add(&output, intra_clean);
            let judged = self.crop_predictions(&batch, &predictions);
            crops.extend_from_slice(&judged);
            last = Some((batch, judged));
        }
        self.watchdog.check(self.step + 1, sums.mean(|l| l.total))?;
        let (gradients, gradient_norm) = mean.finish(&model, self.config.clip_norm);
        let is_usable = self.mixed.judge(self.step + 1, gradient_norm)?;
        self.model = Some(if is_usable { self.optimizer.step(lr, model, gradients) } else { model });
        self.step += 1;
        for crop in &crops {
            self.hits.push_back(crop.is_top1_correct());
            if self.hits.len() > ACCURACY_WINDOW {
                self.hits.pop_front();
            }
        }
        let report = StepReport {
            step: self.step,
            loss: sums.mean(|l| l.total),
            intra: sums.mean(|l| l.intra),
            inter: sums.mean(|l| l.inter),
            reg: sums.mean(|l| l.reg),
            intra_clean: sums.mean(|l| l.intra_clean),
            lr,
            gradient_norm,
            top1_accuracy: self.hits.iter().filter(|&&h| h).count() as f64 / self.hits.len().max(1) as f64,
            seconds: began.elapsed().as_secs_f64(),
            waited_seconds,
        };
        self.log.write("train", &report)?;
        outlet.send(EngineEvent::Step { job: self.id, report });
        if let Some((batch, judged)) = last {
            self.show(&batch, judged, outlet);
        }
        Ok(Step::More)
    }

    /// True at every so many steps, the beginning included, and at the end.
    fn is_due(&self, every: u64) -> bool {
        self.step.is_multiple_of(every) || self.step >= self.config.steps
    }

    /// Looks at the held-out people, and saves the network if it never did better on them.
    fn validate(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let (Some(check), Some(model)) = (&self.check, &self.model) else { return Ok(()) };
        let chunk = chunk(self.config.model);
        let findings = check.run(&Eye::Voco(model), &self.device, chunk, self.step, || !cancel.is_cancelled())?;
        // Stopped in the middle: done again on resuming.
        let Some(report) = findings.map(|findings| findings.report) else { return Ok(()) };
        (self.validated, self.saved) = (Some(self.step), None);
        self.log.write("validation", &report)?;
        outlet.send(EngineEvent::PositionValidation { job: self.id, report });
        let (accuracy, intra) = (report.top1_accuracy, report.intra);
        let is_better = |best: BestLook| accuracy > best.accuracy || accuracy == best.accuracy && intra < best.intra;
        if self.best.is_none_or(is_better) {
            self.best = Some(BestLook { accuracy, intra });
            self.checkpoint(outlet)?;
            self.folder.mark_best(&Best { step: self.step, metric: "top1_accuracy".into(), value: accuracy })?;
        }
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Batch, EngineFailure> {
        let next = self.feed.as_mut().and_then(|feed| feed.loader.next());
        let next = next.ok_or_else(|| EngineFailure::Internal("the loading threads have ended".into()))?;
        let batch = next.map_err(|e| EngineFailure::Internal(e.to_string()))?;
        batch.map_err(|e| EngineFailure::Io(format!("A prepared volume cannot be read ({e}); resume the run")))
    }

    fn crop_predictions(&self, batch: &Batch, predictions: &[f32]) -> Vec<CropPrediction> {
        let bases = self.config.recipe.position_grid().num_bases();
        let rows = batch.targets.chunks(bases).zip(predictions.chunks(bases));
        let one = |(&crop, (target, prediction)): (_, (&[f32], &[f32]))| CropPrediction {
            crop,
            target: target.to_vec(),
            prediction: prediction.to_vec(),
        };
        batch.places.iter().zip(rows).map(one).collect()
    }

    /// Puts the crops of one of the step's volumes into the preview slot; the volumes take turns.
    fn show(&self, batch: &Batch, crops: Vec<CropPrediction>, outlet: &Outlet) {
        let Some(feed) = &self.feed else { return };
        let turn = (batch.number % batch.frames.len() as u64) as usize;
        let (body, frame) = batch.frames[turn];
        let per_volume = self.config.crops_per_volume;
        outlet.preview.put(PositionPreview {
            step: self.step,
            volume_name: feed.bodies[body].name.clone(),
            volume_index: feed.bodies[body].index,
            frame,
            grid: self.config.recipe.position_grid(),
            crops: crops.into_iter().skip(turn * per_volume).take(per_volume).collect(),
        });
        outlet.send(EngineEvent::Preview { job: self.id });
    }
}

impl Job for PretrainJob {
    fn device_name(&self) -> String {
        self.device_name.clone()
    }

    fn phase(&self) -> Phase {
        if self.feed.is_some() { Phase::Training } else { Phase::Preparing }
    }

    fn step(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<Step, EngineFailure> {
        if self.feed.is_none() {
            self.prepare(outlet, cancel)?;
            return Ok(Step::More);
        }
        if self.check.is_some() && self.validated != Some(self.step) && self.is_due(self.config.validate_every) {
            self.validate(outlet, cancel)?;
            return Ok(Step::More);
        }
        if self.saved != Some(self.step) && self.step > 0 && self.is_due(self.config.checkpoint_every) {
            self.checkpoint(outlet)?;
        }
        if self.step >= self.config.steps {
            return Ok(Step::Done);
        }
        self.train(outlet, cancel)
    }

    fn checkpoint(&mut self, outlet: &Outlet) -> Result<(), EngineFailure> {
        let (Some(model), true) = (&self.model, self.feed.is_some()) else { return Ok(()) };
        let phase = self.phase();
        outlet.send(EngineEvent::Phase { job: self.id, phase: Phase::Saving });
        let state = RunState {
            config: self.config.clone(),
            hits: self.hits.iter().copied().collect(),
            volumes: self.fingerprints.clone().unwrap_or_default(),
            watchdog: self.watchdog.clone(),
            best: self.best,
            mixed: Some(self.mixed),
            validated: self.validated,
        };
        // One entry only: of several the order, and so the file's bytes, would be by chance.
        let metadata = [("voco".to_owned(), format!("{}, {} steps", self.config.model.name(), self.step))];
        let weights = weights::to_safetensors(model, &metadata.into_iter().collect()).map_err(cannot_encode)?;
        let optimizer = self.optimizer.to_bytes().map_err(cannot_encode)?;
        let stays = self.config.keep_every.is_some_and(|every| self.step.is_multiple_of(every));
        let parts = [(WEIGHTS, weights), (OPTIMIZER, optimizer)];
        let path = self.folder.save(&Snapshot { step: self.step, state: &state, parts: &parts, stays })?;
        self.saved = Some(self.step);
        outlet.send(EngineEvent::CheckpointSaved { job: self.id, path, step: self.step });
        outlet.send(EngineEvent::Phase { job: self.id, phase });
        Ok(())
    }
}

/// The settings of the run in a folder, if there is one.
pub fn run_config(folder: &Path) -> Option<PretrainConfig> {
    serde_json::from_slice(&std::fs::read(folder.join(CONFIG)).ok()?).ok()
}

/// Sums of the losses of the batches of one step.
#[derive(Default)]
struct Losses {
    total: f64,
    intra: f64,
    inter: f64,
    reg: f64,
    intra_clean: f64,
    count: f64,
}

impl Losses {
    fn add(&mut self, output: &VocoOutput, intra_clean: f64) {
        let values = output.losses.values();
        self.total += f64::from(values.total);
        self.intra += f64::from(values.positive) + f64::from(values.negative);
        self.inter += f64::from(values.inter);
        self.reg += f64::from(values.reg);
        self.intra_clean += intra_clean;
        self.count += 1.0;
    }

    fn mean(&self, of: fn(&Self) -> f64) -> f64 {
        of(self) / self.count
    }
}
