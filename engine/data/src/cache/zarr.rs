//! Arrays of the zarr format, version 3: one shard of small compressed chunks, so that a crop costs its chunks and no more.
//!
//! Written and read here is one form of it: codec `sharding_indexed` with the index at the end, inside it `numcodecs.pcodec` (made
//! for numbers: smaller than zstd on these data, and read as fast) and `crc32c`. Any zarr program with these codecs opens it.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};
use rayon::prelude::*;
use serde_json::json;

/// A higher level takes half as long again for a few per cent.
const LEVEL: usize = 4;
/// Bytes per chunk in the index: offset and length.
const ENTRY: usize = 16;
/// Says in the index that a chunk is all zero and not stored.
const EMPTY: u64 = u64::MAX;

/// A number that an array can hold.
pub(super) trait Element: Number + Default + PartialEq + Send + Sync {
    /// zarr's name of the type.
    const NAME: &'static str;
}

impl Element for f32 {
    const NAME: &'static str = "float32";
}
impl Element for u16 {
    const NAME: &'static str = "uint16";
}
impl Element for u32 {
    const NAME: &'static str = "uint32";
}

/// Sizes of an array and of its chunks, slowest axis first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout<const N: usize> {
    shape: [usize; N],
    chunk: [usize; N],
}

/// Why an array could not be read: it is not whole, or not what was written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Damage(pub String);

impl From<std::io::Error> for Damage {
    fn from(error: std::io::Error) -> Self {
        Self(error.kind().to_string())
    }
}

impl<const N: usize> Layout<N> {
    /// Chunks of at most `chunk`; `None` if the array has no or too many values.
    pub fn new(shape: [usize; N], chunk: [usize; N]) -> Option<Self> {
        const MOST: usize = 1 << 40;
        let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))?;
        let chunk = std::array::from_fn(|a| chunk[a].min(shape[a]));
        (1..=MOST).contains(&count).then_some(Self { shape, chunk })
    }

    fn chunks_along(&self) -> [usize; N] {
        std::array::from_fn(|a| self.shape[a].div_ceil(self.chunk[a]))
    }

    fn num_chunks(&self) -> usize {
        self.chunks_along().iter().product()
    }

    fn chunk_len(&self) -> usize {
        self.chunk.iter().product()
    }

    /// First value of chunk number `n`, and how many of its values lie in the array.
    fn extent(&self, n: usize) -> ([usize; N], [usize; N]) {
        let at = unravel(n, self.chunks_along());
        let start: [usize; N] = std::array::from_fn(|a| at[a] * self.chunk[a]);
        (start, std::array::from_fn(|a| self.chunk[a].min(self.shape[a] - start[a])))
    }
}

/// Writes an array into the new folder `folder` and makes it last; returns its bytes. `fill` gets the start and size of a box and
/// gives its values, last axis fastest.
pub(super) fn write<T: Element, const N: usize>(
    folder: &Path,
    layout: Layout<N>,
    fill: impl Fn([usize; N], [usize; N]) -> Vec<T> + Sync,
) -> std::io::Result<u64> {
    std::fs::create_dir(folder)?;
    let mut document = BufWriter::new(File::create_new(folder.join("zarr.json"))?);
    serde_json::to_writer(&mut document, &metadata::<T, N>(layout))?;
    document.into_inner()?.sync_all()?;
    let mut shard = BufWriter::with_capacity(1 << 20, File::create_new(folder.join(shard_name(N)))?);
    let (mut index, mut offset) = (Vec::with_capacity(layout.num_chunks() * ENTRY), 0_u64);
    let numbers: Vec<usize> = (0..layout.num_chunks()).collect();
    // As many at a time as keeps all processors busy and the memory small.
    for batch in numbers.chunks(64) {
        let encoded: Vec<Option<Vec<u8>>> =
            batch.par_iter().map(|&n| encode(layout, n, &fill)).collect::<std::io::Result<_>>()?;
        for chunk in encoded {
            let (at, len) = chunk.as_ref().map_or((EMPTY, EMPTY), |c| (offset, c.len() as u64));
            index.extend([at.to_le_bytes(), len.to_le_bytes()].as_flattened());
            if let Some(chunk) = chunk {
                shard.write_all(&chunk)?;
                offset += chunk.len() as u64;
            }
        }
    }
    let sum = crc32c::crc32c(&index);
    index.extend(sum.to_le_bytes());
    shard.write_all(&index)?;
    shard.into_inner()?.sync_all()?;
    Ok(offset + index.len() as u64)
}

/// A chunk, padded with zeros to its full size, then its check sum; `None` if it is all zero.
fn encode<T: Element, const N: usize>(
    layout: Layout<N>,
    n: usize,
    fill: &(impl Fn([usize; N], [usize; N]) -> Vec<T> + Sync),
) -> std::io::Result<Option<Vec<u8>>> {
    let (start, size) = layout.extent(n);
    let mut values = fill(start, size);
    if values.iter().all(|v| *v == T::default()) {
        return Ok(None);
    }
    if size != layout.chunk {
        let mut padded = vec![T::default(); layout.chunk_len()];
        copy_box(&values, size, [0; N], &mut padded, layout.chunk, [0; N], size);
        values = padded;
    }
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    let mut bytes = simple_compress(&values, &config).map_err(std::io::Error::other)?;
    let sum = crc32c::crc32c(&bytes);
    bytes.extend(sum.to_le_bytes());
    Ok(Some(bytes))
}

/// Reads the box of `size` values from `start` of the array in `folder`, last axis fastest. The box lies inside.
pub(super) fn read<T: Element, const N: usize>(
    folder: &Path,
    layout: Layout<N>,
    start: [usize; N],
    size: [usize; N],
) -> Result<Vec<T>, Damage> {
    let mut file = File::open(folder.join(shard_name(N)))?;
    let index = read_index(&mut file, layout.num_chunks())?;
    let mut out = vec![T::default(); size.iter().product()];
    let mut values = vec![T::default(); layout.chunk_len()];
    let mut bytes = Vec::new();
    let first: [usize; N] = std::array::from_fn(|a| start[a] / layout.chunk[a]);
    let along: [usize; N] = std::array::from_fn(|a| (start[a] + size[a]).div_ceil(layout.chunk[a]) - first[a]);
    let all = layout.chunks_along();
    for n in 0..along.iter().product() {
        let step = unravel(n, along);
        let number = (0..N).fold(0, |sum, a| sum * all[a] + first[a] + step[a]);
        let (offset, len) = index[number];
        if offset == EMPTY {
            continue;
        }
        bytes.resize(len, 0);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut bytes)?;
        decode(&bytes, &mut values)?;
        let (chunk_start, chunk_size) = layout.extent(number);
        // Where chunk and box meet.
        let low: [usize; N] = std::array::from_fn(|a| chunk_start[a].max(start[a]));
        let high: [usize; N] = std::array::from_fn(|a| (chunk_start[a] + chunk_size[a]).min(start[a] + size[a]));
        let from = std::array::from_fn(|a| low[a] - chunk_start[a]);
        let to = std::array::from_fn(|a| low[a] - start[a]);
        copy_box(&values, layout.chunk, from, &mut out, size, to, std::array::from_fn(|a| high[a] - low[a]));
    }
    Ok(out)
}

/// Offset and length of each chunk, checked against the file.
fn read_index(file: &mut File, num_chunks: usize) -> Result<Vec<(u64, usize)>, Damage> {
    let len = num_chunks * ENTRY + 4;
    let file_len = file.metadata()?.len();
    let Some(begin) = file_len.checked_sub(len as u64) else { return Err(Damage("its index is cut off".into())) };
    let mut bytes = vec![0; len];
    file.seek(SeekFrom::Start(begin))?;
    file.read_exact(&mut bytes)?;
    let (entries, sum) = bytes.split_at(num_chunks * ENTRY);
    if crc32c::crc32c(entries).to_le_bytes() != sum {
        return Err(Damage("its index is damaged".into()));
    }
    let (words, _) = entries.as_chunks::<8>();
    let entry = |pair: &[[u8; 8]]| {
        let (offset, len) = (u64::from_le_bytes(pair[0]), u64::from_le_bytes(pair[1]));
        let is_inside = offset.checked_add(len).is_some_and(|end| end <= begin);
        if offset == EMPTY || is_inside {
            Ok((offset, usize::try_from(len).unwrap_or(usize::MAX)))
        } else {
            Err(Damage("its index points outside".into()))
        }
    };
    words.chunks_exact(2).map(entry).collect()
}

fn decode<T: Element>(bytes: &[u8], values: &mut [T]) -> Result<(), Damage> {
    let Some((data, sum)) = bytes.split_last_chunk::<4>() else { return Err(Damage("a chunk is cut off".into())) };
    if crc32c::crc32c(data).to_le_bytes() != *sum {
        return Err(Damage("a chunk is damaged".into()));
    }
    let done = simple_decompress_into(data, values).map_err(|e| Damage(e.to_string()))?;
    if done.n_processed == values.len() { Ok(()) } else { Err(Damage("a chunk is short".into())) }
}

/// Copies a box between two arrays, row by row.
fn copy_box<T: Copy, const N: usize>(
    source: &[T],
    source_shape: [usize; N],
    source_start: [usize; N],
    target: &mut [T],
    target_shape: [usize; N],
    target_start: [usize; N],
    size: [usize; N],
) {
    let row = size[N - 1];
    let flat = |shape: [usize; N], start: [usize; N], step: [usize; N]| {
        (0..N).fold(0, |sum, a| sum * shape[a] + start[a] + step[a])
    };
    let mut rows = size;
    rows[N - 1] = 1;
    for n in 0..rows.iter().product() {
        let step = unravel(n, rows);
        let (from, to) = (flat(source_shape, source_start, step), flat(target_shape, target_start, step));
        target[to..to + row].copy_from_slice(&source[from..from + row]);
    }
}

fn unravel<const N: usize>(mut n: usize, shape: [usize; N]) -> [usize; N] {
    let mut at = [0; N];
    for a in (0..N).rev() {
        at[a] = n % shape[a];
        n /= shape[a];
    }
    at
}

fn shard_name(axes: usize) -> String {
    format!("c{}", ".0".repeat(axes))
}

fn metadata<T: Element, const N: usize>(layout: Layout<N>) -> serde_json::Value {
    let along = layout.chunks_along();
    let shard: Vec<usize> = (0..N).map(|a| along[a] * layout.chunk[a]).collect();
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": layout.shape.to_vec(),
        "data_type": T::NAME,
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": shard } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "." } },
        "fill_value": 0,
        "codecs": [{ "name": "sharding_indexed", "configuration": {
            "chunk_shape": layout.chunk.to_vec(),
            "codecs": [
                { "name": "numcodecs.pcodec", "configuration": { "level": LEVEL, "mode_spec": "auto" } },
                { "name": "crc32c" },
            ],
            "index_codecs": [
                { "name": "bytes", "configuration": { "endian": "little" } },
                { "name": "crc32c" },
            ],
            "index_location": "end",
        }}],
        "attributes": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of 2×40×35×33 values with an empty part, in chunks of 16³.
    fn array() -> (Layout<4>, Vec<f32>) {
        let shape = [2, 40, 35, 33];
        let layout = Layout::new(shape, [1, 16, 16, 16]).expect("sizes");
        let value = |n: usize| {
            let at = unravel(n, shape);
            if at[1] < 18 { 0.0 } else { (n as f32 * 0.37).sin() }
        };
        (layout, (0..shape.iter().product()).map(value).collect())
    }

    fn boxed(values: &[f32], shape: [usize; 4], start: [usize; 4], size: [usize; 4]) -> Vec<f32> {
        let mut out = vec![0.0; size.iter().product()];
        copy_box(values, shape, start, &mut out, size, [0; 4], size);
        out
    }

    fn written(folder: &Path) -> (Layout<4>, Vec<f32>) {
        let (layout, values) = array();
        let bytes = write(folder, layout, |start, size| boxed(&values, layout.shape, start, size)).expect("written");
        assert_eq!(bytes, std::fs::metadata(folder.join("c.0.0.0.0")).expect("there").len());
        (layout, values)
    }

    #[test]
    fn any_box_comes_back_bit_by_bit() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("image");
        let (layout, values) = written(&folder);
        for (start, size) in [
            ([0; 4], layout.shape),
            ([1, 39, 34, 32], [1; 4]),
            ([0, 15, 15, 15], [2, 2, 2, 2]),
            ([1, 3, 0, 17], [1, 36, 35, 16]),
            ([0, 0, 0, 0], [1, 5, 5, 5]),
        ] {
            let read: Vec<f32> = read(&folder, layout, start, size).expect("whole");
            assert_eq!(read, boxed(&values, layout.shape, start, size), "{size:?} at {start:?}");
        }
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("image");
        let (layout, _) = written(&folder);
        let path = folder.join("c.0.0.0.0");
        let whole = std::fs::read(&path).expect("readable");
        let all = || read::<f32, 4>(&folder, layout, [0; 4], layout.shape);
        for at in [0, 100, whole.len() / 2, whole.len() - 1, whole.len() - 20] {
            let mut bad = whole.clone();
            bad[at] ^= 0x40;
            std::fs::write(&path, bad).expect("writable");
            assert!(all().is_err(), "byte {at} is wrong");
        }
        for len in [0, 3, 40, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).expect("writable");
            assert!(all().is_err(), "only {len} bytes are left");
        }
        std::fs::write(&path, &whole).expect("writable");
        assert!(all().is_ok(), "whole again");
    }
}
