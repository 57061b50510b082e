use std::sync::Arc;

use rand::seq::index::sample;
use rayon::prelude::*;
use voco_volume::position::Crop;
use voco_volume::{Frame, Geometry, Preprocessed, Recipe};

use super::{augment::augment, draw_crop, draw_window, rng};

/// Edge of the network's input, whatever the recipe's crop edge.
pub(crate) const INPUT_EDGE: usize = 64;

/// A preprocessed volume of the run.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub name: String,
    /// Place in the job's list of data.
    pub index: usize,
    pub body: Preprocessed,
}

impl Prepared {
    /// Tells volumes apart without naming them: FNV-1a of the grid and of a thousand or so values.
    pub fn fingerprint(&self) -> u64 {
        let grid = self.body.grid();
        let stride = (grid.data().len() / 1000).max(1);
        let dims = grid.dims().map(|d| d as u64);
        let values = grid.data().iter().step_by(stride).map(|v| u64::from(v.to_bits()));
        dims.into_iter()
            .chain(values)
            .fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
    }
}

/// How batches are drawn.
#[derive(Debug, Clone)]
pub(crate) struct BatchPlan {
    pub recipe: Recipe,
    pub volumes_per_step: usize,
    pub crops_per_volume: usize,
    pub augment: bool,
    pub seed: u64,
    pub volumes: Arc<Vec<Prepared>>,
}

/// The input of one step: random crops of all volumes, volume after volume, then the base crops likewise.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub step: u64,
    /// [N, 1, 64, 64, 64] with N = volumes · (crops + bases).
    pub crops: Vec<f32>,
    /// [volumes, crops, bases].
    pub targets: Vec<f32>,
    /// True places of the random crops, volume after volume.
    pub places: Vec<Crop>,
    /// Index into `BatchPlan::volumes`, and the frame, of each volume.
    pub frames: Vec<(usize, Geometry)>,
}

impl BatchPlan {
    /// The batch of a step; the same whenever it is asked for.
    pub fn draw(&self, step: u64) -> Batch {
        let mut random = rng(self.seed, step, 0);
        let (count, wanted) = (self.volumes.len(), self.volumes_per_step);
        // Different volumes where there are enough of them.
        let mut chosen: Vec<usize> = sample(&mut random, count, wanted.min(count)).into_vec();
        while chosen.len() < wanted {
            chosen.push(chosen[chosen.len() % count]);
        }
        let grid = self.recipe.position_grid();
        let mut places = Vec::with_capacity(wanted * self.crops_per_volume);
        let mut frames: Vec<(usize, Frame)> = Vec::with_capacity(wanted);
        for &n in &chosen {
            let body = &self.volumes[n].body;
            let window = draw_window(body, &mut random);
            // A body that `preprocess` made is never smaller than its frame.
            let Ok(frame) = body.frame(window) else { continue };
            frames.push((n, frame));
            places.extend((0..self.crops_per_volume).map(|_| draw_crop(grid, &mut random)));
        }
        let targets = places.iter().flat_map(|&p| grid.target(p)).map(|t| t as f32).collect();
        let bases = (0..grid.num_bases()).map(|k| grid.base(k));
        let queries = places.iter().enumerate().map(|(n, &crop)| (n / self.crops_per_volume, crop));
        let all: Vec<(usize, Crop)> =
            queries.chain((0..frames.len()).flat_map(|v| bases.clone().map(move |b| (v, b)))).collect();
        let len = INPUT_EDGE * INPUT_EDGE * INPUT_EDGE;
        let mut crops = vec![0.0; all.len() * len];
        let shift_chance = if self.recipe == Recipe::Cvpr { 0.1 } else { 0.5 };
        crops.par_chunks_mut(len).zip(&all).enumerate().for_each(|(n, (out, &(volume, crop)))| {
            out.copy_from_slice(&crop.values(&frames[volume].1, INPUT_EDGE));
            if self.augment {
                augment(out, INPUT_EDGE, shift_chance, &mut rng(self.seed, step, 1 + n as u64));
            }
        });
        let frames = frames.into_iter().map(|(n, frame)| (n, *frame.geometry())).collect();
        Batch { step, crops, targets, places, frames }
    }
}
