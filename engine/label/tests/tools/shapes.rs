use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_label::tools::between::fill_between;
use voco_label::tools::blank::masked_image;
use voco_label::tools::shape::{self, Shell};
use voco_label::tools::smooth::joint_smoothed;
use voco_label::{BrickMask, Connectivity, VoxelBox, Watch};

use crate::{blobs, bumpy, place, random_set, set_of, straight, values_of};

const DIMS: [usize; 3] = [40, 37, 21];
const SPACING: [f64; 3] = [0.8, 0.8, 2.5];

fn neighbours(n: usize) -> Vec<usize> {
    let at = place(n, DIMS);
    let strides = [1, DIMS[0], DIMS[0] * DIMS[1]];
    let mut all = Vec::new();
    for a in 0..3 {
        if at[a] > 0 {
            all.push(n - strides[a]);
        }
        if at[a] + 1 < DIMS[a] {
            all.push(n + strides[a]);
        }
    }
    all
}

fn islands(values: &[u8]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; values.len()];
    let mut all = Vec::new();
    for start in 0..values.len() {
        if values[start] == 0 || seen[start] {
            continue;
        }
        let (mut island, mut open) = (Vec::new(), vec![start]);
        seen[start] = true;
        while let Some(n) = open.pop() {
            island.push(n);
            for m in neighbours(n) {
                if values[m] != 0 && !seen[m] {
                    seen[m] = true;
                    open.push(m);
                }
            }
        }
        all.push(island);
    }
    all
}

fn paint(all: &[&Vec<usize>]) -> Vec<u8> {
    let mut values = vec![0; DIMS.iter().product()];
    for &n in all.iter().copied().flatten() {
        values[n] = 1;
    }
    values
}

#[test]
fn islands_are_kept_removed_and_split() {
    let mut rng = StdRng::seed_from_u64(8);
    for _ in 0..10 {
        let values = random_set(DIMS, 0.2, &mut rng);
        let set = set_of(&values, DIMS);
        let mut all = islands(&values);
        let (faces, watch) = (Connectivity::Faces6, Watch::NONE);
        let sizes: Vec<usize> = all.iter().map(Vec::len).collect();
        let most = *sizes.iter().max().expect("an island");
        assert_eq!(shape::keep_largest(&set, faces, &watch).expect("it").count(), most as u64, "the largest");
        let large: Vec<&Vec<usize>> = all.iter().filter(|i| i.len() >= 4).collect();
        assert_eq!(values_of(&shape::remove_small(&set, 4, faces, &watch).expect("it")), paint(&large), "not small");
        let one = rng.random_range(0..all.len());
        let at = place(all[one][0], DIMS);
        assert_eq!(values_of(&shape::island_at(&set, at, faces, &watch).expect("it")), paint(&[&all[one]]), "picked");
        all.sort_by_key(|i| std::cmp::Reverse(i.len()));
        let (parts, left_out) = shape::split(&set, 3, 10, faces, &watch).expect("parts");
        let of_size = all.iter().filter(|i| i.len() >= 3).count();
        assert_eq!(parts.len() + left_out, of_size, "none is forgotten");
        let found: Vec<u64> = parts.iter().map(BrickMask::count).collect();
        let wanted: Vec<u64> = all.iter().map(|i| i.len() as u64).filter(|n| *n >= 3).take(10).collect();
        assert_eq!(found, wanted, "split");
    }
}

#[test]
fn medians_count_boxes() {
    let mut rng = StdRng::seed_from_u64(9);
    for reach in [[1, 1, 1], [2, 1, 0], [0, 3, 2]] {
        let values = blobs(DIMS, &mut rng);
        let found = values_of(&shape::median(&set_of(&values, DIMS), reach, &Watch::NONE).expect("a median"));
        let half = reach.iter().map(|r| 2 * r + 1).product::<usize>() / 2;
        for (n, &found) in found.iter().enumerate() {
            let at = place(n, DIMS);
            let mut count = 0;
            for k in at[2].saturating_sub(reach[2])..=(at[2] + reach[2]).min(DIMS[2] - 1) {
                for j in at[1].saturating_sub(reach[1])..=(at[1] + reach[1]).min(DIMS[1] - 1) {
                    for i in at[0].saturating_sub(reach[0])..=(at[0] + reach[0]).min(DIMS[0] - 1) {
                        count += usize::from(values[i + DIMS[0] * (j + DIMS[1] * k)]);
                    }
                }
            }
            assert_eq!(found, u8::from(count > half), "{reach:?} at {at:?}");
        }
    }
}

#[test]
fn margins_are_distances() {
    let mut rng = StdRng::seed_from_u64(10);
    for mm in [2.0, -1.7, 5.1, -3.0] {
        let values = blobs(DIMS, &mut rng);
        let set = set_of(&values, DIMS);
        let found = values_of(&shape::margin(&set, SPACING, mm, &Watch::NONE).expect("a margin"));
        let from: Vec<[usize; 3]> =
            (0..values.len()).filter(|&n| (values[n] != 0) == (mm > 0.0)).map(|n| place(n, DIMS)).collect();
        for n in (0..values.len()).step_by(7) {
            let at = place(n, DIMS);
            let square =
                |b: &[usize; 3]| (0..3).map(|a| (at[a].abs_diff(b[a]) as f64 * SPACING[a]).powi(2)).sum::<f64>();
            let least = from.iter().map(square).fold(f64::INFINITY, f64::min).sqrt();
            let wanted = if mm > 0.0 { least <= mm } else { least > -mm };
            assert_eq!(found[n] != 0, wanted, "{mm} mm at {at:?}, {least} mm away");
        }
        let grown = values_of(&shape::margin(&set, SPACING, 2.0, &Watch::NONE).expect("a margin"));
        let wall = values_of(&shape::hollow(&set, SPACING, 2.0, Shell::Outside, &Watch::NONE).expect("a wall"));
        assert!((0..values.len()).all(|n| wall[n] == u8::from(grown[n] != 0 && values[n] == 0)), "a wall outside");
        let core = values_of(&shape::margin(&set, SPACING, -2.0, &Watch::NONE).expect("a margin"));
        let wall = values_of(&shape::hollow(&set, SPACING, 2.0, Shell::Inside, &Watch::NONE).expect("a wall"));
        assert!((0..values.len()).all(|n| wall[n] == u8::from(values[n] != 0 && core[n] == 0)), "a wall inside");
    }
}

#[test]
fn slices_between_equal_slices_are_equal() {
    let mut rng = StdRng::seed_from_u64(12);
    for axis in 0..3 {
        let mut set = BrickMask::empty(DIMS).expect("a set");
        let (a, b) = (3, 15);
        let others: Vec<usize> = (0..3).filter(|n| *n != axis).collect();
        let low = rng.random_range(2..6);
        let part = |slice: usize, shift: usize| {
            let (mut min, mut max) = ([0; 3], [0; 3]);
            for &n in &others {
                (min[n], max[n]) = (low + shift, low + shift + 9);
            }
            (min[axis], max[axis]) = (slice, slice + 1);
            VoxelBox { min, max }
        };
        set.add_box(&part(a, 0));
        set.add_box(&part(b, 4));
        let found = fill_between(&set, SPACING, axis, &Watch::NONE).expect("slices");
        for slice in a + 1..b {
            let mut here = found.clone();
            here.intersect(
                &BrickMask::of_box(DIMS, &voco_label::tools::polygon::slice_box(DIMS, axis, slice)).expect("a box"),
            )
            .expect("one grid");
            assert_eq!(here.count(), 81, "a square of 9 by 9 that moves, slice {slice} across {axis}");
        }
        assert_eq!(found.count(), 81 * (b - a - 1) as u64, "nothing else");
    }
}

#[test]
fn joint_smoothing_leaves_no_gap_and_no_overlap() {
    let mut rng = StdRng::seed_from_u64(13);
    // Three slabs with ragged borders.
    let values: Vec<u16> = (0..DIMS.iter().product())
        .map(|n| {
            let i = place(n, DIMS)[0] as i32 + rng.random_range(-1..2);
            1 + (i.clamp(0, 39) / 14) as u16
        })
        .collect();
    let mut smooth = values.clone();
    joint_smoothed(&mut smooth, DIMS, SPACING, &[1, 2, 3], 2.0, &Watch::NONE).expect("smooth");
    let borders = |v: &[u16]| v.chunks(40).map(|row| row.windows(2).filter(|p| p[0] != p[1]).count()).sum::<usize>();
    assert!(smooth.iter().all(|v| (1..=3).contains(v)), "no gap");
    assert_eq!(borders(&smooth), 2 * 37 * 21, "two straight borders in each row, of {}", borders(&values));
    let mut fixed = values.clone();
    joint_smoothed(&mut fixed, DIMS, SPACING, &[1, 2], 2.0, &Watch::NONE).expect("smooth");
    assert!(values.iter().zip(&fixed).all(|(a, b)| (*a == 3) == (*b == 3)), "the third stays");
}

#[test]
fn an_image_is_masked() {
    let mut rng = StdRng::seed_from_u64(14);
    let volume = bumpy(straight(DIMS), &mut rng);
    let values = blobs(DIMS, &mut rng);
    let masked = masked_image(&volume, &set_of(&values, DIMS), -1000.0, false).expect("an image");
    for (n, &value) in values.iter().enumerate() {
        let at = place(n, DIMS);
        let wanted = if value != 0 { volume.value(at) } else { Some(-1000.0) };
        assert_eq!(masked.value(at), wanted, "{at:?}");
    }
}
