use std::sync::Arc;

use rand::Rng;
use rayon::prelude::*;
use voco_data::{Augmentation, augment, rng};
use voco_volume::Geometry;
use voco_volume::position::{Crop, PositionGrid};

use super::{Body, INPUT_EDGE, draw_crop};

/// How batches are drawn.
#[derive(Debug, Clone)]
pub(crate) struct BatchPlan {
    pub grid: PositionGrid,
    pub volumes_per_step: usize,
    pub crops_per_volume: usize,
    pub augmentation: Augmentation,
    pub seed: u64,
    pub bodies: Arc<Vec<Body>>,
}

/// The input of one step: random crops of all volumes, volume after volume, then the base crops likewise.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub number: u64,
    /// [N, 1, 64, 64, 64] with N = volumes · (crops + bases).
    pub crops: Vec<f32>,
    /// [volumes, crops, bases].
    pub targets: Vec<f32>,
    /// True places of the random crops, volume after volume.
    pub places: Vec<Crop>,
    /// Index into `BatchPlan::bodies`, and the frame, of each volume.
    pub frames: Vec<(usize, Geometry)>,
}

impl BatchPlan {
    /// The batch of a number; the same whenever it is asked for.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn draw(&self, number: u64) -> Result<Batch, String> {
        let mut random = rng(self.seed, number, 0);
        let grid = self.grid;
        let mut places = Vec::with_capacity(self.volumes_per_step * self.crops_per_volume);
        let mut windows = Vec::with_capacity(self.volumes_per_step);
        let mut frames = Vec::with_capacity(self.volumes_per_step);
        for n in self.choose(&mut random) {
            let window = self.bodies[n].draw_window(&mut random);
            frames.push((n, self.bodies[n].frame(window)?));
            windows.push((n, window));
            places.extend((0..self.crops_per_volume).map(|_| draw_crop(grid, &mut random)));
        }
        let targets = places.iter().flat_map(|&p| grid.target(p)).map(|t| t as f32).collect();
        let bases = (0..grid.num_bases()).map(|k| grid.base(k));
        let queries = places.iter().enumerate().map(|(n, &crop)| (n / self.crops_per_volume, crop));
        let all: Vec<(usize, Crop)> =
            queries.chain((0..windows.len()).flat_map(|v| bases.clone().map(move |b| (v, b)))).collect();
        let len = INPUT_EDGE * INPUT_EDGE * INPUT_EDGE;
        let mut crops = vec![0.0; all.len() * len];
        crops.par_chunks_mut(len).zip(&all).enumerate().try_for_each(|(n, (out, &(volume, place)))| {
            let (body, window) = windows[volume];
            let image = self.bodies[body].crop(window, place)?;
            let mut crop = voco_data::Crop { size: [INPUT_EDGE; 3], image, label: Vec::new() };
            augment(&mut crop, self.augmentation, &mut rng(self.seed, number, 1 + n as u64));
            out.copy_from_slice(&crop.image);
            Ok::<(), String>(())
        })?;
        Ok(Batch { number, crops, targets, places, frames })
    }

    /// Bodies by their weights, different ones where there are enough of them.
    fn choose(&self, random: &mut impl Rng) -> Vec<usize> {
        let wanted = self.volumes_per_step;
        let mut left: Vec<f64> = self.bodies.iter().map(|body| body.weight).collect();
        let mut chosen: Vec<usize> = Vec::with_capacity(wanted);
        while chosen.len() < wanted.min(left.len()) {
            let mut at = random.random::<f64>() * left.iter().sum::<f64>();
            let hit = left.iter().position(|&weight| {
                at -= weight;
                weight > 0.0 && at < 0.0
            });
            // Rounding may leave the sum a little short.
            let Some(hit) = hit.or_else(|| left.iter().rposition(|&weight| weight > 0.0)) else { break };
            left[hit] = 0.0;
            chosen.push(hit);
        }
        let distinct = chosen.len();
        (0..wanted).map(|n| chosen[n % distinct]).collect()
    }
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;
    use voco_data::StoredSample;
    use voco_volume::{Grid, PreparedChannels};

    use super::*;

    fn body(index: usize, weight: f64) -> Body {
        let geometry = Geometry::new([24, 24, 8], DAffine3::IDENTITY).expect("a grid");
        let grid = Grid::new(geometry, vec![index as f32; 24 * 24 * 8]).expect("filled");
        let prepared = PreparedChannels { images: vec![grid], label: None, uncropped: geometry };
        let sample = Arc::new(StoredSample::from_prepared(prepared, None));
        Body { name: index.to_string(), index, weight, sample, grid: PositionGrid { n: 3, edge: 8 } }
    }

    #[test]
    fn volumes_are_drawn_by_weight_and_differ_within_a_batch() {
        // Groups of weights 8, 8 and 1, as the published mix.
        let bodies = Arc::new(vec![body(0, 8.0), body(1, 8.0), body(2, 1.0), body(3, 1.0)]);
        let plan = BatchPlan {
            grid: bodies[0].grid,
            volumes_per_step: 1,
            crops_per_volume: 1,
            augmentation: Augmentation::NONE,
            seed: 5,
            bodies,
        };
        let mut counts = [0_u32; 4];
        for number in 0..9000 {
            counts[plan.choose(&mut rng(5, number, 0))[0]] += 1;
        }
        for (count, share) in counts.into_iter().zip([8.0, 8.0, 1.0, 1.0]) {
            let expected = 9000.0 * share / 18.0;
            // Four standard deviations.
            assert!((f64::from(count) - expected).abs() < 4.0 * expected.sqrt(), "{counts:?}");
        }
        let two = BatchPlan { volumes_per_step: 2, ..plan.clone() };
        assert!((0..100).map(|n| two.choose(&mut rng(5, n, 0))).all(|c| c[0] != c[1]), "the volumes of a batch differ");
        let many = BatchPlan { volumes_per_step: 6, ..plan };
        assert_eq!(many.choose(&mut rng(5, 0, 0)).len(), 6, "volumes come again where there are too few");
    }

    #[test]
    fn a_batch_is_the_same_whenever_it_is_drawn() {
        let plan = BatchPlan {
            grid: PositionGrid { n: 3, edge: 8 },
            volumes_per_step: 2,
            crops_per_volume: 3,
            augmentation: Augmentation::PRETRAIN,
            seed: 5,
            bodies: Arc::new(vec![body(0, 1.0), body(1, 1.0)]),
        };
        let (first, again, other) =
            (plan.draw(7).expect("drawn"), plan.draw(7).expect("drawn"), plan.draw(8).expect("drawn"));
        assert_eq!((first.crops.len(), first.targets.len()), (2 * 12 * 64 * 64 * 64, 2 * 3 * 9), "its size");
        assert!(first.crops == again.crops && first.targets == again.targets, "the same batch");
        assert!(first.targets != other.targets, "another number, another batch");
    }
}
