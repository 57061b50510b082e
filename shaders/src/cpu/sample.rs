use glam::{IVec3, Vec3};

/// A scalar grid, x fastest.
#[derive(Debug, Clone, Copy)]
pub struct Texels<'a> {
    /// As many values as the dims ask for.
    pub data: &'a [f32],
    /// Sides.
    pub dims: [usize; 3],
}

impl Texels<'_> {
    /// Value between texel centres; beyond the outer ones the outer value goes on.
    pub fn trilinear(&self, pos_texel: Vec3) -> f32 {
        let base = pos_texel.floor();
        let weight = pos_texel - base;
        let lo = base.as_ivec3();
        let lerp = |a: f32, b: f32, w: f32| a * (1.0 - w) + b * w;
        let along_x = |y: i32, z: i32| {
            lerp(self.clamped(lo + IVec3::new(0, y, z)), self.clamped(lo + IVec3::new(1, y, z)), weight.x)
        };
        let along_y = |z: i32| lerp(along_x(0, z), along_x(1, z), weight.y);
        lerp(along_y(0), along_y(1), weight.z)
    }

    /// Central differences over one texel to each side.
    pub fn gradient(&self, pos_texel: Vec3) -> Vec3 {
        let along = |axis: Vec3| (self.trilinear(pos_texel + axis) - self.trilinear(pos_texel - axis)) * 0.5;
        Vec3::new(along(Vec3::X), along(Vec3::Y), along(Vec3::Z))
    }

    /// Value smoothed by a cubic B-spline.
    pub fn spline(&self, pos_texel: Vec3) -> f32 {
        let base = pos_texel.floor();
        let lo = base.as_ivec3();
        let weights = |f: f32| {
            let [w0, w3] = [(1.0 - f).powi(3) / 6.0, f.powi(3) / 6.0];
            let w1 = (4.0 - 6.0 * f * f + 3.0 * f.powi(3)) / 6.0;
            [w0, w1, 1.0 - w0 - w1 - w3, w3]
        };
        let [wx, wy, wz] = (pos_texel - base).to_array().map(weights);
        let mut sum = 0.0;
        for (z, wz) in (-1..3).zip(wz) {
            for (y, wy) in (-1..3).zip(wy) {
                for (x, wx) in (-1..3).zip(wx) {
                    sum += wx * wy * wz * self.clamped(lo + IVec3::new(x, y, z));
                }
            }
        }
        sum
    }

    /// Central differences of the smoothed values.
    pub fn smooth_gradient(&self, pos_texel: Vec3) -> Vec3 {
        let along = |axis: Vec3| (self.spline(pos_texel + axis) - self.spline(pos_texel - axis)) * 0.5;
        Vec3::new(along(Vec3::X), along(Vec3::Y), along(Vec3::Z))
    }

    fn clamped(&self, at: IVec3) -> f32 {
        let [x, y, z] = [0, 1, 2].map(|a| usize::try_from(at[a].max(0)).unwrap_or(0).min(self.dims[a] - 1));
        self.data[x + self.dims[0] * (y + self.dims[1] * z)]
    }
}

/// Grey, 0…1, of a value in a window.
pub fn window_level(value: f32, width: f32, level: f32) -> f32 {
    ((value - level) / width + 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::{Texels, window_level};

    #[test]
    fn trilinear_reproduces_a_linear_field_and_holds_the_border() {
        let data: Vec<f32> =
            (0..60).map(|n| (n % 3) as f32 + 10.0 * (n / 3 % 4) as f32 + 100.0 * (n / 12) as f32).collect();
        let texels = Texels { data: &data, dims: [3, 4, 5] };
        assert!((texels.trilinear(Vec3::new(0.25, 1.5, 2.75)) - 290.25).abs() < 1e-3);
        assert!((texels.trilinear(Vec3::new(-3.0, 0.0, 9.0)) - 400.0).abs() < 1e-3);
        // A spline reproduces what is linear, away from the border.
        let wide: Vec<f32> = (0..512).map(|n| (n % 8) as f32 - 2.0 * (n / 8 % 8) as f32 + (n / 64) as f32).collect();
        let wide = Texels { data: &wide, dims: [8; 3] };
        let at = Vec3::new(3.25, 3.5, 3.75);
        assert!((wide.spline(at) - 0.0).abs() < 1e-4);
        assert!((wide.smooth_gradient(at) - Vec3::new(1.0, -2.0, 1.0)).length() < 1e-4);
        assert!((texels.gradient(Vec3::new(1.0, 1.5, 2.0)) - Vec3::new(1.0, 10.0, 100.0)).length() < 1e-3);
    }

    #[test]
    fn window_ends_are_black_and_white() {
        assert_eq!([-160.0, 40.0, 240.0, 900.0].map(|v| window_level(v, 400.0, 40.0)), [0.0, 0.5, 1.0, 1.0]);
    }
}
