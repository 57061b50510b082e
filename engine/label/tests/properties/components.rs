use voco_label::{Components, Connectivity, Label, fill_holes};

use crate::{Sample, for_each_sample};

const KINDS: [(Connectivity, usize); 3] =
    [(Connectivity::Faces6, 1), (Connectivity::Edges18, 2), (Connectivity::Corners26, 3)];

/// Numbers from 1 in the order of a scan with k fastest, by flooding.
fn plain(sample: &Sample, axes: usize) -> Vec<u32> {
    let [nx, ny, nz] = sample.dims();
    let mut numbers = vec![0; sample.len()];
    let mut count = 0;
    for n in 0..sample.len() {
        let start = n / (ny * nz) + nx * (n / nz % ny + ny * (n % nz));
        if sample.values[start] == 0 || numbers[start] != 0 {
            continue;
        }
        count += 1;
        numbers[start] = count;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for to in sample.neighbours(at, axes) {
                if sample.values[to] == sample.values[at] && numbers[to] == 0 {
                    numbers[to] = count;
                    open.push(to);
                }
            }
        }
    }
    numbers
}

fn check(sample: &Sample, found: &Components, plain: &[u32], connectivity: Connectivity) {
    let what = format!("{} {connectivity:?}", sample.what);
    assert_eq!(found.to_values().expect("values").to_u32(), plain, "{what}: numbers");
    assert_eq!(found.count() as u32, plain.iter().copied().max().unwrap_or(0), "{what}: count");
    for (n, &size) in found.sizes().iter().enumerate() {
        let of_component = |&&number: &&u32| number as usize == n + 1;
        assert_eq!(size, plain.iter().filter(of_component).count() as u64, "{what}: size of {n}");
    }
    let keep = |mask: voco_label::Mask| mask.to_values().expect("values");
    let largest = found.sizes().iter().copied().max().unwrap_or(0);
    let of = |n: usize| plain[n].checked_sub(1).map(|c| found.sizes()[c as usize]);
    let small = keep(found.remove_small(3).expect("a mask"));
    assert!((0..sample.len()).all(|n| (small[n] == 1) == of(n).is_some_and(|s| s >= 3)), "{what}: without small ones");
    let kept = keep(found.keep_largest().expect("a mask"));
    assert_eq!(kept.iter().map(|&v| u64::from(v)).sum::<u64>(), largest, "{what}: size of the largest");
}

#[test]
fn components_are_those_of_flooding() {
    for_each_sample(2, |sample| {
        for (connectivity, axes) in KINDS {
            let found = Components::of_mask(&sample.mask(), connectivity).expect("components");
            check(sample, &found, &plain(sample, axes), connectivity);
        }
    });
}

#[test]
fn components_of_several_labels_are_those_of_flooding() {
    fn of<T: Label>(sample: &Sample, connectivity: Connectivity, axes: usize) {
        let labels: Vec<T> = sample.values.iter().filter_map(|&v| T::from_id(v.into())).collect();
        let found = Components::of_labels(&labels, sample.dims(), connectivity).expect("components");
        let plain = plain(sample, axes);
        check(sample, &found, &plain, connectivity);
        for (n, &number) in plain.iter().enumerate().filter(|(_, number)| **number > 0) {
            assert_eq!(found.labels()[number as usize - 1], u32::from(sample.values[n]), "{}: label", sample.what);
        }
    }
    for_each_sample(4, |sample| {
        for (connectivity, axes) in KINDS {
            of::<u8>(sample, connectivity, axes);
            of::<u16>(sample, connectivity, axes);
            of::<u32>(sample, connectivity, axes);
        }
    });
}

/// The background that no path over faces leads to the border of the grid, along the axes other than `axis`, becomes 1.
fn plain_holes(sample: &Sample, axis: Option<usize>) -> Vec<u8> {
    let mut filled = vec![1; sample.len()];
    let is_border = |n: usize| {
        let at = sample.voxel(n);
        (0..3).any(|a| Some(a) != axis && (at[a] == 0 || at[a] + 1 == sample.dims()[a]))
    };
    let mut open: Vec<usize> = (0..sample.len()).filter(|&n| sample.values[n] == 0 && is_border(n)).collect();
    while let Some(at) = open.pop() {
        if filled[at] == 1 {
            filled[at] = 0;
            let same_slice = |&n: &usize| axis.is_none_or(|a| sample.voxel(n)[a] == sample.voxel(at)[a]);
            open.extend(sample.neighbours(at, 1).into_iter().filter(same_slice).filter(|&n| sample.values[n] == 0));
        }
    }
    filled
}

#[test]
fn holes_are_what_flooding_from_the_border_leaves() {
    for_each_sample(2, |sample| {
        for axis in [None, Some(0), Some(1), Some(2)] {
            let ours = fill_holes(&sample.mask(), axis).and_then(|m| m.to_values()).expect("values");
            assert_eq!(ours, plain_holes(sample, axis), "{} {axis:?}", sample.what);
        }
    });
}
