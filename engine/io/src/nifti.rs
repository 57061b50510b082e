use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use voco_volume::{Geometry, Volume, VoxelType};

use crate::error::human_bytes;
use crate::header::{Header, LEN_1, LEN_2};
use crate::raw::{fill_from, fill_from_file, gzip_or_io, inflate_at_once, memory, read_file, values};
use crate::{Control, Format, Opened, Problem};

/// Deflate cannot do better than about 1032 : 1, so a compressed file bounds what it can hold.
const MAX_INFLATE: u128 = 1040;

/// Which NIfTI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NiftiKind {
    /// 1 or 2.
    pub version: u8,
    /// Header and voxels in two files.
    pub is_pair: bool,
}

impl NiftiKind {
    /// E.g. `NIfTI-1`.
    pub fn name(self) -> &'static str {
        match (self.version, self.is_pair) {
            (1, false) => "NIfTI-1",
            (1, true) => "NIfTI-1 pair",
            (_, false) => "NIfTI-2",
            (_, true) => "NIfTI-2 pair",
        }
    }
}

/// True for the beginning of a NIfTI file, or of any gzip file.
pub(crate) fn is_nifti(head: &[u8]) -> bool {
    let size = head.first_chunk::<4>().map_or(0, |&b| i32::from_le_bytes(b));
    let known = [LEN_1 as i32, LEN_2 as i32];
    head.starts_with(&[0x1f, 0x8b]) || known.contains(&size) || known.contains(&size.swap_bytes())
}

pub(crate) fn open_bytes(bytes: &[u8]) -> Result<Opened, Problem> {
    let mut first = None;
    let source = Source { reader: Box::new(bytes), num_bytes: bytes.len() as u64 };
    read_from(source, [None; 2], 0, Control::NONE, &mut |opened| {
        first = Some(opened);
        false
    })?;
    first.ok_or(Problem::NotNifti("it holds no volume"))
}

/// Grid of the (first) volume, from the header alone. That the voxels are there is not looked at.
pub(crate) fn read_geometry(path: &Path) -> Result<Geometry, Problem> {
    let (header_path, _) = pair_of(path);
    let mut head = Vec::new();
    let stream = Source::open(&header_path)?.inflated()?;
    stream.reader.take(LEN_2 as u64).read_to_end(&mut head).map_err(gzip_or_io)?;
    if head.is_empty() {
        return Err(Problem::NotNifti("it is empty"));
    }
    let header = Header::parse(&head)?;
    let (dims, _) = header.dims()?;
    voxel_type(header.datatype)?;
    Ok(Geometry::new(dims, header.world_from_voxel(dims, &mut Vec::new())?)?)
}

/// Reads the volumes from number `first` on, until `each` returns false.
pub(crate) fn read(
    path: &Path,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let (header_path, voxel_path) = pair_of(path);
    read_from(Source::open(&header_path)?, [Some(&header_path), Some(&voxel_path)], first, control, each)
}

/// The files that an image is read from: two for a .hdr/.img pair, else one.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let (header, voxels) = pair_of(path);
    if header == voxels { vec![header] } else { vec![header, voxels] }
}

struct Source<'a> {
    reader: Box<dyn Read + 'a>,
    num_bytes: u64,
}

/// A file's bytes without compression.
struct Inflated<'a> {
    reader: Box<dyn Read + 'a>,
    /// No more than this can come, whatever the header says.
    most_bytes: u128,
    is_gzip: bool,
}

impl Inflated<'_> {
    fn describe(&self, bytes: u128) -> String {
        if self.is_gzip { format!("at most {}", human_bytes(bytes)) } else { human_bytes(bytes) }
    }
}

impl Source<'static> {
    fn open(path: &Path) -> Result<Self, Problem> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(Problem::NotNifti("it is a folder"));
        }
        Ok(Self { reader: Box::new(BufReader::with_capacity(1 << 18, file)), num_bytes: meta.len() })
    }
}

impl<'a> Source<'a> {
    fn inflated(mut self) -> Result<Inflated<'a>, Problem> {
        let mut magic = Vec::new();
        self.reader.by_ref().take(2).read_to_end(&mut magic)?;
        let is_gzip = magic == [0x1f, 0x8b];
        let whole = std::io::Cursor::new(magic).chain(self.reader);
        let num_bytes = u128::from(self.num_bytes);
        if is_gzip {
            let reader = Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(whole)));
            Ok(Inflated { reader, most_bytes: num_bytes * MAX_INFLATE, is_gzip })
        } else {
            Ok(Inflated { reader: Box::new(whole), most_bytes: num_bytes, is_gzip })
        }
    }
}

fn read_from(
    source: Source<'_>,
    paths: [Option<&Path>; 2],
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let mut stream = source.inflated()?;
    let mut head = Vec::new();
    stream.reader.by_ref().take(LEN_2 as u64).read_to_end(&mut head).map_err(gzip_or_io)?;
    if head.is_empty() {
        return Err(Problem::NotNifti("it is empty"));
    }
    let header = Header::parse(&head)?;
    let (dims, num_components) = header.dims()?;
    let mut position = head.len() as u64;
    let offset = header.voxel_offset()?;
    if header.is_pair {
        let Some(path) = paths[1] else {
            return Err(Problem::MissingPair("(.img)".into(), "only the header was given".into()));
        };
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let source = Source::open(path).map_err(|problem| match problem {
            Problem::Io(e) => Problem::MissingPair(name, e.kind().to_string()),
            other => other,
        })?;
        stream = source.inflated()?;
        position = 0;
    } else if offset < position {
        // Version 1: the bytes read past its shorter header are already voxels (or the extension flag).
        let rest = head.split_off(usize::try_from(offset).unwrap_or(head.len()).min(head.len()));
        stream.reader = Box::new(std::io::Cursor::new(rest).chain(stream.reader));
        position = offset;
    }
    let voxel_type = voxel_type(header.datatype)?;
    let bytes_per_volume = dims.iter().map(|&d| d as u128).product::<u128>() * voxel_type.num_bytes() as u128;
    let claimed = bytes_per_volume * num_components as u128;
    let present = stream.most_bytes.saturating_sub(u128::from(offset));
    if claimed > present {
        return Err(Problem::TooFewBytes { claimed: human_bytes(claimed), present: stream.describe(present) });
    }
    let mut warnings = Vec::new();
    let affine = header.world_from_voxel(dims, &mut warnings)?;
    let geometry = Geometry::new(dims, affine)?;
    if num_components > 1 {
        warnings.push(format!("The file holds {num_components} volumes; one is shown at a time."));
    }
    let kind = Format::Nifti(NiftiKind { version: header.version, is_pair: header.is_pair });
    let opened = |voxels, component| -> Result<Opened, Problem> {
        let volume = Volume::new(geometry, voxels, header.rescale())?;
        let warnings = warnings.clone();
        Ok(Opened { num_components, component, warnings, window: header.window(), ..Opened::new(volume, kind) })
    };
    let count = geometry.num_voxels();
    let num_bytes =
        usize::try_from(bytes_per_volume).map_err(|_large| Problem::Memory(human_bytes(bytes_per_volume)))?;
    let path = paths[usize::from(header.is_pair)];
    if let (true, Some(path)) = (stream.is_gzip && num_components == 1 && first == 0, path) {
        let mut bytes = memory(usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(num_bytes))?;
        let packed = read_file(path, Control { progress: &|_| {}, ..control })?;
        // Images do not shrink more, and what claims to has to show it first.
        if bytes.len() / 16 < packed.len() {
            bytes.populate();
        }
        if inflate_at_once(&packed, &mut bytes) && !(control.is_cancelled)() {
            let voxels = values(bytes, offset as usize, voxel_type, count, header.is_big_endian)?;
            (control.progress)(1.0);
            each(opened(voxels, 0)?);
            return Ok(());
        }
    }
    let skipped = u128::from(offset - position) + bytes_per_volume * first.min(num_components) as u128;
    let skipped = u64::try_from(skipped).unwrap_or(u64::MAX);
    let whole_file = path.filter(|_| !stream.is_gzip);
    if whole_file.is_none() {
        std::io::copy(&mut stream.reader.by_ref().take(skipped), &mut std::io::sink()).map_err(gzip_or_io)?;
    }
    for n in first..num_components {
        let share = |done: f32| (control.progress)(((n - first) as f32 + done) / (num_components - first) as f32);
        let part = Control { progress: &share, is_cancelled: control.is_cancelled };
        let mut bytes = memory(num_bytes)?;
        match whole_file {
            Some(path) => fill_from_file(path, offset + n as u64 * num_bytes as u64, &mut bytes, part)?,
            None => fill_from(&mut stream.reader, &mut bytes, part)?,
        }
        let voxels = values(bytes, 0, voxel_type, count, header.is_big_endian)?;
        if !each(opened(voxels, n)?) {
            break;
        }
    }
    Ok(())
}

/// Header and voxel file of a pair; the same file twice for a single one.
fn pair_of(path: &Path) -> (PathBuf, PathBuf) {
    let name = path.to_string_lossy();
    for (hdr, img) in [(".hdr", ".img"), (".hdr.gz", ".img.gz")] {
        if let Some(stem) = name.strip_suffix(hdr) {
            let plain = PathBuf::from(format!("{stem}{img}"));
            let packed = PathBuf::from(format!("{stem}.img.gz"));
            let img = if !plain.exists() && packed.exists() { packed } else { plain };
            return (path.to_owned(), img);
        }
        if let Some(stem) = name.strip_suffix(img) {
            let plain = PathBuf::from(format!("{stem}.hdr"));
            let packed = PathBuf::from(format!("{stem}.hdr.gz"));
            return (if !plain.exists() && packed.exists() { packed } else { plain }, path.to_owned());
        }
    }
    (path.to_owned(), path.to_owned())
}

fn voxel_type(datatype: i16) -> Result<VoxelType, Problem> {
    Ok(match datatype {
        2 => VoxelType::U8,
        4 => VoxelType::I16,
        8 => VoxelType::I32,
        16 => VoxelType::F32,
        64 => VoxelType::F64,
        256 => VoxelType::I8,
        512 => VoxelType::U16,
        768 => VoxelType::U32,
        1024 => VoxelType::I64,
        1280 => VoxelType::U64,
        other => return Err(Problem::DataType(type_name(other))),
    })
}

fn type_name(datatype: i16) -> String {
    let name = match datatype {
        1 => "binary",
        32 => "complex64",
        128 => "RGB",
        1536 => "float128",
        1792 => "complex128",
        2048 => "complex256",
        2304 => "RGBA",
        _ => return format!("number {datatype}"),
    };
    name.into()
}
