use glam::{Mat3, Vec2, Vec3};

use super::Texels;

/// One ray in texel space; its parameter is millimetres.
#[derive(Debug, Clone, Copy)]
pub struct Ray {
    /// Where it starts.
    pub eye_texel: Vec3,
    /// Texels per millimetre along it.
    pub dir_texel: Vec3,
    /// Distance between samples.
    pub step_mm: f32,
    /// Far corner of the volume; the near one is at −½.
    pub box_max_texel: Vec3,
}

/// From a sampled value to colours.
#[derive(Debug, Clone, Copy)]
pub struct Projection<'a> {
    /// `texel · gain + bias` = place in the table, 0…1.
    pub value_gain: f32,
    /// See `value_gain`.
    pub value_bias: f32,
    /// Premultiplied colour and opacity of one step.
    pub table: &'a [[f32; 4]],
    /// Mean colour · extinction and extinction per mm between two values, a square table; for [`composite`].
    pub pairs: &'a [[f32; 4]],
    /// No shading if none.
    pub lighting: Option<Lighting>,
    /// Opacity from which on the ray is not followed.
    pub stop_alpha: f32,
}

/// How surfaces are shaded: a lamp at the eye.
#[derive(Debug, Clone, Copy)]
pub struct Lighting {
    /// Light that comes from everywhere.
    pub ambient: f32,
    /// Light that falls off with the angle.
    pub diffuse: f32,
    /// Highlight.
    pub specular: f32,
    /// Sharpness of the highlight.
    pub shininess: f32,
    /// One over the gradient (per mm) from which on shading counts in full.
    pub gradient_gain: f32,
    /// What makes the most of a pixel is lit by smoothed gradients.
    pub smooth_normals: bool,
    /// Linear map from world mm to texels.
    pub texel_from_world: Mat3,
}

/// Distances at which a ray enters and leaves the box from −½ to `box_max`; leaving before entering means it misses.
pub fn ray_box(eye_texel: Vec3, dir_texel: Vec3, box_max_texel: Vec3) -> Vec2 {
    let dir = Vec3::from_array(dir_texel.to_array().map(|d| if d.abs() < 1e-6 { 1e-6 } else { d }));
    let (a, b) = ((Vec3::splat(-0.5) - eye_texel) / dir, (box_max_texel - eye_texel) / dir);
    Vec2::new(a.min(b).max_element().max(0.0), a.max(b).min_element())
}

/// Premultiplied colour and opacity seen along a ray, front to back, without skipping anything.
pub fn composite(texels: Texels<'_>, ray: &Ray, projection: &Projection<'_>) -> [f32; 4] {
    let (mut color, mut alpha) = (Vec3::ZERO, 0.0);
    let mut before = None;
    for (n, pos_texel) in samples(ray).enumerate() {
        if alpha >= projection.stop_alpha {
            break;
        }
        let here = place(texels, projection, pos_texel);
        let [r, g, b, a] = step_entry(projection, before.replace(here).unwrap_or(here), here, ray.step_mm);
        let mut sample = Vec3::new(r, g, b);
        if let Some(lighting) = projection.lighting {
            let share = a * (1.0 - alpha);
            let cosine = if share > 0.2 && lighting.smooth_normals {
                facing(texels.smooth_gradient(pos_texel), ray.dir_texel, &lighting)
            } else if share > 0.004 {
                facing(texels.gradient(pos_texel), ray.dir_texel, &lighting)
            } else {
                0.5
            };
            // Where the ray enters there is no surface: see `CUT_COSINE` of the shader.
            let depth = (n as f32 * ray.step_mm / 3.0).clamp(0.0, 1.0);
            let cosine = 0.75 * (1.0 - depth) + cosine * depth;
            let highlight = lighting.specular * cosine.powf(lighting.shininess) * a;
            sample = (sample * (lighting.ambient + lighting.diffuse * cosine) + highlight).min(Vec3::splat(a));
        }
        color += sample * (1.0 - alpha);
        alpha += a * (1.0 - alpha);
    }
    if alpha >= projection.stop_alpha {
        color /= alpha;
        alpha = 1.0;
    }
    [color.x, color.y, color.z, alpha]
}

/// Table entry of the greatest value along a ray; nothing if the ray misses the volume.
pub fn mip(texels: Texels<'_>, ray: &Ray, projection: &Projection<'_>) -> [f32; 4] {
    let values = samples(ray).map(|pos_texel| place(texels, projection, pos_texel));
    values.reduce(f32::max).map_or([0.0; 4], |best| entry(projection, best))
}

/// White that encloses something is at least this thick, mm.
const WALL_MM: f32 = 10.0;

/// Table entry of the least value that something white encloses along a ray through a whole volume; nothing if the ray meets air only.
pub fn minip(texels: Texels<'_>, ray: &Ray, projection: &Projection<'_>) -> [f32; 4] {
    let mut is_inside = false;
    let (mut best, mut pending, mut white_mm) = (1.0_f32, 1.0_f32, 0.0);
    for value in samples(ray).map(|pos_texel| place(texels, projection, pos_texel)) {
        if value < 1.0 {
            white_mm = 0.0;
            pending = if is_inside { pending.min(value) } else { pending };
            continue;
        }
        white_mm += ray.step_mm;
        if white_mm >= WALL_MM {
            (best, pending, is_inside) = (best.min(pending), 1.0, true);
        }
    }
    if is_inside { entry(projection, best) } else { [0.0; 4] }
}

/// Table entry of the mean of all values along a ray; nothing if the ray misses the volume.
pub fn average(texels: Texels<'_>, ray: &Ray, projection: &Projection<'_>) -> [f32; 4] {
    let values: Vec<f32> = samples(ray).map(|pos_texel| place(texels, projection, pos_texel)).collect();
    let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
    if values.is_empty() { [0.0; 4] } else { entry(projection, mean) }
}

/// |cosine| between view and surface normal, drawn towards ½ where the gradient is weak.
pub fn facing(gradient_texel: Vec3, dir_texel: Vec3, lighting: &Lighting) -> f32 {
    let magnitude = (lighting.texel_from_world.transpose() * gradient_texel).length();
    let cosine = gradient_texel.dot(dir_texel).abs() / magnitude.max(1e-12);
    let weight = (magnitude * lighting.gradient_gain).clamp(0.0, 1.0);
    0.5 * (1.0 - weight) + cosine * weight
}

fn samples(ray: &Ray) -> impl Iterator<Item = Vec3> {
    let span = ray_box(ray.eye_texel, ray.dir_texel, ray.box_max_texel);
    let start = span.x + ray.step_mm * 0.5;
    let count = ((span.y - start) / ray.step_mm).ceil();
    let (ray, step_mm) = (*ray, ray.step_mm);
    (0_u16..)
        .map(f32::from)
        .take_while(move |&n| n < count)
        .map(move |n| ray.eye_texel + ray.dir_texel * (start + n * step_mm))
}

fn place(texels: Texels<'_>, projection: &Projection<'_>, pos_texel: Vec3) -> f32 {
    (texels.trilinear(pos_texel) * projection.value_gain + projection.value_bias).clamp(0.0, 1.0)
}

/// What one step shows that leads from one value to the next.
fn step_entry(projection: &Projection<'_>, before: f32, here: f32, step_mm: f32) -> [f32; 4] {
    let side = projection.pairs.len().isqrt();
    let last = (side - 1) as f32;
    let corner = |place: f32| {
        let at = place * last;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the place lies in 0…1")]
        let low = at.floor() as usize;
        (low, (low + 1).min(side - 1), at - at.floor())
    };
    let ((x0, x1, wx), (y0, y1, wy)) = (corner(here), corner(before));
    let pair = |x: usize, y: usize, c: usize| projection.pairs[x + side * y][c];
    let mean: [f32; 4] = std::array::from_fn(|c| {
        let low = pair(x0, y0, c) * (1.0 - wx) + pair(x1, y0, c) * wx;
        let high = pair(x0, y1, c) * (1.0 - wx) + pair(x1, y1, c) * wx;
        low * (1.0 - wy) + high * wy
    });
    if mean[3] < 1e-5 {
        return [0.0; 4];
    }
    let alpha = 1.0 - (-mean[3] * step_mm).exp();
    [mean[0] / mean[3] * alpha, mean[1] / mean[3] * alpha, mean[2] / mean[3] * alpha, alpha]
}

fn entry(projection: &Projection<'_>, place: f32) -> [f32; 4] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the place lies in 0…1")]
    let index = (place * (projection.table.len() - 1) as f32 + 0.5) as usize;
    projection.table[index]
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::{Projection, Ray, composite, mip, ray_box};
    use crate::cpu::Texels;

    const RAY: Ray = Ray {
        eye_texel: Vec3::new(1.5, 1.5, -10.0),
        dir_texel: Vec3::Z,
        step_mm: 0.5,
        box_max_texel: Vec3::splat(3.5),
    };

    #[test]
    fn enters_and_leaves_at_the_outer_voxel_borders() {
        let span = ray_box(RAY.eye_texel, RAY.dir_texel, RAY.box_max_texel);
        assert!((span - glam::Vec2::new(9.5, 13.5)).length() < 1e-4);
        let miss = ray_box(Vec3::new(9.0, 0.0, -10.0), Vec3::Z, Vec3::splat(3.5));
        assert!(miss.x >= miss.y);
    }

    #[test]
    fn uniform_fog_follows_the_power_law() {
        let data = [1.0; 64];
        let table = [[0.0; 4], [0.1, 0.1, 0.1, 0.1]];
        // An extinction that lets nine tenths through in a step of half a millimetre.
        let extinction = -(0.9_f32.ln()) / 0.5;
        let pairs = [[extinction; 4]; 4];
        let projection = Projection {
            value_gain: 1.0,
            value_bias: 0.0,
            table: &table,
            pairs: &pairs,
            lighting: None,
            stop_alpha: 0.98,
        };
        let seen = composite(Texels { data: &data, dims: [4; 3] }, &RAY, &projection);
        assert!((seen[3] - (1.0 - 0.9_f32.powi(8))).abs() < 1e-4);
        assert!((mip(Texels { data: &data, dims: [4; 3] }, &RAY, &projection)[3] - 0.1).abs() < 1e-6);
    }
}
