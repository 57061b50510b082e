//! Attention of one head in one window, without the matrix of scores.
//!
//! Lanes hold queries (or keys, see [`Side`]); what one lane belongs to is
//! compared with all of the other side, eight at a time, in a buffer for a few
//! lanes that stays in the cache. So no sum runs across lanes, and a score is
//! read back while it is still there.

use super::simd::Simd;

/// Registers side by side.
const V: usize = 2;

/// Opposite tokens compared at a time.
const C: usize = 8;

/// Numbers of a buffer row for any processor.
pub const LINE: usize = 16 * V;

/// `tokens` rounded up so that whole tiles fit.
pub fn padded(tokens: usize) -> usize {
    tokens.next_multiple_of(LINE)
}

/// What is added to scores before the softmax: rows of the side that is not in
/// lanes, columns of the side in lanes, `padded` numbers each.
#[derive(Clone, Copy)]
pub struct Added<'a> {
    /// The relative position bias.
    pub bias: &'a [f32],
    /// Per region of a shifted window: what to add for the tokens in lanes.
    pub masks: &'a [f32],
    /// Region of every token; empty for a window in one piece.
    pub regions: &'a [u8],
}

/// Tokens as vectors of `dim` numbers, for broadcasts and for lanes.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// `[tokens, dim]`.
    pub rows: &'a [f32],
    /// `[dim, padded]`.
    pub columns: &'a [f32],
}

/// Sizes of one head.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Tokens of the window.
    pub tokens: usize,
    /// Numbers per token and head.
    pub dim: usize,
}

impl Size {
    fn padded(self) -> usize {
        padded(self.tokens)
    }
}

/// `out[t] = added[t] + Σ rows[t][d] · columns[d]` for the opposite tokens
/// `first..first + C` and the lanes from `lane` on.
#[inline(always)]
fn scores<S: Simd>(
    simd: S,
    size: Size,
    [first, lane]: [usize; 2],
    rows: &[f32],
    columns: &[f32],
    start: [[S::F; V]; C],
) -> [[S::F; V]; C] {
    let mut sums = start;
    let padded = size.padded();
    let mut places = [0; C];
    for (c, place) in places.iter_mut().enumerate() {
        // Past the end the last token is repeated, and the result is not used.
        *place = (first + c).min(size.tokens - 1) * size.dim;
    }
    for d in 0..size.dim {
        let column = &columns[d * padded + lane..][..V * S::LANES];
        let mut values = [simd.splat(0.0); V];
        for v in 0..V {
            values[v] = simd.load(&column[v * S::LANES..]);
        }
        for c in 0..C {
            let factor = simd.splat(rows[places[c] + d]);
            for v in 0..V {
                sums[c][v] = simd.mul_add(factor, values[v], sums[c][v]);
            }
        }
    }
    sums
}

/// What the scores of these tokens start from.
#[inline(always)]
fn start<S: Simd>(simd: S, size: Size, [first, lane]: [usize; 2], added: Added<'_>) -> [[S::F; V]; C] {
    let padded = size.padded();
    let mut values = [[simd.splat(0.0); V]; C];
    for (c, values) in values.iter_mut().enumerate() {
        let token = (first + c).min(size.tokens - 1);
        let bias = &added.bias[token * padded + lane..][..V * S::LANES];
        for v in 0..V {
            values[v] = simd.load(&bias[v * S::LANES..]);
        }
        if let Some(&region) = added.regions.get(token) {
            let mask = &added.masks[usize::from(region) * padded + lane..][..V * S::LANES];
            for v in 0..V {
                values[v] = simd.add(values[v], simd.load(&mask[v * S::LANES..]));
            }
        }
    }
    values
}

/// `out[d] += Σ_t buffer[t] · rows[t][d]` for all opposite tokens; `out` is
/// `[dim, padded]`, at the lanes from `lane` on.
#[inline(always)]
fn gather<S: Simd>(simd: S, size: Size, lane: usize, buffer: &[f32], rows: &[f32], out: &mut [f32]) {
    let mut d = 0;
    while d + 8 <= size.dim {
        gather_some::<S, 8>(simd, size, [lane, d], buffer, rows, out);
        d += 8;
    }
    while d + 4 <= size.dim {
        gather_some::<S, 4>(simd, size, [lane, d], buffer, rows, out);
        d += 4;
    }
    while d < size.dim {
        gather_some::<S, 1>(simd, size, [lane, d], buffer, rows, out);
        d += 1;
    }
}

#[inline(always)]
fn gather_some<S: Simd, const W: usize>(
    simd: S,
    size: Size,
    [lane, d]: [usize; 2],
    buffer: &[f32],
    rows: &[f32],
    out: &mut [f32],
) {
    let padded = size.padded();
    let mut sums = [[simd.splat(0.0); V]; W];
    for (values, row) in buffer.chunks_exact(V * S::LANES).zip(rows.chunks_exact(size.dim)) {
        let row = &row[d..d + W];
        let mut registers = [simd.splat(0.0); V];
        for v in 0..V {
            registers[v] = simd.load(&values[v * S::LANES..]);
        }
        for w in 0..W {
            let factor = simd.splat(row[w]);
            for v in 0..V {
                sums[w][v] = simd.mul_add(factor, registers[v], sums[w][v]);
            }
        }
    }
    for w in 0..W {
        for v in 0..V {
            simd.store(&mut out[(d + w) * padded + lane + v * S::LANES..], sums[w][v]);
        }
    }
}

/// Working memory of one head: rows for every opposite token.
pub fn buffer(tokens: usize) -> Vec<f32> {
    vec![0.0; tokens.next_multiple_of(C) * LINE]
}

/// Output `[dim, padded]` and logarithms of the sums `[padded]`, lanes queries.
#[inline(always)]
pub fn attend<S: Simd>(
    simd: S,
    size: Size,
    added: Added<'_>,
    [queries, keys, values]: [Side<'_>; 3],
    buffer: &mut [f32],
    out: &mut [f32],
    logs: &mut [f32],
) {
    let padded = size.padded();
    let width = V * S::LANES;
    for lane in (0..size.tokens).step_by(width) {
        let mut top = [simd.splat(f32::MIN); V];
        for first in (0..size.tokens).step_by(C) {
            let from = start(simd, size, [first, lane], added);
            let sums = scores(simd, size, [first, lane], keys.rows, queries.columns, from);
            for c in 0..C {
                for v in 0..V {
                    top[v] = simd.max(top[v], sums[c][v]);
                    simd.store(&mut buffer[(first + c) * width + v * S::LANES..], sums[c][v]);
                }
            }
        }
        let mut total = [simd.splat(0.0); V];
        for row in buffer.chunks_exact_mut(width).take(size.tokens) {
            for v in 0..V {
                let place = &mut row[v * S::LANES..];
                let weight = simd.exp(simd.mul_add(top[v], simd.splat(-1.0), simd.load(place)));
                total[v] = simd.add(total[v], weight);
                simd.store(place, weight);
            }
        }
        gather(simd, size, lane, &buffer[..size.tokens * width], values.rows, out);
        for v in 0..V {
            let at = lane + v * S::LANES;
            let (mut tops, mut totals) = ([0.0; 16], [0.0; 16]);
            simd.store(&mut tops, top[v]);
            simd.store(&mut totals, total[v]);
            for l in 0..S::LANES {
                logs[at + l] = tops[l] + totals[l].ln();
            }
            for total in &mut totals {
                *total = total.recip();
            }
            let inverse = simd.load(&totals);
            for column in out.chunks_exact_mut(padded) {
                let place = &mut column[at..];
                simd.store(place, simd.mul(simd.load(place), inverse));
            }
        }
    }
}

/// What the gradients of one side need.
#[derive(Clone, Copy)]
pub struct Back<'a> {
    /// Queries (times the scale), keys and values.
    pub inputs: [Side<'a>; 3],
    /// The gradient of the output.
    pub gradient: Side<'a>,
    /// Logarithms of the sums, and products of output and its gradient, per query.
    pub logs: &'a [f32],
    pub products: &'a [f32],
}

/// The gradient of the queries `[dim, padded]`, lanes queries.
#[inline(always)]
pub fn back_queries<S: Simd>(
    simd: S,
    size: Size,
    added: Added<'_>,
    back: Back<'_>,
    buffer: &mut [f32],
    out: &mut [f32],
) {
    let width = V * S::LANES;
    let [queries, keys, values] = back.inputs;
    for lane in (0..size.tokens).step_by(width) {
        let (mut logs, mut products) = ([simd.splat(0.0); V], [simd.splat(0.0); V]);
        for v in 0..V {
            logs[v] = simd.mul(simd.load(&back.logs[lane + v * S::LANES..]), simd.splat(-1.0));
            products[v] = simd.mul(simd.load(&back.products[lane + v * S::LANES..]), simd.splat(-1.0));
        }
        for first in (0..size.tokens).step_by(C) {
            let from = start(simd, size, [first, lane], added);
            let sums = scores(simd, size, [first, lane], keys.rows, queries.columns, from);
            let changes = scores(simd, size, [first, lane], values.rows, back.gradient.columns, [products; C]);
            for c in 0..C {
                for v in 0..V {
                    let weight = simd.exp(simd.add(sums[c][v], logs[v]));
                    simd.store(&mut buffer[(first + c) * width + v * S::LANES..], simd.mul(weight, changes[c][v]));
                }
            }
        }
        gather(simd, size, lane, &buffer[..size.tokens * width], keys.rows, out);
    }
}

/// The gradients of keys and values `[dim, padded]`, lanes keys; that of the
/// bias `[tokens, padded]` is added to.
#[inline(always)]
pub fn back_keys<S: Simd>(
    simd: S,
    size: Size,
    added: Added<'_>,
    back: Back<'_>,
    buffers: [&mut [f32]; 2],
    [out_keys, out_values, bias]: [&mut [f32]; 3],
) {
    let (width, padded) = (V * S::LANES, size.padded());
    let [queries, keys, values] = back.inputs;
    let [changes_buffer, weights_buffer] = buffers;
    for lane in (0..size.tokens).step_by(width) {
        for first in (0..size.tokens).step_by(C) {
            let mut from = start(simd, size, [first, lane], added);
            let mut offset = [[simd.splat(0.0); V]; C];
            for c in 0..C {
                let token = (first + c).min(size.tokens - 1);
                let log = simd.splat(-back.logs[token]);
                offset[c] = [simd.splat(-back.products[token]); V];
                for from in &mut from[c] {
                    *from = simd.add(*from, log);
                }
            }
            let sums = scores(simd, size, [first, lane], queries.rows, keys.columns, from);
            let changes = scores(simd, size, [first, lane], back.gradient.rows, values.columns, offset);
            for c in 0..C {
                for v in 0..V {
                    let weight = simd.exp(sums[c][v]);
                    let change = simd.mul(weight, changes[c][v]);
                    let place = (first + c) * width + v * S::LANES;
                    simd.store(&mut weights_buffer[place..], weight);
                    simd.store(&mut changes_buffer[place..], change);
                    if first + c < size.tokens {
                        let place = &mut bias[(first + c) * padded + lane + v * S::LANES..];
                        simd.store(place, simd.add(simd.load(place), change));
                    }
                }
            }
        }
        let used = size.tokens * width;
        gather(simd, size, lane, &changes_buffer[..used], queries.rows, out_keys);
        gather(simd, size, lane, &weights_buffer[..used], back.gradient.rows, out_values);
    }
}
