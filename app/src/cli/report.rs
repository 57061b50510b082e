use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use voco_io::{Control, Report, Series};
use voco_ui::measure::{Measurement, from_json};
use voco_volume::{Stats, Volume};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Measurements as the window stores them (JSON).
    measurements: PathBuf,
    /// The image that was measured: a DICOM file or folder, or another volume.
    #[arg(long)]
    image: PathBuf,
    /// The report to write (.dcm).
    #[arg(long)]
    out: PathBuf,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let name = args.measurements.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let text = std::fs::read_to_string(&args.measurements)
        .map_err(|e| anyhow::anyhow!("{name}: it cannot be read ({}); give a file of measurements", e.kind()))?;
    let mut items = from_json(&text).map_err(|e| anyhow::anyhow!("{name}: {e}"))?;
    let series = series_of(args)?;
    let volume = match &series {
        Some(series) => voco_io::open_series(series, Control::NONE)?.volume,
        None => voco_io::open(&args.image, Control::NONE)?.volume,
    };
    count(&mut items, &volume);
    let stats = Stats::of(&volume);
    let is_hounsfield = match &series {
        Some(series) => series.modality == "CT",
        None => stats.min <= -500.0 && stats.max >= 100.0,
    };
    let findings = crate::report::findings(&items, is_hounsfield);
    voco_io::save_report(&args.out, Report { series: series.as_ref(), findings: &findings })?;
    if args.json {
        return super::print_json(&json!({ "measurements": findings.len(), "is_dicom": series.is_some() }));
    }
    let about = if series.is_some() { "the patient and study of the images" } else { "nobody: the image is no DICOM" };
    super::say(&format!("{} measurements; the report is about {about}", findings.len()));
    Ok(())
}

/// The series of the image, if it is DICOM.
fn series_of(args: &ReportArgs) -> anyhow::Result<Option<Series>> {
    let image = &args.image;
    let mut scan = if voco_io::is_dicom_folder(image) {
        voco_io::scan_folder(image, Control::NONE)?
    } else {
        voco_io::scan_around(image, Control::NONE).unwrap_or_default()
    };
    if scan.series.len() > 1 {
        anyhow::bail!("the folder holds {} DICOM series; name a file of the one that was measured", scan.series.len());
    }
    Ok(scan.series.pop())
}

/// Counts the voxels inside regions.
fn count(items: &mut [Measurement], volume: &Volume) {
    for item in items {
        if let Some(mut work) = item.roi_work(volume) {
            let stats = loop {
                if let Some(stats) = work.advance(volume, usize::MAX) {
                    break stats;
                }
            };
            item.stats = Some(stats);
        }
    }
}
