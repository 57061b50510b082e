use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use voco_io::{LabelNames, image_stem};

use super::{Case, Found, Part, person};
use crate::DataError;
use crate::error::file_name;

/// A list of the Medical Segmentation Decathlon, of MONAI, or just an array of entries.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    // First: a struct would take an array for its fields in order.
    Entries(Vec<Entry>),
    Parts(Parts),
}

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    labels: Value,
    #[serde(default)]
    training: Vec<Entry>,
    #[serde(default, alias = "val")]
    validation: Vec<Entry>,
    #[serde(default, alias = "testing")]
    test: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Image(PathBuf),
    Full(Fields),
}

#[derive(Deserialize)]
struct Fields {
    image: OneOrMany,
    #[serde(default)]
    label: Option<OneOrMany>,
    #[serde(
        default,
        alias = "subject",
        alias = "patient",
        alias = "person_id",
        alias = "subject_id",
        alias = "patient_id"
    )]
    person: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<PathBuf> {
        match self {
            Self::One(path) => vec![path],
            Self::Many(paths) => paths,
        }
    }
}

/// Reads a JSON list; paths in it are relative to it. No file that it names is looked at.
pub(super) fn read(path: &Path) -> Result<Found, DataError> {
    let text = std::fs::read(path).map_err(DataError::io(path, "it cannot be read"))?;
    let bad = |problem: String| DataError::List { name: file_name(path), problem };
    let document: Document =
        serde_json::from_slice(&text).map_err(|e| match serde_json::from_slice::<Value>(&text) {
            Err(syntax) => bad(format!("it is not JSON: {syntax}")),
            Ok(_) => bad(format!("an entry has no image: {e}")),
        })?;
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let (parts, names) = match document {
        Document::Parts(p) => {
            let parts = [(Part::Training, p.training), (Part::Validation, p.validation), (Part::Test, p.test)];
            (Vec::from(parts), voco_io::label_names(&p.labels.to_string()).unwrap_or_default())
        }
        Document::Entries(entries) => (vec![(Part::Training, entries)], LabelNames::new()),
    };
    let mut cases = Vec::with_capacity(parts.iter().map(|(_, entries)| entries.len()).sum());
    for (part, entries) in parts {
        for entry in entries {
            cases.push(case_of(entry, part, &base).map_err(bad)?);
        }
    }
    Ok(Found { cases, names })
}

fn case_of(entry: Entry, part: Part, base: &Path) -> Result<Case, String> {
    let fields = match entry {
        Entry::Image(path) => Fields { image: OneOrMany::One(path), label: None, person: None },
        Entry::Full(fields) => fields,
    };
    let image: Vec<PathBuf> = fields.image.into_vec().into_iter().map(|p| base.join(p)).collect();
    let Some(first) = image.first() else { return Err("an entry has an empty list of images".into()) };
    let mut label = fields.label.map(OneOrMany::into_vec).unwrap_or_default();
    if label.len() > 1 {
        return Err("an entry has several label maps; join them into one file".into());
    }
    let stem = image_stem(first);
    let folder = first.parent().and_then(Path::file_name).map(|f| f.to_string_lossy().into_owned());
    let person = match fields.person {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => person::of_name(super::folder::without_channel(&stem), folder.as_deref()),
    };
    let label = label.pop().filter(|p| !p.as_os_str().is_empty()).map(|p| base.join(p));
    Ok(Case { id: stem, image, label, person, source: 0, part })
}
