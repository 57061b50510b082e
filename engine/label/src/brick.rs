//! Label volumes in bricks of 32³ voxels.
//!
//! A brick holds one value, or a palette with an index per voxel. The indices lie in bit planes, 32 voxels of a row in one
//! word, so that 32 voxels are compared or written at once, and a brick with two labels takes 4 KiB. Bricks are shared:
//! a copy of a volume costs a pointer per brick, and undo puts old bricks back.

mod mask;
mod volume;

use std::sync::Arc;

pub use mask::{BrickMask, MaskBrick};
pub use volume::{BrickGrid, LabelVolume};

/// Voxels along each side of a brick.
pub const BRICK: usize = 32;
/// Rows (along i) of a brick.
pub const BRICK_ROWS: usize = BRICK * BRICK;
/// Voxels of a brick.
pub const BRICK_VOXELS: usize = BRICK * BRICK_ROWS;

/// One bit per voxel of a brick: bit i of word j + 32·k.
pub type BrickBits = [u32; BRICK_ROWS];

/// Beyond so many values a brick is written value by value.
const MAX_ONE_HOT: usize = 32;

/// 32³ labels. Voxels that lie beyond the grid are 0. Equal contents have equal forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brick {
    /// All voxels have this value.
    Uniform(u16),
    /// At least two values.
    Mixed(Arc<Mixed>),
}

/// A brick with several values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixed {
    /// The values that occur, ascending.
    palette: Vec<u16>,
    /// Bit planes of the indices into the palette, the lowest first, 1024 words each.
    planes: Vec<u32>,
}

impl Brick {
    /// From 32768 values, i fastest. What is missing is 0.
    pub fn from_values(values: &[u16]) -> Self {
        let mut seen = vec![0_u64; 1024];
        let mut last = None;
        for &value in values {
            if last != Some(value) {
                seen[usize::from(value) / 64] |= 1 << (value % 64);
                last = Some(value);
            }
        }
        if values.len() < BRICK_VOXELS {
            seen[0] |= 1;
        }
        let has = |value: u16| seen[usize::from(value) / 64] >> (value % 64) & 1 == 1;
        let palette: Vec<u16> = (0..=u16::MAX).filter(|&value| has(value)).collect();
        if let [value] = palette[..] {
            return Self::Uniform(value);
        }
        let bits = num_planes(palette.len());
        let mut planes = vec![0_u32; bits * BRICK_ROWS];
        let (mut last, mut index) = (palette[0], 0_usize);
        for (row, values) in values.chunks(BRICK).enumerate() {
            let mut words = [0_u32; 16];
            for (x, &value) in values.iter().enumerate() {
                if value != last {
                    (last, index) = (value, palette.partition_point(|&p| p < value));
                }
                for (b, word) in words[..bits].iter_mut().enumerate() {
                    *word |= (index as u32 >> b & 1) << x;
                }
            }
            for (b, word) in words[..bits].iter().enumerate() {
                planes[b * BRICK_ROWS + row] = *word;
            }
        }
        // Values that were not given are 0, the first of the palette, whose index has no bits.
        Self::Mixed(Arc::new(Mixed { palette, planes }))
    }

    /// The values, i fastest; as many as `out` takes.
    pub fn read(&self, out: &mut [u16]) {
        match self {
            Self::Uniform(value) => out.fill(*value),
            Self::Mixed(mixed) => {
                for (row, out) in out.chunks_mut(BRICK).enumerate() {
                    mixed.read_row(row, out);
                }
            }
        }
    }

    /// The first values of row j + 32·k.
    pub fn read_row(&self, row: usize, out: &mut [u16]) {
        match self {
            Self::Uniform(value) => out.fill(*value),
            Self::Mixed(mixed) => mixed.read_row(row, out),
        }
    }

    /// The value of one voxel of the brick; each index below 32.
    pub fn get(&self, [i, j, k]: [usize; 3]) -> u16 {
        match self {
            Self::Uniform(value) => *value,
            Self::Mixed(mixed) => {
                let planes = mixed.planes.chunks_exact(BRICK_ROWS);
                let row = j + BRICK * k;
                let index = planes.rev().fold(0, |index, plane| index << 1 | (plane[row] >> i & 1) as usize);
                mixed.palette[index]
            }
        }
    }

    /// The values that occur, ascending.
    pub fn values(&self) -> &[u16] {
        match self {
            Self::Uniform(value) => std::slice::from_ref(value),
            Self::Mixed(mixed) => &mixed.palette,
        }
    }

    /// The voxels that have one of `values`.
    pub fn select(&self, values: &[u16]) -> MaskBrick {
        match self {
            Self::Uniform(value) if values.contains(value) => MaskBrick::Full,
            Self::Uniform(_) => MaskBrick::Empty,
            Self::Mixed(mixed) => {
                let mut chosen = (0..mixed.palette.len()).filter(|&n| values.contains(&mixed.palette[n])).peekable();
                if chosen.peek().is_none() {
                    return MaskBrick::Empty;
                }
                let mut bits = Box::new([0_u32; BRICK_ROWS]);
                chosen.for_each(|n| mixed.unite_equal(n, &mut bits));
                MaskBrick::from_bits(bits)
            }
        }
    }

    /// Puts `value` at the voxels of `mask`.
    #[must_use]
    pub fn written(&self, mask: &MaskBrick, value: u16) -> Self {
        let bits = match mask {
            MaskBrick::Empty => return self.clone(),
            MaskBrick::Full => return Self::Uniform(value),
            MaskBrick::Bits(bits) => bits,
        };
        if self.values() == [value] {
            return self.clone();
        }
        if self.values().len() > MAX_ONE_HOT {
            let mut values = vec![0; BRICK_VOXELS];
            self.read(&mut values);
            for (row, &word) in values.chunks_mut(BRICK).zip(bits.iter()) {
                (0..BRICK).filter(|x| word >> x & 1 == 1).for_each(|x| row[x] = value);
            }
            return Self::from_values(&values);
        }
        let mut parts: Vec<(u16, Box<BrickBits>)> = Vec::with_capacity(self.values().len() + 1);
        for (n, &old) in self.values().iter().enumerate() {
            let mut part = Box::new([0_u32; BRICK_ROWS]);
            match self {
                Self::Uniform(_) => part.fill(u32::MAX),
                Self::Mixed(mixed) => mixed.unite_equal(n, &mut part),
            }
            if old == value {
                part.iter_mut().zip(bits.iter()).for_each(|(part, bits)| *part |= bits);
            } else {
                part.iter_mut().zip(bits.iter()).for_each(|(part, bits)| *part &= !bits);
            }
            parts.push((old, part));
        }
        if let Err(at) = parts.binary_search_by_key(&value, |part| part.0) {
            parts.insert(at, (value, bits.clone()));
        }
        Self::of_parts(&parts)
    }

    /// From the voxels of each value, ascending; together they are the brick.
    fn of_parts(parts: &[(u16, Box<BrickBits>)]) -> Self {
        let used: Vec<_> = parts.iter().filter(|(_, bits)| bits.iter().any(|&w| w != 0)).collect();
        if let [(value, _)] = used[..] {
            return Self::Uniform(*value);
        }
        let mut planes = vec![0_u32; num_planes(used.len()) * BRICK_ROWS];
        for (n, (_, bits)) in used.iter().enumerate() {
            for (b, plane) in planes.chunks_exact_mut(BRICK_ROWS).enumerate() {
                if n >> b & 1 == 1 {
                    plane.iter_mut().zip(bits.iter()).for_each(|(plane, bits)| *plane |= bits);
                }
            }
        }
        Self::Mixed(Arc::new(Mixed { palette: used.iter().map(|part| part.0).collect(), planes }))
    }

    /// Calls `f(value, voxels)` for each value that occurs.
    pub fn for_each_count(&self, mut f: impl FnMut(u16, u64)) {
        match self {
            Self::Uniform(value) => f(*value, BRICK_VOXELS as u64),
            Self::Mixed(mixed) => {
                for (n, &value) in mixed.palette.iter().enumerate() {
                    f(value, mixed.count(n));
                }
            }
        }
    }

    /// The brick that leads from this one to the other, and back: each value is the exclusive or of the two.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        if let (Self::Uniform(a), Self::Uniform(b)) = (self, other) {
            return Self::Uniform(a ^ b);
        }
        let (mut a, mut b) = (vec![0; BRICK_VOXELS], vec![0; BRICK_VOXELS]);
        self.read(&mut a);
        other.read(&mut b);
        a.iter_mut().zip(&b).for_each(|(a, b)| *a ^= b);
        Self::from_values(&a)
    }

    /// Bytes of memory behind this brick.
    pub fn num_bytes(&self) -> usize {
        match self {
            Self::Uniform(_) => size_of::<Self>(),
            Self::Mixed(mixed) => {
                size_of::<Self>() + size_of::<Mixed>() + mixed.planes.len() * 4 + mixed.palette.len() * 2
            }
        }
    }

    /// Bytes for a file: number of values (u16), the values, then the bit planes; all little-endian. A full palette of 65536
    /// cannot occur, because a brick has half as many voxels.
    pub fn to_bytes(&self, out: &mut Vec<u8>) {
        let values = self.values();
        out.extend((values.len() as u16).to_le_bytes());
        for value in values {
            out.extend(value.to_le_bytes());
        }
        if let Self::Mixed(mixed) = self {
            mixed.planes.iter().for_each(|w| out.extend(w.to_le_bytes()));
        }
    }

    /// Reads what [`Self::to_bytes`] wrote from the front of `bytes`, and takes it off; `None` if that is no brick.
    pub fn from_bytes(bytes: &mut &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<2>()?;
        let count = usize::from(u16::from_le_bytes(*count));
        let (values, rest) = rest.split_at_checked(2 * count)?;
        let palette: Vec<u16> = values.as_chunks().0.iter().map(|v| u16::from_le_bytes(*v)).collect();
        if palette.is_empty() || palette.windows(2).any(|pair| pair[0] >= pair[1]) {
            return None;
        }
        if let [value] = palette[..] {
            *bytes = rest;
            return Some(Self::Uniform(value));
        }
        let (words, rest) = rest.split_at_checked(4 * BRICK_ROWS * num_planes(count))?;
        let planes: Vec<u32> = words.as_chunks().0.iter().map(|w| u32::from_le_bytes(*w)).collect();
        let mixed = Mixed { palette, planes };
        // Every value must occur, and no index may lie beyond the palette.
        let counts: Vec<u64> = (0..count).map(|n| mixed.count(n)).collect();
        if counts.contains(&0) || counts.iter().sum::<u64>() != BRICK_VOXELS as u64 {
            return None;
        }
        *bytes = rest;
        Some(Self::Mixed(Arc::new(mixed)))
    }
}

impl Mixed {
    fn read_row(&self, row: usize, out: &mut [u16]) {
        let mut index = [0_u16; BRICK];
        for (b, plane) in self.planes.chunks_exact(BRICK_ROWS).enumerate() {
            let word = plane[row];
            for (x, index) in index.iter_mut().enumerate() {
                *index |= ((word >> x & 1) as u16) << b;
            }
        }
        for (out, index) in out.iter_mut().zip(index) {
            *out = self.palette[usize::from(index)];
        }
    }

    /// Adds the voxels whose index is `n`.
    fn unite_equal(&self, n: usize, bits: &mut BrickBits) {
        let mut equal = [u32::MAX; BRICK_ROWS];
        for (b, plane) in self.planes.chunks_exact(BRICK_ROWS).enumerate() {
            let flip = if n >> b & 1 == 1 { 0 } else { u32::MAX };
            equal.iter_mut().zip(plane).for_each(|(equal, word)| *equal &= word ^ flip);
        }
        bits.iter_mut().zip(equal).for_each(|(bits, equal)| *bits |= equal);
    }

    fn count(&self, n: usize) -> u64 {
        let mut bits = [0; BRICK_ROWS];
        self.unite_equal(n, &mut bits);
        bits.iter().map(|w| u64::from(w.count_ones())).sum()
    }
}

/// Bits for an index into a palette of `len` values.
fn num_planes(len: usize) -> usize {
    (usize::BITS - (len - 1).leading_zeros()) as usize
}
