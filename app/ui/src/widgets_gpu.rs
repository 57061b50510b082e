//! egui's triangles on an adapter that is a program on the CPU, in a fraction of the time: most pixels of a window are plain fills,
//! which need no texture, and opaque ones cover what is below them without being mixed with it.
//!
//! A plugin takes egui's shapes after each pass, and puts callbacks in their place that draw them with pipelines of our own. The views'
//! callbacks stay between them, and textures stay with egui's renderer.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use egui::epaint::{ClippedPrimitive, ClippedShape, Mesh, Primitive, Vertex, WHITE_UV};
use egui::mutex::RwLock;
use egui::{FullOutput, PaintCallbackInfo, Rect, Shape, TextureId};
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use voco_render::RenderContext;
use wgpu::util::DeviceExt;

/// Draws egui's triangles this way from now on where no GPU does it; changes nothing where one does.
pub fn install(ctx: &egui::Context, state: &RenderState, context: &RenderContext) {
    // egui mixes in gamma space, which an sRGB target would not.
    if context.is_software() && !state.target_format.is_srgb() {
        ctx.add_plugin(Widgets { gpu: Arc::new(Gpu::new(state)) });
    }
}

struct Widgets {
    gpu: Arc<Gpu>,
}

impl egui::Plugin for Widgets {
    fn debug_name(&self) -> &'static str {
        "voco widgets"
    }

    fn output_hook(&mut self, ctx: &egui::Context, output: &mut FullOutput) {
        let rect = ctx.viewport_rect();
        let mut waiting = Vec::new();
        let mut shapes = Vec::new();
        for shape in std::mem::take(&mut output.shapes) {
            if matches!(shape.shape, Shape::Callback(_)) {
                shapes.extend(self.batch(ctx, std::mem::take(&mut waiting), output.pixels_per_point, rect));
                shapes.push(shape);
            } else {
                waiting.push(shape);
            }
        }
        shapes.extend(self.batch(ctx, waiting, output.pixels_per_point, rect));
        output.shapes = shapes;
    }
}

impl Widgets {
    /// One callback for shapes that lie on one another without a view between them.
    fn batch(
        &self,
        ctx: &egui::Context,
        shapes: Vec<ClippedShape>,
        pixels_per_point: f32,
        rect: Rect,
    ) -> Option<ClippedShape> {
        if shapes.is_empty() {
            return None;
        }
        let mut batch = Batch::new(Arc::clone(&self.gpu));
        for ClippedPrimitive { clip_rect, primitive } in ctx.tessellate(shapes, pixels_per_point) {
            if let Primitive::Mesh(mesh) = primitive {
                batch.add(clip_rect, &mesh);
            }
        }
        let callback = egui_wgpu::Callback::new_paint_callback(rect, batch);
        Some(ClippedShape::new(rect, Shape::Callback(callback)))
    }
}

/// Square points from which on a triangle of one colour is worth a pipeline of its own: to change it takes time as well.
const LARGE: f32 = 2000.0;

/// What a triangle needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It hides what is below it.
    Opaque,
    /// Colour without a texture.
    Plain,
    Textured,
}

impl Kind {
    fn of(corners: [&Vertex; 3], texture: TextureId) -> Self {
        let [a, b, c] = corners.map(|v| v.pos);
        let area = ((b - a).x * (c - a).y - (b - a).y * (c - a).x).abs() / 2.0;
        // A white texel of the fonts' texture stands for none.
        if area < LARGE || texture != TextureId::default() || corners.iter().any(|v| v.uv != WHITE_UV) {
            Self::Textured
        } else if corners.iter().all(|v| v.color.is_opaque()) {
            Self::Opaque
        } else {
            Self::Plain
        }
    }
}

/// Triangles that are drawn at once.
#[derive(Debug, Clone, PartialEq)]
struct Draw {
    kind: Kind,
    clip_rect: Rect,
    texture: TextureId,
    indices: Range<u32>,
}

struct Batch {
    gpu: Arc<Gpu>,
    vertices: Vec<Vertex>,
    indices: Vec<u32>,
    draws: Vec<Draw>,
    buffers: OnceLock<[wgpu::Buffer; 2]>,
}

impl Batch {
    fn new(gpu: Arc<Gpu>) -> Self {
        Self { gpu, vertices: Vec::new(), indices: Vec::new(), draws: Vec::new(), buffers: OnceLock::new() }
    }

    fn add(&mut self, clip_rect: Rect, mesh: &Mesh) {
        let texture = mesh.texture_id;
        self.draws.extend(draws(mesh, self.indices.len() as u32).into_iter().map(|(kind, indices)| Draw {
            kind,
            clip_rect,
            texture,
            indices,
        }));
        let base = self.vertices.len() as u32;
        self.indices.extend(mesh.indices.iter().map(|index| base + index));
        self.vertices.extend_from_slice(&mesh.vertices);
    }
}

/// The triangles of a mesh in their order, in as few parts as their kinds allow; indices are counted from `first`.
fn draws(mesh: &Mesh, first: u32) -> Vec<(Kind, Range<u32>)> {
    let mut all: Vec<(Kind, Range<u32>)> = Vec::new();
    for (n, triangle) in mesh.indices.as_chunks::<3>().0.iter().enumerate() {
        let kind = Kind::of(triangle.map(|index| &mesh.vertices[index as usize]), mesh.texture_id);
        let from = first + 3 * n as u32;
        match all.last_mut() {
            Some((last, indices)) if *last == kind => indices.end = from + 3,
            _ => all.push((kind, from..from + 3)),
        }
    }
    all
}

impl CallbackTrait for Batch {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        _resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let [width, height] = screen.size_in_pixels.map(|side| side as f32 / screen.pixels_per_point);
        queue.write_buffer(&self.gpu.uniforms, 0, bytemuck::bytes_of(&[width, height, 0.0, 0.0]));
        let buffer = |contents: &[u8], usage| {
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: Some("widgets"), contents, usage })
        };
        self.buffers.get_or_init(|| {
            [
                buffer(bytemuck::cast_slice(&self.vertices), wgpu::BufferUsages::VERTEX),
                buffer(bytemuck::cast_slice(&self.indices), wgpu::BufferUsages::INDEX),
            ]
        });
        Vec::new()
    }

    fn paint(&self, info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, _resources: &CallbackResources) {
        let Some([vertices, indices]) = self.buffers.get() else { return };
        // Whoever calls this reads the renderer, too.
        let renderer = self.gpu.renderer.read();
        pass.set_vertex_buffer(0, vertices.slice(..));
        pass.set_index_buffer(indices.slice(..), wgpu::IndexFormat::Uint32);
        let mut kind = None;
        for draw in &self.draws {
            let [left, top, width, height] = scissor(draw.clip_rect, info.pixels_per_point, info.screen_size_px);
            let Some(texture) = renderer.texture(&draw.texture).filter(|_| width > 0 && height > 0) else { continue };
            if kind.replace(draw.kind) != Some(draw.kind) {
                pass.set_pipeline(&self.gpu.pipelines[draw.kind as usize]);
                pass.set_bind_group(0, &self.gpu.group, &[]);
            }
            pass.set_bind_group(1, &texture.bind_group, &[]);
            pass.set_scissor_rect(left, top, width, height);
            pass.draw_indexed(draw.indices.clone(), 0, 0..1);
        }
    }
}

/// Left, top, width and height of a rectangle in pixels, rounded as egui does.
fn scissor(rect: Rect, pixels_per_point: f32, size: [u32; 2]) -> [u32; 4] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
    let pixel = |at: f32, most: u32| ((at * pixels_per_point).round() as u32).min(most);
    let (left, top) = (pixel(rect.min.x, size[0]), pixel(rect.min.y, size[1]));
    let (right, bottom) = (pixel(rect.max.x, size[0]).max(left), pixel(rect.max.y, size[1]).max(top));
    [left, top, right - left, bottom - top]
}

struct Gpu {
    renderer: Arc<RwLock<egui_wgpu::Renderer>>,
    /// By [`Kind`].
    pipelines: [wgpu::RenderPipeline; 3],
    uniforms: wgpu::Buffer,
    group: wgpu::BindGroup,
}

impl Gpu {
    fn new(state: &RenderState) -> Self {
        let device = &state.device;
        let uniform = |visibility| wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset: false,
                min_binding_size: wgpu::BufferSize::new(16),
            },
            count: None,
        };
        let layout = |entries: &[wgpu::BindGroupLayoutEntry]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("widgets"), entries })
        };
        let uniform_layout = layout(&[uniform(wgpu::ShaderStages::VERTEX)]);
        // Entry for entry that of egui's renderer, whose groups are used.
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty,
            count: None,
        };
        let texture_layout = layout(&[
            entry(
                0,
                wgpu::BindingType::Texture {
                    sample_type: wgpu::TextureSampleType::Float { filterable: true },
                    view_dimension: wgpu::TextureViewDimension::D2,
                    multisampled: false,
                },
            ),
            entry(1, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)),
            wgpu::BindGroupLayoutEntry { binding: 2, ..uniform(wgpu::ShaderStages::FRAGMENT) },
        ]);
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("widgets"),
            bind_group_layouts: &[Some(&uniform_layout), Some(&texture_layout)],
            immediate_size: 0,
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("widgets"),
            source: wgpu::ShaderSource::Wgsl(voco_shaders::widgets::SOURCE.into()),
        });
        let over = wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING;
        let pipeline = |entry: &str, blend| {
            let target =
                wgpu::ColorTargetState { format: state.target_format, blend, write_mask: wgpu::ColorWrites::ALL };
            device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some("widgets"),
                layout: Some(&layout),
                vertex: wgpu::VertexState {
                    module: &module,
                    entry_point: Some("vs_main"),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    buffers: &[Some(wgpu::VertexBufferLayout {
                        array_stride: size_of::<Vertex>() as u64,
                        step_mode: wgpu::VertexStepMode::Vertex,
                        attributes: &wgpu::vertex_attr_array![0 => Float32x2, 1 => Float32x2, 2 => Uint32],
                    })],
                },
                primitive: wgpu::PrimitiveState::default(),
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module: &module,
                    entry_point: Some(entry),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    targets: &[Some(target)],
                }),
                multiview_mask: None,
                cache: None,
            })
        };
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("widgets"),
            size: 16,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("widgets"),
            layout: &uniform_layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: uniforms.as_entire_binding() }],
        });
        Self {
            renderer: Arc::clone(&state.renderer),
            pipelines: [
                pipeline("fs_plain", None),
                pipeline("fs_plain", Some(over)),
                pipeline("fs_textured", Some(over)),
            ],
            uniforms,
            group,
        }
    }
}
