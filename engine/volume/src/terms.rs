use serde::{Deserialize, Serialize};

/// A term of a terminology, for example SCT 10200004 "Liver".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The coding scheme, for example `SCT`.
    pub scheme: String,
    /// The code within it.
    pub value: String,
    /// What it means.
    pub meaning: String,
}

impl Code {
    /// A code of SNOMED CT.
    pub fn snomed(value: &str, meaning: &str) -> Self {
        Self { scheme: "SCT".into(), value: value.into(), meaning: meaning.into() }
    }

    /// What formats that must have a code get where nobody chose one, as 3D Slicer does it.
    pub fn tissue() -> Self {
        Self::snomed("85756007", "Tissue")
    }
}

/// What a label is, in the terms of DICOM's segmentations. A journal from before there were more than one has only `code`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Of which sort the type is, for example an anatomical structure.
    #[serde(default)]
    pub category: Option<Code>,
    /// What it is.
    #[serde(default, rename = "code")]
    pub kind: Option<Code>,
    /// Which of several, for example the left one.
    #[serde(default)]
    pub modifier: Option<Code>,
    /// Where it is, if the type does not say so.
    #[serde(default)]
    pub region: Option<Code>,
    /// Which of several places.
    #[serde(default)]
    pub region_modifier: Option<Code>,
}

impl Terms {
    /// True if no term was chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As files have it: what only stands for "nobody chose one" counts as none.
    #[must_use]
    pub fn of_file(self) -> Self {
        let is_tissue = |code: &Option<Code>| code.as_ref().is_some_and(|c| c.value == Code::tissue().value);
        let is_placeholder = is_tissue(&self.category)
            && is_tissue(&self.kind)
            && [&self.modifier, &self.region, &self.region_modifier].iter().all(|code| code.is_none());
        if is_placeholder { Self::default() } else { self }
    }

    /// In the order of DICOM: category, type, its modifier, region, its modifier.
    pub fn all(&self) -> [&Option<Code>; 5] {
        [&self.category, &self.kind, &self.modifier, &self.region, &self.region_modifier]
    }

    /// The same, to be changed.
    pub fn all_mut(&mut self) -> [&mut Option<Code>; 5] {
        [&mut self.category, &mut self.kind, &mut self.modifier, &mut self.region, &mut self.region_modifier]
    }
}
