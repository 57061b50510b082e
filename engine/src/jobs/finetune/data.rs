use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use voco_data::{
    Augmentation, Case, ClassName, DataList, Holdout, LabelMap, Loader, LoaderOptions, PosNeg, SampleCache, Source,
    Split, StoredSample, augment, rng,
};
use voco_engine_api::{CancelFlag, EngineFailure, FinetuneConfig, HoldoutChoice, Task};
use voco_io::LabelNames;
use voco_volume::PreprocessSpec;

use super::variety;
use crate::priority::lower_beside_window;

/// Steps that are drawn ahead.
const PREFETCH: usize = 3;

/// The cases of a run.
pub(in crate::jobs) struct Cases {
    list: DataList,
    pub split: Split,
    classes: Vec<ClassName>,
    /// Names of label ids where the data has none.
    names: LabelNames,
}

/// Crops of one step.
#[derive(Debug)]
pub(in crate::jobs) struct Batch {
    pub channels: usize,
    /// Of each crop.
    pub size: [usize; 3],
    /// [crops, channels, X, Y, Z].
    pub images: Vec<f32>,
    /// [crops, X, Y, Z].
    pub labels: Vec<u16>,
}

impl Cases {
    pub fn open(
        config: &FinetuneConfig,
        data: &std::path::Path,
        names: BTreeMap<u16, String>,
    ) -> Result<Self, EngineFailure> {
        let task = &config.task;
        let source = Source { path: data.to_owned(), spec: task_spec(task), weight: 1.0 };
        let list = DataList::open(vec![source]).map_err(|e| EngineFailure::BadInput(e.to_string()))?;
        let mut split = match config.holdout {
            HoldoutChoice::Nobody => list.split_by_person(Holdout::Share(0.0), 0),
            HoldoutChoice::Listed => list.split_by_person(Holdout::Listed, 0),
            HoldoutChoice::Share(share) => list.split_by_person(Holdout::Share(share), config.seed),
            // All folds of a division have to agree on it, whatever their seeds.
            HoldoutChoice::Fold { k, n } => list.split_by_person(Holdout::Fold { k, n }, 0),
        };
        let has_label = |n: &usize| list.cases()[*n].label.is_some();
        split.training.retain(has_label);
        split.validation.retain(has_label);
        if split.training.is_empty() {
            return Err(EngineFailure::BadInput(
                "No case with a label map is left to train on; label maps are called NAME_label.nii.gz or NAME_seg.nii.gz beside \
                 their images, or stand in the list"
                    .into(),
            ));
        }
        let class = |c: &voco_engine_api::TaskClass| ClassName { name: c.name.clone(), synonyms: c.also.clone() };
        Ok(Self { list, split, classes: task.classes.iter().map(class).collect(), names })
    }

    pub fn case(&self, index: usize) -> &Case {
        &self.list.cases()[index]
    }

    /// Reads and preprocesses a case.
    pub fn prepare(&self, index: usize, cache: &SampleCache, cancel: &CancelFlag) -> Result<Arc<StoredSample>, String> {
        let case = self.case(index);
        let map = self.label_map(case);
        let sample = cache
            .get_or_prepare(case, self.list.spec(case), Some(&map), cancel)
            .map_err(|skipped| skipped.to_string())?;
        if sample.foreground().count() == 0 {
            return Err(format!("{}: none of its labels has the name of a class of the task", case.id));
        }
        Ok(sample)
    }

    /// What a user should know about the names of a case's labels, if anything.
    pub fn remark(&self, index: usize) -> Option<String> {
        let case = self.case(index);
        let map = self.label_map(case);
        let class = |&n: &u16| self.classes.get(usize::from(n) - 1).map(|c| c.name.clone());
        if !self.has_names(case) {
            return Some(
                "The data gives no names to its label ids, so they are taken as the task's own numbers; name them with \
                 --label-names, or in a labels.json beside the label maps."
                    .into(),
            );
        }
        let missing: Vec<String> = map.missing().iter().filter_map(class).collect();
        (!missing.is_empty()).then(|| format!("No label of the data has the name of: {}.", missing.join(", ")))
    }

    /// Orders of the training cases by epoch.
    pub fn epoch_order(&self, training: &[usize], seed: u64, epoch: u64) -> Vec<usize> {
        self.list.epoch_order(training, seed, epoch)
    }

    fn has_names(&self, case: &Case) -> bool {
        let beside = || case.label.as_ref().is_some_and(|path| voco_io::label_names_beside(path).is_some());
        !self.names.is_empty() || !self.list.label_names(case.source).is_empty() || beside()
    }

    fn label_map(&self, case: &Case) -> LabelMap {
        if !self.names.is_empty() {
            // What the user says goes before what is found.
            return LabelMap::new(&self.names, &self.classes);
        }
        self.list.label_map(case, &self.classes).unwrap_or_else(|| LabelMap::identity(self.classes.len()))
    }
}

/// A task's preprocessing, with samples at least as large as a crop.
pub(in crate::jobs) fn task_spec(task: &Task) -> PreprocessSpec {
    let pad_to = std::array::from_fn(|a| task.preprocess.pad_to[a].max(task.roi[a]));
    PreprocessSpec { pad_to, ..task.preprocess.clone() }
}

/// Everything that decides a batch.
pub(in crate::jobs) struct Plan {
    pub cases: Arc<Cases>,
    /// Training samples by index of their case.
    pub samples: BTreeMap<usize, Arc<StoredSample>>,
    pub config: FinetuneConfig,
}

impl Plan {
    /// Begins to draw the batches of the steps from `first` on, counted from 0.
    pub fn start(self, first: u64) -> Result<Loader<Result<Batch, String>>, EngineFailure> {
        let options = LoaderOptions { workers: 1, prefetch: PREFETCH, on_thread_start: lower_beside_window };
        Loader::start(first..u64::MAX, options, move |step, _| self.draw(step))
            .map_err(|e| EngineFailure::Internal(e.to_string()))
    }

    /// The batch of a step: crops of one case; each case has its turn once in an epoch.
    fn draw(&self, step: u64) -> Result<Batch, String> {
        let training: Vec<usize> = self.samples.keys().copied().collect();
        let (epoch, turn) = (step / training.len() as u64, step % training.len() as u64);
        let seed = self.config.seed;
        let order = self.cases.epoch_order(&training, seed, epoch);
        let sample = &self.samples[&order[turn as usize]];
        let (task, roi) = (&self.config.task, self.config.task.roi);
        let share = PosNeg { positive: task.training.positive, negative: task.training.negative };
        let a = task.training.augment;
        let how = Augmentation {
            flip: a.flip,
            quarter_turn: a.quarter_turn,
            scale: (a.scale[0], a.scale[1] as f32),
            shift: (a.shift[0], a.shift[1] as f32),
        };
        let mut batch = Batch { channels: sample.channels(), size: roi, images: Vec::new(), labels: Vec::new() };
        for n in 0..self.config.crops as u64 {
            let mut random = rng(seed, step, n);
            let region = variety::region(&a, roi, sample.dims(), &mut random);
            let start = if task.training.balanced {
                balanced_start(share, sample, region, &mut random)
            } else {
                share.start(sample, region, &mut random)
            };
            let Some(start) = start else { return Err("a sample is smaller than a crop".into()) };
            let mut crop = variety::zoomed(sample.read(start, region).map_err(|e| e.to_string())?, roi);
            variety::vary(&mut crop, &a, &mut random);
            augment(&mut crop, how, &mut random);
            batch.images.append(&mut crop.image);
            batch.labels.append(&mut crop.label);
        }
        Ok(batch)
    }
}

/// As [`PosNeg::start`], with each class of the sample as likely as any other.
fn balanced_start(share: PosNeg, sample: &StoredSample, size: [usize; 3], random: &mut impl Rng) -> Option<[usize; 3]> {
    let dims = sample.dims();
    let classes: Vec<u16> = sample.foreground().classes().map(|(class, _)| class).collect();
    let is_positive = random.random::<f64>() * (share.positive + share.negative) < share.positive;
    if !is_positive || classes.is_empty() || (0..3).any(|a| size[a] > dims[a]) {
        return PosNeg { positive: 0.0, negative: 1.0 }.start(sample, size, random);
    }
    let voxel = sample.foreground().draw_class(classes[random.random_range(0..classes.len())], random)? as usize;
    let center = [voxel % dims[0], voxel / dims[0] % dims[1], voxel / (dims[0] * dims[1])];
    Some(voco_data::crop::start_around(center, dims, size))
}
