//! The random walker (Grady, 2006): the probability that a walk from a voxel meets the object's seeds before the background's,
//! where steps over edges are unlikely. A linear system, solved by conjugate gradients; for regions up to some millions of voxels.

use rayon::prelude::*;

use super::grow::Prior;
use crate::error::filled;
use crate::lattice::check_count;
use crate::{LabelError, Lattice, Watch};

/// How the walk goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Walk {
    /// How much an edge hinders: a step has the weight exp(−beta·difference²), where differences are in standard deviations of
    /// the region.
    pub beta: f64,
    /// The residual, relative to the start, at which it ends.
    pub tolerance: f64,
    /// Most iterations.
    pub iterations: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self { beta: 130.0, tolerance: 1e-3, iterations: 300 }
    }
}

/// The probability (0 to 1) of each voxel that it belongs to the object. `seeds`: 1 object, 2 background, 0 neither. A prior
/// (whose label does not matter here) pulls each voxel towards its probability with its weight.
///
/// # Errors
/// If there is not one value per voxel, seeds of one kind only and no prior, too little memory, or cancelled.
pub fn random_walker(
    image: &[f32],
    lattice: &Lattice,
    seeds: &[u8],
    prior: Option<Prior<'_>>,
    walk: Walk,
    watch: &Watch<'_>,
) -> Result<Vec<f32>, LabelError> {
    let dims = lattice.dims();
    check_count(dims, image.len())?;
    check_count(dims, seeds.len())?;
    if let Some(prior) = prior {
        check_count(dims, prior.probability.len())?;
    }
    if prior.is_none() && !(seeds.contains(&1) && seeds.contains(&2)) {
        return Err(LabelError::BadSetting("mark some of the object and some of the background"));
    }
    let system = System::new(image, lattice, seeds, prior, walk.beta)?;
    // x of seeds is fixed; elsewhere A x = b.
    let mut x: Vec<f32> = seeds.iter().map(|&s| if s == 1 { 1.0 } else { 0.0 }).collect();
    if let Some(prior) = prior {
        let free = x.iter_mut().zip(seeds).zip(prior.probability).filter(|((_, s), _)| **s == 0);
        free.for_each(|((x, _), p)| *x = *p);
    }
    let mut product = filled(x.len(), 0.0_f32)?;
    system.apply(&x, &mut product);
    let mut residual = filled(x.len(), 0.0_f32)?;
    residual.par_iter_mut().enumerate().with_min_len(1 << 14).for_each(|(n, r)| {
        *r = if system.is_free(n) { system.pull(n) - product[n] } else { 0.0 };
    });
    let mut scaled = filled(x.len(), 0.0_f32)?;
    let precondition = |residual: &[f32], scaled: &mut [f32]| {
        scaled.par_iter_mut().enumerate().with_min_len(1 << 14).for_each(|(n, s)| {
            *s = if system.is_free(n) { residual[n] / system.diagonal[n] } else { 0.0 };
        });
    };
    precondition(&residual, &mut scaled);
    let mut direction = scaled.clone();
    let mut strength = dot(&residual, &scaled);
    let first = strength.max(f64::MIN_POSITIVE);
    for n in 0..walk.iterations {
        let left = (strength / first).sqrt();
        watch.at(if left > 0.0 { (left.ln() / walk.tolerance.ln()) as f32 } else { 1.0 })?;
        if left <= walk.tolerance || n + 1 == walk.iterations {
            break;
        }
        system.apply(&direction, &mut product);
        let step = (strength / dot(&direction, &product).max(f64::MIN_POSITIVE)) as f32;
        x.par_iter_mut().zip(&direction).with_min_len(1 << 14).for_each(|(x, d)| *x += step * d);
        residual.par_iter_mut().zip(&product).with_min_len(1 << 14).for_each(|(r, p)| *r -= step * p);
        precondition(&residual, &mut scaled);
        let next = dot(&residual, &scaled);
        let turn = (next / strength) as f32;
        strength = next;
        direction.par_iter_mut().zip(&scaled).with_min_len(1 << 14).for_each(|(d, s)| *d = s + turn * *d);
    }
    watch.at(1.0)?;
    x.par_iter_mut().with_min_len(1 << 14).for_each(|x| *x = x.clamp(0.0, 1.0));
    Ok(x)
}

/// The Laplacian of the grid, on the voxels that are no seeds.
struct System<'a> {
    dims: [usize; 3],
    /// Weights of the steps from each voxel to the next along i, j, k.
    weights: [Vec<f32>; 3],
    diagonal: Vec<f32>,
    seeds: &'a [u8],
    prior: Option<Prior<'a>>,
}

impl<'a> System<'a> {
    fn new(
        image: &[f32],
        lattice: &Lattice,
        seeds: &'a [u8],
        prior: Option<Prior<'a>>,
        beta: f64,
    ) -> Result<Self, LabelError> {
        let (dims, spacing) = (lattice.dims(), lattice.spacing_mm());
        let count = image.len() as f64;
        let mean = image.par_iter().with_min_len(1 << 14).map(|&v| f64::from(v)).sum::<f64>() / count;
        let square = |&v: &f32| (f64::from(v) - mean).powi(2);
        let variance = image.par_iter().with_min_len(1 << 14).map(square).sum::<f64>() / count;
        let beta = beta / (10.0 * variance.max(1e-12));
        let strides = [1, dims[0], dims[0] * dims[1]];
        let least = spacing.iter().copied().fold(f64::INFINITY, f64::min);
        let mut weights: [Vec<f32>; 3] = Default::default();
        for axis in 0..3 {
            let mut all = filled(image.len(), 0.0_f32)?;
            // As scikit-image: differences are divided by the spacing relative to the first axis.
            let scale = (spacing[axis] / least).powi(2);
            all.par_iter_mut().enumerate().with_min_len(1 << 14).for_each(|(at, weight)| {
                if at / strides[axis] % dims[axis] + 1 < dims[axis] {
                    let difference = f64::from(image[at + strides[axis]] - image[at]);
                    // The small part keeps the system solvable over any edge.
                    *weight = ((-beta * difference * difference / scale).exp() + 1e-10) as f32;
                }
            });
            weights[axis] = all;
        }
        let mut diagonal = filled(image.len(), 0.0_f32)?;
        diagonal.par_iter_mut().enumerate().with_min_len(1 << 14).for_each(|(at, sum)| {
            *sum = prior.map_or(0.0, |p| p.weight);
            for axis in 0..3 {
                *sum += weights[axis][at];
                if at / strides[axis] % dims[axis] > 0 {
                    *sum += weights[axis][at - strides[axis]];
                }
            }
            *sum = sum.max(1e-20);
        });
        Ok(Self { dims, weights, diagonal, seeds, prior })
    }

    fn is_free(&self, at: usize) -> bool {
        self.seeds[at] != 1 && self.seeds[at] != 2
    }

    fn pull(&self, at: usize) -> f32 {
        self.prior.map_or(0.0, |p| p.weight * p.probability[at])
    }

    /// out = A x; where x has values at seeds they count as neighbours.
    fn apply(&self, x: &[f32], out: &mut [f32]) {
        let [nx, ny, nz] = self.dims;
        let [wi, wj, wk] = &self.weights;
        out.par_chunks_mut(nx).enumerate().with_min_len(16).for_each(|(row, out)| {
            let (j, k, start) = (row % ny, row / ny, row * nx);
            let here = start..start + nx;
            for (out, (x, d)) in out.iter_mut().zip(x[here.clone()].iter().zip(&self.diagonal[here.clone()])) {
                *out = x * d;
            }
            let mut take = |from: usize, weights: &[f32]| {
                for (out, (w, x)) in out.iter_mut().zip(weights.iter().zip(&x[from..from + nx])) {
                    *out -= w * x;
                }
            };
            if j > 0 {
                take(start - nx, &wj[start - nx..start]);
            }
            if j + 1 < ny {
                take(start + nx, &wj[here.clone()]);
            }
            if k > 0 {
                take(start - nx * ny, &wk[start - nx * ny..][..nx]);
            }
            if k + 1 < nz {
                take(start + nx * ny, &wk[here.clone()]);
            }
            for i in 1..nx {
                out[i] -= wi[start + i - 1] * x[start + i - 1];
                out[i - 1] -= wi[start + i - 1] * x[start + i];
            }
            for (out, seed) in out.iter_mut().zip(&self.seeds[here]) {
                *out = if *seed == 1 || *seed == 2 { 0.0 } else { *out };
            }
        });
    }
}

/// In f64 and in a fixed order, so that it does not depend on the number of threads.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let of_part = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let parts: Vec<f64> = a.par_chunks(1 << 14).zip(b.par_chunks(1 << 14)).map(of_part).collect();
    parts.iter().sum()
}
