use super::{Decoded, Size, damaged};
use crate::Problem;

/// RLE Lossless (DICOM PS3.5 annex G): one `PackBits` segment per byte of each sample, the most significant first.
pub(in crate::dicom) fn decode(stream: &[u8], size: Size, bytes_per_sample: usize) -> Result<Decoded, Problem> {
    let word = |n: usize| stream.get(4 * n..)?.first_chunk().map(|&b| u32::from_le_bytes(b) as usize);
    let needed = size.samples * bytes_per_sample;
    let count =
        word(0).filter(|&n| n == needed && n <= 15).ok_or_else(|| damaged("its number of RLE segments is wrong"))?;
    let num_pixels = size.num_pixels();
    let mut values = vec![0_i32; num_pixels * size.samples];
    let mut plane = Vec::with_capacity(num_pixels);
    for segment in 0..count {
        let start = word(1 + segment).unwrap_or(usize::MAX);
        let end = if segment + 1 < count { word(2 + segment).unwrap_or(usize::MAX) } else { stream.len() };
        let bytes = stream.get(start..end.min(stream.len())).ok_or_else(|| damaged("an RLE segment lies outside"))?;
        unpack(bytes, num_pixels, &mut plane)?;
        let sample = segment / bytes_per_sample;
        let shift = 8 * (bytes_per_sample - 1 - segment % bytes_per_sample);
        for (value, &byte) in values.iter_mut().skip(sample).step_by(size.samples).zip(&plane) {
            *value |= (u32::from(byte) << shift).cast_signed();
        }
    }
    Ok(Decoded { values, samples: size.samples, is_ybr: None })
}

fn unpack(mut bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Problem> {
    out.clear();
    while out.len() < len {
        let Some((&head, rest)) = bytes.split_first() else { return Err(damaged("an RLE segment ends too early")) };
        bytes = match head.cast_signed() {
            n @ 0.. => {
                let count = n as usize + 1;
                let Some((literal, rest)) = rest.split_at_checked(count) else {
                    return Err(damaged("an RLE segment ends too early"));
                };
                out.extend_from_slice(&literal[..count.min(len - out.len())]);
                rest
            }
            i8::MIN => rest,
            n => {
                let Some((&value, rest)) = rest.split_first() else {
                    return Err(damaged("an RLE segment ends too early"));
                };
                let count = 1 - isize::from(n);
                out.extend(std::iter::repeat_n(value, count.unsigned_abs().min(len - out.len())));
                rest
            }
        };
    }
    Ok(())
}
