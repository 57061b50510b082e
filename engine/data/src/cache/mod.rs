//! Each case is preprocessed once; training reads crops of the result.

mod contents;
mod disk;
mod foreground;
mod make;
mod sample;
mod shelf;
mod store;
mod zarr;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use voco_engine_api::CancelFlag;
use voco_volume::{PreprocessSpec, VolumeError};

use crate::{Case, DataError, LabelMap};
use contents::Contents;
use sample::{Body, Facts};
use shelf::{Key, Placed, Shelf};

pub use foreground::VoxelDraw;
pub use sample::StoredSample;

/// Bytes that the cache takes at most where nobody says otherwise.
pub const DEFAULT_LIMIT_BYTES: u64 = 64 << 30;

/// Of the samples' form on the disk; another number makes them all anew.
const FORMAT: u32 = 1;

/// Preprocessed samples in a folder, shared by all runs of this machine's user, and by several at once.
///
/// A sample is known by the contents of its files and by its settings: a file that was renamed is found again, one that was
/// changed is not mistaken. Samples that were not used for longest go when the limit is reached, but none that a living
/// process holds. A process that is killed leaves no half-written sample.
#[derive(Debug, Clone)]
pub struct SampleCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    shelf: Arc<Shelf>,
    contents: Contents,
    open: Mutex<HashMap<Key, Weak<StoredSample>>>,
    /// Cases that cannot be used, so that they are not tried again each epoch.
    unusable: Mutex<HashMap<Key, SkipReason>>,
    report: Mutex<CacheReport>,
    /// How many samples are being made.
    making: Mutex<usize>,
    made: Condvar,
}

/// What a cache has done since it was opened.
#[derive(Debug, Clone, Default)]
pub struct CacheReport {
    /// Samples that were there.
    pub found: u64,
    /// Samples that were preprocessed.
    pub made: u64,
    /// Of those, samples that replaced a damaged one.
    pub repaired: u64,
    /// Of those, samples that stayed in memory because the limit or the disk left no room.
    pub unsaved: u64,
    /// Why the latest of them could not be saved.
    pub save_problem: Option<String>,
    /// Time in which samples were read and preprocessed, over all threads.
    pub making: Duration,
    /// Cases that were left out, each once.
    pub skipped: Vec<Skipped>,
}

/// A case that cannot be trained on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{id}: {reason}")]
pub struct Skipped {
    /// The case.
    pub id: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a case cannot be trained on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// A file of it cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// Its image cannot be preprocessed.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Its label map is none.
    #[error("{0}")]
    Label(String),
    /// More channels than any task has.
    #[error("the file holds {0} volumes, which is a series over time and no set of channels; name one of them")]
    Channels(usize),
    /// A picture or a few slices.
    #[error("only {0:?} voxels are left of it, too few to train on; at least {MIN_SIDE} along each axis are needed")]
    TooSmall([usize; 3]),
    /// A file of it changed meanwhile.
    #[error("its files changed while they were read; try again when they are complete")]
    Changed,
    /// Stopped from outside.
    #[error("cancelled")]
    Cancelled,
}

/// Least voxels of a body along each axis.
const MIN_SIDE: usize = 4;

/// Most samples that are made at once.
const MOST_AT_ONCE: usize = 8;

/// The right to make a sample now.
struct Turn<'a>(&'a Inner);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.making.lock() -= 1;
        self.0.made.notify_one();
    }
}

/// What a sample is made of.
#[derive(Debug, Clone)]
struct Origin {
    key: Key,
    case: Case,
    spec: PreprocessSpec,
    labels: Option<LabelMap>,
}

impl SampleCache {
    /// A cache in `folder`, which is made if it is not there, of at most `limit_bytes`.
    ///
    /// # Errors
    /// If the folder cannot be made or written, or its file system has no locks.
    pub fn open(folder: &Path, limit_bytes: u64) -> Result<Self, DataError> {
        let what = "the folder of the cache cannot be used; choose another with VOCO_CACHE_DIR";
        let folder = folder.join(format!("samples-{FORMAT}"));
        std::fs::create_dir_all(&folder).map_err(DataError::io(&folder, what))?;
        let shelf = Shelf::open(&folder, limit_bytes).map_err(DataError::io(&folder, what))?;
        let contents =
            shelf.alone(|| Contents::open(&folder.join("contents"))).map_err(DataError::io(&folder, what))?;
        let inner = Inner {
            folder,
            shelf,
            contents,
            open: Mutex::default(),
            unusable: Mutex::default(),
            report: Mutex::default(),
            making: Mutex::new(0),
            made: Condvar::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the cache is: `VOCO_CACHE_DIR`, else the program's folder in the user's cache folder; `None` for a user without a home.
    pub fn default_folder() -> Option<PathBuf> {
        if let Some(folder) = std::env::var_os("VOCO_CACHE_DIR").filter(|f| !f.is_empty()) {
            return Some(folder.into());
        }
        directories::ProjectDirs::from("", "", "voco-workbench").map(|dirs| dirs.cache_dir().to_owned())
    }

    /// The folder of the samples.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The sample of a case; it is preprocessed if the cache has not got it. With `labels` its label map is read, too; without,
    /// it is left alone. Waits if another thread or process is making it.
    ///
    /// # Errors
    /// A case that cannot be used; its text names the case and no folder.
    pub fn get_or_prepare(
        &self,
        case: &Case,
        spec: &PreprocessSpec,
        labels: Option<&LabelMap>,
        cancel: &CancelFlag,
    ) -> Result<Arc<StoredSample>, Skipped> {
        let result = self.inner.get(case, spec, labels, cancel);
        result.map_err(|reason| {
            let skipped = Skipped { id: case.id.clone(), reason };
            let mut report = self.inner.report.lock();
            if skipped.reason != SkipReason::Cancelled && !report.skipped.contains(&skipped) {
                report.skipped.push(skipped.clone());
            }
            skipped
        })
    }

    /// Bytes of all finished samples, counted on the disk.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn bytes(&self) -> Result<u64, DataError> {
        self.inner.shelf.bytes().map_err(DataError::io(&self.inner.folder, "the folder of the cache cannot be read"))
    }

    /// What has been done so far.
    pub fn report(&self) -> CacheReport {
        self.inner.report.lock().clone()
    }
}

impl Inner {
    fn get(
        self: &Arc<Self>,
        case: &Case,
        spec: &PreprocessSpec,
        labels: Option<&LabelMap>,
        cancel: &CancelFlag,
    ) -> Result<Arc<StoredSample>, SkipReason> {
        let labels = labels.filter(|_| case.label.is_some());
        let (key, stamps) = make::key(&self.contents, case, spec, labels)?;
        if let Some(sample) = self.open.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(sample);
        }
        if let Some(reason) = self.unusable.lock().get(&key) {
            return Err(reason.clone());
        }
        let origin = Origin { key, case: case.clone(), spec: spec.clone(), labels: labels.cloned() };
        let (facts, body) = match self.find(key) {
            Some(found) => found,
            None => self.make(&origin, Some(&stamps), cancel)?,
        };
        let sample = Arc::new(StoredSample::new(facts, body, Some((Arc::clone(self), origin))));
        let mut open = self.open.lock();
        if let Some(other) = open.get(&key).and_then(Weak::upgrade) {
            return Ok(other);
        }
        open.insert(key, Arc::downgrade(&sample));
        if open.len().is_power_of_two() {
            open.retain(|_, sample| sample.strong_count() > 0);
        }
        Ok(sample)
    }

    /// A sample that is on the disk. A damaged one is taken away.
    fn find(&self, key: Key) -> Option<(Facts, Body)> {
        let lease = self.shelf.take(key).ok()??;
        if let Ok(facts) = store::open(lease.folder()) {
            self.report.lock().found += 1;
            return Some((facts, Body::Disk(Arc::new(lease))));
        }
        self.shelf.discard(key);
        self.report.lock().repaired += 1;
        None
    }

    /// Preprocesses a case and puts it on the disk, unless somebody else just did.
    fn make(
        &self,
        origin: &Origin,
        stamps: Option<&[(PathBuf, contents::Stamp)]>,
        cancel: &CancelFlag,
    ) -> Result<(Facts, Body), SkipReason> {
        // Without locks a sample may be made twice, no more.
        let right = self.shelf.right_to_make(origin.key, cancel).ok();
        if matches!(right, Some(None)) {
            return Err(SkipReason::Cancelled);
        }
        if let Some(found) = self.find(origin.key) {
            return Ok(found);
        }
        let Some(_turn) = self.turn(cancel) else { return Err(SkipReason::Cancelled) };
        let began = Instant::now();
        let made = make::sample(&origin.case, &origin.spec, origin.labels.as_ref(), cancel);
        let has_changed =
            stamps.is_some_and(|s| s.iter().any(|(p, stamp)| contents::Stamp::of(p).ok() != Some(*stamp)));
        let (facts, voxels) = match made {
            Ok(_) | Err(_) if has_changed => return Err(SkipReason::Changed),
            Ok(made) => made,
            Err(reason) => {
                if reason != SkipReason::Cancelled {
                    self.unusable.lock().insert(origin.key, reason.clone());
                }
                return Err(reason);
            }
        };
        let saved = self.save(origin.key, &facts, &voxels);
        let mut report = self.report.lock();
        report.made += 1;
        report.making += began.elapsed();
        let body = match saved {
            Ok(Placed::Kept(lease)) => Body::Disk(Arc::new(lease)),
            Ok(Placed::NoRoom) => {
                report.unsaved += 1;
                report.save_problem = Some("the cache is full of samples in use; give it more room".into());
                Body::Memory(Arc::new(voxels))
            }
            Err(e) => {
                report.unsaved += 1;
                report.save_problem = Some(format!("the cache cannot be written ({e}); free disk space"));
                Body::Memory(Arc::new(voxels))
            }
        };
        Ok((facts, body))
    }

    /// Waits until few enough others make a sample; `None` if cancelled. A volume takes gigabytes while it is resampled, and
    /// rayon's pool works on one of them with all processors.
    fn turn(&self, cancel: &CancelFlag) -> Option<Turn<'_>> {
        let most = std::thread::available_parallelism().map_or(1, |n| (n.get() / 2).clamp(1, MOST_AT_ONCE));
        let mut making = self.making.lock();
        while *making >= most {
            if cancel.is_cancelled() {
                return None;
            }
            self.made.wait_for(&mut making, Duration::from_millis(50));
        }
        *making += 1;
        Some(Turn(self))
    }

    fn save(&self, key: Key, facts: &Facts, voxels: &sample::Voxels) -> std::io::Result<Placed> {
        let scratch = self.shelf.scratch();
        let written = store::write(&scratch, facts, voxels);
        let placed = written.and_then(|bytes| self.shelf.put(key, &scratch, bytes));
        if placed.is_err() {
            std::fs::remove_dir_all(&scratch).ok();
        }
        placed
    }

    /// For a sample whose files turned out damaged: new ones, from the same files.
    fn make_again(&self, origin: &Origin, facts: &Facts) -> Result<Body, SkipReason> {
        let (key, stamps) = make::key(&self.contents, &origin.case, &origin.spec, origin.labels.as_ref())?;
        if key != origin.key {
            return Err(SkipReason::Changed);
        }
        self.shelf.discard(key);
        self.report.lock().repaired += 1;
        let (fresh, body) = self.make(origin, Some(&stamps), &CancelFlag::default())?;
        if fresh.fingerprint == facts.fingerprint { Ok(body) } else { Err(SkipReason::Changed) }
    }
}
