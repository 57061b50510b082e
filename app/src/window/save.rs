use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use voco_io::{Control, image_stem, save_labels};
use voco_label::LabelMap;
use voco_ui::VolumeId;
use voco_volume::{LabelTable, Volume};

/// A label map that is to be saved.
pub(super) struct SaveLabels {
    /// As the user chose it.
    pub path: PathBuf,
    /// Over which volume it lies.
    pub volume_id: VolumeId,
    /// Its voxels.
    pub labels: Volume,
    /// Its names.
    pub table: LabelTable,
    /// Files of open images: never to be written over.
    pub images: Vec<PathBuf>,
}

/// Saves a label map as NIfTI on its own grid, and the names of its ids beside it as JSON. Returns the name of the file.
///
/// # Errors
/// One sentence on why it cannot be, with the file's name. Then what was there before is still there.
pub(super) fn save(save: &SaveLabels, control: Control<'_>) -> Result<String, String> {
    let chosen = name_of(&save.path);
    let unpacked = Path::new(chosen.strip_suffix(".gz").unwrap_or(&chosen));
    let path = if unpacked.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("nii")) {
        save.path.clone()
    } else {
        let path = save.path.with_file_name(format!("{chosen}.nii.gz"));
        if path.exists() {
            // Nobody was asked whether this one may be replaced.
            return Err(format!("{} is there already; choose it by its whole name to replace it.", name_of(&path)));
        }
        path
    };
    let name = name_of(&path);
    if save.images.iter().any(|image| is_same_file(image, &path)) {
        return Err(format!("{name} is an open image; choose another name for its labels."));
    }
    let map = LabelMap::from_volume(&save.labels).map_err(|e| format!("{name}: the labels cannot be saved: {e}."))?;
    let ids: Option<Vec<u16>> = map.values().to_u32().into_iter().map(|id| u16::try_from(id).ok()).collect();
    let ids = ids.ok_or_else(|| format!("{name}: labels above 65535 cannot be saved."))?;
    let names: BTreeMap<String, String> =
        save.table.entries().iter().map(|entry| (entry.id.to_string(), entry.name.clone())).collect();
    let text = serde_json::to_vec_pretty(&names).map_err(|e| format!("{name}: {e}"))?;
    // The names first: a label map without them is only numbers.
    crate::folders::write_whole(&names_beside(&path), &text).map_err(|e| {
        format!("{name}: the names cannot be written ({}); free disk space or choose another folder.", e.kind())
    })?;
    save_labels(&path, save.labels.geometry(), &ids, control).map_err(|e| e.to_string())?;
    Ok(name)
}

/// `NAME.json`, or `NAME_names.json` where the former holds something else.
fn names_beside(path: &Path) -> PathBuf {
    let stem = image_stem(path);
    let first = path.with_file_name(format!("{stem}.json"));
    let is_free = match std::fs::read_to_string(&first) {
        Ok(text) => voco_io::label_names(&text).is_some(),
        Err(_) => !first.exists(),
    };
    if is_free { first } else { path.with_file_name(format!("{stem}_names.json")) }
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(a) == real(b)
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use voco_volume::{Geometry, Rescale, Voxels};

    use super::*;

    fn labels(folder: &Path, name: &str) -> SaveLabels {
        let geometry = Geometry::new([2, 2, 1], glam::DAffine3::from_scale(glam::DVec3::splat(2.0))).expect("a grid");
        let labels = Volume::new(geometry, Voxels::U8([0, 1, 3, 3].into()), Rescale::IDENTITY).expect("a volume");
        let table = LabelTable::from_ids([1, 3], |id| Some(format!("organ {id}")));
        SaveLabels {
            path: folder.join(name),
            volume_id: VolumeId(1),
            labels,
            table,
            images: vec![folder.join("scan.nii.gz")],
        }
    }

    #[test]
    fn labels_come_back_with_their_names_and_never_replace_the_image() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = labels(folder.path(), "scan_label");
        assert_eq!(save(&one, Control::NONE), Ok("scan_label.nii.gz".into()));
        let path = folder.path().join("scan_label.nii.gz");
        let names = voco_io::label_names_beside(&path).expect("names");
        assert_eq!(names.get(&3).map(String::as_str), Some("organ 3"));
        let again = voco_io::open(&path, Control::NONE).expect("readable").volume;
        assert_eq!((0..4).map(|i| again.value([i % 2, i / 2, 0])).collect::<Vec<_>>(), [0.0, 1.0, 3.0, 3.0].map(Some));
        assert!(again.geometry().is_same_grid(one.labels.geometry(), 1e-6), "its own grid");
        assert!(save(&one, Control::NONE).expect_err("there").contains("whole name"));
        save(&labels(folder.path(), "scan_label.nii.gz"), Control::NONE).expect("replaced, as was asked");
        let image = folder.path().join("scan.nii.gz");
        std::fs::write(&image, "an image").expect("written");
        let refused = save(&labels(folder.path(), "scan.nii.gz"), Control::NONE).expect_err("the image");
        assert!(refused.contains("open image"), "{refused}");
        assert_eq!(std::fs::read(&image).expect("there"), b"an image");
        std::fs::write(folder.path().join("other.json"), r#"{"Modality": "CT"}"#).expect("written");
        save(&labels(folder.path(), "other.nii.gz"), Control::NONE).expect("saved");
        assert!(folder.path().join("other_names.json").is_file(), "what was in other.json stays");
    }
}
