use glam::DAffine3;

use super::LabelTexture;
use crate::{RenderContext, RenderError, readback::wait_for};

/// Bytes read back at once.
const CHUNK_BYTES: u64 = 64 << 20;

impl LabelTexture {
    /// A number that no other texture of this program has.
    pub fn number(&self) -> u64 {
        self.id
    }

    /// Sides of the grid that is held on the device.
    pub fn dims(&self) -> [usize; 3] {
        self.grid.dims
    }

    /// From that grid to the patient.
    pub fn world_from_texel(&self) -> DAffine3 {
        self.grid.texel_from_world().inverse()
    }

    /// The ids as they are on the device now, i fastest. Waits for the device: not for the window's thread.
    ///
    /// # Errors
    /// If the device fails or has no memory to copy into.
    pub fn read(&self, ctx: &RenderContext) -> Result<Vec<u16>, RenderError> {
        let texture = self.texture();
        let size = texture.size();
        let bytes_per_id = texture.format().block_copy_size(None).unwrap_or(1);
        let row = (size.width * bytes_per_id).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let slice = u64::from(row) * u64::from(size.height);
        let slices_at_once = u32::try_from((CHUNK_BYTES / slice.max(1)).max(1)).unwrap_or(u32::MAX);
        let num_ids = self.grid.dims.iter().product();
        let mut ids = Vec::with_capacity(num_ids);
        let mut first = 0;
        while first < size.depth_or_array_layers {
            let depth = slices_at_once.min(size.depth_or_array_layers - first);
            let num_bytes = slice * u64::from(depth);
            let buffer = ctx.checked("the labels", num_bytes, || {
                let buffer = ctx.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("labels read back"),
                    size: num_bytes,
                    usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                    mapped_at_creation: false,
                });
                let mut encoder = ctx.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                let origin = wgpu::Origin3d { x: 0, y: 0, z: first };
                let from = wgpu::TexelCopyTextureInfo { origin, ..texture.as_image_copy() };
                let layout = wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(row),
                    rows_per_image: Some(size.height),
                };
                let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
                encoder.copy_texture_to_buffer(from, to, wgpu::Extent3d { depth_or_array_layers: depth, ..size });
                ctx.queue.submit([encoder.finish()]);
                buffer
            })?;
            wait_for(ctx, &buffer)?;
            let mapped = buffer.get_mapped_range(..).map_err(|e| RenderError::Lost(e.to_string()))?;
            let used = (size.width * bytes_per_id) as usize;
            for line in mapped.chunks_exact(row as usize) {
                if bytes_per_id == 1 {
                    ids.extend(line[..used].iter().map(|&id| u16::from(id)));
                } else {
                    ids.extend(line[..used].chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])));
                }
            }
            first += depth;
        }
        Ok(ids)
    }
}
