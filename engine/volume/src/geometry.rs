use glam::{DAffine3, DMat3, DVec3};

use crate::VolumeError;

/// Where a regular grid of voxels lies in the patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    dims: [usize; 3],
    world_from_voxel: DAffine3,
    voxel_from_world: DAffine3,
}

impl Geometry {
    /// A grid of `dims` voxels; `world_from_voxel` maps voxel indices to RAS+ millimetres.
    ///
    /// # Errors
    /// A zero side, a non-finite or a singular affine.
    pub fn new(dims: [usize; 3], world_from_voxel: DAffine3) -> Result<Self, VolumeError> {
        let count = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        if count.is_none_or(|n| n == 0) {
            return Err(VolumeError::BadDims(dims));
        }
        if !world_from_voxel.is_finite() {
            return Err(VolumeError::NonFiniteAffine);
        }
        let m = world_from_voxel.matrix3;
        let edges = m.x_axis.length() * m.y_axis.length() * m.z_axis.length();
        // A sheared grid is fine; one whose volume is a millionth of its edges' product is a plane.
        if edges <= 0.0 || !edges.is_finite() || m.determinant().abs() < edges * 1e-6 {
            return Err(VolumeError::SingularAffine);
        }
        let voxel_from_world = world_from_voxel.inverse();
        if !voxel_from_world.is_finite() {
            return Err(VolumeError::SingularAffine);
        }
        Ok(Self { dims, world_from_voxel, voxel_from_world })
    }

    /// Number of voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Number of voxels in all.
    pub fn num_voxels(&self) -> usize {
        self.dims.iter().product()
    }

    /// Voxel indices to RAS+ millimetres.
    pub fn world_from_voxel(&self) -> DAffine3 {
        self.world_from_voxel
    }

    /// RAS+ millimetres to (fractional) voxel indices.
    pub fn voxel_from_world(&self) -> DAffine3 {
        self.voxel_from_world
    }

    /// Distance in millimetres between neighbours along i, j, k.
    pub fn spacing_mm(&self) -> DVec3 {
        let m = self.world_from_voxel.matrix3;
        DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length())
    }

    /// Unit vectors of i, j, k in the patient.
    pub fn directions(&self) -> DMat3 {
        let m = self.world_from_voxel.matrix3;
        let spacing = self.spacing_mm();
        DMat3::from_cols(m.x_axis / spacing.x, m.y_axis / spacing.y, m.z_axis / spacing.z)
    }

    /// True if an axis is more than about half a degree off the patient's axes.
    pub fn is_oblique(&self) -> bool {
        let m = self.directions();
        [m.x_axis, m.y_axis, m.z_axis].iter().any(|axis| axis.abs().max_element() < 0.99996)
    }

    /// The patient point at the middle of the grid.
    pub fn center_mm(&self) -> DVec3 {
        let last = DVec3::from_array(self.dims.map(|d| (d - 1) as f64));
        self.world_from_voxel.transform_point3(last / 2.0)
    }

    /// The whole grid, voxel borders included, as a box in voxel space: from −½ to n−½.
    pub fn voxel_box(&self) -> Box3 {
        Box3 { min: DVec3::splat(-0.5), max: DVec3::from_array(self.dims.map(|d| d as f64 - 0.5)) }
    }

    /// Axis-parallel box in patient space that holds the whole grid.
    pub fn world_bounds(&self) -> Box3 {
        Box3::around(self.voxel_box().corners().map(|c| self.world_from_voxel.transform_point3(c)))
    }

    /// The affine as four rows (the last is 0 0 0 1), as `voco info` prints it.
    pub fn affine_rows(&self) -> [[f64; 4]; 4] {
        let (m, t) = (self.world_from_voxel.matrix3.transpose(), self.world_from_voxel.translation);
        let row = |v: DVec3, t: f64| [v.x, v.y, v.z, t];
        [row(m.x_axis, t.x), row(m.y_axis, t.y), row(m.z_axis, t.z), [0.0, 0.0, 0.0, 1.0]]
    }

    /// In words, by how much this grid (of a label map) differs from `other` (of its image); `None` if every voxel lies within
    /// `tolerance_mm` of its place.
    pub fn mismatch(&self, other: &Self, tolerance_mm: f64) -> Option<String> {
        if self.is_same_grid(other, tolerance_mm) {
            return None;
        }
        let mut parts = Vec::new();
        if self.dims != other.dims {
            let text = |d: [usize; 3]| format!("{} × {} × {}", d[0], d[1], d[2]);
            parts.push(format!("{} voxels where the image has {}", text(self.dims), text(other.dims)));
        }
        let (a, b) = (self.spacing_mm(), other.spacing_mm());
        if (a - b).abs().max_element() > 1e-3 * b.max_element() {
            let text = |s: DVec3| format!("{:.3} × {:.3} × {:.3}", s.x, s.y, s.z);
            parts.push(format!("{} mm apart where the image has {}", text(a), text(b)));
        }
        let (a, b) = (self.directions(), other.directions());
        let turned = (0..3).map(|n| a.col(n).dot(b.col(n)).clamp(-1.0, 1.0).acos().to_degrees()).fold(0.0, f64::max);
        if turned > 0.1 {
            let codes = |m| crate::axis_codes(m).map(crate::Anatomical::letter).iter().collect::<String>();
            let (a, b) = (codes(a), codes(b));
            parts.push(if a == b {
                format!("its axes are turned by {turned:.1}°")
            } else {
                format!("its axes run to {a} where those of the image run to {b}")
            });
        }
        let shift = self.center_mm().distance(other.center_mm());
        if shift > tolerance_mm {
            parts.push(format!("its middle is {shift:.1} mm off"));
        }
        let overlap = self.overlap(other);
        if overlap < 0.999 {
            parts.push(format!("it covers {:.0} % of the image", 100.0 * overlap));
        }
        Some(if parts.is_empty() { "its voxels lie somewhat elsewhere".into() } else { parts.join(", ") })
    }

    /// The share of `other`'s box in the patient that this one's box covers.
    fn overlap(&self, other: &Self) -> f64 {
        let (a, b) = (self.world_bounds(), other.world_bounds());
        let common = (a.max.min(b.max) - a.min.max(b.min)).max(DVec3::ZERO);
        let whole = b.size();
        (common.x * common.y * common.z / (whole.x * whole.y * whole.z)).min(1.0)
    }

    /// True if both grids put every voxel within `tolerance_mm` of the same place.
    pub fn is_same_grid(&self, other: &Self, tolerance_mm: f64) -> bool {
        self.dims == other.dims
            && self.voxel_box().corners().iter().all(|&c| {
                let (a, b) = (self.world_from_voxel.transform_point3(c), other.world_from_voxel.transform_point3(c));
                a.distance(b) <= tolerance_mm
            })
    }
}

/// An axis-parallel box in some space (the field or variable that holds it says which).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Box3 {
    /// The corner with the least coordinates.
    pub min: DVec3,
    /// The corner with the greatest coordinates.
    pub max: DVec3,
}

impl Box3 {
    /// The eight corners; bit 0 of the index picks max in x, bit 1 in y, bit 2 in z.
    pub fn corners(&self) -> [DVec3; 8] {
        std::array::from_fn(|n| {
            let pick = |axis: usize| if n >> axis & 1 == 1 { self.max[axis] } else { self.min[axis] };
            DVec3::new(pick(0), pick(1), pick(2))
        })
    }

    /// The least box around `points`.
    pub fn around(points: [DVec3; 8]) -> Self {
        let fold = |f: fn(DVec3, DVec3) -> DVec3| points.into_iter().reduce(f).unwrap_or(DVec3::ZERO);
        Self { min: fold(DVec3::min), max: fold(DVec3::max) }
    }

    /// Side lengths.
    pub fn size(&self) -> DVec3 {
        self.max - self.min
    }
}
