//! From the hub, or a folder, to a file with the right name and the right bytes.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::catalogue::Model;
use crate::check::{Check, Checksums, Mismatch, Unchecked};
use crate::error::HubError;
use crate::hub::{Answer, Hub, NoAnswer, read};
use crate::part::{Note, Part};
use crate::store::Store;

/// Tries in a row that bring not one byte.
const MOST_TRIES: u32 = 5;

/// Room that is left on the disk for others.
const SPARE_BYTES: u64 = 64 << 20;

/// Bytes on their way at a time.
const BLOCK: usize = 256 << 10;

/// Where a model is taken from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The hub, over the network.
    Hub(Hub),
    /// A folder of this machine that has it under its published name.
    Folder(PathBuf),
}

/// How to follow and stop a fetch.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Called at most ten times a second, and with each new phase.
    pub progress: &'a dyn Fn(Progress),
    /// Asked between blocks. A connection that is silent is left after 15 s at the latest.
    pub is_cancelled: &'a dyn Fn() -> bool,
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes done, those of earlier fetches included.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// What a fetch is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the hub.
    Connecting,
    /// Receiving.
    Downloading,
    /// Copying from a folder.
    Copying,
    /// Comparing checksums.
    Checking,
}

/// A model that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// How it was compared with what was published.
    pub check: Check,
    /// True if it was there before.
    pub was_there: bool,
}

impl Store {
    /// Puts a model into the folder, or makes sure that the one in it is right.
    ///
    /// From the hub it goes on where an earlier fetch ended. The file gets its name once its length and checksum are right; bytes
    /// that are wrong are deleted. Blocks for as long as it takes.
    ///
    /// # Errors
    /// One sentence on what went wrong; [`HubError::is_cancelled`] if the user stopped it.
    pub fn fetch(&self, model: &Model, source: &Source, control: Control<'_>) -> Result<Fetched, HubError> {
        let watch = Watch { model, control, last: Cell::new(None) };
        let path = self.path(model);
        if let Some(info) = fs::metadata(&path).ok().filter(fs::Metadata::is_file) {
            return watch.confirm(path, info.len());
        }
        fs::create_dir_all(self.folder()).map_err(|e| HubError::write(&model.file, &e))?;
        match source {
            Source::Hub(hub) => watch.take_from_hub(hub, path, Part::path_in(self.folder(), &model.file)),
            Source::Folder(folder) => watch.take_from_folder(&folder.join(&model.file), path, self.folder()),
        }
    }
}

/// What an answer says of the whole file.
fn note_of(answer: &Answer) -> Note {
    Note { etag: answer.etag.clone(), sha256: answer.sha256.clone(), bytes: answer.total.unwrap_or_default() }
}

/// A fetch of one model.
struct Watch<'a> {
    model: &'a Model,
    control: Control<'a>,
    last: Cell<Option<(Phase, Instant)>>,
}

/// Why one try ended.
enum Halt {
    /// Another one may do.
    Broken(String),
    /// None will.
    Final(HubError),
}

impl From<HubError> for Halt {
    fn from(error: HubError) -> Self {
        Self::Final(error)
    }
}

impl Watch<'_> {
    fn take_from_hub(&self, hub: &Hub, path: PathBuf, part_path: PathBuf) -> Result<Fetched, HubError> {
        let mut part = Part::open(part_path, self.file())?;
        let done = self.download(hub, &mut part).and_then(|()| self.check(&part));
        match done {
            Ok(check) => {
                let bytes = part.len();
                part.finish(&path)?;
                Ok(Fetched { path, bytes, check, was_there: false })
            }
            Err(error) => {
                let is_wrong = matches!(error, HubError::WrongSize { .. } | HubError::WrongChecksum { .. });
                if is_wrong || part.len() == 0 {
                    part.discard();
                }
                Err(error)
            }
        }
    }

    /// Tries until all bytes are there, or several tries in a row brought none.
    fn download(&self, hub: &Hub, part: &mut Part) -> Result<(), HubError> {
        let (mut idle, mut was_answered) = (0, false);
        while !part.is_complete() {
            let before = part.len();
            self.stop(before)?;
            match self.receive(hub, part, &mut was_answered) {
                Ok(()) => break,
                Err(Halt::Final(error)) => return Err(error),
                Err(Halt::Broken(reason)) if !was_answered => {
                    return Err(HubError::Unreachable { file: self.file().to_owned(), reason });
                }
                Err(Halt::Broken(reason)) => {
                    idle = if part.len() > before { 0 } else { idle + 1 };
                    if idle == MOST_TRIES {
                        let (kept, total) = (part.len(), part.note().bytes.max(self.model.bytes));
                        return Err(HubError::Interrupted { file: self.file().to_owned(), reason, kept, total });
                    }
                    self.wait(hub.pause * (1 << idle), part.len())?;
                }
            }
        }
        Ok(())
    }

    /// One try: asks for what is missing and takes what comes.
    fn receive(&self, hub: &Hub, part: &mut Part, was_answered: &mut bool) -> Result<(), Halt> {
        self.report(Phase::Connecting, part.len(), self.model.bytes);
        let refused = |reason: String| HubError::Refused { file: self.file().to_owned(), reason };
        let mut ask = |from: u64| match hub.ask(self.model, from) {
            Ok(answer) => {
                *was_answered = true;
                Ok(answer)
            }
            Err(NoAnswer::Broken(reason)) => Err(Halt::Broken(reason)),
            Err(NoAnswer::Final(reason)) => {
                Err(Halt::Final(HubError::Unreachable { file: self.file().to_owned(), reason }))
            }
        };
        let mut answer = ask(part.len())?;
        if part.len() > 0 && (answer.status == 416 || answer.status == 206 && note_of(&answer) != *part.note()) {
            // The file on the hub is another one by now.
            part.restart()?;
            answer = ask(0)?;
        }
        match answer.status {
            200 | 206 => {}
            404 => return Err(HubError::NotFound { file: self.file().to_owned() }.into()),
            408 | 429 | 500..=599 => return Err(Halt::Broken(format!("status {}", answer.status))),
            status => return Err(refused(format!("status {status}")).into()),
        }
        let note = note_of(&answer);
        let total = note.bytes;
        if total == 0 {
            return Err(refused("it does not say how long it is".to_owned()).into());
        }
        let wrong_size =
            |bytes: u64| HubError::WrongSize { file: self.file().to_owned(), bytes, wanted: self.model.bytes };
        if !self.model.is_plausible(total) || answer.linked_size.is_some_and(|size| size != total) {
            return Err(wrong_size(total).into());
        }
        if answer.status == 200 {
            // Some send everything, whatever was asked for.
            part.restart()?;
        }
        part.expect(note)?;
        if answer.from != part.len() {
            return Err(refused("it sends another part than was asked for".to_owned()).into());
        }
        self.make_room(part.path(), total - part.len())?;
        let mut block = vec![0; BLOCK];
        while part.len() < total {
            self.stop(part.len())?;
            let count = read(&mut answer.body, &mut block).map_err(Halt::Broken)?;
            if part.len() + count as u64 > total {
                return Err(wrong_size(part.len() + count as u64).into());
            }
            part.append(&block[..count])?;
            self.report(Phase::Downloading, part.len(), total);
        }
        Ok(())
    }

    fn take_from_folder(&self, from: &Path, path: PathBuf, folder: &Path) -> Result<Fetched, HubError> {
        let file = self.file();
        let mut source = match File::open(from) {
            Ok(source) => source,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(HubError::NotInFolder { file: file.to_owned() });
            }
            Err(e) => return Err(HubError::read(file, &e)),
        };
        let total = source.metadata().map_err(|e| HubError::read(file, &e))?.len();
        if !self.model.is_plausible(total) {
            return Err(HubError::WrongSize { file: file.to_owned(), bytes: total, wanted: self.model.bytes });
        }
        self.make_room(&path, total)?;
        // Not the name of a download's part: that one stays if this copy turns out wrong.
        let mut copy = Part::open(folder.join(format!("{file}.copy")), file)?;
        let done = self.copy(&mut source, &mut copy, total).and_then(|()| self.check(&copy));
        match done {
            Ok(check) => {
                copy.finish(&path)?;
                if let Ok(part) = Part::open(Part::path_in(folder, file), file) {
                    part.discard();
                }
                Ok(Fetched { path, bytes: total, check, was_there: false })
            }
            Err(error) => {
                // To copy again costs little.
                copy.discard();
                Err(if error.is_cancelled() { HubError::Cancelled { file: file.to_owned(), kept: 0 } } else { error })
            }
        }
    }

    fn copy(&self, source: &mut File, copy: &mut Part, total: u64) -> Result<(), HubError> {
        copy.restart()?;
        let mut block = vec![0; BLOCK];
        while copy.len() < total {
            self.stop(copy.len())?;
            let count = source.read(&mut block).map_err(|e| HubError::read(self.file(), &e))?;
            if count == 0 {
                return Err(HubError::read(self.file(), &io::ErrorKind::UnexpectedEof.into()));
            }
            copy.append(&block[..count])?;
            self.report(Phase::Copying, copy.len(), total);
        }
        Ok(())
    }

    /// Compares what is on the disk with what was published.
    fn check(&self, part: &Part) -> Result<Check, HubError> {
        let checksums = Checksums { md5: self.model.md5.clone(), sha256: part.note().sha256.clone() };
        let wrong = |Mismatch { kind, wanted, found }| HubError::WrongChecksum {
            file: self.file().to_owned(),
            kind,
            wanted,
            found,
        };
        self.compare(&checksums, part.path(), part.len())?.map_err(wrong)?;
        Ok(checksums.strongest())
    }

    /// Makes sure that the file that is there already is the published one.
    fn confirm(&self, path: PathBuf, bytes: u64) -> Result<Fetched, HubError> {
        let damaged =
            |Mismatch { kind, wanted, found }| HubError::Damaged { file: self.file().to_owned(), kind, wanted, found };
        if !self.model.is_plausible(bytes) {
            let (wanted, found) = (self.model.bytes.to_string(), bytes.to_string());
            return Err(damaged(Mismatch { kind: Check::Size, wanted, found }));
        }
        let checksums = Checksums { md5: self.model.md5.clone(), sha256: None };
        self.compare(&checksums, &path, bytes)?.map_err(damaged)?;
        Ok(Fetched { path, bytes, check: checksums.strongest(), was_there: true })
    }

    fn compare(&self, checksums: &Checksums, path: &Path, total: u64) -> Result<Result<(), Mismatch>, HubError> {
        let mut progress = |done: u64| {
            self.report(Phase::Checking, done, total);
            (self.control.is_cancelled)()
        };
        checksums.compare(path, &mut progress).map_err(|e| match e {
            Unchecked::Io(e) => HubError::read(self.file(), &e),
            Unchecked::Cancelled => HubError::Cancelled { file: self.file().to_owned(), kept: total },
        })
    }

    fn make_room(&self, path: &Path, needed: u64) -> Result<(), HubError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Where the system does not say, the writing will.
        let free = fs4::available_space(folder).unwrap_or(u64::MAX);
        if free < needed.saturating_add(SPARE_BYTES) {
            return Err(HubError::Space { file: self.file().to_owned(), needed, free });
        }
        Ok(())
    }

    /// Waits, unless the user stops it.
    fn wait(&self, pause: Duration, kept: u64) -> Result<(), HubError> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.stop(kept)?;
            std::thread::sleep(Duration::from_millis(50).min(pause));
        }
        Ok(())
    }

    fn stop(&self, kept: u64) -> Result<(), HubError> {
        if (self.control.is_cancelled)() {
            return Err(HubError::Cancelled { file: self.file().to_owned(), kept });
        }
        Ok(())
    }

    fn report(&self, phase: Phase, done: u64, total: u64) {
        let is_due = match self.last.get() {
            Some((last, at)) => last != phase || at.elapsed() >= Duration::from_millis(100),
            None => true,
        };
        if is_due || done == total {
            self.last.set(Some((phase, Instant::now())));
            (self.control.progress)(Progress { phase, done, total });
        }
    }

    fn file(&self) -> &str {
        &self.model.file
    }
}
