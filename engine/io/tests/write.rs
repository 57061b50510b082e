//! What is saved comes back: voxels, types, geometry, whole files only.

use std::cell::Cell;
use std::path::Path;

use glam::{DAffine3, DMat3, DVec3};
use voco_io::{Control, Format, Opened, SaveError, open, save_grid, save_labels, save_volume};
use voco_volume::{Geometry, Grid, Rescale, Volume, VoxelType, Voxels};

const DIMS: [usize; 3] = [5, 4, 3];

fn orientations() -> Vec<(String, Geometry)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/orientation/orientation.json");
    let cases: serde_json::Value = serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON");
    let geometry = |case: &serde_json::Value| {
        let at = |r: usize, c: usize| case["affine"][r][c].as_f64().expect("a number");
        let column = |c: usize| DVec3::new(at(0, c), at(1, c), at(2, c));
        let matrix = DMat3::from_cols(column(0), column(1), column(2));
        Geometry::new(DIMS, DAffine3::from_mat3_translation(matrix, column(3))).expect("regular")
    };
    let name = |case: &serde_json::Value| case["name"].as_str().expect("a name").to_owned();
    cases.as_array().expect("a list").iter().map(|case| (name(case), geometry(case))).collect()
}

fn values() -> Vec<f32> {
    (0..60).map(|n| (n as f32 - 7.0) * 0.37).collect()
}

#[test]
fn every_orientation_comes_back_by_sform_and_by_qform() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("grid.nii");
    for (name, geometry) in orientations() {
        let grid = Grid::new(geometry, values()).expect("a value for each place");
        save_grid(&path, &grid, Control::NONE).unwrap_or_else(|e| panic!("{name}: {e}"));
        let opened = open(&path, Control::NONE).unwrap_or_else(|e| panic!("{name}: {e}"));
        // 32-bit numbers in the header: 1e-5 mm at 100 mm.
        assert!(opened.volume.geometry().is_same_grid(&geometry, 2e-5), "{name}: sform");
        assert_eq!(opened.volume.to_f32(), grid.data(), "{name}: voxels");
        assert_eq!(opened.warnings, Vec::<String>::new(), "{name}: sform and qform agree");
        let mut bytes = std::fs::read(&path).expect("readable");
        bytes[254..256].copy_from_slice(&[0, 0]);
        std::fs::write(&path, bytes).expect("writable");
        let opened = open(&path, Control::NONE).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(opened.volume.geometry().is_same_grid(&geometry, 2e-4), "{name}: qform");
    }
}

#[test]
fn a_sheared_grid_is_in_the_sform_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sheared.nii.gz");
    let matrix = DMat3::from_cols(DVec3::new(1.5, 0.0, 0.0), DVec3::new(0.4, 2.0, 0.0), DVec3::new(0.0, 0.3, 3.0));
    let affine = DAffine3::from_mat3_translation(matrix, DVec3::new(10.0, -20.0, 5.0));
    let geometry = Geometry::new(DIMS, affine).expect("regular");
    save_grid(&path, &Grid::new(geometry, values()).expect("values"), Control::NONE).expect("saved");
    let opened = open(&path, Control::NONE).expect("readable");
    assert!(opened.volume.geometry().is_same_grid(&geometry, 2e-5), "the shear is kept");
    assert_eq!(opened.warnings, Vec::<String>::new(), "no qform that disagrees");
}

#[test]
fn every_type_comes_back_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, geometry) = orientations().remove(0);
    macro_rules! voxels {
        ($variant:ident, $ty:ty) => {
            Voxels::$variant((0..60).map(|n| n as $ty).collect())
        };
    }
    let all = [
        voxels!(U8, u8),
        voxels!(I8, i8),
        voxels!(U16, u16),
        voxels!(I16, i16),
        voxels!(U32, u32),
        voxels!(I32, i32),
        voxels!(U64, u64),
        voxels!(I64, i64),
        voxels!(F32, f32),
        voxels!(F64, f64),
    ];
    for (n, voxels) in all.into_iter().enumerate() {
        // A slope that 32 bits cannot hold asks for NIfTI-2.
        for (rescale, version) in [
            (Rescale::IDENTITY, 1),
            (Rescale { slope: 0.5, inter: -24.0 }, 1),
            (Rescale { slope: 0.1, inter: 1e-3 }, 2),
        ] {
            let path = folder.path().join(format!("{n}.{}", if n % 2 == 0 { "nii" } else { "NII.GZ" }));
            let volume = Volume::new(geometry, voxels.clone(), rescale).expect("a volume");
            save_volume(&path, &volume, Control::NONE).expect("saved");
            let back = open(&path, Control::NONE).expect("readable");
            assert_eq!(version_of(&back), version, "{rescale:?}");
            assert_eq!(back.volume.voxels().voxel_type(), voxels.voxel_type(), "type");
            assert_eq!(back.volume.voxels().as_bytes(), voxels.as_bytes(), "{:?}", voxels.voxel_type());
            assert_eq!(back.volume.rescale(), rescale, "slope and intercept");
        }
    }
    let long = Geometry::new([40_000, 1, 1], DAffine3::IDENTITY).expect("regular");
    let path = folder.path().join("long.nii");
    save_labels(&path, &long, &vec![1; 40_000], Control::NONE).expect("saved");
    let back = open(&path, Control::NONE).expect("readable");
    assert_eq!((version_of(&back), back.volume.dims()), (2, [40_000, 1, 1]), "a side that NIfTI-1 cannot count");
}

#[test]
fn labels_take_the_bits_they_need() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("label.nii.gz");
    let (_, geometry) = orientations().remove(3);
    for (most, voxel_type) in [(255, VoxelType::U8), (256, VoxelType::U16)] {
        let labels: Vec<u16> = (0..60).map(|n| if n == 7 { most } else { n % 5 }).collect();
        save_labels(&path, &geometry, &labels, Control::NONE).expect("saved");
        let back = open(&path, Control::NONE).expect("readable").volume;
        assert_eq!(back.voxels().voxel_type(), voxel_type);
        assert_eq!(back.to_f32(), labels.iter().map(|&id| f32::from(id)).collect::<Vec<_>>());
    }
    let error = save_labels(&path, &geometry, &[1, 2], Control::NONE).expect_err("too few labels");
    assert!(matches!(error, SaveError::Count { needed: 60, given: 2, .. }), "{error}");
}

#[test]
fn what_is_not_finished_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scan.nii.gz");
    let (_, geometry) = orientations().remove(0);
    let grid = Grid::new(geometry, values()).expect("values");
    save_grid(&path, &grid, Control::NONE).expect("saved");
    let before = std::fs::read(&path).expect("readable");
    let asked = Cell::new(0);
    let is_cancelled = || asked.replace(asked.get() + 1) >= 0;
    let control = Control { progress: &|_| {}, is_cancelled: &is_cancelled };
    let other = grid.clone().map(|v| v + 1.0);
    assert!(matches!(save_grid(&path, &other, control), Err(SaveError::Cancelled)), "cancelled");
    assert_eq!(std::fs::read(&path).expect("readable"), before, "the old file is untouched");
    let missing = save_grid(&folder.path().join("no/such/scan.nii"), &grid, Control::NONE).expect_err("no folder");
    assert!(missing.to_string().starts_with("scan.nii: ") && !missing.to_string().contains("no/such"), "{missing}");
    let name = save_grid(&folder.path().join("scan.png"), &grid, Control::NONE).expect_err("no NIfTI");
    assert!(matches!(name, SaveError::Name(_)), "{name}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("readable").collect();
    assert_eq!(left.len(), 1, "nothing else stays: {left:?}");
}

#[test]
fn the_range_to_show_in_a_header_is_a_window() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.nii");
    let geometry = Geometry::new([2, 2, 1], glam::DAffine3::IDENTITY).expect("regular");
    let voxels = Voxels::I16(vec![-1000_i16, 0, 40, 2000].into());
    let volume = Volume::new(geometry, voxels, Rescale::IDENTITY).expect("as many voxels");
    save_volume(&path, &volume, Control::NONE).expect("written");
    let plain = open(&path, Control::NONE).expect("readable");
    assert_eq!((plain.window, plain.unit, plain.is_inverted), (None, None, false), "it says nothing");
    let bytes = std::fs::read(&path).expect("readable");
    // cal_max stands before cal_min.
    let opened = |low: f32, high: f32| {
        let mut bytes = bytes.clone();
        bytes[124..128].copy_from_slice(&high.to_ne_bytes());
        bytes[128..132].copy_from_slice(&low.to_ne_bytes());
        std::fs::write(&path, bytes).expect("written");
        let opened = open(&path, Control::NONE).expect("readable");
        opened.window_for(&voco_volume::Stats::of(&opened.volume))
    };
    assert_eq!(opened(-160.0, 240.0), Some([400.0, 40.0]));
    assert_eq!(opened(240.0, -160.0), None);
    assert_eq!(opened(f32::NAN, 240.0), None);
    assert_eq!(opened(3000.0, 4000.0), None, "beyond all values");
    assert_eq!(opened(-1e9, 1e9), None, "all values would be one grey");
}

fn version_of(opened: &Opened) -> u8 {
    match opened.kind {
        Format::Nifti(kind) => kind.version,
        other => panic!("{other:?}"),
    }
}
