use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;
use tempfile::NamedTempFile;

use super::record::{Base, Kind, Record};
use super::{COMPACT_AFTER_BYTES, MAGIC, read_record, sync_folder};
use crate::{AuditEvent, Change, Provenance};

/// Written bytes are on the disk after at most a second: this, and the time that it takes.
const SYNC_AFTER: Duration = Duration::from_millis(700);

/// What the writer is told.
pub(crate) enum Message {
    Change(Provenance, Arc<Change>),
    Event(AuditEvent),
    Compact(Box<Base>),
    /// Sync, and say what is wrong if it did not work.
    Flush(Sender<Option<String>>),
}

/// What writer and document both see.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where the record of each change begins.
    pub places: Mutex<BTreeMap<u64, u64>>,
    pub bytes: AtomicU64,
    /// The length beyond which it should be compacted.
    pub limit: AtomicU64,
    pub written: AtomicU64,
    pub synced: AtomicU64,
    /// The number of the last change that is done.
    pub current: AtomicU64,
    pub problem: Mutex<Option<String>>,
}

impl Shared {
    /// `base` is the length that the file had when it was compacted.
    pub(crate) fn new(places: BTreeMap<u64, u64>, bytes: u64, last_change: u64, base: u64) -> Self {
        Self {
            places: Mutex::new(places),
            bytes: AtomicU64::new(bytes),
            limit: AtomicU64::new(limit_after(base)),
            written: AtomicU64::new(last_change),
            synced: AtomicU64::new(last_change),
            current: AtomicU64::new(0),
            problem: Mutex::new(None),
        }
    }
}

/// The length beyond which a file is compacted that had so many bytes when it was compacted last. All of it is copied, so a longer
/// one is compacted less often.
fn limit_after(bytes: u64) -> u64 {
    bytes + COMPACT_AFTER_BYTES.max(bytes / 2)
}

/// The thread that owns the file.
pub(crate) struct Writer {
    file: File,
    path: PathBuf,
    /// The first record, for a new file.
    head: Vec<u8>,
    shared: Arc<Shared>,
    /// Records that could not be written yet, with the number of the change in them.
    waiting: VecDeque<(Option<u64>, Vec<u8>)>,
    /// What the file has to begin with and could not be written; no record means anything without it.
    base: Option<Box<Base>>,
    /// True if the file has something new.
    has_written: bool,
    /// When the oldest byte that is not synced was written.
    unsynced: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(file: File, path: PathBuf, head: Vec<u8>, shared: Arc<Shared>) -> Self {
        Self { file, path, head, shared, waiting: VecDeque::new(), base: None, has_written: false, unsynced: None }
    }

    pub(crate) fn run(mut self, inbox: &Receiver<Message>) {
        loop {
            let wait = match self.unsynced {
                Some(since) => SYNC_AFTER.saturating_sub(since.elapsed()),
                None if self.waiting.is_empty() && self.base.is_none() => Duration::from_hours(1),
                None => SYNC_AFTER,
            };
            match inbox.recv_timeout(wait) {
                Ok(Message::Change(what, change)) => {
                    self.append(Some(what.change), Record::change(Kind::Change, &what, &change));
                }
                Ok(Message::Event(event)) => self.append(None, Record::event(&event)),
                Ok(Message::Compact(base)) => self.compact(base),
                Ok(Message::Flush(done)) => {
                    self.sync();
                    let problem = self.shared.problem.lock().clone();
                    // Who asked may have gone.
                    drop(done.send(problem));
                }
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            if self.unsynced.is_some_and(|since| since.elapsed() >= SYNC_AFTER) {
                self.sync();
            }
        }
    }

    /// What is done is told at the end of the file, where it is found without reading all of it.
    fn end(mut self) {
        self.write_waiting();
        if self.has_written && self.waiting.is_empty() && self.base.is_none() {
            self.append(None, Record::end(self.shared.current.load(Ordering::Acquire)));
        }
        self.sync();
    }

    fn append(&mut self, change: Option<u64>, record: Vec<u8>) {
        self.waiting.push_back((change, record));
        self.write_waiting();
    }

    fn write_waiting(&mut self) {
        if let Some(base) = self.base.take() {
            self.write_base(base);
            if self.base.is_some() {
                return;
            }
        }
        while let Some((change, record)) = self.waiting.front() {
            let end = self.shared.bytes.load(Ordering::Relaxed);
            let written = self.file.seek(SeekFrom::Start(end)).and_then(|_| self.file.write_all(record));
            if let Err(error) = written {
                // What was written of it would be cut on recovery; away with it now, so that the next try stands alone.
                drop(self.file.set_len(end));
                *self.shared.problem.lock() = Some(error.to_string());
                return;
            }
            if let Some(change) = *change {
                self.shared.places.lock().insert(change, end);
                self.shared.written.store(change, Ordering::Release);
            }
            self.shared.bytes.store(end + record.len() as u64, Ordering::Relaxed);
            self.waiting.pop_front();
            self.has_written = true;
            self.unsynced.get_or_insert_with(Instant::now);
        }
    }

    fn sync(&mut self) {
        self.write_waiting();
        if self.unsynced.is_some() {
            match self.file.sync_data() {
                Ok(()) => {
                    self.unsynced = None;
                    self.shared.synced.store(self.shared.written.load(Ordering::Acquire), Ordering::Release);
                }
                Err(error) => {
                    self.unsynced = Some(Instant::now());
                    *self.shared.problem.lock() = Some(error.to_string());
                    return;
                }
            }
        }
        if self.waiting.is_empty() && self.base.is_none() {
            *self.shared.problem.lock() = None;
        }
    }

    /// Writes a new file beside the old one, and puts it in its place when it is whole.
    fn compact(&mut self, base: Box<Base>) {
        self.write_waiting();
        if !self.waiting.is_empty() || self.base.is_some() {
            // The disk is full or gone; the old file stays, and this is asked for again.
            self.shared.limit.store(self.shared.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
            return;
        }
        self.write_base(base);
    }

    fn write_base(&mut self, base: Box<Base>) {
        let shared = Arc::clone(&self.shared);
        let replaced = self.compacted(&base).and_then(|(temporary, places, bytes)| {
            // Readers look places up and open the path under this lock.
            let mut all = shared.places.lock();
            self.file = temporary.persist(&self.path).map_err(|error| error.error)?;
            *all = places;
            shared.bytes.store(bytes, Ordering::Relaxed);
            Ok(())
        });
        match replaced {
            Ok(()) => {
                sync_folder(&self.path);
                self.has_written = true;
                self.unsynced = None;
                shared.synced.store(shared.written.load(Ordering::Acquire), Ordering::Release);
            }
            Err(error) => {
                *shared.problem.lock() = Some(error.to_string());
                // A file with nothing but its head has no other beginning: this is tried again before anything is added.
                if shared.bytes.load(Ordering::Relaxed) <= (MAGIC.len() + self.head.len()) as u64 {
                    self.base = Some(base);
                }
            }
        }
        shared.limit.store(limit_after(shared.bytes.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    fn compacted(&self, base: &Base) -> std::io::Result<(NamedTempFile, BTreeMap<u64, u64>, u64)> {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        let mut temporary = NamedTempFile::new_in(folder.unwrap_or(std::path::Path::new(".")))?;
        let mut places = BTreeMap::new();
        let mut end = 0_u64;
        let mut out = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
        for bytes in [MAGIC.as_slice(), &self.head] {
            out.write_all(bytes)?;
            end += bytes.len() as u64;
        }
        let mut write = |change: Option<u64>, record: &[u8]| {
            if let Some(change) = change {
                places.insert(change, end);
            }
            end += record.len() as u64;
            out.write_all(record)
        };
        for &change in &base.past {
            write(Some(change), &self.past_record(change)?)?;
        }
        Record::base(base, write)?;
        out.flush()?;
        drop(out);
        temporary.as_file().sync_all()?;
        // Who opens the path from now on must find it taken.
        match temporary.as_file().try_lock() {
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(std::io::Error::other("the new file is in use")),
        }
        Ok((temporary, places, end))
    }

    /// The record of a change in the file that is being replaced, as one from before a snapshot.
    fn past_record(&self, change: u64) -> std::io::Result<Vec<u8>> {
        let missing = || std::io::Error::other("a change in the old file is damaged");
        let place = self.shared.places.lock().get(&change).copied().ok_or_else(missing)?;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place))?;
        let left = self.shared.bytes.load(Ordering::Relaxed).saturating_sub(place);
        let found = read_record(&mut file, left).map_err(std::io::Error::other)?;
        let (_, payload) = found.filter(|(kind, _)| kind.has_change()).ok_or_else(missing)?;
        Ok(Record::past(&payload))
    }
}
