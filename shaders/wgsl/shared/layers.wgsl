// Solid things (surfaces, slices, lines) as layers sorted by distance, put together with what a ray sees of the volume.
// Needs `layer_colors`, `layer_distances` and the uniforms of a ray.
const NO_LAYER: f32 = 1e30;

// Distance along the ray at which the layer lies, mm; NO_LAYER if there is none.
fn layer_distance(pixel: vec2f, layer: u32) -> f32 {
    if layer >= u.num_layers {
        return NO_LAYER;
    }
    let distance = textureLoad(layer_distances, vec2u(pixel), layer, 0).r;
    return select(distance, NO_LAYER, distance <= 0.0);
}

// Premultiplied.
fn layer_color(pixel: vec2f, layer: u32) -> vec4f {
    return textureLoad(layer_colors, vec2u(pixel), layer, 0);
}

// `below` under what is there so far.
fn under(above: vec4f, below: vec4f) -> vec4f {
    return above + below * (1.0 - above.a);
}

// All layers from `first` on, up to `until` mm, under what is there so far.
fn under_layers(above: vec4f, pixel: vec2f, first: u32, until: f32) -> vec4f {
    var sum = above;
    for (var n = first; n < u.num_layers; n += 1u) {
        if layer_distance(pixel, n) > until {
            break;
        }
        sum = under(sum, layer_color(pixel, n));
    }
    return sum;
}

// Where the first layer lies that nothing shines through.
fn opaque_distance(pixel: vec2f) -> f32 {
    for (var n = 0u; n < u.num_layers; n += 1u) {
        let distance = layer_distance(pixel, n);
        if distance >= NO_LAYER || layer_color(pixel, n).a >= 0.995 {
            return distance;
        }
    }
    return NO_LAYER;
}
