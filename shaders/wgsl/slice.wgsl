// One slice: windowed image, label map over it.
#import fullscreen
#import output
#import volume
#import label

struct SliceUniforms {
    // Texel of the view's upper left corner, and what is added towards its right and lower edges.
    origin_texel: vec3f,
    window_gain: f32,
    right_texel: vec3f,
    window_bias: f32,
    down_texel: vec3f,
    label_opacity: f32,
    box_max_texel: vec3f,
    outline: u32,
    label_origin: vec3f,
    pixel_u: f32,
    label_right: vec3f,
    pixel_v: f32,
    label_down: vec3f,
    has_labels: u32,
}

@group(0) @binding(0) var<uniform> u: SliceUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
@group(0) @binding(2) var label_texture: texture_3d<u32>;
@group(0) @binding(3) var label_colors: texture_2d<f32>;

fn label_at_uv(uv: vec2f) -> u32 {
    return label_at(u.label_origin + u.label_right * uv.x + u.label_down * uv.y);
}

fn is_outline(id: u32, uv: vec2f) -> bool {
    return label_at_uv(uv + vec2f(u.pixel_u, 0.0)) != id || label_at_uv(uv - vec2f(u.pixel_u, 0.0)) != id
        || label_at_uv(uv + vec2f(0.0, u.pixel_v)) != id || label_at_uv(uv - vec2f(0.0, u.pixel_v)) != id;
}

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let pos_texel = u.origin_texel + u.right_texel * in.uv.x + u.down_texel * in.uv.y;
    var color = vec3f(0.0);
    if all(pos_texel >= vec3f(-0.5)) && all(pos_texel < u.box_max_texel) {
        color = vec3f(clamp(sample_volume(pos_texel) * u.window_gain + u.window_bias, 0.0, 1.0));
    }
    if u.has_labels != 0u {
        let id = label_at_uv(in.uv);
        if id != 0u {
            let label = label_color(id);
            var alpha = label.a * u.label_opacity;
            if u.outline != 0u {
                // A thin line needs more weight than an area to be seen.
                alpha = select(0.0, min(alpha * 2.5, 1.0), is_outline(id, in.uv));
            }
            color = mix(color, label.rgb, alpha);
        }
    }
    return vec4f(to_target(color), 1.0);
}
