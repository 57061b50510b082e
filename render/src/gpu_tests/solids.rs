//! Isosurfaces, clipping, and what is put together with the volume by depth: numbers that geometry gives.

use glam::{DAffine3, DVec3, Vec3};
use voco_volume::{Box3, Geometry, Volume};

use super::{Gpu, pixels, volume_of};
use crate::{
    Clip, ClipPlane, Line, OcclusionTexture, Quality, RenderMode, SliceIn3d, Surface, SurfaceMesh, TransferFunction,
    VolumeCamera, VolumeLook, VolumeTexture, VolumeView,
};

const SIZE: [u32; 2] = [96, 80];
const QUALITY: Quality = Quality { scale: 1.0, step_voxels: 0.7, smooth_normals: true };
const CENTER: DVec3 = DVec3::new(20.0, 20.0, 20.0);

/// A ball of radius 12 mm whose values fall by 50 per mm, 0 at its surface; voxels of 1 mm.
fn ball() -> Volume {
    let geometry = Geometry::new([41; 3], DAffine3::IDENTITY).unwrap();
    volume_of(geometry, |at| {
        let r = (DVec3::from_array(at.map(|v| v as f64)) - CENTER).length();
        ((12.0 - r) * 50.0).round().clamp(-1000.0, 1000.0) as i16
    })
}

fn camera() -> VolumeCamera {
    VolumeCamera { target_mm: CENTER, distance_mm: 150.0, ..VolumeCamera::default() }
}

/// White and opaque from 0 on, without light.
fn white(mode: RenderMode) -> TransferFunction {
    TransferFunction {
        name: "white".into(),
        points: vec![
            (-1000.0, [1.0, 1.0, 1.0, 0.0]),
            (-1.0, [1.0, 1.0, 1.0, 0.0]),
            (0.0, [1.0; 4]),
            (1000.0, [1.0; 4]),
        ],
        mode,
        shaded: false,
        ..TransferFunction::presets().remove(0)
    }
}

fn draw(gpu: &mut Gpu, texture: &VolumeTexture, view: &VolumeView<'_>) -> Vec<u8> {
    gpu.renderer.render_volume_to_rgba(&gpu.ctx, &mut gpu.state, texture, view).unwrap()
}

/// Origin and direction of a pixel's ray.
fn ray(camera: &VolumeCamera, at: glam::DVec2) -> (DVec3, DVec3) {
    let (forward, right, up) = camera.frustum(SIZE);
    let x = at.x / f64::from(SIZE[0]) * 2.0 - 1.0;
    let y = 1.0 - at.y / f64::from(SIZE[1]) * 2.0;
    (camera.eye_mm(), (forward + right * x + up * y).normalize())
}

/// Distance of the ball's near surface along a ray.
fn ball_distance((eye, dir): (DVec3, DVec3), radius: f64) -> Option<f64> {
    let middle = (CENTER - eye).dot(dir);
    let nearest = (CENTER - eye).length_squared() - middle * middle;
    (nearest < radius * radius).then(|| middle - (radius * radius - nearest).sqrt())
}

/// A square across the view, whose depth tells where the surface lies: it is seen where it lies before it only.
#[test]
fn the_isosurface_of_a_ball_lies_where_the_ball_ends() {
    let Some(mut gpu) = Gpu::new() else { return };
    let (_, texture) = gpu.upload(&ball(), None);
    let camera = camera();
    let transfer = white(RenderMode::Isosurface);
    let (forward, right, up) = camera.frustum(SIZE);
    for iso_value in [-100.0, 0.0, 200.0] {
        let radius = 12.0 - iso_value / 50.0;
        for before_mm in [-0.5, -0.15, 0.15, 0.5, 4.0] {
            // Through the ball, `before_mm` nearer than its front.
            let depth = 150.0 - radius - before_mm;
            let middle = camera.eye_mm() + forward * depth;
            let corner = |x: f64, y: f64| (middle + right * (x * depth) + up * (y * depth)).as_vec3();
            let points = [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
            let mesh = SurfaceMesh::upload(&gpu.ctx, &points, &[Vec3::Y; 4], &[[0, 1, 2], [0, 2, 3]]).unwrap();
            let look = VolumeLook { iso_value, ..VolumeLook::default() };
            let surfaces = [Surface { mesh: &mesh, color: [255, 0, 0], opacity: 1.0 }];
            let view = VolumeView { surfaces: &surfaces, ..VolumeView::new(&camera, SIZE, &transfer, QUALITY, &look) };
            let rgba = draw(&mut gpu, &texture, &view);
            let mut wrong = 0;
            for (n, at) in pixels(SIZE) {
                let ray = ray(&camera, at);
                let square = depth / ray.1.dot(forward);
                let Some(ball) = ball_distance(ray, radius) else { continue };
                // Within a tenth of a voxel either may be seen.
                let is_ball = rgba[n + 1] > 128;
                wrong += i32::from((ball - square).abs() > 0.1 && is_ball != (ball < square));
            }
            assert!(wrong <= 2, "{iso_value} HU, {before_mm} mm: {wrong} pixels");
        }
    }
}

#[test]
fn a_clip_plane_cuts_what_lies_behind_it_and_nothing_else() {
    type Kept<'a> = Box<dyn Fn(DVec3) -> bool + 'a>;
    let Some(mut gpu) = Gpu::new() else { return };
    let (_, texture) = gpu.upload(&ball(), None);
    let camera = camera();
    let transfer = white(RenderMode::Composite);
    let keeps = DVec3::new(0.6, 0.0, 0.8);
    let plane = ClipPlane { point_mm: CENTER + DVec3::new(2.0, 0.0, -1.0), keeps };
    let behind = |p: DVec3| (p - plane.point_mm).dot(keeps) < 0.0;
    let crop = Box3 { min: DVec3::new(-0.5, -0.5, 15.5), max: DVec3::splat(40.5) };
    let side = ClipPlane { point_mm: CENTER, keeps: DVec3::X };
    let cases: [(Clip, Kept<'_>); 3] = [
        (Clip { planes: vec![plane], ..Clip::default() }, Box::new(|p| !behind(p))),
        (Clip { crop: Some(crop), ..Clip::default() }, Box::new(|p| p.z > 15.5)),
        (
            Clip { planes: vec![plane, side], corner: true, ..Clip::default() },
            Box::new(|p| !(behind(p) && p.x < CENTER.x)),
        ),
    ];
    for (n_case, (clip, is_kept)) in cases.into_iter().enumerate() {
        let look = VolumeLook { clip, ..VolumeLook::default() };
        let view = VolumeView::new(&camera, SIZE, &transfer, QUALITY, &look);
        let rgba = draw(&mut gpu, &texture, &view);
        let (mut wrong, mut seen) = (0, 0);
        for (n, at) in pixels(SIZE) {
            let (eye, dir) = ray(&camera, at);
            let inside = |radius: f64| {
                let places = (0..1200).map(|n| eye + dir * (120.0 + f64::from(n) * 0.05));
                places.filter(|p| (*p - CENTER).length() < radius && is_kept(*p)).count()
            };
            // Rays that meet a millimetre of the ball or nothing at all; what is between depends on the steps.
            let expected = if inside(11.7) > 30 {
                true
            } else if inside(12.3) == 0 {
                false
            } else {
                continue;
            };
            seen += i32::from(expected);
            wrong += i32::from((rgba[n] > 128) != expected);
        }
        assert!(seen > 200 && wrong <= 3, "case {n_case}: {wrong} of {seen}");
    }
}

#[test]
fn surfaces_slices_and_lines_are_hidden_by_what_lies_before_them() {
    let Some(mut gpu) = Gpu::new() else { return };
    let (_, texture) = gpu.upload(&ball(), None);
    let camera = camera();
    let (forward, right, up) = camera.frustum(SIZE);
    let transfer = white(RenderMode::Composite);
    let middle = (SIZE[0] as usize * (SIZE[1] as usize / 2) + SIZE[0] as usize / 2) * 4;
    for (mm, is_seen) in [(-20.0, true), (20.0, false)] {
        let at = CENTER + forward * mm;
        let line = Line { a: at - right * 200.0, b: at + right * 200.0, color: [0, 0, 255, 255], width_px: 9.0 };
        let look = VolumeLook::default();
        let view = VolumeView { lines: &[line], ..VolumeView::new(&camera, SIZE, &transfer, QUALITY, &look) };
        let rgba = draw(&mut gpu, &texture, &view);
        assert_eq!(
            rgba[middle] < 20 && rgba[middle + 2] > 230,
            is_seen,
            "line at {mm}: {:?}",
            &rgba[middle..middle + 4]
        );
        let corner = |x: f64, y: f64| at + right * (x * 30.0) + up * (y * 30.0);
        let corners_mm = [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
        // Half clear: white behind, black of the slice before.
        let slices = vec![SliceIn3d { corners_mm, opacity: 0.5 }];
        let look = VolumeLook { slices, slice_window: [100.0, 5000.0], ..VolumeLook::default() };
        let view = VolumeView::new(&camera, SIZE, &transfer, QUALITY, &look);
        let rgba = draw(&mut gpu, &texture, &view);
        let expected = if is_seen { 127.5 } else { 255.0 };
        assert!((f64::from(rgba[middle]) - expected).abs() < 3.0, "slice at {mm}: {}", rgba[middle]);
    }
}

/// Three sheets one behind another, each letting half of what is behind through: colours follow from their order alone.
#[test]
fn clear_surfaces_are_put_together_in_the_order_of_their_distance() {
    let Some(mut gpu) = Gpu::new() else { return };
    let (_, texture) = gpu.upload(&ball(), None);
    let camera = camera();
    let (forward, right, up) = camera.frustum(SIZE);
    let transfer = white(RenderMode::Composite);
    let mut lit = transfer.clone();
    (lit.lighting.ambient, lit.lighting.diffuse, lit.lighting.specular) = (1.0, 0.0, 0.0);
    let sheet = |mm: f64, gpu: &Gpu| {
        let at = CENTER + forward * mm;
        let corner = |x: f64, y: f64| (at + right * (x * 60.0) + up * (y * 60.0)).as_vec3();
        let points = [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
        SurfaceMesh::upload(&gpu.ctx, &points, &[Vec3::Y; 4], &[[0, 1, 2], [0, 2, 3]]).unwrap()
    };
    let meshes = [sheet(-14.0, &gpu), sheet(-18.0, &gpu), sheet(-16.0, &gpu), sheet(14.0, &gpu)];
    let colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 255]];
    let surfaces: Vec<Surface<'_>> =
        meshes.iter().zip(colors).map(|(mesh, color)| Surface { mesh, color, opacity: 0.5 }).collect();
    let look = VolumeLook::default();
    let view = VolumeView { surfaces: &surfaces, ..VolumeView::new(&camera, SIZE, &lit, QUALITY, &look) };
    let rgba = draw(&mut gpu, &texture, &view);
    let middle = (SIZE[0] as usize * (SIZE[1] as usize / 2) + SIZE[0] as usize / 2) * 4;
    // Green, blue, red, then the white ball; the last sheet is behind it.
    for (channel, expected) in [(0, 0.125 + 0.125), (1, 0.5 + 0.125), (2, 0.25 + 0.125)] {
        let got = f64::from(rgba[middle + channel]) / 255.0;
        assert!((got - expected).abs() < 0.015, "channel {channel}: {got}, not {expected}");
    }
}

#[test]
fn occlusion_darkens_what_lies_deep_and_leaves_a_ball_alone() {
    let Some(mut gpu) = Gpu::new() else { return };
    // A block with a narrow shaft from the front.
    let geometry = Geometry::new([60; 3], DAffine3::IDENTITY).unwrap();
    let shaft = volume_of(geometry, |[i, j, k]| {
        let is_block = (8..52).contains(&i) && (8..52).contains(&j) && (8..52).contains(&k);
        let is_shaft = i.abs_diff(30) < 5 && k.abs_diff(30) < 5 && j > 30;
        if is_block && !is_shaft { 1000 } else { -1000 }
    });
    let (_, texture) = gpu.upload(&shaft, None);
    let camera = VolumeCamera::fit(&geometry);
    let transfer = white(RenderMode::Composite);
    let occlusion = OcclusionTexture::new(&gpu.ctx, &texture, &transfer, 0.0).unwrap();
    let look = VolumeLook { occlusion: 1.0, ..VolumeLook::default() };
    let plain = VolumeView::new(&camera, SIZE, &transfer, QUALITY, &look);
    let view = VolumeView { occlusion: Some(&occlusion), ..plain.clone() };
    let (dark, bright) = (draw(&mut gpu, &texture, &view), draw(&mut gpu, &texture, &plain));
    let at = |point: DVec3| {
        let (px, _) = camera.pixel_from_world(point, SIZE).unwrap();
        (px.y as usize * SIZE[0] as usize + px.x as usize) * 4
    };
    let (bottom, face) = (at(DVec3::new(30.0, 31.0, 30.0)), at(DVec3::new(30.0, 51.0, 18.0)));
    assert!(bright[bottom] > 240 && bright[face] > 240);
    assert!(dark[bottom] < 150, "the bottom of the shaft: {}", dark[bottom]);
    assert!(dark[face] > dark[bottom] + 60, "the face: {}", dark[face]);
}
