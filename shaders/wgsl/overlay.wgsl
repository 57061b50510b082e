// Another volume over a slice: coloured by a map, within thresholds, blended or in a part of the view only.
#import fullscreen
#import output
#import volume
#import slab

struct OverlayUniforms {
    // As in `slice.wgsl`.
    origin_texel: vec3f,
    window_gain: f32,
    right_texel: vec3f,
    window_bias: f32,
    down_texel: vec3f,
    opacity: f32,
    box_max_texel: vec3f,
    // Texel values outside of these are not drawn.
    low: f32,
    slab_step_texel: vec3f,
    high: f32,
    slab_mode: u32,
    slab_count: u32,
    // Light is added rather than laid over.
    additive: u32,
    // 0: everywhere, 1: every other square, 2: right of a line.
    mask: u32,
    size_px: vec2f,
    // Side of a square, px; or the line's place, 0…1.
    mask_size: f32,
    padding: f32,
}

@group(0) @binding(0) var<uniform> u: OverlayUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
@group(0) @binding(2) var color_map: texture_2d<f32>;

fn is_masked(uv: vec2f) -> bool {
    if u.mask == 1u {
        let square = vec2i(floor(uv * u.size_px / u.mask_size));
        return ((square.x + square.y) & 1) == 0;
    }
    return u.mask == 2u && uv.x < u.mask_size;
}

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let pos_texel = u.origin_texel + u.right_texel * in.uv.x + u.down_texel * in.uv.y;
    let value = slab_value(pos_texel);
    if is_masked(in.uv) {
        return vec4f(0.0);
    }
    if value.y == 0.0 || value.x < u.low || value.x > u.high {
        // In its own part of the view, where it has nothing is nothing.
        return vec4f(0.0, 0.0, 0.0, select(0.0, u.opacity, u.mask != 0u));
    }
    let place = clamp(value.x * u.window_gain + u.window_bias, 0.0, 1.0);
    let color = textureLoad(color_map, vec2u(u32(place * 255.0 + 0.5), 0u), 0).rgb;
    return vec4f(to_target(color) * u.opacity, select(u.opacity, 0.0, u.additive != 0u));
}
