use std::path::Path;

use glam::DVec3;
use voco_volume::{Code, Geometry};

use crate::array::LPS;
use crate::dicom::contours::outlines;
use crate::dicom::data_set::DataSet;
use crate::dicom::encode::{Elements, new_uid};
use crate::dicom::file::{Source, read_head};
use crate::dicom::segmentation::lab_of_rgb;
use crate::dicom::series::{SEGMENTATION, STRUCTURE_SET, Series};
use crate::dicom::tags;
use crate::write::{name_of, save_whole};
use crate::{Control, SaveError, Segment};

/// Labels on the grid of a DICOM series, to be written as DICOM.
#[derive(Debug, Clone, Copy)]
pub struct SeriesLabels<'a> {
    /// The series that the labels were made on.
    pub series: &'a Series,
    /// Their grid: the series', or a part or a multiple of it.
    pub geometry: &'a Geometry,
    /// Layers of label ids, i fastest.
    pub layers: &'a [&'a [u16]],
    /// What the labels are called; those that are not named are left out.
    pub segments: &'a [Segment],
}

/// Writes a DICOM segmentation (binary, one frame for each segment and slice that it is on). Patient, study and frame of reference are
/// those of the series, copied from its first file.
///
/// # Errors
/// One sentence about the file.
pub fn save_dicom_segmentation(path: &Path, labels: SeriesLabels<'_>, control: Control<'_>) -> Result<(), SaveError> {
    let mut out = labels.begin(path, SEGMENTATION, "SEG")?;
    let geometry = labels.geometry;
    let [nx, ny, nz] = geometry.dims();
    let affine = geometry.world_from_voxel();
    let directions = geometry.directions();
    if directions.x_axis.dot(directions.y_axis).abs() > 1e-4 || nx.max(ny) > usize::from(u16::MAX) {
        return Err(SaveError::Grid(name_of(path)));
    }
    let plane = nx * ny;
    let (mut bits, mut num_bits, mut frames) = (Vec::<u8>::new(), 0_usize, Vec::new());
    for (n, segment) in labels.segments.iter().enumerate() {
        if (control.is_cancelled)() {
            return Err(SaveError::Cancelled);
        }
        let Some(layer) = labels.layers.get(segment.layer) else { continue };
        for z in 0..nz {
            let slice = &layer[z * plane..(z + 1) * plane];
            if !slice.contains(&segment.value) {
                continue;
            }
            bits.resize((num_bits + plane).div_ceil(8), 0);
            for (at, _) in slice.iter().enumerate().filter(|(_, v)| **v == segment.value) {
                bits[(num_bits + at) / 8] |= 1 << ((num_bits + at) % 8);
            }
            num_bits += plane;
            let (mut frame, mut content, mut place, mut own) =
                (Elements::default(), Elements::default(), Elements::default(), Elements::default());
            let index: Vec<u8> = [n as u32 + 1, z as u32 + 1].iter().flat_map(|v| v.to_le_bytes()).collect();
            content.put(tags::DIMENSION_INDEX_VALUES, *b"UL", &index);
            let position = affine.transform_point3(DVec3::new(0.0, 0.0, z as f64)) * LPS;
            place.decimals(tags::POSITION, &position.to_array());
            own.u16s(tags::REFERENCED_SEGMENT, &[n as u16 + 1]);
            frame
                .sequence(tags::FRAME_CONTENT, vec![content])
                .sequence(tags::PLANE_POSITION, vec![place])
                .sequence(tags::SEGMENT_IDENTIFICATION, vec![own]);
            frames.push(frame);
        }
        (control.progress)((n + 1) as f32 / labels.segments.len() as f32);
    }
    if frames.is_empty() {
        return Err(SaveError::Empty(name_of(path)));
    }
    let (mut shared, mut measures, mut orientation) = (Elements::default(), Elements::default(), Elements::default());
    let spacing = geometry.spacing_mm();
    let normal = directions.x_axis.cross(directions.y_axis).normalize_or(DVec3::Z);
    let between = affine.matrix3.z_axis.dot(normal).abs();
    measures
        .decimals(tags::PIXEL_SPACING, &[spacing.y, spacing.x])
        .decimals(tags::SLICE_THICKNESS, &[between])
        .decimals(tags::SPACING_BETWEEN_SLICES, &[between]);
    let (row, column) = (directions.x_axis * LPS, directions.y_axis * LPS);
    orientation.decimals(tags::ORIENTATION, &[row.to_array(), column.to_array()].concat());
    shared.sequence(tags::PIXEL_MEASURES, vec![measures]).sequence(tags::PLANE_ORIENTATION, vec![orientation]);
    let organization = new_uid();
    let mut dimension = Elements::default();
    dimension.text(0x0020_9164, *b"UI", &organization);
    let index = |pointer: u32, group: u32| {
        let tag = |t: u32| [((t >> 16) as u16).to_le_bytes(), (t as u16).to_le_bytes()].concat();
        let mut item = Elements::default();
        item.text(0x0020_9164, *b"UI", &organization).put(0x0020_9165, *b"AT", &tag(pointer)).put(
            0x0020_9167,
            *b"AT",
            &tag(group),
        );
        item
    };
    out.sequence(0x0020_9221, vec![dimension])
        .sequence(
            0x0020_9222,
            vec![
                index(tags::REFERENCED_SEGMENT, tags::SEGMENT_IDENTIFICATION),
                index(tags::POSITION, tags::PLANE_POSITION),
            ],
        )
        .sequence(tags::SEGMENT_SEQUENCE, labels.segments.iter().enumerate().map(|(n, s)| described(n, s)).collect())
        .text(0x0008_0008, *b"CS", "DERIVED\\PRIMARY")
        .text(0x0070_0080, *b"CS", "SEGMENTATION")
        .text(0x0070_0081, *b"LO", "Labels")
        .text(0x0070_0084, *b"PN", "")
        .u16s(tags::SAMPLES_PER_PIXEL, &[1])
        .text(tags::PHOTOMETRIC, *b"CS", "MONOCHROME2")
        .text(tags::NUMBER_OF_FRAMES, *b"IS", &frames.len().to_string())
        .u16s(tags::ROWS, &[ny as u16])
        .u16s(tags::COLUMNS, &[nx as u16])
        .u16s(tags::BITS_ALLOCATED, &[1])
        .u16s(tags::BITS_STORED, &[1])
        .u16s(tags::HIGH_BIT, &[0])
        .u16s(tags::PIXEL_REPRESENTATION, &[0])
        .text(0x0028_2110, *b"CS", "00")
        .text(tags::SEGMENTATION_TYPE, *b"CS", "BINARY")
        .sequence(tags::SHARED_GROUPS, vec![shared])
        .sequence(tags::PER_FRAME_GROUPS, frames)
        .put(tags::PIXELS, *b"OB", &bits);
    finish(path, out, SEGMENTATION)
}

/// Writes a DICOM structure set: for each label and slice its outlines along the edges of the voxels. Otherwise as
/// [`save_dicom_segmentation`].
///
/// # Errors
/// One sentence about the file.
pub fn save_structure_set(path: &Path, labels: SeriesLabels<'_>, control: Control<'_>) -> Result<(), SaveError> {
    let mut out = labels.begin(path, STRUCTURE_SET, "RTSTRUCT")?;
    let affine = labels.geometry.world_from_voxel();
    let [nx, ny, nz] = labels.geometry.dims();
    let (mut rois, mut contours, mut observations) = (Vec::new(), Vec::new(), Vec::new());
    let frame_of_reference = labels.frame_of_reference();
    for (n, segment) in labels.segments.iter().enumerate() {
        if (control.is_cancelled)() {
            return Err(SaveError::Cancelled);
        }
        let Some(layer) = labels.layers.get(segment.layer) else { continue };
        let number = (n + 1).to_string();
        let mut list = Vec::new();
        for z in 0..nz {
            let slice = &layer[z * nx * ny..(z + 1) * nx * ny];
            if !slice.contains(&segment.value) {
                continue;
            }
            for outline in outlines(&|x, y| slice[x + nx * y] == segment.value, [nx, ny]) {
                let point = |&[x, y]: &[f64; 2]| (affine.transform_point3(DVec3::new(x, y, z as f64)) * LPS).to_array();
                let points: Vec<[f64; 3]> = outline.iter().map(point).collect();
                list.extend(contour(&points));
            }
        }
        let (mut roi, mut of_roi, mut observation) = (Elements::default(), Elements::default(), Elements::default());
        roi.text(tags::ROI_NUMBER, *b"IS", &number)
            .text(0x3006_0024, *b"UI", &frame_of_reference)
            .text(tags::ROI_NAME, *b"LO", &segment.name)
            .text(0x3006_0036, *b"CS", "");
        let color = segment.color.unwrap_or([255, 255, 0]).map(|c| c.to_string()).join("\\");
        of_roi.text(tags::ROI_COLOR, *b"IS", &color).sequence(tags::CONTOURS, list).text(
            tags::REFERENCED_ROI,
            *b"IS",
            &number,
        );
        observation
            .text(0x3006_0082, *b"IS", &number)
            .text(tags::REFERENCED_ROI, *b"IS", &number)
            .text(0x3006_00a4, *b"CS", "")
            .text(0x3006_00a6, *b"PN", "");
        rois.push(roi);
        contours.push(of_roi);
        observations.push(observation);
        (control.progress)((n + 1) as f32 / labels.segments.len() as f32);
    }
    out.text(0x3006_0002, *b"SH", "Labels")
        .text(0x3006_0008, *b"DA", "")
        .text(0x3006_0009, *b"TM", "")
        .sequence(0x3006_0010, vec![labels.referenced_frame(&frame_of_reference)])
        .sequence(tags::STRUCTURE_SET_ROI, rois)
        .sequence(tags::ROI_CONTOURS, contours)
        .sequence(0x3006_0080, observations);
    finish(path, out, STRUCTURE_SET)
}

/// A closed contour, if it has an area.
fn contour(points: &[[f64; 3]]) -> Option<Elements> {
    if points.len() < 3 {
        return None;
    }
    let mut item = Elements::default();
    item.text(tags::CONTOUR_TYPE, *b"CS", "CLOSED_PLANAR")
        .text(0x3006_0046, *b"IS", &points.len().to_string())
        .decimals(tags::CONTOUR_DATA, points.as_flattened());
    Some(item)
}

const CHARACTER_SET: u32 = 0x0008_0005;
/// Taken over from the source: dates of the study, patient, study, frame of reference.
const COPIED: [(u32, &[u8; 2]); 12] = [
    (0x0008_0020, b"DA"),
    (0x0008_0030, b"TM"),
    (0x0008_0050, b"SH"),
    (0x0008_0090, b"PN"),
    (0x0008_1030, b"LO"),
    (0x0010_0010, b"PN"),
    (0x0010_0020, b"LO"),
    (0x0010_0030, b"DA"),
    (0x0010_0040, b"CS"),
    (tags::STUDY, b"UI"),
    (0x0020_0010, b"SH"),
    (0x0020_1040, b"LO"),
];

fn described(number: usize, segment: &Segment) -> Elements {
    let mut item = Elements::default();
    item.u16s(tags::SEGMENT_NUMBER, &[number as u16 + 1])
        .text(tags::SEGMENT_LABEL, *b"LO", &segment.name)
        .text(0x0062_0008, *b"CS", "SEMIAUTOMATIC")
        .text(0x0062_0009, *b"LO", "VoCo Workbench");
    let terms = &segment.terms;
    // Category and type must be there; a placeholder that other programs know stands where nobody chose one.
    let tissue = Code::tissue();
    item.sequence(tags::PROPERTY_CATEGORY, vec![coded(terms.category.as_ref().unwrap_or(&tissue))]);
    let with = |code: &Code, tag: u32, modifier: &Option<Code>| {
        let mut out = coded(code);
        if let Some(modifier) = modifier {
            out.sequence(tag, vec![coded(modifier)]);
        }
        vec![out]
    };
    let kind = terms.kind.as_ref().unwrap_or(&tissue);
    item.sequence(tags::PROPERTY_TYPE, with(kind, tags::PROPERTY_TYPE_MODIFIER, &terms.modifier));
    if let Some(region) = &terms.region {
        let region = with(region, tags::ANATOMIC_REGION_MODIFIER, &terms.region_modifier);
        item.sequence(tags::ANATOMIC_REGION, region);
    }
    if let Some(color) = segment.color {
        item.u16s(tags::RECOMMENDED_COLOR, &lab_of_rgb(color));
    }
    item
}

/// A code within the lengths that DICOM has for its parts.
fn coded(code: &Code) -> Elements {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let mut item = Elements::default();
    if code.value.chars().count() <= 16 {
        item.text(tags::CODE_VALUE, *b"SH", &code.value);
    } else {
        item.text(tags::LONG_CODE_VALUE, *b"UC", &code.value);
    }
    item.text(tags::CODING_SCHEME, *b"SH", &cut(&code.scheme, 16));
    item.text(tags::CODE_MEANING, *b"LO", &cut(&code.meaning, 64));
    item
}

impl SeriesLabels<'_> {
    /// What both kinds of file begin with.
    fn begin(&self, path: &Path, class: &str, modality: &str) -> Result<Elements, SaveError> {
        let needed = self.geometry.num_voxels();
        if let Some(given) = self.layers.iter().map(|l| l.len()).find(|&n| n != needed) {
            return Err(SaveError::Count { name: name_of(path), needed, given });
        }
        if self.segments.is_empty() || self.segments.len() > usize::from(u16::MAX) {
            return Err(SaveError::Empty(name_of(path)));
        }
        let mut out = copied(Some(self.series));
        let frame_of_reference = self.frame_of_reference();
        let images: Vec<Elements> = self.instances().iter().map(referenced).collect();
        let mut series = Elements::default();
        series.sequence(0x0008_114a, images).text(tags::SERIES, *b"UI", &self.series.uid);
        if class == SEGMENTATION {
            out.sequence(tags::REFERENCED_SERIES, vec![series]);
        }
        describe(&mut out, class, modality, "Labels", "900");
        out.text(0x0008_0023, *b"DA", "").text(tags::CONTENT_TIME, *b"TM", "").text(
            tags::FRAME_OF_REFERENCE,
            *b"UI",
            &frame_of_reference,
        );
        Ok(out)
    }

    fn frame_of_reference(&self) -> String {
        frame_of_reference(self.series)
    }

    fn instances(&self) -> Vec<(String, String)> {
        instances(self.series)
    }

    fn referenced_frame(&self, frame_of_reference: &str) -> Elements {
        let (mut frame, mut study, mut series) = (Elements::default(), Elements::default(), Elements::default());
        series
            .text(tags::SERIES, *b"UI", &self.series.uid)
            .sequence(0x3006_0016, self.instances().iter().map(referenced).collect());
        let study_uid = study_of(self.series);
        study
            .text(0x0008_1150, *b"UI", "1.2.840.10008.3.1.2.3.1")
            .text(tags::REFERENCED_SOP_INSTANCE, *b"UI", &study_uid)
            .sequence(0x3006_0014, vec![series]);
        frame.text(tags::FRAME_OF_REFERENCE, *b"UI", frame_of_reference).sequence(0x3006_0012, vec![study]);
        frame
    }
}

/// Patient and study: those of a series, copied from its first file; or nobody's.
pub(super) fn copied(series: Option<&Series>) -> Elements {
    let mut out = Elements::default();
    let mut is_copied = false;
    let mut copy = |head: &DataSet<'_>| {
        // What is Latin or UTF-8 becomes UTF-8, as our names are; other sets stay as they are, with the source's name of it.
        let character_set = head.text(CHARACTER_SET).unwrap_or_default();
        let is_latin = ["", "ISO_IR 6", "ISO_IR 100", "ISO_IR 192"].contains(&&*character_set);
        out.text(CHARACTER_SET, *b"CS", if is_latin { "ISO_IR 192" } else { &character_set });
        for (tag, vr) in COPIED {
            if is_latin {
                out.text(tag, *vr, &head.text(tag).unwrap_or_default());
            } else {
                out.put(tag, *vr, head.bytes(tag).unwrap_or_default());
            }
        }
        is_copied = true;
    };
    if let Some(series) = series {
        with_head(series, &mut copy);
    }
    if !is_copied {
        out = Elements::default();
        out.text(CHARACTER_SET, *b"CS", "ISO_IR 192");
        for (tag, vr) in COPIED {
            out.text(tag, *vr, if tag == tags::STUDY { new_uid() } else { String::new() }.as_str());
        }
    }
    out
}

/// What the new object is and which program made it, in a series of its own.
pub(super) fn describe(out: &mut Elements, class: &str, modality: &str, description: &str, number: &str) {
    out.text(tags::SOP_CLASS, *b"UI", class)
        .text(tags::MODALITY, *b"CS", modality)
        .text(tags::SERIES_DESCRIPTION, *b"LO", description)
        .text(0x0008_0070, *b"LO", "VoCo Workbench")
        .text(0x0008_1090, *b"LO", "VoCo Workbench")
        .text(0x0018_1000, *b"LO", "0")
        .text(0x0018_1020, *b"LO", env!("CARGO_PKG_VERSION"))
        .text(tags::SERIES, *b"UI", &new_uid())
        .text(tags::SERIES_NUMBER, *b"IS", number)
        .text(tags::INSTANCE_NUMBER, *b"IS", "1");
}

fn with_head(series: &Series, f: &mut dyn FnMut(&DataSet<'_>)) {
    if let Some(first) = series.files.first()
        && let Ok(head) = read_head(first)
        && let Ok(source) = Source::new(&head)
        && let Ok(data) = source.data_set()
    {
        f(&data);
    }
}

pub(super) fn frame_of_reference(series: &Series) -> String {
    let mut uid = None;
    with_head(series, &mut |head| uid = head.text(tags::FRAME_OF_REFERENCE).map(std::borrow::Cow::into_owned));
    uid.unwrap_or_else(new_uid)
}

pub(super) fn study_of(series: &Series) -> String {
    let mut uid = String::new();
    with_head(series, &mut |head| uid = head.text(tags::STUDY).unwrap_or_default().into_owned());
    uid
}

/// SOP class and instance of each file of a series.
pub(super) fn instances(series: &Series) -> Vec<(String, String)> {
    let of = |path: &std::path::PathBuf| {
        let head = read_head(path).ok()?;
        let source = Source::new(&head).ok()?;
        let data = source.data_set().ok()?;
        Some((data.text(tags::SOP_CLASS)?.into_owned(), data.text(tags::SOP_INSTANCE)?.into_owned()))
    };
    series.files.iter().filter_map(of).collect()
}

pub(super) fn referenced((class, instance): &(String, String)) -> Elements {
    let mut item = Elements::default();
    item.text(0x0008_1150, *b"UI", class).text(tags::REFERENCED_SOP_INSTANCE, *b"UI", instance);
    item
}

pub(super) fn finish(path: &Path, mut out: Elements, class: &str) -> Result<(), SaveError> {
    use std::io::Write;
    let instance = new_uid();
    out.text(tags::SOP_INSTANCE, *b"UI", &instance);
    let bytes = out.into_file(class, &instance);
    save_whole(path, |file| file.write_all(&bytes).map(|()| true))
}
