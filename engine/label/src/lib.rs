//! What is done with labels: distances, connected components, morphology, and the comparison of two label maps.
//!
//! Everything works on plain voxels with i fastest. A [`Mask`] holds one label in one bit per voxel; a [`LabelMap`] holds all
//! labels of a volume. Distances are in millimetres and take the axes of the grid as perpendicular.

mod brick;
mod components;
mod distance;
mod error;
mod fill;
mod forest;
mod image;
mod lattice;
mod map;
mod mask;
pub mod mesh;
mod metrics;
mod morphology;
mod runs;
mod stats;
pub mod tools;
mod watch;

pub use brick::{BRICK, BRICK_ROWS, BRICK_VOXELS, Brick, BrickBits, BrickGrid, BrickMask, LabelVolume, MaskBrick};
pub use components::{Components, Connectivity};
pub use distance::{NO_VOXEL, Nearest, distance_mm, nearest, signed_distance_mm};
pub use error::LabelError;
pub use fill::fill_holes;
pub use image::{in_range, in_range_box, in_range_brick, read_image_box};
pub use lattice::{Lattice, VoxelBox};
pub use map::{LabelMap, LabelValues};
pub use mask::{Label, Mask};
pub use metrics::{
    ClassMetrics, ClassRule, Directed, MAX_CLASSES, MeanMetrics, Protocol, SurfaceDistances, SurfaceKind, evaluate,
    flare, present_labels, surface_distances,
};
pub use morphology::{Border, Element, close, dilate, erode, open};
pub use stats::{SegmentStats, segment_stats, stats_csv};
pub use watch::Watch;
