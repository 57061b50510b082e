use glam::{DAffine3, DMat4, DVec3, DVec4};
use half::f16;
use wgpu::BindingResource::{Sampler, TextureView};

use super::{Quality, Renderer, solids};
use crate::{
    LabelTexture, RenderContext, RenderMode, TransferFunction, VolumeTexture, VolumeView,
    gpu_data::RaycastUniforms,
    pipelines::PICTURE_FORMAT,
    resources::{texture_2d, texture_3d, write_3d},
    transfer_function::PAIRS,
    view_state::{BrickKey, BrickTexture, Picture, Shown, VolumePart, bind_group, texture_ids},
};

/// Opacity from which on a ray is not followed.
const STOP_ALPHA: f32 = 0.98;

/// How far before a surface its occlusion is read, mm.
const OCCLUSION_REACH_MM: f32 = 5.0;

/// A volume and what is shown of it.
pub(crate) struct VolumeScene<'a> {
    pub volume: &'a VolumeTexture,
    pub view: &'a VolumeView<'a>,
}

impl Renderer {
    /// Casts rays, or some of them, if the scene is not the one shown; false if it is, or if there is no memory to.
    pub(crate) fn volume_part(
        &self,
        ctx: &RenderContext,
        encoder: &mut wgpu::CommandEncoder,
        part: &mut VolumePart,
        scene: &VolumeScene<'_>,
    ) -> bool {
        let (view, labels) = (scene.view, scene.labels());
        let textures = texture_ids(Some(scene.volume), labels);
        let shown = Shown {
            textures,
            label_version: labels.map_or(0, LabelTexture::label_version),
            camera: view.camera.clone(),
            size_px: view.size_px,
            transfer: view.transfer.clone(),
            quality: view.quality,
            label_opacity: view.label_opacity,
            look: view.look.clone(),
            occlusion: view.occlusion.map(|o| o.id),
            surfaces: solids::surfaces_shown(view.surfaces),
            lines: view.lines.to_vec(),
            deterministic: ctx.is_deterministic(),
        };
        if part.shown.as_ref() == Some(&shown) {
            part.next_shown = None;
            return false;
        }
        let is_begun = part.next_shown.as_ref().is_some_and(|(next, _)| *next == shown);
        if !is_begun && !self.begin(ctx, encoder, part, scene) {
            return false;
        }
        let from = part.next_shown.take().filter(|_| is_begun).map_or(0, |(_, rows)| rows);
        let (Some((_, group)), Some(picture)) = (&part.group, &part.next) else { return false };
        let [width, height] = picture.size;
        let rows = height.div_ceil(view.num_parts.max(1)).min(height - from.min(height));
        let load = if from == 0 { wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT) } else { wgpu::LoadOp::Load };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("raycast"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &picture.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        pass.set_pipeline(match view.transfer.mode {
            RenderMode::Composite => {
                &self.pipelines.raycast[usize::from(labels.is_some())][usize::from(view.quality.smooth_normals)]
            }
            RenderMode::Mip | RenderMode::MinIp | RenderMode::Average => &self.pipelines.mip,
            RenderMode::Isosurface => &self.pipelines.iso,
        });
        pass.set_bind_group(0, group, &[]);
        pass.set_scissor_rect(0, from, width, rows);
        pass.draw(0..3, 0..1);
        drop(pass);
        if from + rows < height {
            part.next_shown = Some((shown, from + rows));
        } else {
            // The picture before has the size of the next one, mostly.
            std::mem::swap(&mut part.picture, &mut part.next);
            part.shown = Some(shown);
        }
        true
    }

    /// Makes ready what all parts of a picture need: table, bricks, layers, uniforms; false if there is no memory for it.
    fn begin(
        &self,
        ctx: &RenderContext,
        encoder: &mut wgpu::CommandEncoder,
        part: &mut VolumePart,
        scene: &VolumeScene<'_>,
    ) -> bool {
        let view = scene.view;
        let table = view.transfer.table(scene.step_mm());
        write_table(ctx, &part.transfer, &table);
        if view.transfer.mode == RenderMode::Composite && !write_pairs(ctx, part, view.transfer) {
            return false;
        }
        let iso_value = (view.transfer.mode == RenderMode::Isosurface).then_some(view.look.iso_value);
        let textures = texture_ids(Some(scene.volume), scene.labels());
        let label_version = scene.labels().map_or(0, LabelTexture::label_version);
        let key = BrickKey { textures, label_version, transfer: view.transfer.clone(), iso_value };
        if part.bricks.as_ref().is_none_or(|b| b.made_for.as_ref() != Some(&key))
            && !write_bricks(ctx, part, scene, &table, key)
        {
            return false;
        }
        self.resize(ctx, part, scene);
        let size = part.next.as_ref().map_or([1; 2], |p| p.size);
        let has_layers = self.draw_layers(ctx, encoder, &mut part.solids, scene, size);
        let num_layers = if has_layers { scene.num_layers() } else { 0 };
        let uniforms = RaycastUniforms { num_layers, ..scene.uniforms(ctx) };
        ctx.queue.write_buffer(&part.uniforms, 0, bytemuck::bytes_of(&uniforms));
        self.bind(ctx, part, scene);
        true
    }

    fn bind(&self, ctx: &RenderContext, part: &mut VolumePart, scene: &VolumeScene<'_>) {
        let (labels, occlusion) = (scene.labels(), scene.view.occlusion);
        let layers = part.solids.layers.as_ref();
        let ids = [Some(scene.volume.id), labels.map(|l| l.id), occlusion.map(|o| o.id), layers.map(|l| l.id)];
        let Some(bricks) = &part.bricks else { return };
        if part.group.as_ref().is_none_or(|(held, _)| *held != ids) {
            let view = |texture: &wgpu::Texture| texture.create_view(&wgpu::TextureViewDescriptor::default());
            let pairs = part.pairs.as_ref().map(|(texture, _)| view(texture));
            let resources = [
                part.uniforms.as_entire_binding(),
                TextureView(&scene.volume.view),
                Sampler(&self.sampler),
                TextureView(labels.map_or(&self.no_labels, |l| &l.view)),
                TextureView(labels.map_or(&self.no_colors, |l| &l.colors_view)),
                TextureView(&view(&part.transfer)),
                TextureView(&view(&bricks.texture)),
                TextureView(occlusion.map_or(&self.no_volume, |o| &o.view)),
                TextureView(layers.map_or(&self.no_layers[0], |l| &l.all_colors)),
                TextureView(layers.map_or(&self.no_layers[1], |l| &l.all_distances)),
                TextureView(pairs.as_ref().unwrap_or(&self.no_colors)),
            ];
            part.group = Some((ids, bind_group(ctx, "raycast", &self.pipelines.raycast_layout, &resources)));
        }
    }

    fn resize(&self, ctx: &RenderContext, part: &mut VolumePart, scene: &VolumeScene<'_>) {
        let greatest = ctx.device.limits().max_texture_dimension_2d;
        let scale = scene.view.quality.scale.clamp(0.1, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to what a texture may have"
        )]
        let size = scene.view.size_px.map(|s| (s as f32 * scale).round().clamp(1.0, greatest as f32) as u32);
        if part.next.as_ref().is_some_and(|p| p.size == size) {
            return;
        }
        let usage = wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING;
        let made = ctx.checked("the 3D picture", u64::from(size[0]) * u64::from(size[1]) * 4, || {
            texture_2d(ctx, "3D picture", PICTURE_FORMAT, size, usage)
                .create_view(&wgpu::TextureViewDescriptor::default())
        });
        // Without memory for it, the view stays empty rather than wrong.
        part.next = made.ok().map(|view| {
            let resources = [TextureView(&view), Sampler(&self.sampler)];
            let blit_group = bind_group(ctx, "blit", &self.pipelines.blit_layout, &resources);
            Picture { size, view, blit_group }
        });
    }
}

impl<'a> VolumeScene<'a> {
    pub(crate) fn step_mm(&self) -> f64 {
        let Quality { step_voxels, .. } = self.view.quality;
        f64::from(step_voxels.clamp(0.05, 10.0)) * self.volume.grid.min_spacing_mm()
    }

    /// The labels drawn as fog.
    fn labels(&self) -> Option<&'a LabelTexture> {
        self.view.labels.filter(|_| self.view.label_opacity > 0.0)
    }

    pub(super) fn cuts_corner(&self) -> bool {
        self.view.look.clip.corner && !self.view.look.clip.planes.is_empty()
    }

    /// The planes in texels; those there are none of keep everything, or cut nothing from the common corner.
    pub(super) fn planes(&self) -> [[f32; 4]; 3] {
        let world_from_texel = self.volume.grid.texel_from_world().inverse();
        let of_texel = DMat4::from(world_from_texel).transpose();
        let unused = [0.0, 0.0, 0.0, if self.cuts_corner() { -1.0 } else { 1.0 }];
        let mut planes = [unused; 3];
        for (out, plane) in planes.iter_mut().zip(&self.view.look.clip.planes) {
            let world: DVec4 = plane.keeps.extend(-plane.keeps.dot(plane.point_mm));
            let texel = of_texel * world;
            *out = texel.as_vec4().to_array();
        }
        planes
    }

    /// The crop box in texels, within the volume.
    pub(super) fn crop_texel(&self) -> (DVec3, DVec3) {
        let grid = &self.volume.grid;
        let (least, greatest) = (DVec3::splat(-0.5), grid.box_max_texel());
        let Some(crop) = self.view.look.clip.crop else { return (least, greatest) };
        let factor = DVec3::from_array(grid.factor.map(|f| f as f64));
        let texel = |voxel: DVec3| (voxel + 0.5) / factor - 0.5;
        (texel(crop.min).clamp(least, greatest), texel(crop.max).clamp(least, greatest))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the shader counts in f32")]
    pub(crate) fn uniforms(&self, ctx: &RenderContext) -> RaycastUniforms {
        let grid = &self.volume.grid;
        let texel_from_world = grid.texel_from_world();
        let linear = texel_from_world.matrix3.as_mat3();
        let view = self.view;
        let (forward, right, up) = view.camera.frustum(view.size_px);
        let (value_gain, value_bias) = self.volume.value_map(view.transfer);
        let lighting = view.transfer.lighting;
        let label_from_texel =
            self.labels().map_or(DAffine3::IDENTITY, |l| l.grid.texel_from_world() * texel_from_world.inverse());
        let label_linear = label_from_texel.matrix3.as_mat3();
        // Squared, so that the slider's lower half still lets one see through organs many millimetres thick.
        let label_per_mm = f64::from(view.label_opacity.clamp(0.0, 1.0)).powi(2).min(0.9999);
        let (crop_min, crop_max) = self.crop_texel();
        let [plane_a, plane_b, plane_c] = self.planes();
        let coding = self.volume.coding;
        let [visible_from, visible_to] = view.transfer.visible_places();
        RaycastUniforms {
            eye_texel: texel_from_world.transform_point3(view.camera.eye_mm()).as_vec3().to_array(),
            step_mm: self.step_mm() as f32,
            forward_world: forward.as_vec3().to_array(),
            value_gain,
            right_world: right.as_vec3().to_array(),
            value_bias,
            up_world: up.as_vec3().to_array(),
            label_alpha: (1.0 - (1.0 - label_per_mm).powf(self.step_mm())) as f32,
            texel_from_world_x: linear.x_axis.to_array(),
            ambient: lighting.ambient,
            texel_from_world_y: linear.y_axis.to_array(),
            diffuse: lighting.diffuse,
            texel_from_world_z: linear.z_axis.to_array(),
            specular: lighting.specular,
            box_min_texel: crop_min.as_vec3().to_array(),
            occlusion: if view.occlusion.is_some() { view.look.occlusion.clamp(0.0, 1.0) } else { 0.0 },
            box_max_texel: crop_max.as_vec3().to_array(),
            shininess: lighting.shininess,
            last_texel: grid.dims.map(|d| (d - 1) as f32),
            gradient_gain: (self.volume.coding.scale / f64::from(lighting.full_gradient.max(1e-12))) as f32,
            inverse_dims: grid.dims.map(|d| 1.0 / d as f32),
            jitter: if ctx.is_deterministic() { 0.0 } else { 1.0 },
            label_from_texel_x: label_linear.x_axis.to_array(),
            shaded: view.transfer.shaded.into(),
            label_from_texel_y: label_linear.y_axis.to_array(),
            has_labels: self.labels().is_some().into(),
            label_from_texel_z: label_linear.z_axis.to_array(),
            stop_alpha: STOP_ALPHA,
            label_origin: label_from_texel.translation.as_vec3().to_array(),
            num_layers: 0,
            occlusion_scale: view.occlusion.map_or([0.0; 3], |o| o.scale),
            occlusion_reach: OCCLUSION_REACH_MM,
            plane_a,
            plane_b,
            plane_c,
            iso_color: view.transfer.color_at(view.look.iso_value),
            iso_texel: ((view.look.iso_value - coding.offset) / coding.scale) as f32,
            cut_corner: self.cuts_corner().into(),
            projection: match view.transfer.mode {
                RenderMode::MinIp => 1,
                RenderMode::Average => 2,
                _ => 0,
            },
            has_volume: view.look.has_volume.into(),
            smooth_normals: view.quality.smooth_normals.into(),
            visible_from,
            visible_to,
            padding_b: 0,
            padding_c: 0,
        }
    }
}

fn write_table(ctx: &RenderContext, texture: &wgpu::Texture, table: &[[f32; 4]]) {
    let halves: Vec<[f16; 4]> = table.iter().map(|entry| entry.map(f16::from_f32)).collect();
    let bytes: &[u8] = bytemuck::cast_slice(&halves);
    let layout =
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: u32::try_from(bytes.len()).ok(), rows_per_image: None };
    ctx.queue.write_texture(texture.as_image_copy(), bytes, layout, texture.size());
}

/// Fills the table of pairs if it is another function's; false if there is no memory for it.
fn write_pairs(ctx: &RenderContext, part: &mut VolumePart, transfer: &TransferFunction) -> bool {
    if part.pairs.as_ref().is_some_and(|(_, made_for)| made_for == transfer) {
        return true;
    }
    if part.pairs.is_none() {
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        let side = PAIRS as u32;
        let made = ctx.checked("the transfer function", (PAIRS * PAIRS * 8) as u64, || {
            texture_2d(ctx, "pairs of values", wgpu::TextureFormat::Rgba16Float, [side; 2], usage)
        });
        let Ok(texture) = made else { return false };
        part.pairs = Some((texture, transfer.clone()));
        part.group = None;
    }
    let Some((texture, made_for)) = &mut part.pairs else { return false };
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(PAIRS as u32 * 8), rows_per_image: None };
    let pairs = transfer.pairs();
    ctx.queue.write_texture(texture.as_image_copy(), bytemuck::cast_slice(&pairs), layout, texture.size());
    made_for.clone_from(transfer);
    true
}

/// Fills the brick texture; false if there is no memory for it.
fn write_bricks(
    ctx: &RenderContext,
    part: &mut VolumePart,
    scene: &VolumeScene<'_>,
    table: &[[f32; 4]],
    key: BrickKey,
) -> bool {
    let bricks = &scene.volume.bricks;
    let (gain, bias) = scene.volume.value_map(scene.view.transfer);
    let bytes = match scene.view.transfer.mode {
        RenderMode::Mip | RenderMode::Average => bricks.bounds(gain, bias),
        RenderMode::MinIp => bricks.lower_bounds(gain, bias),
        RenderMode::Isosurface => bricks.distances_to(scene.uniforms(ctx).iso_texel),
        RenderMode::Composite => {
            let mut with_labels = Vec::new();
            if let Some(labels) = scene.labels() {
                with_labels.resize(bricks.ranges.len(), false);
                let texel_from_label = scene.volume.grid.texel_from_world() * labels.grid.texel_from_world().inverse();
                for brick in labels.visible_bricks() {
                    bricks.mark(&mut with_labels, brick, texel_from_label);
                }
            }
            bricks.distances(table, gain, bias, &with_labels)
        }
    };
    match &mut part.bricks {
        Some(held) if held.dims == bricks.dims => {
            write_3d(ctx, &held.texture, &bytes);
            held.made_for = Some(key);
        }
        held => {
            let made = texture_3d(ctx, "the brick map", wgpu::TextureFormat::R8Uint, bricks.dims, &bytes);
            *held = made.ok().map(|texture| BrickTexture { dims: bricks.dims, texture, made_for: Some(key) });
            part.group = None;
        }
    }
    part.bricks.is_some()
}
