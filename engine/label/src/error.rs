/// What can be wrong with labels. Each text is one sentence that goes on after the name of a file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A side is zero, or there are too many voxels or rows.
    #[error(
        "the dimensions {0:?} are not those of a label map; every side must be at least 1, with at most 4 billion voxels in at most 16 million rows"
    )]
    BadDims([usize; 3]),
    /// A spacing that is no length, or one that cannot be squared.
    #[error("the spacing {0:?} mm is not that of an image; each must lie between 0.000001 and 1000000 mm")]
    BadSpacing([f64; 3]),
    /// Not one value per voxel.
    #[error("{given} labels were given where the dimensions need {needed}")]
    Count {
        /// Voxels that the dimensions ask for.
        needed: usize,
        /// Values there are.
        given: usize,
    },
    /// Two masks or maps that do not lie on one grid.
    #[error("the dimensions {0:?} and {1:?} differ; resample one to the grid of the other")]
    OtherDims([usize; 3], [usize; 3]),
    /// A value that is no label.
    #[error("holds the value {0}, so this is an image and not a label map (whole numbers from 0 to 4294967295)")]
    NotALabel(f64),
    /// A value beyond what an edited label volume holds.
    #[error("holds the label {0}; labels that are edited go up to 65535, so give the segments smaller numbers")]
    AboveU16(u32),
    /// Somebody set the cancel flag.
    #[error("was cancelled")]
    Cancelled,
    /// Not one of an image's values per voxel.
    #[error("the image has the dimensions {0:?} and the labels {1:?}; resample one to the grid of the other")]
    OtherImage([usize; 3], [usize; 3]),
    /// A tool's setting that makes no sense.
    #[error("{0}")]
    BadSetting(&'static str),
    /// More labels than a label map has.
    #[error(
        "holds more than {} different labels, so this seems to be an image; choose the label map, or the classes to compare",
        crate::MAX_CLASSES
    )]
    TooManyLabels,
    /// The memory is not there.
    #[error("{0} MB of memory are needed and are not free; close other volumes or programs")]
    Memory(usize),
}

/// `count` copies of `value`, if they fit.
pub(crate) fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>, LabelError> {
    // Asked for and given back: `vec!` takes zeros from the system untouched, so that the threads that fill them share the
    // cost of making them; but it cannot fail.
    let mut probe = Vec::<T>::new();
    let bytes = count.saturating_mul(size_of::<T>());
    probe.try_reserve_exact(count).map_err(|_full| LabelError::Memory(bytes / 1_000_000))?;
    drop(probe);
    Ok(vec![value; count])
}
