use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::Problem;
use crate::dicom::data_set::{DataSet, Encoding, Malformed};
use crate::dicom::tags;

/// Bytes in which everything before the pixels lies, in nearly every file.
const HEAD: usize = 1 << 16;
/// Deflated data sets may be this many times larger than their file, and at most this large.
const MAX_INFLATE: usize = 1032;
const MAX_INFLATED: usize = 4 << 30;
const PREAMBLE: usize = 128;

/// How pixels are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Not packed.
    Native,
    Rle,
    /// Baseline, extended or lossless: the stream tells.
    Jpeg,
    JpegLs,
    Jpeg2000,
}

/// A transfer syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub encoding: Encoding,
    pub is_deflated: bool,
    pub codec: Codec,
}

impl Syntax {
    fn of(uid: &str) -> Result<Self, Problem> {
        let packed = |codec| Self { encoding: Encoding::EXPLICIT, is_deflated: false, codec };
        let native = |encoding| Self { encoding, is_deflated: false, codec: Codec::Native };
        Ok(match uid.strip_prefix("1.2.840.10008.1.2").unwrap_or("?") {
            "" => native(Encoding::IMPLICIT),
            ".1" => native(Encoding::EXPLICIT),
            ".2" => native(Encoding::BIG_ENDIAN),
            ".1.99" => Self { is_deflated: true, ..native(Encoding::EXPLICIT) },
            ".5" => packed(Codec::Rle),
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => packed(Codec::Jpeg),
            ".4.80" | ".4.81" => packed(Codec::JpegLs),
            ".4.90" | ".4.91" => packed(Codec::Jpeg2000),
            _ => return Err(Problem::TransferSyntax(name_of(uid))),
        })
    }
}

/// What a reader calls a transfer syntax that cannot be read.
fn name_of(uid: &str) -> String {
    let name = match uid.strip_prefix("1.2.840.10008.1.2.4.") {
        Some("92" | "93") => "JPEG 2000 Part 2",
        Some("100" | "101" | "102" | "103" | "104" | "105" | "106" | "107" | "108") => "MPEG video",
        Some("110" | "111" | "112") => "JPEG XL",
        Some("201" | "202" | "203") => "High-Throughput JPEG 2000",
        Some(other) if other.len() == 2 && other.starts_with('5') || other.starts_with('6') => "a retired kind of JPEG",
        _ => {
            return uid.chars().filter(|c| c.is_ascii_digit() || *c == '.').take(64).collect();
        }
    };
    name.to_owned()
}

/// The bytes of a file, inflated if they must be, with what is known of them.
pub(crate) struct Source<'a> {
    pub syntax: Syntax,
    body: Cow<'a, [u8]>,
}

impl<'a> Source<'a> {
    /// # Errors
    /// If this is not DICOM, or of a transfer syntax that cannot be read.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        let after_preamble = bytes.get(PREAMBLE..).filter(|rest| rest.starts_with(b"DICM")).map(|rest| &rest[4..]);
        let bytes = match after_preamble {
            Some(rest) => rest,
            None if looks_bare(bytes) => bytes,
            None => return Err(Problem::NotDicom("the mark DICM is missing")),
        };
        let meta_len = meta_len(bytes);
        let meta = DataSet::parse(&bytes[..meta_len], Encoding::EXPLICIT).map_err(malformed)?;
        let body = &bytes[meta_len..];
        let declared = meta.text(tags::TRANSFER_SYNTAX);
        let syntax = match &declared {
            Some(uid) => Syntax::of(uid)?,
            None => Syntax { encoding: guess_encoding(body), is_deflated: false, codec: Codec::Native },
        };
        let body = if syntax.is_deflated { Cow::Owned(inflated(body)?) } else { Cow::Borrowed(body) };
        Ok(Self { syntax, body })
    }

    pub fn data_set(&self) -> Result<DataSet<'_>, Problem> {
        // Some writers declare one encoding and use the other: the first element tells.
        let mut encoding = self.syntax.encoding;
        if let Some(first) = self.body.first_chunk::<8>()
            && !encoding.is_big_endian
        {
            encoding.is_explicit = first[4].is_ascii_uppercase() && first[5].is_ascii_uppercase();
        }
        DataSet::parse(&self.body, encoding).map_err(malformed)
    }
}

/// True for the beginning of a DICOM file.
pub(crate) fn is_dicom(head: &[u8]) -> bool {
    head.get(PREAMBLE..PREAMBLE + 4) == Some(b"DICM") || looks_bare(head)
}

/// The header of the file: all if it is small or deflated, else its beginning, which holds everything up to the pixels.
pub(crate) fn read_head(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut bytes)?;
    if bytes.len() == HEAD && is_dicom(&bytes) && !has_whole_header(&bytes) {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn has_whole_header(head: &[u8]) -> bool {
    let Ok(source) = Source::new(head) else { return false };
    if source.syntax.is_deflated {
        return false;
    }
    let Ok(data) = source.data_set() else { return false };
    [tags::PIXELS, tags::FLOAT_PIXELS, tags::DOUBLE_PIXELS].iter().any(|&tag| data.get(tag).is_some())
}

/// Files without the preamble begin with an element of a low group.
fn looks_bare(bytes: &[u8]) -> bool {
    let Some(&[a, b, c, d, e, f, g, h]) = bytes.first_chunk::<8>() else { return false };
    let little = matches!([a, b], [2 | 8, 0]) && d == 0 && c < 0x20;
    let big = matches!([a, b], [0, 8]) && c == 0 && d < 0x20;
    let is_explicit = e.is_ascii_uppercase() && f.is_ascii_uppercase();
    let small_len = u32::from_le_bytes([e, f, g, h]) < 1 << 10;
    little && (is_explicit || small_len) || big && is_explicit
}

/// Bytes of group 2 at the beginning; its own length field is often wrong or missing.
fn meta_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&[2, 0, _, _, a, b, c, d]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let long = matches!([a, b], [b'O', b'B' | b'W'] | [b'U', b'N' | b'T'] | [b'S', b'Q']);
        let word = bytes.get(at + 8..).and_then(|rest| rest.first_chunk::<4>());
        let len = if long {
            let Some(&word) = word else { break };
            4 + u32::from_le_bytes(word) as usize
        } else {
            u16::from_le_bytes([c, d]).into()
        };
        match at.checked_add(8 + len).filter(|&end| end <= bytes.len()) {
            Some(end) => at = end,
            None => break,
        }
    }
    at
}

fn guess_encoding(body: &[u8]) -> Encoding {
    match body.first_chunk::<8>() {
        Some([0, 1..=255, ..]) => Encoding::BIG_ENDIAN,
        Some([_, _, _, _, b'A'..=b'Z', b'A'..=b'Z', ..]) => Encoding::EXPLICIT,
        _ => Encoding::IMPLICIT,
    }
}

fn inflated(body: &[u8]) -> Result<Vec<u8>, Problem> {
    let most = body.len().saturating_mul(MAX_INFLATE).min(MAX_INFLATED);
    let mut out = Vec::new();
    flate2::read::DeflateDecoder::new(body)
        .take(most as u64)
        .read_to_end(&mut out)
        .map_err(|e| Problem::Gzip(e.to_string()))?;
    Ok(out)
}

fn malformed(_: Malformed) -> Problem {
    Problem::NotDicom("its elements make no sense, so it is damaged")
}
