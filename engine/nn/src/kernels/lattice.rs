//! Which voxel meets which weight: convolutions as sums over shifted copies.
//!
//! A convolution, and its gradient towards the input, is
//! `out[p] = Σ weight[tap] · slab[offset[tap] + p]`, when the source is first
//! copied into a *slab* with zeros around it and `p` runs through whole planes
//! of the slab, line ends included. So the inner loop needs no borders, reads
//! only runs of neighbours, and is the same for every kernel size and stride.
//! What it computes between the lines is thrown away; that is cheap because a
//! line shares its zeros with the next one.

use std::ops::Range;

/// A convolution layer applied to one input size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Images in the batch.
    pub batch: usize,
    /// Channels of input and output.
    pub channels: [usize; 2],
    /// Edges of the input.
    pub input: [usize; 3],
    /// Edges of the kernel.
    pub kernel: [usize; 3],
    /// Steps of the kernel.
    pub stride: [usize; 3],
    /// Zeros on both sides.
    pub padding: [usize; 3],
}

impl ConvShape {
    /// Edges of the output.
    pub fn output(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            (self.input[axis] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1
        })
    }

    /// Weights of one pair of channels.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// The same layer with lines as planes, where voxels do not meet their
    /// neighbours: then the work is cut more finely.
    pub fn flattened(self) -> Self {
        let [d, h, w] = self.input;
        let alone = self.kernel == [1; 3] && self.stride == [1; 3] && self.padding == [0; 3];
        if alone { Self { input: [d * h, 1, w], ..self } } else { self }
    }

    /// Whether the sums cover this layer: the kernel must fit into the padded
    /// input, and there must be something to compute.
    pub fn is_supported(&self) -> bool {
        let axis = |a: usize| {
            self.stride[a] > 0
                && self.kernel[a] > self.padding[a]
                && self.input[a] > 0
                && self.input[a] + 2 * self.padding[a] >= self.kernel[a]
        };
        (0..3).all(axis) && self.batch > 0 && self.channels.iter().all(|&count| count > 0)
    }
}

/// One axis of a sum.
#[derive(Debug, Clone)]
struct Axis {
    /// Voxels computed along the axis.
    len: usize,
    /// Voxels of the source.
    source: usize,
    /// Edge of the kernel.
    kernel: usize,
    /// Entry `q` of phase `f` holds source voxel `q·step + f − lead`.
    step: usize,
    phases: usize,
    lead: usize,
    /// Largest shift.
    reach: usize,
    /// Zeros at the end of a line that are those at the start of the next.
    shared: usize,
    /// Voxels that share their taps: one set of them for an output, one per step for an input's gradient.
    sets: Vec<AxisSet>,
}

/// Every `sets.len()`-th voxel of an axis.
#[derive(Debug, Clone)]
struct AxisSet {
    len: usize,
    /// `(weight, phase, shift)` of every tap.
    taps: Vec<(usize, usize, usize)>,
}

impl Axis {
    fn forward(shape: &ConvShape, axis: usize) -> Self {
        let (kernel, step, lead) = (shape.kernel[axis], shape.stride[axis], shape.padding[axis]);
        let len = shape.output()[axis];
        Self {
            len,
            source: shape.input[axis],
            kernel,
            step,
            phases: step.min(kernel),
            lead,
            reach: (kernel - 1) / step,
            shared: if step == 1 { lead.min(kernel - 1 - lead) } else { 0 },
            sets: vec![AxisSet { len, taps: (0..kernel).map(|k| (k, k % step, k / step)).collect() }],
        }
    }

    /// Inputs `i·stride + residue`, for every residue a set of sums over the gradient of the output.
    fn backward(shape: &ConvShape, axis: usize) -> Self {
        let (kernel, step, padding) = (shape.kernel[axis], shape.stride[axis], shape.padding[axis]);
        let (input, source) = (shape.input[axis], shape.output()[axis]);
        // Input voxel x reaches output (x + padding − k) / stride with weight k.
        let shifts = |residue: usize| {
            (0..kernel)
                .map(move |k| (k, (residue + padding) as isize - k as isize))
                .filter(|(_, distance)| distance.rem_euclid(step as isize) == 0)
                .map(|(k, distance)| (k, distance.div_euclid(step as isize)))
                .collect::<Vec<_>>()
        };
        let residues: Vec<_> = (0..step.min(input)).map(shifts).collect();
        let lead = residues.iter().flatten().map(|&(_, shift)| (-shift).max(0)).max().unwrap_or(0);
        let set = |(residue, shifts): (usize, &Vec<(usize, isize)>)| AxisSet {
            len: (input - residue).div_ceil(step),
            taps: shifts.iter().map(|&(k, shift)| (k, 0, (shift + lead) as usize)).collect(),
        };
        let sets: Vec<AxisSet> = residues.iter().enumerate().map(set).collect();
        let reach = sets.iter().flat_map(|set| &set.taps).map(|tap| tap.2).max().unwrap_or(0);
        let (len, lead) = (input.div_ceil(step), lead as usize);
        let shared = lead.min((len + reach).saturating_sub(lead + source));
        Self { len, source, kernel, step: 1, phases: 1, lead, reach, shared, sets }
    }

    fn pitch(&self) -> usize {
        self.len + self.reach - self.shared
    }

    /// The source voxel at entry `q` of a phase, unless it is a zero.
    fn source_of(&self, phase: usize, q: usize) -> Option<usize> {
        (q * self.step + phase).checked_sub(self.lead).filter(|&at| at < self.source)
    }

    /// The entries of a phase in a line that are voxels, and the first voxel.
    fn voxels(&self, phase: usize) -> (Range<usize>, usize) {
        let len = self.pitch();
        let begin = self.lead.saturating_sub(phase).div_ceil(self.step).min(len);
        let end = (self.source + self.lead).saturating_sub(phase).div_ceil(self.step).clamp(begin, len);
        let first = if begin == end { 0 } else { begin * self.step + phase - self.lead };
        (begin..end, first)
    }
}

/// Writes every `step`-th number of `from` into the entries `voxels` of a line,
/// and zeros into the others.
#[inline(always)]
fn copy(line: &mut [f32], from: &[f32], voxels: Range<usize>, step: usize) {
    zero(&mut line[..voxels.start]);
    zero(&mut line[voxels.end..]);
    let to = &mut line[voxels];
    match step {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => {
            let (pairs, rest) = from.as_chunks::<2>();
            for (to, pair) in to.iter_mut().zip(pairs) {
                *to = pair[0];
            }
            if to.len() > pairs.len() {
                to[pairs.len()] = rest[0];
            }
        }
        _ => {
            for (to, &value) in to.iter_mut().zip(from.iter().step_by(step)) {
                *to = value;
            }
        }
    }
}

/// Clears the ends of a line, which rarely have more than one number: that is
/// not worth a call.
#[inline(always)]
pub(super) fn zero(numbers: &mut [f32]) {
    match numbers {
        [] => {}
        [one] => *one = 0.0,
        many => many.fill(0.0),
    }
}

/// The part of a batch that a slab holds.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Images one after the other, for maps too small to be worth a run each.
    pub images: usize,
    /// First computed plane.
    pub first: usize,
    /// Computed planes; all of them when there are several images.
    pub planes: usize,
}

impl Window {
    /// Some planes of one image.
    pub fn planes(first: usize, planes: usize) -> Self {
        Self { images: 1, first, planes }
    }
}

/// A sum over shifted copies of a source.
#[derive(Debug, Clone)]
pub struct Lattice {
    axes: [Axis; 3],
}

impl Lattice {
    /// The output of a layer, from its input.
    pub fn forward(shape: &ConvShape) -> Self {
        Self { axes: std::array::from_fn(|axis| Axis::forward(shape, axis)) }
    }

    /// The gradients of the input, from those of the output: a set of sums for
    /// every `stride`-th voxel, all from one slab.
    pub fn backward(shape: &ConvShape) -> Self {
        Self { axes: std::array::from_fn(|axis| Axis::backward(shape, axis)) }
    }

    /// Edges of what is computed, by the largest set.
    pub fn len(&self) -> [usize; 3] {
        self.axes.each_ref().map(|axis| axis.len)
    }

    /// Steps from a voxel of a set to the next.
    pub fn step(&self) -> [usize; 3] {
        self.axes.each_ref().map(|axis| axis.sets.len())
    }

    /// Firsts of all sets, which are their indices too.
    pub fn sets(&self) -> impl Iterator<Item = [usize; 3]> {
        let [d, h, w] = self.step();
        (0..d * h * w).map(move |index| [index / (h * w), index / w % h, index % w])
    }

    /// Edges of what a set computes.
    pub fn set_len(&self, set: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|axis| self.axes[axis].sets[set[axis]].len)
    }

    /// Planes of the source beside those that are computed.
    pub fn halo(&self) -> usize {
        self.axes[0].reach
    }

    /// Lines per plane and entries per line of a slab.
    pub fn pitch(&self) -> [usize; 2] {
        [self.axes[1].pitch(), self.axes[2].pitch()]
    }

    /// Entries of a slab plane.
    pub fn plane(&self) -> usize {
        self.axes[1].pitch() * self.axes[2].pitch()
    }

    /// Voxels of one source channel.
    pub fn source_len(&self) -> usize {
        self.axes.iter().map(|axis| axis.source).product()
    }

    fn phases(&self) -> usize {
        self.axes.iter().map(|axis| axis.phases).product()
    }

    /// Entries that a slab needs for one plane more.
    pub fn per_plane(&self) -> usize {
        self.phases() * self.plane()
    }

    /// Planes of a slab from one image, or phase, to the next.
    fn deep(&self, window: Window) -> usize {
        let depth = &self.axes[0];
        if window.images == 1 { window.planes + depth.reach } else { depth.pitch() }
    }

    /// Entries of one channel in a slab. The last ones are zeros for the
    /// vectors that begin in the last line.
    pub fn slab_len(&self, window: Window) -> usize {
        let [depth, rows, columns] = &self.axes;
        let slack = depth.shared * self.plane() + (rows.reach + 1) * columns.pitch() + columns.reach + 64;
        self.phases() * window.images * self.deep(window) * self.plane() + slack
    }

    /// Entries from the first to the last computed voxel, between lines too.
    pub fn run(&self, window: Window) -> usize {
        ((window.images - 1) * self.deep(window) + window.planes) * self.plane()
    }

    /// Index of the weight and offset in the slab of every tap of a set.
    pub fn taps(&self, window: Window, set: [usize; 3]) -> Vec<(usize, usize)> {
        let [depth, rows, columns] = &self.axes;
        let mut taps = Vec::new();
        for &(weight_d, phase_d, shift_d) in &depth.sets[set[0]].taps {
            for &(weight_h, phase_h, shift_h) in &rows.sets[set[1]].taps {
                for &(weight_w, phase_w, shift_w) in &columns.sets[set[2]].taps {
                    let weight = (weight_d * rows.kernel + weight_h) * columns.kernel + weight_w;
                    let phase = (phase_d * rows.phases + phase_h) * columns.phases + phase_w;
                    let plane = phase * window.images * self.deep(window) + shift_d;
                    taps.push((weight, (plane * rows.pitch() + shift_h) * columns.pitch() + shift_w));
                }
            }
        }
        taps
    }

    /// Copies one channel of the images in the window, `source[image]`, into
    /// its part of a slab.
    #[inline(always)]
    pub fn fill<'a>(&self, slab: &mut [f32], source: impl Iterator<Item = &'a [f32]>, window: Window) {
        let [depth, rows, columns] = &self.axes;
        let (plane, deep, phases) = (self.plane(), self.deep(window), self.phases());
        for (image, source) in source.enumerate() {
            for phase in 0..phases {
                let phase_w = phase % columns.phases;
                let phase_h = phase / columns.phases % rows.phases;
                let phase_d = phase / columns.phases / rows.phases;
                let (voxels, first) = columns.voxels(phase_w);
                for q in 0..deep {
                    let to = &mut slab[((phase * window.images + image) * deep + q) * plane..][..plane];
                    let Some(d) = depth.source_of(phase_d, window.first + q) else {
                        to.fill(0.0);
                        continue;
                    };
                    for (h, line) in to.chunks_exact_mut(columns.pitch()).enumerate() {
                        match rows.source_of(phase_h, h) {
                            Some(h) => {
                                let from = &source[(d * rows.source + h) * columns.source..][..columns.source];
                                copy(line, &from[first..], voxels.clone(), columns.step);
                            }
                            None => line.fill(0.0),
                        }
                    }
                }
            }
        }
        slab[phases * window.images * deep * plane..].fill(0.0);
    }

    /// Copies one channel of something as large as the computed voxels, to
    /// where these lie in a run, with zeros between the lines.
    pub fn fill_computed<'a>(&self, slab: &mut [f32], computed: impl Iterator<Item = &'a [f32]>, window: Window) {
        let [_, height, width] = self.len();
        let (columns, plane, deep) = (self.axes[2].pitch(), self.plane(), self.deep(window));
        for (to, values) in slab.chunks_mut(deep * plane).zip(computed) {
            let values = values[window.first * height * width..].chunks_exact(height * width);
            for (to, values) in to.chunks_exact_mut(plane).zip(values).take(window.planes) {
                for (line, values) in to.chunks_exact_mut(columns).zip(values.chunks_exact(width)) {
                    line[..width].copy_from_slice(values);
                    line[width..].fill(0.0);
                }
                to[height * columns..].fill(0.0);
            }
            let end = to.len().min(window.planes * plane);
            to[end..].fill(0.0);
        }
        let end = slab.len().min(window.images * deep * plane);
        slab[end..].fill(0.0);
    }
}
