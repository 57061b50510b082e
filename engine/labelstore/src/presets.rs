use voco_volume::Terms;

use crate::{Segment, Status, StoreError};

/// A label of a preset or of a table of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetEntry {
    /// The voxel value.
    pub value: u16,
    /// What a reader calls it.
    pub name: String,
    /// sRGB, if the preset has colours.
    pub color: Option<[u8; 3]>,
    /// 0 to 255.
    pub opacity: u8,
    /// Drawn or not.
    pub visible: bool,
    /// What it is in the terms of a terminology.
    pub terms: Terms,
    /// Its voxels do not change.
    pub locked: bool,
    /// How far the work is.
    pub status: Status,
    /// What a reviewer wrote.
    pub comment: String,
}

impl PresetEntry {
    /// Without a colour of its own.
    pub fn new(value: u16, name: &str) -> Self {
        Self {
            value,
            name: name.into(),
            color: None,
            opacity: 255,
            visible: true,
            terms: Terms::default(),
            locked: false,
            status: Status::NotStarted,
            comment: String::new(),
        }
    }
}

impl PresetEntry {
    /// All that a segment has besides its voxels.
    pub fn of(segment: &Segment) -> Self {
        Self {
            value: segment.value,
            name: segment.name.clone(),
            color: Some(segment.color),
            opacity: segment.opacity,
            visible: segment.visible,
            terms: segment.terms.clone(),
            locked: segment.locked,
            status: segment.status,
            comment: segment.comment.clone(),
        }
    }

    /// With the terms that its name stands for, if they are known: for the classes of a data set, whose names are no guess.
    pub fn named(value: u16, name: &str) -> Self {
        Self { terms: crate::terms_of_name(name).cloned().unwrap_or_default(), ..Self::new(value, name) }
    }
}

/// Reads a preset as those under `assets/labels`: a JSON object from voxel value to name, as `{"1": "spleen"}`. Value 0 is
/// left out. Sorted by value.
///
/// # Errors
/// If it is no such object.
pub fn preset_from_json(text: &str) -> Result<Vec<PresetEntry>, StoreError> {
    let bad = |what: &dyn std::fmt::Display| StoreError::BadPreset(what.to_string());
    let names: std::collections::BTreeMap<String, String> = serde_json::from_str(text).map_err(|e| bad(&e))?;
    let entry = |(value, name): (&String, &String)| {
        let value = value.trim().parse::<u16>().map_err(|e| bad(&e))?;
        Ok(PresetEntry::new(value, name))
    };
    let mut entries = names.iter().map(entry).collect::<Result<Vec<_>, StoreError>>()?;
    entries.retain(|e| e.value != 0);
    entries.sort_by_key(|e| e.value);
    Ok(entries)
}
