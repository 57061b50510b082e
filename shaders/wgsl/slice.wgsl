// One slice: windowed image, label map over it; or the label map (a prediction) against a reference.
#import fullscreen
#import output
#import volume
#import slab
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
    // Width of the edges of labels; 0 where the whole area is shown.
    outline_px: f32,
    label_origin: vec3f,
    pixel_u: f32,
    label_right: vec3f,
    pixel_v: f32,
    label_down: vec3f,
    has_labels: u32,
    reference_origin: vec3f,
    // 0: no comparison, 1: two outlines, 2: colours of agreement and difference.
    comparison: u32,
    reference_right: vec3f,
    // The class that is compared; 0 for all of them.
    compared_class: u32,
    reference_down: vec3f,
    // 0: one slice, 1: greatest, 2: least value, 3: mean over the slab.
    slab_mode: u32,
    // From one sample of the slab to the next.
    slab_step_texel: vec3f,
    slab_count: u32,
    // 0: everything, 1: image alone, 2: labels alone over what is there.
    layer: u32,
    padding_a: u32,
    padding_b: u32,
    padding_c: u32,
}

@group(0) @binding(0) var<uniform> u: SliceUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
@group(0) @binding(2) var label_texture: texture_3d<u32>;
@group(0) @binding(3) var label_colors: texture_2d<f32>;
@group(0) @binding(4) var reference_texture: texture_3d<u32>;

// Okabe and Ito's colours, told apart with any colour vision; `voco_render::ComparisonColors` has the same.
const AGREEMENT = vec3f(0.0, 158.0, 115.0) / 255.0;
const PREDICTION_ONLY = vec3f(230.0, 159.0, 0.0) / 255.0;
const REFERENCE_ONLY = vec3f(86.0, 180.0, 233.0) / 255.0;
const OTHER_CLASS = vec3f(204.0, 121.0, 167.0) / 255.0;

fn label_at_uv(uv: vec2f) -> u32 {
    return label_at(u.label_origin + u.label_right * uv.x + u.label_down * uv.y);
}

fn is_other_across(id: u32, uv: vec2f, step_px: vec2f) -> bool {
    let step = step_px * vec2f(u.pixel_u, u.pixel_v);
    return label_at_uv(uv + step) != id || label_at_uv(uv - step) != id;
}

// How much of a pixel the outline covers; it lies within its label, so neighbours do not hide one another's. The ring where another
// label begins tells how deep within it the pixel lies.
fn outline_cover(id: u32, uv: vec2f) -> f32 {
    for (var ring = 1.0; ring < u.outline_px + 1.0; ring += 1.0) {
        var is_edge = is_other_across(id, uv, vec2f(ring, 0.0)) || is_other_across(id, uv, vec2f(0.0, ring));
        if ring > 1.0 && !is_edge {
            let slant = ring * 0.7071068;
            is_edge = is_other_across(id, uv, vec2f(slant, slant)) || is_other_across(id, uv, vec2f(slant, -slant));
        }
        if is_edge {
            return min(u.outline_px - ring + 1.0, 1.0);
        }
    }
    return 0.0;
}

fn compared(id: u32) -> u32 {
    return select(0u, id, u.compared_class == 0u || id == u.compared_class);
}

fn prediction_at_uv(uv: vec2f) -> u32 {
    return compared(label_at_uv(uv));
}

fn reference_at_uv(uv: vec2f) -> u32 {
    let pos = u.reference_origin + u.reference_right * uv.x + u.reference_down * uv.y;
    let at = vec3i(floor(pos + 0.5));
    if any(at < vec3i(0)) || any(at >= vec3i(textureDimensions(reference_texture))) {
        return 0u;
    }
    return compared(textureLoad(reference_texture, at, 0).r);
}

// The outline lies just inside of what it surrounds; one pixel is thin on large screens, so it takes two.
fn compare(image: vec3f, uv: vec2f) -> vec3f {
    let prediction = prediction_at_uv(uv);
    let reference = reference_at_uv(uv);
    if u.comparison == 2u {
        if prediction == 0u && reference == 0u {
            return image;
        }
        if prediction == reference {
            return mix(image, AGREEMENT, u.label_opacity * 0.6);
        }
        var color = OTHER_CLASS;
        color = select(color, PREDICTION_ONLY, reference == 0u);
        color = select(color, REFERENCE_ONLY, prediction == 0u);
        return mix(image, color, min(u.label_opacity * 2.0, 1.0));
    }
    var prediction_edge = false;
    var reference_edge = false;
    for (var n = 0u; n < 4u; n += 1u) {
        let side = select(-1.5, 1.5, (n & 1u) == 0u);
        let at = uv + select(vec2f(0.0, side * u.pixel_v), vec2f(side * u.pixel_u, 0.0), n < 2u);
        prediction_edge = prediction_edge || (prediction != 0u && prediction_at_uv(at) != prediction);
        reference_edge = reference_edge || (reference != 0u && reference_at_uv(at) != reference);
    }
    let strength = min(u.label_opacity * 2.5, 1.0);
    if prediction_edge && reference_edge {
        return mix(image, vec3f(1.0), strength);
    }
    if reference_edge {
        return mix(image, REFERENCE_ONLY, strength);
    }
    return mix(image, PREDICTION_ONLY, select(0.0, strength, prediction_edge));
}

// A thin slice alone, which most views show: programs on the CPU run every branch of a shader, taken or not.
@fragment
fn fs_plain(in: Fullscreen) -> @location(0) vec4f {
    return vec4f(to_target(thin_slice(in.uv)), 1.0);
}

// A thin slice with a label map over it.
@fragment
fn fs_labels(in: Fullscreen) -> @location(0) vec4f {
    let image = thin_slice(in.uv);
    let label = label_color(label_at_uv(in.uv));
    return vec4f(to_target(mix(image, label.rgb, label.a * u.label_opacity)), 1.0);
}

fn thin_slice(uv: vec2f) -> vec3f {
    let pos_texel = u.origin_texel + u.right_texel * uv.x + u.down_texel * uv.y;
    let is_inside = all(pos_texel >= vec3f(-0.5)) && all(pos_texel < u.box_max_texel);
    let value = clamp(sample_volume(pos_texel) * u.window_gain + u.window_bias, 0.0, 1.0);
    return vec3f(select(0.0, value, is_inside));
}

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let pos_texel = u.origin_texel + u.right_texel * in.uv.x + u.down_texel * in.uv.y;
    var color = vec3f(0.0);
    let value = slab_value(pos_texel);
    if value.y != 0.0 {
        color = vec3f(clamp(value.x * u.window_gain + u.window_bias, 0.0, 1.0));
    }
    if u.layer == 1u {
        return vec4f(to_target(color), 1.0);
    }
    if u.layer == 2u {
        // What is laid over black and over white tells colour and opacity, whatever the rule.
        let black = labels_over(vec3f(0.0), in.uv);
        let white = labels_over(vec3f(1.0), in.uv);
        let alpha = 1.0 - (white.r - black.r + white.g - black.g + white.b - black.b) / 3.0;
        return vec4f(to_target(black), alpha);
    }
    return vec4f(to_target(labels_over(color, in.uv)), 1.0);
}

fn labels_over(image: vec3f, uv: vec2f) -> vec3f {
    var color = image;
    if u.comparison != 0u {
        color = compare(color, uv);
    } else if u.has_labels != 0u {
        let id = label_at_uv(uv);
        if id != 0u {
            let label = label_color(id);
            var alpha = label.a * u.label_opacity;
            if u.outline_px > 0.0 {
                // A thin line needs more weight than an area to be seen.
                alpha = min(alpha * 2.5, 1.0) * outline_cover(id, uv);
            }
            color = mix(color, label.rgb, alpha);
        }
    }
    return color;
}
