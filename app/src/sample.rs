//! The CT that comes with the program: an abdomen with 61 structures (see assets/samples/NOTICE.md).

use voco_io::LabelNames;

/// Name of the sample in lists and titles.
pub(crate) const NAME: &str = "Sample CT (abdomen)";

/// The CT, 122×101×112 voxels of 3 mm, as .nii.gz.
pub(crate) const IMAGE: &[u8] = include_bytes!("../../assets/samples/ts_abdomen.nii.gz");

/// Its label map, `TotalSegmentator` "total" ids.
pub(crate) const LABELS: &[u8] = include_bytes!("../../assets/samples/ts_abdomen_label.nii.gz");

/// Names of `TotalSegmentator`'s "total" ids.
pub(crate) fn total_segmentator_names() -> LabelNames {
    let text = include_str!("../../assets/labels/totalsegmentator_total.json");
    let table: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let readable = |name: &str| name.replace('_', " ");
    table
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(id, name)| Some((id.parse().ok()?, readable(name.as_str()?))))
        .collect()
}
