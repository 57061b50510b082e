use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use voco_data::{StoredSample, rng};
use voco_engine_api::{DeviceChoice, EngineFailure, PretrainConfig, PretrainRecipe};
use voco_io::Control;
use voco_nn::weights::{ImportOptions, import_stored};
use voco_nn::{Architecture, Network};
use voco_volume::position::Crop;
use voco_volume::prepare_channels;

use super::check::{PositionCheck, Questions};
use super::eye::{Eye, loss_recipe};
use crate::data::{Body, INPUT_EDGE, draw_crop};
use crate::model_file::{file_name, read_complete_model};

/// Which crops of a volume are asked about.
#[derive(Debug, Clone, PartialEq)]
pub enum AskedCrops {
    /// Those around these middles, in voxels of the frame along x and y.
    Centers(Vec<[f64; 2]>),
    /// Drawn at random.
    Random {
        /// Seed of the crops.
        seed: u64,
        /// How many.
        count: usize,
    },
}

/// A question to a network: where in this volume do these crops lie?
#[derive(Debug, Clone, PartialEq)]
pub struct PositionQuestion {
    /// The volume.
    pub input: PathBuf,
    /// Weights: a file, a checkpoint or a run.
    pub checkpoint: PathBuf,
    /// The recipe; that of the run by default, or the one for any CT.
    pub recipe: Option<PretrainRecipe>,
    /// The recipe's group to which the volume belongs, if it is not the default one.
    pub group: Option<String>,
    /// The crops.
    pub crops: AskedCrops,
    /// Seed of the window of the body, for groups whose frame is one.
    pub seed: u64,
    /// Random crops in one batch with the base crops.
    pub crops_per_batch: usize,
    /// Where to compute.
    pub device: DeviceChoice,
}

/// The network's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PositionAnswer {
    /// The recipe.
    pub recipe: String,
    /// The group of it.
    pub group: String,
    /// The network.
    pub architecture: String,
    /// True if the network was trained to say overlaps. A network without projectors tells likeness only: its greatest value is
    /// where a crop most likely lies, but the values are no overlaps.
    pub calibrated: bool,
    /// What shared the statistics.
    pub batch: AnswerBatch,
    /// The frame of the position task.
    pub frame: AnswerFrame,
    /// Crop by crop.
    pub crops: Vec<AnswerCrop>,
    /// All crops together.
    pub summary: AnswerSummary,
}

/// The crops that share the statistics of a batch. The projectors standardise over them, so that the same crop gets other numbers in
/// other company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AnswerBatch {
    /// Volumes in it.
    pub volumes: usize,
    /// Random crops, at most.
    pub random_crops: usize,
    /// Base crops.
    pub base_crops: usize,
    /// All of them.
    pub rows: usize,
}

/// The frame in the patient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AnswerFrame {
    /// Voxels along x, y, z.
    pub dims: [usize; 3],
    /// Voxel to RAS+ millimetres, row by row.
    pub affine_ras: [[f64; 4]; 4],
    /// Where it begins in the body, in voxels.
    pub window_start: [usize; 3],
}

/// One crop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerCrop {
    /// First voxel of the frame.
    pub start: [usize; 3],
    /// Voxels along each axis.
    pub size: [usize; 3],
    /// True overlap with each base crop.
    pub target: Vec<f32>,
    /// Predicted.
    pub prediction: Vec<f32>,
    /// True if the base crop of greatest overlap was predicted.
    pub top1_correct: bool,
    /// Distance of the middles in the patient; none if no base crop was recognised at all.
    pub error_mm: Option<f64>,
    /// True middle, RAS+ millimetres.
    pub center_ras: [f64; 3],
    /// The middle that the predicted overlaps give.
    pub predicted_center_ras: Option<[f64; 3]>,
}

/// All crops together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AnswerSummary {
    /// Position loss.
    pub intra_loss: f64,
    /// Share of crops whose base crop of greatest overlap was predicted.
    pub top1_accuracy: f64,
    /// That share for whoever always names the middle.
    pub chance_top1: f64,
    /// Position loss of the best answer that is always the same, where it is known.
    pub constant_predictor_loss: Option<f64>,
    /// Mean distance; crops in which nothing was recognised count with that of the frame's middle.
    pub mean_error_mm: f64,
    /// Mean distance for whoever always names the middle of the frame.
    pub blind_error_mm: f64,
    /// Mean cosine of different base crops.
    pub base_cosine: f64,
}

/// Asks a network where crops of a volume lie. Runs on the caller's thread.
///
/// # Errors
/// If volume or weights cannot be read or used.
pub fn predict_position(question: &PositionQuestion) -> Result<PositionAnswer, EngineFailure> {
    let bad = EngineFailure::BadInput;
    let run = run_of(&question.checkpoint);
    let recipe = match (&question.recipe, &run) {
        (Some(recipe), _) => recipe.clone(),
        (None, Some(config)) => config.recipe.clone(),
        (None, None) => PretrainRecipe::default_recipe(),
    };
    let group = recipe.group(question.group.as_deref()).ok_or_else(|| {
        bad(format!("The recipe {} has no group {}", recipe.name, question.group.as_deref().unwrap_or_default()))
    })?;
    let (device, _, _) = crate::device::resolve(question.device)?;
    let (mut architecture, file) = read_complete_model(&question.checkpoint)?;
    let name = file_name(&question.checkpoint);
    architecture.check_crop([INPUT_EDGE; 3]).map_err(|e| bad(format!("{name}: {e}; choose another network")))?;
    if architecture.in_channels() != 1 {
        let channels = architecture.in_channels();
        return Err(bad(format!("{name}: the network takes {channels} channels, not one; choose another")));
    }
    if let Architecture::Voco(config) = &mut architecture {
        config.recipe = loss_recipe(&recipe);
    }
    let chunk = if architecture.feature_size() >= 48 { 1 } else { 8 };
    let (network, _) = import_stored(architecture.init(&device), file.tensors, ImportOptions::default())
        .map_err(|e| bad(format!("{name}: {e}; download or save it again")))?;

    let input = file_name(&question.input);
    let volume = voco_io::open(&question.input, Control::NONE).map_err(|e| bad(e.to_string()))?.volume;
    let prepared = prepare_channels(&[&volume], None, &group.preprocess, &|| false, &mut |_, _, _| {})
        .map_err(|e| bad(format!("{input}: {e}; choose another recipe with --recipe")))?;
    let sample = Arc::new(StoredSample::from_prepared(prepared, None));
    let grid = recipe.position_grid();
    let body = Body { name: input, index: 0, weight: 1.0, sample, grid };
    let window = body.draw_window(&mut rng(question.seed, 0, 0));
    let frame = body.frame(window).map_err(EngineFailure::Internal)?;
    let places = places(question, &recipe)?;
    let random_crops = question.crops_per_batch.clamp(1, places.len().max(1));
    let questions = Questions { body, window, frame, places };
    let (group_name, recipe_name) = (group.name.clone(), recipe.name.clone());
    let check = PositionCheck::of_one(recipe, questions, random_crops);
    let (eye, calibrated) = match &network {
        Network::Voco(model) => (Eye::Voco(model), true),
        other => (Eye::Embeddings(other), false),
    };
    let findings = check
        .run(&eye, &device, chunk, 0, || true)?
        .ok_or_else(|| EngineFailure::Internal("the prediction was stopped".into()))?;
    let report = findings.report;
    let crop = |judged: super::check::Judged| AnswerCrop {
        start: judged.crop.crop.start,
        size: judged.crop.crop.size,
        top1_correct: judged.crop.is_top1_correct(),
        error_mm: judged.error_mm(),
        center_ras: judged.center_mm.to_array(),
        predicted_center_ras: judged.predicted_mm.map(|at| at.to_array()),
        target: judged.crop.target,
        prediction: judged.crop.prediction,
    };
    Ok(PositionAnswer {
        recipe: recipe_name,
        group: group_name,
        architecture: architecture.name().to_owned(),
        calibrated,
        batch: AnswerBatch {
            volumes: 1,
            random_crops,
            base_crops: grid.num_bases(),
            rows: random_crops + grid.num_bases(),
        },
        frame: AnswerFrame { dims: frame.dims(), affine_ras: frame.affine_rows(), window_start: window },
        crops: findings.crops.into_iter().map(crop).collect(),
        summary: AnswerSummary {
            intra_loss: report.intra,
            top1_accuracy: report.top1_accuracy,
            chance_top1: report.chance_top1,
            constant_predictor_loss: report.constant_predictor_loss,
            mean_error_mm: report.error_mm,
            blind_error_mm: report.blind_error_mm,
            base_cosine: report.base_cosine,
        },
    })
}

fn places(question: &PositionQuestion, recipe: &PretrainRecipe) -> Result<Vec<Crop>, EngineFailure> {
    let grid = recipe.position_grid();
    match &question.crops {
        AskedCrops::Random { seed, count } => {
            if !(1..=10_000).contains(count) {
                return Err(EngineFailure::BadInput("The number of crops must be from 1 to 10000".into()));
            }
            let mut random = rng(*seed, 0, 1);
            Ok((0..*count).map(|_| draw_crop(grid, &mut random)).collect())
        }
        AskedCrops::Centers(centers) => {
            let half = grid.edge as f64 / 2.0;
            let most = (grid.n * grid.edge) as f64 - half;
            let place = |&[x, y]: &[f64; 2]| {
                let fits = |c: f64| (half..=most).contains(&c);
                if !(fits(x) && fits(y)) {
                    return Err(EngineFailure::BadInput(format!(
                        "A crop around {x},{y} is not inside the frame; its middle must be from {half} to {most} along x and y"
                    )));
                }
                Ok(grid.crop_at((x - half).round() as usize, (y - half).round() as usize))
            };
            centers.iter().map(place).collect()
        }
    }
}

/// The settings of the run to which a checkpoint belongs: RUN, RUN/best, RUN/last, RUN/checkpoints/step-N, or a file in one.
fn run_of(checkpoint: &Path) -> Option<PretrainConfig> {
    checkpoint.ancestors().take(4).find_map(crate::run_config)
}
