//! The sum over taps and channels, for the output and for the input's gradient.

use std::ops::Range;

use rayon::prelude::*;

use super::lattice::{ConvShape, Lattice, Window};
use super::scratch;
use super::simd::{Kernel, Simd, dispatch};

/// Numbers of a slab, at most, unless that leaves too few planes: what the
/// second and third level of a cache hold.
const SLAB: usize = 1 << 20;

/// The same where a voxel does not meet its neighbours.
const SLAB_ALONE: usize = 1 << 15;

/// Planes per slab below which copying the neighbours costs too much.
const MIN_PLANES: usize = 4;

/// Numbers in the weights of the blocks that are computed together: half of a
/// second-level cache.
const WEIGHTS: usize = 1 << 17;

/// Registers of one tile along the voxels, where there are 32 of them.
pub(super) const TILE: usize = 3;

/// Widest register and largest block of channels, for buffers.
pub(super) const MAX_TILE: usize = 8 * TILE * 16;

/// Weights in the order in which the tiles read them.
struct Packed {
    /// `[block][source channel][tap][channel of the block]`; zeros where a
    /// block reaches past the last channel.
    values: Vec<f32>,
    /// Numbers per channel of a block.
    per_channel: usize,
}

impl Packed {
    /// `weight(target, source, tap)` for all.
    fn new(channels: [usize; 2], taps: &[(usize, usize)], weight: impl Fn(usize, usize, usize) -> f32 + Sync) -> Self {
        let [sources, targets] = channels;
        let blocks = blocks(targets);
        let per_channel = sources * taps.len();
        let padded: usize = blocks.iter().map(|block| block.1).sum();
        let mut values = vec![0.0; padded * per_channel];
        values.par_chunks_mut(8 * per_channel).zip(&blocks).for_each(|(values, &(first, size))| {
            for (source, values) in values.chunks_exact_mut(size * taps.len()).enumerate() {
                for (values, &(tap, _)) in values.chunks_exact_mut(size).zip(taps) {
                    for (value, target) in values.iter_mut().zip(first..targets) {
                        *value = weight(target, source, tap);
                    }
                }
            }
        });
        Self { values, per_channel }
    }

    fn block(&self, first: usize, size: usize) -> &[f32] {
        &self.values[first * self.per_channel..][..size * self.per_channel]
    }
}

/// First channel and length of blocks of 8 channels, then one of 4 if at most 4 are left.
pub(super) fn blocks(channels: usize) -> Vec<(usize, usize)> {
    (0..channels).step_by(8).map(|first| (first, if channels - first > 4 { 8 } else { 4 })).collect()
}

/// The output of a layer: `[N, in, ..]` → `[N, out, ..]`.
pub fn forward(shape: &ConvShape, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let shape = &shape.flattened();
    let [inputs, outputs] = shape.channels;
    let taps = shape.taps();
    let lattice = Lattice::forward(shape);
    let sum = Sum::new(lattice, shape.batch, [inputs, outputs], shape.output(), |to, from, tap| {
        weight[(to * inputs + from) * taps + tap]
    });
    sum.run(input, bias)
}

/// The gradient of the input, from that of the output. A transposed
/// convolution is the same, with a bias per input channel.
pub fn backward(shape: &ConvShape, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let shape = &shape.flattened();
    let [inputs, outputs] = shape.channels;
    let taps = shape.taps();
    let lattice = Lattice::backward(shape);
    let sum = Sum::new(lattice, shape.batch, [outputs, inputs], shape.input, |to, from, tap| {
        weight[(from * inputs + to) * taps + tap]
    });
    sum.run(gradient, bias)
}

struct Sum {
    lattice: Lattice,
    /// Index and weights of each set that has taps.
    sets: Vec<([usize; 3], Packed)>,
    batch: usize,
    /// Of source and target.
    channels: [usize; 2],
    /// Edges of the target.
    grid: [usize; 3],
    /// Blocks of target channels.
    blocks: Vec<(usize, usize)>,
}

/// Some planes of some channels of one image.
struct Task<'a> {
    image: usize,
    first_plane: usize,
    planes: usize,
    blocks: Range<usize>,
    /// Per channel of the blocks: the planes of the target.
    targets: Vec<&'a mut [f32]>,
}

impl Sum {
    fn new(
        lattice: Lattice,
        batch: usize,
        channels: [usize; 2],
        grid: [usize; 3],
        weight: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let taps = |set| (set, lattice.taps(Window::planes(0, 1), set));
        let used = lattice.sets().map(taps).filter(|(_, taps)| !taps.is_empty());
        let sets = used.map(|(set, taps)| (set, Packed::new(channels, &taps, &weight))).collect();
        Self { lattice, sets, batch, channels, grid, blocks: blocks(channels[1]) }
    }

    fn run(&self, source: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let mut target = vec![0.0; self.batch * self.channels[1] * self.grid.iter().product::<usize>()];
        self.tasks(&mut target).into_par_iter().for_each(|task| {
            let [sources, _] = self.channels;
            let window = Window::planes(task.first_plane, task.planes);
            let len = self.lattice.slab_len(window);
            let image = &source[task.image * sources * self.lattice.source_len()..];
            scratch::with(sources * len, |slab| dispatch(Planes { sum: self, task, image, window, slab, len, bias }));
        });
        target
    }

    /// Splits the work into enough parts for all threads.
    fn tasks<'a>(&self, target: &'a mut [f32]) -> Vec<Task<'a>> {
        let [sources, targets] = self.channels;
        let [depth, ..] = self.lattice.len();
        let wanted = 4 * rayon::current_num_threads();
        let per_plane = sources * self.lattice.per_plane();
        // Without neighbours a plane more costs nothing, and what is small stays in the first caches.
        let (most, least) = if self.lattice.halo() == 0 { (SLAB_ALONE, 1) } else { (SLAB, MIN_PLANES) };
        let fitting = (most / per_plane).max(least).min(depth);
        let planes = fitting.min((depth * self.batch).div_ceil(wanted).max(least.min(depth)));
        let chunks = depth.div_ceil(planes);
        let count = self.blocks.len();
        let group = count.div_ceil(wanted.div_ceil(self.batch * chunks).min(count));
        let groups = count.div_ceil(group);

        let mut tasks = Vec::with_capacity(self.batch * chunks * groups);
        for image in 0..self.batch {
            for group_index in 0..groups {
                let blocks = group_index * group..count.min((group_index + 1) * group);
                for chunk in 0..chunks {
                    let first_plane = chunk * planes;
                    let planes = planes.min(depth - first_plane);
                    let blocks = blocks.clone();
                    tasks.push(Task { image, first_plane, planes, blocks, targets: Vec::new() });
                }
            }
        }
        let [grid, height, width] = self.grid;
        let chunk_len = planes * self.lattice.step()[0] * height * width;
        for (index, channel) in target.chunks_exact_mut(grid * height * width).enumerate() {
            // Every block but the last has 8 channels.
            let group_index = index % targets / 8 / group;
            let first = (index / targets * groups + group_index) * chunks;
            for (task, part) in tasks[first..].iter_mut().zip(channel.chunks_mut(chunk_len).take(chunks)) {
                task.targets.push(part);
            }
        }
        tasks
    }
}

/// A [`Task`] with its slab.
struct Planes<'a, 'b> {
    sum: &'a Sum,
    task: Task<'b>,
    /// All channels of the source.
    image: &'a [f32],
    window: Window,
    slab: &'a mut [f32],
    /// Entries of a channel in the slab.
    len: usize,
    bias: Option<&'a [f32]>,
}

impl Kernel for Planes<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let sum = self.sum;
        let channels = self.image.chunks_exact(sum.lattice.source_len());
        for (slab, channel) in self.slab.chunks_exact_mut(self.len).zip(channels) {
            sum.lattice.fill(slab, std::iter::once(channel), self.window);
        }
        let slab = &*std::mem::take(&mut self.slab);
        let [rows, columns] = sum.lattice.pitch();
        let [_, height, width] = sum.lattice.len();
        let (single, all) = ((height - 1) * columns + width, (self.task.planes - 1) * rows * columns);
        // Small planes do not fill a register: run through all of them at once.
        let together = (single + all).div_ceil(S::LANES) <= self.task.planes * single.div_ceil(S::LANES);
        let starts = if together { 1 } else { self.task.planes };
        let run = if together { single + all } else { single };
        for (set, packed) in &sum.sets {
            let offsets: Vec<usize> = sum.lattice.taps(self.window, *set).iter().map(|tap| tap.1).collect();
            for start in 0..starts {
                let begin = start * rows * columns;
                self.set(simd, *set, packed, (slab, &offsets), begin..begin + run);
            }
        }
    }
}

impl Planes<'_, '_> {
    /// One set of voxels, the entries `range`.
    #[inline(always)]
    fn set<S: Simd>(
        &mut self,
        simd: S,
        set: [usize; 3],
        packed: &Packed,
        (slab, offsets): (&[f32], &[usize]),
        range: Range<usize>,
    ) {
        // With 16 registers, 4 times 3 sums leave too few for the compiler to keep them all there.
        let most = if S::WIDE { TILE } else { 2 };
        let mut buffer = [0.0; MAX_TILE];
        // Weights of some blocks stay in the cache while all voxels pass by, each tile of
        // which stays in the cache for these blocks.
        let group = (WEIGHTS / (8 * packed.per_channel)).max(1);
        for blocks_begin in self.task.blocks.clone().step_by(group) {
            let blocks = blocks_begin..(blocks_begin + group).min(self.task.blocks.end);
            let mut begin = range.start;
            while begin < range.end {
                let vectors = (range.end - begin).div_ceil(S::LANES).min(most);
                let tile = Tile { slab: &slab[begin..], len: self.len, offsets };
                let tile_len = vectors * S::LANES;
                for index in blocks.clone() {
                    let (first, size) = self.sum.blocks[index];
                    tile.block(simd, size, vectors, packed.block(first, size), &mut buffer);
                    self.store((first, size), set, begin..(begin + tile_len).min(range.end), &buffer, tile_len);
                }
                begin += tile_len;
            }
        }
    }

    /// Puts the entries `range` of a set into their voxels.
    #[inline(always)]
    fn store(
        &mut self,
        (first, size): (usize, usize),
        set: [usize; 3],
        range: Range<usize>,
        buffer: &[f32],
        stride: usize,
    ) {
        let sum = self.sum;
        let [rows, columns] = sum.lattice.pitch();
        let [_, height, width] = sum.lattice.set_len(set);
        let ([_, grid_rows, grid_columns], step) = (sum.grid, sum.lattice.step());
        let planes = self.task.targets.first().map_or(0, |target| target.len() / (grid_rows * grid_columns));
        let block = self.task.blocks.start * 8;
        let mut begin = range.start;
        while begin < range.end {
            let (line, column) = (begin / columns, begin % columns);
            let end = range.end.min((line + 1) * columns);
            let (plane, row) = (line / rows, line % rows);
            let count = (end - begin).min(width.saturating_sub(column));
            let plane = plane * step[0] + set[0];
            if plane < planes && row < height && count > 0 {
                let place = (plane * grid_rows + row * step[1] + set[1]) * grid_columns + column * step[2] + set[2];
                let values = buffer[begin - range.start..].chunks(stride);
                let targets = self.task.targets[first - block..].iter_mut().take(size);
                for (channel, (target, values)) in targets.zip(values).enumerate() {
                    let bias = self.bias.map_or(0.0, |bias| bias[first + channel]);
                    let values = &values[..count];
                    if step[2] == 1 {
                        for (to, &value) in target[place..place + count].iter_mut().zip(values) {
                            *to = value + bias;
                        }
                    } else {
                        for (to, &value) in target[place..].iter_mut().step_by(step[2]).zip(values) {
                            *to = value + bias;
                        }
                    }
                }
            }
            begin = end;
        }
    }
}

/// Neighbouring voxels of a slab.
pub(super) struct Tile<'a> {
    /// From the first voxel on, all channels.
    pub slab: &'a [f32],
    /// Entries of a channel.
    pub len: usize,
    /// Of the taps.
    pub offsets: &'a [usize],
}

impl Tile<'_> {
    /// Sums for a block of 8 or 4 channels and 1 to 3 registers of voxels, `[channel][voxel]` without gaps.
    #[inline(always)]
    pub(super) fn block<S: Simd>(&self, simd: S, size: usize, vectors: usize, weights: &[f32], out: &mut [f32]) {
        match (size, vectors) {
            (8, 3) if S::WIDE => self.sum::<S, 8, 3, 8>(simd, weights, out),
            (8, 2) if S::WIDE => self.sum::<S, 8, 2, 8>(simd, weights, out),
            (8, 1) => self.sum::<S, 8, 1, 8>(simd, weights, out),
            (8, _) => self.halves(simd, weights, out),
            (_, 3) => self.sum::<S, 4, 3, 4>(simd, weights, out),
            (_, 2) => self.sum::<S, 4, 2, 4>(simd, weights, out),
            (_, _) => self.sum::<S, 4, 1, 4>(simd, weights, out),
        }
    }

    /// Eight channels as twice four, where there are 16 registers.
    #[inline(always)]
    fn halves<S: Simd>(&self, simd: S, weights: &[f32], out: &mut [f32]) {
        self.sum::<S, 4, 2, 8>(simd, weights, out);
        self.sum::<S, 4, 2, 8>(simd, &weights[4..], &mut out[4 * 2 * S::LANES..]);
    }

    /// `C` channels of a block of `P` times `V` registers, all in registers.
    #[inline(always)]
    fn sum<S: Simd, const C: usize, const V: usize, const P: usize>(&self, simd: S, weights: &[f32], out: &mut [f32]) {
        let mut sums = [[simd.splat(0.0); V]; C];
        let per_channel = self.offsets.len() * P;
        // The second half of a block begins 4 numbers later, and ends there.
        let mut channel = 0;
        let mut rest = weights;
        while !rest.is_empty() {
            let slab = &self.slab[channel * self.len..];
            for (tap, &offset) in self.offsets.iter().enumerate() {
                let voxels = &slab[offset..offset + V * S::LANES];
                let weights = &rest[tap * P..tap * P + C];
                // No closures here: one that is not inlined is not compiled for these vectors.
                let mut registers = [simd.splat(0.0); V];
                for (v, register) in registers.iter_mut().enumerate() {
                    *register = simd.load(&voxels[v * S::LANES..]);
                }
                for c in 0..C {
                    let weight = simd.splat(weights[c]);
                    for v in 0..V {
                        sums[c][v] = simd.mul_add(registers[v], weight, sums[c][v]);
                    }
                }
            }
            rest = rest.get(per_channel..).unwrap_or_default();
            channel += 1;
        }
        for (c, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                simd.store(&mut out[(c * V + v) * S::LANES..], sum);
            }
        }
    }
}
