//! Every algorithm against a plain one on random volumes: anisotropic, one voxel thin, empty, full, wider than a word.

mod components;
mod distance;
mod hostile;
mod metrics;
mod morphology;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_label::{Lattice, Mask};

/// A random volume.
struct Sample {
    what: String,
    lattice: Lattice,
    /// i fastest.
    values: Vec<u8>,
    rng: StdRng,
}

impl Sample {
    fn dims(&self) -> [usize; 3] {
        self.lattice.dims()
    }

    fn mask(&self) -> Mask {
        Mask::of_nonzero(&self.values, self.dims()).expect("a mask")
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    /// i, j, k of a flat index.
    fn voxel(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.dims();
        [index % nx, index / nx % ny, index / nx / ny]
    }

    /// Squared distance in mm² of two flat indices.
    fn square(&self, a: usize, b: usize) -> f64 {
        let (a, b, spacing) = (self.voxel(a), self.voxel(b), self.lattice.spacing_mm());
        (0..3).map(|n| (a[n].abs_diff(b[n]) as f64 * spacing[n]).powi(2)).sum()
    }

    /// The flat indices of the voxels that differ by at most 1 along each axis, and along at most `axes` of them.
    fn neighbours(&self, index: usize, axes: usize) -> Vec<usize> {
        let (at, dims) = (self.voxel(index), self.dims());
        let mut found = Vec::new();
        for n in (0..27).filter(|&n| n != 13) {
            let step = [n % 3, n / 3 % 3, n / 9];
            let to: [usize; 3] = std::array::from_fn(|a| (at[a] + step[a]).wrapping_sub(1));
            if step.iter().filter(|&&s| s != 1).count() <= axes && (0..3).all(|a| to[a] < dims[a]) {
                found.push(to[0] + dims[0] * (to[1] + dims[1] * to[2]));
            }
        }
        found
    }
}

/// Calls `f` with random volumes of values below `num_values`, of all densities.
fn for_each_sample(num_values: u8, mut f: impl FnMut(&mut Sample)) {
    let all_dims = [
        [7, 6, 5],
        [1, 1, 1],
        [1, 9, 8],
        [9, 1, 8],
        [9, 8, 1],
        [70, 1, 1],
        [1, 40, 1],
        [1, 1, 40],
        [64, 3, 2],
        [65, 4, 3],
        [130, 3, 3],
        [3, 20, 17],
        [17, 3, 20],
    ];
    let spacings = [[1.0, 1.0, 1.0], [0.8, 0.8, 3.0], [2.0, 0.5, 1.3], [0.7, 5.0, 0.01]];
    for (n, dims) in all_dims.into_iter().enumerate() {
        for (m, density) in [0.0, 0.01, 0.1, 0.4, 0.8, 1.0].into_iter().enumerate() {
            let mut rng = StdRng::seed_from_u64((n * 10 + m) as u64);
            let spacing = spacings[(n + m) % spacings.len()];
            let value = |_| if rng.random_bool(density) { rng.random_range(1..num_values) } else { 0 };
            let values = (0..dims.iter().product()).map(value).collect();
            let lattice = Lattice::new(dims, spacing).expect("a lattice");
            f(&mut Sample { what: format!("{dims:?}, {spacing:?} mm, {density} full"), lattice, values, rng });
        }
    }
}
