//! What the label ids of well-known data sets mean. Never applied unasked: the same id is another organ in each of them.

use voco_io::{LabelNames, label_names};
use voco_ui::LabelPreset;

const TOTAL_SEGMENTATOR: &str = include_str!("../../assets/labels/totalsegmentator_total.json");

/// All of them, for the list in the window.
pub(crate) fn all() -> Vec<LabelPreset> {
    [
        ("TotalSegmentator CT", TOTAL_SEGMENTATOR),
        ("TotalSegmentator MR", include_str!("../../assets/labels/totalsegmentator_total_mr.json")),
        ("VoComni", include_str!("../../assets/labels/vocomni.json")),
        ("BTCV", include_str!("../../assets/labels/btcv.json")),
        ("AMOS22", include_str!("../../assets/labels/amos22.json")),
        ("FLARE22/23", include_str!("../../assets/labels/flare22.json")),
    ]
    .map(|(title, json)| LabelPreset { title: title.into(), names: label_names(json).unwrap_or_default() })
    .into()
}

/// The table of that name on the command line.
pub(crate) fn named(name: &str) -> Option<LabelNames> {
    let title = match name.to_lowercase().as_str() {
        "totalsegmentator" => "TotalSegmentator CT",
        "totalsegmentator-mr" => "TotalSegmentator MR",
        "vocomni" => "VoComni",
        "btcv" => "BTCV",
        "amos22" => "AMOS22",
        "flare22" | "flare23" => "FLARE22/23",
        _ => return None,
    };
    all().into_iter().find(|preset| preset.title == title).map(|preset| preset.names)
}

/// Names of the sample's labels.
pub(crate) fn of_sample() -> LabelNames {
    label_names(TOTAL_SEGMENTATOR).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_preset_has_its_names() {
        let counts: Vec<usize> = super::all().iter().map(|p| p.names.len()).collect();
        assert_eq!(counts, [117, 50, 20, 13, 15, 14]);
    }
}
