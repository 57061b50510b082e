//! The window drawn by `voco_ui::install_widgets` against the same window drawn by egui.

use egui_kittest::wgpu::{create_render_state, default_wgpu_setup};
use egui_wgpu::{RenderState, RendererOptions, ScreenDescriptor};
use voco_render::RenderContext;
use voco_ui::{Outbox, Session, Shell, ViewSettings};

const SIZE: [u32; 2] = [1024, 640];

/// RGBA of the third frame of an empty window; none where no driver draws on the CPU.
fn picture(ours: bool) -> Option<Vec<u8>> {
    RenderContext::headless().ok().filter(RenderContext::is_software)?;
    let options = RendererOptions { dithering: false, ..RendererOptions::default() };
    let state = create_render_state(default_wgpu_setup(), options);
    let context = RenderContext::from_wgpu(&state.adapter, state.device.clone(), state.queue.clone());
    voco_ui::install_gpu(&state, context.clone());
    let ctx = egui::Context::default();
    voco_ui::theme::apply(&ctx);
    if ours {
        voco_ui::install_widgets(&ctx, &state, &context);
    }
    let (mut shell, mut session, mut settings, mut outbox) =
        (Shell::default(), Session::default(), ViewSettings::default(), Outbox::default());
    session.adapter_name = "an adapter".into();
    let mut pixels = Vec::new();
    for frame in 0..3 {
        let size = egui::vec2(SIZE[0] as f32, SIZE[1] as f32);
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, size)),
            time: Some(f64::from(frame)),
            ..egui::RawInput::default()
        };
        let output = ctx.run_ui(input, |ui| shell.show(ui, &mut session, &mut settings, &mut outbox));
        pixels = draw(&ctx, &state, output);
    }
    Some(pixels)
}

fn draw(ctx: &egui::Context, state: &RenderState, mut output: egui::FullOutput) -> Vec<u8> {
    let (device, queue) = (&state.device, &state.queue);
    let extent = wgpu::Extent3d { width: SIZE[0], height: SIZE[1], depth_or_array_layers: 1 };
    let target = device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: extent,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: state.target_format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let uploads: Vec<_> = output.textures_delta.set.drain().collect();
    for (id, images) in uploads {
        for image in images {
            state.renderer.write().update_texture(device, queue, id, &image);
        }
    }
    let shapes = ctx.tessellate(output.shapes, 1.0);
    let screen = ScreenDescriptor { size_in_pixels: SIZE, pixels_per_point: 1.0 };
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let own = state.renderer.write().update_buffers(device, queue, &mut encoder, &shapes, &screen);
    {
        let attachment = wgpu::RenderPassColorAttachment {
            view: &target.create_view(&wgpu::TextureViewDescriptor::default()),
            resolve_target: None,
            ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
            depth_slice: None,
        };
        let descriptor = wgpu::RenderPassDescriptor { color_attachments: &[Some(attachment)], ..Default::default() };
        let mut pass = encoder.begin_render_pass(&descriptor).forget_lifetime();
        state.renderer.read().render(&mut pass, &shapes, &screen);
    }
    let bytes_per_row = 4 * SIZE[0];
    let read = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(bytes_per_row * SIZE[1]),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let layout =
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(bytes_per_row), rows_per_image: Some(SIZE[1]) };
    encoder.copy_texture_to_buffer(target.as_image_copy(), wgpu::TexelCopyBufferInfo { buffer: &read, layout }, extent);
    queue.submit(own.into_iter().chain([encoder.finish()]));
    read.slice(..).map_async(wgpu::MapMode::Read, |mapped| mapped.expect("mapped"));
    device.poll(wgpu::PollType::wait_indefinitely()).expect("drawn");
    let view = read.slice(..).get_mapped_range().expect("mapped");
    view.to_vec()
}

#[test]
fn the_window_looks_as_egui_draws_it() {
    let (Some(ours), Some(theirs)) = (picture(true), picture(false)) else { return };
    let worst = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(2), "differs by {worst:?} of 255");
    let lit = ours.iter().filter(|&&v| v > 100 && v < 255).count();
    assert!(lit > 5000, "there is something to see: {lit}");
}
