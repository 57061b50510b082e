use std::time::{Duration, Instant};

use egui_wgpu::{RenderState, RendererOptions, ScreenDescriptor, WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use glam::DVec3;
use serde_json::{Value, json};
use voco_render::RenderContext;
use voco_ui::{Layout, OpenVolume, Outbox, Session, Shell, ViewSettings, Work};

/// A frame that takes longer is a driver that hangs.
const MOST_PER_FRAME: Duration = Duration::from_mins(2);

/// The whole window, drawn into a texture.
pub(super) struct Offscreen {
    ctx: egui::Context,
    state: RenderState,
    context: RenderContext,
    target: wgpu::TextureView,
    size_px: [u32; 2],
    began: Instant,
    shell: Shell,
    session: Session,
    settings: ViewSettings,
    outbox: Outbox,
}

/// The next slice of every plane, back and forth within the middle half of the volume.
pub(super) fn scroll(n: usize, session: &mut Session, settings: &mut ViewSettings) {
    let Some(volume) = session.active() else { return };
    let geometry = volume.volume.geometry();
    let num_slices = (geometry.dims()[2] / 2).max(1);
    let step = n % (2 * num_slices);
    let step = if step < num_slices { step } else { 2 * num_slices - step };
    let from_center = step as f64 - num_slices as f64 / 2.0;
    settings.cursor_mm = geometry.center_mm() + geometry.world_from_voxel().transform_vector3(DVec3::Z) * from_center;
}

/// A window that becomes wider and narrower.
pub(super) fn window_level(n: usize, session: &mut Session, _settings: &mut ViewSettings) {
    if let Some(volume) = session.active_mut() {
        let range = (volume.stats.max - volume.stats.min).max(1e-6);
        volume.window.width = range * (0.1 + 0.01 * (n % 50) as f64);
        volume.window.level = volume.stats.mean + range * 0.002 * (n % 50) as f64;
    }
}

impl Offscreen {
    /// The window's device and pipelines.
    pub fn new(size_px: [u32; 2]) -> anyhow::Result<Self> {
        let mut setup = WgpuSetupCreateNew::without_display_handle();
        setup.device_descriptor = std::sync::Arc::new(|adapter| wgpu::DeviceDescriptor {
            label: Some("voco bench"),
            required_limits: RenderContext::wanted_limits(adapter),
            ..Default::default()
        });
        let setup = WgpuSetup::CreateNew(setup);
        let instance = pollster::block_on(setup.new_instance());
        let configuration = WgpuConfiguration { wgpu_setup: setup, ..Default::default() };
        let created = RenderState::create(&configuration, &instance, None, RendererOptions::default());
        let state = pollster::block_on(created)?;
        let context = RenderContext::from_wgpu(&state.adapter, state.device.clone(), state.queue.clone());
        voco_ui::install_gpu(&state, context.clone());
        let target = state.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("voco bench"),
            size: wgpu::Extent3d { width: size_px[0], height: size_px[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: state.target_format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        let ctx = egui::Context::default();
        voco_ui::theme::apply(&ctx);
        voco_ui::install_widgets(&ctx, &state, &context);
        let settings = ViewSettings { work: Work::Segment, ..ViewSettings::default() };
        Ok(Self {
            ctx,
            context,
            target: target.create_view(&wgpu::TextureViewDescriptor::default()),
            state,
            size_px,
            began: Instant::now(),
            shell: Shell::default(),
            session: Session::default(),
            settings,
            outbox: Outbox::default(),
        })
    }

    pub fn context(&self) -> &RenderContext {
        &self.context
    }

    pub fn adapter_name(&self) -> &str {
        self.context.adapter_name()
    }

    pub fn show(&mut self, volume: OpenVolume) {
        self.settings.reset_for(&volume);
        self.session.active = Some(volume.id);
        self.session.volumes.push(volume);
    }

    pub fn set_layout(&mut self, layout: Layout) {
        self.settings.layout = layout;
    }

    /// Draws one frame and waits until it is there; its milliseconds.
    pub fn frame(&mut self) -> anyhow::Result<f64> {
        let began = Instant::now();
        let size = egui::vec2(self.size_px[0] as f32, self.size_px[1] as f32);
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, size)),
            time: Some(self.began.elapsed().as_secs_f64()),
            focused: true,
            ..egui::RawInput::default()
        };
        let Self { shell, session, settings, outbox, .. } = self;
        let mut output = self.ctx.run_ui(input, |ui| shell.show(ui, session, settings, outbox));
        self.outbox.take();
        let (device, queue) = (&self.state.device, &self.state.queue);
        let mut renderer = self.state.renderer.write();
        // In whatever order: each has a texture of its own.
        let uploads: Vec<_> = output.textures_delta.set.drain().collect();
        for (id, images) in uploads {
            for image in images {
                renderer.update_texture(device, queue, id, &image);
            }
        }
        let shapes = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let screen = ScreenDescriptor { size_in_pixels: self.size_px, pixels_per_point: output.pixels_per_point };
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let own = renderer.update_buffers(device, queue, &mut encoder, &shapes, &screen);
        {
            let attachment = wgpu::RenderPassColorAttachment {
                view: &self.target,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
                depth_slice: None,
            };
            let descriptor =
                wgpu::RenderPassDescriptor { color_attachments: &[Some(attachment)], ..Default::default() };
            let mut pass = encoder.begin_render_pass(&descriptor).forget_lifetime();
            // As eframe does: callbacks may read it, too.
            drop(renderer);
            self.state.renderer.read().render(&mut pass, &shapes, &screen);
        }
        queue.submit(own.into_iter().chain(std::iter::once(encoder.finish())));
        let mut renderer = self.state.renderer.write();
        let freed: Vec<_> = output.textures_delta.free.drain().collect();
        for id in freed {
            renderer.free_texture(&id);
        }
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(MOST_PER_FRAME) };
        device.poll(wait).map_err(|e| anyhow::anyhow!("the graphics driver did not finish a frame: {e}"))?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    /// Milliseconds of `count` frames, each after a change.
    pub fn times(
        &mut self,
        count: usize,
        change: impl Fn(usize, &mut Session, &mut ViewSettings),
    ) -> anyhow::Result<Value> {
        let mut times = Vec::new();
        for n in 0..count.max(1) {
            change(n, &mut self.session, &mut self.settings);
            times.push(self.frame()?);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        Ok(json!({ "median_ms": at(0.5), "p95_ms": at(0.95), "most_ms": at(1.0) }))
    }
}
