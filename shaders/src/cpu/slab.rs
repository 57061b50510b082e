use glam::Vec3;

use super::Texels;

/// What a pixel shows of a slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlabMode {
    /// The greatest value.
    Max,
    /// The least value.
    Min,
    /// The mean.
    Mean,
}

/// The value over `count` samples around a place, `step_texel` apart; none where no sample lies in the volume.
pub fn slab_value(
    texels: Texels<'_>,
    box_max_texel: Vec3,
    pos_texel: Vec3,
    step_texel: Vec3,
    count: u16,
    mode: SlabMode,
) -> Option<f32> {
    let first = pos_texel - step_texel * (f32::from(count) - 1.0) * 0.5;
    let inside: Vec<f32> = (0..count)
        .map(|n| first + step_texel * f32::from(n))
        .filter(|at| at.cmpge(Vec3::splat(-0.5)).all() && at.cmplt(box_max_texel).all())
        .map(|at| texels.trilinear(at))
        .collect();
    let num = inside.len() as f32;
    let fold = |f: fn(f32, f32) -> f32| inside.iter().copied().reduce(f);
    match mode {
        SlabMode::Max => fold(f32::max),
        SlabMode::Min => fold(f32::min),
        SlabMode::Mean => fold(|a, b| a + b).map(|sum| sum / num),
    }
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::{SlabMode, slab_value};
    use crate::cpu::Texels;

    #[test]
    fn a_slab_is_counted_within_the_volume_only() {
        let data = [1.0, 2.0, 3.0, 4.0];
        let texels = Texels { data: &data, dims: [1, 1, 4] };
        let box_max = Vec3::new(0.5, 0.5, 3.5);
        let value = |z, count, mode| slab_value(texels, box_max, Vec3::new(0.0, 0.0, z), Vec3::Z, count, mode);
        assert_eq!(value(1.0, 3, SlabMode::Max), Some(3.0));
        assert_eq!(value(1.0, 3, SlabMode::Min), Some(1.0));
        assert_eq!(value(1.0, 3, SlabMode::Mean), Some(2.0));
        assert_eq!(value(3.0, 5, SlabMode::Mean), Some(3.0), "two of the five lie outside");
        assert_eq!(value(9.0, 3, SlabMode::Max), None);
    }
}
