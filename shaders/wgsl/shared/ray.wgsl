// What the ray-casting passes share: uniforms, the ray of a pixel, and the walk over bricks.
struct RaycastUniforms {
    eye_texel: vec3f,
    step_mm: f32,
    forward_world: vec3f,
    // texel · gain + bias = place in the transfer function, 0…1
    value_gain: f32,
    // To the right edge and the upper edge of the view, at distance 1.
    right_world: vec3f,
    value_bias: f32,
    up_world: vec3f,
    // Opacity of a label over one step.
    label_alpha: f32,
    // Columns of the linear map from world mm to texels.
    texel_from_world_x: vec3f,
    ambient: f32,
    texel_from_world_y: vec3f,
    diffuse: f32,
    texel_from_world_z: vec3f,
    specular: f32,
    // What is shown: the volume, or the part of it in the crop box.
    box_min_texel: vec3f,
    // Share of light that occlusion may take away.
    occlusion: f32,
    box_max_texel: vec3f,
    shininess: f32,
    last_texel: vec3f,
    // 1 / the gradient (texel units per mm) from which on shading counts in full
    gradient_gain: f32,
    inverse_dims: vec3f,
    jitter: f32,
    // Affine from texels of the image to voxels of the label map.
    label_from_texel_x: vec3f,
    shaded: u32,
    label_from_texel_y: vec3f,
    has_labels: u32,
    label_from_texel_z: vec3f,
    stop_alpha: f32,
    label_origin: vec3f,
    // Layers of solid things that the picture is put together with.
    num_layers: u32,
    // (pos_texel + ½) · this = place in the occlusion texture, 0…1
    occlusion_scale: vec3f,
    // How far out of a surface its occlusion is read, texels of the volume per unit normal in texels.
    occlusion_reach: f32,
    // Planes that cut: what has dot(xyz, pos_texel) + w < 0 is cut away. Unused ones are (0, 0, 0, 1).
    plane_a: vec4f,
    plane_b: vec4f,
    plane_c: vec4f,
    // Straight colour of the isosurface and its texel value.
    iso_color: vec3f,
    iso_texel: f32,
    // 1: only what all planes cut is cut away.
    cut_corner: u32,
    // Of projections: 0 greatest, 1 least, 2 mean.
    projection: u32,
    // 0: nothing of the volume is drawn.
    has_volume: u32,
    // 1: what makes the most of a pixel is lit by smoothed gradients.
    smooth_normals: u32,
    // Places in the transfer function outside of which nothing shows.
    visible_from: f32,
    visible_to: f32,
    padding_b: u32,
    padding_c: u32,
}

const BRICK: f32 = 8.0;

struct Ray {
    // World mm to texels along the ray: the parameter of every ray is millimetres.
    dir_texel: vec3f,
    inverse_dir: vec3f,
    start: f32,
    num_steps: f32,
    // Steps from the first of these up to the second lie in the corner that is cut away.
    gap: vec2f,
}

fn ray_of(uv: vec2f, pixel: vec2f) -> Ray {
    let dir_world = normalize(u.forward_world + u.right_world * (uv.x * 2.0 - 1.0) + u.up_world * (1.0 - uv.y * 2.0));
    let map = mat3x3f(u.texel_from_world_x, u.texel_from_world_y, u.texel_from_world_z);
    var dir = map * dir_world;
    // A component of 0 would make the slabs below 0 · infinity.
    dir = select(dir, vec3f(1e-6), abs(dir) < vec3f(1e-6));
    let inverse = 1.0 / dir;
    var span = ray_box(inverse);
    var gap = vec2f(0.0);
    if u.cut_corner == 0u {
        span = cut(span, u.plane_a, dir);
        span = cut(span, u.plane_b, dir);
        span = cut(span, u.plane_c, dir);
    } else {
        gap = cut(cut(cut(vec2f(0.0, 1e9), -u.plane_a, dir), -u.plane_b, dir), -u.plane_c, dir);
    }
    // Interleaved gradient noise hides the rings that equal starts leave on smooth surfaces.
    let noise = fract(52.9829189 * fract(dot(pixel, vec2f(0.06711056, 0.00583715))));
    let start = span.x + u.step_mm * mix(0.5, noise, u.jitter);
    let num_steps = select(0.0, ceil((span.y - start) / u.step_mm), u.has_volume != 0u);
    gap = select(vec2f(-1.0), ceil((gap - start) / u.step_mm), u.cut_corner != 0u && gap.y > gap.x);
    return Ray(dir, inverse, start, num_steps, gap);
}

// Distances at which the ray enters and leaves the volume; leaving before entering means it misses.
fn ray_box(inverse_dir: vec3f) -> vec2f {
    let a = (u.box_min_texel - u.eye_texel) * inverse_dir;
    let b = (u.box_max_texel - u.eye_texel) * inverse_dir;
    let near = min(a, b);
    let far = max(a, b);
    return vec2f(max(max(near.x, near.y), max(near.z, 0.0)), min(far.x, min(far.y, far.z)));
}

// The part of a stretch of the ray that lies where the plane keeps.
fn cut(span: vec2f, plane: vec4f, dir_texel: vec3f) -> vec2f {
    let height = dot(plane.xyz, u.eye_texel) + plane.w;
    let rise = dot(plane.xyz, dir_texel);
    if abs(rise) < 1e-9 {
        return select(span, vec2f(1e9, -1e9), height < 0.0);
    }
    let at = -height / rise;
    return select(vec2f(span.x, min(span.y, at)), vec2f(max(span.x, at), span.y), rise > 0.0);
}

fn brick_at(pos_texel: vec3f) -> vec3i {
    return vec3i(clamp(pos_texel, vec3f(0.0), u.last_texel) / BRICK);
}

// First step outside the cube of bricks within `reach` − 1 of `brick`. Always at least one step on.
fn step_after(ray: Ray, brick: vec3i, reach: f32, step: f32) -> f32 {
    let corner = select(vec3f(brick) + (1.0 - reach), vec3f(brick) + reach, ray.dir_texel > vec3f(0.0)) * BRICK;
    let exit = (corner - u.eye_texel) * ray.inverse_dir;
    return max(step + 1.0, ceil((min(exit.x, min(exit.y, exit.z)) - ray.start) / u.step_mm));
}

fn texel_value(pos_texel: vec3f) -> f32 {
    return textureSampleLevel(volume_texture, volume_sampler, (pos_texel + 0.5) * u.inverse_dims, 0.0).r;
}

// Place of a sampled value in the transfer function, 0…1.
fn transfer_place(pos_texel: vec3f) -> f32 {
    return clamp(texel_value(pos_texel) * u.value_gain + u.value_bias, 0.0, 1.0);
}
