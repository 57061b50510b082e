//! Geometry and NIfTI reading against nibabel's numbers.

use glam::{DAffine3, DMat3, DVec3};
use serde_json::Value;
use voco_io::Control;
use voco_tests::approx::{AFFINE_MM, STATISTIC, affine_difference, near};
use voco_tests::fixtures::{affine, committed, committed_json};
use voco_volume::{Anatomical, Geometry, SliceFrame, SlicePlane, Stats, axis_codes, direction_letters};

fn geometry(rows: [[f64; 4]; 4], dims: [usize; 3]) -> Geometry {
    let column = |c: usize| DVec3::new(rows[0][c], rows[1][c], rows[2][c]);
    let matrix = DMat3::from_cols(column(0), column(1), column(2));
    Geometry::new(dims, DAffine3::from_mat3_translation(matrix, column(3))).expect("a regular affine")
}

fn codes(geometry: &Geometry) -> String {
    axis_codes(geometry.directions()).map(Anatomical::letter).iter().collect()
}

#[test]
fn orientations_are_nibabels() {
    let cases = committed_json("orientation/orientation.json");
    let cases = cases.as_array().expect("a list");
    assert!(cases.len() >= 48 + 5, "all 48 axis orders and some oblique grids");
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let geometry = geometry(affine(&case["affine"]), [5, 4, 3]);
        assert_eq!(codes(&geometry), case["axcodes"].as_str().expect("codes"), "{name}");
        for axis in 0..3 {
            let expected = case["voxel_sizes"][axis].as_f64().expect("a size");
            assert!(near(geometry.spacing_mm()[axis], expected, 1e-9), "{name}: spacing {axis}");
        }
    }
}

/// Whatever the axis order, the edges of each view say the same, and moving towards an edge is moving in its direction.
#[test]
fn views_are_radiological_in_every_axis_order() {
    for case in committed_json("orientation/orientation.json").as_array().expect("a list") {
        let name = case["name"].as_str().expect("a name");
        let geometry = geometry(affine(&case["affine"]), [5, 4, 3]);
        let is_axis_order = case["kind"] == "axis";
        for (plane, left, right, top, bottom) in [
            (SlicePlane::Axial, 'R', 'L', 'A', 'P'),
            (SlicePlane::Coronal, 'R', 'L', 'S', 'I'),
            (SlicePlane::Sagittal, 'A', 'P', 'S', 'I'),
        ] {
            let frame = SliceFrame::new(&geometry, plane);
            let edges = [-frame.right, frame.right, -frame.down, frame.down].map(direction_letters);
            for (edge, expected) in edges.iter().zip([left, right, top, bottom]) {
                if is_axis_order {
                    assert_eq!(*edge, expected.to_string(), "{name} {plane:?}");
                } else {
                    // The first letter is the edge's own, or, on a strongly turned grid, at least the letter is among them.
                    assert!(edge.contains(expected), "{name} {plane:?}: {edge} has {expected}");
                }
            }
            // Every slice number gives a place whose slice number it is.
            for slice in 0..frame.num_slices {
                let point = frame.point_on_slice(&geometry, geometry.center_mm(), slice);
                assert_eq!(frame.slice_at(&geometry, point), slice, "{name} {plane:?}");
            }
            let first = frame.point_on_slice(&geometry, geometry.center_mm(), 0);
            let last = frame.point_on_slice(&geometry, geometry.center_mm(), frame.num_slices - 1);
            assert!((last - first).dot(frame.normal) > 0.0, "{name} {plane:?}: slices count along the normal");
            // Picture to world and back.
            let at = glam::DVec2::new(3.0, -2.0);
            let world = frame.world_from_picture(at, first);
            assert!(frame.picture_from_world(world).distance(at) < 1e-9, "{name} {plane:?}");
        }
    }
}

#[test]
fn files_read_as_nibabel_reads_them() {
    let cases = committed_json("nifti/expected.json");
    for case in cases.as_array().expect("a list") {
        check_file(case);
    }
}

fn check_file(case: &Value) {
    let name = case["file"].as_str().expect("a name");
    let path = committed("nifti").join(name);
    let mut volumes = Vec::new();
    voco_io::read_components(&path, Control::NONE, &mut |opened| {
        volumes.push(opened);
        true
    })
    .unwrap_or_else(|e| panic!("{name}: {e}"));
    let first = &volumes[0];
    let geometry = first.volume.geometry();
    let dims: Vec<u64> = case["dims"].as_array().expect("dims").iter().filter_map(Value::as_u64).collect();
    for axis in 0..3 {
        assert_eq!(geometry.dims()[axis] as u64, dims.get(axis).copied().unwrap_or(1), "{name}: dims");
    }
    assert_eq!(first.num_components as u64, dims.iter().skip(3).product::<u64>(), "{name}: components");
    let difference = affine_difference(geometry.affine_rows(), affine(&case["affine"]));
    assert!(difference < AFFINE_MM, "{name}: affine off by {difference}");
    assert_eq!(codes(geometry), case["axcodes"].as_str().expect("codes"), "{name}");
    let (mut min, mut max, mut sum, mut count, mut bad) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0, 0);
    for opened in &volumes {
        let stats = Stats::of(&opened.volume);
        let finite = opened.volume.geometry().num_voxels() - stats.num_non_finite;
        (min, max) = (min.min(stats.min), max.max(stats.max));
        sum += stats.mean * finite as f64;
        count += finite;
        bad += stats.num_non_finite as u64;
    }
    let scale = case["max"].as_f64().expect("max").abs().max(1.0);
    for (what, ours) in [("min", min), ("max", max), ("mean", sum / count as f64)] {
        let expected = case[what].as_f64().expect("a statistic");
        assert!(near(ours, expected, STATISTIC * scale), "{name}: {what} {ours} for {expected}");
    }
    assert_eq!(Some(bad), case["nonfinite"].as_u64(), "{name}: voxels that are not finite");
    for voxel in case["voxels"].as_array().expect("voxels") {
        let at: Vec<usize> =
            voxel["at"].as_array().expect("at").iter().filter_map(|v| v.as_u64().map(|v| v as usize)).collect();
        if at.len() > 3 {
            continue;
        }
        let at = std::array::from_fn(|a| at.get(a).copied().unwrap_or(0));
        let value = first.volume.value(at).expect("inside");
        let Some(expected) = voxel["value"].as_f64() else { continue };
        assert!(near(value, expected, STATISTIC * scale), "{name}: {value} for {expected} at {at:?}");
    }
}

#[test]
fn bad_files_get_one_sentence() {
    for case in committed_json("nifti/malformed.json").as_array().expect("a list") {
        let name = case["file"].as_str().expect("a name");
        let path = committed("nifti").join(name);
        let error = voco_io::open(&path, Control::NONE)
            .err()
            .unwrap_or_else(|| panic!("{name} was opened: {}", case["reason"]));
        let text = error.to_string();
        let file = path.file_name().expect("a file").to_string_lossy().into_owned();
        assert!(text.starts_with(&file), "{name}: '{text}' names the file");
        assert!(
            !text.contains('/') || text.contains(".hdr/.img") || text.contains("b/c/d"),
            "{name}: '{text}' names no folder"
        );
        assert!(text.lines().count() == 1 && text.len() < 260, "{name}: '{text}' is one sentence");
    }
}
