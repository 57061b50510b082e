use std::path::{Path, PathBuf};

/// Why a file could not be opened: one sentence that names the file (not its folder), the field and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", .path.file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy()))]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

impl OpenError {
    pub(crate) fn new(path: &Path, problem: impl Into<Problem>) -> Self {
        Self { path: path.to_owned(), problem: problem.into() }
    }

    /// True if the user stopped it.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.problem, Problem::Cancelled)
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The operating system's word.
    #[error("the file cannot be read ({0}); check that it exists and that you may read it")]
    Io(#[from] std::io::Error),
    /// Not a format that we read.
    #[error("this is no image file that is read ({0}); open NIfTI, DICOM, NRRD or MetaImage")]
    NotNifti(&'static str),
    /// Not DICOM, or not whole.
    #[error("this is not a DICOM file that can be read ({0}); copy or export it again")]
    NotDicom(&'static str),
    /// Pixels are packed in a way that is not read.
    #[error(
        "its pixels are packed as {0} (transfer syntax), which is not read; export it uncompressed or as JPEG 2000"
    )]
    TransferSyntax(String),
    /// A stream of pixels that does not fit its header.
    #[error("its pixels cannot be decoded: {0}; copy or export the file again")]
    Pixels(String),
    /// What is special to one format: a sentence of its own.
    #[error("{0}")]
    Other(String),
    /// A header field that cannot be right.
    #[error("the header field {field} {what}; the file is damaged or was written wrongly, export it again")]
    Field {
        /// Name in the format's standard.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The data type is not a scalar number.
    #[error(
        "the data type {0} (a field of the header) is not read; convert the file to a scalar integer or float type"
    )]
    DataType(String),
    /// More voxels claimed than bytes there.
    #[error(
        "the header claims {claimed} of voxels but the file holds {present}; it is truncated or its header is wrong, copy or export it again"
    )]
    TooFewBytes {
        /// Size by the header.
        claimed: String,
        /// Size found.
        present: String,
    },
    /// The compressed stream ends early or is damaged.
    #[error("the compressed data are damaged or end too early ({0}); copy or export the file again")]
    Gzip(String),
    /// The allocation failed.
    #[error("{0} of memory are needed for its voxels and are not free; close other volumes or programs")]
    Memory(String),
    /// The second file of a pair is missing.
    #[error("its voxel file {0} cannot be read ({1}); put it beside the header")]
    MissingPair(String, String),
    /// The geometry makes no sense.
    #[error(transparent)]
    Volume(#[from] voco_volume::VolumeError),
    /// Stopped by the user.
    #[error("opening was cancelled")]
    Cancelled,
}

/// Bytes for people: `1.8 MB`.
pub(crate) fn human_bytes(bytes: u128) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", units[unit]) }
}
