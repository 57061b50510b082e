mod label_readback;
mod label_texture;
mod prepared;
mod texels;
mod upload;
mod volume_texture;

pub use label_texture::LabelTexture;
pub use prepared::{PreparedVolume, Reduction, UploadLimits};
pub(crate) use texels::TexelGrid;
pub(crate) use upload::{slices_at_once, texture_2d, texture_3d, write_3d, write_slices};
pub use volume_texture::VolumeTexture;

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no other resource of this program has: tells cheaply whether something was exchanged.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
