use std::mem::offset_of;

use bytemuck::{Pod, Zeroable};

/// A struct as the shader sees it; the build stops if size, place or number of members differ.
macro_rules! uniforms {
    ($(#[$doc:meta])* $name:ident in $layout:ident { $($field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
        pub(crate) struct $name { $(pub $field: $ty,)* }

        const _: () = {
            use voco_shaders::$layout::$name as layout;
            assert!(size_of::<$name>() == layout::SIZE);
            assert!([$(stringify!($field)),*].len() == layout::NUM_MEMBERS);
            $(assert!(offset_of!($name, $field) == layout::offset::$field);)*
        };
    };
}

uniforms! {
    /// See `slice.wgsl`.
    SliceUniforms in slice {
        origin_texel: [f32; 3],
        window_gain: f32,
        right_texel: [f32; 3],
        window_bias: f32,
        down_texel: [f32; 3],
        label_opacity: f32,
        box_max_texel: [f32; 3],
        outline_px: f32,
        label_origin: [f32; 3],
        pixel_u: f32,
        label_right: [f32; 3],
        pixel_v: f32,
        label_down: [f32; 3],
        has_labels: u32,
        reference_origin: [f32; 3],
        comparison: u32,
        reference_right: [f32; 3],
        compared_class: u32,
        reference_down: [f32; 3],
        slab_mode: u32,
        slab_step_texel: [f32; 3],
        slab_count: u32,
        layer: u32,
        padding_a: u32,
        padding_b: u32,
        padding_c: u32,
    }
}

uniforms! {
    /// See `overlay.wgsl`.
    OverlayUniforms in overlay {
        origin_texel: [f32; 3],
        window_gain: f32,
        right_texel: [f32; 3],
        window_bias: f32,
        down_texel: [f32; 3],
        opacity: f32,
        box_max_texel: [f32; 3],
        low: f32,
        slab_step_texel: [f32; 3],
        high: f32,
        slab_mode: u32,
        slab_count: u32,
        additive: u32,
        mask: u32,
        size_px: [f32; 2],
        mask_size: f32,
        padding: f32,
    }
}

uniforms! {
    /// See `shared/ray.wgsl`, which all ray-casting passes share.
    RaycastUniforms in raycast {
        eye_texel: [f32; 3],
        step_mm: f32,
        forward_world: [f32; 3],
        value_gain: f32,
        right_world: [f32; 3],
        value_bias: f32,
        up_world: [f32; 3],
        label_alpha: f32,
        texel_from_world_x: [f32; 3],
        ambient: f32,
        texel_from_world_y: [f32; 3],
        diffuse: f32,
        texel_from_world_z: [f32; 3],
        specular: f32,
        box_min_texel: [f32; 3],
        occlusion: f32,
        box_max_texel: [f32; 3],
        shininess: f32,
        last_texel: [f32; 3],
        gradient_gain: f32,
        inverse_dims: [f32; 3],
        jitter: f32,
        label_from_texel_x: [f32; 3],
        shaded: u32,
        label_from_texel_y: [f32; 3],
        has_labels: u32,
        label_from_texel_z: [f32; 3],
        stop_alpha: f32,
        label_origin: [f32; 3],
        num_layers: u32,
        occlusion_scale: [f32; 3],
        occlusion_reach: f32,
        plane_a: [f32; 4],
        plane_b: [f32; 4],
        plane_c: [f32; 4],
        iso_color: [f32; 3],
        iso_texel: f32,
        cut_corner: u32,
        projection: u32,
        has_volume: u32,
        smooth_normals: u32,
        visible_from: f32,
        visible_to: f32,
        padding_b: u32,
        padding_c: u32,
    }
}

uniforms! {
    /// See `solid.wgsl`.
    SolidUniforms in solid {
        clip_x: [f32; 4],
        clip_y: [f32; 4],
        forward: [f32; 4],
        eye_mm: [f32; 3],
        ambient: f32,
        texel_x: [f32; 4],
        texel_y: [f32; 4],
        texel_z: [f32; 4],
        box_max_texel: [f32; 3],
        diffuse: f32,
        specular: f32,
        shininess: f32,
        window_gain: f32,
        window_bias: f32,
        plane_a: [f32; 4],
        plane_b: [f32; 4],
        plane_c: [f32; 4],
        crop_min: [f32; 3],
        cut_corner: u32,
        crop_max: [f32; 3],
        cut_surfaces: u32,
    }
}

/// One vertex of a surface, a slice or a line.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(crate) struct SolidVertex {
    pub pos_mm: [f32; 3],
    pub normal: [f32; 3],
}

/// What all vertices of one solid thing share.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(crate) struct SolidInstance {
    pub color: [f32; 4],
    pub kind: u32,
}

uniforms! {
    /// See `lines.wgsl`.
    LineUniforms in lines {
        size_px: [f32; 2],
        padding: [f32; 2],
    }
}

/// One line of the instance buffer, in pixels.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(crate) struct LineInstance {
    pub ends_px: [f32; 4],
    pub color: [u8; 4],
    pub width_px: f32,
}
