use std::sync::{Arc, OnceLock};

use crate::{
    Line, Overlay, RenderContext, RenderError, Renderer, SliceLabels, SliceLook, SliceView, ViewState, VolumeTexture,
    VolumeView, resources::texture_2d,
};

impl Renderer {
    /// A slice as RGBA bytes, row by row from the top. The renderer must be one for
    /// [`RenderContext::OFFSCREEN_FORMAT`] or another 8-bit RGBA or BGRA target.
    ///
    /// # Errors
    /// If the picture's size or the renderer's target does not do, or the device fails.
    #[expect(clippy::too_many_arguments, reason = "those of prepare_slice")]
    pub fn render_slice_to_rgba(
        &self,
        ctx: &RenderContext,
        state: &mut ViewState,
        volume: Option<&VolumeTexture>,
        labels: SliceLabels<'_>,
        view: &SliceView,
        look: &SliceLook,
        lines: &[Line],
    ) -> Result<Vec<u8>, RenderError> {
        self.to_rgba(ctx, state, view.size_px, |encoder, state| {
            self.prepare_slice(ctx, encoder, state, volume, labels, view, look, lines);
        })
    }

    /// A slice under other volumes as RGBA bytes; see [`Self::render_slice_to_rgba`].
    ///
    /// # Errors
    /// If the picture's size or the renderer's target does not do, or the device fails.
    #[expect(clippy::too_many_arguments, reason = "those of prepare_overlays")]
    pub fn render_overlays_to_rgba(
        &self,
        ctx: &RenderContext,
        state: &mut ViewState,
        volume: Option<&VolumeTexture>,
        labels: SliceLabels<'_>,
        view: &SliceView,
        look: &SliceLook,
        overlays: &[Overlay<'_>],
    ) -> Result<Vec<u8>, RenderError> {
        self.to_rgba(ctx, state, view.size_px, |encoder, state| {
            self.prepare_slice(ctx, encoder, state, volume, labels, view, look, &[]);
            self.prepare_overlays(ctx, state, volume, labels, view, look, overlays);
        })
    }

    /// A 3D view on black as RGBA bytes; see [`Self::render_slice_to_rgba`].
    ///
    /// # Errors
    /// If the picture's size or the renderer's target does not do, or the device fails.
    pub fn render_volume_to_rgba(
        &self,
        ctx: &RenderContext,
        state: &mut ViewState,
        volume: &VolumeTexture,
        view: &VolumeView<'_>,
    ) -> Result<Vec<u8>, RenderError> {
        self.to_rgba(ctx, state, view.size_px, |encoder, state| {
            self.prepare_volume(ctx, encoder, state, volume, view);
        })
    }

    fn to_rgba(
        &self,
        ctx: &RenderContext,
        state: &mut ViewState,
        size_px: [u32; 2],
        prepare: impl FnOnce(&mut wgpu::CommandEncoder, &mut ViewState),
    ) -> Result<Vec<u8>, RenderError> {
        let [width, height] = size_px;
        let greatest = ctx.device.limits().max_texture_dimension_2d;
        if size_px.iter().any(|side| !(1..=greatest).contains(side)) {
            return Err(RenderError::PictureSize { width, height, greatest });
        }
        let swaps_red_and_blue = match self.target_format.remove_srgb_suffix() {
            wgpu::TextureFormat::Rgba8Unorm => false,
            wgpu::TextureFormat::Bgra8Unorm => true,
            other => return Err(RenderError::UnreadableTarget(format!("{other:?}"))),
        };
        let bytes_per_row = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let num_bytes = u64::from(bytes_per_row) * u64::from(height);
        let usage = wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC;
        let buffer = ctx.checked("the picture", num_bytes, || {
            let target = texture_2d(ctx, "picture", self.target_format, size_px, usage);
            let buffer = ctx.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("picture"),
                size: num_bytes,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            });
            let mut encoder = ctx.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            prepare(&mut encoder, state);
            self.paint_on_black(&mut encoder, &target, state);
            let layout = wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(bytes_per_row),
                rows_per_image: Some(height),
            };
            let copy_to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
            encoder.copy_texture_to_buffer(target.as_image_copy(), copy_to, target.size());
            ctx.queue.submit([encoder.finish()]);
            buffer
        })?;
        let mut rgba = read(ctx, &buffer, bytes_per_row, width)?;
        if swaps_red_and_blue {
            for pixel in rgba.chunks_exact_mut(4) {
                pixel.swap(0, 2);
            }
        }
        Ok(rgba)
    }

    fn paint_on_black(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Texture, state: &ViewState) {
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("picture"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        self.paint(&mut pass, state);
    }
}

/// Waits for the picture and takes the padding off its rows.
fn read(ctx: &RenderContext, buffer: &wgpu::Buffer, bytes_per_row: u32, width: u32) -> Result<Vec<u8>, RenderError> {
    wait_for(ctx, buffer)?;
    let mapped = buffer.get_mapped_range(..).map_err(|e| RenderError::Lost(e.to_string()))?;
    let row_bytes = (width * 4) as usize;
    Ok(mapped.chunks_exact(bytes_per_row as usize).flat_map(|row| &row[..row_bytes]).copied().collect())
}

/// Maps a buffer and waits until it can be read.
pub(crate) fn wait_for(ctx: &RenderContext, buffer: &wgpu::Buffer) -> Result<(), RenderError> {
    let outcome = Arc::new(OnceLock::new());
    let sender = outcome.clone();
    buffer.map_async(wgpu::MapMode::Read, .., move |result| {
        sender.get_or_init(|| result.map_err(|e| e.to_string()));
    });
    ctx.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| RenderError::Lost(e.to_string()))?;
    match outcome.get() {
        Some(Ok(())) => Ok(()),
        Some(Err(reason)) => Err(RenderError::Lost(reason.clone())),
        None => Err(RenderError::Lost("no answer".into())),
    }
}
