//! Which files belong together as cases, whose they are, and which are held out.

mod folder;
mod json;
mod person;
mod split;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use voco_io::LabelNames;
use voco_volume::PreprocessSpec;

use crate::error::file_name;
use crate::label::{ClassName, LabelMap};
use crate::{DataError, rng};

pub use split::{Holdout, Split};

/// Where cases come from: a folder or a JSON list, with its own preprocessing.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// A folder of images, an nnU-Net folder (`imagesTr`, `labelsTr`), or a JSON list of the Medical Segmentation Decathlon or
    /// MONAI.
    pub path: PathBuf,
    /// What is done to its volumes.
    pub spec: PreprocessSpec,
    /// How often each of its cases is drawn in an epoch, 1 for once.
    pub weight: f64,
}

/// One examination: the files of an image, and of its label map if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// A name without folders.
    pub id: String,
    /// One file for each channel; a single file may hold several.
    pub image: Vec<PathBuf>,
    /// Its label map.
    pub label: Option<PathBuf>,
    /// Whose it is. Cases of one person never lie on both sides of a split.
    pub person: String,
    /// Index into the sources of the list.
    pub source: usize,
    /// What the list says that it is for.
    pub part: Part,
}

impl Case {
    /// The examination of a single file, to train on. Its person follows from the file's name.
    pub fn of_file(path: &Path) -> Self {
        let id = voco_io::image_stem(path);
        let person = person::of_name(&id, None);
        Self { id, image: vec![path.to_owned()], label: None, person, source: 0, part: Part::Training }
    }
}

/// Parts of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// To train on.
    Training,
    /// Held out by the list.
    Validation,
    /// Not to be looked at before the end.
    Test,
}

/// The cases of one or several sources. Nothing but the lists and folders themselves has been read: a file that is missing or
/// damaged shows when it is prepared.
#[derive(Debug, Clone)]
pub struct DataList {
    sources: Vec<Source>,
    names: Vec<LabelNames>,
    cases: Vec<Case>,
}

/// What a reader of one source finds.
#[derive(Debug, Default)]
struct Found {
    cases: Vec<Case>,
    names: LabelNames,
}

impl DataList {
    /// Finds the cases of all sources, in the order of the sources and of their lists (folders: by name).
    ///
    /// # Errors
    /// A source that cannot be read or holds no case.
    pub fn open(sources: Vec<Source>) -> Result<Self, DataError> {
        let (mut cases, mut names) = (Vec::new(), Vec::new());
        for (n, source) in sources.iter().enumerate() {
            let mut found = if source.path.is_dir() { folder::read(&source.path)? } else { json::read(&source.path)? };
            if found.cases.is_empty() {
                return Err(DataError::Empty(file_name(&source.path)));
            }
            // The same name in two sources is two persons, unless both are the same folder or list.
            let first = sources.iter().position(|s| s.path == source.path).unwrap_or(n);
            for case in &mut found.cases {
                case.source = n;
                case.person = format!("{first}:{}", case.person);
            }
            cases.append(&mut found.cases);
            names.push(found.names);
        }
        join_shared_files(&mut cases);
        Ok(Self { sources, names, cases })
    }

    /// A list of cases that are known already: files by name, or volumes in memory. Each names one of `sources`.
    pub fn from_cases(sources: Vec<Source>, cases: Vec<Case>) -> Self {
        let names = sources.iter().map(|_| LabelNames::new()).collect();
        Self { sources, names, cases }
    }

    /// All sources.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// All cases, those for testing included.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// What is done to a case.
    ///
    /// # Panics
    /// If the case is from another list.
    pub fn spec(&self, case: &Case) -> &PreprocessSpec {
        &self.sources[case.source].spec
    }

    /// Names of the label ids of a source, if its JSON list has any.
    pub fn label_names(&self, source: usize) -> &LabelNames {
        &self.names[source]
    }

    /// From the ids in a case's label map to `classes`: by the names in its source's list, else by those in a file beside the
    /// label map; without any names ids are taken as they are. `None` for a case without a label.
    ///
    /// # Panics
    /// If the case is from another list.
    pub fn label_map(&self, case: &Case, classes: &[ClassName]) -> Option<LabelMap> {
        let path = case.label.as_ref()?;
        let listed = Some(&self.names[case.source]).filter(|names| !names.is_empty()).cloned();
        let names = listed.or_else(|| voco_io::label_names_beside(path));
        Some(names.map_or_else(|| LabelMap::identity(classes.len()), |names| LabelMap::new(&names, classes)))
    }

    /// Holds cases out, whole persons at a time.
    pub fn split_by_person(&self, holdout: Holdout, seed: u64) -> Split {
        split::split(&self.cases, holdout, seed)
    }

    /// The order in which an epoch goes through `cases` (indices): each as often as its source's weight says, shuffled. Of a
    /// weight's fraction, a random part of the cases gets one turn more.
    pub fn epoch_order(&self, cases: &[usize], seed: u64, epoch: u64) -> Vec<usize> {
        use rand::Rng;
        use rand::seq::SliceRandom;
        let mut random = rng(seed, epoch, u64::MAX);
        let mut order = Vec::with_capacity(cases.len());
        for &n in cases {
            let weight = self.sources[self.cases[n].source].weight.clamp(0.0, 1000.0);
            let extra = weight.fract() > 0.0 && random.random_bool(weight.fract());
            order.extend(std::iter::repeat_n(n, weight.trunc() as usize + usize::from(extra)));
        }
        order.shuffle(&mut random);
        order
    }
}

/// Cases that share an image file are one person's, whatever their lists call it.
fn join_shared_files(cases: &mut [Case]) {
    let mut owner: HashMap<&Path, &str> = HashMap::with_capacity(cases.len());
    let mut same: HashMap<String, String> = HashMap::new();
    for case in cases.iter() {
        for path in &case.image {
            let first = *owner.entry(path).or_insert(&case.person);
            if first != case.person {
                let (a, b) = (root(&same, first), root(&same, &case.person));
                if a != b {
                    same.insert(b, a);
                }
            }
        }
    }
    if same.is_empty() {
        return;
    }
    for case in cases {
        case.person = root(&same, &case.person);
    }
}

fn root(same: &HashMap<String, String>, person: &str) -> String {
    let mut at = person;
    while let Some(next) = same.get(at) {
        at = next;
    }
    at.to_owned()
}
