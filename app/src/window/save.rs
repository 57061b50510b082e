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
        let known = work.path.as_ref().and_then(|path| {
            let text = path.to_string_lossy().into_owned();
            let format = LabelFormat::ALL.into_iter().find(|f| f.is_whole() && text.ends_with(f.ending()))?;
            (is_dicom || !format.is_dicom()).then_some((format, text))
        });
        let again = known.as_ref().is_some_and(|_| self.saved_here.contains(&id));
        let (format, path) = known.unwrap_or_else(|| {
            let stem = volume.path.as_ref().map_or_else(|| "sample".to_owned(), |path| image_stem(path));
            let folder = volume.path.as_ref().and_then(|path| path.parent()).map(Path::to_owned);
            let folder = folder.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
            let path = folder.join(format!("{stem}_label.nii.gz"));
            (LabelFormat::Nifti, path.to_string_lossy().into_owned())
        });
        let replaces = again;
        let save = SaveLabelsAs { volume: id, format, path, is_dicom, replaces, lps: false };
        if again {
            return self.save_labels(&save);
        }
        self.session.save_labels = Some(save);
    }

    /// Saves as the window says; asks once more where a file would be replaced.
    pub(super) fn save_labels(&mut self, save: &SaveLabelsAs) {
        let mut path = PathBuf::from(save.path.trim());
        let name = name_of(&path);
        let lower = name.to_lowercase();
        let ends_well = match save.format {
            LabelFormat::Nifti => [".nii", ".nii.gz"].iter().any(|ending| lower.ends_with(ending)),
            LabelFormat::SegNrrd => [".nrrd"].iter().any(|ending| lower.ends_with(ending)),
            _ => true,
        };
        if !ends_well {
            path = path.with_file_name(format!("{name}{}", save.format.ending()));
        }
        if path.exists() && !save.replaces {
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
            images: session.volumes.iter().filter_map(|v| v.path.clone()).collect(),
        };
        self.start_task(TaskWork::SaveLabels(save.volume, Box::new(task)));
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
    pub(super) fn labels_saved(&mut self, id: VolumeId, path: PathBuf, change: u64, told: String) {
        let text = path.to_string_lossy();
        let is_whole = LabelFormat::ALL.iter().any(|f| f.is_whole() && text.ends_with(f.ending()))
            || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("nii"));
        if is_whole && let Some(work) = self.session.volume_mut(id).and_then(|v| v.labels.as_mut()) {
            work.name = name_of(&path);
            work.saved_change = change;
            work.path = Some(path);
            self.saved_here.insert(id);
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
