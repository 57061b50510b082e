use rayon::prelude::*;

use crate::error::filled;
use crate::lattice::{check_count, check_dims};
use crate::runs::{count_bits, for_each_run};
use crate::{LabelError, VoxelBox};

/// Bits in a word.
pub(crate) const WORD: usize = 64;

/// A stored label: `u8`, `u16` or `u32`.
pub trait Label: Copy + PartialEq + Send + Sync + 'static + sealed::Bits {
    /// Background.
    const BACKGROUND: Self;
    /// The voxel value.
    fn id(self) -> u32;
    /// From a voxel value; `None` if it does not fit.
    fn from_id(id: u32) -> Option<Self>;
}

mod sealed {
    pub trait Bits: Sized {
        /// Bit n says whether value n equals `id`; at most 64 values.
        fn equal(values: &[Self], id: Self) -> u64;
    }

    /// The low bits of eight bytes, in their order.
    fn gather8(flags: u64) -> u64 {
        flags.wrapping_mul(0x0102_0408_1020_4080) >> 56
    }

    impl Bits for u8 {
        #[inline]
        fn equal(values: &[u8], id: u8) -> u64 {
            const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
            let pattern = u64::from(id) * 0x0101_0101_0101_0101;
            let (eights, rest) = values.as_chunks::<8>();
            let mut bits = 0;
            for (n, eight) in eights.iter().enumerate() {
                let x = u64::from_le_bytes(*eight) ^ pattern;
                let zero_bytes = !(((x & LOW) + LOW) | x) & !LOW;
                bits |= gather8(zero_bytes >> 7) << (8 * n);
            }
            for (n, &value) in rest.iter().enumerate() {
                bits |= u64::from(value == id) << (8 * eights.len() + n);
            }
            bits
        }
    }

    impl Bits for u16 {
        #[inline]
        fn equal(values: &[u16], id: u16) -> u64 {
            const LOW: u64 = 0x7fff_7fff_7fff_7fff;
            let pattern = u64::from(id) * 0x0001_0001_0001_0001;
            let (fours, rest) = values.as_chunks::<4>();
            let mut bits = 0;
            for (n, &[a, b, c, d]) in fours.iter().enumerate() {
                let x = (u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48) ^ pattern;
                let zeros = !(((x & LOW) + LOW) | x) & !LOW;
                bits |= ((zeros >> 15).wrapping_mul(0x1000_2000_4000_8000) >> 60) << (4 * n);
            }
            for (n, &value) in rest.iter().enumerate() {
                bits |= u64::from(value == id) << (4 * fours.len() + n);
            }
            bits
        }
    }

    impl Bits for u32 {
        #[inline]
        fn equal(values: &[u32], id: u32) -> u64 {
            values.iter().enumerate().fold(0, |bits, (n, &value)| bits | u64::from(value == id) << n)
        }
    }
}

macro_rules! label {
    ($($ty:ty)*) => {$(
        impl Label for $ty {
            const BACKGROUND: Self = 0;

            fn id(self) -> u32 {
                u32::from(self)
            }

            fn from_id(id: u32) -> Option<Self> {
                id.try_into().ok()
            }
        }
    )*};
}
label!(u8 u16 u32);

/// A set of voxels of a grid, one bit each, rows (along i) padded to whole words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    dims: [usize; 3],
    words: Vec<u64>,
}

impl Mask {
    /// The empty set.
    ///
    /// # Errors
    /// Dims that are none, or too little memory.
    pub fn empty(dims: [usize; 3]) -> Result<Self, LabelError> {
        check_dims(dims)?;
        Ok(Self { dims, words: filled(dims[0].div_ceil(WORD) * dims[1] * dims[2], 0)? })
    }

    /// The voxels whose value is not 0.
    ///
    /// # Errors
    /// If there is not one value per voxel, or too little memory.
    pub fn of_nonzero<T: Label>(values: &[T], dims: [usize; 3]) -> Result<Self, LabelError> {
        let mut mask = Self::of_label(values, dims, T::BACKGROUND)?;
        mask.invert();
        Ok(mask)
    }

    /// The voxels whose value is `label`.
    ///
    /// # Errors
    /// If there is not one value per voxel, or too little memory.
    pub fn of_label<T: Label>(values: &[T], dims: [usize; 3], label: T) -> Result<Self, LabelError> {
        check_count(dims, values.len())?;
        let mut mask = Self::empty(dims)?;
        let per_row = mask.words_per_row();
        mask.words.par_chunks_mut(per_row).zip(values.par_chunks(dims[0])).with_min_len(64).for_each(|(words, row)| {
            for (word, chunk) in words.iter_mut().zip(row.chunks(WORD)) {
                *word = T::equal(chunk, label);
            }
        });
        Ok(mask)
    }

    /// The voxels of `part` whose value is `label`, with `margin` empty voxels around: voxel `part.min` becomes
    /// voxel (margin, margin, margin).
    pub(crate) fn of_part<T: Label>(
        values: &[T],
        dims: [usize; 3],
        label: T,
        part: &VoxelBox,
        margin: usize,
    ) -> Result<Self, LabelError> {
        let size = part.size();
        let mut mask = Self::empty(size.map(|n| n + 2 * margin))?;
        let per_row = mask.words_per_row();
        let [_, py, _] = mask.dims;
        mask.words.par_chunks_mut(per_row * py).with_min_len(2).enumerate().for_each(|(pk, slab)| {
            let Some(k) = pk.checked_sub(margin).filter(|&k| k < size[2]) else { return };
            for (j, words) in slab.chunks_mut(per_row).skip(margin).take(size[1]).enumerate() {
                let start = part.min[0] + dims[0] * (part.min[1] + j + dims[1] * (part.min[2] + k));
                for (n, chunk) in values[start..start + size[0]].chunks(WORD).enumerate() {
                    let bits = T::equal(chunk, label);
                    words[n] |= bits << margin;
                    if margin > 0 && bits >> (WORD - margin) != 0 {
                        words[n + 1] |= bits >> (WORD - margin);
                    }
                }
            }
        });
        Ok(mask)
    }

    /// Number of voxels along i, j, k.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Whether a voxel is in the set; `false` outside of the grid.
    pub fn get(&self, voxel: [usize; 3]) -> bool {
        let inside = (0..3).all(|a| voxel[a] < self.dims[a]);
        inside && self.row(voxel[1], voxel[2])[voxel[0] / WORD] >> (voxel[0] % WORD) & 1 == 1
    }

    /// Takes a voxel in or out; does nothing outside of the grid.
    pub fn set(&mut self, voxel: [usize; 3], inside: bool) {
        if (0..3).all(|a| voxel[a] < self.dims[a]) {
            let word = (voxel[1] + self.dims[1] * voxel[2]) * self.words_per_row() + voxel[0] / WORD;
            let bit = 1 << (voxel[0] % WORD);
            self.words[word] = if inside { self.words[word] | bit } else { self.words[word] & !bit };
        }
    }

    /// Number of voxels in the set.
    pub fn count(&self) -> usize {
        self.words.par_chunks(1 << 14).map(count_bits).sum()
    }

    /// True if no voxel is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&w| w == 0)
    }

    /// The least box around the set; `None` if it is empty.
    pub fn bounding_box(&self) -> Option<VoxelBox> {
        let per_row = self.words_per_row();
        let of_row = |(r, words): (usize, &[u64])| {
            let first = words.iter().position(|&w| w != 0)?;
            let last = words.iter().rposition(|&w| w != 0)?;
            let (j, k) = (r % self.dims[1], r / self.dims[1]);
            let i0 = first * WORD + words[first].trailing_zeros() as usize;
            let i1 = (last + 1) * WORD - words[last].leading_zeros() as usize;
            Some(VoxelBox { min: [i0, j, k], max: [i1, j + 1, k + 1] })
        };
        let rows = self.words.par_chunks(per_row).enumerate().with_min_len(1024);
        rows.filter_map(of_row).reduce_with(|a, b| a.union(&b))
    }

    /// One byte per voxel, i fastest: 1 inside, 0 outside.
    ///
    /// # Errors
    /// Too little memory.
    pub fn to_values(&self) -> Result<Vec<u8>, LabelError> {
        let mut values = filled(self.dims.iter().product(), 0_u8)?;
        self.paint(&mut values, 1)?;
        Ok(values)
    }

    /// Writes `label` into `values` wherever the set is.
    ///
    /// # Errors
    /// If there is not one value per voxel.
    pub fn paint<T: Label>(&self, values: &mut [T], label: T) -> Result<(), LabelError> {
        check_count(self.dims, values.len())?;
        let rows = values.par_chunks_mut(self.dims[0]).zip(self.words.par_chunks(self.words_per_row()));
        rows.with_min_len(64).for_each(|(row, words)| for_each_run(words, |from, to| row[from..to].fill(label)));
        Ok(())
    }

    /// Takes the complement within the grid.
    pub fn invert(&mut self) {
        let last = self.last_word();
        let per_row = self.words_per_row();
        self.words.par_chunks_mut(per_row).with_min_len(1024).for_each(|row| {
            for word in row.iter_mut() {
                *word = !*word;
            }
            row[per_row - 1] &= last;
        });
    }

    /// Keeps what is in both.
    ///
    /// # Errors
    /// If the dims differ.
    pub fn intersect(&mut self, other: &Self) -> Result<(), LabelError> {
        self.combine(other, |a, b| a & b)
    }

    /// Adds what is in the other.
    ///
    /// # Errors
    /// If the dims differ.
    pub fn unite(&mut self, other: &Self) -> Result<(), LabelError> {
        self.combine(other, |a, b| a | b)
    }

    /// Removes what is in the other.
    ///
    /// # Errors
    /// If the dims differ.
    pub fn subtract(&mut self, other: &Self) -> Result<(), LabelError> {
        self.combine(other, |a, b| a & !b)
    }

    fn combine(&mut self, other: &Self, f: impl Fn(u64, u64) -> u64 + Sync) -> Result<(), LabelError> {
        if self.dims != other.dims {
            return Err(LabelError::OtherDims(self.dims, other.dims));
        }
        let pairs = self.words.par_iter_mut().zip(&other.words).with_min_len(1 << 14);
        pairs.for_each(|(a, &b)| *a = f(*a, b));
        Ok(())
    }

    /// The part inside `part`, as a mask of its own.
    pub(crate) fn cropped(&self, part: &VoxelBox) -> Result<Self, LabelError> {
        let mut out = Self::empty(part.size())?;
        let (per_row, last) = (out.words_per_row(), out.last_word());
        let rows = out.dims[1];
        let (skip, shift) = (part.min[0] / WORD, part.min[0] % WORD);
        out.words.par_chunks_mut(per_row).enumerate().with_min_len(256).for_each(|(r, words)| {
            let from = &self.row(part.min[1] + r % rows, part.min[2] + r / rows)[skip..];
            for (n, word) in words.iter_mut().enumerate() {
                let high = if shift > 0 { from.get(n + 1).map_or(0, |w| w << (WORD - shift)) } else { 0 };
                *word = from[n] >> shift | high;
            }
            words[per_row - 1] &= last;
        });
        Ok(out)
    }

    /// Adds a mask whose voxel 0 lies at `at`; it must fit.
    pub(crate) fn unite_at(&mut self, part: &Self, at: [usize; 3]) {
        let (per_row, rows) = (self.words_per_row(), self.dims[1]);
        let (skip, shift) = (at[0] / WORD, at[0] % WORD);
        let slabs = self.words.par_chunks_mut(per_row * rows).skip(at[2]).take(part.dims[2]).enumerate();
        slabs.for_each(|(k, slab)| {
            for (j, words) in slab.chunks_mut(per_row).skip(at[1]).take(part.dims[1]).enumerate() {
                for (n, &bits) in part.row(j, k).iter().enumerate().filter(|(_, bits)| **bits != 0) {
                    words[skip + n] |= bits << shift;
                    if shift > 0 && bits >> (WORD - shift) != 0 {
                        words[skip + n + 1] |= bits >> (WORD - shift);
                    }
                }
            }
        });
    }

    pub(crate) fn words_per_row(&self) -> usize {
        self.dims[0].div_ceil(WORD)
    }

    /// The bits of a row's last word that stand for voxels.
    pub(crate) fn last_word(&self) -> u64 {
        u64::MAX >> ((WORD - self.dims[0] % WORD) % WORD)
    }

    pub(crate) fn row(&self, j: usize, k: usize) -> &[u64] {
        let per_row = self.words_per_row();
        &self.words[(j + self.dims[1] * k) * per_row..][..per_row]
    }

    /// All rows, j fastest.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// All rows, j fastest. Bits beyond a row's end must stay 0.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}
