use glam::Vec3;

/// Id of the voxel whose cell holds the point; 0 outside.
pub fn nearest_label(ids: &[u16], dims: [usize; 3], pos_label: Vec3) -> u16 {
    let at = (pos_label + 0.5).floor();
    let inside = (0..3).all(|a| at[a] >= 0.0 && at[a] < dims[a] as f32);
    if !inside {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked against the dims just above")]
    let [x, y, z] = [at.x as usize, at.y as usize, at.z as usize];
    ids[x + dims[0] * (y + dims[1] * z)]
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::nearest_label;

    #[test]
    fn cells_reach_half_a_voxel_around_their_centre() {
        let ids = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(nearest_label(&ids, [2, 2, 2], Vec3::new(0.49, -0.5, 0.51)), 5);
        assert_eq!(nearest_label(&ids, [2, 2, 2], Vec3::new(-0.51, 0.0, 0.0)), 0);
        assert_eq!(nearest_label(&ids, [2, 2, 2], Vec3::new(1.51, 0.0, 0.0)), 0);
    }
}
