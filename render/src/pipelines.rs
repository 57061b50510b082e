use std::mem::offset_of;

use wgpu::{
    BindGroupLayout, BindGroupLayoutEntry, BindingType, BufferBindingType, RenderPipeline, SamplerBindingType,
    ShaderStages, TextureFormat, TextureSampleType, TextureViewDimension,
};

use crate::{RenderContext, gpu_data::LineInstance};

/// Ray-cast pictures are kept in this format.
pub(crate) const PICTURE_FORMAT: TextureFormat = TextureFormat::Rgba8Unorm;
/// Distances of layers from the eye, mm.
pub(crate) const DISTANCE_FORMAT: TextureFormat = TextureFormat::R32Float;
pub(crate) const DEPTH_FORMAT: TextureFormat = TextureFormat::Depth32Float;

/// All pipelines with the layouts of what they are bound to.
#[derive(Debug)]
pub(crate) struct Pipelines {
    pub slice_layout: BindGroupLayout,
    pub overlay_layout: BindGroupLayout,
    pub raycast_layout: BindGroupLayout,
    pub blit_layout: BindGroupLayout,
    pub lines_layout: BindGroupLayout,
    pub solid_layout: BindGroupLayout,
    pub slice: RenderPipeline,
    /// A thin slice alone.
    pub slice_plain: RenderPipeline,
    /// A thin slice with a label map over it.
    pub slice_labels: RenderPipeline,
    /// Labels alone, over what is there.
    pub slice_over: RenderPipeline,
    pub overlay: RenderPipeline,
    /// Without and with labels, in each without and with smooth normals.
    pub raycast: [[RenderPipeline; 2]; 2],
    /// Greatest, least and mean values.
    pub mip: RenderPipeline,
    pub iso: RenderPipeline,
    pub solid: RenderPipeline,
    pub blit: RenderPipeline,
    pub lines: RenderPipeline,
}

impl Pipelines {
    #[expect(clippy::too_many_lines, reason = "a line or two for each pipeline")]
    pub fn new(ctx: &RenderContext, target_format: TextureFormat) -> Self {
        let slice_layout = layout(
            ctx,
            "slice",
            &[
                entry(0, uniform()),
                entry(1, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D3)),
                entry(2, texture(TextureSampleType::Uint, TextureViewDimension::D3)),
                entry(3, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D2)),
                entry(4, texture(TextureSampleType::Uint, TextureViewDimension::D3)),
            ],
        );
        let overlay_layout = layout(
            ctx,
            "overlay",
            &[
                entry(0, uniform()),
                entry(1, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D3)),
                entry(2, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D2)),
            ],
        );
        let raycast_layout = layout(
            ctx,
            "raycast",
            &[
                entry(0, uniform()),
                entry(1, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D3)),
                entry(2, BindingType::Sampler(SamplerBindingType::Filtering)),
                entry(3, texture(TextureSampleType::Uint, TextureViewDimension::D3)),
                entry(4, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D2)),
                entry(5, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D2)),
                entry(6, texture(TextureSampleType::Uint, TextureViewDimension::D3)),
                entry(7, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D3)),
                entry(8, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D2Array)),
                entry(9, texture(TextureSampleType::Float { filterable: false }, TextureViewDimension::D2Array)),
                entry(10, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D2)),
            ],
        );
        let blit_layout = layout(
            ctx,
            "blit",
            &[
                entry(0, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D2)),
                entry(1, BindingType::Sampler(SamplerBindingType::Filtering)),
            ],
        );
        let solid_layout = layout(
            ctx,
            "solid",
            &[
                entry(0, uniform()),
                entry(1, texture(TextureSampleType::Float { filterable: true }, TextureViewDimension::D3)),
                entry(2, texture(TextureSampleType::Float { filterable: false }, TextureViewDimension::D2)),
            ],
        );
        let lines_layout = layout(ctx, "lines", &[entry(0, uniform())]);
        let over = Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING);
        let make = |name, source, layout, format, blend, buffers: &[_], encodes| {
            let spec = Spec { name, source, layout, format, blend, buffers, encodes, constants: &[] };
            pipeline(ctx, &spec)
        };
        let (raycast_source, mip_source) = (voco_shaders::raycast::SOURCE, voco_shaders::mip::SOURCE);
        Self {
            slice_plain: slice_pipeline(ctx, &slice_layout, target_format, "fs_plain"),
            slice_labels: slice_pipeline(ctx, &slice_layout, target_format, "fs_labels"),
            slice: make("slice", voco_shaders::slice::SOURCE, &slice_layout, target_format, None, &[], true),
            slice_over: make("slice over", voco_shaders::slice::SOURCE, &slice_layout, target_format, over, &[], true),
            overlay: make("overlay", voco_shaders::overlay::SOURCE, &overlay_layout, target_format, over, &[], true),
            raycast: [0.0, 1.0].map(|has_labels| {
                [0.0, 1.0].map(|smooth| {
                    let spec = Spec {
                        name: "raycast",
                        source: raycast_source,
                        layout: &raycast_layout,
                        format: PICTURE_FORMAT,
                        blend: None,
                        buffers: &[],
                        encodes: false,
                        constants: &[("HAS_LABELS", has_labels), ("SMOOTH_NORMALS", smooth)],
                    };
                    pipeline(ctx, &spec)
                })
            }),
            mip: make("mip", mip_source, &raycast_layout, PICTURE_FORMAT, None, &[], false),
            iso: make("iso", voco_shaders::iso::SOURCE, &raycast_layout, PICTURE_FORMAT, None, &[], false),
            solid: solid_pipeline(ctx, &solid_layout),
            blit: make("blit", voco_shaders::blit::SOURCE, &blit_layout, target_format, over, &[], true),
            lines: make(
                "lines",
                voco_shaders::lines::SOURCE,
                &lines_layout,
                target_format,
                over,
                &[Some(line_buffer())],
                true,
            ),
            slice_layout,
            overlay_layout,
            raycast_layout,
            blit_layout,
            lines_layout,
            solid_layout,
        }
    }
}

struct Spec<'a> {
    name: &'a str,
    source: &'a str,
    layout: &'a BindGroupLayout,
    format: TextureFormat,
    blend: Option<wgpu::BlendState>,
    buffers: &'a [Option<wgpu::VertexBufferLayout<'a>>],
    /// Whether the shader has the choice between gamma-space and linear output.
    encodes: bool,
    /// Other choices.
    constants: &'a [(&'a str, f64)],
}

fn pipeline(ctx: &RenderContext, spec: &Spec<'_>) -> RenderPipeline {
    pipeline_at(ctx, spec, "fs_main")
}

/// One of the simpler entry points of the slice's shader.
fn slice_pipeline(ctx: &RenderContext, layout: &BindGroupLayout, format: TextureFormat, entry: &str) -> RenderPipeline {
    let source = voco_shaders::slice::SOURCE;
    let spec = Spec { name: entry, source, layout, format, blend: None, buffers: &[], encodes: true, constants: &[] };
    pipeline_at(ctx, &spec, entry)
}

fn pipeline_at(ctx: &RenderContext, spec: &Spec<'_>, entry: &str) -> RenderPipeline {
    let module = ctx.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(spec.name),
        source: wgpu::ShaderSource::Wgsl(spec.source.into()),
    });
    let layout = ctx.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(spec.name),
        bind_group_layouts: &[Some(spec.layout)],
        immediate_size: 0,
    });
    let to_linear = [("TO_LINEAR", if spec.format.is_srgb() { 1.0 } else { 0.0 })];
    let options = wgpu::PipelineCompilationOptions {
        constants: if spec.encodes { &to_linear } else { spec.constants },
        ..Default::default()
    };
    let topology = if spec.buffers.is_empty() {
        wgpu::PrimitiveTopology::TriangleList
    } else {
        wgpu::PrimitiveTopology::TriangleStrip
    };
    ctx.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(spec.name),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vs_main"),
            compilation_options: options.clone(),
            buffers: spec.buffers,
        },
        primitive: wgpu::PrimitiveState { topology, ..Default::default() },
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some(entry),
            compilation_options: options,
            targets: &[Some(wgpu::ColorTargetState {
                format: spec.format,
                blend: spec.blend,
                write_mask: wgpu::ColorWrites::ALL,
            })],
        }),
        multiview_mask: None,
        cache: None,
    })
}

/// Two targets and a depth buffer, in which what is nearer is greater.
fn solid_pipeline(ctx: &RenderContext, layout: &BindGroupLayout) -> RenderPipeline {
    let name = Some("solid");
    let source = wgpu::ShaderSource::Wgsl(voco_shaders::solid::SOURCE.into());
    let module = ctx.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: name, source });
    let layout = ctx.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: name,
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    let target = |format| Some(wgpu::ColorTargetState { format, blend: None, write_mask: wgpu::ColorWrites::ALL });
    ctx.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: name,
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vs_main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &crate::renderer::solid_buffers(),
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: Some(wgpu::DepthStencilState {
            format: DEPTH_FORMAT,
            depth_write_enabled: Some(true),
            depth_compare: Some(wgpu::CompareFunction::Greater),
            stencil: wgpu::StencilState::default(),
            bias: wgpu::DepthBiasState::default(),
        }),
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("fs_main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[target(PICTURE_FORMAT), target(DISTANCE_FORMAT)],
        }),
        multiview_mask: None,
        cache: None,
    })
}

fn line_buffer() -> wgpu::VertexBufferLayout<'static> {
    const ATTRIBUTES: [wgpu::VertexAttribute; 3] = [
        attribute(0, wgpu::VertexFormat::Float32x4, offset_of!(LineInstance, ends_px)),
        attribute(1, wgpu::VertexFormat::Unorm8x4, offset_of!(LineInstance, color)),
        attribute(2, wgpu::VertexFormat::Float32, offset_of!(LineInstance, width_px)),
    ];
    wgpu::VertexBufferLayout {
        array_stride: size_of::<LineInstance>() as u64,
        step_mode: wgpu::VertexStepMode::Instance,
        attributes: &ATTRIBUTES,
    }
}

pub(crate) const fn attribute(
    shader_location: u32,
    format: wgpu::VertexFormat,
    offset: usize,
) -> wgpu::VertexAttribute {
    wgpu::VertexAttribute { format, offset: offset as u64, shader_location }
}

fn layout(ctx: &RenderContext, name: &str, entries: &[BindGroupLayoutEntry]) -> BindGroupLayout {
    ctx.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(name), entries })
}

fn entry(binding: u32, ty: BindingType) -> BindGroupLayoutEntry {
    BindGroupLayoutEntry { binding, visibility: ShaderStages::VERTEX_FRAGMENT, ty, count: None }
}

fn uniform() -> BindingType {
    BindingType::Buffer { ty: BufferBindingType::Uniform, has_dynamic_offset: false, min_binding_size: None }
}

fn texture(sample_type: TextureSampleType, view_dimension: TextureViewDimension) -> BindingType {
    BindingType::Texture { sample_type, view_dimension, multisampled: false }
}
