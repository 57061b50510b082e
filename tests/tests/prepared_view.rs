//! A volume seen through preprocessing has the numbers of preprocessing, and results come back in parts as they do at once.

use std::ops::Range;
use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat3, DVec3};
use safetensors::SafeTensors;
use voco_io::Control;
use voco_tests::approx::{AFFINE_MM, affine_difference};
use voco_tests::fixtures::{json, shared};
use voco_volume::{
    Geometry, Grid, Intensity, Part, PreparedView, PreprocessSpec, Rescale, Restore, Run, Volume, Voxels, prepare,
    restore_label,
};

fn open(path: &Path) -> Volume {
    voco_io::open(path, Control::NONE).unwrap_or_else(|e| panic!("{e}")).volume
}

fn spec(intensity: Intensity) -> PreprocessSpec {
    PreprocessSpec {
        spacing_mm: Some([1.5; 3]),
        intensity,
        foreground_above: Some(0.0),
        crop_multiple_of: None,
        pad_to: [28, 32, 26],
        resize_to: None,
    }
}

/// The fixtures' volumes with their intensity windows.
fn volumes(folder: &Path) -> Vec<(String, PathBuf, Intensity)> {
    let cases = json(&folder.join("cases.json"));
    let one = |(name, case): (&String, &serde_json::Value)| {
        let number = |key: &str| case[key].as_f64().expect("a number");
        let file = folder.join(case["file"].as_str().expect("a name"));
        (name.clone(), file, Intensity::Window { low: number("a_min"), high: number("a_max") })
    };
    cases["cases"].as_object().expect("cases").iter().map(one).collect()
}

/// Distances of neighbours along x, y, z in a tensor [X, Y, Z].
fn strides(size: [usize; 3]) -> [usize; 3] {
    [size[1] * size[2], size[2], 1]
}

fn check_view(what: &str, volume: &Volume, spec: &PreprocessSpec) {
    let expected = prepare(volume, None, spec, &|| false, &mut |_, _, _| {}).unwrap_or_else(|e| panic!("{what}: {e}"));
    let view =
        PreparedView::new(std::slice::from_ref(volume), spec, &|| false).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(view.dims(), expected.image.dims(), "{what}: size");
    let difference = affine_difference(view.geometry().affine_rows(), expected.image.geometry().affine_rows());
    assert!(difference < AFFINE_MM, "{what}: the affine is off by {difference}");
    let dims = view.dims();
    let at = |i: isize, j: isize, k: isize| -> f32 {
        let inside = [i, j, k].iter().zip(dims).all(|(&n, d)| n >= 0 && (n as usize) < d);
        let index = || i as usize + dims[0] * (j as usize + dims[1] * k as usize);
        if inside { expected.image.data()[index()] } else { 0.0 }
    };
    for (start, size) in
        [([0, 0, 0], dims), ([3, 5, 2], [12, 14, 10]), ([-4, 9, -1], [dims[0] + 9, 7, 1]), ([99, 0, 0], [2; 3])]
    {
        let values = view.read(start, size).unwrap_or_else(|e| panic!("{what}: {e}"));
        let mut n = 0;
        for i in 0..size[0] as isize {
            for j in 0..size[1] as isize {
                for k in 0..size[2] as isize {
                    let want = at(start[0] + i, start[1] + j, start[2] + k);
                    assert_eq!(values[n].to_bits(), want.to_bits(), "{what}: voxel {i} {j} {k} of {start:?}");
                    n += 1;
                }
            }
        }
        assert_eq!(n, values.len(), "{what}: one value for each voxel");
    }
}

#[test]
fn any_box_has_the_numbers_of_preprocessing() {
    let Some(folder) = shared("fixtures/preprocess") else { return };
    for (name, file, window) in volumes(&folder) {
        let volume = open(&file);
        for (how, intensity) in [("window", window), ("z-score", Intensity::ZScoreNonzero)] {
            check_view(&format!("{name} {how}"), &volume, &spec(intensity));
            let other = PreprocessSpec { spacing_mm: None, crop_multiple_of: Some([8, 16, 4]), ..spec(intensity) };
            check_view(&format!("{name} {how} at its own spacing"), &volume, &other);
            let whole = PreprocessSpec { foreground_above: None, ..spec(intensity) };
            check_view(&format!("{name} {how} uncropped"), &volume, &whole);
        }
    }
}

#[test]
fn sheared_axes_and_values_that_are_no_numbers_too() {
    let matrix = DMat3::from_cols(DVec3::new(1.1, 0.1, 0.0), DVec3::new(0.2, -0.9, 0.05), DVec3::new(0.0, 0.3, 2.1));
    let dims = [17, 14, 11];
    let geometry =
        Geometry::new(dims, DAffine3::from_mat3_translation(matrix, DVec3::new(3.0, -9.0, 4.0))).expect("a grid");
    let value = |n: usize| if n % 97 == 5 { f32::NAN } else { (n as f32 * 0.73).sin() * 300.0 };
    let values: Vec<f32> = (0..dims.iter().product()).map(value).collect();
    let volume =
        Volume::new(geometry, Voxels::F32(values.into()), Rescale { slope: 1.5, inter: -20.0 }).expect("a volume");
    check_view("sheared", &volume, &spec(Intensity::Window { low: -175.0, high: 250.0 }));
    check_view("sheared z-score", &volume, &spec(Intensity::ZScoreNonzero));
}

/// Slabs of `step` voxels along `axis`, in strips of 9 along another axis, one voxel more in front of each.
fn parts(dims: [usize; 3], axis: usize, step: usize) -> Vec<[Range<usize>; 3]> {
    let strip = (axis + 1) % 3;
    let mut all = Vec::new();
    for low in (0..dims[axis]).step_by(step) {
        for start in (0..dims[strip]).step_by(9) {
            let mut own = dims.map(|d| 0..d);
            own[axis] = low..(low + step).min(dims[axis]);
            own[strip] = start..(start + 9).min(dims[strip]);
            all.push(own);
        }
    }
    all
}

/// The part of a whole tensor [X, Y, Z] that a stitcher would have in memory.
fn cut<T: Copy>(whole: &[T], dims: [usize; 3], own: &[Range<usize>; 3]) -> ([usize; 3], [usize; 3], Vec<T>) {
    let start: [usize; 3] = std::array::from_fn(|a| own[a].start.saturating_sub(1));
    let size: [usize; 3] = std::array::from_fn(|a| own[a].end - start[a]);
    let mut values = Vec::new();
    for i in start[0]..own[0].end {
        for j in start[1]..own[1].end {
            values.extend((start[2]..own[2].end).map(|k| whole[(i * dims[1] + j) * dims[2] + k]));
        }
    }
    (start, strides(size), values)
}

fn place<T: Copy + PartialEq + std::fmt::Debug>(runs: Vec<Run<T>>, file: [usize; 3], empty: T, out: &mut [T]) {
    for run in runs {
        for (n, value) in run.values.into_iter().enumerate() {
            let at = run.start[0] + n + file[0] * (run.start[1] + file[1] * run.start[2]);
            assert_eq!(out[at], empty, "no place comes twice");
            out[at] = value;
        }
    }
}

fn restored_labels(restore: &Restore, labels: &[u16], dims: [usize; 3], parts: &[[Range<usize>; 3]]) -> Vec<u16> {
    let mut out = vec![u16::MAX; restore.file().num_voxels()];
    for own in parts {
        let (start, strides, values) = cut(labels, dims, own);
        let part = Part { start, strides, values: &values, own: own.clone() };
        place(restore.nearest(&part), restore.file().dims(), u16::MAX, &mut out);
    }
    out.into_iter().map(|label| if label == u16::MAX { 0 } else { label }).collect()
}

#[test]
fn labels_come_back_as_monai_brings_them_back_in_parts_or_at_once() {
    let Some(folder) = shared("fixtures/preprocess") else { return };
    for (name, file, window) in volumes(&folder) {
        let volume = open(&file);
        let view = PreparedView::new(std::slice::from_ref(&volume), &spec(window), &|| false).expect("a view");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("the fixture is there");
        let tensors = SafeTensors::deserialize(&bytes).expect("the fixture is whole");
        let bytes_of = |key: &str| tensors.tensor(key).unwrap_or_else(|e| panic!("{name} {key}: {e}")).data().to_vec();
        // MONAI's own label as the prediction; [1, X, Y, Z] like a network's.
        let labels: Vec<u16> = bytes_of("pad.label").into_iter().map(u16::from).collect();
        let (dims, restore) = (view.dims(), view.restore());
        let whole = restored_labels(&restore, &labels, dims, &[dims.map(|d| 0..d)]);
        let [nx, ny, nz] = restore.file().dims();
        let (expected, ties) = (bytes_of("invert.pred"), bytes_of("invert.tie"));
        let mut wrong = 0;
        for (n, &label) in whole.iter().enumerate() {
            let (i, j, k) = (n % nx, n / nx % ny, n / (nx * ny));
            let at = (i * ny + j) * nz + k;
            wrong += usize::from(label != u16::from(expected[at]) && ties[at] == 0);
        }
        assert_eq!(wrong, 0, "{name}: labels differ outside of ties");
        for (axis, step) in [(0, 5), (1, 32), (2, 1)] {
            let got = restored_labels(&restore, &labels, dims, &parts(dims, axis, step));
            assert!(got == whole, "{name}: slabs of {step} along {axis}");
        }
        // The same by the other way there is: a whole grid at once.
        let mut grid = vec![0.0; labels.len()];
        for (n, value) in grid.iter_mut().enumerate() {
            let (i, j, k) = (n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1]));
            *value = f32::from(labels[(i * dims[1] + j) * dims[2] + k]);
        }
        let prepared = prepare(&volume, None, &spec(window), &|| false, &mut |_, _, _| {}).expect("prepared");
        let grid = Grid::new(*view.geometry(), grid).expect("a grid");
        let at_once = restore_label(&grid, &prepared.uncropped, volume.geometry()).expect("a grid");
        let differ = at_once.data().iter().zip(&whole).filter(|&(&a, &b)| a != f32::from(b)).count();
        assert_eq!(differ, 0, "{name}: against the whole grid at once, {nz} slices");
    }
}

#[test]
fn probabilities_come_back_between_voxels_and_still_sum_to_one() {
    let Some(folder) = shared("fixtures/preprocess") else { return };
    for (name, file, window) in volumes(&folder) {
        let view = PreparedView::new(&[open(&file)], &spec(window), &|| false).expect("a view");
        let (dims, restore) = (view.dims(), view.restore());
        let share = |n: usize| (n as f32 * 0.37).sin().abs();
        let foreground: Vec<f32> = (0..dims.iter().product()).map(share).collect();
        let background: Vec<f32> = foreground.iter().map(|p| 1.0 - p).collect();
        let all = |values: &[f32], outside: f32, parts: &[[Range<usize>; 3]]| {
            let mut out = vec![f32::MAX; restore.file().num_voxels()];
            for own in parts {
                let (start, strides, values) = cut(values, dims, own);
                let part = Part { start, strides, values: &values, own: own.clone() };
                place(restore.linear(&part, outside), restore.file().dims(), f32::MAX, &mut out);
            }
            let value = |p: f32| if p == f32::MAX { outside } else { p };
            out.into_iter().map(value).collect::<Vec<f32>>()
        };
        let one = [dims.map(|d| 0..d)];
        let (p, q) = (all(&foreground, 0.0, &one), all(&background, 1.0, &one));
        assert!(p.iter().zip(&q).all(|(p, q)| (p + q - 1.0).abs() < 1e-6), "{name}: they sum to 1");
        assert!(p.iter().any(|p| *p > 0.1) && p.iter().all(|p| (0.0..=1.0).contains(p)), "{name}: probabilities");
        for (axis, step) in [(0, 5), (1, 32), (2, 1)] {
            let got = all(&foreground, 0.0, &parts(dims, axis, step));
            assert!(got == p, "{name}: slabs of {step} along {axis}");
        }
    }
}
