//! Numbers that many readers share.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::MmapMut;

/// Memory from this size on comes from the system in pages, which are got ready on all cores and, once read into, become numbers
/// of any type.
const LARGE_BYTES: usize = 8 << 20;

/// Bytes that a thread gets ready at a time.
#[cfg(target_os = "linux")]
const PIECE: usize = 16 << 20;

/// Read-only numbers with many owners, in the very memory that they were read into: neither sharing nor skipping a
/// header at their beginning copies them.
pub struct Shared<T> {
    owner: Arc<Owner<T>>,
    range: Range<usize>,
}

/// Numbers that start at 0, to be filled in by one owner and then [shared](Self::share). Pages that were never written
/// cost no memory.
pub struct Zeroed<T> {
    owner: Owner<T>,
}

enum Owner<T> {
    Vec(Vec<T>),
    Pages(MmapMut),
}

impl<T: Pod> Zeroed<T> {
    /// `None` if there is no memory for `len` numbers.
    pub fn new(len: usize) -> Option<Self> {
        let num_bytes = len.checked_mul(size_of::<T>())?;
        // Tried first, as the other ways end the program.
        Vec::<T>::new().try_reserve_exact(len).ok()?;
        if num_bytes < LARGE_BYTES {
            return Some(Self { owner: Owner::Vec(vec![T::zeroed(); len]) });
        }
        MmapMut::map_anon(num_bytes).ok().map(|pages| Self { owner: Owner::Pages(pages) })
    }

    /// Gets all of the memory ready on all cores, for one thread that fills it: at the first touch the system clears it, which
    /// takes nearly as long as what it is filled with.
    pub fn populate(&self) {
        #[cfg(target_os = "linux")]
        if let Owner::Pages(pages) = &self.owner {
            use rayon::prelude::*;
            (0..pages.len().div_ceil(PIECE)).into_par_iter().for_each(|n| {
                let (at, len) = (n * PIECE, PIECE.min(pages.len() - n * PIECE));
                // A system that cannot do it clears the memory later.
                pages.advise_range(memmap2::Advice::PopulateWrite, at, len).ok();
            });
        }
    }

    /// The numbers of `range`; the others are kept in memory, too.
    ///
    /// # Panics
    /// If `range` is not within.
    pub fn share(self, range: Range<usize>) -> Shared<T> {
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} of {} numbers", self.len());
        Shared { owner: Arc::new(self.owner), range }
    }
}

impl Zeroed<u8> {
    /// The `count` numbers that begin at byte `begin`, in this machine's order and, where they are many, in the same memory.
    /// `None` if they are not within, or if there is no memory for a copy of a few.
    pub fn numbers<T: Pod>(self, begin: usize, count: usize) -> Option<Shared<T>> {
        let bytes = begin..begin.checked_add(count.checked_mul(size_of::<T>())?)?;
        self.get(bytes.clone())?;
        match self.owner {
            Owner::Pages(mut pages) => {
                let first = if begin.is_multiple_of(size_of::<T>()) {
                    begin / size_of::<T>()
                } else {
                    pages.copy_within(bytes, 0);
                    0
                };
                Some(Shared { owner: Arc::new(Owner::Pages(pages)), range: first..first + count })
            }
            Owner::Vec(_) => {
                let mut out = Zeroed::<T>::new(count)?;
                bytemuck::cast_slice_mut(&mut out).copy_from_slice(&self[bytes]);
                Some(out.share(0..count))
            }
        }
    }
}

impl<T: Pod> Owner<T> {
    fn all(&self) -> &[T] {
        match self {
            Self::Vec(values) => values,
            // What is left at the end is no number.
            Self::Pages(pages) => bytemuck::cast_slice(&pages[..pages.len() / size_of::<T>() * size_of::<T>()]),
        }
    }
}

impl<T: Pod> Deref for Zeroed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.owner.all()
    }
}

impl<T: Pod> DerefMut for Zeroed<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.owner {
            Owner::Vec(values) => values,
            Owner::Pages(pages) => bytemuck::cast_slice_mut(pages),
        }
    }
}

impl<T: Pod> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.owner.all()[self.range.clone()]
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { owner: Arc::clone(&self.owner), range: self.range.clone() }
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> From<Vec<T>> for Shared<T> {
    fn from(values: Vec<T>) -> Self {
        Self { range: 0..values.len(), owner: Arc::new(Owner::Vec(values)) }
    }
}

impl<T, const N: usize> From<[T; N]> for Shared<T> {
    fn from(values: [T; N]) -> Self {
        Vec::from(values).into()
    }
}

impl<T> FromIterator<T> for Shared<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGE_BYTES, Shared, Zeroed};

    #[test]
    fn small_and_large_ones_share_what_was_filled_in() {
        for len in [10, LARGE_BYTES / 2 + 3] {
            let mut zeroed = Zeroed::<i16>::new(len).unwrap();
            assert!(zeroed.len() == len && zeroed.iter().all(|&v| v == 0));
            zeroed[len - 1] = 7;
            let shared = zeroed.share(4..len);
            let other = shared.clone();
            drop(shared);
            assert_eq!((other.len(), other[0], other[len - 5]), (len - 4, 0, 7));
        }
        assert_eq!(&*Shared::from(vec![1_u8, 2]), [1, 2]);
    }

    #[test]
    fn bytes_become_numbers_where_they_are() {
        for (begin, count) in [(4, 3), (3, 2), (352, LARGE_BYTES / 2), (5, LARGE_BYTES / 2)] {
            let mut bytes = Zeroed::<u8>::new(begin + 2 * count + 1).unwrap();
            for (n, value) in bytes[begin..].chunks_exact_mut(2).enumerate() {
                value.copy_from_slice(&(n as i16).to_ne_bytes());
            }
            let numbers = bytes.numbers::<i16>(begin, count).unwrap();
            assert!(numbers.len() == count && numbers.iter().zip(0..).all(|(&v, n)| v == n as i16), "{begin} {count}");
        }
        assert!(Zeroed::new(8).unwrap().numbers::<f64>(1, 1).is_none());
    }

    #[test]
    fn too_much_is_refused() {
        assert!(Zeroed::<f64>::new(usize::MAX / 4).is_none());
        assert!(Zeroed::<f64>::new(1 << 57).is_none());
    }
}
