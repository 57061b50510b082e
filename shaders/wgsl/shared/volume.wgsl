// Trilinear by hand: a sampler's weights may have 8 bits only, which shows as bands when a slice is magnified.
// Beyond the outer texels' centres the outer value goes on. Needs `volume_texture`.
fn sample_volume(pos_texel: vec3f) -> f32 {
    let last = vec3i(textureDimensions(volume_texture)) - 1;
    let base = floor(pos_texel);
    let weight = pos_texel - base;
    let lo = clamp(vec3i(base), vec3i(0), last);
    let hi = clamp(vec3i(base) + 1, vec3i(0), last);
    let v000 = textureLoad(volume_texture, lo, 0).r;
    let v100 = textureLoad(volume_texture, vec3i(hi.x, lo.y, lo.z), 0).r;
    let v010 = textureLoad(volume_texture, vec3i(lo.x, hi.y, lo.z), 0).r;
    let v110 = textureLoad(volume_texture, vec3i(hi.x, hi.y, lo.z), 0).r;
    let v001 = textureLoad(volume_texture, vec3i(lo.x, lo.y, hi.z), 0).r;
    let v101 = textureLoad(volume_texture, vec3i(hi.x, lo.y, hi.z), 0).r;
    let v011 = textureLoad(volume_texture, vec3i(lo.x, hi.y, hi.z), 0).r;
    let v111 = textureLoad(volume_texture, hi, 0).r;
    let low = mix(mix(v000, v100, weight.x), mix(v010, v110, weight.x), weight.y);
    let high = mix(mix(v001, v101, weight.x), mix(v011, v111, weight.x), weight.y);
    return mix(low, high, weight.z);
}
