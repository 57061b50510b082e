use glam::DAffine3;
use half::f16;
use wgpu::BindingResource::{Sampler, TextureView};

use super::{Quality, Renderer};
use crate::{
    LabelTexture, RenderContext, RenderMode, TransferFunction, VolumeCamera, VolumeTexture,
    gpu_data::RaycastUniforms,
    pipelines::PICTURE_FORMAT,
    resources::{texture_2d, texture_3d, write_3d},
    view_state::{BrickKey, BrickTexture, Picture, Shown, VolumePart, bind_group, texture_ids},
};

/// Opacity from which on a ray is not followed.
const STOP_ALPHA: f32 = 0.98;

pub(crate) struct VolumeScene<'a> {
    pub volume: &'a VolumeTexture,
    pub labels: Option<&'a LabelTexture>,
    pub camera: &'a VolumeCamera,
    pub size_px: [u32; 2],
    pub transfer: &'a TransferFunction,
    pub quality: Quality,
    pub label_opacity: f32,
}

impl Renderer {
    /// Casts rays if the scene is not the one shown; false if it is, or if there is no memory to.
    pub(crate) fn volume_part(
        &self,
        ctx: &RenderContext,
        encoder: &mut wgpu::CommandEncoder,
        part: &mut VolumePart,
        scene: &VolumeScene<'_>,
    ) -> bool {
        let textures = texture_ids(Some(scene.volume), scene.labels);
        let shown = Shown {
            textures,
            label_version: scene.labels.map_or(0, LabelTexture::label_version),
            camera: scene.camera.clone(),
            size_px: scene.size_px,
            transfer: scene.transfer.clone(),
            quality: scene.quality,
            label_opacity: scene.label_opacity,
            deterministic: ctx.is_deterministic(),
        };
        if part.shown.as_ref() == Some(&shown) {
            return false;
        }
        let table = scene.transfer.table(scene.step_mm());
        write_table(ctx, &part.transfer, &table);
        let key = BrickKey { textures, label_version: shown.label_version, transfer: scene.transfer.clone() };
        if part.bricks.as_ref().is_none_or(|b| b.made_for.as_ref() != Some(&key))
            && !write_bricks(ctx, part, scene, &table, key)
        {
            return false;
        }
        ctx.queue.write_buffer(&part.uniforms, 0, bytemuck::bytes_of(&scene.uniforms(ctx)));
        self.bind(ctx, part, scene);
        self.resize(ctx, part, scene);
        let (Some((_, group)), Some(picture)) = (&part.group, &part.picture) else { return false };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("raycast"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &picture.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                    store: wgpu::StoreOp::Store,
                },
            })],
            ..Default::default()
        });
        pass.set_pipeline(match scene.transfer.mode {
            RenderMode::Composite => &self.pipelines.raycast,
            RenderMode::Mip => &self.pipelines.mip,
        });
        pass.set_bind_group(0, group, &[]);
        pass.draw(0..3, 0..1);
        drop(pass);
        part.shown = Some(shown);
        true
    }

    fn bind(&self, ctx: &RenderContext, part: &mut VolumePart, scene: &VolumeScene<'_>) {
        let ids = texture_ids(Some(scene.volume), scene.labels);
        let Some(bricks) = &part.bricks else { return };
        if part.group.as_ref().is_none_or(|(held, _)| *held != ids) {
            let view = |texture: &wgpu::Texture| texture.create_view(&wgpu::TextureViewDescriptor::default());
            let resources = [
                part.uniforms.as_entire_binding(),
                TextureView(&scene.volume.view),
                Sampler(&self.sampler),
                TextureView(scene.labels.map_or(&self.no_labels, |l| &l.view)),
                TextureView(scene.labels.map_or(&self.no_colors, |l| &l.colors_view)),
                TextureView(&view(&part.transfer)),
                TextureView(&view(&bricks.texture)),
            ];
            part.group = Some((ids, bind_group(ctx, "raycast", &self.pipelines.raycast_layout, &resources)));
        }
    }

    fn resize(&self, ctx: &RenderContext, part: &mut VolumePart, scene: &VolumeScene<'_>) {
        let greatest = ctx.device.limits().max_texture_dimension_2d;
        let scale = scene.quality.scale.clamp(0.1, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to what a texture may have"
        )]
        let size = scene.size_px.map(|s| (s as f32 * scale).round().clamp(1.0, greatest as f32) as u32);
        if part.picture.as_ref().is_some_and(|p| p.size == size) {
            return;
        }
        let usage = wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING;
        let made = ctx.checked("the 3D picture", u64::from(size[0]) * u64::from(size[1]) * 4, || {
            texture_2d(ctx, "3D picture", PICTURE_FORMAT, size, usage)
                .create_view(&wgpu::TextureViewDescriptor::default())
        });
        // Without memory for it, the view stays empty rather than wrong.
        part.picture = made.ok().map(|view| {
            let resources = [TextureView(&view), Sampler(&self.sampler)];
            let blit_group = bind_group(ctx, "blit", &self.pipelines.blit_layout, &resources);
            Picture { size, view, blit_group }
        });
    }
}

impl VolumeScene<'_> {
    pub(crate) fn step_mm(&self) -> f64 {
        f64::from(self.quality.step_voxels.clamp(0.05, 10.0)) * self.volume.grid.min_spacing_mm()
    }

    /// `texel · gain + bias` = place in the table, 0…1.
    fn value_map(&self) -> (f32, f32) {
        let (lo, hi) = self.transfer.range();
        let coding = self.volume.coding;
        #[expect(clippy::cast_possible_truncation, reason = "the shader counts in f32")]
        let map = ((coding.scale / (hi - lo)) as f32, ((coding.offset - lo) / (hi - lo)) as f32);
        map
    }

    #[expect(clippy::cast_possible_truncation, reason = "the shader counts in f32")]
    pub(crate) fn uniforms(&self, ctx: &RenderContext) -> RaycastUniforms {
        let grid = &self.volume.grid;
        let texel_from_world = grid.texel_from_world();
        let linear = texel_from_world.matrix3.as_mat3();
        let (forward, right, up) = self.camera.frustum(self.size_px);
        let (value_gain, value_bias) = self.value_map();
        let lighting = self.transfer.lighting;
        let label_from_texel =
            self.labels.map_or(DAffine3::IDENTITY, |l| l.grid.texel_from_world() * texel_from_world.inverse());
        let label_linear = label_from_texel.matrix3.as_mat3();
        // Squared, so that the slider's lower half still lets one see through organs many millimetres thick.
        let label_per_mm = f64::from(self.label_opacity.clamp(0.0, 1.0)).powi(2).min(0.9999);
        RaycastUniforms {
            eye_texel: texel_from_world.transform_point3(self.camera.eye_mm()).as_vec3().to_array(),
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
            box_max_texel: grid.box_max_texel().as_vec3().to_array(),
            shininess: lighting.shininess,
            last_texel: grid.dims.map(|d| (d - 1) as f32),
            gradient_gain: (self.volume.coding.scale / f64::from(lighting.full_gradient.max(1e-12))) as f32,
            inverse_dims: grid.dims.map(|d| 1.0 / d as f32),
            jitter: if ctx.is_deterministic() { 0.0 } else { 1.0 },
            label_from_texel_x: label_linear.x_axis.to_array(),
            shaded: self.transfer.shaded.into(),
            label_from_texel_y: label_linear.y_axis.to_array(),
            has_labels: self.labels.is_some().into(),
            label_from_texel_z: label_linear.z_axis.to_array(),
            stop_alpha: STOP_ALPHA,
            label_origin: label_from_texel.translation.as_vec3().to_array(),
            padding: 0.0,
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

/// Fills the brick texture; false if there is no memory for it.
fn write_bricks(
    ctx: &RenderContext,
    part: &mut VolumePart,
    scene: &VolumeScene<'_>,
    table: &[[f32; 4]],
    key: BrickKey,
) -> bool {
    let bricks = &scene.volume.bricks;
    let (gain, bias) = scene.value_map();
    let bytes = match scene.transfer.mode {
        RenderMode::Mip => bricks.bounds(gain, bias),
        RenderMode::Composite => {
            let mut with_labels = Vec::new();
            if let Some(labels) = scene.labels {
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
