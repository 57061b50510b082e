//! Outlines that follow the image within a slice: the live wire and level tracing.

use std::collections::VecDeque;

use crate::lattice::check_count;
use crate::tools::smooth::gradient_length;
use crate::{Components, Connectivity, LabelError, Mask, fill_holes};

/// Cost of a step over a voxel without an edge; the strongest edge costs 1.
const MAX_COST: u16 = 100;
/// Diagonal steps are longer: 10 to 14.
const STRAIGHT: u32 = 10;
const DIAGONAL: u32 = 14;

/// A live wire over one slice (Mortensen and Barrett, 1995): from an anchor the cheapest way along edges to any other pixel.
/// Costs are small whole numbers, so the ways to all pixels are found in some milliseconds by a ring of queues.
#[derive(Debug, Clone)]
pub struct LiveWire {
    size: [usize; 2],
    cost: Vec<u16>,
    /// The pixel that each came from; itself at the anchor.
    from: Vec<u32>,
    anchor: Option<[usize; 2]>,
}

impl LiveWire {
    /// For a slice of `size` pixels, x fastest.
    ///
    /// # Errors
    /// If there is not one value per pixel, or too little memory.
    pub fn new(slice: &[f32], size: [usize; 2], spacing_mm: [f64; 2]) -> Result<Self, LabelError> {
        let dims = [size[0], size[1], 1];
        check_count(dims, slice.len())?;
        let edges = gradient_length(slice, dims, [spacing_mm[0], spacing_mm[1], 1.0])?;
        // The strongest edges are few; those above the 99th percentile all count as strongest.
        let mut sorted: Vec<f32> = edges.iter().copied().filter(|e| e.is_finite()).collect();
        let strong = if sorted.is_empty() {
            1.0
        } else {
            let at = (sorted.len() - 1) * 99 / 100;
            *sorted.select_nth_unstable_by(at, f32::total_cmp).1
        };
        let cost = |&edge: &f32| {
            let part = (edge / strong.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
            1 + ((1.0 - part) * f32::from(MAX_COST - 1)) as u16
        };
        Ok(Self { size, cost: edges.iter().map(cost).collect(), from: Vec::new(), anchor: None })
    }

    /// Sets the point that the wire starts from, and finds the ways from there to all pixels.
    ///
    /// # Errors
    /// A pixel outside of the slice.
    pub fn set_anchor(&mut self, anchor: [usize; 2]) -> Result<(), LabelError> {
        let [nx, ny] = self.size;
        if anchor[0] >= nx || anchor[1] >= ny {
            return Err(LabelError::BadSetting("the point lies outside of the slice; choose one inside"));
        }
        // Dial's ring: no step costs more than its length.
        let ring = (u32::from(MAX_COST) * DIAGONAL + 1) as usize;
        let mut queues: Vec<VecDeque<u32>> = vec![VecDeque::new(); ring];
        let mut total = vec![u32::MAX; nx * ny];
        self.from = (0..(nx * ny) as u32).collect();
        let start = anchor[0] + nx * anchor[1];
        total[start] = 0;
        queues[0].push_back(start as u32);
        let (mut waiting, mut now) = (1_usize, 0_u32);
        while waiting > 0 {
            let Some(at) = queues[now as usize % ring].pop_front() else {
                now += 1;
                continue;
            };
            waiting -= 1;
            let at = at as usize;
            if total[at] != now {
                continue;
            }
            let (x, y) = (at % nx, at / nx);
            for v in y.saturating_sub(1)..(y + 2).min(ny) {
                for u in x.saturating_sub(1)..(x + 2).min(nx) {
                    let to = u + nx * v;
                    let length = if u != x && v != y { DIAGONAL } else { STRAIGHT };
                    let cost = now + u32::from(self.cost[to]) * length;
                    if cost < total[to] {
                        total[to] = cost;
                        self.from[to] = at as u32;
                        queues[cost as usize % ring].push_back(to as u32);
                        waiting += 1;
                    }
                }
            }
        }
        self.anchor = Some(anchor);
        Ok(())
    }

    /// The way from the anchor to a pixel, both included; empty without an anchor or outside.
    pub fn path_to(&self, pixel: [usize; 2]) -> Vec<[usize; 2]> {
        let [nx, ny] = self.size;
        if self.anchor.is_none() || pixel[0] >= nx || pixel[1] >= ny {
            return Vec::new();
        }
        let mut at = pixel[0] + nx * pixel[1];
        let mut path = vec![[at % nx, at / nx]];
        while self.from[at] as usize != at {
            at = self.from[at] as usize;
            path.push([at % nx, at / nx]);
        }
        path.reverse();
        path
    }
}

/// Level tracing: the outline that one sees around a pixel, at its own value. Gives the pixels that it encloses: those at least
/// as bright as the pixel and connected with it, with the holes filled; or, if `is_dark`, at most as bright.
///
/// # Errors
/// If there is not one value per pixel, or too little memory.
pub fn level_trace(slice: &[f32], size: [usize; 2], pixel: [usize; 2], is_dark: bool) -> Result<Mask, LabelError> {
    let dims = [size[0], size[1], 1];
    check_count(dims, slice.len())?;
    if pixel[0] >= size[0] || pixel[1] >= size[1] {
        return Err(LabelError::BadSetting("the point lies outside of the slice; choose one inside"));
    }
    let level = slice[pixel[0] + size[0] * pixel[1]];
    let inside: Vec<u8> = slice.iter().map(|&v| u8::from(if is_dark { v <= level } else { v >= level })).collect();
    let parts = Components::of_mask(&Mask::of_nonzero(&inside, dims)?, Connectivity::Faces6)?;
    let found = parts.at([pixel[0], pixel[1], 0]);
    fill_holes(&parts.select(|n| Some(n) == found)?, Some(2))
}

/// True if a pixel is darker than the mean of those at most `reach` pixels away along each axis: then it is a dark thing that one
/// sees there. Values that are not finite say nothing.
pub fn is_darker_than_around(slice: &[f32], size: [usize; 2], pixel: [usize; 2], reach: usize) -> bool {
    let [nx, ny] = size;
    let span = |at: usize, count: usize| at.saturating_sub(reach)..(at + reach + 1).min(count);
    let (mut sum, mut count) = (0.0_f64, 0_u32);
    for y in span(pixel[1], ny) {
        for x in span(pixel[0], nx) {
            if let Some(v) = slice.get(x + nx * y).filter(|v| v.is_finite()) {
                sum += f64::from(*v);
                count += 1;
            }
        }
    }
    let value = slice.get(pixel[0] + nx * pixel[1]).map_or(f64::NAN, |v| f64::from(*v));
    count > 0 && value < sum / f64::from(count)
}
