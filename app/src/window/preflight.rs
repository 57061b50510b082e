use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use voco_data::{Case, ClassName, DataList, LabelMap, Source};
use voco_io::{Control, LabelNames};
use voco_ui::{CardOf, FinetuneSetup, PreflightReport};
use voco_volume::{Geometry, PreprocessSpec};

/// Cases that are read; of a long list, evenly spread ones.
const MOST_READ: usize = 24;

/// Looks at the data of a fine-tuning: reads some of the cases and says what the run will find.
///
/// # Errors
/// If the list or folder cannot be read, or it was cancelled.
pub(super) fn look(
    setup: &FinetuneSetup,
    names: &LabelNames,
    is_cancelled: &dyn Fn() -> bool,
    report: &dyn Fn(f32),
) -> Result<PreflightReport, String> {
    let Some(path) = setup.data.clone() else { return Err("Choose the data first.".into()) };
    let task = &setup.config.task;
    let source = Source { path: path.clone(), spec: task.preprocess.clone(), weight: 1.0 };
    let list = DataList::open(vec![source]).map_err(|e| e.to_string())?;
    let classes: Vec<ClassName> =
        task.classes.iter().map(|c| ClassName { name: c.name.clone(), synonyms: c.also.clone() }).collect();
    let cases = list.cases();
    let mut found = PreflightReport {
        volumes: cases.len(),
        labelled: cases.iter().filter(|c| c.label.is_some()).count(),
        persons: cases.iter().map(|c| c.person.as_str()).collect::<BTreeSet<_>>().len(),
        ..PreflightReport::default()
    };
    let mut counts = vec![0_usize; classes.len()];
    let mut unknown: BTreeMap<u16, String> = BTreeMap::new();
    let (mut bytes, mut usable) = (0_u64, 0_u64);
    let read = MOST_READ.min(cases.len());
    for n in 0..read {
        if is_cancelled() {
            return Err("cancelled".into());
        }
        report(n as f32 / read as f32);
        let case = &cases[n * cases.len() / read];
        let control = Control { progress: &|_| {}, is_cancelled };
        match read_case(case, control) {
            Ok((geometry, ids)) => {
                usable += 1;
                bytes += prepared_bytes(&geometry, &task.preprocess, case.image.len());
                let Some(ids) = ids else { continue };
                found.looked_at += 1;
                let map = if names.is_empty() {
                    list.label_map(case, &classes)
                } else {
                    Some(LabelMap::new(names, &classes))
                };
                let Some(map) = map else { continue };
                let met: BTreeSet<u16> = ids.iter().map(|&id| map.class(id)).filter(|&c| c != 0).collect();
                for c in met {
                    counts[usize::from(c) - 1] += 1;
                }
                for id in ids.into_iter().filter(|&id| id != 0 && map.class(id) == 0) {
                    let name = map.unknown().iter().find(|(i, _)| *i == id).map(|(_, name)| name.clone());
                    unknown.entry(id).or_insert_with(|| name.unwrap_or_else(|| id.to_string()));
                }
            }
            Err(_) if is_cancelled() => return Err("cancelled".into()),
            Err(text) => found.refused.push(text),
        }
    }
    found.classes = classes.into_iter().map(|c| c.name).zip(counts).collect();
    found.unknown_ids = unknown.into_values().collect();
    found.cache_bytes = bytes.checked_div(usable).unwrap_or(0) * cases.len() as u64;
    found.free_memory_bytes = voco_engine::free_memory_bytes();
    Ok(found)
}

/// Grid of a case, and the ids in its label map.
fn read_case(case: &Case, control: Control<'_>) -> Result<(Geometry, Option<Vec<u16>>), String> {
    let mut geometry = None;
    for path in &case.image {
        let opened = voco_io::open(path, control).map_err(|e| e.to_string())?;
        geometry.get_or_insert(*opened.volume.geometry());
    }
    let geometry = geometry.ok_or_else(|| format!("{}: there is no image in the list", case.id))?;
    let Some(label) = &case.label else { return Ok((geometry, None)) };
    let opened = voco_io::open(label, control).map_err(|e| e.to_string())?;
    let table = voco_io::label_table(&opened.volume, &LabelNames::new()).map_err(|e| format!("{}: {e}", case.id))?;
    Ok((geometry, Some(table.entries().iter().map(|e| e.id).collect())))
}

/// Bytes of the volume once it is preprocessed: as f32, halved by compression as a rule.
fn prepared_bytes(geometry: &Geometry, spec: &PreprocessSpec, channels: usize) -> u64 {
    let (dims, spacing) = (geometry.dims(), geometry.spacing_mm());
    let voxels: f64 = match spec.spacing_mm {
        Some(to) => (0..3).map(|a| (dims[a] as f64 * spacing[a] / to[a]).max(1.0)).product(),
        None => dims.iter().map(|&d| d as f64).product(),
    };
    (voxels * 2.0 * channels as f64) as u64
}

/// What a checkpoint was made for.
pub(super) fn card(path: PathBuf) -> CardOf {
    match voco_engine::show_model(&path, voco_engine::Expectation::default()) {
        Ok(info) => {
            let card = info.card.ok_or_else(|| "the file does not say what its classes are".to_owned());
            CardOf { path, card, architecture: info.architecture }
        }
        Err(e) => CardOf { path, card: Err(e.to_string()), architecture: "unknown".into() },
    }
}
