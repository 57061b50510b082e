use voco_volume::Geometry;

use crate::LabelError;

/// Most voxels: their indices are `u32`.
const MAX_VOXELS: usize = u32::MAX as usize - 1;
/// Most rows (ny·nz): each costs memory even if it holds one voxel only, and an `f32` counts them.
const MAX_ROWS: usize = 1 << 24;

/// Size and spacing of a grid; where it lies in the patient does not matter here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lattice {
    dims: [usize; 3],
    spacing_mm: [f64; 3],
}

impl Lattice {
    /// A grid of `dims` voxels with `spacing_mm` between neighbours along i, j, k.
    ///
    /// # Errors
    /// A side of zero, too many voxels, or a spacing that is no length.
    pub fn new(dims: [usize; 3], spacing_mm: [f64; 3]) -> Result<Self, LabelError> {
        check_dims(dims)?;
        if !spacing_mm.iter().all(|s| (1e-6..=1e6).contains(s)) {
            return Err(LabelError::BadSpacing(spacing_mm));
        }
        Ok(Self { dims, spacing_mm })
    }

    /// The grid of a volume.
    ///
    /// # Errors
    /// As [`Lattice::new`].
    pub fn of(geometry: &Geometry) -> Result<Self, LabelError> {
        Self::new(geometry.dims(), geometry.spacing_mm().to_array())
    }

    /// Number of voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Millimetres between neighbours along i, j, k.
    pub fn spacing_mm(&self) -> [f64; 3] {
        self.spacing_mm
    }

    /// Volume of one voxel in millilitres.
    pub fn voxel_ml(&self) -> f64 {
        self.spacing_mm.iter().product::<f64>() / 1000.0
    }
}

/// Checks dims before memory is taken; the number of voxels.
pub(crate) fn check_dims(dims: [usize; 3]) -> Result<usize, LabelError> {
    let [nx, ny, nz] = dims;
    let rows = ny.checked_mul(nz).filter(|&rows| rows <= MAX_ROWS);
    let voxels = rows.and_then(|rows| rows.checked_mul(nx));
    voxels.filter(|&n| n > 0 && n <= MAX_VOXELS).ok_or(LabelError::BadDims(dims))
}

/// Checks that there is one value per voxel.
pub(crate) fn check_count(dims: [usize; 3], given: usize) -> Result<(), LabelError> {
    let needed = check_dims(dims)?;
    if needed == given { Ok(()) } else { Err(LabelError::Count { needed, given }) }
}

/// A box of voxels: from `min` to `max`, the latter outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoxelBox {
    /// First voxel along i, j, k.
    pub min: [usize; 3],
    /// One past the last voxel.
    pub max: [usize; 3],
}

impl VoxelBox {
    /// Contains nothing; the start of a union.
    pub const EMPTY: Self = Self { min: [usize::MAX; 3], max: [0; 3] };

    /// True if it holds no voxel.
    pub fn is_empty(&self) -> bool {
        (0..3).any(|a| self.min[a] >= self.max[a])
    }

    /// Number of voxels along i, j, k.
    pub fn size(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.max[a].saturating_sub(self.min[a]))
    }

    /// Number of voxels.
    pub fn num_voxels(&self) -> usize {
        self.size().iter().product()
    }

    /// The least box that holds both.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            min: std::array::from_fn(|a| self.min[a].min(other.min[a])),
            max: std::array::from_fn(|a| self.max[a].max(other.max[a])),
        }
    }

    /// Larger by `margin` voxels on each side, as far as `dims` reach.
    pub fn grown(&self, margin: [usize; 3], dims: [usize; 3]) -> Self {
        Self {
            min: std::array::from_fn(|a| self.min[a].saturating_sub(margin[a])),
            max: std::array::from_fn(|a| self.max[a].saturating_add(margin[a]).min(dims[a])),
        }
    }
}
