// Surfaces, slices and lines in 3D, one layer of them: the nearest one that lies behind the layer before.
struct SolidUniforms {
    // From mm beside the eye to clip space; the depth is reversed and has no far end.
    clip_x: vec4f,
    clip_y: vec4f,
    forward: vec4f,
    eye_mm: vec3f,
    ambient: f32,
    // Affine from world mm to texels of the volume, by rows.
    texel_x: vec4f,
    texel_y: vec4f,
    texel_z: vec4f,
    box_max_texel: vec3f,
    diffuse: f32,
    specular: f32,
    shininess: f32,
    // texel · gain + bias = grey, 0…1
    window_gain: f32,
    window_bias: f32,
    // As for rays: planes in texels, and whether only their common corner is cut away.
    plane_a: vec4f,
    plane_b: vec4f,
    plane_c: vec4f,
    crop_min: vec3f,
    cut_corner: u32,
    crop_max: vec3f,
    // 1: surfaces are cut as the volume is.
    cut_surfaces: u32,
}

const SURFACE: u32 = 0u;
const SLICE: u32 = 1u;
const LINE: u32 = 2u;

@group(0) @binding(0) var<uniform> u: SolidUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
// Distances of the layer before; 0 where there was none.
@group(0) @binding(2) var layer_before: texture_2d<f32>;

#import volume

struct Solid {
    @builtin(position) position: vec4f,
    // From the eye, mm.
    @location(0) offset: vec3f,
    // Of a line: place across it and half its width, px.
    @location(1) normal: vec3f,
    @location(2) color: vec4f,
    @location(3) @interpolate(flat) kind: u32,
}

@vertex
fn vs_main(
    @location(0) pos_mm: vec3f,
    @location(1) normal: vec3f,
    @location(2) color: vec4f,
    @location(3) kind: u32,
) -> Solid {
    let offset = pos_mm - u.eye_mm;
    let along = dot(u.forward.xyz, offset);
    let position = vec4f(dot(u.clip_x.xyz, offset), dot(u.clip_y.xyz, offset), u.forward.w, along);
    return Solid(position, offset, normal, color, kind);
}

struct Layer {
    @location(0) color: vec4f,
    @location(1) distance: f32,
}

fn is_cut(pos_texel: vec3f) -> bool {
    let at = vec4f(pos_texel, 1.0);
    let below = vec3<bool>(dot(u.plane_a, at) < 0.0, dot(u.plane_b, at) < 0.0, dot(u.plane_c, at) < 0.0);
    let is_behind = select(any(below), all(below), u.cut_corner != 0u);
    return is_behind || any(pos_texel < u.crop_min) || any(pos_texel > u.crop_max);
}

@fragment
fn fs_main(in: Solid) -> Layer {
    let distance = length(in.offset);
    let before = textureLoad(layer_before, min(vec2u(in.position.xy), textureDimensions(layer_before) - 1u), 0).r;
    if distance <= before * 1.00001 + select(0.0, 1e-3, before > 0.0) {
        discard;
    }
    let at = vec4f(in.offset + u.eye_mm, 1.0);
    let pos_texel = vec3f(dot(u.texel_x, at), dot(u.texel_y, at), dot(u.texel_z, at));
    var color = in.color.rgb;
    var alpha = in.color.a;
    if in.kind == LINE {
        alpha *= clamp(in.normal.y + 0.5 - abs(in.normal.x), 0.0, 1.0);
    } else if in.kind == SLICE {
        if any(pos_texel < vec3f(-0.5)) || any(pos_texel > u.box_max_texel) {
            discard;
        }
        color = vec3f(clamp(sample_volume(pos_texel) * u.window_gain + u.window_bias, 0.0, 1.0));
    } else {
        if u.cut_surfaces != 0u && is_cut(pos_texel) {
            discard;
        }
        let cosine = abs(dot(normalize(in.normal), in.offset)) / distance;
        let highlight = u.specular * pow(cosine, u.shininess);
        color = min(color * (u.ambient + u.diffuse * cosine) + highlight, vec3f(1.0));
    }
    if alpha < 0.004 {
        discard;
    }
    return Layer(vec4f(color * alpha, alpha), distance);
}
