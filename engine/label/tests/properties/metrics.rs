use rand::Rng;
use voco_label::{ClassRule, Label, Mask, Protocol, SurfaceKind, evaluate, surface_distances};

use crate::{Sample, for_each_sample};

/// Distances between two sets of points in mm, from each of the first to the nearest of the second, ascending.
fn plain_distances(from: &[[f64; 3]], to: &[[f64; 3]]) -> Vec<f64> {
    let square = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|n| (a[n] - b[n]).powi(2)).sum::<f64>();
    let nearest = |a| to.iter().map(|b| square(a, b)).fold(f64::INFINITY, f64::min).sqrt();
    let mut distances: Vec<f64> = from.iter().map(nearest).collect();
    distances.sort_by(f64::total_cmp);
    distances
}

/// Whether voxel (i, j, k) has the label, which none beyond the grid has.
fn has(sample: &Sample, values: &[u8], at: [isize; 3], label: u8) -> bool {
    let dims = sample.dims();
    let inside = (0..3).all(|a| at[a] >= 0 && (at[a] as usize) < dims[a]);
    let [i, j, k] = at.map(|n| n as usize);
    inside && values[i + dims[0] * (j + dims[1] * k)] == label
}

fn points(sample: &Sample, values: &[u8], kind: SurfaceKind) -> Vec<[f64; 3]> {
    let (dims, spacing) = (sample.dims().map(|n| n as isize), sample.lattice.spacing_mm());
    let mut found = Vec::new();
    for k in -1..dims[2] {
        for j in -1..dims[1] {
            for i in -1..dims[0] {
                let is_surface = match kind {
                    SurfaceKind::EdgeVoxels => {
                        let faces = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]];
                        has(sample, values, [i, j, k], 1)
                            && faces.iter().any(|f| !has(sample, values, [i + f[0], j + f[1], k + f[2]], 1))
                    }
                    SurfaceKind::Elements => {
                        let corner = |n: isize| has(sample, values, [i + (n & 1), j + (n >> 1 & 1), k + (n >> 2)], 1);
                        let inside = (0..8).filter(|&n| corner(n)).count();
                        inside > 0 && inside < 8
                    }
                };
                if is_surface {
                    found.push(std::array::from_fn(|a| [i, j, k][a] as f64 * spacing[a]));
                }
            }
        }
    }
    found
}

/// A second map that has something to do with the first.
fn other(sample: &mut Sample, num_values: u8) -> Vec<u8> {
    let mut values = sample.values.clone();
    for value in &mut values {
        if sample.rng.random_bool(0.3) {
            *value = sample.rng.random_range(0..num_values);
        }
    }
    values
}

#[test]
fn surface_distances_are_those_of_all_pairs() {
    for_each_sample(2, |sample| {
        let prediction = other(sample, 2);
        let mask = Mask::of_nonzero(&prediction, sample.dims()).expect("a mask");
        for kind in [SurfaceKind::EdgeVoxels, SurfaceKind::Elements] {
            let ours = surface_distances(&mask, &sample.mask(), &sample.lattice, kind).expect("distances");
            let (p, r) = (points(sample, &prediction, kind), points(sample, &sample.values, kind));
            let directions = [(&ours.from_prediction, &p, &r), (&ours.from_reference, &r, &p)];
            for (ours, from, to) in directions {
                let plain = plain_distances(from, to);
                assert_eq!(ours.distances_mm().len(), plain.len(), "{} {kind:?}: points", sample.what);
                for (a, b) in ours.distances_mm().iter().zip(&plain) {
                    assert!(a == b || (a - b).abs() < 1e-9 * b, "{} {kind:?}: {a}, plain {b}", sample.what);
                }
            }
        }
    });
}

#[test]
fn a_map_agrees_with_itself_and_the_two_change_places() {
    for_each_sample(4, |sample| {
        let prediction = other(sample, 4);
        for protocol in [Protocol::Monai, Protocol::Flare] {
            let rules = [1, 2, 3].map(|id| ClassRule { id, tolerance_mm: 1.0, is_trimmed: false });
            let run = |p: &[u8], r: &[u8]| evaluate(p, r, &sample.lattice, protocol, &rules).expect("equal grids");
            for class in run(&sample.values, &sample.values) {
                if class.voxels_reference > 0 {
                    let numbers = [class.dice, class.iou, class.hd, class.hd95, class.assd, class.nsd];
                    assert_eq!(numbers, [1.0, 1.0, 0.0, 0.0, 0.0, 1.0], "{} {protocol:?}", sample.what);
                }
            }
            for (a, b) in run(&prediction, &sample.values).iter().zip(run(&sample.values, &prediction)) {
                assert_eq!(a.voxels_prediction, b.voxels_reference, "{}: volumes", sample.what);
                if a.voxels_prediction > 0 && a.voxels_reference > 0 {
                    let of = |c: &voco_label::ClassMetrics| [c.dice, c.iou, c.hd, c.hd95, c.assd, c.nsd];
                    for (a, b) in of(a).into_iter().zip(of(&b)) {
                        assert!((a - b).abs() < 1e-9, "{} {protocol:?}: {a} and {b}", sample.what);
                    }
                }
            }
        }
    });
}

#[test]
fn overlap_is_counted_and_the_type_of_the_labels_does_not_matter() {
    fn of<T: Label>(sample: &Sample, prediction: &[u8], protocol: Protocol) -> Vec<[f64; 8]> {
        let convert = |values: &[u8]| values.iter().filter_map(|&v| T::from_id(v.into())).collect::<Vec<T>>();
        let rules = [3, 1, 2].map(|id| ClassRule { id, tolerance_mm: 1.0, is_trimmed: true });
        let (p, r) = (convert(prediction), convert(&sample.values));
        let found = evaluate(&p, &r, &sample.lattice, protocol, &rules).expect("equal grids");
        assert_eq!(found.iter().map(|c| c.id).collect::<Vec<_>>(), [3, 1, 2], "in the order of the rules");
        let numbers = |c: &voco_label::ClassMetrics| {
            let volumes = [c.volume_ml_prediction, c.volume_ml_reference];
            [c.dice, c.iou, c.hd, c.hd95, c.assd, c.nsd, volumes[0], volumes[1]]
        };
        found.iter().map(numbers).collect()
    }
    for_each_sample(4, |sample| {
        let prediction = other(sample, 4);
        for protocol in [Protocol::Monai, Protocol::Flare] {
            let bytes = of::<u8>(sample, &prediction, protocol);
            let same = |other: Vec<[f64; 8]>| {
                bytes.iter().flatten().zip(other.iter().flatten()).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
            };
            assert!(same(of::<u16>(sample, &prediction, protocol)), "{}: u16", sample.what);
            assert!(same(of::<u32>(sample, &prediction, protocol)), "{}: u32", sample.what);
        }
        for (class, numbers) in [3, 1, 2].into_iter().zip(of::<u8>(sample, &prediction, Protocol::Monai)) {
            let count = |f: &dyn Fn(usize) -> bool| (0..sample.len()).filter(|&n| f(n)).count() as f64;
            let p = count(&|n| prediction[n] == class);
            let r = count(&|n| sample.values[n] == class);
            let both = count(&|n| prediction[n] == class && sample.values[n] == class);
            let ml = sample.lattice.voxel_ml();
            assert_eq!(numbers[6..], [p * ml, r * ml], "{}: volumes", sample.what);
            if r > 0.0 {
                assert_eq!(numbers[..2], [2.0 * both / (p + r), both / (p + r - both)], "{}: overlap", sample.what);
            } else {
                assert!(numbers[0].is_nan() && numbers[1].is_nan(), "{}: no reference, no overlap", sample.what);
            }
        }
    });
}
