use voco_volume::Geometry;

use super::{PreparedVolume, Reduction, TexelGrid, next_id, prepared, prepared::Coding, texture_3d};
use crate::{RenderContext, RenderError, bricks::Bricks};

/// A volume on the GPU.
#[derive(Debug)]
pub struct VolumeTexture {
    pub(crate) id: u64,
    pub(crate) grid: TexelGrid,
    pub(crate) coding: Coding,
    pub(crate) bricks: Bricks,
    pub(crate) view: wgpu::TextureView,
}

impl VolumeTexture {
    /// Copies a prepared volume to the device; from any thread.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn upload(ctx: &RenderContext, prepared: &PreparedVolume) -> Result<Self, RenderError> {
        let bytes = bytemuck::cast_slice(&prepared.texels);
        let texture = texture_3d(ctx, "the volume", wgpu::TextureFormat::R16Float, prepared.grid.dims, bytes)?;
        Ok(Self {
            id: next_id(),
            grid: prepared.grid,
            coding: prepared.coding,
            bricks: prepared.bricks.clone(),
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
        })
    }

    /// By how much it is shown coarser than it is, if it is.
    pub fn reduction(&self) -> Option<Reduction> {
        prepared::reduction(&self.grid)
    }

    /// Where it lies.
    pub fn geometry(&self) -> &Geometry {
        &self.grid.geometry
    }
}
