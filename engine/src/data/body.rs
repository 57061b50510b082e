use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use glam::{DAffine3, DVec3};
use rand::Rng;
use voco_data::{Case, DataList, Holdout, Part, SampleCache, Source, StoredSample};
use voco_engine_api::{CancelFlag, DataItem, EngineFailure, PretrainConfig, PretrainRecipe, RecipeGroup};
use voco_volume::position::{Crop, PositionGrid};
use voco_volume::{Geometry, Grid, Interpolation, Volume, prepare_channels};

use super::draw_start;

/// Edge of the network's input, whatever the recipe's crop edge.
pub(crate) const INPUT_EDGE: usize = 64;

/// Fewest people of whom some are held out.
const FEWEST_TO_SPLIT: usize = 5;

/// A preprocessed volume of the run, at least as large as the frame of the position task.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// Without folders.
    pub name: String,
    /// Place in the job's list of data.
    pub index: usize,
    /// How often it is drawn, compared with others.
    pub weight: f64,
    /// Crops are read from it.
    pub sample: Arc<StoredSample>,
    /// The grid of the position task.
    pub grid: PositionGrid,
}

impl Body {
    /// First voxel of a window of the body for the frame, uniform over those there are.
    pub fn draw_window(&self, random: &mut impl Rng) -> [usize; 3] {
        let (dims, frame) = (self.sample.dims(), self.grid.frame_dims());
        draw_start(std::array::from_fn(|axis| dims[axis].saturating_sub(frame[axis]) + 1), random)
    }

    /// Where the frame at a window lies in the patient.
    ///
    /// # Errors
    /// None for a window that [`Self::draw_window`] gave.
    pub fn frame(&self, window: [usize; 3]) -> Result<Geometry, String> {
        let whole = self.sample.geometry().world_from_voxel();
        let shift = DVec3::from_array(window.map(|start| start as f64));
        let affine = DAffine3::from_mat3_translation(whole.matrix3, whole.transform_point3(shift));
        Geometry::new(self.grid.frame_dims(), affine).map_err(|e| e.to_string())
    }

    /// The values of a crop of the frame at `window` as a tensor [X, Y, Z], z fastest, [`INPUT_EDGE`] a side.
    ///
    /// # Errors
    /// If the sample cannot be read.
    pub fn crop(&self, window: [usize; 3], crop: Crop) -> Result<Vec<f32>, String> {
        let start = std::array::from_fn(|axis| window[axis] + crop.start[axis]);
        let mut values = self.sample.read_image(start, crop.size).map_err(|e| e.to_string())?;
        // Of several channels the first.
        values.truncate(crop.size.iter().product());
        if crop.size == [INPUT_EDGE; 3] {
            return Ok(values);
        }
        // Resizing treats all axes alike, so that it does not matter which of them is fastest.
        let geometry = Geometry::new(crop.size, DAffine3::IDENTITY).map_err(|e| e.to_string())?;
        let small = Grid::new(geometry, values).and_then(|grid| grid.resized([INPUT_EDGE; 3], Interpolation::Linear));
        small.map(|grid| grid.data().to_vec()).map_err(|e| e.to_string())
    }
}

/// The volumes of a run before they are prepared, one after another.
pub(crate) struct Bodies {
    list: DataList,
    /// Of each case of the list: a volume that is open in the window, if it is one.
    open: Vec<Option<Volume>>,
    grid: PositionGrid,
    is_held_out: Vec<bool>,
    next: usize,
}

impl Bodies {
    /// Finds the volumes and decides who is held out. Nothing is read yet but lists and folders.
    ///
    /// # Errors
    /// A list or folder that cannot be read, or a group that the recipe does not have.
    pub fn find(data: Vec<DataItem>, config: &PretrainConfig) -> Result<Self, EngineFailure> {
        let recipe = &config.recipe;
        let (mut sources, mut files, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for item in data {
            match item {
                DataItem::Source { path, group } => {
                    sources.push(source(path, group_of(recipe, group.as_deref())?));
                }
                DataItem::File(path) => {
                    files.push(Case::of_file(&path));
                    open.push(None);
                }
                DataItem::Open { name, volume } => {
                    files.push(Case { image: Vec::new(), ..Case::of_file(name.as_ref()) });
                    open.push(Some(volume));
                }
            }
        }
        if !files.is_empty() {
            // Files and open volumes keep their places in the job's list: nothing else is mixed with them.
            sources = vec![source(PathBuf::new(), group_of(recipe, None)?)];
        }
        let list = if files.is_empty() {
            DataList::open(sources).map_err(|e| EngineFailure::BadInput(e.to_string()))?
        } else {
            DataList::from_cases(sources, files)
        };
        open.resize_with(list.cases().len(), || None);
        let is_held_out = held_out(&list, config);
        Ok(Self { list, open, grid: recipe.position_grid(), is_held_out, next: 0 })
    }

    /// Nobody whose files are in `training` stays held out, and everybody with a file in `held_out` does: for runs that have labelled
    /// cases of their own besides.
    pub fn agree_with(&mut self, training: &BTreeSet<PathBuf>, held_out: &BTreeSet<PathBuf>) {
        let cases = self.list.cases();
        let people = |files: &BTreeSet<PathBuf>| -> BTreeSet<String> {
            let is_theirs = |case: &&Case| case.image.iter().any(|path| files.contains(path));
            cases.iter().filter(is_theirs).map(|case| case.person.clone()).collect()
        };
        let (training, held_out) = (people(training), people(held_out));
        for (case, is_held_out) in cases.iter().zip(&mut self.is_held_out) {
            *is_held_out = (*is_held_out && !training.contains(&case.person)) || held_out.contains(&case.person);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.cases().len()
    }

    /// How many have been prepared, or left out.
    pub fn num_done(&self) -> usize {
        self.next
    }

    /// Prepares the next one, and says whether it is held out; `None` at the end.
    ///
    /// # Errors
    /// One that cannot be used: its name and why.
    pub fn prepare_next(&mut self, cache: &SampleCache, cancel: &CancelFlag) -> Option<Result<(Body, bool), String>> {
        let index = self.next;
        let case = self.list.cases().get(index)?;
        self.next += 1;
        Some(self.prepare(case, index, cache, cancel))
    }

    fn prepare(
        &self,
        case: &Case,
        index: usize,
        cache: &SampleCache,
        cancel: &CancelFlag,
    ) -> Result<(Body, bool), String> {
        let spec = self.list.spec(case);
        let sample = match &self.open[index] {
            Some(volume) => {
                let is_cancelled = || cancel.is_cancelled();
                let prepared = prepare_channels(&[volume], None, spec, &is_cancelled, &mut |_, _, _| {});
                let prepared = prepared.map_err(|e| format!("{}: {e}", case.id))?;
                Arc::new(StoredSample::from_prepared(prepared, None))
            }
            None => cache.get_or_prepare(case, spec, None, cancel).map_err(|e| e.to_string())?,
        };
        let weight = self.list.sources()[case.source].weight;
        let body = Body { name: case.id.clone(), index, weight, sample, grid: self.grid };
        Ok((body, self.is_held_out[index]))
    }
}

fn source(path: PathBuf, group: &RecipeGroup) -> Source {
    Source { path, spec: group.preprocess.clone(), weight: group.weight }
}

fn group_of<'a>(recipe: &'a PretrainRecipe, name: Option<&str>) -> Result<&'a RecipeGroup, EngineFailure> {
    recipe.group(name).ok_or_else(|| {
        let known: Vec<&str> = recipe.groups.iter().map(|group| group.name.as_str()).collect();
        EngineFailure::BadInput(format!(
            "The recipe {} has no group {}; its groups are {}",
            recipe.name,
            name.unwrap_or_default(),
            known.join(", ")
        ))
    })
}

/// Which cases are for validation: those of the list's own division, or a share of the people, the same for every seed of the run.
fn held_out(list: &DataList, config: &PretrainConfig) -> Vec<bool> {
    let cases = list.cases();
    let mut people: Vec<&str> = cases.iter().map(|case| case.person.as_str()).collect();
    people.sort_unstable();
    people.dedup();
    let is_divided = cases.iter().any(|case| case.part == Part::Validation);
    let parts = (1.0 / config.validation_share).round();
    let holdout = match config.fold {
        None if is_divided => Some(Holdout::Listed),
        _ if config.validation_share <= 0.0 || people.len() < FEWEST_TO_SPLIT => None,
        fold => Some(Holdout::Fold { k: fold.unwrap_or(0), n: parts as usize }),
    };
    let mut out = vec![false; cases.len()];
    if let Some(holdout) = holdout {
        let split = list.split_by_person(holdout, 0);
        split.validation.into_iter().for_each(|n| out[n] = true);
    }
    out
}

#[cfg(test)]
mod tests {
    use voco_engine_api::Model;

    use super::*;

    #[test]
    fn no_person_is_on_both_sides() {
        let names = ["lung_baseline", "lung_followup", "head", "thorax", "pelvis", "neck", "abdomen", "knee"];
        let data = |n: usize| DataItem::File(format!("{}.nii.gz", names[n]).into());
        let mut held_out_once = BTreeSet::new();
        for fold in 0..5 {
            let config = PretrainConfig { fold: Some(fold), ..PretrainConfig::preset(Model::UnetTiny, 10) };
            let bodies = Bodies::find((0..names.len()).map(data).collect(), &config).expect("found");
            let side = |name: &str| bodies.is_held_out[names.iter().position(|n| *n == name).expect("known")];
            assert_eq!(side("lung_baseline"), side("lung_followup"), "fold {fold}: one person");
            let held_out: Vec<&str> = names.into_iter().filter(|name| side(name)).collect();
            assert!((1..=3).contains(&held_out.len()), "fold {fold}: {held_out:?}");
            assert!(held_out.iter().all(|name| held_out_once.insert(*name)), "fold {fold}: {held_out:?} again");
        }
        assert_eq!(held_out_once.len(), names.len(), "over all folds everybody is held out once");
        let data = (0..names.len()).map(data).collect();
        let mut bodies = Bodies::find(data, &PretrainConfig::preset(Model::UnetTiny, 10)).expect("found");
        let was_held_out = bodies.is_held_out.clone();
        let learned = names.iter().zip(&was_held_out).find(|(_, out)| **out).map(|(name, _)| *name).expect("somebody");
        let file = |name: &str| BTreeSet::from([PathBuf::from(format!("{name}.nii.gz"))]);
        bodies.agree_with(&file(learned), &file("lung_followup"));
        for (name, is_held_out) in names.iter().zip(&bodies.is_held_out) {
            let expected = name.starts_with("lung");
            assert!(*is_held_out == expected || !name.starts_with("lung") && *name != learned, "{name}");
        }
        assert!(!learned.starts_with("lung"), "another person");
        let few = (0..4).map(|n: usize| DataItem::File(format!("{}.nii.gz", names[n]).into())).collect();
        let bodies = Bodies::find(few, &PretrainConfig::preset(Model::UnetTiny, 10)).expect("found");
        assert!(!bodies.is_held_out.contains(&true), "nobody of three people");
    }
}
