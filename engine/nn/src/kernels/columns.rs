//! Convolutions of few voxels, as at the bottom of a network, as matrix products.
//!
//! There the weights are most of the numbers, so they are read once, in the order
//! in which they lie: `[out, columns]` with `columns = in·taps`. What an output
//! voxel reads is copied into a row of as many numbers (`im2col`). All three
//! products, output, gradient of the input, gradient of the weights, then run
//! along these rows.

use rayon::prelude::*;

use super::lattice::ConvShape;
use super::simd::{Kernel, Simd, dispatch};

/// Voxels of all images together, at most.
const MOST_VOXELS: usize = 256;

/// Weights below which it does not matter.
const LEAST_WEIGHTS: usize = 1 << 15;

/// Columns that are multiplied with all voxels before the next ones.
const RUN: usize = 2048;

/// Outputs, or voxels, that are computed together, and registers beside them.
const ROWS: usize = 8;
const REGISTERS: usize = 3;

/// Numbers of the widest such tile.
const WIDEST: usize = REGISTERS * 16;

/// Input channels whose gradients a task makes at a time.
const CHANNELS: usize = 8;

/// Whether it is worth it for this layer.
pub fn applies(shape: &ConvShape) -> bool {
    let problem = Problem::new(shape);
    problem.voxels <= MOST_VOXELS && problem.outputs * problem.columns >= LEAST_WEIGHTS
}

/// The output of a layer, see [`super::correlate::forward`].
pub fn forward(shape: &ConvShape, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let problem = Problem::new(shape);
    let rows = problem.gather(input, 4);
    let mut by_output = vec![0.0; problem.outputs * problem.voxels];
    let chunk = problem.outputs.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(4);
    by_output
        .par_chunks_mut(chunk * problem.voxels)
        .zip(weight.par_chunks(chunk * problem.columns))
        .for_each(|(out, weight)| dispatch(Dots { problem: &problem, rows: &rows, weight, out }));
    add_bias(&mut by_output, bias, problem.voxels);
    problem.by_image(&by_output, problem.outputs, problem.grid)
}

/// The gradient of the input, see [`super::correlate::backward`].
pub fn backward(shape: &ConvShape, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let problem = Problem::new(shape);
    let by_output = problem.by_channel(gradient, ROWS);
    let inputs = shape.channels[0];
    let voxels = shape.input.iter().product::<usize>();
    let mut by_channel = vec![0.0; inputs * shape.batch * voxels];
    by_channel.par_chunks_mut(CHANNELS * shape.batch * voxels).enumerate().for_each(|(index, out)| {
        dispatch(Scattered { problem: &problem, gradient: &by_output, weight, first: index * CHANNELS, out });
    });
    add_bias(&mut by_channel, bias, shape.batch * voxels);
    problem.by_image(&by_channel, inputs, voxels)
}

/// Adds the bias to `[channel, voxel]`.
fn add_bias(values: &mut [f32], bias: Option<&[f32]>, voxels: usize) {
    for (values, bias) in values.chunks_exact_mut(voxels).zip(bias.unwrap_or_default()) {
        for value in values {
            *value += bias;
        }
    }
}

/// The gradient of the weights, see [`super::weight::gradient`].
pub fn gradient(shape: &ConvShape, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let problem = Problem::new(shape);
    let rows = problem.gather(input, 1);
    let by_output = problem.by_channel(gradient, 1);
    let mut weights = vec![0.0; problem.outputs * problem.columns];
    let chunk = problem.outputs.div_ceil(4 * rayon::current_num_threads()).next_multiple_of(ROWS);
    weights
        .par_chunks_mut(chunk * problem.columns)
        .zip(by_output.par_chunks(chunk * problem.voxels))
        .for_each(|(out, gradient)| dispatch(Outer { problem: &problem, rows: &rows, gradient, out }));
    weights
}

struct Problem<'a> {
    shape: &'a ConvShape,
    /// Output voxels of an image, and of all.
    grid: usize,
    voxels: usize,
    outputs: usize,
    /// Weights of an output channel.
    columns: usize,
    /// Numbers from a row to the next.
    stride: usize,
}

impl<'a> Problem<'a> {
    fn new(shape: &'a ConvShape) -> Self {
        let grid = shape.output().iter().product();
        let columns = shape.channels[0] * shape.taps();
        // Whole tiles, and no multiple of a page.
        let stride = (columns.div_ceil(WIDEST) | 1) * WIDEST;
        Self { shape, grid, voxels: shape.batch * grid, outputs: shape.channels[1], columns, stride }
    }

    /// For every output voxel, and every tap that lies in the input: the tap and the input voxel.
    fn pairs(&self) -> Vec<Vec<(usize, usize)>> {
        let ConvShape { input, kernel, stride, padding, .. } = *self.shape;
        let [_, h, w] = self.shape.output();
        let place = |voxel: usize, tap: usize| {
            let voxel = [voxel / (h * w), voxel / w % h, voxel % w];
            let tap = [tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]];
            (0..3).try_fold(0, |place, axis| {
                let at = (voxel[axis] * stride[axis] + tap[axis]).checked_sub(padding[axis])?;
                (at < input[axis]).then_some(place * input[axis] + at)
            })
        };
        let taps = |voxel| (0..self.shape.taps()).filter_map(|tap| Some((tap, place(voxel, tap)?))).collect();
        (0..self.grid).map(taps).collect()
    }

    /// What every output voxel reads `[voxel, column]`, with rows of zeros up to a multiple of `multiple`.
    fn gather(&self, input: &[f32], multiple: usize) -> Vec<f32> {
        let (taps, pairs) = (self.shape.taps(), self.pairs());
        let len = self.shape.input.iter().product::<usize>();
        let mut rows = vec![0.0; self.voxels.next_multiple_of(multiple) * self.stride];
        rows.par_chunks_exact_mut(self.stride).take(self.voxels).enumerate().for_each(|(voxel, row)| {
            let image = &input[voxel / self.grid * self.shape.channels[0] * len..];
            for (row, channel) in row.chunks_exact_mut(taps).zip(image.chunks_exact(len)).take(self.shape.channels[0]) {
                for &(tap, at) in &pairs[voxel % self.grid] {
                    row[tap] = channel[at];
                }
            }
        });
        rows
    }

    /// `[channel, image, voxel]` to `[image, channel, voxel]`.
    fn by_image(&self, values: &[f32], channels: usize, voxels: usize) -> Vec<f32> {
        swap(values, [channels, self.shape.batch], voxels)
    }

    /// `[image, output, voxel]` to `[output, image, voxel]`, with zeros up to a multiple of `multiple` outputs' voxels.
    fn by_channel(&self, values: &[f32], multiple: usize) -> Vec<f32> {
        let swapped = swap(values, [self.shape.batch, self.outputs], self.grid);
        let padded = self.voxels.next_multiple_of(multiple);
        if padded == self.voxels {
            return swapped;
        }
        let mut out = vec![0.0; self.outputs * padded];
        for (out, values) in out.chunks_exact_mut(padded).zip(swapped.chunks_exact(self.voxels)) {
            out[..self.voxels].copy_from_slice(values);
        }
        out
    }
}

/// `[a, b, len]` to `[b, a, len]`.
fn swap(values: &[f32], [a, b]: [usize; 2], len: usize) -> Vec<f32> {
    if a == 1 || b == 1 {
        return values.to_vec();
    }
    let mut out = Vec::with_capacity(values.len());
    for j in 0..b {
        for i in 0..a {
            out.extend_from_slice(&values[(i * b + j) * len..][..len]);
        }
    }
    out
}

/// Products of some rows of the weights with all rows of the input.
struct Dots<'a> {
    problem: &'a Problem<'a>,
    rows: &'a [f32],
    weight: &'a [f32],
    /// `[output, voxel]`, added to.
    out: &'a mut [f32],
}

impl Kernel for Dots<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, rows, weight, out } = self;
        let outputs = out.len() / problem.voxels;
        for begin in (0..problem.columns).step_by(RUN) {
            let len = RUN.min(problem.columns - begin);
            for first in (0..outputs).step_by(4) {
                // The last rows are repeated where there are not four, and the repetitions are ignored.
                let mut weights: [&[f32]; 4] = [&[]; 4];
                for (index, to) in weights.iter_mut().enumerate() {
                    *to = &weight[(first + index).min(outputs - 1) * problem.columns + begin..][..len];
                }
                for voxel in (0..problem.voxels).step_by(4) {
                    let mut inputs: [&[f32]; 4] = [&[]; 4];
                    for (index, to) in inputs.iter_mut().enumerate() {
                        *to = &rows[(voxel + index) * problem.stride + begin..][..len];
                    }
                    let mut sums = [[0.0; 4]; 4];
                    if S::WIDE {
                        dots::<S, 4>(simd, weights, inputs, &mut sums);
                    } else {
                        dots::<S, 2>(simd, [weights[0], weights[1]], inputs, &mut sums);
                        dots::<S, 2>(simd, [weights[2], weights[3]], inputs, &mut sums[2..]);
                    }
                    for (output, sums) in sums.iter().enumerate().take(outputs - first) {
                        let out = &mut out[(first + output) * problem.voxels..][..problem.voxels];
                        for (to, sum) in out[voxel..].iter_mut().zip(sums) {
                            *to += sum;
                        }
                    }
                }
            }
        }
    }
}

/// Sums of products of every weight row with every input row.
#[inline(always)]
fn dots<S: Simd, const O: usize>(simd: S, weights: [&[f32]; O], inputs: [&[f32]; 4], out: &mut [[f32; 4]]) {
    let mut sums = [[simd.splat(0.0); 4]; O];
    let len = inputs[0].len();
    let whole = len - len % S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        let mut values = [simd.splat(0.0); 4];
        for v in 0..4 {
            values[v] = simd.load(&inputs[v][at..]);
        }
        for o in 0..O {
            let weight = simd.load(&weights[o][at..]);
            for v in 0..4 {
                sums[o][v] = simd.mul_add(values[v], weight, sums[o][v]);
            }
        }
    }
    for o in 0..O {
        for v in 0..4 {
            let mut lanes = [0.0; 16];
            simd.store(&mut lanes, sums[o][v]);
            let mut sum: f32 = lanes[..S::LANES].iter().sum();
            for (weight, value) in weights[o][whole..].iter().zip(&inputs[v][whole..]) {
                sum += weight * value;
            }
            out[o][v] = sum;
        }
    }
}

/// The gradients of some input channels.
struct Scattered<'a> {
    problem: &'a Problem<'a>,
    /// `[output, voxel]`, whole tiles of voxels.
    gradient: &'a [f32],
    weight: &'a [f32],
    first: usize,
    /// `[channel, image, voxel]`, zeros before.
    out: &'a mut [f32],
}

impl Kernel for Scattered<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, gradient, weight, first, out } = self;
        let (taps, pairs) = (problem.shape.taps(), problem.pairs());
        let [inputs, outputs] = problem.shape.channels;
        let len = problem.shape.input.iter().product::<usize>();
        let (begin, end) = (first * taps, (first + CHANNELS).min(inputs) * taps);
        let stride = (end - begin).next_multiple_of(WIDEST);
        let padded = problem.voxels.next_multiple_of(ROWS);
        let mut rows = vec![0.0; padded * stride];
        let step = REGISTERS * S::LANES;
        for column in (begin..end).step_by(step) {
            for voxel in (0..padded).step_by(ROWS) {
                let mut sums = [[0.0; WIDEST]; ROWS];
                let tile = Strided { from: &weight[column..], stride: problem.columns, count: outputs };
                let factors = Strided { from: &gradient[voxel..], stride: padded, count: outputs };
                outer(simd, tile, factors, &mut sums);
                for (index, sums) in sums.iter().enumerate() {
                    rows[(voxel + index) * stride + column - begin..][..step].copy_from_slice(&sums[..step]);
                }
            }
        }
        for (voxel, row) in rows.chunks_exact(stride).take(problem.voxels).enumerate() {
            let image = voxel / problem.grid * len;
            for (channel, row) in row[..end - begin].chunks_exact(taps).enumerate() {
                let out = &mut out[channel * problem.shape.batch * len + image..][..len];
                for &(tap, at) in &pairs[voxel % problem.grid] {
                    out[at] += row[tap];
                }
            }
        }
    }
}

/// The gradients of some rows of the weights.
struct Outer<'a> {
    problem: &'a Problem<'a>,
    rows: &'a [f32],
    /// `[output, voxel]`.
    gradient: &'a [f32],
    /// `[output, column]`.
    out: &'a mut [f32],
}

impl Kernel for Outer<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { problem, rows, gradient, out } = self;
        let Problem { voxels, columns, stride, .. } = *problem;
        let outputs = out.len() / columns;
        // `[output / ROWS, voxel, output % ROWS]`
        let mut factors = vec![0.0; outputs.next_multiple_of(ROWS) * voxels];
        for (output, gradient) in gradient.chunks_exact(voxels).enumerate() {
            let to = factors[output / ROWS * ROWS * voxels + output % ROWS..].iter_mut().step_by(ROWS);
            for (to, value) in to.zip(gradient) {
                *to = *value;
            }
        }
        let step = REGISTERS * S::LANES;
        for column in (0..columns).step_by(step) {
            for (block, factors) in factors.chunks_exact(ROWS * voxels).enumerate() {
                let mut sums = [[0.0; WIDEST]; ROWS];
                let tile = Strided { from: &rows[column..], stride, count: voxels };
                outer(simd, tile, Strided { from: factors, stride: ROWS, count: voxels }, &mut sums);
                let len = step.min(columns - column);
                for (sums, out) in sums.iter().zip(out[block * ROWS * columns..].chunks_exact_mut(columns)) {
                    out[column..][..len].copy_from_slice(&sums[..len]);
                }
            }
        }
    }
}

/// Every `stride`-th run of a matrix.
#[derive(Clone, Copy)]
struct Strided<'a> {
    from: &'a [f32],
    stride: usize,
    count: usize,
}

/// `out[r][c] = Σ factors[i][r] · tile[i][c]`, with as many registers of columns as there are.
#[inline(always)]
fn outer<S: Simd>(simd: S, tile: Strided<'_>, factors: Strided<'_>, out: &mut [[f32; WIDEST]; ROWS]) {
    if S::WIDE {
        outer_rows::<S, ROWS>(simd, tile, factors, out);
    } else {
        let (low, high) = out.split_at_mut(ROWS / 2);
        outer_rows::<S, 4>(simd, tile, factors, low);
        outer_rows::<S, 4>(simd, tile, Strided { from: &factors.from[ROWS / 2..], ..factors }, high);
    }
}

/// [`outer`] for `R` rows.
#[inline(always)]
fn outer_rows<S: Simd, const R: usize>(simd: S, tile: Strided<'_>, factors: Strided<'_>, out: &mut [[f32; WIDEST]]) {
    let width = REGISTERS * S::LANES;
    let mut sums = [[simd.splat(0.0); REGISTERS]; R];
    for index in 0..tile.count {
        let factor = &factors.from[index * factors.stride..][..R];
        let from = &tile.from[index * tile.stride..];
        let mut values = [simd.splat(0.0); REGISTERS];
        if from.len() >= width {
            for v in 0..REGISTERS {
                values[v] = simd.load(&from[v * S::LANES..]);
            }
        } else {
            // The end of the last row.
            let mut buffer = [0.0; WIDEST];
            buffer[..from.len()].copy_from_slice(from);
            for v in 0..REGISTERS {
                values[v] = simd.load(&buffer[v * S::LANES..]);
            }
        }
        for r in 0..R {
            let factor = simd.splat(factor[r]);
            for v in 0..REGISTERS {
                sums[r][v] = simd.mul_add(values[v], factor, sums[r][v]);
            }
        }
    }
    for (sums, out) in sums.iter().zip(out) {
        for (v, &sum) in sums.iter().enumerate() {
            simd.store(&mut out[v * S::LANES..], sum);
        }
    }
}
