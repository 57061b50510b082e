use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use voco_engine_api::{EngineFailure, PretrainConfig};

/// How many checkpoints of a run are kept.
const KEPT: usize = 2;

/// A run's folder: `config.json`, `log.jsonl`, and `checkpoints/step-NNN/` with weights, optimiser and place.
pub(crate) struct RunFolder {
    path: PathBuf,
}

/// What besides the tensors a run needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Steps done.
    pub step: u64,
    /// The settings of the run.
    pub config: PretrainConfig,
    /// Latest top-1 hits, oldest first.
    pub hits: Vec<bool>,
    /// Fingerprints of the volumes; their names might name patients.
    pub volumes: Vec<u64>,
}

/// A checkpoint as read.
pub(crate) struct Checkpoint {
    pub state: RunState,
    pub weights: Vec<u8>,
    pub optimizer: Vec<u8>,
}

impl RunFolder {
    /// Opens or makes the folder.
    pub fn open(path: &Path) -> Result<Self, EngineFailure> {
        fs::create_dir_all(path.join("checkpoints")).map_err(|e| {
            EngineFailure::Io(format!("The run's folder cannot be made ({}); choose another", e.kind()))
        })?;
        // What a kill left half-written.
        for entry in fs::read_dir(path.join("checkpoints")).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(".writing-") {
                fs::remove_dir_all(entry.path()).ok();
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    /// True if a run is in it already.
    pub fn has_run(&self) -> bool {
        self.steps().next_back().is_some()
    }

    /// Writes the settings, for people.
    pub fn write_config(&self, config: &PretrainConfig) -> Result<(), EngineFailure> {
        let text = serde_json::to_vec_pretty(config).map_err(|e| EngineFailure::Internal(e.to_string()))?;
        write_atomically(&self.path.join("config.json"), &text).map_err(cannot_save)
    }

    /// The log, cut behind `step` if it is to be continued, else new.
    pub fn log(&self, continue_after: Option<u64>) -> Result<File, EngineFailure> {
        let path = self.path.join("log.jsonl");
        let kept: String = match continue_after {
            Some(step) => fs::read_to_string(&path)
                .unwrap_or_default()
                .lines()
                .filter(|line| {
                    let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
                    value.and_then(|v| v.get("step")?.as_u64()).is_some_and(|s| s <= step)
                })
                .flat_map(|line| [line, "\n"])
                .collect(),
            None => String::new(),
        };
        write_atomically(&path, kept.as_bytes()).map_err(cannot_save)?;
        File::options().append(true).open(&path).map_err(cannot_save)
    }

    /// Saves a checkpoint: written beside, flushed, renamed. Older ones are removed once it is there.
    pub fn save(&self, state: &RunState, weights: &[u8], optimizer: &[u8]) -> Result<PathBuf, EngineFailure> {
        let folder = self.path.join("checkpoints");
        let target = folder.join(format!("step-{:07}", state.step));
        if target.exists() {
            // Saved at this very step before; the run has not moved since.
            return Ok(target);
        }
        let save = || -> io::Result<()> {
            let temporary = tempfile::Builder::new().prefix(".writing-").tempdir_in(&folder)?;
            let text = serde_json::to_vec_pretty(state)?;
            for (name, bytes) in
                [("model.safetensors", weights), ("optimizer.safetensors", optimizer), ("state.json", &text)]
            {
                let mut file = File::create(temporary.path().join(name))?;
                file.write_all(bytes)?;
                file.sync_all()?;
            }
            fs::rename(temporary.keep(), &target)?;
            sync_folder(&folder)
        };
        save().map_err(cannot_save)?;
        let all: Vec<u64> = self.steps().collect();
        for &old in all.iter().rev().skip(KEPT) {
            // A leftover costs disk, not correctness.
            fs::remove_dir_all(folder.join(format!("step-{old:07}"))).ok();
        }
        Ok(target)
    }

    /// The last checkpoint that is whole.
    pub fn load_last(&self) -> Result<Checkpoint, EngineFailure> {
        let mut why = "there is none".to_owned();
        for step in self.steps().rev() {
            match load(&self.path.join("checkpoints").join(format!("step-{step:07}"))) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(e) => why = format!("step {step}: {e}"),
            }
        }
        Err(EngineFailure::BadInput(format!("The run has no checkpoint to go on from ({why}); start it anew")))
    }

    fn steps(&self) -> impl DoubleEndedIterator<Item = u64> {
        let mut steps: Vec<u64> = fs::read_dir(self.path.join("checkpoints"))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("step-")?.parse().ok())
            .collect();
        steps.sort_unstable();
        steps.into_iter()
    }
}

/// The settings of the run in a folder, if there is one.
pub fn run_config(folder: &Path) -> Option<PretrainConfig> {
    serde_json::from_slice(&fs::read(folder.join("config.json")).ok()?).ok()
}

/// The file that holds the weights of a checkpoint's or a run's folder (its last one); any other path as it is.
pub(crate) fn weights_path(path: &Path) -> PathBuf {
    const FILE: &str = "model.safetensors";
    let last = RunFolder { path: path.to_owned() }
        .steps()
        .rev()
        .map(|step| path.join("checkpoints").join(format!("step-{step:07}")).join(FILE))
        .find(|file| file.is_file());
    let own = Some(path.join(FILE)).filter(|file| file.is_file());
    last.or(own).unwrap_or_else(|| path.to_owned())
}

fn load(folder: &Path) -> io::Result<Checkpoint> {
    let state = serde_json::from_slice(&fs::read(folder.join("state.json"))?)?;
    let weights = fs::read(folder.join("model.safetensors"))?;
    let optimizer = fs::read(folder.join("optimizer.safetensors"))?;
    Ok(Checkpoint { state, weights, optimizer })
}

fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_folder(folder)
}

/// Makes a rename last through a power cut. Windows has no such call and needs none.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn cannot_save(error: io::Error) -> EngineFailure {
    // The kind only: some errors carry the whole path.
    EngineFailure::Io(format!("The run cannot be saved ({}); free disk space or choose another folder", error.kind()))
}
