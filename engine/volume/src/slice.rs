use glam::{DVec2, DVec3};

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
        }
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
        let voxel = geometry.voxel_from_world().transform_point3(point_mm)[self.voxel_axis].round();
        let last = self.num_slices - 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the slices there are")]
        let index = voxel.clamp(0.0, last as f64) as usize;
        if self.grows { index } else { last - index }
    }

    /// `point_mm` moved along the stack onto slice number `slice` (clamped).
    pub fn point_on_slice(&self, geometry: &Geometry, point_mm: DVec3, slice: usize) -> DVec3 {
        let slice = slice.min(self.num_slices - 1);
        let index = if self.grows { slice } else { self.num_slices - 1 - slice };
        let mut voxel = geometry.voxel_from_world().transform_point3(point_mm);
        voxel[self.voxel_axis] = index as f64;
        geometry.world_from_voxel().transform_point3(voxel)
    }
}
