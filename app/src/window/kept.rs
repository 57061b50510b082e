//! What the window keeps for the user between sessions: preferences and measurements.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use voco_ui::measure::{Measurement, csv, from_json, to_json};
use voco_ui::{Preferences, VolumeId, i18n};
use voco_volume::Volume;
use xxhash_rust::xxh3::Xxh3;

use super::app::App;
use super::dialogs::Asked;
use super::tasks::{TaskOutcome, TaskWork};

/// Larger than a file of preferences or measurements ever is.
const MAX_BYTES: u64 = 64 << 20;

/// Preferences from the last session, what was wrong with them, and where they are kept.
pub(super) fn load_preferences() -> (Preferences, Vec<String>, Option<PathBuf>) {
    let dirs = directories::ProjectDirs::from("", "", "voco-workbench");
    let file = dirs.map(|d| d.config_dir().join("preferences.toml"));
    match file.as_deref().and_then(|f| read(f).ok().flatten()) {
        Some(text) => {
            let (preferences, problems) = Preferences::from_toml(&text);
            (preferences, problems, file)
        }
        None => (Preferences::default(), Vec::new(), file),
    }
}

/// The file of a case's measurements. Its name follows from the voxels and their place, so that it is found again wherever the
/// image file lies, and tells nothing of the patient.
fn measurements_file(key: &str) -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "voco-workbench")?;
    Some(dirs.data_dir().join("measurements").join(format!("{key}.json")))
}

/// 128 bits of the content: voxels, type, scale and place.
fn content_key(volume: &Volume) -> String {
    let mut hash = Xxh3::new();
    for side in volume.dims() {
        hash.update(&(side as u64).to_le_bytes());
    }
    let rescale = volume.rescale();
    let place = volume.geometry().affine_rows().into_iter().flatten().chain([rescale.slope, rescale.inter]);
    for value in place {
        hash.update(&value.to_le_bytes());
    }
    hash.update(volume.voxels().voxel_type().name().as_bytes());
    hash.update(volume.voxels().as_bytes());
    format!("{:032x}", hash.digest128())
}

/// Finds a case's measurements; runs on a task, as all voxels are read.
pub(super) fn load_measurements(volume_id: VolumeId, volume: &Volume) -> TaskOutcome {
    let key = content_key(volume);
    let stored = match measurements_file(&key).map_or(Ok(None), |file| read(&file)) {
        Ok(Some(text)) => from_json(&text).map_err(|e| e.to_string()),
        Ok(None) => Ok(Vec::new()),
        Err(e) => Err(i18n::text_with("tell-measurements-unread", [("why", e.kind().to_string().into())])),
    };
    TaskOutcome::Measurements { volume_id, key, stored }
}

/// Writes a text under a name that is there only when it is whole; a sentence if it cannot be written.
pub(super) fn write_text(path: &Path, text: &str, what: &str) -> Result<(), String> {
    write_bytes(path, text.as_bytes(), what)
}

/// Writes a picture as PNG; it holds pixels only, nothing about where they come from.
pub(super) fn write_picture(path: &Path, picture: &image::RgbaImage) -> TaskOutcome {
    let mut bytes = std::io::Cursor::new(Vec::new());
    match picture.write_to(&mut bytes, image::ImageFormat::Png) {
        Ok(()) => match write_bytes(&path.with_extension("png"), bytes.get_ref(), i18n::text("written-picture")) {
            Ok(()) => TaskOutcome::Cancelled,
            Err(text) => TaskOutcome::Failed(text),
        },
        Err(_) => TaskOutcome::Failed(i18n::text("tell-picture-failed").into()),
    }
}

fn write_bytes(path: &Path, bytes: &[u8], what: &str) -> Result<(), String> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut temporary, bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    };
    write().map_err(|e| {
        i18n::text_with("tell-write-failed", [("what", what.into()), ("why", e.kind().to_string().into())])
    })
}

/// None if there is no such file.
fn read(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::metadata(path) {
        Ok(found) if found.len() > MAX_BYTES => Err(std::io::ErrorKind::FileTooLarge.into()),
        Ok(_) => std::fs::read_to_string(path).map(Some),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

impl App {
    /// Preferences are written once the user has let go of what changes them.
    pub(super) fn keep_preferences(&mut self, ctx: &egui::Context) {
        let is_busy = ctx.input(|i| i.pointer.any_down());
        if is_busy || self.kept_preferences == self.settings.preferences {
            return;
        }
        self.kept_preferences = self.settings.preferences.clone();
        if let Some(path) = self.preferences_file.clone() {
            let text = self.settings.preferences.to_toml();
            self.scribe.write(path, text, i18n::text("written-preferences").into());
        }
    }

    /// The next frame, without names, is kept as a picture.
    pub(super) fn ask_for_picture(&self, ctx: &egui::Context) {
        let (slot, wake) = (Arc::clone(&self.screenshot), ctx.clone());
        ctx.request_screenshot(move |image| {
            *slot.lock() = Some(image);
            wake.request_repaint();
        });
    }

    /// Takes the picture that was asked for, cut to the views, and asks where to write it.
    pub(super) fn take_picture(&mut self, ctx: &egui::Context) {
        let shot = self.screenshot.lock().take();
        let Some(shot) = shot.filter(|_| self.settings.is_picture_taken) else { return };
        self.settings.is_picture_taken = false;
        let views = shot.region(&self.settings.views_rect, Some(ctx.pixels_per_point()));
        let [width, height] = views.size.map(|side| u32::try_from(side).unwrap_or(0));
        let bytes = views.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b(), 255]).collect();
        self.picture = image::RgbaImage::from_raw(width, height, bytes);
        if self.picture.is_some() {
            self.dialogs.ask(Asked::Picture);
        }
    }

    pub(super) fn write_picture(&mut self, path: PathBuf) {
        if let Some(picture) = self.picture.take() {
            self.start_task(TaskWork::WritePicture { path, picture: Box::new(picture) });
        }
    }

    pub(super) fn find_measurements(&mut self, id: VolumeId) {
        if let Some(volume) = self.session.volume(id).map(|v| v.volume.clone()) {
            self.start_task(TaskWork::LoadMeasurements { volume_id: id, volume });
        }
    }

    pub(super) fn take_measurements(&mut self, id: VolumeId, key: String, stored: Result<Vec<Measurement>, String>) {
        if self.session.volume(id).is_none() {
            return;
        }
        match stored {
            Ok(stored) => {
                let doc = self.session.measurements.entry(id.0).or_default();
                doc.key = Some(key);
                doc.load(stored);
            }
            // Without a key nothing is written over what could not be read.
            Err(text) => self.session.notice(text, true),
        }
    }

    pub(super) fn save_measurements(&self, id: VolumeId) {
        let Some(doc) = self.session.measurements.get(&id.0) else { return };
        if let Some(path) = doc.key.as_deref().and_then(measurements_file) {
            let text = to_json(doc.items());
            self.scribe.write(path, text, i18n::text("written-measurements").into());
        }
    }

    /// What was changed since the last frame is written, too, when the program ends.
    pub(super) fn keep_all(&self) {
        for (&id, doc) in &self.session.measurements {
            if doc.key.is_some() && doc.revision != doc.saved_revision {
                self.save_measurements(VolumeId(id));
            }
        }
    }

    pub(super) fn ask_for_csv(&self, id: VolumeId) {
        self.dialogs.ask(Asked::MeasurementsCsv(id));
    }

    pub(super) fn export_measurements(&mut self, id: VolumeId, path: PathBuf) {
        let (Some(volume), Some(doc)) = (self.session.volume(id), self.session.measurements.get(&id.0)) else { return };
        let hides_names = self.settings.preferences.hide_identifiers;
        let name =
            if hides_names { i18n::text_with("volume-number", [("number", id.0.into())]) } else { volume.name.clone() };
        let text = csv(&name, volume.unit(), doc.items());
        self.start_task(TaskWork::WriteText { path, text, what: i18n::text("written-table").into() });
    }
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DVec3};
    use voco_volume::{Geometry, Rescale, Volume, Voxels};

    use super::content_key;

    #[test]
    fn the_key_follows_from_voxels_and_place() {
        let volume = |value: i16, shift: f64| {
            let geometry = Geometry::new([2, 2, 2], DAffine3::from_translation(DVec3::splat(shift))).unwrap();
            Volume::new(geometry, Voxels::I16([value; 8].into()), Rescale::IDENTITY).unwrap()
        };
        let key = content_key(&volume(1, 0.0));
        assert_eq!(key, content_key(&volume(1, 0.0)));
        assert_ne!(key, content_key(&volume(2, 0.0)));
        assert_ne!(key, content_key(&volume(1, 0.5)));
        assert!(key.len() == 32 && key.chars().all(|c| c.is_ascii_hexdigit()));
    }
}
