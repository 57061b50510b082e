//! A file on its way.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::HubError;

/// The bytes so far, beside the place of the whole file, and a note of what the whole is to be. Locked while it is open, so that two
/// programs do not write the same one.
#[derive(Debug)]
pub(crate) struct Part {
    name: String,
    path: PathBuf,
    file: File,
    len: u64,
    note: Note,
}

/// What the hub said of the whole file; another answer later means that it is another file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The hub's name for this version of the file.
    pub etag: Option<String>,
    /// SHA-256, if the hub says it.
    pub sha256: Option<String>,
    /// Length; 0 if nothing is known.
    pub bytes: u64,
}

impl Part {
    /// Where the part of a file lies.
    pub fn path_in(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.part"))
    }

    /// Opens what is there, or begins anew.
    pub fn open(path: PathBuf, name: &str) -> Result<Self, HubError> {
        let failed = |e: io::Error| HubError::write(name, &e);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        // On a file system without locks two programs at once are the user's risk; the checksum finds it out.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(HubError::Busy { file: name.to_owned() });
        }
        let len = file.metadata().map_err(failed)?.len();
        let note = read_note(&path);
        let mut part = Self { name: name.to_owned(), path, file, len, note: note.unwrap_or_default() };
        if part.len > part.note.bytes {
            // Nobody knows what these bytes are of.
            part.restart()?;
        }
        Ok(part)
    }

    /// Bytes on the disk.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// What is known of the whole.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if not a byte is missing.
    pub fn is_complete(&self) -> bool {
        self.note.bytes > 0 && self.len == self.note.bytes
    }

    /// Throws the bytes away.
    pub fn restart(&mut self) -> Result<(), HubError> {
        self.note = Note::default();
        self.len = 0;
        self.file.set_len(0).map_err(|e| HubError::write(&self.name, &e))
    }

    /// Notes what the whole is to be, and throws bytes away that belong to another.
    pub fn expect(&mut self, note: Note) -> Result<(), HubError> {
        if note == self.note {
            return Ok(());
        }
        self.restart()?;
        let write = || -> io::Result<()> {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let temporary = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(temporary.as_file(), &note)?;
            temporary.as_file().sync_all()?;
            temporary.persist(note_path(&self.path))?;
            Ok(())
        };
        write().map_err(|e| HubError::write(&self.name, &e))?;
        self.note = note;
        Ok(())
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        let mut write = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(self.len))?;
            self.file.write_all(bytes)
        };
        let written = write();
        if written.is_ok() {
            self.len += bytes.len() as u64;
        } else {
            // Some of them may be there; what is not counted must not be.
            self.file.set_len(self.len).ok();
        }
        written.map_err(|e| HubError::write(&self.name, &e))
    }

    /// Gives the whole file its name.
    pub fn finish(self, target: &Path) -> Result<(), HubError> {
        let Self { name, path, file, .. } = self;
        file.sync_all().and_then(|()| fs::rename(&path, target)).map_err(|e| HubError::write(&name, &e))?;
        fs::remove_file(note_path(&path)).ok();
        Ok(())
    }

    /// Deletes it. What cannot be deleted is overwritten next time.
    pub fn discard(self) {
        fs::remove_file(note_path(&self.path)).ok();
        fs::remove_file(&self.path).ok();
    }
}

/// A note is short; something longer is none.
fn read_note(part: &Path) -> Option<Note> {
    let mut text = Vec::new();
    File::open(note_path(part)).ok()?.take(4096).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn note_path(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".json");
    name.into()
}
