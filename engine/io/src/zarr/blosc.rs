use std::io::Read;

use super::damaged;
use crate::Problem;

const HEADER: usize = 16;
/// Splits are made of elements up to this size, in blocks of at least so many elements (c-blosc's constants).
const MOST_SPLITS: usize = 16;
const LEAST_ELEMENTS: usize = 128;

/// Unpacks a Blosc 1 buffer of at most `most` bytes: blocks, each packed by a codec of its own after bytes or bits were sorted by
/// their place in an element. (F. Alted, "Why modern CPUs are starving and what can be done about it", 2010; c-blosc's format notes.)
pub(super) fn unpack(packed: &[u8], most: usize) -> Result<Vec<u8>, Problem> {
    let bad = || damaged("a Blosc chunk is damaged");
    let word = |at: usize| Some(u32::from_le_bytes(*packed.get(at..)?.first_chunk()?) as usize);
    let (Some(&flags), Some(&type_size)) = (packed.get(2), packed.get(3)) else { return Err(bad()) };
    let type_size = usize::from(type_size).max(1);
    let (len, block) = (word(4).ok_or_else(bad)?, word(8).ok_or_else(bad)?);
    if len > most || block == 0 && len > 0 {
        return Err(bad());
    }
    if flags & 2 != 0 {
        return packed.get(HEADER..HEADER + len).map(<[u8]>::to_vec).ok_or_else(bad);
    }
    let mut out = vec![0; len];
    for (n, target) in out.chunks_mut(block.max(1)).enumerate() {
        let mut at = word(HEADER + 4 * n).ok_or_else(bad)?;
        let is_whole = target.len() == block;
        let may_split = flags & 0x10 == 0 && type_size <= MOST_SPLITS && block / type_size >= LEAST_ELEMENTS;
        let splits = if may_split && is_whole { type_size } else { 1 };
        if target.len() % splits != 0 {
            return Err(bad());
        }
        let mut plain = vec![0; target.len()];
        for part in plain.chunks_mut(target.len() / splits) {
            let packed_len = word(at).ok_or_else(bad)?;
            let bytes = packed.get(at + 4..).and_then(|rest| rest.get(..packed_len)).ok_or_else(bad)?;
            at += 4 + packed_len;
            if packed_len == part.len() {
                part.copy_from_slice(bytes);
            } else {
                unpack_part(flags >> 5, bytes, part)?;
            }
        }
        if flags & 1 != 0 && type_size > 1 {
            unshuffle(&plain, type_size, target);
        } else if flags & 4 != 0 && block >= type_size {
            unshuffle_bits(&plain, type_size, target);
        } else {
            target.copy_from_slice(&plain);
        }
    }
    Ok(out)
}

fn unpack_part(codec: u8, bytes: &[u8], out: &mut [u8]) -> Result<(), Problem> {
    let bad = || damaged("a Blosc chunk is damaged");
    let done = match codec {
        0 => return unpack_blosclz(bytes, out).ok_or_else(bad),
        1 => lz4_flex::block::decompress_into(bytes, out).ok(),
        3 => libdeflater::Decompressor::new().zlib_decompress(bytes, out).ok(),
        4 => {
            let mut reader = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|_frame| bad())?;
            reader.read_exact(out).ok().map(|()| out.len())
        }
        _ => return Err(damaged("its chunks are packed by a codec of Blosc that is not read (Snappy)")),
    };
    if done == Some(out.len()) { Ok(()) } else { Err(bad()) }
}

/// The bytes number 0 of all elements come first, then those number 1, and so on.
fn unshuffle(plain: &[u8], type_size: usize, out: &mut [u8]) {
    let count = plain.len() / type_size;
    for (byte, plane) in plain[..count * type_size].chunks_exact(count.max(1)).enumerate() {
        for (target, &value) in out.iter_mut().skip(byte).step_by(type_size).zip(plane) {
            *target = value;
        }
    }
    out[count * type_size..].copy_from_slice(&plain[count * type_size..]);
}

/// The bits number 0 of all elements come first; elements beyond a multiple of eight are left alone.
fn unshuffle_bits(plain: &[u8], type_size: usize, out: &mut [u8]) {
    let count = plain.len() / type_size / 8 * 8;
    let whole = count * type_size;
    out[..whole].fill(0);
    out[whole..].copy_from_slice(&plain[whole..]);
    for (bit, plane) in plain[..whole].chunks_exact((count / 8).max(1)).enumerate() {
        let (byte, bit) = (bit / 8, bit % 8);
        for n in 0..count {
            out[n * type_size + byte] |= (plane[n / 8] >> (n % 8) & 1) << bit;
        }
    }
}

/// `BloscLZ`, a relative of `FastLZ`: literal runs and matches in one byte stream.
fn unpack_blosclz(bytes: &[u8], out: &mut [u8]) -> Option<()> {
    const FAR: usize = 8191;
    let (mut at, mut done) = (0_usize, 0_usize);
    let mut control = usize::from(*bytes.first()? & 31);
    at += 1;
    loop {
        if control >= 32 {
            let mut len = (control >> 5) - 1;
            let mut distance = (control & 31) << 8;
            if len == 6 {
                loop {
                    let more = usize::from(*bytes.get(at)?);
                    at += 1;
                    len += more;
                    if more != 255 {
                        break;
                    }
                }
            }
            let low = usize::from(*bytes.get(at)?);
            at += 1;
            distance += low;
            if low == 255 && distance == (31 << 8) + 255 {
                let far = bytes.get(at..at + 2)?;
                distance = FAR + (usize::from(far[0]) << 8 | usize::from(far[1]));
                at += 2;
            }
            let start = done.checked_sub(distance + 1)?;
            for n in 0..len + 3 {
                *out.get_mut(done)? = out[start + n];
                done += 1;
            }
        } else {
            let literal = bytes.get(at..=at + control)?;
            out.get_mut(done..done + literal.len())?.copy_from_slice(literal);
            done += literal.len();
            at += literal.len();
        }
        match bytes.get(at) {
            Some(&next) if done < out.len() => control = next.into(),
            _ => break,
        }
        at += 1;
    }
    (done == out.len()).then_some(())
}
