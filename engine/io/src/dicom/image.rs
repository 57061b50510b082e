use std::sync::Arc;

use glam::DVec3;

use crate::Problem;
use crate::dicom::data_set::DataSet;
use crate::dicom::file::{Source, Syntax};
use crate::dicom::patient::Lying;
use crate::dicom::tags;

/// Rows and columns are 16-bit numbers; frames are counted here.
const MAX_FRAMES: usize = 1 << 17;

/// How the pixels of one file are stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PixelFormat {
    pub syntax: Syntax,
    pub columns: usize,
    pub rows: usize,
    pub samples: usize,
    pub photometric: Photometric,
    pub is_planar: bool,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub high_bit: u16,
    pub is_signed: bool,
    pub storage: Storage,
    /// Luminance of each colour index.
    pub palette: Option<Arc<Palette>>,
}

/// Colours as luminance.
#[derive(Debug, PartialEq)]
pub(crate) struct Palette {
    pub first: i64,
    pub luminance: Vec<u16>,
}

/// What a pixel means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Photometric {
    Monochrome,
    /// High values are dark.
    Inverted,
    Rgb,
    /// Luminance first.
    Ybr,
    /// The same, two pixels sharing their colour.
    Ybr422,
    Palette,
}

/// Which element holds the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Integer,
    Float,
    Double,
}

/// Where and when a frame was taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    /// Number within its file.
    pub index: usize,
    pub place: Place,
    pub slope: f64,
    pub inter: f64,
    /// What orders frames at one position.
    pub order: Vec<f64>,
    /// Segment of a segmentation, 0 if it is none.
    pub segment: u16,
    /// Width and level that the file stores for it, in real values.
    pub window: Option<[f64; 2]>,
}

/// The plane of a frame in DICOM's patient space (LPS millimetres).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// Towards the next column.
    pub row_direction: DVec3,
    /// Towards the next row.
    pub column_direction: DVec3,
    /// Centre of the first pixel.
    pub position: Option<DVec3>,
    /// Between columns and between rows.
    pub spacing_mm: [f64; 2],
    /// Between slices, as far as the header tells.
    pub slice_spacing_mm: Option<f64>,
    /// The header tells the orientation.
    pub is_oriented: bool,
    /// The header tells the spacing.
    pub has_spacing: bool,
}

/// What is known of an image from its header.
#[derive(Debug, Clone)]
pub(crate) struct ImageHeader {
    pub series_uid: String,
    pub instance_uid: String,
    pub description: String,
    pub modality: String,
    pub body_part: String,
    pub series_number: Option<i64>,
    pub sop_class: String,
    pub format: PixelFormat,
    pub padding: Option<i32>,
    /// See [`crate::Opened::unit`].
    pub unit: Option<&'static str>,
    pub lying: Lying,
    pub frames: Vec<Frame>,
}

/// Why there is no image in a file.
pub(crate) enum NoImage {
    /// A report, a plan or the like.
    Other,
    Problem(Problem),
}

impl ImageHeader {
    pub fn of(source: &Source<'_>, data: &DataSet<'_>) -> Result<Self, NoImage> {
        let text = |tag| data.text(tag).map(std::borrow::Cow::into_owned).unwrap_or_default();
        let modality = text(tags::MODALITY);
        let format = PixelFormat::of(source, data).map_err(NoImage::Problem)?;
        let Some(format) = format else { return Err(NoImage::Other) };
        let frames = frames(data).map_err(NoImage::Problem)?;
        let padding = data.u16(tags::PIXEL_PADDING);
        Ok(Self {
            series_uid: text(tags::SERIES),
            instance_uid: text(tags::SOP_INSTANCE),
            description: text(tags::SERIES_DESCRIPTION),
            modality,
            body_part: text(tags::BODY_PART),
            series_number: data.integer(tags::SERIES_NUMBER),
            sop_class: text(tags::SOP_CLASS),
            padding: padding.map(|p| if format.is_signed { p.cast_signed().into() } else { p.into() }),
            unit: unit(data, &format),
            lying: Lying::of(data),
            format,
            frames,
        })
    }
}

impl PixelFormat {
    /// `None` if there are no pixels.
    fn of(source: &Source<'_>, data: &DataSet<'_>) -> Result<Option<Self>, Problem> {
        let has = |tag| data.get(tag).is_some();
        let storage = if has(tags::PIXELS) {
            Storage::Integer
        } else if has(tags::FLOAT_PIXELS) {
            Storage::Float
        } else if has(tags::DOUBLE_PIXELS) {
            Storage::Double
        } else {
            return Ok(None);
        };
        let need = |tag, field| {
            data.u16(tag).filter(|&v| v > 0).ok_or(Problem::Field { field, what: "is missing or zero".into() })
        };
        let (rows, columns) = (need(tags::ROWS, "Rows")?, need(tags::COLUMNS, "Columns")?);
        let bits_allocated = match storage {
            Storage::Integer => need(tags::BITS_ALLOCATED, "Bits Allocated")?,
            Storage::Float => 32,
            Storage::Double => 64,
        };
        if ![1, 8, 16, 32, 64].contains(&bits_allocated) || bits_allocated == 64 && storage == Storage::Integer {
            return Err(Problem::Field {
                field: "Bits Allocated",
                what: format!("is {bits_allocated}, not 1, 8, 16 or 32"),
            });
        }
        let bits_stored = data.u16(tags::BITS_STORED).unwrap_or(bits_allocated);
        if !(1..=bits_allocated).contains(&bits_stored) {
            let what = format!("is {bits_stored}, of {bits_allocated} bits allocated");
            return Err(Problem::Field { field: "Bits Stored", what });
        }
        let high_bit = data.u16(tags::HIGH_BIT).unwrap_or(bits_stored - 1);
        let high_bit = if (bits_stored - 1..bits_allocated).contains(&high_bit) { high_bit } else { bits_stored - 1 };
        let samples = data.u16(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        let photometric = match data.text(tags::PHOTOMETRIC).as_deref() {
            Some("MONOCHROME1") => Photometric::Inverted,
            Some("RGB" | "YBR_RCT" | "YBR_ICT") => Photometric::Rgb,
            Some("YBR_FULL") => Photometric::Ybr,
            Some("YBR_FULL_422" | "YBR_PARTIAL_422") => Photometric::Ybr422,
            Some("PALETTE COLOR") => Photometric::Palette,
            Some("MONOCHROME2") | None => Photometric::Monochrome,
            Some(other) => {
                let what = format!("is {}, which is not read", other.chars().take(16).collect::<String>());
                return Err(Problem::Field { field: "Photometric Interpretation", what });
            }
        };
        let is_color = matches!(photometric, Photometric::Rgb | Photometric::Ybr | Photometric::Ybr422);
        if samples != if is_color { 3 } else { 1 } {
            let what = format!("is {samples}, which does not fit its photometric interpretation");
            return Err(Problem::Field { field: "Samples per Pixel", what });
        }
        let palette = if photometric == Photometric::Palette { Some(Arc::new(palette(data)?)) } else { None };
        Ok(Some(Self {
            syntax: source.syntax,
            columns: columns.into(),
            rows: rows.into(),
            samples: samples.into(),
            photometric,
            is_planar: data.u16(tags::PLANAR_CONFIGURATION) == Some(1),
            bits_allocated,
            bits_stored,
            high_bit,
            is_signed: data.u16(tags::PIXEL_REPRESENTATION) == Some(1),
            storage,
            palette,
        }))
    }

    /// Values of one frame, one for each pixel.
    pub fn num_pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes of one frame that is not packed; frames of single bits need not end at one.
    pub fn frame_bits(&self) -> usize {
        let samples = if self.photometric == Photometric::Ybr422 { 2 } else { self.samples };
        self.num_pixels() * samples * usize::from(self.bits_allocated)
    }

    /// True if the pixels are colours.
    pub fn is_color(&self) -> bool {
        !matches!(self.photometric, Photometric::Monochrome | Photometric::Inverted)
    }
}

fn palette(data: &DataSet<'_>) -> Result<Palette, Problem> {
    let bad = |what: &str| Problem::Field { field: "Palette Color Lookup Table", what: what.into() };
    let descriptor = data.u16s(tags::PALETTE_RED_DESCRIPTOR);
    let &[count, first, bits] = descriptor.as_slice() else { return Err(bad("is missing")) };
    let count = if count == 0 { 1 << 16 } else { usize::from(count) };
    let channel = |tag| -> Result<Vec<u16>, Problem> {
        let bytes = data.bytes(tag).unwrap_or_default();
        // Tables of 8 bits are packed, or padded to 16.
        let values = if bits == 8 && bytes.len() < 2 * count {
            bytes.iter().map(|&b| u16::from(b) << 8 | u16::from(b)).collect()
        } else {
            data.u16s(tag)
        };
        if values.len() < count { Err(bad("is too short")) } else { Ok(values) }
    };
    let [red, green, blue] = [tags::PALETTE_RED, tags::PALETTE_GREEN, tags::PALETTE_BLUE].map(channel);
    let (red, green, blue) = (red?, green?, blue?);
    // To 8 bits, which is what such pictures have.
    let top = |v: u16| f64::from(if bits == 8 { v & 0xff } else { v >> 8 });
    let luminance = (0..count).map(|n| luma([red[n], green[n], blue[n]].map(top)) as u16).collect();
    Ok(Palette { first: if first > 0x7fff { i64::from(first.cast_signed()) } else { first.into() }, luminance })
}

/// Luminance by ITU-R BT.601, rounded.
pub(crate) fn luma([r, g, b]: [f64; 3]) -> f64 {
    (0.299 * r + 0.587 * g + 0.114 * b).round()
}

/// The frames with what the header says of each: in the file's own elements, or in the functional groups of enhanced images.
fn frames(data: &DataSet<'_>) -> Result<Vec<Frame>, Problem> {
    let count = data.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1);
    let count = usize::try_from(count)
        .ok()
        .filter(|&n| n <= MAX_FRAMES)
        .ok_or_else(|| Problem::Field { field: "Number of Frames", what: format!("is {count}") })?;
    let shared = data.item(tags::SHARED_GROUPS);
    let per_frame = data.items(tags::PER_FRAME_GROUPS);
    if shared.is_none() && per_frame.is_empty() {
        return Ok(classic_frames(data, count));
    }
    if !per_frame.is_empty() && per_frame.len() < count {
        let what = format!("describes {} of {count} frames", per_frame.len());
        return Err(Problem::Field { field: "Per-Frame Functional Groups", what });
    }
    let empty = DataSet::parse(&[], data.encoding()).unwrap_or_else(|_| data.clone());
    let shared = shared.as_ref().unwrap_or(&empty);
    Ok((0..count).map(|index| enhanced_frame(data, shared, per_frame.get(index).unwrap_or(&empty), index)).collect())
}

fn enhanced_frame(data: &DataSet<'_>, shared: &DataSet<'_>, own: &DataSet<'_>, index: usize) -> Frame {
    let group = |tag| own.item(tag).or_else(|| shared.item(tag));
    let measures = group(tags::PIXEL_MEASURES);
    let measures = measures.as_ref().unwrap_or(data);
    let orientation = group(tags::PLANE_ORIENTATION);
    let position = group(tags::PLANE_POSITION);
    let place = place(orientation.as_ref().unwrap_or(data), position.as_ref().unwrap_or(data), measures);
    let transformation = group(tags::PIXEL_VALUE_TRANSFORMATION);
    let (slope, inter) = rescale(transformation.as_ref().unwrap_or(data));
    let content = group(tags::FRAME_CONTENT);
    let mut order = Vec::new();
    if let Some(content) = &content {
        order.push(content.u32s(tags::TEMPORAL_POSITION_INDEX).first().map_or(0.0, |&n| n.into()));
        order.extend(content.u32s(tags::DIMENSION_INDEX_VALUES).into_iter().map(f64::from));
    }
    order.push(index as f64);
    let segment = group(tags::SEGMENT_IDENTIFICATION).and_then(|s| s.u16(tags::REFERENCED_SEGMENT)).unwrap_or(0);
    let window = window(group(tags::FRAME_VOI_LUT).as_ref().unwrap_or(data));
    Frame { index, place, slope, inter, order, segment, window }
}

fn classic_frames(data: &DataSet<'_>, count: usize) -> Vec<Frame> {
    let first = place(data, data, data);
    let (mut slope, inter) = rescale(data);
    let mut window = window(data);
    if let Some(scaling) = data.decimal(tags::DOSE_SCALING) {
        slope *= scaling;
        // It is in other values than these.
        window = None;
    }
    let time = |tag| data.decimal(tag).unwrap_or(0.0);
    let number = |tag| data.integer(tag).map_or(0.0, |n| n as f64);
    let order = [
        number(tags::TEMPORAL_POSITION),
        number(tags::ACQUISITION_NUMBER),
        time(tags::ACQUISITION_TIME),
        time(tags::TRIGGER_TIME),
        time(tags::ECHO_TIME),
        time(tags::CONTENT_TIME),
        number(tags::INSTANCE_NUMBER),
    ];
    let offsets = data.decimals(tags::FRAME_OFFSETS).filter(|o| o.len() == count && count > 1);
    let normal = first.normal();
    let frame = |index: usize| {
        let mut place = first;
        let step = match &offsets {
            // Relative to the first one, or absolute along z; the differences are the same.
            Some(offsets) => offsets[index] - offsets[0],
            None => place.slice_spacing_mm.unwrap_or(1.0) * index as f64,
        };
        // Frames without a position still have an order and a distance.
        let origin = place.position.unwrap_or(DVec3::ZERO);
        if count > 1 {
            place.position = Some(origin + normal * step);
        }
        let mut order = order.to_vec();
        order.push(index as f64);
        Frame { index, place, slope, inter, order, segment: 0, window }
    };
    (0..count).map(frame).collect()
}

fn rescale(data: &DataSet<'_>) -> (f64, f64) {
    let slope = data.decimal(tags::RESCALE_SLOPE).filter(|&s| s != 0.0).unwrap_or(1.0);
    (slope, data.decimal(tags::RESCALE_INTERCEPT).unwrap_or(0.0))
}

/// Width and level of the first window that the header stores.
fn window(data: &DataSet<'_>) -> Option<[f64; 2]> {
    let first = |tag| data.decimals(tag)?.first().copied().filter(|v| v.is_finite());
    Some([first(tags::WINDOW_WIDTH).filter(|&width| width > 0.0)?, first(tags::WINDOW_CENTER)?])
}

/// The unit of the real values in the words of a reader, empty if they have none; `None` if the header does not tell. Only the terms
/// that the standard defines count, so that no text of a header leaves this crate.
fn unit(data: &DataSet<'_>, format: &PixelFormat) -> Option<&'static str> {
    const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
    if format.is_color() {
        return Some("");
    }
    let transformation =
        data.item(tags::SHARED_GROUPS).and_then(|shared| shared.item(tags::PIXEL_VALUE_TRANSFORMATION));
    let of = |set: &DataSet<'_>| match set.text(tags::RESCALE_TYPE)?.as_ref() {
        "HU" => Some("HU"),
        "OD" => Some("OD"),
        "MGML" => Some("mg/mL"),
        "PCT" => Some("%"),
        "Z_EFF" => Some("Z_eff"),
        "HU_MOD" => Some("HU*"),
        "ED" => Some("10²³/mL"),
        "EDW" => Some("N/N_w"),
        _ => None,
    };
    if let Some(unit) = transformation.as_ref().and_then(of).or_else(|| of(data)) {
        return Some(unit);
    }
    match data.text(tags::MODALITY)?.as_ref() {
        // What was captured from a screen need not be HU.
        "CT" if data.text(tags::SOP_CLASS).is_some_and(|class| class.starts_with(SECONDARY_CAPTURE)) => None,
        "CT" => Some("HU"),
        "PT" => Some(match data.text(tags::PET_UNITS).as_deref() {
            Some("BQML") => "Bq/mL",
            Some("GML") => "g/mL",
            _ => "",
        }),
        _ => Some(""),
    }
}

fn place(orientation: &DataSet<'_>, position: &DataSet<'_>, measures: &DataSet<'_>) -> Place {
    let cosines = orientation.decimals_n::<6>(tags::ORIENTATION).and_then(|c| {
        let (row, column) = (DVec3::new(c[0], c[1], c[2]), DVec3::new(c[3], c[4], c[5]));
        let lengths = [row.length(), column.length()];
        // Not even nearly unit vectors, or parallel: as good as missing.
        let sound = lengths.iter().all(|l| (0.9..1.1).contains(l)) && row.dot(column).abs() < 0.1;
        sound.then(|| (row.normalize(), column.normalize()))
    });
    let pair = |tag| {
        let pair = measures.decimals_n::<2>(tag)?;
        pair.iter().all(|&v| v > 0.0).then_some([pair[1], pair[0]])
    };
    let spacing = pair(tags::PIXEL_SPACING)
        .or_else(|| pair(tags::IMAGER_PIXEL_SPACING))
        .or_else(|| pair(tags::NOMINAL_PIXEL_SPACING));
    let between = measures.decimal(tags::SPACING_BETWEEN_SLICES).map(f64::abs).filter(|&s| s > 0.0);
    let thickness = measures.decimal(tags::SLICE_THICKNESS).filter(|&s| s > 0.0);
    let (row_direction, column_direction) = cosines.unwrap_or((DVec3::X, DVec3::Y));
    Place {
        row_direction,
        column_direction,
        position: position.decimals_n::<3>(tags::POSITION).map(DVec3::from_array),
        spacing_mm: spacing.unwrap_or([1.0; 2]),
        slice_spacing_mm: between.or(thickness),
        is_oriented: cosines.is_some(),
        has_spacing: spacing.is_some(),
    }
}

impl Place {
    /// Across the slice.
    pub fn normal(&self) -> DVec3 {
        self.row_direction.cross(self.column_direction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::encode::Elements;

    #[test]
    fn frames_have_their_own_window_or_share_one() {
        let voi = |width: f64, level: f64| {
            let mut item = Elements::default();
            item.decimals(tags::WINDOW_CENTER, &[level, 1.0]).decimals(tags::WINDOW_WIDTH, &[width, 2.0]);
            let mut group = Elements::default();
            group.sequence(tags::FRAME_VOI_LUT, vec![item]);
            group
        };
        let mut file = Elements::default();
        file.text(tags::NUMBER_OF_FRAMES, *b"IS", "2");
        file.sequence(tags::SHARED_GROUPS, vec![voi(400.0, 40.0)]);
        file.sequence(tags::PER_FRAME_GROUPS, vec![voi(1500.0, -600.0), Elements::default()]);
        let bytes = file.into_bytes();
        let encoding = crate::dicom::data_set::Encoding::IMPLICIT;
        let data = DataSet::parse(&bytes, encoding).expect("a data set");
        let frames = frames(&data).unwrap_or_else(|e| panic!("{e}"));
        let windows: Vec<_> = frames.iter().map(|f| f.window).collect();
        assert_eq!(windows, [Some([1500.0, -600.0]), Some([400.0, 40.0])]);
    }
}
