//! The classes and rules of the FLARE challenges (abdominal organs in CT), by their published evaluation code.

use super::ClassRule;

/// Below this Dice the NSD counts as 0.
pub const LEAST_DICE: f64 = 0.2;

/// The tolerance of a class that FLARE does not know, and of lesions.
pub const OTHER_TOLERANCE_MM: f64 = 2.0;

/// A class of FLARE.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Organ {
    /// Label in FLARE22 and later.
    pub id: u32,
    /// What a reader calls it.
    pub name: &'static str,
    /// Tolerance of the NSD in millimetres.
    pub tolerance_mm: f64,
    /// See [`ClassRule::is_trimmed`].
    pub is_trimmed: bool,
    /// Words that all occur in the names by which other label maps call it; a bar separates names.
    names: &'static str,
}

const fn organ(id: u32, name: &'static str, tolerance_mm: f64, is_trimmed: bool, names: &'static str) -> Organ {
    Organ { id, name, tolerance_mm, is_trimmed, names }
}

/// All classes: thirteen organs, and lesions since FLARE23.
pub const ORGANS: [Organ; 14] = [
    organ(1, "liver", 5.0, false, "liver"),
    organ(2, "right kidney", 3.0, false, "right kidney|kidney r|rk"),
    organ(3, "spleen", 3.0, false, "spleen"),
    organ(4, "pancreas", 5.0, false, "pancreas"),
    organ(5, "aorta", 2.0, true, "aorta"),
    organ(6, "inferior vena cava", 2.0, true, "inferior vena cava|ivc|postcava"),
    organ(7, "right adrenal gland", 2.0, false, "right adrenal gland|right adrenal|rag"),
    organ(8, "left adrenal gland", 2.0, false, "left adrenal gland|left adrenal|lag"),
    organ(9, "gallbladder", 2.0, false, "gallbladder|gall bladder"),
    organ(10, "esophagus", 3.0, true, "esophagus|oesophagus"),
    organ(11, "stomach", 5.0, false, "stomach"),
    organ(12, "duodenum", 7.0, false, "duodenum"),
    organ(13, "left kidney", 3.0, false, "left kidney|kidney l|lk"),
    organ(14, "lesion", OTHER_TOLERANCE_MM, false, "lesion|lesions|tumor|tumour"),
];

/// The number of organs that every case is scored for, with or without them.
pub const NUM_SCORED: usize = 13;

/// The organ that a label map's own name stands for, whatever the order of its words: `kidney_right` is the right kidney.
pub fn organ_by_name(name: &str) -> Option<&'static Organ> {
    let words = sorted_words(name);
    ORGANS.iter().find(|organ| organ.names.split('|').any(|known| sorted_words(known) == words))
}

/// How FLARE compares an organ, under the label that a map gives it.
pub fn rule(id: u32, organ: Option<&Organ>) -> ClassRule {
    ClassRule {
        id,
        tolerance_mm: organ.map_or(OTHER_TOLERANCE_MM, |o| o.tolerance_mm),
        is_trimmed: organ.is_some_and(|o| o.is_trimmed),
    }
}

fn sorted_words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    words.sort_unstable();
    words
}
