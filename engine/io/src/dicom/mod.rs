//! DICOM: single images, series in a folder, enhanced multi-frame images.

mod codec;
mod contours;
mod data_set;
mod encode;
mod file;
mod geometry;
mod image;
mod patient;
mod phases;
mod pixels;
mod report;
mod save;
mod segmentation;
mod series;
mod structures;
mod tags;

pub(crate) use file::is_dicom;
pub use report::{Finding, Graphic, Report, Value, save_report};
pub use save::{SeriesLabels, save_dicom_segmentation, save_structure_set};
pub use series::{Scan, Series, scan_around, scan_folder};

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use voco_volume::{Geometry, Rescale, Shared, Volume, Voxels, Zeroed};

use crate::dicom::file::{Codec, Source};
use crate::dicom::image::{Photometric, PixelFormat, Storage};
use crate::dicom::pixels::{Pixels, Values};
use crate::dicom::series::{Slice, scan_files};
use crate::error::human_bytes;
use crate::{Control, Format, OpenError, Opened, Problem};

/// Pixels that packed files may hold together whatever their length.
const FREE_PIXELS: u128 = 1 << 26;
const MOST_PIXELS_PER_BYTE: u128 = 2048;

/// Opens the first volume of a series.
///
/// # Errors
/// One sentence that names the file.
pub fn open_series(series: &Series, control: Control<'_>) -> Result<Opened, OpenError> {
    open_component(series, 0, control)
}

/// Opens one volume (point in time, echo …) of a series.
///
/// # Errors
/// One sentence that names the file.
pub fn open_component(series: &Series, component: usize, control: Control<'_>) -> Result<Opened, OpenError> {
    let slices = series.stack.component(component);
    let volume = read(series, slices, control)?;
    let mut warnings = series.warnings.clone();
    about_pixels(series, volume.rescale(), &mut warnings);
    let format = series.formats.first();
    Ok(Opened {
        num_components: series.num_components,
        component,
        warnings,
        window: slices[slices.len() / 2].frame.window.filter(|_| format.is_none_or(|f| !f.is_color())),
        is_inverted: format.is_some_and(|f| f.photometric == Photometric::Inverted),
        unit: series.unit,
        ..Opened::new(volume, Format::Dicom)
    })
}

/// The middle slice of a series, for a picture of it. It lies where the first one does.
///
/// # Errors
/// One sentence that names the file.
pub fn middle_slice(series: &Series, control: Control<'_>) -> Result<Volume, OpenError> {
    let slices = series.stack.component(0);
    let middle = slices.len() / 2;
    read(series, &slices[middle..=middle], control)
}

/// The one series of a single file. Frames that belong to several series are refused.
pub(crate) fn series_of_file(path: &Path, control: Control<'_>) -> Result<Series, OpenError> {
    let files = [path.to_owned()];
    let scan = scan_files(path, &files, control)?;
    let count = scan.series.len();
    // Of images in several orientations (a localizer), the largest part.
    let largest = scan.series.into_iter().rev().max_by_key(|s| s.num_slices);
    let Some(mut series) = largest else {
        let what = if scan.label_files.is_empty() {
            "it is DICOM but holds no image (a report, a plan or a list); open the file or folder of the images"
        } else {
            "it is a DICOM segmentation or structure set; open its images, and then this file as their labels"
        };
        return Err(OpenError::new(path, Problem::Other(what.into())));
    };
    if count > 1 {
        series
            .warnings
            .push(format!("The file holds images in {count} orientations or sizes; the largest part is shown."));
    }
    Ok(series)
}

/// The layers of a segmentation or a structure set, the latter on the grid of its image.
///
/// # Errors
/// One sentence about the file.
pub(crate) fn read_labels(
    path: &Path,
    image: Option<&Geometry>,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    if is_structure_set(path) {
        let Some(image) = image else {
            let what =
                "a structure set has contours and no voxels; open its images first, and then this file as their labels";
            return Err(Problem::Other(what.into()));
        };
        return structures::read(path, image, first, control, each);
    }
    segmentation::read(path, first, control, each)
}

/// True for DICOM files that hold labels; false for all others.
pub(crate) fn is_label_file(path: &Path) -> bool {
    matches!(class_of(path).as_deref(), Some(series::SEGMENTATION | series::STRUCTURE_SET | series::LABEL_MAP))
}

fn is_structure_set(path: &Path) -> bool {
    class_of(path).as_deref() == Some(series::STRUCTURE_SET)
}

fn class_of(path: &Path) -> Option<String> {
    let head = file::read_head(path).ok()?;
    let source = Source::new(&head).ok()?;
    source.data_set().ok()?.text(tags::SOP_CLASS).map(std::borrow::Cow::into_owned)
}

fn about_pixels(series: &Series, rescale: Rescale, warnings: &mut Vec<String>) {
    let Some(format) = series.formats.first() else { return };
    if format.is_color() {
        warnings.push("The pixels are colours; their luminance is shown.".into());
    }
    if format.photometric == Photometric::Inverted {
        warnings
            .push("High values are meant to be dark (MONOCHROME1) and are shown so; the values are as stored.".into());
    }
    if let Some(padding) = series.padding {
        let value = rescale.apply(padding.into());
        warnings.push(format!("Pixels outside the scanner's field have the value {value} (Pixel Padding Value)."));
    }
    if series.num_components > 1 {
        warnings.push(format!(
            "The series holds {} volumes at one place (points in time or the like).",
            series.num_components
        ));
    }
}

/// What the slices are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    F64,
    /// Real values: the slices differ in type or scale.
    Real,
}

impl Kind {
    fn of(format: &PixelFormat) -> Self {
        match (format.storage, format.bits_allocated, format.is_signed && !format.is_color()) {
            (Storage::Float, ..) => Self::F32,
            (Storage::Double, ..) => Self::F64,
            (_, 1 | 8, false) => Self::U8,
            (_, 8, true) => Self::I8,
            (_, 16, false) => Self::U16,
            (_, 16, true) => Self::I16,
            (_, _, false) => Self::U32,
            (_, _, true) => Self::I32,
        }
    }
}

/// The slices of one file and where they go.
type Task<'a, T> = (usize, Vec<(&'a Slice, &'a mut [T])>);

fn read(series: &Series, slices: &[Slice], control: Control<'_>) -> Result<Volume, OpenError> {
    let whole = |problem: Problem| OpenError::new(&series.files[0], problem);
    let dims = [series.dims[0], series.dims[1], slices.len()];
    let geometry = Geometry::new(dims, series.stack.world_from_voxel()).map_err(|e| whole(e.into()))?;
    let first = &slices[0].frame;
    let is_scaled_alike = slices.iter().all(|s| (s.frame.slope, s.frame.inter) == (first.slope, first.inter));
    let kinds: Vec<Kind> = slices.iter().map(|s| Kind::of(&series.formats[s.file])).collect();
    let is_uniform = is_scaled_alike && kinds.iter().all(|&k| k == kinds[0]);
    check_size(series, slices).map_err(whole)?;
    let rescale = if is_uniform { Rescale { slope: first.slope, inter: first.inter } } else { Rescale::IDENTITY };
    macro_rules! stored {
        ($variant:ident, $ty:ty, $from:expr) => {
            Voxels::$variant(fill(series, slices, control, &|values, slice, out: &mut [$ty]| {
                let from: fn(&Values, usize, &Slice, bool) -> $ty = $from;
                let unsigned = !series.formats[slice.file].is_signed || series.formats[slice.file].is_color();
                out.iter_mut().enumerate().for_each(|(n, v)| *v = from(values, n, slice, unsigned));
            })?)
        };
    }
    macro_rules! integer {
        ($variant:ident, $ty:ty) => {
            Voxels::$variant(fill(series, slices, control, &|values, _, out: &mut [$ty]| {
                if let Values::Integer(values) = values {
                    out.iter_mut().zip(values).for_each(|(v, &bits)| *v = bits as $ty);
                }
            })?)
        };
    }
    let voxels = match if is_uniform { kinds[0] } else { Kind::Real } {
        Kind::U8 => integer!(U8, u8),
        Kind::I8 => integer!(I8, i8),
        Kind::U16 => integer!(U16, u16),
        Kind::I16 => integer!(I16, i16),
        Kind::U32 => integer!(U32, u32),
        Kind::I32 => integer!(I32, i32),
        Kind::F32 => stored!(F32, f32, |values, n, _, _| if let Values::Float(v) = values { v[n] } else { 0.0 }),
        Kind::F64 => stored!(F64, f64, |values, n, _, _| if let Values::Double(v) = values { v[n] } else { 0.0 }),
        Kind::Real => stored!(F32, f32, |values, n, slice, unsigned| {
            let stored = match values {
                Values::Integer(v) if unsigned => f64::from(v[n].cast_unsigned()),
                Values::Integer(v) => f64::from(v[n]),
                Values::Float(v) => v[n].into(),
                Values::Double(v) => v[n],
            };
            (stored * slice.frame.slope + slice.frame.inter) as f32
        }),
    };
    Volume::new(geometry, voxels, rescale).map_err(|e| whole(e.into()))
}

/// Refuses pixels that cannot be in the files, before memory is taken for them.
fn check_size(series: &Series, slices: &[Slice]) -> Result<(), Problem> {
    let (mut present, mut most) = (0_u128, 0_u128);
    let mut last = None;
    for slice in slices {
        let format = &series.formats[slice.file];
        let is_packed = format.syntax.codec != Codec::Native || format.syntax.is_deflated;
        if last.replace(slice.file) != Some(slice.file) {
            let len = u128::from(std::fs::metadata(&series.files[slice.file])?.len());
            present += len;
            most += if is_packed {
                len * MOST_PIXELS_PER_BYTE
            } else {
                len * 8 / (format.frame_bits() / format.num_pixels()).max(1) as u128
            };
        }
    }
    let claimed = series.dims[0] as u128 * series.dims[1] as u128 * slices.len() as u128;
    let packed = series.formats.iter().any(|f| f.syntax.codec != Codec::Native || f.syntax.is_deflated);
    if claimed > most && !(packed && claimed <= FREE_PIXELS) {
        let bits = series.formats[slices[0].file].frame_bits() as u128 * slices.len() as u128;
        return Err(Problem::TooFewBytes { claimed: human_bytes(bits / 8), present: human_bytes(present) });
    }
    Ok(())
}

/// Reads and decodes the files, many at a time; `convert` puts the stored numbers of a slice to its place.
fn fill<T: bytemuck::Pod + Send + Sync>(
    series: &Series,
    slices: &[Slice],
    control: Control<'_>,
    convert: &(dyn Fn(&Values, &Slice, &mut [T]) + Sync),
) -> Result<Shared<T>, OpenError> {
    let num_pixels = series.dims[0] * series.dims[1];
    let count = num_pixels * slices.len();
    let full = || {
        let bytes = human_bytes(count as u128 * size_of::<T>() as u128);
        OpenError::new(&series.files[0], Problem::Memory(bytes))
    };
    let mut voxels = Zeroed::<T>::new(count).ok_or_else(full)?;
    let mut tasks: Vec<Task<'_, T>> = Vec::new();
    for (slice, target) in slices.iter().zip(voxels.chunks_mut(num_pixels)) {
        match tasks.iter_mut().rev().take(1).find(|(file, _)| *file == slice.file) {
            Some((_, list)) => list.push((slice, target)),
            None => tasks.push((slice.file, vec![(slice, target)])),
        }
    }
    let batch_len = 4 * rayon::current_num_threads();
    let mut done = 0;
    for batch in tasks.chunks_mut(batch_len) {
        if let [(file, list)] = batch {
            one_file(&series.files[*file], &series.formats[*file], list, control, convert)?;
        } else {
            if (control.is_cancelled)() {
                return Err(OpenError::new(&series.files[0], Problem::Cancelled));
            }
            batch.par_iter_mut().try_for_each(|(file, list)| {
                one_file(&series.files[*file], &series.formats[*file], list, Control::NONE, convert)
            })?;
            done += batch.iter().map(|(_, list)| list.len()).sum::<usize>();
            (control.progress)(done as f32 / slices.len() as f32);
        }
    }
    Ok(voxels.share(0..count))
}

fn one_file<T: Send>(
    path: &PathBuf,
    format: &PixelFormat,
    list: &mut [(&Slice, &mut [T])],
    control: Control<'_>,
    convert: &(dyn Fn(&Values, &Slice, &mut [T]) + Sync),
) -> Result<(), OpenError> {
    let failed = |problem: Problem| OpenError::new(path, problem);
    let bytes = std::fs::read(path).map_err(|e| failed(e.into()))?;
    let source = Source::new(&bytes).map_err(failed)?;
    let data = source.data_set().map_err(failed)?;
    let num_frames = data.integer(tags::NUMBER_OF_FRAMES).map_or(1, |n| n.clamp(1, 1 << 20) as usize);
    let pixels = Pixels::new(&data, format, num_frames).map_err(failed)?;
    let count = list.len();
    for (n, batch) in list.chunks_mut(64).enumerate() {
        if (control.is_cancelled)() {
            return Err(failed(Problem::Cancelled));
        }
        batch.par_iter_mut().try_for_each(|(slice, out)| {
            let values = pixels.frame(slice.frame.index).map_err(failed)?;
            let len = match &values {
                Values::Integer(v) => v.len(),
                Values::Float(v) => v.len(),
                Values::Double(v) => v.len(),
            };
            if len != out.len() {
                return Err(failed(Problem::Pixels("a frame has another size than the header says".into())));
            }
            convert(&values, slice, out);
            Ok(())
        })?;
        (control.progress)(((n + 1) * 64).min(count) as f32 / count as f32);
    }
    Ok(())
}
