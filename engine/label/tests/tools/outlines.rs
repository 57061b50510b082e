use glam::{DMat4, DVec2, DVec3, DVec4};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_label::tools::Plane;
use voco_label::tools::brush::{Tip, adapted, stroke};
use voco_label::tools::polygon::{fill_outline, half_slice_mm, scissors, simplified, slab};
use voco_label::tools::trace::{LiveWire, is_darker_than_around, level_trace};
use voco_label::{BrickMask, Watch};
use voco_volume::Geometry;

use crate::{bumpy, oblique, place, straight};

fn random_plane(geometry: &Geometry, rng: &mut StdRng) -> Plane {
    let right = DVec3::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0));
    let right = right.normalize();
    let down = right.any_orthonormal_vector();
    Plane { origin: geometry.center_mm(), right, down }
}

/// How far a point is beyond the tip's reach; below 0 inside. For squares the largest of the differences along the axes.
fn beyond(tip: Tip, radius: f64, plane: &Plane, p: DVec3, [a, b]: [DVec3; 2]) -> f64 {
    // The tip at the best of many places along the way; convex in the place, so a search in three parts finds it.
    let at = |t: f64| {
        let d = p - a.lerp(b, t);
        let (u, v, w) = (d.dot(plane.right).abs(), d.dot(plane.down).abs(), d.dot(plane.normal()).abs());
        match tip {
            Tip::Ball => d.length() - radius,
            Tip::Disc => u.hypot(v) - radius,
            Tip::Square => u.max(v) - radius,
            Tip::Cube => u.max(v).max(w) - radius,
        }
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let (x, y) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if at(x) < at(y) { high = y } else { low = x }
    }
    at(f64::midpoint(low, high))
}

#[test]
fn strokes_are_what_their_tips_sweep() {
    let dims = [70, 45, 20];
    let mut rng = StdRng::seed_from_u64(3);
    for round in 0..48 {
        let geometry = if round % 3 == 0 { straight(dims) } else { oblique(dims, round % 2 == 0) };
        let tip = [Tip::Disc, Tip::Square, Tip::Ball, Tip::Cube][round % 4];
        let plane = random_plane(&geometry, &mut rng);
        let radius = rng.random_range(0.3..14.0);
        let m = geometry.world_from_voxel();
        let mut point = || {
            let voxel =
                DVec3::new(rng.random_range(-5.0..75.0), rng.random_range(-5.0..50.0), rng.random_range(-3.0..23.0));
            let p = m.transform_point3(voxel);
            p - plane.normal() * plane.normal().dot(p - plane.origin)
        };
        let from = point();
        let to = if round % 5 == 0 { from } else { point() };
        let mut mask = BrickMask::empty(dims).expect("a mask");
        stroke(&mut mask, &geometry, tip, radius, &plane, [from, to]).expect("a stroke");
        let half = 0.5 * (0..3).map(|a| plane.normal().dot(m.matrix3.col(a)).abs()).sum::<f64>();
        for n in 0..geometry.num_voxels() {
            let voxel = place(n, dims);
            let p = m.transform_point3(DVec3::from_array(voxel.map(|v| v as f64)));
            let mut far = beyond(tip, radius, &plane, p, [from, to]);
            if matches!(tip, Tip::Disc | Tip::Square) {
                far = far.max(plane.normal().dot(p - plane.origin).abs() - half);
            }
            if far.abs() > 1e-5 {
                assert_eq!(
                    mask.get(voxel),
                    far < 0.0,
                    "{tip:?} {radius} mm at {voxel:?}, {far} mm beyond, round {round}"
                );
            }
        }
    }
}

#[test]
fn a_disc_on_a_slice_stays_on_it() {
    let geometry = straight([64, 64, 20]);
    for z in [7.0, 7.3, 7.5] {
        let plane = Plane { origin: DVec3::new(0.0, 0.0, z * 2.5), right: DVec3::X, down: -DVec3::Y };
        let mut mask = BrickMask::empty([64, 64, 20]).expect("a mask");
        let at = DVec3::new(25.0, 25.0, z * 2.5);
        stroke(&mut mask, &geometry, Tip::Disc, 5.0, &plane, [at, at]).expect("a dab");
        let part = mask.bounding_box().expect("some voxels");
        assert_eq!(part.size()[2], 1, "one slice at {z}");
    }
}

#[test]
fn an_adapted_dab_keeps_to_its_tissue() {
    let mut rng = StdRng::seed_from_u64(4);
    let volume = bumpy(straight([60, 60, 20]), &mut rng);
    let dab =
        BrickMask::of_box([60, 60, 20], &voco_label::VoxelBox { min: [10, 12, 3], max: [50, 45, 15] }).expect("a box");
    let center = [30, 30, 9];
    let found = adapted(&dab, &volume, center, 9.0).expect("a dab");
    let value = volume.value(center).expect("a value");
    assert!(found.get(center), "its middle");
    for n in 0..72_000 {
        let at = place(n, [60, 60, 20]);
        if found.get(at) {
            assert!(dab.get(at) && (volume.value(at).expect("a value") - value).abs() <= 9.0, "{at:?}");
        }
    }
}

fn is_inside(p: DVec2, outline: &[DVec2]) -> bool {
    let mut inside = false;
    for (n, b) in outline.iter().enumerate() {
        let a = outline[(n + outline.len() - 1) % outline.len()];
        if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
            inside = !inside;
        }
    }
    inside
}

fn edge_distance(p: DVec2, outline: &[DVec2]) -> f64 {
    let of_edge = |n: usize| {
        let (a, d) = (outline[n], outline[(n + 1) % outline.len()] - outline[n]);
        p.distance(a + d * ((p - a).dot(d) / d.length_squared()).clamp(0.0, 1.0))
    };
    (0..outline.len()).map(of_edge).fold(f64::INFINITY, f64::min)
}

#[test]
fn outlines_on_a_plane_are_filled() {
    let dims = [40, 50, 15];
    let mut rng = StdRng::seed_from_u64(5);
    for round in 0..20 {
        let geometry = if round % 2 == 0 { straight(dims) } else { oblique(dims, round % 4 == 1) };
        let plane = if round % 4 == 0 {
            Plane { origin: geometry.center_mm(), right: DVec3::X, down: DVec3::Y }
        } else {
            random_plane(&geometry, &mut rng)
        };
        let corners: Vec<DVec2> = (0..rng.random_range(3..12))
            .map(|_| DVec2::new(rng.random_range(-25.0..25.0), rng.random_range(-25.0..25.0)))
            .collect();
        let outline: Vec<DVec3> = corners.iter().map(|c| plane.origin + plane.right * c.x + plane.down * c.y).collect();
        let mask = fill_outline(&geometry, &plane, &outline).expect("a mask");
        let m = geometry.world_from_voxel();
        let half = 0.5 * (0..3).map(|a| plane.normal().dot(m.matrix3.col(a)).abs()).sum::<f64>();
        for n in 0..geometry.num_voxels() {
            let voxel = place(n, dims);
            let d = m.transform_point3(DVec3::from_array(voxel.map(|v| v as f64))) - plane.origin;
            let p = DVec2::new(d.dot(plane.right), d.dot(plane.down));
            let across = d.dot(plane.normal()).abs() - half;
            if across.abs() > 1e-5 && edge_distance(p, &corners) > 1e-5 {
                assert_eq!(mask.get(voxel), across < 0.0 && is_inside(p, &corners), "{voxel:?} round {round}");
            }
        }
    }
}

#[test]
fn scissors_cut_along_the_view() {
    let dims = [40, 30, 25];
    let mut rng = StdRng::seed_from_u64(6);
    for round in 0..16 {
        let geometry = oblique(dims, round % 2 == 0);
        let center = geometry.center_mm();
        let toward = DVec3::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
            .normalize();
        // In half of the rounds the eye lies within the volume.
        let eye = center + toward * if round % 4 < 2 { 90.0 } else { 5.0 };
        let view = DMat4::look_at_rh(eye, center, toward.any_orthonormal_vector());
        let projection = if round % 3 == 0 {
            DMat4::orthographic_rh(-30.0, 30.0, -30.0, 30.0, 0.1, 500.0)
        } else {
            DMat4::perspective_rh(0.7, 1.2, 0.1, 500.0)
        };
        let clip = projection * view;
        let outline: Vec<DVec2> = (0..rng.random_range(3..9))
            .map(|_| DVec2::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)))
            .collect();
        let mask = scissors(&geometry, &clip, &outline, None, &Watch::NONE).expect("a mask");
        for n in 0..geometry.num_voxels() {
            let voxel = place(n, dims);
            let p = geometry.world_from_voxel().transform_point3(DVec3::from_array(voxel.map(|v| v as f64)));
            let c = clip * p.extend(1.0);
            let on_screen = DVec2::new(c.x / c.w, c.y / c.w);
            if c.w.abs() > 1e-6 && edge_distance(on_screen, &outline) > 1e-6 {
                assert_eq!(mask.get(voxel), c.w > 0.0 && is_inside(on_screen, &outline), "{voxel:?} round {round}");
            }
        }
    }
}

#[test]
fn a_slab_is_what_lies_near_a_plane_and_scissors_stay_in_it() {
    let dims = [40, 30, 25];
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..8 {
        let geometry = if round % 2 == 0 { straight(dims) } else { oblique(dims, round % 4 == 1) };
        let plane = random_plane(&geometry, &mut rng);
        let depth = half_slice_mm(&geometry, &plane).max(rng.random_range(0.0..8.0));
        let mask = slab(&geometry, &plane, depth, &Watch::NONE).expect("a slab");
        for n in 0..geometry.num_voxels() {
            let voxel = place(n, dims);
            let p = geometry.world_from_voxel().transform_point3(DVec3::from_array(voxel.map(|v| v as f64)));
            let far = plane.normal().dot(p - plane.origin).abs() - depth;
            if far.abs() > 1e-4 {
                assert_eq!(mask.get(voxel), far < 0.0, "{voxel:?} round {round}");
            }
        }
        let outline = [DVec2::new(-9.0, -7.0), DVec2::new(11.0, -3.0), DVec2::new(2.0, 12.0)];
        let at = |axis: DVec3| axis.extend(-axis.dot(plane.origin));
        let clip = DMat4::from_cols(at(plane.right), at(plane.down), DVec4::ZERO, DVec4::W).transpose();
        let mut through = scissors(&geometry, &clip, &outline, None, &Watch::NONE).expect("a mask");
        let here = scissors(&geometry, &clip, &outline, Some((plane, depth)), &Watch::NONE).expect("a mask");
        assert!(through.count() > here.count() && !here.is_empty(), "round {round}");
        through.intersect(&mask).expect("one grid");
        assert_eq!(through, here, "round {round}");
        let world: Vec<DVec3> = outline.iter().map(|p| plane.origin + plane.right * p.x + plane.down * p.y).collect();
        let slice = scissors(&geometry, &clip, &outline, Some((plane, half_slice_mm(&geometry, &plane))), &Watch::NONE);
        assert_eq!(slice.expect("a mask"), fill_outline(&geometry, &plane, &world).expect("a mask"), "one slice");
    }
}

#[test]
fn dark_things_are_known_by_what_is_around() {
    // A dark disc in a bright one in the dark; no value beyond the left side.
    let size = [80, 80];
    let value = |n: usize| {
        let (x, y) = ((n % 80) as f32 - 40.0, (n / 80) as f32 - 40.0);
        match x.hypot(y) {
            _ if x < -37.0 => f32::NAN,
            r if r < 8.0 => 10.0,
            r if r < 25.0 => 100.0,
            _ => 0.0,
        }
    };
    let slice: Vec<f32> = (0..6400).map(value).collect();
    assert!(is_darker_than_around(&slice, size, [45, 40], 8), "in the dark disc");
    assert!(!is_darker_than_around(&slice, size, [50, 40], 8), "in the ring, near the dark disc");
    assert!(!is_darker_than_around(&slice, size, [62, 40], 8), "in the ring, near the dark around");
    assert!(is_darker_than_around(&slice, size, [68, 40], 8), "beside the ring");
    assert!(!is_darker_than_around(&slice, size, [4, 4], 2), "all alike");
    assert!(!is_darker_than_around(&slice, size, [0, 0], 2), "no value");
}

#[test]
fn simplified_outlines_stay_near() {
    let circle: Vec<DVec2> = (0..5000).map(|n| DVec2::from_angle(f64::from(n) * 0.001_256) * 100.0).collect();
    let few = simplified(&circle, 0.5);
    assert!(few.len() < 60 && few.len() > 10, "{} corners", few.len());
    assert!(circle.iter().all(|p| edge_distance(*p, &few) < 0.6), "near");
}

#[test]
fn the_live_wire_follows_an_edge() {
    // A disc: the wire from one side to the other runs along its border.
    let size = [100, 90];
    let slice: Vec<f32> = (0..9000)
        .map(|n| {
            let (x, y) = ((n % 100) as f32 - 50.0, (n / 100) as f32 - 45.0);
            if x.hypot(y) < 30.0 { 100.0 } else { 0.0 }
        })
        .collect();
    let mut wire = LiveWire::new(&slice, size, [1.0, 1.0]).expect("a wire");
    wire.set_anchor([20, 45]).expect("an anchor");
    let path = wire.path_to([80, 45]);
    assert_eq!((path[0], path[path.len() - 1]), ([20, 45], [80, 45]), "its ends");
    for pair in path.windows(2) {
        assert!((0..2).all(|a| pair[0][a].abs_diff(pair[1][a]) <= 1), "connected");
    }
    let far = path.iter().map(|p| ((p[0] as f32 - 50.0).hypot(p[1] as f32 - 45.0) - 30.0).abs()).fold(0.0, f32::max);
    assert!(far < 2.5, "{far} pixels from the edge");
    let disc = level_trace(&slice, size, [50, 45], false).expect("a mask");
    let around = level_trace(&slice, size, [2, 2], true).expect("a mask");
    let bright = slice.iter().filter(|v| **v > 0.0).count();
    assert_eq!(disc.count(), bright, "the disc");
    assert_eq!(around.count(), 9000, "all, because the disc is a hole");
}
