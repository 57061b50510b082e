//! What can go wrong in this crate, with the numbers a message needs.

/// An error of weight files, optimiser state or input shapes.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// The bytes are no readable safetensors container.
    #[error("the weights are not a readable safetensors file: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// A tensor has a number format that cannot become f32.
    #[error("tensor `{key}` is stored as {dtype}, which is not a floating point format")]
    DataType {
        /// Name in the file.
        key: String,
        /// Number format as the file calls it.
        dtype: String,
    },
    /// Not one tensor of the file belongs to the network: loading it silently
    /// would leave random weights that look like pre-trained ones.
    #[error(
        "none of the {found} tensors in the file belongs to this network \
         (the file has `{example_found}`, the network `{example_expected}`)"
    )]
    NothingMatched {
        /// Tensors in the file.
        found: usize,
        /// First key of the file.
        example_found: String,
        /// First key of the network.
        example_expected: String,
    },
    /// A tensor of the file could not be fetched.
    #[error("tensor `{key}` cannot be read: {reason}")]
    Unreadable {
        /// Name in the file.
        key: String,
        /// Why.
        reason: String,
    },
    /// The keys and shapes of the file are those of no network here.
    #[error("no known network has these weights: {reason}")]
    UnknownArchitecture {
        /// What does not fit.
        reason: String,
    },
    /// Saved optimiser state is incomplete.
    #[error("the optimiser state lacks `{key}`")]
    OptimizerState {
        /// The missing tensor.
        key: String,
    },
    /// A crop size the network cannot take.
    #[error("a crop of {size:?} voxels does not fit this network: {reason}")]
    CropSize {
        /// Spatial size of the crop.
        size: [usize; 3],
        /// Which rule it breaks.
        reason: &'static str,
    },
}
