//! The gradient of the weights.
//!
//! Weight `(out, in, tap)` gets the product of two long runs: the gradient of
//! the output, laid out like a slab with zeros between the lines, and the slab
//! of the input from the tap's offset on. Lanes hold neighbouring voxels; they
//! are added up once per task.

use std::ops::Range;

use rayon::prelude::*;

use super::correlate::blocks;
use super::lattice::{ConvShape, Lattice, Window};
use super::simd::{Kernel, Simd, dispatch};

/// Numbers in both slabs together, unless one plane needs more.
const SLABS: usize = 1 << 20;

/// Voxels that are multiplied with all taps before the next ones.
const RUN: usize = 512;

/// Taps, or input channels, that share the loads of the output's gradient.
const GROUP: usize = 3;

/// The gradient of the weights `[out, in, taps]`.
pub fn gradient(shape: &ConvShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let shape = &shape.flattened();
    let plan = Plan::new(shape, input, gradient);
    let sums = plan.sums();
    let streams = plan.streams();
    let outputs = shape.channels[1];
    let mut weights = vec![0.0; outputs * streams];
    for (output, weights) in weights.chunks_exact_mut(streams).enumerate() {
        let (first, size) = plan.blocks[output / 8];
        let sums = sums[first * streams..][output - first..].iter().step_by(size);
        for (weight, &sum) in weights.iter_mut().zip(sums) {
            *weight = sum;
        }
    }
    weights
}

/// How the work is cut.
struct Plan<'a> {
    shape: &'a ConvShape,
    input: &'a [f32],
    gradient: &'a [f32],
    lattice: Lattice,
    /// Blocks of output channels, and their number with the empty ones.
    blocks: Vec<(usize, usize)>,
    padded: usize,
    /// First image of each window, and the window.
    windows: Vec<(usize, Window)>,
    /// Weights per task and block.
    part: usize,
    /// Sets of slabs and sums that are worked on side by side.
    sets: usize,
}

impl<'a> Plan<'a> {
    fn new(shape: &'a ConvShape, input: &'a [f32], gradient: &'a [f32]) -> Self {
        let [inputs, outputs] = shape.channels;
        let lattice = Lattice::forward(shape);
        let [depth, ..] = lattice.len();
        let blocks = blocks(outputs);
        let padded = blocks.iter().map(|block| block.1).sum::<usize>();
        // Some planes of one image, or all planes of some images.
        let per_plane = inputs * lattice.per_plane() + padded * lattice.plane();
        let planes = (SLABS / per_plane).clamp(1, depth);
        let planes = depth.div_ceil(depth.div_ceil(planes));
        let images = if planes < depth { 1 } else { (SLABS / (per_plane * depth)).clamp(1, shape.batch) };
        let windows: Vec<_> = (0..shape.batch)
            .step_by(images)
            .flat_map(|image| (0..depth).step_by(planes).map(move |first| (image, first)))
            .map(|(image, first)| {
                let window =
                    Window { images: images.min(shape.batch - image), first, planes: planes.min(depth - first) };
                (image, window)
            })
            .collect();
        let wanted = 4 * rayon::current_num_threads();
        let parts = wanted.div_ceil(blocks.len()).min(inputs);
        let sets = (wanted / (blocks.len() * parts)).clamp(1, windows.len());
        let part = inputs.div_ceil(parts) * shape.taps();
        Self { shape, input, gradient, lattice, blocks, padded, windows, part, sets }
    }

    /// Weights per output channel.
    fn streams(&self) -> usize {
        self.shape.channels[0] * self.shape.taps()
    }

    /// `[block][input channel][tap][channel of the block]`.
    fn sums(&self) -> Vec<f32> {
        let count = self.windows.len().div_ceil(self.sets);
        let sets = self.windows.par_chunks(count).map(|windows| {
            let mut sums = vec![0.0; self.padded * self.streams()];
            let mut slabs = [Vec::new(), Vec::new()];
            for &(image, window) in windows {
                self.add(image, window, &mut slabs, &mut sums);
            }
            sums
        });
        // In the order of the windows: the result must not depend on the clock.
        let mut sets = sets.collect::<Vec<_>>().into_iter();
        let mut total = sets.next().unwrap_or_default();
        for set in sets {
            for (total, value) in total.iter_mut().zip(set) {
                *total += value;
            }
        }
        total
    }

    fn add(&self, image: usize, window: Window, slabs: &mut [Vec<f32>; 2], sums: &mut [f32]) {
        let ([inputs, outputs], lattice) = (self.shape.channels, &self.lattice);
        let input_len = lattice.slab_len(window);
        let output_len = lattice.run(window).next_multiple_of(16);
        let [input_slab, output_slab] = slabs;
        input_slab.resize(inputs * input_len, 0.0);
        output_slab.resize(self.padded * output_len, 0.0);

        let images = image..image + window.images;
        input_slab.par_chunks_exact_mut(input_len).enumerate().for_each(|(channel, slab)| {
            let source = channels(self.input, lattice.source_len(), inputs, channel, images.clone());
            dispatch(Fill { lattice, slab, source, window });
        });
        let grid = lattice.len().iter().product();
        output_slab.par_chunks_exact_mut(output_len).enumerate().for_each(|(channel, slab)| {
            if channel < outputs {
                lattice.fill_computed(slab, channels(self.gradient, grid, outputs, channel, images.clone()), window);
            } else {
                slab.fill(0.0);
            }
        });

        let offsets: Vec<usize> = lattice.taps(window, [0; 3]).iter().map(|tap| tap.1).collect();
        let streams: Vec<usize> =
            (0..inputs).flat_map(|channel| offsets.iter().map(move |offset| channel * input_len + offset)).collect();
        let tasks: Vec<_> = sums
            .chunks_mut(8 * streams.len())
            .zip(&self.blocks)
            .flat_map(|(sums, &(first, size))| {
                let parts = sums.chunks_mut(self.part * size).zip(streams.chunks(self.part));
                parts.map(move |(sums, streams)| (first, size, sums, streams))
            })
            .collect();
        let (input, output) = (&*input_slab, &*output_slab);
        tasks.into_par_iter().for_each(|(first, size, sums, streams)| {
            let output = &output[first * output_len..][..size * output_len];
            dispatch(Products { size, input, output, output_len, stride: output_len, streams, sums });
        });
    }
}

/// One channel of some images.
fn channels(
    numbers: &[f32],
    len: usize,
    count: usize,
    channel: usize,
    images: Range<usize>,
) -> impl Iterator<Item = &[f32]> {
    images.map(move |image| &numbers[(image * count + channel) * len..][..len])
}

/// One channel of a slab.
struct Fill<'a, I> {
    lattice: &'a Lattice,
    slab: &'a mut [f32],
    source: I,
    window: Window,
}

impl<'a, I: Iterator<Item = &'a [f32]>> Kernel for Fill<'a, I> {
    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        self.lattice.fill(self.slab, self.source, self.window);
    }
}

/// Products of a block of output channels with some streams of the input.
pub(super) struct Products<'a> {
    /// Channels of the block, 8 or 4.
    pub size: usize,
    pub input: &'a [f32],
    pub output: &'a [f32],
    /// Numbers of a run, a multiple of 16, and from one channel of `output` to the next.
    pub output_len: usize,
    pub stride: usize,
    /// Beginnings of the runs in `input`.
    pub streams: &'a [usize],
    /// `[stream][channel of the block]`, added to.
    pub sums: &'a mut [f32],
}

impl Kernel for Products<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        match self.size {
            8 if S::WIDE => self.block::<S, 8>(simd, 0),
            8 => {
                self.block::<S, 4>(simd, 0);
                self.block::<S, 4>(simd, 4);
            }
            _ => self.block::<S, 4>(simd, 0),
        }
    }
}

impl Products<'_> {
    /// Channels `skip..skip + C` of the block.
    #[inline(always)]
    fn block<S: Simd, const C: usize>(&mut self, simd: S, skip: usize) {
        // One register per weight, kept in memory between the runs.
        let group_len = GROUP * C * S::LANES;
        let mut lanes = vec![0.0; self.streams.len().div_ceil(GROUP) * group_len];
        for begin in (0..self.output_len).step_by(RUN) {
            let len = RUN.min(self.output_len - begin);
            let mut output: [&[f32]; C] = [&[]; C];
            for (c, output) in output.iter_mut().enumerate() {
                *output = &self.output[(skip + c) * self.stride + begin..][..len];
            }
            for (streams, lanes) in self.streams.chunks(GROUP).zip(lanes.chunks_exact_mut(group_len)) {
                // A group that is not full repeats its last stream, and the repetitions are ignored.
                let mut input: [&[f32]; GROUP] = [&[]; GROUP];
                for (t, input) in input.iter_mut().enumerate() {
                    *input = &self.input[streams[t.min(streams.len() - 1)] + begin..][..len];
                }
                add_products(simd, input, output, lanes);
            }
        }
        for (index, lanes) in lanes.chunks_exact(S::LANES).enumerate() {
            let (stream, channel) = (index / C, index % C);
            if stream < self.streams.len() {
                self.sums[stream * self.size + skip + channel] += across(lanes);
            }
        }
    }
}

/// The sum of the lanes of a register.
#[inline(always)]
fn across(lanes: &[f32]) -> f32 {
    let mut quarter = [0.0; 4];
    for part in lanes.as_chunks::<4>().0 {
        for (sum, value) in quarter.iter_mut().zip(part) {
            *sum += value;
        }
    }
    (quarter[0] + quarter[1]) + (quarter[2] + quarter[3])
}

/// Adds the products of every stream with every output to `lanes`.
#[inline(always)]
fn add_products<S: Simd, const C: usize, const T: usize>(
    simd: S,
    streams: [&[f32]; T],
    outputs: [&[f32]; C],
    lanes: &mut [f32],
) {
    let mut sums = [[simd.splat(0.0); C]; T];
    for t in 0..T {
        for c in 0..C {
            sums[t][c] = simd.load(&lanes[(t * C + c) * S::LANES..]);
        }
    }
    for at in (0..outputs[0].len()).step_by(S::LANES) {
        let mut values = [simd.splat(0.0); T];
        for t in 0..T {
            values[t] = simd.load(&streams[t][at..]);
        }
        for c in 0..C {
            let output = simd.load(&outputs[c][at..]);
            for t in 0..T {
                sums[t][c] = simd.mul_add(values[t], output, sums[t][c]);
            }
        }
    }
    for t in 0..T {
        for c in 0..C {
            simd.store(&mut lanes[(t * C + c) * S::LANES..], sums[t][c]);
        }
    }
}
