use voco_label::LabelError;

use crate::{LayerId, SegmentId};

/// What can go wrong with a document of labels. Each text is one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The labels themselves.
    #[error("the labels: {0}")]
    Label(#[from] LabelError),
    /// A segment that is not there (any more).
    #[error("segment {} is not there any more; choose another one", .0.0)]
    NoSegment(SegmentId),
    /// A layer that is not there (any more).
    #[error("label layer {} is not there any more; choose another one", .0.0)]
    NoLayer(LayerId),
    /// A locked segment was to be changed.
    #[error("“{0}” is locked; unlock it to change it")]
    Locked(String),
    /// All values of a layer are taken.
    #[error("the layer has no free value for another segment; put it on another layer")]
    LayerFull,
    /// Values of voxels for which there is no segment.
    #[error("the layer has no segment with the value {0}; add it first")]
    NoSegmentFor(u16),
    /// A voxel value that another segment of the layer has.
    #[error("the value {0} belongs to another segment of this layer; choose another one")]
    ValueTaken(u16),
    /// The image that belongs to the labels has another grid.
    #[error("the image has the dimensions {0:?} and the labels {1:?}; open the image that the labels were made on")]
    OtherImage([usize; 3], [usize; 3]),
    /// A rule that looks at intensities, without an image.
    #[error("there is no image to compare intensities with; open one, or take the range off")]
    NoImage,
    /// The last layer cannot go.
    #[error("this is the only label layer; add another one before you remove it")]
    LastLayer,
    /// The journal belongs to another image.
    #[error("the saved work belongs to another image; move its file away to start anew")]
    OtherJournal,
    /// No journal of ours.
    #[error("the saved work cannot be read: {0}; move its file away to start anew")]
    BadJournal(&'static str),
    /// Another process has the journal.
    #[error("these labels are being edited in another window; close it first")]
    InUse,
    /// A slice on which a segment has no voxel.
    #[error("“{0}” has nothing on that slice to copy")]
    NothingToCopy(String),
    /// Reading or writing.
    #[error("the saved work cannot be read or written ({0}); check the disk")]
    Io(#[from] std::io::Error),
    /// A table or preset that cannot be read.
    #[error("line {line} is not a label: {what}")]
    BadTable {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A preset that is no list of labels.
    #[error("this is no list of labels ({0})")]
    BadPreset(String),
}
