use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::{LabelNames, image_stem};

/// A list of names is a few kilobytes; what is larger is something else.
const MAX_BYTES: u64 = 1 << 20;

/// Names of a label map's values, from the file itself (`.seg.nrrd`) or from one beside it: `NAME_names.json` (which is there where
/// `NAME.json` tells of the image) or `NAME.json`, else `labels.json` or `dataset.json` in its
/// folder or the one above (as the Medical Segmentation Decathlon and nnU-Net have it). `None` if no file gives any: ids mean
/// something else in each data set, so they are never guessed.
pub fn label_names_beside(label_map: &Path) -> Option<LabelNames> {
    if let Some(names) = crate::nrrd::label_names(label_map) {
        return Some(names);
    }
    let folder = label_map.parent().unwrap_or(Path::new("."));
    let stem = image_stem(label_map);
    let mut places: Vec<PathBuf> = vec![folder.join(format!("{stem}_names.json")), folder.join(format!("{stem}.json"))];
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        places.extend(["labels.json", "dataset.json"].map(|name| folder.join(name)));
    }
    places.iter().find_map(|path| {
        let mut text = String::new();
        File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        label_names(&text)
    })
}

/// Names of label values in a JSON text: `{"1": "liver"}`, `{"liver": 1}`, or either of them under `labels`. `None` if it holds none.
pub fn label_names(json: &str) -> Option<LabelNames> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let map = value.get("labels").unwrap_or(&value).as_object()?;
    let names: LabelNames = map
        .iter()
        .filter_map(|(key, value)| match (key.parse().ok(), value.as_str()) {
            (Some(id), Some(name)) => Some((id, readable(name))),
            _ => Some((u16::try_from(value.as_u64()?).ok()?, readable(key))),
        })
        .filter(|(id, name)| *id != 0 && !name.is_empty())
        .collect();
    (!names.is_empty()).then_some(names)
}

fn readable(name: &str) -> String {
    name.replace('_', " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_both_directions() {
        let expected: LabelNames = [(1, "left kidney".to_owned()), (7, "liver".to_owned())].into();
        for text in [
            r#"{"1": "left_kidney", "7": "liver", "0": "background"}"#,
            r#"{"left_kidney": 1, "liver": 7, "background": 0}"#,
            r#"{"name": "set", "labels": {"0": "background", "1": "left_kidney", "7": "liver"}}"#,
        ] {
            assert_eq!(label_names(text).as_ref(), Some(&expected), "{text}");
        }
        for text in ["", "[1, 2]", "{}", r#"{"labels": 3}"#, r#"{"image": "a.nii"}"#, r#"{"70000": "too large"}"#] {
            assert_eq!(label_names(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_for_the_file_goes_before_one_for_the_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let labels = root.path().join("labelsTr");
        std::fs::create_dir(&labels).expect("a folder");
        let map = labels.join("case1.nii.gz");
        assert_eq!(label_names_beside(&map), None);
        std::fs::write(root.path().join("dataset.json"), r#"{"labels": {"1": "spleen"}}"#).expect("write");
        assert_eq!(label_names_beside(&map).expect("names")[&1], "spleen");
        std::fs::write(labels.join("case1.json"), r#"{"1": "liver"}"#).expect("write");
        assert_eq!(label_names_beside(&map).expect("names")[&1], "liver");
        std::fs::write(labels.join("case1_names.json"), r#"{"1": "aorta"}"#).expect("write");
        assert_eq!(label_names_beside(&map).expect("names")[&1], "aorta");
    }
}
