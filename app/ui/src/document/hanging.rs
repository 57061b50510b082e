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
    pub fn fits(&self, is_ct: bool, name: &str, label_names: &[&str]) -> bool {
        let modality_fits = match self.modality.as_str() {
            "" => true,
            "CT" => is_ct,
            _ => !is_ct,
        };
        if !modality_fits || (self.words.is_empty() && self.labels.is_empty()) {
            return modality_fits;
        }
        let name = name.to_lowercase();
        self.words.iter().any(|word| has_word(&name, word))
            || label_names.iter().any(|label| self.labels.iter().any(|word| has_word(&label.to_lowercase(), word)))
    }

    /// The first that is meant for a volume.
    pub fn find<'a>(protocols: &'a [Self], volume: &OpenVolume) -> Option<&'a Self> {
        let is_ct = volume.stats.min <= -500.0 && volume.stats.max >= 100.0;
        let entries = volume.label_table().map_or(&[][..], voco_volume::LabelTable::entries);
        let labels: Vec<&str> = entries.iter().map(|e| e.name.as_str()).collect();
        protocols.iter().find(|p| p.fits(is_ct, &volume.name, &labels))
    }
}

/// True if a word stands in a text with no letter right before it: `ct_chest` has `chest`, `orchestra` has not.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::{HangingProtocol, has_word};
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
            protocols.iter().find(|p| p.fits(is_ct, name, labels)).map(|p| p.window.as_str())
        };
        assert_eq!(find(true, "ts_thorax.nii.gz", &[]), Some("Lung"));
        assert_eq!(find(true, "scan1.nii.gz", &["liver", "spleen"]), Some("Abdomen"));
        assert_eq!(find(false, "T1 brain", &[]), Some(""));
        assert!(has_word("ct_chest", "chest") && !has_word("orchestra", "chest"));
    }
}
