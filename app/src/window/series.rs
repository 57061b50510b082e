//! DICOM series: finding them in a folder, their thumbnails, opening the chosen ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use voco_io::{Control, Series};
use voco_ui::{Loading, SeriesChoice, SeriesRow, Thumbnail, i18n};
use voco_volume::Volume;

use super::app::App;
use super::tasks::{ImageSource, TaskOutcome, TaskWork};

/// Pixels along the longer side of a thumbnail.
const SIDE: usize = 144;

/// What a look at a folder found.
pub(super) struct FoundSeries {
    folder: PathBuf,
    series: Vec<Series>,
    thumbnails: Vec<Option<Thumbnail>>,
    notes: Vec<String>,
}

/// Scans a folder, or the folder of a DICOM file for the series that the file belongs to.
pub(super) fn find(path: &Path, control: Control<'_>) -> TaskOutcome {
    if path.is_file() && voco_io::is_dicom_label_file(path) {
        return TaskOutcome::LabelFile(path.to_owned());
    }
    let scanned = if path.is_dir() { voco_io::scan_folder(path, control) } else { voco_io::scan_around(path, control) };
    let scan = match scanned {
        Ok(scan) => scan,
        Err(e) if e.is_cancelled() => return TaskOutcome::Cancelled,
        Err(e) => return TaskOutcome::Failed(e.to_string()),
    };
    if scan.series.is_empty() {
        return TaskOutcome::Failed(i18n::text_with("tell-no-dicom", [("name", folder_name(path).into())]));
    }
    let thumbnails = if scan.series.len() == 1 {
        vec![None]
    } else {
        // A series that cannot be decoded has no picture; opening it says why.
        let silent = Control { progress: &|_| {}, ..control };
        scan.series.iter().map(|s| voco_io::middle_slice(s, silent).ok().map(|v| thumbnail(&v))).collect()
    };
    let mut notes = scan.warnings;
    match &scan.label_files[..] {
        [] => {}
        [one] => {
            let name = one.file_name().unwrap_or_default().to_string_lossy().into_owned();
            notes.push(i18n::text_with("tell-folder-holds-labels", [("name", name.into())]));
        }
        many => notes.push(i18n::text_with("tell-folder-holds-label-files", [("count", many.len().into())])),
    }
    let found = FoundSeries { folder: path.to_owned(), series: scan.series, thumbnails, notes };
    TaskOutcome::Series(Box::new(found))
}

/// Endings of files that are no slices, whatever they hold.
const NO_SLICES: [&str; 9] = ["nii", "gz", "hdr", "img", "nrrd", "nhdr", "mha", "mhd", "zarr"];

/// Folders and DICOM files, one for each folder, and what remains. DICOM is known by its usual endings; of the files without a known
/// one, as a CD has them, one of each folder is looked into and stands for the others: a window must not wait for many.
pub(super) fn series_among(paths: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut looked: BTreeMap<PathBuf, bool> = BTreeMap::new();
    let mut is_slice = |path: &Path| {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        match ending.as_str() {
            "dcm" | "ima" => true,
            ending if NO_SLICES.contains(&ending) => false,
            _ => *looked.entry(folder).or_insert_with(|| voco_io::is_dicom_file(path)),
        }
    };
    let mut rest = Vec::new();
    // Each with whether it is a slice and not a folder.
    let mut kept: Vec<(PathBuf, bool)> = Vec::new();
    for path in paths {
        let is_folder = voco_io::is_dicom_folder(&path);
        if !is_folder && (path.is_dir() || !is_slice(&path)) {
            rest.push(path);
            continue;
        }
        // The list of a CD stands for all that is listed.
        let is_list = !is_folder && path.file_name().is_some_and(|n| n.eq_ignore_ascii_case("DICOMDIR"));
        let folder = path.parent().map(Path::to_owned);
        let (path, is_slice) = match folder.clone() {
            Some(folder) if is_list => (folder, false),
            _ => (path, !is_folder),
        };
        let beside = kept.iter().position(|(k, is_file)| *is_file && is_slice && k.parent() == path.parent());
        if let (Some(n), Some(folder)) = (beside, folder) {
            // Several slices of one folder: all that it holds.
            kept[n] = (folder, false);
        } else if !kept
            .iter()
            .any(|(k, is_file)| !*is_file && (*k == path || is_slice && Some(k.as_path()) == path.parent()))
        {
            kept.push((path, is_slice));
        }
    }
    (kept.into_iter().map(|(path, _)| path).collect(), rest)
}

fn folder_name(path: &Path) -> String {
    path.file_name().map_or_else(|| i18n::text("folder-unnamed").to_owned(), |n| n.to_string_lossy().into_owned())
}

/// A slice, reduced and spread over the grey values between its 1st and 99th percentile.
fn thumbnail(slice: &Volume) -> Thumbnail {
    let [columns, rows, _] = slice.dims();
    let spacing = slice.geometry().spacing_mm();
    // Square pixels, so that a body has its proportions.
    let [width, height] = [columns as f64 * spacing.x, rows as f64 * spacing.y];
    let scale = SIDE as f64 / width.max(height);
    let size = [width, height].map(|side| ((side * scale).round() as usize).clamp(1, SIDE));
    let values = slice.to_f32();
    let at = |n: usize, of: usize, from: usize| ((n * 2 + 1) * from / (2 * of)).min(from - 1);
    let picked = (0..size[1]).flat_map(|y| (0..size[0]).map(move |x| (x, y)));
    let picked: Vec<f32> =
        picked.map(|(x, y)| values[at(x, size[0], columns) + columns * at(y, size[1], rows)]).collect();
    let mut sorted: Vec<f32> = picked.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let percentile = |share: usize| sorted.get(sorted.len().saturating_sub(1) * share / 100).copied().unwrap_or(0.0);
    let (low, high) = (percentile(1), percentile(99));
    let range = (high - low).max(f32::MIN_POSITIVE);
    // A cast of a value that is not finite gives 0.
    Thumbnail::new(size, picked.iter().map(|v| ((v - low) / range * 255.0).clamp(0.0, 255.0) as u8).collect())
}

impl App {
    /// Looks on a task what a folder (or the folder of a DICOM file) holds.
    pub(super) fn find_series(&mut self, path: PathBuf) {
        let name = folder_name(&path);
        match self.tasks.start(TaskWork::FindSeries(path)) {
            Ok((task, cancel)) => self.session.loading.push(Loading { task, name, progress: 0.0, cancel }),
            Err(text) => self.session.notice(text, true),
        }
    }

    /// One series is opened; several are shown to choose from.
    pub(super) fn take_series(&mut self, found: FoundSeries) {
        let FoundSeries { folder, mut series, thumbnails, notes } = found;
        if series.len() == 1 {
            for note in notes {
                self.session.notice(note, false);
            }
            return self.open_image(ImageSource::Series(Box::new(series.swap_remove(0)), folder), None);
        }
        let row = |(series, thumbnail): (&Series, Option<Thumbnail>)| SeriesRow {
            description: series.description.clone(),
            modality: series.modality.clone(),
            num_volumes: series.num_components,
            dims: series.dims,
            spacing_mm: series.spacing_mm,
            warnings: series.warnings.clone(),
            thumbnail,
            is_chosen: false,
        };
        let rows = series.iter().zip(thumbnails).map(row).collect();
        self.session.series = Some(SeriesChoice { folder: folder_name(&folder), rows, notes });
        self.found_series = (folder, series);
    }

    pub(super) fn open_series(&mut self, chosen: &[usize]) {
        self.session.series = None;
        let (folder, series) = std::mem::take(&mut self.found_series);
        for series in chosen.iter().filter_map(|&n| series.get(n)) {
            self.open_image(ImageSource::Series(Box::new(series.clone()), folder.clone()), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_without_an_ending_are_known_by_one_of_them() {
        let disk = tempfile::tempdir().expect("a folder");
        let slice = [vec![0; 128], b"DICM".to_vec()].concat();
        let write = |name: &str, bytes: &[u8]| {
            let path = disk.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(&path, bytes).expect("written");
            path
        };
        let cd = [write("cd/I001", &slice), write("cd/1.2.840.10008.7", b"not looked at")];
        let alone = write("alone/IM_5", &slice);
        let other = write("other/volume", b"something else");
        let image = write("cd/scan.nii", &slice);
        let list = write("disk/DICOMDIR", &slice);
        let asked = [cd.to_vec(), vec![alone.clone(), other.clone(), image.clone(), list]].concat();
        let (series, rest) = series_among(asked);
        assert_eq!(series, [disk.path().join("cd"), alone.clone(), disk.path().join("disk")]);
        assert_eq!(rest, [other, image], "a known ending of another format is not looked into");
    }

    #[test]
    fn slices_of_a_folder_are_opened_once_with_it() {
        let disk = tempfile::tempdir().expect("a folder");
        let paths = ["a.dcm", "b.DCM", "c.ima"].map(|name| disk.path().join(name));
        assert_eq!(series_among(paths.to_vec()).0, [disk.path()]);
        assert_eq!(series_among(paths[..1].to_vec()).0, [paths[0].clone()]);
        let with_folder = [vec![disk.path().to_owned()], paths.to_vec()].concat();
        assert_eq!(series_among(with_folder).0, [disk.path()]);
    }
}
