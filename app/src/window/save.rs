//! Saving labels from the window: where to, and what follows.

use std::path::{Path, PathBuf};

use voco_io::image_stem;
use voco_labelstore::PresetEntry;
use voco_ui::{LabelFormat, SaveLabelsAs, VolumeId, i18n};

use super::app::App;
use super::dialogs::Asked;
use super::tasks::TaskWork;
use crate::label_files::{SaveLabels, name_of};

impl App {
    /// Ctrl+S: to the file of before, or the window that asks.
    pub(super) fn ask_to_save_labels(&mut self, id: VolumeId) {
        let Some(volume) = self.session.volume(id) else { return };
        if volume.incoming.is_some() {
            return self.session.notice(i18n::text("tell-labels-not-done"), true);
        }
        let Some(work) = &volume.labels else { return };
        let is_dicom = self.series.contains_key(&id);
        let saved = self.saved_here.get(&id).filter(|(path, _)| work.path.as_ref() == Some(path));
        let known = work.path.as_ref().and_then(|path| {
            let format = saved.map(|(_, format)| *format).or_else(|| LabelFormat::of_whole(&name_of(path)))?;
            (is_dicom || !format.is_dicom()).then(|| (format, path.to_string_lossy().into_owned()))
        });
        // Another file that was opened over it meanwhile is replaced only when the user was asked.
        let again = saved.is_some() && known.is_some();
        let (format, path) = known.unwrap_or_else(|| {
            let stem = volume.path.as_ref().map_or_else(|| "sample".to_owned(), |path| image_stem(path));
            let folder = volume.path.as_ref().and_then(|path| path.parent()).map(Path::to_owned);
            let folder = folder.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
            let path = folder.join(format!("{stem}_label.nii.gz"));
            (LabelFormat::Nifti, path.to_string_lossy().into_owned())
        });
        let save = SaveLabelsAs { volume: id, format, path, is_dicom, replaces: again, lps: false };
        if again {
            return self.save_labels(&save);
        }
        self.session.save_labels = Some(save);
    }

    /// Saves as the window says; asks once more where a file would be replaced.
    pub(super) fn save_labels(&mut self, save: &SaveLabelsAs) {
        let given = PathBuf::from(save.path.trim());
        let path = given.with_file_name(save.format.named(&name_of(&given)));
        // What was said of one file does not go for another.
        let replaces = save.replaces && path == given;
        if path.exists() && !replaces {
            let save = SaveLabelsAs { path: path.to_string_lossy().into_owned(), replaces: true, ..save.clone() };
            self.session.save_labels = Some(save);
            return;
        }
        self.session.save_labels = None;
        let session = &self.session;
        let Some(volume) = session.volume(save.volume) else { return };
        let Some(work) = &volume.labels else { return };
        let task = SaveLabels {
            path,
            format: save.format,
            lps: save.lps,
            flat: work.flat(),
            change: work.last_change(),
            image: volume.volume.clone(),
            series: self.series.get(&save.volume).cloned(),
            images: session.volumes.iter().flat_map(|v| self.files_of(v.id)).collect(),
        };
        self.start_task(TaskWork::SaveLabels(save.volume, Box::new(task)));
    }

    /// The files of an open volume, as far as they are known without opening one.
    fn files_of(&self, id: VolumeId) -> Vec<PathBuf> {
        let path = self.session.volume(id).and_then(|volume| volume.path.clone());
        let series = self.series.get(&id).map(voco_io::Series::files).unwrap_or_default();
        path.into_iter().chain(series.iter().cloned()).collect()
    }

    /// The system's dialog for the file that the window asks for.
    pub(super) fn browse_for_labels(&self, id: VolumeId) {
        let Some(save) = self.session.save_labels.as_ref().filter(|s| s.volume == id) else { return };
        let path = PathBuf::from(&save.path);
        self.dialogs.ask_to_save(Asked::SaveLabels(id), &name_of(&path), path.parent().filter(|p| p.is_dir()));
    }

    /// The system's dialog has an answer; it asked about replacing already.
    pub(super) fn take_label_path(&mut self, id: VolumeId, path: &Path) {
        if let Some(save) = self.session.save_labels.as_mut().filter(|s| s.volume == id) {
            save.path = path.to_string_lossy().into_owned();
            save.replaces = path.exists();
        }
    }

    /// A save has ended well.
    pub(super) fn labels_saved(
        &mut self,
        id: VolumeId,
        (path, format): (PathBuf, LabelFormat),
        change: u64,
        told: String,
    ) {
        if format.is_whole()
            && let Some(work) = self.session.volume_mut(id).and_then(|v| v.labels.as_mut())
        {
            work.name = name_of(&path);
            work.saved_change = change;
            work.path = Some(path.clone());
            self.saved_here.insert(id, (path, format));
        }
        self.session.notice(told, false);
    }

    /// Adds the labels of a table to those of a volume; names and colours of those that are there follow it.
    pub(super) fn add_label_table(&mut self, id: VolumeId, entries: Vec<PresetEntry>) {
        let Some(work) = self.session.volume_mut(id).and_then(|v| v.labels.as_mut()) else { return };
        work.names_from = i18n::text("names-from-table").into();
        work.edit(move |document| {
            document.begin_group(&voco_labelstore::change_name("names-from-table", &[]), "segments");
            let Some(layer) = document.layers().next().map(|layer| layer.id) else { return Ok(()) };
            for entry in &entries {
                if let Some(segment) = document.segment_at(layer, entry.value).map(|s| s.id) {
                    document.update_segment(segment, "", |segment| {
                        segment.name.clone_from(&entry.name);
                        segment.color = entry.color.unwrap_or(segment.color);
                        if !entry.terms.is_empty() {
                            segment.terms.clone_from(&entry.terms);
                        }
                    })?;
                }
            }
            document.add_preset(layer, &entries)?;
            document.end_group();
            Ok(())
        });
    }

    /// Asks for the file of a table, of statistics, or of the audit trail; then does it.
    pub(super) fn take_label_answer(&mut self, asked: Asked, path: PathBuf) {
        match asked {
            Asked::LabelTable(id) => self.start_task(TaskWork::ReadTable { volume_id: id, path }),
            Asked::StatisticsCsv(id) => {
                let Some(stats) = self.session.volume(id).and_then(|v| v.label_stats.as_ref()) else { return };
                let text = super::labels::stats_csv(stats);
                self.start_task(TaskWork::WriteText { path, text, what: i18n::text("written-statistics").into() });
            }
            Asked::AuditTrail(id) => {
                let Some(work) = self.session.volume_mut(id).and_then(|v| v.labels.as_mut()) else { return };
                // The whole trail is with the writer.
                work.edit(move |document| {
                    let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
                    let text = if is_csv { document.audit_csv() } else { document.audit_json_lines() };
                    crate::folders::write_whole(&path, text.as_bytes()).map_err(voco_labelstore::StoreError::Io)
                });
            }
            _ => {}
        }
    }
}
