use std::sync::Arc;

use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use voco_render::{
    LabelTexture, Quality, RenderContext, Renderer, SliceLabels, SliceLook, SliceView, TransferFunction, ViewState,
    VolumeCamera, VolumeTexture,
};

/// What the views' callbacks draw with; lives in egui's callback resources.
pub struct GpuViews {
    context: RenderContext,
    renderer: Renderer,
    states: [ViewState; 4],
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
        if let Some(gpu) = resources.get_mut::<GpuViews>() {
            let state = &mut gpu.states[self.index];
            let labels = SliceLabels { labels: self.labels.as_deref(), reference: self.reference.as_deref() };
            gpu.renderer.prepare_slice(
                &gpu.context,
                encoder,
                state,
                Some(&self.volume),
                labels,
                &self.view,
                &self.look,
                &[],
            );
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let Some(gpu) = resources.get::<GpuViews>() {
            gpu.renderer.paint(pass, &gpu.states[self.index]);
        }
    }
}

/// The 3D view of this frame.
pub(crate) struct VolumeCallback {
    pub index: usize,
    pub volume: Arc<VolumeTexture>,
    pub labels: Option<Arc<LabelTexture>>,
    pub camera: VolumeCamera,
    pub size_px: [u32; 2],
    pub transfer: TransferFunction,
    pub quality: Quality,
    pub label_opacity: f32,
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
        if let Some(gpu) = resources.get_mut::<GpuViews>() {
            gpu.renderer.prepare_volume(
                &gpu.context,
                encoder,
                &mut gpu.states[self.index],
                &self.volume,
                self.labels.as_deref(),
                &self.camera,
                self.size_px,
                &self.transfer,
                self.quality.suited_to(&gpu.context),
                self.label_opacity,
                &[],
            );
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let Some(gpu) = resources.get::<GpuViews>() {
            gpu.renderer.paint(pass, &gpu.states[self.index]);
        }
    }
}
