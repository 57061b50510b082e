use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use voco_engine_api::CancelFlag;

use super::disk::{entries, list, sync, touch};

/// What a sample is made of, as a number: contents of its files and settings.
pub(super) type Key = u128;

/// The folders of finished samples, shared by processes.
///
/// ```text
/// lock            held for moments by whoever changes anything below
/// total           bytes of all samples
/// samples/ab/KEY  finished samples; a sample is here whole or not at all
/// making/xyz      held while a sample is made, so that it is made once
/// live/ID.lock    held by a living process as long as it lives; ID.use lists the samples it uses
/// tmp/ID-N        what that process is writing
/// ```
///
/// Locks die with their process, so kill -9 leaves nothing behind but files in `live` and `tmp`, which the next who opens the
/// cache removes.
#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    limit_bytes: u64,
    lock: Mutex<File>,
    id: String,
    /// Kept for its lock.
    _alive: File,
    uses: Mutex<Uses>,
    next: AtomicU64,
}

/// The samples in use, in memory and in a file that others read. Lines are only added, but that it begins anew when most of
/// them are of the past.
#[derive(Debug)]
struct Uses {
    file: File,
    lines: usize,
    count: HashMap<Key, usize>,
}

impl Uses {
    fn add(&mut self, sign: char, key: Key) -> std::io::Result<()> {
        self.lines += 1;
        self.file.write_all(format!("{sign}{key:032x}\n").as_bytes())
    }

    /// Only while the shelf's lock is held: nobody reads a half-written list.
    fn shorten(&mut self) -> std::io::Result<()> {
        if self.lines < 1000 + 3 * self.count.len() {
            return Ok(());
        }
        let text = self.count.keys().map(|key| format!("+{key:032x}\n")).collect::<Vec<_>>().concat();
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.lines = self.count.len();
        self.file.write_all(text.as_bytes())
    }
}

/// A sample that stays on the disk while this lives.
#[derive(Debug)]
pub(super) struct Lease {
    shelf: Arc<Shelf>,
    key: Key,
    folder: PathBuf,
}

/// What became of a new sample.
#[derive(Debug)]
pub(super) enum Placed {
    /// It is on the shelf.
    Kept(Lease),
    /// The limit leaves no room beside the samples in use.
    NoRoom,
}

/// Held while files are changed.
struct Guard<'a>(MutexGuard<'a, File>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.unlock().ok();
    }
}

impl Shelf {
    pub fn open(root: &Path, limit_bytes: u64) -> std::io::Result<Arc<Self>> {
        for name in ["samples", "making", "live", "tmp"] {
            std::fs::create_dir_all(root.join(name))?;
        }
        let open = |path: PathBuf| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let lock = Mutex::new(open(root.join("lock"))?);
        let guard = hold(&lock)?;
        // Unlike any other, also in this process: nobody opens two within a nanosecond while the lock is held.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let id = format!("{:x}-{:x}", std::process::id(), since.as_nanos());
        sweep(root)?;
        let alive = open(root.join("live").join(format!("{id}.lock")))?;
        alive.lock()?;
        let file = open(root.join("live").join(format!("{id}.use")))?;
        drop(guard);
        let uses = Mutex::new(Uses { file, lines: 0, count: HashMap::new() });
        Ok(Arc::new(Self {
            root: root.to_owned(),
            limit_bytes,
            lock,
            id,
            _alive: alive,
            uses,
            next: AtomicU64::new(0),
        }))
    }

    /// Does something while no other process changes the cache.
    pub fn alone<T>(&self, work: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
        let guard = hold(&self.lock)?;
        let result = work();
        drop(guard);
        result
    }

    /// The sample, if it is there.
    pub fn take(self: &Arc<Self>, key: Key) -> std::io::Result<Option<Lease>> {
        let folder = self.folder_of(key);
        let guard = hold(&self.lock)?;
        if !folder.exists() {
            return Ok(None);
        }
        let lease = self.lease(key, folder)?;
        drop(guard);
        touch(&lease.folder);
        Ok(Some(lease))
    }

    /// Waits until nobody else makes this sample; the file's lock is that right. `None` if cancelled.
    pub fn right_to_make(&self, key: Key, cancel: &CancelFlag) -> std::io::Result<Option<File>> {
        // 4096 files are never removed, so that nobody waits at a lock that is gone; two samples seldom share one.
        let path = self.root.join("making").join(format!("{:03x}", key >> 116));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if cancel.is_cancelled() => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
    }

    /// Bytes of all samples.
    pub fn bytes(&self) -> std::io::Result<u64> {
        self.alone(|| Ok(list(&self.root.join("samples"))?.iter().map(|s| s.bytes).sum()))
    }

    /// A path in `tmp` that nobody uses.
    pub fn scratch(&self) -> PathBuf {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.root.join("tmp").join(format!("{}-{n}", self.id))
    }

    /// Moves a finished folder of `bytes` from `tmp` to its place, and the least recently used samples out of the way.
    pub fn put(self: &Arc<Self>, key: Key, made: &Path, bytes: u64) -> std::io::Result<Placed> {
        let folder = self.folder_of(key);
        let mut trash = Vec::new();
        let guard = hold(&self.lock)?;
        let placed = if folder.exists() {
            Placed::Kept(self.lease(key, folder)?)
        } else if self.make_room(bytes, &mut trash)? {
            if let Some(parent) = folder.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::rename(made, &folder)?;
            sync(folder.parent());
            Placed::Kept(self.lease(key, folder)?)
        } else {
            Placed::NoRoom
        };
        drop(guard);
        trash.push(made.to_owned());
        for path in trash {
            // What cannot be removed now is in `tmp` and goes with the next sweep.
            std::fs::remove_dir_all(path).ok();
        }
        Ok(placed)
    }

    /// Takes a damaged sample off the shelf.
    pub fn discard(&self, key: Key) {
        let trash = self.scratch();
        let Ok(guard) = hold(&self.lock) else { return };
        let is_moved = std::fs::rename(self.folder_of(key), &trash).is_ok();
        drop(guard);
        if is_moved {
            std::fs::remove_dir_all(trash).ok();
        }
    }

    /// True once there is room for `bytes` more within the limit, counted in `total`. Others than this process may have put
    /// samples in, so the disk is what is counted, but only when the sum says that it is full.
    fn make_room(&self, bytes: u64, trash: &mut Vec<PathBuf>) -> std::io::Result<bool> {
        if bytes > self.limit_bytes {
            return Ok(false);
        }
        let mut total = self.read_total()?;
        if total.saturating_add(bytes) > self.limit_bytes {
            let mut samples = list(&self.root.join("samples"))?;
            total = samples.iter().map(|s| s.bytes).sum();
            if total.saturating_add(bytes) > self.limit_bytes {
                samples.sort_by_key(|s| (s.used, s.key));
                let in_use = in_use(&self.root.join("live"))?;
                // A little more than is needed, so that the next one need not look again.
                let aim = (self.limit_bytes - self.limit_bytes / 20).saturating_sub(bytes);
                for sample in samples.iter().filter(|s| !in_use.contains_key(&s.key)) {
                    if total <= aim {
                        break;
                    }
                    let gone = self.scratch();
                    if std::fs::rename(&sample.folder, &gone).is_ok() {
                        trash.push(gone);
                        total = total.saturating_sub(sample.bytes);
                    }
                }
            }
        }
        let fits = total.saturating_add(bytes) <= self.limit_bytes;
        // Before the sample is moved in: a crash between the two makes the sum too large, which the next count repairs.
        self.write_total(if fits { total + bytes } else { total })?;
        Ok(fits)
    }

    fn read_total(&self) -> std::io::Result<u64> {
        let mut bytes = [0; 8];
        match File::open(self.root.join("total")).and_then(|mut f| f.read_exact(&mut bytes)) {
            Ok(()) => Ok(u64::from_le_bytes(bytes)),
            // Unknown: as if full, so that it is counted.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => Ok(u64::MAX),
            Err(e) => Err(e),
        }
    }

    fn write_total(&self, total: u64) -> std::io::Result<()> {
        let path = self.root.join("total");
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.write_all(&total.to_le_bytes())
    }

    fn folder_of(&self, key: Key) -> PathBuf {
        let name = format!("{key:032x}");
        self.root.join("samples").join(&name[..2]).join(name)
    }

    /// Notes the use where others see it. The lock is held.
    fn lease(self: &Arc<Self>, key: Key, folder: PathBuf) -> std::io::Result<Lease> {
        let mut uses = self.uses.lock();
        uses.shorten()?;
        let count = uses.count.entry(key).or_insert(0);
        *count += 1;
        if *count == 1 {
            uses.add('+', key)?;
        }
        drop(uses);
        Ok(Lease { shelf: Arc::clone(self), key, folder })
    }
}

impl Lease {
    /// The sample's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut uses = self.shelf.uses.lock();
        let Some(count) = uses.count.get_mut(&self.key) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        uses.count.remove(&self.key);
        // A line that is not written keeps the sample from being removed while this process lives: no harm.
        uses.add('-', self.key).ok();
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let live = self.root.join("live");
        if let Ok(guard) = hold(&self.lock) {
            std::fs::remove_file(live.join(format!("{}.use", self.id))).ok();
            std::fs::remove_file(live.join(format!("{}.lock", self.id))).ok();
            drop(guard);
        }
    }
}

fn hold(lock: &Mutex<File>) -> std::io::Result<Guard<'_>> {
    let file = lock.lock();
    file.lock()?;
    Ok(Guard(file))
}

/// Removes what processes left that are no more. The lock is held.
fn sweep(root: &Path) -> std::io::Result<()> {
    let mut alive = Vec::new();
    for (path, name) in entries(&root.join("live"))? {
        let Some(id) = name.strip_suffix(".lock") else { continue };
        let is_alive = File::open(&path).is_ok_and(|f| matches!(f.try_lock(), Err(TryLockError::WouldBlock)));
        if is_alive {
            alive.push(id.to_owned());
        } else {
            std::fs::remove_file(root.join("live").join(format!("{id}.use"))).ok();
            std::fs::remove_file(&path).ok();
        }
    }
    for (path, name) in entries(&root.join("tmp"))? {
        if !alive.iter().any(|id| name.strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('-'))) {
            std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path)).ok();
        }
    }
    Ok(())
}

/// Samples that living processes use; a dead one's list does no more than keep samples until the next sweep.
fn in_use(live: &Path) -> std::io::Result<HashMap<Key, i64>> {
    let mut keys: HashMap<Key, i64> = HashMap::new();
    for (path, name) in entries(live)? {
        if !name.ends_with("use") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut own: HashMap<Key, i64> = HashMap::new();
        for line in text.lines() {
            let Some((sign, digits)) = line.split_at_checked(1) else { continue };
            let Ok(key) = Key::from_str_radix(digits, 16) else { continue };
            *own.entry(key).or_insert(0) += if sign == "+" { 1 } else { -1 };
        }
        keys.extend(own.into_iter().filter(|&(_, n)| n > 0));
    }
    Ok(keys)
}
