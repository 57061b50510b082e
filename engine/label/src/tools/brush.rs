//! Brushes: the voxels under a tip that moves from one point to the next.
//!
//! All tips are convex, and so is what they sweep along a line: each row of voxels meets it in one interval, which is
//! computed. So a stroke has no gaps however fast the hand is, and bricks that lie inside cost nothing.

use glam::{DMat3, DVec3};
use voco_volume::{Geometry, Volume};

use super::Plane;
use crate::{BRICK, BrickMask, Components, Connectivity, LabelError, MaskBrick, VoxelBox, in_range_box};

/// The shape of a brush; its size is half its width in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tip {
    /// A disc in the plane.
    Disc,
    /// A square in the plane, along its two directions.
    Square,
    /// A ball.
    Ball,
    /// A cube along the plane's two directions and across it.
    Cube,
}

/// Adds the voxels whose centre lies under a tip that moves from `from` to `to` (world mm; the same for a dab), and gives the
/// box they lie in. In a plane these are the voxels whose cell the plane cuts. What lies beyond the grid is left out.
///
/// # Errors
/// If the mask and the geometry have other dims, or a size that is not above 0.
pub fn stroke(
    mask: &mut BrickMask,
    geometry: &Geometry,
    tip: Tip,
    radius_mm: f64,
    plane: &Plane,
    [from, to]: [DVec3; 2],
) -> Result<VoxelBox, LabelError> {
    if mask.dims() != geometry.dims() {
        return Err(LabelError::OtherDims(mask.dims(), geometry.dims()));
    }
    let is_good = radius_mm > 0.0 && radius_mm < 1e6 && from.is_finite() && to.is_finite();
    if !is_good {
        return Err(LabelError::BadSetting("the brush must have a size above 0 mm and a place"));
    }
    let swept = Swept::new(geometry, tip, radius_mm, plane, [from, to]);
    let part = swept.bounds(geometry);
    if part.is_empty() {
        return Ok(VoxelBox::EMPTY);
    }
    let grid = mask.grid();
    let bricks: Vec<u32> =
        grid.touching(&part).into_iter().filter(|&n| *mask.brick(n as usize) != MaskBrick::Full).collect();
    mask.change_bricks(&bricks, |n, brick| swept.add_to(brick, &grid.voxels(n), &part));
    Ok(part)
}

/// Keeps of a dab what belongs to the tissue under its middle: voxels whose value differs from that at `center_voxel` by at most
/// `tolerance` and that are connected with it within the dab.
///
/// # Errors
/// If the mask and the volume have other dims, or too little memory.
pub fn adapted(
    dab: &BrickMask,
    volume: &Volume,
    center_voxel: [usize; 3],
    tolerance: f64,
) -> Result<BrickMask, LabelError> {
    if dab.dims() != volume.dims() {
        return Err(LabelError::OtherImage(volume.dims(), dab.dims()));
    }
    let empty = BrickMask::empty(dab.dims())?;
    let (Some(part), Some(value), true) = (dab.bounding_box(), volume.value(center_voxel), dab.get(center_voxel))
    else {
        return Ok(empty);
    };
    let mut alike = in_range_box(volume, [value - tolerance, value + tolerance], &part)?;
    alike.intersect(&dab.to_mask(&part)?)?;
    let parts = Components::of_mask(&alike, Connectivity::Faces6)?;
    let center = std::array::from_fn(|a| center_voxel[a] - part.min[a]);
    let Some(found) = parts.at(center) else { return Ok(empty) };
    BrickMask::of_mask(dab.dims(), &parts.select(|n| n == found)?, part.min)
}

/// A convex body: half-spaces n·x ≤ h, and maybe all that is at most `radius` from a line segment.
struct Swept {
    ends: [DVec3; 2],
    /// Radius, and what of a vector counts for the distance from the segment.
    round: Option<(f64, DMat3)>,
    half_spaces: Vec<(DVec3, f64)>,
    /// All of it is at most so far from the segment.
    reach: f64,
    columns: DMat3,
    origin: DVec3,
}

impl Swept {
    fn new(geometry: &Geometry, tip: Tip, radius: f64, plane: &Plane, ends: [DVec3; 2]) -> Self {
        let affine = geometry.world_from_voxel();
        let m = affine.matrix3;
        let normal = plane.normal();
        let reach_across = 0.5 * [m.x_axis, m.y_axis, m.z_axis].map(|axis| normal.dot(axis).abs()).iter().sum::<f64>();
        let mut half_spaces = Vec::new();
        let mut ends = ends;
        if matches!(tip, Tip::Disc | Tip::Square) {
            // The hand moves in the plane; rounding must not tilt it.
            ends = ends.map(|p| p - normal * normal.dot(p - plane.origin));
            let at = normal.dot(plane.origin);
            // Open on one side: a plane half way between two slices cuts one of them.
            let slack = reach_across * 1e-6;
            half_spaces.push((normal, at + reach_across - slack));
            half_spaces.push((-normal, reach_across + slack - at));
        }
        let mut across = |n: DVec3, half: f64| {
            let length = n.length();
            if length > 1e-9 {
                let n = n / length;
                let support = |n: DVec3| n.dot(ends[0]).max(n.dot(ends[1])) + half / length;
                half_spaces.push((n, support(n) + 1e-9 * radius));
                half_spaces.push((-n, support(-n) + 1e-9 * radius));
            }
        };
        let step = ends[1] - ends[0];
        let axes = [plane.right, plane.down, normal];
        let extent = |n: DVec3, axes: &[DVec3]| axes.iter().map(|a| n.dot(*a).abs()).sum::<f64>() * radius;
        let flat = &axes[..2];
        let (round, reach) = match tip {
            Tip::Ball => (Some((radius, DMat3::IDENTITY)), radius),
            Tip::Disc => {
                let outer = DMat3::from_cols(normal * normal.x, normal * normal.y, normal * normal.z);
                (Some((radius, DMat3::IDENTITY - outer)), radius.hypot(reach_across))
            }
            Tip::Square => {
                for n in [plane.right, plane.down, step.cross(normal)] {
                    across(n, extent(n, flat));
                }
                (None, (radius * std::f64::consts::SQRT_2).hypot(reach_across))
            }
            Tip::Cube => {
                for n in axes.into_iter().chain(axes.map(|axis| step.cross(axis))) {
                    across(n, extent(n, &axes));
                }
                (None, radius * 3.0_f64.sqrt())
            }
        };
        Self { ends, round, half_spaces, reach, columns: m, origin: affine.translation }
    }

    /// The voxels that may be inside.
    fn bounds(&self, geometry: &Geometry) -> VoxelBox {
        let (inverse, dims) = (geometry.voxel_from_world(), geometry.dims());
        let ends = self.ends.map(|p| inverse.transform_point3(p));
        let rows = inverse.matrix3.transpose();
        let rows = [rows.x_axis, rows.y_axis, rows.z_axis];
        let reach: [f64; 3] = std::array::from_fn(|a| rows[a].length() * self.reach + 1e-6);
        let low: [f64; 3] = std::array::from_fn(|a| (ends[0][a].min(ends[1][a]) - reach[a]).ceil());
        let high: [f64; 3] = std::array::from_fn(|a| (ends[0][a].max(ends[1][a]) + reach[a]).floor() + 1.0);
        if (0..3).any(|a| high[a] <= 0.0 || low[a] >= dims[a] as f64) {
            return VoxelBox::EMPTY;
        }
        VoxelBox {
            min: low.map(|v| v.max(0.0) as usize),
            max: std::array::from_fn(|a| (high[a].max(0.0) as usize).min(dims[a])),
        }
    }

    fn add_to(&self, brick: &mut MaskBrick, voxels: &VoxelBox, part: &VoxelBox) {
        let size = voxels.size();
        let corner = |n: usize| {
            let at: [f64; 3] =
                std::array::from_fn(|a| (if n >> a & 1 == 1 { voxels.max[a] - 1 } else { voxels.min[a] }) as f64);
            self.origin + self.columns * DVec3::from_array(at)
        };
        let corners: [DVec3; 8] = std::array::from_fn(corner);
        let center = (corners[0] + corners[7]) / 2.0;
        let far = corners.iter().map(|c| c.distance(center)).fold(0.0, f64::max);
        let to_segment = {
            let (a, d) = (self.ends[0], self.ends[1] - self.ends[0]);
            let t = if d.length_squared() > 0.0 { (center - a).dot(d) / d.length_squared() } else { 0.0 };
            center.distance(a + d * t.clamp(0.0, 1.0))
        };
        if to_segment > far + self.reach + 1e-6 {
            return;
        }
        if size == [BRICK; 3] && corners.iter().all(|&c| self.holds(c)) {
            *brick = MaskBrick::Full;
            return;
        }
        let bits = brick.bits_mut();
        let rows = |a: usize| voxels.min[a].max(part.min[a])..voxels.max[a].min(part.max[a]);
        for k in rows(2) {
            for j in rows(1) {
                let start = DVec3::new(voxels.min[0] as f64, j as f64, k as f64);
                let Some((low, high)) = self.interval(self.origin + self.columns * start) else { continue };
                let last = (size[0] - 1) as f64;
                let (low, high) = ((low - 1e-9).ceil().max(0.0), (high + 1e-9).floor().min(last));
                if low <= high {
                    let row = j - voxels.min[1] + BRICK * (k - voxels.min[2]);
                    bits[row] |= u32::MAX << low as u32 & u32::MAX >> (BRICK as u32 - 1 - high as u32);
                }
            }
        }
        if bits.iter().all(|&w| w == 0) {
            *brick = MaskBrick::Empty;
        } else if size == [BRICK; 3] && bits.iter().all(|&w| w == u32::MAX) {
            *brick = MaskBrick::Full;
        }
    }

    fn holds(&self, point: DVec3) -> bool {
        self.interval(point).is_some_and(|(low, high)| low <= 0.0 && high >= 0.0)
    }

    /// Which steps along i from a point are inside.
    fn interval(&self, start: DVec3) -> Option<(f64, f64)> {
        let step = self.columns.x_axis;
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for &(n, h) in &self.half_spaces {
            (low, high) = clipped((low, high), n.dot(start) - h, n.dot(step))?;
        }
        let Some((radius, part)) = self.round else { return Some((low, high)) };
        let limit = radius * radius * (1.0 + 1e-9);
        let (from, along) = (part * (start - self.ends[0]), part * step);
        let sweep = part * (self.ends[1] - self.ends[0]);
        let mut found = within(from, along, limit);
        let square = sweep.length_squared();
        if square > 1e-12 * limit {
            found = union(found, within(from - sweep, along, limit));
            // Between the ends: a cylinder.
            let (t0, dt) = (from.dot(sweep) / square, along.dot(sweep) / square);
            let middle = within(from - sweep * t0, along - sweep * dt, limit)
                .and_then(|range| clipped(range, -t0, -dt))
                .and_then(|range| clipped(range, t0 - 1.0, dt));
            found = union(found, middle);
        }
        let (a, b) = found?;
        let (low, high) = (low.max(a), high.min(b));
        (low <= high).then_some((low, high))
    }
}

/// The part of a range where `at` + x·`slope` ≤ 0.
fn clipped((low, high): (f64, f64), at: f64, slope: f64) -> Option<(f64, f64)> {
    let range = if slope.abs() < 1e-12 {
        if at > 0.0 {
            return None;
        }
        (low, high)
    } else if slope > 0.0 {
        (low, high.min(-at / slope))
    } else {
        (low.max(-at / slope), high)
    };
    (range.0 <= range.1).then_some(range)
}

/// Where |from + x·along|² ≤ limit.
fn within(from: DVec3, along: DVec3, limit: f64) -> Option<(f64, f64)> {
    let (a, b, c) = (along.length_squared(), from.dot(along), from.length_squared() - limit);
    if a < 1e-18 {
        return (c <= 0.0).then_some((f64::NEG_INFINITY, f64::INFINITY));
    }
    let root = b * b - a * c;
    (root >= 0.0).then(|| ((-b - root.sqrt()) / a, (-b + root.sqrt()) / a))
}

/// The hull of two ranges, which is their union where both lie in one convex body.
fn union(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}
