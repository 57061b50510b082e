//! Event files of `TensorBoard`: records of length, masked CRC-32C and a protobuf message `tensorflow.Event`.
//!
//! Only what scalar curves need is written: `wall_time` (1), `step` (2), `file_version` (3), `summary` (5) with `tag` (1) and
//! `simple_value` (2), and `session_log` (7), by which a resumed run takes back what it had written beyond its checkpoint.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// One event file, to which events are appended.
pub(super) struct EventFile {
    file: File,
}

impl EventFile {
    /// A new file in `folder`. `restart_at` is the first step of a run that goes on: viewers forget what older files say of that
    /// step and later ones.
    pub fn create(folder: &Path, restart_at: Option<u64>) -> io::Result<Self> {
        // Viewers read the files of a folder in the order of their names.
        let older = fs::read_dir(folder)?.flatten().filter(|e| e.file_name().to_string_lossy().contains("tfevents"));
        let seconds = seconds_since_1970() as u64;
        let name = format!("events.out.tfevents.{seconds:010}.voco.{:04}", older.count());
        let mut events = Self { file: File::options().create_new(true).append(true).open(folder.join(name))? };
        let mut version = event(None);
        bytes_field(&mut version, 3, b"brain.Event:2");
        events.append(&version)?;
        if let Some(step) = restart_at {
            let mut session = Vec::new();
            varint_field(&mut session, 1, 1);
            let mut restart = event(Some(step));
            bytes_field(&mut restart, 7, &session);
            events.append(&restart)?;
        }
        Ok(events)
    }

    /// Adds a point to each of these curves.
    pub fn scalars(&mut self, step: u64, scalars: &[(String, f32)]) -> io::Result<()> {
        if scalars.is_empty() {
            return Ok(());
        }
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut entry = Vec::new();
            bytes_field(&mut entry, 1, tag.as_bytes());
            entry.push(2 << 3 | 5);
            entry.extend(value.to_le_bytes());
            bytes_field(&mut summary, 1, &entry);
        }
        let mut event = event(Some(step));
        bytes_field(&mut event, 5, &summary);
        self.append(&event)
    }

    fn append(&mut self, message: &[u8]) -> io::Result<()> {
        self.file.write_all(&record(message))
    }
}

/// The beginning of an event.
fn event(step: Option<u64>) -> Vec<u8> {
    let mut message = vec![1 << 3 | 1];
    message.extend(seconds_since_1970().to_le_bytes());
    if let Some(step) = step {
        varint_field(&mut message, 2, step);
    }
    message
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Length, its checksum, message, its checksum.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(message);
    out.extend(masked_crc(message).to_le_bytes());
    out
}

/// Turned and shifted, so that a checksum of data that hold checksums is not special.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint_field(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

fn bytes_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_and_records_are_the_published_ones() {
        // RFC 3720, appendix B.4: CRC-32C of 32 zero bytes.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa, "the known vector");
        // What Python's tensorboard 2.21 writes for the event `file_version = "brain.Event:2"` at wall time 0.
        let mut message = vec![1 << 3 | 1];
        message.extend(0.0_f64.to_le_bytes());
        bytes_field(&mut message, 3, b"brain.Event:2");
        let expected = include_bytes!("../../../tests/fixtures/tensorboard/version_record.bin");
        assert_eq!(record(&message), expected, "byte for byte");
    }

    #[test]
    fn files_hold_whole_records_in_order() {
        let scratch = tempfile::tempdir().expect("a folder");
        EventFile::create(scratch.path(), None).expect("made").scalars(1, &[("a".into(), 1.0)]).expect("written");
        let mut second = EventFile::create(scratch.path(), Some(1)).expect("made");
        second.scalars(300, &[("loss".into(), 0.5), ("lr".into(), 0.25)]).expect("written");
        let mut names: Vec<_> = fs::read_dir(scratch.path()).expect("a folder").flatten().map(|e| e.path()).collect();
        names.sort();
        assert_eq!(names.len(), 2, "one file for each start");
        let bytes = fs::read(&names[1]).expect("there");
        let (mut rest, mut messages) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes")) as usize;
            let crc = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes"));
            assert_eq!(crc(8), masked_crc(&rest[..8]), "the length's checksum");
            let message = &rest[12..12 + length];
            assert_eq!(crc(12 + length), masked_crc(message), "the message's checksum");
            messages.push(message.to_vec());
            rest = &rest[16 + length..];
        }
        assert_eq!(messages.len(), 3, "version, restart, scalars");
        assert_eq!(messages[1][9..], [2 << 3, 1, 7 << 3 | 2, 2, 1 << 3, 1], "restart at step 1");
        assert_eq!(messages[2][9..12], [2 << 3, 0xac, 0x02], "step 300 as a varint");
        let loss = [1 << 3 | 2, 4, b'l', b'o', b's', b's', 2 << 3 | 5, 0, 0, 0, 0x3f];
        assert!(messages[2].windows(loss.len()).any(|part| part == loss), "loss = 0.5: {:?}", messages[2]);
    }
}
