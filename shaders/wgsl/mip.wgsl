// Greatest, least or mean value along the ray; bricks that cannot beat what was found so far are jumped over.
#import fullscreen
#import ray
#import layers

@group(0) @binding(0) var<uniform> u: RaycastUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
@group(0) @binding(2) var volume_sampler: sampler;
@group(0) @binding(5) var transfer_texture: texture_2d<f32>;
// Bound of the brick's place in the transfer function, in 255ths: the upper one, or the lower one for the least value.
@group(0) @binding(6) var brick_texture: texture_3d<u32>;
@group(0) @binding(8) var layer_colors: texture_2d_array<f32>;
@group(0) @binding(9) var layer_distances: texture_2d_array<f32>;

fn transfer_entry(place: f32) -> vec4f {
    return textureLoad(transfer_texture, vec2u(u32(place * 1023.0 + 0.5), 0u), 0);
}

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let ray = ray_of(in.uv, in.position.xy);
    // A projection has no depth: solid things lie over it.
    let over = under_layers(vec4f(0.0), in.position.xy, 0u, NO_LAYER * 0.5);
    if u.projection == 1u {
        return under(over, least_along(ray));
    }
    var best = 0.0;
    var sum = 0.0;
    var count = 0.0;
    var step = 0.0;
    var brick_end = 0.0;
    loop {
        if step >= ray.num_steps {
            break;
        }
        if step >= ray.gap.x && step < ray.gap.y {
            step = ray.gap.y;
            continue;
        }
        let pos_texel = u.eye_texel + ray.dir_texel * (ray.start + step * u.step_mm);
        count += 1.0;
        if u.projection == 2u {
            sum += transfer_place(pos_texel);
            step += 1.0;
            continue;
        }
        if step >= brick_end {
            let brick = brick_at(pos_texel);
            brick_end = step_after(ray, brick, 1.0, step);
            if f32(textureLoad(brick_texture, brick, 0).r) <= best * 255.0 && count > 1.0 {
                step = brick_end;
                continue;
            }
        }
        best = max(best, transfer_place(pos_texel));
        step += 1.0;
        if best == 1.0 {
            break;
        }
    }
    if count == 0.0 {
        return over;
    }
    return under(over, transfer_entry(select(best, sum / max(count, 1.0), u.projection == 2u)));
}

// A ray that is cut in something as dark as this is cut in the air around the body.
const OUTSIDE: f32 = 0.2;
// White that encloses something is at least this thick, mm: a chest's wall is, a table's shell is not.
const WALL_MM: f32 = 10.0;

// The least value that something white encloses along the ray: the air in front of a body and behind it would hide all that is
// dark within. A ray that is cut, rather than at the end of the volume, begins and ends within, unless it does so in air.
fn least_along(ray: Ray) -> vec4f {
    var best = 1.0;
    // The least value since something white, which counts once there is more of it.
    var pending = 1.0;
    var white_steps = 0.0;
    var is_inside = false;
    var was_inside = false;
    var last = 0.0;
    var is_first = !is_outermost(ray, 0.0);
    var step = 0.0;
    var brick_end = 0.0;
    loop {
        if step >= ray.num_steps {
            break;
        }
        if step >= ray.gap.x && step < ray.gap.y {
            if is_inside && last > OUTSIDE {
                best = min(best, pending);
            }
            pending = 1.0;
            white_steps = 0.0;
            is_inside = false;
            is_first = true;
            step = ray.gap.y;
            continue;
        }
        let pos_texel = u.eye_texel + ray.dir_texel * (ray.start + step * u.step_mm);
        var next = step + 1.0;
        var bound = 0.0;
        if step >= brick_end {
            let brick = brick_at(pos_texel);
            brick_end = step_after(ray, brick, 1.0, step);
            bound = f32(textureLoad(brick_texture, brick, 0).r) / 255.0;
        }
        // A brick that is white, or one without anything that would count, is passed at once.
        if bound == 1.0 || (is_inside && min(bound, pending) >= best) {
            last = bound;
            next = brick_end;
        } else {
            last = transfer_place(pos_texel);
        }
        is_inside = is_inside || (is_first && last > OUTSIDE);
        is_first = false;
        if last >= 1.0 {
            white_steps += next - step;
            if white_steps * u.step_mm >= WALL_MM {
                best = min(best, pending);
                pending = 1.0;
                is_inside = true;
            }
        } else {
            white_steps = 0.0;
            pending = select(pending, min(pending, last), is_inside);
        }
        was_inside = was_inside || is_inside;
        step = next;
        if best == 0.0 {
            break;
        }
    }
    if is_inside && last > OUTSIDE && !is_outermost(ray, ray.num_steps) {
        best = min(best, pending);
    }
    if !was_inside {
        return vec4f(0.0);
    }
    return transfer_entry(best);
}

// Whether a step along the ray is one of the first or last within the whole volume.
fn is_outermost(ray: Ray, step: f32) -> bool {
    let pos_texel = u.eye_texel + ray.dir_texel * (ray.start + step * u.step_mm);
    let margin = 1.0 + abs(ray.dir_texel) * u.step_mm;
    return any(pos_texel < margin) || any(pos_texel > u.last_texel - margin);
}
