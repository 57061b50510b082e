use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// What files hold, by a hash of their bytes; a file whose size and time are those of last time is not read again.
///
/// The record on the disk knows files by a hash of their path only: names of patients stay out of it.
#[derive(Debug)]
pub(super) struct Contents {
    known: Mutex<HashMap<u128, Known>>,
    file: Mutex<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    stamp: Stamp,
    content: u128,
}

/// Size and time of last change: while both stay, so does the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    len: u64,
    nanos: u64,
}

/// Path, length, time, content, check sum.
const RECORD: usize = 16 + 8 + 8 + 16 + 4;

impl Stamp {
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        let age = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { len: meta.len(), nanos: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX) })
    }

    /// Too young to be trusted: a change within the clock's tick would not show.
    fn is_young(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_nanos(self.nanos)) < Duration::from_secs(3)
    }
}

impl Contents {
    /// Reads the record at `path`, or begins one. Nobody else may write it meanwhile.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (records, torn) = bytes.as_chunks::<RECORD>();
        if !torn.is_empty() {
            // Somebody was killed while writing; what follows must begin at a record.
            file.set_len((records.len() * RECORD) as u64)?;
        }
        let known: HashMap<u128, Known> = records.iter().filter_map(decode).collect();
        if records.len() > 1000 && records.len() > 4 * known.len() {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            let mut paths: Vec<(&u128, &Known)> = known.iter().collect();
            paths.sort_unstable_by_key(|(path, _)| **path);
            let all: Vec<u8> = paths.into_iter().flat_map(|(&path, &k)| encode(path, k)).collect();
            file.write_all(&all)?;
        }
        Ok(Self { known: Mutex::new(known), file: Mutex::new(file) })
    }

    /// Hash of a file's bytes, and its stamp from before they were read.
    pub fn hash(&self, path: &Path) -> std::io::Result<(u128, Stamp)> {
        let stamp = Stamp::of(path)?;
        let key = xxh3_128(std::path::absolute(path)?.as_os_str().as_encoded_bytes());
        let known = self.known.lock().get(&key).copied();
        if let Some(known) = known.filter(|k| k.stamp == stamp) {
            return Ok((known.content, stamp));
        }
        let content = hash_file(path)?;
        if !stamp.is_young() {
            let known = Known { stamp, content };
            self.known.lock().insert(key, known);
            // One small write at the end: records of several processes do not mix. A record that is lost costs time only.
            self.file.lock().write_all(&encode(key, known)).ok();
        }
        Ok((content, stamp))
    }
}

fn hash_file(path: &Path) -> std::io::Result<u128> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer) = (Xxh3::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.digest128()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn encode(path: u128, known: Known) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    out[..16].copy_from_slice(&path.to_le_bytes());
    out[16..24].copy_from_slice(&known.stamp.len.to_le_bytes());
    out[24..32].copy_from_slice(&known.stamp.nanos.to_le_bytes());
    out[32..48].copy_from_slice(&known.content.to_le_bytes());
    let sum = crc32c::crc32c(&out[..48]);
    out[48..].copy_from_slice(&sum.to_le_bytes());
    out
}

fn decode(record: &[u8; RECORD]) -> Option<(u128, Known)> {
    let (fields, sum) = record.split_last_chunk::<4>()?;
    if crc32c::crc32c(fields).to_le_bytes() != *sum {
        return None;
    }
    let long = |at: usize| fields[at..at + 16].first_chunk::<16>().map(|b| u128::from_le_bytes(*b));
    let word = |at: usize| fields[at..at + 8].first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let stamp = Stamp { len: word(16)?, nanos: word(24)? };
    Some((long(0)?, Known { stamp, content: long(32)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_only_when_it_has_changed_and_a_torn_record_is_dropped() {
        let root = tempfile::tempdir().expect("a folder");
        let (scan, record) = (root.path().join("scan"), root.path().join("contents"));
        let write = |text: &str, seconds: u64| {
            std::fs::write(&scan, text).expect("written");
            let file = OpenOptions::new().write(true).open(&scan).expect("there");
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).expect("a time");
        };
        write("one", 1000);
        let contents = Contents::open(&record).expect("a record");
        let (first, _) = contents.hash(&scan).expect("readable");
        // The same size and time: taken for the same file, which shows that it was not read.
        write("two", 1000);
        assert_eq!(contents.hash(&scan).expect("readable").0, first);
        write("two", 2000);
        let (second, _) = contents.hash(&scan).expect("readable");
        assert_ne!(first, second, "another time: read again");
        drop(contents);
        let whole = std::fs::read(&record).expect("a record");
        assert_eq!(whole.len(), 2 * RECORD);
        std::fs::write(&record, &whole[..2 * RECORD - 5]).expect("torn");
        let contents = Contents::open(&record).expect("a record");
        assert_eq!(contents.known.lock().len(), 1, "the torn record is dropped");
        assert_eq!(contents.hash(&scan).expect("readable").0, second, "and made again");
        assert_eq!(std::fs::metadata(&record).expect("there").len(), 2 * RECORD as u64);
    }
}
