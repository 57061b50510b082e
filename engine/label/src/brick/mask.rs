use rayon::prelude::*;

use super::{BRICK, BRICK_ROWS, BRICK_VOXELS, BrickBits, BrickGrid};
use crate::lattice::check_dims;
use crate::mask::WORD;
use crate::{LabelError, Mask, VoxelBox};

/// A set of voxels of one brick.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MaskBrick {
    /// None.
    #[default]
    Empty,
    /// All 32³.
    Full,
    /// Those whose bit is set.
    Bits(Box<BrickBits>),
}

impl MaskBrick {
    /// In the least form.
    pub fn from_bits(bits: Box<BrickBits>) -> Self {
        if bits.iter().all(|&w| w == 0) {
            Self::Empty
        } else if bits.iter().all(|&w| w == u32::MAX) {
            Self::Full
        } else {
            Self::Bits(bits)
        }
    }

    /// Number of voxels.
    pub fn count(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Full => BRICK_VOXELS as u64,
            Self::Bits(bits) => bits.iter().map(|w| u64::from(w.count_ones())).sum(),
        }
    }

    /// True if it holds no voxel.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full => false,
            Self::Bits(bits) => bits.iter().all(|&w| w == 0),
        }
    }

    /// The bits of row j + 32·k.
    pub fn row(&self, row: usize) -> u32 {
        match self {
            Self::Empty => 0,
            Self::Full => u32::MAX,
            Self::Bits(bits) => bits[row],
        }
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Empty, _) | (_, Self::Empty) => Self::Empty,
            (Self::Full, x) | (x, Self::Full) => x.clone(),
            (Self::Bits(a), Self::Bits(b)) => Self::from_bits(Box::new(std::array::from_fn(|n| a[n] & b[n]))),
        }
    }

    /// What is in this one only.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        match other {
            Self::Empty => self.clone(),
            Self::Full => Self::Empty,
            Self::Bits(b) => match self {
                Self::Empty => Self::Empty,
                Self::Full => Self::from_bits(Box::new(std::array::from_fn(|n| !b[n]))),
                Self::Bits(a) => Self::from_bits(Box::new(std::array::from_fn(|n| a[n] & !b[n]))),
            },
        }
    }

    /// Adds what is in the other.
    pub fn unite(&mut self, other: &Self) {
        match (&mut *self, other) {
            (_, Self::Empty) | (Self::Full, _) => {}
            (Self::Empty, x) => *self = x.clone(),
            (_, Self::Full) => *self = Self::Full,
            (Self::Bits(a), Self::Bits(b)) => a.iter_mut().zip(b.iter()).for_each(|(a, b)| *a |= b),
        }
    }

    /// The bits to write to.
    pub fn bits_mut(&mut self) -> &mut BrickBits {
        let fill = match self {
            Self::Empty => 0,
            Self::Full => u32::MAX,
            Self::Bits(_) => 1,
        };
        if fill != 1 {
            *self = Self::Bits(Box::new([fill; BRICK_ROWS]));
        }
        match self {
            Self::Bits(bits) => bits,
            _ => unreachable!("just made"),
        }
    }
}

/// A set of voxels of a whole grid in bricks: what is empty or full costs nothing. A stroke is staged in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrickMask {
    grid: BrickGrid,
    bricks: Vec<MaskBrick>,
}

impl BrickMask {
    /// The empty set.
    ///
    /// # Errors
    /// Dims that are none.
    pub fn empty(dims: [usize; 3]) -> Result<Self, LabelError> {
        check_dims(dims)?;
        let grid = BrickGrid::new(dims);
        Ok(Self { grid, bricks: vec![MaskBrick::Empty; grid.count()] })
    }

    /// One set per brick of the grid, none of which reaches out of it.
    pub(super) fn from_bricks(grid: BrickGrid, bricks: Vec<MaskBrick>) -> Self {
        Self { grid, bricks }
    }

    /// All voxels of a box, as far as they lie in the grid.
    ///
    /// # Errors
    /// Dims that are none.
    pub fn of_box(dims: [usize; 3], part: &VoxelBox) -> Result<Self, LabelError> {
        let mut mask = Self::empty(dims)?;
        mask.add_box(part);
        Ok(mask)
    }

    /// The same voxels as `part`, whose voxel 0 lies at `at`; what falls out of the grid is left out.
    ///
    /// # Errors
    /// Dims that are none.
    pub fn of_mask(dims: [usize; 3], part: &Mask, at: [usize; 3]) -> Result<Self, LabelError> {
        let mut mask = Self::empty(dims)?;
        mask.unite_mask(part, at);
        Ok(mask)
    }

    /// How the grid is cut into bricks.
    pub fn grid(&self) -> BrickGrid {
        self.grid
    }

    /// Number of voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.grid.dims()
    }

    /// The set within one brick.
    pub fn brick(&self, index: usize) -> &MaskBrick {
        &self.bricks[index]
    }

    /// Replaces the set within one brick, cut to the grid.
    pub fn set_brick(&mut self, index: usize, brick: &MaskBrick) {
        self.bricks[index] = if brick.is_empty() { MaskBrick::Empty } else { brick.and(&self.grid.valid(index)) };
    }

    /// Changes all bricks of `indices` in parallel by `f(index, brick)`; `f` must stay within the grid.
    pub(crate) fn change_bricks(&mut self, indices: &[u32], f: impl Fn(usize, &mut MaskBrick) + Sync) {
        let mut taken: Vec<(usize, MaskBrick)> =
            indices.iter().map(|&n| (n as usize, std::mem::take(&mut self.bricks[n as usize]))).collect();
        taken.par_iter_mut().with_min_len(8).for_each(|(n, brick)| f(*n, brick));
        for (n, brick) in taken {
            self.bricks[n] = brick;
        }
    }

    /// Indices of the bricks that are not empty, ascending.
    pub fn touched(&self) -> Vec<u32> {
        (0..self.bricks.len() as u32).filter(|&n| !self.bricks[n as usize].is_empty()).collect()
    }

    /// Whether a voxel is in the set; `false` outside of the grid.
    pub fn get(&self, voxel: [usize; 3]) -> bool {
        (0..3).all(|a| voxel[a] < self.dims()[a]) && {
            let (brick, [i, j, k]) = self.grid.locate(voxel);
            self.bricks[brick].row(j + BRICK * k) >> i & 1 == 1
        }
    }

    /// Adds one voxel; does nothing outside of the grid.
    pub fn insert(&mut self, voxel: [usize; 3]) {
        self.add_row(voxel[0], voxel[0] + 1, voxel[1], voxel[2]);
    }

    /// Adds voxels from..to of row (j, k), as far as they lie in the grid.
    pub fn add_row(&mut self, from: usize, to: usize, j: usize, k: usize) {
        let [nx, ny, nz] = self.dims();
        let to = to.min(nx);
        if j >= ny || k >= nz || from >= to {
            return;
        }
        for b in from / BRICK..=(to - 1) / BRICK {
            let (index, [_, j, k]) = self.grid.locate([b * BRICK, j, k]);
            let brick = &mut self.bricks[index];
            if *brick != MaskBrick::Full {
                let low = from.saturating_sub(b * BRICK);
                let high = (to - b * BRICK).min(BRICK);
                brick.bits_mut()[j + BRICK * k] |= u32::MAX << low & u32::MAX >> (BRICK - high);
            }
        }
    }

    /// Adds all voxels of a box, as far as they lie in the grid.
    pub fn add_box(&mut self, part: &VoxelBox) {
        let dims = self.dims();
        for k in part.min[2]..part.max[2].min(dims[2]) {
            for j in part.min[1]..part.max[1].min(dims[1]) {
                self.add_row(part.min[0], part.max[0], j, k);
            }
        }
    }

    /// Adds a mask whose voxel 0 lies at `at`.
    pub fn unite_mask(&mut self, part: &Mask, at: [usize; 3]) {
        let [_, ny, nz] = part.dims();
        for k in 0..nz {
            for j in 0..ny {
                crate::runs::for_each_run(part.row(j, k), |from, to| {
                    self.add_row(at[0] + from, at[0] + to, at[1] + j, at[2] + k);
                });
            }
        }
    }

    /// Adds what is in the other.
    ///
    /// # Errors
    /// If the dims differ.
    pub fn unite(&mut self, other: &Self) -> Result<(), LabelError> {
        self.combine(other, MaskBrick::unite)
    }

    /// Keeps what is in both.
    ///
    /// # Errors
    /// If the dims differ.
    pub fn intersect(&mut self, other: &Self) -> Result<(), LabelError> {
        self.combine(other, |a, b| *a = a.and(b))
    }

    /// Removes what is in the other.
    ///
    /// # Errors
    /// If the dims differ.
    pub fn subtract(&mut self, other: &Self) -> Result<(), LabelError> {
        self.combine(other, |a, b| *a = a.without(b))
    }

    fn combine(&mut self, other: &Self, f: impl Fn(&mut MaskBrick, &MaskBrick) + Sync) -> Result<(), LabelError> {
        if self.dims() != other.dims() {
            return Err(LabelError::OtherDims(self.dims(), other.dims()));
        }
        self.bricks.par_iter_mut().zip(&other.bricks).with_min_len(256).for_each(|(a, b)| f(a, b));
        Ok(())
    }

    /// Takes the complement within the grid.
    pub fn invert(&mut self) {
        let grid = self.grid;
        let bricks = self.bricks.par_iter_mut().enumerate().with_min_len(256);
        bricks.for_each(|(n, brick)| *brick = grid.valid(n).without(brick));
    }

    /// Moved by so many voxels along i, j, k; what leaves the grid is lost. A slice copied to another is such a move.
    #[must_use]
    pub fn shifted(&self, by: [isize; 3]) -> Self {
        let mut out = Self { grid: self.grid, bricks: vec![MaskBrick::Empty; self.bricks.len()] };
        for index in self.touched() {
            let at = self.grid.origin(index as usize);
            for row in 0..BRICK_ROWS {
                let mut word = self.bricks[index as usize].row(row);
                let to = |a: usize, n: usize| (at[a] + n).checked_add_signed(by[a]);
                let (Some(j), Some(k)) = (to(1, row % BRICK), to(2, row / BRICK)) else { continue };
                let mut base = 0;
                while word != 0 {
                    let zeros = word.trailing_zeros();
                    let ones = (word >> zeros).trailing_ones();
                    let start = (at[0] + base + zeros as usize) as isize + by[0];
                    let end = start + ones as isize;
                    if end > 0 {
                        out.add_row(start.max(0) as usize, end as usize, j, k);
                    }
                    base += (zeros + ones) as usize;
                    word = word.checked_shr(zeros + ones).unwrap_or(0);
                }
            }
        }
        out
    }

    /// Number of voxels.
    pub fn count(&self) -> u64 {
        self.bricks.par_iter().with_min_len(256).map(MaskBrick::count).sum()
    }

    /// True if no voxel is in the set.
    pub fn is_empty(&self) -> bool {
        self.bricks.iter().all(MaskBrick::is_empty)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.bricks.fill(MaskBrick::Empty);
    }

    /// The least box around the set; `None` if it is empty.
    pub fn bounding_box(&self) -> Option<VoxelBox> {
        let of_brick = |n: u32| {
            let at = self.grid.origin(n as usize);
            let brick = &self.bricks[n as usize];
            let (mut all, mut rows) = (0, VoxelBox::EMPTY);
            for row in (0..BRICK_ROWS).filter(|&row| brick.row(row) != 0) {
                all |= brick.row(row);
                let (j, k) = (row % BRICK, row / BRICK);
                rows = rows.union(&VoxelBox { min: [0, j, k], max: [1, j + 1, k + 1] });
            }
            rows.min[0] = all.trailing_zeros() as usize;
            rows.max[0] = BRICK - all.leading_zeros() as usize;
            VoxelBox {
                min: std::array::from_fn(|a| at[a] + rows.min[a]),
                max: std::array::from_fn(|a| at[a] + rows.max[a]),
            }
        };
        self.touched().into_iter().map(of_brick).reduce(|a, b| a.union(&b))
    }

    /// The part inside `part`, as a mask of its own.
    ///
    /// # Errors
    /// A box that is empty or too large.
    pub fn to_mask(&self, part: &VoxelBox) -> Result<Mask, LabelError> {
        let mut out = Mask::empty(part.size())?;
        let (per_row, rows) = (out.words_per_row(), out.dims()[1]);
        let last = out.last_word();
        let dims = self.dims();
        out.words_mut().par_chunks_mut(per_row).enumerate().with_min_len(64).for_each(|(r, words)| {
            let (j, k) = (part.min[1] + r % rows, part.min[2] + r / rows);
            if j >= dims[1] || k >= dims[2] {
                return;
            }
            for b in part.min[0] / BRICK..part.max[0].min(dims[0]).div_ceil(BRICK) {
                let (index, [_, j, k]) = self.grid.locate([b * BRICK, j, k]);
                let bits = u64::from(self.bricks[index].row(j + BRICK * k));
                if bits != 0 {
                    or_bits(words, bits, (b * BRICK) as isize - part.min[0] as isize);
                }
            }
            words[per_row - 1] &= last;
        });
        Ok(out)
    }
}

/// ORs 32 bits into a row at a place that may lie partly outside.
fn or_bits(words: &mut [u64], bits: u64, at: isize) {
    if at < 0 {
        words[0] |= bits >> at.unsigned_abs().min(63);
        return;
    }
    let (word, shift) = (at as usize / WORD, at as usize % WORD);
    if let Some(to) = words.get_mut(word) {
        *to |= bits << shift;
    }
    if shift > WORD - BRICK
        && let Some(to) = words.get_mut(word + 1)
    {
        *to |= bits >> (WORD - shift);
    }
}
