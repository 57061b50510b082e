//! Elements as bytes: implicit, little-endian, in which values may be longer than 64 kB whatever they are (contours are).

use std::hash::{BuildHasher, Hasher};

/// Elements of a data set, to be written in the order of their tags.
#[derive(Debug, Default)]
pub(super) struct Elements(Vec<(u32, Vec<u8>)>);

impl Elements {
    /// An element with its value's bytes, padded to an even length.
    pub fn put(&mut self, tag: u32, vr: [u8; 2], value: &[u8]) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len() + 12);
        bytes.extend(((tag >> 16) as u16).to_le_bytes());
        bytes.extend((tag as u16).to_le_bytes());
        let is_odd = value.len() % 2 == 1;
        let len = value.len() + usize::from(is_odd);
        if tag >> 16 == 2 {
            // Group 2 is explicit in every file.
            bytes.extend(vr);
            if &vr == b"OB" {
                bytes.extend([0, 0]);
                bytes.extend((len as u32).to_le_bytes());
            } else {
                bytes.extend((len as u16).to_le_bytes());
            }
        } else {
            bytes.extend((len as u32).to_le_bytes());
        }
        bytes.extend(value);
        if is_odd {
            bytes.push(if matches!(&vr, b"UI" | b"OB" | b"UN") { 0 } else { b' ' });
        }
        self.0.push((tag, bytes));
        self
    }

    pub fn text(&mut self, tag: u32, vr: [u8; 2], value: &str) -> &mut Self {
        self.put(tag, vr, value.as_bytes())
    }

    pub fn u16s(&mut self, tag: u32, values: &[u16]) -> &mut Self {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.put(tag, *b"US", &bytes)
    }

    /// Decimal numbers of at most 16 characters each.
    pub fn decimals(&mut self, tag: u32, values: &[f64]) -> &mut Self {
        let text: Vec<String> = values.iter().map(|&v| decimal(v)).collect();
        self.text(tag, *b"DS", &text.join("\\"))
    }

    pub fn sequence(&mut self, tag: u32, items: Vec<Elements>) -> &mut Self {
        let mut bytes = Vec::new();
        for item in items {
            let content = item.into_bytes();
            bytes.extend([0xfe, 0xff, 0x00, 0xe0]);
            bytes.extend((content.len() as u32).to_le_bytes());
            bytes.extend(content);
        }
        self.put(tag, *b"SQ", &bytes)
    }

    /// A sequence of one item that says one thing of a code table.
    pub fn code(&mut self, tag: u32, [value, scheme, meaning]: [&str; 3]) -> &mut Self {
        let mut item = Elements::default();
        item.text(0x0008_0100, *b"SH", value).text(0x0008_0102, *b"SH", scheme).text(0x0008_0104, *b"LO", meaning);
        self.sequence(tag, vec![item])
    }

    pub fn into_bytes(mut self) -> Vec<u8> {
        self.0.sort_by_key(|(tag, _)| *tag);
        self.0.into_iter().flat_map(|(_, bytes)| bytes).collect()
    }

    /// The whole file, with preamble and group 2.
    pub fn into_file(self, sop_class: &str, instance: &str) -> Vec<u8> {
        let mut meta = Elements::default();
        meta.put(0x0002_0001, *b"OB", &[0, 1])
            .text(0x0002_0002, *b"UI", sop_class)
            .text(0x0002_0003, *b"UI", instance)
            .text(0x0002_0010, *b"UI", "1.2.840.10008.1.2")
            .text(0x0002_0012, *b"UI", IMPLEMENTATION);
        let meta = meta.into_bytes();
        let mut length = Elements::default();
        length.put(0x0002_0000, *b"UL", &(meta.len() as u32).to_le_bytes());
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        file.extend(length.into_bytes());
        file.extend(meta);
        file.extend(self.into_bytes());
        file
    }
}

/// Of this program.
const IMPLEMENTATION: &str = "2.25.207418163492205717360961745026481273309";

/// A number as DICOM's decimal string, as exact as 16 characters allow.
fn decimal(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= 16 {
        return plain;
    }
    (0..=14)
        .rev()
        .map(|digits| format!("{value:.digits$}"))
        .find(|text| text.len() <= 16)
        .unwrap_or_else(|| format!("{value:.9e}"))
}

/// A name that nobody else has: 2.25 and a random number (ISO/IEC 9834-8).
pub(super) fn new_uid() -> String {
    // The seeds of hash maps come from the system's random numbers.
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    let number = u128::from(random()) << 64 | u128::from(random());
    format!("2.25.{number}")
}
