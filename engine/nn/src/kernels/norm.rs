//! Instance norm, scale and shift, sum with a shortcut, and leaky ReLU in one.

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::op::{CpuOp, Inputs, Value};
use super::simd::{Kernel, Simd, dispatch};

/// Numbers that are read once for mean and deviation: a quarter of a
/// first-level cache.
const PART: usize = 2048;

/// What follows the norm of a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormOptions {
    /// Added to the variance.
    pub epsilon: f32,
    /// Slope of the leaky ReLU for negative values; 1 for no activation.
    pub slope: f32,
}

/// `leaky(norm(x)·scale + shift + shortcut)` for `[N,C,D,H,W]` by the fast
/// kernels, or `None` where they do not apply.
pub fn norm(
    x: &Tensor<5>,
    affine: Option<(Tensor<1>, Tensor<1>)>,
    shortcut: Option<&Tensor<5>>,
    options: NormOptions,
) -> Option<Tensor<5>> {
    let dims = x.dims();
    if x.dtype() != DType::F32 || dims.contains(&0) || shortcut.is_some_and(|other| other.dims() != dims) {
        return None;
    }
    let has = Parts { affine: affine.is_some(), shortcut: shortcut.is_some() };
    let op = Norm { dims, has, options };
    let x = x.clone().into_dispatch();
    let affine = affine.map(|(scale, shift)| (scale.into_dispatch(), shift.into_dispatch()));
    let shortcut = shortcut.map(|other| other.clone().into_dispatch());
    let output = match (affine, shortcut) {
        (None, None) => Inputs::new([x])?.apply(op),
        (None, Some(shortcut)) => Inputs::new([x, shortcut])?.apply(op),
        (Some((scale, shift)), None) => Inputs::new([x, scale, shift])?.apply(op),
        (Some((scale, shift)), Some(shortcut)) => Inputs::new([x, scale, shift, shortcut])?.apply(op),
    };
    Some(Tensor::from_dispatch(output))
}

#[derive(Debug, Clone, Copy)]
struct Parts {
    affine: bool,
    shortcut: bool,
}

/// Inputs: the image, perhaps scale and shift, perhaps the shortcut.
#[derive(Debug, Clone)]
struct Norm {
    dims: [usize; 5],
    has: Parts,
    options: NormOptions,
}

/// Mean and reciprocal deviation of every image and channel.
type Moments = Vec<[f32; 2]>;

impl Norm {
    fn channels(&self) -> usize {
        self.dims[1]
    }

    fn row_len(&self) -> usize {
        self.dims[2] * self.dims[3] * self.dims[4]
    }

    /// Scale and shift of a row.
    fn affine(&self, inputs: &[&[f32]], row: usize) -> [f32; 2] {
        let channel = row % self.channels();
        if self.has.affine { [inputs[1][channel], inputs[2][channel]] } else { [1.0, 0.0] }
    }

    fn shortcut<'a>(&self, inputs: &[&'a [f32]], row: usize) -> Option<&'a [f32]> {
        let values = self.has.shortcut.then(|| inputs.last().copied()).flatten()?;
        Some(&values[row * self.row_len()..][..self.row_len()])
    }
}

impl<const N: usize> CpuOp<N> for Norm {
    type Saved = Moments;

    fn forward(&self, inputs: [&[f32]; N]) -> (Value, Moments) {
        let len = self.row_len();
        let mut output = vec![0.0; inputs[0].len()];
        let mut moments = vec![[0.0; 2]; output.len() / len];
        let rows = output.par_chunks_exact_mut(len).zip(inputs[0].par_chunks_exact(len)).zip(&mut moments);
        rows.enumerate().for_each(|(row, ((output, input), moments))| {
            dispatch(Forward {
                input,
                shortcut: self.shortcut(&inputs, row),
                affine: self.affine(&inputs, row),
                options: self.options,
                output,
                moments,
            });
        });
        (Value::new(output, &self.dims), moments)
    }

    fn backward(
        &self,
        inputs: [&[f32]; N],
        moments: &Moments,
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Option<Value>; N] {
        let len = self.row_len();
        let mut input_gradient = vec![0.0; inputs[0].len()];
        let wants_shortcut = self.has.shortcut && wanted[N - 1];
        let mut shortcut_gradient = vec![0.0; if wants_shortcut { gradient.len() } else { 0 }];
        let mut shortcut_rows: Vec<Option<&mut [f32]>> = if wants_shortcut {
            shortcut_gradient.chunks_exact_mut(len).map(Some).collect()
        } else {
            moments.iter().map(|_| None).collect()
        };
        let rows = input_gradient.par_chunks_exact_mut(len).zip(inputs[0].par_chunks_exact(len));
        let rows = rows.zip(gradient.par_chunks_exact(len)).zip(&mut shortcut_rows);
        let sums: Vec<[f32; 2]> = rows
            .enumerate()
            .map(|(row, (((input_gradient, input), gradient), shortcut_gradient))| {
                let mut sums = [0.0; 2];
                dispatch(Backward {
                    input,
                    shortcut: self.shortcut(&inputs, row),
                    affine: self.affine(&inputs, row),
                    moments: moments[row],
                    slope: self.options.slope,
                    gradient,
                    input_gradient,
                    shortcut_gradient: shortcut_gradient.as_deref_mut(),
                    sums: &mut sums,
                });
                sums
            })
            .collect();
        let per_channel = |which: usize| {
            let channels = self.channels();
            let sum = |channel: usize| sums[channel..].iter().step_by(channels).map(|sums| sums[which]).sum();
            Value::new((0..channels).map(sum).collect(), &[channels])
        };
        let mut input_gradient = Some(input_gradient);
        let mut shortcut_gradient = Some(shortcut_gradient);
        std::array::from_fn(|index| {
            if !wanted[index] {
                return None;
            }
            match index {
                0 => input_gradient.take().map(|numbers| Value::new(numbers, &self.dims)),
                1 if self.has.affine => Some(per_channel(1)),
                2 if self.has.affine => Some(per_channel(0)),
                _ => shortcut_gradient.take().map(|numbers| Value::new(numbers, &self.dims)),
            }
        })
    }
}

/// The output of one row.
struct Forward<'a> {
    input: &'a [f32],
    shortcut: Option<&'a [f32]>,
    affine: [f32; 2],
    options: NormOptions,
    output: &'a mut [f32],
    moments: &'a mut [f32; 2],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let [mean, variance] = moments(self.input);
        let inverse = 1.0 / (variance + self.options.epsilon).sqrt();
        *self.moments = [mean, inverse];
        let slope = self.options.slope;
        let (a, b) = line(*self.moments, self.affine);
        match self.shortcut {
            Some(shortcut) => {
                for ((output, &x), &other) in self.output.iter_mut().zip(self.input).zip(shortcut) {
                    *output = leaky((x - mean) * a + b + other, slope);
                }
            }
            None => {
                for (output, &x) in self.output.iter_mut().zip(self.input) {
                    *output = leaky((x - mean) * a + b, slope);
                }
            }
        }
    }
}

/// Factor and constant of the norm with its affine part.
#[inline(always)]
fn line([_, inverse]: [f32; 2], [scale, shift]: [f32; 2]) -> (f32, f32) {
    (inverse * scale, shift)
}

#[inline(always)]
fn leaky(x: f32, slope: f32) -> f32 {
    if x > 0.0 { x } else { x * slope }
}

/// Mean and variance of a row that is read from memory once.
#[inline(always)]
fn moments(row: &[f32]) -> [f32; 2] {
    let (mut count, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
    for part in row.chunks(PART) {
        let part_count = part.len() as f64;
        let part_mean = lanes(part, |x| x) / part.len() as f32;
        let part_squares = f64::from(lanes(part, |x| (x - part_mean) * (x - part_mean)));
        // Chan's formula for joining two groups.
        let distance = f64::from(part_mean) - mean;
        let total = count + part_count;
        squares += part_squares + distance * distance * count * part_count / total;
        mean += distance * part_count / total;
        count = total;
    }
    [mean as f32, (squares / count) as f32]
}

/// Sum of `f` over `values` in lanes.
#[inline(always)]
fn lanes(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (blocks, rest) = values.as_chunks::<32>();
    let mut lanes = [0.0f32; 32];
    for block in blocks {
        for (lane, &value) in lanes.iter_mut().zip(block) {
            *lane += f(value);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&value| f(value)).sum::<f32>()
}

/// The gradients of one row.
struct Backward<'a> {
    input: &'a [f32],
    shortcut: Option<&'a [f32]>,
    affine: [f32; 2],
    moments: [f32; 2],
    slope: f32,
    gradient: &'a [f32],
    input_gradient: &'a mut [f32],
    shortcut_gradient: Option<&'a mut [f32]>,
    /// Out: sums of the gradient behind the activation, and of it times the
    /// normalised input.
    sums: &'a mut [f32; 2],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let Self { input, gradient, slope, moments, .. } = self;
        let [mean, inverse] = moments;
        let (a, b) = line(moments, self.affine);
        // First the gradient behind the activation, with its sums.
        let (mut sum, mut product) = (0.0f64, 0.0f64);
        let outs = self.input_gradient.chunks_mut(PART);
        for (part, (out, x)) in outs.zip(input.chunks(PART)).enumerate() {
            let begin = part * PART;
            let gradient = &gradient[begin..][..x.len()];
            match self.shortcut {
                Some(shortcut) => {
                    let shortcut = &shortcut[begin..][..x.len()];
                    for (((out, &x), &g), &other) in out.iter_mut().zip(x).zip(gradient).zip(shortcut) {
                        *out = if (x - mean) * a + b + other > 0.0 { g } else { g * slope };
                    }
                }
                None => {
                    for ((out, &x), &g) in out.iter_mut().zip(x).zip(gradient) {
                        *out = if (x - mean) * a + b > 0.0 { g } else { g * slope };
                    }
                }
            }
            sum += f64::from(lanes(out, |g| g));
            product += f64::from(lanes2(out, x, |g, x| g * (x - mean)));
        }
        if let Some(to) = self.shortcut_gradient {
            to.copy_from_slice(self.input_gradient);
        }
        let product = product * f64::from(inverse);
        *self.sums = [sum as f32, product as f32];
        // Then what is left of it once mean and deviation follow the input.
        let count = input.len() as f64;
        let (offset, factor) = ((sum / count) as f32, (product / count) as f32 * inverse);
        for (out, &x) in self.input_gradient.iter_mut().zip(input) {
            *out = a * (*out - offset - (x - mean) * factor);
        }
    }
}

/// Sum of `f` over pairs in lanes.
#[inline(always)]
fn lanes2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let (blocks_a, rest_a) = a.as_chunks::<32>();
    let (blocks_b, rest_b) = b.as_chunks::<32>();
    let mut lanes = [0.0f32; 32];
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += f(a, b);
        }
    }
    lanes.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(&a, &b)| f(a, b)).sum::<f32>()
}
