// Lamps, gradients and occlusion. Needs `volume_texture` with its sampler, `occlusion_texture` and the uniforms of a ray.
// Central differences over one texel to each side.
fn gradient(pos_texel: vec3f) -> vec3f {
    let dx = vec3f(1.0, 0.0, 0.0);
    let dy = vec3f(0.0, 1.0, 0.0);
    let dz = vec3f(0.0, 0.0, 1.0);
    return 0.5 * vec3f(
        texel_value(pos_texel + dx) - texel_value(pos_texel - dx),
        texel_value(pos_texel + dy) - texel_value(pos_texel - dy),
        texel_value(pos_texel + dz) - texel_value(pos_texel - dz),
    );
}

// The value smoothed by a cubic B-spline: 64 texels by eight samples (Sigg and Hadwiger, 2005).
fn spline_value(pos_texel: vec3f) -> f32 {
    let base = floor(pos_texel);
    let f = pos_texel - base;
    let f2 = f * f;
    let f3 = f2 * f;
    let w0 = (1.0 - f) * (1.0 - f) * (1.0 - f) / 6.0;
    let w1 = (4.0 - 6.0 * f2 + 3.0 * f3) / 6.0;
    let w3 = f3 / 6.0;
    let low_weight = w0 + w1;
    let low = base - 1.0 + w1 / low_weight;
    let high = base + 1.0 + w3 / (1.0 - low_weight);
    var sum = 0.0;
    for (var n = 0u; n < 8u; n += 1u) {
        let is_high = vec3<bool>((n & 1u) != 0u, (n & 2u) != 0u, (n & 4u) != 0u);
        let weight = select(low_weight, 1.0 - low_weight, is_high);
        sum += weight.x * weight.y * weight.z * texel_value(select(low, high, is_high));
    }
    return sum;
}

// Central differences of the smoothed values: on what nothing shines through, the steps between voxels would show as rings.
fn smooth_gradient(pos_texel: vec3f) -> vec3f {
    let dx = vec3f(1.0, 0.0, 0.0);
    let dy = vec3f(0.0, 1.0, 0.0);
    let dz = vec3f(0.0, 0.0, 1.0);
    return 0.5 * vec3f(
        spline_value(pos_texel + dx) - spline_value(pos_texel - dx),
        spline_value(pos_texel + dy) - spline_value(pos_texel - dy),
        spline_value(pos_texel + dz) - spline_value(pos_texel - dz),
    );
}

// |cosine| between the view and the surface's normal; towards ½ where the gradient is mere noise.
fn facing(gradient_texel: vec3f, ray: Ray) -> f32 {
    let world = vec3f(
        dot(u.texel_from_world_x, gradient_texel),
        dot(u.texel_from_world_y, gradient_texel),
        dot(u.texel_from_world_z, gradient_texel),
    );
    let magnitude = length(world);
    let cosine = abs(dot(gradient_texel, ray.dir_texel)) / max(magnitude, 1e-12);
    return mix(0.5, cosine, clamp(magnitude * u.gradient_gain, 0.0, 1.0));
}

// Depth under a cut face from which on gradients light it in full: on the face itself there is no surface, and gradients are noise.
const LIT_MM: f32 = 3.0;
const CUT_COSINE: f32 = 0.75;

// How deep a sample lies under the place where the ray entered what is shown, mm.
fn depth_of(step: f32, ray: Ray) -> f32 {
    return select(step, step - ray.gap.y, ray.gap.y > 0.0 && step >= ray.gap.y) * u.step_mm;
}

// Depth under a cut face from which on occlusion counts in full.
const CUT_FACE_MM: f32 = 10.0;

// Light that comes from around, 0…1: what lies near takes some away. It is read a little towards the eye, outside the surface.
fn ambient_light(pos_texel: vec3f, depth: f32, ray: Ray) -> f32 {
    if u.occlusion <= 0.0 {
        return 1.0;
    }
    // What is cut away blocks nothing: a cut face has the light of a surface.
    let deep = clamp(depth / CUT_FACE_MM, 0.0, 1.0);
    let at = pos_texel - ray.dir_texel * u.occlusion_reach;
    let taken = textureSampleLevel(occlusion_texture, volume_sampler, (at + 0.5) * u.occlusion_scale, 0.0).r;
    return 1.0 - u.occlusion * taken * deep;
}

fn lit(premultiplied: vec3f, alpha: f32, cosine: f32, light: f32) -> vec3f {
    let highlight = u.specular * pow(cosine, u.shininess) * alpha;
    return min((premultiplied * (u.ambient + u.diffuse * cosine) + highlight) * light, vec3f(alpha));
}
