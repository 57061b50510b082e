use voco_label::{NO_VOXEL, distance_mm, nearest, signed_distance_mm};

use crate::{Sample, for_each_sample};

/// Distance to the nearest of the voxels that `is_set`.
fn plain(sample: &Sample, is_set: impl Fn(u8) -> bool) -> Vec<f64> {
    let set: Vec<usize> = (0..sample.len()).filter(|&n| is_set(sample.values[n])).collect();
    let to = |n: usize| set.iter().map(|&m| sample.square(n, m)).fold(f64::INFINITY, f64::min).sqrt();
    (0..sample.len()).map(to).collect()
}

fn assert_near(what: &str, ours: &[f32], plain: &[f64]) {
    for (n, (&a, &b)) in ours.iter().zip(plain).enumerate() {
        let equal = f64::from(a) == b || (f64::from(a) - b).abs() <= 1e-6 * b.abs();
        assert!(equal, "{what}: voxel {n} has {a}, by all pairs {b}");
    }
}

#[test]
fn distances_are_those_of_all_pairs() {
    for_each_sample(2, |sample| {
        let ours = distance_mm(&sample.mask(), &sample.lattice).expect("distances");
        assert_near(&sample.what, &ours, &plain(sample, |v| v > 0));
    });
}

#[test]
fn signed_distances_are_those_of_all_pairs() {
    for_each_sample(2, |sample| {
        let ours = signed_distance_mm(&sample.mask(), &sample.lattice).expect("distances");
        let (outside, inside) = (plain(sample, |v| v > 0), plain(sample, |v| v == 0));
        let signed: Vec<f64> = outside.iter().zip(&inside).map(|(a, b)| a - b).collect();
        assert_near(&sample.what, &ours, &signed);
    });
}

#[test]
fn nearest_voxels_are_in_the_set_and_as_far_as_it_is() {
    for_each_sample(2, |sample| {
        let found = nearest(&sample.mask(), &sample.lattice).expect("distances");
        assert_near(&sample.what, &found.distance_mm, &plain(sample, |v| v > 0));
        for (n, &voxel) in found.voxel.iter().enumerate() {
            if sample.values.iter().all(|&v| v == 0) {
                assert_eq!(voxel, NO_VOXEL, "{}: an empty set", sample.what);
            } else {
                assert_eq!(sample.values[voxel as usize], 1, "{}: voxel {n}: is it set", sample.what);
                let distance = [sample.square(n, voxel as usize).sqrt()];
                assert_near(&sample.what, &found.distance_mm[n..=n], &distance);
            }
        }
    });
}
