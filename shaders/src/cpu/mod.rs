//! What the shaders compute, in plain Rust and `f32`. For tests: clear rather than fast.

mod composite;
mod label;
mod sample;
mod slab;

pub use composite::{Lighting, Projection, Ray, average, composite, facing, minip, mip, ray_box};
pub use label::nearest_label;
pub use sample::{Texels, window_level};
pub use slab::{SlabMode, slab_value};
