use std::sync::OnceLock;

use serde::Deserialize;

/// The published checkpoints and where they come from, as `assets/models/hub.json` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The hub's address, unless the user names another.
    pub endpoint: String,
    /// Owner and name of the repository on the hub.
    pub repository: String,
    /// Branch or commit.
    pub revision: String,
    /// Licence of all of them.
    pub licence: String,
    /// The checkpoints, in the order in which they are shown.
    pub models: Vec<Model>,
}

/// A published checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What it is called here.
    pub name: String,
    /// Its file's name on the hub and on the disk.
    pub file: String,
    /// The network whose weights these are.
    pub network: String,
    /// What it is good for.
    pub purpose: String,
    /// Numbers that were trained.
    pub parameters: u64,
    /// Bytes of the tensors, counted from the network: of the file but for some kilobytes of names.
    pub bytes: u64,
    /// MD5 of the file, 32 hexadecimal digits, where somebody published it.
    #[serde(default)]
    pub md5: Option<String>,
}

/// The list that is built into the program.
///
/// # Panics
/// Never: a test reads the same list.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let text = include_str!("../../../assets/models/hub.json");
        serde_json::from_str(text).expect("the built-in list is well-formed")
    })
}

impl Catalogue {
    /// The model of this name, whatever its case; its file's name will do too.
    pub fn find(&self, name: &str) -> Option<&Model> {
        let is_it = |model: &&Model| name.eq_ignore_ascii_case(&model.name) || name.eq_ignore_ascii_case(&model.file);
        self.models.iter().find(is_it)
    }

    /// All names, for a message.
    pub fn names(&self) -> String {
        self.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Model {
    /// Whether a file of so many bytes can be this one: it holds at least the parameters as f32, and is not several times as large.
    pub(crate) fn is_plausible(&self, bytes: u64) -> bool {
        let most = self.bytes.saturating_mul(4).saturating_add(1 << 20);
        (self.parameters.saturating_mul(4)..=most).contains(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_is_whole() {
        let all = catalogue();
        assert_eq!((all.repository.as_str(), all.licence.as_str()), ("Luffy503/VoCo", "Apache-2.0"));
        assert_eq!(all.models.len(), 7, "seven checkpoints are published");
        for model in &all.models {
            assert_eq!(model.file, format!("{}.pt", model.name));
            let hex = |md5: &String| md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(model.md5.as_ref().is_none_or(hex), "{}", model.name);
            assert!(model.bytes >= 4 * model.parameters && model.is_plausible(model.bytes), "{}", model.name);
            assert_eq!(all.find(&model.name.to_uppercase()), Some(model));
            assert_eq!(all.find(&model.file), Some(model));
        }
        assert!(all.find("VoCo_10k").is_none());
    }

    /// Sizes that users of the files report: 220 MB, 856 MB, 3.4 GB, 299 MB, 1.17 GB, 4.65 GB and 125 MB.
    #[test]
    fn sizes_are_those_that_users_report() {
        let reported = [220e6, 856e6, 3.4e9, 299e6, 1.17e9, 4.65e9, 125e6];
        for (model, bytes) in catalogue().models.iter().zip(reported) {
            assert!((model.bytes as f64 / bytes - 1.0).abs() < 0.003, "{}: {}", model.name, model.bytes);
        }
    }
}
