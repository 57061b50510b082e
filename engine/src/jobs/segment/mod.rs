//! Labels for volumes by sliding window: one window, or the opening of one volume, per step.

mod case;
mod member;
mod output;

use std::collections::VecDeque;

use burn::tensor::Device;
use voco_engine_api::{CancelFlag, DataItem, EngineEvent, EngineFailure, JobId, Phase, SegmentConfig, SegmentItem};

use self::case::{Case, Progress};
use self::member::Ensemble;
use super::{Job, Step};
use crate::device;
use crate::worker::Outlet;

/// Segments volumes one after the other. What fails for one is reported, and the next one has its turn.
pub(crate) struct SegmentJob {
    id: JobId,
    config: SegmentConfig,
    device: Device,
    device_name: String,
    ensemble: Ensemble,
    waiting: VecDeque<(usize, SegmentItem)>,
    num_items: usize,
    case: Option<Case>,
    /// What went wrong with the volumes that failed.
    failures: Vec<String>,
}

impl SegmentJob {
    pub fn new(id: JobId, config: SegmentConfig, items: Vec<SegmentItem>) -> Result<Self, EngineFailure> {
        if let Some(problem) = config.problem() {
            return Err(EngineFailure::BadInput(problem));
        }
        if items.is_empty() {
            return Err(EngineFailure::BadInput("There is no volume to segment; name a file or a folder".into()));
        }
        let (device, device_name, _) = device::resolve(config.device)?;
        let ensemble = Ensemble::load(&config, &device)?;
        Ok(Self {
            id,
            config,
            device,
            device_name,
            ensemble,
            num_items: items.len(),
            waiting: items.into_iter().enumerate().collect(),
            case: None,
            failures: Vec::new(),
        })
    }

    /// Opens the next volume, or finds that its result is there already.
    fn open_next(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<(), EngineFailure> {
        let Some((index, item)) = self.waiting.pop_front() else { return Ok(()) };
        let job = self.id;
        outlet.send(EngineEvent::Phase { job, phase: Phase::Preparing });
        if let Some(report) = output::finished(index, &item, &self.ensemble, &self.config) {
            outlet.send(EngineEvent::Segmented { job, report });
            return Ok(());
        }
        match Case::open(index, item, &self.ensemble, &self.config, cancel) {
            Ok(case) => {
                self.case = Some(case);
                outlet.send(EngineEvent::Phase { job, phase: Phase::Segmenting });
            }
            // Stopped while it was read: the worker sees the flag.
            Err(_) if cancel.is_cancelled() => {}
            Err(failure) => self.failed(index, failure, outlet)?,
        }
        Ok(())
    }

    fn failed(&mut self, item: usize, failure: EngineFailure, outlet: &Outlet) -> Result<(), EngineFailure> {
        if let EngineFailure::Internal(_) = failure {
            return Err(failure);
        }
        let text = failure.to_string();
        outlet.send(EngineEvent::SegmentFailed { job: self.id, item, text: text.clone() });
        self.failures.push(text);
        Ok(())
    }

    fn outcome(&mut self) -> Result<Step, EngineFailure> {
        let (failed, all) = (self.failures.len(), self.num_items);
        match self.failures.pop() {
            None => Ok(Step::Done),
            Some(text) if all == 1 => Err(EngineFailure::BadInput(text)),
            Some(last) => Err(EngineFailure::BadInput(format!(
                "{failed} of {all} volumes could not be segmented, the others are done; the last one was {last}"
            ))),
        }
    }
}

impl Job for SegmentJob {
    fn device_name(&self) -> String {
        self.device_name.clone()
    }

    fn phase(&self) -> Phase {
        if self.case.is_some() { Phase::Segmenting } else { Phase::Preparing }
    }

    fn step(&mut self, outlet: &Outlet, cancel: &CancelFlag) -> Result<Step, EngineFailure> {
        let Some(case) = &mut self.case else {
            if self.waiting.is_empty() {
                return self.outcome();
            }
            self.open_next(outlet, cancel)?;
            return Ok(Step::More);
        };
        let job = self.id;
        let item = case.index();
        match case.window(&self.ensemble, &self.device) {
            Ok(Progress { patch, done, total }) => {
                if let Some(patch) = patch {
                    outlet.send(EngineEvent::LabelPatch { job, patch });
                }
                outlet.send(EngineEvent::Progress { job, done, total });
                if done < total {
                    return Ok(Step::More);
                }
                let case = self.case.take();
                match case.map(|case| case.finish(&self.ensemble, self.num_items > 1)) {
                    Some(Ok(report)) => outlet.send(EngineEvent::Segmented { job, report }),
                    Some(Err(failure)) => self.failed(item, failure, outlet)?,
                    None => {}
                }
            }
            Err(failure) => {
                self.case = None;
                self.failed(item, failure, outlet)?;
            }
        }
        Ok(Step::More)
    }

    fn checkpoint(&mut self, _outlet: &Outlet) -> Result<(), EngineFailure> {
        // Finished volumes are written already; one that is half done begins anew.
        Ok(())
    }
}

/// The volumes of an item: its channels.
fn read_channels(
    item: &DataItem,
    channels: usize,
    cancel: &CancelFlag,
) -> Result<Vec<voco_volume::Volume>, EngineFailure> {
    let name = item.name();
    let mut volumes = Vec::new();
    match item {
        DataItem::Open { volume, .. } => volumes.push(volume.clone()),
        DataItem::Source { .. } => {
            return Err(EngineFailure::BadInput(format!("{name}: this is a folder or a list; name its volumes")));
        }
        DataItem::File(path) => {
            let is_cancelled = || cancel.is_cancelled();
            let control = voco_io::Control { progress: &|_| {}, is_cancelled: &is_cancelled };
            voco_io::read_components(path, control, &mut |opened| {
                volumes.push(opened.volume);
                volumes.len() < channels
            })
            .map_err(|e| EngineFailure::BadInput(e.to_string()))?;
        }
    }
    if volumes.len() < channels {
        return Err(EngineFailure::BadInput(format!(
            "{name}: the network takes {channels} channels and the file has {}; choose another file or network",
            volumes.len()
        )));
    }
    Ok(volumes)
}
