//! Draws volumes with wgpu: slices, ray-cast 3D views, label maps and lines. No window system: the caller brings the device
//! (or [`RenderContext::headless`] makes one) and, in a window, the render pass.
//!
//! Colours leave the shaders as they are shown (gamma space, as egui's do): a slice's grey is the window's linear ramp.
//! Spaces: *world* (RAS+ mm), *voxel* (the file's grid), *texel* (the uploaded grid; the same unless it was reduced).

mod bricks;
mod camera;
mod context;
mod error;
mod gpu_data;
mod lines;
mod occlusion;
mod overlay;
mod pipelines;
mod presets;
mod readback;
mod renderer;
mod resources;
mod slice_view;
mod transfer_function;
mod view_state;
mod volume_view;

#[cfg(test)]
mod gpu_tests;

pub use camera::VolumeCamera;
pub use context::RenderContext;
pub use error::RenderError;
pub use lines::Line;
pub use occlusion::OcclusionTexture;
pub use overlay::{ColorMap, Mask, Overlay};
pub use renderer::{Quality, Renderer};
pub use resources::{LabelTexture, PreparedVolume, Reduction, UploadLimits, VolumeTexture};
pub use slice_view::{
    Comparison, ComparisonColors, ComparisonStyle, Slab, SlabMode, SliceLabels, SliceLook, SliceView,
};
pub use transfer_function::{Lighting, RenderMode, TransferFunction};
pub use view_state::ViewState;
pub use volume_view::{Clip, ClipPlane, SliceIn3d, Surface, SurfaceMesh, VolumeLook, VolumeView};
