//! Support for the cross-crate tests: fixtures, tolerances, headless adapters, comparison of pictures.

pub mod approx;
pub mod fixtures;
pub mod golden;
pub mod gpu;
pub mod stage;
