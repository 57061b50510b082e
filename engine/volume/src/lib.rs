//! Volumes, their geometry in the patient, and the pure operations on them.
//!
//! Spaces used throughout: *voxel* (indices i, j, k of the file, centre of voxel 0 at 0) and *world* (patient
//! millimetres, RAS+: x grows to the patient's Right, y to Anterior, z to Superior). Voxels are stored with i fastest.

mod error;
mod geometry;
mod grid;
mod label;
mod orientation;
pub mod position;
mod preprocess;
mod resample;
mod restore;
mod review;
mod shared;
mod slice;
mod stats;
mod terms;
mod view;
mod volume;

pub use error::VolumeError;
pub use geometry::{Box3, Geometry};
pub use grid::Grid;
pub use label::{LabelColors, LabelEntry, LabelTable};
pub use orientation::{Anatomical, axis_codes, direction_letters};
pub use preprocess::{
    CropStyle, Frame, FrameWindow, Intensity, KeepChannels, Prepared, PreparedChannels, PreprocessSpec, Preprocessed,
    Recipe, Stage, prepare, prepare_channels, preprocess, restore_label,
};
pub use resample::{Interpolation, reduce_by};
pub use restore::{Part, Restore, Run};
pub use review::{Review, Status};
pub use shared::{Shared, Zeroed};
pub use slice::{SliceFrame, SlicePlane};
pub use stats::Stats;
pub use terms::{Code, Terms};
pub use view::PreparedView;
pub use volume::{Rescale, Volume, VoxelType, Voxels};
