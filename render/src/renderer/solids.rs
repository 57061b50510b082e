//! Surfaces, slices and lines as layers sorted by distance, which the ray caster puts together with the volume. Each pass finds
//! the nearest of what lies behind the layer before (depth peeling).

use std::mem::offset_of;

use glam::{DVec3, DVec4};
use wgpu::BindingResource::TextureView;

use super::{Renderer, volume::VolumeScene};
use crate::{
    Line, RenderContext, Surface,
    gpu_data::{SolidInstance, SolidUniforms, SolidVertex},
    pipelines::{DEPTH_FORMAT, DISTANCE_FORMAT, PICTURE_FORMAT},
    resources::{next_id, texture_2d},
    view_state::{Layers, SolidPart, bind_group},
};

/// Layers where something lets what lies behind it through; more of them cost memory and time, and few are seen.
const MAX_LAYERS: u32 = 4;
const NEAR_MM: f64 = 0.5;
/// By how much lines lie before what they are drawn on.
const LINE_LIFT_MM: f64 = 0.4;

const SURFACE: u32 = 0;
const SLICE: u32 = 1;
const LINE: u32 = 2;

/// Everything to draw, as the shader takes it.
#[derive(Default)]
struct Batch {
    vertices: Vec<SolidVertex>,
    /// One for each surface, then one for each slice, then one for each line.
    instances: Vec<SolidInstance>,
    /// Instance and first and last vertex of what is not a surface.
    parts: Vec<(u32, std::ops::Range<u32>)>,
}

impl VolumeScene<'_> {
    pub(super) fn num_layers(&self) -> u32 {
        let view = self.view;
        let is_clear = |opacity: f32| opacity < 0.995;
        let slices = &view.look.slices;
        if view.surfaces.is_empty() && slices.is_empty() && view.lines.is_empty() {
            0
        } else if view.lines.is_empty()
            && !view.surfaces.iter().any(|s| is_clear(s.opacity))
            && !slices.iter().any(|s| is_clear(s.opacity))
        {
            1
        } else {
            MAX_LAYERS
        }
    }
}

impl Renderer {
    /// Draws the layers of a scene; false if there are none, or no memory for them.
    pub(super) fn draw_layers(
        &self,
        ctx: &RenderContext,
        encoder: &mut wgpu::CommandEncoder,
        part: &mut SolidPart,
        scene: &VolumeScene<'_>,
        size: [u32; 2],
    ) -> bool {
        let num_layers = scene.num_layers();
        if num_layers == 0 {
            return false;
        }
        if part.layers.as_ref().is_none_or(|l| l.size != size || l.num < num_layers) {
            part.layers = layers(ctx, size, num_layers);
        }
        let batch = batch(scene, size);
        let id = scene.volume.id;
        self.bind_layers(ctx, part, scene);
        let SolidPart { uniforms, vertices, instances, layers: Some(layers), .. } = part else { return false };
        ctx.queue.write_buffer(uniforms, 0, bytemuck::bytes_of(&solid_uniforms(scene)));
        fill(ctx, vertices, bytemuck::cast_slice(&batch.vertices));
        fill(ctx, instances, bytemuck::cast_slice(&batch.instances));
        debug_assert!(layers.groups_for == Some(id), "the groups were made just above");
        let clear =
            wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT), store: wgpu::StoreOp::Store };
        for n in 0..num_layers as usize {
            let target = |view| {
                Some(wgpu::RenderPassColorAttachment { view, depth_slice: None, resolve_target: None, ops: clear })
            };
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("a layer of solid things"),
                color_attachments: &[target(&layers.colors[n]), target(&layers.distances[n])],
                depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
                    view: &layers.depth,
                    depth_ops: Some(wgpu::Operations { load: wgpu::LoadOp::Clear(0.0), store: wgpu::StoreOp::Discard }),
                    stencil_ops: None,
                }),
                ..Default::default()
            });
            pass.set_pipeline(&self.pipelines.solid);
            pass.set_bind_group(0, &layers.groups[n], &[]);
            pass.set_vertex_buffer(1, instances.slice(..));
            for (instance, surface) in (0_u32..).zip(scene.view.surfaces).filter(|(_, s)| s.opacity > 0.0) {
                pass.set_vertex_buffer(0, surface.mesh.vertices.slice(..));
                pass.set_index_buffer(surface.mesh.indices.slice(..), wgpu::IndexFormat::Uint32);
                pass.draw_indexed(0..surface.mesh.num_indices, 0, instance..instance + 1);
            }
            pass.set_vertex_buffer(0, vertices.slice(..));
            for (instance, range) in &batch.parts {
                pass.draw(range.clone(), *instance..instance + 1);
            }
        }
        true
    }

    fn bind_layers(&self, ctx: &RenderContext, part: &mut SolidPart, scene: &VolumeScene<'_>) {
        let Some(layers) = &mut part.layers else { return };
        if layers.groups_for == Some(scene.volume.id) {
            return;
        }
        let group = |before: &wgpu::TextureView| {
            let resources = [part.uniforms.as_entire_binding(), TextureView(&scene.volume.view), TextureView(before)];
            bind_group(ctx, "solid", &self.pipelines.solid_layout, &resources)
        };
        let before = std::iter::once(&self.no_distance).chain(&layers.distances);
        layers.groups = before.take(layers.num as usize).map(group).collect();
        layers.groups_for = Some(scene.volume.id);
    }
}

pub(crate) fn surfaces_shown(surfaces: &[Surface<'_>]) -> Vec<(u64, [u8; 3], f32)> {
    surfaces.iter().map(|s| (s.mesh.id, s.color, s.opacity)).collect()
}

fn layers(ctx: &RenderContext, size: [u32; 2], num: u32) -> Option<Layers> {
    let num_bytes = u64::from(size[0]) * u64::from(size[1]) * (8 * u64::from(num) + 4);
    let usage = wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING;
    let array = |format| {
        ctx.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("layers"),
            size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: num },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage,
            view_formats: &[],
        })
    };
    let made = ctx.checked("the layers of the 3D picture", num_bytes, || {
        let depth = texture_2d(ctx, "depth", DEPTH_FORMAT, size, wgpu::TextureUsages::RENDER_ATTACHMENT);
        (array(PICTURE_FORMAT), array(DISTANCE_FORMAT), depth)
    });
    let (colors, distances, depth) = made.ok()?;
    let one = |texture: &wgpu::Texture, n: u32| {
        texture.create_view(&wgpu::TextureViewDescriptor {
            dimension: Some(wgpu::TextureViewDimension::D2),
            base_array_layer: n,
            array_layer_count: Some(1),
            ..Default::default()
        })
    };
    let all = |texture: &wgpu::Texture| {
        let dimension = Some(wgpu::TextureViewDimension::D2Array);
        texture.create_view(&wgpu::TextureViewDescriptor { dimension, ..Default::default() })
    };
    Some(Layers {
        id: next_id(),
        size,
        num,
        all_colors: all(&colors),
        all_distances: all(&distances),
        colors: (0..num).map(|n| one(&colors, n)).collect(),
        distances: (0..num).map(|n| one(&distances, n)).collect(),
        depth: depth.create_view(&wgpu::TextureViewDescriptor::default()),
        groups: Vec::new(),
        groups_for: None,
    })
}

/// Puts bytes into a buffer, a larger one if they ask for it.
fn fill(ctx: &RenderContext, buffer: &mut wgpu::Buffer, bytes: &[u8]) {
    if bytes.len() as u64 > buffer.size() {
        *buffer = SolidPart::buffer(ctx, bytes.len().next_power_of_two() as u64);
    }
    if !bytes.is_empty() {
        ctx.queue.write_buffer(buffer, 0, bytes);
    }
}

fn batch(scene: &VolumeScene<'_>, size: [u32; 2]) -> Batch {
    let view = scene.view;
    let mut batch = Batch::default();
    for surface in view.surfaces {
        batch.instances.push(SolidInstance { color: rgba(surface.color, surface.opacity), kind: SURFACE });
    }
    for slice in &view.look.slices {
        let [a, b, c, d] = slice.corners_mm.map(|p| SolidVertex { pos_mm: p.as_vec3().to_array(), normal: [0.0; 3] });
        batch.part([0.0, 0.0, 0.0, slice.opacity.clamp(0.0, 1.0)], SLICE, &[a, b, c, a, c, d]);
    }
    for line in view.lines {
        if let Some(vertices) = line_vertices(scene, line, size) {
            let [r, g, b, a] = line.color;
            batch.part(rgba([r, g, b], f32::from(a) / 255.0), LINE, &vertices);
        }
    }
    batch
}

impl Batch {
    fn part(&mut self, color: [f32; 4], kind: u32, vertices: &[SolidVertex]) {
        let (first, instance) = (self.vertices.len() as u32, self.instances.len() as u32);
        self.vertices.extend(vertices);
        self.instances.push(SolidInstance { color, kind });
        self.parts.push((instance, first..self.vertices.len() as u32));
    }
}

fn rgba([r, g, b]: [u8; 3], opacity: f32) -> [f32; 4] {
    [f32::from(r) / 255.0, f32::from(g) / 255.0, f32::from(b) / 255.0, opacity.clamp(0.0, 1.0)]
}

/// A line as a strip that faces the eye; none if all of it lies behind.
fn line_vertices(scene: &VolumeScene<'_>, line: &Line, size: [u32; 2]) -> Option<[SolidVertex; 6]> {
    let camera = scene.view.camera;
    let (forward, right, up) = camera.frustum(scene.view.size_px);
    let eye = camera.eye_mm();
    let depth = |p: DVec3| (p - eye).dot(forward);
    let (mut a, mut b) = (line.a, line.b);
    let (near_a, near_b) = (depth(a) - NEAR_MM * 2.0, depth(b) - NEAR_MM * 2.0);
    if !(near_a.is_finite() && near_b.is_finite()) || near_a < 0.0 && near_b < 0.0 {
        return None;
    }
    if near_a < 0.0 || near_b < 0.0 {
        let cut = a.lerp(b, near_a / (near_a - near_b));
        if near_a < 0.0 { a = cut } else { b = cut }
    }
    let [width, height] = size.map(f64::from);
    // Pixels from the middle of the picture, x to the right, y up.
    let pixel = |p: DVec3| {
        let d = depth(p);
        let x = (p - eye).dot(right) / right.length_squared() / d * width / 2.0;
        let y = (p - eye).dot(up) / up.length_squared() / d * height / 2.0;
        glam::DVec2::new(x, y)
    };
    let along = (pixel(b) - pixel(a)).normalize_or(glam::DVec2::X);
    let across = right.normalize() * -along.y + up.normalize() * along.x;
    // Widths are those of the whole view; a coarser picture has fewer pixels for them.
    let half_px = (f64::from(line.width_px) * height / f64::from(scene.view.size_px[1].max(1))).max(1.0) / 2.0;
    let reach_px = half_px + 1.0;
    let corner = |p: DVec3, side: f64| {
        let d = depth(p);
        let lifted = p - (p - eye).normalize() * LINE_LIFT_MM.min(d / 2.0);
        let mm_per_px = d * up.length() * 2.0 / height;
        let pos_mm = (lifted + across * (side * reach_px * mm_per_px)).as_vec3().to_array();
        SolidVertex { pos_mm, normal: [(side * reach_px) as f32, half_px as f32, 0.0] }
    };
    let [p, q, r, s] = [corner(a, -1.0), corner(a, 1.0), corner(b, -1.0), corner(b, 1.0)];
    Some([p, q, r, q, s, r])
}

#[expect(clippy::cast_possible_truncation, reason = "the shader counts in f32")]
fn solid_uniforms(scene: &VolumeScene<'_>) -> SolidUniforms {
    let view = scene.view;
    let (forward, right, up) = view.camera.frustum(view.size_px);
    let grid = &scene.volume.grid;
    let texel_from_world = grid.texel_from_world();
    let row = |axis: usize| {
        let m = texel_from_world.matrix3;
        let v = DVec4::new(m.x_axis[axis], m.y_axis[axis], m.z_axis[axis], texel_from_world.translation[axis]);
        v.as_vec4().to_array()
    };
    let lighting = view.transfer.lighting;
    let coding = scene.volume.coding;
    let [window, level] = view.look.slice_window;
    let window = window.abs().max(1e-9);
    let planes = scene.planes();
    let (crop_min, crop_max) = scene.crop_texel();
    let flat = |v: DVec3, w: f64| v.extend(w).as_vec4().to_array();
    SolidUniforms {
        clip_x: flat(right / right.length_squared(), 0.0),
        clip_y: flat(up / up.length_squared(), 0.0),
        forward: flat(forward, NEAR_MM),
        eye_mm: view.camera.eye_mm().as_vec3().to_array(),
        // Without shading of the volume, surfaces keep theirs: flat ones could not be told apart.
        ambient: lighting.ambient,
        texel_x: row(0),
        texel_y: row(1),
        texel_z: row(2),
        box_max_texel: grid.box_max_texel().as_vec3().to_array(),
        diffuse: lighting.diffuse,
        specular: lighting.specular,
        shininess: lighting.shininess,
        window_gain: (coding.scale / window) as f32,
        window_bias: ((coding.offset - level) / window + 0.5) as f32,
        plane_a: planes[0],
        plane_b: planes[1],
        plane_c: planes[2],
        crop_min: crop_min.as_vec3().to_array(),
        cut_corner: scene.cuts_corner().into(),
        crop_max: crop_max.as_vec3().to_array(),
        cut_surfaces: view.look.clip.cuts_surfaces.into(),
    }
}

/// Vertices, and what those of one thing share.
pub(crate) fn solid_buffers() -> [Option<wgpu::VertexBufferLayout<'static>>; 2] {
    use crate::pipelines::attribute;
    const VERTEX: [wgpu::VertexAttribute; 2] = [
        attribute(0, wgpu::VertexFormat::Float32x3, offset_of!(SolidVertex, pos_mm)),
        attribute(1, wgpu::VertexFormat::Float32x3, offset_of!(SolidVertex, normal)),
    ];
    const INSTANCE: [wgpu::VertexAttribute; 2] = [
        attribute(2, wgpu::VertexFormat::Float32x4, offset_of!(SolidInstance, color)),
        attribute(3, wgpu::VertexFormat::Uint32, offset_of!(SolidInstance, kind)),
    ];
    [
        Some(wgpu::VertexBufferLayout {
            array_stride: size_of::<SolidVertex>() as u64,
            step_mode: wgpu::VertexStepMode::Vertex,
            attributes: &VERTEX,
        }),
        Some(wgpu::VertexBufferLayout {
            array_stride: size_of::<SolidInstance>() as u64,
            step_mode: wgpu::VertexStepMode::Instance,
            attributes: &INSTANCE,
        }),
    ]
}
