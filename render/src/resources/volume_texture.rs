use half::f16;
use voco_volume::{Geometry, Stats, Volume};

use super::{
    PreparedVolume, Reduction, TexelGrid, UploadLimits, next_id, prepared, prepared::Coding, slices_at_once,
    texture_3d, write_slices,
};
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

    /// Converts a volume and copies it to the device, some slices at a time, so that no second copy of all of it lies in memory.
    /// `stats` are the volume's; from any thread.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn of(ctx: &RenderContext, volume: &Volume, stats: &Stats) -> Result<Self, RenderError> {
        let limits = UploadLimits::of(ctx);
        let max_side = usize::try_from(limits.max_side).unwrap_or(usize::MAX);
        let grid = TexelGrid::within(volume.geometry(), max_side, limits.max_bytes, 2);
        let coding = Coding::of(volume, stats);
        let texture = texture_3d(ctx, "the volume", wgpu::TextureFormat::R16Float, grid.dims, &[])?;
        let (mut bricks, mut coarse) = (Bricks::empty(grid.dims), Coarse::empty(&grid));
        let at_once = slices_at_once(&texture).min(grid.dims[2]);
        let layer_len = grid.dims[0] * grid.dims[1];
        let [mut ready, mut next] = [(); 2].map(|()| vec![f16::ZERO; at_once * layer_len]);
        let range = |first: usize| first..(first + at_once).min(grid.dims[2]);
        let convert = |first: usize, texels: &mut Vec<f16>| {
            texels.truncate(range(first).len() * layer_len);
            prepared::layers(volume, &grid, coding, stats.min, range(first), texels);
        };
        convert(0, &mut ready);
        for first in (0..grid.dims[2]).step_by(at_once) {
            // The driver copies on this thread what the others have converted.
            let after = first + at_once;
            rayon::join(
                || {
                    write_slices(ctx, &texture, first, bytemuck::cast_slice(&ready));
                    // What the driver has taken over is freed here rather than at the end.
                    ctx.device.poll(wgpu::PollType::Poll).ok();
                },
                || {
                    if after < grid.dims[2] {
                        convert(after, &mut next);
                    }
                    bricks.add(&ready, grid.dims, first);
                    coarse.add(&ready, &grid, first);
                },
            );
            std::mem::swap(&mut ready, &mut next);
        }
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Ok(Self { id: next_id(), grid, coding, bricks, coarse, view })
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
