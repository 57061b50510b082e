// The surface where the values reach a threshold, found to a fraction of a step; empty bricks are jumped over.
#import fullscreen
#import ray
#import shading
#import layers

@group(0) @binding(0) var<uniform> u: RaycastUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
@group(0) @binding(2) var volume_sampler: sampler;
// 0 = the threshold may be reached; n = it is not within n − 1 bricks.
@group(0) @binding(6) var brick_texture: texture_3d<u32>;
@group(0) @binding(7) var occlusion_texture: texture_3d<f32>;
@group(0) @binding(8) var layer_colors: texture_2d_array<f32>;
@group(0) @binding(9) var layer_distances: texture_2d_array<f32>;

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let ray = ray_of(in.uv, in.position.xy);
    let pixel = in.position.xy;
    // One step beyond what hides the rest: the surface may lie between the last step and that.
    let num_steps = min(ray.num_steps, ceil((opaque_distance(pixel) - ray.start) / u.step_mm) + 1.0);
    var step = 0.0;
    var brick_end = 0.0;
    // The sample before lies below the threshold: the surface is between the two. Else the ray began, or came out of a gap, inside.
    var was_below = false;
    var is_hit = false;
    loop {
        if step >= num_steps {
            break;
        }
        if step >= ray.gap.x && step < ray.gap.y {
            step = ray.gap.y;
            was_below = false;
            continue;
        }
        let pos_texel = u.eye_texel + ray.dir_texel * (ray.start + step * u.step_mm);
        if step >= brick_end {
            let brick = brick_at(pos_texel);
            let empty = textureLoad(brick_texture, brick, 0).r;
            brick_end = step_after(ray, brick, f32(max(empty, 1u)), step);
            if empty != 0u {
                // The step before the next one lies in an empty brick.
                was_below = true;
                step = brick_end;
                continue;
            }
        }
        if texel_value(pos_texel) >= u.iso_texel {
            is_hit = true;
            break;
        }
        was_below = true;
        step += 1.0;
    }
    if !is_hit {
        return under_layers(vec4f(0.0), pixel, 0u, NO_LAYER * 0.5);
    }
    var distance = ray.start + step * u.step_mm;
    var cosine = 0.75;
    var light = 1.0;
    if was_below {
        var low = distance - u.step_mm;
        var high = distance;
        for (var n = 0; n < 7; n += 1) {
            let middle = 0.5 * (low + high);
            if texel_value(u.eye_texel + ray.dir_texel * middle) >= u.iso_texel {
                high = middle;
            } else {
                low = middle;
            }
        }
        distance = 0.5 * (low + high);
        let pos_texel = u.eye_texel + ray.dir_texel * distance;
        cosine = facing(smooth_gradient(pos_texel), ray);
        light = ambient_light(pos_texel, depth_of(step, ray), ray);
    }
    var surface = lit(u.iso_color, 1.0, cosine, light);
    if u.shaded == 0u {
        surface = u.iso_color * light;
    }
    // Layers before the surface; those behind are hidden.
    return under(under_layers(vec4f(0.0), pixel, 0u, distance), vec4f(surface, 1.0));
}
