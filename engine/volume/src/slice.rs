use glam::{DQuat, DVec2, DVec3};

use crate::{Geometry, orientation::axis_assignment};

/// The three reading planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlicePlane {
    /// Seen from the feet.
    Axial,
    /// Seen from the front.
    Coronal,
    /// Seen from the patient's left, nose to the left of the screen.
    Sagittal,
}

impl SlicePlane {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    /// World axis (0 = x …) along the normal, screen right and screen down, and whether the last two grow along it.
    fn world_axes(self) -> (usize, (usize, bool), (usize, bool)) {
        match self {
            Self::Axial => (2, (0, false), (1, false)),
            Self::Coronal => (1, (0, false), (2, false)),
            Self::Sagittal => (0, (1, false), (2, false)),
        }
    }
}

/// How a stack of slices along one reading plane lies in the patient, in radiological convention.
///
/// The planes follow the volume's own axes (not the patient's, if the volume is oblique), so that every slice is one that
/// was acquired or reconstructed. Picture coordinates are millimetres from the centre of the volume, x right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceFrame {
    /// Which plane.
    pub plane: SlicePlane,
    /// The middle of the volume.
    pub center_mm: DVec3,
    /// Patient direction of screen right (unit).
    pub right: DVec3,
    /// Patient direction of screen down (unit).
    pub down: DVec3,
    /// Patient direction in which the slice number grows (unit).
    pub normal: DVec3,
    /// Which voxel axis the slices are counted along.
    pub voxel_axis: usize,
    /// Slices in the stack.
    pub num_slices: usize,
    /// Distance between slices along `voxel_axis`.
    pub spacing_mm: f64,
    /// Width and height of the whole stack on the screen.
    pub extent_mm: DVec2,
    grows: bool,
    is_turned: bool,
}

impl SliceFrame {
    /// The stack of `geometry` along `plane`.
    pub fn new(geometry: &Geometry, plane: SlicePlane) -> Self {
        let directions = geometry.directions();
        let columns = [directions.x_axis, directions.y_axis, directions.z_axis];
        let assignment = axis_assignment(directions);
        let (normal_axis, right, down) = plane.world_axes();
        let voxel_axis_of = |world: usize| assignment.iter().position(|a| a.0 == world).unwrap_or(world);
        let towards = |(world, positive): (usize, bool)| {
            let axis = voxel_axis_of(world);
            let sign = if assignment[axis].1 == positive { 1.0 } else { -1.0 };
            (axis, columns[axis] * sign)
        };
        let (right_axis, right) = towards(right);
        let (down_axis, down) = towards(down);
        let voxel_axis = voxel_axis_of(normal_axis);
        let (dims, spacing) = (geometry.dims(), geometry.spacing_mm());
        let extent = |axis: usize| dims[axis] as f64 * spacing[axis];
        let grows = assignment[voxel_axis].1;
        Self {
            plane,
            center_mm: geometry.center_mm(),
            right,
            down,
            normal: columns[voxel_axis] * if grows { 1.0 } else { -1.0 },
            voxel_axis,
            num_slices: dims[voxel_axis],
            spacing_mm: spacing[voxel_axis],
            extent_mm: DVec2::new(extent(right_axis), extent(down_axis)),
            grows,
            is_turned: false,
        }
    }

    /// The stack of oblique planes that `turn` makes of those along `plane`. Slices are counted in steps of the least voxel side;
    /// picture axes and normal are at right angles, also where the grid is sheared, and the picture stays as upright as it can.
    pub fn turned(geometry: &Geometry, plane: SlicePlane, turn: DQuat) -> Self {
        let straight = Self::new(geometry, plane);
        let right = straight.right;
        let down = straight.down.reject_from(right).normalize_or(straight.down);
        let normal = right.cross(down);
        let normal = if normal.dot(straight.normal) < 0.0 { -normal } else { normal };
        let is_right_handed = right.cross(down).dot(normal) > 0.0;
        let turned_right = turn * right;
        let normal = turn * normal;
        // The picture stays upright: only its plane turns, unless that would leave nothing of the direction.
        let upright = right.reject_from(normal);
        let right = if upright.length() > 0.2 { upright.normalize() } else { turned_right };
        let down = if is_right_handed { normal.cross(right) } else { right.cross(normal) };
        let corners = geometry.voxel_box().corners().map(|c| geometry.world_from_voxel().transform_point3(c));
        let center_mm = straight.center_mm;
        // The grid is symmetric about its middle.
        let extent = |axis: DVec3| 2.0 * corners.iter().map(|c| (*c - center_mm).dot(axis)).fold(0.0, f64::max);
        let spacing_mm = geometry.spacing_mm().min_element();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive; a cast saturates")]
        let num_slices = ((extent(normal) / spacing_mm).ceil() as usize).max(1);
        let extent_mm = DVec2::new(extent(right), extent(down));
        Self { center_mm, right, down, normal, num_slices, spacing_mm, extent_mm, is_turned: true, ..straight }
    }

    /// The same slices with left and right of the picture exchanged.
    pub fn mirrored(self) -> Self {
        Self { right: -self.right, ..self }
    }

    /// True if its planes are not those of the volume's own grid.
    pub fn is_turned(&self) -> bool {
        self.is_turned
    }

    /// Place of a point among turned slices, counted from 0.
    fn turned_place(&self, point_mm: DVec3) -> f64 {
        (point_mm - self.center_mm).dot(self.normal) / self.spacing_mm + (self.num_slices - 1) as f64 / 2.0
    }

    /// The patient point at picture position `at_mm` on the slice through `through_mm`.
    pub fn world_from_picture(&self, at_mm: DVec2, through_mm: DVec3) -> DVec3 {
        // Sheared grids have a normal that is not at right angles to the picture: keep the voxel-space slice exact by
        // taking the part of `through` that the picture axes cannot express.
        let at_through = self.picture_from_world(through_mm);
        through_mm + self.right * (at_mm.x - at_through.x) + self.down * (at_mm.y - at_through.y)
    }

    /// Where a patient point lies on the picture (its distance from the slice is dropped).
    pub fn picture_from_world(&self, point_mm: DVec3) -> DVec2 {
        let d = point_mm - self.center_mm;
        // Solve d = a·right + b·down + c·normal; for the usual right-angled grids these are dot products.
        let m = glam::DMat3::from_cols(self.right, self.down, self.normal);
        let abc = m.inverse() * d;
        DVec2::new(abc.x, abc.y)
    }

    /// Number of the slice nearest to the point, counted from 0 in the direction R, A or S; outside points clamp.
    pub fn slice_at(&self, geometry: &Geometry, point_mm: DVec3) -> usize {
        if self.is_turned {
            let place = self.turned_place(point_mm).round().clamp(0.0, (self.num_slices - 1) as f64);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just above")]
            return place as usize;
        }
        let voxel = geometry.voxel_from_world().transform_point3(point_mm)[self.voxel_axis].round();
        let last = self.num_slices - 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the slices there are")]
        let index = voxel.clamp(0.0, last as f64) as usize;
        if self.grows { index } else { last - index }
    }

    /// `point_mm` moved along the stack onto slice number `slice` (clamped).
    pub fn point_on_slice(&self, geometry: &Geometry, point_mm: DVec3, slice: usize) -> DVec3 {
        let slice = slice.min(self.num_slices - 1);
        if self.is_turned {
            let steps = slice as f64 - self.turned_place(point_mm);
            return point_mm + self.normal * (steps * self.spacing_mm);
        }
        let index = if self.grows { slice } else { self.num_slices - 1 - slice };
        let mut voxel = geometry.voxel_from_world().transform_point3(point_mm);
        voxel[self.voxel_axis] = index as f64;
        geometry.world_from_voxel().transform_point3(voxel)
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3, DQuat, DVec2, DVec3};

    use super::{SliceFrame, SlicePlane};
    use crate::Geometry;

    fn geometry() -> Geometry {
        let turn = DMat3::from_quat(DQuat::from_rotation_x(0.2));
        let matrix = turn * DMat3::from_diagonal(DVec3::new(-0.7, 0.8, 2.5));
        Geometry::new([40, 50, 20], DAffine3::from_mat3_translation(matrix, DVec3::new(5.0, -9.0, 100.0))).unwrap()
    }

    #[test]
    fn a_frame_turned_by_nothing_has_the_directions_of_the_straight_one() {
        for plane in SlicePlane::ALL {
            let (straight, turned) =
                (SliceFrame::new(&geometry(), plane), SliceFrame::turned(&geometry(), plane, DQuat::IDENTITY));
            for (a, b) in
                [(straight.right, turned.right), (straight.down, turned.down), (straight.normal, turned.normal)]
            {
                assert!(a.distance(b) < 1e-9, "{plane:?}");
            }
            assert!(straight.extent_mm.distance(turned.extent_mm) < 1e-9 && turned.is_turned());
        }
    }

    #[test]
    fn oblique_slices_are_counted_along_their_normal_through_the_whole_volume() {
        let geometry = geometry();
        let turn = DQuat::from_axis_angle(DVec3::new(1.0, 2.0, -0.5).normalize(), 0.6);
        for plane in SlicePlane::ALL {
            let frame = SliceFrame::turned(&geometry, plane, turn);
            let start = geometry.center_mm() + DVec3::new(3.0, -2.0, 1.0);
            for slice in [0, 7, frame.num_slices - 1] {
                let point = frame.point_on_slice(&geometry, start, slice);
                assert_eq!(frame.slice_at(&geometry, point), slice);
                assert!((point - start).cross(frame.normal).length() < 1e-9, "only along the normal");
            }
            for corner in geometry.voxel_box().corners() {
                let corner = geometry.world_from_voxel().transform_point3(corner);
                let at = frame.picture_from_world(corner).abs();
                assert!(at.cmple(frame.extent_mm / 2.0 + DVec2::splat(1e-9)).all(), "{at} within {}", frame.extent_mm);
                assert!(frame.turned_place(corner) >= -1.0 && frame.turned_place(corner) <= frame.num_slices as f64);
            }
        }
    }
}
