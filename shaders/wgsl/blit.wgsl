// Puts the ray-cast picture (premultiplied) over what is there.
#import fullscreen
#import output

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var picture_sampler: sampler;

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let color = textureSampleLevel(picture, picture_sampler, in.uv, 0.0);
    return vec4f(to_target(color.rgb), color.a);
}
