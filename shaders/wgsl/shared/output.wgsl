// Colours are computed as they are shown (gamma space, like egui's). Only a target that encodes by itself needs light.
override TO_LINEAR: bool = false;

fn to_target(color: vec3f) -> vec3f {
    if TO_LINEAR {
        let high = pow((color + 0.055) / 1.055, vec3f(2.4));
        return select(high, color / 12.92, color <= vec3f(0.04045));
    }
    return color;
}
