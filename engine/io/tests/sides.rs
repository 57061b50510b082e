//! What is said of headers by which left and right could be told wrong.

use glam::{DAffine3, DMat3, DVec3};
use voco_io::{Control, is_about_sides, open, save_volume};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

/// A plain NIfTI file whose header `change` has changed; what is said of it.
fn warnings(change: impl FnOnce(&mut Vec<u8>)) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scan.nii");
    let steps = DMat3::from_diagonal(DVec3::new(-1.0, 1.0, 2.0));
    let affine = DAffine3::from_mat3_translation(steps, DVec3::new(10.0, -20.0, 30.0));
    let geometry = Geometry::new([4, 3, 2], affine).expect("a grid");
    let volume = Volume::new(geometry, Voxels::I16([7; 24].into()), Rescale::IDENTITY).expect("a volume");
    save_volume(&path, &volume, Control::NONE).expect("written");
    let mut bytes = std::fs::read(&path).expect("there");
    change(&mut bytes);
    std::fs::write(&path, bytes).expect("written");
    open(&path, Control::NONE).expect("readable").warnings
}

fn scale_floats(bytes: &mut [u8], at: usize, count: usize, by: f32) {
    for place in (at..at + 4 * count).step_by(4) {
        let value = f32::from_le_bytes(bytes[place..place + 4].try_into().expect("four bytes"));
        bytes[place..place + 4].copy_from_slice(&(value * by).to_le_bytes());
    }
}

#[test]
fn a_file_that_agrees_with_itself_has_nothing_said_of_it() {
    assert!(warnings(|_| {}).is_empty());
}

#[test]
fn an_sform_that_mirrors_the_qform_is_told_by_its_sides() {
    // srow_x lies at byte 280 of a NIfTI-1 header, srow_y and srow_z behind it.
    let x = warnings(|bytes| scale_floats(bytes, 280, 4, -1.0));
    assert!(x.len() == 1 && is_about_sides(&x[0]), "{x:?}");
    let z = warnings(|bytes| scale_floats(bytes, 312, 4, -1.0));
    assert!(z.len() == 1 && z[0].contains("head and feet"), "{z:?}");
    // Turned by half a turn about the long axis, so no mirror: still the patient's sides change places.
    let turned = warnings(|bytes| scale_floats(bytes, 280, 8, -1.0));
    assert!(turned.len() == 1 && is_about_sides(&turned[0]), "{turned:?}");
    let moved = warnings(|bytes| scale_floats(bytes, 292, 1, 2.0));
    assert!(moved.len() == 1 && moved[0].contains("10.0 mm") && !is_about_sides(&moved[0]), "{moved:?}");
}

#[test]
fn lengths_by_the_sform_that_pixdim_does_not_have_are_told() {
    let found = warnings(|bytes| scale_floats(bytes, 80, 1, 1.5));
    assert!(found.iter().any(|w| w.contains("pixdim says 1.500")), "{found:?}");
}
