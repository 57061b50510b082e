use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::AtomicBool;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_label::tools::flood::{Limits, flood_fill};
use voco_label::tools::grow::{GrowthCost, Prior, grow_from_seeds};
use voco_label::tools::threshold::histogram;
use voco_label::tools::walker::{Walk, random_walker};
use voco_label::tools::watershed::watershed;
use voco_label::{LabelError, Lattice, Watch};

use crate::{bumpy, place, straight, values_of};

const DIMS: [usize; 3] = [33, 24, 12];

fn image(rng: &mut StdRng) -> Vec<f32> {
    bumpy(straight(DIMS), rng).to_f32()
}

fn around(n: usize, diagonal: bool) -> Vec<usize> {
    let at = place(n, DIMS);
    let mut all = Vec::new();
    for s in (0..27).filter(|s| *s != 13) {
        let step = [s % 3, s / 3 % 3, s / 9];
        let to: [usize; 3] = std::array::from_fn(|a| (at[a] + step[a]).wrapping_sub(1));
        let axes = step.iter().filter(|s| **s != 1).count();
        if (diagonal || axes == 1) && (0..3).all(|a| to[a] < DIMS[a]) {
            all.push(to[0] + DIMS[0] * (to[1] + DIMS[1] * to[2]));
        }
    }
    all
}

#[test]
fn growth_costs_are_those_of_dijkstra() {
    let mut rng = StdRng::seed_from_u64(20);
    for round in 0..6 {
        let image = image(&mut rng);
        let mut seeds = vec![0_u16; image.len()];
        for label in [1, 2, 7] {
            for _ in 0..3 {
                seeds[rng.random_range(0..image.len())] = label;
            }
        }
        let lattice = Lattice::new(DIMS, [0.8, 0.8, 2.5]).expect("a lattice");
        let cost = GrowthCost { per_mm: 0.4, per_unit: 0.7, rounds: 100 };
        let grown = grow_from_seeds(&image, &lattice, &seeds, None, cost, &Watch::NONE).expect("growth");
        let mut least = vec![f32::INFINITY; image.len()];
        let mut heap = BinaryHeap::new();
        for n in (0..seeds.len()).filter(|&n| seeds[n] != 0) {
            least[n] = 0.0;
            heap.push((Reverse(0), n));
        }
        while let Some((Reverse(key), n)) = heap.pop() {
            if f32::from_bits(key) > least[n] {
                continue;
            }
            for m in around(n, true) {
                let (a, b) = (place(n, DIMS), place(m, DIMS));
                let mm =
                    (0..3).map(|x| (a[x].abs_diff(b[x]) as f64 * lattice.spacing_mm()[x]).powi(2)).sum::<f64>().sqrt();
                let next = least[n] + mm as f32 * 0.4 + 0.7 * (image[n] - image[m]).abs();
                if next < least[m] {
                    least[m] = next;
                    heap.push((Reverse(next.to_bits()), m));
                }
            }
        }
        for n in 0..image.len() {
            let off = (grown.cost[n] - least[n]).abs();
            assert!(off <= 1e-4 * least[n].max(1.0), "round {round} at {n}: {} for {}", grown.cost[n], least[n]);
            assert!(seeds[n] == 0 || grown.labels[n] == seeds[n], "seeds stay");
            assert_ne!(grown.labels[n], 0, "all reached");
        }
    }
}

#[test]
fn a_prior_decides_where_the_image_says_nothing() {
    let dims = [40, 40, 10];
    let lattice = Lattice::new(dims, [1.0; 3]).expect("a lattice");
    let image = vec![0.0; 16_000];
    let mut seeds = vec![0; 16_000];
    (seeds[20 * 40 + 2], seeds[20 * 40 + 38]) = (1, 2);
    let probability: Vec<f32> = (0..16_000).map(|n| if n % 40 < 28 { 0.95 } else { 0.05 }).collect();
    let prior = Prior { probability: &probability, label: 1, weight: 10.0 };
    let cost = GrowthCost { per_mm: 1.0, per_unit: 1.0, rounds: 10 };
    let grown = grow_from_seeds(&image, &lattice, &seeds, Some(prior), cost, &Watch::NONE).expect("growth");
    let wrong = |grown: &voco_label::tools::grow::Grown| {
        (0..16_000).filter(|&n| (grown.labels[n] == 1) != (n % 40 < 28)).count()
    };
    // Without it the regions meet half way, seven or eight columns from where they should.
    let without = grow_from_seeds(&image, &lattice, &seeds, None, cost, &Watch::NONE).expect("growth");
    assert!(wrong(&without) >= 7 * 400, "{} of 16000 wrong without the prior", wrong(&without));
    assert!(wrong(&grown) < 2 * 400, "{} of 16000 wrong with it", wrong(&grown));
}

#[test]
fn a_set_flag_ends_the_work() {
    let mut rng = StdRng::seed_from_u64(21);
    let image = image(&mut rng);
    let seeds = vec![1; image.len()];
    let lattice = Lattice::new(DIMS, [1.0; 3]).expect("a lattice");
    let cancel = AtomicBool::new(true);
    let watch = Watch::cancelled_by(&cancel);
    let cost = GrowthCost::default();
    assert_eq!(grow_from_seeds(&image, &lattice, &seeds, None, cost, &watch), Err(LabelError::Cancelled));
    let volume = bumpy(straight(DIMS), &mut rng);
    let filled = flood_fill(&volume, [1, 1, 1], [-999.0, 999.0], &Limits::whole(DIMS), &watch);
    assert_eq!(filled, Err(LabelError::Cancelled));
}

#[test]
fn floods_equal_a_plain_search() {
    let mut rng = StdRng::seed_from_u64(22);
    for round in 0..10 {
        let volume = bumpy(straight(DIMS), &mut rng);
        let values = volume.to_f32();
        let seed = [rng.random_range(0..33), rng.random_range(0..24), rng.random_range(0..12)];
        let start = seed[0] + 33 * (seed[1] + 24 * seed[2]);
        let range = [f64::from(values[start]) - 20.0, f64::from(values[start]) + 20.0];
        let mut limits = Limits::whole(DIMS);
        if round % 2 == 1 {
            limits.radius_mm = 7.0;
        }
        let found = values_of(&flood_fill(&volume, seed, range, &limits, &Watch::NONE).expect("a flood"));
        let is_in = |n: usize| {
            let at = place(n, DIMS);
            let mm = (0..3).map(|a| (at[a].abs_diff(seed[a]) as f64 * [0.8, 0.8, 2.5][a]).powi(2)).sum::<f64>().sqrt();
            (range[0]..=range[1]).contains(&f64::from(values[n])) && mm <= limits.radius_mm
        };
        let mut wanted = vec![0_u8; values.len()];
        let mut open = VecDeque::from([start]);
        wanted[start] = 1;
        while let Some(n) = open.pop_front() {
            for m in around(n, false) {
                if wanted[m] == 0 && is_in(m) {
                    wanted[m] = 1;
                    open.push_back(m);
                }
            }
        }
        assert_eq!(found, wanted, "round {round}");
    }
}

#[test]
fn a_narrow_passage_does_not_leak() {
    // Two rooms, and a passage of one voxel between them.
    let dims = [60, 20, 20];
    let values: Vec<i16> = (0..24_000)
        .map(|n| {
            let [i, j, k] = place(n, dims);
            let room = (1..19).contains(&j) && (1..19).contains(&k) && !(25..=34).contains(&i);
            i16::from(room || (j == 10 && k == 10))
        })
        .collect();
    let geometry = voco_volume::Geometry::new(dims, glam::DAffine3::IDENTITY).expect("a grid");
    let volume =
        voco_volume::Volume::new(geometry, voco_volume::Voxels::I16(values.into()), voco_volume::Rescale::IDENTITY)
            .expect("a volume");
    let mut limits = Limits::whole(dims);
    let all = flood_fill(&volume, [5, 5, 5], [1.0, 1.0], &limits, &Watch::NONE).expect("a flood");
    assert_eq!(all.count(), 18 * 18 * 50 + 10, "through the passage");
    limits.leak_mm = 2.0;
    let one = flood_fill(&volume, [5, 5, 5], [1.0, 1.0], &limits, &Watch::NONE).expect("a flood");
    let part = one.bounding_box().expect("some");
    assert!(part.max[0] <= 28 && one.count() > 7500, "{part:?}, {}", one.count());
}

#[test]
fn basins_are_those_of_a_plain_queue() {
    let mut rng = StdRng::seed_from_u64(23);
    for _ in 0..5 {
        let image: Vec<f32> = image(&mut rng).iter().map(|v| v.round()).collect();
        let mut markers = vec![0_u16; image.len()];
        for label in 1..6 {
            markers[rng.random_range(0..image.len())] = label;
        }
        let found = watershed(&image, DIMS, &markers, &Watch::NONE).expect("basins");
        let mut wanted = markers.clone();
        let mut heap = BinaryHeap::new();
        let mut age = 0;
        let key = |v: f32| Reverse((v + 10_000.0) as i64);
        for n in (0..markers.len()).filter(|&n| markers[n] != 0) {
            heap.push((key(image[n]), Reverse(age), n));
            age += 1;
        }
        while let Some((_, _, n)) = heap.pop() {
            let at = place(n, DIMS);
            let steps = [(2, -1), (1, -1), (0, -1), (0, 1), (1, 1), (2, 1)];
            for (a, s) in steps {
                let mut to = at;
                let Some(next) = at[a].checked_add_signed(s).filter(|&v| v < DIMS[a]) else { continue };
                to[a] = next;
                let m = to[0] + DIMS[0] * (to[1] + DIMS[1] * to[2]);
                if wanted[m] == 0 {
                    wanted[m] = wanted[n];
                    heap.push((key(image[m]), Reverse(age), m));
                    age += 1;
                }
            }
        }
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_random_walk_is_the_mean_of_its_neighbours() {
    let mut rng = StdRng::seed_from_u64(24);
    let image = vec![1.0_f32; DIMS.iter().product()];
    let mut seeds = vec![0_u8; image.len()];
    for kind in [1, 2, 1, 2] {
        seeds[rng.random_range(0..image.len())] = kind;
    }
    let lattice = Lattice::new(DIMS, [1.0; 3]).expect("a lattice");
    let walk = Walk { tolerance: 1e-7, iterations: 3000, ..Walk::default() };
    let x = random_walker(&image, &lattice, &seeds, None, walk, &Watch::NONE).expect("probabilities");
    for n in 0..x.len() {
        let near = around(n, false);
        let mean: f32 = near.iter().map(|&m| x[m]).sum::<f32>() / near.len() as f32;
        match seeds[n] {
            1 => assert_eq!(x[n], 1.0, "object"),
            2 => assert_eq!(x[n], 0.0, "background"),
            _ => assert!((x[n] - mean).abs() < 1e-4, "at {n}: {} of {mean}", x[n]),
        }
    }
}

#[test]
fn otsu_parts_two_heaps() {
    let geometry = straight([100, 10, 1]);
    let values: Vec<i16> = (0..1000_i16).map(|n| if n % 3 == 0 { 100 + n % 7 } else { n % 11 }).collect();
    let volume =
        voco_volume::Volume::new(geometry, voco_volume::Voxels::I16(values.into()), voco_volume::Rescale::IDENTITY)
            .expect("a volume");
    let threshold = histogram(&volume, 256).expect("a histogram").otsu().expect("a threshold");
    assert!((10.0..100.0).contains(&threshold), "{threshold}");
}
