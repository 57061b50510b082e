//! Voxels inside of an outline: drawn on a slice, or cut through the whole volume as with scissors.
//!
//! A row of voxels is a line on the screen, in perspective too. It enters and leaves the outline where it crosses its edges,
//! so the cost is rows times edges, and no voxel is asked by itself.

use glam::{DMat4, DVec2, DVec3, DVec4};
use rayon::prelude::*;
use voco_volume::Geometry;

use super::Plane;
use crate::{BrickMask, LabelError, VoxelBox, Watch};

/// Most corners of an outline.
const MAX_CORNERS: usize = 100_000;

/// The voxels that a plane cuts inside of an outline (world mm; closed by itself). Where it crosses itself, what is enclosed
/// twice is outside.
///
/// # Errors
/// Fewer than 3 corners or too many, or one that is not finite.
pub fn fill_outline(geometry: &Geometry, plane: &Plane, outline: &[DVec3]) -> Result<BrickMask, LabelError> {
    let (right, down, normal) = (plane.right, plane.down, plane.normal());
    let corners: Vec<DVec2> = outline.iter().map(|p| DVec2::new(right.dot(*p), down.dot(*p))).collect();
    let rows = [right.extend(0.0), down.extend(0.0), DVec4::W];
    let slab = Some((normal.extend(-normal.dot(plane.origin)), half_slice_mm(geometry, plane)));
    fill(geometry, rows, slab, &corners, &Watch::NONE)
}

/// How far from a plane the centres of the voxels lie at most that it cuts, mm: half of a slice's thickness.
pub fn half_slice_mm(geometry: &Geometry, plane: &Plane) -> f64 {
    let (m, normal) = (geometry.world_from_voxel().matrix3, plane.normal());
    0.5 * [m.x_axis, m.y_axis, m.z_axis].map(|axis| normal.dot(axis).abs()).iter().sum::<f64>()
}

/// All voxels whose centres lie at most so far from a plane on either side, mm.
///
/// # Errors
/// Too little memory, or cancelled.
pub fn slab(geometry: &Geometry, plane: &Plane, depth_mm: f64, watch: &Watch<'_>) -> Result<BrickMask, LabelError> {
    let (right, down, normal) = (plane.right, plane.down, plane.normal());
    let last = geometry.dims().map(|d| (d - 1) as f64);
    let (mut low, mut high) = (DVec2::INFINITY, DVec2::NEG_INFINITY);
    for n in 0..8 {
        let corner = DVec3::from_array(std::array::from_fn(|a| if n >> a & 1 == 1 { last[a] } else { 0.0 }));
        let p = geometry.world_from_voxel().transform_point3(corner);
        let p = DVec2::new(right.dot(p), down.dot(p));
        (low, high) = (low.min(p), high.max(p));
    }
    // All of the grid lies behind this outline.
    let (low, high) = (low - 1.0, high + 1.0);
    let around = [low, DVec2::new(high.x, low.y), high, DVec2::new(low.x, high.y)];
    let rows = [right.extend(0.0), down.extend(0.0), DVec4::W];
    fill(geometry, rows, Some((normal.extend(-normal.dot(plane.origin)), depth_mm)), &around, watch)
}

/// The voxels of the whole grid that lie behind an outline on the screen. `clip_from_world` is the view's matrix, orthographic or
/// perspective (what lies behind the eye is outside); `outline` is in its normalised device coordinates, −1 to 1. With `depth_mm`
/// only those at most so far from `plane` on either side.
///
/// # Errors
/// As [`fill_outline`], or cancelled.
pub fn scissors(
    geometry: &Geometry,
    clip_from_world: &DMat4,
    outline: &[DVec2],
    depth: Option<(Plane, f64)>,
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    if !clip_from_world.is_finite() {
        return Err(LabelError::BadSetting("the view has no finite matrix"));
    }
    let rows = [clip_from_world.row(0), clip_from_world.row(1), clip_from_world.row(3)];
    let slab = depth.map(|(plane, mm)| {
        let normal = plane.normal();
        (normal.extend(-normal.dot(plane.origin)), mm)
    });
    fill(geometry, rows, slab, outline, watch)
}

/// Takes corners away that lie closer than `tolerance` to the line between those that stay (Douglas and Peucker, 1973), as a
/// slow hand makes thousands.
pub fn simplified(outline: &[DVec2], tolerance: f64) -> Vec<DVec2> {
    let mut kept = vec![false; outline.len()];
    let Some(last) = outline.len().checked_sub(1) else { return Vec::new() };
    (kept[0], kept[last]) = (true, true);
    let mut open = vec![(0, last)];
    while let Some((from, to)) = open.pop() {
        let (a, d) = (outline[from], outline[to] - outline[from]);
        let distance = |p: DVec2| {
            let t = if d.length_squared() > 0.0 { (p - a).dot(d) / d.length_squared() } else { 0.0 };
            p.distance(a + d * t.clamp(0.0, 1.0))
        };
        let between = (from + 1..to).map(|n| (n, distance(outline[n])));
        if let Some((n, far)) = between.max_by(|a, b| a.1.total_cmp(&b.1))
            && far > tolerance
        {
            kept[n] = true;
            open.extend([(from, n), (n, to)]);
        }
    }
    outline.iter().zip(kept).filter(|(_, kept)| *kept).map(|(p, _)| *p).collect()
}

/// `screen` gives x, y and w of a world point; `slab` the distance from a plane and how large it may be.
fn fill(
    geometry: &Geometry,
    screen: [DVec4; 3],
    slab: Option<(DVec4, f64)>,
    outline: &[DVec2],
    watch: &Watch<'_>,
) -> Result<BrickMask, LabelError> {
    if !(3..=MAX_CORNERS).contains(&outline.len()) || outline.iter().any(|p| !p.is_finite()) {
        return Err(LabelError::BadSetting("an outline needs at least three points"));
    }
    let dims = geometry.dims();
    let mut mask = BrickMask::empty(dims)?;
    let world = DMat4::from(geometry.world_from_voxel());
    // From voxels straight to the screen, and to the distance from the plane.
    let of_voxel = |row: DVec4| world.transpose() * row;
    let screen = screen.map(of_voxel);
    let slab = slab.map(|(row, half)| (of_voxel(row), half));
    let crossing = Crossing { screen, slab, outline, num: dims[0] };
    let of_slab = |k: usize| {
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        if watch.at(k as f32 / dims[2] as f32).is_err() {
            return runs;
        }
        let mut cuts = Vec::new();
        for j in 0..dims[1] {
            crossing.row(j, k, &mut cuts, |from, to| runs.push((from, to, j)));
        }
        runs
    };
    let all: Vec<_> = (0..dims[2]).into_par_iter().map(of_slab).collect();
    watch.at(1.0)?;
    for (k, runs) in all.into_iter().enumerate() {
        for (from, to, j) in runs {
            mask.add_row(from, to, j, k);
        }
    }
    Ok(mask)
}

struct Crossing<'a> {
    /// x, y and w as linear functions of (i, j, k, 1).
    screen: [DVec4; 3],
    slab: Option<(DVec4, f64)>,
    outline: &'a [DVec2],
    num: usize,
}

impl Crossing<'_> {
    /// Calls `f(from, to)` for the runs of row (j, k) that are inside.
    fn row(&self, j: usize, k: usize, cuts: &mut Vec<f64>, mut f: impl FnMut(usize, usize)) {
        let start = DVec4::new(0.0, j as f64, k as f64, 1.0);
        let (mut low, mut high) = (0.0, (self.num - 1) as f64);
        if let Some((row, half)) = self.slab {
            let slack = half * 1e-6;
            let (at, slope) = (row.dot(start), row.x);
            for (at, slope) in [(at - half + slack, slope), (-at - half - slack, -slope)] {
                if slope.abs() < 1e-12 {
                    if at > 0.0 {
                        return;
                    }
                } else if slope > 0.0 {
                    high = f64::min(high, -at / slope);
                } else {
                    low = f64::max(low, -at / slope);
                }
            }
        }
        if low > high {
            return;
        }
        let at = DVec3::from_array(self.screen.map(|row| row.dot(start)));
        let step = DVec3::from_array(self.screen.map(|row| row.x));
        let line = at.cross(step);
        if line.length_squared() <= 1e-24 * at.length_squared().max(1e-300) {
            // The row is a point on the screen.
            if at.z > 1e-9 && self.is_inside(DVec2::new(at.x / at.z, at.y / at.z)) {
                run(low, high, &mut f);
            }
            return;
        }
        cuts.clear();
        let side = |p: DVec2| line.dot(p.extend(1.0)) < 0.0;
        let mut before = self.outline[self.outline.len() - 1];
        let mut side_before = side(before);
        for &corner in self.outline {
            let side_here = side(corner);
            if side_here != side_before {
                let edge = before.extend(1.0).cross(corner.extend(1.0));
                let (c, slope) = (edge.dot(at), edge.dot(step));
                let x = -c / slope;
                if x.is_finite() && at.z + step.z * x > 0.0 {
                    cuts.push(x);
                }
            }
            (before, side_before) = (corner, side_here);
        }
        cuts.sort_unstable_by(f64::total_cmp);
        if cuts.len() % 2 == 1 {
            // In perspective the far end of a row may stay inside; the end at the eye never is.
            let at = if step.z > 0.0 { cuts.len() } else { 0 };
            cuts.insert(at, if step.z > 0.0 { f64::INFINITY } else { f64::NEG_INFINITY });
        }
        for pair in cuts.as_chunks::<2>().0 {
            run(pair[0].max(low), pair[1].min(high), &mut f);
        }
    }

    fn is_inside(&self, p: DVec2) -> bool {
        let mut inside = false;
        let mut a = self.outline[self.outline.len() - 1];
        for &b in self.outline {
            if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
                inside = !inside;
            }
            a = b;
        }
        inside
    }
}

fn run(low: f64, high: f64, f: &mut impl FnMut(usize, usize)) {
    let (from, to) = ((low - 1e-9).ceil().max(0.0), (high + 1e-9).floor());
    if from <= to {
        f(from as usize, to as usize + 1);
    }
}

/// The box of voxels of one slice across `axis`.
pub fn slice_box(dims: [usize; 3], axis: usize, slice: usize) -> VoxelBox {
    let (mut min, mut max) = ([0; 3], dims);
    (min[axis], max[axis]) = (slice, slice + 1);
    VoxelBox { min, max }
}
