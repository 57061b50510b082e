use std::sync::Arc;

use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use voco_render::{
    ColorMap, LabelTexture, Line, Mask, OcclusionTexture, Overlay, Quality, RenderContext, Renderer, SliceLabels,
    SliceLook, SliceView, Surface, SurfaceMesh, TransferFunction, ViewState, VolumeCamera, VolumeLook, VolumeTexture,
    VolumeView,
};

use crate::Window;

/// Views that can be on the screen at a time; see `Pane::gpu_index`.
const MAX_VIEWS: usize = 8;

/// Frames over which a fine 3D picture is drawn without a GPU, so that none of them holds up the window.
const PARTS_ON_PROCESSOR: u32 = 10;

/// What the views' callbacks draw with; lives in egui's callback resources.
pub struct GpuViews {
    context: RenderContext,
    renderer: Renderer,
    states: [ViewState; MAX_VIEWS],
}

/// Makes the pipelines for egui's render pass. Until it is called, views stay empty.
pub fn install(render_state: &RenderState, context: RenderContext) {
    let renderer = Renderer::new(&context, render_state.target_format);
    let states = std::array::from_fn(|_| ViewState::new(&context, &renderer));
    render_state.renderer.write().callback_resources.insert(GpuViews { context, renderer, states });
}

/// One slice view of this frame.
pub(crate) struct SliceCallback {
    pub index: usize,
    pub volume: Arc<VolumeTexture>,
    pub labels: Option<Arc<LabelTexture>>,
    pub reference: Option<Arc<LabelTexture>>,
    pub view: SliceView,
    pub look: SliceLook,
    pub overlays: Vec<DrawnOverlay>,
}

/// A volume over a slice of this frame.
pub(crate) struct DrawnOverlay {
    pub volume: Arc<VolumeTexture>,
    pub window: Window,
    pub color_map: ColorMap,
    pub opacity: f32,
    pub range: [f64; 2],
    pub additive: bool,
    pub mask: Mask,
}

impl CallbackTrait for SliceCallback {
    fn prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let Some(gpu) = resources.get_mut::<GpuViews>() else { return Vec::new() };
        let Some(state) = gpu.states.get_mut(self.index) else { return Vec::new() };
        let labels = SliceLabels { labels: self.labels.as_deref(), reference: self.reference.as_deref() };
        let (ctx, volume) = (&gpu.context, Some(&*self.volume));
        gpu.renderer.prepare_slice(ctx, encoder, state, volume, labels, &self.view, &self.look, &[]);
        let overlays: Vec<Overlay<'_>> = self.overlays.iter().map(DrawnOverlay::as_overlay).collect();
        gpu.renderer.prepare_overlays(ctx, state, volume, labels, &self.view, &self.look, &overlays);
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        paint(self.index, pass, resources);
    }
}

impl DrawnOverlay {
    fn as_overlay(&self) -> Overlay<'_> {
        Overlay {
            volume: &self.volume,
            window_width: self.window.width,
            window_level: self.window.level,
            color_map: self.color_map,
            opacity: self.opacity,
            low: self.range[0],
            high: self.range[1],
            additive: self.additive,
            mask: self.mask,
        }
    }
}

/// The 3D view of this frame.
pub(crate) struct VolumeCallback {
    pub index: usize,
    pub volume: Arc<VolumeTexture>,
    pub camera: VolumeCamera,
    pub size_px: [u32; 2],
    pub transfer: TransferFunction,
    pub quality: Quality,
    pub look: VolumeLook,
    pub occlusion: Option<Arc<OcclusionTexture>>,
    /// With colour and opacity.
    pub surfaces: Vec<(Arc<SurfaceMesh>, [u8; 3], f32)>,
    pub lines: Vec<Line>,
    /// Woken while the picture is not whole.
    pub window: egui::Context,
}

impl CallbackTrait for VolumeCallback {
    fn prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let Some(gpu) = resources.get_mut::<GpuViews>() else { return Vec::new() };
        let Some(state) = gpu.states.get_mut(self.index) else { return Vec::new() };
        let surfaces: Vec<Surface<'_>> = self
            .surfaces
            .iter()
            .map(|(mesh, color, opacity)| Surface { mesh, color: *color, opacity: *opacity })
            .collect();
        let quality = self.quality.suited_to(&gpu.context);
        let view = VolumeView {
            occlusion: self.occlusion.as_deref(),
            surfaces: &surfaces,
            lines: &self.lines,
            num_parts: if gpu.context.is_software() && quality.scale >= 1.0 { PARTS_ON_PROCESSOR } else { 1 },
            ..VolumeView::new(&self.camera, self.size_px, &self.transfer, quality, &self.look)
        };
        if !gpu.renderer.prepare_volume(&gpu.context, encoder, state, &self.volume, &view) {
            self.window.request_repaint();
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        paint(self.index, pass, resources);
    }
}

fn paint(index: usize, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
    if let Some(gpu) = resources.get::<GpuViews>()
        && let Some(state) = gpu.states.get(index)
    {
        gpu.renderer.paint(pass, state);
    }
}
