use wgpu::{BindGroup, BindGroupEntry, BindingResource, Buffer, TextureView};

use crate::{
    ColorMap, LabelTexture, Line, Quality, RenderContext, Renderer, TransferFunction, VolumeCamera, VolumeLook,
    VolumeTexture,
    gpu_data::{LineUniforms, OverlayUniforms, RaycastUniforms, SliceUniforms, SolidUniforms},
    lines::LineBuffer,
    resources::texture_2d,
    transfer_function::TABLE_LEN,
};

/// What one view keeps on the GPU between frames. Each view on the screen needs its own.
#[derive(Debug)]
pub struct ViewState {
    pub(crate) content: Content,
    pub(crate) slice: SlicePart,
    /// The labels alone, where overlays lie between them and the image.
    pub(crate) label_layer: Option<SlicePart>,
    pub(crate) overlays: Vec<OverlayPart>,
    pub(crate) num_overlays: usize,
    pub(crate) volume: VolumePart,
    pub(crate) lines: LineBuffer,
    pub(crate) line_uniforms: Buffer,
    pub(crate) line_group: BindGroup,
}

/// What the last `prepare_…` was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Nothing,
    Slice,
    Volume,
}

/// Ids of the textures that a bind group holds.
pub(crate) type TextureIds = (Option<u64>, Option<u64>);

#[derive(Debug)]
pub(crate) struct SlicePart {
    pub uniforms: Buffer,
    /// With the ids of volume, labels and reference.
    pub group: Option<([Option<u64>; 3], BindGroup)>,
    /// Which of the shader's entry points is enough.
    pub kind: SliceKind,
}

/// What there is to compute in a slice, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SliceKind {
    /// The voxels of a thin slice.
    Plain,
    /// And a label map over them.
    Labels,
    /// All else.
    #[default]
    Any,
}

#[derive(Debug)]
pub(crate) struct VolumePart {
    pub uniforms: Buffer,
    pub transfer: wgpu::Texture,
    /// Of composite pictures, and the function that it was made for.
    pub pairs: Option<(wgpu::Texture, TransferFunction)>,
    pub bricks: Option<BrickTexture>,
    pub group: Option<(RaycastIds, BindGroup)>,
    pub solids: SolidPart,
    pub picture: Option<Picture>,
    /// The next picture while it is drawn in parts.
    pub next: Option<Picture>,
    /// What that will show, and how many of its rows are there.
    pub next_shown: Option<(Shown, u32)>,
    /// What the picture shows; none before the first.
    pub shown: Option<Shown>,
}

/// Ids of volume, labels, occlusion and layers that a bind group holds.
pub(crate) type RaycastIds = [Option<u64>; 4];

/// Surfaces, slices and lines of a 3D view.
#[derive(Debug)]
pub(crate) struct SolidPart {
    pub uniforms: Buffer,
    pub vertices: Buffer,
    pub instances: Buffer,
    pub layers: Option<Layers>,
}

/// What solid things are drawn into, nearest first.
#[derive(Debug)]
pub(crate) struct Layers {
    pub id: u64,
    pub size: [u32; 2],
    pub num: u32,
    pub all_colors: TextureView,
    pub all_distances: TextureView,
    pub colors: Vec<TextureView>,
    pub distances: Vec<TextureView>,
    pub depth: TextureView,
    /// One for each layer, with the distances of the layer before.
    pub groups: Vec<BindGroup>,
    /// The volume that they hold.
    pub groups_for: Option<u64>,
}

impl SolidPart {
    fn new(ctx: &RenderContext) -> Self {
        let uniforms = uniform_buffer::<SolidUniforms>(ctx, "solid uniforms");
        Self { uniforms, vertices: Self::buffer(ctx, 4096), instances: Self::buffer(ctx, 4096), layers: None }
    }

    pub fn buffer(ctx: &RenderContext, size: u64) -> Buffer {
        ctx.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("solid things"),
            size,
            usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }
}

/// Everything a ray-cast picture depends on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub textures: TextureIds,
    pub label_version: u64,
    pub camera: VolumeCamera,
    pub size_px: [u32; 2],
    pub transfer: TransferFunction,
    pub quality: Quality,
    pub label_opacity: f32,
    pub look: VolumeLook,
    pub occlusion: Option<u64>,
    /// Number, colour and opacity of each surface.
    pub surfaces: Vec<(u64, [u8; 3], f32)>,
    pub lines: Vec<Line>,
    pub deterministic: bool,
}

/// What each brick can contribute, and for which volume, labels and transfer function.
#[derive(Debug)]
pub(crate) struct BrickTexture {
    pub dims: [usize; 3],
    pub texture: wgpu::Texture,
    pub made_for: Option<BrickKey>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BrickKey {
    pub textures: TextureIds,
    pub label_version: u64,
    pub transfer: TransferFunction,
    /// Of isosurfaces.
    pub iso_value: Option<f64>,
}

/// Where rays are cast into.
#[derive(Debug)]
pub(crate) struct Picture {
    pub size: [u32; 2],
    pub view: TextureView,
    pub blit_group: BindGroup,
}

impl ViewState {
    /// An empty view.
    pub fn new(ctx: &RenderContext, renderer: &Renderer) -> Self {
        let line_uniforms = uniform_buffer::<LineUniforms>(ctx, "line uniforms");
        let line_group = ctx.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("lines"),
            layout: &renderer.pipelines.lines_layout,
            entries: &[BindGroupEntry { binding: 0, resource: line_uniforms.as_entire_binding() }],
        });
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        #[expect(clippy::cast_possible_truncation, reason = "a constant of 1024")]
        let table_size = [TABLE_LEN as u32, 1];
        Self {
            content: Content::Nothing,
            slice: Self::slice_layer(ctx),
            label_layer: None,
            overlays: Vec::new(),
            num_overlays: 0,
            volume: VolumePart {
                uniforms: uniform_buffer::<RaycastUniforms>(ctx, "raycast uniforms"),
                transfer: texture_2d(ctx, "transfer function", wgpu::TextureFormat::Rgba16Float, table_size, usage),
                pairs: None,
                bricks: None,
                group: None,
                solids: SolidPart::new(ctx),
                picture: None,
                next: None,
                next_shown: None,
                shown: None,
            },
            lines: LineBuffer::new(ctx),
            line_uniforms,
            line_group,
        }
    }
}

impl ViewState {
    pub(crate) fn slice_layer(ctx: &RenderContext) -> SlicePart {
        SlicePart {
            uniforms: uniform_buffer::<SliceUniforms>(ctx, "slice uniforms"),
            group: None,
            kind: SliceKind::default(),
        }
    }
}

/// One volume over a slice.
#[derive(Debug)]
pub(crate) struct OverlayPart {
    pub uniforms: Buffer,
    colors: wgpu::Texture,
    pub colors_view: TextureView,
    color_map: Option<ColorMap>,
    /// With the id of the volume.
    pub group: Option<(u64, BindGroup)>,
}

impl OverlayPart {
    pub fn new(ctx: &RenderContext) -> Self {
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        let colors = texture_2d(ctx, "colour map", wgpu::TextureFormat::Rgba8Unorm, [256, 1], usage);
        let colors_view = colors.create_view(&wgpu::TextureViewDescriptor::default());
        let uniforms = uniform_buffer::<OverlayUniforms>(ctx, "overlay uniforms");
        Self { uniforms, colors, colors_view, color_map: None, group: None }
    }

    pub fn set_colors(&mut self, ctx: &RenderContext, color_map: ColorMap) {
        if self.color_map.replace(color_map) == Some(color_map) {
            return;
        }
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(1024), rows_per_image: None };
        let size = wgpu::Extent3d { width: 256, height: 1, depth_or_array_layers: 1 };
        ctx.queue.write_texture(self.colors.as_image_copy(), &color_map.table(), layout, size);
    }
}

pub(crate) fn texture_ids(volume: Option<&VolumeTexture>, labels: Option<&LabelTexture>) -> TextureIds {
    (volume.map(|v| v.id), labels.map(|l| l.id))
}

pub(crate) fn bind_group(
    ctx: &RenderContext,
    name: &str,
    layout: &wgpu::BindGroupLayout,
    resources: &[BindingResource<'_>],
) -> BindGroup {
    let entries: Vec<BindGroupEntry<'_>> = (0..)
        .zip(resources)
        .map(|(binding, resource)| BindGroupEntry { binding, resource: resource.clone() })
        .collect();
    ctx.device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(name), layout, entries: &entries })
}

fn uniform_buffer<T>(ctx: &RenderContext, name: &str) -> Buffer {
    ctx.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size: size_of::<T>() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
