//! Voxels out of bytes.

use std::io::Read;
use std::sync::Arc;

use voco_volume::{VoxelType, Voxels};

use crate::error::human_bytes;
use crate::{Control, Problem};

/// Compressed files up to this size are inflated in one go, which is twice as fast; larger ones in a stream.
const MOST_AT_ONCE: u128 = 1 << 30;

macro_rules! by_type {
    ($voxel_type:expr, $read:ident($($arg:expr),*)) => {
        match $voxel_type {
            VoxelType::U8 => Voxels::U8($read::<u8, 1>($($arg),*, |b| u8::from_le_bytes(b), |b| u8::from_be_bytes(b))?),
            VoxelType::I8 => Voxels::I8($read::<i8, 1>($($arg),*, |b| i8::from_le_bytes(b), |b| i8::from_be_bytes(b))?),
            VoxelType::U16 => Voxels::U16($read::<u16, 2>($($arg),*, |b| u16::from_le_bytes(b), |b| u16::from_be_bytes(b))?),
            VoxelType::I16 => Voxels::I16($read::<i16, 2>($($arg),*, |b| i16::from_le_bytes(b), |b| i16::from_be_bytes(b))?),
            VoxelType::U32 => Voxels::U32($read::<u32, 4>($($arg),*, |b| u32::from_le_bytes(b), |b| u32::from_be_bytes(b))?),
            VoxelType::I32 => Voxels::I32($read::<i32, 4>($($arg),*, |b| i32::from_le_bytes(b), |b| i32::from_be_bytes(b))?),
            VoxelType::U64 => Voxels::U64($read::<u64, 8>($($arg),*, |b| u64::from_le_bytes(b), |b| u64::from_be_bytes(b))?),
            VoxelType::I64 => Voxels::I64($read::<i64, 8>($($arg),*, |b| i64::from_le_bytes(b), |b| i64::from_be_bytes(b))?),
            VoxelType::F32 => Voxels::F32($read::<f32, 4>($($arg),*, |b| f32::from_le_bytes(b), |b| f32::from_be_bytes(b))?),
            VoxelType::F64 => Voxels::F64($read::<f64, 8>($($arg),*, |b| f64::from_le_bytes(b), |b| f64::from_be_bytes(b))?),
        }
    };
}

/// Reads `count` values from a stream, in pieces, so that one that ends early never costs the memory its header claims.
pub(crate) fn from_stream(
    reader: &mut dyn Read,
    voxel_type: VoxelType,
    count: usize,
    is_big_endian: bool,
    control: Control<'_>,
) -> Result<Voxels, Problem> {
    Ok(by_type!(voxel_type, read_values(reader, count, is_big_endian, control)))
}

/// The values number `first`, `first + step` … of `bytes`, `count` of them; the caller knows that they are there.
pub(crate) fn from_bytes(
    bytes: &[u8],
    voxel_type: VoxelType,
    [first, step, count]: [usize; 3],
    is_big_endian: bool,
) -> Result<Voxels, Problem> {
    Ok(by_type!(voxel_type, pick_values(bytes, [first, step, count], is_big_endian)))
}

/// The `count` values from byte `begin` on of a packed file of `len` bytes, in one go (see [`inflate_at_once`]).
pub(crate) fn inflated_values(
    packed: &[u8],
    len: u128,
    begin: usize,
    voxel_type: VoxelType,
    count: usize,
    is_big_endian: bool,
) -> Option<Voxels> {
    let read = || -> Result<Voxels, Problem> {
        Ok(by_type!(voxel_type, inflate_values(packed, len, begin, count, is_big_endian)))
    };
    read().ok()
}

/// The memory that the values go to is got ready while they are inflated: that takes nearly as long.
fn inflate_values<T: bytemuck::Pod + Send + Sync, const N: usize>(
    packed: &[u8],
    len: u128,
    begin: usize,
    count: usize,
    is_big_endian: bool,
    little: fn([u8; N]) -> T,
    big: fn([u8; N]) -> T,
) -> Result<Arc<[T]>, Problem> {
    let other = || Problem::Gzip("it holds something else".into());
    if len > MOST_AT_ONCE || Vec::<T>::new().try_reserve_exact(count).is_err() {
        return Err(other());
    }
    let ready = || -> Arc<[T]> { std::iter::repeat_n(T::zeroed(), count).collect() };
    let (bytes, mut values) = rayon::join(|| inflate_at_once(packed, len), ready);
    let bytes = bytes.ok_or_else(other)?;
    let (chunks, _) = bytes.get(begin..).unwrap_or_default().as_chunks::<N>();
    // The only reference, so this is the memory itself.
    let out = Arc::get_mut(&mut values).unwrap_or_default();
    if chunks.len() < count {
        return Err(other());
    }
    if is_big_endian == cfg!(target_endian = "big") {
        bytemuck::cast_slice_mut::<T, u8>(out).copy_from_slice(chunks[..count].as_flattened());
    } else {
        for (value, &chunk) in out.iter_mut().zip(chunks) {
            *value = if is_big_endian { big(chunk) } else { little(chunk) };
        }
    }
    Ok(values)
}

fn pick_values<T: bytemuck::Pod, const N: usize>(
    bytes: &[u8],
    [first, step, count]: [usize; 3],
    is_big_endian: bool,
    little: fn([u8; N]) -> T,
    big: fn([u8; N]) -> T,
) -> Result<Arc<[T]>, Problem> {
    let (chunks, _) = bytes.as_chunks::<N>();
    let end = count.checked_sub(1).and_then(|last| last.checked_mul(step)?.checked_add(first));
    if end.is_none_or(|end| end >= chunks.len()) {
        return Err(Problem::TooFewBytes {
            claimed: human_bytes(count as u128 * N as u128),
            present: human_bytes(bytes.len() as u128),
        });
    }
    let is_native = is_big_endian == cfg!(target_endian = "big");
    if step == 1 {
        let part = &chunks[first..first + count];
        if is_native && let Ok(values) = bytemuck::try_cast_slice::<u8, T>(part.as_flattened()) {
            return Ok(values.into());
        }
        return Ok(part.iter().map(|&c| if is_big_endian { big(c) } else { little(c) }).collect());
    }
    Ok((0..count).map(|n| chunks[first + n * step]).map(|c| if is_big_endian { big(c) } else { little(c) }).collect())
}

fn read_values<T: bytemuck::Pod, const N: usize>(
    reader: &mut dyn Read,
    count: usize,
    is_big_endian: bool,
    control: Control<'_>,
    little: fn([u8; N]) -> T,
    big: fn([u8; N]) -> T,
) -> Result<Arc<[T]>, Problem> {
    const PIECE: usize = 1 << 20;
    let mut values: Vec<T> = Vec::new();
    let is_native = is_big_endian == cfg!(target_endian = "big");
    while values.len() < count {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let (had, now) = (values.len(), PIECE.min(count - values.len()));
        // The first piece has been delivered, so the claim is plausible: take the rest at once rather than by doubling.
        if values.try_reserve_exact(if values.is_empty() { now } else { count - had }).is_err() {
            return Err(Problem::Memory(human_bytes(count as u128 * N as u128)));
        }
        values.resize(had + now, T::zeroed());
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values[had..]);
        reader.read_exact(bytes).map_err(gzip_or_io)?;
        if !is_native {
            for chunk in bytes.as_chunks_mut::<N>().0 {
                let value = if is_big_endian { big(*chunk) } else { little(*chunk) };
                chunk.copy_from_slice(bytemuck::bytes_of(&value));
            }
        }
        (control.progress)(values.len() as f32 / count as f32);
    }
    Ok(values.into())
}

/// Inflates a gzip or zlib file of one member that holds exactly `len` bytes; `None` if it is anything else, too large or damaged,
/// which a stream finds out.
pub(crate) fn inflate_at_once(packed: &[u8], len: u128) -> Option<Vec<u8>> {
    if len > MOST_AT_ONCE {
        return None;
    }
    let len = usize::try_from(len).ok()?;
    // Tried first, as the second fails for good; it gets pages that the system has cleared already.
    Vec::<u8>::new().try_reserve_exact(len).ok()?;
    let mut out = vec![0; len];
    let mut inflater = libdeflater::Decompressor::new();
    let done = match packed {
        [0x1f, 0x8b, ..] => inflater.gzip_decompress(packed, &mut out),
        _ => inflater.zlib_decompress(packed, &mut out),
    };
    (done == Ok(len)).then_some(out)
}

pub(crate) fn gzip_or_io(error: std::io::Error) -> Problem {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error.kind() {
        UnexpectedEof => Problem::Gzip("the end of the data is missing".into()),
        InvalidData | InvalidInput | Other => Problem::Gzip(error.to_string()),
        _ => Problem::Io(error),
    }
}
