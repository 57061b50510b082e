//! Measurements as a DICOM structured report: Comprehensive 3D SR by template TID 1500 "Measurement Report".

use std::path::Path;

use glam::DVec3;

use crate::SaveError;
use crate::array::LPS;
use crate::dicom::encode::{Elements, new_uid};
use crate::dicom::save::{copied, describe, finish, frame_of_reference, instances, referenced, study_of};
use crate::dicom::series::Series;
use crate::dicom::tags;
use crate::write::name_of;

const CLASS: &str = "1.2.840.10008.5.1.4.1.1.88.34";

/// Measurements to be written.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The series that was measured on: patient, study and frame of reference are its own, copied from its first file. Without one
    /// the report is about nobody, in a study of its own.
    pub series: Option<&'a Series>,
    /// What was measured.
    pub findings: &'a [Finding],
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it is called in the report.
    pub name: String,
    /// What the reader wrote; may be empty.
    pub note: String,
    /// Where it was measured.
    pub graphic: Graphic,
    /// Points in RAS+ mm; see [`Graphic`] for how many.
    pub points_mm: Vec<DVec3>,
    /// The numbers.
    pub values: Vec<Value>,
}

/// How points are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Graphic {
    /// One.
    Point,
    /// Two or more, joined by lines.
    Polyline,
    /// Three or more around an area.
    Polygon,
    /// Both ends of the longer axis, then of the shorter one.
    Ellipse,
    /// Both ends of each of three axes.
    Ellipsoid,
}

/// A number with what it says, as DICOM codes have it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names and units say it")]
pub enum Value {
    LengthMm(f64),
    ShortAxisMm(f64),
    AngleDegrees(f64),
    AreaMm2(f64),
    PerimeterMm(f64),
    DiameterMm(f64),
    VolumeMm3(f64),
    /// Of the voxels inside: mean, standard deviation, least and greatest value.
    Voxels {
        statistics: [f64; 4],
        is_hounsfield: bool,
    },
    /// Of one voxel.
    Voxel {
        value: f64,
        is_hounsfield: bool,
    },
}

type Code = [&'static str; 3];

const MM: Code = ["mm", "UCUM", "millimeter"];
const HOUNSFIELD: Code = ["[hnsf'U]", "UCUM", "Hounsfield unit"];
const NO_UNIT: Code = ["1", "UCUM", "no units"];
const LENGTH: Code = ["410668003", "SCT", "Length"];
const DERIVATIONS: [Code; 4] = [
    ["373098007", "SCT", "Mean"],
    ["386136009", "SCT", "Standard Deviation"],
    ["255605001", "SCT", "Minimum"],
    ["56851009", "SCT", "Maximum"],
];

/// Writes measurements as a structured report that PACS and research tools read.
///
/// # Errors
/// One sentence about the file; also where there is nothing to write.
pub fn save_report(path: &Path, report: Report<'_>) -> Result<(), SaveError> {
    if report.findings.is_empty() {
        return Err(SaveError::NoMeasurement(name_of(path)));
    }
    let mut out = copied(report.series);
    describe(&mut out, CLASS, "SR", "Measurements", "901");
    let frame = report.series.map_or_else(new_uid, frame_of_reference);
    let [date, time] = now();
    out.text(0x0008_0023, *b"DA", &date)
        .text(tags::CONTENT_TIME, *b"TM", &time)
        .sequence(0x0008_1111, Vec::new())
        .sequence(0x0040_a372, Vec::new())
        .text(0x0040_a491, *b"CS", "COMPLETE")
        .text(0x0040_a493, *b"CS", "UNVERIFIED");
    if let Some(evidence) = report.series.and_then(evidence) {
        out.sequence(0x0040_a375, vec![evidence]);
    }
    let groups = report.findings.iter().map(|f| group(f, &frame, report.series)).collect();
    let mut language = item("HAS CONCEPT MOD", "CODE", ["121049", "DCM", "Language of Content Item and Descendants"]);
    language.code(0x0040_a168, ["en", "RFC5646", "English"]);
    let mut observer = item("HAS OBS CONTEXT", "CODE", ["121005", "DCM", "Observer Type"]);
    observer.code(0x0040_a168, ["121007", "DCM", "Device"]);
    let mut device = item("HAS OBS CONTEXT", "UIDREF", ["121012", "DCM", "Device Observer UID"]);
    device.text(0x0040_a124, *b"UI", &new_uid());
    let mut device_name = item("HAS OBS CONTEXT", "TEXT", ["121013", "DCM", "Device Observer Name"]);
    device_name.text(0x0040_a160, *b"UT", "VoCo Workbench");
    let mut procedure = item("HAS CONCEPT MOD", "CODE", ["121058", "DCM", "Procedure reported"]);
    procedure.code(0x0040_a168, ["363679005", "SCT", "Imaging procedure"]);
    let measurements = container("CONTAINS", ["126010", "DCM", "Imaging Measurements"], None, groups);
    let content = vec![language, observer, device, device_name, procedure, measurements];
    out.text(0x0040_a040, *b"CS", "CONTAINER")
        .code(0x0040_a043, ["126000", "DCM", "Imaging Measurement Report"])
        .text(0x0040_a050, *b"CS", "SEPARATE")
        .sequence(0x0040_a504, vec![template("1500")])
        .sequence(0x0040_a730, content);
    finish(path, out, CLASS)
}

/// The images that were measured on; none where they have lost their names.
fn evidence(series: &Series) -> Option<Elements> {
    let instances = instances(series);
    if instances.is_empty() {
        return None;
    }
    let (mut of_study, mut of_series) = (Elements::default(), Elements::default());
    of_series.text(tags::SERIES, *b"UI", &series.uid).sequence(0x0008_1199, instances.iter().map(referenced).collect());
    of_study.text(tags::STUDY, *b"UI", &study_of(series)).sequence(tags::REFERENCED_SERIES, vec![of_series]);
    Some(of_study)
}

/// One measurement: lines and points by TID 1501, areas by TID 1410, bodies by TID 1411.
fn group(finding: &Finding, frame: &str, series: Option<&Series>) -> Elements {
    let mut tracking = item("HAS OBS CONTEXT", "TEXT", ["112039", "DCM", "Tracking Identifier"]);
    tracking.text(0x0040_a160, *b"UT", &finding.name);
    let mut unique = item("HAS OBS CONTEXT", "UIDREF", ["112040", "DCM", "Tracking Unique Identifier"]);
    unique.text(0x0040_a124, *b"UI", &new_uid());
    let mut content = vec![tracking, unique];
    let place = |relationship: &str, concept: Option<Code>| graphic(finding, frame, relationship, concept);
    let number = match finding.graphic {
        Graphic::Point | Graphic::Polyline => "1501",
        Graphic::Polygon | Graphic::Ellipse => {
            content.push(place("CONTAINS", Some(["111030", "DCM", "Image Region"])));
            "1410"
        }
        Graphic::Ellipsoid => {
            content.push(place("CONTAINS", Some(["121231", "DCM", "Volume Surface"])));
            if let Some(series) = series {
                let concept = ["121232", "DCM", "Source series for segmentation"];
                let mut source = item("CONTAINS", "UIDREF", concept);
                source.text(0x0040_a124, *b"UI", &series.uid);
                content.push(source);
            }
            "1411"
        }
    };
    for value in &finding.values {
        for mut measured in value.items() {
            let mut below = measured.modifiers;
            if number == "1501" {
                below.push(place("INFERRED FROM", None));
            }
            if !below.is_empty() {
                measured.item.sequence(0x0040_a730, below);
            }
            content.push(measured.item);
        }
    }
    if !finding.note.is_empty() {
        let mut comment = item("CONTAINS", "TEXT", ["121106", "DCM", "Comment"]);
        comment.text(0x0040_a160, *b"UT", &finding.note);
        content.push(comment);
    }
    container("CONTAINS", ["125007", "DCM", "Measurement Group"], Some(number), content)
}

struct Measured {
    item: Elements,
    modifiers: Vec<Elements>,
}

impl Value {
    fn items(&self) -> Vec<Measured> {
        let plain = |concept: Code, value: f64, unit: Code| Measured {
            item: measured(concept, value, unit),
            modifiers: Vec::new(),
        };
        let of_voxels = |is_hounsfield: bool, value: f64, derivation: Option<Code>| {
            let concept: Code = if is_hounsfield {
                ["112031", "DCM", "Attenuation Coefficient"]
            } else {
                // DICOM has no code for values of a modality that nobody named.
                ["voxel-value", "99VOCO", "Voxel value"]
            };
            let modifiers = derivation.map(|derivation| {
                let mut modifier = item("HAS CONCEPT MOD", "CODE", ["121401", "DCM", "Derivation"]);
                modifier.code(0x0040_a168, derivation);
                modifier
            });
            let unit = if is_hounsfield { HOUNSFIELD } else { NO_UNIT };
            Measured { item: measured(concept, value, unit), modifiers: modifiers.into_iter().collect() }
        };
        match *self {
            Self::LengthMm(mm) => vec![plain(LENGTH, mm, MM)],
            Self::ShortAxisMm(mm) => vec![plain(["103340004", "SCT", "Short Axis"], mm, MM)],
            Self::AngleDegrees(degrees) => {
                vec![plain(["1483009", "SCT", "Angle"], degrees, ["deg", "UCUM", "degree"])]
            }
            Self::AreaMm2(area) => vec![plain(["42798000", "SCT", "Area"], area, ["mm2", "UCUM", "square millimeter"])],
            Self::PerimeterMm(mm) => vec![plain(["131191004", "SCT", "Perimeter"], mm, MM)],
            Self::DiameterMm(mm) => vec![plain(["81827009", "SCT", "Diameter"], mm, MM)],
            Self::VolumeMm3(volume) => {
                vec![plain(["118565006", "SCT", "Volume"], volume, ["mm3", "UCUM", "cubic millimeter"])]
            }
            Self::Voxels { statistics, is_hounsfield } => {
                let both = statistics.into_iter().zip(DERIVATIONS);
                both.map(|(value, derivation)| of_voxels(is_hounsfield, value, Some(derivation))).collect()
            }
            Self::Voxel { value, is_hounsfield } => vec![of_voxels(is_hounsfield, value, None)],
        }
    }
}

fn measured(concept: Code, value: f64, unit: Code) -> Elements {
    let mut number = Elements::default();
    number.decimals(0x0040_a30a, &[value]).put(0x0040_a161, *b"FD", &value.to_le_bytes()).code(0x0040_08ea, unit);
    let mut out = item("CONTAINS", "NUM", concept);
    out.sequence(0x0040_a300, vec![number]);
    out
}

fn graphic(finding: &Finding, frame: &str, relationship: &str, concept: Option<Code>) -> Elements {
    let mut points = finding.points_mm.clone();
    if finding.graphic == Graphic::Polygon && points.first() != points.last() {
        // In space, DICOM's polygons end where they began.
        points.extend(points.first().copied());
    }
    let bytes: Vec<u8> = points
        .iter()
        .flat_map(|&p| (p * LPS).to_array())
        .flat_map(|v| {
            #[expect(clippy::cast_possible_truncation, reason = "DICOM has floats here")]
            (v as f32).to_le_bytes()
        })
        .collect();
    let name = match finding.graphic {
        Graphic::Point => "POINT",
        Graphic::Polyline => "POLYLINE",
        Graphic::Polygon => "POLYGON",
        Graphic::Ellipse => "ELLIPSE",
        Graphic::Ellipsoid => "ELLIPSOID",
    };
    let concept = concept.unwrap_or(["121055", "DCM", "Path"]);
    let mut out = item(relationship, "SCOORD3D", concept);
    out.put(0x0070_0022, *b"FL", &bytes).text(0x0070_0023, *b"CS", name).text(0x3006_0024, *b"UI", frame);
    out
}

fn item(relationship: &str, kind: &str, concept: Code) -> Elements {
    let mut out = Elements::default();
    out.text(0x0040_a010, *b"CS", relationship).text(0x0040_a040, *b"CS", kind).code(0x0040_a043, concept);
    out
}

fn container(relationship: &str, concept: Code, number: Option<&str>, content: Vec<Elements>) -> Elements {
    let mut out = item(relationship, "CONTAINER", concept);
    out.text(0x0040_a050, *b"CS", "SEPARATE").sequence(0x0040_a730, content);
    if let Some(number) = number {
        out.sequence(0x0040_a504, vec![template(number)]);
    }
    out
}

fn template(number: &str) -> Elements {
    let mut out = Elements::default();
    out.text(0x0008_0105, *b"CS", "DCMR").text(0x0008_0118, *b"UI", "1.2.840.10008.8.1.1").text(
        0x0040_db00,
        *b"CS",
        number,
    );
    out
}

/// Date and time as DICOM writes them, universal time.
fn now() -> [String; 2] {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let [year, month, day] = civil(seconds / 86_400);
    let rest = seconds % 86_400;
    [format!("{year:04}{month:02}{day:02}"), format!("{:02}{:02}{:02}", rest / 3600, rest / 60 % 60, rest % 60)]
}

/// The date of a day counted from 1970-01-01, by the calendar in use (Howard Hinnant's algorithm).
fn civil(days: u64) -> [u64; 3] {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    [year_of_era + era * 400 + u64::from(month <= 2), month, day]
}

#[cfg(test)]
mod tests {
    use super::{Finding, Graphic, Report, Value, civil, save_report};
    use glam::DVec3;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(civil(0), [1970, 1, 1]);
        // date -u -d 2024-02-29 +%s / 86400
        assert_eq!(civil(19_782), [2024, 2, 29]);
        assert_eq!(civil(20_820), [2027, 1, 2]);
    }

    #[test]
    fn a_report_about_nobody_names_nobody_and_an_empty_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.dcm");
        let finding = Finding {
            name: "Length 1".into(),
            note: String::new(),
            graphic: Graphic::Polyline,
            points_mm: vec![DVec3::ZERO, DVec3::new(3.0, 4.0, 0.0)],
            values: vec![Value::LengthMm(5.0)],
        };
        save_report(&path, Report { series: None, findings: &[finding] }).expect("written");
        let bytes = std::fs::read(&path).expect("there");
        let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(has("Imaging Measurement Report") && has("POLYLINE") && has("1.2.840.10008.5.1.4.1.1.88.34"));
        let name = [0x10, 0x00, 0x10, 0x00, 0, 0, 0, 0];
        assert!(bytes.windows(8).any(|w| w == name), "the name's element is there and empty");
        let refused = save_report(&folder.path().join("none.dcm"), Report { series: None, findings: &[] });
        assert!(refused.expect_err("nothing").to_string().contains("measurement"));
    }
}
