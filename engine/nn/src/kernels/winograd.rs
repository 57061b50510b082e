//! Convolutions of 3³ with stride 1 in fewer multiplications: Winograd's F(2, 3)
//! ("Arithmetic Complexity of Computations", 1980; Lavin and Gray, 2016) along
//! depth and rows.
//!
//! A tile is 2×2 lines of the output. Sums and differences of the 4×4 lines of
//! the input that it reads give 16 *places*; each place is a convolution along
//! the line with three weights of its own, and sums and differences of these
//! give the tile. So a voxel costs 12 multiplications per pair of channels
//! instead of 27, and everything is done on whole lines: lanes need no shuffles,
//! and lines of many tiles, of different images too, follow one another with
//! zeros between them, as in a slab of [`super::lattice`].

use std::ops::Range;

use rayon::prelude::*;

use super::correlate::{MAX_TILE, TILE, Tile, blocks};
use super::lattice::{ConvShape, zero};
use super::scratch;
use super::simd::{Kernel, Simd, dispatch};

/// Places of a tile.
pub(super) const PLACES: usize = 16;

/// Weights of a place.
pub(super) const TAPS: usize = 3;

/// Numbers of the transformed input that are made at a time, unless that is too
/// few voxels: half of a second-level cache.
const BUDGET: usize = 1 << 17;

/// Entries that are made at a time at least: below, reading the weights costs
/// more than multiplying.
const MIN_RUN: usize = 96;

/// Whether it is worth it for this layer.
pub fn applies(shape: &ConvShape) -> bool {
    let output = shape.output();
    let voxels = shape.batch * output.iter().product::<usize>();
    shape.kernel == [3; 3]
        && shape.stride == [1; 3]
        && shape.channels.iter().all(|&count| count >= 8)
        && output[0] > 1
        && output[1] > 1
        && voxels >= 192
}

/// The output of a layer, see [`super::correlate::forward`].
pub fn forward(shape: &ConvShape, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let [inputs, _] = shape.channels;
    let plan = Plan::forward(shape);
    let weights = plan.weights(|to, from, tap| weight[(to * inputs + from) * 27 + tap]);
    plan.run(input, &weights, bias)
}

/// The gradient of the input, see [`super::correlate::backward`].
pub fn backward(shape: &ConvShape, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let [inputs, outputs] = shape.channels;
    let padding = shape.padding.map(|padding| 2 - padding);
    let plan = Plan::new(shape.batch, [outputs, inputs], shape.output(), shape.input, padding);
    let weights = plan.weights(|to, from, tap| weight[(from * inputs + to) * 27 + 26 - tap]);
    plan.run(gradient, &weights, bias)
}

/// Beginnings of the 4×4 lines in a source channel that a tile reads; `None` for zeros.
pub(super) type Lines = [Option<usize>; PLACES];

/// Numbers from a place, or channel, of a slab to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlabLen {
    pub place: usize,
    pub channel: usize,
}

impl SlabLen {
    /// For `entries` per place and the registers that reach past them.
    pub fn new(entries: usize) -> Self {
        // No multiple of a page: neighbours would fall on the same lines of the cache.
        let place = ((entries + 66).div_ceil(16) | 1) * 16;
        Self { place, channel: PLACES * place + 16 }
    }
}

/// A convolution and how it is cut.
pub(super) struct Plan {
    pub batch: usize,
    /// Of source and target.
    pub channels: [usize; 2],
    source: [usize; 3],
    pub target: [usize; 3],
    padding: [usize; 3],
    /// Along depth and rows.
    pub tiles: [usize; 2],
    /// Entries from a line to the next.
    pub pitch: usize,
    /// Blocks of target channels.
    pub blocks: Vec<(usize, usize)>,
}

/// Both planes of a row of tiles, from several images and for some channels.
struct Task<'a> {
    /// Rows of tiles, counted through the batch.
    rows: Range<usize>,
    blocks: Range<usize>,
    /// Per row and channel.
    targets: Vec<&'a mut [f32]>,
}

impl Plan {
    /// The output of a layer.
    pub fn forward(shape: &ConvShape) -> Self {
        Self::new(shape.batch, shape.channels, shape.input, shape.output(), shape.padding)
    }

    fn new(batch: usize, channels: [usize; 2], source: [usize; 3], target: [usize; 3], padding: [usize; 3]) -> Self {
        let tiles = [target[0].div_ceil(2), target[1].div_ceil(2)];
        // One zero on both sides can be shared by neighbours.
        let pitch = target[2] + if padding[2] == 1 { 1 } else { 2 };
        Self { batch, channels, source, target, padding, tiles, pitch, blocks: blocks(channels[1]) }
    }

    /// Numbers of a target channel per transformed place.
    fn per_channel(&self) -> usize {
        PLACES * self.channels[0] * TAPS
    }

    /// `[block][place][source channel][tap][channel of the block]`, zeros where a block reaches past the last channel.
    fn weights(&self, weight: impl Fn(usize, usize, usize) -> f32 + Sync) -> Vec<f32> {
        let [sources, targets] = self.channels;
        let padded: usize = self.blocks.iter().map(|block| block.1).sum();
        let mut values = vec![0.0; padded * self.per_channel()];
        values.par_chunks_mut(8 * self.per_channel()).zip(&self.blocks).for_each(|(values, &(first, size))| {
            for source in 0..sources {
                let mut cube = [[0.0; 8]; 27];
                for (channel, target) in (first..targets).take(size).enumerate() {
                    for (tap, lanes) in cube.iter_mut().enumerate() {
                        lanes[channel] = weight(target, source, tap);
                    }
                }
                let places = transform_weights(&cube);
                for (place, taps) in places.iter().enumerate() {
                    let at = (place * sources + source) * TAPS * size;
                    for (to, lanes) in values[at..].chunks_exact_mut(size).zip(taps) {
                        to.copy_from_slice(&lanes[..size]);
                    }
                }
            }
        });
        values
    }

    fn run(&self, source: &[f32], weights: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let mut target = vec![0.0; self.batch * self.channels[1] * self.target.iter().product::<usize>()];
        self.tasks(&mut target).into_par_iter().for_each(|task| {
            let tiles = task.rows.len() * self.tiles[1];
            let count = self.tiles_at_once().min(tiles);
            let count = tiles.div_ceil(tiles.div_ceil(count));
            let slab_len = SlabLen::new(count * self.pitch);
            scratch::with(self.channels[0] * slab_len.channel, |slab| {
                dispatch(Work { plan: self, task, source, weights, bias, slab, len: slab_len, count });
            });
        });
        target
    }

    fn tiles_at_once(&self) -> usize {
        let entries = (BUDGET / PLACES / self.channels[0]).max(MIN_RUN);
        (entries / self.pitch).max(1)
    }

    /// Splits the work into enough parts for all threads.
    fn tasks<'a>(&self, target: &'a mut [f32]) -> Vec<Task<'a>> {
        let [depth, height, width] = self.target;
        let all = self.batch * self.tiles[0];
        let wanted = 4 * rayon::current_num_threads();
        let least = self.tiles_at_once().div_ceil(self.tiles[1]);
        let rows = all.div_ceil(wanted).max(least).min(all);
        let parts = all.div_ceil(rows);
        // Transforming the input again for other channels costs as much as one block of them.
        let groups = wanted.div_ceil(parts).min(self.blocks.len().div_ceil(4));
        let group = self.blocks.len().div_ceil(groups);
        let mut pieces: Vec<Option<&mut [f32]>> = target
            .chunks_exact_mut(depth * height * width)
            .flat_map(|channel| channel.chunks_mut(2 * height * width).map(Some))
            .collect();
        let mut tasks = Vec::new();
        for first in (0..all).step_by(rows) {
            let rows = first..(first + rows).min(all);
            for first_block in (0..self.blocks.len()).step_by(group) {
                let blocks = first_block..(first_block + group).min(self.blocks.len());
                let channels = 8 * blocks.start..(8 * blocks.end).min(self.channels[1]);
                let mut targets = Vec::with_capacity(rows.len() * channels.len());
                for row in rows.clone() {
                    let (image, row) = (row / self.tiles[0], row % self.tiles[0]);
                    for channel in channels.clone() {
                        targets.extend(pieces[(image * self.channels[1] + channel) * self.tiles[0] + row].take());
                    }
                }
                tasks.push(Task { rows: rows.clone(), blocks, targets });
            }
        }
        tasks
    }

    /// Image and lines of the tiles `first..first + count` in rows of tiles.
    pub(super) fn places_of(&self, rows: &Range<usize>, first: usize, count: usize) -> Vec<(usize, Lines)> {
        let place = |tile: usize| {
            let row = rows.start + tile / self.tiles[1];
            (row / self.tiles[0], self.lines(row % self.tiles[0], tile % self.tiles[1]))
        };
        (first..first + count).map(place).collect()
    }

    /// What a tile reads.
    fn lines(&self, row: usize, tile: usize) -> Lines {
        let [depth, height, width] = self.source;
        let mut lines = [None; PLACES];
        for (index, line) in lines.iter_mut().enumerate() {
            let d = (2 * row + index / 4).checked_sub(self.padding[0]).filter(|&d| d < depth);
            let h = (2 * tile + index % 4).checked_sub(self.padding[1]).filter(|&h| h < height);
            *line = d.zip(h).map(|(d, h)| (d * height + h) * width);
        }
        lines
    }
}

/// The 16 places of 3³ weights, three taps each, eight channels side by side.
fn transform_weights(cube: &[[f32; 8]; 27]) -> [[[f32; 8]; TAPS]; PLACES] {
    let mut out = [[[0.0; 8]; TAPS]; PLACES];
    for tap in 0..TAPS {
        let mut rows = [[[0.0; 8]; 4]; 3];
        for d in 0..3 {
            rows[d] = spread([cube[d * 9 + tap], cube[d * 9 + 3 + tap], cube[d * 9 + 6 + tap]]);
        }
        for h in 0..4 {
            let column = spread([rows[0][h], rows[1][h], rows[2][h]]);
            for d in 0..4 {
                out[d * 4 + h][tap] = column[d];
            }
        }
    }
    out
}

/// Three weights of an axis as four.
fn spread([a, b, c]: [[f32; 8]; 3]) -> [[f32; 8]; 4] {
    let mut out = [a, [0.0; 8], [0.0; 8], c];
    for lane in 0..8 {
        let ends = a[lane] + c[lane];
        out[1][lane] = (ends + b[lane]) * 0.5;
        out[2][lane] = (ends - b[lane]) * 0.5;
    }
    out
}

/// A [`Task`] with its memory.
struct Work<'a, 'b> {
    plan: &'a Plan,
    task: Task<'b>,
    source: &'a [f32],
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    /// `[source channel][place][entry]`.
    slab: &'a mut [f32],
    len: SlabLen,
    /// Tiles that are worked on at a time.
    count: usize,
}

impl Kernel for Work<'_, '_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let plan = self.plan;
        let tiles = self.task.rows.len() * plan.tiles[1];
        let per_place = plan.channels[0] * TAPS;
        let most = if S::WIDE { TILE } else { 2 };
        let mut sums = vec![0.0; PLACES * MAX_TILE];
        let mut lines = [0.0; 4 * MAX_TILE];
        for first in (0..tiles).step_by(self.count) {
            let count = self.count.min(tiles - first);
            let tiles = plan.places_of(&self.task.rows, first, count);
            // Channel by channel: neighbouring tiles read neighbouring lines.
            for (channel, slab) in self.slab.chunks_exact_mut(self.len.channel).enumerate() {
                fill(simd, plan, self.source, channel, &tiles, slab, self.len.place);
            }
            let run = count * plan.pitch;
            let mut at = 0;
            while at < run {
                let vectors = (run - at).div_ceil(S::LANES).min(most);
                let tile_len = vectors * S::LANES;
                for index in self.task.blocks.clone() {
                    let (channel, size) = plan.blocks[index];
                    let weights = &self.weights[channel * plan.per_channel()..][..size * plan.per_channel()];
                    let weights = weights.chunks_exact(size * per_place);
                    for (place, weights) in weights.enumerate() {
                        let slab = &self.slab[place * self.len.place + at..];
                        let tile = Tile { slab, len: self.len.channel, offsets: &[0, 1, 2] };
                        tile.block(simd, size, vectors, weights, &mut sums[place * MAX_TILE..]);
                    }
                    let end = size * tile_len;
                    for begin in (0..end).step_by(S::LANES) {
                        gather(simd, &sums[begin..], &mut lines[begin..]);
                    }
                    self.store((channel, size), first, at..(at + tile_len).min(run), &lines, tile_len);
                }
                at += tile_len;
            }
        }
    }
}

/// Sums of the places into the four lines of a tile, one register of each.
#[inline(always)]
fn gather<S: Simd>(simd: S, sums: &[f32], lines: &mut [f32]) {
    let mut halves = [[simd.splat(0.0); 2]; 4];
    for d in 0..4 {
        let mut row = [simd.splat(0.0); 4];
        for h in 0..4 {
            row[h] = simd.load(&sums[(d * 4 + h) * MAX_TILE..]);
        }
        halves[d][0] = simd.add(simd.add(row[0], row[1]), row[2]);
        halves[d][1] = simd.sub(simd.sub(row[1], row[2]), row[3]);
    }
    for h in 0..2 {
        let [a, b, c, d] = [halves[0][h], halves[1][h], halves[2][h], halves[3][h]];
        simd.store(&mut lines[h * MAX_TILE..], simd.add(simd.add(a, b), c));
        simd.store(&mut lines[(2 + h) * MAX_TILE..], simd.sub(simd.sub(b, c), d));
    }
}

impl Work<'_, '_> {
    /// Puts the entries `range` of the tiles from `first` on into their voxels.
    #[inline(always)]
    fn store(
        &mut self,
        (channel, size): (usize, usize),
        first: usize,
        range: Range<usize>,
        lines: &[f32],
        stride: usize,
    ) {
        let plan = self.plan;
        let [_, height, width] = plan.target;
        let channels = 8 * self.task.blocks.start..(8 * self.task.blocks.end).min(plan.channels[1]);
        let mut begin = range.start;
        while begin < range.end {
            let (tile, column) = (begin / plan.pitch, begin % plan.pitch);
            let end = range.end.min((tile + 1) * plan.pitch);
            let count = (end - begin).min(width.saturating_sub(column));
            let (row, tile) = ((first + tile) / plan.tiles[1], (first + tile) % plan.tiles[1]);
            let targets = &mut self.task.targets[row * channels.len() + channel - channels.start..];
            for (index, target) in targets.iter_mut().take(size.min(channels.end - channel)).enumerate() {
                let bias = self.bias.map_or(0.0, |bias| bias[channel + index]);
                for (plane, target) in target.chunks_exact_mut(height * width).enumerate() {
                    for (line, target) in target.chunks_exact_mut(width).skip(2 * tile).take(2).enumerate() {
                        let from = &lines[(2 * plane + line) * MAX_TILE + index * stride + begin - range.start..];
                        for (to, value) in target[column.min(width)..][..count].iter_mut().zip(from) {
                            *to = value + bias;
                        }
                    }
                }
            }
            begin = end;
        }
    }
}

/// Writes the places of some tiles of a source channel, `[place][entry]` with `len` entries per place.
#[inline(always)]
pub(super) fn fill<S: Simd>(
    simd: S,
    plan: &Plan,
    source: &[f32],
    channel: usize,
    tiles: &[(usize, Lines)],
    slab: &mut [f32],
    len: usize,
) {
    let ([depth, height, width], lead) = (plan.source, plan.padding[2]);
    // Zeros behind the voxels of a line; the next line begins with those that it shares.
    let behind = plan.target[2] + 2 - width - lead;
    for (index, (image, lines)) in tiles.iter().enumerate() {
        let source = &source[(image * plan.channels[0] + channel) * depth * height * width..];
        let slab = &mut slab[index * plan.pitch..];
        for at in (0..width).step_by(S::LANES) {
            let mut rows = [[simd.splat(0.0); 4]; 4];
            for d in 0..4 {
                let mut row = [simd.splat(0.0); 4];
                for h in 0..4 {
                    if let Some(line) = lines[d * 4 + h] {
                        row[h] = load(simd, &source[line + at..]);
                    }
                }
                rows[d] = differences(simd, row);
            }
            for h in 0..4 {
                let column = differences(simd, [rows[0][h], rows[1][h], rows[2][h], rows[3][h]]);
                for d in 0..4 {
                    simd.store(&mut slab[(d * 4 + h) * len + lead + at..], column[d]);
                }
            }
        }
        // Registers reach past the end of a line, over what comes next.
        for place in 0..PLACES {
            let line = &mut slab[place * len..][..lead + width + behind];
            zero(&mut line[..lead]);
            zero(&mut line[lead + width..]);
        }
    }
}

/// Four lines of the input as four places, along one axis.
#[inline(always)]
fn differences<S: Simd>(simd: S, [a, b, c, d]: [S::F; 4]) -> [S::F; 4] {
    [simd.sub(a, c), simd.add(b, c), simd.sub(c, b), simd.sub(b, d)]
}

/// The first numbers, zeros if they are too few.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, from: &[f32]) -> S::F {
    if from.len() >= S::LANES {
        return simd.load(from);
    }
    let mut buffer = [0.0; 16];
    buffer[..from.len()].copy_from_slice(from);
    simd.load(&buffer)
}
