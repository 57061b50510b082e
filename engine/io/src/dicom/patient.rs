//! Whether the ways in which a header says how the patient lay and how its images run agree.

use std::collections::BTreeSet;

use glam::DVec3;

use crate::dicom::data_set::DataSet;
use crate::dicom::image::Place;
use crate::dicom::tags;

/// What a header says of the patient besides the direction cosines of its images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lying {
    /// How the patient lay in the scanner.
    position: Option<Position>,
    /// Towards which letters rows and columns run.
    letters: Option<[char; 2]>,
    /// Slices of a CT scanner as it made them, not computed from others.
    is_as_scanned: bool,
}

/// A row of [`POSITIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(usize);

/// Code, words, and the directions (LPS) of rows and columns of an axial slice as a scanner makes it: its top is what lay upwards, and
/// it is seen from the end of the table. Feet first is head first turned about the vertical: rows run the other way.
const POSITIONS: [(&str, &str, DVec3, DVec3); 8] = [
    ("HFS", "head first, supine", DVec3::X, DVec3::Y),
    ("HFP", "head first, prone", DVec3::NEG_X, DVec3::NEG_Y),
    ("HFDR", "head first, on the right side", DVec3::Y, DVec3::NEG_X),
    ("HFDL", "head first, on the left side", DVec3::NEG_Y, DVec3::X),
    ("FFS", "feet first, supine", DVec3::NEG_X, DVec3::Y),
    ("FFP", "feet first, prone", DVec3::X, DVec3::NEG_Y),
    ("FFDR", "feet first, on the right side", DVec3::NEG_Y, DVec3::NEG_X),
    ("FFDL", "feet first, on the left side", DVec3::Y, DVec3::X),
];

/// Directions whose cosine is above are the same, a tilt or a turn of the head aside.
const SAME: f64 = 0.8;
/// The main direction has at least 0.57 of its letter; below this it is another one.
const OTHER: f64 = 0.3;

impl Lying {
    pub fn of(data: &DataSet<'_>) -> Self {
        let code = data.text(tags::PATIENT_POSITION);
        let position = POSITIONS.iter().position(|row| code.as_deref().map(str::trim) == Some(row.0)).map(Position);
        let kind = data.text(tags::IMAGE_TYPE).unwrap_or_default();
        let modality = data.text(tags::MODALITY).unwrap_or_default();
        let letters = data.text(tags::PATIENT_ORIENTATION).and_then(|text| {
            let mut parts = text.split('\\').map(|part| part.trim().chars().next());
            // Letters of other species than people say other things; they begin with others than these.
            let of_people = |letter: Option<char>| letter.filter(|&l| axis(l).is_some());
            Some([of_people(parts.next()?)?, of_people(parts.next()?)?])
        });
        Self { position, letters, is_as_scanned: modality == "CT" && kind.starts_with("ORIGINAL") }
    }

    /// How the patient lay.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// One sentence on what contradicts the direction cosines, if anything does.
    pub fn contradiction(&self, place: &Place) -> Option<String> {
        if !place.is_oriented {
            return None;
        }
        self.of_letters(place).or_else(|| self.of_position(place))
    }

    fn of_letters(&self, place: &Place) -> Option<String> {
        let runs = [("rows", place.row_direction), ("columns", place.column_direction)];
        runs.into_iter().zip(self.letters?).find_map(|((what, direction), letter)| {
            let told = axis(letter)?;
            let is_other = told.dot(direction) < OTHER;
            is_other.then(|| {
                format!(
                    "The header contradicts itself: by its letters {what} run towards {letter}, by its direction cosines towards {}; \
                     left and right may be wrong.",
                    letter_of(direction)
                )
            })
        })
    }

    fn of_position(&self, place: &Place) -> Option<String> {
        let (rows, columns) = (place.row_direction, place.column_direction);
        let position = self.position.filter(|_| self.is_as_scanned)?;
        let (code, words, ..) = POSITIONS[position.0];
        let fits = |row: DVec3, column: DVec3| row.dot(rows) > SAME && column.dot(columns) > SAME;
        let is_axial = place.normal().z.abs() > SAME;
        // Many scanners turn slices so that they are seen from the feet with the front up, however the patient lay.
        let is_turned = fits(DVec3::X, DVec3::Y);
        let (.., row, column) = POSITIONS[position.0];
        if !is_axial || is_turned || fits(row, column) {
            return None;
        }
        let as_of = POSITIONS.iter().find(|(_, _, row, column)| fits(*row, *column));
        let seems = match as_of {
            Some((code, words, ..)) => format!("its images run as those of {words} ({code})"),
            None => "its images run in none of the ways in which a scanner makes them".to_owned(),
        };
        Some(format!(
            "The header contradicts itself: the patient lay {words} ({code}), but {seems}; left and right may be wrong."
        ))
    }
}

/// One sentence if slices of one series say that the patient lay in different ways.
pub(crate) fn mixed(positions: &BTreeSet<Position>) -> Option<String> {
    let codes: Vec<&str> = positions.iter().map(|p| POSITIONS[p.0].0).collect();
    (codes.len() > 1).then(|| {
        format!(
            "The header contradicts itself: slices of this series say that the patient lay in different ways ({}); left and right \
             may be wrong in some of them.",
            codes.join(", ")
        )
    })
}

/// The direction of a letter in DICOM's axes.
fn axis(letter: char) -> Option<DVec3> {
    Some(match letter {
        'L' => DVec3::X,
        'R' => DVec3::NEG_X,
        'P' => DVec3::Y,
        'A' => DVec3::NEG_Y,
        'H' => DVec3::Z,
        'F' => DVec3::NEG_Z,
        _ => return None,
    })
}

/// The letter that a direction has most of.
fn letter_of(direction: DVec3) -> char {
    let share = |letter: &char| axis(*letter).map_or(0.0, |a| a.dot(direction));
    "LRPAHF".chars().max_by(|a, b| share(a).total_cmp(&share(b))).unwrap_or('L')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(row: DVec3, column: DVec3) -> Place {
        Place {
            row_direction: row,
            column_direction: column,
            position: Some(DVec3::ZERO),
            spacing_mm: [1.0; 2],
            slice_spacing_mm: None,
            is_oriented: true,
            has_spacing: true,
        }
    }

    fn lying(code: &str) -> Lying {
        let position = POSITIONS.iter().position(|row| row.0 == code).map(Position);
        Lying { position, letters: None, is_as_scanned: true }
    }

    #[test]
    fn head_first_looks_to_the_head_and_feet_first_to_the_feet() {
        for (code, _, row, column) in POSITIONS {
            // Into the gantry: the normal of a slice as it is scanned.
            let into = if code.starts_with('H') { 1.0 } else { -1.0 };
            assert_eq!(row.cross(column), DVec3::Z * into, "{code}");
            // What is at the top lay upwards.
            let top = letter_of(-column);
            let expected = [("S", 'A'), ("P", 'P'), ("DR", 'L'), ("DL", 'R')];
            let up = expected.iter().find(|(end, _)| code[2..] == **end).map(|(_, letter)| *letter);
            assert_eq!(Some(top), up, "{code}");
        }
    }

    #[test]
    fn a_position_is_compared_with_the_directions() {
        for (code, _, row, column) in POSITIONS {
            assert_eq!(lying(code).contradiction(&place(row, column)), None, "{code}: as it is scanned");
            assert_eq!(lying(code).contradiction(&place(DVec3::X, DVec3::Y)), None, "{code}: turned for reading");
            let coronal = place(DVec3::X, DVec3::NEG_Z);
            assert_eq!(lying(code).contradiction(&coronal), None, "{code}: not axial");
        }
        let feet_first = place(DVec3::NEG_X, DVec3::Y);
        let told = lying("HFS").contradiction(&feet_first).expect("mirrored");
        assert!(told.contains("head first, supine (HFS)") && told.contains("feet first, supine (FFS)"), "{told}");
        assert!(crate::is_about_sides(&told));
        let reformatted = Lying { is_as_scanned: false, ..lying("HFS") };
        assert_eq!(reformatted.contradiction(&feet_first), None, "images that were computed may run as they like");
        // A gantry tilt of 20 degrees is no other position.
        let (sin, cos) = 20_f64.to_radians().sin_cos();
        assert_eq!(lying("HFP").contradiction(&place(DVec3::NEG_X, DVec3::new(0.0, -cos, sin))), None);
    }

    #[test]
    fn letters_are_compared_with_the_directions() {
        let lying = |letters| Lying { letters: Some(letters), ..Lying::default() };
        let axial = place(DVec3::X, DVec3::Y);
        assert_eq!(lying(['L', 'P']).contradiction(&axial), None);
        let told = lying(['R', 'P']).contradiction(&axial).expect("the other side");
        assert!(told.contains("rows run towards R") && told.contains("cosines towards L"), "{told}");
        let told = lying(['L', 'F']).contradiction(&axial).expect("another plane");
        assert!(told.contains("columns run towards F") && told.contains("cosines towards P"), "{told}");
        let oblique = place(DVec3::new(0.6, 0.55, 0.58).normalize(), DVec3::new(0.6, -0.65, 0.0).normalize());
        assert_eq!(lying(['L', 'A']).contradiction(&oblique), None, "the letter of the largest part");
    }
}
