use crate::{RenderContext, RenderError};

/// Bytes handed to the driver at once: it copies them, so a whole volume would need its size again.
const CHUNK_BYTES: usize = 32 << 20;

/// A 3D texture filled with `bytes` (x fastest).
pub(crate) fn texture_3d(
    ctx: &RenderContext,
    what: &'static str,
    format: wgpu::TextureFormat,
    dims: [usize; 3],
    bytes: &[u8],
) -> Result<wgpu::Texture, RenderError> {
    let num_bytes = bytes.len() as u64;
    let [width, height, depth_or_array_layers] = dims.map(|d| u32::try_from(d).unwrap_or(u32::MAX));
    ctx.checked(what, num_bytes, || {
        let texture = ctx.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(what),
            size: wgpu::Extent3d { width, height, depth_or_array_layers },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D3,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        write_3d(ctx, &texture, bytes);
        texture
    })
}

/// Fills a whole 3D texture, some slices at a time.
pub(crate) fn write_3d(ctx: &RenderContext, texture: &wgpu::Texture, bytes: &[u8]) {
    let size = texture.size();
    let slice_bytes = (size.width * bytes_per_texel(texture) * size.height) as usize;
    let slices_at_once = slices_at_once(texture);
    for (n, chunk) in bytes.chunks(slices_at_once * slice_bytes).enumerate() {
        write_slices(ctx, texture, n * slices_at_once, chunk);
    }
}

/// How many slices of a texture are best handed over at once.
pub(crate) fn slices_at_once(texture: &wgpu::Texture) -> usize {
    let size = texture.size();
    let slice_bytes = size.width as usize * size.height as usize * bytes_per_texel(texture) as usize;
    (CHUNK_BYTES / slice_bytes.max(1)).max(1)
}

/// Fills slices of a 3D texture from number `first` on.
pub(crate) fn write_slices(ctx: &RenderContext, texture: &wgpu::Texture, first: usize, bytes: &[u8]) {
    let size = texture.size();
    let bytes_per_row = size.width * bytes_per_texel(texture);
    let slice_bytes = (bytes_per_row * size.height) as usize;
    #[expect(clippy::cast_possible_truncation, reason = "slices of one texture")]
    let (z, depth) = (first as u32, (bytes.len() / slice_bytes.max(1)) as u32);
    ctx.queue.write_texture(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x: 0, y: 0, z },
            aspect: wgpu::TextureAspect::All,
        },
        bytes,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(bytes_per_row),
            rows_per_image: Some(size.height),
        },
        wgpu::Extent3d { depth_or_array_layers: depth, ..size },
    );
    // Starts the copy now, so that the staging memory of one chunk is free before the next few.
    ctx.queue.submit([]);
}

fn bytes_per_texel(texture: &wgpu::Texture) -> u32 {
    texture.format().block_copy_size(None).unwrap_or(1)
}

/// An empty 2D texture.
pub(crate) fn texture_2d(
    ctx: &RenderContext,
    what: &'static str,
    format: wgpu::TextureFormat,
    [width, height]: [u32; 2],
    usage: wgpu::TextureUsages,
) -> wgpu::Texture {
    ctx.device.create_texture(&wgpu::TextureDescriptor {
        label: Some(what),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}
