use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::{Decoded, Size, damaged};
use crate::Problem;

/// JPEG 2000, with or without loss. Signed streams give the bits of their numbers, in `bits_stored` bits.
pub(in crate::dicom) fn decode(stream: &[u8], size: Size) -> Result<Decoded, Problem> {
    let header = Header::find(stream).ok_or_else(|| damaged("the JPEG 2000 header is damaged"))?;
    // Before the decoder takes memory for it.
    size.check(header.columns, header.rows, header.samples)?;
    let settings = DecodeSettings { resolve_palette_indices: false, ..DecodeSettings::default() };
    let image = Image::new(stream, &settings).map_err(|e| damaged(&format!("its JPEG 2000 stream is damaged, {e}")))?;
    // The decoder is not ours and the bytes are anybody's.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| samples(&image, &header, size)))
        .map_err(|_panic| damaged("its JPEG 2000 stream is damaged"))?
}

fn samples(image: &Image<'_>, header: &Header, size: Size) -> Result<Decoded, Problem> {
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(|e| damaged(&format!("its JPEG 2000 stream is damaged, {e}")))?;
    let components = decoded.components();
    if components.len() < size.samples || components.iter().any(|c| c.samples().len() != size.num_pixels()) {
        return Err(damaged("its JPEG 2000 components have different sizes"));
    }
    let top = ((1_u64 << header.bits) - 1) as f32;
    // The decoder lifts all streams by half the range, which only unsigned ones ask for.
    let lift = if header.is_signed { 1_i32 << (header.bits - 1) } else { 0 };
    let mut values = vec![0_i32; size.num_pixels() * size.samples];
    for (n, component) in components.iter().take(size.samples).enumerate() {
        for (value, &sample) in values.iter_mut().skip(n).step_by(size.samples).zip(component.samples()) {
            *value = sample.round_ties_even().clamp(0.0, top) as i32 - lift;
        }
    }
    Ok(Decoded { values, samples: size.samples, is_ybr: None })
}

/// The size segment of a code stream.
struct Header {
    columns: usize,
    rows: usize,
    samples: usize,
    bits: u8,
    is_signed: bool,
}

impl Header {
    fn find(stream: &[u8]) -> Option<Self> {
        // A code stream begins with SOC and SIZ; within a JP2 file it lies in a box.
        let at = stream.windows(4).take(1 << 16).position(|w| w == [0xff, 0x4f, 0xff, 0x51])?;
        let body = stream.get(at + 6..)?;
        let word = |n: usize| body.get(n..)?.first_chunk().map(|&b| u32::from_be_bytes(b) as usize);
        let (right, bottom, left, top) = (word(2)?, word(6)?, word(10)?, word(14)?);
        let (tile_width, tile_height) = (word(18)?, word(22)?);
        // The standard's limit; more tiles would take time without end.
        let tiles = right.div_ceil(tile_width.max(1)).checked_mul(bottom.div_ceil(tile_height.max(1)))?;
        if tiles > 65_535 {
            return None;
        }
        let samples = usize::from(u16::from_be_bytes(*body.get(34..)?.first_chunk()?));
        let depth = *body.get(36)?;
        let bits = (depth & 0x7f) + 1;
        let header = Self {
            columns: right.checked_sub(left)?,
            rows: bottom.checked_sub(top)?,
            samples,
            bits,
            is_signed: depth & 0x80 != 0,
        };
        // Samples are 32-bit floats on their way, exact up to 24 bits.
        (bits <= 24).then_some(header)
    }
}
