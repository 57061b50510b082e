//! DICOM images, against what pydicom reads (`tests/fixtures/dicom/make.py`).

use std::path::{Path, PathBuf};

use serde_json::Value;
use voco_io::{
    Control, Format, Opened, is_about_sides, is_dicom_folder, open, open_component, open_volume, scan_around,
    scan_folder,
};
use voco_volume::{Anatomical, Stats, axis_codes};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/dicom").join(name)
}

fn opened(name: &str) -> Opened {
    open(&fixture(name), Control::NONE).unwrap_or_else(|e| panic!("{e}"))
}

fn codes(opened: &Opened) -> String {
    axis_codes(opened.volume.geometry().directions()).map(Anatomical::letter).iter().collect()
}

/// The formula of the fixtures.
fn pixel(x: i32, y: i32, slice: i32) -> i32 {
    20 * x - 15 * y + 100 * slice - 200 + 17 * x * y % 23
}

#[test]
fn every_transfer_syntax_gives_the_pixels_that_pydicom_reads() {
    let expected: Value =
        serde_json::from_slice(&std::fs::read(fixture("expected.json")).expect("a fixture")).expect("JSON");
    let mut count = 0;
    for (name, expected) in expected.as_object().expect("a map").iter().filter(|(n, _)| n.starts_with("syntaxes/")) {
        let opened = opened(name);
        assert_eq!((opened.kind, opened.volume.dims()), (Format::Dicom, [40, 32, 1]), "{name}");
        let mut stored = Vec::new();
        opened.volume.voxels().for_each(|v| stored.push(v));
        // Two ways of the inverse cosine transform may round differently.
        let tolerance = if name.contains("baseline") { 1.0 } else { 0.0 };
        for (n, value) in expected["stored"].as_array().expect("a list").iter().enumerate() {
            let value = value.as_f64().expect("a number");
            assert!(
                (stored[29 * n] - value).abs() <= tolerance,
                "{name}: {} at {}, not {value}",
                stored[29 * n],
                29 * n
            );
        }
        let sum: f64 = stored.iter().sum();
        let far = (sum - expected["sum"].as_f64().expect("a number")).abs();
        assert!(far <= 0.2 * tolerance * stored.len() as f64, "{name}: the sum differs by {far}");
        count += 1;
    }
    assert_eq!(count, 11, "all syntaxes were there");
}

#[test]
fn slices_stand_by_position_whatever_their_names_and_numbers() {
    let opened = opened("plain");
    let volume = &opened.volume;
    assert_eq!(volume.dims(), [40, 32, 4]);
    assert_eq!(volume.geometry().spacing_mm().to_array(), [0.5, 0.75, 2.5], "positions, not the slice thickness");
    assert_eq!(codes(&opened), "LPS");
    let origin = volume.geometry().world_from_voxel().translation;
    assert_eq!(origin.to_array(), [10.0, -20.0, 0.0], "from LPS to RAS");
    for (x, y, z) in [(0, 0, 0), (39, 31, 3), (7, 20, 1), (13, 2, 2)] {
        let voxel = [x, y, z].map(|n: i32| usize::try_from(n).expect("small"));
        assert_eq!(volume.value(voxel), Some(f64::from(pixel(x, y, z))), "at {voxel:?}");
    }
    assert_eq!(opened.warnings, Vec::<String>::new());
    let sagittal = self::opened("sagittal");
    assert_eq!(codes(&sagittal), "PIR", "columns run to the back, rows down, slices against DICOM's x or along it");
}

#[test]
fn a_user_is_told_what_is_not_regular() {
    for (name, words, dims) in [
        ("tilted", &["tilt", "11.3°"][..], [40, 32, 4]),
        ("uneven", &["varies from 2.300 to 2.700", "0.20 mm off"], [40, 32, 4]),
        ("gap", &["1 slice is missing", "after slice 2", "up to 0.8 mm"], [40, 32, 4]),
        ("twice", &["1 slice is there twice", "1 slice lies where another", "is left out"], [40, 32, 4]),
    ] {
        let opened = opened(name);
        let text = opened.warnings.join(" ");
        assert!(words.iter().all(|w| text.contains(w)), "{name}: {text}");
        assert_eq!(opened.volume.dims(), dims, "{name}");
    }
    // Tilted slices lie where they are: a sheared grid, not a box.
    let affine = opened("tilted").volume.geometry().world_from_voxel();
    assert!((affine.matrix3.z_axis - glam::DVec3::new(0.0, -0.5, 2.5)).length() < 1e-9, "{affine:?}");
}

#[test]
fn points_in_time_are_volumes() {
    let scan = scan_folder(&fixture("time"), Control::NONE).expect("readable");
    let series = &scan.series[0];
    assert_eq!((scan.series.len(), series.num_slices, series.num_components), (1, 4, 2));
    for time in 0..2 {
        let opened = open_component(series, time, Control::NONE).expect("readable");
        assert_eq!(opened.volume.value([3, 5, 2]), Some(f64::from(pixel(3, 5, 2)) + 1000.0 * time as f64));
        let same = open_volume(&fixture("time"), time, Control::NONE).expect("readable");
        assert_eq!(same.volume.to_f32(), opened.volume.to_f32());
    }
    let error = open_volume(&fixture("time"), 2, Control::NONE).expect_err("no third");
    assert!(error.to_string().contains("no volume number 3"), "{error}");
}

#[test]
fn a_folder_of_two_series_asks_which() {
    let folder = fixture("two");
    assert!(is_dicom_folder(&folder));
    let scan = scan_folder(&folder, Control::NONE).expect("readable");
    let names: Vec<_> = scan.series.iter().map(|s| (s.description.as_str(), s.modality.as_str(), s.dims)).collect();
    assert_eq!(names, [("synthetic", "CT", [40, 32, 4]), ("second", "CT", [40, 32, 4])]);
    let error = open(&folder, Control::NONE).expect_err("not one");
    assert!(error.to_string().contains("2 DICOM series"), "{error}");
    let around = scan_around(&folder.join("b2.dcm"), Control::NONE).expect("readable");
    assert_eq!(around.series.len(), 1);
    assert_eq!((around.series[0].description.as_str(), around.series[0].num_slices), ("second", 4));
}

#[test]
fn enhanced_images_are_read_frame_by_frame() {
    for name in ["enhanced/image.dcm", "enhanced/image_rle.dcm"] {
        let opened = opened(name);
        let volume = &opened.volume;
        assert_eq!((volume.dims(), opened.num_components), ([40, 32, 4], 1), "{name}");
        assert_eq!(volume.geometry().spacing_mm().to_array(), [0.5, 0.75, 2.5], "{name}");
        for z in 0..4 {
            let value = 2.0 * f64::from(pixel(9, 4, z)) - 50.0;
            assert_eq!(volume.value([9, 4, usize::try_from(z).expect("small")]), Some(value), "{name}, slice {z}");
        }
    }
}

#[test]
fn the_same_scan_as_dicom_and_as_nifti() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !shared.is_dir() {
        return;
    }
    let dicom = open(&shared.join("dicom/ts_ct_j2k"), Control::NONE).expect("readable").volume;
    let nifti = open(&shared.join("ct/ts_abdomen_slab.nii.gz"), Control::NONE).expect("readable").volume;
    assert!(dicom.geometry().is_same_grid(nifti.geometry(), 1e-4), "{:?}", dicom.geometry());
    assert_eq!(dicom.to_f32(), nifti.to_f32());
}

/// Elements to put in: before the one that begins so, their tag, their text.
type Inserted<'a> = (&'a [u8], [u8; 4], &'a str);

/// The fixture `plain` with elements put in, and one text for another of the same length.
fn changed(inserted: &[Inserted<'_>], from: &str, to: &str) -> Opened {
    changed_each(&|_| inserted.to_vec(), from, to)
}

/// The same with elements by the name of the file.
fn changed_each<'a>(inserted: &dyn Fn(&str) -> Vec<Inserted<'a>>, from: &str, to: &str) -> Opened {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(fixture("plain")).expect("a fixture") {
        let path = entry.expect("an entry").path();
        let mut bytes = std::fs::read(&path).expect("readable");
        let inserted = inserted(&path.file_name().expect("a name").to_string_lossy());
        let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|w| w == what).expect("it is there");
        for (before, tag, value) in &inserted {
            let at = find(&bytes, before);
            let length = u16::try_from(value.len()).expect("short").to_le_bytes();
            let element = [tag.as_slice(), b"CS", &length, value.as_bytes()].concat();
            bytes.splice(at..at, element);
        }
        assert_eq!(from.len(), to.len(), "no length changes");
        let at = find(&bytes, from.as_bytes());
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(folder.path().join(path.file_name().expect("a name")), bytes).expect("written");
    }
    open(folder.path(), Control::NONE).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_header_that_contradicts_itself_is_told() {
    let class: &[u8] = &[8, 0, 0x18, 0, b'U', b'I'];
    let series: &[u8] = &[0x20, 0, 0x0e, 0, b'U', b'I'];
    let position: &[u8] = &[0x20, 0, 0x32, 0, b'D', b'S'];
    let image_type = (class, [8, 0, 8, 0], r"ORIGINAL\PRIMARY\AXIAL");
    let lay = |code| (series, [0x18, 0, 0, 0x51], code);
    let (supine, mirrored) = (r"1.0\0.0\0.0\0.0\1.0\0.0", r"-1.\0.0\0.0\0.0\1.0\0.0");
    assert_eq!(changed(&[image_type, lay("HFS ")], supine, supine).warnings, Vec::<String>::new());
    assert_eq!(changed(&[image_type, lay("FFS ")], supine, mirrored).warnings, Vec::<String>::new());
    let told = changed(&[image_type, lay("HFS ")], supine, mirrored).warnings;
    assert!(told.len() == 1 && is_about_sides(&told[0]), "{told:?}");
    assert!(told[0].contains("head first, supine (HFS)") && told[0].contains("feet first, supine (FFS)"), "{told:?}");
    let letters = (position, [0x20, 0, 0x20, 0], r"R\P ");
    let told = changed(&[letters], supine, supine).warnings;
    assert!(told.len() == 1 && is_about_sides(&told[0]) && told[0].contains("rows run towards R"), "{told:?}");
}

#[test]
fn the_stored_window_is_that_of_the_middle_slice() {
    let intercept: &[u8] = &[0x28, 0, 0x52, 0x10, b'D', b'S'];
    let (center, width) = ([0x28, 0, 0x50, 0x10], [0x28, 0, 0x51, 0x10]);
    let same = "MONOCHROME2";
    // The third place is that of the file 2.dcm.
    let each = |name: &str| {
        let text = if name == "2.dcm" { (r"40.5\600", r"350\1500 ") } else { ("10", "20") };
        vec![(intercept, center, text.0), (intercept, width, text.1)]
    };
    let opened = changed_each(&each, same, same);
    assert_eq!(opened.window, Some([350.0, 40.5]), "width and level, the first of each");
    let stats = Stats::of(&opened.volume);
    assert_eq!(opened.window_for(&stats), opened.window);
    assert_eq!(Opened { window: Some([20.0, 9000.0]), ..opened }.window_for(&stats), None, "it shows nothing of them");
    assert_eq!(changed(&[(intercept, center, "40")], same, same).window, None, "without a width");
    assert_eq!(changed(&[(intercept, center, "40"), (intercept, width, "0 ")], same, same).window, None);
    assert_eq!(self::opened("plain").window, None);
}

#[test]
fn monochrome_1_is_shown_dark_for_high_values() {
    let opened = changed(&[], "MONOCHROME2", "MONOCHROME1");
    assert!(opened.is_inverted);
    assert!(opened.warnings.len() == 1 && opened.warnings[0].contains("are shown so"), "{:?}", opened.warnings);
    assert_eq!(opened.volume.value([7, 20, 1]), Some(f64::from(pixel(7, 20, 1))), "values are as stored");
    assert!(!self::opened("plain").is_inverted);
}

#[test]
fn the_header_tells_the_unit() {
    let rows: &[u8] = &[0x28, 0, 0x10, 0, b'U', b'S'];
    let series: &[u8] = &[0x20, 0, 0x0e, 0, b'U', b'I'];
    let modality = [8, 0, 0x60, 0, b'C', b'S', 2, 0];
    let as_text = |name: &[u8]| String::from_utf8([modality.as_slice(), name].concat()).expect("ASCII");
    let (ct, pt, mr) = (as_text(b"CT"), as_text(b"PT"), as_text(b"MR"));
    let scaled = |kind| (series, [0x28, 0, 0x54, 0x10], kind);
    assert_eq!(opened("plain").unit, Some("HU"));
    assert_eq!(opened("enhanced/image.dcm").unit, Some("HU"));
    assert_eq!(changed(&[scaled("US")], &ct, &ct).unit, Some("HU"), "unspecified says nothing");
    assert_eq!(changed(&[scaled("Z_EFF ")], &ct, &ct).unit, Some("Z_eff"));
    assert_eq!(changed(&[], &ct, &mr).unit, Some(""));
    assert_eq!(changed(&[scaled("HU")], &ct, &mr).unit, Some("HU"));
    assert_eq!(changed(&[scaled("Doe^J ")], &ct, &mr).unit, Some(""), "no text of the header comes out");
    assert_eq!(changed(&[(rows, [0x54, 0, 1, 0x10], "BQML")], &ct, &pt).unit, Some("Bq/mL"));
    assert_eq!(changed(&[(rows, [0x54, 0, 1, 0x10], "CNTS")], &ct, &pt).unit, Some(""));
}

#[test]
fn a_series_in_time_that_lost_a_slice_keeps_its_whole_volumes() {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(fixture("time")).expect("a fixture") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name != "2_1.dcm") {
            std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
        }
    }
    let opened = open(folder.path(), Control::NONE).expect("readable");
    assert_eq!((opened.volume.dims(), opened.num_components), ([40, 32, 4], 1));
    for z in 0..4 {
        let expected = f64::from(pixel(3, 5, z));
        assert_eq!(opened.volume.value([3, 5, usize::try_from(z).expect("small")]), Some(expected), "the first volume");
    }
    let told = opened.warnings.join(" ");
    assert!(told.contains("Volume 2 of 2") && told.contains("lacks 1 of its 4 slices"), "{told}");
}
