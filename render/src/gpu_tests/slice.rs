use glam::{DAffine3, DMat3, DVec2, DVec3};
use voco_shaders::cpu::{Texels, window_level};
use voco_volume::{Geometry, SlicePlane, Volume};

use super::{Gpu, LOOK, Noise, is_at_border, oblique, pixels, view_of, volume_of};
use crate::{Line, RenderContext, RenderError, Renderer, SliceLabels, SliceView, UploadLimits, ViewState};

const SIZE: [u32; 2] = [61, 47];

fn noise_volume() -> Volume {
    let geometry = Geometry::new([23, 17, 11], oblique(DVec3::new(0.8, -1.1, 2.5))).unwrap();
    let mut noise = Noise(7);
    volume_of(geometry, |_| (noise.next() * 2000.0 - 1000.0).round() as i16)
}

/// Greatest difference in 255ths to the CPU twin sampling `texels`.
fn difference(rgba: &[u8], view: &SliceView, texels: Texels<'_>, texel_from_world: DAffine3, box_max: DVec3) -> f32 {
    let mut greatest: f32 = 0.0;
    for (n, at) in pixels(view.size_px) {
        let pos = texel_from_world.transform_point3(view.world_from_pixel(at));
        if is_at_border(pos, box_max) {
            continue;
        }
        let is_inside = pos.min_element() >= -0.5 && pos.cmplt(box_max).all();
        let value = texels.trilinear(pos.as_vec3());
        let expected = if is_inside { window_level(value, 2000.0, 0.0) * 255.0 } else { 0.0 };
        assert!(rgba[n] == rgba[n + 1] && rgba[n] == rgba[n + 2] && rgba[n + 3] == 255);
        greatest = greatest.max((f32::from(rgba[n]) - expected).abs());
    }
    greatest
}

#[test]
fn slices_are_those_of_the_twin_on_an_oblique_grid() {
    let Some(mut gpu) = Gpu::new() else { return };
    let volume = noise_volume();
    let (_, texture) = gpu.upload(&volume, None);
    let data = volume.to_f32();
    let texels = Texels { data: &data, dims: volume.dims() };
    for plane in SlicePlane::ALL {
        let view = view_of(volume.geometry(), plane, SIZE);
        let rgba = gpu
            .renderer
            .render_slice_to_rgba(&gpu.ctx, &mut gpu.state, Some(&texture), SliceLabels::NONE, &view, &LOOK, &[])
            .unwrap();
        let box_max = volume.geometry().voxel_box().max;
        let difference = difference(&rgba, &view, texels, volume.geometry().voxel_from_world(), box_max);
        assert!(difference <= 2.0, "{plane:?}: {difference}");
        assert!(rgba.chunks(4).any(|p| p[0] > 100) && rgba.chunks(4).any(|p| p[0] == 0));
    }
}

#[test]
fn a_reduced_volume_lies_where_the_full_one_does() {
    let Some(mut gpu) = Gpu::new() else { return };
    let geometry = Geometry::new([40, 33, 20], oblique(DVec3::new(1.0, 1.0, 2.0))).unwrap();
    // Linear along each axis, so that averaging changes nothing away from the border.
    let volume = volume_of(geometry, |[i, j, k]| (i * 20 + j * 10 + k * 30) as i16 - 800);
    let limits = UploadLimits { max_side: 16, max_bytes: 1 << 30 };
    let (prepared, texture) = gpu.upload(&volume, Some(limits));
    let reduction = texture.reduction().unwrap();
    assert_eq!((reduction.factor, reduction.shown_dims), ([3, 3, 2], [14, 11, 10]));
    assert_eq!(prepared.reduction(), Some(reduction));
    let mut view = view_of(&geometry, SlicePlane::Axial, SIZE);
    view.center_mm_on_picture = DVec2::ZERO;
    view.mm_per_pixel *= 0.7;
    let rgba = gpu
        .renderer
        .render_slice_to_rgba(&gpu.ctx, &mut gpu.state, Some(&texture), SliceLabels::NONE, &view, &LOOK, &[])
        .unwrap();
    let data = volume.to_f32();
    let texels = Texels { data: &data, dims: volume.dims() };
    let difference = difference(&rgba, &view, texels, geometry.voxel_from_world(), geometry.voxel_box().max);
    assert!(difference <= 2.0, "{difference}");
}

#[test]
fn targets_that_encode_by_themselves_get_the_same_picture() {
    let Some(mut gpu) = Gpu::new() else { return };
    let volume = noise_volume();
    let (_, texture) = gpu.upload(&volume, None);
    let view = view_of(volume.geometry(), SlicePlane::Coronal, SIZE);
    let line = Line {
        a: view.world_from_pixel(DVec2::new(0.0, 20.5)),
        b: view.world_from_pixel(DVec2::new(61.0, 20.5)),
        color: [250, 120, 30, 255],
        width_px: 3.0,
    };
    let plain = gpu
        .renderer
        .render_slice_to_rgba(&gpu.ctx, &mut gpu.state, Some(&texture), SliceLabels::NONE, &view, &LOOK, &[line])
        .unwrap();
    let middle = (20 * SIZE[0] as usize + 30) * 4;
    assert_eq!(plain[middle..middle + 4], [250, 120, 30, 255]);
    for format in [wgpu::TextureFormat::Rgba8UnormSrgb, wgpu::TextureFormat::Bgra8Unorm] {
        let renderer = Renderer::new(&gpu.ctx, format);
        let mut state = ViewState::new(&gpu.ctx, &renderer);
        let other = renderer
            .render_slice_to_rgba(&gpu.ctx, &mut state, Some(&texture), SliceLabels::NONE, &view, &LOOK, &[line])
            .unwrap();
        let differences = plain.iter().zip(&other).filter(|(a, b)| a.abs_diff(**b) > 1).count();
        // Half-covered line edges are blended in another space.
        assert!(differences <= SIZE[0] as usize * 4 * 3, "{format:?}: {differences}");
    }
}

#[test]
fn lines_have_their_width_and_colour() {
    let Some(mut gpu) = Gpu::new() else { return };
    let geometry = Geometry::new([10, 10, 10], DAffine3::from_mat3(DMat3::IDENTITY)).unwrap();
    let view = view_of(&geometry, SlicePlane::Axial, [40, 40]);
    let line = |a, b| Line {
        a: view.world_from_pixel(a),
        b: view.world_from_pixel(b),
        color: [255, 0, 0, 255],
        width_px: 2.0,
    };
    let lines = [line(DVec2::new(5.0, 20.0), DVec2::new(35.0, 20.0))];
    let rgba = gpu
        .renderer
        .render_slice_to_rgba(&gpu.ctx, &mut gpu.state, None, SliceLabels::NONE, &view, &LOOK, &lines)
        .unwrap();
    let column: u32 = (0..40).map(|y| u32::from(rgba[(y * 40 + 20) * 4])).sum();
    assert!(column.abs_diff(2 * 255) <= 4, "{column}");
    assert_eq!(rgba[(20 * 40 + 1) * 4], 0);
}

#[test]
fn pictures_of_no_size_or_too_large_are_refused_in_one_sentence() {
    let Some(mut gpu) = Gpu::new() else { return };
    let geometry = Geometry::new([4, 4, 4], DAffine3::IDENTITY).unwrap();
    for size in [[0, 10], [10, 1 << 20]] {
        let view = view_of(&geometry, SlicePlane::Axial, size);
        let refused =
            gpu.renderer.render_slice_to_rgba(&gpu.ctx, &mut gpu.state, None, SliceLabels::NONE, &view, &LOOK, &[]);
        assert!(matches!(refused, Err(RenderError::PictureSize { .. })), "{size:?}");
    }
    let renderer = Renderer::new(&gpu.ctx, wgpu::TextureFormat::Rgba16Float);
    let view = view_of(&geometry, SlicePlane::Axial, [8, 8]);
    let refused = renderer.render_slice_to_rgba(&gpu.ctx, &mut gpu.state, None, SliceLabels::NONE, &view, &LOOK, &[]);
    assert_eq!(refused, Err(RenderError::UnreadableTarget("Rgba16Float".into())));
    assert_eq!(RenderContext::OFFSCREEN_FORMAT, wgpu::TextureFormat::Rgba8Unorm);
}
