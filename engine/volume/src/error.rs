/// What can be wrong with a volume's numbers. Each text is one sentence that a user can act on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// A side is zero, or the product of the sides does not fit.
    #[error("the dimensions {0:?} are not those of a volume; every side must be at least 1")]
    BadDims([usize; 3]),
    /// The number of voxels given is not the product of the sides.
    #[error("{given} voxels were given where the dimensions need {needed}")]
    VoxelCount {
        /// Voxels that the dimensions ask for.
        needed: usize,
        /// Voxels there are.
        given: usize,
    },
    /// The affine has a non-finite number.
    #[error(
        "the affine holds a value that is not a finite number (NaN or infinity); repair the header's sform or qform"
    )]
    NonFiniteAffine,
    /// The affine maps the volume onto a plane, a line or a point.
    #[error("the affine is singular (a voxel has no volume); repair the header's sform, qform or pixdim")]
    SingularAffine,
    /// Nothing remained after a crop to the foreground.
    #[error("no voxel lies inside the intensity window {0}…{1}, so there is no body to crop to")]
    EmptyForeground(f64, f64),
    /// The same after scaling to mean 0.
    #[error("no voxel lies above {0} after scaling, so there is no body to crop to")]
    EmptyForegroundZScore(f32),
    /// Preprocessing was asked for something impossible.
    #[error("the preprocessing settings cannot be used: {0}")]
    BadSpec(String),
    /// Nothing to preprocess.
    #[error("there is no image; name at least one file for each case")]
    NoChannel,
    /// Channels of one case that do not lie on top of one another.
    #[error("its channels lie on different grids ({first:?} and {other:?} voxels); resample them onto one grid")]
    ChannelGrid {
        /// Size of the first.
        first: [usize; 3],
        /// Size of the one that differs.
        other: [usize; 3],
    },
    /// The label map does not lie on the image.
    #[error(
        "its label map lies on another grid ({label:?} voxels) than the image ({image:?}); resample it onto the image"
    )]
    LabelGrid {
        /// Size of the image.
        image: [usize; 3],
        /// Size of the label map.
        label: [usize; 3],
    },
    /// Resampling would fill the memory.
    #[error(
        "at this recipe's spacing it would have {0} million voxels, more than fit in memory; check the spacing in its header"
    )]
    TooLarge(usize),
    /// The work was stopped from outside.
    #[error("cancelled")]
    Cancelled,
}
