use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::finetune::ended_text;
use super::{LabelledData, OpenVolume, VolumeId};
use voco_engine_api::{
    EngineEvent, JobId, Model, OmniReport, Phase, PositionPreview, PositionReport, PretrainConfig, RunEstimate,
    StepReport, ValidationReport,
};

/// What a run is to be, as the panel edits it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSetup {
    /// On what.
    pub source: TrainingSource,
    /// Numbers and choices.
    pub config: PretrainConfig,
    /// The labelled volumes, for a recipe that also learns from labels. Its numbers then go before those of `config`.
    pub labelled: Option<LabelledData>,
    /// The run's folder.
    pub out: Option<PathBuf>,
    /// Go on from the checkpoint in it.
    pub resume: bool,
    /// Begin with the weights of this checkpoint or run.
    pub init: Option<PathBuf>,
}

/// Where the volumes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainingSource {
    /// Those open in the window.
    OpenVolumes,
    /// All volumes of a folder.
    Folder(PathBuf),
}

impl Default for TrainingSetup {
    fn default() -> Self {
        Self {
            source: TrainingSource::OpenVolumes,
            config: PretrainConfig::preset(Model::UnetTiny, 300),
            labelled: None,
            out: None,
            resume: false,
            init: None,
        }
    }
}

/// Pre-training as the window knows it.
#[derive(Default)]
pub struct TrainingState {
    /// The next run.
    pub setup: TrainingSetup,
    /// The present or last run.
    pub job: Option<TrainingJob>,
}

/// A volume of a run: by what it is, never by its name, which another patient's may share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainedVolume {
    /// Open in the window when the run began.
    Open(VolumeId),
    /// A file.
    File(PathBuf),
}

/// A run.
pub struct TrainingJob {
    /// Its number.
    pub id: JobId,
    /// Its numbers and choices.
    pub config: PretrainConfig,
    /// The same of a run that also learns from labels.
    pub labelled: Option<LabelledData>,
    /// Where it is saved.
    pub out: PathBuf,
    /// What it trains on, in the order of the engine's indices.
    pub volumes: Vec<TrainedVolume>,
    /// What it is busy with; none once it has ended.
    pub phase: Option<Phase>,
    /// Of the present phase: done and total.
    pub progress: Option<(u64, u64)>,
    /// What it will need, by a trial before the first step.
    pub estimate: Option<RunEstimate>,
    /// The device it runs on.
    pub device: String,
    /// All steps so far.
    pub steps: Vec<StepReport>,
    /// The same of a run that also learns from labels.
    pub omni_steps: Vec<OmniReport>,
    /// What was found on held-out people so far.
    pub validations: Vec<PositionReport>,
    /// The same of their labels.
    pub dice: Vec<ValidationReport>,
    /// The latest predictions of each volume.
    pub previews: Previews,
    /// Step of the last checkpoint.
    pub saved_at: Option<u64>,
    /// How it ended, for people.
    pub ended: Option<(String, bool)>,
    /// What it warned of.
    pub warnings: Vec<String>,
}

/// The latest predictions of each volume of a run, so that the volume on show keeps its own while others are trained on.
#[derive(Default)]
pub struct Previews {
    by_volume: BTreeMap<usize, Arc<PositionPreview>>,
    latest: Option<Arc<PositionPreview>>,
}

impl Previews {
    /// Of the volume with this place in the run's data.
    pub fn of(&self, volume_index: usize) -> Option<&Arc<PositionPreview>> {
        self.by_volume.get(&volume_index)
    }

    /// Of whichever volume came last.
    pub fn latest(&self) -> Option<&Arc<PositionPreview>> {
        self.latest.as_ref()
    }
}

impl Extend<Arc<PositionPreview>> for Previews {
    fn extend<T: IntoIterator<Item = Arc<PositionPreview>>>(&mut self, previews: T) {
        for preview in previews {
            self.by_volume.insert(preview.volume_index, Arc::clone(&preview));
            self.latest = Some(preview);
        }
    }
}

impl TrainingJob {
    /// A run that has just been asked for.
    pub fn new(id: JobId, config: PretrainConfig, out: PathBuf, volumes: Vec<TrainedVolume>) -> Self {
        Self {
            id,
            config,
            out,
            volumes,
            labelled: None,
            phase: Some(Phase::Preparing),
            progress: None,
            estimate: None,
            device: String::new(),
            steps: Vec::new(),
            omni_steps: Vec::new(),
            validations: Vec::new(),
            dice: Vec::new(),
            previews: Previews::default(),
            saved_at: None,
            ended: None,
            warnings: Vec::new(),
        }
    }

    /// The latest predictions for a volume, if the run trains on it.
    pub fn preview_of(&self, volume: &OpenVolume) -> Option<&Arc<PositionPreview>> {
        let is_it = |v: &TrainedVolume| match v {
            TrainedVolume::Open(id) => *id == volume.id,
            TrainedVolume::File(path) => volume.path.as_ref() == Some(path),
        };
        self.volumes.iter().position(is_it).and_then(|index| self.previews.of(index))
    }

    /// Takes over what is known of the same run up to its last checkpoint, from which it goes on.
    pub fn go_on_from(&mut self, before: Self) {
        let saved_at = before.saved_at.unwrap_or(0);
        self.steps = before.steps;
        self.steps.retain(|s| s.step <= saved_at);
        self.omni_steps = before.omni_steps;
        self.omni_steps.retain(|s| s.step <= saved_at);
        self.validations = before.validations;
        self.validations.retain(|v| v.step <= saved_at);
        self.dice = before.dice;
        self.dice.retain(|v| v.step <= saved_at);
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        let plain = self.steps.last().map(|s| s.step);
        plain.or(self.omni_steps.last().map(|s| s.step)).unwrap_or(0)
    }

    /// Steps in all.
    pub fn total(&self) -> u64 {
        self.labelled.as_ref().map_or(self.config.steps, |labelled| labelled.config.steps)
    }

    /// Mean seconds of the last steps.
    pub fn pace(&self) -> Option<f64> {
        let plain = self.steps.iter().rev().take(20).map(|s| s.seconds);
        let seconds: Vec<f64> = plain.chain(self.omni_steps.iter().rev().take(20).map(|s| s.seconds)).collect();
        (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
    }

    /// True until it has ended.
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }
}

impl TrainingState {
    /// The only place where an engine event changes what the window shows. Events of other jobs are ignored.
    pub fn apply(&mut self, event: &EngineEvent) {
        let Some(job) = self.job.as_mut() else { return };
        match event {
            EngineEvent::Started { job: id, device } if *id == job.id => job.device.clone_from(device),
            EngineEvent::Phase { job: id, phase } if *id == job.id => {
                job.phase = Some(*phase);
                job.progress = None;
            }
            EngineEvent::Progress { job: id, done, total } if *id == job.id => job.progress = Some((*done, *total)),
            EngineEvent::Step { job: id, report } if *id == job.id => job.steps.push(*report),
            EngineEvent::OmniStep { job: id, report } if *id == job.id => job.omni_steps.push(*report),
            EngineEvent::Validation { job: id, report } if *id == job.id => job.dice.push(report.clone()),
            EngineEvent::Estimate { job: id, estimate } if *id == job.id => job.estimate = Some(*estimate),
            EngineEvent::PositionValidation { job: id, report } if *id == job.id => job.validations.push(*report),
            EngineEvent::CheckpointSaved { job: id, step, .. } if *id == job.id => job.saved_at = Some(*step),
            EngineEvent::Warning { job: id, text } if *id == job.id => job.warnings.push(text.clone()),
            EngineEvent::Ended { job: id, outcome } if *id == job.id => {
                job.phase = None;
                job.progress = None;
                job.ended = Some(ended_text(outcome, job.saved_at));
            }
            _ => {}
        }
    }

    /// True while a run is going on or paused.
    pub fn is_running(&self) -> bool {
        self.job.as_ref().is_some_and(TrainingJob::is_running)
    }
}
