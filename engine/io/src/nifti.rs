use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use voco_volume::{Geometry, Volume, Voxels};

use crate::error::human_bytes;
use crate::header::{Header, LEN_2};
use crate::{OpenError, Problem};

/// Deflate cannot do better than about 1032 : 1, so a compressed file bounds what it can hold.
const MAX_INFLATE: u128 = 1040;

/// A volume from a file.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its voxels and geometry; the first one, if the file holds several.
    pub volume: Volume,
    /// Volumes in the file (time points or components).
    pub num_components: usize,
    /// Format.
    pub kind: NiftiKind,
    /// What a user should know about the file, a sentence each.
    pub warnings: Vec<String>,
}

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

/// How the caller follows and stops a read.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Told the share done, 0…1, now and then.
    pub progress: &'a dyn Fn(f32),
    /// Asked now and then.
    pub is_cancelled: &'a dyn Fn() -> bool,
}

impl Control<'_> {
    /// Neither follows nor stops.
    pub const NONE: Control<'static> = Control { progress: &|_| {}, is_cancelled: &|| false };
}

/// Opens the (first) volume of a NIfTI file: .nii, .nii.gz, or either half of a .hdr/.img pair.
///
/// # Errors
/// One sentence about the file.
pub fn open(path: &Path, control: Control<'_>) -> Result<Opened, OpenError> {
    let mut first = None;
    read_components(path, control, &mut |opened| {
        first = Some(opened);
        false
    })?;
    first.ok_or_else(|| OpenError::new(path, Problem::NotNifti("it holds no volume")))
}

/// Grid of the (first) volume of a NIfTI file, from its header alone. That the voxels are there is not looked at.
///
/// # Errors
/// One sentence about the file.
pub fn read_geometry(path: &Path) -> Result<Geometry, OpenError> {
    let (header_path, _) = pair_of(path);
    let read = || -> Result<Geometry, Problem> {
        let mut head = Vec::new();
        let stream = Source::open(&header_path)?.inflated()?;
        stream.reader.take(LEN_2 as u64).read_to_end(&mut head).map_err(gzip_or_io)?;
        if head.is_empty() {
            return Err(Problem::NotNifti("it is empty"));
        }
        let header = Header::parse(&head)?;
        let (dims, _) = header.dims()?;
        Decoder::of(header.datatype)?;
        Ok(Geometry::new(dims, header.world_from_voxel(dims, &mut Vec::new())?)?)
    };
    read().map_err(|problem| OpenError::new(path, problem))
}

/// Opens a NIfTI file that is already in memory, such as the embedded sample.
///
/// # Errors
/// One sentence; `name` stands for the file.
pub fn open_bytes(name: &str, bytes: &[u8]) -> Result<Opened, OpenError> {
    let mut first = None;
    let source = Source { reader: Box::new(bytes), num_bytes: bytes.len() as u64 };
    read_from(source, None, Control::NONE, &mut |opened| {
        first = Some(opened);
        false
    })
    .and_then(|()| first.ok_or(Problem::NotNifti("it holds no volume")))
    .map_err(|problem| OpenError::new(Path::new(name), problem))
}

/// Reads the volumes of a file one after the other, until `each` returns false.
///
/// # Errors
/// One sentence about the file.
pub fn read_components(
    path: &Path,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), OpenError> {
    let (header_path, voxel_path) = pair_of(path);
    Source::open(&header_path)
        .and_then(|source| read_from(source, Some(&voxel_path), control, each))
        .map_err(|problem| OpenError::new(path, problem))
}

/// The files that an image is read from: two for a .hdr/.img pair, else one.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
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
    voxel_path: Option<&Path>,
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
        let Some(path) = voxel_path else {
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
    let decoder = Decoder::of(header.datatype)?;
    let bytes_per_volume = dims.iter().map(|&d| d as u128).product::<u128>() * decoder.num_bytes as u128;
    let claimed = bytes_per_volume * num_components as u128;
    let present = stream.most_bytes.saturating_sub(u128::from(offset));
    if claimed > present {
        return Err(Problem::TooFewBytes { claimed: human_bytes(claimed), present: stream.describe(present) });
    }
    let mut warnings = Vec::new();
    let affine = header.world_from_voxel(dims, &mut warnings)?;
    let geometry = Geometry::new(dims, affine)?;
    if num_components > 1 {
        warnings.push(format!("The file holds {num_components} volumes; the first is shown."));
    }
    std::io::copy(&mut stream.reader.by_ref().take(offset - position), &mut std::io::sink()).map_err(gzip_or_io)?;
    let kind = NiftiKind { version: header.version, is_pair: header.is_pair };
    for n in 0..num_components {
        let share = |done: f32| (control.progress)((n as f32 + done) / num_components as f32);
        let part = Control { progress: &share, is_cancelled: control.is_cancelled };
        let voxels = (decoder.read)(&mut stream.reader, geometry.num_voxels(), header.is_big_endian, part)?;
        let volume = Volume::new(geometry, voxels, header.rescale())?;
        if !each(Opened { volume, num_components, kind, warnings: warnings.clone() }) {
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

struct Decoder {
    num_bytes: usize,
    read: fn(&mut dyn Read, usize, bool, Control<'_>) -> Result<Voxels, Problem>,
}

impl Decoder {
    fn of(datatype: i16) -> Result<Self, Problem> {
        macro_rules! scalar {
            ($ty:ty, $variant:ident) => {
                Self {
                    num_bytes: size_of::<$ty>(),
                    read: |reader, count, is_big_endian, control| {
                        read_values(reader, count, control, |chunk| {
                            if is_big_endian { <$ty>::from_be_bytes(chunk) } else { <$ty>::from_le_bytes(chunk) }
                        })
                        .map(|v| Voxels::$variant(Arc::from(v)))
                    },
                }
            };
        }
        Ok(match datatype {
            2 => scalar!(u8, U8),
            4 => scalar!(i16, I16),
            8 => scalar!(i32, I32),
            16 => scalar!(f32, F32),
            64 => scalar!(f64, F64),
            256 => scalar!(i8, I8),
            512 => scalar!(u16, U16),
            768 => scalar!(u32, U32),
            1024 => scalar!(i64, I64),
            1280 => scalar!(u64, U64),
            other => return Err(Problem::DataType(type_name(other))),
        })
    }
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

/// Reads `count` values in pieces, so that a stream that ends early never costs the memory its header claims.
fn read_values<T, const N: usize>(
    reader: &mut dyn Read,
    count: usize,
    control: Control<'_>,
    convert: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Problem> {
    const PIECE: usize = 1 << 20;
    let mut values: Vec<T> = Vec::new();
    let mut buffer = vec![0_u8; PIECE.min(count.max(1)) * N];
    while values.len() < count {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let now = PIECE.min(count - values.len());
        let bytes = &mut buffer[..now * N];
        reader.read_exact(bytes).map_err(gzip_or_io)?;
        // The first piece has been delivered, so the claim is plausible: take the rest at once rather than by doubling.
        let rest = count - values.len();
        if values.try_reserve_exact(if values.is_empty() { now } else { rest }).is_err() {
            return Err(Problem::Memory(human_bytes(count as u128 * N as u128)));
        }
        let (chunks, _) = bytes.as_chunks::<N>();
        values.extend(chunks.iter().map(|&c| convert(c)));
        (control.progress)(values.len() as f32 / count as f32);
    }
    Ok(values)
}

fn gzip_or_io(error: std::io::Error) -> Problem {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error.kind() {
        UnexpectedEof => Problem::Gzip("the end of the data is missing".into()),
        InvalidData | InvalidInput | Other => Problem::Gzip(error.to_string()),
        _ => Problem::Io(error),
    }
}
