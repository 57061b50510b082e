use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use glam::{DMat3, DQuat, DVec3};
use tempfile::NamedTempFile;
use voco_volume::{Geometry, Grid, Rescale, Volume, VoxelType};

use crate::header::{LEN_1, LEN_2};
use crate::{Control, Segment, write_nrrd};

/// As fast as a disk; higher levels take several times longer for a few per cent.
const LEVEL: Compression = Compression::new(3);

/// Why a file could not be written: one sentence that names the file, not its folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// Not a name that tells the format.
    #[error("{0}: the name does not say which format; end it in .nii, .nii.gz or .nrrd")]
    Name(String),
    /// The operating system's word.
    #[error("{name}: the file cannot be written ({error}); check that the folder exists, may be written and has space")]
    Io {
        /// File name.
        name: String,
        /// The system's error.
        error: std::io::Error,
    },
    /// Not one label for each voxel.
    #[error("{name}: {given} labels were given where the grid has {needed} voxels")]
    Count {
        /// File name.
        name: String,
        /// Voxels of the grid.
        needed: usize,
        /// Labels given.
        given: usize,
    },
    /// Nothing to write, or what does not go into one file.
    #[error("{0}: the volumes differ in grid or type and cannot be written into one file; write them one by one")]
    Mixed(String),
    /// DICOM has no place for such a grid.
    #[error(
        "{0}: the rows and columns of this grid are not at right angles, which DICOM cannot express; resample the labels first"
    )]
    Grid(String),
    /// No label to write.
    #[error("{0}: there is no label to write; name at least one that occurs")]
    Empty(String),
    /// No measurement to write.
    #[error("{0}: there is no measurement to write; measure something first")]
    NoMeasurement(String),
    /// Stopped by the user; the file is as it was before.
    #[error("saving was cancelled")]
    Cancelled,
}

/// Writes a volume as NIfTI (`.nii`, `.nii.gz`) or NRRD (`.nrrd`) in its own voxel type.
///
/// The file is there whole or not at all: it is written beside its place and renamed. In NIfTI, slope and intercept are kept, and
/// sform and qform both hold the affine (the qform only if the grid is free of shear, which it cannot express); NIfTI-2 is used where
/// NIfTI-1 has too few digits. NRRD has no slope: real values are written, in whole numbers where they are.
///
/// # Errors
/// One sentence about the file.
pub fn save_volume(path: &Path, volume: &Volume, control: Control<'_>) -> Result<(), SaveError> {
    save_volumes(path, std::slice::from_ref(volume), control)
}

/// Writes volumes on one grid (a time series) into one file, otherwise as [`save_volume`].
///
/// # Errors
/// One sentence about the file, also if grids or types differ.
pub fn save_volumes(path: &Path, volumes: &[Volume], control: Control<'_>) -> Result<(), SaveError> {
    let Some(first) = volumes.first() else { return Err(SaveError::Mixed(name_of(path))) };
    let is_nrrd = write_nrrd::is_nrrd(path);
    let plain: Vec<Volume>;
    let volumes = if is_nrrd && first.rescale() != Rescale::IDENTITY {
        plain = volumes.iter().map(write_nrrd::with_real_values).collect();
        &plain
    } else {
        volumes
    };
    let first = &volumes[0];
    let voxel_type = first.voxels().voxel_type();
    let is_alike = |v: &Volume| {
        v.geometry() == first.geometry() && v.voxels().voxel_type() == voxel_type && v.rescale() == first.rescale()
    };
    if !volumes.iter().all(is_alike) {
        return Err(SaveError::Mixed(name_of(path)));
    }
    let parts: Vec<&[u8]> = volumes.iter().map(|v| v.voxels().as_bytes()).collect();
    let (geometry, rescale) = (first.geometry(), first.rescale());
    Image { geometry, voxel_type, parts, rescale, is_label_map: false, segments: &[] }.save(path, control)
}

/// Writes a grid as 32-bit floats, otherwise as [`save_volume`].
///
/// # Errors
/// One sentence about the file.
pub fn save_grid(path: &Path, grid: &Grid, control: Control<'_>) -> Result<(), SaveError> {
    let image = Image {
        geometry: grid.geometry(),
        voxel_type: VoxelType::F32,
        parts: vec![bytemuck::cast_slice(grid.data())],
        rescale: Rescale::IDENTITY,
        is_label_map: false,
        segments: &[],
    };
    image.save(path, control)
}

/// Writes label ids (i fastest), in 8 bits if they fit, else in 16, marked as a label map; otherwise as [`save_volume`].
///
/// # Errors
/// One sentence about the file.
pub fn save_labels(path: &Path, geometry: &Geometry, labels: &[u16], control: Control<'_>) -> Result<(), SaveError> {
    save_segmentation(path, geometry, &[labels], &[], control)
}

/// Writes layers of label ids with the names and colours of the labels. As `.seg.nrrd` all of it is in the file, in the form of 3D
/// Slicer; NIfTI takes several layers as volumes and has no place for names. Otherwise as [`save_labels`].
///
/// # Errors
/// One sentence about the file.
pub fn save_segmentation(
    path: &Path,
    geometry: &Geometry,
    layers: &[&[u16]],
    segments: &[Segment],
    control: Control<'_>,
) -> Result<(), SaveError> {
    let needed = geometry.num_voxels();
    if let Some(given) = layers.iter().map(|l| l.len()).find(|&n| n != needed) {
        return Err(SaveError::Count { name: name_of(path), needed, given });
    }
    if layers.is_empty() {
        return Err(SaveError::Mixed(name_of(path)));
    }
    let bytes_of = |labels: &&[u16]| labels.iter().map(|&id| u8::try_from(id).ok()).collect::<Option<Vec<u8>>>();
    let small: Option<Vec<Vec<u8>>> = layers.iter().map(bytes_of).collect();
    let (voxel_type, parts) = match &small {
        Some(small) => (VoxelType::U8, small.iter().map(Vec::as_slice).collect()),
        None => (VoxelType::U16, layers.iter().map(|l| bytemuck::cast_slice(l)).collect()),
    };
    Image { geometry, voxel_type, parts, rescale: Rescale::IDENTITY, is_label_map: true, segments }.save(path, control)
}

pub(crate) struct Image<'a> {
    pub geometry: &'a Geometry,
    pub voxel_type: VoxelType,
    /// Each volume in this machine's order, which the header's order then tells.
    pub parts: Vec<&'a [u8]>,
    rescale: Rescale,
    is_label_map: bool,
    pub segments: &'a [Segment],
}

impl Image<'_> {
    fn save(&self, path: &Path, control: Control<'_>) -> Result<(), SaveError> {
        if write_nrrd::is_nrrd(path) {
            // The header is text; only the voxels are packed.
            return save_whole(path, |file| {
                file.write_all(write_nrrd::header(self).as_bytes())?;
                let mut encoder = GzEncoder::new(file, LEVEL);
                let done = self.write_voxels(&mut encoder, control)?;
                encoder.finish()?.flush()?;
                Ok(done)
            });
        }
        let lower = name_of(path).to_lowercase();
        let unpacked = lower.strip_suffix(".gz");
        if unpacked.unwrap_or(&lower).strip_suffix(".nii").is_none() {
            return Err(SaveError::Name(name_of(path)));
        }
        save_whole(path, |file| {
            if unpacked.is_none() {
                file.write_all(&self.header())?;
                return self.write_voxels(file, control);
            }
            let mut encoder = GzEncoder::new(file, LEVEL);
            encoder.write_all(&self.header())?;
            let done = self.write_voxels(&mut encoder, control)?;
            encoder.finish()?.flush()?;
            Ok(done)
        })
    }

    /// False if it was cancelled.
    fn write_voxels(&self, out: &mut dyn Write, control: Control<'_>) -> std::io::Result<bool> {
        const PIECE: usize = 1 << 20;
        let total: usize = self.parts.iter().map(|p| p.len()).sum();
        let mut done = 0;
        for piece in self.parts.iter().flat_map(|part| part.chunks(PIECE)) {
            if (control.is_cancelled)() {
                return Ok(false);
            }
            out.write_all(piece)?;
            done += piece.len();
            (control.progress)(done as f32 / total as f32);
        }
        Ok(true)
    }

    fn header(&self) -> Vec<u8> {
        let fits_f32 = |v: f64| f64::from(v as f32) == v;
        let is_small = self.geometry.dims().iter().chain([&self.parts.len()]).all(|&d| i16::try_from(d).is_ok());
        if is_small && fits_f32(self.rescale.slope) && fits_f32(self.rescale.inter) {
            self.header_1()
        } else {
            self.header_2()
        }
    }

    /// Axes, and volumes along the fourth.
    fn volumes(&self) -> (i16, usize) {
        (if self.parts.len() > 1 { 4 } else { 3 }, self.parts.len())
    }

    fn header_1(&self) -> Vec<u8> {
        let pose = Pose::of(self.geometry);
        let mut out = Fields(vec![0; LEN_1 + 4]);
        out.put(0, &(LEN_1 as i32).to_ne_bytes());
        let dims = self.geometry.dims().map(|d| d as i16);
        let (axes, count) = self.volumes();
        out.puts(40, [axes, dims[0], dims[1], dims[2], count as i16, 1, 1, 1].map(i16::to_ne_bytes));
        out.put(68, &(if self.is_label_map { INTENT_LABEL } else { 0 }).to_ne_bytes());
        out.puts(70, [datatype(self.voxel_type), 8 * self.voxel_type.num_bytes() as i16].map(i16::to_ne_bytes));
        out.puts(76, pose.pixdim.map(|v| (v as f32).to_ne_bytes()));
        let values = [(LEN_1 + 4) as f64, self.rescale.slope, self.rescale.inter];
        out.puts(108, values.map(|v| (v as f32).to_ne_bytes()));
        out.put(123, &[UNIT_MM]);
        out.put(148, DESCRIPTION);
        out.puts(252, [pose.qform_code as i16, SFORM_CODE as i16].map(i16::to_ne_bytes));
        out.puts(256, pose.quatern_and_offset.map(|v| (v as f32).to_ne_bytes()));
        out.puts(280, pose.srows.map(|v| (v as f32).to_ne_bytes()));
        out.put(344, b"n+1\0");
        out.0
    }

    fn header_2(&self) -> Vec<u8> {
        let pose = Pose::of(self.geometry);
        let mut out = Fields(vec![0; LEN_2 + 4]);
        out.put(0, &(LEN_2 as i32).to_ne_bytes());
        out.put(4, b"n+2\0\r\n\x1a\n");
        out.puts(12, [datatype(self.voxel_type), 8 * self.voxel_type.num_bytes() as i16].map(i16::to_ne_bytes));
        let dims = self.geometry.dims().map(|d| d as i64);
        let (axes, count) = self.volumes();
        out.puts(16, [axes.into(), dims[0], dims[1], dims[2], count as i64, 1, 1, 1].map(i64::to_ne_bytes));
        out.puts(104, pose.pixdim.map(f64::to_ne_bytes));
        out.put(168, &((LEN_2 + 4) as i64).to_ne_bytes());
        out.puts(176, [self.rescale.slope, self.rescale.inter].map(f64::to_ne_bytes));
        out.put(240, DESCRIPTION);
        out.puts(344, [pose.qform_code, SFORM_CODE].map(i32::to_ne_bytes));
        out.puts(352, pose.quatern_and_offset.map(f64::to_ne_bytes));
        out.puts(400, pose.srows.map(f64::to_ne_bytes));
        out.put(500, &i32::from(UNIT_MM).to_ne_bytes());
        out.put(504, &(if self.is_label_map { i32::from(INTENT_LABEL) } else { 0 }).to_ne_bytes());
        out.0
    }
}

/// `NIFTI_INTENT_LABEL`: the voxels are indices into a list of names.
const INTENT_LABEL: i16 = 1002;
/// `NIFTI_UNITS_MM`.
const UNIT_MM: u8 = 2;
/// `NIFTI_XFORM_SCANNER_ANAT`.
const SFORM_CODE: i32 = 1;
const DESCRIPTION: &[u8] = b"VoCo Workbench";

/// Fields of a header at their places.
struct Fields(Vec<u8>);

impl Fields {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn puts<const N: usize, const M: usize>(&mut self, at: usize, values: [[u8; M]; N]) {
        self.put(at, values.as_flattened());
    }
}

/// An affine in both of the forms that a header has.
struct Pose {
    pixdim: [f64; 8],
    /// 0: the qform cannot hold this affine.
    qform_code: i32,
    quatern_and_offset: [f64; 6],
    srows: [f64; 12],
}

impl Pose {
    fn of(geometry: &Geometry) -> Self {
        let affine = geometry.world_from_voxel();
        let spacing = geometry.spacing_mm();
        let mut axes = geometry.directions();
        let is_mirrored = axes.determinant() < 0.0;
        if is_mirrored {
            axes.z_axis = -axes.z_axis;
        }
        let shear = (axes.transpose() * axes - DMat3::IDENTITY)
            .to_cols_array()
            .into_iter()
            .fold(0.0, |m: f64, v| m.max(v.abs()));
        // What 32-bit headers round off is no shear.
        let is_rigid = shear < 1e-5;
        let q = DQuat::from_mat3(&axes).normalize();
        // The header leaves out w and readers take it to be at least 0.
        let q = if q.w < 0.0 { -q } else { q };
        let qfac = if is_mirrored { -1.0 } else { 1.0 };
        let t = affine.translation;
        let rows = affine.matrix3.transpose();
        let row = |v: DVec3, t: f64| [v.x, v.y, v.z, t];
        let srows = [row(rows.x_axis, t.x), row(rows.y_axis, t.y), row(rows.z_axis, t.z)];
        Self {
            pixdim: [qfac, spacing.x, spacing.y, spacing.z, 1.0, 1.0, 1.0, 1.0],
            qform_code: if is_rigid { SFORM_CODE } else { 0 },
            quatern_and_offset: [q.x, q.y, q.z, t.x, t.y, t.z],
            srows: std::array::from_fn(|n| srows[n / 4][n % 4]),
        }
    }
}

fn datatype(voxel_type: VoxelType) -> i16 {
    match voxel_type {
        VoxelType::U8 => 2,
        VoxelType::I16 => 4,
        VoxelType::I32 => 8,
        VoxelType::F32 => 16,
        VoxelType::F64 => 64,
        VoxelType::I8 => 256,
        VoxelType::U16 => 512,
        VoxelType::U32 => 768,
        VoxelType::I64 => 1024,
        VoxelType::U64 => 1280,
    }
}

/// Has `body` write a file beside its place, flushes it, and gives it its name; not if `body` says that it was cancelled (false).
pub(crate) fn save_whole(
    path: &Path,
    body: impl FnOnce(&mut BufWriter<&mut File>) -> std::io::Result<bool>,
) -> Result<(), SaveError> {
    let io = |error| SaveError::Io { name: name_of(path), error };
    // A link stays one: its target is what is replaced.
    let target = if path.is_symlink() { path.canonicalize().map_err(io)? } else { path.to_owned() };
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = beside(folder).map_err(io)?;
    let mut writer = BufWriter::with_capacity(1 << 18, temporary.as_file_mut());
    let is_done = body(&mut writer).and_then(|done| writer.flush().map(|()| done)).map_err(io)?;
    drop(writer);
    if !is_done {
        return Err(SaveError::Cancelled);
    }
    temporary.as_file().sync_all().map_err(io)?;
    temporary.persist(&target).map_err(|e| io(e.error))?;
    sync_folder(folder);
    Ok(())
}

/// A new file in `folder` that everybody may read whom the user's umask lets, and that goes away unless it is renamed.
fn beside(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".voco-").suffix(".part");
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    // Its own error names the folder, which a message must not.
    builder.tempfile_in(folder).map_err(|e| e.kind().into())
}

/// Makes the new name last through a power failure, where folders can be synced.
fn sync_folder(folder: &Path) {
    if cfg!(unix)
        && let Ok(folder) = File::open(folder)
    {
        folder.sync_all().ok();
    }
}

pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "the file".into(), |n| n.to_string_lossy().into_owned())
}
