use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use voco_data::{
    Augmentation, DataList, Loader, LoaderOptions, PosNeg, SampleCache, Source, StoredSample, augment, rng,
};
use voco_engine_api::{
    CancelFlag, DataItem, EngineFailure, HoldoutChoice, Model, OmniRunConfig, PretrainConfig, SegmentationModel,
};
use voco_nn::VocoBatch;
use voco_volume::PreprocessSpec;

use crate::data::{Batch as ContrastBatch, BatchPlan, Bodies, Body};
use crate::jobs::finetune::{Batch, Cases, Plan, task_spec};
use crate::jobs::pretrain::{augmentation, batch_tensors, row_scale};
use crate::position::PositionCheck;
use crate::priority::lower_beside_window;

/// Most bytes of preprocessed volumes on the disk.
const CACHE_BYTES: u64 = 100 << 30;

/// Apart from what draws labelled crops of the same seed.
const UNLABELLED: u64 = 0x756e_6c61;

/// Data of a run.
pub(crate) struct OmniData {
    /// Labelled cases: a folder or a list.
    pub labelled: PathBuf,
    /// Names of ids in label maps, where the data names none.
    pub label_names: BTreeMap<u16, String>,
    /// Unlabelled volumes.
    pub unlabelled: Vec<DataItem>,
    /// Where preprocessed volumes are kept.
    pub cache: PathBuf,
}

/// The volumes of a run before they are prepared, one after another.
pub(super) struct Preparation {
    cases: Arc<Cases>,
    waiting: VecDeque<usize>,
    labelled: BTreeMap<usize, Arc<StoredSample>>,
    held_out: Vec<Arc<StoredSample>>,
    unlabelled: Unlabelled,
    done: u64,
    total: u64,
    cache: SampleCache,
}

/// Volumes without labels.
enum Unlabelled {
    /// None are needed.
    None,
    /// For the contrast.
    Bodies { find: Box<Bodies>, found: Vec<Body>, held_out: Vec<Body>, config: Box<PretrainConfig> },
    /// For crops: those whose person is not held out.
    Samples { list: Box<DataList>, waiting: VecDeque<usize>, found: Vec<Arc<StoredSample>> },
}

impl Preparation {
    /// Finds all volumes; nothing is read yet but lists and folders.
    pub fn find(config: &OmniRunConfig, data: OmniData) -> Result<Self, EngineFailure> {
        let cases = Cases::open(&config.labelled, &data.labelled, data.label_names)?;
        let cache = SampleCache::open(&data.cache, CACHE_BYTES).map_err(|e| EngineFailure::Io(e.to_string()))?;
        let needs_unlabelled = config.recipe.pseudo.is_some() || config.contrast.is_some();
        if needs_unlabelled && data.unlabelled.is_empty() {
            return Err(EngineFailure::BadInput(format!(
                "The recipe {} also learns from volumes without labels; name them with --data",
                config.recipe.name
            )));
        }
        let files = |indices: &[usize]| -> BTreeSet<PathBuf> {
            indices.iter().flat_map(|&index| &cases.case(index).image).cloned().collect()
        };
        let held_out_files = files(&cases.split.validation);
        let (unlabelled, count) = if let Some(pretrain) = contrast_config(config) {
            let mut find = Bodies::find(data.unlabelled, &pretrain)?;
            // One person is on one side, with labels and without.
            find.agree_with(&files(&cases.split.training), &held_out_files);
            let count = find.len();
            let (find, config) = (Box::new(find), Box::new(pretrain));
            (Unlabelled::Bodies { find, found: Vec::new(), held_out: Vec::new(), config }, count)
        } else if needs_unlabelled {
            let spec = task_spec(&config.labelled.task);
            let sources = data.unlabelled.into_iter().map(|item| source(item, &spec)).collect::<Result<_, _>>()?;
            let list = DataList::open(sources).map_err(|e| EngineFailure::BadInput(e.to_string()))?;
            let is_theirs = |path: &PathBuf| held_out_files.contains(path);
            let held_out: BTreeSet<&str> = list
                .cases()
                .iter()
                .filter(|case| case.image.iter().any(is_theirs))
                .map(|case| case.person.as_str())
                .collect();
            let is_free = |index: &usize| !held_out.contains(list.cases()[*index].person.as_str());
            let waiting: VecDeque<usize> = (0..list.cases().len()).filter(is_free).collect();
            let count = waiting.len();
            (Unlabelled::Samples { list: Box::new(list), waiting, found: Vec::new() }, count)
        } else {
            (Unlabelled::None, 0)
        };
        let waiting: VecDeque<usize> = cases.split.training.iter().chain(&cases.split.validation).copied().collect();
        let total = (waiting.len() + count) as u64;
        Ok(Self {
            cases: Arc::new(cases),
            waiting,
            labelled: BTreeMap::new(),
            held_out: Vec::new(),
            unlabelled,
            done: 0,
            total,
            cache,
        })
    }

    /// Volumes done, and in all.
    pub fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }

    /// Prepares the next volume.
    ///
    /// # Errors
    /// One that cannot be used: its name and why.
    pub fn next(&mut self, cancel: &CancelFlag) -> Result<(), String> {
        self.done += 1;
        if let Some(index) = self.waiting.pop_front() {
            let sample = self.cases.prepare(index, &self.cache, cancel)?;
            if self.cases.split.validation.contains(&index) {
                self.held_out.push(sample);
            } else {
                self.labelled.insert(index, sample);
            }
            return Ok(());
        }
        match &mut self.unlabelled {
            Unlabelled::None => {}
            Unlabelled::Bodies { find, found, held_out, .. } => {
                if let Some(prepared) = find.prepare_next(&self.cache, cancel) {
                    let (body, is_held_out) = prepared?;
                    if is_held_out { held_out.push(body) } else { found.push(body) }
                }
            }
            Unlabelled::Samples { list, waiting, found } => {
                if let Some(case) = waiting.pop_front().map(|index| &list.cases()[index]) {
                    let sample = self.cache.get_or_prepare(case, list.spec(case), None, cancel);
                    found.push(sample.map_err(|e| e.to_string())?);
                }
            }
        }
        Ok(())
    }

    /// Begins to draw the batches of the steps from `step` on.
    ///
    /// # Errors
    /// If there is nothing to draw from.
    pub fn start(self, config: &OmniRunConfig, step: u64, on_cpu: bool) -> Result<Feeds, EngineFailure> {
        let none = |what: &str| EngineFailure::BadInput(format!("None of the {what} can be used for this recipe"));
        if self.labelled.is_empty() {
            return Err(none("labelled volumes"));
        }
        let num_labelled = self.labelled.len();
        let mut fingerprints: Vec<u64> =
            self.labelled.values().chain(&self.held_out).map(|sample| sample.fingerprint()).collect();
        let plan = Plan { cases: self.cases, samples: self.labelled, config: config.labelled.clone() };
        let labelled = plan.start(step * config.labelled_volumes as u64)?;
        // Computing on the CPU takes all cores already; a GPU is to be fed.
        let workers = if on_cpu { 1 } else { 4 };
        let options = LoaderOptions { workers, prefetch: 2 * workers, on_thread_start: lower_beside_window };
        let fault = |e: voco_data::LoaderError| EngineFailure::Internal(e.to_string());
        let mut feeds = Feeds {
            num_labelled,
            held_out: self.held_out,
            fingerprints: Vec::new(),
            labelled,
            contrast: None,
            check: None,
            crops: None,
        };
        match self.unlabelled {
            Unlabelled::None => {}
            Unlabelled::Bodies { found, held_out, config, .. } => {
                if found.is_empty() {
                    return Err(none("unlabelled volumes"));
                }
                fingerprints.extend(found.iter().chain(&held_out).map(|body| body.sample.fingerprint()));
                feeds.check = PositionCheck::of_held_out(&config, held_out)?;
                let plan = BatchPlan {
                    grid: config.recipe.position_grid(),
                    volumes_per_step: config.volumes_per_step,
                    crops_per_volume: config.crops_per_volume,
                    augmentation: augmentation(config.recipe.augment),
                    seed: config.seed,
                    bodies: Arc::new(found),
                };
                let loader =
                    Loader::start(step..u64::MAX, options, move |number, _| plan.draw(number)).map_err(fault)?;
                feeds.contrast = Some((loader, config));
            }
            Unlabelled::Samples { found, .. } => {
                if found.is_empty() {
                    return Err(none("unlabelled volumes"));
                }
                fingerprints.extend(found.iter().map(|sample| sample.fingerprint()));
                let plan = CropPlan { samples: found, config: config.clone() };
                feeds.crops =
                    Some(Loader::start(step..u64::MAX, options, move |number, _| plan.draw(number)).map_err(fault)?);
            }
        }
        feeds.fingerprints = fingerprints;
        Ok(feeds)
    }
}

fn source(item: DataItem, spec: &PreprocessSpec) -> Result<Source, EngineFailure> {
    match item {
        DataItem::Source { path, .. } | DataItem::File(path) => Ok(Source { path, spec: spec.clone(), weight: 1.0 }),
        DataItem::Open { .. } => Err(EngineFailure::BadInput(
            "Unlabelled volumes for this recipe come from a folder or a list; save the open ones first".into(),
        )),
    }
}

/// The settings of the contrast, if the run has one.
pub(super) fn contrast_config(config: &OmniRunConfig) -> Option<PretrainConfig> {
    let labelled = &config.labelled;
    let preset = PretrainConfig::new(config.contrast.clone()?, pretrain_model(labelled.model), Some(config.steps));
    let (validation_share, fold) = match labelled.holdout {
        HoldoutChoice::Nobody => (0.0, None),
        HoldoutChoice::Listed => (preset.validation_share, None),
        HoldoutChoice::Share(share) => (share.min(0.5), None),
        HoldoutChoice::Fold { k, n } => (1.0 / n as f64, Some(k)),
    };
    Some(PretrainConfig {
        volumes_per_step: config.volumes,
        crops_per_volume: labelled.crops,
        validation_share,
        fold,
        augment: true,
        seed: labelled.seed,
        ..preset
    })
}

fn pretrain_model(model: SegmentationModel) -> Model {
    match model {
        SegmentationModel::UnetTiny => Model::UnetTiny,
        SegmentationModel::Tiny => Model::Tiny,
        SegmentationModel::Unet | SegmentationModel::B => Model::B,
        SegmentationModel::L => Model::L,
        SegmentationModel::H => Model::H,
    }
}

/// Batches as the loader's threads draw them.
type Drawn<T> = Loader<Result<T, String>>;

/// The threads that draw batches.
pub(super) struct Feeds {
    /// Labelled cases that are learned from.
    pub num_labelled: usize,
    /// Labelled cases that are held out.
    pub held_out: Vec<Arc<StoredSample>>,
    /// Of all volumes.
    pub fingerprints: Vec<u64>,
    labelled: Drawn<Batch>,
    contrast: Option<(Drawn<ContrastBatch>, Box<PretrainConfig>)>,
    /// The position task on people who are held out, if there are some.
    pub check: Option<PositionCheck>,
    crops: Option<Drawn<Batch>>,
}

impl Feeds {
    /// Crops of one labelled case.
    pub fn next_labelled(&mut self) -> Result<Batch, EngineFailure> {
        take(&mut self.labelled)
    }

    /// Random and base crops, if the run has a contrast.
    pub fn next_contrast(&mut self, device: &Device) -> Result<Option<VocoBatch>, EngineFailure> {
        let Some((loader, config)) = &mut self.contrast else { return Ok(None) };
        Ok(Some(batch_tensors(&take(loader)?, config, device)))
    }

    /// Unlabelled crops `[N, C, X, Y, Z]`, if the run has some of its own.
    pub fn next_unlabelled(&mut self, device: &Device) -> Result<Option<Tensor<5>>, EngineFailure> {
        let Some(loader) = &mut self.crops else { return Ok(None) };
        let batch = take(loader)?;
        let [x, y, z] = batch.size;
        let crops = batch.images.len() / (batch.channels * x * y * z);
        let shape = [crops, batch.channels, x, y, z];
        Ok(Some(Tensor::from_data(TensorData::new(batch.images, shape), device)))
    }

    /// Which rows the student of the contrast does not see in a step.
    pub fn row_scale(&self, config: &OmniRunConfig, step: u64, rows: usize, device: &Device) -> Option<Tensor<1>> {
        let (_, pretrain) = self.contrast.as_ref()?;
        row_scale(pretrain.row_dropout, config.labelled.seed, step, rows, device)
    }
}

fn take<T: Send + 'static>(loader: &mut Drawn<T>) -> Result<T, EngineFailure> {
    match loader.next() {
        Some(Ok(Ok(batch))) => Ok(batch),
        Some(Ok(Err(text))) => {
            Err(EngineFailure::Io(format!("A prepared volume cannot be read ({text}); resume the run")))
        }
        Some(Err(e)) => Err(EngineFailure::Internal(e.to_string())),
        None => Err(EngineFailure::Internal("the loading threads have ended".into())),
    }
}

/// How crops of unlabelled volumes are drawn: at any place, changed as labelled ones are.
struct CropPlan {
    samples: Vec<Arc<StoredSample>>,
    config: OmniRunConfig,
}

impl CropPlan {
    fn draw(&self, step: u64) -> Result<Batch, String> {
        let labelled = &self.config.labelled;
        let (roi, seed) = (labelled.task.roi, labelled.seed ^ UNLABELLED);
        let a = labelled.task.training.augment;
        let how = Augmentation {
            flip: a.flip,
            quarter_turn: a.quarter_turn,
            scale: (a.scale[0], a.scale[1] as f32),
            shift: (a.shift[0], a.shift[1] as f32),
        };
        let channels = self.samples.first().map_or(1, |sample| sample.channels());
        let mut batch = Batch { channels, size: roi, images: Vec::new(), labels: Vec::new() };
        for volume in 0..self.config.volumes as u64 {
            let mut random = rng(seed, step, u64::MAX - volume);
            let sample = &self.samples[random.random_range(0..self.samples.len())];
            for n in 0..labelled.crops as u64 {
                let mut random = rng(seed, step, volume * 1000 + n);
                // Without labels there is nothing to prefer: any place.
                let start = PosNeg { positive: 0.0, negative: 1.0 }.start(sample, roi, &mut random);
                let start = start.ok_or("a sample is smaller than a crop")?;
                let image = sample.read_image(start, roi).map_err(|e| e.to_string())?;
                let mut crop = voco_data::Crop { size: roi, image, label: Vec::new() };
                augment(&mut crop, how, &mut random);
                batch.images.append(&mut crop.image);
            }
        }
        Ok(batch)
    }
}
