//! Preprocessing and position targets against the published code's numbers.

use safetensors::SafeTensors;
use serde_json::Value;
use voco_io::Control;
use voco_tests::approx::{AFFINE_MM, RESAMPLED, affine_difference, near};
use voco_tests::fixtures::{affine, committed_json, json, shared};
use voco_volume::position::{Crop, PositionGrid};
use voco_volume::{CropStyle, FrameWindow, Grid, Recipe, Stage, preprocess};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

#[test]
fn targets_are_the_published_codes() {
    for case in committed_json("position/labels.json").as_array().expect("a list") {
        let whole = |name: &str| case[name].as_u64().expect("a whole number") as usize;
        let grid = PositionGrid { n: whole("n"), edge: whole("roi") };
        assert_eq!(grid.n * grid.edge, whole("field"), "the base crops tile the field");
        let center = numbers(&case["center"]);
        let start = [center[0] as usize - grid.edge / 2, center[1] as usize - grid.edge / 2, 0];
        let target = grid.target(Crop { start, size: [grid.edge; 3] });
        for (ours, expected) in target.iter().zip(numbers(&case["label"])) {
            assert!(near(*ours, expected, 1e-12), "{case}: {target:?}");
        }
    }
}

/// Always naming the centre is right in a quarter of the crops of the 3×3 grid, and in a ninth or so of the 4×4 grid.
#[test]
fn chance_is_what_counting_gives() {
    for (grid, about) in [(PositionGrid::TPAMI, 0.25), (PositionGrid::CVPR, 0.11)] {
        let mut wins = vec![0_usize; grid.num_bases()];
        let starts: Vec<usize> = (0..=grid.max_start()).collect();
        for &x in &starts {
            for &y in &starts {
                let target = grid.target(grid.crop_at(x, y));
                let best = (0..target.len()).rev().max_by(|&a, &b| target[a].total_cmp(&target[b])).expect("not empty");
                wins[best] += 1;
            }
        }
        let counted = *wins.iter().max().expect("not empty") as f64 / (starts.len() * starts.len()) as f64;
        assert!(near(grid.chance_top1(), counted, 0.01), "{} against {counted}", grid.chance_top1());
        assert!(near(grid.chance_top1(), about, 0.01), "{} against {about}", grid.chance_top1());
    }
}

/// A header that claims metres per voxel, and voxels that are not numbers, end in a sentence and in finite values.
#[test]
fn odd_volumes_neither_fill_the_memory_nor_spread_nan() {
    use glam::{DAffine3, DQuat, DVec3};
    use voco_volume::{Geometry, Rescale, Volume, VolumeError, Voxels};
    let volume = |spacing: f64| {
        let affine = DAffine3::from_scale_rotation_translation(DVec3::splat(spacing), DQuat::IDENTITY, DVec3::ZERO);
        let geometry = Geometry::new([64; 3], affine).expect("a regular grid");
        let voxels: Vec<f32> =
            (0..64 * 64 * 64).map(|n| if n % 97 == 0 { f32::NAN } else { (n % 200) as f32 }).collect();
        Volume::new(geometry, Voxels::F32(voxels.into()), Rescale::IDENTITY).expect("one voxel for each place")
    };
    let run = |spacing| preprocess(&volume(spacing), Recipe::Abdomen, &|| false, &mut |_, _| {});
    assert!(matches!(run(1000.0), Err(VolumeError::TooLarge(_))), "metres per voxel are refused");
    let body = run(1.5).expect("a body");
    assert!(body.grid().data().iter().all(|v| (0.0..=1.0).contains(v)), "every value is within the window");
}

#[test]
fn targets_tile_and_point_back_to_the_crop() {
    for grid in [PositionGrid::TPAMI, PositionGrid::CVPR] {
        for k in 0..grid.num_bases() {
            let target = grid.target(grid.base(k));
            assert!((0..target.len()).all(|n| target[n] == f64::from(u8::from(n == k))), "a base crop is itself");
        }
        for (x, y) in [(0, 0), (17, 90), (grid.max_start(), 5), (40, grid.max_start())] {
            let crop = grid.crop_at(x, y);
            let target = grid.target(crop);
            assert!(near(target.iter().sum(), 1.0, 1e-12), "shares sum to 1");
            let overlaps: Vec<f32> = target.iter().map(|&t| t as f32).collect();
            let center = grid.center_from_overlaps(&overlaps).expect("there is overlap");
            let half = grid.edge as f64 / 2.0;
            assert!(near(center[0], x as f64 + half, 1e-3) && near(center[1], y as f64 + half, 1e-3), "{center:?}");
        }
    }
}

/// The grid of every stage, and the values of the last, for the volumes of the reference run.
#[test]
fn pretraining_pipelines_are_monais() {
    let Some(folder) = shared("fixtures/preprocess") else { return };
    let expected = json(&folder.join("pretraining.json"));
    let bytes = std::fs::read(folder.join("pretraining.safetensors")).expect("the fixture is there");
    let tensors = SafeTensors::deserialize(&bytes).expect("the fixture is whole");
    let mut checked = 0;
    for (run, facts) in expected["runs"].as_object().expect("runs") {
        let (volume, pipeline) = run.split_once('.').expect("volume.pipeline");
        let recipe = match pipeline {
            "abdomen" => Recipe::Abdomen,
            "abdomen_unlabelled" => Recipe::AbdomenUnlabelled,
            "chest" => Recipe::Chest,
            "headneck" => Recipe::HeadNeck,
            other => panic!("unknown pipeline {other}"),
        };
        let opened = voco_io::open(&folder.join(format!("{volume}.nii.gz")), Control::NONE).expect("readable");
        let mut dims = Vec::new();
        let body =
            preprocess(&opened.volume, recipe, &|| false, &mut |stage, grid: &Grid| dims.push((stage, grid.dims())))
                .expect("a body");
        // The chains with a random window pad twice, which comes to the second size at once.
        for (stage, name) in
            [(Stage::Spacing, "Spacingd"), (Stage::CropForeground, "CropForegroundd"), (Stage::Pad, "SpatialPadd")]
        {
            let ours = dims.iter().find(|(s, _)| *s == stage).expect("the stage ran").1;
            let listed = facts["stages"].as_array().expect("stages").iter().filter(|s| s[0] == name);
            let theirs = listed.take(if recipe.crop_style() == CropStyle::WholeBody { 1 } else { 2 }).last();
            let theirs = numbers(&theirs.expect("listed")[1]);
            assert_eq!(ours.to_vec(), theirs.iter().map(|&v| v as usize).collect::<Vec<_>>(), "{run} {name}");
        }
        let frame = body.frame(FrameWindow { start: [0; 3] }).expect("a frame");
        let difference = affine_difference(frame.geometry().affine_rows(), affine(&facts["affine"]));
        assert!(difference < AFFINE_MM, "{run}: affine off by {difference}");
        // The fixture keeps every 6th, 6th and 4th voxel, z fastest.
        let view = tensors.tensor(&format!("{run}.s6")).expect("the last stage");
        let (values, _) = view.data().as_chunks::<4>();
        let [nx, ny, _] = frame.grid.dims();
        let mut worst = 0.0_f64;
        for (n, chunk) in values.iter().enumerate() {
            let (i, j, k) = (n / (32 * 16) * 6, n / 16 % 32 * 6, n % 16 * 4);
            let ours = f64::from(frame.grid.data()[i + nx * (j + ny * k)]);
            worst = worst.max((ours - f64::from(f32::from_le_bytes(*chunk))).abs());
        }
        assert!(worst <= RESAMPLED, "{run}: a voxel is off by {worst}");
        checked += 1;
    }
    assert!(checked >= 8, "{checked} pipelines were checked");
}

/// A crop's place in the patient, found by inverting all steps, holds the intensities that the crop shows.
#[test]
fn crops_lie_where_they_were_cut() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples/ts_abdomen.nii.gz");
    let opened = voco_io::open(&path, Control::NONE).expect("readable");
    for recipe in [Recipe::AbdomenUnlabelled, Recipe::Chest, Recipe::Cvpr] {
        let body = preprocess(&opened.volume, recipe, &|| false, &mut |_, _| {}).expect("a body");
        let frame = body.frame(FrameWindow { start: [0; 3] }).expect("a frame");
        let (low, high) = recipe.window();
        let (mut error, mut count) = (0.0, 0);
        let dims = frame.grid.dims();
        for k in (2..dims[2]).step_by(11) {
            for j in (3..dims[1]).step_by(17) {
                for i in (5..dims[0]).step_by(17) {
                    let voxel = glam::DVec3::new(i as f64, j as f64, k as f64);
                    let world = frame.geometry().world_from_voxel().transform_point3(voxel);
                    let Some(hu) = opened.volume.value_at_world(world) else { continue };
                    let shown = f64::from(frame.grid.data()[i + dims[0] * (j + dims[1] * k)]);
                    error += (((hu - low) / (high - low)).clamp(0.0, 1.0) - shown).abs();
                    count += 1;
                }
            }
        }
        // Nearest file voxel against the interpolated one: close on average, far off if a step were not inverted.
        let mean = error / f64::from(count);
        assert!(count > 100 && mean < 0.06, "{recipe:?}: {count} places differ by {mean:.3} on average");
    }
}
