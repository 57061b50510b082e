use glam::{DAffine3, DMat3, DVec3};
use voco_volume::Geometry;

/// A grid as uploaded: a file's grid, reduced by whole factors. Texel centres are whole numbers, as voxel centres are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TexelGrid {
    pub geometry: Geometry,
    pub factor: [usize; 3],
    pub dims: [usize; 3],
}

impl TexelGrid {
    /// The largest grid with no side above `max_side` and no more than `max_bytes`.
    pub fn within(geometry: &Geometry, max_side: usize, max_bytes: u64, bytes_per_texel: u64) -> Self {
        let full = geometry.dims();
        let spacing = geometry.spacing_mm();
        let mut factor = full.map(|d| d.div_ceil(max_side.max(1)).max(1));
        let dims = |factor: [usize; 3]| -> [usize; 3] { std::array::from_fn(|a| full[a].div_ceil(factor[a])) };
        let num_bytes = |factor| dims(factor).iter().map(|&d| d as u64).product::<u64>() * bytes_per_texel;
        while num_bytes(factor) > max_bytes.max(bytes_per_texel) {
            // Coarsen the axis that is finest so far, so that texels stay as near to cubes as they can be.
            let size = |a: usize| spacing[a] * factor[a] as f64;
            let finest = (0..3).filter(|&a| dims(factor)[a] > 1).min_by(|&a, &b| size(a).total_cmp(&size(b)));
            let Some(axis) = finest else { break };
            factor[axis] += 1;
        }
        Self { geometry: *geometry, factor, dims: dims(factor) }
    }

    pub fn is_reduced(&self) -> bool {
        self.factor != [1; 3]
    }

    pub fn texel_from_world(&self) -> DAffine3 {
        let factor = DVec3::from_array(self.factor.map(|f| f as f64));
        // Texel 0 lies at the middle of the voxels 0…f−1.
        let texel_from_voxel =
            DAffine3::from_mat3_translation(DMat3::from_diagonal(1.0 / factor), 0.5 / factor - DVec3::splat(0.5));
        texel_from_voxel * self.geometry.voxel_from_world()
    }

    /// Far corner of the grid in texels; the last texel may reach beyond it.
    pub fn box_max_texel(&self) -> DVec3 {
        DVec3::from_array(std::array::from_fn(|a| self.geometry.dims()[a] as f64 / self.factor[a] as f64 - 0.5))
    }

    /// Least distance between texels.
    pub fn min_spacing_mm(&self) -> f64 {
        let spacing = self.geometry.spacing_mm();
        (0..3).map(|a| spacing[a] * self.factor[a] as f64).fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3, DVec3};
    use voco_volume::Geometry;

    use super::TexelGrid;

    #[test]
    fn oversize_grids_shrink_and_keep_their_place() {
        let affine =
            DAffine3::from_mat3_translation(DMat3::from_diagonal(DVec3::new(1.0, 1.0, 3.0)), DVec3::new(7.0, 8.0, 9.0));
        let geometry = Geometry::new([100, 30, 10], affine).unwrap();
        let grid = TexelGrid::within(&geometry, 50, u64::MAX, 2);
        assert_eq!((grid.factor, grid.dims), ([2, 1, 1], [50, 30, 10]));
        let at = grid.texel_from_world().transform_point3(DVec3::new(7.5, 8.0, 12.0));
        assert!((at - DVec3::new(0.0, 0.0, 1.0)).length() < 1e-12);
        let grid = TexelGrid::within(&geometry, 2048, 7_000, 2);
        assert_eq!(grid.factor, [3, 3, 1]);
        assert_eq!(grid.box_max_texel(), DVec3::new(100.0 / 3.0 - 0.5, 9.5, 9.5));
        assert_eq!(TexelGrid::within(&geometry, 2048, 0, 2).dims, [1, 1, 1]);
    }
}
