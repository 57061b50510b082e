//! Every stage of preprocessing against MONAI's numbers: image, label, affine, and the way back.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use voco_io::Control;
use voco_tests::approx::{AFFINE_MM, affine_difference};
use voco_tests::fixtures::{affine, json, shared};
use voco_volume::{Geometry, Grid, Intensity, PreprocessSpec, Stage, Volume, prepare, restore_label};

/// Hounsfield units by which a resampled voxel may differ: the reference's own word for 64-bit weights.
const RESAMPLED_HU: f64 = 1e-3;
/// Scaled intensity by which it may differ after that.
const SCALED: f64 = 1e-5;

fn open(path: &Path) -> Volume {
    voco_io::open(path, Control::NONE).unwrap_or_else(|e| panic!("{e}")).volume
}

/// A tensor [1, X, Y, Z] or [X, Y, Z] as values with x fastest, like a grid's.
fn values(tensors: &SafeTensors<'_>, name: &str) -> ([usize; 3], Vec<f64>) {
    let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let &[.., nx, ny, nz] = view.shape() else { panic!("{name}: three axes") };
    let flat: Vec<f64> = match view.dtype() {
        Dtype::U8 => view.data().iter().map(|&v| f64::from(v)).collect(),
        Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|&c| f64::from(f32::from_le_bytes(c))).collect(),
        other => panic!("{name}: {other:?}"),
    };
    let mut out = Vec::with_capacity(flat.len());
    for k in 0..nz {
        for j in 0..ny {
            out.extend((0..nx).map(|i| flat[(i * ny + j) * nz + k]));
        }
    }
    ([nx, ny, nz], out)
}

fn affine_of(tensors: &SafeTensors<'_>, name: &str) -> [[f64; 4]; 4] {
    let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let flat: Vec<f64> = view.data().as_chunks::<8>().0.iter().map(|&c| f64::from_le_bytes(c)).collect();
    std::array::from_fn(|r| std::array::from_fn(|c| flat[4 * r + c]))
}

fn check_image(what: &str, grid: &Grid, tensors: &SafeTensors<'_>, stage: &str, tolerance: f64) {
    let (dims, expected) = values(tensors, &format!("{stage}.image"));
    assert_eq!(grid.dims(), dims, "{what} {stage}");
    let worst = grid.data().iter().zip(&expected).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{what} {stage}: a voxel is off by {worst}");
    check_affine(what, grid.geometry(), tensors, &format!("{stage}.image.affine"));
}

fn check_affine(what: &str, geometry: &Geometry, tensors: &SafeTensors<'_>, name: &str) {
    let difference = affine_difference(geometry.affine_rows(), affine_of(tensors, name));
    assert!(difference < AFFINE_MM, "{what} {name}: off by {difference}");
}

/// Labels, exact outside of `ties`; returns how many differ in all.
fn check_label(what: &str, grid: &Grid, tensors: &SafeTensors<'_>, name: &str, ties: Option<&str>) -> usize {
    let (dims, expected) = values(tensors, name);
    assert_eq!(grid.dims(), dims, "{what} {name}");
    let ties = ties.map(|t| values(tensors, t).1);
    let is_tie = |n: usize| ties.as_ref().is_some_and(|t| t[n] != 0.0);
    let differs = |n: &usize| f64::from(grid.data()[*n]) != expected[*n];
    let wrong: Vec<usize> = (0..expected.len()).filter(differs).collect();
    let bad: Vec<&usize> = wrong.iter().filter(|&&n| !is_tie(n)).collect();
    assert!(bad.is_empty(), "{what} {name}: {} labels differ outside of ties", bad.len());
    wrong.len()
}

#[test]
fn every_stage_is_monais() {
    let Some(folder) = shared("fixtures/preprocess") else { return };
    let facts = json(&folder.join("cases.json"));
    let size = |name: &str| -> [usize; 3] {
        std::array::from_fn(|a| facts["settings"][name][a].as_u64().expect("a size") as usize)
    };
    let cases = facts["cases"].as_object().expect("cases");
    assert!(cases.len() >= 7, "{} cases", cases.len());
    for (name, case) in cases {
        check_case(&folder, name, case, size("pad"), size("resize"));
    }
}

fn check_case(folder: &Path, name: &str, case: &Value, pad_to: [usize; 3], resize_to: [usize; 3]) {
    let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("the fixture is there");
    let tensors = SafeTensors::deserialize(&bytes).expect("the fixture is whole");
    let file = |key: &str| open(&folder.join(case[key].as_str().expect("a name")));
    let (image, label) = (file("file"), file("label_file"));
    let number = |key: &str| case[key].as_f64().expect("a number");
    let spec = PreprocessSpec {
        spacing_mm: Some([1.5; 3]),
        intensity: Intensity::Window { low: number("a_min"), high: number("a_max") },
        foreground_above: Some(0.0),
        crop_multiple_of: None,
        pad_to,
        resize_to: Some(resize_to),
    };
    let mut stages: Vec<(Stage, Grid, Grid)> = Vec::new();
    let prepared = prepare(&image, Some(&label), &spec, &|| false, &mut |stage, image, label| {
        stages.push((stage, image.clone(), label.expect("a label in each stage").clone()));
    })
    .unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut tied = 0;
    for (stage, image, label) in &stages {
        let (tolerance, ties) = match stage {
            Stage::Load | Stage::Orient => (0.0, None),
            Stage::Spacing => (RESAMPLED_HU, Some("spacing.label_tie")),
            Stage::Scale | Stage::CropForeground | Stage::Pad | Stage::Resize => (SCALED, None),
        };
        let stage_name = if *stage == Stage::Resize { "resize_ac" } else { stage.name() };
        check_image(name, image, &tensors, stage_name, tolerance);
        if !matches!(stage, Stage::Scale | Stage::Resize) {
            let label_name = format!("{stage_name}.label");
            // After the resampling the same tied voxels go on through crop and pad: count them, do not ask for them.
            let (_, expected) = values(&tensors, &label_name);
            if ties.is_none() && *stage != Stage::Load && *stage != Stage::Orient {
                let wrong = label.data().iter().zip(&expected).filter(|&(&a, b)| f64::from(a) != *b).count();
                assert!(wrong <= tied, "{name} {stage_name}: {wrong} labels differ, {tied} did after resampling");
            } else {
                tied = check_label(name, label, &tensors, &label_name, ties);
            }
            check_affine(name, label.geometry(), &tensors, &format!("{stage_name}.label.affine"));
        }
    }
    assert_eq!(stages.len(), 7, "{name}: all stages");
    // The way back, with MONAI's own label as the prediction.
    let pad = &stages.iter().find(|(s, ..)| *s == Stage::Pad).expect("padded").1;
    let (_, prediction) = values(&tensors, "pad.label");
    let prediction = Grid::new(*pad.geometry(), prediction.iter().map(|&v| v as f32).collect()).expect("a grid");
    let restored = restore_label(&prediction, &prepared.uncropped, image.geometry()).expect("a grid");
    check_label(name, &restored, &tensors, "invert.pred", Some("invert.tie"));
    check_affine(name, restored.geometry(), &tensors, "invert.pred.affine");
    let origin = affine(&case["stages"]["spacing"]["affine"]);
    let spacing = &stages.iter().find(|(s, ..)| *s == Stage::Spacing).expect("resampled").1;
    assert!(affine_difference(spacing.geometry().affine_rows(), origin) < 1e-9, "{name}: the rule of the origin");
}
