use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use voco_volume::{LabelTable, Volume};

use crate::Problem;

/// Names of label ids, e.g. TotalSegmentator's.
pub type LabelNames = BTreeMap<u16, String>;

/// True for the names of files that this crate opens.
pub fn is_image_name(path: &Path) -> bool {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().to_lowercase());
    [".nii", ".nii.gz", ".hdr", ".hdr.gz", ".nrrd", ".nhdr", ".mha", ".mhd"].iter().any(|end| name.ends_with(end))
}

/// The images under a folder (two levels deep), sorted by name; label maps (`NAME_label…`, `…_seg…`) are left out.
///
/// # Errors
/// If the folder cannot be read.
pub fn list_images(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    fn walk(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), std::io::Error> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if depth > 0 {
                    // A folder that may not be read holds nothing for us.
                    walk(&path, depth - 1, out).ok();
                }
            } else if is_image_name(&path) && !is_label_name(&path) {
                out.push(path);
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    walk(folder, 2, &mut out)?;
    out.sort();
    Ok(out)
}

/// True for the usual names of label maps (`NAME_label.nii.gz`, `NAME_seg.nii`, `segmentation.nii.gz` …).
pub fn is_label_name(path: &Path) -> bool {
    let stem = image_stem(path).to_lowercase();
    let is_segmentation = path.file_name().is_some_and(|n| n.to_string_lossy().to_lowercase().ends_with(".seg.nrrd"));
    is_segmentation
        || LABEL_WORDS
            .iter()
            .any(|word| stem == *word || stem.ends_with(&format!("_{word}")) || stem.ends_with(&format!("-{word}")))
}

/// The image's name that a label map's name is made from: `case1` of `case1_label.nii.gz`.
pub fn labelled_stem(path: &Path) -> String {
    let stem = image_stem(path);
    let lower = stem.to_lowercase();
    let word = LABEL_WORDS.iter().find(|word| lower.ends_with(**word));
    let kept = stem.len() - word.map_or(0, |w| w.len());
    stem.get(..kept).unwrap_or(&stem).trim_end_matches(['_', '-']).to_owned()
}

/// Endings of images, longer ones before those that they end in.
const ENDINGS: [&str; 13] = [
    ".nii.gz",
    ".hdr.gz",
    ".img.gz",
    ".seg.nrrd",
    ".ome.zarr",
    ".nii",
    ".hdr",
    ".img",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".dcm",
];

/// The name without its endings.
pub fn image_stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let lower = name.to_lowercase();
    let ending = ENDINGS.into_iter().find(|e| lower.ends_with(e));
    let kept = name.len() - ending.map_or(0, str::len);
    name.get(..kept).unwrap_or(&name).to_owned()
}

const LABEL_WORDS: [&str; 6] = ["label", "labels", "seg", "mask", "segmentation", "segmentations"];

/// The labels that occur in a volume of whole numbers.
///
/// # Errors
/// If a value is no whole number from 0 to 65535.
pub fn label_table(volume: &Volume, names: &LabelNames) -> Result<LabelTable, Problem> {
    let mut seen = vec![false; 1 << 16];
    let mut bad = None;
    let rescale = volume.rescale();
    volume.voxels().for_each(|stored| {
        let value = rescale.apply(stored);
        if value.fract() == 0.0 && (0.0..65536.0).contains(&value) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
            let id = value as usize;
            seen[id] = true;
        } else {
            bad.get_or_insert(value);
        }
    });
    if let Some(value) = bad {
        return Err(Problem::Field {
            field: "data",
            what: format!(
                "holds the value {value}, so this is an image and not a label map (whole numbers from 0 to 65535)"
            ),
        });
    }
    let ids = (0..=u16::MAX).filter(|&id| seen[usize::from(id)]);
    Ok(LabelTable::from_ids(ids, |id| names.get(&id).cloned()))
}
