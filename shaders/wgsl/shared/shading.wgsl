// Lamps, gradients and occlusion. Needs `volume_texture` with its sampler, `occlusion_texture` and the uniforms of a ray.
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

// Light that comes from around, 0…1: what lies near takes some away. It is read a little towards the eye, outside the surface.
fn ambient_light(pos_texel: vec3f, ray: Ray) -> f32 {
    if u.occlusion <= 0.0 {
        return 1.0;
    }
    let at = pos_texel - ray.dir_texel * u.occlusion_reach;
    let taken = textureSampleLevel(occlusion_texture, volume_sampler, (at + 0.5) * u.occlusion_scale, 0.0).r;
    return 1.0 - u.occlusion * taken;
}

fn lit(premultiplied: vec3f, alpha: f32, cosine: f32, light: f32) -> vec3f {
    let highlight = u.specular * pow(cosine, u.shininess) * alpha;
    return min((premultiplied * (u.ambient + u.diffuse * cosine) + highlight) * light, vec3f(alpha));
}
