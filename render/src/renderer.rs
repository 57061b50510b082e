mod overlay;
mod slice;
mod solids;
mod volume;

pub(crate) use solids::solid_buffers;
pub(crate) use volume::VolumeScene;

use crate::{
    Line, RenderContext, SliceLabels, SliceLook, SliceView, ViewState, VolumeTexture, VolumeView,
    gpu_data::{LineInstance, LineUniforms},
    lines,
    pipelines::{DISTANCE_FORMAT, PICTURE_FORMAT, Pipelines},
    resources::{texture_2d, texture_3d},
    view_state::{Content, SliceKind},
};

/// Draws views. Made once per device and target format; views bring their [`ViewState`].
#[derive(Debug)]
pub struct Renderer {
    pub(crate) pipelines: Pipelines,
    pub(crate) target_format: wgpu::TextureFormat,
    sampler: wgpu::Sampler,
    /// Stand in for a volume or a label map that a view does not have.
    no_volume: wgpu::TextureView,
    no_labels: wgpu::TextureView,
    no_colors: wgpu::TextureView,
    no_distance: wgpu::TextureView,
    no_layers: [wgpu::TextureView; 2],
}

/// How finely rays are cast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Rays per pixel along each side, 0.1…1.
    pub scale: f32,
    /// Distance between samples, in least voxel sides.
    pub step_voxels: f32,
    /// Surfaces that nothing shines through are lit by smoothed gradients, which takes eight times as many samples there.
    pub smooth_normals: bool,
}

impl Quality {
    /// While something turns.
    pub const MOVING: Self = Self { scale: 0.5, step_voxels: 1.5, smooth_normals: false };
    /// Once it rests.
    pub const RESTING: Self = Self { scale: 1.0, step_voxels: 0.75, smooth_normals: true };

    /// With longer steps and plain gradients on an adapter that is a program on the CPU: a picture there takes several times as long, and other
    /// work waits for it.
    #[must_use]
    pub fn suited_to(self, ctx: &RenderContext) -> Self {
        if !ctx.is_software() {
            return self;
        }
        Self { step_voxels: self.step_voxels * 1.3, smooth_normals: false, ..self }
    }
}

impl Renderer {
    /// Compiles the pipelines for a target: `egui_wgpu`'s, or [`RenderContext::OFFSCREEN_FORMAT`].
    pub fn new(ctx: &RenderContext, target_format: wgpu::TextureFormat) -> Self {
        let sampler = ctx.device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("linear, clamped"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        let empty_3d = |format, bytes: &[u8]| match texture_3d(ctx, "an empty volume", format, [1; 3], bytes) {
            Ok(texture) => texture,
            // A device that refuses two bytes is lost; what follows goes to its error handler.
            Err(_lost) => ctx.device.create_texture(&wgpu::TextureDescriptor {
                label: None,
                size: wgpu::Extent3d::default(),
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D3,
                format,
                usage: wgpu::TextureUsages::TEXTURE_BINDING,
                view_formats: &[],
            }),
        };
        let view = |texture: &wgpu::Texture| texture.create_view(&wgpu::TextureViewDescriptor::default());
        let colors_usage = wgpu::TextureUsages::TEXTURE_BINDING;
        Self {
            pipelines: Pipelines::new(ctx, target_format),
            target_format,
            sampler,
            no_volume: view(&empty_3d(wgpu::TextureFormat::R16Float, &[0, 0])),
            no_labels: view(&empty_3d(wgpu::TextureFormat::R8Uint, &[0])),
            no_distance: view(&texture_2d(ctx, "no layer", DISTANCE_FORMAT, [1, 1], colors_usage)),
            no_layers: [PICTURE_FORMAT, DISTANCE_FORMAT].map(|format| {
                let texture = texture_2d(ctx, "no layers", format, [1, 1], colors_usage);
                let dimension = Some(wgpu::TextureViewDimension::D2Array);
                texture.create_view(&wgpu::TextureViewDescriptor { dimension, ..Default::default() })
            }),
            no_colors: view(&texture_2d(ctx, "no colours", wgpu::TextureFormat::Rgba8Unorm, [1, 1], colors_usage)),
        }
    }

    /// Makes `state` show a slice: only uniforms and lines are written, whatever changed. The image is black outside the
    /// volume, label maps and lines lie over it.
    #[expect(clippy::too_many_arguments, reason = "one call per frame; each of them changes on its own")]
    pub fn prepare_slice(
        &self,
        ctx: &RenderContext,
        _encoder: &mut wgpu::CommandEncoder,
        state: &mut ViewState,
        volume: Option<&VolumeTexture>,
        labels: SliceLabels<'_>,
        view: &SliceView,
        look: &SliceLook,
        lines: &[Line],
    ) {
        state.content = Content::Slice;
        state.num_overlays = 0;
        self.slice_part(ctx, &mut state.slice, volume, labels, view, look, 0);
        set_lines(ctx, state, view.size_px, &lines::on_slice(lines, view));
    }

    /// Makes `state` show a volume in 3D. Rays are cast (into a texture of the state) only if something they depend on has
    /// changed since the last call; true if the picture is whole, false if another call draws more of it. Surfaces, slices and lines are hidden by what of the volume lies before them.
    pub fn prepare_volume(
        &self,
        ctx: &RenderContext,
        encoder: &mut wgpu::CommandEncoder,
        state: &mut ViewState,
        volume: &VolumeTexture,
        view: &VolumeView<'_>,
    ) -> bool {
        state.content = Content::Volume;
        self.volume_part(ctx, encoder, &mut state.volume, &VolumeScene { volume, view });
        set_lines(ctx, state, view.size_px, &[]);
        state.volume.next_shown.is_none()
    }

    /// Draws what `state` was prepared for into the pass's viewport.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'_>, state: &ViewState) {
        match state.content {
            Content::Nothing => return,
            Content::Slice => {
                if let Some((_, group)) = &state.slice.group {
                    // With overlays the image is a layer of its own.
                    pass.set_pipeline(match state.slice.kind {
                        SliceKind::Plain => &self.pipelines.slice_plain,
                        SliceKind::Labels => &self.pipelines.slice_labels,
                        SliceKind::Any => &self.pipelines.slice,
                    });
                    pass.set_bind_group(0, group, &[]);
                    pass.draw(0..3, 0..1);
                }
                self.paint_overlays(pass, state);
            }
            Content::Volume => {
                if let Some(picture) = &state.volume.picture {
                    pass.set_pipeline(&self.pipelines.blit);
                    pass.set_bind_group(0, &picture.blit_group, &[]);
                    pass.draw(0..3, 0..1);
                }
            }
        }
        if state.lines.count > 0 {
            pass.set_pipeline(&self.pipelines.lines);
            pass.set_bind_group(0, &state.line_group, &[]);
            pass.set_vertex_buffer(0, state.lines.buffer().slice(..));
            pass.draw(0..4, 0..state.lines.count);
        }
    }
}

fn set_lines(ctx: &RenderContext, state: &mut ViewState, size_px: [u32; 2], instances: &[LineInstance]) {
    let uniforms = LineUniforms { size_px: size_px.map(|s| s.max(1) as f32), padding: [0.0; 2] };
    ctx.queue.write_buffer(&state.line_uniforms, 0, bytemuck::bytes_of(&uniforms));
    state.lines.set(ctx, instances);
}
