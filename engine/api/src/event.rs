use std::path::PathBuf;

use serde::Serialize;

use crate::{EngineFailure, FinetuneReport, JobId, LabelPatch, SegmentReport, ValidationReport};

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
    /// One optimiser step.
    Step {
        /// Which.
        job: JobId,
        /// Its numbers.
        report: StepReport,
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
    /// Share of the last 100 or so random crops whose base crop of greatest overlap was predicted.
    pub top1_accuracy: f64,
    /// Seconds for this step, waiting for data included.
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
