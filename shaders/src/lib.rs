//! The WGSL shaders, checked at build time, and their twins in plain Rust that tests compare pictures with.
//!
//! `build.rs` puts the imports in, validates each shader for the capabilities of every adapter, and writes one module
//! per shader with its source, its bindings and the layout of its uniforms; `voco_render` asserts that its structs agree.

pub mod compile;
pub mod cpu;

/// One resource that a shader is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// `@group`.
    pub group: u32,
    /// `@binding`.
    pub binding: u32,
    /// The variable's name.
    pub name: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// Name and source of every shader.
pub const ALL: [(&str, &str); 9] = [
    ("slice", slice::SOURCE),
    ("overlay", overlay::SOURCE),
    ("raycast", raycast::SOURCE),
    ("mip", mip::SOURCE),
    ("iso", iso::SOURCE),
    ("solid", solid::SOURCE),
    ("lines", lines::SOURCE),
    ("blit", blit::SOURCE),
    ("widgets", widgets::SOURCE),
];
