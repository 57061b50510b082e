use std::path::{Path, PathBuf};

use glam::DVec3;
use serde_json::Value;
use voco_volume::VoxelType;

use super::codec::Codecs;
use crate::Problem;
use crate::array::{LPS, beside, header_text};

/// One array of a store.
#[derive(Debug)]
pub(super) struct ArrayMeta {
    pub folder: PathBuf,
    pub shape: Vec<usize>,
    pub chunk: Vec<usize>,
    pub voxel_type: VoxelType,
    pub fill: f64,
    pub codecs: Codecs,
    separator: char,
    /// Chunks' names begin with this.
    prefix: &'static str,
    is_version_2: bool,
}

/// What OME's metadata say of an image.
#[derive(Debug)]
pub(super) struct ImageMeta {
    /// Arrays, the finest first.
    pub levels: Vec<Level>,
    /// Names of the axes, slowest first.
    pub axes: Vec<Axis>,
    pub has_metadata: bool,
}

#[derive(Debug)]
pub(super) struct Level {
    pub folder: PathBuf,
    /// For each axis.
    pub scale: Vec<f64>,
    pub translation: Vec<f64>,
}

#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// 0, 1, 2 for x, y, z; none for time and channels.
    pub space: Option<usize>,
    /// Millimetres of its unit.
    pub to_mm: f64,
    /// World direction (RAS) in which it grows, if the metadata tell.
    pub direction: Option<DVec3>,
}

pub(super) fn bad(field: &'static str, what: &str) -> Problem {
    Problem::Field { field, what: what.into() }
}

/// A list of sizes.
pub(super) fn sizes(value: &Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(|v| usize::try_from(v.as_u64()?).ok()).collect()
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&header_text(path).ok()?).ok()
}

/// True for the folder of a zarr array or group.
pub(crate) fn is_zarr(folder: &Path) -> bool {
    ["zarr.json", ".zarray", ".zgroup", ".zattrs"].iter().any(|name| folder.join(name).is_file())
}

impl ImageMeta {
    pub fn read(folder: &Path) -> Result<Self, Problem> {
        let document = json(&folder.join("zarr.json"));
        let attributes = match &document {
            Some(document) => document["attributes"].clone(),
            None => json(&folder.join(".zattrs")).unwrap_or(Value::Null),
        };
        let attributes = if attributes["ome"].is_object() { attributes["ome"].clone() } else { attributes };
        let Some(scales) = attributes["multiscales"].get(0) else {
            let array = ArrayMeta::read(folder).map_err(|_array| {
                bad("multiscales", "is missing, so this is no OME-Zarr image; open the folder of one")
            })?;
            return Self::bare(folder, array.shape.len());
        };
        let axes: Vec<Axis> = match scales["axes"].as_array() {
            Some(axes) => axes.iter().map(Axis::of).collect(),
            // Version 0.1 and 0.2.
            None => ["t", "c", "z", "y", "x"].iter().map(|n| Axis::of(&Value::from(*n))).collect(),
        };
        let list = scales["datasets"].as_array().filter(|l| !l.is_empty());
        let list = list.ok_or_else(|| bad("datasets", "is missing"))?;
        let level = |dataset: &Value| -> Result<Level, Problem> {
            let path = dataset["path"].as_str().ok_or_else(|| bad("datasets", "has an entry without a path"))?;
            let mut level = Level {
                folder: beside(&folder.join("x"), path),
                scale: vec![1.0; axes.len()],
                translation: vec![0.0; axes.len()],
            };
            level.transform(&dataset["coordinateTransformations"]);
            level.transform(&scales["coordinateTransformations"]);
            Ok(level)
        };
        let levels = list.iter().map(level).collect::<Result<_, _>>()?;
        Ok(Self { levels, axes, has_metadata: true })
    }

    fn bare(folder: &Path, count: usize) -> Result<Self, Problem> {
        let names = ["t", "c", "z", "y", "x"];
        let names = names.len().checked_sub(count).and_then(|n| names.get(n..));
        let names = names.ok_or_else(|| bad("shape", "has more than five axes"))?;
        let axes = names.iter().map(|n| Axis::of(&Value::from(*n))).collect();
        let level = Level { folder: folder.to_owned(), scale: vec![1.0; count], translation: vec![0.0; count] };
        Ok(Self { levels: vec![level], axes, has_metadata: false })
    }
}

impl Level {
    fn transform(&mut self, list: &Value) {
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().map_or_else(Vec::new, |v| v.iter().filter_map(Value::as_f64).collect())
        };
        for step in list.as_array().into_iter().flatten() {
            let (scale, shift) = (numbers(&step["scale"]), numbers(&step["translation"]));
            if step["type"] == "scale" && scale.len() == self.scale.len() {
                for ((own, shift), factor) in self.scale.iter_mut().zip(&mut self.translation).zip(scale) {
                    *own *= factor;
                    *shift *= factor;
                }
            }
            if step["type"] == "translation" && shift.len() == self.scale.len() {
                self.translation.iter_mut().zip(shift).for_each(|(t, s)| *t += s);
            }
        }
    }
}

impl Axis {
    fn of(value: &Value) -> Self {
        let name = value["name"].as_str().or_else(|| value.as_str()).unwrap_or_default().to_lowercase();
        let space = ["x", "y", "z"].iter().position(|n| *n == name);
        let to_mm = match value["unit"].as_str().unwrap_or("millimeter") {
            "micrometer" => 1e-3,
            "nanometer" => 1e-6,
            "angstrom" => 1e-7,
            "centimeter" => 10.0,
            "meter" => 1e3,
            _ => 1.0,
        };
        let direction = match value["orientation"]["value"].as_str() {
            Some("left-to-right") => Some(DVec3::X),
            Some("right-to-left") => Some(-DVec3::X),
            Some("posterior-to-anterior") => Some(DVec3::Y),
            Some("anterior-to-posterior") => Some(-DVec3::Y),
            Some("inferior-to-superior") => Some(DVec3::Z),
            Some("superior-to-inferior") => Some(-DVec3::Z),
            _ => None,
        };
        Self { space, to_mm, direction }
    }

    /// The direction in which it grows: as told, else as ITK has x, y, z.
    pub fn direction(&self) -> DVec3 {
        let mut unit = DVec3::ZERO;
        unit[self.space.unwrap_or(0)] = 1.0;
        self.direction.unwrap_or(unit * LPS)
    }
}

impl ArrayMeta {
    pub fn read(folder: &Path) -> Result<Self, Problem> {
        if let Some(document) = json(&folder.join(".zarray")) {
            return Self::version_2(folder, &document);
        }
        match json(&folder.join("zarr.json")) {
            Some(document) if document["node_type"] == "array" => Self::version_3(folder, &document),
            _ => {
                let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                Err(Problem::MissingPair(name, "it is no zarr array".into()))
            }
        }
    }

    fn version_2(folder: &Path, document: &Value) -> Result<Self, Problem> {
        let shape = sizes(&document["shape"]).unwrap_or_default();
        let chunk = sizes(&document["chunks"]).unwrap_or_default();
        let dtype = document["dtype"].as_str().unwrap_or_default();
        let separator = document["dimension_separator"].as_str().and_then(|s| s.chars().next()).unwrap_or('.');
        Self {
            folder: folder.to_owned(),
            codecs: Codecs::of_version_2(document, shape.len())?,
            voxel_type: voxel_type(dtype.trim_start_matches(['<', '>', '|', '=']))?,
            fill: document["fill_value"].as_f64().unwrap_or(0.0),
            separator,
            prefix: "",
            is_version_2: true,
            shape,
            chunk,
        }
        .checked()
    }

    fn version_3(folder: &Path, document: &Value) -> Result<Self, Problem> {
        let shape = sizes(&document["shape"]).unwrap_or_default();
        if document["chunk_grid"]["name"] != "regular" {
            return Err(bad("chunk_grid", "is not regular, which is not read"));
        }
        let chunk = sizes(&document["chunk_grid"]["configuration"]["chunk_shape"]).unwrap_or_default();
        let keys = &document["chunk_key_encoding"];
        let is_default = keys["name"].as_str().unwrap_or("default") == "default";
        let separator = keys["configuration"]["separator"].as_str().and_then(|s| s.chars().next());
        Self {
            folder: folder.to_owned(),
            codecs: Codecs::of_version_3(&document["codecs"], shape.len(), 0)?,
            voxel_type: voxel_type(document["data_type"].as_str().unwrap_or_default())?,
            fill: document["fill_value"].as_f64().unwrap_or(0.0),
            separator: separator.unwrap_or(if is_default { '/' } else { '.' }),
            prefix: if is_default { "c" } else { "" },
            is_version_2: false,
            shape,
            chunk,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, Problem> {
        /// Values of a chunk; writers keep them below a hundred million.
        const MOST: usize = 1 << 29;
        let count = |sizes: &[usize]| sizes.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0);
        if self.shape.is_empty() || self.shape.len() > 5 || count(&self.shape).is_none_or(|n| n > 1 << 44) {
            return Err(bad("shape", "is not that of an image of at most five axes"));
        }
        if self.chunk.len() != self.shape.len() || count(&self.chunk).is_none_or(|n| n > MOST) {
            return Err(bad("chunks", "do not fit the shape"));
        }
        Ok(self)
    }

    /// The file of a chunk.
    pub fn chunk_file(&self, at: &[usize]) -> PathBuf {
        let numbers: Vec<String> = at.iter().map(ToString::to_string).collect();
        let separator = if self.separator == '/' { "/" } else { "." };
        let key = numbers.join(separator);
        let key = if self.prefix.is_empty() { key } else { format!("{}{separator}{key}", self.prefix) };
        debug_assert!(self.is_version_2 || !key.is_empty(), "a name for each chunk");
        self.folder.join(key)
    }
}

fn voxel_type(name: &str) -> Result<VoxelType, Problem> {
    Ok(match name {
        "u1" | "uint8" | "b1" | "bool" => VoxelType::U8,
        "i1" | "int8" => VoxelType::I8,
        "u2" | "uint16" => VoxelType::U16,
        "i2" | "int16" => VoxelType::I16,
        "u4" | "uint32" => VoxelType::U32,
        "i4" | "int32" => VoxelType::I32,
        "u8" | "uint64" => VoxelType::U64,
        "i8" | "int64" => VoxelType::I64,
        "f4" | "float32" => VoxelType::F32,
        "f8" | "float64" => VoxelType::F64,
        other => return Err(Problem::DataType(other.chars().take(32).collect())),
    })
}
