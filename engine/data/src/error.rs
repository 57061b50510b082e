use std::path::Path;

/// Why a list of data or the cache cannot be used: one sentence that names the file (not its folder) and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system's word on a file or folder.
    #[error("{name}: {what} ({error}); check that it exists and that you may use it")]
    Io {
        /// File or folder without its parents.
        name: String,
        /// What was tried.
        what: &'static str,
        /// The system's error.
        error: std::io::Error,
    },
    /// A JSON list that is none.
    #[error("{name}: this is no list of data ({problem}); it needs \"training\": [{{\"image\": …, \"label\": …}}, …]")]
    List {
        /// File name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Nothing to train on.
    #[error("{0}: there is no image in it; choose a folder of NIfTI files or a JSON list")]
    Empty(String),
    /// A crop that does not lie in its sample.
    #[error("a crop of {size:?} voxels at {start:?} does not lie in a sample of {dims:?} voxels")]
    Outside {
        /// First voxel.
        start: [usize; 3],
        /// Voxels.
        size: [usize; 3],
        /// Voxels of the sample.
        dims: [usize; 3],
    },
    /// A sample of the cache that could neither be read nor be made again.
    #[error("a sample of the cache is damaged and could not be made again: {0}")]
    Damaged(String),
}

impl DataError {
    pub(crate) fn io(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let name = file_name(path);
        move |error| Self::Io { name, what, error }
    }
}

/// A file's name without folders.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "the folder".into(), |n| n.to_string_lossy().into_owned())
}
