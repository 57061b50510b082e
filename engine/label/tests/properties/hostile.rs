//! Input that is wrong, and what it gets.

use voco_label::{
    ClassRule, Components, Connectivity, Element, LabelError, Lattice, Mask, Protocol, dilate, distance_mm, evaluate,
    present_labels, surface_distances,
};

const RULE: ClassRule = ClassRule { id: 1, tolerance_mm: 2.0, is_trimmed: false };

#[test]
fn dims_that_are_none_are_refused_before_memory_is_taken() {
    let huge = [
        [0, 3, 3],
        [usize::MAX; 3],
        [usize::MAX, 1, 1],
        [1, usize::MAX, 2],
        [1 << 20, 1 << 10, 1 << 10],
        [1, 1 << 13, 1 << 13],
    ];
    for dims in huge {
        assert_eq!(Lattice::new(dims, [1.0; 3]), Err(LabelError::BadDims(dims)), "{dims:?}");
        assert_eq!(Mask::empty(dims), Err(LabelError::BadDims(dims)), "{dims:?}");
        assert_eq!(Mask::of_nonzero(&[1_u8], dims), Err(LabelError::BadDims(dims)), "{dims:?}");
        let found = Components::of_labels(&[1_u8], dims, Connectivity::Faces6);
        assert!(matches!(found, Err(LabelError::BadDims(_))), "{dims:?}");
    }
    assert!(matches!(Mask::of_nonzero(&[1_u8; 7], [2, 2, 2]), Err(LabelError::Count { needed: 8, given: 7 })), "count");
}

#[test]
fn spacings_that_are_none_are_refused() {
    for spacing in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-30, 1e30] {
        assert!(Lattice::new([2; 3], [1.0, spacing, 1.0]).is_err(), "{spacing} mm");
    }
}

#[test]
fn grids_that_differ_are_refused() {
    let (small, large) = (Mask::empty([2, 2, 2]).expect("a mask"), Mask::empty([2, 2, 3]).expect("a mask"));
    let lattice = Lattice::new([2, 2, 3], [1.0; 3]).expect("a lattice");
    let differ = LabelError::OtherDims([2, 2, 2], [2, 2, 3]);
    assert_eq!(distance_mm(&small, &lattice), Err(differ.clone()), "distance");
    assert_eq!(dilate(&small, &lattice, Element::Box { reach: [1; 3] }), Err(differ.clone()), "dilation");
    assert_eq!(small.clone().unite(&large), Err(differ.clone()), "union");
    let kind = Protocol::Monai.surface();
    assert_eq!(surface_distances(&large, &small, &lattice, kind).err(), Some(differ), "surfaces");
    let found = evaluate(&[0_u8; 8], &[0_u8; 12], &lattice, Protocol::Monai, &[RULE]);
    assert_eq!(found, Err(LabelError::Count { needed: 12, given: 8 }), "evaluation");
}

#[test]
fn radii_that_are_none_change_nothing() {
    let lattice = Lattice::new([3, 3, 3], [1.0; 3]).expect("a lattice");
    let mut mask = Mask::empty([3, 3, 3]).expect("a mask");
    mask.set([1, 1, 1], true);
    for radius_mm in [-1.0, f64::NAN, f64::NEG_INFINITY] {
        assert_eq!(dilate(&mask, &lattice, Element::Ball { radius_mm }), Ok(mask.clone()), "radius {radius_mm}");
    }
    let all = dilate(&mask, &lattice, Element::Ball { radius_mm: f64::INFINITY }).expect("a mask");
    assert_eq!(all.count(), 27, "an infinite ball holds all");
}

#[test]
fn voxels_outside_are_not_there() {
    let mut mask = Mask::empty([3, 2, 1]).expect("a mask");
    mask.set([3, 0, 0], true);
    mask.set([0, usize::MAX, 0], true);
    assert!(mask.is_empty() && !mask.get([0, 0, 1]), "nothing was set outside");
    mask.invert();
    assert_eq!(mask.count(), 6, "padding is no voxel");
}

#[test]
fn huge_ids_are_labels_like_others() {
    let lattice = Lattice::new([4, 1, 1], [1.0; 3]).expect("a lattice");
    let labels = [0, u32::MAX, 70_000, 65_535];
    assert_eq!(present_labels(&labels, [4, 1, 1]), Ok(vec![65_535, 70_000, u32::MAX]), "labels");
    let rules = [u32::MAX, 70_000, 65_535, 5].map(|id| ClassRule { id, ..RULE });
    let found = evaluate(&labels, &labels, &lattice, Protocol::Monai, &rules).expect("equal grids");
    assert_eq!(found.iter().map(|c| c.voxels_reference).collect::<Vec<_>>(), [1, 1, 1, 0], "voxels");
    // A class that the type of the labels cannot hold is a class that is not there.
    let found = evaluate(&[1_u8; 4], &[1_u8; 4], &lattice, Protocol::Flare, &rules).expect("equal grids");
    assert!(found.iter().all(|c| c.dice == 1.0 && c.voxels_reference == 0), "none of them is there");
}

#[test]
fn an_image_taken_for_labels_is_refused() {
    let values: Vec<u16> = (0..40_000).collect();
    let dims = [40_000, 1, 1];
    let lattice = Lattice::new(dims, [1.0; 3]).expect("a lattice");
    assert_eq!(present_labels(&values, dims), Err(LabelError::TooManyLabels), "labels");
    let found = evaluate(&values, &values, &lattice, Protocol::Monai, &[RULE]);
    assert_eq!(found, Err(LabelError::TooManyLabels), "evaluation");
}
