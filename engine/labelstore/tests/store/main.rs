//! The document against a model of plain arrays, its journal against restarts, torn tails and kill -9.

mod basics;
mod journal;
mod killed;
mod model;
mod random;

use glam::{DAffine3, DMat3, DVec3};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

fn geometry(dims: [usize; 3]) -> Geometry {
    let spacing = DMat3::from_diagonal(DVec3::new(0.8, 0.8, 2.5));
    Geometry::new(dims, DAffine3 { matrix3: spacing, translation: DVec3::ZERO }).expect("a grid")
}

/// Values that differ from voxel to voxel.
fn image(dims: [usize; 3]) -> Volume {
    let values: Vec<i16> = (0..dims.iter().product::<usize>()).map(|n| ((n * 7919) % 401) as i16 - 200).collect();
    Volume::new(geometry(dims), Voxels::I16(values.into()), Rescale { slope: 2.0, inter: 10.0 }).expect("an image")
}
