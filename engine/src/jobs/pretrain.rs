use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use serde::{Deserialize, Serialize};
use voco_engine_api::{
    CancelFlag, CropPrediction, DataItem, EngineEvent, EngineFailure, JobId, Model, Phase, PositionPreview,
    PretrainConfig, StepReport,
};
use voco_io::Control;
use voco_nn::schedule::WarmupCosine;
use voco_nn::voco::{Projections, losses};
use voco_nn::weights::{ImportOptions, import_stored};
use voco_nn::{AdamW, AdamWSettings, VocoBatch, VocoModel, VocoModelConfig, VocoOutput, weights};
use voco_volume::{Recipe, preprocess};

use super::{Job, Step};
use crate::data::{Batch, BatchPlan, INPUT_EDGE, Loader, Prepared, memory_for_volumes, rng};
use crate::device;
use crate::model_file::read_model;
use crate::training::{Checkpoint, GradientMean, RunFolder, RunLog, Snapshot, Watchdog};
use crate::worker::Outlet;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

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
    model: Option<VocoModel>,
    optimizer: AdamW,
    step: u64,
    hits: VecDeque<bool>,
    waiting: VecDeque<(usize, DataItem)>,
    num_items: usize,
    prepared: Vec<Prepared>,
    /// Memory that prepared volumes may still take.
    bytes_left: u64,
    /// Of the volumes that the run began with, if it is resumed.
    fingerprints: Option<Vec<u64>>,
    feed: Option<Feed>,
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
}

/// The prepared volumes and the thread that draws batches from them.
struct Feed {
    volumes: Arc<Vec<Prepared>>,
    loader: Loader,
}

impl PretrainJob {
    pub fn new(
        id: JobId,
        config: PretrainConfig,
        data: Vec<DataItem>,
        out: &Path,
        resume: bool,
        init: Option<PathBuf>,
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
        let (device, device_name, _) = device::resolve(config.device)?;
        let device = device.autodiff();
        let mut model = model_config(&config).init(&device, config.seed);
        let mut optimizer = AdamW::new(optimizer_settings(&config));
        let (mut step, mut hits, mut fingerprints, mut watchdog) = (0, VecDeque::new(), None, Watchdog::default());
        if let (Some(checkpoint), Some(state)) = (last, state) {
            (model, _) = weights::from_safetensors(model, checkpoint.part(WEIGHTS)?).map_err(bad_file)?;
            optimizer = AdamW::from_bytes(optimizer_settings(&config), checkpoint.part(OPTIMIZER)?, &device)
                .map_err(bad_file)?;
            step = checkpoint.step;
            hits = state.hits.into();
            fingerprints = Some(state.volumes);
            watchdog = state.watchdog;
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
        let log = RunLog::open(&folder, resume.then_some(step))?;
        Ok(Self {
            id,
            config,
            device,
            device_name,
            folder,
            log,
            watchdog,
            model: Some(model),
            optimizer,
            step,
            hits,
            num_items: data.len(),
            waiting: data.into_iter().enumerate().collect(),
            prepared: Vec::new(),
            fingerprints,
            bytes_left: memory_for_volumes(),
            feed: None,
        })
    }

    /// Reads and preprocesses the next volume. One that cannot be used is named and left out.
    fn prepare(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let job = self.id;
        if self.waiting.len() == self.num_items {
            outlet.send(EngineEvent::Phase { job, phase: Phase::Preparing });
        }
        if let Some((index, item)) = self.waiting.pop_front() {
            let name = item.name();
            match self.prepare_one(item, cancel) {
                Ok(body) => {
                    let rest = self.bytes_left.checked_sub(4 * body.grid().data().len() as u64);
                    if let Some(rest) = rest {
                        self.bytes_left = rest;
                        self.prepared.push(Prepared { name, index, body });
                    } else {
                        let text = format!("Left out: {name}: the volumes before it fill most of the free memory.");
                        outlet.send(EngineEvent::Warning { job, text });
                    }
                }
                Err(_) if cancel.is_cancelled() => return Ok(()),
                Err(text) => outlet.send(EngineEvent::Warning { job, text: format!("Left out: {text}") }),
            }
            let done = (self.num_items - self.waiting.len()) as u64;
            outlet.send(EngineEvent::Progress { job, done, total: self.num_items as u64 });
        }
        if !self.waiting.is_empty() {
            return Ok(());
        }
        if self.prepared.is_empty() {
            return Err(EngineFailure::BadInput("None of the volumes can be used for this recipe".into()));
        }
        if self.prepared.len() < self.config.volumes_per_step {
            let text =
                "There are fewer volumes than a step compares: the inter-volume loss compares a volume with itself.";
            outlet.send(EngineEvent::Warning { job, text: text.into() });
        }
        let volumes = Arc::new(std::mem::take(&mut self.prepared));
        let fingerprints: Vec<u64> = volumes.iter().map(Prepared::fingerprint).collect();
        if self.fingerprints.replace(fingerprints.clone()).is_some_and(|then| then != fingerprints) {
            let text = "The volumes are not those that the run began with: it goes on, but not as it would have.";
            outlet.send(EngineEvent::Warning { job, text: text.into() });
        }
        let plan = BatchPlan {
            recipe: self.config.recipe,
            volumes_per_step: self.config.volumes_per_step,
            crops_per_volume: self.config.crops_per_volume,
            augment: self.config.augment,
            seed: self.config.seed,
            volumes: Arc::clone(&volumes),
        };
        let loader = Loader::start(plan, self.step)
            .map_err(|e| EngineFailure::Internal(format!("no thread for loading: {e}")))?;
        self.feed = Some(Feed { volumes, loader });
        outlet.send(EngineEvent::Phase { job, phase: Phase::Training });
        Ok(())
    }

    fn prepare_one(&self, item: DataItem, cancel: &CancelFlag) -> Result<voco_volume::Preprocessed, String> {
        let name = item.name();
        let is_cancelled = || cancel.is_cancelled();
        let volume = match item {
            DataItem::File(path) => {
                let control = Control { progress: &|_| {}, is_cancelled: &is_cancelled };
                voco_io::open(&path, control).map_err(|e| e.to_string())?.volume
            }
            DataItem::Open { volume, .. } => volume,
        };
        preprocess(&volume, self.config.recipe, &is_cancelled, &mut |_, _| {}).map_err(|e| format!("{name}: {e}"))
    }

    fn train(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<Step, EngineFailure> {
        let began = Instant::now();
        let Some(batch) = self.feed.as_ref().and_then(|f| f.loader.next()) else {
            return Err(EngineFailure::Internal("the loading thread has ended".into()));
        };
        let Some(mut model) = self.model.take() else {
            return Err(EngineFailure::Internal("the network was lost in an earlier step".into()));
        };
        let tensors = self.tensors(&batch);
        let rows = self.row_scale(tensors.rows());
        let lr = self.config.learning_rate
            * WarmupCosine::new(self.config.warmup_steps, self.config.steps).factor(self.step);
        let chunk = chunk(self.config.model);
        let result = model.step_chunked(&tensors, rows, chunk, || !cancel.is_cancelled());
        let Some((output, gradients)) = result else {
            // Stopped within the step: nothing has been learned from it, and it will be done again on resuming.
            self.model = Some(model);
            return Ok(Step::More);
        };
        let values = output.losses.values();
        self.watchdog.check(self.step + 1, f64::from(values.total))?;
        // Before the update: afterwards the network has just been fitted to these very crops.
        let (intra_clean, predictions) = inspect(&model, &output, &tensors);
        let mut mean = GradientMean::new();
        mean.add(&model, gradients);
        let (gradients, norm) = mean.finish(&model, None);
        if !norm.is_finite() {
            return Err(EngineFailure::Diverged { step: self.step + 1, value: norm });
        }
        let model = self.optimizer.step(lr, model, gradients);
        self.model = Some(model);
        self.step += 1;
        let crops = self.crop_predictions(&batch, &predictions);
        for crop in &crops {
            self.hits.push_back(crop.is_top1_correct());
            if self.hits.len() > ACCURACY_WINDOW {
                self.hits.pop_front();
            }
        }
        let report = StepReport {
            step: self.step,
            loss: f64::from(values.total),
            intra: f64::from(values.positive) + f64::from(values.negative),
            inter: f64::from(values.inter),
            reg: f64::from(values.reg),
            intra_clean,
            lr,
            top1_accuracy: self.hits.iter().filter(|&&h| h).count() as f64 / self.hits.len().max(1) as f64,
            seconds: began.elapsed().as_secs_f64(),
        };
        self.log.write("train", &report)?;
        outlet.send(EngineEvent::Step { job: self.id, report });
        self.show(&batch, crops, outlet);
        if self.step >= self.config.steps {
            self.checkpoint(outlet)?;
            return Ok(Step::Done);
        }
        if self.step.is_multiple_of(self.config.checkpoint_every) {
            self.checkpoint(outlet)?;
        }
        Ok(Step::More)
    }

    fn tensors(&self, batch: &Batch) -> VocoBatch {
        let (volumes, queries) = (self.config.volumes_per_step, self.config.crops_per_volume);
        let bases = self.config.recipe.position_grid().num_bases();
        let edge = INPUT_EDGE;
        let split = volumes * queries * edge.pow(3);
        let crops = |values: &[f32]| -> Tensor<5> {
            let shape = [values.len() / edge.pow(3), 1, edge, edge, edge];
            Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.device)
        };
        VocoBatch {
            queries: crops(&batch.crops[..split]),
            bases: crops(&batch.crops[split..]),
            labels: Tensor::from_data(TensorData::new(batch.targets.clone(), [volumes, queries, bases]), &self.device),
        }
    }

    /// `Dropout1d` on a 2-D tensor drops whole rows; drawn from (seed, step) like the batch.
    fn row_scale(&self, rows: usize) -> Option<Tensor<1>> {
        let chance = self.config.row_dropout;
        if chance == 0.0 {
            return None;
        }
        let mut random = rng(self.config.seed, self.step, u64::MAX);
        let kept = (1.0 / (1.0 - chance)) as f32;
        let scale: Vec<f32> = (0..rows).map(|_| if random.random_bool(chance) { 0.0 } else { kept }).collect();
        Some(Tensor::from_data(TensorData::new(scale, [rows]), &self.device))
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
        let turn = (batch.step % batch.frames.len() as u64) as usize;
        let (volume, frame) = batch.frames[turn];
        let per_volume = self.config.crops_per_volume;
        outlet.preview.put(PositionPreview {
            step: self.step,
            volume_name: feed.volumes[volume].name.clone(),
            volume_index: feed.volumes[volume].index,
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
        };
        let metadata =
            [("model".to_owned(), self.config.model.name().to_owned()), ("step".into(), self.step.to_string())];
        let weights = weights::to_safetensors(model, &metadata.into_iter().collect()).map_err(cannot_encode)?;
        let optimizer = self.optimizer.to_bytes().map_err(cannot_encode)?;
        let parts = [(WEIGHTS, weights), (OPTIMIZER, optimizer)];
        let path = self.folder.save(&Snapshot { step: self.step, state: &state, parts: &parts, stays: false })?;
        outlet.send(EngineEvent::CheckpointSaved { job: self.id, path, step: self.step });
        outlet.send(EngineEvent::Phase { job: self.id, phase });
        Ok(())
    }
}

/// The settings of the run in a folder, if there is one.
pub fn run_config(folder: &Path) -> Option<PretrainConfig> {
    serde_json::from_slice(&std::fs::read(folder.join(CONFIG)).ok()?).ok()
}

fn model_config(config: &PretrainConfig) -> VocoModelConfig {
    let name = config.model.name().to_lowercase();
    // Every name of `Model` is a preset of the network crate; a test goes through them.
    let mut preset = VocoModelConfig::from_name(&name).expect("each model has a preset");
    if config.recipe == Recipe::Cvpr {
        preset.recipe = losses::Recipe::Cvpr;
    }
    preset
}

fn optimizer_settings(config: &PretrainConfig) -> AdamWSettings {
    AdamWSettings { weight_decay: config.weight_decay as f32, ..AdamWSettings::default() }
}

/// Crops in flight: all at once for the small network, few for the large ones, whose activations fill gigabytes.
fn chunk(model: Model) -> usize {
    match model {
        Model::UnetTiny => 0,
        Model::Tiny => 2,
        Model::B | Model::L | Model::H => 1,
    }
}

/// The position loss and the predictions of the step's own crops without row drop-out.
fn inspect(model: &VocoModel, output: &VocoOutput, batch: &VocoBatch) -> (f64, Vec<f32>) {
    let [volumes, queries, _] = batch.labels.dims();
    let embeddings = output.embeddings.clone().without_autodiff();
    let student = model.valid().student().forward(embeddings);
    let pair = Projections::split(student, output.teacher.clone().without_autodiff(), volumes, queries);
    let predictions = losses::predictions(model.recipe(), &pair);
    let (positive, negative) =
        losses::cross_entropy(model.recipe(), batch.labels.clone().without_autodiff(), predictions.clone());
    let number = |t: Tensor<1>| t.into_data().iter::<f32>().next().map_or(f64::NAN, f64::from);
    (number(positive) + number(negative), predictions.into_data().iter::<f32>().collect())
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn bad_file(error: voco_nn::NnError) -> EngineFailure {
    EngineFailure::BadInput(format!("The checkpoint cannot be used: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn cannot_encode(error: voco_nn::NnError) -> EngineFailure {
    EngineFailure::Internal(format!("the checkpoint cannot be encoded: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_has_a_preset() {
        for model in Model::ALL {
            model_config(&PretrainConfig::preset(model, 10));
        }
    }
}
