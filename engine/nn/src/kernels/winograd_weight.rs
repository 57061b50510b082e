//! The gradient of the weights by the tiles of [`super::winograd`].
//!
//! In the 16 places it is what [`super::weight`] computes: products of long runs,
//! with three taps per pair of channels. The gradient of the output is spread to
//! the places first, and what comes out is folded back to 3³ weights at the end.

use rayon::prelude::*;

use super::lattice::{ConvShape, zero};
use super::simd::{Kernel, Simd, dispatch};
use super::weight::Products;
use super::winograd::{self, Lines, PLACES, Plan, SlabLen, TAPS, fill, load};

/// Entries of all runs at least: below, adding up the lanes costs more than is saved.
const LEAST_RUN: usize = 128;

/// Entries of a run at best.
const RUN: usize = 1024;

/// Whether it is worth it for this layer.
pub fn applies(shape: &ConvShape) -> bool {
    let plan = Plan::forward(shape);
    winograd::applies(shape) && plan.batch * plan.tiles[0] * plan.tiles[1] * plan.pitch >= LEAST_RUN
}

/// The gradient of the weights `[out, in, 27]`, see [`super::weight::gradient`].
pub fn gradient(shape: &ConvShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let plan = Plan::forward(shape);
    let [inputs, outputs] = plan.channels;
    let sums = sums(&plan, input, gradient);
    let mut weights = vec![0.0; outputs * inputs * 27];
    let per_place = plan.padded() * inputs * TAPS;
    weights.par_chunks_exact_mut(inputs * 27).enumerate().for_each(|(output, weights)| {
        let (first, size) = plan.blocks[output / 8];
        let block = first * inputs * TAPS + output - first;
        for (source, cube) in weights.chunks_exact_mut(27).enumerate() {
            for tap in 0..TAPS {
                let at = block + (source * TAPS + tap) * size;
                let mut rows = [[0.0; 3]; 4];
                for (d, row) in rows.iter_mut().enumerate() {
                    *row = fold(std::array::from_fn(|h| sums[(d * 4 + h) * per_place + at]));
                }
                for h in 0..3 {
                    let column = fold(rows.map(|row| row[h]));
                    for (d, value) in column.into_iter().enumerate() {
                        cube[d * 9 + h * 3 + tap] = value;
                    }
                }
            }
        }
    });
    weights
}

/// Four places of an axis as three weights.
fn fold([a, b, c, d]: [f32; 4]) -> [f32; 3] {
    let (sum, difference) = ((b + c) * 0.5, (b - c) * 0.5);
    [a + sum, difference, sum + d]
}

impl Plan {
    /// Target channels with those that fill up the last block.
    fn padded(&self) -> usize {
        self.blocks.iter().map(|block| block.1).sum()
    }
}

/// `[place][block][input channel][tap][channel of the block]`.
fn sums(plan: &Plan, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let [inputs, outputs] = plan.channels;
    let rows = 0..plan.batch * plan.tiles[0];
    let all = rows.len() * plan.tiles[1];
    let count = (RUN / plan.pitch).clamp(1, all);
    let count = all.div_ceil(all.div_ceil(count));
    let len = SlabLen::new(count * plan.pitch);
    let mut input_slab = vec![0.0; inputs * len.channel];
    let mut output_slab = vec![0.0; plan.padded() * len.channel];
    let mut sums = vec![0.0; PLACES * plan.padded() * inputs * TAPS];
    for first in (0..all).step_by(count) {
        let tiles = plan.places_of(&rows, first, count.min(all - first));
        input_slab.par_chunks_exact_mut(len.channel).enumerate().for_each(|(channel, slab)| {
            dispatch(Fill { plan, source: input, channel, tiles: &tiles, slab, len: len.place });
        });
        output_slab.par_chunks_exact_mut(len.channel).take(outputs).enumerate().for_each(|(channel, slab)| {
            dispatch(Spread { plan, gradient, channel, first, count: tiles.len(), slab, len: len.place });
        });
        let run = (tiles.len() * plan.pitch).next_multiple_of(16);
        let (input, output) = (&*input_slab, &*output_slab);
        sums.par_chunks_exact_mut(plan.padded() * inputs * TAPS).enumerate().for_each(|(place, sums)| {
            let (input, output) = (&input[place * len.place..], &output[place * len.place..]);
            let streams: Vec<usize> =
                (0..inputs * TAPS).map(|stream| stream / TAPS * len.channel + stream % TAPS).collect();
            let mut rest = sums;
            for &(channel, size) in &plan.blocks {
                let (sums, next) = rest.split_at_mut(size * streams.len());
                rest = next;
                let output = &output[channel * len.channel..];
                let stride = len.channel;
                dispatch(Products { size, input, output, output_len: run, stride, streams: &streams, sums });
            }
        });
    }
    sums
}

/// The places of one channel of the input.
struct Fill<'a> {
    plan: &'a Plan,
    source: &'a [f32],
    channel: usize,
    tiles: &'a [(usize, Lines)],
    slab: &'a mut [f32],
    len: usize,
}

impl Kernel for Fill<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        fill(simd, self.plan, self.source, self.channel, self.tiles, self.slab, self.len);
        // Products run to the end of a register, where the output has zeros: what they meet must be a number.
        let used = self.tiles.len() * self.plan.pitch;
        for place in self.slab.chunks_exact_mut(self.len) {
            place[used + 2..].fill(0.0);
        }
    }
}

/// The places of one channel of the output's gradient.
struct Spread<'a> {
    plan: &'a Plan,
    gradient: &'a [f32],
    channel: usize,
    /// Tiles.
    first: usize,
    count: usize,
    slab: &'a mut [f32],
    len: usize,
}

impl Kernel for Spread<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { plan, len, slab, .. } = self;
        let [depth, height, width] = plan.target;
        for index in 0..self.count {
            let (row, tile) = ((self.first + index) / plan.tiles[1], (self.first + index) % plan.tiles[1]);
            let (image, row) = (row / plan.tiles[0], row % plan.tiles[0]);
            let gradient = &self.gradient[(image * plan.channels[1] + self.channel) * depth * height * width..];
            let slab = &mut slab[index * plan.pitch..];
            for at in (0..width).step_by(S::LANES) {
                let mut halves = [[simd.splat(0.0); 4]; 2];
                for (d, half) in halves.iter_mut().enumerate() {
                    let mut lines = [simd.splat(0.0); 2];
                    for (h, register) in lines.iter_mut().enumerate() {
                        if 2 * row + d < depth && 2 * tile + h < height {
                            let line = ((2 * row + d) * height + 2 * tile + h) * width;
                            *register = load(simd, &gradient[line + at..]);
                        }
                    }
                    *half = spread(simd, lines);
                }
                for h in 0..4 {
                    let column = spread(simd, [halves[0][h], halves[1][h]]);
                    for d in 0..4 {
                        simd.store(&mut slab[(d * 4 + h) * len + at..], column[d]);
                    }
                }
            }
            for place in 0..PLACES {
                zero(&mut slab[place * len + width..place * len + plan.pitch]);
            }
        }
        let used = self.count * plan.pitch;
        for place in slab.chunks_exact_mut(len) {
            place[used..].fill(0.0);
        }
    }
}

/// Two lines of the output as four places, along one axis.
#[inline(always)]
fn spread<S: Simd>(simd: S, [a, b]: [S::F; 2]) -> [S::F; 4] {
    [a, simd.add(a, b), simd.sub(a, b), simd.sub(simd.splat(0.0), b)]
}
