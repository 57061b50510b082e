//! Fine-tuning for segmentation: one case is prepared, one optimiser step done, or one window validated, per step.

mod data;
mod network;
mod trial;
mod validate;
mod variety;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use voco_data::{Loader, SampleCache, StoredSample};
use voco_engine_api::{
    CancelFlag, EngineEvent, EngineFailure, FinetuneConfig, FinetuneReport, JobId, Phase, ValidationReport,
};
use voco_nn::optim::unscaled_gradients;
use voco_nn::schedule::LinearWarmupCosine;
use voco_nn::{AdamW, AdamWSettings, Architecture, Network, Precision, weights};

pub(super) use self::data::{Batch, Cases, Plan, task_spec};
use self::network::{Init, Loss};
pub(super) use self::network::{architecture, card, init_from};
pub use self::trial::{RunLength, estimate_finetune};
pub(super) use self::trial::{activations, pace};
pub(super) use self::validate::Validation;
use super::{Job, Step};
use crate::device;
use crate::model_file::CARD_KEY;
use crate::training::{
    Best, Checkpoint, GradientMean, MixedPrecision, RunFolder, RunLog, Snapshot, Watchdog, bad_file, cannot_encode,
    exact, free_memory, precision,
};
use crate::worker::Outlet;

const CONFIG: &str = "config.json";
const INIT: &str = "init.json";
const WEIGHTS: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// Most bytes of prepared samples on the disk.
const CACHE_BYTES: u64 = 200 << 30;

/// What besides the tensors a run needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RunState {
    config: FinetuneConfig,
    /// Fingerprints of the samples by index of their case; their names might name patients.
    samples: BTreeMap<usize, u64>,
    watchdog: Watchdog,
    /// Step of the last validation, its mean Dice, and the best so far with the validations since.
    validated_at: u64,
    last_dice: Option<Exact>,
    best_dice: Option<Exact>,
    without_better: u64,
    /// Name of the file that the run began with.
    parent: Option<String>,
    #[serde(default)]
    mixed: MixedPrecision,
}

/// A number that comes back from a file to the last bit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Exact(#[serde(with = "exact")] f64);

/// Supervised training of a segmentation network.
pub(crate) struct FinetuneJob {
    id: JobId,
    device: Device,
    device_name: String,
    folder: RunFolder,
    log: RunLog,
    architecture: Architecture,
    network: Option<Network>,
    precision: Precision,
    optimizer: AdamW,
    step: u64,
    /// What is saved; its configuration is the run's.
    state: RunState,
    /// Samples that the run began with, if it is resumed.
    expected: Option<BTreeMap<usize, u64>>,
    init: Option<Init>,
    cases: Arc<Cases>,
    cache: SampleCache,
    waiting: VecDeque<usize>,
    training: BTreeMap<usize, Arc<StoredSample>>,
    held_out: Vec<Arc<StoredSample>>,
    feed: Option<Feed>,
    validation: Option<Validation>,
    stopped_early: bool,
}

/// Where a run finds and puts things.
pub(crate) struct Places {
    /// A folder of volumes with label maps, or a list.
    pub data: PathBuf,
    /// Names of the ids in the label maps; if empty, those that the data gives.
    pub label_names: BTreeMap<u16, String>,
    /// Preprocessed volumes.
    pub cache: PathBuf,
    /// The run's folder.
    pub out: PathBuf,
    /// Weights to start from.
    pub init: Option<PathBuf>,
}

/// The thread that draws batches, and the length of the run, which is known with the number of cases.
struct Feed {
    loader: Loader<Result<Batch, String>>,
    total: u64,
    validate_every: u64,
    schedule: LinearWarmupCosine,
}

impl FinetuneJob {
    pub fn new(id: JobId, config: FinetuneConfig, places: Places, resume: bool) -> Result<Self, EngineFailure> {
        if let Some(problem) = config.problem() {
            return Err(EngineFailure::BadInput(problem));
        }
        let Places { data, label_names, cache, out, init } = places;
        let folder = RunFolder::open(&out)?;
        let last = if resume { Some(folder.load_last()?) } else { None };
        let saved: Option<RunState> = last.as_ref().map(Checkpoint::state).transpose()?;
        let config = match &saved {
            Some(state) => state.config.resumed(&config)?,
            None => config,
        };
        let cases = Cases::open(&config, &data, label_names)?;
        let architecture = network::architecture(&config)?;
        let (device, device_name, _) = device::resolve(config.device)?;
        let precision = precision(config.compute, &device, &device_name)?;
        if device_name == "cpu" {
            trial::memory_need(&config, &architecture).check(free_memory(), trial::ADVICE)?;
        }
        let device = device.autodiff();
        let mut network = architecture.init_seeded(&device, config.seed);
        let settings = optimizer_settings(&config);
        let mut optimizer = AdamW::new(settings);
        let mut state = RunState {
            config: config.clone(),
            samples: BTreeMap::new(),
            watchdog: Watchdog::default(),
            validated_at: 0,
            last_dice: None,
            best_dice: None,
            without_better: 0,
            parent: None,
            mixed: MixedPrecision::new(precision),
        };
        let (mut step, mut expected, mut report) = (0, None, None);
        if let (Some(checkpoint), Some(saved)) = (last, saved) {
            (network, _) = weights::from_safetensors(network, checkpoint.part(WEIGHTS)?).map_err(bad_file)?;
            optimizer = AdamW::from_bytes(settings, checkpoint.part(OPTIMIZER)?, &device).map_err(bad_file)?;
            step = checkpoint.step;
            expected = Some(saved.samples.clone());
            state = RunState { config: config.clone(), ..saved };
        } else if folder.has_run() {
            return Err(EngineFailure::BadInput(
                "The folder already holds a run; go on with that one, or choose another folder".into(),
            ));
        } else if let Some(path) = init {
            let (loaded, init) = network::init_from(network, &path)?;
            network = loaded;
            state.parent = Some(init.file.clone());
            report = Some(init);
        }
        if config.freeze_encoder {
            network = network.freeze_encoder();
        }
        network = network.with_checkpointing(config.compute.gradient_checkpointing);
        let encode = |e: serde_json::Error| EngineFailure::Internal(e.to_string());
        folder.write(CONFIG, &serde_json::to_vec_pretty(&config).map_err(encode)?)?;
        if let Some(report) = &report {
            folder.write(INIT, &serde_json::to_vec_pretty(report).map_err(encode)?)?;
        }
        let log = RunLog::open(&folder, resume.then_some(step))?;
        let cache = SampleCache::open(&cache, CACHE_BYTES).map_err(|e| EngineFailure::Io(e.to_string()))?;
        let waiting = cases.split.training.iter().chain(&cases.split.validation).copied().collect();
        Ok(Self {
            id,
            device,
            device_name,
            folder,
            log,
            architecture,
            network: Some(network),
            precision,
            optimizer,
            step,
            state,
            expected,
            init: report,
            cases: Arc::new(cases),
            cache,
            waiting,
            training: BTreeMap::new(),
            held_out: Vec::new(),
            feed: None,
            validation: None,
            stopped_early: false,
        })
    }

    /// Reads and preprocesses the next case. One that cannot be used is named and left out.
    fn prepare(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let job = self.id;
        let total = self.cases.split.training.len() + self.cases.split.validation.len();
        let say = |text: String| outlet.send(EngineEvent::Warning { job, text });
        if self.waiting.len() == total {
            outlet.send(EngineEvent::Phase { job, phase: Phase::Preparing });
            if let Some(init) = &self.init {
                outlet.send(EngineEvent::WeightsLoaded { job, text: init.sentence() });
            }
            if let Some(remark) = self.waiting.front().and_then(|&first| self.cases.remark(first)) {
                say(remark);
            }
            if self.cases.split.validation.is_empty() {
                say("Nobody is held out, so the run cannot tell how good it is on others; use --fold or a list with \"validation\"."
                    .into());
            }
        }
        if let Some(index) = self.waiting.pop_front() {
            match self.cases.prepare(index, &self.cache, cancel) {
                Ok(sample) => {
                    self.state.samples.insert(index, sample.fingerprint());
                    if self.cases.split.validation.contains(&index) {
                        self.held_out.push(sample);
                    } else {
                        self.training.insert(index, sample);
                    }
                }
                Err(_) if cancel.is_cancelled() => return Ok(()),
                Err(text) => say(format!("Left out: {text}")),
            }
            let done = (total - self.waiting.len()) as u64;
            outlet.send(EngineEvent::Progress { job, done, total: total as u64 });
        }
        if self.waiting.is_empty() { self.begin(outlet) } else { Ok(()) }
    }

    /// All cases are there: the length of the run is known.
    fn begin(&mut self, outlet: &Outlet) -> Result<(), EngineFailure> {
        let job = self.id;
        if self.training.is_empty() {
            return Err(EngineFailure::BadInput("None of the cases can be used for this task".into()));
        }
        if self.expected.take().is_some_and(|then| then != self.state.samples) {
            let text = "The cases are not those that the run began with: it goes on, but not as it would have.".into();
            outlet.send(EngineEvent::Warning { job, text });
        }
        let config = &self.state.config;
        let training = config.task.training;
        let per_epoch = self.training.len() as u64;
        let total = RunLength::of(config, per_epoch, &[]).steps;
        let validate_every = config.validate_every.unwrap_or(training.validate_every * per_epoch).max(1);
        // A short run is not all warm-up.
        let warmup = (training.warmup_epochs * per_epoch).min(total / 10);
        let schedule = LinearWarmupCosine { base_lr: config.learning_rate, warmup, total, start_lr: 0.0, eta_min: 0.0 };
        let samples = self.training.clone();
        let plan = Plan { cases: Arc::clone(&self.cases), samples, config: config.clone() };
        self.feed = Some(Feed { loader: plan.start(self.step)?, total, validate_every, schedule });
        outlet.send(EngineEvent::Phase { job, phase: Phase::Training });
        self.estimate(outlet);
        Ok(())
    }

    fn train(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let began = Instant::now();
        let lost = || EngineFailure::Internal("the network was lost in an earlier step".into());
        let Some(feed) = self.feed.as_mut() else { return Err(lost()) };
        let batch = match feed.loader.next() {
            Some(Ok(Ok(batch))) => batch,
            Some(Ok(Err(text))) => return Err(EngineFailure::BadInput(format!("A crop cannot be read: {text}"))),
            Some(Err(e)) => return Err(EngineFailure::Internal(e.to_string())),
            None => return Err(EngineFailure::Internal("the loading thread has ended".into())),
        };
        let waited_seconds = began.elapsed().as_secs_f64();
        let lr = feed.schedule.lr(self.step);
        let config = &self.state.config;
        let network = self.network.take().ok_or_else(lost)?;
        let passes = self.state.mixed.passes(self.precision, 1);
        let mut mean = GradientMean::new();
        let (mut loss, mut dice, mut entropy) = (0.0, 0.0, 0.0);
        // One crop at a time: the memory of one, and the same numbers as all at once.
        for n in 0..config.crops {
            let Loss { total, dice: d, cross_entropy } =
                network::loss(&network, &batch, n, (config.deep_supervision, self.precision), &self.device)?;
            loss += f64::from(total.clone().into_scalar::<f32>()) / config.crops as f64;
            dice += f64::from(d.into_scalar::<f32>()) / config.crops as f64;
            entropy += f64::from(cross_entropy.into_scalar::<f32>()) / config.crops as f64;
            mean.add(&network, unscaled_gradients(&network, total, passes.loss_scale));
            if cancel.is_cancelled() {
                // Nothing has been learned from this step, and it will be done again on resuming. The batch is drawn from its
                // number, so the loader need not be turned back.
                self.network = Some(network);
                return Ok(());
            }
        }
        self.state.watchdog.check(self.step + 1, loss)?;
        let (gradients, gradient_norm) = mean.finish(&network, None);
        let is_usable = self.state.mixed.judge(self.step + 1, gradient_norm)?;
        let decay = config.layer_decay;
        let rate = |key: &str| lr * network::layer_share(key, decay);
        self.network = Some(if is_usable { self.optimizer.step_layers(rate, network, gradients) } else { network });
        self.step += 1;
        let seconds = began.elapsed().as_secs_f64();
        let report = FinetuneReport {
            step: self.step,
            loss,
            dice_loss: dice,
            cross_entropy: entropy,
            lr,
            gradient_norm,
            seconds,
            waited_seconds,
        };
        self.log.write("train", &report)?;
        outlet.send(EngineEvent::FinetuneStep { job: self.id, report });
        Ok(())
    }

    /// One window of a validation, which begins if it has not.
    fn validate(&mut self, outlet: &Outlet) -> Result<(), EngineFailure> {
        let job = self.id;
        if self.validation.is_none() {
            let Some(network) = &self.network else {
                return Err(EngineFailure::Internal("the network was lost in an earlier step".into()));
            };
            outlet.send(EngineEvent::Phase { job, phase: Phase::Validating });
            let device = self.device.clone().without_autodiff();
            self.validation = Some(Validation::new(&self.state.config, network.valid(), self.held_out.clone(), device));
        }
        let Some(validation) = &mut self.validation else { return Ok(()) };
        let before = validation.progress();
        let is_done = validation.step()?;
        let (done, total) = validation.progress();
        if before.0 != done {
            outlet.send(EngineEvent::Progress { job, done, total });
        }
        if is_done {
            let report = validation.report(self.step, self.state.best_dice.map(|best| best.0));
            self.validation = None;
            self.validated(report, outlet)?;
            outlet.send(EngineEvent::Phase { job, phase: Phase::Training });
        }
        Ok(())
    }

    fn validated(&mut self, report: ValidationReport, outlet: &Outlet) -> Result<(), EngineFailure> {
        self.state.validated_at = self.step;
        self.state.last_dice = report.mean_dice.map(Exact);
        self.state.without_better = if report.best { 0 } else { self.state.without_better + 1 };
        self.log.write("validation", &report)?;
        if let Some(value) = report.mean_dice.filter(|_| report.best) {
            self.state.best_dice = Some(Exact(value));
            self.save(outlet)?;
            self.folder.mark_best(&Best { step: self.step, metric: "mean Dice".into(), value })?;
        }
        let patience = self.state.config.patience;
        self.stopped_early = patience.is_some_and(|patience| self.state.without_better >= patience);
        outlet.send(EngineEvent::Validation { job: self.id, report });
        Ok(())
    }

    fn save(&self, outlet: &Outlet) -> Result<(), EngineFailure> {
        let Some(network) = &self.network else { return Ok(()) };
        outlet.send(EngineEvent::Phase { job: self.id, phase: Phase::Saving });
        let state = &self.state;
        let dice = state.last_dice.filter(|_| state.validated_at == self.step).map(|dice| dice.0);
        let card = network::card(
            &state.config,
            &self.architecture,
            self.training.len(),
            self.step,
            dice,
            state.parent.clone(),
        );
        let card = serde_json::to_string(&card).map_err(|e| EngineFailure::Internal(e.to_string()))?;
        let weights = weights::to_safetensors(network, &[(CARD_KEY.to_owned(), card)].into()).map_err(cannot_encode)?;
        let optimizer = self.optimizer.to_bytes().map_err(cannot_encode)?;
        let parts = [(WEIGHTS, weights), (OPTIMIZER, optimizer)];
        let path = self.folder.save(&Snapshot { step: self.step, state, parts: &parts, stays: false })?;
        outlet.send(EngineEvent::CheckpointSaved { job: self.id, path, step: self.step });
        outlet.send(EngineEvent::Phase { job: self.id, phase: Phase::Training });
        Ok(())
    }
}

impl Job for FinetuneJob {
    fn device_name(&self) -> String {
        self.device_name.clone()
    }

    fn phase(&self) -> Phase {
        match (&self.feed, &self.validation) {
            (None, _) => Phase::Preparing,
            (_, Some(_)) => Phase::Validating,
            _ => Phase::Training,
        }
    }

    fn step(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<Step, EngineFailure> {
        let Some(feed) = &self.feed else {
            self.prepare(outlet, cancel)?;
            return Ok(Step::More);
        };
        let (total, is_last) = (feed.total, self.step >= feed.total);
        let is_due = self.step > 0 && (is_last || self.step.is_multiple_of(feed.validate_every));
        if is_due && !self.held_out.is_empty() && self.state.validated_at < self.step {
            self.validate(outlet)?;
            return Ok(Step::More);
        }
        if is_last || self.stopped_early {
            self.save(outlet)?;
            return Ok(Step::Done);
        }
        // Saved once the validation of this step, if there was one, is part of it.
        if self.step > 0 && self.step < total && self.step.is_multiple_of(self.state.config.checkpoint_every) {
            self.save(outlet)?;
        }
        self.train(outlet, cancel)?;
        Ok(Step::More)
    }

    fn checkpoint(&mut self, outlet: &Outlet) -> Result<(), EngineFailure> {
        if self.feed.is_some() { self.save(outlet) } else { Ok(()) }
    }
}

/// The settings of the fine-tuning in a folder, if there is one.
pub fn finetune_config(folder: &std::path::Path) -> Option<FinetuneConfig> {
    serde_json::from_slice(&std::fs::read(folder.join(CONFIG)).ok()?).ok()
}

/// As the published fine-tuning: no AMSGrad, which the pre-training has.
fn optimizer_settings(config: &FinetuneConfig) -> AdamWSettings {
    AdamWSettings { weight_decay: config.task.training.weight_decay as f32, amsgrad: false, ..AdamWSettings::default() }
}
