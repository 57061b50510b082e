//! Measurements as a DICOM structured report.

use std::path::PathBuf;

use voco_io::{Finding, Report, Series};
use voco_ui::{VolumeId, i18n};

use super::app::App;
use super::dialogs::Asked;
use super::tasks::{ImageSource, TaskOutcome, TaskWork};

/// What to write, and where.
pub(super) struct WriteReport {
    path: PathBuf,
    /// As it was opened; none of an image that is no DICOM.
    source: Option<ImageSource>,
    findings: Vec<Finding>,
}

/// Writes the report and says what it is about.
pub(super) fn write(work: &WriteReport) -> TaskOutcome {
    let series = work.source.as_ref().and_then(series_of);
    let ends_well = work.path.extension().is_some_and(|e| e.eq_ignore_ascii_case("dcm"));
    let path = if ends_well { work.path.clone() } else { work.path.with_added_extension("dcm") };
    let report = Report { series: series.as_ref(), findings: &work.findings };
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    match voco_io::save_report(&path, report) {
        Ok(()) if series.is_some() => TaskOutcome::Told(i18n::text_with("tell-report-saved", [("name", name.into())])),
        Ok(()) => TaskOutcome::Told(i18n::text_with("tell-report-saved-alone", [("name", name.into())])),
        Err(error) => TaskOutcome::Failed(error.to_string()),
    }
}

fn series_of(source: &ImageSource) -> Option<Series> {
    match source {
        ImageSource::Series(series, _) => Some((**series).clone()),
        ImageSource::File(path) => voco_io::scan_around(path, voco_io::Control::NONE).ok()?.series.into_iter().next(),
        ImageSource::Sample => None,
    }
}

impl App {
    pub(super) fn ask_for_report(&self, id: VolumeId) {
        self.dialogs.ask(Asked::Report(id));
    }

    pub(super) fn write_report(&mut self, id: VolumeId, path: PathBuf) {
        let (Some(volume), Some(doc)) = (self.session.volume(id), self.session.measurements.get(&id.0)) else { return };
        let findings = crate::report::findings(doc.items(), volume.unit() == "HU");
        let source = self.sources.get(&id.0).cloned();
        self.start_task(TaskWork::WriteReport(Box::new(WriteReport { path, source, findings })));
    }
}
