use std::path::PathBuf;
use std::time::Duration;

use voco_engine_api::{EngineEvent, JobId, ModelCard, Outcome, SegmentConfig, SegmentReport};

use super::VolumeId;
use crate::i18n;

/// Segmentation of open volumes as the window knows it.
#[derive(Default)]
pub struct SegmentState {
    /// The next one.
    pub config: SegmentConfig,
    /// What the chosen checkpoint was made for, once read.
    pub card: Option<CardOf>,
    /// The present or last one.
    pub job: Option<SegmentJob>,
}

/// The card of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct CardOf {
    /// The checkpoint, as it was chosen.
    pub path: PathBuf,
    /// Its card, or why there is none.
    pub card: Result<ModelCard, String>,
    /// The network in it, for files without a card.
    pub architecture: String,
}

/// A volume being segmented.
pub struct SegmentJob {
    /// Its number.
    pub id: JobId,
    /// Which volume.
    pub volume: VolumeId,
    /// Its name.
    pub volume_name: String,
    /// The device it runs on.
    pub device: String,
    /// Windows done, and in all.
    pub progress: Option<(u64, u64)>,
    /// How long the windows done have taken.
    pub elapsed: Duration,
    /// What was found.
    pub report: Option<SegmentReport>,
    /// How it ended, for people, and whether that is a fault.
    pub ended: Option<(String, bool)>,
    /// What it warned of.
    pub warnings: Vec<String>,
}

impl SegmentJob {
    /// One that has just been asked for.
    pub fn new(id: JobId, volume: VolumeId, volume_name: String) -> Self {
        Self {
            id,
            volume,
            volume_name,
            device: String::new(),
            progress: None,
            elapsed: Duration::ZERO,
            report: None,
            ended: None,
            warnings: Vec::new(),
        }
    }

    /// True until it has ended.
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Seconds that the remaining windows will take at the pace so far.
    pub fn seconds_left(&self) -> Option<f64> {
        let (done, total) = self.progress.filter(|&(done, _)| done > 0)?;
        Some(self.elapsed.as_secs_f64() / done as f64 * total.saturating_sub(done) as f64)
    }
}

impl SegmentState {
    /// The only place where an engine event changes a segmentation. `elapsed` is the time since it was asked for. Events of other
    /// jobs are ignored; label patches go to the volume.
    pub fn apply(&mut self, event: &EngineEvent, elapsed: Duration) {
        let Some(job) = self.job.as_mut() else { return };
        match event {
            EngineEvent::Started { job: id, device } if *id == job.id => job.device.clone_from(device),
            EngineEvent::Progress { job: id, done, total } if *id == job.id => {
                job.progress = Some((*done, *total));
                job.elapsed = elapsed;
            }
            EngineEvent::Segmented { job: id, report } if *id == job.id => job.report = Some(report.clone()),
            EngineEvent::SegmentFailed { job: id, text, .. } if *id == job.id => job.ended = Some((text.clone(), true)),
            EngineEvent::Warning { job: id, text } if *id == job.id => job.warnings.push(text.clone()),
            EngineEvent::Ended { job: id, outcome } if *id == job.id => {
                // A volume that failed has said why; that the job as a whole is done adds nothing.
                job.ended.get_or_insert(match outcome {
                    Outcome::Done => (
                        i18n::text_with(
                            "segment-panel-done",
                            [("seconds", format!("{:.0}", elapsed.as_secs_f64()).into())],
                        ),
                        false,
                    ),
                    Outcome::Cancelled => (i18n::text("segment-panel-stopped").into(), false),
                    Outcome::Failed(failure) => (failure.to_string(), true),
                });
            }
            _ => {}
        }
    }

    /// True while one is going on.
    pub fn is_running(&self) -> bool {
        self.job.as_ref().is_some_and(SegmentJob::is_running)
    }
}
