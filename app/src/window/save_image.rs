//! Saving the image on show in another file.

use std::path::{Path, PathBuf};

use voco_io::{Control, image_stem};
use voco_ui::{VolumeId, i18n};
use voco_volume::Volume;

use super::app::App;
use super::dialogs::Asked;
use super::tasks::{TaskOutcome, TaskWork};
use crate::label_files::name_of;

/// The formats that can be written.
const ENDINGS: [&str; 3] = [".nii.gz", ".nii", ".nrrd"];

/// Writes the volume whole or not at all; a slice of a series is never replaced.
pub(super) fn save(path: &Path, volume: &Volume, control: Control<'_>) -> TaskOutcome {
    let name = name_of(path);
    if path.exists() && voco_io::is_dicom_file(path) {
        return TaskOutcome::Failed(i18n::text_with("tell-is-dicom", [("name", name.into())]));
    }
    match voco_io::save_volume(path, volume, control) {
        Ok(()) => TaskOutcome::Told(i18n::text_with("tell-saved", [("name", name.into())])),
        Err(voco_io::SaveError::Cancelled) => TaskOutcome::Cancelled,
        Err(error) => TaskOutcome::Failed(error.to_string()),
    }
}

/// The path with an ending that tells a format, NIfTI's where it has none.
fn with_ending(path: &Path) -> PathBuf {
    let name = name_of(path);
    let lower = name.to_lowercase();
    if ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
        return path.to_owned();
    }
    path.with_file_name(format!("{name}{}", ENDINGS[0]))
}

impl App {
    /// Asks for the file; a name that is free is proposed.
    pub(super) fn ask_to_save_image(&self, id: VolumeId) {
        let Some(volume) = self.session.volume(id) else { return };
        let stem = volume.path.as_deref().map_or_else(|| "image".to_owned(), image_stem);
        // A DICOM series has its folder, a file the folder that it lies in.
        let folder =
            volume.path.as_deref().and_then(|p| if voco_io::is_dicom_folder(p) { Some(p) } else { p.parent() });
        let free = |name: &String| folder.is_none_or(|f| !f.join(name).exists());
        let mut names = std::iter::once(format!("{stem}.nii.gz")).chain((2..100).map(|n| format!("{stem}_{n}.nii.gz")));
        let name = names.find(free).unwrap_or_default();
        self.dialogs.ask_to_save(Asked::SaveImage(id), &name, folder);
    }

    /// Saves where the dialog says; it asked about replacing a file of that very name, and of no other.
    pub(super) fn save_image(&mut self, id: VolumeId, path: &Path) {
        let Some(volume) = self.session.volume(id) else { return };
        let target = with_ending(path);
        let name = name_of(&target);
        if target != path && target.exists() {
            return self.session.notice(i18n::text_with("tell-name-taken", [("name", name.into())]), true);
        }
        if self.session.times.contains_key(&id.0) && volume.path.as_deref() == Some(target.as_path()) {
            return self.session.notice(i18n::text_with("tell-holds-all-volumes", [("name", name.into())]), true);
        }
        let volume = volume.volume.clone();
        self.start_task(TaskWork::SaveImage { path: target, volume });
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;
    use voco_volume::{Geometry, Rescale, Voxels};

    use super::*;

    #[test]
    fn a_name_gets_an_ending_if_it_has_none() {
        for (given, expected) in [
            ("a/b.nii.gz", "a/b.nii.gz"),
            ("a/b.NII", "a/b.NII"),
            ("b.nrrd", "b.nrrd"),
            ("a/b", "a/b.nii.gz"),
            ("a/1.2.840", "a/1.2.840.nii.gz"),
            ("a/b.dcm", "a/b.dcm.nii.gz"),
        ] {
            assert_eq!(with_ending(Path::new(given)), Path::new(expected), "{given}");
        }
    }

    #[test]
    fn an_image_is_saved_on_its_grid_and_never_onto_a_slice() {
        let folder = tempfile::tempdir().expect("a folder");
        let geometry = Geometry::new([3, 2, 1], DAffine3::from_scale(glam::DVec3::new(-0.5, -0.75, 2.0))).expect("one");
        let rescale = Rescale { slope: 2.0, inter: -1024.0 };
        let volume =
            Volume::new(geometry, Voxels::I16(vec![0, 1, 2, 3, 4, 5].into()), rescale).expect("as many voxels");
        for name in ["a.nii", "a.nii.gz", "a.nrrd"] {
            let path = folder.path().join(name);
            let told = save(&path, &volume, Control::NONE);
            assert!(matches!(&told, TaskOutcome::Told(text) if text.contains(name)), "{name}");
            let opened = voco_io::open(&path, Control::NONE).unwrap_or_else(|e| panic!("{e}")).volume;
            assert!(opened.geometry().is_same_grid(&geometry, 1e-5), "{name}");
            assert_eq!(opened.to_f32(), volume.to_f32(), "{name}");
        }
        let slice = folder.path().join("slice.nii");
        let bytes = [vec![0; 128], b"DICM".to_vec()].concat();
        std::fs::write(&slice, &bytes).expect("written");
        assert!(matches!(save(&slice, &volume, Control::NONE), TaskOutcome::Failed(_)));
        assert_eq!(std::fs::read(&slice).expect("readable"), bytes);
    }
}
