use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use voco_engine_api::EngineFailure;

use super::cannot_save;

/// How many of the latest checkpoints of a run are kept; the best one, and those that are to stay, besides.
const KEPT: usize = 2;

/// In a checkpoint that is never removed.
const STAYS: &str = "stays";
const STATE: &str = "state.json";
const BEST: &str = "best.json";
const WEIGHTS: &str = "model.safetensors";

/// A run's folder: settings, log, and `checkpoints/step-NNN/` with weights, optimiser and place.
///
/// One process works in it at a time. A checkpoint is written beside, flushed and renamed, so that whatever ends the process leaves
/// the last whole one.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Held while the run goes on; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// What is to be saved after a step.
pub(crate) struct Snapshot<'a, S> {
    /// Steps done.
    pub step: u64,
    /// What the job needs to go on besides tensors.
    pub state: &'a S,
    /// Files by name; the weights are `model.safetensors`.
    pub parts: &'a [(&'a str, Vec<u8>)],
    /// Never to be removed.
    pub stays: bool,
}

/// A checkpoint as read.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// Steps done.
    pub step: u64,
    state: serde_json::Value,
    parts: BTreeMap<String, Vec<u8>>,
}

/// The best checkpoint of a run by its validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// Its step.
    pub step: u64,
    /// Which number decides.
    pub metric: String,
    /// That number.
    pub value: f64,
}

/// `state.json` of a checkpoint.
#[derive(Serialize, Deserialize)]
struct StoredState<S> {
    step: u64,
    /// CRC-32C of each file.
    checksums: BTreeMap<String, u32>,
    state: S,
}

impl RunFolder {
    /// Opens or makes the folder, and keeps other processes out of it.
    ///
    /// # Errors
    /// If it cannot be made, or another process trains in it.
    pub fn open(path: &Path) -> Result<Self, EngineFailure> {
        let cannot_make =
            |e: io::Error| EngineFailure::Io(format!("The run's folder cannot be made ({}); choose another", e.kind()));
        fs::create_dir_all(path.join("checkpoints")).map_err(cannot_make)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(path.join(".lock")).map_err(cannot_make)?;
        // Any other error: some network drives know no locks.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(EngineFailure::BadInput(
                "Another run is going on in this folder; wait for its end or choose another folder".into(),
            ));
        }
        // What a kill left half-written.
        for entry in fs::read_dir(path.join("checkpoints")).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(".writing-") {
                fs::remove_dir_all(entry.path()).ok();
            }
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if a run is in it already.
    pub fn has_run(&self) -> bool {
        !steps(&self.path).is_empty()
    }

    /// Writes a file of the run, such as its settings, for people.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EngineFailure> {
        write_atomically(&self.path.join(name), bytes).map_err(cannot_save)
    }

    /// Saves a checkpoint and returns its folder. Older ones are removed once it is there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save<S: Serialize>(&self, snapshot: &Snapshot<'_, S>) -> Result<PathBuf, EngineFailure> {
        let folder = self.path.join("checkpoints");
        let target = step_folder(&self.path, snapshot.step);
        let checksums =
            snapshot.parts.iter().map(|(name, bytes)| ((*name).to_owned(), crc32c::crc32c(bytes))).collect();
        let state = StoredState { step: snapshot.step, checksums, state: snapshot.state };
        let save = || -> io::Result<()> {
            let state = serde_json::to_vec_pretty(&state)?;
            if target.exists() {
                // Saved at this very step before: the tensors are the same, what is known of them may be more by now.
                return write_atomically(&target.join(STATE), &state);
            }
            let temporary = tempfile::Builder::new().prefix(".writing-").tempdir_in(&folder)?;
            let write = |name: &str, bytes: &[u8]| -> io::Result<()> {
                let mut file = File::create(temporary.path().join(name))?;
                file.write_all(bytes)?;
                file.sync_all()
            };
            for (name, bytes) in snapshot.parts {
                write(name, bytes)?;
            }
            if snapshot.stays {
                write(STAYS, &[])?;
            }
            write(STATE, &state)?;
            sync_folder(temporary.path())?;
            fs::rename(temporary.keep(), &target)?;
            sync_folder(&folder)
        };
        save().map_err(cannot_save)?;
        let best = best(&self.path).map(|best| best.step);
        for &old in steps(&self.path).iter().rev().skip(KEPT) {
            let path = step_folder(&self.path, old);
            if best != Some(old) && !path.join(STAYS).exists() {
                // A leftover costs disk, not correctness.
                fs::remove_dir_all(path).ok();
            }
        }
        Ok(target)
    }

    /// Remembers the best checkpoint, which must be saved already.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark_best(&self, best: &Best) -> Result<(), EngineFailure> {
        let text = serde_json::to_vec_pretty(best).map_err(|e| EngineFailure::Internal(e.to_string()))?;
        self.write(BEST, &text)
    }

    /// The last checkpoint that is whole. Damaged ones after it are removed, since the run will come to their steps again.
    ///
    /// # Errors
    /// If there is none.
    pub fn load_last(&self) -> Result<Checkpoint, EngineFailure> {
        let mut why = "there is none".to_owned();
        let steps = steps(&self.path);
        for &step in steps.iter().rev() {
            match load(&step_folder(&self.path, step)) {
                Ok(checkpoint) => {
                    for &later in steps.iter().filter(|&&later| later > step) {
                        fs::remove_dir_all(step_folder(&self.path, later)).ok();
                    }
                    if best(&self.path).is_some_and(|best| best.step > step) {
                        fs::remove_file(self.path.join(BEST)).ok();
                    }
                    return Ok(checkpoint);
                }
                Err(e) => why = format!("step {step}: {e}"),
            }
        }
        Err(EngineFailure::BadInput(format!("The run has no checkpoint to go on from ({why}); start it anew")))
    }
}

impl Checkpoint {
    /// What the job saved besides tensors.
    ///
    /// # Errors
    /// If it is of another kind of job.
    pub fn state<S: DeserializeOwned>(&self) -> Result<S, EngineFailure> {
        serde_json::from_value(self.state.clone()).map_err(|e| {
            EngineFailure::BadInput(format!(
                "The checkpoint belongs to another kind of run ({e}); choose another folder"
            ))
        })
    }

    /// A file of the checkpoint.
    ///
    /// # Errors
    /// If it has none of that name.
    pub fn part(&self, name: &str) -> Result<&[u8], EngineFailure> {
        let bytes = self.parts.get(name).map(Vec::as_slice);
        bytes.ok_or_else(|| EngineFailure::BadInput(format!("The checkpoint has no {name}; choose another run")))
    }
}

/// The file that holds the weights of a checkpoint's folder, or of a run's: its best checkpoint by validation, else its last.
/// `RUN/best` and `RUN/last` say which. Any other path as it is.
pub(crate) fn weights_path(path: &Path) -> PathBuf {
    let of_step = |run: &Path, step: Option<u64>| {
        step.map(|step| step_folder(run, step).join(WEIGHTS)).filter(|file| file.is_file())
    };
    let best_of = |run: &Path| of_step(run, best(run).map(|best| best.step));
    let last_of = |run: &Path| steps(run).into_iter().rev().find_map(|step| of_step(run, Some(step)));
    let own = || Some(path.join(WEIGHTS)).filter(|file| file.is_file());
    let named = || {
        let run = path.parent()?;
        match path.file_name()?.to_str()? {
            "best" => best_of(run),
            "last" => last_of(run),
            _ => None,
        }
    };
    best_of(path).or_else(|| last_of(path)).or_else(own).or_else(named).unwrap_or_else(|| path.to_owned())
}

fn best(run: &Path) -> Option<Best> {
    serde_json::from_slice(&fs::read(run.join(BEST)).ok()?).ok()
}

/// Of the checkpoints of a run, in order.
fn steps(run: &Path) -> Vec<u64> {
    let mut steps: Vec<u64> = fs::read_dir(run.join("checkpoints"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("step-")?.parse().ok())
        .collect();
    steps.sort_unstable();
    steps
}

fn step_folder(run: &Path, step: u64) -> PathBuf {
    run.join("checkpoints").join(format!("step-{step:07}"))
}

fn load(folder: &Path) -> io::Result<Checkpoint> {
    let stored: StoredState<serde_json::Value> = serde_json::from_slice(&fs::read(folder.join(STATE))?)?;
    let mut parts = BTreeMap::new();
    for (name, checksum) in stored.checksums {
        // The name comes from a file that anybody may have written.
        if Path::new(&name).components().count() != 1 || name.contains(['/', '\\', ':']) || name == ".." {
            return Err(io::Error::other("it names a file elsewhere"));
        }
        let bytes = fs::read(folder.join(&name))?;
        if crc32c::crc32c(&bytes) != checksum {
            return Err(io::Error::other(format!("{name} is damaged")));
        }
        parts.insert(name, bytes);
    }
    Ok(Checkpoint { step: stored.step, state: stored.state, parts })
}

pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn save(folder: &RunFolder, step: u64, stays: bool) {
        let parts = [(WEIGHTS, vec![step as u8; 100])];
        folder.save(&Snapshot { step, state: &format!("at {step}"), parts: &parts, stays }).expect("saved");
    }

    #[test]
    fn the_last_two_the_best_and_those_that_stay_are_kept() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::open(scratch.path()).expect("made");
        assert!(!folder.has_run(), "nothing yet");
        for step in 1..=7 {
            save(&folder, step, step == 3);
            if step == 2 {
                folder.mark_best(&Best { step, metric: "top-1".into(), value: 0.5 }).expect("marked");
            }
        }
        assert_eq!(steps(scratch.path()), [2, 3, 6, 7], "best, stays, last two");
        let weights = |path: PathBuf| fs::read(weights_path(&path)).expect("weights")[0];
        assert_eq!(weights(scratch.path().to_owned()), 2, "the best one");
        assert_eq!((weights(scratch.path().join("best")), weights(scratch.path().join("last"))), (2, 7), "by name");
        assert_eq!(weights(scratch.path().join("checkpoints/step-0000006")), 6, "a checkpoint's own folder");
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::open(scratch.path()).expect("made");
        save(&folder, 4, false);
        save(&folder, 5, false);
        folder.mark_best(&Best { step: 5, metric: "top-1".into(), value: 0.5 }).expect("marked");
        let damaged = scratch.path().join("checkpoints/step-0000005").join(WEIGHTS);
        fs::write(damaged, [0; 100]).expect("written");
        let last = folder.load_last().expect("the one before");
        assert_eq!((last.step, last.state::<String>().expect("text")), (4, "at 4".into()), "the whole one");
        assert_eq!(last.part(WEIGHTS).expect("weights"), [4; 100], "its weights");
        assert!(last.part("optimizer").is_err() && last.state::<u8>().is_err(), "what is not there is an error");
        assert_eq!((steps(scratch.path()), best(scratch.path())), (vec![4], None), "the damaged one is gone");
        save(&folder, 5, false);
        assert_eq!(folder.load_last().expect("whole").step, 5, "and can be written again");
    }

    #[test]
    fn two_processes_do_not_share_a_folder() {
        let scratch = tempfile::tempdir().expect("a folder");
        let first = RunFolder::open(scratch.path()).expect("made");
        let refused = RunFolder::open(scratch.path()).expect_err("it is taken").to_string();
        assert!(refused.contains("Another run"), "{refused}");
        drop(first);
        RunFolder::open(scratch.path()).expect("free again");
    }
}
