//! From the ids of a label file to the classes of a task, by name: numbers mean different things in different data sets.

use std::collections::BTreeMap;

use voco_io::LabelNames;

/// A class of a task. Class 0 is the background; the first of a list of classes is class 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassName {
    /// Its name.
    pub name: String,
    /// Other names that data sets use for it.
    pub synonyms: Vec<String>,
}

impl ClassName {
    /// A class known by its name and what is built in for it (word order, left and right, spelling).
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), synonyms: Vec::new() }
    }
}

/// From file ids to class ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LabelMap {
    class_of: BTreeMap<u16, u16>,
    unknown: Vec<(u16, String)>,
    missing: Vec<u16>,
}

impl LabelMap {
    /// Matches the names of a file's ids with `classes`. Case, word order, punctuation, plural and the usual spellings do not
    /// matter; a class without a side takes both sides. An id whose name matches no class becomes 0.
    pub fn new(names: &LabelNames, classes: &[ClassName]) -> Self {
        let mut keys: BTreeMap<String, u16> = BTreeMap::new();
        for (n, class) in classes.iter().enumerate() {
            for name in std::iter::once(&class.name).chain(&class.synonyms) {
                keys.entry(key(name)).or_insert(n as u16 + 1);
            }
        }
        let (mut class_of, mut unknown) = (BTreeMap::new(), Vec::new());
        for (&id, name) in names.iter().filter(|&(&id, _)| id != 0) {
            let exact = key(name);
            match keys.get(&exact).or_else(|| keys.get(&without_side(&exact))) {
                Some(&class) => drop(class_of.insert(id, class)),
                None => unknown.push((id, name.clone())),
            }
        }
        let is_met = |class: &u16| class_of.values().any(|c| c == class);
        let missing = (1..=classes.len() as u16).filter(|c| !is_met(c)).collect();
        Self { class_of, unknown, missing }
    }

    /// Ids 1 to `num_classes` as they are, the others 0: for data made for this very task.
    pub fn identity(num_classes: usize) -> Self {
        let last = u16::try_from(num_classes).unwrap_or(u16::MAX);
        Self { class_of: (1..=last).map(|n| (n, n)).collect(), unknown: Vec::new(), missing: Vec::new() }
    }

    /// The class of a file's id; 0 where there is none.
    pub fn class(&self, id: u16) -> u16 {
        self.class_of.get(&id).copied().unwrap_or(0)
    }

    /// Ids that the names know and no class takes.
    pub fn unknown(&self) -> &[(u16, String)] {
        &self.unknown
    }

    /// Classes that no id becomes.
    pub fn missing(&self) -> &[u16] {
        &self.missing
    }

    /// The pairs (file id, class).
    pub fn pairs(&self) -> impl Iterator<Item = (u16, u16)> {
        self.class_of.iter().map(|(&id, &class)| (id, class))
    }

    /// Classes of a label map's values, and how many values had an id without a class (the background is none of them).
    pub fn apply(&self, values: &[f32]) -> (Vec<u16>, u64) {
        let mut table = vec![0_u16; 1 << 16];
        self.class_of.iter().for_each(|(&id, &class)| table[usize::from(id)] = class);
        let mut num_unknown = 0;
        let classes = values.iter().map(|&v| {
            let id = id_of(v);
            let class = table[usize::from(id)];
            num_unknown += u64::from(id != 0 && class == 0);
            class
        });
        (classes.collect(), num_unknown)
    }
}

/// Values of a checked label map are whole numbers that fit.
pub(crate) fn id_of(value: f32) -> u16 {
    value.round() as u16
}

/// Words that mean the same.
const WORDS: &[(&str, &str)] = &[
    ("l", "left"),
    ("lt", "left"),
    ("r", "right"),
    ("rt", "right"),
    ("oesophagus", "esophagus"),
    ("tumour", "tumor"),
    ("cancer", "tumor"),
    ("carcinoma", "tumor"),
    ("lesion", "tumor"),
    ("postcava", "ivc"),
    ("renal", "kidney"),
    ("hepatic", "liver"),
    ("pancreatic", "pancreas"),
    ("suprarenal", "adrenal"),
    ("colonic", "colon"),
    ("vertebrae", "vertebra"),
    ("cerebral", "brain"),
    ("spleens", "spleen"),
];
/// Words that say nothing.
const EMPTY_WORDS: &[&str] = &["the", "and", "of", "gland", "organ"];
/// Names of several words, after sorting, and the one that stands for them.
const PHRASES: &[(&str, &str)] = &[
    ("cava inferior vena", "ivc"),
    ("inferior venacava", "ivc"),
    ("bladder gall", "gallbladder"),
    ("bladder urinary", "bladder"),
    ("lk", "kidney left"),
    ("rk", "kidney right"),
    ("lag", "adrenal left"),
    ("rag", "adrenal right"),
    ("pv sv", "portal splenic vein"),
    ("psv", "portal splenic vein"),
];

/// What two names have in common when they mean the same: words in alphabetical order.
fn key(name: &str) -> String {
    let lower = name.to_lowercase();
    let mut words: Vec<String> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(|word| {
            let known = WORDS.iter().find(|(from, _)| *from == word).map(|(_, to)| (*to).to_owned());
            known.unwrap_or_else(|| singular(word).to_owned())
        })
        .filter(|word| !EMPTY_WORDS.contains(&word.as_str()))
        .collect();
    words.sort();
    words.dedup();
    let sorted = words.join(" ");
    PHRASES.iter().find(|(from, _)| *from == sorted).map_or(sorted, |(_, to)| (*to).to_owned())
}

/// `kidneys` → `kidney`; words that end in -us, -as, -is, -ss are singular already.
fn singular(word: &str) -> &str {
    let stays = ["ss", "us", "as", "is", "ps"].iter().any(|end| word.ends_with(end)) || word.len() < 4;
    if stays { word } else { word.strip_suffix('s').unwrap_or(word) }
}

fn without_side(key: &str) -> String {
    let words: Vec<&str> = key.split(' ').filter(|w| *w != "left" && *w != "right").collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(names: &[&str]) -> Vec<ClassName> {
        names.iter().map(|n| ClassName::new(n)).collect()
    }

    fn names(pairs: &[(u16, &str)]) -> LabelNames {
        pairs.iter().map(|&(id, name)| (id, name.to_owned())).collect()
    }

    #[test]
    fn names_meet_whatever_their_order_and_spelling() {
        for (a, b) in [
            ("left kidney", "kidney_left"),
            ("Kidney, L", "left_kidney"),
            ("postcava", "inferior vena cava"),
            ("inferior_vena_cava", "IVC"),
            ("oesophagus", "esophagus"),
            ("right_adrenal_gland", "adrenal_gland_right"),
            ("rag", "right adrenal"),
            ("portal_vein_and_splenic_vein", "portal and splenic veins"),
            ("liver tumour", "liver_tumor"),
            ("gall bladder", "gallbladder"),
            ("bladder", "urinary_bladder"),
            ("kidneys", "kidney"),
        ] {
            assert_eq!(key(a), key(b), "{a} is {b}");
        }
        for (a, b) in [("left kidney", "right kidney"), ("liver", "liver tumor"), ("vertebrae_L1", "vertebrae_L2")] {
            assert_ne!(key(a), key(b), "{a} is not {b}");
        }
        assert_eq!(key("pancreas"), "pancreas", "a singular stays");
    }

    /// The same classes from two numberings: `FLARE22`'s and `VoComni`'s.
    #[test]
    fn ids_of_two_data_sets_become_the_same_classes() {
        let task = classes(&["liver", "right kidney", "left kidney", "spleen", "inferior vena cava"]);
        let flare = LabelMap::new(
            &names(&[
                (1, "liver"),
                (2, "right kidney"),
                (3, "spleen"),
                (6, "IVC"),
                (13, "left kidney"),
                (12, "duodenum"),
            ]),
            &task,
        );
        let vocomni = LabelMap::new(
            &names(&[
                (0, "background"),
                (1, "spleen"),
                (2, "right kidney"),
                (3, "left kidney"),
                (6, "liver"),
                (9, "postcava"),
            ]),
            &task,
        );
        assert_eq!([1, 2, 13, 3, 6].map(|id| flare.class(id)), [1, 2, 3, 4, 5]);
        assert_eq!([6, 2, 3, 1, 9].map(|id| vocomni.class(id)), [1, 2, 3, 4, 5]);
        assert_eq!(flare.unknown(), [(12, "duodenum".to_owned())]);
        assert!(flare.missing().is_empty(), "{:?}", flare.missing());
        let (mapped, num_unknown) = flare.apply(&[0.0, 1.0, 12.0, 13.0, 421.0]);
        assert_eq!((mapped, num_unknown), (vec![0, 1, 0, 3, 0], 2), "unknown ids become 0 and are counted");
    }

    #[test]
    fn a_class_without_a_side_takes_both_but_not_the_other_way_round() {
        let sided = names(&[(2, "kidney_right"), (3, "kidney_left")]);
        let both = LabelMap::new(&sided, &classes(&["kidney"]));
        assert_eq!([2, 3].map(|id| both.class(id)), [1, 1]);
        let one = LabelMap::new(&names(&[(1, "kidney")]), &classes(&["left kidney"]));
        assert_eq!((one.class(1), one.missing()), (0, &[1_u16][..]));
    }
}
