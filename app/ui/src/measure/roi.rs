use glam::{DVec2, DVec3};
use voco_volume::{Geometry, Volume};

use super::{MeasurePlane, Shape};

/// Of the voxels in a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoiStats {
    /// How many voxels (or samples, on an oblique plane) lie inside and are finite.
    pub count: u64,
    /// Their mean; not a number if there is none.
    pub mean: f64,
    /// Standard deviation over all of them (divided by the count, as numpy's `std`).
    pub sd: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

/// Counting the voxels of a region, some rows at a time, so that no frame waits.
///
/// On a plane of the volume's own grid a voxel counts if its centre lies inside the outline, on the slice that was measured.
/// On an oblique plane, samples a least voxel side apart are interpolated. A sphere has the voxels whose centres lie inside.
#[derive(Debug, Clone)]
pub struct RoiWork {
    region: Region,
    rows: usize,
    next_row: usize,
    sums: Sums,
}

#[derive(Debug, Clone)]
enum Region {
    /// Voxels: along `axes[0]` in a row, rows along `axes[1]`, at one index of `axes[2]`.
    Voxels {
        geometry: Geometry,
        axes: [usize; 3],
        from: [usize; 3],
        to: [usize; 3],
        inside: Inside,
    },
    /// Samples on a lattice in the plane.
    Samples {
        geometry: Geometry,
        plane: MeasurePlane,
        origin_mm: DVec3,
        from: DVec2,
        step_mm: f64,
        columns: usize,
        shape: Shape,
    },
    Nothing,
}

#[derive(Debug, Clone)]
enum Inside {
    Flat { plane: MeasurePlane, origin_mm: DVec3, shape: Shape },
    Ball { center_mm: DVec3, radius_mm: f64 },
}

#[derive(Debug, Clone, Copy)]
struct Sums {
    count: u64,
    /// The first value: sums of differences from it lose no digits to a large mean.
    shift: f64,
    sum: f64,
    squares: f64,
    min: f64,
    max: f64,
}

/// Most samples across an oblique region: coarser steps are taken beyond.
const MAX_SAMPLES: f64 = 2048.0;

impl RoiWork {
    /// Of an outline in a plane, `shape` in mm from `origin_mm`.
    pub fn flat(geometry: &Geometry, plane: MeasurePlane, origin_mm: DVec3, shape: Shape) -> Self {
        let [low, high] = shape.bounds();
        if !(low.is_finite() && high.is_finite()) {
            return Self::nothing();
        }
        if let Some(axes) = own_axes(geometry, &plane) {
            let corners = [low, high, DVec2::new(low.x, high.y), DVec2::new(high.x, low.y)];
            let at = corners.map(|c| geometry.voxel_from_world().transform_point3(plane.world(origin_mm, c)));
            let slice = geometry.voxel_from_world().transform_point3(origin_mm)[axes[2]].round();
            let mut bounds = at.map(|v| [v, v]);
            for [a, b] in &mut bounds {
                (a[axes[2]], b[axes[2]]) = (slice, slice);
            }
            let low = bounds.iter().map(|b| b[0]).reduce(DVec3::min).unwrap_or(DVec3::ZERO);
            let high = bounds.iter().map(|b| b[1]).reduce(DVec3::max).unwrap_or(DVec3::ZERO);
            return Self::voxels(geometry, axes, low, high, Inside::Flat { plane, origin_mm, shape });
        }
        let spacing = geometry.spacing_mm().min_element();
        let size = high - low;
        let step_mm = spacing.max(size.max_element() / MAX_SAMPLES);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most MAX_SAMPLES")]
        let [columns, rows] = [size.x, size.y].map(|s| (s / step_mm).floor() as usize + 1);
        // The lattice lies in the middle, as far from one border as from the other.
        let from = low + (size - DVec2::new((columns - 1) as f64, (rows - 1) as f64) * step_mm) / 2.0;
        let region = Region::Samples { geometry: *geometry, plane, origin_mm, from, step_mm, columns, shape };
        Self { region, rows, next_row: 0, sums: Sums::EMPTY }
    }

    /// Of a ball; with radius 0 the voxel that holds its centre.
    pub fn sphere(geometry: &Geometry, center_mm: DVec3, radius_mm: f64) -> Self {
        if !(center_mm.is_finite() && radius_mm.is_finite()) {
            return Self::nothing();
        }
        let center = geometry.voxel_from_world().transform_point3(center_mm);
        if radius_mm <= 0.0 {
            let at = center.round();
            let center_mm = geometry.world_from_voxel().transform_point3(at);
            let inside = Inside::Ball { center_mm, radius_mm: 1e-6 };
            return Self::voxels(geometry, [0, 1, 2], at, at, inside);
        }
        // How far the ball reaches along each voxel axis: the length of that row of the inverse.
        let inverse = geometry.voxel_from_world().matrix3.transpose();
        let reach = DVec3::new(inverse.x_axis.length(), inverse.y_axis.length(), inverse.z_axis.length()) * radius_mm;
        Self::voxels(geometry, [0, 1, 2], center - reach, center + reach, Inside::Ball { center_mm, radius_mm })
    }

    fn nothing() -> Self {
        Self { region: Region::Nothing, rows: 0, next_row: 0, sums: Sums::EMPTY }
    }

    fn voxels(geometry: &Geometry, axes: [usize; 3], low: DVec3, high: DVec3, inside: Inside) -> Self {
        let dims = geometry.dims();
        let (mut from, mut to) = ([0; 3], [0; 3]);
        for n in 0..3 {
            let last = (dims[n] - 1) as f64;
            let (a, b) = ((low[n] - 1e-9).ceil(), (high[n] + 1e-9).floor());
            if !(a <= last && b >= 0.0 && a <= b) {
                return Self::nothing();
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the grid")]
            let ends = (a.clamp(0.0, last) as usize, b.clamp(0.0, last) as usize);
            (from[n], to[n]) = ends;
        }
        let rows = (to[axes[1]] - from[axes[1]] + 1) * (to[axes[2]] - from[axes[2]] + 1);
        let region = Region::Voxels { geometry: *geometry, axes, from, to, inside };
        Self { region, rows, next_row: 0, sums: Sums::EMPTY }
    }

    /// Goes on for about `max_voxels`; the result once all are counted.
    pub fn advance(&mut self, volume: &Volume, max_voxels: usize) -> Option<RoiStats> {
        let mut left = max_voxels;
        while self.next_row < self.rows && left > 0 {
            let looked_at = self.row(volume) * self.region.cost();
            self.next_row += 1;
            left = left.saturating_sub(looked_at.max(1));
        }
        (self.next_row >= self.rows).then(|| self.sums.stats())
    }

    /// The whole at once.
    pub fn finish(mut self, volume: &Volume) -> RoiStats {
        self.advance(volume, usize::MAX).unwrap_or_else(|| self.sums.stats())
    }

    fn row(&mut self, volume: &Volume) -> usize {
        match &self.region {
            Region::Nothing => 0,
            Region::Voxels { geometry, axes: [a, b, c], from, to, inside } => {
                let per_plane = to[*b] - from[*b] + 1;
                let mut voxel = *from;
                voxel[*b] += self.next_row % per_plane;
                voxel[*c] += self.next_row / per_plane;
                for n in from[*a]..=to[*a] {
                    voxel[*a] = n;
                    let point =
                        geometry.world_from_voxel().transform_point3(DVec3::from_array(voxel.map(|v| v as f64)));
                    if inside.contains(point)
                        && let Some(value) = volume.value(voxel)
                    {
                        self.sums.add(value);
                    }
                }
                to[*a] - from[*a] + 1
            }
            Region::Samples { geometry, plane, origin_mm, from, step_mm, columns, shape } => {
                for n in 0..*columns {
                    let at = *from + DVec2::new(n as f64, self.next_row as f64) * *step_mm;
                    if shape.contains(at) {
                        let point = plane.world(*origin_mm, at);
                        let voxel = geometry.voxel_from_world().transform_point3(point);
                        if let Some(value) = between(volume, voxel) {
                            self.sums.add(value);
                        }
                    }
                }
                *columns
            }
        }
    }
}

/// The voxel axes along right, down and the normal of a plane, if it is one of the grid's own.
fn own_axes(geometry: &Geometry, plane: &MeasurePlane) -> Option<[usize; 3]> {
    let directions = geometry.directions();
    let columns = [directions.x_axis, directions.y_axis, directions.z_axis];
    let along = |direction: DVec3| (0..3).find(|&n| columns[n].dot(direction).abs() > 0.999_99);
    let (right, down) = (along(plane.right)?, along(plane.down)?);
    (right != down).then(|| [right, down, 3 - right - down])
}

/// The value between voxel centres (trilinear); none outside the outer voxels' cells.
fn between(volume: &Volume, voxel: DVec3) -> Option<f64> {
    let dims = DVec3::from_array(volume.dims().map(|d| d as f64));
    if !(voxel.cmpge(DVec3::splat(-0.5)).all() && voxel.cmplt(dims - 0.5).all()) {
        return None;
    }
    let at = voxel.clamp(DVec3::ZERO, dims - 1.0);
    let base = at.floor();
    let weight = at - base;
    let mut sum = 0.0;
    for n in 0..8_usize {
        let (mut corner, mut share) = ([0; 3], 1.0);
        for axis in 0..3 {
            let high = n >> axis & 1 == 1;
            share *= if high { weight[axis] } else { 1.0 - weight[axis] };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the grid above")]
            let index = base[axis] as usize + usize::from(high);
            corner[axis] = index.min(volume.dims()[axis] - 1);
        }
        if share > 0.0 {
            sum += share * volume.value(corner)?;
        }
    }
    Some(sum)
}

impl Region {
    /// How much longer a look at one voxel takes than for an ellipse: a freehand outline has many edges.
    fn cost(&self) -> usize {
        const EDGES: usize = 8;
        match self {
            Self::Samples { shape: Shape::Polygon(points), .. }
            | Self::Voxels { inside: Inside::Flat { shape: Shape::Polygon(points), .. }, .. } => {
                1 + points.len() / EDGES
            }
            _ => 1,
        }
    }
}

impl Inside {
    fn contains(&self, point_mm: DVec3) -> bool {
        match self {
            Self::Flat { plane, origin_mm, shape } => shape.contains(plane.flat(*origin_mm, point_mm)),
            Self::Ball { center_mm, radius_mm } => point_mm.distance_squared(*center_mm) <= radius_mm * radius_mm,
        }
    }
}

impl Sums {
    const EMPTY: Self =
        Self { count: 0, shift: 0.0, sum: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.count == 0 {
            self.shift = value;
        }
        let d = value - self.shift;
        self.count += 1;
        self.sum += d;
        self.squares += d * d;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn stats(&self) -> RoiStats {
        if self.count == 0 {
            return RoiStats { count: 0, mean: f64::NAN, sd: f64::NAN, min: f64::NAN, max: f64::NAN };
        }
        let n = self.count as f64;
        let mean = self.sum / n;
        let variance = (self.squares / n - mean * mean).max(0.0);
        RoiStats { count: self.count, mean: self.shift + mean, sd: variance.sqrt(), min: self.min, max: self.max }
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3, DQuat, DVec2, DVec3};
    use voco_volume::{Geometry, Rescale, SliceFrame, SlicePlane, Volume, Voxels};

    use super::{RoiStats, RoiWork};
    use crate::measure::{MeasurePlane, Shape};

    /// value = (7 i + 13 j + 29 k) mod 101, on a grid of 40 × 30 × 20 voxels of 0.8 × 1.1 × 2.5 mm.
    fn volume(turn: DQuat) -> Volume {
        let spacing = DMat3::from_diagonal(DVec3::new(-0.8, -1.1, 2.5));
        let affine = DAffine3::from_mat3_translation(DMat3::from_quat(turn) * spacing, DVec3::new(5.0, -3.0, 40.0));
        let geometry = Geometry::new([40, 30, 20], affine).unwrap();
        let values = (0..40 * 30 * 20).map(|n| ((7 * (n % 40) + 13 * (n / 40 % 30) + 29 * (n / 1200)) % 101) as i16);
        Volume::new(geometry, Voxels::I16(values.collect()), Rescale::IDENTITY).unwrap()
    }

    fn close(stats: RoiStats, count: u64, mean: f64, sd: f64, min: f64, max: f64) {
        assert_eq!((stats.count, stats.min, stats.max), (count, min, max), "{stats:?}");
        assert!((stats.mean - mean).abs() < 1e-6 && (stats.sd - sd).abs() < 1e-6, "{stats:?}");
    }

    /// Numbers from numpy, which looped over the same voxels with its own test of the ellipse and the ball.
    #[test]
    fn an_ellipse_and_a_ball_have_numpys_numbers_however_the_grid_is_turned() {
        for turn in [DQuat::IDENTITY, DQuat::from_rotation_x(0.3) * DQuat::from_rotation_z(-0.2)] {
            let volume = volume(turn);
            let geometry = volume.geometry();
            let center = geometry.world_from_voxel().transform_point3(DVec3::new(18.3, 14.6, 9.0));
            let plane = MeasurePlane::of(&SliceFrame::new(geometry, SlicePlane::Axial));
            let shape = Shape::Ellipse { center: DVec2::ZERO, half: DVec2::new(9.0, 6.0) };
            let ellipse = RoiWork::flat(geometry, plane, center, shape).finish(&volume);
            close(ellipse, ELLIPSE.0, ELLIPSE.1, ELLIPSE.2, ELLIPSE.3, ELLIPSE.4);
            let ball = RoiWork::sphere(geometry, center, 8.0).finish(&volume);
            close(ball, BALL.0, BALL.1, BALL.2, BALL.3, BALL.4);
        }
    }

    const ELLIPSE: (u64, f64, f64, f64, f64) = (191, 48.623_036_649_214_66, 28.961_687_875_549_504, 0.0, 100.0);
    const BALL: (u64, f64, f64, f64, f64) = (979, 51.759_959_141_981_61, 29.070_211_761_305_693, 0.0, 100.0);

    #[test]
    fn in_pieces_it_is_the_same_and_a_probe_is_one_voxel() {
        let volume = volume(DQuat::IDENTITY);
        let center = volume.geometry().center_mm();
        let whole = RoiWork::sphere(volume.geometry(), center, 9.0).finish(&volume);
        let mut pieces = RoiWork::sphere(volume.geometry(), center, 9.0);
        let mut rounds = 1;
        let stats = loop {
            if let Some(stats) = pieces.advance(&volume, 50) {
                break stats;
            }
            rounds += 1;
        };
        assert!(rounds > 10 && stats == whole);
        let probe = RoiWork::sphere(volume.geometry(), center, 0.0).finish(&volume);
        assert_eq!((probe.count, probe.mean), (1, volume.value_at_world(center).unwrap()));
    }

    #[test]
    fn outside_and_senseless_regions_hold_nothing() {
        let volume = volume(DQuat::IDENTITY);
        let far = DVec3::splat(1e6);
        assert_eq!(RoiWork::sphere(volume.geometry(), far, 5.0).finish(&volume).count, 0);
        assert_eq!(RoiWork::sphere(volume.geometry(), DVec3::splat(f64::NAN), 5.0).finish(&volume).count, 0);
        // A ball that reaches beyond the volume on all sides holds every voxel.
        let all = RoiWork::sphere(volume.geometry(), volume.geometry().center_mm(), 500.0).finish(&volume);
        assert_eq!(all.count, 40 * 30 * 20);
    }

    /// In a field that is linear in the patient, the mean over a symmetric outline is the value at its middle.
    #[test]
    fn an_oblique_outline_samples_between_the_voxels() {
        let affine = DAffine3::from_mat3(DMat3::from_diagonal(DVec3::new(1.0, 1.0, 2.0)));
        let geometry = Geometry::new([60, 60, 30], affine).unwrap();
        let values = (0..60 * 60 * 30).map(|n| (n % 60 + 2 * (n / 60 % 60) + 6 * (n / 3600)) as i16);
        let volume = Volume::new(geometry, Voxels::I16(values.collect()), Rescale::IDENTITY).unwrap();
        let turn = DQuat::from_rotation_y(0.5) * DQuat::from_rotation_x(0.3);
        let plane = MeasurePlane { right: turn * DVec3::X, down: turn * DVec3::Y };
        let center = geometry.center_mm() + DVec3::new(1.3, -0.7, 0.4);
        let shape = Shape::Ellipse { center: DVec2::ZERO, half: DVec2::new(11.0, 7.0) };
        let stats = RoiWork::flat(&geometry, plane, center, shape).finish(&volume);
        let expected = center.x + 2.0 * center.y + 3.0 * center.z;
        assert!(stats.count > 200 && (stats.mean - expected).abs() < 1e-6, "{stats:?}, expected {expected}");
    }
}
