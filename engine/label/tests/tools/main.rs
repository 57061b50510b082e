//! What the labelling tools compute, against the plainest way to compute it.

mod bricks;
mod growing;
mod measures;
mod outlines;
mod shapes;

use glam::{DAffine3, DMat3, DQuat, DVec3};
use rand::Rng;
use rand::rngs::StdRng;
use voco_label::{BrickMask, VoxelBox};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

/// An oblique grid with different spacings; mirrored if asked for.
fn oblique(dims: [usize; 3], is_mirrored: bool) -> Geometry {
    let turn = DMat3::from_quat(DQuat::from_euler(glam::EulerRot::XYZ, 0.4, -0.3, 0.8));
    let spacing = DVec3::new(if is_mirrored { -0.7 } else { 0.7 }, 0.9, 2.1);
    let affine = DAffine3 { matrix3: turn * DMat3::from_diagonal(spacing), translation: DVec3::new(-20.0, 7.0, 31.0) };
    Geometry::new(dims, affine).expect("a grid")
}

fn straight(dims: [usize; 3]) -> Geometry {
    let affine = DAffine3 { matrix3: DMat3::from_diagonal(DVec3::new(0.8, 0.8, 2.5)), translation: DVec3::ZERO };
    Geometry::new(dims, affine).expect("a grid")
}

/// A volume of random whole numbers that change slowly.
fn bumpy(geometry: Geometry, rng: &mut StdRng) -> Volume {
    let [nx, ny, _] = geometry.dims();
    let waves: [f64; 4] = std::array::from_fn(|_| rng.random_range(0.1..0.5));
    let value = |n: usize| {
        let [i, j, k] = [n % nx, n / nx % ny, n / nx / ny].map(|v| v as f64);
        ((i * waves[0]).sin() * 60.0 + (j * waves[1]).cos() * 60.0 + (k * waves[2] + i * waves[3]).sin() * 60.0) as i16
    };
    let values: Vec<i16> = (0..geometry.num_voxels()).map(|n| value(n) + rng.random_range(-3..4)).collect();
    Volume::new(geometry, Voxels::I16(values.into()), Rescale { slope: 0.5, inter: -3.0 }).expect("a volume")
}

fn random_set(dims: [usize; 3], density: f64, rng: &mut StdRng) -> Vec<u8> {
    (0..dims.iter().product()).map(|_| u8::from(rng.random_bool(density))).collect()
}

/// A few boxes, so that there are islands, holes and straight borders.
fn blobs(dims: [usize; 3], rng: &mut StdRng) -> Vec<u8> {
    let mut values = vec![0; dims.iter().product()];
    for _ in 0..rng.random_range(2..7) {
        let min: [usize; 3] = std::array::from_fn(|a| rng.random_range(0..dims[a]));
        let max: [usize; 3] = std::array::from_fn(|a| (min[a] + rng.random_range(2..14)).min(dims[a]));
        let value = u8::from(rng.random_bool(0.8));
        for k in min[2]..max[2] {
            for j in min[1]..max[1] {
                for i in min[0]..max[0] {
                    values[i + dims[0] * (j + dims[1] * k)] = value;
                }
            }
        }
    }
    values
}

fn set_of(values: &[u8], dims: [usize; 3]) -> BrickMask {
    let mask = voco_label::Mask::of_nonzero(values, dims).expect("a mask");
    BrickMask::of_mask(dims, &mask, [0; 3]).expect("a set")
}

fn values_of(set: &BrickMask) -> Vec<u8> {
    set.to_mask(&VoxelBox { min: [0; 3], max: set.dims() }).expect("a mask").to_values().expect("values")
}

fn place(n: usize, dims: [usize; 3]) -> [usize; 3] {
    [n % dims[0], n / dims[0] % dims[1], n / dims[0] / dims[1]]
}
