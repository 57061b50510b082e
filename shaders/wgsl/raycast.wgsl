// Direct volume rendering, front to back; empty bricks are jumped over.
#import fullscreen
#import ray
#import label
#import shading
#import layers

// Known when the pipeline is made: software adapters run both sides of a branch, so what is not wanted must not be there.
override HAS_LABELS: bool = true;
override SMOOTH_NORMALS: bool = true;

@group(0) @binding(0) var<uniform> u: RaycastUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
@group(0) @binding(2) var volume_sampler: sampler;
@group(0) @binding(3) var label_texture: texture_3d<u32>;
@group(0) @binding(4) var label_colors: texture_2d<f32>;
// 0 = something may show; n = nothing shows within n − 1 bricks.
@group(0) @binding(6) var brick_texture: texture_3d<u32>;
@group(0) @binding(7) var occlusion_texture: texture_3d<f32>;
@group(0) @binding(8) var layer_colors: texture_2d_array<f32>;
@group(0) @binding(9) var layer_distances: texture_2d_array<f32>;
// Mean colour · extinction, and mean extinction per mm, between two values (their places in the transfer function).
@group(0) @binding(10) var pair_texture: texture_2d<f32>;

// What one step shows that leads from one value to the next: premultiplied colour and opacity. All values in between count, so
// thin shells of the transfer function are not stepped over.
fn step_entry(before: f32, place: f32) -> vec4f {
    let size = f32(textureDimensions(pair_texture).x);
    let at = (vec2f(place, before) * (size - 1.0) + 0.5) / size;
    let mean = textureSampleLevel(pair_texture, volume_sampler, at, 0.0);
    if mean.a < 1e-5 {
        return vec4f(0.0);
    }
    let alpha = 1.0 - exp(-mean.a * u.step_mm);
    return vec4f(mean.rgb / mean.a * alpha, alpha);
}

// Normal of a label's surface from its 26 neighbours at two distances, as a shading cosine.
fn label_facing(pos_label: vec3f, id: u32, ray: Ray) -> f32 {
    var inward = vec3f(0.0);
    for (var n = 0; n < 27; n += 1) {
        let offset = vec3f(vec3i(n % 3, (n / 3) % 3, n / 9) - 1);
        let weight = 1.0 / max(length(offset), 1.0);
        let near = select(0.0, weight, label_at(pos_label + offset) == id);
        let far = select(0.0, weight, label_at(pos_label + offset * 2.5) == id);
        inward += offset * (near + far);
    }
    let dir_label = u.label_from_texel_x * ray.dir_texel.x + u.label_from_texel_y * ray.dir_texel.y
        + u.label_from_texel_z * ray.dir_texel.z;
    return abs(dot(normalize(inward + 1e-6), normalize(dir_label)));
}

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let ray = ray_of(in.uv, in.position.xy);
    let pixel = in.position.xy;
    var sum = vec4f(0.0);
    var step = 0.0;
    var brick_end = 0.0;
    // The value of the sample before: 1 = there is none, 2 = it lies in a brick that was jumped over.
    var before = 0.0;
    var fresh = 1u;
    var entered_label = 0u;
    var label_cosine = 1.0;
    var layer = 0u;
    var next_layer = layer_distance(pixel, 0u);
    let num_steps = min(ray.num_steps, ceil((opaque_distance(pixel) - ray.start) / u.step_mm));
    loop {
        // On to the next sample that shows. Neighbouring rays wait for each other here and then shade together, which is
        // several times faster than each shading while the others search.
        var pos_texel = vec3f(0.0);
        var pos_label = vec3f(0.0);
        var entry = vec4f(0.0);
        var label = vec4f(0.0);
        var id = 0u;
        loop {
            if step >= num_steps {
                break;
            }
            if step >= ray.gap.x && step < ray.gap.y {
                step = ray.gap.y;
                fresh = 1u;
                continue;
            }
            pos_texel = u.eye_texel + ray.dir_texel * (ray.start + step * u.step_mm);
            if step >= brick_end {
                let brick = brick_at(pos_texel);
                let empty = textureLoad(brick_texture, brick, 0).r;
                brick_end = step_after(ray, brick, f32(max(empty, 1u)), step);
                if empty != 0u {
                    step = brick_end;
                    fresh = 2u;
                    continue;
                }
            }
            let place = transfer_place(pos_texel);
            if fresh == 1u {
                before = place;
            } else if fresh == 2u {
                before = transfer_place(pos_texel - ray.dir_texel * u.step_mm);
            }
            fresh = 0u;
            entry = vec4f(0.0);
            if max(before, place) > u.visible_from && min(before, place) < u.visible_to {
                entry = step_entry(before, place);
            }
            before = place;
            if HAS_LABELS {
                pos_label = u.label_origin + u.label_from_texel_x * pos_texel.x + u.label_from_texel_y * pos_texel.y
                    + u.label_from_texel_z * pos_texel.z;
                id = label_at(pos_label);
                label = vec4f(0.0);
                if id != 0u {
                    label = label_color(id);
                }
                if label.a == 0.0 {
                    entered_label = 0u;
                }
            }
            if entry.a > 0.0 || label.a > 0.0 {
                break;
            }
            step += 1.0;
        }
        if step >= num_steps {
            break;
        }
        // Surfaces and slices that lie before this sample.
        while next_layer <= ray.start + step * u.step_mm {
            sum = under(sum, layer_color(pixel, layer));
            layer += 1u;
            next_layer = layer_distance(pixel, layer);
        }
        var sample_color = entry.rgb;
        var sample_alpha = entry.a;
        let depth = depth_of(step, ray);
        let light = ambient_light(pos_texel, depth, ray);
        if u.shaded != 0u {
            var cosine = 0.5;
            // What adds next to nothing need not be lit exactly, what makes the most of the pixel is lit best.
            let share = sample_alpha * (1.0 - sum.a);
            if SMOOTH_NORMALS && share > 0.2 {
                cosine = facing(smooth_gradient(pos_texel), ray);
            } else if share > 0.004 {
                cosine = facing(gradient(pos_texel), ray);
            }
            cosine = mix(CUT_COSINE, cosine, clamp(depth / LIT_MM, 0.0, 1.0));
            sample_color = lit(entry.rgb, entry.a, cosine, light);
        } else {
            sample_color *= light;
        }
        if HAS_LABELS && label.a > 0.0 {
            // One normal for each surface that the ray crosses, not for each sample behind it.
            if id != entered_label {
                entered_label = id;
                label_cosine = label_facing(pos_label, id, ray);
            }
            let label_alpha = label.a * u.label_alpha;
            let label_rgb = lit(label.rgb * label_alpha, label_alpha, label_cosine, light);
            sample_color = label_rgb + sample_color * (1.0 - label_alpha);
            sample_alpha = label_alpha + sample_alpha * (1.0 - label_alpha);
        }
        sum = under(sum, vec4f(sample_color, sample_alpha));
        step += 1.0;
        if sum.a >= u.stop_alpha {
            // What lies behind is not followed: let nothing shine through either.
            return vec4f(sum.rgb / sum.a, 1.0);
        }
    }
    return under_layers(sum, pixel, layer, NO_LAYER * 0.5);
}
