use rand::Rng;
use voco_label::{Border, Element, Lattice, Mask, close, dilate, erode, open};

use crate::{Sample, for_each_sample};

/// Whether `a` reaches `b`.
fn reaches(sample: &Sample, element: Element, a: usize, b: usize) -> bool {
    match element {
        Element::Ball { radius_mm } => sample.square(a, b) <= radius_mm * radius_mm * (1.0 + 1e-6),
        Element::Box { reach } => {
            let (a, b) = (sample.voxel(a), sample.voxel(b));
            (0..3).all(|n| a[n].abs_diff(b[n]) <= reach[n])
        }
    }
}

fn plain_dilation(sample: &Sample, element: Element) -> Vec<u8> {
    let reached = |n: usize| (0..sample.len()).any(|m| sample.values[m] == 1 && reaches(sample, element, n, m));
    (0..sample.len()).map(|n| u8::from(reached(n))).collect()
}

fn plain_erosion(sample: &Sample, element: Element, border: Border) -> Vec<u8> {
    let spacing = sample.lattice.spacing_mm();
    let near_border = |n: usize| {
        let at = sample.voxel(n);
        (0..3).any(|a| {
            // Steps to the first voxel beyond the grid.
            let steps = (at[a] + 1).min(sample.dims()[a] - at[a]);
            match element {
                Element::Ball { radius_mm } => steps as f64 * spacing[a] <= radius_mm * (1.0 + 1e-7),
                Element::Box { reach } => steps <= reach[a],
            }
        })
    };
    let stays = |n: usize| {
        !(0..sample.len()).any(|m| sample.values[m] == 0 && reaches(sample, element, n, m))
            && (border == Border::Ignored || !near_border(n))
    };
    (0..sample.len()).map(|n| u8::from(stays(n))).collect()
}

fn elements(sample: &mut Sample) -> Vec<Element> {
    let mut elements = vec![
        Element::Ball { radius_mm: 0.0 },
        Element::Ball { radius_mm: 1.0 },
        Element::Ball { radius_mm: 1e9 },
        Element::Box { reach: [0; 3] },
        Element::Box { reach: [usize::MAX; 3] },
    ];
    elements.push(Element::Ball { radius_mm: sample.rng.random_range(0.5..6.0) });
    elements.push(Element::Box { reach: std::array::from_fn(|_| sample.rng.random_range(0..5)) });
    elements
}

#[test]
fn dilation_and_erosion_are_what_they_are_by_definition() {
    for_each_sample(2, |sample| {
        for element in elements(sample) {
            let what = format!("{} {element:?}", sample.what);
            let values = |mask: Result<Mask, _>| mask.and_then(|m| m.to_values()).expect("values");
            let (mask, lattice) = (sample.mask(), sample.lattice);
            assert_eq!(values(dilate(&mask, &lattice, element)), plain_dilation(sample, element), "{what}: dilation");
            for border in [Border::Ignored, Border::Background] {
                let ours = values(erode(&mask, &lattice, element, border));
                let plain =
                    if mask.is_empty() { vec![0; sample.len()] } else { plain_erosion(sample, element, border) };
                assert_eq!(ours, plain, "{what}: erosion, border {border:?}");
            }
        }
    });
}

/// By its many rows or by distances: a ball is the same.
#[test]
fn balls_of_all_sizes_are_round() {
    let dims = [90, 85, 80];
    let lattice = Lattice::new(dims, [0.8, 0.7, 1.1]).expect("a lattice");
    let center = [44, 40, 41];
    let mut point = Mask::empty(dims).expect("a mask");
    point.set(center, true);
    for radius_mm in [0.5, 0.7, 3.3, 8.0, 11.0, 14.0, 20.0, 30.0] {
        let ball = dilate(&point, &lattice, Element::Ball { radius_mm }).expect("a ball");
        for n in 0..dims.iter().product() {
            let at = [n % dims[0], n / dims[0] % dims[1], n / dims[0] / dims[1]];
            let square: f64 =
                (0..3).map(|a| ((at[a] as f64 - center[a] as f64) * lattice.spacing_mm()[a]).powi(2)).sum();
            let inside = square <= radius_mm * radius_mm * (1.0 + 1e-6);
            assert_eq!(ball.get(at), inside, "radius {radius_mm} mm at {at:?}");
        }
    }
}

#[test]
fn opening_and_closing_are_idempotent_and_bound_the_set() {
    for_each_sample(2, |sample| {
        for element in elements(sample) {
            let what = format!("{} {element:?}", sample.what);
            let (mask, lattice) = (sample.mask(), sample.lattice);
            let opened = open(&mask, &lattice, element).expect("a mask");
            let closed = close(&mask, &lattice, element).expect("a mask");
            let (mut more, mut added) = (opened.clone(), mask.clone());
            more.subtract(&mask).expect("equal dims");
            added.subtract(&closed).expect("equal dims");
            assert!(more.is_empty(), "{what}: an opening adds nothing");
            assert!(added.is_empty(), "{what}: a closing removes nothing");
            assert_eq!(open(&opened, &lattice, element).expect("a mask"), opened, "{what}: opened twice");
            assert_eq!(close(&closed, &lattice, element).expect("a mask"), closed, "{what}: closed twice");
        }
    });
}
