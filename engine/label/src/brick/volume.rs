use rayon::prelude::*;

use super::{BRICK, BRICK_VOXELS, Brick, BrickMask, MaskBrick};
use crate::error::filled;
use crate::lattice::{check_count, check_dims};
use crate::{Label, LabelError, LabelValues, VoxelBox};

/// How a grid of voxels is cut into bricks; they are numbered with i fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrickGrid {
    dims: [usize; 3],
    bricks: [usize; 3],
}

impl BrickGrid {
    /// For a grid of `dims` voxels.
    pub fn new(dims: [usize; 3]) -> Self {
        Self { dims, bricks: dims.map(|n| n.div_ceil(BRICK)) }
    }

    /// Number of voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Number of bricks along i, j, k.
    pub fn bricks(&self) -> [usize; 3] {
        self.bricks
    }

    /// Number of bricks.
    pub fn count(&self) -> usize {
        self.bricks.iter().product()
    }

    /// The brick that holds a voxel of the grid, and the voxel's place in it.
    pub fn locate(&self, voxel: [usize; 3]) -> (usize, [usize; 3]) {
        let [x, y, z] = voxel.map(|n| n / BRICK);
        (x + self.bricks[0] * (y + self.bricks[1] * z), voxel.map(|n| n % BRICK))
    }

    /// The first voxel of a brick.
    pub fn origin(&self, brick: usize) -> [usize; 3] {
        let [nx, ny, _] = self.bricks;
        [brick % nx, brick / nx % ny, brick / nx / ny].map(|n| n * BRICK)
    }

    /// The voxels of a brick that lie in the grid.
    pub fn voxels(&self, brick: usize) -> VoxelBox {
        let min = self.origin(brick);
        VoxelBox { min, max: std::array::from_fn(|a| (min[a] + BRICK).min(self.dims[a])) }
    }

    /// The bricks that touch a box, ascending.
    pub fn touching(&self, part: &VoxelBox) -> Vec<u32> {
        if part.is_empty() {
            return Vec::new();
        }
        let range = |a: usize| part.min[a] / BRICK..part.max[a].div_ceil(BRICK).min(self.bricks[a]);
        let [nx, ny, _] = self.bricks;
        let rows = range(2).flat_map(|z| range(1).map(move |y| (y, z)));
        rows.flat_map(|(y, z)| range(0).map(move |x| (x + nx * (y + ny * z)) as u32)).collect()
    }

    /// The voxels of a brick that lie in the grid, as a set.
    pub fn valid(&self, brick: usize) -> MaskBrick {
        let size = self.voxels(brick).size();
        if size == [BRICK; 3] {
            return MaskBrick::Full;
        }
        let word = u32::MAX >> (BRICK - size[0]);
        let row = |row: usize| if row % BRICK < size[1] && row / BRICK < size[2] { word } else { 0 };
        MaskBrick::Bits(Box::new(std::array::from_fn(row)))
    }
}

/// One label (u16) per voxel, in shared bricks. A copy is cheap and does not change with the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelVolume {
    grid: BrickGrid,
    bricks: Vec<Brick>,
}

impl LabelVolume {
    /// All 0.
    ///
    /// # Errors
    /// Dims that are none.
    pub fn empty(dims: [usize; 3]) -> Result<Self, LabelError> {
        check_dims(dims)?;
        let grid = BrickGrid::new(dims);
        Ok(Self { grid, bricks: filled(grid.count(), Brick::Uniform(0))? })
    }

    /// From one value per voxel, i fastest.
    ///
    /// # Errors
    /// If there is not one value per voxel, or one above 65535.
    pub fn from_values<T: Label>(values: &[T], dims: [usize; 3]) -> Result<Self, LabelError> {
        check_count(dims, values.len())?;
        let grid = BrickGrid::new(dims);
        let brick = |index: usize| {
            let VoxelBox { min, max } = grid.voxels(index);
            let mut dense = vec![0_u16; BRICK_VOXELS];
            for k in min[2]..max[2] {
                for j in min[1]..max[1] {
                    let from = &values[min[0] + dims[0] * (j + dims[1] * k)..][..max[0] - min[0]];
                    let to = &mut dense[BRICK * (j - min[1] + BRICK * (k - min[2]))..];
                    for (to, &from) in to.iter_mut().zip(from) {
                        *to = u16::try_from(from.id()).map_err(|_large| LabelError::AboveU16(from.id()))?;
                    }
                }
            }
            Ok(Brick::from_values(&dense))
        };
        let bricks = (0..grid.count()).into_par_iter().with_min_len(4).map(brick).collect::<Result<_, LabelError>>()?;
        Ok(Self { grid, bricks })
    }

    /// How the grid is cut into bricks.
    pub fn grid(&self) -> BrickGrid {
        self.grid
    }

    /// Number of voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.grid.dims
    }

    /// One brick.
    pub fn brick(&self, index: usize) -> &Brick {
        &self.bricks[index]
    }

    /// All bricks, i fastest.
    pub fn bricks(&self) -> &[Brick] {
        &self.bricks
    }

    /// Puts another brick in place and gives the old one. Voxels beyond the grid must be 0.
    pub fn replace_brick(&mut self, index: usize, brick: Brick) -> Brick {
        std::mem::replace(&mut self.bricks[index], brick)
    }

    /// The label of a voxel; `None` outside.
    pub fn get(&self, voxel: [usize; 3]) -> Option<u16> {
        (0..3).all(|a| voxel[a] < self.grid.dims[a]).then(|| {
            let (brick, at) = self.grid.locate(voxel);
            self.bricks[brick].get(at)
        })
    }

    /// The labels of a box that lies in the grid, i fastest, in parallel.
    ///
    /// # Errors
    /// Too little memory.
    ///
    /// # Panics
    /// If the box reaches out of the grid.
    pub fn read_box(&self, part: &VoxelBox) -> Result<Vec<u16>, LabelError> {
        let [sx, sy, sz] = part.size();
        let mut out = filled(sx * sy * sz, 0_u16)?;
        if out.is_empty() {
            return Ok(out);
        }
        out.par_chunks_mut(sx).enumerate().with_min_len(32).for_each(|(row, out)| {
            let (j, k) = (part.min[1] + row % sy, part.min[2] + row / sy);
            self.read_row(part.min[0], j, k, out);
        });
        Ok(out)
    }

    /// The labels of row (j, k) from voxel `from` on, as many as `out` takes.
    fn read_row(&self, from: usize, j: usize, k: usize, out: &mut [u16]) {
        let mut buffer = [0_u16; BRICK];
        let (mut at, end) = (from, from + out.len());
        while at < end {
            let (brick, [i, j, k]) = self.grid.locate([at, j, k]);
            let count = (BRICK - i).min(end - at);
            let to = &mut out[at - from..][..count];
            let row = j + BRICK * k;
            if i == 0 {
                self.bricks[brick].read_row(row, to);
            } else {
                self.bricks[brick].read_row(row, &mut buffer);
                to.copy_from_slice(&buffer[i..i + count]);
            }
            at += count;
        }
    }

    /// All labels, i fastest, in the smallest type that holds them.
    ///
    /// # Errors
    /// Too little memory.
    pub fn to_values(&self) -> Result<LabelValues, LabelError> {
        let all = self.read_box(&VoxelBox { min: [0; 3], max: self.grid.dims })?;
        let is_small = self.bricks.iter().all(|b| b.values().iter().all(|&v| v <= 0xff));
        Ok(if is_small {
            LabelValues::U8(all.par_iter().with_min_len(1 << 14).map(|&v| v as u8).collect())
        } else {
            LabelValues::U16(all)
        })
    }

    /// The voxels that have one of `values`.
    pub fn select(&self, values: &[u16]) -> BrickMask {
        let of_brick = |(n, brick): (usize, &Brick)| {
            let found = brick.select(values);
            // Beyond the grid all is 0, and must not be taken for background.
            if values.contains(&0) { found.and(&self.grid.valid(n)) } else { found }
        };
        let bricks: Vec<MaskBrick> = self.bricks.par_iter().enumerate().with_min_len(64).map(of_brick).collect();
        BrickMask::from_bricks(self.grid, bricks)
    }

    /// The labels that occur, except 0, ascending, with their number of voxels.
    pub fn counts(&self) -> Vec<(u16, u64)> {
        let add = |mut all: Vec<(u16, u64)>, value: u16, count: u64| {
            match all.binary_search_by_key(&value, |c| c.0) {
                Ok(at) => all[at].1 += count,
                Err(at) => all.insert(at, (value, count)),
            }
            all
        };
        let fold = |mut all: Vec<(u16, u64)>, brick: &Brick| {
            brick.for_each_count(|value, count| {
                if value != 0 {
                    all = add(std::mem::take(&mut all), value, count);
                }
            });
            all
        };
        let parts = self.bricks.par_iter().with_min_len(64).fold(Vec::new, fold);
        parts.reduce(Vec::new, |a, b| b.into_iter().fold(a, |a, (value, count)| add(a, value, count)))
    }

    /// Bytes of memory behind the bricks.
    pub fn num_bytes(&self) -> usize {
        self.bricks.iter().map(Brick::num_bytes).sum()
    }
}
