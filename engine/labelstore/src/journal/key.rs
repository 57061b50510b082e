use voco_volume::Volume;
use xxhash_rust::xxh3::Xxh3;

/// Names an image by its content, so that no path and no patient's name is needed to find its labels again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageKey(String);

impl ImageKey {
    /// XXH3 (128 bits) of dims, type and voxels. It reads all voxels: some tenths of a second per gigabyte.
    pub fn of(volume: &Volume) -> Self {
        let mut hash = Xxh3::new();
        for n in volume.dims() {
            hash.update(&(n as u64).to_le_bytes());
        }
        hash.update(volume.voxels().voxel_type().name().as_bytes());
        hash.update(volume.voxels().as_bytes());
        Self(format!("{:032x}", hash.digest128()))
    }

    /// The key of a grid without an image.
    pub fn of_dims(dims: [usize; 3]) -> Self {
        let mut hash = Xxh3::new();
        for n in dims {
            hash.update(&(n as u64).to_le_bytes());
        }
        Self(format!("{:032x}", hash.digest128()))
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name for the journal's file.
    pub fn file_name(&self) -> String {
        format!("{}.vocolabels", self.0)
    }
}
