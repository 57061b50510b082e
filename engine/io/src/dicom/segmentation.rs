use std::path::Path;

use glam::DVec3;
use voco_volume::{Code, Geometry, Rescale, Review, Terms, Volume, Voxels};

use crate::dicom::data_set::DataSet;
use crate::dicom::file::Source;
use crate::dicom::geometry::ras_affine;
use crate::dicom::image::{Frame, ImageHeader, NoImage};
use crate::dicom::pixels::{Pixels, Values};
use crate::dicom::tags;
use crate::error::human_bytes;
use crate::{Control, Format, Opened, Problem, Segment};

/// Slices of a segmentation; frames without labels are often left out, so positions alone say how many there are.
const MAX_SLICES: usize = 1 << 14;

/// Reads a DICOM segmentation: labels that do not overlap share a layer. Gives the layers from number `first` on to `each`.
pub(super) fn read(
    path: &Path,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let bytes = std::fs::read(path)?;
    let source = Source::new(&bytes)?;
    let data = source.data_set()?;
    let header = ImageHeader::of(&source, &data).map_err(|e| match e {
        NoImage::Problem(problem) => problem,
        NoImage::Other => Problem::NotDicom("its pixels are missing"),
    })?;
    let mut warnings = Vec::new();
    let (geometry, slices) = grid(&header, &mut warnings)?;
    let mut segments = segments(&data);
    let is_label_map = data.text(tags::SEGMENTATION_TYPE).as_deref() == Some("LABELMAP");
    let half = data.u16(tags::MAXIMUM_FRACTIONAL).map_or(1, |m| m / 2 + 1);
    let threshold = if header.format.bits_allocated == 1 { 1 } else { i32::from(half) };
    let pixels = Pixels::new(&data, &header.format, header.frames.len())?;
    let plane = header.format.num_pixels();
    let mut layers: Vec<Vec<u16>> = Vec::new();
    for (n, (frame, &slice)) in header.frames.iter().zip(&slices).enumerate() {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let Values::Integer(values) = pixels.frame(frame.index)? else { continue };
        let at = slice * plane;
        if is_label_map {
            let layer = layer(&mut layers, 0, geometry.num_voxels())?;
            for (voxel, &value) in layer[at..at + plane].iter_mut().zip(&values) {
                *voxel = value as u16;
            }
        } else {
            let number = frame.segment.max(1);
            let known = segments.iter().position(|s| s.value == number);
            let known = known.unwrap_or_else(|| {
                let name = format!("Segment {number}");
                segments.push(Segment {
                    layer: usize::MAX,
                    value: number,
                    name,
                    color: None,
                    terms: Terms::default(),
                    review: Review::default(),
                });
                segments.len() - 1
            });
            let inside = |v: &i32| *v >= threshold;
            put(
                &mut layers,
                &mut segments,
                known,
                &header.frames[..n],
                &slices[..n],
                at,
                &values,
                inside,
                geometry.num_voxels(),
            )?;
        }
        (control.progress)((n + 1) as f32 / header.frames.len() as f32);
    }
    for segment in &mut segments {
        // Those without a voxel.
        segment.layer = if segment.layer == usize::MAX || is_label_map { 0 } else { segment.layer };
    }
    if layers.is_empty() {
        layer(&mut layers, 0, geometry.num_voxels())?;
    }
    give(layers, geometry, &segments, warnings, first, each)
}

/// Gives layers as volumes.
pub(super) fn give(
    layers: Vec<Vec<u16>>,
    geometry: Geometry,
    segments: &[Segment],
    mut warnings: Vec<String>,
    first: usize,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let num_components = layers.len();
    if num_components > 1 {
        warnings.push(format!("Labels overlap and lie in {num_components} layers; one is shown at a time."));
    }
    for (component, labels) in layers.into_iter().enumerate().skip(first) {
        let bytes: Option<Vec<u8>> = labels.iter().map(|&id| u8::try_from(id).ok()).collect();
        let voxels = bytes.map_or_else(|| Voxels::U16(labels.into()), |b| Voxels::U8(b.into()));
        let volume = Volume::new(geometry, voxels, Rescale::IDENTITY)?;
        let (warnings, segments) = (warnings.clone(), segments.to_vec());
        if !each(Opened { num_components, component, warnings, segments, ..Opened::new(volume, Format::Dicom) }) {
            break;
        }
    }
    Ok(())
}

/// The layer of that number, made if it is the next one.
pub(super) fn layer(layers: &mut Vec<Vec<u16>>, number: usize, count: usize) -> Result<&mut Vec<u16>, Problem> {
    if number >= layers.len() {
        let mut new = Vec::new();
        if new.try_reserve_exact(count).is_err() {
            return Err(Problem::Memory(human_bytes(2 * count as u128)));
        }
        new.resize(count, 0);
        layers.push(new);
    }
    let last = layers.len() - 1;
    Ok(&mut layers[number.min(last)])
}

/// Writes a frame of a segment into its layer; if voxels are taken there, the whole segment moves to the first layer where all of
/// its voxels are free.
#[expect(clippy::too_many_arguments, reason = "one caller; a struct would be longer than both")]
fn put(
    layers: &mut Vec<Vec<u16>>,
    segments: &mut [Segment],
    known: usize,
    earlier: &[Frame],
    earlier_slices: &[usize],
    at: usize,
    values: &[i32],
    inside: impl Fn(&i32) -> bool,
    count: usize,
) -> Result<(), Problem> {
    let (value, plane) = (segments[known].value, values.len());
    let is_free =
        |layer: &[u16]| layer[at..at + plane].iter().zip(values).all(|(&l, v)| !inside(v) || l == 0 || l == value);
    let old = segments[known].layer;
    let mut number = if old == usize::MAX { 0 } else { old };
    // The voxels of earlier frames go with it.
    let starts: Vec<usize> = earlier
        .iter()
        .zip(earlier_slices)
        .filter(|(f, _)| f.segment.max(1) == value)
        .map(|(_, &slice)| slice * plane)
        .collect();
    while number < layers.len() {
        let rest_is_free = number == old
            || old == usize::MAX
            || starts.iter().all(|&s| (s..s + plane).all(|n| layers[old][n] != value || layers[number][n] == 0));
        if is_free(&layers[number]) && rest_is_free {
            break;
        }
        number += 1;
    }
    layer(layers, number, count)?;
    if old != usize::MAX && number != old {
        for n in starts.into_iter().flat_map(|s| s..s + plane) {
            if layers[old][n] == value {
                layers[old][n] = 0;
                layers[number][n] = value;
            }
        }
    }
    segments[known].layer = number;
    for (voxel, v) in layers[number][at..at + plane].iter_mut().zip(values) {
        if inside(v) {
            *voxel = value;
        }
    }
    Ok(())
}

/// The grid of all frames, and the slice that each lies on.
fn grid(header: &ImageHeader, warnings: &mut Vec<String>) -> Result<(Geometry, Vec<usize>), Problem> {
    let Some(first) = header.frames.first().map(|f| f.place) else {
        return Err(Problem::NotDicom("it has no frame"));
    };
    let (columns, rows) = (header.format.columns, header.format.rows);
    let normal = first.normal();
    let alike =
        |f: &Frame| f.place.normal().distance(normal) < 1e-3 && f.place.position.is_some() == first.position.is_some();
    if !header.frames.iter().all(alike) {
        return Err(Problem::Other("its frames lie in several directions, which is not read for segmentations".into()));
    }
    let Some(origin) = first.position else {
        warnings.push("The header does not tell where the labels lie in the patient.".into());
        let step = normal * first.slice_spacing_mm.unwrap_or(1.0);
        let frames = header.frames.len();
        let affine = ras_affine(&first, step, DVec3::ZERO);
        return Ok((Geometry::new([columns, rows, frames], affine)?, (0..frames).collect()));
    };
    let position = |f: &Frame| f.place.position.unwrap_or(origin);
    let mut sorted: Vec<DVec3> = header.frames.iter().map(position).collect();
    sorted.sort_by(|a, b| a.dot(normal).total_cmp(&b.dot(normal)));
    let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
    let gaps = sorted.windows(2).map(|w| (w[1] - w[0]).dot(normal)).filter(|&g| g > 0.01);
    let least = gaps.fold(f64::INFINITY, f64::min);
    let extent = (high - low).dot(normal);
    let nominal = first.slice_spacing_mm.filter(|&s| {
        s > 0.01 && s <= least * 1.001 && {
            let steps = least / s;
            (steps - steps.round()).abs() < 0.02
        }
    });
    let spacing = if least.is_finite() { nominal.unwrap_or(least) } else { nominal.unwrap_or(1.0) };
    let count = (extent / spacing).round() + 1.0;
    if !(1.0..=MAX_SLICES as f64).contains(&count) {
        return Err(Problem::Other("its frames lie too far apart to be slices of one volume".into()));
    }
    let count = count as usize;
    let step = if count > 1 { (high - low) / (count - 1) as f64 } else { normal * spacing };
    let slice = |f: &Frame| ((position(f) - low).dot(normal) / spacing).round() as usize;
    let slices: Vec<usize> = header.frames.iter().map(|f| slice(f).min(count - 1)).collect();
    Ok((Geometry::new([columns, rows, count], ras_affine(&first, step, low))?, slices))
}

fn segments(data: &DataSet<'_>) -> Vec<Segment> {
    let segment = |item: DataSet<'_>| {
        let value = item.u16(tags::SEGMENT_NUMBER)?;
        let name =
            item.text(tags::SEGMENT_LABEL).map_or_else(|| format!("Segment {value}"), std::borrow::Cow::into_owned);
        let color = <[u16; 3]>::try_from(item.u16s(tags::RECOMMENDED_COLOR)).ok().map(rgb_of_lab);
        Some(Segment { layer: usize::MAX, value, name, color, terms: terms(&item), review: Review::default() })
    };
    data.items(tags::SEGMENT_SEQUENCE).into_iter().filter_map(segment).collect()
}

/// What a segment says that it is.
fn terms(segment: &DataSet<'_>) -> Terms {
    let code = |of: Option<&DataSet<'_>>, tag: u32| {
        let item = of?.item(tag)?;
        let text = |tag: u32| item.text(tag).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let value = text(tags::CODE_VALUE).or_else(|| text(tags::LONG_CODE_VALUE))?;
        let (scheme, meaning) = (text(tags::CODING_SCHEME), text(tags::CODE_MEANING));
        Some(Code { scheme: scheme.unwrap_or_default(), value, meaning: meaning.unwrap_or_default() })
    };
    let (kind, region) = (segment.item(tags::PROPERTY_TYPE), segment.item(tags::ANATOMIC_REGION));
    let terms = Terms {
        category: code(Some(segment), tags::PROPERTY_CATEGORY),
        kind: code(Some(segment), tags::PROPERTY_TYPE),
        modifier: code(kind.as_ref(), tags::PROPERTY_TYPE_MODIFIER),
        region: code(Some(segment), tags::ANATOMIC_REGION),
        region_modifier: code(region.as_ref(), tags::ANATOMIC_REGION_MODIFIER),
    };
    terms.of_file()
}

/// sRGB of DICOM's scaled `CIELab` under D50 (PS3.3 C.10.7.1.1; the matrices are Lindbloom's, D50 adapted).
fn rgb_of_lab(scaled: [u16; 3]) -> [u8; 3] {
    let [l, a, b] = scaled.map(f64::from);
    let (l, a, b) = (l / 65535.0 * 100.0, a / 65535.0 * 255.0 - 128.0, b / 65535.0 * 255.0 - 128.0);
    let fy = (l + 16.0) / 116.0;
    let cube = |f: f64| if f > 6.0 / 29.0 { f.powi(3) } else { (f - 4.0 / 29.0) * 108.0 / 841.0 };
    let [x, y, z] = [0.9642 * cube(fy + a / 500.0), cube(fy), 0.8251 * cube(fy - b / 200.0)];
    [
        3.133_856_1 * x - 1.616_866_7 * y - 0.490_614_6 * z,
        -0.978_768_4 * x + 1.916_141_5 * y + 0.033_454 * z,
        0.071_945_3 * x - 0.228_991_4 * y + 1.405_242_7 * z,
    ]
    .map(|v: f64| {
        let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (v.clamp(0.0, 1.0) * 255.0).round() as u8
    })
}

/// DICOM's scaled `CIELab` of sRGB: the inverse of [`rgb_of_lab`].
pub(super) fn lab_of_rgb(rgb: [u8; 3]) -> [u16; 3] {
    let [r, g, b] = rgb.map(|v| {
        let v = f64::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let x = 0.436_074_7 * r + 0.385_064_9 * g + 0.143_080_4 * b;
    let y = 0.222_504_5 * r + 0.716_878_6 * g + 0.060_616_9 * b;
    let z = 0.013_932_2 * r + 0.097_104_5 * g + 0.714_173_3 * b;
    let root = |t: f64| if t > (6.0_f64 / 29.0).powi(3) { t.cbrt() } else { t * 841.0 / 108.0 + 4.0 / 29.0 };
    let [fx, fy, fz] = [root(x / 0.9642), root(y), root(z / 0.8251)];
    let scaled = |v: f64| (v.clamp(0.0, 1.0) * 65535.0).round() as u16;
    [
        scaled((116.0 * fy - 16.0) / 100.0),
        scaled((500.0 * (fx - fy) + 128.0) / 255.0),
        scaled((200.0 * (fy - fz) + 128.0) / 255.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_back() {
        for rgb in [[0, 0, 0], [255, 255, 255], [253, 232, 158], [22, 197, 71], [128, 0, 255]] {
            let back = rgb_of_lab(lab_of_rgb(rgb));
            let far = rgb.iter().zip(back).map(|(a, b)| a.abs_diff(b)).max();
            assert!(far <= Some(1), "{rgb:?} became {back:?}");
        }
    }
}
