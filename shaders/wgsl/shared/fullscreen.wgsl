// A triangle over the whole viewport; `uv` runs from (0, 0) at its top left to (1, 1) at its bottom right.
struct Fullscreen {
    @builtin(position) position: vec4f,
    @location(0) uv: vec2f,
}

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> Fullscreen {
    let uv = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return Fullscreen(vec4f(uv.x * 2.0 - 1.0, 1.0 - uv.y * 2.0, 0.0, 1.0), uv);
}
