use voco_engine::EngineHandle;
use voco_engine_api::{EngineEvent, JobSpec, Outcome, Phase, RunEstimate};

/// Runs a training job to its end: JSON lines to standard output, everything else to standard error.
pub(super) fn follow(engine: &EngineHandle, spec: JobSpec) -> anyhow::Result<()> {
    let (_, cancel) = engine.start_job(spec).map_err(anyhow::Error::msg)?;
    ctrlc::set_handler(move || cancel.cancel())?;
    let (mut saved, mut phase) = (false, Phase::Preparing);
    for event in engine.events() {
        match event {
            EngineEvent::Started { device, .. } if !device.is_empty() => super::say(&format!("computing on {device}")),
            EngineEvent::Phase { phase: now, .. } => {
                phase = now;
                match phase {
                    Phase::Preparing => super::say("reading and preprocessing…"),
                    Phase::Validating => super::say("validating…"),
                    _ => {}
                }
            }
            EngineEvent::Progress { done, total, .. } if phase == Phase::Preparing => {
                super::say(&format!("  {done} of {total} volumes"));
            }
            EngineEvent::Estimate { estimate, .. } => say_estimate(&estimate),
            EngineEvent::WeightsLoaded { text, .. } => super::say(&text),
            EngineEvent::Step { report, .. } => super::print(&serde_json::to_string(&report)?),
            EngineEvent::OmniStep { report, .. } => super::print(&serde_json::to_string(&report)?),
            EngineEvent::FinetuneStep { report, .. } => super::print(&serde_json::to_string(&report)?),
            EngineEvent::Validation { report, .. } => super::print(&serde_json::to_string(&report)?),
            EngineEvent::PositionValidation { report, .. } => super::print(&serde_json::to_string(&report)?),
            EngineEvent::CheckpointSaved { step, .. } => {
                saved = true;
                super::say(&format!("checkpoint at step {step}"));
            }
            EngineEvent::Warning { text, .. } => super::say(&format!("warning: {text}")),
            EngineEvent::Ended { outcome, .. } => return ended(outcome, saved),
            _ => {}
        }
    }
    Err(anyhow::anyhow!("the engine ended without a word"))
}

fn ended(outcome: Outcome, saved: bool) -> anyhow::Result<()> {
    if let Some(bytes) = super::peak_memory_bytes() {
        super::say(&format!("peak memory {:.0} MB", bytes as f64 / 1e6));
    }
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Cancelled if saved => Err(anyhow::anyhow!("stopped; go on with --resume")),
        Outcome::Cancelled => Err(anyhow::anyhow!("stopped before anything was learned")),
        Outcome::Failed(failure) => Err(failure.into()),
    }
}

fn say_estimate(estimate: &RunEstimate) {
    let free = estimate.free_bytes.map_or_else(String::new, |free| format!(" of {:.1} GB free", free as f64 / 1e9));
    let (step, left) = (estimate.seconds_per_step, estimate.seconds_left);
    super::say(&format!(
        "{:.1} million parameters, about {:.1} GB of memory{free}, {step:.1} s a step, {:.0} minutes in all",
        estimate.parameters as f64 / 1e6,
        estimate.memory_bytes as f64 / 1e9,
        (left / 60.0).ceil()
    ));
}
