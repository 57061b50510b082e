use serde::Deserialize;

use super::{Layout, OpenVolume};

/// How a kind of examination is laid out when it is opened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HangingProtocol {
    /// What it is called.
    pub name: String,
    /// `CT` or another one; empty for any.
    #[serde(default)]
    pub modality: String,
    /// Words of which the series' name must hold one; none for any.
    #[serde(default)]
    pub words: Vec<String>,
    /// Words of which a label's name may hold one, in place of the name of the series.
    #[serde(default)]
    pub labels: Vec<String>,
    /// See [`Layout::id`].
    pub layout: String,
    /// Name of a window preset; empty keeps the window.
    #[serde(default)]
    pub window: String,
    /// Name of a 3D preset; empty keeps it.
    #[serde(default)]
    pub preset_3d: String,
}

/// What DICOM says of an examination; nothing that tells whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examination {
    /// `CT`, `MR` or another one; may be empty.
    pub modality: String,
    /// E.g. `CHEST`; may be empty.
    pub body_part: String,
    /// What the operator called the series; may be empty.
    pub description: String,
}

/// How a volume was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality<'a> {
    /// The file says so.
    Told(&'a str),
    /// By its values, which reach from air to bone or do not.
    LooksLikeCt(bool),
}

#[derive(Deserialize)]
struct File {
    protocol: Vec<HangingProtocol>,
}

impl HangingProtocol {
    /// Those that come with the program; the first that fits is used.
    pub fn built_in() -> Vec<Self> {
        // A test reads the same text.
        toml::from_str::<File>(include_str!("../../../../assets/hanging.toml"))
            .map_or_else(|_| Vec::new(), |f| f.protocol)
    }

    /// The layout to use.
    pub fn layout(&self) -> Layout {
        Layout::from_id(&self.layout).unwrap_or_default()
    }

    /// True if it is meant for this examination.
    pub fn fits(&self, modality: Modality<'_>, name: &str, label_names: &[&str]) -> bool {
        let modality_fits = match (self.modality.as_str(), modality) {
            ("", _) => true,
            (wanted, Modality::Told(told)) => wanted.eq_ignore_ascii_case(told),
            ("CT", Modality::LooksLikeCt(is_ct)) => is_ct,
            (_, Modality::LooksLikeCt(is_ct)) => !is_ct,
        };
        if !modality_fits || (self.words.is_empty() && self.labels.is_empty()) {
            return modality_fits;
        }
        let name = name.to_lowercase();
        self.words.iter().any(|word| has_word(&name, word))
            || label_names.iter().any(|label| self.labels.iter().any(|word| has_word(&label.to_lowercase(), word)))
    }

    /// The first that is meant for a volume; what DICOM says of the examination counts for more than the voxels and the name.
    pub fn find<'a>(protocols: &'a [Self], volume: &OpenVolume, exam: Option<&Examination>) -> Option<&'a Self> {
        let looks = Modality::LooksLikeCt(volume.stats.min <= -500.0 && volume.stats.max >= 100.0);
        let told = exam.map(|e| e.modality.as_str()).filter(|m| !m.is_empty());
        let modality = told.map_or(looks, Modality::Told);
        let name = exam.map_or_else(|| volume.name.clone(), |e| format!("{} {}", e.body_part, e.description));
        let entries = volume.label_table().map_or(&[][..], voco_volume::LabelTable::entries);
        let labels: Vec<&str> = entries.iter().map(|e| e.name.as_str()).collect();
        protocols.iter().find(|p| p.fits(modality, &name, &labels))
    }
}

/// True if a word stands in a text with no letter right before it: `ct_chest` has `chest`, `orchestra` has not.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::{HangingProtocol, Modality, has_word};
    use crate::{Layout, WindowPreset};
    use voco_render::TransferFunction;

    #[test]
    fn the_built_in_protocols_name_what_exists() {
        let protocols = HangingProtocol::built_in();
        assert!(protocols.len() > 4);
        let presets = TransferFunction::presets();
        for protocol in &protocols {
            assert!(Layout::from_id(&protocol.layout).is_some(), "{}", protocol.name);
            let has_window = WindowPreset::ALL.iter().any(|p| p.name == protocol.window);
            assert!(protocol.window.is_empty() || has_window, "{}", protocol.name);
            let has_preset = presets.iter().any(|p| p.name == protocol.preset_3d);
            assert!(protocol.preset_3d.is_empty() || has_preset, "{}: {}", protocol.name, protocol.preset_3d);
        }
        assert!(protocols.last().expect("some").words.is_empty(), "the last fits everything");
    }

    #[test]
    fn the_series_name_or_its_labels_tell_the_body_part() {
        let protocols = HangingProtocol::built_in();
        let find = |is_ct, name: &str, labels: &[&str]| {
            protocols.iter().find(|p| p.fits(Modality::LooksLikeCt(is_ct), name, labels)).map(|p| p.window.as_str())
        };
        assert_eq!(find(true, "ts_thorax.nii.gz", &[]), Some("Lung"));
        assert_eq!(find(true, "scan1.nii.gz", &["liver", "spleen"]), Some("Abdomen"));
        assert_eq!(find(false, "T1 brain", &[]), Some(""));
        // DICOM's word for the modality and the body part decide, whatever the values look like.
        let told = |modality, name: &str| {
            protocols.iter().find(|p| p.fits(Modality::Told(modality), name, &[])).map(|p| p.name.as_str())
        };
        assert_eq!(told("MR", "BRAIN t1 sag"), Some("MR of the brain"));
        assert_eq!(told("CT", "CHEST "), Some("CT of the chest"));
        assert_eq!(told("CT", "ABDOMENPELVIS Abdomen Pelvis 5.0"), Some("CT of the abdomen"));
        assert_eq!(told("CT", "LSPINE "), Some("CT of the spine and limbs"));
        assert_eq!(told("CT", "ABDOMEN CTA"), Some("CT angiography"));
        assert_ne!(told("US", "BRAIN"), Some("MR of the brain"));
        assert!(has_word("ct_chest", "chest") && !has_word("orchestra", "chest"));
    }
}
