use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use glam::{DMat3, DQuat, DVec3};
use tempfile::NamedTempFile;
use voco_volume::Geometry;

use crate::header::LEN_1;

/// Where the voxels begin: after the header and the word that says that there are no extensions.
const VOXEL_OFFSET: u64 = LEN_1 as u64 + 4;

/// Axes longer than this need NIfTI-2.
const LONGEST_AXIS: usize = i16::MAX as usize;

/// A NIfTI-1 file that is written part by part, in any order, and appears under its name when it is whole.
///
/// Until then it lies beside it under another name; compression comes at the end, in a stream. So memory is needed for the parts only.
#[derive(Debug)]
pub struct PartWriter {
    path: PathBuf,
    file: NamedTempFile,
    dims: [usize; 3],
    num_volumes: usize,
}

/// Why a file could not be written: one sentence that names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {what}")]
pub struct WriteError {
    name: String,
    what: String,
}

/// A type in which voxels are written.
pub trait Stored: Copy {
    /// NIfTI's number for it.
    const DATATYPE: i16;
    /// Bytes of one.
    const BYTES: usize;
    /// Appends its bytes, little-endian.
    fn put(self, out: &mut Vec<u8>);
}

macro_rules! stored {
    ($($ty:ty = $datatype:literal),*) => {$(
        impl Stored for $ty {
            const DATATYPE: i16 = $datatype;
            const BYTES: usize = size_of::<$ty>();
            fn put(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
    )*};
}

stored!(u8 = 2, f32 = 16, u16 = 512);

impl PartWriter {
    /// Begins a `.nii` or `.nii.gz` of `num_volumes` volumes of voxels of type `T`, all 0.
    ///
    /// # Errors
    /// A name with another ending, axes of more than 32767 voxels, or a folder that cannot be written to.
    pub fn create<T: Stored>(path: &Path, geometry: &Geometry, num_volumes: usize) -> Result<Self, WriteError> {
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().to_lowercase());
        if ![".nii", ".nii.gz"].iter().any(|end| name.ends_with(end)) {
            return Err(WriteError::new(path, "label maps are written as .nii or .nii.gz; choose a name that ends so"));
        }
        let dims = geometry.dims();
        if dims.iter().chain([&num_volumes]).any(|&n| n > LONGEST_AXIS) {
            return Err(WriteError::new(
                path,
                "an axis has more than 32767 voxels, more than NIfTI-1 can hold; crop it",
            ));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let begin = || -> std::io::Result<NamedTempFile> {
            let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
            file.write_all(&header::<T>(geometry, num_volumes))?;
            file.as_file().set_len(VOXEL_OFFSET + (geometry.num_voxels() * num_volumes * T::BYTES) as u64)?;
            Ok(file)
        };
        let file = begin().map_err(WriteError::io(path))?;
        Ok(Self { path: path.to_owned(), file, dims, num_volumes })
    }

    /// Writes neighbours along i from `start` on.
    ///
    /// # Errors
    /// If the disk refuses them.
    ///
    /// # Panics
    /// If they do not lie in the volume.
    pub fn write<T: Stored>(&mut self, volume: usize, start: [usize; 3], values: &[T]) -> Result<(), WriteError> {
        let [nx, ny, nz] = self.dims;
        assert!(
            volume < self.num_volumes && start[0] + values.len() <= nx && start[1] < ny && start[2] < nz,
            "the run lies in the volume"
        );
        let index = start[0] + nx * (start[1] + ny * (start[2] + nz * volume));
        self.write_at(index, values)
    }

    /// Writes one whole volume, i fastest.
    ///
    /// # Errors
    /// If the disk refuses it.
    ///
    /// # Panics
    /// If there are not as many values as voxels.
    pub fn write_volume<T: Stored>(&mut self, volume: usize, values: &[T]) -> Result<(), WriteError> {
        let count: usize = self.dims.iter().product();
        assert!(volume < self.num_volumes && values.len() == count, "one value for each voxel");
        self.write_at(count * volume, values)
    }

    /// Compresses it if its name says so, flushes it, and gives it its name; a file of that name is replaced.
    ///
    /// # Errors
    /// If the disk refuses it.
    pub fn finish(self) -> Result<(), WriteError> {
        let Self { path, mut file, .. } = self;
        let is_gzip = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let end = || -> std::io::Result<()> {
            if is_gzip {
                let packed = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
                file.as_file_mut().seek(SeekFrom::Start(0))?;
                // Label maps shrink to a hundredth at any level.
                let mut encoder = GzEncoder::new(packed, Compression::fast());
                std::io::copy(&mut BufReader::with_capacity(1 << 20, file.as_file()), &mut encoder)?;
                file = encoder.finish()?;
            }
            file.as_file().sync_all()?;
            readable_by_all(file.as_file())?;
            file.persist(&path)?;
            sync_folder(folder)
        };
        end().map_err(WriteError::io(&path))
    }

    fn write_at<T: Stored>(&mut self, index: usize, values: &[T]) -> Result<(), WriteError> {
        let mut write = || -> std::io::Result<()> {
            let file = self.file.as_file_mut();
            file.seek(SeekFrom::Start(VOXEL_OFFSET + (index * T::BYTES) as u64))?;
            let mut bytes = Vec::new();
            for part in values.chunks(1 << 20) {
                bytes.clear();
                for value in part {
                    value.put(&mut bytes);
                }
                file.write_all(&bytes)?;
            }
            Ok(())
        };
        write().map_err(WriteError::io(&self.path))
    }
}

impl WriteError {
    fn new(path: &Path, what: impl Into<String>) -> Self {
        let name = path.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy().into_owned());
        Self { name, what: what.into() }
    }

    fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        // The kind only: some errors carry the whole path.
        |e| {
            Self::new(
                path,
                format!("the file cannot be written ({}); free disk space or choose another folder", e.kind()),
            )
        }
    }
}

/// Temporary files are private; a result is as readable as any other file that a user makes.
fn readable_by_all(file: &File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _: &File = file;
    Ok(())
}

/// Makes a rename last through a power cut. Windows has no such call and needs none.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Offsets and types are those of the standard's nifti1.h.
fn header<T: Stored>(geometry: &Geometry, num_volumes: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; VOXEL_OFFSET as usize];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    let dims = geometry.dims();
    put(0, &(LEN_1 as i32).to_le_bytes());
    let axes = if num_volumes > 1 { 4 } else { 3 };
    let dim = [axes, dims[0], dims[1], dims[2], num_volumes, 1, 1, 1];
    for (n, &length) in dim.iter().enumerate() {
        put(40 + 2 * n, &(length as i16).to_le_bytes());
    }
    put(70, &T::DATATYPE.to_le_bytes());
    put(72, &(8 * T::BYTES as i16).to_le_bytes());
    let affine = geometry.world_from_voxel();
    let rotation = rotation(geometry);
    let handedness = if geometry.directions().determinant() < 0.0 { -1.0 } else { 1.0 };
    let spacing = geometry.spacing_mm();
    let pixdim = [handedness, spacing.x, spacing.y, spacing.z, 1.0, 1.0, 1.0, 1.0];
    for (n, &step) in pixdim.iter().enumerate() {
        put(76 + 4 * n, &(step as f32).to_le_bytes());
    }
    put(108, &(VOXEL_OFFSET as f32).to_le_bytes());
    put(112, &1.0_f32.to_le_bytes());
    // Millimetres and seconds.
    put(123, &[2 | 8]);
    let codes: [i16; 2] = [i16::from(rotation.is_some()), 1];
    put(252, &codes[0].to_le_bytes());
    put(254, &codes[1].to_le_bytes());
    let quaternion = rotation.unwrap_or_default();
    let origin = affine.translation;
    for (n, value) in [quaternion.x, quaternion.y, quaternion.z, origin.x, origin.y, origin.z].into_iter().enumerate() {
        put(256 + 4 * n, &(value as f32).to_le_bytes());
    }
    let rows = geometry.affine_rows();
    for (n, value) in rows[..3].iter().flatten().enumerate() {
        put(280 + 4 * n, &(*value as f32).to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes
}

/// The directions as a quaternion with w ≥ 0, after a flip of the third axis for left-handed grids; `None` for sheared ones.
fn rotation(geometry: &Geometry) -> Option<DQuat> {
    let m = geometry.directions();
    let skew = [m.x_axis.dot(m.y_axis), m.x_axis.dot(m.z_axis), m.y_axis.dot(m.z_axis)];
    if skew.iter().any(|dot| dot.abs() > 1e-5) {
        return None;
    }
    let third: DVec3 = if m.determinant() < 0.0 { -m.z_axis } else { m.z_axis };
    let quaternion = DQuat::from_mat3(&DMat3::from_cols(m.x_axis, m.y_axis, third)).normalize();
    Some(if quaternion.w < 0.0 { -quaternion } else { quaternion })
}

#[cfg(test)]
mod tests {

    use glam::DAffine3;
    use voco_volume::{Volume, Voxels};

    use super::*;
    use crate::{Control, open, read_components};

    fn geometry(matrix: DMat3) -> Geometry {
        Geometry::new([4, 3, 2], DAffine3::from_mat3_translation(matrix, DVec3::new(-9.5, 3.0, 77.25))).expect("a grid")
    }

    #[test]
    fn what_is_written_in_parts_is_read_back_on_the_same_grid() {
        let folder = tempfile::tempdir().expect("a folder");
        let turned = DMat3::from_quat(DQuat::from_rotation_z(0.3)) * DMat3::from_diagonal(DVec3::new(1.0, 1.5, 3.0));
        let left_handed = turned * DMat3::from_diagonal(DVec3::new(1.0, -1.0, 1.0));
        let sheared = turned * DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.2, 0.0, 1.0));
        for (n, matrix) in [turned, left_handed, sheared].into_iter().enumerate() {
            let geometry = geometry(matrix);
            for ending in ["nii", "nii.gz"] {
                let path = folder.path().join(format!("{n}.{ending}"));
                let mut writer = PartWriter::create::<u16>(&path, &geometry, 1).expect("begun");
                writer.write(0, [2, 2, 1], &[300_u16, 301]).expect("written");
                writer.write(0, [0, 0, 0], &[1_u16, 2, 3, 4]).expect("written");
                assert!(!path.exists(), "not before it is whole");
                writer.finish().expect("finished");
                let volume: Volume = open(&path, Control::NONE).expect("readable").volume;
                assert!(volume.geometry().is_same_grid(&geometry, 1e-4), "{n}: {:?}", volume.geometry());
                let mut expected = vec![0_u16; 24];
                expected[..4].copy_from_slice(&[1, 2, 3, 4]);
                expected[22..].copy_from_slice(&[300, 301]);
                let Voxels::U16(values) = volume.voxels() else { panic!("{:?}", volume.voxels().voxel_type()) };
                assert_eq!(**values, *expected, "{n}.{ending}");
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 6, "nothing else is left");
    }

    #[test]
    fn several_volumes_of_floats() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.nii.gz");
        let mut writer = PartWriter::create::<f32>(&path, &geometry(DMat3::IDENTITY), 2).expect("begun");
        writer.write_volume(1, &[0.25_f32; 24]).expect("written");
        writer.finish().expect("finished");
        let mut sums = Vec::new();
        read_components(&path, Control::NONE, &mut |opened| {
            assert_eq!(opened.num_components, 2);
            sums.push(opened.volume.to_f32().iter().sum::<f32>());
            true
        })
        .expect("readable");
        assert_eq!(sums, [0.0, 6.0]);
    }

    #[test]
    fn what_cannot_be_written_gets_one_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let wide = Geometry::new([40_000, 1, 1], DAffine3::IDENTITY).expect("a grid");
        for (path, geometry) in [
            (folder.path().join("a.nrrd"), geometry(DMat3::IDENTITY)),
            (folder.path().join("a.nii"), wide),
            (folder.path().join("absent/a.nii"), geometry(DMat3::IDENTITY)),
        ] {
            let text = PartWriter::create::<u8>(&path, &geometry, 1).expect_err("refused").to_string();
            assert!(text.starts_with("a.n") && !text.contains("absent") && text.lines().count() == 1, "{text}");
        }
    }
}
