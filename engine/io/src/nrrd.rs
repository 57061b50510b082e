use std::path::{Path, PathBuf};

use glam::DVec3;
use voco_volume::{Code, Review, Status, Terms, VoxelType};

use crate::array::{Array, LPS, Packing, Part, affine, beside, header_text, numbered};
use crate::{Control, Format, LabelNames, Opened, Problem, Segment};

/// Axes in a file; the standard allows 16.
const MAX_AXES: usize = 16;

/// Reads the volumes of an NRRD file (with its voxels or without) from number `first` on, until `each` returns false.
///
/// The format is described in G. Kindlmann, "Definition of NRRD file format" (teem).
pub(crate) fn read(
    path: &Path,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let header = Header::read(path)?;
    let mut warnings = Vec::new();
    let array = header.array(&mut warnings)?;
    let segments = header.segments();
    let (count, layers) = (array.inner * array.outer, segments.iter().map(|s| s.layer).max());
    if count > 1 && layers.is_none() {
        warnings.push(format!("The file holds {count} volumes; one is shown at a time."));
    }
    if count > 1 && layers.is_some() {
        warnings.push(format!("Labels overlap and lie in {count} layers; one is shown at a time."));
    }
    let bytes = array.read(&header.parts(path)?, header.packing()?, control)?;
    array.volumes(bytes, first, Format::Nrrd, &warnings, &segments, each)
}

/// Names of the labels of the first layer, if the file holds any.
pub(crate) fn label_names(path: &Path) -> Option<LabelNames> {
    let is_nrrd = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("nrrd") || e.eq_ignore_ascii_case("nhdr"));
    let header = is_nrrd.then(|| Header::read(path).ok()).flatten()?;
    let first = header.segments().into_iter().filter(|s| s.layer == 0 && !s.name.is_empty());
    let names: LabelNames = first.map(|s| (s.value, s.name)).collect();
    (!names.is_empty()).then_some(names)
}

/// The header and the files that it names.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    if let Ok(header) = Header::read(path)
        && let Ok(parts) = header.parts(path)
    {
        files.extend(parts.into_iter().map(|p| p.path).filter(|p| p != path));
    }
    files
}

/// The lines of a header.
struct Header {
    /// `field: value`, fields in lower case without blanks.
    fields: Vec<(String, String)>,
    /// `key:=value`.
    pairs: Vec<(String, String)>,
    /// Names after `data file: LIST`.
    list: Vec<String>,
    /// Where the voxels begin in the header's own file.
    end: u64,
}

impl Header {
    fn read(path: &Path) -> Result<Self, Problem> {
        let bytes = header_text(path)?;
        let mut header = Self { fields: Vec::new(), pairs: Vec::new(), list: Vec::new(), end: bytes.len() as u64 };
        let mut at = 0;
        let mut is_list = false;
        for (n, line) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
            at += line.len();
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                header.end = at as u64;
                break;
            }
            if n == 0 || line.starts_with('#') {
                continue;
            }
            if is_list {
                header.list.push(line.trim().to_owned());
            } else if let Some((key, value)) = line.split_once(":=") {
                header.pairs.push((key.to_owned(), value.to_owned()));
            } else if let Some((field, value)) = line.split_once(':') {
                let field = field.to_lowercase().replace(' ', "");
                is_list = field == "datafile" && value.trim_start().starts_with("LIST");
                header.fields.push((field, value.trim().to_owned()));
            }
        }
        Ok(header)
    }

    fn get(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    fn need(&self, field: &'static str) -> Result<&str, Problem> {
        self.get(field).ok_or(Problem::Field { field, what: "is missing".into() })
    }

    fn numbers(&self, field: &str) -> Vec<f64> {
        let words = self.get(field).unwrap_or_default().split_whitespace();
        words.map(|w| w.parse().unwrap_or(f64::NAN)).collect()
    }

    /// `(a,b,c)` for each axis; `None` where it says `none`.
    fn vectors(&self, field: &str) -> Result<Vec<Option<DVec3>>, Problem> {
        let mut rest = self.get(field).unwrap_or_default().trim();
        let bad = || Problem::Field { field: "space directions", what: "holds a vector that is none".into() };
        let mut vectors = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("none") {
                vectors.push(None);
                rest = after.trim_start();
                continue;
            }
            let (inside, after) = rest.strip_prefix('(').and_then(|r| r.split_once(')')).ok_or_else(bad)?;
            let numbers: Vec<f64> = inside.split(',').map(|n| n.trim().parse().unwrap_or(f64::NAN)).collect();
            // Axes that do not lie in space are also written as NaN.
            vectors.push(match numbers[..] {
                [x, y, z] if [x, y, z].iter().all(|v| v.is_finite()) => Some(DVec3::new(x, y, z)),
                [x, y, z, _] if [x, y, z].iter().all(|v| v.is_finite()) && DVec3::new(x, y, z) != DVec3::ZERO => {
                    Some(DVec3::new(x, y, z))
                }
                [x, y] if x.is_finite() && y.is_finite() => Some(DVec3::new(x, y, 0.0)),
                [_, _] | [_, _, _] | [_, _, _, _] => None,
                _ => return Err(bad()),
            });
            rest = after.trim_start();
        }
        Ok(vectors)
    }

    fn packing(&self) -> Result<Packing, Problem> {
        Ok(match self.need("encoding")?.to_lowercase().as_str() {
            "raw" => Packing::Raw,
            "gz" | "gzip" => Packing::Gzip,
            "bz2" | "bzip2" => Packing::Bzip2,
            "txt" | "text" | "ascii" => Packing::Text,
            "hex" => Packing::Hex,
            _ => return Err(Problem::Field { field: "encoding", what: "is none that is known".into() }),
        })
    }

    fn array(&self, warnings: &mut Vec<String>) -> Result<Array, Problem> {
        let sizes = self.sizes()?;
        let voxel_type = voxel_type(self.need("type")?)?;
        let is_big_endian = match self.get("endian").map(str::to_lowercase).as_deref() {
            Some("big") => true,
            Some("little") => false,
            // Text and bytes have no order.
            _ if voxel_type.num_bytes() == 1 || matches!(self.packing()?, Packing::Text) => false,
            _ => return Err(Problem::Field { field: "endian", what: "is missing".into() }),
        };
        let directions = self.vectors("spacedirections")?;
        if !directions.is_empty() && directions.len() != sizes.len() {
            return Err(Problem::Field { field: "space directions", what: "has not one vector for each axis".into() });
        }
        let spatial = self.spatial_axes(sizes.len(), &directions)?;
        let (from, to) = (spatial.start, spatial.end);
        let mut dims = [1; 3];
        dims[..to - from].copy_from_slice(&sizes[from..to]);
        let ras_from_space = self.ras_from_space(warnings);
        let given: Vec<DVec3> =
            directions.get(from..to).map_or_else(Vec::new, |d| d.iter().flatten().copied().collect());
        let spacings = self.numbers("spacings");
        let mut steps = [DVec3::X, DVec3::Y, DVec3::Z];
        if given.len() == to - from && !given.is_empty() {
            steps[..given.len()].copy_from_slice(&given);
            match given.len() {
                2 => steps[2] = given[0].cross(given[1]).normalize_or(DVec3::Z),
                1 => {
                    return Err(Problem::Field {
                        field: "dimension",
                        what: "is that of a line, not of a volume".into(),
                    });
                }
                _ => {}
            }
        } else {
            for (n, step) in steps.iter_mut().enumerate().take(to - from) {
                *step *= spacings.get(from + n).copied().filter(|s| s.is_finite() && *s != 0.0).unwrap_or(1.0);
            }
            let what =
                "The header has no directions (space directions): left and right cannot be told, LPS is assumed.";
            warnings.push(what.into());
        }
        let origin = match self.vectors("spaceorigin")?.first() {
            Some(Some(origin)) => *origin,
            _ => self.origin_from_mins(from..to),
        };
        Ok(Array {
            dims,
            inner: sizes[..from].iter().product(),
            outer: sizes[to..].iter().product(),
            voxel_type,
            is_big_endian,
            world_from_voxel: affine(steps, origin, ras_from_space),
        })
    }

    fn sizes(&self) -> Result<Vec<usize>, Problem> {
        let bad = || Problem::Field { field: "sizes", what: "is not a list of at least two numbers above 0".into() };
        let words = self.need("sizes")?.split_whitespace();
        let sizes: Vec<usize> =
            words.map(|w| w.parse().ok().filter(|&n| n > 0)).collect::<Option<_>>().ok_or_else(bad)?;
        let total = sizes.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        if total.is_none() || !(2..=MAX_AXES).contains(&sizes.len()) {
            return Err(bad());
        }
        if self.get("dimension").is_some_and(|d| d.parse() != Ok(sizes.len())) {
            return Err(Problem::Field { field: "dimension", what: "is not the number of sizes".into() });
        }
        Ok(sizes)
    }

    /// Which axes lie in the patient: those with directions, else those whose kind says so. They must be neighbours.
    fn spatial_axes(&self, count: usize, directions: &[Option<DVec3>]) -> Result<std::ops::Range<usize>, Problem> {
        let kinds: Vec<&str> = self.get("kinds").unwrap_or_default().split_whitespace().collect();
        let is_spatial = |n: usize| {
            if directions.is_empty() {
                kinds.get(n).is_none_or(|k| matches!(*k, "domain" | "space" | "???" | "none"))
            } else {
                directions[n].is_some()
            }
        };
        let axes: Vec<usize> = (0..count).filter(|&n| is_spatial(n)).collect();
        // Of more than three, the first three are space and the next is time.
        let axes = &axes[..axes.len().min(3)];
        match axes {
            [first, .., last] if last - first + 1 == axes.len() => Ok(*first..last + 1),
            _ => Err(Problem::Field {
                field: "kinds",
                what: "does not name two or three neighbouring axes of space".into(),
            }),
        }
    }

    fn ras_from_space(&self, warnings: &mut Vec<String>) -> DVec3 {
        let space = self.get("space").unwrap_or_default().to_lowercase();
        match space.trim_end_matches("-time").trim_end_matches('t') {
            "ras" | "right-anterior-superior" => DVec3::ONE,
            "las" | "left-anterior-superior" => DVec3::new(-1.0, 1.0, 1.0),
            "lps" | "left-posterior-superior" => LPS,
            _ => {
                if self.get("spacedirections").is_some() {
                    let what = "The header does not tell the patient's directions (space); LPS is assumed, so left and right may be wrong.";
                    warnings.push(what.into());
                }
                LPS
            }
        }
    }

    /// Where the first voxel is by `axis mins`, if those are there.
    fn origin_from_mins(&self, axes: std::ops::Range<usize>) -> DVec3 {
        let mins = self.numbers("axismins");
        let mut origin = DVec3::ZERO;
        for (n, axis) in axes.enumerate().take(3) {
            origin[n] = mins.get(axis).copied().filter(|m| m.is_finite()).unwrap_or(0.0);
        }
        origin
    }

    fn parts(&self, path: &Path) -> Result<Vec<Part>, Problem> {
        let bad = |what: &str| Problem::Field { field: "data file", what: what.into() };
        let number = |field: &str| self.get(field).map_or(Some(0), |v| v.parse::<i64>().ok());
        let (Some(bytes), Some(lines)) = (number("byteskip"), number("lineskip")) else {
            return Err(Problem::Field { field: "byte skip", what: "is no number".into() });
        };
        let is_raw = self.packing()? == Packing::Raw;
        let skip = bytes.max(0).unsigned_abs();
        let part = |path: PathBuf, begin: u64| Part {
            path,
            // Of raw files bytes are skipped after lines; of packed ones after unpacking. Both are then the same.
            skip_bytes: begin,
            skip_lines: lines.clamp(0, 1 << 20) as usize,
            skip_unpacked: skip,
            is_at_end: is_raw && bytes < 0,
        };
        let Some(data) = self.get("datafile") else { return Ok(vec![part(path.to_owned(), self.end)]) };
        let names = if data.starts_with("LIST") {
            self.list.clone()
        } else if data.contains('%') && data.split_whitespace().count() >= 4 {
            let words: Vec<&str> = data.split_whitespace().collect();
            let number = |n: usize| words[n].parse::<i64>().ok();
            let (Some(first), Some(last), Some(step)) = (number(1), number(2), number(3)) else {
                return Err(bad("is a pattern without its numbers"));
            };
            numbered(words[0], first, last, step).ok_or_else(|| bad("is a pattern that cannot be read"))?
        } else {
            vec![data.to_owned()]
        };
        if names.is_empty() {
            return Err(bad("names no file"));
        }
        Ok(names.iter().map(|name| part(beside(path, name), 0)).collect())
    }

    /// The segments that 3D Slicer writes as `SegmentN_…`.
    fn segments(&self) -> Vec<Segment> {
        let pair = |key: &str| self.pairs.iter().find(|(k, _)| k == key).map(|(_, v)| v.trim());
        let mut segments = Vec::new();
        for n in 0..=usize::from(u16::MAX) {
            let key = |what: &str| format!("Segment{n}_{what}");
            if pair(&key("ID")).is_none() && pair(&key("Name")).is_none() {
                break;
            }
            let number = |what: &str| pair(&key(what)).and_then(|v| v.parse::<u16>().ok());
            let color = pair(&key("Color")).and_then(|text| {
                let parts: Vec<f64> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
                let [r, g, b] = parts[..] else { return None };
                Some([r, g, b].map(|v: f64| (v.clamp(0.0, 1.0) * 255.0).round() as u8))
            });
            segments.push(Segment {
                layer: number("Layer").unwrap_or(0).into(),
                value: number("LabelValue").unwrap_or(1),
                name: pair(&key("Name")).unwrap_or_default().to_owned(),
                color,
                terms: pair(&key("Tags")).map(terms_of_tags).unwrap_or_default(),
                review: pair(&key("Tags")).map(review_of_tags).unwrap_or_default(),
            });
        }
        segments
    }
}

/// The terms in Slicer's tags of a segment: `TerminologyEntry:LIST~category~type~modifier~LIST~region~modifier`, each term
/// `scheme^code^meaning`.
fn terms_of_tags(tags: &str) -> Terms {
    let Some(entry) = tags.split('|').find_map(|tag| tag.trim().strip_prefix("TerminologyEntry:")) else {
        return Terms::default();
    };
    let parts: Vec<&str> = entry.split('~').collect();
    let code = |n: usize| {
        let mut words = parts.get(n)?.split('^').map(|word| word.trim().to_owned());
        let (scheme, value) = (words.next()?, words.next()?);
        (!value.is_empty()).then(|| Code { scheme, value, meaning: words.next().unwrap_or_default() })
    };
    let (category, kind, modifier) = (code(1), code(2), code(3));
    Terms { category, kind, modifier, region: code(5), region_modifier: code(6) }.of_file()
}

/// What people said of a segment: the status under the name that Slicer has for it, the rest under ours, which Slicer keeps.
fn review_of_tags(tags: &str) -> Review {
    let mut review = Review::default();
    for (key, value) in tags.split('|').filter_map(|tag| tag.trim().split_once(':')) {
        match (key, value.trim()) {
            ("Segmentation.Status", "inprogress") => review.status = Status::InProgress,
            ("Segmentation.Status", "completed") => review.status = Status::Done,
            ("Segmentation.Status", "flagged") => review.status = Status::Flagged,
            ("VoCo.Locked", value) => review.locked = value == "1",
            ("VoCo.Hidden", value) => review.hidden = value == "1",
            ("VoCo.Comment", value) => value.clone_into(&mut review.comment),
            _ => {}
        }
    }
    review
}

fn voxel_type(name: &str) -> Result<VoxelType, Problem> {
    Ok(match name.trim() {
        "signed char" | "int8" | "int8_t" => VoxelType::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => VoxelType::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => VoxelType::I16,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => VoxelType::U16,
        "int" | "signed int" | "int32" | "int32_t" => VoxelType::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => VoxelType::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => VoxelType::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => VoxelType::U64,
        "float" => VoxelType::F32,
        "double" => VoxelType::F64,
        other => return Err(Problem::DataType(other.chars().take(32).collect())),
    })
}
