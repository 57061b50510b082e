// The value at a place, or over a slab of samples around it; y is 0 where none lies in the volume. Needs `sample_volume`, and
// `slab_mode`, `slab_count`, `slab_step_texel`, `box_max_texel` among the uniforms.
fn slab_value(pos_texel: vec3f) -> vec2f {
    if u.slab_mode == 0u {
        if all(pos_texel >= vec3f(-0.5)) && all(pos_texel < u.box_max_texel) {
            return vec2f(sample_volume(pos_texel), 1.0);
        }
        return vec2f(0.0);
    }
    let first = pos_texel - u.slab_step_texel * (f32(u.slab_count) - 1.0) * 0.5;
    var sum = 0.0;
    var count = 0.0;
    for (var n = 0u; n < u.slab_count; n += 1u) {
        let at = first + u.slab_step_texel * f32(n);
        if all(at >= vec3f(-0.5)) && all(at < u.box_max_texel) {
            let value = sample_volume(at);
            if count == 0.0 || u.slab_mode == 3u {
                sum += value;
            } else {
                sum = select(min(sum, value), max(sum, value), u.slab_mode == 1u);
            }
            count += 1.0;
        }
    }
    if count == 0.0 {
        return vec2f(0.0);
    }
    return vec2f(select(sum, sum / count, u.slab_mode == 3u), 1.0);
}
