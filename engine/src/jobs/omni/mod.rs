//! Training of a whole network on labels, on what its own past says of unlabelled volumes, and by the contrast of volumes: the
//! supervised, semi- and omni-supervised trainings of Large-Scale-Medical.

mod data;
mod model;
mod trial;

pub(crate) use data::OmniData;
pub use trial::{OmniLength, estimate_omni};

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsAccumulator;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use voco_engine_api::{
    CancelFlag, EngineEvent, EngineFailure, JobId, OmniReport, OmniRunConfig, Phase, ValidationReport,
};
use voco_nn::optim::{clip_gradient_norm, gradient_norm, scale_gradients};
use voco_nn::schedule::WarmupCosine;
use voco_nn::voco::{OmniModel, pseudo_labels};
use voco_nn::{AdamW, Architecture, Network, Precision, weights};

use self::data::{Feeds, Preparation};
use self::model::{contrast_chunk, memory_need, model_config, optimizer_settings};
use super::finetune::{Batch, Validation, card, init_from};
use super::{Job, Step};
use crate::device;
use crate::model_file::CARD_KEY;
use crate::position::{Eye, loss_recipe};
use crate::training::{
    Best, Checkpoint, MixedPrecision, RunFolder, RunLog, Snapshot, Watchdog, bad_file, cannot_encode, free_memory,
    precision,
};
use crate::worker::Outlet;

const CONFIG: &str = "config.json";
const RECIPE: &str = "recipe.toml";
const WEIGHTS: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
/// The frozen past, once there is one.
const SNAPSHOT: &str = "snapshot.safetensors";

/// What besides the tensors a run needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RunState {
    config: OmniRunConfig,
    /// Fingerprints of the volumes; their names might name patients.
    volumes: Vec<u64>,
    watchdog: Watchdog,
    /// Step of the last validation, and the best mean Dice.
    validated: Option<u64>,
    best_dice: Option<f64>,
    /// Step of the last look at the position task.
    #[serde(default)]
    looked: Option<u64>,
    /// Name of the file that the run began with.
    parent: Option<String>,
    #[serde(default)]
    mixed: MixedPrecision,
}

/// One of the three trainings.
pub(crate) struct OmniJob {
    id: JobId,
    device: Device,
    device_name: String,
    folder: RunFolder,
    log: RunLog,
    architecture: Architecture,
    model: Option<OmniModel>,
    precision: Precision,
    /// What labels unlabelled crops, once it is there; without graph.
    snapshot: Option<Network>,
    optimizer: AdamW,
    step: u64,
    /// Last step that was saved with all that is known of it.
    saved: Option<u64>,
    state: RunState,
    expected: Option<Vec<u64>>,
    preparation: Option<Preparation>,
    feeds: Option<Feeds>,
    validation: Option<Validation>,
}

impl OmniJob {
    pub fn new(
        id: JobId,
        config: OmniRunConfig,
        data: OmniData,
        out: &Path,
        resume: bool,
        init: Option<&Path>,
    ) -> Result<Self, EngineFailure> {
        if let Some(problem) = config.problem() {
            return Err(EngineFailure::BadInput(problem));
        }
        let folder = RunFolder::open(out)?;
        let last = if resume { Some(folder.load_last()?) } else { None };
        let saved: Option<RunState> = last.as_ref().map(Checkpoint::state).transpose()?;
        let config = match &saved {
            Some(state) => state.config.resumed(&config)?,
            None => config,
        };
        let preparation = Preparation::find(&config, data)?;
        let shape = model_config(&config)?;
        let (device, device_name, _) = device::resolve(config.labelled.device)?;
        if device_name == "cpu" {
            memory_need(&config, &shape).check(free_memory(), trial::ADVICE)?;
        }
        let precision = precision(config.labelled.compute, &device, &device_name)?;
        let device = device.autodiff();
        let mut model = shape.init(&device, config.labelled.seed);
        let settings = optimizer_settings(&config);
        let mut optimizer = AdamW::new(settings);
        let mut state = RunState {
            config: config.clone(),
            volumes: Vec::new(),
            watchdog: Watchdog::default(),
            validated: None,
            best_dice: None,
            looked: None,
            parent: None,
            mixed: MixedPrecision::new(precision),
        };
        let (mut step, mut expected, mut snapshot) = (0, None, None);
        if let (Some(checkpoint), Some(saved)) = (last, saved) {
            (model, _) = weights::from_safetensors(model, checkpoint.part(WEIGHTS)?).map_err(bad_file)?;
            optimizer = AdamW::from_bytes(settings, checkpoint.part(OPTIMIZER)?, &device).map_err(bad_file)?;
            if let Ok(bytes) = checkpoint.part(SNAPSHOT) {
                let past = shape.network.init(&device.clone().without_autodiff());
                snapshot = Some(weights::from_safetensors(past, bytes).map_err(bad_file)?.0);
            }
            step = checkpoint.step;
            expected = Some(saved.volumes.clone());
            state = RunState { config: config.clone(), ..saved };
        } else if folder.has_run() {
            return Err(EngineFailure::BadInput(
                "The folder already holds a run; go on with that one, or choose another folder".into(),
            ));
        } else if let Some(path) = init {
            let (loaded, init) = init_from(model, path)?;
            model = loaded;
            state.parent = Some(init.file);
        }
        let encode = |e: serde_json::Error| EngineFailure::Internal(e.to_string());
        folder.write(CONFIG, &serde_json::to_vec_pretty(&config).map_err(encode)?)?;
        folder.write(RECIPE, config.recipe.to_toml().map_err(EngineFailure::Internal)?.as_bytes())?;
        let log = RunLog::open(&folder, resume.then_some(step))?;
        Ok(Self {
            id,
            device,
            device_name,
            folder,
            log,
            architecture: shape.network,
            model: Some(model.with_checkpointing(config.labelled.compute.gradient_checkpointing)),
            precision,
            snapshot,
            optimizer,
            step,
            saved: Some(step),
            state,
            expected,
            preparation: Some(preparation),
            feeds: None,
            validation: None,
        })
    }

    /// Prepares the next volume, and begins to draw batches after the last.
    fn prepare(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let job = self.id;
        let Some(preparation) = &mut self.preparation else { return Ok(()) };
        if preparation.progress().0 == 0 {
            outlet.send(EngineEvent::Phase { job, phase: Phase::Preparing });
        }
        if let Err(text) = preparation.next(cancel) {
            if cancel.is_cancelled() {
                return Ok(());
            }
            outlet.send(EngineEvent::Warning { job, text: format!("Left out: {text}") });
        }
        let (done, total) = preparation.progress();
        outlet.send(EngineEvent::Progress { job, done, total });
        if done < total {
            return Ok(());
        }
        if let Some(preparation) = self.preparation.take() {
            let feeds = preparation.start(&self.state.config, self.step, self.device_name == "cpu")?;
            self.state.volumes.clone_from(&feeds.fingerprints);
            if self.expected.take().is_some_and(|then| then != self.state.volumes) {
                let text = "The volumes are not those that the run began with: it goes on, but not as it would have.";
                outlet.send(EngineEvent::Warning { job, text: text.into() });
            }
            if feeds.check.is_none() && self.state.config.contrast.is_some() {
                let text = "Nobody without labels is held out, so the position task is not validated: that takes five people at least.";
                outlet.send(EngineEvent::Warning { job, text: text.into() });
            }
            self.feeds = Some(feeds);
            outlet.send(EngineEvent::Phase { job, phase: Phase::Training });
            self.estimate(outlet)?;
        }
        Ok(())
    }

    fn train(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let began = Instant::now();
        let lost = || EngineFailure::Internal("the network was lost in an earlier step".into());
        let mut model = self.model.take().ok_or_else(lost)?;
        if self.state.config.snapshot_at() == Some(self.step) && self.snapshot.is_none() {
            self.snapshot = Some(model.network().valid());
            // From here on the loss has one term more.
            self.state.watchdog.reset();
        }
        let before = model.head().cloned();
        model.move_teacher();
        let result = self.gradients(&model, cancel)?;
        let Some((mut gradients, mut report)) = result else {
            // Stopped within the step: it will be done again on resuming.
            self.model = Some(model.with_head(before));
            return Ok(());
        };
        let config = &self.state.config;
        let schedule = WarmupCosine::new(config.warmup_steps, config.steps);
        let mut gradients = gradients.grads();
        report.gradient_norm = match config.recipe.training.clip_norm {
            Some(most) => clip_gradient_norm(&model, &mut gradients, most),
            None => gradient_norm(&model, &gradients),
        };
        report.lr = config.labelled.learning_rate * schedule.factor(self.step);
        report.step = self.step + 1;
        self.state.watchdog.check(report.step, report.loss)?;
        let is_usable = self.state.mixed.judge(report.step, report.gradient_norm)?;
        self.model = Some(if is_usable { self.optimizer.step(report.lr, model, gradients) } else { model });
        self.step += 1;
        report.seconds = began.elapsed().as_secs_f64();
        self.log.write("train", &report)?;
        outlet.send(EngineEvent::OmniStep { job: self.id, report });
        Ok(())
    }

    /// The sum of the gradients of all losses; `None` if it was stopped.
    fn gradients(
        &mut self,
        model: &OmniModel,
        cancel: &CancelFlag,
    ) -> Result<Option<(GradientsAccumulator<OmniModel>, OmniReport)>, EngineFailure> {
        let Some(feeds) = &mut self.feeds else {
            return Err(EngineFailure::Internal("there is no data to train on".into()));
        };
        let config = &self.state.config;
        let go_on = || !cancel.is_cancelled();
        let (mixed, precision) = (self.state.mixed, self.precision);
        let passes = |chunk| mixed.passes(precision, chunk);
        let mut sum = GradientsAccumulator::new();
        let mut report = OmniReport {
            step: 0,
            loss: 0.0,
            segmentation: 0.0,
            pseudo: None,
            intra: None,
            inter: None,
            reg: None,
            lr: 0.0,
            gradient_norm: 0.0,
            seconds: 0.0,
        };
        let mut unlabelled = None;
        if let Some(batch) = feeds.next_contrast(&self.device)? {
            let rows = feeds.row_scale(config, self.step, batch.rows(), &self.device);
            let passes = passes(contrast_chunk(config.labelled.model));
            let Some((output, gradients)) = model.contrast_chunked(&batch, rows, passes, go_on) else {
                return Ok(None);
            };
            sum.accumulate(model, gradients);
            let values = output.losses.values();
            report.intra = Some(f64::from(values.positive) + f64::from(values.negative));
            report.inter = Some(f64::from(values.inter));
            report.reg = Some(f64::from(values.reg));
            report.loss += f64::from(values.total);
            unlabelled = Some(batch.queries);
        }
        for _ in 0..config.labelled_volumes {
            let (images, labels) = tensors(&feeds.next_labelled()?, &self.device);
            let Some((loss, mut gradients)) = model.supervise_chunked(&images, &labels, passes(1), go_on) else {
                return Ok(None);
            };
            let share = 1.0 / config.labelled_volumes as f64;
            scale_gradients(model, &mut gradients, share);
            sum.accumulate(model, gradients);
            report.segmentation += share * loss;
        }
        report.loss += report.segmentation;
        // Drawn in every step, so that the place in the data is that of the step.
        let unlabelled = feeds.next_unlabelled(&self.device)?.or(unlabelled);
        if let (Some(snapshot), Some(images), Some(pseudo)) = (&self.snapshot, unlabelled, config.recipe.pseudo) {
            let labels = pseudo_labels(snapshot, &images, 1);
            let result = if config.contrast.is_some() {
                model.supervise_decoder_chunked(&images, &labels, passes(1), go_on)
            } else {
                model.supervise_chunked(&images, &labels, passes(1), go_on)
            };
            let Some((loss, mut gradients)) = result else { return Ok(None) };
            scale_gradients(model, &mut gradients, pseudo.weight);
            sum.accumulate(model, gradients);
            report.pseudo = Some(loss);
            report.loss += pseudo.weight * loss;
        }
        Ok(Some((sum, report)))
    }

    /// Looks at the position task of held-out people.
    fn look(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let (Some(model), Some(feeds)) = (&self.model, &self.feeds) else { return Ok(()) };
        let config = &self.state.config;
        let (Some(check), Some(recipe)) = (&feeds.check, &config.contrast) else { return Ok(()) };
        let eye = Eye::Omni(model, loss_recipe(recipe));
        let chunk = contrast_chunk(config.labelled.model);
        let findings = check.run(&eye, &self.device, chunk, self.step, || !cancel.is_cancelled())?;
        // Stopped in the middle: done again on resuming.
        let Some(report) = findings.map(|findings| findings.report) else { return Ok(()) };
        (self.state.looked, self.saved) = (Some(self.step), None);
        self.log.write("position", &report)?;
        outlet.send(EngineEvent::PositionValidation { job: self.id, report });
        Ok(())
    }

    /// One window of a validation, which begins if it has not.
    fn validate(&mut self, outlet: &Outlet) -> Result<(), EngineFailure> {
        let job = self.id;
        if self.validation.is_none() {
            let (Some(model), Some(feeds)) = (&self.model, &self.feeds) else { return Ok(()) };
            outlet.send(EngineEvent::Phase { job, phase: Phase::Validating });
            let device = self.device.clone().without_autodiff();
            let samples = feeds.held_out.clone();
            self.validation =
                Some(Validation::new(&self.state.config.labelled, model.network().valid(), samples, device));
        }
        let Some(validation) = &mut self.validation else { return Ok(()) };
        let before = validation.progress();
        let is_done = validation.step()?;
        let (done, total) = validation.progress();
        if before.0 != done {
            outlet.send(EngineEvent::Progress { job, done, total });
        }
        if is_done {
            let report = validation.report(self.step, self.state.best_dice);
            self.validation = None;
            self.validated(report, outlet)?;
            outlet.send(EngineEvent::Phase { job, phase: Phase::Training });
        }
        Ok(())
    }

    fn validated(&mut self, report: ValidationReport, outlet: &Outlet) -> Result<(), EngineFailure> {
        (self.state.validated, self.saved) = (Some(self.step), None);
        self.log.write("validation", &report)?;
        let best = report.mean_dice.filter(|_| report.best);
        outlet.send(EngineEvent::Validation { job: self.id, report });
        if let Some(value) = best {
            self.state.best_dice = Some(value);
            self.save(outlet)?;
            self.folder.mark_best(&Best { step: self.step, metric: "mean_dice".into(), value })?;
        }
        Ok(())
    }

    fn save(&mut self, outlet: &Outlet) -> Result<(), EngineFailure> {
        let (Some(model), Some(feeds)) = (&self.model, &self.feeds) else { return Ok(()) };
        let phase = self.phase();
        outlet.send(EngineEvent::Phase { job: self.id, phase: Phase::Saving });
        let state = &self.state;
        let (cases, parent) = (feeds.num_labelled, state.parent.clone());
        let card = card(&state.config.labelled, &self.architecture, cases, self.step, state.best_dice, parent);
        let card = serde_json::to_string(&card).map_err(|e| EngineFailure::Internal(e.to_string()))?;
        let weights = weights::to_safetensors(model, &[(CARD_KEY.to_owned(), card)].into()).map_err(cannot_encode)?;
        let mut parts = vec![(WEIGHTS, weights), (OPTIMIZER, self.optimizer.to_bytes().map_err(cannot_encode)?)];
        if let Some(snapshot) = &self.snapshot {
            parts.push((SNAPSHOT, weights::to_safetensors(snapshot, &BTreeMap::new()).map_err(cannot_encode)?));
        }
        let path = self.folder.save(&Snapshot { step: self.step, state, parts: &parts, stays: false })?;
        self.saved = Some(self.step);
        outlet.send(EngineEvent::CheckpointSaved { job: self.id, path, step: self.step });
        outlet.send(EngineEvent::Phase { job: self.id, phase });
        Ok(())
    }
}

impl Job for OmniJob {
    fn device_name(&self) -> String {
        self.device_name.clone()
    }

    fn phase(&self) -> Phase {
        match (&self.feeds, &self.validation) {
            (None, _) => Phase::Preparing,
            (_, Some(_)) => Phase::Validating,
            _ => Phase::Training,
        }
    }

    fn step(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<Step, EngineFailure> {
        let Some(feeds) = &self.feeds else {
            self.prepare(outlet, cancel)?;
            return Ok(Step::More);
        };
        let config = &self.state.config;
        let is_last = self.step >= config.steps;
        let is_due = |every: u64| self.step > 0 && (is_last || self.step.is_multiple_of(every));
        let is_look_due = self.step == 0 || is_due(config.validate_every);
        if is_look_due && feeds.check.is_some() && self.state.looked != Some(self.step) {
            self.look(outlet, cancel)?;
            return Ok(Step::More);
        }
        if is_due(config.validate_every) && !feeds.held_out.is_empty() && self.state.validated != Some(self.step) {
            self.validate(outlet)?;
            return Ok(Step::More);
        }
        if self.saved != Some(self.step) && is_due(config.checkpoint_every) {
            self.save(outlet)?;
        }
        if is_last {
            return Ok(Step::Done);
        }
        self.train(outlet, cancel)?;
        Ok(Step::More)
    }

    fn checkpoint(&mut self, outlet: &Outlet) -> Result<(), EngineFailure> {
        self.save(outlet)
    }
}

/// Images `[crops, channels, X, Y, Z]` and labels `[crops, 1, X, Y, Z]` of a batch.
fn tensors(batch: &Batch, device: &Device) -> (burn::tensor::Tensor<5>, burn::tensor::Tensor<5, burn::tensor::Int>) {
    use burn::tensor::{Tensor, TensorData};
    let [x, y, z] = batch.size;
    let crops = batch.labels.len() / (x * y * z);
    let labels: Vec<i32> = batch.labels.iter().map(|&label| i32::from(label)).collect();
    (
        Tensor::from_data(TensorData::new(batch.images.clone(), [crops, batch.channels, x, y, z]), device),
        Tensor::from_data(TensorData::new(labels, [crops, 1, x, y, z]), device),
    )
}

/// The settings of a supervised, semi- or omni-supervised run in a folder, if there is one.
pub fn omni_config(folder: &Path) -> Option<OmniRunConfig> {
    serde_json::from_slice(&std::fs::read(folder.join(CONFIG)).ok()?).ok()
}
