//! Terms for what is labelled most often, to be found by name.

use std::sync::OnceLock;

use voco_volume::{Code, Terms};

/// Terms with the names that stand for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTerms {
    /// What data sets and readers call it; the first is the one to show.
    pub names: Vec<String>,
    /// Its codes.
    pub terms: Terms,
}

/// The built-in list, by name.
pub fn known_terms() -> &'static [KnownTerms] {
    static KNOWN: OnceLock<Vec<KnownTerms>> = OnceLock::new();
    KNOWN.get_or_init(|| of_table(include_str!("../../../assets/labels/snomed.tsv")))
}

/// The terms for a label of that name, whatever the order and spelling of its words: `kidney_left` is the left kidney.
pub fn terms_of_name(name: &str) -> Option<&'static Terms> {
    let words = words(name);
    let is_it = |known: &&KnownTerms| known.names.iter().any(|n| self::words(n) == words);
    known_terms().iter().find(is_it).map(|known| &known.terms)
}

/// Those that have each word of `text` somewhere in their names, codes or meanings; the closest first.
pub fn search_terms(text: &str) -> Vec<&'static KnownTerms> {
    let asked = words(text);
    let mut found: Vec<(usize, &KnownTerms)> = Vec::new();
    for known in known_terms() {
        let codes = known.terms.all().into_iter().flatten().map(|c| format!("{} {}", c.value, c.meaning));
        let all = known.names.iter().cloned().chain(codes).collect::<Vec<_>>().join(" ").to_lowercase();
        if asked.iter().all(|word| all.contains(word)) {
            let rank = if known.names.iter().any(|n| words(n) == asked) {
                0
            } else if asked.iter().all(|word| known.names.iter().any(|n| words(n).contains(word))) {
                1
            } else {
                2
            };
            found.push((rank, known));
        }
    }
    // Stable: within a rank the list stays by name.
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, known)| known).collect()
}

/// Lower case, sorted, spelt as in the United States where the list knows both.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().replace("tumour", "tumor"))
        .collect();
    words.sort();
    words
}

fn of_table(text: &str) -> Vec<KnownTerms> {
    let line = |line: &str| {
        let mut fields = line.split('\t');
        let names = fields.next()?.split('|').map(str::to_owned).collect();
        let mut code = || fields.next()?.split_once(' ').map(|(value, meaning)| Code::snomed(value, meaning));
        let (category, kind, modifier, region, region_modifier) = (code(), code(), code(), code(), code());
        Some(KnownTerms { names, terms: Terms { category, kind, modifier, region, region_modifier } })
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_the_data_sets_has_its_terms() {
        let presets = [
            include_str!("../../../assets/labels/totalsegmentator_total.json"),
            include_str!("../../../assets/labels/totalsegmentator_total_mr.json"),
            include_str!("../../../assets/labels/vocomni.json"),
            include_str!("../../../assets/labels/btcv.json"),
            include_str!("../../../assets/labels/amos22.json"),
            include_str!("../../../assets/labels/flare22.json"),
        ];
        for entry in presets.iter().flat_map(|text| crate::preset_from_json(text).expect("a preset")) {
            let found = terms_of_name(&entry.name);
            // One label for two organs has no term.
            assert_eq!(found.is_some(), entry.name != "prostate or uterus", "{}", entry.name);
        }
    }

    #[test]
    fn codes_are_numbers_with_the_check_digit_of_snomed() {
        for known in known_terms() {
            assert!(known.terms.category.is_some() && known.terms.kind.is_some(), "{known:?}");
            for code in known.terms.all().into_iter().flatten() {
                assert!(verhoeff(&code.value), "{} {}", code.value, code.meaning);
                assert!(code.value.len() <= 16 && !code.meaning.is_empty());
            }
        }
    }

    /// The check of SNOMED CT's identifiers: 0 over the dihedral group of order 10.
    fn verhoeff(digits: &str) -> bool {
        let times = |a: usize, b: usize| match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => 5 + (a + b) % 5,
            (false, true) => 5 + (a - b) % 5,
            (false, false) => (a + 5 - b) % 5,
        };
        let turn = |n: usize, digit: usize| {
            const ONCE: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
            (0..n % 8).fold(digit, |d, _| ONCE[d])
        };
        let all = digits.bytes().rev().enumerate();
        all.fold(0, |sum, (n, d)| times(sum, turn(n, usize::from(d - b'0')))) == 0
    }

    #[test]
    fn words_find_terms_in_any_order() {
        let left = terms_of_name("kidney_left").expect("known");
        assert_eq!(terms_of_name("Left Kidney"), Some(left));
        assert_eq!(left.modifier.as_ref().map(|c| c.value.as_str()), Some("7771000"));
        assert_eq!(search_terms("liver")[0].terms.kind.as_ref().map(|c| c.value.as_str()), Some("10200004"));
        assert_eq!(search_terms("10200004")[0].names[0], "liver");
        assert_eq!(search_terms("").len(), known_terms().len());
        assert!(search_terms("no such organ").is_empty());
    }
}
