// Labels are never interpolated: the voxel whose cell holds the point decides. Needs `label_texture` and `label_colors`.
fn label_at(pos_label: vec3f) -> u32 {
    let at = vec3i(floor(pos_label + 0.5));
    let dims = vec3i(textureDimensions(label_texture));
    if any(at < vec3i(0)) || any(at >= dims) {
        return 0u;
    }
    return textureLoad(label_texture, at, 0).r;
}

// Alpha is 0 for a hidden label and for background.
fn label_color(id: u32) -> vec4f {
    return textureLoad(label_colors, vec2u(id & 255u, id >> 8u), 0);
}
