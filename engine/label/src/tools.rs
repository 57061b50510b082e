//! What the labelling tools compute. Each gives a set of voxels or values, which is a preview until the document writes it.
//! Points are in world millimetres unless a name says voxel.

pub mod between;
pub mod blank;
pub mod brush;
pub mod flood;
pub mod grow;
pub mod polygon;
pub mod shape;
pub mod smooth;
pub mod threshold;
pub mod trace;
pub mod walker;
pub mod watershed;

use glam::DVec3;

/// A plane in the patient: that of a slice, at any angle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    /// A point of it, world mm.
    pub origin: DVec3,
    /// Unit vector in it: screen right.
    pub right: DVec3,
    /// Unit vector in it, perpendicular to the other: screen down.
    pub down: DVec3,
}

impl Plane {
    /// Unit vector across it.
    pub fn normal(&self) -> DVec3 {
        self.right.cross(self.down)
    }
}
