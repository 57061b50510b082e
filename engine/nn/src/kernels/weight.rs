//! The gradient of the weights.
//!
//! Weight `(out, in, tap)` gets the product of two long runs: the gradient of
//! the output, laid out like a slab with zeros between the lines, and the slab
//! of the input from the tap's offset on. Lanes hold neighbouring voxels; they
//! are added up once per task.

use rayon::prelude::*;

use super::correlate::blocks;
use super::lattice::{ConvShape, Lattice};
use super::simd::{Kernel, Simd, dispatch};

/// Numbers in both slabs together, unless one plane needs more.
const SLABS: usize = 1 << 20;

/// Voxels that are multiplied with all taps before the next ones.
const RUN: usize = 512;

/// Taps, or input channels, that share the loads of the output's gradient.
const GROUP: usize = 3;

/// The gradient of the weights `[out, in, taps]`.
pub fn gradient(shape: &ConvShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let [inputs, outputs] = shape.channels;
    let lattice = Lattice::forward(shape);
    let [depth, height, width] = lattice.len();
    let taps = shape.taps();
    let blocks = blocks(outputs);
    let padded = blocks.iter().map(|block| block.1).sum::<usize>();

    // Some planes of one image, or all planes of some images.
    let per_plane = inputs * (lattice.slab_len(2) - lattice.slab_len(1)) + padded * lattice.plane();
    let planes = (SLABS / per_plane).clamp(1, depth);
    let chunks = depth.div_ceil(planes);
    let planes = depth.div_ceil(chunks);
    let input_len = lattice.slab_len(planes);
    let output_len = (planes * lattice.plane()).next_multiple_of(16);
    let images = (SLABS / (inputs * input_len + padded * output_len)).clamp(1, shape.batch);

    let mut input_slab = vec![0.0; images * inputs * input_len];
    let mut output_slab = vec![0.0; images * padded * output_len];
    let offsets: Vec<usize> = lattice.taps(planes).iter().map(|tap| tap.1).collect();
    let streams: Vec<usize> =
        (0..inputs).flat_map(|channel| offsets.iter().map(move |offset| channel * input_len + offset)).collect();

    // [block][input channel][tap][channel of the block]
    let mut sums = vec![0.0; padded * streams.len()];
    let wanted = 4 * rayon::current_num_threads();
    let parts = wanted.div_ceil(blocks.len()).min(inputs);
    let part = inputs.div_ceil(parts) * taps;

    for first_image in (0..shape.batch).step_by(images) {
        let images = images.min(shape.batch - first_image);
        for first in (0..depth).step_by(planes) {
            let planes_here = planes.min(depth - first);
            let source = lattice.source_len();
            input_slab.par_chunks_exact_mut(input_len).take(images * inputs).enumerate().for_each(|(index, slab)| {
                let channel = &input[(first_image * inputs + index) * source..][..source];
                // Always laid out for `planes`, so that the offsets hold.
                lattice.fill(slab, channel, first, planes);
            });
            output_slab.par_chunks_exact_mut(output_len).take(images * padded).enumerate().for_each(|(index, slab)| {
                let (image, channel) = (index / padded, index % padded);
                if channel < outputs {
                    let grid = depth * height * width;
                    let values = &gradient[((first_image + image) * outputs + channel) * grid..][..grid];
                    lattice.fill_computed(slab, values, first, planes_here);
                } else {
                    slab.fill(0.0);
                }
            });
            let tasks: Vec<_> = sums
                .chunks_mut(8 * streams.len())
                .zip(&blocks)
                .flat_map(|(sums, &(first, size))| {
                    let parts = sums.chunks_mut(part * size).zip(streams.chunks(part));
                    parts.map(move |(sums, streams)| (first, size, sums, streams))
                })
                .collect();
            tasks.into_par_iter().for_each(|(first, size, sums, streams)| {
                dispatch(Products {
                    size,
                    input: &input_slab[..images * inputs * input_len],
                    output: &output_slab[first * output_len..images * padded * output_len],
                    images: [inputs * input_len, padded * output_len],
                    output_len,
                    used: (planes_here * lattice.plane()).next_multiple_of(16),
                    streams,
                    sums,
                });
            });
        }
    }

    let mut weights = vec![0.0; outputs * streams.len()];
    for (output, weights) in weights.chunks_exact_mut(streams.len()).enumerate() {
        let (first, size) = blocks[output / 8];
        let sums = sums[first * streams.len()..][output - first..].iter().step_by(size);
        for (weight, &sum) in weights.iter_mut().zip(sums) {
            *weight = sum;
        }
    }
    weights
}

/// Products of a block of output channels with some streams of the input.
struct Products<'a> {
    /// Channels of the block, 8 or 4.
    size: usize,
    input: &'a [f32],
    output: &'a [f32],
    /// Numbers per image of both.
    images: [usize; 2],
    /// Numbers per channel of `output`, and how many of them are in use.
    output_len: usize,
    used: usize,
    /// Beginnings of the runs in `input`.
    streams: &'a [usize],
    /// `[stream][channel of the block]`, added to.
    sums: &'a mut [f32],
}

impl Kernel for Products<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.size {
            8 if S::WIDE => self.block::<S, 8>(simd, 0),
            8 => {
                let mut this = self;
                this.half(simd, 0);
                this.half(simd, 4);
            }
            _ => self.block::<S, 4>(simd, 0),
        }
    }
}

impl Products<'_> {
    #[inline(always)]
    fn half<S: Simd>(&mut self, simd: S, skip: usize) {
        Products { sums: &mut *self.sums, ..*self }.block::<S, 4>(simd, skip);
    }

    /// Channels `skip..skip + C` of the block.
    #[inline(always)]
    fn block<S: Simd, const C: usize>(self, simd: S, skip: usize) {
        let groups = self.streams.len().div_ceil(GROUP);
        // One register per weight, kept in memory between the runs.
        let mut lanes = vec![0.0; groups * GROUP * C * S::LANES];
        let group_len = GROUP * C * S::LANES;
        let images = self.input.chunks_exact(self.images[0]).zip(self.output.chunks(self.images[1]));
        for (input, output) in images {
            for begin in (0..self.used).step_by(RUN) {
                let len = RUN.min(self.used - begin);
                let output: [&[f32]; C] =
                    std::array::from_fn(|c| &output[(skip + c) * self.output_len + begin..][..len]);
                for (streams, lanes) in self.streams.chunks(GROUP).zip(lanes.chunks_exact_mut(group_len)) {
                    // A group that is not full repeats its last stream, and the repetitions are ignored.
                    let streams: [&[f32]; GROUP] =
                        std::array::from_fn(|t| &input[streams[t.min(streams.len() - 1)] + begin..][..len]);
                    add_products(simd, streams, output, lanes);
                }
            }
        }
        for (index, lanes) in lanes.chunks_exact(S::LANES).enumerate() {
            let (stream, channel) = (index / C, index % C);
            if stream < self.streams.len() {
                self.sums[stream * self.size + skip + channel] += lanes.iter().sum::<f32>();
            }
        }
    }
}

/// Adds the products of every stream with every output to `lanes`.
#[inline(always)]
fn add_products<S: Simd, const C: usize, const T: usize>(
    simd: S,
    streams: [&[f32]; T],
    outputs: [&[f32]; C],
    lanes: &mut [f32],
) {
    let len = outputs[0].len();
    // The compiler drops the bounds checks of the loop when it sees these.
    assert!(streams.iter().all(|stream| stream.len() == len), "streams of one run");
    assert!(outputs.iter().all(|output| output.len() == len), "outputs of one run");
    let mut sums: [[S::F; C]; T] =
        std::array::from_fn(|t| std::array::from_fn(|c| simd.load(&lanes[(t * C + c) * S::LANES..])));
    let mut at = 0;
    while at + S::LANES <= len {
        let values: [S::F; T] = std::array::from_fn(|t| simd.load(&streams[t][at..at + S::LANES]));
        for c in 0..C {
            let output = simd.load(&outputs[c][at..at + S::LANES]);
            for t in 0..T {
                sums[t][c] = simd.mul_add(values[t], output, sums[t][c]);
            }
        }
        at += S::LANES;
    }
    for t in 0..T {
        for c in 0..C {
            simd.store(&mut lanes[(t * C + c) * S::LANES..], sums[t][c]);
        }
    }
}
