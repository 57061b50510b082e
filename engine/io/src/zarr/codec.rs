use std::io::Read;

use serde_json::Value;

use super::metadata::{bad, sizes};
use super::{blosc, damaged};
use crate::Problem;

/// What was done to a chunk, in the order of writing.
#[derive(Debug, Clone)]
pub(super) struct Codecs {
    /// Axes in the order in which they are stored; the last is fastest.
    pub transpose: Option<Vec<usize>>,
    pub is_big_endian: bool,
    packers: Vec<Packer>,
    /// The chunk is itself made of chunks.
    pub shard: Option<Box<Shard>>,
}

/// Chunks within a chunk.
#[derive(Debug, Clone)]
pub(super) struct Shard {
    pub chunk: Vec<usize>,
    pub codecs: Codecs,
    index_codecs: Codecs,
    is_index_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packer {
    Gzip,
    Zlib,
    Zstd,
    Blosc,
    Lz4,
    Bzip2,
    /// A check sum of four bytes at the end.
    Crc32c,
}

impl Codecs {
    /// Of zarr 2: one compressor, no filters.
    pub fn of_version_2(document: &Value, num_axes: usize) -> Result<Self, Problem> {
        if document["filters"].as_array().is_some_and(|f| !f.is_empty()) {
            return Err(bad("filters", "names filters, which are not read"));
        }
        let id = document["compressor"]["id"].as_str();
        let packers = match id {
            None if document["compressor"].is_null() => Vec::new(),
            id => vec![Packer::named(id.unwrap_or_default())?],
        };
        let dtype = document["dtype"].as_str().unwrap_or_default();
        let is_fortran = document["order"].as_str() == Some("F");
        let transpose = is_fortran.then(|| (0..num_axes).rev().collect());
        Ok(Self { transpose, is_big_endian: dtype.starts_with('>'), packers, shard: None })
    }

    /// Of zarr 3: a list.
    pub fn of_version_3(list: &Value, num_axes: usize, depth: usize) -> Result<Self, Problem> {
        let mut codecs = Self { transpose: None, is_big_endian: false, packers: Vec::new(), shard: None };
        for codec in list.as_array().ok_or_else(|| bad("codecs", "is missing"))? {
            let settings = &codec["configuration"];
            match codec["name"].as_str().or_else(|| codec.as_str()).unwrap_or_default() {
                "bytes" => codecs.is_big_endian = settings["endian"].as_str() == Some("big"),
                "transpose" => {
                    let order = sizes(&settings["order"]).ok_or_else(|| bad("codecs", "has an order that is none"))?;
                    let mut sorted = order.clone();
                    sorted.sort_unstable();
                    if sorted != (0..num_axes).collect::<Vec<_>>() || codecs.transpose.is_some() {
                        return Err(bad("codecs", "has an order that is none"));
                    }
                    codecs.transpose = Some(order);
                }
                "sharding_indexed" if depth < 2 => {
                    let chunk = sizes(&settings["chunk_shape"]).filter(|c| c.len() == num_axes && !c.contains(&0));
                    codecs.shard = Some(Box::new(Shard {
                        chunk: chunk.ok_or_else(|| bad("codecs", "has shards without a size of chunks"))?,
                        codecs: Self::of_version_3(&settings["codecs"], num_axes, depth + 1)?,
                        index_codecs: Self::of_version_3(&settings["index_codecs"], num_axes + 1, depth + 1)?,
                        is_index_first: settings["index_location"].as_str() == Some("start"),
                    }));
                }
                name => codecs.packers.push(Packer::named(name)?),
            }
        }
        Ok(codecs)
    }

    /// The order of bytes in the innermost chunks.
    pub fn ends_big(&self) -> bool {
        self.shard.as_ref().map_or(self.is_big_endian, |s| s.codecs.ends_big())
    }

    /// The bytes before packing; `len` of them are expected.
    pub fn unpack(&self, packed: Vec<u8>, len: usize) -> Result<Vec<u8>, Problem> {
        let mut bytes = packed;
        for packer in self.packers.iter().rev() {
            bytes = packer.unpack(&bytes, len + 64)?;
        }
        if self.shard.is_none() && bytes.len() != len {
            return Err(damaged("a chunk has not the size that its metadata says"));
        }
        Ok(bytes)
    }
}

impl Shard {
    /// Where each of `count` chunks lies in the shard; `None` for those that are not stored.
    pub fn index(&self, shard: &[u8], count: usize) -> Result<Vec<Option<std::ops::Range<usize>>>, Problem> {
        let bad = || damaged("the index of a shard is damaged");
        let plain = count.checked_mul(16).ok_or_else(bad)?;
        let is_summed = self.index_codecs.packers == [Packer::Crc32c];
        if !is_summed && !self.index_codecs.packers.is_empty() {
            return Err(damaged("the index of a shard is packed in a way that is not read"));
        }
        let len = plain + if is_summed { 4 } else { 0 };
        let start = if self.is_index_first { 0 } else { shard.len().checked_sub(len).ok_or_else(bad)? };
        let bytes = shard.get(start..start + len).ok_or_else(bad)?;
        let bytes = self.index_codecs.unpack(bytes.to_vec(), plain)?;
        let word = |at: usize| {
            let word: [u8; 8] = *bytes[8 * at..].first_chunk().unwrap_or(&[0; 8]);
            if self.index_codecs.is_big_endian { u64::from_be_bytes(word) } else { u64::from_le_bytes(word) }
        };
        (0..count)
            .map(|n| {
                let (offset, size) = (word(2 * n), word(2 * n + 1));
                if offset == u64::MAX && size == u64::MAX {
                    return Ok(None);
                }
                let end = offset.checked_add(size).filter(|&end| end <= shard.len() as u64).ok_or_else(bad)?;
                Ok(Some(offset as usize..end as usize))
            })
            .collect()
    }
}

impl Packer {
    fn named(name: &str) -> Result<Self, Problem> {
        Ok(match name.trim_start_matches("numcodecs.") {
            "gzip" => Self::Gzip,
            "zlib" => Self::Zlib,
            "zstd" => Self::Zstd,
            "blosc" => Self::Blosc,
            "lz4" => Self::Lz4,
            "bz2" => Self::Bzip2,
            "crc32c" => Self::Crc32c,
            other => {
                let what = format!("names {}, which is not read", other.chars().take(32).collect::<String>());
                return Err(Problem::Field { field: "codecs", what });
            }
        })
    }

    fn unpack(self, packed: &[u8], most: usize) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::new();
        let read = |reader: &mut dyn Read, out: &mut Vec<u8>| {
            reader.take(most as u64).read_to_end(out).map_err(|_stream| damaged("a chunk is damaged"))
        };
        match self {
            Self::Gzip => read(&mut flate2::read::MultiGzDecoder::new(packed), &mut out)?,
            Self::Zlib => read(&mut flate2::read::ZlibDecoder::new(packed), &mut out)?,
            Self::Bzip2 => read(&mut bzip2::read::MultiBzDecoder::new(packed), &mut out)?,
            Self::Zstd => {
                let frame = ruzstd::decoding::StreamingDecoder::new(packed);
                read(&mut frame.map_err(|_frame| damaged("a chunk is damaged"))?, &mut out)?
            }
            Self::Blosc => {
                out = blosc::unpack(packed, most)?;
                out.len()
            }
            Self::Lz4 => {
                // numcodecs puts the size in front.
                let size = packed.first_chunk().map_or(usize::MAX, |&b| u32::from_le_bytes(b) as usize);
                let body = packed.get(4..).filter(|_| size <= most).ok_or_else(|| damaged("a chunk is damaged"))?;
                out = lz4_flex::block::decompress(body, size).map_err(|_block| damaged("a chunk is damaged"))?;
                out.len()
            }
            Self::Crc32c => {
                let Some((data, sum)) = packed.split_last_chunk::<4>() else {
                    return Err(damaged("a chunk is cut off"));
                };
                if crc32c::crc32c(data).to_le_bytes() != *sum {
                    return Err(damaged("the check sum of a chunk is wrong"));
                }
                out = data.to_vec();
                out.len()
            }
        };
        Ok(out)
    }
}
