use glam::DVec3;
use voco_shaders::cpu::{self, Texels, slab_value, window_level};
use voco_volume::{Geometry, LabelTable, SlicePlane, Volume};

use super::{Gpu, LOOK, Noise, is_at_border, oblique, pixels, view_of, volume_of};
use crate::{ColorMap, LabelTexture, Mask, Overlay, Slab, SlabMode, SliceLabels, SliceLook, VolumeTexture};

const SIZE: [u32; 2] = [53, 41];

fn noise_volume(seed: u64, spacing: DVec3) -> Volume {
    let geometry = Geometry::new([21, 18, 12], oblique(spacing)).unwrap();
    let mut noise = Noise(seed);
    volume_of(geometry, |_| (noise.next() * 2000.0 - 1000.0).round() as i16)
}

#[test]
fn slabs_are_those_of_the_twin() {
    let Some(mut gpu) = Gpu::new() else { return };
    let volume = noise_volume(3, DVec3::new(0.9, -1.1, 2.0));
    let (_, texture) = gpu.upload(&volume, None);
    let geometry = volume.geometry();
    let data = volume.to_f32();
    let texels = Texels { data: &data, dims: volume.dims() };
    let box_max = geometry.voxel_box().max;
    for (mode, twin) in [
        (SlabMode::Max, cpu::SlabMode::Max),
        (SlabMode::Min, cpu::SlabMode::Min),
        (SlabMode::Mean, cpu::SlabMode::Mean),
    ] {
        let view = view_of(geometry, SlicePlane::Axial, SIZE);
        let slab = Slab { mode, thickness_mm: 7.0 };
        let look = SliceLook { slab, ..LOOK };
        let rgba = gpu
            .renderer
            .render_slice_to_rgba(&gpu.ctx, &mut gpu.state, Some(&texture), SliceLabels::NONE, &view, &look, &[])
            .unwrap();
        let normal = view.frame.right.cross(view.frame.down);
        // 7 mm in steps of at most 0.9 mm: eight samples, 1 mm apart.
        let step = geometry.voxel_from_world().transform_vector3(normal * 1.0);
        let mut greatest = 0.0_f32;
        for (n, at) in pixels(SIZE) {
            let pos = geometry.voxel_from_world().transform_point3(view.world_from_pixel(at));
            let samples = (0..8).map(|s| pos + step * (f64::from(s) - 3.5));
            if samples.into_iter().any(|s| is_at_border(s, box_max)) {
                continue;
            }
            let value = slab_value(texels, box_max.as_vec3(), pos.as_vec3(), step.as_vec3(), 8, twin);
            let expected = value.map_or(0.0, |v| window_level(v, 2000.0, 0.0) * 255.0);
            greatest = greatest.max((f32::from(rgba[n]) - expected).abs());
        }
        assert!(greatest <= 2.0, "{mode:?}: {greatest}");
    }
}

#[test]
fn inverted_is_the_negative() {
    let Some(mut gpu) = Gpu::new() else { return };
    let volume = noise_volume(4, DVec3::ONE);
    let (_, texture) = gpu.upload(&volume, None);
    let mut view = view_of(volume.geometry(), SlicePlane::Axial, SIZE);
    view.center_mm_on_picture = glam::DVec2::ZERO;
    view.mm_per_pixel *= 0.3;
    let [plain, inverted] = [false, true].map(|inverted| {
        let look = SliceLook { inverted, ..LOOK };
        gpu.renderer
            .render_slice_to_rgba(&gpu.ctx, &mut gpu.state, Some(&texture), SliceLabels::NONE, &view, &look, &[])
            .unwrap()
    });
    assert!(
        plain.chunks(4).zip(inverted.chunks(4)).all(|(a, b)| (u16::from(a[0]) + u16::from(b[0])).abs_diff(255) <= 1)
    );
}

fn overlay(volume: &VolumeTexture) -> Overlay<'_> {
    Overlay {
        volume,
        window_width: 1600.0,
        window_level: 100.0,
        color_map: ColorMap::Even,
        opacity: 0.6,
        low: -300.0,
        high: 700.0,
        additive: false,
        mask: Mask::All,
    }
}

#[test]
fn overlays_are_coloured_blended_and_cut_off_at_their_thresholds() {
    let Some(mut gpu) = Gpu::new() else { return };
    let base = noise_volume(5, DVec3::new(0.9, -1.1, 2.0));
    let other = noise_volume(6, DVec3::new(1.1, -1.0, 1.7));
    let (_, base_texture) = gpu.upload(&base, None);
    let (_, other_texture) = gpu.upload(&other, None);
    let data = [base.to_f32(), other.to_f32()];
    let view = view_of(base.geometry(), SlicePlane::Coronal, SIZE);
    for additive in [false, true] {
        for mask in [Mask::All, Mask::Checkerboard { side_px: 8.0 }, Mask::Swipe { at: 0.5 }] {
            let overlay = Overlay { additive, mask, ..overlay(&other_texture) };
            let (ctx, state) = (&gpu.ctx, &mut gpu.state);
            let rgba = gpu
                .renderer
                .render_overlays_to_rgba(ctx, state, Some(&base_texture), SliceLabels::NONE, &view, &LOOK, &[overlay])
                .unwrap();
            let mut wrong = 0;
            for (n, at) in pixels(SIZE) {
                let world = view.world_from_pixel(at);
                let place = |v: &Volume| v.geometry().voxel_from_world().transform_point3(world);
                let box_max = |v: &Volume| v.geometry().voxel_box().max;
                if is_at_border(place(&base), box_max(&base)) || is_at_border(place(&other), box_max(&other)) {
                    continue;
                }
                let value = |v: &Volume, data: &[f32]| {
                    let pos = place(v);
                    let inside = pos.min_element() >= -0.5 && pos.cmplt(box_max(v)).all();
                    inside.then(|| Texels { data, dims: v.dims() }.trilinear(pos.as_vec3()))
                };
                let grey = value(&base, &data[0]).map_or(0.0, |v| window_level(v, 2000.0, 0.0));
                let masked = match mask {
                    Mask::All => false,
                    Mask::Checkerboard { .. } => ((at.x / 8.0).floor() + (at.y / 8.0).floor()) % 2.0 == 0.0,
                    Mask::Swipe { .. } => at.x / f64::from(SIZE[0]) < 0.5,
                };
                let seen = value(&other, &data[1]).filter(|v| (-300.0..=700.0).contains(v));
                for c in 0..3 {
                    let expected = match seen {
                        _ if masked => grey,
                        Some(v) => {
                            let color = f32::from(ColorMap::Even.color(window_level(v, 1600.0, 100.0))[c]) / 255.0;
                            if additive { (grey + color * 0.6).min(1.0) } else { grey * 0.4 + color * 0.6 }
                        }
                        None if mask == Mask::All => grey,
                        None => grey * 0.4,
                    };
                    if (f32::from(rgba[n + c]) - expected * 255.0).abs() > 4.0 {
                        wrong += 1;
                    }
                }
            }
            // Values at a threshold may fall on either side.
            assert!(wrong <= 6, "{additive} {mask:?}: {wrong}");
        }
    }
}

/// Labels lie over the overlays in a pass of their own: through an overlay that is not seen, nothing changes.
#[test]
fn labels_look_the_same_under_an_invisible_overlay_and_lie_over_an_opaque_one() {
    let Some(mut gpu) = Gpu::new() else { return };
    let base = noise_volume(8, DVec3::new(0.9, -1.1, 2.0));
    let (_, texture) = gpu.upload(&base, None);
    let ids = volume_of(*base.geometry(), |[i, j, k]| (i / 5 + j / 5 + k / 4) as i16 % 4);
    let table = LabelTable::from_ids(1..4, |_| None);
    let labels = LabelTexture::upload(&gpu.ctx, &ids, &table).unwrap();
    let view = view_of(base.geometry(), SlicePlane::Axial, SIZE);
    for (label_opacity, label_outline_px) in [(0.4, None), (0.3, Some(1.0)), (1.0, None)] {
        let look = SliceLook { label_opacity, label_outline_px, ..LOOK };
        let maps = SliceLabels::of(Some(&labels));
        let (ctx, state) = (&gpu.ctx, &mut gpu.state);
        let volume = Some(&texture);
        let plain = gpu.renderer.render_slice_to_rgba(ctx, state, volume, maps, &view, &look, &[]).unwrap();
        let mut draw = |opacity| {
            let overlay = Overlay { opacity, low: f64::MIN, high: f64::MAX, ..overlay(&texture) };
            gpu.renderer.render_overlays_to_rgba(ctx, state, volume, maps, &view, &look, &[overlay]).unwrap()
        };
        let invisible = draw(0.0);
        let greatest = plain.iter().zip(&invisible).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(greatest <= 1, "{label_opacity} {label_outline_px:?}: {greatest}");
        let opaque = draw(1.0);
        assert_ne!(opaque, plain);
        if label_opacity == 1.0 {
            // Where a label is opaque, its colour is all that is seen.
            let colors: Vec<[u8; 3]> = table.entries().iter().map(|e| e.color).collect();
            let same = plain.chunks(4).zip(opaque.chunks(4)).filter(|(a, _)| colors.iter().any(|c| a[..3] == *c));
            assert!(same.clone().count() > 100 && same.into_iter().all(|(a, b)| a == b));
        }
    }
}
