use super::{Decoded, Size, damaged};
use crate::Problem;

/// JPEG-LS, lossless and near-lossless: ITU-T T.87 (Weinberger, Seroussi, Sapiro: "The LOCO-I lossless image compression algorithm",
/// IEEE Transactions on Image Processing 9, 2000).
pub(in crate::dicom) fn decode(stream: &[u8], size: Size) -> Result<Decoded, Problem> {
    let mut presets = Presets::default();
    let mut frame: Option<(u32, usize)> = None;
    let mut out = vec![0_i32; size.num_pixels() * size.samples];
    let mut done = 0;
    let mut at = 2;
    if stream.get(..2) != Some(&[0xff, 0xd8]) {
        return Err(damaged("the JPEG-LS stream does not begin with its mark"));
    }
    while done < size.samples {
        // To the next marker; fill bytes may stand before it.
        let Some(&[0xff, marker]) = stream.get(at..).and_then(|s| s.first_chunk()) else {
            return Err(damaged("the JPEG-LS stream ends too early"));
        };
        if marker == 0xff {
            at += 1;
            continue;
        }
        let len = stream.get(at + 2..).and_then(|s| s.first_chunk()).map_or(0, |&b| usize::from(u16::from_be_bytes(b)));
        let Some(body) = stream.get(at + 4..at + 2 + len) else {
            return Err(damaged("a JPEG-LS marker is cut off"));
        };
        at += 2 + len;
        match (marker, body) {
            (0xf7, &[bits @ 2..=16, h1, h0, w1, w0, samples, ..]) => {
                let number = |high, low| usize::from(u16::from_be_bytes([high, low]));
                size.check(number(w1, w0), number(h1, h0), samples.into())?;
                frame = Some(((1 << bits) - 1, samples.into()));
            }
            (0xf8, &[1, m1, m0, a1, a0, b1, b0, c1, c0, r1, r0]) => {
                let number = |high, low| i32::from(u16::from_be_bytes([high, low]));
                presets = Presets {
                    max: number(m1, m0),
                    thresholds: [number(a1, a0), number(b1, b0), number(c1, c0)],
                    reset: number(r1, r0),
                };
            }
            (0xf8, _) => return Err(damaged("it uses a part of JPEG-LS that is not read")),
            (0xdd, body) if body.iter().any(|&b| b != 0) => {
                return Err(damaged("it uses restart intervals, which are not read for JPEG-LS"));
            }
            (0xda, &[count, ref rest @ ..]) => {
                let Some((max, samples)) = frame else { return Err(damaged("a JPEG-LS scan has no frame")) };
                let count = usize::from(count);
                let Some(&[near, interleave, _]) = rest.get(2 * count..) else {
                    return Err(damaged("a JPEG-LS scan header is damaged"));
                };
                if count == 0 || done + count > samples {
                    return Err(damaged("a JPEG-LS scan has too many components"));
                }
                let coding = Coding::new(max as i32, near.into(), &presets)?;
                let mut scan = Scan::new(&stream[at..], coding);
                match (count, interleave) {
                    (1, _) => scan.planes(&mut out, size, done, 1)?,
                    (_, 1) => scan.planes(&mut out, size, done, count)?,
                    (3, 2) if done == 0 => scan.pixels(&mut out, size)?,
                    _ => return Err(damaged("its JPEG-LS components are interleaved in a way that is not read")),
                }
                at += scan.bits.position();
                done += count;
            }
            _ => {}
        }
    }
    Ok(Decoded { values: out, samples: size.samples, is_ybr: None })
}

#[derive(Default)]
struct Presets {
    max: i32,
    thresholds: [i32; 3],
    reset: i32,
}

/// The constants of a scan, named as in the standard.
struct Coding {
    max: i32,
    near: i32,
    range: i32,
    qbpp: u32,
    limit: u32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Coding {
    fn new(max: i32, near: i32, presets: &Presets) -> Result<Self, Problem> {
        let max = if presets.max == 0 { max } else { presets.max };
        if near > max / 2 || max < 1 {
            return Err(damaged("the JPEG-LS parameters make no sense"));
        }
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let log2 = |n: i32| 32 - (n - 1).leading_zeros();
        let bpp = log2(max + 1).max(2);
        let clamp = |v: i32, low: i32| if v > max || v < low { low } else { v };
        let [a, b, c] = if max >= 128 {
            let factor = (max.min(4095) + 128) / 256;
            [factor + 2 + 3 * near, factor * 4 + 3 + 5 * near, factor * 17 + 4 + 7 * near]
        } else {
            let factor = 256 / (max + 1);
            [(3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4)]
        };
        let pick = |given: i32, usual: i32| if given == 0 { usual } else { given };
        let a = pick(presets.thresholds[0], clamp(a, near + 1));
        let b = pick(presets.thresholds[1], clamp(b, a));
        let c = pick(presets.thresholds[2], clamp(c, b));
        let reset = pick(presets.reset, 64);
        if reset < 3 || !(near < a && a <= b && b <= c) {
            return Err(damaged("the JPEG-LS parameters make no sense"));
        }
        Ok(Self { max, near, range, qbpp: log2(range), limit: 2 * (bpp + bpp.max(8)), thresholds: [a, b, c], reset })
    }

    fn quantized(&self, gradient: i32) -> i32 {
        let [a, b, c] = self.thresholds;
        let size = gradient.abs();
        let level = if size <= self.near {
            0
        } else if size < a {
            1
        } else if size < b {
            2
        } else if size < c {
            3
        } else {
            4
        };
        level * gradient.signum()
    }

    /// The value that `error` steps from `prediction` lead to.
    fn value(&self, prediction: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut value = prediction.wrapping_add(error.wrapping_mul(step));
        if value < -self.near {
            value += self.range * step;
        } else if value > self.max + self.near {
            value -= self.range * step;
        }
        value.clamp(0, self.max)
    }
}

#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

struct Scan<'a> {
    bits: Bits<'a>,
    coding: Coding,
    contexts: Vec<Context>,
    /// Of run interruptions; `b` counts negative errors.
    interruptions: [Context; 2],
}

const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

impl<'a> Scan<'a> {
    fn new(bytes: &'a [u8], coding: Coding) -> Self {
        let first = Context { a: ((coding.range + 32) / 64).max(2), b: 0, c: 0, n: 1 };
        Self { bits: Bits::new(bytes), coding, contexts: vec![first; 365], interruptions: [first; 2] }
    }

    /// Lines of `count` components from `first`, one component after the other.
    fn planes(&mut self, out: &mut [i32], size: Size, first: usize, count: usize) -> Result<(), Problem> {
        let width = size.columns;
        // With a border on both sides.
        let mut lines = vec![(vec![0_i32; width + 2], vec![0_i32; width + 2], 0_usize); count];
        for row in 0..size.rows {
            for (n, (above, line, run)) in lines.iter_mut().enumerate() {
                above[width + 1] = above[width];
                line[0] = above[1];
                self.line(above, line, run)?;
                let start = row * width * size.samples + first + n;
                for (value, &decoded) in out[start..].iter_mut().step_by(size.samples).zip(&line[1..=width]) {
                    *value = decoded;
                }
                std::mem::swap(above, line);
            }
        }
        Ok(())
    }

    fn line(&mut self, above: &[i32], line: &mut [i32], run: &mut usize) -> Result<(), Problem> {
        let width = line.len() - 2;
        let mut x = 1;
        while x <= width {
            let (left, up, corner, next) = (line[x - 1], above[x], above[x - 1], above[x + 1]);
            let context = self.context(left, up, corner, next);
            if context != 0 {
                line[x] = self.regular(context, left, up, corner)?;
                x += 1;
                continue;
            }
            let len = self.run_length(width + 1 - x, run)?;
            line[x..x + len].fill(left);
            x += len;
            if x <= width {
                line[x] = self.interrupted(left, above[x], *run)?;
                *run = run.saturating_sub(1);
                x += 1;
            }
        }
        Ok(())
    }

    /// Lines of three components, pixel by pixel.
    fn pixels(&mut self, out: &mut [i32], size: Size) -> Result<(), Problem> {
        let width = size.columns;
        let mut above = vec![[0_i32; 3]; width + 2];
        let mut line = above.clone();
        let mut run = 0;
        for row in 0..size.rows {
            above[width + 1] = above[width];
            line[0] = above[1];
            let mut x = 1;
            while x <= width {
                let (left, up, corner, next) = (line[x - 1], above[x], above[x - 1], above[x + 1]);
                let contexts: [i32; 3] = std::array::from_fn(|c| self.context(left[c], up[c], corner[c], next[c]));
                if contexts != [0; 3] {
                    for c in 0..3 {
                        line[x][c] = self.regular(contexts[c], left[c], up[c], corner[c])?;
                    }
                    x += 1;
                    continue;
                }
                let len = self.run_length(width + 1 - x, &mut run)?;
                line[x..x + len].fill(left);
                x += len;
                if x <= width {
                    for c in 0..3 {
                        let error = self.interruption_error(0, run)?;
                        let (left, up) = (left[c], above[x][c]);
                        line[x][c] = self.coding.value(up, if left > up { -error } else { error });
                    }
                    run = run.saturating_sub(1);
                    x += 1;
                }
            }
            let target = &mut out[row * width * 3..];
            target[..width * 3].copy_from_slice(line[1..=width].as_flattened());
            std::mem::swap(&mut above, &mut line);
        }
        Ok(())
    }

    fn context(&self, left: i32, up: i32, corner: i32, next: i32) -> i32 {
        let q = |gradient| self.coding.quantized(gradient);
        81 * q(next - up) + 9 * q(up - corner) + q(corner - left)
    }

    fn regular(&mut self, context: i32, left: i32, up: i32, corner: i32) -> Result<i32, Problem> {
        let Self { bits, coding, contexts, .. } = self;
        let sign = context.signum();
        let state = &mut contexts[context.unsigned_abs() as usize];
        let (low, high) = (left.min(up), left.max(up));
        let median = if corner >= high {
            low
        } else if corner <= low {
            high
        } else {
            left + up - corner
        };
        let prediction = (median + sign * state.c).clamp(0, coding.max);
        let k = golomb(state.n, state.a);
        let mapped = bits.golomb(k, coding.limit, coding.qbpp)?;
        let half = (mapped >> 1).cast_signed();
        let is_odd = mapped & 1 == 1;
        let error = if coding.near == 0 && k == 0 && 2 * state.b <= -state.n {
            if is_odd { half } else { -half - 1 }
        } else if is_odd {
            -half - 1
        } else {
            half
        };
        state.b += error * (2 * coding.near + 1);
        state.a += error.abs();
        if state.n == coding.reset {
            state.a >>= 1;
            state.b >>= 1;
            state.n >>= 1;
        }
        state.n += 1;
        if state.b <= -state.n {
            state.b = (state.b + state.n).max(1 - state.n);
            state.c = (state.c - 1).max(-128);
        } else if state.b > 0 {
            state.b = (state.b - state.n).min(0);
            state.c = (state.c + 1).min(127);
        }
        Ok(coding.value(prediction, sign * error))
    }

    /// How many of the `left` pixels have the value before them.
    fn run_length(&mut self, left: usize, run: &mut usize) -> Result<usize, Problem> {
        let mut len = 0;
        while len < left {
            if self.bits.take(1)? == 0 {
                let rest = self.bits.take(J[*run])? as usize;
                if len + rest >= left {
                    return Err(damaged("a JPEG-LS run is too long"));
                }
                return Ok(len + rest);
            }
            let step = 1 << J[*run];
            if len + step <= left {
                *run = (*run + 1).min(31);
            }
            len = (len + step).min(left);
        }
        Ok(len)
    }

    fn interrupted(&mut self, left: i32, up: i32, run: usize) -> Result<i32, Problem> {
        let is_flat = (left - up).abs() <= self.coding.near;
        let error = self.interruption_error(usize::from(is_flat), run)?;
        Ok(if is_flat {
            self.coding.value(left, error)
        } else {
            self.coding.value(up, if left > up { -error } else { error })
        })
    }

    fn interruption_error(&mut self, kind: usize, run: usize) -> Result<i32, Problem> {
        let Self { bits, coding, interruptions, .. } = self;
        let state = &mut interruptions[kind];
        let flat = kind as i32;
        let k = golomb(state.n, state.a + flat * (state.n >> 1));
        let mapped = bits.golomb(k, coding.limit - J[run] - 1, coding.qbpp)?.cast_signed();
        let value = mapped + flat;
        let half = (value + 1) >> 1;
        let is_odd = value & 1 == 1;
        let error = if (k != 0 || 2 * state.b >= state.n) == is_odd { -half } else { half };
        if error < 0 {
            state.b += 1;
        }
        state.a += (mapped + 1 - flat) >> 1;
        if state.n == coding.reset {
            state.a >>= 1;
            state.b >>= 1;
            state.n >>= 1;
        }
        state.n += 1;
        Ok(error)
    }
}

/// The least k with n · 2^k ≥ a.
fn golomb(n: i32, a: i32) -> u32 {
    (0..24).find(|&k| i64::from(n) << k >= i64::from(a)).unwrap_or(24)
}

/// Bits of a stream in which each byte 0xff is followed by one with a 0 stuffed in front.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Left-aligned.
    held: u64,
    count: u32,
    is_after_ff: bool,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, held: 0, count: 0, is_after_ff: false }
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            if self.is_after_ff && byte >= 0x80 {
                // A marker: the end of the scan.
                return;
            }
            let width = if self.is_after_ff { 7 } else { 8 };
            self.held |= u64::from(byte) << (64 - width - self.count);
            self.count += width;
            self.is_after_ff = byte == 0xff;
            self.at += 1;
        }
    }

    fn take(&mut self, count: u32) -> Result<u32, Problem> {
        if count == 0 {
            return Ok(0);
        }
        if self.count < count {
            self.fill();
            if self.count < count {
                return Err(damaged("the JPEG-LS stream ends too early"));
            }
        }
        let value = (self.held >> (64 - count)) as u32;
        self.held <<= count;
        self.count -= count;
        Ok(value)
    }

    /// A number in the standard's limited-length Golomb code.
    fn golomb(&mut self, k: u32, limit: u32, qbpp: u32) -> Result<u32, Problem> {
        let longest = limit.saturating_sub(qbpp + 1);
        let mut zeros = 0;
        loop {
            if self.count == 0 {
                self.fill();
            }
            let here = self.held.leading_zeros().min(self.count);
            zeros += here;
            self.held = if here < 64 { self.held << here } else { 0 };
            self.count -= here;
            if self.count > 0 || zeros > longest {
                break;
            }
            if self.at >= self.bytes.len() || self.is_after_ff && self.bytes[self.at] >= 0x80 {
                return Err(damaged("the JPEG-LS stream ends too early"));
            }
        }
        self.take(1)?;
        if zeros < longest {
            return Ok(zeros << k | self.take(k)?);
        }
        if zeros > longest {
            return Err(damaged("a JPEG-LS code is too long"));
        }
        Ok(self.take(qbpp)? + 1)
    }

    /// Where the next marker is: the scan ends at a whole byte.
    fn position(&self) -> usize {
        // What was read ahead lies before a marker in any case.
        let mut at = self.at.saturating_sub(self.count as usize / 7 + 2);
        while let Some(pair) = self.bytes.get(at..at + 2) {
            if pair[0] == 0xff && pair[1] >= 0x80 && pair[1] != 0xff {
                break;
            }
            at += 1;
        }
        at
    }
}
