/// Words that tell examinations of one person apart.
const VISITS: &[&str] = &[
    "baseline",
    "followup",
    "follow",
    "up",
    "fu",
    "bl",
    "pre",
    "post",
    "prior",
    "before",
    "after",
    "visit",
    "ses",
    "session",
    "scan",
    "tp",
    "time",
    "timepoint",
    "exam",
    "study",
    "series",
    "day",
    "week",
    "month",
    "year",
    "arterial",
    "venous",
    "portal",
    "delayed",
    "native",
    "plain",
    "noncontrast",
    "contrast",
    "nc",
    "ce",
    "ap",
    "pv",
    "inspiration",
    "expiration",
    "insp",
    "exp",
    "rest",
    "stress",
    "ed",
    "es",
];

/// Names that say what a picture is, not whose.
const KINDS: &[&str] = &[
    "ct", "mr", "mri", "cta", "cbct", "pet", "image", "img", "volume", "vol", "scan", "t1", "t1c", "t1n", "t1w",
    "t1ce", "t1gd", "t2", "t2w", "t2f", "flair", "adc", "dwi", "in", "opp", "data", "nifti",
];

/// Whose examination a file is, by its name and its folder's: `p7` of `p7_baseline`, `sub-3` of `sub-3_ses-2_T1w`. It rather
/// joins two persons than parts one.
pub(super) fn of_name(stem: &str, folder: Option<&str>) -> String {
    let lower = stem.to_lowercase();
    let tokens: Vec<&str> = lower.split(['_', '-', ' ', '.']).filter(|t| !t.is_empty()).collect();
    // BIDS: sub-LABEL_ses-…
    if let Some(rest) = lower.strip_prefix("sub-") {
        return format!("sub-{}", rest.split('_').next().unwrap_or(rest));
    }
    // CT-RATE: train_12_a_1 is scan a of person train_12.
    if let [set @ ("train" | "valid" | "test"), person, scan, number] = tokens[..]
        && is_number(person)
        && is_number(number)
        && scan.len() == 1
        && !is_number(scan)
    {
        return format!("{set}_{person}");
    }
    // PANORAMA: 100012_00001 is examination 00001 of person 100012.
    if let [person, study] = tokens[..]
        && is_number(person)
        && is_number(study)
        && person.len() >= 5
    {
        return person.to_owned();
    }
    let mut kept = tokens.len();
    while kept > 0 && is_visit(tokens[kept - 1], kept > 1 && is_visit_word(tokens[kept - 2])) {
        kept -= 1;
    }
    if kept == 0 || tokens[..kept].iter().all(|t| KINDS.contains(t)) {
        // TotalSegmentator: s0001/ct. The folder names the person, if there is one.
        return folder.map_or(lower.clone(), |folder| of_name(folder, None));
    }
    tokens[..kept].join("_")
}

/// True for a last token that tells a visit: a word, a word with a number, or a number after a word.
fn is_visit(token: &str, after_word: bool) -> bool {
    is_visit_word(token)
        || KINDS.contains(&token)
        || (after_word && is_number(token))
        || matches!(token.strip_prefix(['t', 'v']), Some(rest) if is_number(rest))
}

fn is_visit_word(token: &str) -> bool {
    let word = token.trim_end_matches(|c: char| c.is_ascii_digit());
    VISITS.contains(&token) || (word != token && VISITS.contains(&word))
}

fn is_number(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::of_name;

    #[test]
    fn names_of_one_person_meet_and_of_two_do_not() {
        for (a, b) in [
            ("elastix_lung_baseline", "elastix_lung_followup"),
            ("sub-03_ses-1_T1w", "sub-03_ses-2_T1w"),
            ("train_12_a_1", "train_12_b_2"),
            ("100012_00001", "100012_00002"),
            ("patient7_visit1", "patient7_visit2"),
            ("patient7_visit_1", "patient7_visit_2"),
            ("p9_t0", "p9_t1"),
            ("BraTS21_0001_flair", "BraTS21_0001_t1ce"),
        ] {
            assert_eq!(of_name(a, None), of_name(b, None), "{a} and {b} are one person's");
        }
        for (a, b) in [
            ("liver_12", "liver_13"),
            ("case_0001", "case_0002"),
            ("volume-1", "volume-10"),
            ("train_12_a_1", "train_13_a_1"),
            ("img0001", "img0002"),
            ("sub-03_ses-1", "sub-04_ses-1"),
        ] {
            assert_ne!(of_name(a, None), of_name(b, None), "{a} and {b} are two persons'");
        }
        assert_ne!(of_name("ct", Some("s0001")), of_name("ct", Some("s0002")), "the folder tells");
    }
}
