//! Voxels out of bytes.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use voco_volume::{VoxelType, Voxels, Zeroed};

use crate::error::human_bytes;
use crate::{Control, Problem};

/// Compressed files up to this size are inflated in one go, which is twice as fast; larger ones in a stream.
const MOST_AT_ONCE: usize = 1 << 30;

/// Bytes that a thread reads at a time.
const PIECE: usize = 4 << 20;

/// Memory for `len` bytes. What is not written to costs nothing, so that a file that ends early never costs the memory that
/// its header claims.
pub(crate) fn memory(len: usize) -> Result<Zeroed<u8>, Problem> {
    Zeroed::new(len).ok_or_else(|| Problem::Memory(human_bytes(len as u128)))
}

/// The `count` values from byte `begin` on, in the very memory that `bytes` has.
pub(crate) fn values(
    mut bytes: Zeroed<u8>,
    begin: usize,
    voxel_type: VoxelType,
    count: usize,
    is_big_endian: bool,
) -> Result<Voxels, Problem> {
    let range = range(voxel_type, begin, count).filter(|r| r.end <= bytes.len());
    let range = range.ok_or_else(|| too_few(count.saturating_mul(voxel_type.num_bytes()), bytes.len()))?;
    if is_big_endian != cfg!(target_endian = "big") && voxel_type.num_bytes() > 1 {
        let pieces = bytes[range].par_chunks_mut(PIECE);
        pieces.for_each(|piece| piece.chunks_mut(voxel_type.num_bytes()).for_each(<[u8]>::reverse));
    }
    let voxels = Voxels::from_bytes(voxel_type, bytes, begin, count);
    voxels.ok_or_else(|| Problem::Memory(human_bytes(count as u128 * voxel_type.num_bytes() as u128)))
}

/// The values number `first`, `first + step` … of `bytes`, `count` of them.
pub(crate) fn picked_values(
    bytes: &[u8],
    voxel_type: VoxelType,
    [first, step, count]: [usize; 3],
    is_big_endian: bool,
) -> Result<Voxels, Problem> {
    let size = voxel_type.num_bytes();
    let mut out = memory(count.saturating_mul(size))?;
    for (value, n) in out.chunks_mut(size).zip(first..) {
        let source = (n - first).checked_mul(step).and_then(|n| n.checked_add(first)?.checked_mul(size));
        let source = source.and_then(|at| bytes.get(at..)?.get(..size));
        value.copy_from_slice(source.ok_or_else(|| too_few(count.saturating_mul(size), bytes.len()))?);
    }
    values(out, 0, voxel_type, count, is_big_endian)
}

/// Fills `out` from a stream.
pub(crate) fn fill_from(reader: &mut dyn Read, out: &mut [u8], control: Control<'_>) -> Result<(), Problem> {
    let len = out.len();
    for (n, piece) in out.chunks_mut(PIECE).enumerate() {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        reader.read_exact(piece).map_err(gzip_or_io)?;
        (control.progress)((n * PIECE + piece.len()) as f32 / len as f32);
    }
    Ok(())
}

/// Fills `out` from a file, from byte `begin` on, on all cores: most of the time goes into touching the memory first.
pub(crate) fn fill_from_file(path: &Path, begin: u64, out: &mut [u8], control: Control<'_>) -> Result<(), Problem> {
    let file = File::open(path)?;
    let (len, batch_len) = (out.len(), PIECE * rayon::current_num_threads().max(1));
    for (n, batch) in out.chunks_mut(batch_len).enumerate() {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let at = n * batch_len;
        let pieces = batch.par_chunks_mut(PIECE).enumerate();
        pieces.try_for_each(|(m, piece)| read_exact_at(&file, piece, begin + (at + m * PIECE) as u64))?;
        (control.progress)((at + batch.len()) as f32 / len as f32);
    }
    Ok(())
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            got => (out, at) = (&mut out[got..], at + got as u64),
        }
    }
    Ok(())
}

/// All bytes of a file.
pub(crate) fn read_file(path: &Path, control: Control<'_>) -> Result<Zeroed<u8>, Problem> {
    let mut bytes = memory(usize::try_from(std::fs::metadata(path)?.len()).unwrap_or(usize::MAX))?;
    fill_from_file(path, 0, &mut bytes, control)?;
    Ok(bytes)
}

/// Inflates a gzip or zlib file of one member that holds exactly as many bytes as `out`. False if it is anything else, too large
/// or damaged, which a stream finds out.
pub(crate) fn inflate_at_once(packed: &[u8], out: &mut [u8]) -> bool {
    if out.len() > MOST_AT_ONCE {
        return false;
    }
    let mut inflater = libdeflater::Decompressor::new();
    let done = match packed {
        [0x1f, 0x8b, ..] => inflater.gzip_decompress(packed, out),
        _ => inflater.zlib_decompress(packed, out),
    };
    done == Ok(out.len())
}

pub(crate) fn gzip_or_io(error: std::io::Error) -> Problem {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error.kind() {
        UnexpectedEof => Problem::Gzip("the end of the data is missing".into()),
        InvalidData | InvalidInput | Other => Problem::Gzip(error.to_string()),
        _ => Problem::Io(error),
    }
}

pub(crate) fn too_few(needed: usize, present: usize) -> Problem {
    Problem::TooFewBytes { claimed: human_bytes(needed as u128), present: human_bytes(present as u128) }
}

fn range(voxel_type: VoxelType, begin: usize, count: usize) -> Option<Range<usize>> {
    Some(begin..begin.checked_add(count.checked_mul(voxel_type.num_bytes())?)?)
}
