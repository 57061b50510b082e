use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use glam::DVec3;
use voco_data::rng;
use voco_engine_api::{CropPrediction, EngineFailure, PositionReport, PretrainConfig, PretrainRecipe};
use voco_nn::voco::losses;
use voco_volume::Geometry;
use voco_volume::position::{Crop, PositionGrid};

use super::eye::{Eye, loss_recipe, number};
use crate::data::{Body, INPUT_EDGE, draw_crop};

/// Most held-out volumes that are looked at.
const MOST_VOLUMES: usize = 64;

/// Apart from what draws batches, whose purposes are small numbers.
const PURPOSE: u64 = u64::MAX - 7;

/// The position task on fixed crops of some volumes, not augmented, nothing dropped.
pub(crate) struct PositionCheck {
    recipe: PretrainRecipe,
    grid: PositionGrid,
    /// Random crops in one batch with the base crops of their volume.
    group: usize,
    /// Volumes in one batch.
    volumes_per_batch: usize,
    people: Vec<Questions>,
}

/// One volume, and what is asked about it.
pub(crate) struct Questions {
    /// The volume.
    pub body: Body,
    /// Where the frame begins in it.
    pub window: [usize; 3],
    /// The frame in the patient.
    pub frame: Geometry,
    /// Crops of the frame; as many for each volume.
    pub places: Vec<Crop>,
}

/// What was found.
pub(crate) struct Findings {
    /// The numbers of all crops together.
    pub report: PositionReport,
    /// Each crop, volume after volume of a batch and batch after batch.
    pub crops: Vec<Judged>,
}

/// What the network makes of one crop.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// Where it lies and what was predicted.
    pub crop: CropPrediction,
    /// Its true middle in the patient.
    pub center_mm: DVec3,
    /// The middle that the predicted overlaps give; none if nothing at all was recognised.
    pub predicted_mm: Option<DVec3>,
    /// From the true middle to that of the frame, which is the best guess of whoever does not look.
    pub blind_error_mm: f64,
}

impl PositionCheck {
    /// Always the same crops of the held-out volumes of a run, in batches as in training; `None` if nobody is held out.
    ///
    /// # Errors
    /// None for bodies that were prepared.
    pub fn of_held_out(config: &PretrainConfig, volumes: Vec<Body>) -> Result<Option<Self>, EngineFailure> {
        let grid = config.recipe.position_grid();
        // Of very many every so many.
        let stride = volumes.len().div_ceil(MOST_VOLUMES).max(1);
        let mut people = Vec::new();
        for (n, body) in volumes.into_iter().step_by(stride).enumerate() {
            // The same whatever the seed of the run, so that runs can be compared.
            let mut random = rng(0, n as u64, PURPOSE);
            let window = body.draw_window(&mut random);
            let frame = body.frame(window).map_err(EngineFailure::Internal)?;
            let places = (0..config.validation_crops).map(|_| draw_crop(grid, &mut random)).collect();
            people.push(Questions { body, window, frame, places });
        }
        let volumes_per_batch = config.volumes_per_step.min(people.len());
        let is_any = !people.is_empty();
        let recipe = config.recipe.clone();
        let check = Self { recipe, grid, group: config.crops_per_volume, volumes_per_batch, people };
        Ok(is_any.then_some(check))
    }

    /// Given crops of one volume, `group` of them in a batch with the base crops.
    pub fn of_one(recipe: PretrainRecipe, questions: Questions, group: usize) -> Self {
        let grid = recipe.position_grid();
        Self { recipe, grid, group: group.max(1), volumes_per_batch: 1, people: vec![questions] }
    }

    /// Crops that one look computes, base crops included.
    pub fn num_crops(&self) -> usize {
        self.people.iter().map(|person| person.places.len() + self.grid.num_bases()).sum()
    }

    /// Looks at all crops; `None` if it was told to stop between two of them. No more than `chunk` of them are in the network at a
    /// time (0: a volume's base crops).
    ///
    /// # Errors
    /// If a prepared volume cannot be read.
    pub fn run(
        &self,
        eye: &Eye<'_>,
        device: &Device,
        chunk: usize,
        step: u64,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Option<Findings>, EngineFailure> {
        let began = Instant::now();
        let device = device.clone().without_autodiff();
        // Rows of each volume: random crops, then base crops. A crop's embedding does not depend on the others.
        let mut rows = Vec::with_capacity(self.people.len());
        for person in &self.people {
            let bases = (0..self.grid.num_bases()).map(|k| self.grid.base(k));
            let crops: Vec<Crop> = person.places.iter().copied().chain(bases).collect();
            let mut parts = Vec::new();
            for part in crops.chunks(if chunk == 0 { self.grid.num_bases() } else { chunk }) {
                let crops = crop_tensor(&person.body, person.window, part, &device).map_err(EngineFailure::Io)?;
                parts.push(eye.embed(crops));
                if !go_on() {
                    return Ok(None);
                }
            }
            rows.push(Tensor::cat(parts, 0));
        }
        let mut sums = Sums::default();
        let count = self.people.first().map_or(0, |person| person.places.len());
        for first in (0..self.people.len()).step_by(self.volumes_per_batch) {
            // The last batch is filled up from the start, so that all have the statistics of as many rows.
            let members: Vec<usize> = (first..first + self.volumes_per_batch).map(|n| n % self.people.len()).collect();
            let fresh = members.len().min(self.people.len() - first);
            for from in (0..count).step_by(self.group) {
                let queries = self.group.min(count - from);
                self.look(eye, &rows, &members, from..from + queries, fresh, &mut sums);
            }
        }
        let all = Tensor::cat(rows, 0);
        let deviation = all.clone().sub(all.mean_dim(0)).square().mean_dim(0).sqrt().mean();
        let mean = |of: fn(&Judged) -> f64| sums.crops.iter().map(of).sum::<f64>() / sums.crops.len().max(1) as f64;
        let report = PositionReport {
            step,
            split: "validation",
            top1_accuracy: mean(|j| f64::from(u8::from(j.crop.is_top1_correct()))),
            chance_top1: self.grid.chance_top1(),
            // Whoever recognises nothing is left with the blind guess.
            error_mm: mean(|j| j.error_mm().unwrap_or(j.blind_error_mm)),
            blind_error_mm: mean(|j| j.blind_error_mm),
            intra: sums.intra / sums.batches,
            constant_predictor_loss: self.recipe.constant_predictor_loss(),
            base_cosine: sums.base_cosine / sums.batches,
            embedding_std: number(deviation),
            crops: sums.crops.len(),
            volumes: self.people.len(),
            rows_per_batch: self.volumes_per_batch * (self.group.min(count) + self.grid.num_bases()),
            seconds: began.elapsed().as_secs_f64(),
        };
        Ok(Some(Findings { report, crops: sums.crops }))
    }

    /// One batch: the same few random crops of each member with its base crops. Only the first `fresh` members count.
    fn look(
        &self,
        eye: &Eye<'_>,
        rows: &[Tensor<2>],
        members: &[usize],
        queries: std::ops::Range<usize>,
        fresh: usize,
        sums: &mut Sums,
    ) {
        let (bases, group) = (self.grid.num_bases(), queries.len());
        let count = self.people[0].places.len();
        let query_rows = members.iter().map(|&n| rows[n].clone().narrow(0, queries.start, group));
        let base_rows = members.iter().map(|&n| rows[n].clone().narrow(0, count, bases));
        let embeddings = Tensor::cat(query_rows.chain(base_rows).collect(), 0);
        let (predictions, base_cosine) = eye.compare(embeddings, members.len(), group);
        let targets: Vec<f32> = members
            .iter()
            .flat_map(|&n| &self.people[n].places[queries.clone()])
            .flat_map(|&crop| self.grid.target(crop))
            .map(|t| t as f32)
            .collect();
        let shape = [members.len(), group, bases];
        let labels = Tensor::from_data(TensorData::new(targets, shape), &predictions.device());
        let (positive, negative) = losses::cross_entropy(loss_recipe(&self.recipe), labels, predictions.clone());
        sums.intra += number(positive) + number(negative);
        sums.base_cosine += base_cosine;
        sums.batches += 1.0;
        let values: Vec<f32> = predictions.into_data().iter::<f32>().collect();
        for (&member, part) in members.iter().zip(values.chunks(group * bases)).take(fresh) {
            let person = &self.people[member];
            for (&place, prediction) in person.places[queries.clone()].iter().zip(part.chunks(bases)) {
                sums.crops.push(judge(self.grid, &person.frame, place, prediction));
            }
        }
    }
}

#[derive(Default)]
struct Sums {
    crops: Vec<Judged>,
    batches: f64,
    intra: f64,
    base_cosine: f64,
}

impl Judged {
    /// From the true middle to the predicted one in the patient.
    pub fn error_mm(&self) -> Option<f64> {
        self.predicted_mm.map(|at| at.distance(self.center_mm))
    }
}

/// Compares a prediction with the truth.
fn judge(grid: PositionGrid, frame: &Geometry, place: Crop, prediction: &[f32]) -> Judged {
    let middle = |at: [f64; 2]| {
        // Voxel 0 reaches from −½ to ½.
        let voxel = DVec3::new(at[0] - 0.5, at[1] - 0.5, grid.edge as f64 / 2.0 - 0.5);
        frame.world_from_voxel().transform_point3(voxel)
    };
    let half = |axis: usize| place.start[axis] as f64 + place.size[axis] as f64 / 2.0;
    let center_mm = middle([half(0), half(1)]);
    let center = (grid.n * grid.edge) as f64 / 2.0;
    Judged {
        center_mm,
        predicted_mm: grid.center_from_overlaps(prediction).map(middle),
        blind_error_mm: middle([center; 2]).distance(center_mm),
        crop: CropPrediction {
            crop: place,
            target: grid.target(place).into_iter().map(|t| t as f32).collect(),
            prediction: prediction.to_vec(),
        },
    }
}

/// Crops of one frame as `[N, 1, 64, 64, 64]`.
fn crop_tensor(body: &Body, window: [usize; 3], crops: &[Crop], device: &Device) -> Result<Tensor<5>, String> {
    let mut values = Vec::with_capacity(crops.len() * INPUT_EDGE.pow(3));
    for &crop in crops {
        values.extend(body.crop(window, crop)?);
    }
    let shape = [crops.len(), 1, INPUT_EDGE, INPUT_EDGE, INPUT_EDGE];
    Ok(Tensor::from_data(TensorData::new(values, shape), device))
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DQuat};

    use super::*;

    #[test]
    fn an_exact_prediction_has_no_error_and_the_distance_is_the_patients() {
        let grid = PositionGrid::TPAMI;
        // 2 × 1 × 3 mm voxels, turned in the patient.
        let turn = DQuat::from_rotation_z(0.4);
        let affine = DAffine3::from_scale_rotation_translation(DVec3::new(2.0, 1.0, 3.0), turn, DVec3::splat(-50.0));
        let frame = Geometry::new([192, 192, 64], affine).expect("a grid");
        let place = grid.crop_at(100, 17);
        let exact: Vec<f32> = grid.target(place).into_iter().map(|t| t as f32).collect();
        let judged = judge(grid, &frame, place, &exact);
        assert!(judged.error_mm().expect("seen") < 1e-3 && judged.crop.is_top1_correct(), "{judged:?}");
        // The middle base crop alone: the frame's middle, 36 voxels of 2 mm and 47 of 1 mm away.
        let mut middle = vec![0.0; 9];
        middle[4] = 1.0;
        let judged = judge(grid, &frame, place, &middle);
        let expected = f64::hypot(36.0 * 2.0, 47.0);
        assert!((judged.error_mm().expect("seen") - expected).abs() < 1e-9, "{judged:?}");
        assert!((judged.blind_error_mm - expected).abs() < 1e-9, "{judged:?}");
        assert_eq!(judge(grid, &frame, place, &[0.0; 9]).error_mm(), None, "nothing recognised");
    }
}
