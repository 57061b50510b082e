use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use glam::DVec3;
use rayon::prelude::*;

use crate::dicom::file::{Source, is_dicom, read_head};
use crate::dicom::geometry::Stack;
use crate::dicom::image::{Frame, ImageHeader, NoImage, PixelFormat};
use crate::dicom::patient::{Position, mixed};
use crate::{Control, OpenError, Problem};

/// Folders within the folder that is looked at.
const MAX_DEPTH: usize = 8;
/// Files looked at; a folder of more is not one examination.
const MAX_FILES: usize = 200_000;
/// Headers read between two looks at the cancel flag.
const BATCH: usize = 64;

/// Images that belong together: one volume, or one for each point in time.
#[derive(Debug, Clone)]
pub struct Series {
    /// What the scanner's operator called it; may be empty.
    pub description: String,
    /// E.g. `CT`.
    pub modality: String,
    /// What was examined, in DICOM's words, e.g. `CHEST`; may be empty.
    pub body_part: String,
    /// Slices of one volume.
    pub num_slices: usize,
    /// Volumes (points in time, echoes …) at the same place.
    pub num_components: usize,
    /// Columns, rows, slices.
    pub dims: [usize; 3],
    /// Distances between them in millimetres.
    pub spacing_mm: [f64; 3],
    /// What a user should know before opening it, a sentence each.
    pub warnings: Vec<String>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) formats: Vec<PixelFormat>,
    pub(crate) stack: Stack,
    pub(crate) uid: String,
    pub(crate) padding: Option<i32>,
    pub(crate) unit: Option<&'static str>,
    number: Option<i64>,
}

/// What lies in a folder.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The series, in the order of their numbers.
    pub series: Vec<Series>,
    /// What a user should know of the rest, a sentence each.
    pub warnings: Vec<String>,
    /// DICOM files without an image (reports, plans).
    pub num_without_image: usize,
    /// DICOM segmentations and structure sets, which are label maps.
    pub label_files: Vec<PathBuf>,
}

/// One image of a file with its header.
struct Image {
    file: usize,
    header: ImageHeader,
}

/// A frame within a series.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    /// Its file's number in the series.
    pub file: usize,
    pub frame: Frame,
    pub(crate) instance: usize,
}

/// Looks at every file under a folder, by content, and groups the DICOM images into series. Pixels are not read.
///
/// # Errors
/// If the folder cannot be read, or it was cancelled.
pub fn scan_folder(folder: &Path, control: Control<'_>) -> Result<Scan, OpenError> {
    let files = files_under(folder).map_err(|e| OpenError::new(folder, e))?;
    scan_files(folder, &files, control)
}

/// The series that a DICOM file belongs to, from the files beside it.
///
/// # Errors
/// If the folder cannot be read, or it was cancelled.
pub fn scan_around(file: &Path, control: Control<'_>) -> Result<Scan, OpenError> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|e| OpenError::new(folder, e))?;
    files.extend(entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.is_file()).take(MAX_FILES));
    files.sort();
    let mut scan = scan_files(folder, &files, control)?;
    scan.series.retain(|s| s.files.iter().any(|f| f.file_name() == file.file_name()));
    // What is wrong with other files is not about this one.
    scan.warnings.clear();
    Ok(scan)
}

pub(crate) fn scan_files(folder: &Path, files: &[PathBuf], control: Control<'_>) -> Result<Scan, OpenError> {
    let mut scan = Scan::default();
    let mut images = Vec::new();
    let mut bad: Vec<(usize, Problem)> = Vec::new();
    for (batch, paths) in files.chunks(BATCH).enumerate() {
        if (control.is_cancelled)() {
            return Err(OpenError::new(folder, Problem::Cancelled));
        }
        let read: Vec<_> = paths.par_iter().map(|path| look(path)).collect();
        for (n, found) in read.into_iter().enumerate() {
            let file = batch * BATCH + n;
            match found {
                Found::Image(header) => images.push(Image { file, header: *header }),
                Found::Labels => scan.label_files.push(files[file].clone()),
                Found::NoImage => scan.num_without_image += 1,
                Found::Bad(problem) => bad.push((file, problem)),
                Found::NotDicom => {}
            }
        }
        (control.progress)((batch * BATCH + paths.len()) as f32 / files.len() as f32);
    }
    if let Some((file, problem)) = bad.first() {
        let first = OpenError::new(&files[*file], Problem::Other(problem.to_string()));
        if images.is_empty() {
            return Err(first);
        }
        scan.warnings.push(match bad.len() {
            1 => format!("A DICOM file is left out: {first}."),
            n => format!("{n} DICOM files are left out; the first is {first}."),
        });
    }
    scan.series = group(files, images);
    Ok(scan)
}

enum Found {
    Image(Box<ImageHeader>),
    Labels,
    NoImage,
    Bad(Problem),
    NotDicom,
}

/// SOP classes of label maps.
pub(super) const SEGMENTATION: &str = "1.2.840.10008.5.1.4.1.1.66.4";
pub(super) const LABEL_MAP: &str = "1.2.840.10008.5.1.4.1.1.66.7";
pub(super) const STRUCTURE_SET: &str = "1.2.840.10008.5.1.4.1.1.481.3";

fn look(path: &Path) -> Found {
    let Ok(bytes) = read_head(path) else { return Found::NotDicom };
    if !is_dicom(&bytes) || path.file_name().is_some_and(|n| n.eq_ignore_ascii_case("DICOMDIR")) {
        return Found::NotDicom;
    }
    let has_mark = bytes.get(128..132) == Some(b"DICM");
    let read = |bytes: &[u8]| -> Result<Found, Problem> {
        let source = Source::new(bytes)?;
        let data = source.data_set()?;
        let class = data.text(crate::dicom::tags::SOP_CLASS);
        if matches!(class.as_deref(), Some(SEGMENTATION | LABEL_MAP | STRUCTURE_SET)) {
            return Ok(Found::Labels);
        }
        match ImageHeader::of(&source, &data) {
            Ok(header) => Ok(Found::Image(Box::new(header))),
            Err(NoImage::Other) => Ok(Found::NoImage),
            Err(NoImage::Problem(problem)) => Err(problem),
        }
    };
    match read(&bytes) {
        Ok(found) => found,
        Err(problem) if has_mark => Found::Bad(problem),
        Err(_) => Found::NotDicom,
    }
}

fn files_under(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    fn walk(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), Problem> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            // Links to folders may lead in a circle.
            if kind.is_dir() {
                if depth > 0 {
                    walk(&path, depth - 1, out)
                        .or_else(|e| if matches!(e, Problem::Io(_)) { Ok(()) } else { Err(e) })?;
                }
            } else if path.is_file() {
                out.push(path);
            }
            if out.len() > MAX_FILES {
                return Err(Problem::Other(format!(
                    "it holds more than {MAX_FILES} files; open the folder of one examination"
                )));
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    walk(folder, MAX_DEPTH, &mut out)?;
    out.sort();
    Ok(out)
}

/// A series in the making.
struct Group {
    first: ImageHeader,
    first_frame: Frame,
    files: Vec<usize>,
    formats: Vec<PixelFormat>,
    slices: Vec<Slice>,
    instances: BTreeSet<(String, usize)>,
    num_copies: usize,
    /// How the patient lay, as its slices say.
    positions: BTreeSet<Position>,
}

/// Images of one series that share size and orientation.
fn group(files: &[PathBuf], images: Vec<Image>) -> Vec<Series> {
    let mut groups: Vec<Group> = Vec::new();
    for (instance, Image { file, header }) in images.into_iter().enumerate() {
        let ImageHeader { frames, .. } = &header;
        for frame in frames {
            let found = groups.iter().rposition(|g| belongs(g, &header, frame));
            let at = found.unwrap_or_else(|| {
                groups.push(Group {
                    first: ImageHeader { frames: Vec::new(), ..header.clone() },
                    first_frame: frame.clone(),
                    files: Vec::new(),
                    formats: Vec::new(),
                    slices: Vec::new(),
                    instances: BTreeSet::new(),
                    num_copies: 0,
                    positions: BTreeSet::new(),
                });
                groups.len() - 1
            });
            let group = &mut groups[at];
            if !header.instance_uid.is_empty() && !group.instances.insert((header.instance_uid.clone(), frame.index)) {
                group.num_copies += 1;
                continue;
            }
            if group.files.last() != Some(&file) {
                group.files.push(file);
                group.formats.push(header.format.clone());
            }
            group.positions.extend(header.lying.position());
            group.slices.push(Slice { file: group.files.len() - 1, frame: frame.clone(), instance });
        }
    }
    let mut series: Vec<Series> = groups.into_iter().map(|g| finished(files, g)).collect();
    series.sort_by(|a, b| (a.number, &a.uid).cmp(&(b.number, &b.uid)));
    series
}

fn belongs(group: &Group, header: &ImageHeader, frame: &Frame) -> bool {
    let (a, b) = (&group.first, header);
    let (p, q) = (&group.first_frame.place, &frame.place);
    let near = |a: DVec3, b: DVec3| a.distance(b) < 1e-3;
    a.series_uid == b.series_uid
        && a.sop_class == b.sop_class
        && (a.format.rows, a.format.columns) == (b.format.rows, b.format.columns)
        && a.format.is_color() == b.format.is_color()
        && p.is_oriented == q.is_oriented
        && p.position.is_some() == q.position.is_some()
        && near(p.row_direction, q.row_direction)
        && near(p.column_direction, q.column_direction)
        && p.spacing_mm.iter().zip(q.spacing_mm).all(|(a, b)| (a - b).abs() < 1e-3 * b)
}

fn finished(files: &[PathBuf], group: Group) -> Series {
    let Group { first, first_frame, files: used, formats, slices, num_copies, positions, .. } = group;
    let mut warnings = Vec::new();
    if num_copies > 0 {
        warnings.push(match num_copies {
            1 => "1 slice is there twice (the same image under two names); it is used once.".into(),
            n => format!("{n} slices are there twice (the same image under two names); each is used once."),
        });
    }
    // As in the other slices: those that run otherwise are another group.
    warnings.extend(mixed(&positions).or_else(|| first.lying.contradiction(&first_frame.place)));
    let stack = Stack::new(slices, &mut warnings);
    let format = &first.format;
    let dims = [format.columns, format.rows, stack.num_slices()];
    Series {
        description: first.description,
        modality: first.modality,
        body_part: first.body_part,
        num_slices: stack.num_slices(),
        num_components: stack.num_components(),
        dims,
        spacing_mm: stack.spacing_mm(),
        warnings,
        files: used.into_iter().map(|n| files[n].clone()).collect(),
        formats,
        stack,
        uid: first.series_uid,
        padding: first.padding,
        unit: first.unit,
        number: first.series_number,
    }
}

impl Series {
    /// The files that it is read from.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The folder of the first one.
    pub fn folder(&self) -> &Path {
        self.files.first().and_then(|f| f.parent()).unwrap_or(Path::new("."))
    }

    /// DICOM's own name of the series; unlike all else here it may stand for a patient, so it is for comparing only.
    pub fn is_same_series(&self, other: &Self) -> bool {
        !self.uid.is_empty() && self.uid == other.uid && self.dims == other.dims
    }
}
