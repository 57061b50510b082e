use std::path::{Path, PathBuf};

use glam::DVec3;
use voco_volume::VoxelType;

use crate::array::{Array, LPS, Packing, Part, affine, beside, header_text, numbered};
use crate::{Control, Format, Opened, Problem};

/// True for the beginning of a `MetaImage` file: `Key = Value` lines that say what it is.
pub(crate) fn is_meta(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&head[..head.len().min(512)]);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let key = first.split('=').next().unwrap_or_default().trim();
    first.contains('=') && ["ObjectType", "NDims", "Comment", "ObjectSubType", "TransformType"].contains(&key)
}

/// Reads the volumes of a `MetaImage` (`.mha`, `.mhd`) from number `first` on, until `each` returns false.
pub(crate) fn read(
    path: &Path,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let header = Header::read(path)?;
    let mut warnings = Vec::new();
    let array = header.array(&mut warnings)?;
    let count = array.inner * array.outer;
    if count > 1 {
        warnings.push(format!("The file holds {count} volumes; one is shown at a time."));
    }
    let bytes = array.read(&header.parts(path, &array)?, header.packing(), control)?;
    array.volumes(bytes, first, Format::MetaImage, &warnings, &[], each)
}

/// The header and the files that it names.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    if let Ok(header) = Header::read(path)
        && let Ok(array) = header.array(&mut Vec::new())
        && let Ok(parts) = header.parts(path, &array)
    {
        files.extend(parts.into_iter().map(|p| p.path).filter(|p| p != path));
    }
    files
}

struct Header {
    fields: Vec<(String, String)>,
    list: Vec<String>,
    /// Where the voxels begin in the header's own file.
    end: u64,
}

impl Header {
    fn read(path: &Path) -> Result<Self, Problem> {
        let bytes = header_text(path)?;
        let mut header = Self { fields: Vec::new(), list: Vec::new(), end: 0 };
        let mut at = 0;
        let mut is_list = false;
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            at += line.len();
            let line = String::from_utf8_lossy(line);
            if is_list {
                if !line.trim().is_empty() {
                    header.list.push(line.trim().to_owned());
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
            let is_last = key == "elementdatafile";
            is_list = is_last && value.starts_with("LIST");
            header.fields.push((key, value));
            if is_last && !is_list {
                header.end = at as u64;
                return Ok(header);
            }
        }
        if is_list { Ok(header) } else { Err(Problem::Field { field: "ElementDataFile", what: "is missing".into() }) }
    }

    fn get(&self, keys: &[&str]) -> Option<&str> {
        let found = keys.iter().find_map(|key| self.fields.iter().find(|(k, _)| k == key));
        found.map(|(_, value)| value.as_str())
    }

    fn numbers(&self, keys: &[&str]) -> Vec<f64> {
        let words = self.get(keys).unwrap_or_default().split_whitespace();
        words.map_while(|w| w.parse().ok().filter(|v: &f64| v.is_finite())).collect()
    }

    fn is_true(&self, keys: &[&str]) -> bool {
        self.get(keys).is_some_and(|v| v.starts_with(['T', 't', '1']))
    }

    fn packing(&self) -> Packing {
        if self.get(&["binarydata"]).is_some() && !self.is_true(&["binarydata"]) {
            Packing::Text
        } else if self.is_true(&["compresseddata"]) {
            Packing::Zlib
        } else {
            Packing::Raw
        }
    }

    fn array(&self, warnings: &mut Vec<String>) -> Result<Array, Problem> {
        let bad = |field, what: &str| Problem::Field { field, what: what.into() };
        let words = self.get(&["dimsize"]).unwrap_or_default().split_whitespace();
        let sizes: Option<Vec<usize>> = words.map(|w| w.parse().ok().filter(|&n| n > 0)).collect();
        let sizes = sizes.filter(|s| (2..=5).contains(&s.len()));
        let sizes = sizes.ok_or_else(|| bad("DimSize", "is not a list of two to five numbers above 0"))?;
        let count = sizes.len();
        if self.get(&["ndims"]).is_some_and(|n| n.parse() != Ok(count)) {
            return Err(bad("NDims", "is not the number of sizes"));
        }
        let voxel_type = voxel_type(self.get(&["elementtype"]).unwrap_or_default())?;
        let inner = match self.get(&["elementnumberofchannels"]) {
            None => 1,
            Some(n) => n
                .parse()
                .ok()
                .filter(|n| (1..=1024).contains(n))
                .ok_or_else(|| bad("ElementNumberOfChannels", "is no number from 1 to 1024"))?,
        };
        let outer = sizes[sizes.len().min(3)..].iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let outer = outer.ok_or_else(|| bad("DimSize", "claims more voxels than can be counted"))?;
        let mut dims = [1; 3];
        for (dim, &size) in dims.iter_mut().zip(&sizes) {
            *dim = size;
        }
        let spacing = self.numbers(&["elementspacing", "elementsize"]);
        let matrix = self.numbers(&["transformmatrix", "rotation", "orientation"]);
        let offset = self.numbers(&["offset", "position", "origin"]);
        if spacing.is_empty() {
            warnings
                .push("The header does not tell the distance between voxels (ElementSpacing); 1 mm is assumed.".into());
        }
        if matrix.is_empty() {
            warnings.push("The header has no directions (TransformMatrix); the patient's axes are assumed.".into());
        }
        if !matrix.is_empty() && matrix.len() != count * count {
            return Err(bad("TransformMatrix", "has not as many numbers as the dimensions ask for"));
        }
        let axes = count.min(3);
        let mut steps = [DVec3::X, DVec3::Y, DVec3::Z];
        for (n, step) in steps.iter_mut().enumerate().take(axes) {
            if !matrix.is_empty() {
                let at = |m: usize| if m < axes { matrix[n * count + m] } else { 0.0 };
                *step = DVec3::new(at(0), at(1), at(2));
            }
            *step *= spacing.get(n).copied().filter(|&s| s != 0.0).unwrap_or(1.0);
        }
        let mut origin = DVec3::ZERO;
        for n in 0..axes {
            origin[n] = offset.get(n).copied().unwrap_or(0.0);
        }
        Ok(Array {
            dims,
            inner,
            outer,
            voxel_type,
            is_big_endian: self.is_true(&["binarydatabyteordermsb", "elementbyteordermsb"]),
            world_from_voxel: affine(steps, origin, LPS),
        })
    }

    fn parts(&self, path: &Path, array: &Array) -> Result<Vec<Part>, Problem> {
        let bad = |what: &str| Problem::Field { field: "ElementDataFile", what: what.into() };
        let header_size = self.get(&["headersize"]).map_or(Some(0), |v| v.parse::<i64>().ok());
        let header_size = header_size.ok_or(Problem::Field { field: "HeaderSize", what: "is no number".into() })?;
        let part = |path: PathBuf, begin: u64| Part {
            path,
            skip_bytes: begin,
            skip_lines: 0,
            skip_unpacked: 0,
            is_at_end: header_size < 0 && self.packing() == Packing::Raw,
        };
        let skip = header_size.max(0).unsigned_abs();
        let data = self.get(&["elementdatafile"]).unwrap_or_default();
        if data.eq_ignore_ascii_case("LOCAL") {
            return Ok(vec![part(path.to_owned(), self.end)]);
        }
        let words: Vec<&str> = data.split_whitespace().collect();
        let names = if data.starts_with("LIST") {
            // As many slices as there are, whatever stands after them.
            self.list.iter().take(array.dims[2].max(array.outer)).cloned().collect()
        } else if let [pattern, first, last, rest @ ..] = words.as_slice()
            && pattern.contains('%')
        {
            let number = |word: &str| word.parse::<i64>().ok();
            let step = rest.first().map_or(Some(1), |w| number(w));
            let (Some(first), Some(last), Some(step)) = (number(first), number(last), step) else {
                return Err(bad("is a pattern without its numbers"));
            };
            numbered(pattern, first, last, step).ok_or_else(|| bad("is a pattern that cannot be read"))?
        } else {
            vec![data.to_owned()]
        };
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(bad("names no file"));
        }
        Ok(names.iter().map(|name| part(beside(path, name), skip)).collect())
    }
}

fn voxel_type(name: &str) -> Result<VoxelType, Problem> {
    Ok(match name.trim_end_matches("_ARRAY") {
        "MET_CHAR" => VoxelType::I8,
        "MET_UCHAR" => VoxelType::U8,
        "MET_SHORT" => VoxelType::I16,
        "MET_USHORT" => VoxelType::U16,
        // Long has 32 bits in this format.
        "MET_INT" | "MET_LONG" => VoxelType::I32,
        "MET_UINT" | "MET_ULONG" => VoxelType::U32,
        "MET_LONG_LONG" => VoxelType::I64,
        "MET_ULONG_LONG" => VoxelType::U64,
        "MET_FLOAT" => VoxelType::F32,
        "MET_DOUBLE" => VoxelType::F64,
        "" => return Err(Problem::Field { field: "ElementType", what: "is missing".into() }),
        other => return Err(Problem::DataType(other.chars().take(32).collect())),
    })
}
