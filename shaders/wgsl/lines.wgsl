// Line segments as anti-aliased quads. Ends are given in pixels of the view, which no zoom makes imprecise.
#import output

struct LineUniforms {
    size_px: vec2f,
    padding: vec2f,
}

@group(0) @binding(0) var<uniform> u: LineUniforms;

struct LineVertex {
    @builtin(position) position: vec4f,
    @location(0) color: vec4f,
    // Distance from the middle of the line, px.
    @location(1) across: f32,
    @location(2) half_width: f32,
}

@vertex
fn vs_main(
    @builtin(vertex_index) index: u32,
    @location(0) ends: vec4f,
    @location(1) color: vec4f,
    @location(2) width: f32,
) -> LineVertex {
    let delta = ends.zw - ends.xy;
    let long = length(delta);
    let along = select(vec2f(1.0, 0.0), delta / max(long, 1e-6), long > 1e-6);
    let half_width = max(width, 1.0) * 0.5;
    let reach = half_width + 1.0;
    let side = select(-reach, reach, (index & 1u) == 1u);
    let end = select(ends.xy - along * half_width, ends.zw + along * half_width, index >= 2u);
    let at = end + vec2f(-along.y, along.x) * side;
    let ndc = vec2f(at.x / u.size_px.x * 2.0 - 1.0, 1.0 - at.y / u.size_px.y * 2.0);
    return LineVertex(vec4f(ndc, 0.0, 1.0), color, side, half_width);
}

@fragment
fn fs_main(in: LineVertex) -> @location(0) vec4f {
    let coverage = clamp(in.half_width + 0.5 - abs(in.across), 0.0, 1.0);
    let alpha = in.color.a * coverage;
    return vec4f(to_target(in.color.rgb) * alpha, alpha);
}
