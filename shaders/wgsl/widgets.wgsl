// egui's triangles, for adapters that are programs on the CPU. Those run every branch of a shader, taken or not, and egui's own
// shader has a second way to filter textures and dithering in one; what a triangle does not need is left out here.

struct WidgetsUniforms {
    size_points: vec2f,
    padding: vec2f,
}

@group(0) @binding(0) var<uniform> u: WidgetsUniforms;
@group(1) @binding(0) var texture: texture_2d<f32>;
@group(1) @binding(1) var texture_sampler: sampler;

struct Corner {
    @builtin(position) position: vec4f,
    @location(0) uv: vec2f,
    // Premultiplied, in gamma space.
    @location(1) color: vec4f,
}

@vertex
fn vs_main(@location(0) at_points: vec2f, @location(1) uv: vec2f, @location(2) color: u32) -> Corner {
    let at = at_points / u.size_points;
    return Corner(vec4f(2.0 * at.x - 1.0, 1.0 - 2.0 * at.y, 0.0, 1.0), uv, unpack4x8unorm(color));
}

@fragment
fn fs_textured(in: Corner) -> @location(0) vec4f {
    return in.color * textureSampleLevel(texture, texture_sampler, in.uv, 0.0);
}

@fragment
fn fs_plain(in: Corner) -> @location(0) vec4f {
    return in.color;
}
