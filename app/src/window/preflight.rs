use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use voco_data::{Case, ClassName, DataList, Holdout, LabelMap, Source};
use voco_engine::{OmniLength, RunLength};
use voco_engine_api::{EngineFailure, FinetuneConfig, HoldoutChoice, RunEstimate, Task};
use voco_io::{Control, LabelNames};
use voco_ui::{CardOf, LabelledData, PreflightAsked, PreflightReport, TrainingSetup, TrainingSource, i18n};
use voco_volume::{Geometry, PreprocessSpec};

/// Label maps whose voxels are read, to see which classes there are; of a long list, evenly spread ones.
const MOST_READ: usize = 24;

/// Share of the work that is reading headers, and then label maps.
const HEADERS: f32 = 0.6;
const LABELS: f32 = 0.95;

/// What is looked at, and what the window knows besides.
pub(super) struct Look {
    /// The settings of the run.
    pub asked: PreflightAsked,
    /// What the ids of label maps mean, where the user says so.
    pub names: LabelNames,
    /// Volumes that are open in the window.
    pub num_open: usize,
    /// A job is computing: a trial beside it would tell nothing.
    pub is_busy: bool,
}

/// How a look is followed and stopped.
#[derive(Clone, Copy)]
struct Watch<'a> {
    is_cancelled: &'a dyn Fn() -> bool,
    report: &'a dyn Fn(f32),
}

/// Bytes free where preprocessed volumes go; the folder may not be there yet.
fn free_disk_bytes() -> Option<u64> {
    let place = crate::folders::sample_cache(Path::new("."));
    let there = place.ancestors().find(|folder| folder.exists())?;
    fs4::available_space(there).ok()
}

/// Looks at the data of a run: reads all headers and some label maps, computes a step on trial, and says what the run will find and need.
///
/// # Errors
/// If a list or folder cannot be read, or it was cancelled.
pub(super) fn look(
    look: &Look,
    is_cancelled: &dyn Fn() -> bool,
    report: &dyn Fn(f32),
) -> Result<PreflightReport, String> {
    let watch = Watch { is_cancelled, report };
    let mut found = PreflightReport { is_busy: look.is_busy, ..PreflightReport::default() };
    let estimate = match &look.asked {
        PreflightAsked::Finetune(setup) => {
            let path = setup.data.as_deref().ok_or(i18n::text("tell-choose-data"))?;
            let length = labelled(path, &setup.config, &look.names, &mut found, watch)?;
            (!look.is_busy).then(|| voco_engine::estimate_finetune(&setup.config, length))
        }
        PreflightAsked::Training(setup) => training(setup, look, &mut found, watch)?,
    };
    found.free_memory_bytes = voco_engine::free_memory_bytes();
    found.free_disk_bytes = free_disk_bytes();
    match estimate {
        Some(Ok(estimate)) => {
            found.memory_bytes = Some(estimate.memory_bytes);
            // Nothing is known of what is free on a GPU.
            found.free_memory_bytes = estimate.free_bytes;
            found.seconds_per_step = Some(estimate.seconds_per_step);
            found.seconds = Some(estimate.seconds_left);
        }
        Some(Err(failure)) => found.refusal = Some(failure.to_string()),
        None => {}
    }
    Ok(found)
}

/// A pre-training, with labels or without.
fn training(
    setup: &TrainingSetup,
    look: &Look,
    found: &mut PreflightReport,
    watch: Watch<'_>,
) -> Result<Option<Result<RunEstimate, EngineFailure>>, String> {
    let windows = match &setup.labelled {
        Some(LabelledData { data, config, .. }) => {
            let path = data.as_deref().ok_or(i18n::text("train-choose-the-volumes-with-label"))?;
            labelled(path, &config.labelled, &look.names, found, watch)?.windows
        }
        None => 0,
    };
    let contrast = setup.labelled.as_ref().map_or(Some(&setup.config.recipe), |l| l.config.contrast.as_ref());
    let spec = match (contrast.and_then(|recipe| recipe.group(None)), &setup.labelled) {
        (Some(group), _) => group.preprocess.clone(),
        (None, Some(labelled)) => labelled.config.labelled.task.preprocess.clone(),
        (None, None) => return Err(i18n::text("tell-recipe-empty").into()),
    };
    if setup.labelled.as_ref().is_none_or(LabelledData::needs_unlabelled) {
        match &setup.source {
            TrainingSource::Folder(path) => {
                let list = open_list(path, spec.clone())?;
                headers(&list, &spec, found, watch)?;
                found.unlabelled = list.cases().len();
            }
            TrainingSource::OpenVolumes => {
                found.unlabelled = look.num_open;
                found.volumes += look.num_open;
                found.persons += look.num_open;
            }
        }
    }
    if look.is_busy {
        return Ok(None);
    }
    (watch.report)(LABELS);
    Ok(Some(match &setup.labelled {
        Some(labelled) => {
            let config = labelled.run_config(&setup.config);
            let looks = config.contrast.as_ref().map_or(0, |recipe| {
                let crops = 64 + recipe.position_grid().num_bases();
                found.unlabelled / 5 * crops
            });
            voco_engine::estimate_omni(&config, OmniLength { done: 0, windows, looks: looks as u64 })
        }
        None => voco_engine::estimate_pretrain(&setup.config, found.unlabelled),
    }))
}

fn open_list(path: &Path, spec: PreprocessSpec) -> Result<DataList, String> {
    DataList::open(vec![Source { path: path.to_owned(), spec, weight: 1.0 }]).map_err(|e| e.to_string())
}

/// Labelled volumes: what is in them, and how long a run on them is.
fn labelled(
    path: &Path,
    config: &FinetuneConfig,
    names: &LabelNames,
    found: &mut PreflightReport,
    watch: Watch<'_>,
) -> Result<RunLength, String> {
    let task = &config.task;
    let list = open_list(path, task.preprocess.clone())?;
    let grids = headers(&list, &task.preprocess, found, watch)?;
    let cases = list.cases();
    found.labelled = cases.iter().filter(|c| c.label.is_some()).count();
    classes(&list, task, names, found, watch)?;
    let split = match config.holdout {
        HoldoutChoice::Nobody => list.split_by_person(Holdout::Share(0.0), 0),
        HoldoutChoice::Listed => list.split_by_person(Holdout::Listed, 0),
        HoldoutChoice::Share(share) => list.split_by_person(Holdout::Share(share), config.seed),
        HoldoutChoice::Fold { k, n } => list.split_by_person(Holdout::Fold { k, n }, 0),
    };
    let is_used = |n: &&usize| cases[**n].label.is_some() && grids[**n].is_some();
    let held_out: Vec<[usize; 3]> = split.validation.iter().filter(is_used).filter_map(|&n| grids[n]).collect();
    let training = split.training.iter().filter(is_used).count();
    found.held_out = Some(held_out.len());
    (watch.report)(LABELS);
    Ok(RunLength::of(config, training as u64, &held_out))
}

/// Reads the headers of all images. Counts them, and gives the size that each has once it is preprocessed; none for one that cannot be
/// used.
fn headers(
    list: &DataList,
    spec: &PreprocessSpec,
    found: &mut PreflightReport,
    watch: Watch<'_>,
) -> Result<Vec<Option<[usize; 3]>>, String> {
    let cases = list.cases();
    found.volumes += cases.len();
    found.persons += cases.iter().map(|c| c.person.as_str()).collect::<BTreeSet<_>>().len();
    let mut grids = Vec::with_capacity(cases.len());
    for (n, case) in cases.iter().enumerate() {
        if (watch.is_cancelled)() {
            return Err("cancelled".into());
        }
        if n % 16 == 0 {
            (watch.report)(HEADERS * n as f32 / cases.len() as f32);
        }
        match grid_of(case, watch) {
            Ok(geometry) => {
                let dims = prepared_dims(&geometry, spec);
                // As f32, halved by compression as a rule.
                found.cache_bytes += (dims.iter().product::<usize>() * 2 * case.image.len()) as u64;
                grids.push(Some(dims));
            }
            Err(_) if (watch.is_cancelled)() => return Err("cancelled".into()),
            Err(text) => {
                found.refused.push(text);
                grids.push(None);
            }
        }
    }
    Ok(grids)
}

/// The grid of a case, by the headers of its files.
fn grid_of(case: &Case, watch: Watch<'_>) -> Result<Geometry, String> {
    let control = Control { progress: &|_| {}, is_cancelled: watch.is_cancelled };
    let mut geometry = None;
    for path in &case.image {
        let found = voco_io::read_geometry(path, control).map_err(|e| e.to_string())?;
        geometry.get_or_insert(found);
    }
    if let Some(label) = case.label.as_ref().filter(|path| !path.is_file()) {
        let name = label.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        return Err(i18n::text_with("look-label-missing", [("name", name.into())]));
    }
    geometry.ok_or_else(|| i18n::text_with("look-image-missing", [("name", case.id.as_str().into())]))
}

/// Reads some label maps and counts the classes of the task in them.
fn classes(
    list: &DataList,
    task: &Task,
    names: &LabelNames,
    found: &mut PreflightReport,
    watch: Watch<'_>,
) -> Result<(), String> {
    let classes: Vec<ClassName> =
        task.classes.iter().map(|c| ClassName { name: c.name.clone(), synonyms: c.also.clone() }).collect();
    let mut counts = vec![0_usize; classes.len()];
    let mut unknown: BTreeMap<u16, String> = BTreeMap::new();
    let labelled: Vec<(&Case, &PathBuf)> =
        list.cases().iter().filter_map(|case| Some((case, case.label.as_ref()?))).collect();
    let read = MOST_READ.min(labelled.len());
    for n in 0..read {
        (watch.report)(HEADERS + (LABELS - HEADERS) * n as f32 / read as f32);
        let (case, path) = labelled[n * labelled.len() / read];
        let control = Control { progress: &|_| {}, is_cancelled: watch.is_cancelled };
        match ids_of(case, path, control) {
            Ok(ids) => {
                found.looked_at += 1;
                let map = if names.is_empty() {
                    list.label_map(case, &classes)
                } else {
                    Some(LabelMap::new(names, &classes))
                };
                // Without names the ids are taken as the task's own numbers, as the run does.
                let map = map.unwrap_or_else(|| LabelMap::identity(classes.len()));
                let met: BTreeSet<u16> = ids.iter().map(|&id| map.class(id)).filter(|&c| c != 0).collect();
                for c in met {
                    counts[usize::from(c) - 1] += 1;
                }
                for id in ids.into_iter().filter(|&id| id != 0 && map.class(id) == 0) {
                    let name = map.unknown().iter().find(|(i, _)| *i == id).map(|(_, name)| name.clone());
                    unknown.entry(id).or_insert_with(|| name.unwrap_or_else(|| id.to_string()));
                }
            }
            Err(_) if (watch.is_cancelled)() => return Err("cancelled".into()),
            Err(text) => found.refused.push(text),
        }
    }
    found.classes = classes.into_iter().map(|c| c.name).zip(counts).collect();
    found.unknown_ids = unknown.into_values().collect();
    Ok(())
}

/// The ids in a label map.
fn ids_of(case: &Case, path: &Path, control: Control<'_>) -> Result<Vec<u16>, String> {
    let opened = voco_io::open(path, control).map_err(|e| e.to_string())?;
    let table = voco_io::label_table(&opened.volume, &LabelNames::new()).map_err(|e| format!("{}: {e}", case.id))?;
    Ok(table.entries().iter().map(|e| e.id).collect())
}

/// Voxels of a volume once it is preprocessed, before the crop to the body: at most so many.
fn prepared_dims(geometry: &Geometry, spec: &PreprocessSpec) -> [usize; 3] {
    let (dims, spacing) = (geometry.dims(), geometry.spacing_mm());
    let resampled = |axis: usize| match spec.spacing_mm {
        Some(to) => (dims[axis] as f64 * spacing[axis] / to[axis]).round().max(1.0) as usize,
        None => dims[axis],
    };
    spec.resize_to.unwrap_or_else(|| std::array::from_fn(|axis| resampled(axis).max(spec.pad_to[axis])))
}

/// What a checkpoint was made for.
pub(super) fn card(path: PathBuf) -> CardOf {
    match voco_engine::show_model(&path, voco_engine::Expectation::default()) {
        Ok(info) => {
            let card = info.card.ok_or_else(|| i18n::text("card-no-classes").to_owned());
            CardOf { path, card, architecture: info.architecture }
        }
        Err(e) => CardOf { path, card: Err(e.to_string()), architecture: i18n::text("card-unknown").into() },
    }
}

#[cfg(test)]
mod tests {
    use voco_engine_api::{DeviceChoice, SegmentationModel, task_named};
    use voco_ui::FinetuneSetup;

    use super::*;

    /// Five links to the sample CT with its labels, and a file that is no image.
    fn scans() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["anna", "bert", "carl", "dora", "emil"] {
            std::fs::write(folder.path().join(format!("{name}.nii.gz")), crate::sample::IMAGE).expect("written");
            std::fs::write(folder.path().join(format!("{name}_label.nii.gz")), crate::sample::LABELS).expect("written");
        }
        std::fs::write(folder.path().join("fritz.nii.gz"), b"no image").expect("written");
        std::fs::write(folder.path().join("fritz_label.nii.gz"), b"no labels").expect("written");
        folder
    }

    fn setup(folder: &Path, model: SegmentationModel) -> FinetuneSetup {
        let mut setup = FinetuneSetup::new(task_named("abdomen-organs").expect("a task"));
        setup.data = Some(folder.to_owned());
        setup.config.model = model;
        setup.config.device = DeviceChoice::Cpu;
        setup.config.holdout = HoldoutChoice::Share(0.2);
        setup
    }

    fn look_at(setup: FinetuneSetup) -> Look {
        let names = crate::label_presets::of_sample();
        Look { asked: PreflightAsked::Finetune(Box::new(setup)), names, num_open: 0, is_busy: false }
    }

    #[test]
    fn volumes_classes_memory_and_time_are_found() {
        let folder = scans();
        let asked = look_at(setup(folder.path(), SegmentationModel::UnetTiny));
        let found = look(&asked, &|| false, &|_| {}).expect("a look");
        assert_eq!((found.volumes, found.labelled, found.persons), (6, 6, 6));
        assert!(found.held_out.is_some_and(|count| count <= 1), "a fifth, unless it is the one that cannot be used");
        assert!(found.refused.iter().any(|line| line.starts_with("fritz")), "{:?}", found.refused);
        let classes: Vec<(&str, usize)> = found.classes.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(classes, [("liver", 5), ("spleen", 5), ("kidneys", 5)], "in each label map that can be read");
        assert!(found.unknown_ids.len() > 50, "the other structures become background");
        // 122 × 101 × 112 voxels of 3 mm already, two bytes for each.
        assert_eq!(found.cache_bytes, 5 * 2 * 122 * 101 * 112);
        let (step, all) = (found.seconds_per_step.expect("measured"), found.seconds.expect("measured"));
        assert!(step > 0.0 && all > step * 300.0, "300 steps and validations: {step} s, {all} s");
        assert!(found.memory_bytes.expect("known") > 50_000_000 && found.problem().is_none(), "{found:?}");
    }

    #[test]
    fn a_look_can_be_stopped() {
        let folder = scans();
        let asked = look_at(setup(folder.path(), SegmentationModel::UnetTiny));
        assert!(look(&asked, &|| true, &|_| {}).is_err());
    }
}
