use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use voco_engine_api::{
    CancelFlag, EngineCommand, EngineEvent, EngineFailure, JobId, JobSpec, Outcome, Phase, PositionPreview, Slot,
};

use crate::jobs::{Job, Step, pretrain::PretrainJob};

/// Where jobs put what they have to say.
pub(crate) struct Outlet {
    events: Sender<EngineEvent>,
    wake: Arc<dyn Fn() + Send + Sync>,
    pub(crate) preview: Slot<PositionPreview>,
}

impl Outlet {
    pub(crate) fn new(
        events: Sender<EngineEvent>,
        wake: Arc<dyn Fn() + Send + Sync>,
        preview: Slot<PositionPreview>,
    ) -> Self {
        Self { events, wake, preview }
    }

    /// Queues an event; waits for room, so that none is lost. Fails only when nobody listens any more.
    pub(crate) fn send(&self, event: EngineEvent) {
        if self.events.send(event).is_ok() {
            (self.wake)();
        }
    }
}

struct Running {
    id: JobId,
    cancel: CancelFlag,
    job: Box<dyn Job>,
    is_paused: bool,
}

/// The loop: one step of the job at hand, then whatever commands have come.
pub(crate) fn run(commands: &Receiver<EngineCommand>, outlet: &Outlet) {
    let mut waiting: VecDeque<(JobId, JobSpec, CancelFlag)> = VecDeque::new();
    let mut running: Option<Running> = None;
    loop {
        let idle = running.as_ref().map_or(waiting.is_empty(), |r| r.is_paused && !r.cancel.is_cancelled());
        let command = if idle {
            // Woken now and then while paused, as cancelling sets a flag and sends nothing.
            let timeout = std::time::Duration::from_millis(100);
            match commands.recv_timeout(timeout) {
                Ok(command) => Some(command),
                Err(e) if e.is_timeout() => continue,
                Err(_) => break,
            }
        } else {
            match commands.try_recv() {
                Ok(command) => Some(command),
                Err(e) if e.is_empty() => None,
                Err(_) => break,
            }
        };
        match command {
            Some(EngineCommand::Start { job, spec, cancel }) => waiting.push_back((job, spec, cancel)),
            Some(EngineCommand::Pause(id)) => set_paused(running.as_mut(), id, true, outlet),
            Some(EngineCommand::Resume(id)) => set_paused(running.as_mut(), id, false, outlet),
            Some(EngineCommand::Checkpoint(id)) => {
                if let Some(r) = running.as_mut().filter(|r| r.id == id) {
                    match guarded(|| r.job.checkpoint(outlet)) {
                        Ok(()) => {}
                        // The run goes on: what it holds in memory is worth more than the file that could not be written.
                        Err(Outcome::Failed(failure @ EngineFailure::Io(_))) => {
                            outlet.send(EngineEvent::Warning { job: id, text: failure.to_string() });
                        }
                        Err(outcome) => end(running.take(), outcome, outlet),
                    }
                }
            }
            Some(EngineCommand::Shutdown) => break,
            None => {}
        }
        if running.is_none() {
            running = waiting.pop_front().and_then(|(id, spec, cancel)| start(id, spec, cancel, outlet));
        }
        let Some(r) = running.as_mut() else { continue };
        if r.cancel.is_cancelled() {
            let saved = guarded(|| r.job.checkpoint(outlet));
            end(running.take(), saved.err().unwrap_or(Outcome::Cancelled), outlet);
        } else if !r.is_paused {
            match guarded(|| r.job.step(outlet, &r.cancel)) {
                Ok(Step::More) => {}
                Ok(Step::Done) => end(running.take(), Outcome::Done, outlet),
                Err(outcome) => end(running.take(), outcome, outlet),
            }
        }
    }
    if let Some(mut r) = running {
        let saved = guarded(|| r.job.checkpoint(outlet));
        end(Some(r), saved.err().unwrap_or(Outcome::Cancelled), outlet);
    }
    for (job, ..) in waiting {
        outlet.send(EngineEvent::Ended { job, outcome: Outcome::Cancelled });
    }
}

fn start(id: JobId, spec: JobSpec, cancel: CancelFlag, outlet: &Outlet) -> Option<Running> {
    let made = guarded(|| match spec {
        JobSpec::Pretrain { config, data, out, resume, init, cache } => {
            PretrainJob::new(id, *config, data, &out, resume, init, &cache).map(|job| Box::new(job) as Box<dyn Job>)
        }
    });
    match made {
        Ok(job) => {
            outlet.send(EngineEvent::Started { job: id, device: job.device_name() });
            Some(Running { id, cancel, job, is_paused: false })
        }
        Err(outcome) => {
            // Every job that was asked for begins and ends, also one that cannot.
            outlet.send(EngineEvent::Started { job: id, device: String::new() });
            outlet.send(EngineEvent::Ended { job: id, outcome });
            None
        }
    }
}

fn set_paused(running: Option<&mut Running>, id: JobId, is_paused: bool, outlet: &Outlet) {
    if let Some(r) = running.filter(|r| r.id == id) {
        r.is_paused = is_paused;
        let phase = if is_paused { Phase::Paused } else { r.job.phase() };
        outlet.send(EngineEvent::Phase { job: id, phase });
    }
}

fn end(running: Option<Running>, outcome: Outcome, outlet: &Outlet) {
    if let Some(Running { id, job, .. }) = running {
        // A job whose tensors fail to drop has still ended.
        catch_unwind(AssertUnwindSafe(|| drop(job))).ok();
        outlet.send(EngineEvent::Ended { job: id, outcome });
    }
}

/// Runs a part of a job; a panic in it becomes the job's failure.
fn guarded<T>(part: impl FnOnce() -> Result<T, EngineFailure>) -> Result<T, Outcome> {
    match catch_unwind(AssertUnwindSafe(part)) {
        Ok(result) => result.map_err(Outcome::Failed),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".into());
            Err(Outcome::Failed(EngineFailure::Internal(text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_jobs_failure() {
        let outcome = guarded::<()>(|| panic!("a fault in a step")).expect_err("it failed");
        let Outcome::Failed(EngineFailure::Internal(text)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(text, "a fault in a step");
    }
}
