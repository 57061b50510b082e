use glam::{DVec2, DVec3};

use crate::{RenderContext, SliceView, gpu_data::LineInstance};

/// A straight segment in the patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// One end.
    pub a: DVec3,
    /// The other.
    pub b: DVec3,
    /// sRGB and opacity (not premultiplied).
    pub color: [u8; 4],
    /// Width on the screen.
    pub width_px: f32,
}

/// A view's lines on the GPU, in pixels.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    buffer: wgpu::Buffer,
    pub count: u32,
}

impl LineBuffer {
    pub fn new(ctx: &RenderContext) -> Self {
        Self { buffer: instance_buffer(ctx, 64), count: 0 }
    }

    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    pub fn set(&mut self, ctx: &RenderContext, instances: &[LineInstance]) {
        self.count = u32::try_from(instances.len()).unwrap_or(0);
        let bytes: &[u8] = bytemuck::cast_slice(instances);
        if bytes.len() as u64 > self.buffer.size() {
            self.buffer = instance_buffer(ctx, instances.len().next_power_of_two());
        }
        if !bytes.is_empty() {
            ctx.queue.write_buffer(&self.buffer, 0, bytes);
        }
    }
}

/// Lines as a slice view shows them: projected onto its plane.
pub(crate) fn on_slice(lines: &[Line], view: &SliceView) -> Vec<LineInstance> {
    lines.iter().map(|line| instance(line, view.pixel_from_world(line.a), view.pixel_from_world(line.b))).collect()
}

fn instance(line: &Line, a: DVec2, b: DVec2) -> LineInstance {
    let (a, b) = (a.as_vec2(), b.as_vec2());
    LineInstance { ends_px: [a.x, a.y, b.x, b.y], color: line.color, width_px: line.width_px }
}

fn instance_buffer(ctx: &RenderContext, count: usize) -> wgpu::Buffer {
    ctx.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("lines"),
        size: (count * size_of::<LineInstance>()) as u64,
        usage: wgpu::BufferUsages::VERTEX | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
