//! Runs of equal voxels along a row: what most algorithms here walk over instead of voxels.

use crate::mask::WORD;

/// Calls `f(from, to)` for each run of set bits, in order; `to` lies outside.
#[inline]
pub(crate) fn for_each_run(words: &[u64], mut f: impl FnMut(usize, usize)) {
    let mut start = None;
    for (n, &word) in words.iter().enumerate() {
        let base = n * WORD;
        if word == u64::MAX {
            start.get_or_insert(base);
            continue;
        }
        let (mut bits, mut at) = (word, 0_usize);
        loop {
            if let Some(from) = start {
                // Bits of zero come in at the top, so this ends within the word.
                let ones = bits.trailing_ones() as usize;
                if at + ones >= WORD {
                    break;
                }
                f(from, base + at + ones);
                start = None;
                (bits, at) = (bits >> ones, at + ones);
            }
            if bits == 0 {
                break;
            }
            let zeros = bits.trailing_zeros() as usize;
            (bits, at) = (bits >> zeros, at + zeros);
            start = Some(base + at);
        }
    }
    if let Some(from) = start {
        f(from, words.len() * WORD);
    }
}

/// How many runs of set bits there are.
#[inline]
pub(crate) fn count_runs(words: &[u64]) -> usize {
    let mut before = 0;
    let count = |&word: &u64| {
        let starts = word & !(word << 1 | before);
        before = word >> (WORD - 1);
        starts.count_ones() as usize
    };
    words.iter().map(count).sum()
}

/// How many bits are set.
#[inline]
pub(crate) fn count_bits(words: &[u64]) -> usize {
    words.iter().map(|w| w.count_ones() as usize).sum()
}

/// Calls `f(index)` for each set bit, in order.
#[inline]
pub(crate) fn for_each_bit(words: &[u64], mut f: impl FnMut(usize)) {
    for (n, &word) in words.iter().enumerate() {
        let mut bits = word;
        while bits != 0 {
            f(n * WORD + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

/// One past the last value from `from` on that equals the one there.
#[inline]
pub(crate) fn run_end<T: Copy + PartialEq>(values: &[T], from: usize) -> usize {
    const STEP: usize = 32;
    let Some(&first) = values.get(from) else { return from };
    let mut at = from + 1;
    // Whole blocks without a branch inside, which the compiler turns into vectors.
    while let Some(block) = values.get(at..at + STEP) {
        if block.iter().fold(0, |differs, v| differs | u8::from(*v != first)) != 0 {
            break;
        }
        at += STEP;
    }
    while at < values.len() && values[at] == first {
        at += 1;
    }
    at
}
