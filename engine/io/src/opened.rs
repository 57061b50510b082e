use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use voco_volume::{Geometry, LabelTable, Review, Stats, Terms, Volume};

use crate::nifti::{self, NiftiKind};
use crate::{OpenError, Problem, dicom, metaimage, nrrd, zarr};

/// A volume from a file or a folder.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its voxels and geometry.
    pub volume: Volume,
    /// Volumes there (points in time, components, layers of labels).
    pub num_components: usize,
    /// Which of them this is.
    pub component: usize,
    /// Format.
    pub kind: Format,
    /// What a user should know about the file, a sentence each.
    pub warnings: Vec<String>,
    /// Names and colours of labels, if the file itself holds them; those of all its layers.
    pub segments: Vec<Segment>,
    /// Width and level of the window that the file stores (for the middle slice, where each has its own), in real values.
    pub window: Option<[f64; 2]>,
    /// High values are meant to be dark.
    pub is_inverted: bool,
    /// The unit of the real values, e.g. `HU`; empty where the file says that they have none, `None` where it does not tell.
    pub unit: Option<&'static str>,
}

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// NIfTI.
    Nifti(NiftiKind),
    /// DICOM images.
    Dicom,
    /// NRRD, `.seg.nrrd` included.
    Nrrd,
    /// `MetaImage`.
    MetaImage,
    /// OME-Zarr.
    OmeZarr,
}

impl Format {
    /// E.g. `NIfTI-1`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nifti(kind) => kind.name(),
            Self::Dicom => "DICOM",
            Self::Nrrd => "NRRD",
            Self::MetaImage => "MetaImage",
            Self::OmeZarr => "OME-Zarr",
        }
    }
}

/// A label that a file describes.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The component (layer) that holds it. Labels of one layer do not overlap.
    pub layer: usize,
    /// Its voxels' value there.
    pub value: u16,
    /// What a reader calls it.
    pub name: String,
    /// sRGB.
    pub color: Option<[u8; 3]>,
    /// What it is in the terms of a terminology; empty if the file does not say so.
    pub terms: Terms,
    /// What people said of it, where the file has a place for that.
    pub review: Review,
}

impl Opened {
    /// The one volume of a file that says no more of it.
    pub fn new(volume: Volume, kind: Format) -> Self {
        Self {
            volume,
            num_components: 1,
            component: 0,
            kind,
            warnings: Vec::new(),
            segments: Vec::new(),
            window: None,
            is_inverted: false,
            unit: None,
        }
    }

    /// The window that the file stores, if it shows something of these values: programs that know no better leave any numbers there.
    pub fn window_for(&self, stats: &Stats) -> Option<[f64; 2]> {
        self.window.filter(|&[width, level]| {
            let shown = (level + width / 2.0).min(stats.max) - (level - width / 2.0).max(stats.min);
            shown >= 0.01 * width && shown > 0.0
        })
    }

    /// Gives the labels of this layer the names and colours that stand in the file; false if it holds none.
    pub fn name_labels(&self, table: &mut LabelTable) -> bool {
        let mut own = self.segments.iter().filter(|s| s.layer == self.component).peekable();
        if own.peek().is_none() {
            return false;
        }
        let own: Vec<&Segment> = own.collect();
        let of = |id: u16| own.iter().find(|s| s.value == id);
        table.rename(|id| of(id).map(|s| s.name.clone()));
        for segment in own {
            if let Some(color) = segment.color {
                table.set_color(segment.value, color);
            }
        }
        true
    }
}

/// How the caller follows and stops a read.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Told the share done, 0…1, now and then.
    pub progress: &'a dyn Fn(f32),
    /// Asked now and then.
    pub is_cancelled: &'a dyn Fn() -> bool,
}

impl Control<'_> {
    /// Neither follows nor stops.
    pub const NONE: Control<'static> = Control { progress: &|_| {}, is_cancelled: &|| false };
}

/// Opens the (first) volume of a file or a folder. The format is told by content, not by name: NIfTI (`.nii`, `.nii.gz`, either half
/// of a `.hdr`/`.img` pair), DICOM, NRRD, `MetaImage`; a folder holds one DICOM series (see [`crate::scan_folder`] for several) or is
/// OME-Zarr.
///
/// # Errors
/// One sentence about the file.
pub fn open(path: &Path, control: Control<'_>) -> Result<Opened, OpenError> {
    open_volume(path, 0, control)
}

/// Opens one volume (point in time, component, layer) of a file or a folder.
///
/// # Errors
/// One sentence about the file, also where it has fewer volumes.
pub fn open_volume(path: &Path, component: usize, control: Control<'_>) -> Result<Opened, OpenError> {
    let mut found = None;
    let mut num_components = 0;
    read_from(path, component, None, control, &mut |opened| {
        num_components = opened.num_components;
        found = Some(opened);
        false
    })?;
    found.ok_or_else(|| {
        let what = format!("it has no volume number {}; choose a lower one", component + 1);
        OpenError::new(path, Problem::Other(what))
    })
}

/// Grid of the (first) volume of a file or a folder: of NIfTI from the header alone, without looking whether the voxels are there;
/// other formats are read whole.
///
/// # Errors
/// One sentence about the file.
pub fn read_geometry(path: &Path, control: Control<'_>) -> Result<Geometry, OpenError> {
    let failed = |problem| OpenError::new(path, problem);
    match Kind::of(path).map_err(failed)? {
        Kind::Nifti => nifti::read_geometry(path).map_err(failed),
        _ => Ok(*open(path, control)?.volume.geometry()),
    }
}

/// Opens a NIfTI file that is already in memory, such as the embedded sample.
///
/// # Errors
/// One sentence; `name` stands for the file.
pub fn open_bytes(name: &str, bytes: &[u8]) -> Result<Opened, OpenError> {
    nifti::open_bytes(bytes).map_err(|problem| OpenError::new(Path::new(name), problem))
}

/// Reads the volumes of a file one after the other, until `each` returns false.
///
/// # Errors
/// One sentence about the file.
pub fn read_components(
    path: &Path,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), OpenError> {
    read_from(path, 0, None, control, each)
}

/// Reads the volumes of a file from number `first` on, one after the other, until `each` returns false.
///
/// # Errors
/// One sentence about the file.
pub fn read_volumes(
    path: &Path,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), OpenError> {
    read_from(path, first, None, control, each)
}

/// Opens the first layer of a label map, which the grid of its image helps to read: the contours of a DICOM structure set have none of
/// their own. Label maps of other formats keep theirs.
///
/// # Errors
/// One sentence about the file.
pub fn open_labels(path: &Path, image: &Geometry, control: Control<'_>) -> Result<Opened, OpenError> {
    let mut found = None;
    read_from(path, 0, Some(image), control, &mut |opened| {
        found = Some(opened);
        false
    })?;
    found.ok_or_else(|| OpenError::new(path, Problem::Other("it holds no labels".into())))
}

/// Opens all layers of a label map, at most `most`; see [`open_labels`].
///
/// # Errors
/// One sentence about the file, also where it has more layers.
pub fn open_label_layers(
    path: &Path,
    image: &Geometry,
    most: usize,
    control: Control<'_>,
) -> Result<Vec<Opened>, OpenError> {
    let mut found: Vec<Opened> = Vec::new();
    let mut is_too_many = false;
    read_from(path, 0, Some(image), control, &mut |opened| {
        is_too_many = opened.num_components > most;
        found.push(opened);
        !is_too_many
    })?;
    if is_too_many {
        let what =
            format!("it has more than {most} layers, so it seems to be a series of images; choose the label map");
        return Err(OpenError::new(path, Problem::Other(what)));
    }
    if found.is_empty() { Err(OpenError::new(path, Problem::Other("it holds no labels".into()))) } else { Ok(found) }
}

fn read_from(
    path: &Path,
    first: usize,
    image: Option<&Geometry>,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), OpenError> {
    let failed = |problem| OpenError::new(path, problem);
    match Kind::of(path).map_err(failed)? {
        Kind::Nifti => nifti::read(path, first, control, each).map_err(failed),
        Kind::Nrrd => nrrd::read(path, first, control, each).map_err(failed),
        Kind::MetaImage => metaimage::read(path, first, control, each).map_err(failed),
        Kind::Dicom if dicom::is_label_file(path) => {
            dicom::read_labels(path, image, first, control, each).map_err(failed)
        }
        Kind::Dicom => each_of_series(&dicom::series_of_file(path, control)?, first, control, each),
        Kind::Zarr => zarr::read(path, first, control, each).map_err(failed),
        Kind::Folder => each_of_series(&only_series(path, control)?, first, control, each),
    }
}

fn each_of_series(
    series: &dicom::Series,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), OpenError> {
    for component in first..series.num_components {
        if !each(dicom::open_component(series, component, control)?) {
            break;
        }
    }
    Ok(())
}

/// True for a warning that left and right may be swapped: one that nobody should overlook.
pub fn is_about_sides(warning: &str) -> bool {
    warning.contains("left and right")
}

/// True for a DICOM file of labels (a segmentation or a structure set), by content.
pub fn is_dicom_label_file(path: &Path) -> bool {
    is_dicom_file(path) && dicom::is_label_file(path)
}

/// True for a DICOM file, by content.
pub fn is_dicom_file(path: &Path) -> bool {
    matches!(Kind::of(path), Ok(Kind::Dicom))
}

/// True for a folder that is not an image itself: what to look for DICOM series in.
pub fn is_dicom_folder(path: &Path) -> bool {
    path.is_dir() && !zarr::is_zarr(path)
}

/// The series of a folder, if there is one only.
fn only_series(folder: &Path, control: Control<'_>) -> Result<dicom::Series, OpenError> {
    let failed = |what: String| Err(OpenError::new(folder, Problem::Other(what)));
    let mut scan = dicom::scan_folder(folder, control)?;
    match scan.series.len() {
        0 => failed("the folder holds no DICOM images; open one of its files, or another folder".into()),
        1 => {
            let mut series = scan.series.swap_remove(0);
            series.warnings.extend(scan.warnings);
            Ok(series)
        }
        n => failed(format!("the folder holds {n} DICOM series; choose one of them")),
    }
}

/// The files that an image is read from, the one that was named first.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let files = match Kind::of(path) {
        Ok(Kind::Folder) => dicom::scan_folder(path, Control::NONE)
            .map(|scan| scan.series.into_iter().flat_map(|s| s.files).collect())
            .unwrap_or_default(),
        Ok(Kind::Zarr) => zarr::files(path),
        Ok(Kind::Nrrd) => nrrd::files(path),
        Ok(Kind::MetaImage) => metaimage::files(path),
        _ => nifti::files(path),
    };
    if files.is_empty() { vec![path.to_owned()] } else { files }
}

/// What reads a file.
enum Kind {
    Nifti,
    Dicom,
    Nrrd,
    MetaImage,
    Zarr,
    Folder,
}

impl Kind {
    fn of(path: &Path) -> Result<Self, Problem> {
        let mut file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Ok(if zarr::is_zarr(path) { Self::Zarr } else { Self::Folder });
        }
        let mut head = Vec::new();
        file.by_ref().take(1024).read_to_end(&mut head)?;
        Ok(if head.starts_with(b"NRRD000") {
            Self::Nrrd
        } else if metaimage::is_meta(&head) {
            Self::MetaImage
        } else if nifti::is_nifti(&head) {
            Self::Nifti
        } else if dicom::is_dicom(&head) {
            Self::Dicom
        } else if head.is_empty() {
            return Err(Problem::NotNifti("it is empty"));
        } else {
            // Its reader says what is missing.
            Self::Nifti
        })
    }
}
