//! Windows put together again, with as little of the volume in memory as may be.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use super::SlidingWindow;

/// Sums of overlapping windows over one volume `[K, size]`.
///
/// Windows are visited along the axis along which the fewest voxels are open at a time; planes that no later window reaches are
/// handed out as a [`Slab`] and freed. Where even the open planes would take more memory than allowed, the volume is done in
/// strips along a second axis, and windows that reach over the edge of a strip are asked for again.
#[derive(Debug)]
pub struct Stitcher {
    window: SlidingWindow,
    size: [usize; 3],
    classes: usize,
    /// Axes of the planes, of the strips, and of the rows.
    order: [usize; 3],
    weights: Vec<f32>,
    strips: VecDeque<Strip>,
    /// Windows of the first strip that are still to come.
    coming: VecDeque<[usize; 3]>,
    /// Open planes and the index of the first.
    planes: VecDeque<Plane>,
    first_plane: usize,
    num_windows: usize,
    num_done: usize,
}

/// A part of the volume that no later window changes.
#[derive(Debug)]
pub struct Slab {
    /// First voxel.
    pub start: [usize; 3],
    /// Edges in voxels.
    pub size: [usize; 3],
    /// The axis along which the planes follow one another.
    pub axis: usize,
    /// One for each step along `axis`: blended values `[K, b, c]`, with b and c the two other axes in ascending order.
    pub planes: Vec<Vec<f32>>,
    /// The axis along which the volume is done in strips.
    pub strip_axis: usize,
    /// The part along `strip_axis` that belongs to this strip alone; what lies before it was in the strip before too.
    pub own: Range<usize>,
}

/// Voxels along the strip axis.
#[derive(Debug, Clone)]
struct Strip {
    /// Computed: from one voxel before its own.
    range: Range<usize>,
    own: Range<usize>,
}

#[derive(Debug)]
struct Plane {
    /// `[K, b, c]`.
    sums: Vec<f32>,
    /// `[b, c]`; minus infinity where a window was skipped.
    weights: Vec<f32>,
}

impl Stitcher {
    /// For a volume of `size` voxels, no axis of it shorter than the window, and `classes` values per voxel. The open planes take
    /// at most about `most_bytes`, but no strip is narrower than a quarter of a window.
    ///
    /// # Panics
    /// When an edge of the window is 0, the overlap is not in 0..1, or the volume is smaller than a window.
    pub fn new(window: SlidingWindow, size: [usize; 3], classes: usize, most_bytes: usize) -> Self {
        window.check();
        let roi = window.roi;
        assert!((0..3).all(|a| size[a] >= roi[a]), "a volume of {size:?} is smaller than a window of {roi:?}");
        let open = |axis: usize| size.iter().product::<usize>() / size[axis] * roi[axis];
        let planes = (0..3).min_by_key(|&axis| open(axis)).unwrap_or(0);
        let rest: Vec<usize> = (0..3).filter(|&axis| axis != planes).collect();
        let order = [planes, rest[0], rest[1]];
        // A float for each class, and one for the weight.
        let row_bytes = size_of::<f32>() * (classes + 1) * roi[planes] * size[rest[1]];
        let widest = (most_bytes / row_bytes.max(1)).max(roi[rest[0]].div_ceil(4)).max(1);
        let count = size[rest[0]].div_ceil(widest);
        let width = size[rest[0]].div_ceil(count);
        let strips: VecDeque<Strip> = (0..size[rest[0]])
            .step_by(width)
            .map(|start| {
                let own = start..(start + width).min(size[rest[0]]);
                Strip { range: start.saturating_sub(1)..own.end, own }
            })
            .collect();
        let mut stitcher = Self {
            window,
            size,
            classes,
            order,
            weights: window.weights(),
            num_windows: 0,
            coming: VecDeque::new(),
            planes: VecDeque::new(),
            first_plane: 0,
            num_done: 0,
            strips,
        };
        stitcher.num_windows = stitcher.strips.iter().map(|strip| stitcher.starts(strip).len()).sum();
        stitcher.coming = stitcher.strips.front().map(|strip| stitcher.starts(strip)).unwrap_or_default();
        stitcher
    }

    /// Start of the window that is wanted next; `None` at the end.
    pub fn next_window(&self) -> Option<[usize; 3]> {
        self.coming.front().copied()
    }

    /// Windows in all, those that are asked for twice counted twice.
    pub fn num_windows(&self) -> usize {
        self.num_windows
    }

    /// Windows added or skipped.
    pub fn num_done(&self) -> usize {
        self.num_done
    }

    /// Adds the values `[K, roi]` of the window at [`Self::next_window`], last axis fastest, and gives the planes that became
    /// complete by it, if any.
    ///
    /// # Panics
    /// When there are not as many values, or no window is wanted.
    #[must_use = "the planes are not kept"]
    pub fn add(&mut self, values: &[f32]) -> Option<Slab> {
        assert_eq!(values.len(), self.classes * self.weights.len(), "one value for each class and voxel");
        self.visit(Some(values));
        self.finished()
    }

    /// Leaves out the window at [`Self::next_window`]: all its voxels become class 0, whatever other windows say. Gives the
    /// planes that became complete by it.
    ///
    /// # Panics
    /// When no window is wanted.
    #[must_use = "the planes are not kept"]
    pub fn skip(&mut self) -> Option<Slab> {
        self.visit(None);
        self.finished()
    }

    fn finished(&mut self) -> Option<Slab> {
        let strip = self.strips.front()?.clone();
        let [planes, strips, _] = self.order;
        let until = self.coming.front().map_or(self.size[planes], |next| next[planes]);
        let count = until.saturating_sub(self.first_plane).min(self.planes.len());
        if self.coming.is_empty() {
            // The next window is of the next strip.
            self.strips.pop_front();
            self.coming = self.strips.front().map(|strip| self.starts(strip)).unwrap_or_default();
        }
        if count == 0 {
            return None;
        }
        let mut start = [0; 3];
        let mut size = self.size;
        (start[planes], size[planes]) = (self.first_plane, count);
        (start[strips], size[strips]) = (strip.range.start, strip.range.len());
        self.first_plane = if until == self.size[planes] { 0 } else { self.first_plane + count };
        let mut done: Vec<Plane> = self.planes.drain(..count).collect();
        let classes = self.classes;
        done.par_iter_mut().for_each(|plane| plane.finish(classes));
        let planes_of = done.into_iter().map(|plane| plane.sums).collect();
        Some(Slab { start, size, axis: planes, planes: planes_of, strip_axis: strips, own: strip.own })
    }

    /// Starts of the windows that reach into a strip, in the order in which they are visited.
    fn starts(&self, strip: &Strip) -> VecDeque<[usize; 3]> {
        let [a, b, c] = self.order.map(|axis| (axis, self.window.axis_starts(axis, self.size[axis])));
        let roi = self.window.roi[b.0];
        let reaches = |start: &&usize| **start < strip.range.end && **start + roi > strip.range.start;
        let mut starts = VecDeque::new();
        for &i in &a.1 {
            for &j in b.1.iter().filter(reaches) {
                for &k in &c.1 {
                    let mut start = [0; 3];
                    (start[a.0], start[b.0], start[c.0]) = (i, j, k);
                    starts.push_back(start);
                }
            }
        }
        starts
    }

    fn visit(&mut self, values: Option<&[f32]>) {
        let start = self.coming.pop_front().expect("a window is wanted");
        let strip = self.strips.front().expect("a window belongs to a strip").range.clone();
        self.num_done += 1;
        let (roi, [a, b, c], classes) = (self.window.roi, self.order, self.classes);
        let strides = [roi[1] * roi[2], roi[2], 1];
        let (inside, width) = (self.weights.len(), self.size[c]);
        while self.first_plane + self.planes.len() < start[a] + roi[a] {
            let voxels = strip.len() * width;
            self.planes.push_back(Plane { sums: vec![0.0; classes * voxels], weights: vec![0.0; voxels] });
        }
        let first = start[a] - self.first_plane;
        let planes = &mut self.planes.make_contiguous()[first..first + roi[a]];
        let rows = start[b].max(strip.start)..(start[b] + roi[b]).min(strip.end);
        let weights = &self.weights;
        planes.par_iter_mut().enumerate().for_each(|(i, plane)| {
            let voxels = plane.weights.len();
            for row in rows.clone() {
                let from = i * strides[a] + (row - start[b]) * strides[b];
                let to = (row - strip.start) * width + start[c];
                let target = &mut plane.weights[to..to + roi[c]];
                let Some(values) = values else {
                    target.fill(f32::NEG_INFINITY);
                    continue;
                };
                for (k, total) in target.iter_mut().enumerate() {
                    *total += weights[from + k * strides[c]];
                }
                for class in 0..classes {
                    let source = &values[class * inside..][from..];
                    let target = &mut plane.sums[class * voxels + to..][..roi[c]];
                    for (k, total) in target.iter_mut().enumerate() {
                        let at = k * strides[c];
                        *total += source[at] * weights[from + at];
                    }
                }
            }
        });
    }
}

impl Plane {
    /// From sums to means; where a window was skipped, 0 for class 0 and minus infinity for the others.
    fn finish(&mut self, classes: usize) {
        let voxels = self.weights.len();
        for class in 0..classes {
            let sums = &mut self.sums[class * voxels..][..voxels];
            for (sum, &weight) in sums.iter_mut().zip(&self.weights) {
                *sum = match (weight > 0.0, class) {
                    (true, _) => *sum / weight,
                    (false, 0) => 0.0,
                    (false, _) => f32::NEG_INFINITY,
                };
            }
        }
        self.weights = Vec::new();
    }
}

impl Slab {
    /// The class of the greatest value of each voxel, plane after plane `[a, b, c]`; the lower class where two are equal.
    pub fn labels(&self) -> Vec<u16> {
        let voxels = self.plane_voxels();
        let mut labels = vec![0_u16; voxels * self.planes.len()];
        labels.par_chunks_mut(voxels.max(1)).zip(&self.planes).for_each(|(labels, plane)| {
            let mut best = plane[..voxels].to_vec();
            for (class, values) in plane.chunks_exact(voxels).enumerate().skip(1) {
                for ((label, best), &value) in labels.iter_mut().zip(&mut best).zip(values) {
                    if value > *best {
                        *best = value;
                        *label = class as u16;
                    }
                }
            }
        });
        labels
    }

    /// Turns logits into probabilities.
    pub fn softmax(&mut self) {
        let voxels = self.plane_voxels();
        self.planes.par_iter_mut().for_each(|plane| softmax(plane, voxels));
    }

    fn plane_voxels(&self) -> usize {
        self.size.iter().product::<usize>() / self.size[self.axis].max(1)
    }
}

/// Softmax over the first axis of `values` `[K, voxels]`, in place.
pub fn softmax(values: &mut [f32], voxels: usize) {
    let mut most = values[..voxels].to_vec();
    for class in values.chunks_exact(voxels).skip(1) {
        for (most, &value) in most.iter_mut().zip(class) {
            *most = most.max(value);
        }
    }
    let mut sums = vec![0.0_f32; voxels];
    for class in values.chunks_exact_mut(voxels) {
        for ((value, &most), sum) in class.iter_mut().zip(&most).zip(&mut sums) {
            *value = (*value - most).exp();
            *sum += *value;
        }
    }
    for class in values.chunks_exact_mut(voxels) {
        for (value, &sum) in class.iter_mut().zip(&sums) {
            *value /= sum;
        }
    }
}
