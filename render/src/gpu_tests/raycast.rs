use glam::{DVec3, Mat3, Vec3};
use voco_shaders::cpu::{self, Projection, Ray, Texels};
use voco_volume::{Geometry, Volume};

use super::{Gpu, Noise, oblique, pixels, volume_of};
use crate::{
    PreparedVolume, Quality, RenderMode, TransferFunction, VolumeCamera, VolumeLook, VolumeView,
    gpu_data::RaycastUniforms, renderer::VolumeScene,
};

const SIZE: [u32; 2] = [72, 56];
const QUALITY: Quality = Quality { scale: 1.0, step_voxels: 0.7, smooth_normals: true };

/// Soft noise in air, a ball in it, a denser rod, a slab like lung below; clear bricks around.
fn phantom() -> Volume {
    let geometry = Geometry::new([40, 36, 30], oblique(DVec3::new(1.0, 1.2, -1.5))).unwrap();
    let mut noise = Noise(11);
    volume_of(geometry, |[i, j, k]| {
        let at = DVec3::new(i as f64 - 20.0, (j as f64 - 17.0) * 1.2, (k as f64 - 14.0) * 1.5);
        let ball = -350.0 - (at.length() - 11.0).clamp(-1.0, 1.0) * 650.0;
        let rod = if (at - DVec3::new(5.0, 3.0, 0.0)).truncate().length() < 3.0 { 1200.0 } else { -1000.0 };
        let lung = if k < 7 { -700.0 } else { -1000.0 };
        (ball.max(rod).max(lung) + noise.next() * 20.0).round() as i16
    })
}

fn camera(volume: &Volume) -> VolumeCamera {
    let mut camera = VolumeCamera::fit(volume.geometry());
    camera.turn(0.7, 0.4);
    camera
}

/// The same picture by the twin: premultiplied colour on black.
fn twin(
    prepared: &PreparedVolume,
    u: &RaycastUniforms,
    table: &[[f32; 4]],
    transfer: &TransferFunction,
) -> Vec<[f32; 4]> {
    let data: Vec<f32> = prepared.texels().iter().map(|t| t.to_f32()).collect();
    let texels = Texels { data: &data, dims: prepared.dims() };
    let texel_from_world = Mat3::from_cols(
        Vec3::from_array(u.texel_from_world_x),
        Vec3::from_array(u.texel_from_world_y),
        Vec3::from_array(u.texel_from_world_z),
    );
    let lighting = cpu::Lighting {
        ambient: u.ambient,
        diffuse: u.diffuse,
        specular: u.specular,
        shininess: u.shininess,
        gradient_gain: u.gradient_gain,
        smooth_normals: u.smooth_normals != 0,
        texel_from_world,
    };
    let pairs: Vec<[f32; 4]> = transfer.pairs().iter().map(|p| p.map(half::f16::to_f32)).collect();
    let projection = Projection {
        value_gain: u.value_gain,
        value_bias: u.value_bias,
        table,
        pairs: &pairs,
        lighting: transfer.shaded.then_some(lighting),
        stop_alpha: u.stop_alpha,
    };
    let [forward, right, up] = [u.forward_world, u.right_world, u.up_world].map(Vec3::from_array);
    let color = |(_, at): (usize, glam::DVec2)| {
        let x = at.x as f32 / SIZE[0] as f32 * 2.0 - 1.0;
        let y = 1.0 - at.y as f32 / SIZE[1] as f32 * 2.0;
        let ray = Ray {
            eye_texel: Vec3::from_array(u.eye_texel),
            dir_texel: texel_from_world * (forward + right * x + up * y).normalize(),
            step_mm: u.step_mm,
            box_max_texel: Vec3::from_array(u.box_max_texel),
        };
        match transfer.mode {
            RenderMode::Composite | RenderMode::Isosurface => cpu::composite(texels, &ray, &projection),
            RenderMode::Mip => cpu::mip(texels, &ray, &projection),
            RenderMode::MinIp => cpu::minip(texels, &ray, &projection),
            RenderMode::Average => cpu::average(texels, &ray, &projection),
        }
    };
    pixels(SIZE).map(color).collect()
}

/// Share of pixels that differ by more than 4/255, and the mean difference in 255ths.
fn compare(gpu: &mut Gpu, volume: &Volume, transfer: &TransferFunction) -> (f32, f32) {
    let (prepared, texture) = gpu.upload(volume, None);
    let camera = camera(volume);
    let look = VolumeLook::default();
    let view = VolumeView::new(&camera, SIZE, transfer, QUALITY, &look);
    let scene = VolumeScene { volume: &texture, view: &view };
    let expected = twin(&prepared, &scene.uniforms(&gpu.ctx), &transfer.table(scene.step_mm()), transfer);
    let rgba = gpu.renderer.render_volume_to_rgba(&gpu.ctx, &mut gpu.state, &texture, &view).unwrap();
    let mut differing = 0;
    let mut sum = 0.0;
    for (n, color) in expected.iter().enumerate() {
        let seen = &rgba[n * 4..n * 4 + 3];
        let difference = seen.iter().zip(color).map(|(&s, c)| (f32::from(s) - c * 255.0).abs()).fold(0.0, f32::max);
        differing += i32::from(difference > 4.0);
        sum += difference;
    }
    assert!(rgba.chunks(4).any(|p| p[0].max(p[2]) > 5), "{}: something must be seen", transfer.name);
    (differing as f32 / expected.len() as f32, sum / expected.len() as f32)
}

#[test]
fn every_preset_gives_the_twins_picture() {
    let Some(mut gpu) = Gpu::new() else { return };
    let volume = phantom();
    for transfer in TransferFunction::presets() {
        let transfer = transfer.fitted(-1000.0, 1300.0);
        // The same state for all: nothing of the last preset may remain.
        let (differing, mean) = compare(&mut gpu, &volume, &transfer);
        assert!(differing < 0.01 && mean < 0.6, "{}: {differing} differ, mean {mean}", transfer.name);
    }
}

#[test]
fn the_maximum_of_a_phantom_is_found_wherever_it_lies() {
    let Some(mut gpu) = Gpu::new() else { return };
    let geometry = Geometry::new([33, 40, 29], oblique(DVec3::new(1.0, 1.0, 1.0))).unwrap();
    let presets = TransferFunction::presets();
    let mip = presets.iter().find(|t| t.name == "CT-MIP").unwrap();
    let look = VolumeLook::default();
    for spot in [[0, 0, 0], [32, 39, 28], [16, 20, 15], [8, 7, 24]] {
        let volume = volume_of(geometry, |at| if (0..3).all(|a| at[a].abs_diff(spot[a]) <= 2) { 900 } else { -1000 });
        let (_, texture) = gpu.upload(&volume, None);
        let camera = camera(&volume);
        let view = VolumeView::new(&camera, SIZE, mip, QUALITY, &look);
        let rgba = gpu.renderer.render_volume_to_rgba(&gpu.ctx, &mut gpu.state, &texture, &view).unwrap();
        let world = geometry.world_from_voxel().transform_point3(DVec3::from_array(spot.map(|c| c as f64)));
        let (at, _) = camera.pixel_from_world(world, SIZE).unwrap();
        let (x, y) = (at.x as usize, at.y as usize);
        assert!(rgba[(y * SIZE[0] as usize + x) * 4] > 200, "{spot:?} at {at}");
        assert!(rgba.chunks(4).filter(|p| p[0] > 128).count() < 80, "{spot:?}: only the spot is bright");
    }
}

#[test]
fn an_unchanged_scene_is_not_cast_again() {
    let Some(mut gpu) = Gpu::new() else { return };
    let volume = phantom();
    let (_, texture) = gpu.upload(&volume, None);
    let bone = &TransferFunction::presets()[0];
    let mut camera = camera(&volume);
    let cast = |gpu: &mut Gpu, camera: &VolumeCamera| {
        let mut encoder = gpu.ctx.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let look = VolumeLook::default();
        let view = VolumeView::new(camera, SIZE, bone, QUALITY, &look);
        let scene = VolumeScene { volume: &texture, view: &view };
        let was_cast = gpu.renderer.volume_part(&gpu.ctx, &mut encoder, &mut gpu.state.volume, &scene);
        gpu.ctx.queue.submit([encoder.finish()]);
        was_cast
    };
    assert!(cast(&mut gpu, &camera));
    assert!(!cast(&mut gpu, &camera));
    camera.turn(0.1, 0.0);
    assert!(cast(&mut gpu, &camera));
}

#[test]
fn a_picture_drawn_in_parts_is_the_picture_drawn_at_once() {
    let Some(mut gpu) = Gpu::new() else { return };
    let volume = phantom();
    let (_, texture) = gpu.upload(&volume, None);
    let bone = &TransferFunction::presets()[0];
    let camera = camera(&volume);
    let look = VolumeLook::default();
    let whole = VolumeView::new(&camera, SIZE, bone, QUALITY, &look);
    let at_once = gpu.renderer.render_volume_to_rgba(&gpu.ctx, &mut gpu.state, &texture, &whole).unwrap();
    let mut fresh = crate::ViewState::new(&gpu.ctx, &gpu.renderer);
    let parts = VolumeView { num_parts: 5, ..whole.clone() };
    for n in 0..5 {
        let rgba = gpu.renderer.render_volume_to_rgba(&gpu.ctx, &mut fresh, &texture, &parts).unwrap();
        assert_eq!(rgba == at_once, n == 4, "after {} of 5 parts", n + 1);
    }
}
