// Maximum intensity projection; bricks that cannot beat the maximum so far are jumped over.
#import fullscreen
#import ray

@group(0) @binding(0) var<uniform> u: RaycastUniforms;
@group(0) @binding(1) var volume_texture: texture_3d<f32>;
@group(0) @binding(2) var volume_sampler: sampler;
@group(0) @binding(5) var transfer_texture: texture_2d<f32>;
// Upper bound of the brick's place in the transfer function, in 255ths.
@group(0) @binding(6) var brick_texture: texture_3d<u32>;

@fragment
fn fs_main(in: Fullscreen) -> @location(0) vec4f {
    let ray = ray_of(in.uv, in.position.xy);
    if ray.num_steps <= 0.0 {
        return vec4f(0.0);
    }
    var best = 0.0;
    var step = 0.0;
    var brick_end = 0.0;
    loop {
        if step >= ray.num_steps || best >= 1.0 {
            break;
        }
        let pos_texel = u.eye_texel + ray.dir_texel * (ray.start + step * u.step_mm);
        if step >= brick_end {
            let brick = brick_at(pos_texel);
            brick_end = step_after(ray, brick, 1.0, step);
            if f32(textureLoad(brick_texture, brick, 0).r) <= best * 255.0 {
                step = brick_end;
                continue;
            }
        }
        best = max(best, transfer_place(pos_texel));
        step += 1.0;
    }
    return transfer_entry(best);
}
