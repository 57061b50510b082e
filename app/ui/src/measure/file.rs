//! Measurements as a file beside the user's data, and as CSV.

use std::fmt::Write as _;

use glam::DVec3;
use serde::{Deserialize, Serialize};

use super::{MeasureKind, MeasurePlane, Measurement, Quantity};
use crate::i18n;

/// Greatest numbers that a file may hold; more is no measuring by hand.
const MAX_ITEMS: usize = 10_000;
const MAX_POINTS: usize = 20_000;
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    measurements: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    number: u32,
    kind: String,
    right: [f64; 3],
    down: [f64; 3],
    points_mm: Vec<[f64; 3]>,
    #[serde(default)]
    note: String,
}

/// Why a file of measurements cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureFileError {
    /// It is not JSON, or lacks a field.
    Form,
    /// It was written by a later version.
    Version(u32),
    /// A number in it makes no sense.
    Value,
}

impl std::error::Error for MeasureFileError {}

impl std::fmt::Display for MeasureFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form => f.write_str(i18n::text("tell-measurements-form")),
            Self::Version(found) => {
                f.write_str(&i18n::text_with("tell-measurements-later", [("found", (*found).into())]))
            }
            Self::Value => f.write_str(i18n::text("tell-measurements-senseless")),
        }
    }
}

/// As JSON.
pub fn to_json(items: &[Measurement]) -> String {
    let measurements = items.iter().map(|m| Item {
        number: m.number,
        kind: m.kind.id().to_owned(),
        right: m.plane.right.to_array(),
        down: m.plane.down.to_array(),
        points_mm: m.points_mm.iter().map(DVec3::to_array).collect(),
        note: m.note.clone(),
    });
    let file = File { version: VERSION, measurements: measurements.collect() };
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

/// From JSON; a kind that this version does not know is an error, so that it is not lost by saving.
///
/// # Errors
/// If it is no such file, of a later version, or with numbers that make no sense.
pub fn from_json(text: &str) -> Result<Vec<Measurement>, MeasureFileError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let head: Head = serde_json::from_str(text).map_err(|_not_json| MeasureFileError::Form)?;
    if head.version != VERSION {
        return Err(MeasureFileError::Version(head.version));
    }
    let file: File = serde_json::from_str(text).map_err(|_not_json| MeasureFileError::Form)?;
    if file.measurements.len() > MAX_ITEMS {
        return Err(MeasureFileError::Value);
    }
    let items = file.measurements.into_iter().map(|item| {
        let kind = MeasureKind::from_id(&item.kind)?;
        let (right, down) = (DVec3::from_array(item.right), DVec3::from_array(item.down));
        let is_plane = right.is_normalized() && down.is_normalized() && right.cross(down).length() > 0.5;
        let points_mm: Vec<DVec3> = item.points_mm.into_iter().map(DVec3::from_array).collect();
        let count_fits =
            kind.num_points().map_or((3..=MAX_POINTS).contains(&points_mm.len()), |n| n == points_mm.len());
        let is_near = points_mm.iter().all(|p| p.is_finite() && p.abs().max_element() < 1e6);
        (is_plane && count_fits && is_near).then_some(Measurement {
            number: item.number,
            kind,
            plane: MeasurePlane { right, down },
            points_mm,
            note: item.note,
            stats: None,
        })
    });
    items.collect::<Option<Vec<_>>>().ok_or(MeasureFileError::Value)
}

/// A table for spreadsheets: one line per measurement, a point as decimal sign, comma between fields. `case` may be empty.
pub fn csv(case: &str, unit: &str, items: &[Measurement]) -> String {
    let mut out = String::from(
        "case,number,kind,length_mm,short_mm,angle_deg,area_mm2,perimeter_mm,volume_mm3,mean,sd,min,max,voxels,unit,note,points_ras_mm\n",
    );
    for item in items {
        let mut fields = [const { String::new() }; 17];
        fields[0] = quoted(case);
        fields[1] = item.number.to_string();
        item.kind.id().clone_into(&mut fields[2]);
        for quantity in item.quantities() {
            let (place, value) = match quantity {
                Quantity::Length(mm) | Quantity::Diameter(mm) => (3, mm),
                Quantity::Short(mm) => (4, mm),
                Quantity::Angle(degrees) => (5, degrees),
                Quantity::Area(mm2) => (6, mm2),
                Quantity::Perimeter(mm) => (7, mm),
                Quantity::Volume(mm3) => (8, mm3),
            };
            fields[place] = format!("{value:.4}");
        }
        if let Some(stats) = item.stats.filter(|s| s.count > 0) {
            for (field, value) in fields[9..13].iter_mut().zip([stats.mean, stats.sd, stats.min, stats.max]) {
                *field = value.to_string();
            }
            fields[13] = stats.count.to_string();
            fields[14] = quoted(unit);
        }
        fields[15] = quoted(&item.note);
        let points: Vec<String> = item.points_mm.iter().map(|p| format!("{:.3} {:.3} {:.3}", p.x, p.y, p.z)).collect();
        fields[16] = points.join("; ");
        // Writing to a string cannot fail.
        writeln!(out, "{}", fields.join(",")).ok();
    }
    out
}

/// A text as a field. A spreadsheet would run what begins like a formula: an apostrophe keeps it a text.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::{MeasureFileError, csv, from_json, to_json};
    use crate::measure::{MeasureDoc, MeasureKind, MeasurePlane, RoiStats};

    const PLANE: MeasurePlane = MeasurePlane { right: DVec3::NEG_X, down: DVec3::NEG_Z };

    fn doc() -> MeasureDoc {
        let mut doc = MeasureDoc::default();
        let length = doc.add(MeasureKind::Length, PLANE, vec![DVec3::ZERO, DVec3::new(3.0, 4.0, 0.0)]);
        doc.set_note(length, "=2+2, \"quoted\"".into());
        doc.add(MeasureKind::Freehand, PLANE, vec![DVec3::ZERO, DVec3::X, DVec3::Z, -DVec3::X]);
        doc
    }

    #[test]
    fn a_file_holds_all_but_what_is_counted_again() {
        let doc = doc();
        assert_eq!(from_json(&to_json(doc.items())).unwrap(), doc.items());
    }

    #[test]
    fn broken_files_are_refused() {
        let good = to_json(doc().items());
        for (from, to, error) in [
            ("{", "", MeasureFileError::Form),
            ("\"version\": 1", "\"version\": 9", MeasureFileError::Version(9)),
            ("\"length\"", "\"hologram\"", MeasureFileError::Value),
            ("4.0,", "1e300,", MeasureFileError::Value),
            ("\"length\"", "\"angle\"", MeasureFileError::Value),
        ] {
            assert_eq!(from_json(&good.replacen(from, to, 1)), Err(error), "{from} -> {to}");
        }
    }

    #[test]
    fn csv_has_one_line_each_and_runs_no_formula() {
        let doc = doc();
        let mut items = doc.items().to_vec();
        items[1].stats = Some(RoiStats { count: 3, mean: -12.5, sd: 0.5, min: -13.0, max: -12.0 });
        let text = csv("a,b", "HU", &items);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("\"a,b\",1,length,5.0000,,,,,,,,,,,,\"'=2+2, \"\"quoted\"\"\","), "{}", lines[1]);
        assert!(lines[2].contains(",-12.5,0.5,-13,-12,3,HU,"), "{}", lines[2]);
    }
}
