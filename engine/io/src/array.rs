use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use glam::{DAffine3, DMat3, DVec3};
use voco_volume::{Geometry, Rescale, Volume, VoxelType, Zeroed};

use crate::raw::{fill_from_file, gzip_or_io, inflate_at_once, memory, picked_values, too_few, values};
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
        bytes: Zeroed<u8>,
        first: usize,
        kind: Format,
        warnings: &[String],
        segments: &[Segment],
        each: &mut dyn FnMut(Opened) -> bool,
    ) -> Result<(), Problem> {
        let geometry = Geometry::new(self.dims, self.world_from_voxel)?;
        let count = geometry.num_voxels();
        let num_components = self.inner * self.outer;
        if num_components == 1 && first == 0 {
            let voxels = values(bytes, 0, self.voxel_type, count, self.is_big_endian)?;
            let volume = Volume::new(geometry, voxels, Rescale::IDENTITY)?;
            let (warnings, segments) = (warnings.to_vec(), segments.to_vec());
            each(Opened { warnings, segments, ..Opened::new(volume, kind) });
            return Ok(());
        }
        for component in first..num_components {
            let start = component % self.inner + self.inner * count * (component / self.inner);
            let picked = [start, self.inner, count];
            let voxels = picked_values(&bytes, self.voxel_type, picked, self.is_big_endian)?;
            let volume = Volume::new(geometry, voxels, Rescale::IDENTITY)?;
            let (warnings, segments) = (warnings.to_vec(), segments.to_vec());
            if !each(Opened { num_components, component, warnings, segments, ..Opened::new(volume, kind) }) {
                break;
            }
        }
        Ok(())
    }

    /// The voxels of all parts, one after the other. Memory grows with what is there, not with what is claimed.
    pub fn read(&self, parts: &[Part], packing: Packing, control: Control<'_>) -> Result<Zeroed<u8>, Problem> {
        let needed = self.num_bytes()?;
        let present = check_claim(parts, packing, needed)?;
        let mut out = memory(needed)?;
        // Images do not shrink more, and what claims to has to show it first.
        if packing != Packing::Raw && needed as u128 / 16 < present {
            out.populate();
        }
        let mut begin = 0;
        for (n, part) in parts.iter().enumerate() {
            if (control.is_cancelled)() {
                return Err(Problem::Cancelled);
            }
            let share = (needed - begin) / (parts.len() - n);
            self.read_part(part, packing, &mut out[begin..begin + share], control)?;
            begin += share;
            (control.progress)((n + 1) as f32 / parts.len() as f32);
        }
        if begin < needed {
            return Err(too_few(needed, begin));
        }
        Ok(out)
    }

    fn read_part(&self, part: &Part, packing: Packing, out: &mut [u8], control: Control<'_>) -> Result<(), Problem> {
        let needed = out.len();
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
        file.seek(SeekFrom::Start(skip))?;
        let mut reader = std::io::BufReader::with_capacity(1 << 18, file);
        for _ in 0..part.skip_lines {
            skip_line(&mut reader)?;
        }
        match packing {
            Packing::Raw => {
                let begin = reader.stream_position()?.saturating_add(part.skip_unpacked);
                if (needed as u64) > len.saturating_sub(begin) {
                    return Err(too_few(needed, len.saturating_sub(begin) as usize));
                }
                fill_from_file(&part.path, begin, out, control)
            }
            Packing::Text | Packing::Hex => {
                let mut text = Vec::new();
                // A number takes at most some thirty characters, a byte two.
                reader.take((needed as u64).saturating_mul(40).saturating_add(1 << 16)).read_to_end(&mut text)?;
                match packing {
                    Packing::Hex => from_hex(&text, out),
                    _ => from_text(&text, self.voxel_type, self.is_big_endian, out),
                }
            }
            Packing::Gzip | Packing::Zlib => {
                let mut packed = Vec::new();
                reader.read_to_end(&mut packed)?;
                if part.skip_unpacked == 0 && inflate_at_once(&packed, out) {
                    return Ok(());
                }
                if packed.starts_with(&[0x1f, 0x8b]) {
                    fill_unpacked(MultiGzDecoder::new(&packed[..]), part, out, control)
                } else {
                    fill_unpacked(ZlibDecoder::new(&packed[..]), part, out, control)
                }
            }
            Packing::Bzip2 => fill_unpacked(bzip2::read::MultiBzDecoder::new(reader), part, out, control),
        }
    }
}

/// Refuses voxels that cannot be in the files, before memory is taken for them; the files' bytes.
fn check_claim(parts: &[Part], packing: Packing, needed: usize) -> Result<u128, Problem> {
    let most_per_byte = match packing {
        Packing::Raw | Packing::Hex => 1,
        // A digit and a space make a number of up to eight bytes.
        Packing::Text => 8,
        // Deflate cannot do better.
        Packing::Gzip | Packing::Zlib => 1032,
        Packing::Bzip2 => 1 << 20,
    };
    let present = parts.iter().map(|part| std::fs::metadata(&part.path).map(|m| u128::from(m.len())));
    // A file that is not there is told by name later.
    let Ok(present) = present.sum::<std::io::Result<u128>>() else { return Ok(0) };
    let is_possible = needed as u128 <= present * most_per_byte;
    if is_possible { Ok(present) } else { Err(too_few(needed, usize::try_from(present).unwrap_or(usize::MAX))) }
}

/// Fills `out` from what a part unpacks to.
fn fill_unpacked(mut unpacked: impl Read, part: &Part, out: &mut [u8], control: Control<'_>) -> Result<(), Problem> {
    std::io::copy(&mut unpacked.by_ref().take(part.skip_unpacked), &mut std::io::sink()).map_err(gzip_or_io)?;
    let mut got = 0;
    while got < out.len() {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let end = out.len().min(got + (4 << 20));
        match unpacked.read(&mut out[got..end]).map_err(gzip_or_io)? {
            0 => return Err(too_few(out.len(), got)),
            more => got += more,
        }
    }
    Ok(())
}

fn skip_line(reader: &mut impl std::io::BufRead) -> Result<(), Problem> {
    reader.skip_until(b'\n')?;
    Ok(())
}

fn from_hex(text: &[u8], out: &mut [u8]) -> Result<(), Problem> {
    let mut digits = text.iter().filter_map(|&c| char::from(c).to_digit(16).map(|d| d as u8));
    let needed = out.len();
    for (n, byte) in out.iter_mut().enumerate() {
        let (Some(high), Some(low)) = (digits.next(), digits.next()) else { return Err(too_few(needed, n)) };
        *byte = high << 4 | low;
    }
    Ok(())
}

/// Numbers in decimal, as bytes in the order that the array has.
fn from_text(text: &[u8], voxel_type: VoxelType, is_big: bool, out: &mut [u8]) -> Result<(), Problem> {
    let bad = || Problem::Pixels("a voxel written as text is no number".into());
    let (needed, size) = (out.len(), voxel_type.num_bytes());
    let mut words = text.split(|c| c.is_ascii_whitespace() || *c == b',').filter(|w| !w.is_empty());
    for (n, value) in out.chunks_exact_mut(size).enumerate() {
        let word = words.next().ok_or_else(|| too_few(needed, n * size))?;
        let word = std::str::from_utf8(word).map_err(|_text| bad())?;
        macro_rules! put {
            ($ty:ty) => {{
                let number: $ty = word.parse().map_err(|_text| bad())?;
                value.copy_from_slice(&if is_big { number.to_be_bytes() } else { number.to_le_bytes() });
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
    Ok(())
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
