use glam::{DMat3, DVec3};
use voco_shaders::cpu::nearest_label;
use voco_volume::{Geometry, LabelTable, Rescale, SlicePlane, Volume, Voxels};

use super::{Gpu, LOOK, Noise, oblique, pixels, view_of, volume_of};
use crate::{
    Comparison, ComparisonColors, ComparisonStyle, LabelTexture, Quality, RenderError, SliceLabels, SliceLook,
    TransferFunction, VolumeCamera, VolumeLook, VolumeView,
};

const SIZE: [u32; 2] = [64, 50];

fn label_volume(greatest: u16) -> (Volume, Vec<u16>) {
    let geometry = Geometry::new([9, 7, 6], oblique(DVec3::new(2.0, 2.5, 4.0))).unwrap();
    let mut noise = Noise(3);
    let ids: Vec<u16> = (0..geometry.num_voxels()).map(|_| (noise.next() * 6.0) as u16 * greatest / 5).collect();
    let volume = Volume::new(geometry, Voxels::U16(ids.clone().into()), Rescale::IDENTITY).unwrap();
    (volume, ids)
}

#[test]
fn overlays_show_exactly_the_voxel_that_holds_the_pixel() {
    let Some(mut gpu) = Gpu::new() else { return };
    // 5 fits R8Uint, 60000 needs R16Uint.
    for greatest in [5, 60_000] {
        let (volume, ids) = label_volume(greatest);
        let mut table = LabelTable::from_ids(ids.iter().copied(), |_| None);
        table.set_visible(greatest, false);
        let texture = LabelTexture::upload(&gpu.ctx, &volume, &table).unwrap();
        for plane in SlicePlane::ALL {
            let view = view_of(volume.geometry(), plane, SIZE);
            let rgba = gpu
                .renderer
                .render_slice_to_rgba(
                    &gpu.ctx,
                    &mut gpu.state,
                    None,
                    SliceLabels::of(Some(&texture)),
                    &view,
                    &LOOK,
                    &[],
                )
                .unwrap();
            for (n, at) in pixels(SIZE) {
                let pos = volume.geometry().voxel_from_world().transform_point3(view.world_from_pixel(at));
                if ((pos + 0.5) - (pos + 0.5).round()).abs().min_element() < 1e-3 {
                    continue;
                }
                let id = nearest_label(&ids, volume.dims(), pos.as_vec3());
                let expected = table.get(id).filter(|e| e.visible).map_or([0; 3], |e| e.color);
                assert_eq!(rgba[n..n + 3], expected, "id {id} at {at}");
            }
        }
    }
}

#[test]
fn outlines_are_as_wide_as_asked_at_every_zoom_and_leave_the_inside_free() {
    let Some(mut gpu) = Gpu::new() else { return };
    let geometry = Geometry::new([20, 20, 3], glam::DAffine3::IDENTITY).unwrap();
    let volume = volume_of(geometry, |[i, j, _]| i16::from((5..15).contains(&i) && (5..15).contains(&j)));
    let table = LabelTable::from_ids([1], |_| None);
    let texture = LabelTexture::upload(&gpu.ctx, &volume, &table).unwrap();
    // A square of 40 pixels, then of 80 and of 160 under another zoom.
    for zoom in [1_u32, 2, 4] {
        let mut view = view_of(&geometry, SlicePlane::Axial, [80 * zoom, 80 * zoom]);
        view.center_mm_on_picture = glam::DVec2::ZERO;
        let side = 40 * zoom as usize;
        let mut drawn = |width_px: f32| {
            let look = SliceLook { label_opacity: 0.4, label_outline_px: Some(width_px), ..LOOK };
            let labels = SliceLabels::of(Some(&texture));
            let rgba = gpu.renderer.render_slice_to_rgba(&gpu.ctx, &mut gpu.state, None, labels, &view, &look, &[]);
            // Opaque at that opacity; the colour of label 1 has its greatest part in red.
            let full = table.get(1).unwrap().color;
            let most = (0..3).max_by_key(|&n| full[n]).unwrap();
            let reds: Vec<f64> = rgba.unwrap().chunks(4).map(|p| f64::from(p[most]) / f64::from(full[most])).collect();
            (reds.iter().filter(|r| **r > 0.0).count(), reds.iter().filter(|r| **r > 0.99).count())
        };
        for width in [1_usize, 2, 3, 5, 8] {
            let rim = side * side - (side - 2 * width).pow(2);
            assert_eq!(drawn(width as f32), (rim, rim), "{width} pixels at zoom {zoom}");
        }
        // Half a pixel: one that is half covered; two and a half: a third that is.
        let rim = |width: usize| side * side - (side - 2 * width).pow(2);
        assert_eq!(drawn(0.5), (rim(1), 0), "zoom {zoom}");
        assert_eq!(drawn(2.5), (rim(3), rim(2)), "zoom {zoom}");
    }
}

#[test]
fn values_that_are_no_labels_are_refused() {
    let Some(gpu) = Gpu::new() else { return };
    let geometry = Geometry::new([2, 1, 1], glam::DAffine3::IDENTITY).unwrap();
    for bad in [-1.0, 0.5, f64::NAN, 65_536.0] {
        let volume = Volume::new(geometry, Voxels::F64(vec![0.0, bad].into()), Rescale::IDENTITY).unwrap();
        let refused = LabelTexture::upload(&gpu.ctx, &volume, &LabelTable::default());
        assert!(matches!(refused, Err(RenderError::NotLabels(_))), "{bad}");
    }
}

#[test]
fn labels_in_3d_show_in_their_colour_where_the_image_is_clear() {
    let Some(mut gpu) = Gpu::new() else { return };
    let geometry = Geometry::new([48; 3], glam::DAffine3::IDENTITY).unwrap();
    let image = volume_of(geometry, |_| -1000);
    let (_, texture) = gpu.upload(&image, None);
    // On a coarser grid of its own: a ball of 12 mm around (24, 24, 24).
    let coarse = glam::DAffine3::from_mat3_translation(DMat3::from_diagonal(DVec3::splat(2.0)), DVec3::splat(0.5));
    let grid = Geometry::new([24; 3], coarse).unwrap();
    let ball = volume_of(grid, |at| {
        let at = coarse.transform_point3(DVec3::from_array(at.map(|c| c as f64)));
        i16::from(at.distance(DVec3::splat(24.0)) < 12.0) * 3
    });
    let mut table = LabelTable::from_ids([3], |_| None);
    let labels = LabelTexture::upload(&gpu.ctx, &ball, &table).unwrap();
    let camera = VolumeCamera { target_mm: DVec3::splat(24.0), ..VolumeCamera::fit(&geometry) };
    let bone = &TransferFunction::presets()[0];
    let look = VolumeLook::default();
    let draw = |gpu: &mut Gpu| {
        let view = VolumeView::new(&camera, [64, 64], bone, Quality::RESTING, &look);
        let view = VolumeView { labels: Some(&labels), label_opacity: 1.0, ..view };
        gpu.renderer.render_volume_to_rgba(&gpu.ctx, &mut gpu.state, &texture, &view).unwrap()
    };
    let rgba = draw(&mut gpu);
    let seen = rgba.chunks(4).filter(|p| p[..3].iter().any(|&c| c > 20)).count();
    let pixels_per_mm = 64.0 / (2.0 * camera.distance_mm * (camera.fov_y / 2.0).tan());
    let expected = std::f64::consts::PI * (12.0 * pixels_per_mm).powi(2);
    assert!((seen as f64 / expected - 1.0).abs() < 0.15, "{seen} pixels of a ball of {expected}");
    let middle = &rgba[(32 * 64 + 32) * 4..][..3];
    let color = table.get(3).unwrap().color;
    for (seen, full) in middle.iter().zip(color) {
        assert!((f32::from(*seen) / f32::from(full)) > 0.8, "{middle:?} of {color:?}");
    }
    table.set_visible(3, false);
    labels.set_colors(&gpu.ctx, &table);
    assert!(draw(&mut gpu).chunks(4).all(|p| p == [0, 0, 0, 255]));
}

#[test]
fn a_comparison_colours_agreement_and_each_kind_of_difference() {
    let Some(mut gpu) = Gpu::new() else { return };
    let (volume, ids) = label_volume(5);
    let other: Vec<u16> = ids.iter().rev().copied().collect();
    let reference = Volume::new(*volume.geometry(), Voxels::U16(other.clone().into()), Rescale::IDENTITY).unwrap();
    let table = LabelTable::from_ids(1..=5, |_| None);
    let [texture, reference] = [&volume, &reference].map(|v| LabelTexture::upload(&gpu.ctx, v, &table).unwrap());
    let maps = SliceLabels { labels: Some(&texture), reference: Some(&reference) };
    let view = view_of(volume.geometry(), SlicePlane::Coronal, SIZE);
    for class in [None, Some(3)] {
        let comparison = Comparison { style: ComparisonStyle::Differences, class };
        let look = SliceLook { comparison, ..LOOK };
        let rgba = gpu.renderer.render_slice_to_rgba(&gpu.ctx, &mut gpu.state, None, maps, &view, &look, &[]).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for (n, at) in pixels(SIZE) {
            let pos = volume.geometry().voxel_from_world().transform_point3(view.world_from_pixel(at));
            if ((pos + 0.5) - (pos + 0.5).round()).abs().min_element() < 1e-3 {
                continue;
            }
            let id = |ids: &[u16]| Some(nearest_label(ids, volume.dims(), pos.as_vec3()));
            let [a, b] = [id(&ids), id(&other)].map(|id| id.filter(|&id| class.is_none_or(|c| c == id)).unwrap_or(0));
            let expected = match (a, b) {
                (0, 0) => [0; 3],
                // Areas of agreement are kept faint.
                (a, b) if a == b => ComparisonColors::AGREEMENT.map(|c| (f32::from(c) * 0.6).round() as u8),
                (_, 0) => ComparisonColors::PREDICTION,
                (0, _) => ComparisonColors::REFERENCE,
                _ => ComparisonColors::OTHER_CLASS,
            };
            seen.insert(expected);
            for (got, want) in rgba[n..n + 3].iter().zip(expected) {
                assert!(got.abs_diff(want) <= 1, "{a} and {b} at {at}: {:?}, not {expected:?}", &rgba[n..n + 3]);
            }
        }
        assert_eq!(seen.len(), if class.is_none() { 5 } else { 4 }, "every case was there");
    }
}

#[test]
fn a_map_written_in_parts_is_the_map_uploaded_at_once() {
    let Some(mut gpu) = Gpu::new() else { return };
    // 5 fits R8Uint, 60000 needs R16Uint.
    for greatest in [5, 60_000] {
        let (volume, ids) = label_volume(greatest);
        let table = LabelTable::from_ids(ids.iter().copied(), |_| None);
        let whole = LabelTexture::upload(&gpu.ctx, &volume, &table).unwrap();
        let parts = LabelTexture::empty(&gpu.ctx, volume.geometry(), &table).unwrap();
        let [x, y, z] = volume.dims();
        for (from, to) in [(0, 2), (2, 3), (3, z)] {
            let part = &ids[x * y * from..x * y * to];
            parts.write(&gpu.ctx, [0, 0, from], [x, y, to - from], part);
        }
        // One voxel, and one that lies outside.
        parts.write(&gpu.ctx, [3, 2, 1], [1, 1, 1], &[ids[3 + x * (2 + y)]]);
        parts.write(&gpu.ctx, [x, 0, 0], [1, 1, 1], &[1]);
        assert_eq!(parts.visible_bricks(), whole.visible_bricks());
        for plane in SlicePlane::ALL {
            let view = view_of(volume.geometry(), plane, SIZE);
            let [a, b] = [&whole, &parts].map(|texture| {
                let labels = SliceLabels::of(Some(texture));
                gpu.renderer.render_slice_to_rgba(&gpu.ctx, &mut gpu.state, None, labels, &view, &LOOK, &[]).unwrap()
            });
            assert_eq!(a, b, "{plane:?} with ids up to {greatest}");
        }
    }
}
