use super::huffman::Bits;
use super::jpeg::{Frame, Scan, State};
use super::{Size, damaged};
use crate::Problem;

/// Decodes a lossless scan (ITU-T T.81, annex H) into `values`, pixel by pixel.
pub(super) fn scan(
    state: &State,
    frame: &Frame,
    scan: &Scan,
    bits: &mut Bits<'_>,
    size: Size,
    values: &mut [i32],
) -> Result<(), Problem> {
    if !(1..=7).contains(&scan.predictor) || scan.shift >= frame.bits {
        return Err(damaged("a JPEG scan header is damaged"));
    }
    let first = 1_i32 << (frame.bits - scan.shift - 1);
    let mask = (1_i32 << frame.bits) - 1;
    let stride = size.columns * size.samples;
    let mut since_restart = 0;
    // After a restart all is as at the beginning: predicted from the left alone for a line.
    let mut first_line = 0;
    for y in 0..size.rows {
        for x in 0..size.columns {
            if state.restart > 0 && since_restart == state.restart {
                bits.restart()?;
                since_restart = 0;
                first_line = y;
            }
            since_restart += 1;
            for &(n, dc, _) in &scan.components {
                let Some(table) = state.dc.get(dc).and_then(Option::as_ref) else {
                    return Err(damaged("a JPEG scan lacks its tables"));
                };
                let length = bits.symbol(table)?;
                // The one number that has no more bits to it.
                let difference = if length == 16 { 1 << 15 } else { bits.signed(length)? };
                let at = y * stride + x * size.samples + n;
                let left = |values: &[i32]| values[at - size.samples];
                let above = |values: &[i32]| values[at - stride];
                let prediction = if y == first_line {
                    if x == 0 || since_restart == 1 { first } else { left(values) }
                } else if x == 0 {
                    above(values)
                } else {
                    let (a, b, c) = (left(values), above(values), values[at - stride - size.samples]);
                    match scan.predictor {
                        1 => a,
                        2 => b,
                        3 => c,
                        4 => a + b - c,
                        5 => a + ((b - c) >> 1),
                        6 => b + ((a - c) >> 1),
                        _ => (a + b) >> 1,
                    }
                };
                values[at] = (prediction + difference) & 0xffff;
            }
        }
    }
    for &(n, ..) in &scan.components {
        for value in values.iter_mut().skip(n).step_by(size.samples) {
            *value = *value << scan.shift & mask;
        }
    }
    Ok(())
}
