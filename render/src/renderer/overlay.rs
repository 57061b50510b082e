use glam::{DAffine3, DVec2};
use wgpu::BindingResource::TextureView;

use super::{Renderer, slice::SlabUniforms};
use crate::{
    Mask, Overlay, RenderContext, SliceLabels, SliceLook, SliceView, ViewState, VolumeTexture,
    gpu_data::OverlayUniforms,
    view_state::{OverlayPart, bind_group},
};

impl Renderer {
    /// Lays other volumes over the slice that was prepared last, the first one lowest; label maps lie above them. To be called
    /// after [`Self::prepare_slice`] with the same arguments.
    #[expect(clippy::too_many_arguments, reason = "those of prepare_slice, and the overlays")]
    pub fn prepare_overlays(
        &self,
        ctx: &RenderContext,
        state: &mut ViewState,
        volume: Option<&VolumeTexture>,
        labels: SliceLabels<'_>,
        view: &SliceView,
        look: &SliceLook,
        overlays: &[Overlay<'_>],
    ) {
        state.num_overlays = overlays.len();
        if overlays.is_empty() {
            return;
        }
        // The image first, then the overlays, then the labels.
        self.slice_part(ctx, &mut state.slice, volume, labels, view, look, 1);
        let mut top = state.label_layer.take().unwrap_or_else(|| ViewState::slice_layer(ctx));
        self.slice_part(ctx, &mut top, volume, labels, view, look, 2);
        state.label_layer = Some(top);
        while state.overlays.len() < overlays.len() {
            state.overlays.push(OverlayPart::new(ctx));
        }
        for (part, overlay) in state.overlays.iter_mut().zip(overlays) {
            ctx.queue.write_buffer(&part.uniforms, 0, bytemuck::bytes_of(&uniforms(overlay, view, look)));
            part.set_colors(ctx, overlay.color_map);
            if part.group.as_ref().is_none_or(|(held, _)| *held != overlay.volume.id) {
                let resources = [
                    part.uniforms.as_entire_binding(),
                    TextureView(&overlay.volume.view),
                    TextureView(&part.colors_view),
                ];
                let group = bind_group(ctx, "overlay", &self.pipelines.overlay_layout, &resources);
                part.group = Some((overlay.volume.id, group));
            }
        }
    }

    pub(super) fn paint_overlays(&self, pass: &mut wgpu::RenderPass<'_>, state: &ViewState) {
        if state.num_overlays == 0 {
            return;
        }
        pass.set_pipeline(&self.pipelines.overlay);
        for (_, group) in state.overlays.iter().take(state.num_overlays).filter_map(|part| part.group.as_ref()) {
            pass.set_bind_group(0, group, &[]);
            pass.draw(0..3, 0..1);
        }
        if let Some((_, group)) = state.label_layer.as_ref().and_then(|layer| layer.group.as_ref()) {
            pass.set_pipeline(&self.pipelines.slice_over);
            pass.set_bind_group(0, group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "differences are taken in f64; what is left fits f32")]
fn uniforms(overlay: &Overlay<'_>, view: &SliceView, look: &SliceLook) -> OverlayUniforms {
    let [width, height] = view.size_px.map(|s| f64::from(s.max(1)));
    let map: DAffine3 = overlay.volume.grid.texel_from_world();
    let place = [
        map.transform_point3(view.world_from_pixel(DVec2::ZERO)),
        map.transform_vector3(view.frame.right * (view.mm_per_pixel * width)),
        map.transform_vector3(view.frame.down * (view.mm_per_pixel * height)),
    ];
    let [origin_texel, right_texel, down_texel] = place.map(|v| v.as_vec3().to_array());
    let coding = overlay.volume.coding;
    let window_width = overlay.window_width.abs().max(1e-9);
    let slab = SlabUniforms::new(look.slab, view, overlay.volume);
    let texel = |real: f64| (((real - coding.offset) / coding.scale) as f32).clamp(f32::MIN, f32::MAX);
    let (mask, mask_size) = match overlay.mask {
        Mask::All => (0, 1.0),
        Mask::Checkerboard { side_px } => (1, side_px.max(1.0)),
        Mask::Swipe { at } => (2, at),
    };
    OverlayUniforms {
        origin_texel,
        window_gain: (coding.scale / window_width) as f32,
        right_texel,
        window_bias: ((coding.offset - overlay.window_level) / window_width + 0.5) as f32,
        down_texel,
        opacity: overlay.opacity.clamp(0.0, 1.0),
        box_max_texel: overlay.volume.grid.box_max_texel().as_vec3().to_array(),
        low: texel(overlay.low),
        slab_step_texel: slab.step_texel,
        high: texel(overlay.high),
        slab_mode: slab.mode,
        slab_count: slab.count,
        additive: overlay.additive.into(),
        mask,
        size_px: [width as f32, height as f32],
        mask_size,
        padding: 0.0,
    }
}
