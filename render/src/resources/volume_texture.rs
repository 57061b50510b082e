use voco_volume::Geometry;

use super::{PreparedVolume, Reduction, TexelGrid, next_id, prepared, prepared::Coding, texture_3d};
use crate::{RenderContext, RenderError, TransferFunction, bricks::Bricks, occlusion::Coarse};

/// A volume on the GPU.
#[derive(Debug)]
pub struct VolumeTexture {
    pub(crate) id: u64,
    pub(crate) grid: TexelGrid,
    pub(crate) coding: Coding,
    pub(crate) bricks: Bricks,
    pub(crate) coarse: Coarse,
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
            coarse: prepared.coarse.clone(),
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
        })
    }

    /// By how much it is shown coarser than it is, if it is.
    pub fn reduction(&self) -> Option<Reduction> {
        prepared::reduction(&self.grid)
    }

    /// `texel · gain + bias` = place in a transfer function's table, 0…1.
    pub(crate) fn value_map(&self, transfer: &TransferFunction) -> (f32, f32) {
        let (lo, hi) = transfer.range();
        let coding = self.coding;
        #[expect(clippy::cast_possible_truncation, reason = "the shader counts in f32")]
        let map = ((coding.scale / (hi - lo)) as f32, ((coding.offset - lo) / (hi - lo)) as f32);
        map
    }

    /// Where it lies.
    pub fn geometry(&self) -> &Geometry {
        &self.grid.geometry
    }
}
