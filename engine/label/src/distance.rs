//! Exact Euclidean distances to a set of voxels.
//!
//! The squared distance is a minimum over one axis after another. Along i it is counted from the bits of a row. Along j and
//! k each column asks for the lower envelope of parabolas; here sixteen neighbouring columns do so at once, by the divide
//! and conquer of `columns.rs`. Within a slab the first two steps run while it lies in the cache.

mod columns;
mod rows;

use rayon::prelude::*;

use crate::error::filled;
use crate::{LabelError, Lattice, Mask};
use columns::Axis;

/// The index that stands for no voxel.
pub const NO_VOXEL: u32 = u32::MAX;

/// Distance of every voxel and which voxel of the set it is to.
#[derive(Debug, Clone)]
pub struct Nearest {
    /// Millimetres; infinite if the set is empty.
    pub distance_mm: Vec<f32>,
    /// Index of a nearest voxel of the set, i fastest; [`NO_VOXEL`] if it is empty.
    pub voxel: Vec<u32>,
}

/// Distance in millimetres of every voxel (i fastest) to the nearest voxel of `mask`: 0 inside, infinite if it is empty.
///
/// # Errors
/// If `mask` has other dims than `lattice`, or too little memory.
pub fn distance_mm(mask: &Mask, lattice: &Lattice) -> Result<Vec<f32>, LabelError> {
    transform(mask, lattice)
}

/// As [`distance_mm`], and the nearest voxel too. Of several that are equally near, any is given.
///
/// # Errors
/// As [`distance_mm`].
pub fn nearest(mask: &Mask, lattice: &Lattice) -> Result<Nearest, LabelError> {
    check(mask, lattice)?;
    let num_voxels = lattice.dims().iter().product();
    let mut distance_mm = filled(num_voxels, 0.0_f32)?;
    let mut voxel = filled(num_voxels, NO_VOXEL)?;
    run(mask, lattice, &mut distance_mm, &mut voxel);
    Ok(Nearest { distance_mm, voxel })
}

/// Signed distance in millimetres: outside of the set to its nearest voxel, inside of it minus that to the nearest voxel
/// outside. Infinite where there is none.
///
/// # Errors
/// As [`distance_mm`].
pub fn signed_distance_mm(mask: &Mask, lattice: &Lattice) -> Result<Vec<f32>, LabelError> {
    let mut outside = mask.clone();
    outside.invert();
    let mut signed: Vec<f32> = distance_mm(mask, lattice)?;
    let inner: Vec<f32> = distance_mm(&outside, lattice)?;
    signed.par_iter_mut().zip(&inner).with_min_len(1 << 14).for_each(|(d, inner)| *d -= inner);
    Ok(signed)
}

/// [`distance_mm`] in either precision. In `f64` sums and roots are those of scipy, to the last bit.
pub(crate) fn transform<T: Real>(mask: &Mask, lattice: &Lattice) -> Result<Vec<T>, LabelError> {
    check(mask, lattice)?;
    let mut distance = filled(lattice.dims().iter().product(), T::ZERO)?;
    run(mask, lattice, &mut distance, &mut []);
    Ok(distance)
}

fn check(mask: &Mask, lattice: &Lattice) -> Result<(), LabelError> {
    if mask.dims() == lattice.dims() { Ok(()) } else { Err(LabelError::OtherDims(mask.dims(), lattice.dims())) }
}

/// Fills `distance`, and `voxel` unless it is empty.
fn run<T: Real>(mask: &Mask, lattice: &Lattice, distance: &mut [T], voxel: &mut [u32]) {
    let (dims, spacing) = (lattice.dims(), lattice.spacing_mm());
    let [nx, ny, nz] = dims;
    let per_slab = mask.words_per_row() * ny;
    let slab_has: Vec<bool> = mask.words().par_chunks(per_slab).map(|slab| slab.iter().any(|&w| w != 0)).collect();
    if !slab_has.contains(&true) {
        distance.par_iter_mut().with_min_len(1 << 16).for_each(|d| *d = T::INFINITY);
        return;
    }
    // Along i and j, slab by slab. A slab without a voxel of the set stays as it is: nobody reads it.
    let row_table = rows::Table::new(nx, spacing[0]);
    let squares_j = columns::squares(ny, spacing[1]);
    for_each_group(distance, voxel, dims, false, |k, x, group| {
        if !slab_has[k] {
            return;
        }
        let has_voxel: Vec<bool> = (0..ny).map(|j| mask.row(j, k).iter().any(|&w| w != 0)).collect();
        for j in (0..ny).filter(|&j| has_voxel[j]) {
            row_table.distances(mask.row(j, k), x, group.distance[j]);
            if let Some(voxel) = group.voxel.get_mut(j) {
                rows::nearest(mask.row(j, k), x, nx * (j + ny * k), voxel);
            }
        }
        T::pass(&Axis::new(&has_voxel, &squares_j), group, false);
    });
    let squares_k = columns::squares(nz, spacing[2]);
    let axis = Axis::new(&slab_has, &squares_k);
    for_each_group(distance, voxel, dims, true, |_, _, group| T::pass(&axis, group, true));
}

/// Pieces of rows, one below the other: a set of columns.
pub(crate) struct Group<'a, T> {
    /// One piece per row.
    pub distance: Vec<&'a mut [T]>,
    /// The same for the nearest voxel; empty if nobody asks.
    pub voxel: Vec<&'a mut [u32]>,
}

/// Calls `f(g, x, rows)` in parallel: for each g = k with all rows of slab k or, if `across`, for each g = j with row j of all
/// slabs. Where there are few groups the rows are cut into pieces, which begin at x.
fn for_each_group<'a, T: Send>(
    distance: &'a mut [T],
    voxel: &'a mut [u32],
    [nx, ny, nz]: [usize; 3],
    across: bool,
    f: impl Fn(usize, usize, &mut Group<'a, T>) + Sync,
) {
    let (groups, height) = if across { (ny, nz) } else { (nz, ny) };
    let pieces = (4 * rayon::current_num_threads()).div_ceil(groups);
    let width = nx.div_ceil(pieces).next_multiple_of(columns::MAX_LANES).min(nx);
    let pieces = nx.div_ceil(width);
    let new = || Group { distance: Vec::with_capacity(height), voxel: Vec::new() };
    let mut all: Vec<Group<'a, T>> = (0..groups * pieces).map(|_| new()).collect();
    let group_of = |row: usize| if across { row % ny } else { row / ny };
    for (r, row) in distance.chunks_mut(nx).enumerate() {
        for (p, piece) in row.chunks_mut(width).enumerate() {
            all[group_of(r) * pieces + p].distance.push(piece);
        }
    }
    for (r, row) in voxel.chunks_mut(nx).enumerate() {
        for (p, piece) in row.chunks_mut(width).enumerate() {
            all[group_of(r) * pieces + p].voxel.push(piece);
        }
    }
    all.par_iter_mut().enumerate().for_each(|(n, group)| f(n / pieces, n % pieces * width, group));
}

/// `f32` or `f64`.
pub(crate) trait Real: Copy + PartialOrd + Send + Sync + std::ops::Add<Output = Self> + 'static {
    const ZERO: Self;
    const INFINITY: Self;

    fn from_f64(x: f64) -> Self;

    /// Replaces the squares in a group's columns by the least sums along the axis, or by their roots.
    fn pass(axis: &Axis<'_, Self>, group: &mut Group<'_, Self>, root: bool);
}
