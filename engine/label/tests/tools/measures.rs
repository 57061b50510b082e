use std::collections::BTreeMap;

use glam::DVec3;
use rand::SeedableRng;
use rand::rngs::StdRng;
use voco_label::mesh::{MeshFormat, Smoothing, Space, surface_mesh, write_mesh};
use voco_label::{BrickMask, LabelVolume, Watch, segment_stats, stats_csv};

use crate::{blobs, bumpy, oblique, place, random_set, set_of};

const DIMS: [usize; 3] = [45, 38, 34];

#[test]
fn statistics_are_those_of_a_plain_loop() {
    let mut rng = StdRng::seed_from_u64(30);
    let geometry = oblique(DIMS, true);
    let image = bumpy(geometry, &mut rng);
    let values: Vec<u16> = blobs(DIMS, &mut rng)
        .iter()
        .zip(blobs(DIMS, &mut rng))
        .map(|(a, b)| u16::from(*a) + 2 * u16::from(b))
        .collect();
    let volume = LabelVolume::from_values(&values, DIMS).expect("labels");
    let all = segment_stats(&volume, &geometry, Some(&image), &[1, 2, 3, 9], &Watch::NONE).expect("numbers");
    let present = (1..=3).filter(|v| values.contains(v)).count();
    assert_eq!(all.len(), present, "those that occur");
    for s in &all {
        let mine: Vec<usize> = (0..values.len()).filter(|&n| values[n] == s.value).collect();
        let mut reals: Vec<f64> = mine.iter().map(|&n| image.value(place(n, DIMS)).expect("inside")).collect();
        reals.sort_by(f64::total_cmp);
        let count = mine.len() as f64;
        let mean = reals.iter().sum::<f64>() / count;
        let sd = (reals.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
        let i = s.intensity.expect("an image");
        assert_eq!(s.voxels, mine.len() as u64);
        assert!((s.volume_ml - count * 0.7 * 0.9 * 2.1 / 1000.0).abs() < 1e-9, "{}", s.volume_ml);
        assert!((i.mean - mean).abs() < 1e-9 && (i.sd - sd).abs() < 1e-6, "{i:?}, {mean} ± {sd}");
        assert_eq!((i.min, i.max), (reals[0], reals[reals.len() - 1]));
        for (q, found) in [5.0, 25.0, 50.0, 75.0, 95.0].into_iter().zip(i.percentiles) {
            let at: f64 = q / 100.0 * (count - 1.0);
            let (low, high) = (reals[at.floor() as usize], reals[at.ceil() as usize]);
            let wanted = low + (high - low) * at.fract();
            // Values are multiples of one half, so bins are finer than what differs.
            assert!((found - wanted).abs() < 0.01, "{q}: {found} for {wanted}");
        }
        let sum: DVec3 = mine
            .iter()
            .map(|&n| geometry.world_from_voxel().transform_point3(DVec3::from_array(place(n, DIMS).map(|v| v as f64))))
            .sum();
        assert!(s.centroid_mm.distance(sum / count) < 1e-6, "the middle");
    }
    assert_eq!(stats_csv(&all, |v| format!("part {v}")).lines().count(), all.len() + 1);
}

#[test]
fn surfaces_are_closed_and_hold_their_volume() {
    let mut rng = StdRng::seed_from_u64(31);
    for round in 0..8 {
        let geometry = oblique(DIMS, round % 2 == 0);
        let values = if round < 4 { blobs(DIMS, &mut rng) } else { random_set(DIMS, 0.3, &mut rng) };
        let set = set_of(&values, DIMS);
        let smoothing = Smoothing { passes: if round % 4 < 2 { 0 } else { 10 }, ..Smoothing::default() };
        let mesh = surface_mesh(&set, &geometry.world_from_voxel(), smoothing, &Watch::NONE).expect("a mesh");
        let mut edges: BTreeMap<(u32, u32), i32> = BTreeMap::new();
        for t in &mesh.triangles {
            for n in 0..3 {
                *edges.entry((t[n], t[(n + 1) % 3])).or_default() += 1;
            }
        }
        for (&(a, b), &count) in &edges {
            assert_eq!(edges.get(&(b, a)), Some(&count), "edge {a} {b} has another side, round {round}");
        }
        if round < 4 {
            let ml = values.iter().filter(|v| **v != 0).count() as f64 * 0.7 * 0.9 * 2.1 / 1000.0;
            let ratio = mesh.volume_ml() / ml;
            assert!((0.85..1.05).contains(&ratio), "{ratio} of the voxels' volume, round {round}");
        }
    }
}

#[test]
fn a_ball_has_its_area_and_its_files_their_space() {
    let dims = [64; 3];
    let mut set = BrickMask::empty(dims).expect("a set");
    for n in 0..64 * 64 * 64 {
        let at = place(n, dims);
        if at.iter().map(|v| (*v as f64 - 31.5).powi(2)).sum::<f64>() <= 24.0 * 24.0 {
            set.insert(at);
        }
    }
    let affine = glam::DAffine3::IDENTITY;
    let mesh = surface_mesh(&set, &affine, Smoothing::default(), &Watch::NONE).expect("a mesh");
    let area = 4.0 * std::f64::consts::PI * 24.0 * 24.0;
    assert!((mesh.area_mm2() / area - 1.0).abs() < 0.02, "{} of {area} mm²", mesh.area_mm2());
    let far = mesh.points_mm.iter().map(|p| (p.as_dvec3() - DVec3::splat(31.5)).length());
    let (low, high) = far.fold((f64::INFINITY, 0.0_f64), |(l, h), d| (l.min(d), h.max(d)));
    assert!(low > 23.0 && high < 25.0, "radius from {low} to {high} mm");
    for (p, n) in mesh.points_mm.iter().zip(&mesh.normals) {
        assert!((p.as_dvec3() - DVec3::splat(31.5)).normalize().dot(n.as_dvec3()) > 0.9, "outwards");
    }
    for space in [Space::Ras, Space::Lps] {
        let of = |format| {
            let mut out = Vec::new();
            write_mesh(&mut out, &mesh, format, space, "a \"ball\"", [200, 30, 30]).expect("a file");
            out
        };
        let (points, triangles) = (mesh.points_mm.len(), mesh.triangles.len());
        assert_eq!(of(MeshFormat::Stl).len(), 84 + 50 * triangles, "STL");
        for format in [MeshFormat::Stl, MeshFormat::Obj, MeshFormat::Ply] {
            let text = String::from_utf8_lossy(&of(format)).into_owned();
            assert!(text.contains(&format!("SPACE={}", space.name())), "{format:?} names its space");
        }
        let glb = of(MeshFormat::Glb);
        assert_eq!(u32::from_le_bytes(glb[8..12].try_into().expect("4")) as usize, glb.len(), "the length");
        let json = u32::from_le_bytes(glb[12..16].try_into().expect("4")) as usize;
        let head: serde_json::Value = serde_json::from_slice(&glb[20..20 + json]).expect("JSON");
        assert_eq!(head["asset"]["extras"]["space"], space.name());
        assert_eq!(head["accessors"][0]["count"], points);
        assert_eq!(head["buffers"][0]["byteLength"], 24 * points + 12 * triangles);
        assert_eq!(glb.len(), 20 + json + 8 + 24 * points + 12 * triangles, "GLB");
    }
    let empty = BrickMask::empty(dims).expect("a set");
    let mesh = surface_mesh(&empty, &affine, Smoothing::default(), &Watch::NONE).expect("a mesh");
    write_mesh(&mut Vec::new(), &mesh, MeshFormat::Glb, Space::Ras, "", [0; 3]).expect("an empty file");
}
