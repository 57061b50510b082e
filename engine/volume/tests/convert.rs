//! Other axes, other grids, other types: values stay at their place in the patient.

use glam::{DAffine3, DMat3, DVec3};
use voco_volume::{Anatomical, Geometry, Grid, Interpolation, Rescale, Volume, VoxelType, Voxels, axis_codes};

fn volume() -> Volume {
    let matrix = DMat3::from_cols(DVec3::new(0.1, 0.0, -2.0), DVec3::new(-0.5, 0.02, 0.0), DVec3::new(0.0, 0.75, 0.1));
    let geometry = Geometry::new([3, 4, 5], DAffine3::from_mat3_translation(matrix, DVec3::new(5.0, -7.0, 9.0)));
    Volume::new(
        geometry.expect("regular"),
        Voxels::I16((0..60).map(|n| 100 * n - 1000).collect()),
        Rescale { slope: 0.5, inter: 3.0 },
    )
    .expect("a volume")
}

fn letters(text: &str) -> [Anatomical; 3] {
    let all: Vec<_> = text.chars().map(|c| Anatomical::of_letter(c).expect("a direction")).collect();
    all.try_into().expect("three")
}

#[test]
fn every_orientation_keeps_values_at_their_place() {
    let volume = volume();
    for code in ["RAS", "LPS", "PIR", "SRP", "AIL", "ira"] {
        let turned = volume.to_orientation(letters(code)).expect("an orientation");
        let codes: String = axis_codes(turned.geometry().directions()).map(Anatomical::letter).iter().collect();
        assert_eq!(codes, code.to_uppercase());
        assert_eq!((turned.voxels().voxel_type(), turned.rescale()), (VoxelType::I16, volume.rescale()));
        for n in 0..60 {
            let at = DVec3::new((n % 3) as f64, (n / 3 % 4) as f64, (n / 12) as f64);
            let place = volume.geometry().world_from_voxel().transform_point3(at);
            assert_eq!(turned.value_at_world(place), volume.value_at_world(place), "{code} at {at}");
        }
    }
    assert!(volume.to_orientation(letters("RLS")).is_err(), "one direction twice");
}

#[test]
fn another_grid_takes_what_lies_there() {
    let geometry = |dims, shift: f64| {
        Geometry::new(dims, DAffine3::from_translation(DVec3::new(shift, 0.0, 0.0))).expect("regular")
    };
    let grid = Grid::new(geometry([4, 1, 1], 0.0), vec![10.0, 20.0, 40.0, 80.0]).expect("values");
    let onto = |shift, interpolation| {
        grid.onto(&geometry([4, 1, 1], shift), interpolation, -1.0).expect("small").data().to_vec()
    };
    assert_eq!(onto(0.0, Interpolation::Linear), [10.0, 20.0, 40.0, 80.0]);
    assert_eq!(onto(0.5, Interpolation::Linear), [15.0, 30.0, 60.0, 80.0], "the border belongs to the last voxel");
    assert_eq!(onto(-0.75, Interpolation::Linear), [-1.0, 12.5, 25.0, 50.0], "nothing is known outside");
    assert_eq!(onto(0.75, Interpolation::Nearest), [20.0, 40.0, 80.0, -1.0]);
}

#[test]
fn values_go_back_into_their_type() {
    let volume = volume();
    let same = volume.like_this(&Grid::from_volume(&volume)).expect("values");
    assert_eq!(same.voxels().as_bytes(), volume.voxels().as_bytes());
    let voxels = Voxels::from_real(VoxelType::U8, &[-5.0, 1.4, 1.6, 300.0, f32::NAN], Rescale::IDENTITY);
    let Voxels::U8(values) = voxels else { panic!("a type") };
    assert_eq!(*values, [0, 1, 2, 255, 0]);
}

#[test]
fn a_mismatch_is_told_by_how_much() {
    let of = |dims, scale: DVec3, shift: DVec3| {
        Geometry::new(dims, DAffine3::from_mat3_translation(DMat3::from_diagonal(scale), shift)).expect("regular")
    };
    let image = of([10, 10, 10], DVec3::ONE, DVec3::ZERO);
    assert_eq!(image.mismatch(&image, 0.5), None);
    assert_eq!(of([10, 10, 10], DVec3::ONE, DVec3::splat(0.2)).mismatch(&image, 0.5), None, "within the tolerance");
    for (other, words) in [
        (of([10, 10, 10], DVec3::ONE, DVec3::new(0.0, 3.0, 4.0)), &["middle is 5.0 mm off", "covers 42 %"][..]),
        (
            of([5, 10, 10], DVec3::new(2.0, 1.0, 1.0), DVec3::new(0.5, 0.0, 0.0)),
            &["5 × 10 × 10 voxels where", "2.000 × 1.000"],
        ),
        (
            of([10, 10, 10], DVec3::new(-1.0, 1.0, 1.0), DVec3::new(9.0, 0.0, 0.0)),
            &["axes run to LAS where those of the image run to RAS"],
        ),
    ] {
        let text = other.mismatch(&image, 0.5).expect("another grid");
        assert!(words.iter().all(|w| text.contains(w)), "{text}");
    }
}
