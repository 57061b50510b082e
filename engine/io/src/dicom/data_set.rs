//! Elements of a DICOM data set, found in place.
//!
//! The tables and codecs of DICOM are large, but what an image needs of the encoding is small. It is read here, and not by a general
//! reader, for the sake of two promises: no memory is taken on the word of a length field, and nesting has a bound.

use std::borrow::Cow;

/// Sequences within sequences; real files stay below ten.
const MAX_DEPTH: usize = 24;
/// Elements of one data set; real ones have hundreds.
const MAX_ELEMENTS: usize = 1 << 16;
const UNDEFINED: u32 = u32::MAX;

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub is_explicit: bool,
    pub is_big_endian: bool,
}

impl Encoding {
    pub const IMPLICIT: Self = Self { is_explicit: false, is_big_endian: false };
    pub const EXPLICIT: Self = Self { is_explicit: true, is_big_endian: false };
    pub const BIG_ENDIAN: Self = Self { is_explicit: true, is_big_endian: true };

    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// One element; its value lies in the file's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// Group in the upper half, element in the lower.
    pub tag: u32,
    vr: [u8; 2],
    value: &'a [u8],
    /// The bytes end before the value does.
    pub is_cut_off: bool,
    /// A sequence or a list of fragments that a delimiter ends.
    pub is_undefined: bool,
}

/// The elements of a data set in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct DataSet<'a> {
    encoding: Encoding,
    elements: Vec<Element<'a>>,
}

/// The bytes are not those of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> DataSet<'a> {
    /// Finds the elements of `bytes`. What follows an element that is cut off is missing.
    pub fn parse(bytes: &'a [u8], encoding: Encoding) -> Result<Self, Malformed> {
        let mut elements = Vec::new();
        let mut at = 0;
        while at + 8 <= bytes.len() {
            let head = Head::parse(bytes, at, encoding).ok_or(Malformed)?;
            if head.tag >> 16 == 0xfffe {
                // A delimiter too many, or padding.
                break;
            }
            let (value, next) = head.value(bytes, encoding, 0)?;
            let is_cut_off = next.is_none();
            let is_undefined = head.len == UNDEFINED;
            elements.push(Element { tag: head.tag, vr: head.vr, value, is_cut_off, is_undefined });
            if elements.len() > MAX_ELEMENTS {
                return Err(Malformed);
            }
            // What follows the pixels is of no use, and some files have anything there.
            let Some(next) = next.filter(|_| head.tag != crate::dicom::tags::PIXELS) else { break };
            at = next;
        }
        Ok(Self { encoding, elements })
    }

    pub fn get(&self, tag: u32) -> Option<&Element<'a>> {
        self.elements.iter().find(|e| e.tag == tag)
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The value's bytes.
    pub fn bytes(&self, tag: u32) -> Option<&'a [u8]> {
        self.get(tag).map(|e| e.value)
    }

    /// A text without padding; empty ones count as missing. Bytes that are not UTF-8 are taken for Latin-1.
    pub fn text(&self, tag: u32) -> Option<Cow<'a, str>> {
        let bytes = self.bytes(tag)?;
        let text = std::str::from_utf8(bytes)
            .map_or_else(|_| Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()), Cow::Borrowed);
        let trimmed = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        if trimmed.is_empty() {
            None
        } else if trimmed.len() == text.len() {
            Some(text)
        } else {
            Some(Cow::Owned(trimmed.to_owned()))
        }
    }

    /// Decimal numbers, separated by backslashes; `None` if one of them is none.
    pub fn decimals(&self, tag: u32) -> Option<Vec<f64>> {
        let element = self.get(tag)?;
        match &element.vr {
            b"FD" => Some(self.words(element.value, |b: [u8; 8]| f64::from_ne_bytes(b))),
            b"FL" => Some(self.words(element.value, |b: [u8; 4]| f64::from(f32::from_ne_bytes(b)))),
            _ => {
                let text = self.text(tag)?;
                let number = |part: &str| part.trim_matches(['\0', ' ']).parse::<f64>().ok().filter(|v| v.is_finite());
                text.split('\\').map(number).collect()
            }
        }
    }

    pub fn decimal(&self, tag: u32) -> Option<f64> {
        self.decimals(tag)?.first().copied()
    }

    /// Three decimal numbers.
    pub fn decimals_n<const N: usize>(&self, tag: u32) -> Option<[f64; N]> {
        self.decimals(tag)?.try_into().ok()
    }

    /// A 16-bit number (US or SS, whose bits are the same).
    pub fn u16(&self, tag: u32) -> Option<u16> {
        let bytes = self.bytes(tag)?;
        Some(self.encoding.u16(*bytes.first_chunk()?))
    }

    /// 16-bit numbers.
    pub fn u16s(&self, tag: u32) -> Vec<u16> {
        let (words, _) = self.bytes(tag).unwrap_or_default().as_chunks();
        words.iter().map(|&w| self.encoding.u16(w)).collect()
    }

    /// 32-bit numbers.
    pub fn u32s(&self, tag: u32) -> Vec<u32> {
        let (words, _) = self.bytes(tag).unwrap_or_default().as_chunks();
        words.iter().map(|&w| self.encoding.u32(w)).collect()
    }

    /// A whole number written as text (IS).
    pub fn integer(&self, tag: u32) -> Option<i64> {
        let text = self.text(tag)?;
        let first = text.split('\\').next()?.trim();
        first.parse().ok().or_else(|| first.parse::<f64>().ok().filter(|v| v.fract() == 0.0).map(|v| v as i64))
    }

    /// The items of a sequence; none if it is missing or not one.
    pub fn items(&self, tag: u32) -> Vec<DataSet<'a>> {
        let Some(element) = self.get(tag) else { return Vec::new() };
        let encoding = if &element.vr == b"UN" { Encoding::IMPLICIT } else { self.encoding };
        let mut items = Vec::new();
        let mut at = 0;
        while let Some(head) = Head::parse(element.value, at, encoding).filter(|h| h.tag == ITEM) {
            let Ok((value, next)) = head.item(element.value, encoding, 0) else { break };
            let Ok(item) = DataSet::parse(value, encoding) else { break };
            items.push(item);
            let Some(next) = next else { break };
            at = next;
        }
        items
    }

    /// The first item of a sequence.
    pub fn item(&self, tag: u32) -> Option<DataSet<'a>> {
        self.items(tag).into_iter().next()
    }

    fn words<const N: usize>(&self, bytes: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        let (words, _) = bytes.as_chunks::<N>();
        let swap = self.encoding.is_big_endian != cfg!(target_endian = "big");
        let native = |mut word: [u8; N]| {
            if swap {
                word.reverse();
            }
            value(word)
        };
        words.iter().map(|&w| native(w)).collect()
    }
}

impl<'a> Element<'a> {
    /// The fragments of encapsulated pixel data, the offset table first; `None` if the end is missing.
    pub fn fragments(&self) -> Option<Vec<&'a [u8]>> {
        let mut fragments = Vec::new();
        let mut at = 0;
        while let Some(head) = Head::parse(self.value, at, Encoding::EXPLICIT).filter(|h| h.tag == ITEM) {
            let end = head.start.checked_add(head.len as usize)?;
            fragments.push(self.value.get(head.start..end)?);
            at = end;
        }
        (!self.is_cut_off).then_some(fragments)
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.value
    }

    /// Its value is a list of 16-bit words.
    pub fn is_words(&self) -> bool {
        &self.vr == b"OW"
    }
}

pub(crate) const ITEM: u32 = 0xfffe_e000;
const ITEM_END: u32 = 0xfffe_e00d;
const SEQUENCE_END: u32 = 0xfffe_e0dd;

/// Representations whose length has 32 bits in explicit encodings.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"];

/// What stands before a value.
struct Head {
    tag: u32,
    vr: [u8; 2],
    len: u32,
    /// Where the value begins.
    start: usize,
}

impl Head {
    fn parse(bytes: &[u8], at: usize, encoding: Encoding) -> Option<Self> {
        let word = |at: usize| bytes.get(at..)?.first_chunk::<4>().copied();
        let half = |at: usize| Some(encoding.u16(*bytes.get(at..)?.first_chunk()?));
        let tag = u32::from(half(at)?) << 16 | u32::from(half(at + 2)?);
        let second = word(at + 4)?;
        let vr = [second[0], second[1]];
        // Delimiters have no representation; some writers also leave it out within explicit files.
        if tag >> 16 == 0xfffe || !encoding.is_explicit || !vr.iter().all(u8::is_ascii_uppercase) {
            return Some(Self { tag, vr: *b"??", len: encoding.u32(second), start: at + 8 });
        }
        if LONG.contains(&&vr) {
            Some(Self { tag, vr, len: encoding.u32(word(at + 8)?), start: at + 12 })
        } else {
            Some(Self { tag, vr, len: half(at + 6)?.into(), start: at + 8 })
        }
    }

    /// The value and where the next element begins; what is there of it and `None` if the bytes end before.
    fn value<'a>(
        &self,
        bytes: &'a [u8],
        encoding: Encoding,
        depth: usize,
    ) -> Result<(&'a [u8], Option<usize>), Malformed> {
        if self.len != UNDEFINED {
            return Ok(self.fixed(bytes));
        }
        let encoding = if &self.vr == b"UN" { Encoding::IMPLICIT } else { encoding };
        let mut at = self.start;
        loop {
            let Some(head) = Self::parse(bytes, at, encoding) else { return Ok(self.rest(bytes)) };
            match head.tag {
                SEQUENCE_END => return Ok((&bytes[self.start..at], Some(head.start))),
                ITEM => match head.item(bytes, encoding, depth + 1)?.1 {
                    Some(next) => at = next,
                    None => return Ok(self.rest(bytes)),
                },
                _ => return Err(Malformed),
            }
        }
    }

    /// The content of an item and where the next one begins.
    fn item<'a>(
        &self,
        bytes: &'a [u8],
        encoding: Encoding,
        depth: usize,
    ) -> Result<(&'a [u8], Option<usize>), Malformed> {
        if self.len != UNDEFINED {
            return Ok(self.fixed(bytes));
        }
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        let mut at = self.start;
        loop {
            let Some(head) = Self::parse(bytes, at, encoding) else { return Ok(self.rest(bytes)) };
            if head.tag == ITEM_END {
                return Ok((&bytes[self.start..at], Some(head.start)));
            }
            match head.value(bytes, encoding, depth + 1)?.1 {
                Some(next) => at = next,
                None => return Ok(self.rest(bytes)),
            }
        }
    }

    fn fixed<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], Option<usize>) {
        match self.start.checked_add(self.len as usize).filter(|&end| end <= bytes.len()) {
            Some(end) => (&bytes[self.start..end], Some(end)),
            None => self.rest(bytes),
        }
    }

    fn rest<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], Option<usize>) {
        (bytes.get(self.start..).unwrap_or_default(), None)
    }
}
