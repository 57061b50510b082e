//! Which file is compared with which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file_name;

/// A reference and its prediction.
pub(super) struct Case {
    /// The reference's file name without its endings.
    pub name: String,
    pub reference: PathBuf,
    /// `None` if there is no file of that name.
    pub prediction: Option<PathBuf>,
}

/// The cases of two files or two folders, and notes on what is left over.
pub(super) fn find(prediction: &Path, reference: &Path) -> anyhow::Result<(Vec<Case>, Vec<String>)> {
    match (prediction.is_dir(), reference.is_dir()) {
        (false, false) => {
            let name = voco_io::image_stem(reference);
            let case = Case { name, reference: reference.to_owned(), prediction: Some(prediction.to_owned()) };
            Ok((vec![case], Vec::new()))
        }
        (true, true) => in_folders(prediction, reference),
        (is_folder, _) => {
            let (folder, file) = if is_folder { (prediction, reference) } else { (reference, prediction) };
            anyhow::bail!(
                "{} is a folder and {} is not; give two files or two folders",
                file_name(folder),
                file_name(file)
            )
        }
    }
}

fn in_folders(prediction: &Path, reference: &Path) -> anyhow::Result<(Vec<Case>, Vec<String>)> {
    let references = label_maps(reference)?;
    anyhow::ensure!(
        !references.is_empty(),
        "{}: no .nii, .nii.gz or .hdr file was found in this folder",
        file_name(reference)
    );
    let mut predictions = label_maps(prediction)?;
    // "case1_seg.nii.gz" is the prediction for "case1_label.nii.gz", if there is none with the whole name.
    let short_names: Vec<(String, String)> =
        predictions.iter().map(|(name, path)| (voco_io::labelled_stem(path), name.clone())).collect();
    let mut cases = Vec::new();
    for (name, path) in references {
        let found = predictions.remove(&name).or_else(|| {
            let short = voco_io::labelled_stem(&path);
            let (_, whole) = short_names.iter().find(|(s, whole)| *s == short && predictions.contains_key(whole))?;
            predictions.remove(whole)
        });
        cases.push(Case { name, reference: path, prediction: found });
    }
    let left = predictions.values().map(|path| format!("{}: no reference has this name", file_name(path)));
    Ok((cases, left.collect()))
}

/// The images directly in a folder by their names without endings.
fn label_maps(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let name = file_name(folder);
    let read =
        || -> std::io::Result<Vec<PathBuf>> { std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut paths = read().map_err(|e| anyhow::anyhow!("{name}: the folder cannot be read ({e})"))?;
    paths.retain(|path| voco_io::is_image_name(path) && path.is_file());
    paths.sort();
    let mut found = BTreeMap::new();
    for path in paths {
        let stem = voco_io::image_stem(&path);
        if let Some(other) = found.insert(stem, path.clone()) {
            anyhow::bail!(
                "{name}: {} and {} differ in their endings only; remove one",
                file_name(&other),
                file_name(&path)
            );
        }
    }
    Ok(found)
}
