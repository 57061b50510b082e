use std::path::PathBuf;

use serde::Serialize;

use crate::{EngineFailure, FinetuneReport, JobId, LabelPatch, OmniReport, SegmentReport, ValidationReport};

/// From the engine to the window.
#[derive(Debug, Clone)]
pub enum EngineEvent {
    /// The job has begun.
    Started {
        /// Which.
        job: JobId,
        /// The device it computes on.
        device: String,
    },
    /// It came to another part of its work.
    Phase {
        /// Which.
        job: JobId,
        /// What it does now.
        phase: Phase,
    },
    /// Part of the present phase is done.
    Progress {
        /// Which.
        job: JobId,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
    },
    /// What the run will need, as far as can be told before its first step.
    Estimate {
        /// Which.
        job: JobId,
        /// How much.
        estimate: RunEstimate,
    },
    /// One optimiser step.
    Step {
        /// Which.
        job: JobId,
        /// Its numbers.
        report: StepReport,
    },
    /// Weights were loaded into a network that differs from theirs.
    WeightsLoaded {
        /// Which.
        job: JobId,
        /// One sentence: how much of the network they are.
        text: String,
    },
    /// One optimiser step of a supervised, semi- or omni-supervised training.
    OmniStep {
        /// Which.
        job: JobId,
        /// Its numbers.
        report: OmniReport,
    },
    /// One optimiser step of a fine-tuning.
    FinetuneStep {
        /// Which.
        job: JobId,
        /// Its numbers.
        report: FinetuneReport,
    },
    /// A validation is done.
    Validation {
        /// Which.
        job: JobId,
        /// Its numbers.
        report: ValidationReport,
    },
    /// A part of a label map has become known.
    LabelPatch {
        /// Which.
        job: JobId,
        /// The part.
        patch: LabelPatch,
    },
    /// A volume is segmented and its label map written.
    Segmented {
        /// Which.
        job: JobId,
        /// What is in it.
        report: SegmentReport,
    },
    /// A volume could not be segmented; the job goes on with the next.
    SegmentFailed {
        /// Which.
        job: JobId,
        /// Place of the volume in the job's list.
        item: usize,
        /// One sentence.
        text: String,
    },
    /// The network was looked at on people whom the run does not learn from.
    PositionValidation {
        /// Which.
        job: JobId,
        /// What was found.
        report: PositionReport,
    },
    /// Look in the preview slot.
    Preview {
        /// Which.
        job: JobId,
    },
    /// Saved.
    CheckpointSaved {
        /// Which.
        job: JobId,
        /// Where.
        path: PathBuf,
        /// After this many steps.
        step: u64,
    },
    /// Something a user should know that does not stop the job.
    Warning {
        /// Which.
        job: JobId,
        /// One sentence.
        text: String,
    },
    /// The last event of a job, exactly once for each start.
    Ended {
        /// Which.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
}

/// What a job is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading and preprocessing volumes.
    Preparing,
    /// Training.
    Training,
    /// Measuring on held-out cases.
    Validating,
    /// Segmenting.
    Segmenting,
    /// Held by the user.
    Paused,
    /// Writing a checkpoint.
    Saving,
}

/// The numbers of one optimiser step; the field names are those of the JSON lines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepReport {
    /// From 1.
    pub step: u64,
    /// intra + inter + reg.
    pub loss: f64,
    /// Position loss with row drop-out, as trained.
    pub intra: f64,
    /// Inter-volume loss.
    pub inter: f64,
    /// Regularisation of the base crops.
    pub reg: f64,
    /// Position loss of the same crops without drop-out, to compare with the constant predictor's.
    pub intra_clean: f64,
    /// Learning rate.
    pub lr: f64,
    /// Common norm of all gradients, before clipping.
    pub gradient_norm: f64,
    /// Share of the last 100 or so random crops whose base crop of greatest overlap was predicted.
    pub top1_accuracy: f64,
    /// Seconds for this step, waiting for data included.
    pub seconds: f64,
    /// Those of them in which there was no data to compute on.
    pub waited_seconds: f64,
}

/// What a run needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RunEstimate {
    /// Numbers in the network, projectors included.
    pub parameters: u64,
    /// Bytes at the peak, on the device that computes.
    pub memory_bytes: u64,
    /// Bytes free now, where the system tells (not for a GPU).
    pub free_bytes: Option<u64>,
    /// Seconds of a step, from a few crops on trial.
    pub seconds_per_step: f64,
    /// Seconds to the end of the run, validations included.
    pub seconds_left: f64,
}

/// The position task on held-out people: fixed crops, not augmented, nothing dropped. The field names are those of the JSON lines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PositionReport {
    /// Steps done.
    pub step: u64,
    /// Always "validation".
    pub split: &'static str,
    /// Share of the crops whose base crop of greatest overlap was predicted.
    pub top1_accuracy: f64,
    /// That share for whoever always names the middle.
    pub chance_top1: f64,
    /// Mean distance in the patient from the true middle of a crop to the one that the predicted overlaps give.
    pub error_mm: f64,
    /// That distance for whoever always names the middle of the frame.
    pub blind_error_mm: f64,
    /// Position loss.
    pub intra: f64,
    /// Position loss of the best answer that is always the same, where it is known.
    pub constant_predictor_loss: Option<f64>,
    /// Mean cosine of the projections of different base crops of a volume; near 1 when the network has collapsed.
    pub base_cosine: f64,
    /// Standard deviation of an embedding's numbers over the crops, mean over the numbers; near 0 when the network has collapsed.
    pub embedding_std: f64,
    /// Random crops looked at.
    pub crops: usize,
    /// Volumes they are from.
    pub volumes: usize,
    /// Crops that share the statistics of one batch; the projectors' answers depend on it.
    pub rows_per_batch: usize,
    /// Seconds it took.
    pub seconds: f64,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// To its end.
    Done,
    /// Stopped by the user (what it had was saved).
    Cancelled,
    /// Failed.
    Failed(EngineFailure),
}
