use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use voco_io::{image_stem, is_image_name, is_label_name, labelled_stem};

use super::{Case, Found, Part, person};
use crate::DataError;

/// Levels of folders below the one named.
const DEPTH: usize = 3;

/// Folders of nnU-Net and the Decathlon: images, their label maps, and what they are for.
const PAIRS: [(&str, &str, Part); 4] = [
    ("imagesTr", "labelsTr", Part::Training),
    ("imagesVa", "labelsVa", Part::Validation),
    ("imagesVal", "labelsVal", Part::Validation),
    ("imagesTs", "labelsTs", Part::Test),
];

/// Folder names whose files are label maps of the images beside the folder, or of those in a folder `images`.
const LABEL_FOLDERS: [&str; 6] = ["label", "labels", "seg", "segs", "mask", "masks"];

/// The cases of a folder, by name.
pub(super) fn read(folder: &Path) -> Result<Found, DataError> {
    let mut cases = Vec::new();
    let mut is_dataset = false;
    for (images, labels, part) in PAIRS {
        let images = folder.join(images);
        if images.is_dir() {
            is_dataset = true;
            cases.append(&mut of_pair(&images, &folder.join(labels), part)?);
        }
    }
    if !is_dataset {
        cases = of_tree(folder)?;
    }
    // Names of labels lie beside them and are looked for when they are wanted.
    Ok(Found { cases, ..Found::default() })
}

/// nnU-Net's `NAME_0000.nii.gz` without its channel.
pub(super) fn without_channel(stem: &str) -> &str {
    channel(stem).map_or(stem, |(name, _)| name)
}

fn channel(stem: &str) -> Option<(&str, &str)> {
    let (name, digits) = stem.rsplit_once('_')?;
    (digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit())).then_some((name, digits))
}

fn of_pair(images: &Path, labels: &Path, part: Part) -> Result<Vec<Case>, DataError> {
    let images = images_of(images)?;
    let labels: BTreeMap<String, PathBuf> = if labels.is_dir() {
        images_of(labels)?.into_iter().map(|p| (image_stem(&p), p)).collect()
    } else {
        BTreeMap::new()
    };
    let stems: BTreeSet<String> = images.iter().map(|p| image_stem(p)).collect();
    // A number at the end is a channel only if it is one everywhere: cases may be numbered with four digits, too.
    let has_channels = stems.iter().all(|stem| {
        channel(stem).is_some_and(|(name, _)| !labels.contains_key(stem) && stems.contains(&format!("{name}_0000")))
    });
    let mut by_name: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in images {
        let stem = image_stem(&path);
        let name = if has_channels { without_channel(&stem).to_owned() } else { stem };
        by_name.entry(name).or_default().push(path);
    }
    let case = |(id, image): (String, Vec<PathBuf>)| {
        let person = person::of_name(&id, None);
        Case { label: labels.get(&id).cloned(), person, id, image, source: 0, part }
    };
    Ok(by_name.into_iter().map(case).collect())
}

/// Any folder: each image is a case; label maps are found by their names or by their folders.
fn of_tree(folder: &Path) -> Result<Vec<Case>, DataError> {
    let mut files = Vec::new();
    walk(folder, DEPTH, &mut files)?;
    files.sort();
    let (mut images, mut labels) = (Vec::new(), HashMap::new());
    for path in files {
        let parent = path.parent().unwrap_or(folder).to_owned();
        let in_label_folder = folder_name(&parent).is_some_and(|f| LABEL_FOLDERS.contains(&f.to_lowercase().as_str()));
        if in_label_folder {
            // labels/NAME belongs to NAME beside the folder, or to images/NAME.
            let above = parent.parent().unwrap_or(folder);
            let stem = if is_label_name(&path) { labelled_stem(&path) } else { image_stem(&path) };
            labels.insert((above.join("images"), stem.clone()), path.clone());
            labels.insert((above.to_owned(), stem), path);
        } else if is_label_name(&path) {
            labels.insert((parent, labelled_stem(&path)), path);
        } else {
            images.push((parent, path));
        }
    }
    let mut per_folder: HashMap<PathBuf, usize> = HashMap::new();
    for (parent, _) in &images {
        *per_folder.entry(parent.clone()).or_default() += 1;
    }
    let case = |(parent, path): (PathBuf, PathBuf)| {
        let stem = image_stem(&path);
        let label = labels.get(&(parent.clone(), stem.clone()));
        // `segmentation.nii.gz` beside a single image is that image's.
        let label = label.or_else(|| labels.get(&(parent.clone(), String::new())).filter(|_| per_folder[&parent] == 1));
        let above = folder_name(&parent).filter(|_| parent != folder);
        let person = person::of_name(&stem, above.as_deref());
        Case { id: stem, label: label.cloned(), image: vec![path], person, source: 0, part: Part::Training }
    };
    Ok(images.into_iter().map(case).collect())
}

fn images_of(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    walk(folder, 0, &mut files)?;
    files.sort();
    Ok(files)
}

/// Image files by name alone; the kind of an entry comes with the folder, so that no file is asked for it.
fn walk(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let what = "the folder cannot be read";
    for entry in std::fs::read_dir(folder).map_err(DataError::io(folder, what))? {
        let entry = entry.map_err(DataError::io(folder, what))?;
        let path = entry.path();
        let kind = entry.file_type().ok();
        let is_dir = kind.is_some_and(|k| k.is_dir() || (k.is_symlink() && path.is_dir()));
        if is_dir {
            if depth > 0 && !folder_name(&path).is_some_and(|n| n.starts_with('.')) {
                // A folder that may not be read holds nothing for us.
                walk(&path, depth - 1, out).ok();
            }
        } else if is_image_name(&path) && !folder_name(&path).is_some_and(|n| n.starts_with("._")) {
            out.push(path);
        }
    }
    Ok(())
}

fn folder_name(path: &Path) -> Option<String> {
    path.file_name().map(|n| n.to_string_lossy().into_owned())
}
