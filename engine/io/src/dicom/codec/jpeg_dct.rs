use super::huffman::Bits;
use super::jpeg::{Component, Frame, Scan, State};
use super::{Size, damaged};
use crate::Problem;

/// The samples of one component, in whole blocks.
pub(super) struct Plane {
    /// Samples along a row, a multiple of 8.
    width: usize,
    /// Blocks across and down that hold pixels, for scans of this component alone.
    blocks: [usize; 2],
    samples: Vec<f32>,
}

impl Plane {
    pub fn new(frame: &Frame, component: &Component, size: Size) -> Self {
        let [h, v] = most_factors(frame);
        let units = [size.columns.div_ceil(8 * h), size.rows.div_ceil(8 * v)];
        let (width, height) = (units[0] * component.horizontal * 8, units[1] * component.vertical * 8);
        let own = |side: usize, factor: usize, most: usize| (side * factor).div_ceil(most).div_ceil(8);
        let blocks = [own(size.columns, component.horizontal, h), own(size.rows, component.vertical, v)];
        Self { width, blocks, samples: vec![0.0; width * height] }
    }
}

fn most_factors(frame: &Frame) -> [usize; 2] {
    let most = |f: fn(&Component) -> usize| frame.components.iter().map(f).max().unwrap_or(1);
    [most(|c| c.horizontal), most(|c| c.vertical)]
}

/// Decodes the blocks of a scan into the planes of its components.
pub(super) fn scan(
    state: &State,
    frame: &Frame,
    scan: &Scan,
    bits: &mut Bits<'_>,
    size: Size,
    planes: &mut [Plane],
) -> Result<(), Problem> {
    let cosines = cosines();
    let mut last = vec![0_i32; frame.components.len()];
    let [h, v] = most_factors(frame);
    let is_single = scan.components.len() == 1;
    let units = match scan.components[..] {
        [(n, ..)] => planes[n].blocks,
        _ => [size.columns.div_ceil(8 * h), size.rows.div_ceil(8 * v)],
    };
    for unit in 0..units[0] * units[1] {
        if state.restart > 0 && unit > 0 && unit % state.restart == 0 {
            bits.restart()?;
            last.fill(0);
        }
        for &(n, dc, ac) in &scan.components {
            let component = &frame.components[n];
            let tables = (
                state.dc.get(dc).and_then(Option::as_ref),
                state.ac.get(ac).and_then(Option::as_ref),
                state.quantization.get(component.quantization).filter(|q| q.len() == 64),
            );
            let (Some(dc), Some(ac), Some(quantization)) = tables else {
                return Err(damaged("a JPEG scan lacks its tables"));
            };
            let inside = if is_single { [1, 1] } else { [component.horizontal, component.vertical] };
            for block in 0..inside[0] * inside[1] {
                let mut coefficients = [0.0_f32; 64];
                let length = bits.symbol(dc)?;
                last[n] = last[n].wrapping_add(bits.signed(length)?);
                coefficients[0] = last[n] as f32 * quantization[0];
                let mut k = 1;
                while k < 64 {
                    let symbol = bits.symbol(ac)?;
                    let (zeros, length) = (usize::from(symbol >> 4), symbol & 15);
                    if length == 0 {
                        if zeros != 15 {
                            break;
                        }
                        k += 16;
                        continue;
                    }
                    k += zeros;
                    let value = bits.signed(length)?;
                    let Some(&place) = ZIGZAG.get(k) else { return Err(damaged("a JPEG block is too long")) };
                    coefficients[place] = value as f32 * quantization[k];
                    k += 1;
                }
                let x = unit % units[0] * inside[0] + block % inside[0];
                let y = unit / units[0] * inside[1] + block / inside[0];
                let plane = &mut planes[n];
                let pixels = inverse(&coefficients, &cosines);
                for (row, line) in pixels.chunks_exact(8).enumerate() {
                    let start = (y * 8 + row) * plane.width + x * 8;
                    plane.samples[start..start + 8].copy_from_slice(line);
                }
            }
        }
    }
    Ok(())
}

/// The pixels of all components; reduced ones are repeated.
pub(super) fn pixels(frame: &Frame, planes: &[Plane], size: Size) -> Vec<i32> {
    let (lift, top) = (f32::from(1_u16 << (frame.bits - 1)), f32::from((1_u16 << frame.bits) - 1));
    let [h, v] = most_factors(frame);
    let mut out = vec![0_i32; size.num_pixels() * size.samples];
    for (n, (plane, component)) in planes.iter().zip(&frame.components).enumerate() {
        for (y, line) in out.chunks_exact_mut(size.columns * size.samples).enumerate() {
            let row = &plane.samples[y * component.vertical / v * plane.width..];
            for (x, value) in line.iter_mut().skip(n).step_by(size.samples).enumerate() {
                let sample = row[x * component.horizontal / h];
                *value = (sample + lift).round_ties_even().clamp(0.0, top) as i32;
            }
        }
    }
    out
}

/// Where each coefficient of the stream stands in its block.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// `[frequency][place]`, with the scale of each frequency.
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|u| {
        let scale = if u == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 } / 2.0;
        std::array::from_fn(|x| (scale * (std::f64::consts::PI * (2 * x + 1) as f64 * u as f64 / 16.0).cos()) as f32)
    })
}

fn inverse(block: &[f32; 64], cosines: &[[f32; 8]; 8]) -> [f32; 64] {
    let mut rows = [0.0_f32; 64];
    for (source, target) in block.chunks_exact(8).zip(rows.chunks_exact_mut(8)) {
        for (&value, wave) in source.iter().zip(cosines).filter(|(value, _)| **value != 0.0) {
            for (t, w) in target.iter_mut().zip(wave) {
                *t += value * w;
            }
        }
    }
    let mut out = [0.0_f32; 64];
    for (source, wave) in rows.chunks_exact(8).zip(cosines) {
        for (target, &w) in out.chunks_exact_mut(8).zip(wave) {
            for (t, s) in target.iter_mut().zip(source) {
                *t += w * s;
            }
        }
    }
    out
}
