use glam::{DAffine3, DVec2, DVec3};
use wgpu::BindingResource::TextureView;

use super::Renderer;
use crate::{
    ComparisonStyle, LabelTexture, RenderContext, Slab, SlabMode, SliceLabels, SliceLook, SliceView, VolumeTexture,
    gpu_data::SliceUniforms,
    view_state::{SliceKind, SlicePart, bind_group},
};

impl Renderer {
    #[expect(clippy::too_many_arguments, reason = "those of prepare_slice and the layer")]
    pub(super) fn slice_part(
        &self,
        ctx: &RenderContext,
        part: &mut SlicePart,
        volume: Option<&VolumeTexture>,
        maps: SliceLabels<'_>,
        view: &SliceView,
        look: &SliceLook,
        layer: u32,
    ) {
        let uniforms = SliceUniforms { layer, ..uniforms(volume, maps, view, look) };
        ctx.queue.write_buffer(&part.uniforms, 0, bytemuck::bytes_of(&uniforms));
        let SliceLabels { labels, reference } = maps;
        part.kind = match &uniforms {
            SliceUniforms { layer: 0, slab_mode: 0, comparison: 0, .. } if volume.is_some() => match labels {
                None => SliceKind::Plain,
                Some(_) if look.label_outline_px.is_none() => SliceKind::Labels,
                Some(_) => SliceKind::Any,
            },
            _ => SliceKind::Any,
        };
        let ids = [volume.map(|v| v.id), labels.map(|l| l.id), reference.map(|r| r.id)];
        if part.group.as_ref().is_none_or(|(held, _)| *held != ids) {
            let resources = [
                part.uniforms.as_entire_binding(),
                TextureView(volume.map_or(&self.no_volume, |v| &v.view)),
                TextureView(labels.map_or(&self.no_labels, |l| &l.view)),
                TextureView(labels.map_or(&self.no_colors, |l| &l.colors_view)),
                TextureView(reference.map_or(&self.no_labels, |r| &r.view)),
            ];
            part.group = Some((ids, bind_group(ctx, "slice", &self.pipelines.slice_layout, &resources)));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "differences are taken in f64; what is left fits f32")]
fn uniforms(
    volume: Option<&VolumeTexture>,
    SliceLabels { labels, reference }: SliceLabels<'_>,
    view: &SliceView,
    look: &SliceLook,
) -> SliceUniforms {
    let [width, height] = view.size_px.map(|s| f64::from(s.max(1)));
    let corner = view.world_from_pixel(DVec2::ZERO);
    let right = view.frame.right * (view.mm_per_pixel * width);
    let down = view.frame.down * (view.mm_per_pixel * height);
    let place = |map: DAffine3| {
        let vectors = [map.transform_point3(corner), map.transform_vector3(right), map.transform_vector3(down)];
        vectors.map(|v| v.as_vec3().to_array())
    };
    let [origin_texel, right_texel, down_texel] = volume.map_or([[0.0; 3]; 3], |v| place(v.grid.texel_from_world()));
    let place_of = |map: Option<&LabelTexture>| map.map_or([[0.0; 3]; 3], |m| place(m.grid.texel_from_world()));
    let [label_origin, label_right, label_down] = place_of(labels);
    let [reference_origin, reference_right, reference_down] = place_of(reference);
    let comparison = match look.comparison.style {
        _ if reference.is_none() => 0,
        ComparisonStyle::Off => 0,
        ComparisonStyle::Outlines => 1,
        ComparisonStyle::Differences => 2,
    };
    let coding = volume.map_or((1.0, 0.0), |v| (v.coding.scale, v.coding.offset));
    let window_width = look.window_width.abs().max(1e-9);
    let sign = if look.inverted { -1.0 } else { 1.0 };
    let slab = volume.map_or(SlabUniforms::NONE, |v| SlabUniforms::new(look.slab, view, v));
    SliceUniforms {
        origin_texel,
        window_gain: (coding.0 * sign / window_width) as f32,
        right_texel,
        window_bias: ((coding.1 - look.window_level) * sign / window_width + 0.5) as f32,
        down_texel,
        label_opacity: look.label_opacity.clamp(0.0, 1.0),
        // Without a volume, the box has nothing inside.
        box_max_texel: volume.map_or(DVec3::splat(-1.0), |v| v.grid.box_max_texel()).as_vec3().to_array(),
        outline_px: look.label_outline_px.map_or(0.0, |px| px.clamp(0.25, 64.0)),
        label_origin,
        pixel_u: (1.0 / width) as f32,
        label_right,
        pixel_v: (1.0 / height) as f32,
        label_down,
        has_labels: labels.is_some().into(),
        reference_origin,
        comparison,
        reference_right,
        compared_class: look.comparison.class.unwrap_or(0).into(),
        reference_down,
        slab_mode: slab.mode,
        slab_step_texel: slab.step_texel,
        slab_count: slab.count,
        layer: 0,
        padding_a: 0,
        padding_b: 0,
        padding_c: 0,
    }
}

/// A slab as the shaders see it.
pub(super) struct SlabUniforms {
    pub mode: u32,
    pub count: u32,
    pub step_texel: [f32; 3],
}

impl SlabUniforms {
    const NONE: Self = Self { mode: 0, count: 1, step_texel: [0.0; 3] };

    pub fn new(slab: Slab, view: &SliceView, volume: &VolumeTexture) -> Self {
        let (count, step_mm) = slab.samples(volume.grid.min_spacing_mm());
        let mode = match slab.mode {
            SlabMode::Thin => 0,
            _ if count < 2 => 0,
            SlabMode::Max => 1,
            SlabMode::Min => 2,
            SlabMode::Mean => 3,
        };
        // At right angles to the picture, also where the grid is sheared.
        let normal = view.frame.right.cross(view.frame.down).normalize_or_zero();
        let step_texel = volume.grid.texel_from_world().transform_vector3(normal * step_mm);
        Self { mode, count, step_texel: step_texel.as_vec3().to_array() }
    }
}
