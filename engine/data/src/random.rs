use rand::SeedableRng;
use rand::rngs::StdRng;

/// Random numbers of their own for (seed, epoch, sample). Where a sample needs several streams, give each a number of its own
/// as the epoch or sample of a seed made with another purpose.
pub fn rng(seed: u64, epoch: u64, sample: u64) -> StdRng {
    let mut key = [0_u8; 32];
    for (n, word) in [seed, epoch, sample, 0x566f_436f].into_iter().enumerate() {
        key[8 * n..8 * n + 8].copy_from_slice(&word.to_le_bytes());
    }
    StdRng::from_seed(key)
}
