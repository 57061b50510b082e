//! OME-Zarr images (0.1 to 0.5) and bare zarr arrays, of zarr 2 and 3.

mod blosc;
mod codec;
mod metadata;

use std::path::{Path, PathBuf};

use glam::DVec3;
use rayon::prelude::*;
use voco_volume::{Geometry, Rescale, Volume, VoxelType, Zeroed};

pub(crate) use metadata::is_zarr;

use crate::array::affine;
use crate::error::human_bytes;
use crate::raw::{memory, values};
use crate::zarr::codec::Codecs;
use crate::zarr::metadata::{ArrayMeta, ImageMeta, Level, bad};
use crate::{Control, Format, Opened, Problem};

/// Voxels of a level beyond which a coarser one is taken.
const MOST_VOXELS: usize = 1 << 31;
/// Bytes of a volume that need not be accounted for by stored chunks.
const MOST_UNSTORED: u128 = 1 << 28;
/// Chunks of one volume.
const MOST_CHUNKS: usize = 1 << 22;
/// Chunks read between two looks at the cancel flag.
const BATCH: usize = 32;

/// Reads the volumes of an image (points in time and channels) from number `first` on, until `each` returns false.
pub(crate) fn read(
    folder: &Path,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let image = ImageMeta::read(folder)?;
    let mut warnings = Vec::new();
    let (number, array) = finest(&image, &mut warnings)?;
    let Some(level) = image.levels.get(number) else { return Err(bad("datasets", "is missing")) };
    let geometry = geometry(&image, level, &array, &mut warnings)?;
    let outer: Vec<usize> = outer_axes(&image).map(|axis| array.shape[axis]).collect();
    let num_components: usize = outer.iter().product();
    if num_components > 1 {
        warnings.push(format!("The image holds {num_components} volumes; one is shown at a time."));
    }
    for component in first..num_components {
        let bytes = read_component(&image, &array, component, control)?;
        let count = geometry.num_voxels();
        let voxels = values(bytes, 0, array.voxel_type, count, array.codecs.ends_big())?;
        let volume = Volume::new(geometry, voxels, Rescale::IDENTITY)?;
        let warnings = warnings.clone();
        if !each(Opened { num_components, component, warnings, ..Opened::new(volume, Format::OmeZarr) }) {
            break;
        }
    }
    Ok(())
}

/// The metadata and the files of chunks.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !path.is_dir() {
                out.push(path);
            } else if depth > 0 {
                walk(&path, depth - 1, out);
            }
        }
    }
    let mut out = Vec::new();
    walk(folder, 8, &mut out);
    out.sort();
    out
}

/// The finest level that fits.
fn finest(image: &ImageMeta, warnings: &mut Vec<String>) -> Result<(usize, ArrayMeta), Problem> {
    let last = image.levels.len().saturating_sub(1);
    for (number, level) in image.levels.iter().enumerate() {
        let array = ArrayMeta::read(&level.folder)?;
        if array.shape.len() != image.axes.len() {
            return Err(bad("axes", "does not name each axis of the array"));
        }
        let count: usize = spatial_axes(image).map(|axis| array.shape[axis]).product();
        if count <= MOST_VOXELS {
            if number > 0 {
                warnings.push(format!("The image is larger than fits; its level {number} (reduced) is shown."));
            }
            return Ok((number, array));
        }
        if number == last {
            break;
        }
    }
    Err(bad("datasets", "has no level that is small enough"))
}

fn spatial_axes(image: &ImageMeta) -> impl Iterator<Item = usize> {
    (0..image.axes.len()).filter(|&n| image.axes[n].space.is_some())
}

fn outer_axes(image: &ImageMeta) -> impl Iterator<Item = usize> {
    (0..image.axes.len()).filter(|&n| image.axes[n].space.is_none())
}

/// The last axis is i, the one before j, and so on.
fn geometry(
    image: &ImageMeta,
    level: &Level,
    array: &ArrayMeta,
    warnings: &mut Vec<String>,
) -> Result<Geometry, Problem> {
    let axes: Vec<usize> = spatial_axes(image).collect();
    if !(2..=3).contains(&axes.len()) {
        return Err(bad("axes", "does not name two or three axes of space (x, y, z)"));
    }
    let mut dims = [1; 3];
    let mut steps = [DVec3::X, DVec3::Y, DVec3::Z];
    let mut origin = DVec3::ZERO;
    for (n, &axis) in axes.iter().rev().enumerate() {
        let Some(meta) = image.axes.get(axis) else { continue };
        dims[n] = array.shape[axis];
        let direction = meta.direction();
        let scale = level.scale[axis] * meta.to_mm;
        steps[n] = direction * if scale == 0.0 { 1.0 } else { scale };
        origin += direction * level.translation[axis] * meta.to_mm;
    }
    if axes.len() == 2 {
        steps[2] = steps[0].cross(steps[1]).normalize_or(DVec3::Z);
    }
    if !image.has_metadata {
        warnings.push("There are no OME metadata: 1 mm voxels are assumed, and left and right cannot be told.".into());
    } else if axes.iter().any(|&axis| image.axes[axis].direction.is_none()) {
        warnings.push(
            "The metadata do not tell the patient's directions: LPS is assumed, so left and right may be wrong.".into(),
        );
    }
    Ok(Geometry::new(dims, affine(steps, origin, DVec3::ONE))?)
}

/// The voxels of one volume as bytes, in the order of the array's axes.
fn read_component(
    image: &ImageMeta,
    array: &ArrayMeta,
    component: usize,
    control: Control<'_>,
) -> Result<Zeroed<u8>, Problem> {
    let size = array.voxel_type.num_bytes();
    let num_axes = array.shape.len();
    // The box to read: one index along the outer axes, all along the others.
    let (mut start, mut shape) = (vec![0; num_axes], array.shape.clone());
    let mut rest = component;
    for axis in outer_axes(image).collect::<Vec<_>>().into_iter().rev() {
        start[axis] = rest % array.shape[axis];
        rest /= array.shape[axis];
        shape[axis] = 1;
    }
    let count: usize = shape.iter().product();
    let claimed = count as u128 * size as u128;
    // Chunks may be missing, but what is far larger than its files is no image.
    let stored: u128 = files(&array.folder).iter().filter_map(|f| f.metadata().ok()).map(|m| u128::from(m.len())).sum();
    if claimed > MOST_UNSTORED.max(stored * 1040) {
        return Err(Problem::TooFewBytes { claimed: human_bytes(claimed), present: human_bytes(stored) });
    }
    let mut out = memory(count * size)?;
    let fill = fill_bytes(array);
    if fill.iter().any(|&b| b != 0) {
        out.chunks_mut(size).for_each(|value| value.copy_from_slice(&fill));
    }
    let first: Vec<usize> = (0..num_axes).map(|a| start[a] / array.chunk[a]).collect();
    let along: Vec<usize> = (0..num_axes).map(|a| (start[a] + shape[a]).div_ceil(array.chunk[a]) - first[a]).collect();
    let chunks: usize = along.iter().product();
    if chunks > MOST_CHUNKS {
        return Err(bad("chunks", "are too small for the size of the image"));
    }
    let numbers: Vec<usize> = (0..chunks).collect();
    for batch in numbers.chunks(BATCH) {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let read = |&n: &usize| {
            let at: Vec<usize> = unravel(n, &along).iter().zip(&first).map(|(s, f)| s + f).collect();
            Ok((at.clone(), read_chunk(array, &at)?))
        };
        let decoded: Vec<(Vec<usize>, Option<Vec<u8>>)> = batch.par_iter().map(read).collect::<Result<_, Problem>>()?;
        for (at, bytes) in decoded {
            let Some(bytes) = bytes else { continue };
            let chunk_start: Vec<usize> = (0..num_axes).map(|a| at[a] * array.chunk[a]).collect();
            let source = Boxed { start: &chunk_start, shape: &array.chunk };
            copy_common(&bytes, source, &mut out, Boxed { start: &start, shape: &shape }, &array.shape, size);
        }
        (control.progress)((batch.last().copied().unwrap_or(0) + 1) as f32 / chunks as f32);
    }
    Ok(out)
}

/// A chunk's bytes in the order of the axes; `None` if it is not stored.
fn read_chunk(array: &ArrayMeta, at: &[usize]) -> Result<Option<Vec<u8>>, Problem> {
    let packed = match std::fs::read(array.chunk_file(at)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    decode(&array.codecs, packed, &array.chunk, &fill_bytes(array)).map(Some)
}

fn decode(codecs: &Codecs, packed: Vec<u8>, chunk: &[usize], fill: &[u8]) -> Result<Vec<u8>, Problem> {
    let size = fill.len();
    let len = chunk.iter().product::<usize>() * size;
    let bytes = codecs.unpack(packed, len)?;
    let stored_shape: Vec<usize> = match &codecs.transpose {
        Some(order) => order.iter().map(|&a| chunk[a]).collect(),
        None => chunk.to_vec(),
    };
    let bytes = match &codecs.shard {
        None => bytes,
        Some(shard) => {
            if stored_shape.iter().zip(&shard.chunk).any(|(whole, part)| whole % part != 0) {
                return Err(damaged("a shard is no multiple of its chunks"));
            }
            let along: Vec<usize> = stored_shape.iter().zip(&shard.chunk).map(|(whole, part)| whole / part).collect();
            let mut out: Vec<u8> = fill.iter().copied().cycle().take(len).collect();
            let whole_start = vec![0; chunk.len()];
            for (n, range) in shard.index(&bytes, along.iter().product())?.into_iter().enumerate() {
                let Some(range) = range else { continue };
                let inner = decode(&shard.codecs, bytes[range].to_vec(), &shard.chunk, fill)?;
                let start: Vec<usize> =
                    unravel(n, &along).iter().zip(&shard.chunk).map(|(at, part)| at * part).collect();
                let source = Boxed { start: &start, shape: &shard.chunk };
                let target = Boxed { start: &whole_start, shape: &stored_shape };
                copy_common(&inner, source, &mut out, target, &stored_shape, size);
            }
            out
        }
    };
    let Some(order) = &codecs.transpose else { return Ok(bytes) };
    // Axis n of what is stored is axis order[n] of the chunk.
    let mut strides = vec![0; chunk.len()];
    let mut stride = size;
    for n in (0..order.len()).rev() {
        strides[order[n]] = stride;
        stride *= stored_shape[n];
    }
    let mut out = Vec::with_capacity(len);
    for n in 0..chunk.iter().product() {
        let from: usize = unravel(n, chunk).iter().zip(&strides).map(|(i, s)| i * s).sum();
        out.extend_from_slice(&bytes[from..from + size]);
    }
    Ok(out)
}

/// A box of an array, with its values row by row.
#[derive(Clone, Copy)]
struct Boxed<'a> {
    start: &'a [usize],
    shape: &'a [usize],
}

/// Copies what two boxes have in common, within an array of `bounds`.
fn copy_common(source: &[u8], from: Boxed<'_>, target: &mut [u8], to: Boxed<'_>, bounds: &[usize], size: usize) {
    let axes = bounds.len();
    let low: Vec<usize> = (0..axes).map(|a| from.start[a].max(to.start[a])).collect();
    let high: Vec<usize> =
        (0..axes).map(|a| (from.start[a] + from.shape[a]).min(to.start[a] + to.shape[a]).min(bounds[a])).collect();
    if (0..axes).any(|a| low[a] >= high[a]) {
        return;
    }
    let mut rows: Vec<usize> = (0..axes).map(|a| high[a] - low[a]).collect();
    let row = std::mem::replace(&mut rows[axes - 1], 1) * size;
    let flat =
        |b: Boxed<'_>, at: &[usize]| (0..axes).fold(0, |sum, a| sum * b.shape[a] + low[a] + at[a] - b.start[a]) * size;
    for n in 0..rows.iter().product() {
        let at = unravel(n, &rows);
        let (s, t) = (flat(from, &at), flat(to, &at));
        target[t..t + row].copy_from_slice(&source[s..s + row]);
    }
}

fn unravel(mut n: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for a in (0..shape.len()).rev() {
        at[a] = n % shape[a];
        n /= shape[a];
    }
    at
}

/// The value of voxels that are not stored, in the order of the stored ones.
fn fill_bytes(array: &ArrayMeta) -> Vec<u8> {
    let fill = array.fill;
    let mut bytes = match array.voxel_type {
        VoxelType::U8 => (fill as u8).to_le_bytes().to_vec(),
        VoxelType::I8 => (fill as i8).to_le_bytes().to_vec(),
        VoxelType::U16 => (fill as u16).to_le_bytes().to_vec(),
        VoxelType::I16 => (fill as i16).to_le_bytes().to_vec(),
        VoxelType::U32 => (fill as u32).to_le_bytes().to_vec(),
        VoxelType::I32 => (fill as i32).to_le_bytes().to_vec(),
        VoxelType::U64 => (fill as u64).to_le_bytes().to_vec(),
        VoxelType::I64 => (fill as i64).to_le_bytes().to_vec(),
        VoxelType::F32 => (fill as f32).to_le_bytes().to_vec(),
        VoxelType::F64 => fill.to_le_bytes().to_vec(),
    };
    if array.codecs.ends_big() {
        bytes.reverse();
    }
    bytes
}

fn damaged(what: &str) -> Problem {
    Problem::Pixels(what.to_owned())
}
