//! Window attention as one operation on tensors.

use std::sync::Arc;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::heads::{self, Added, Back, Side, Size};
use super::op::{CpuOp, Inputs, Value};
use super::simd::{Kernel, Simd, dispatch};

/// Numbers in all partial gradients of the bias together, at most, unless that
/// leaves fewer of them than there are threads.
const BIAS_PARTS: usize = 1 << 24;

/// Scores that a shifted window forbids.
#[derive(Debug, Clone, Default)]
pub struct Masks {
    /// For every window of a volume the region of each token, from 0 on; empty
    /// for a window in one piece.
    pub regions: Vec<Vec<u8>>,
    /// Added to the score of tokens of two regions.
    pub value: f32,
}

/// `softmax(q·kᵀ/√dim + bias + mask)·v` of every window and head, or `None`
/// where the fast kernels do not apply.
///
/// `qkv` is `[N·windows, tokens, 3·heads·dim]`, `bias` `[heads, tokens, tokens]`,
/// the result `[N·windows, tokens, heads·dim]`.
pub fn attention(qkv: &Tensor<3>, bias: &Tensor<3>, masks: Masks) -> Option<Tensor<3>> {
    let [windows, tokens, width] = qkv.dims();
    let [heads, ..] = bias.dims();
    if qkv.dims().contains(&0) || bias.dims() != [heads, tokens, tokens] || !width.is_multiple_of(3 * heads) {
        return None;
    }
    let size = Size { tokens, dim: width / 3 / heads };
    let op = Attention { windows, heads, size, masks: Arc::new(masks) };
    let inputs = Inputs::new([qkv.clone().into_dispatch(), bias.clone().into_dispatch()])?;
    Some(Tensor::from_dispatch(inputs.apply(op)))
}

#[derive(Debug, Clone)]
struct Attention {
    windows: usize,
    heads: usize,
    size: Size,
    masks: Arc<Masks>,
}

/// What the gradients need.
#[derive(Debug, Clone)]
struct Saved {
    /// Logarithms of the sums of the softmax `[windows, heads, padded]`.
    logs: Arc<Vec<f32>>,
    output: Arc<Vec<f32>>,
}

impl Attention {
    fn padded(&self) -> usize {
        heads::padded(self.size.tokens)
    }

    /// Numbers per token.
    fn width(&self) -> usize {
        self.heads * self.size.dim
    }

    /// The bias with padded rows `[head, opposite token, token in a lane]`.
    fn bias(&self, bias: &[f32], lanes_are_queries: bool) -> Vec<f32> {
        let (n, padded) = (self.size.tokens, self.padded());
        let mut out = vec![0.0; self.heads * n * padded];
        out.par_chunks_exact_mut(n * padded).zip(bias.par_chunks_exact(n * n)).for_each(|(out, bias)| {
            for (t, row) in out.chunks_exact_mut(padded).enumerate() {
                if lanes_are_queries {
                    for (value, bias) in row.iter_mut().zip(bias[t..].iter().step_by(n)) {
                        *value = *bias;
                    }
                } else {
                    row[..n].copy_from_slice(&bias[t * n..][..n]);
                }
            }
        });
        out
    }

    /// What to add in a window, for tokens of each region.
    fn mask<'a>(&'a self, window: usize, table: &mut Vec<f32>) -> &'a [u8] {
        let regions = match self.masks.regions.len() {
            0 => return &[],
            count => &self.masks.regions[window % count],
        };
        table.clear();
        for region in 0..regions.iter().max().map_or(0, |&last| last + 1) {
            table.extend(regions.iter().map(|&other| if other == region { 0.0 } else { self.masks.value }));
            table.resize((usize::from(region) + 1) * self.padded(), 0.0);
        }
        regions
    }
}

/// One head's part of rows of `stride` numbers, as rows and as columns.
struct Tokens {
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl Tokens {
    fn new(size: Size) -> Self {
        Self { rows: vec![0.0; size.tokens * size.dim], columns: vec![0.0; size.dim * heads::padded(size.tokens)] }
    }

    /// Copies the head that begins at `from[0]`, times `scale`.
    #[inline(always)]
    fn set(&mut self, size: Size, from: &[f32], stride: usize, scale: f32) {
        let padded = heads::padded(size.tokens);
        for (t, (row, from)) in self.rows.chunks_exact_mut(size.dim).zip(from.chunks(stride)).enumerate() {
            for (d, (to, &value)) in row.iter_mut().zip(from).enumerate() {
                *to = value * scale;
                self.columns[d * padded + t] = value * scale;
            }
        }
    }

    fn side(&self) -> Side<'_> {
        Side { rows: &self.rows, columns: &self.columns }
    }
}

/// Writes columns `[dim, padded]` back into rows of `stride` numbers.
#[inline(always)]
fn put(size: Size, columns: &[f32], to: &mut [f32], stride: usize, scale: f32) {
    let padded = heads::padded(size.tokens);
    for (t, row) in to.chunks_mut(stride).take(size.tokens).enumerate() {
        for (d, value) in row.iter_mut().take(size.dim).enumerate() {
            *value = columns[d * padded + t] * scale;
        }
    }
}

impl CpuOp<2> for Attention {
    type Saved = Saved;

    fn forward(&self, [qkv, bias]: [&[f32]; 2]) -> (Value, Saved) {
        let (n, c) = (self.size.tokens, self.width());
        let bias = self.bias(bias, true);
        let mut output = vec![0.0; self.windows * n * c];
        let mut logs = vec![0.0; self.windows * self.heads * self.padded()];
        let chunk = self.windows.div_ceil(4 * rayon::current_num_threads());
        output
            .par_chunks_mut(chunk * n * c)
            .zip(logs.par_chunks_mut(chunk * self.heads * self.padded()))
            .enumerate()
            .for_each(|(index, (output, logs))| {
                dispatch(Forward { op: self, first: index * chunk, qkv, bias: &bias, output, logs });
            });
        let saved = Saved { logs: Arc::new(logs), output: Arc::new(output.clone()) };
        (Value::new(output, &[self.windows, n, c]), saved)
    }

    fn backward(
        &self,
        [qkv, bias]: [&[f32]; 2],
        saved: &Saved,
        gradient: &[f32],
        wanted: [bool; 2],
    ) -> [Option<Value>; 2] {
        let (n, c, padded) = (self.size.tokens, self.width(), self.padded());
        let biases = [self.bias(bias, true), self.bias(bias, false)];
        let bias_len = self.heads * n * padded;
        let threads = rayon::current_num_threads();
        let chunks = (2 * threads).min((BIAS_PARTS / bias_len).max(threads)).min(self.windows);
        let chunk = self.windows.div_ceil(chunks);
        let mut qkv_gradient = vec![0.0; qkv.len()];
        let parts: Vec<Vec<f32>> = qkv_gradient
            .par_chunks_mut(chunk * n * 3 * c)
            .enumerate()
            .map(|(index, output)| {
                let mut bias_gradient = vec![0.0; bias_len];
                dispatch(Backward {
                    op: self,
                    first: index * chunk,
                    qkv,
                    biases: &biases,
                    saved,
                    gradient,
                    output,
                    bias_gradient: &mut bias_gradient,
                });
                bias_gradient
            })
            .collect();
        let bias_gradient = wanted[1].then(|| {
            let mut sum = vec![0.0; self.heads * n * n];
            sum.par_chunks_exact_mut(n).enumerate().for_each(|(row, sum)| {
                for part in &parts {
                    for (sum, value) in sum.iter_mut().zip(&part[row * padded..]) {
                        *sum += value;
                    }
                }
            });
            Value::new(sum, &[self.heads, n, n])
        });
        [wanted[0].then(|| Value::new(qkv_gradient, &[self.windows, n, 3 * c])), bias_gradient]
    }
}

/// The output of some windows.
struct Forward<'a> {
    op: &'a Attention,
    first: usize,
    qkv: &'a [f32],
    bias: &'a [f32],
    output: &'a mut [f32],
    logs: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (size, width, padded) = (self.op.size, self.op.width(), self.op.padded());
        let scale = (size.dim as f32).sqrt().recip();
        let (mut q, mut k, mut v) = (Tokens::new(size), Tokens::new(size), Tokens::new(size));
        let (mut buffer, mut columns) = (heads::buffer(size.tokens), vec![0.0; size.dim * padded]);
        let mut masks = Vec::new();
        // Head by head, so that the bias stays in the cache.
        for head in 0..self.op.heads {
            let at = head * size.dim;
            let bias = &self.bias[head * size.tokens * padded..][..size.tokens * padded];
            for (index, output) in self.output.chunks_exact_mut(size.tokens * width).enumerate() {
                let window = self.first + index;
                let regions = self.op.mask(window, &mut masks);
                let qkv = &self.qkv[window * size.tokens * 3 * width..][..size.tokens * 3 * width];
                q.set(size, &qkv[at..], 3 * width, scale);
                k.set(size, &qkv[width + at..], 3 * width, 1.0);
                v.set(size, &qkv[2 * width + at..], 3 * width, 1.0);
                let logs = &mut self.logs[(index * self.op.heads + head) * padded..][..padded];
                let added = Added { bias, masks: &masks, regions };
                heads::attend(simd, size, added, [q.side(), k.side(), v.side()], &mut buffer, &mut columns, logs);
                put(size, &columns, &mut output[at..], width, 1.0);
            }
        }
    }
}

/// The gradients of some windows.
struct Backward<'a> {
    op: &'a Attention,
    first: usize,
    qkv: &'a [f32],
    /// Lanes queries, lanes keys.
    biases: &'a [Vec<f32>; 2],
    saved: &'a Saved,
    gradient: &'a [f32],
    output: &'a mut [f32],
    bias_gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (size, width, padded) = (self.op.size, self.op.width(), self.op.padded());
        let scale = (size.dim as f32).sqrt().recip();
        let (mut q, mut k, mut v) = (Tokens::new(size), Tokens::new(size), Tokens::new(size));
        let mut g = Tokens::new(size);
        let mut buffers = [heads::buffer(size.tokens), heads::buffer(size.tokens)];
        let mut columns: [Vec<f32>; 3] = [const { Vec::new() }; 3];
        for column in &mut columns {
            column.resize(size.dim * padded, 0.0);
        }
        let mut products = vec![0.0; padded];
        let mut masks = Vec::new();
        for head in 0..self.op.heads {
            let at = head * size.dim;
            let bias_range = head * size.tokens * padded..(head + 1) * size.tokens * padded;
            for (index, output) in self.output.chunks_exact_mut(size.tokens * 3 * width).enumerate() {
                let window = self.first + index;
                let regions = self.op.mask(window, &mut masks);
                let qkv = &self.qkv[window * size.tokens * 3 * width..][..size.tokens * 3 * width];
                q.set(size, &qkv[at..], 3 * width, scale);
                k.set(size, &qkv[width + at..], 3 * width, 1.0);
                v.set(size, &qkv[2 * width + at..], 3 * width, 1.0);
                let begin = window * size.tokens * width + at;
                g.set(size, &self.gradient[begin..], width, 1.0);
                let rows = self.saved.output[begin..].chunks(width).zip(g.rows.chunks_exact(size.dim));
                for (product, (output, gradient)) in products.iter_mut().zip(rows) {
                    *product = output.iter().zip(gradient).map(|(a, b)| a * b).sum();
                }
                let back = Back {
                    inputs: [q.side(), k.side(), v.side()],
                    gradient: g.side(),
                    logs: &self.saved.logs[(window * self.op.heads + head) * padded..][..padded],
                    products: &products,
                };
                let [dq, dk, dv] = &mut columns;
                let [buffer, other] = &mut buffers;
                let added = Added { bias: &self.biases[0][bias_range.clone()], masks: &masks, regions };
                heads::back_queries(simd, size, added, back, buffer, dq);
                let added = Added { bias: &self.biases[1][bias_range.clone()], ..added };
                let bias_gradient = &mut self.bias_gradient[bias_range.clone()];
                heads::back_keys(simd, size, added, back, [buffer, other], [dk, dv, bias_gradient]);
                put(size, dq, &mut output[at..], 3 * width, scale);
                put(size, dk, &mut output[width + at..], 3 * width, 1.0);
                put(size, dv, &mut output[2 * width + at..], 3 * width, 1.0);
            }
        }
    }
}
