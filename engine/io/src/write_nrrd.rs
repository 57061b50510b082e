use std::fmt::Write;
use std::path::Path;

use glam::DVec3;
use voco_volume::{Code, Rescale, Status, Terms, Volume, VoxelType, Voxels};

use crate::Segment;
use crate::array::LPS;
use crate::write::Image;

/// True for names of NRRD files.
pub(crate) fn is_nrrd(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("nrrd"))
}

/// The header: NRRD 4, LPS, gzip, with the segments in the form of 3D Slicer.
pub(crate) fn header(image: &Image<'_>) -> String {
    let geometry = image.geometry;
    let affine = geometry.world_from_voxel();
    let count = image.parts.len();
    let [nx, ny, nz] = geometry.dims();
    let m = affine.matrix3;
    let vector = |v: DVec3| {
        // Without minus zero.
        let v = v * LPS + DVec3::ZERO;
        format!("({},{},{})", v.x, v.y, v.z)
    };
    let directions = [m.x_axis, m.y_axis, m.z_axis].map(vector).join(" ");
    // Layers and components come first in a file of segments, as Slicer has them; here each is a block of its own, so last.
    let (outer, outer_direction, outer_kind) =
        if count > 1 { (format!(" {count}"), " none", " list") } else { (String::new(), "", "") };
    let endian = if cfg!(target_endian = "big") { "big" } else { "little" };
    let mut text = format!(
        "NRRD0004\n# VoCo Workbench\ntype: {}\ndimension: {}\nspace: left-posterior-superior\nsizes: {nx} {ny} {nz}{outer}\n\
         space directions: {directions}{outer_direction}\nkinds: domain domain domain{outer_kind}\nendian: {endian}\n\
         encoding: gzip\nspace origin: {}\n",
        type_name(image.voxel_type),
        if count > 1 { 4 } else { 3 },
        vector(affine.translation),
    );
    let mut pair = |key: String, value: &str| {
        // Pairs end with their line, whatever a name holds.
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(text, "{key}:={value}").ok();
    };
    for (n, segment) in image.segments.iter().enumerate() {
        let key = |what: &str| format!("Segment{n}_{what}");
        pair(key("ID"), &format!("Segment_{}", n + 1));
        pair(key("Name"), &segment.name);
        if let Some(color) = segment.color {
            pair(key("Color"), &color.map(|c| format!("{:.6}", f64::from(c) / 255.0)).join(" "));
        }
        pair(key("Layer"), &segment.layer.to_string());
        pair(key("LabelValue"), &segment.value.to_string());
        let tags = tags(segment);
        if !tags.is_empty() {
            pair(key("Tags"), &tags);
        }
        pair(key("Extent"), &format!("0 {} 0 {} 0 {}", nx - 1, ny - 1, nz - 1));
    }
    text.push('\n');
    text
}

/// Terms and what people said of a segment, as `key:value|`. Slicer has no place for a lock and the like: it keeps what it does not know.
fn tags(segment: &Segment) -> String {
    let review = &segment.review;
    let status = match review.status {
        Status::NotStarted => None,
        Status::InProgress => Some("inprogress"),
        Status::Done => Some("completed"),
        Status::Flagged => Some("flagged"),
    };
    let comment = review.comment.replace('|', " ");
    [
        ("Segmentation.Status", status.map(str::to_owned)),
        ("TerminologyEntry", (!segment.terms.is_empty()).then(|| terminology(&segment.terms))),
        ("VoCo.Locked", review.locked.then(|| "1".to_owned())),
        ("VoCo.Hidden", review.hidden.then(|| "1".to_owned())),
        ("VoCo.Comment", (!comment.is_empty()).then_some(comment)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(format!("{key}:{}|", value?)))
    .collect()
}

/// Terms as 3D Slicer writes them. Its lists are named as it names those that come with it.
fn terminology(terms: &Terms) -> String {
    let tissue = Code::tissue();
    let code = |code: &Option<Code>| {
        let Some(code) = code else { return "^^".to_owned() };
        // These signs part one word from the next.
        let word = |text: &str| text.replace(['~', '^', '|'], " ");
        format!("{}^{}^{}", word(&code.scheme), word(&code.value), word(&code.meaning))
    };
    let chosen = |term: &Option<Code>| code(&Some(term.as_ref().unwrap_or(&tissue).clone()));
    format!(
        "Segmentation category and type - 3D Slicer General Anatomy list~{}~{}~{}~Anatomic codes - DICOM master list~{}~{}",
        chosen(&terms.category),
        chosen(&terms.kind),
        code(&terms.modifier),
        code(&terms.region),
        code(&terms.region_modifier),
    )
}

/// The volume with its rescale done: in whole numbers if those are, else in 32-bit floats.
pub(crate) fn with_real_values(volume: &Volume) -> Volume {
    let rescale = volume.rescale();
    let voxels = volume.voxels();
    let is_whole = rescale.slope.fract() == 0.0
        && rescale.inter.fract() == 0.0
        && !matches!(voxels.voxel_type(), VoxelType::F32 | VoxelType::F64);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    if is_whole {
        voxels.for_each(|v| {
            let real = rescale.apply(v);
            least = least.min(real);
            most = most.max(real);
        });
    }
    let fits = |low: f64, high: f64| is_whole && least >= low && most <= high;
    macro_rules! whole {
        ($variant:ident, $ty:ty) => {{
            let mut out: Vec<$ty> = Vec::with_capacity(voxels.len());
            voxels.for_each(|v| out.push(rescale.apply(v) as $ty));
            Voxels::$variant(out.into())
        }};
    }
    let voxels = if fits(f64::from(i16::MIN), f64::from(i16::MAX)) {
        whole!(I16, i16)
    } else if fits(f64::from(i32::MIN), f64::from(i32::MAX)) {
        whole!(I32, i32)
    } else {
        Voxels::F32(voxels.to_f32(rescale).into())
    };
    // As many voxels as before.
    Volume::new(*volume.geometry(), voxels, Rescale::IDENTITY).unwrap_or_else(|_| volume.clone())
}

fn type_name(voxel_type: VoxelType) -> &'static str {
    match voxel_type {
        VoxelType::F32 => "float",
        VoxelType::F64 => "double",
        other => other.name(),
    }
}
