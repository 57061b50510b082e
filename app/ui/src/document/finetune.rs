use std::path::PathBuf;

use voco_engine_api::{
    EngineEvent, FinetuneConfig, FinetuneReport, JobId, Outcome, Phase, RunEstimate, SegmentationModel, Task,
    ValidationReport,
};

use crate::i18n;

/// Fine-tuning as the window knows it.
#[derive(Default)]
pub struct FinetuneState {
    /// The next run; none until the tasks are there.
    pub setup: Option<FinetuneSetup>,
    /// The present or last run.
    pub job: Option<FinetuneJob>,
}

/// What a fine-tuning is to be, as the panel edits it.
#[derive(Debug, Clone, PartialEq)]
pub struct FinetuneSetup {
    /// A folder of volumes with label maps, or a JSON list.
    pub data: Option<PathBuf>,
    /// What the ids of its label maps mean, where the data does not say: title of a label preset.
    pub names: Option<String>,
    /// Numbers and choices.
    pub config: FinetuneConfig,
    /// Begin with the weights of this checkpoint or run.
    pub init: Option<PathBuf>,
    /// The run's folder.
    pub out: Option<PathBuf>,
    /// Go on from the checkpoint in it.
    pub resume: bool,
}

impl FinetuneSetup {
    /// A short run of a task with the network for a CPU.
    pub fn new(task: Task) -> Self {
        let mut config = FinetuneConfig::preset(task, SegmentationModel::UnetTiny);
        config.steps = Some(300);
        Self { data: None, names: None, config, init: None, out: None, resume: false }
    }
}

/// A run of fine-tuning.
pub struct FinetuneJob {
    /// Its number.
    pub id: JobId,
    /// Numbers and choices.
    pub config: FinetuneConfig,
    /// Where it is saved.
    pub out: PathBuf,
    /// What it is busy with; none once it has ended.
    pub phase: Option<Phase>,
    /// Of the present phase: done and total.
    pub progress: Option<(u64, u64)>,
    /// What it will need, by a trial before the first step.
    pub estimate: Option<RunEstimate>,
    /// The device it runs on.
    pub device: String,
    /// All steps so far.
    pub steps: Vec<FinetuneReport>,
    /// All validations so far.
    pub validations: Vec<ValidationReport>,
    /// Step of the last checkpoint.
    pub saved_at: Option<u64>,
    /// How it ended, for people, and whether that is a fault.
    pub ended: Option<(String, bool)>,
    /// What it warned of.
    pub warnings: Vec<String>,
}

impl FinetuneJob {
    /// A run that has just been asked for.
    pub fn new(id: JobId, config: FinetuneConfig, out: PathBuf) -> Self {
        Self {
            id,
            config,
            out,
            phase: Some(Phase::Preparing),
            progress: None,
            estimate: None,
            device: String::new(),
            steps: Vec::new(),
            validations: Vec::new(),
            saved_at: None,
            ended: None,
            warnings: Vec::new(),
        }
    }

    /// True until it has ended.
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Mean Dice of the best validation.
    pub fn best_dice(&self) -> Option<f64> {
        self.validations.iter().filter_map(|v| v.mean_dice).max_by(f64::total_cmp)
    }
}

impl FinetuneState {
    /// The only place where an engine event changes a fine-tuning. Events of other jobs are ignored.
    pub fn apply(&mut self, event: &EngineEvent) {
        let Some(job) = self.job.as_mut() else { return };
        match event {
            EngineEvent::Started { job: id, device } if *id == job.id => job.device.clone_from(device),
            EngineEvent::Phase { job: id, phase } if *id == job.id => {
                job.phase = Some(*phase);
                job.progress = None;
            }
            EngineEvent::Progress { job: id, done, total } if *id == job.id => job.progress = Some((*done, *total)),
            EngineEvent::Estimate { job: id, estimate } if *id == job.id => job.estimate = Some(*estimate),
            EngineEvent::FinetuneStep { job: id, report } if *id == job.id => job.steps.push(*report),
            EngineEvent::Validation { job: id, report } if *id == job.id => job.validations.push(report.clone()),
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
        self.job.as_ref().is_some_and(FinetuneJob::is_running)
    }
}

/// How a training job ended, for people, and whether that is a fault.
pub(super) fn ended_text(outcome: &Outcome, saved_at: Option<u64>) -> (String, bool) {
    match (outcome, saved_at) {
        (Outcome::Done, _) => (i18n::text("run-finished").into(), false),
        (Outcome::Cancelled, Some(step)) => {
            (i18n::text_with("run-stopped-saved", [("step", step.to_string().into())]), false)
        }
        (Outcome::Cancelled, None) => (i18n::text("run-stopped-early").into(), false),
        (Outcome::Failed(failure), _) => (failure.to_string(), true),
    }
}
