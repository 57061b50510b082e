//! The CT that comes with the program: an abdomen with 61 structures (see assets/samples/NOTICE.md).

/// The CT, 122×101×112 voxels of 3 mm, as .nii.gz.
pub(crate) const IMAGE: &[u8] = include_bytes!("../../assets/samples/ts_abdomen.nii.gz");

/// Its label map, `TotalSegmentator` "total" ids.
pub(crate) const LABELS: &[u8] = include_bytes!("../../assets/samples/ts_abdomen_label.nii.gz");
