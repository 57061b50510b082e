use super::huffman::{Bits, Huffman};
use super::jpeg_dct::{self, Plane};
use super::{Decoded, Size, damaged, jpeg_lossless};
use crate::Problem;

/// JPEG as DICOM has it (ITU-T T.81): baseline and extended sequential with 8 or 12 bits, and lossless with up to 16, all with
/// Huffman codes. General decoders leave out 12 bits or lossless.
pub(in crate::dicom) fn decode(stream: &[u8], size: Size) -> Result<Decoded, Problem> {
    let mut state = State::default();
    let mut planes: Vec<Plane> = Vec::new();
    let mut values = Vec::new();
    let mut num_done = 0;
    let mut at = 2;
    if !stream.starts_with(&[0xff, 0xd8]) {
        return Err(damaged("the JPEG stream does not begin with its mark"));
    }
    loop {
        let Some(&[0xff, marker]) = stream.get(at..).and_then(|s| s.first_chunk()) else {
            return Err(damaged("the JPEG stream ends too early"));
        };
        if marker == 0xff {
            at += 1;
            continue;
        }
        if marker == 0xd9 {
            return Err(damaged("the JPEG stream ends too early"));
        }
        let len = stream.get(at + 2..).and_then(|s| s.first_chunk()).map_or(0, |&b| usize::from(u16::from_be_bytes(b)));
        let Some(body) = stream.get(at + 4..at + 2 + len) else {
            return Err(damaged("a JPEG marker is cut off"));
        };
        at += 2 + len;
        if marker != 0xda {
            state.apply(marker, body, size)?;
            continue;
        }
        let Some(frame) = &state.frame else { return Err(damaged("a JPEG scan has no frame")) };
        let scan = Scan::of(body, frame).ok_or_else(|| damaged("a JPEG scan header is damaged"))?;
        let mut bits = Bits::new(&stream[at..]);
        if frame.is_lossless {
            if values.is_empty() {
                values = vec![0; size.num_pixels() * size.samples];
            }
            jpeg_lossless::scan(&state, frame, &scan, &mut bits, size, &mut values)?;
        } else {
            if planes.is_empty() {
                planes = frame.components.iter().map(|c| Plane::new(frame, c, size)).collect();
            }
            jpeg_dct::scan(&state, frame, &scan, &mut bits, size, &mut planes)?;
        }
        num_done += scan.components.len();
        if num_done >= frame.components.len() {
            if !frame.is_lossless {
                values = jpeg_dct::pixels(frame, &planes, size);
            }
            return Ok(Decoded { values, samples: size.samples, is_ybr: state.is_ybr });
        }
        at += bits.next_marker();
    }
}

/// What the markers say.
#[derive(Debug, Default)]
pub(super) struct State {
    pub quantization: [Vec<f32>; 4],
    pub dc: [Option<Huffman>; 4],
    pub ac: [Option<Huffman>; 4],
    pub restart: usize,
    frame: Option<Frame>,
    is_ybr: Option<bool>,
}

#[derive(Debug)]
pub(super) struct Frame {
    pub bits: u8,
    pub is_lossless: bool,
    pub components: Vec<Component>,
}

#[derive(Debug)]
pub(super) struct Component {
    id: u8,
    pub horizontal: usize,
    pub vertical: usize,
    pub quantization: usize,
}

pub(super) struct Scan {
    /// Number of the component, its DC and its AC table.
    pub components: Vec<(usize, usize, usize)>,
    /// The predictor of lossless scans.
    pub predictor: u8,
    /// Bits by which lossless values were shifted down.
    pub shift: u8,
}

impl State {
    fn apply(&mut self, marker: u8, body: &[u8], size: Size) -> Result<(), Problem> {
        let sound = match marker {
            0xe0 if body.starts_with(b"JFIF") && self.is_ybr.is_none() => {
                self.is_ybr = Some(true);
                Some(())
            }
            0xee if body.starts_with(b"Adobe") => {
                // Markers that are cut short have no transform.
                self.is_ybr = Some(body.get(11).is_some_and(|&b| b != 0));
                Some(())
            }
            0xc0 | 0xc1 | 0xc3 => {
                let frame = Frame::of(marker == 0xc3, body, size)?;
                if self.frame.is_some() {
                    return Err(damaged("the JPEG stream has two frames"));
                }
                if frame.is_lossless {
                    // Nobody changes colours before a lossless code.
                    self.is_ybr = None;
                }
                self.frame = Some(frame);
                Some(())
            }
            0xc4 => self.set_huffman(body),
            0xdb => self.set_quantization(body),
            0xdd => body.first_chunk().map(|&b| self.restart = u16::from_be_bytes(b).into()),
            0xc2 | 0xc5..=0xc7 | 0xc9..=0xcf => {
                return Err(damaged("it is a kind of JPEG (progressive, hierarchical or arithmetic) that is not read"));
            }
            _ => Some(()),
        };
        sound.ok_or_else(|| damaged("a JPEG table is damaged"))
    }

    fn set_quantization(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let table = self.quantization.get_mut(usize::from(head & 15))?;
            let wide = head >> 4 != 0;
            let (bytes, rest) = rest.split_at_checked(if wide { 128 } else { 64 })?;
            *table = if wide {
                bytes.as_chunks().0.iter().map(|&b| f32::from(u16::from_be_bytes(b))).collect()
            } else {
                bytes.iter().map(|&b| f32::from(b)).collect()
            };
            body = rest;
        }
        Some(())
    }

    fn set_huffman(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|&c| usize::from(c)).sum();
            let (symbols, rest) = rest.split_at_checked(total)?;
            let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(head & 15))? = Some(Huffman::new(counts, symbols)?);
            body = rest;
        }
        Some(())
    }
}

impl Frame {
    fn of(is_lossless: bool, body: &[u8], size: Size) -> Result<Self, Problem> {
        let Some((&[bits, h1, h0, w1, w0, count], rest)) = body.split_first_chunk() else {
            return Err(damaged("a JPEG frame header is damaged"));
        };
        let number = |high, low| usize::from(u16::from_be_bytes([high, low]));
        size.check(number(w1, w0), number(h1, h0), count.into())?;
        let component = |&[id, factors, table]: &[u8; 3]| Component {
            id,
            horizontal: usize::from(factors >> 4),
            vertical: usize::from(factors & 15),
            quantization: table.into(),
        };
        let components: Vec<Component> = rest.as_chunks().0.iter().map(component).collect();
        let most = if is_lossless { 16 } else { 12 };
        let is_sound = components.len() == usize::from(count)
            && (2..=most).contains(&bits)
            && components.iter().all(|c| (1..=4).contains(&c.horizontal) && (1..=4).contains(&c.vertical));
        if !is_sound {
            return Err(damaged("a JPEG frame header is damaged"));
        }
        if is_lossless && components.iter().any(|c| (c.horizontal, c.vertical) != (1, 1)) {
            return Err(damaged("it is a lossless JPEG with reduced colours, which is not read"));
        }
        Ok(Self { bits, is_lossless, components })
    }
}

impl Scan {
    fn of(body: &[u8], frame: &Frame) -> Option<Self> {
        let (&count, rest) = body.split_first()?;
        let (list, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let components = list.as_chunks().0.iter().map(|&[id, tables]| {
            let number = frame.components.iter().position(|c| c.id == id)?;
            Some((number, usize::from(tables >> 4), usize::from(tables & 15)))
        });
        let components: Vec<_> = components.collect::<Option<_>>()?;
        let &[predictor, _, approximation, ..] = rest else { return None };
        (!components.is_empty()).then_some(Self { components, predictor, shift: approximation & 15 })
    }
}
