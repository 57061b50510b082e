use std::fs::{File, TryLockError};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::record::{Kind, Record, WhatText, checksum, of_json};
use super::{MAGIC, RECORD_HEAD};
use crate::history::Line;
use crate::{AuditKind, StoreError};

/// Bytes of the record that a closed journal ends with.
pub(super) const END_BYTES: usize = RECORD_HEAD + size_of::<u64>();
/// Longer than it takes to see whether a journal is locked.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// Longest text of one change or event.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// The number of the last change that is done in a journal; `None` if the journal is in use. One that was closed says so at its end;
/// of one whose program was killed the beginnings of all records are read, but no voxels.
///
/// # Errors
/// If it cannot be read, or is no journal.
pub fn last_change_in(journal: &Path) -> Result<Option<u64>, StoreError> {
    let mut file = File::open(journal)?;
    match file.try_lock_shared() {
        Ok(()) => file.unlock()?,
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(_)) => {}
    }
    let length = file.metadata()?.len();
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(StoreError::BadJournal("it is no journal of labels"));
    }
    if let Some(change) = end_of(&mut file, length)? {
        return Ok(Some(change));
    }
    file.seek(SeekFrom::Start(MAGIC.len() as u64))?;
    follow(&mut BufReader::with_capacity(2048, file), length - MAGIC.len() as u64).map(Some)
}

/// What the last record says, if it is an end.
fn end_of(file: &mut File, length: u64) -> Result<Option<u64>, StoreError> {
    let Some(at) = length.checked_sub(END_BYTES as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(at))?;
    let mut record = [0; END_BYTES];
    file.read_exact(&mut record)?;
    let [.., a, b, c, d, e, f, g, h] = record;
    let change = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    Ok((record == *Record::end(change)).then_some(change))
}

/// Follows changes and events up to the first record that is not whole.
fn follow(reader: &mut BufReader<File>, mut left: u64) -> Result<u64, StoreError> {
    let mut line = Line::default();
    while left >= RECORD_HEAD as u64 {
        let mut head = [0; RECORD_HEAD];
        reader.read_exact(&mut head)?;
        left -= RECORD_HEAD as u64;
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind] = head;
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        let sum = u32::from_le_bytes([c0, c1, c2, c3]);
        let (true, Some(kind)) = (length <= left, Kind::of(kind)) else { break };
        let Some(read) = follow_one(reader, kind, length, sum, &mut line)? else { break };
        let rest = i64::try_from(length - read).map_err(|_long| StoreError::BadJournal("a record is too long"))?;
        reader.seek_relative(rest)?;
        left -= length;
    }
    Ok(line.done.last().copied().unwrap_or(0))
}

/// Does what a record says; gives how much of it was read, or `None` if it is damaged.
fn follow_one(
    reader: &mut BufReader<File>,
    kind: Kind,
    length: u64,
    sum: u32,
    line: &mut Line,
) -> Result<Option<u64>, StoreError> {
    let mut bytes = Vec::new();
    match kind {
        Kind::Change => {
            let mut size = [0; 4];
            if length < size.len() as u64 {
                return Ok(None);
            }
            reader.read_exact(&mut size)?;
            let size = u64::from(u32::from_le_bytes(size));
            if size > MAX_TEXT_BYTES.min(length - 4) {
                return Ok(None);
            }
            reader.take(size).read_to_end(&mut bytes)?;
            // The sum is that of the voxels, too, which are not read.
            let Ok(WhatText { what }) = of_json(&bytes) else { return Ok(None) };
            line.follow(AuditKind::Change, what.change);
            Ok(Some(4 + size))
        }
        Kind::Event | Kind::Audit => {
            reader.take(length).read_to_end(&mut bytes)?;
            if checksum(kind as u8, &bytes) != sum {
                return Ok(None);
            }
            match Record::decode(kind, &bytes)? {
                Record::Event(event) => line.follow(event.kind, event.what.change),
                // All that happened before the journal was compacted.
                Record::Audit(events) => *line = Line::of(&events),
                _ => {}
            }
            Ok(Some(length))
        }
        _ => Ok(Some(0)),
    }
}
