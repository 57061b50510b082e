use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use glam::{DAffine3, DMat3, DVec3};
use voco_volume::{Geometry, Rescale, Volume, VoxelType};

use crate::error::human_bytes;
use crate::raw::{from_bytes, gzip_or_io, inflate_at_once};
use crate::{Control, Format, Opened, Problem, Segment};

/// An array of voxels as NRRD and `MetaImage` describe it: axes of the patient, others before (components) and after them (time).
#[derive(Debug)]
pub(crate) struct Array {
    pub dims: [usize; 3],
    /// Values at one place, next to one another in the file.
    pub inner: usize,
    /// Volumes one after the other.
    pub outer: usize,
    pub voxel_type: VoxelType,
    pub is_big_endian: bool,
    /// Voxel to RAS millimetres.
    pub world_from_voxel: DAffine3,
}

/// How the voxels are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Raw,
    Gzip,
    Zlib,
    Bzip2,
    Text,
    Hex,
}

/// The voxels of one file.
#[derive(Debug)]
pub(crate) struct Part {
    pub path: PathBuf,
    /// Bytes and then lines before what is packed.
    pub skip_bytes: u64,
    pub skip_lines: usize,
    /// Bytes before the voxels, after unpacking.
    pub skip_unpacked: u64,
    /// The voxels are the last bytes of the file.
    pub is_at_end: bool,
}

impl Array {
    /// Bytes of all volumes.
    pub fn num_bytes(&self) -> Result<usize, Problem> {
        let all = [self.dims[0], self.dims[1], self.dims[2], self.inner, self.outer, self.voxel_type.num_bytes()];
        all.iter()
            .try_fold(1_usize, |n, &d| n.checked_mul(d))
            .filter(|&n| n > 0)
            .ok_or_else(|| Problem::Field { field: "sizes", what: "makes no sense".into() })
    }

    /// Gives the volumes from number `first` on to `each`.
    pub fn volumes(
        &self,
        bytes: &[u8],
        first: usize,
        kind: Format,
        warnings: &[String],
        segments: &[Segment],
        each: &mut dyn FnMut(Opened) -> bool,
    ) -> Result<(), Problem> {
        let geometry = Geometry::new(self.dims, self.world_from_voxel)?;
        let count = geometry.num_voxels();
        let num_components = self.inner * self.outer;
        for component in first..num_components {
            let start = component % self.inner + self.inner * count * (component / self.inner);
            let voxels = from_bytes(bytes, self.voxel_type, [start, self.inner, count], self.is_big_endian)?;
            let volume = Volume::new(geometry, voxels, Rescale::IDENTITY)?;
            let (warnings, segments) = (warnings.to_vec(), segments.to_vec());
            if !each(Opened { volume, num_components, component, kind, warnings, segments }) {
                break;
            }
        }
        Ok(())
    }

    /// The voxels of all parts, one after the other. Memory grows with what is there, not with what is claimed.
    pub fn read(&self, parts: &[Part], packing: Packing, control: Control<'_>) -> Result<Vec<u8>, Problem> {
        let needed = self.num_bytes()?;
        let mut out = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            if (control.is_cancelled)() {
                return Err(Problem::Cancelled);
            }
            let left = needed - out.len();
            let share = left / (parts.len() - n);
            self.read_part(part, packing, if parts.len() == 1 { left } else { share }, &mut out, control)?;
            (control.progress)((n + 1) as f32 / parts.len() as f32);
        }
        if out.len() < needed {
            return Err(too_few(needed, out.len()));
        }
        Ok(out)
    }

    fn read_part(
        &self,
        part: &Part,
        packing: Packing,
        needed: usize,
        out: &mut Vec<u8>,
        control: Control<'_>,
    ) -> Result<(), Problem> {
        let name = || part.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let mut file = File::open(&part.path).map_err(|e| Problem::MissingPair(name(), e.kind().to_string()))?;
        let len = file.metadata()?.len();
        let mut skip = part.skip_bytes;
        if part.is_at_end {
            skip = len.checked_sub(needed as u64).ok_or_else(|| too_few(needed, len as usize))?;
        }
        if packing == Packing::Raw && (needed as u64) > len.saturating_sub(skip) {
            return Err(too_few(needed, len.saturating_sub(skip) as usize));
        }
        std::io::copy(&mut file.by_ref().take(skip), &mut std::io::sink())?;
        let mut reader = std::io::BufReader::with_capacity(1 << 18, file);
        for _ in 0..part.skip_lines {
            skip_line(&mut reader)?;
        }
        if packing == Packing::Raw {
            return read_exactly(&mut reader, part.skip_unpacked, needed, out, control);
        }
        if matches!(packing, Packing::Text | Packing::Hex) {
            let mut text = Vec::new();
            // A number takes at most some thirty characters, a byte two.
            reader.take((needed as u64).saturating_mul(40).saturating_add(1 << 16)).read_to_end(&mut text)?;
            return match packing {
                Packing::Hex => from_hex(&text, needed, out),
                _ => from_text(&text, self.voxel_type, self.is_big_endian, needed, out),
            };
        }
        if matches!(packing, Packing::Gzip | Packing::Zlib) {
            let mut packed = Vec::new();
            reader.read_to_end(&mut packed)?;
            // Deflate cannot do better than 1032 : 1.
            let is_plausible = needed as u128 <= packed.len() as u128 * 1040;
            if part.skip_unpacked == 0
                && is_plausible
                && let Some(bytes) = inflate_at_once(&packed, needed as u128)
            {
                if out.is_empty() {
                    *out = bytes;
                } else {
                    out.extend_from_slice(&bytes);
                }
                return Ok(());
            }
            let is_gzip = packed.starts_with(&[0x1f, 0x8b]);
            let mut inflated: Box<dyn Read> = if is_gzip {
                Box::new(MultiGzDecoder::new(&packed[..]))
            } else {
                Box::new(ZlibDecoder::new(&packed[..]))
            };
            return read_exactly(&mut inflated, part.skip_unpacked, needed, out, control);
        }
        read_exactly(&mut bzip2::read::MultiBzDecoder::new(reader), part.skip_unpacked, needed, out, control)
    }
}

fn read_exactly(
    reader: &mut dyn Read,
    skip: u64,
    needed: usize,
    out: &mut Vec<u8>,
    control: Control<'_>,
) -> Result<(), Problem> {
    const PIECE: usize = 1 << 22;
    std::io::copy(&mut reader.take(skip), &mut std::io::sink()).map_err(gzip_or_io)?;
    let before = out.len();
    while out.len() - before < needed {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let now = PIECE.min(needed - (out.len() - before));
        out.try_reserve(now).map_err(|_full| Problem::Memory(human_bytes(needed as u128)))?;
        let got = reader.take(now as u64).read_to_end(out).map_err(gzip_or_io)?;
        if got == 0 {
            return Err(too_few(needed, out.len() - before));
        }
    }
    Ok(())
}

fn skip_line(reader: &mut impl std::io::BufRead) -> Result<(), Problem> {
    reader.skip_until(b'\n')?;
    Ok(())
}

fn from_hex(text: &[u8], needed: usize, out: &mut Vec<u8>) -> Result<(), Problem> {
    let mut digits = text.iter().filter_map(|&c| char::from(c).to_digit(16).map(|d| d as u8));
    let before = out.len();
    while out.len() - before < needed {
        let (Some(high), Some(low)) = (digits.next(), digits.next()) else {
            return Err(too_few(needed, out.len() - before));
        };
        out.push(high << 4 | low);
    }
    Ok(())
}

/// Numbers in decimal, as bytes in the order that the array has.
fn from_text(
    text: &[u8],
    voxel_type: VoxelType,
    is_big: bool,
    needed: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let bad = || Problem::Pixels("a voxel written as text is no number".into());
    let size = voxel_type.num_bytes();
    let before = out.len();
    let words = text.split(|c| c.is_ascii_whitespace() || *c == b',').filter(|w| !w.is_empty());
    for word in words.take(needed / size) {
        let word = std::str::from_utf8(word).map_err(|_text| bad())?;
        macro_rules! put {
            ($ty:ty) => {{
                let value: $ty = word.parse().map_err(|_text| bad())?;
                out.extend_from_slice(&if is_big { value.to_be_bytes() } else { value.to_le_bytes() });
            }};
        }
        match voxel_type {
            VoxelType::U8 => put!(u8),
            VoxelType::I8 => put!(i8),
            VoxelType::U16 => put!(u16),
            VoxelType::I16 => put!(i16),
            VoxelType::U32 => put!(u32),
            VoxelType::I32 => put!(i32),
            VoxelType::U64 => put!(u64),
            VoxelType::I64 => put!(i64),
            VoxelType::F32 => put!(f32),
            VoxelType::F64 => put!(f64),
        }
    }
    let got = out.len() - before;
    if got < needed { Err(too_few(needed, got)) } else { Ok(()) }
}

pub(crate) fn too_few(needed: usize, present: usize) -> Problem {
    Problem::TooFewBytes { claimed: human_bytes(needed as u128), present: human_bytes(present as u128) }
}

/// Voxel to RAS millimetres from steps along the axes and an origin in a space whose axes may point the other way.
pub(crate) fn affine(steps: [DVec3; 3], origin: DVec3, ras_from_space: DVec3) -> DAffine3 {
    let [i, j, k] = steps.map(|v| v * ras_from_space);
    DAffine3::from_mat3_translation(DMat3::from_cols(i, j, k), origin * ras_from_space)
}

/// LPS, the space of DICOM and ITK, to RAS.
pub(crate) const LPS: DVec3 = DVec3::new(-1.0, -1.0, 1.0);

/// The file that a header names: beside the header, wherever it was when the header was written.
pub(crate) fn beside(header: &Path, name: &str) -> PathBuf {
    let folder = header.parent().unwrap_or(Path::new("."));
    let relative = Path::new(name);
    let is_plain =
        relative.components().all(|c| matches!(c, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if is_plain {
        return folder.join(relative);
    }
    // From another folder or another system: only its last part is looked for.
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    folder.join(if last == ".." { "" } else { last })
}

/// Files of a printf pattern such as `slice%03d.raw`, from `first` to `last`.
pub(crate) fn numbered(pattern: &str, first: i64, last: i64, step: i64) -> Option<Vec<String>> {
    const MOST: i64 = 100_000;
    let (before, rest) = pattern.split_once('%')?;
    let (width, after) = rest.split_once(['d', 'i', 'u'])?;
    let is_zero = width.starts_with('0');
    let width: usize = if width.is_empty() { 0 } else { width.parse().ok().filter(|&w| w <= 32)? };
    let steps = last.checked_sub(first)?.checked_div(step)?;
    if !(0..MOST).contains(&steps) {
        return None;
    }
    let name = |n: i64| {
        if is_zero { format!("{before}{n:0width$}{after}") } else { format!("{before}{n:width$}{after}") }
    };
    Some((0..=steps).map(|n| name(first + n * step)).collect())
}

/// Text up to a header's end: at most 1 MB of it.
pub(crate) fn header_text(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    File::open(path)?.take(1 << 20).read_to_end(&mut bytes)?;
    Ok(bytes)
}
