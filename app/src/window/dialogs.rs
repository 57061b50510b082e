use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use voco_ui::{VolumeId, i18n};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Images,
    ImageFolder,
    Labels,
    Reference,
    SaveLabels(VolumeId),
    /// Where to save the image of a volume.
    SaveImage(VolumeId),
    /// A table of labels to add.
    LabelTable(VolumeId),
    /// Where to write the statistics of labels.
    StatisticsCsv(VolumeId),
    /// Where to write what was done to labels.
    AuditTrail(VolumeId),
    TrainingFolder,
    TrainingInit,
    LabelledFolder,
    LabelledList,
    RunFolder,
    RunsRoot,
    FinetuneFolder,
    FinetuneList,
    FinetuneInit,
    FinetuneRun,
    Checkpoint,
    ModelFolder(&'static voco_hub::Model),
    /// Where to write a picture of the views.
    Picture,
    /// Where to write a picture of the 3D view, or a turn of it.
    Picture3d,
    Turn3d,
    /// Where to write the measurements of a volume.
    MeasurementsCsv(voco_ui::VolumeId),
    /// Where to write them as a DICOM structured report.
    Report(VolumeId),
}

/// File dialogs. The system draws them; the answer comes later, so the window goes on meanwhile.
pub(super) struct Dialogs {
    answers: Receiver<(Asked, Vec<PathBuf>)>,
    sender: Sender<(Asked, Vec<PathBuf>)>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Dialogs {
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (sender, answers) = bounded(16);
        Self { answers, sender, wake }
    }

    /// Opens a dialog. Must be called on the main thread, as macOS demands.
    pub fn ask(&self, asked: Asked) {
        let dialog = rfd::AsyncFileDialog::new();
        let images = ["nii", "gz", "hdr", "img", "nrrd", "nhdr", "mha", "mhd", "dcm", "ima"];
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let answer = move |paths: Vec<PathBuf>| {
            // A full queue means that sixteen answers wait already; one more is not missed.
            sender.try_send((asked, paths)).ok();
            wake();
        };
        let paths = |files: Vec<rfd::FileHandle>| files.iter().map(|f| f.path().to_owned()).collect::<Vec<_>>();
        match asked {
            Asked::Images => {
                let picked = dialog
                    .set_title(i18n::text("dialog-open-volumes"))
                    .add_filter(i18n::text("dialog-volumes"), &images)
                    .add_filter(i18n::text("dialog-all-files"), &["*"])
                    .pick_files();
                wait(move || answer(paths(pollster::block_on(picked).unwrap_or_default())));
            }
            Asked::Labels | Asked::Reference => {
                let title =
                    i18n::text(if asked == Asked::Labels { "dialog-open-labels" } else { "dialog-open-reference" });
                let picked = dialog
                    .set_title(title)
                    .add_filter(i18n::text("dialog-volumes"), &images)
                    .add_filter(i18n::text("dialog-all-files"), &["*"])
                    .pick_file();
                wait(move || answer(paths(pollster::block_on(picked).into_iter().collect())));
            }
            // By `ask_to_save`, which knows a name for the file.
            Asked::SaveLabels(_) | Asked::SaveImage(_) => {}
            Asked::FinetuneList
            | Asked::LabelledList
            | Asked::FinetuneInit
            | Asked::TrainingInit
            | Asked::Checkpoint => {
                let dialog = if matches!(asked, Asked::FinetuneList | Asked::LabelledList) {
                    dialog
                        .set_title(i18n::text("dialog-labelled-list"))
                        .add_filter(i18n::text("dialog-json-list"), &["json"])
                } else {
                    let weights = ["safetensors", "pt", "pth", "bpk"];
                    dialog.set_title(i18n::text("dialog-weights")).add_filter(i18n::text("dialog-weights"), &weights)
                };
                let picked = dialog.pick_file();
                wait(move || answer(paths(pollster::block_on(picked).into_iter().collect())));
            }
            Asked::Picture
            | Asked::StatisticsCsv(_)
            | Asked::AuditTrail(_)
            | Asked::MeasurementsCsv(_)
            | Asked::Report(_) => {
                let (title, filter, endings, name) = saved_as(asked);
                let dialog = dialog.set_title(i18n::text(title)).add_filter(filter, endings);
                let picked = dialog.set_file_name(name).save_file();
                wait(move || answer(paths(pollster::block_on(picked).into_iter().collect())));
            }
            Asked::Picture3d | Asked::Turn3d => {
                let name = super::view3d::proposed_name(asked).unwrap_or(Path::new("volume.png"));
                let filter = if asked == Asked::Turn3d { ("GIF", "gif") } else { ("PNG", "png") };
                let dialog =
                    dialog.add_filter(filter.0, &[filter.1]).add_filter(i18n::text("dialog-all-files"), &["*"]);
                let picked = dialog.set_file_name(name.to_string_lossy()).save_file();
                wait(move || answer(paths(pollster::block_on(picked).into_iter().collect())));
            }
            Asked::LabelTable(_) => {
                let tables = ["txt", "label", "ctbl", "csv", "json"];
                let dialog =
                    dialog.set_title(i18n::text("dialog-label-table")).add_filter(i18n::text("dialog-tables"), &tables);
                let picked = dialog.add_filter(i18n::text("dialog-all-files"), &["*"]).pick_file();
                wait(move || answer(paths(pollster::block_on(picked).into_iter().collect())));
            }
            Asked::ImageFolder
            | Asked::TrainingFolder
            | Asked::LabelledFolder
            | Asked::RunFolder
            | Asked::RunsRoot
            | Asked::FinetuneFolder
            | Asked::FinetuneRun
            | Asked::ModelFolder(_) => {
                let title = match asked {
                    Asked::ImageFolder => i18n::text("dialog-dicom-folder").to_owned(),
                    Asked::RunFolder | Asked::FinetuneRun => i18n::text("dialog-run-folder").to_owned(),
                    Asked::RunsRoot => i18n::text("dialog-runs-folder").to_owned(),
                    Asked::FinetuneFolder | Asked::LabelledFolder => i18n::text("dialog-labelled-folder").to_owned(),
                    Asked::ModelFolder(model) => {
                        i18n::text_with("dialog-model-folder", [("file", model.file.as_str().into())])
                    }
                    _ => i18n::text("dialog-training-folder").to_owned(),
                };
                let picked = dialog.set_title(title).pick_folder();
                wait(move || answer(paths(pollster::block_on(picked).into_iter().collect())));
            }
        }
    }

    /// Asks where to save the label map or the image of a volume; `name` is proposed. The system asks whether a file may be replaced.
    pub fn ask_to_save(&self, asked: Asked, name: &str, folder: Option<&Path>) {
        let mut dialog = rfd::AsyncFileDialog::new().set_file_name(name);
        if matches!(asked, Asked::SaveImage(_)) {
            dialog = dialog.set_title(i18n::text("dialog-save-image"));
            dialog = dialog.add_filter("NIfTI", &["nii", "gz"]).add_filter("NRRD", &["nrrd"]);
        } else {
            dialog = dialog.set_title(i18n::text("dialog-save-labels"));
        }
        dialog = dialog.add_filter(i18n::text("dialog-all-files"), &["*"]);
        if let Some(folder) = folder {
            dialog = dialog.set_directory(folder);
        }
        let picked = dialog.save_file();
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        wait(move || {
            let paths = pollster::block_on(picked).into_iter().map(|file| file.path().to_owned()).collect();
            sender.try_send((asked, paths)).ok();
            wake();
        });
    }

    /// Answers given since the last call.
    pub fn answers(&self) -> Vec<(Asked, Vec<PathBuf>)> {
        self.answers.try_iter().filter(|(_, paths)| !paths.is_empty()).collect()
    }
}

/// Title, kind of file with its endings, and the name that is proposed, of what is written: it says nothing of a patient.
fn saved_as(asked: Asked) -> (&'static str, &'static str, &'static [&'static str], &'static str) {
    match asked {
        Asked::StatisticsCsv(_) => ("dialog-statistics-csv", "CSV", &["csv"], "segments.csv"),
        Asked::AuditTrail(_) => ("dialog-audit", i18n::text("dialog-csv-json-lines"), &["csv", "jsonl"], "audit.csv"),
        Asked::MeasurementsCsv(_) => ("dialog-measurements-csv", "CSV", &["csv"], "measurements.csv"),
        Asked::Report(_) => ("dialog-report", "DICOM", &["dcm"], "measurements.dcm"),
        _ => ("dialog-picture", "PNG", &["png"], "views.png"),
    }
}

/// Waits for the user on a thread of its own; without one the dialog's answer is lost, which the user sees.
fn wait(body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("dialog".into()).spawn(body).ok();
}
