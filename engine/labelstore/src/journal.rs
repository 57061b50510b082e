//! The journal: an append-only file with every change, its checksum, and who made it.
//!
//! A file is `VOCOLBL1` and records: length, CRC-32C (both u32, little-endian), kind, payload. The checksum covers length, kind and
//! payload. A record is written as soon as it is made, and synced to the disk at most a second later, by a thread named
//! `label-journal`. Reading stops at the first record that is not whole: what follows was never acknowledged and is cut off.

mod key;
mod record;
mod survey;
mod writer;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};

use crate::document::{Document, Recovery};
use crate::{AuditEvent, Change, Provenance, StoreError};

pub use key::ImageKey;
use record::Kind;
pub(crate) use record::{Base, Record, StoredChange, StoredOp};
pub use survey::last_change_in;
use writer::{Message, Shared, Writer};

/// Records that wait for the writer; more, and a commit waits for the disk.
const QUEUE: usize = 1024;
/// A journal that grew by so much since it was begun or compacted is compacted, if that is half of it or more.
const COMPACT_AFTER_BYTES: u64 = 512 << 20;
/// Longest record that is read.
const MAX_RECORD_BYTES: u64 = 1 << 30;

pub(crate) const MAGIC: &[u8; 8] = b"VOCOLBL1";
/// Length, checksum and kind.
const RECORD_HEAD: usize = 9;

/// Whether the journal keeps up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalHealth {
    /// The number of the last change that is in the file.
    pub written_change: u64,
    /// The number of the last change that is known to be on the disk.
    pub synced_change: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Why it cannot be written at the moment; it is tried again.
    pub problem: Option<String>,
}

/// The handle that a document holds; dropping it writes what waits.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    shared: Arc<Shared>,
    queue: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens or begins a journal and does to `document` what it holds.
    pub(crate) fn open(path: &Path, key: &ImageKey, document: &mut Document) -> Result<(Self, Recovery), StoreError> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        // A file system without locks is none of these; the work matters more.
        if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            // It may be somebody who only looks whether it is locked.
            std::thread::sleep(survey::LOOK);
            if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
                return Err(StoreError::InUse);
            }
        }
        let head = Record::head(key, document.geometry());
        let (mut places, mut base) = (BTreeMap::new(), 0);
        let length = file.metadata()?.len();
        let (mut recovery, end) = if length < (MAGIC.len() + RECORD_HEAD) as u64 {
            (Recovery { cut_bytes: length, ..Recovery::default() }, 0)
        } else {
            replay(&mut file, path, length, key, document, &mut places, &mut base)?
        };
        if end < length {
            recovery.damaged = keep_if_more_than_torn(&mut file, path, end, length)?;
            file.set_len(end)?;
            recovery.cut_bytes = length - end;
        }
        let mut end = end;
        if end == 0 {
            file.seek(SeekFrom::Start(0))?;
            let bytes = [MAGIC.as_slice(), &head].concat();
            file.write_all(&bytes)?;
            file.sync_all()?;
            sync_folder(path);
            end = bytes.len() as u64;
        }
        recovery.last_change = document.last_change();
        let shared = Arc::new(Shared::new(places, end, recovery.last_change, base));
        shared.current.store(document.current_change(), Ordering::Release);
        let (queue, inbox) = bounded(QUEUE);
        let writer = Writer::new(file, path.to_path_buf(), head, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("label-journal".into()).spawn(move || writer.run(&inbox))?;
        let journal = Self { path: path.to_path_buf(), shared, queue: Some(queue), thread: Some(thread) };
        Ok((journal, recovery))
    }

    pub(crate) fn change(&self, what: Provenance, change: Arc<Change>) {
        self.shared.current.store(what.change, Ordering::Release);
        self.send(Message::Change(what, change));
    }

    /// `current` is the number of the last change that is done after it.
    pub(crate) fn event(&self, event: AuditEvent, current: u64) {
        self.shared.current.store(current, Ordering::Release);
        self.send(Message::Event(event));
    }

    pub(crate) fn compact(&self, base: Base, current: u64) {
        self.shared.current.store(current, Ordering::Release);
        // Not again until the writer has done it.
        self.shared.limit.store(u64::MAX, Ordering::Relaxed);
        self.send(Message::Compact(Box::new(base)));
    }

    pub(crate) fn is_large(&self) -> bool {
        self.shared.bytes.load(Ordering::Relaxed) > self.shared.limit.load(Ordering::Relaxed)
    }

    /// Whether a change can be read back.
    pub(crate) fn has(&self, change: u64) -> bool {
        self.shared.places.lock().contains_key(&change)
    }

    /// How many of the first of these changes have to go so that the records of the others have at most `room` bytes.
    pub(crate) fn too_many(&self, changes: &[u64], room: u64) -> usize {
        let places = self.shared.places.lock();
        let end = self.shared.bytes.load(Ordering::Relaxed);
        let mut left = room;
        for (n, &change) in changes.iter().enumerate().rev() {
            // One that is not written yet counts nothing: it is one of the newest.
            let begin = places.get(&change).copied().unwrap_or(end);
            let next = places.range(change + 1..).next().map_or(end, |(_, place)| *place);
            let Some(rest) = left.checked_sub(next.saturating_sub(begin)) else { return n + 1 };
            left = rest;
        }
        0
    }

    /// Reads a change back.
    pub(crate) fn read(&self, change: u64) -> Result<StoredChange, StoreError> {
        // The writer may be replacing the file; its lock on the places says when they hold.
        let places = self.shared.places.lock();
        Source { path: &self.path, places: &places }.read(change)
    }

    pub(crate) fn health(&self) -> JournalHealth {
        JournalHealth {
            written_change: self.shared.written.load(Ordering::Acquire),
            synced_change: self.shared.synced.load(Ordering::Acquire),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            problem: self.shared.problem.lock().clone(),
        }
    }

    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let (done, wait) = bounded(1);
        self.send(Message::Flush(done));
        match wait.recv() {
            Ok(None) => Ok(()),
            Ok(Some(problem)) => Err(StoreError::Io(std::io::Error::other(problem))),
            Err(_) => Err(StoreError::Io(std::io::Error::other("the journal's thread has ended"))),
        }
    }

    fn send(&self, message: Message) {
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send(message).is_ok());
        if !sent {
            *self.shared.problem.lock() = Some("the journal's thread has ended".into());
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            *self.shared.problem.lock() = Some("the journal's thread has failed".into());
        }
    }
}

/// Where changes can be read back.
pub(crate) struct Source<'a> {
    path: &'a Path,
    places: &'a BTreeMap<u64, u64>,
}

impl Source<'_> {
    pub(crate) fn read(&self, change: u64) -> Result<StoredChange, StoreError> {
        let place = *self.places.get(&change).ok_or(StoreError::BadJournal("a change is missing"))?;
        let mut file = File::open(self.path)?;
        file.seek(SeekFrom::Start(place))?;
        let length = file.metadata()?.len().saturating_sub(place);
        let (kind, payload) = read_record(&mut file, length)?.ok_or(StoreError::BadJournal("a change is damaged"))?;
        if !kind.has_change() {
            return Err(StoreError::BadJournal("a change is not where it was"));
        }
        match StoredChange::decode(&payload)? {
            stored if stored.what.change == change => Ok(stored),
            _ => Err(StoreError::BadJournal("a change is not where it was")),
        }
    }
}

/// Reads records until the end or the first that is not whole; gives what was found and where the good part ends. `base` is set to
/// the length that the file had when it was compacted.
fn replay(
    file: &mut File,
    path: &Path,
    length: u64,
    key: &ImageKey,
    document: &mut Document,
    places: &mut BTreeMap<u64, u64>,
    base: &mut u64,
) -> Result<(Recovery, u64), StoreError> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(StoreError::BadJournal("it is no journal of labels"));
    }
    let mut recovery = Recovery::default();
    let mut end = MAGIC.len() as u64;
    let mut is_first = true;
    while let Some((kind, payload)) = read_record(&mut reader, length - end)? {
        let record = Record::decode(kind, &payload)?;
        match record {
            Record::Head(head) if is_first => {
                if head.image != key.as_str() || head.dims != document.geometry().dims() {
                    return Err(StoreError::OtherJournal);
                }
            }
            _ if is_first => return Err(StoreError::BadJournal("its beginning is missing")),
            record => {
                if let Some(what) = record.what() {
                    places.insert(what.change, end);
                }
                if kind == Kind::Cursor {
                    *base = end + (RECORD_HEAD + payload.len()) as u64;
                }
                // An end tells nothing new.
                recovery.records += u64::from(kind != Kind::End);
                document.replay(record, &Source { path, places })?;
            }
        }
        is_first = false;
        end += (RECORD_HEAD + payload.len()) as u64;
    }
    // Without its first record the file was never finished, and holds nothing.
    Ok((recovery, if is_first { 0 } else { end }))
}

/// The next record; `None` at the end, and where it is not whole.
fn read_record(reader: &mut impl Read, left: u64) -> Result<Option<(Kind, Vec<u8>)>, StoreError> {
    let mut head = [0; RECORD_HEAD];
    if left < RECORD_HEAD as u64 {
        return Ok(None);
    }
    reader.read_exact(&mut head)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3, kind] = head;
    let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    if length > MAX_RECORD_BYTES || length > left - RECORD_HEAD as u64 {
        return Ok(None);
    }
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload)?;
    if record::checksum(kind, &payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Ok(None);
    }
    Ok(Kind::of(kind).map(|kind| (kind, payload)))
}

/// A tail that is longer than one record was damaged, not torn: it is kept beside the journal for a rescue by hand. Gives its place.
fn keep_if_more_than_torn(file: &mut File, path: &Path, end: u64, length: u64) -> Result<Option<PathBuf>, StoreError> {
    let mut head = [0; 4];
    if length - end < RECORD_HEAD as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(end))?;
    file.read_exact(&mut head)?;
    let claimed = u64::from(u32::from_le_bytes(head)) + RECORD_HEAD as u64;
    if end + claimed >= length {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(end))?;
    let (mut kept, place) = new_beside(path, "damaged")?;
    std::io::copy(file, &mut kept)?;
    kept.sync_all()?;
    Ok(Some(place))
}

/// Moves a journal that cannot be read aside, so that a new one can be begun. Gives its new place.
///
/// # Errors
/// If the folder cannot be written to.
pub fn set_aside(journal: &Path) -> std::io::Result<PathBuf> {
    let (_, place) = new_beside(journal, "bad")?;
    std::fs::rename(journal, &place)?;
    sync_folder(journal);
    Ok(place)
}

/// A new file beside a journal, with a number where there is one of that ending already: none is written over.
fn new_beside(path: &Path, ending: &str) -> std::io::Result<(File, PathBuf)> {
    let mut place = path.with_extension(ending);
    let mut number = 1;
    loop {
        match OpenOptions::new().write(true).create_new(true).open(&place) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (file, place)),
        }
        number += 1;
        place = path.with_extension(format!("{ending}-{number}"));
    }
}

/// Makes a new name in a folder last; not every system can, and then it need not.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        drop(folder.sync_all());
    }
}
