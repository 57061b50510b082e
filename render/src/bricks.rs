use glam::{DAffine3, DVec3};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use voco_volume::Box3;

/// Side of a brick, in texels. The shaders have the same number.
pub(crate) const BRICK: usize = 8;

/// Least and greatest texel of every brick of 8³, the next layer included: what a trilinear sample in it can come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bricks {
    pub dims: [usize; 3],
    pub ranges: Vec<[f32; 2]>,
}

impl Bricks {
    /// From texels, x fastest.
    pub fn of(texels: &[half::f16], dims: [usize; 3]) -> Self {
        let mut bricks = Self::empty(dims);
        bricks.add(texels, dims, 0);
        bricks
    }

    /// Of a volume whose texels are still to come; a brick without any is nowhere visible.
    pub fn empty(dims: [usize; 3]) -> Self {
        let brick_dims = dims.map(|d| (d - 1) / BRICK + 1);
        Self { dims: brick_dims, ranges: vec![NOTHING; brick_dims.iter().product()] }
    }

    /// Takes up whole layers of texels (x fastest) of a volume with sides `dims`, from layer `first` on.
    pub fn add(&mut self, texels: &[half::f16], dims: [usize; 3], first: usize) {
        let layers = texels.par_chunks_exact(dims[0] * dims[1]);
        let found: Vec<Vec<[f32; 2]>> = layers.map(|layer| layer_ranges(layer, dims[0], dims[1])).collect();
        let per_layer = self.dims[0] * self.dims[1];
        for (n, layer) in found.iter().enumerate() {
            for bz in owners(first + n, self.dims[2]) {
                merge(&mut self.ranges[per_layer * bz..][..per_layer], layer);
            }
        }
    }

    /// For each brick: 0 if some entry of `table` that its values can reach is not clear, or `extra` says so; else the
    /// number of bricks to the nearest such one (255 at most). `gain` and `bias` lead from texels to the table, 0…1.
    pub fn distances(&self, table: &[[f32; 4]], gain: f32, bias: f32, extra: &[bool]) -> Vec<u8> {
        let mut visible_before = vec![0_u32; table.len() + 1];
        for (n, entry) in table.iter().enumerate() {
            visible_before[n + 1] = visible_before[n] + u32::from(entry[3] > 0.0);
        }
        let last = (table.len() - 1) as f32;
        let place = |texel: f32| (texel * gain + bias).clamp(0.0, 1.0) * last;
        let mut distances: Vec<u8> = self
            .ranges
            .iter()
            .enumerate()
            .map(|(n, range)| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "places lie within the table"
                )]
                let (from, to) = (place(range[0]).floor() as usize, place(range[1]).ceil() as usize);
                let is_visible = visible_before[to + 1] > visible_before[from] || extra.get(n) == Some(&true);
                if is_visible { 0 } else { u8::MAX }
            })
            .collect();
        chebyshev(&mut distances, self.dims);
        distances
    }

    /// As [`Self::distances`], for the surface where texels reach `threshold`.
    pub fn distances_to(&self, threshold: f32) -> Vec<u8> {
        let mut distances: Vec<u8> =
            self.ranges.iter().map(|range| if range[1] >= threshold { 0 } else { u8::MAX }).collect();
        chebyshev(&mut distances, self.dims);
        distances
    }

    /// For each brick: lower bound of its place in the table, in 255ths.
    pub fn lower_bounds(&self, gain: f32, bias: f32) -> Vec<u8> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0…255")]
        let bound = |range: &[f32; 2]| ((range[0] * gain + bias).clamp(0.0, 1.0) * 255.0).floor() as u8;
        self.ranges.iter().map(bound).collect()
    }

    /// For each brick: upper bound of its place in the table, in 255ths.
    pub fn bounds(&self, gain: f32, bias: f32) -> Vec<u8> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0…255")]
        let bound = |range: &[f32; 2]| ((range[1] * gain + bias).clamp(0.0, 1.0) * 255.0).ceil() as u8;
        self.ranges.iter().map(bound).collect()
    }

    /// Sets `marked` for the bricks that the box, given in another grid, may touch.
    pub fn mark(&self, marked: &mut [bool], other: Box3, texel_from_other: DAffine3) {
        let bounds = Box3::around(other.corners().map(|c| texel_from_other.transform_point3(c)));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bricks there are")]
        let index =
            |v: DVec3, axis: usize| (v[axis] / BRICK as f64).floor().clamp(0.0, (self.dims[axis] - 1) as f64) as usize;
        let [xs, ys, zs] = [0, 1, 2].map(|axis| index(bounds.min, axis)..=index(bounds.max, axis));
        for z in zs {
            for y in ys.clone() {
                let row = self.dims[0] * (y + self.dims[1] * z);
                marked[row + xs.start()..=row + xs.end()].fill(true);
            }
        }
    }
}

/// The range of no texel.
const NOTHING: [f32; 2] = [f32::INFINITY, f32::NEG_INFINITY];

/// Ranges of the bricks that one layer of texels crosses. Rows are compared column by column first, which the processor does for
/// many columns at once.
fn layer_ranges(layer: &[half::f16], width: usize, height: usize) -> Vec<[f32; 2]> {
    let [columns, rows] = [width, height].map(|d| (d - 1) / BRICK + 1);
    let mut ranges = Vec::with_capacity(columns * rows);
    let mut values = vec![0.0_f32; width];
    let (mut low, mut high) = (vec![0.0_f32; width], vec![0.0_f32; width]);
    for brick_row in 0..rows {
        low.fill(NOTHING[0]);
        high.fill(NOTHING[1]);
        let last = ((brick_row + 1) * BRICK).min(height - 1);
        for row in layer[brick_row * BRICK * width..(last + 1) * width].chunks_exact(width) {
            row.convert_to_f32_slice(&mut values);
            for ((low, high), &value) in low.iter_mut().zip(&mut high).zip(&values) {
                // Not min and max, which take care of values that are none.
                *low = if value < *low { value } else { *low };
                *high = if value > *high { value } else { *high };
            }
        }
        ranges.extend((0..columns).map(|column| {
            let part = column * BRICK..=((column + 1) * BRICK).min(width - 1);
            [
                low[part.clone()].iter().copied().fold(NOTHING[0], f32::min),
                high[part].iter().copied().fold(NOTHING[1], f32::max),
            ]
        }));
    }
    ranges
}

fn merge(ranges: &mut [[f32; 2]], more: &[[f32; 2]]) {
    for (range, new) in ranges.iter_mut().zip(more) {
        *range = [range[0].min(new[0]), range[1].max(new[1])];
    }
}

/// Bricks along one axis that a texel belongs to: its own, and the one before if it is that one's overlap.
fn owners(texel: usize, num_bricks: usize) -> std::ops::RangeInclusive<usize> {
    let own = (texel / BRICK).min(num_bricks - 1);
    let first = if texel.is_multiple_of(BRICK) { own.saturating_sub(1) } else { own };
    first..=own
}

/// Turns 0 / 255 into the chessboard distance to the nearest 0: one sweep over the 13 neighbours before each brick, one
/// backwards over the 13 after it.
fn chebyshev(distances: &mut [u8], dims: [usize; 3]) {
    let size = dims.map(usize::cast_signed);
    let neighbours: [[isize; 3]; 13] = std::array::from_fn(|n| {
        let n = n.cast_signed();
        [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1]
    });
    let mut relax = |at: [isize; 3], sign: isize| {
        let flat = |[x, y, z]: [isize; 3]| (x + size[0] * (y + size[1] * z)).cast_unsigned();
        let mut best = distances[flat(at)];
        for offset in &neighbours {
            let near: [isize; 3] = std::array::from_fn(|a| at[a] + offset[a] * sign);
            if (0..3).all(|a| near[a] >= 0 && near[a] < size[a]) {
                best = best.min(distances[flat(near)].saturating_add(1));
            }
        }
        distances[flat(at)] = best;
    };
    for z in 0..size[2] {
        for y in 0..size[1] {
            (0..size[0]).for_each(|x| relax([x, y, z], 1));
        }
    }
    for z in (0..size[2]).rev() {
        for y in (0..size[1]).rev() {
            (0..size[0]).rev().for_each(|x| relax([x, y, z], -1));
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::Bricks;

    #[test]
    fn ranges_hold_the_overlap_to_the_next_brick() {
        let dims = [17, 9, 8];
        let mut texels = vec![f16::ZERO; dims.iter().product()];
        texels[8] = f16::from_f32(5.0); // x = 8: brick 1's own, brick 0's overlap
        texels[17 * 8 + 16] = f16::from_f32(-3.0); // x = 16, y = 8
        let bricks = Bricks::of(&texels, dims);
        assert_eq!(bricks.dims, [3, 2, 1]);
        assert_eq!(bricks.ranges[..3], [[0.0, 5.0], [-3.0, 5.0], [-3.0, 0.0]]);
        assert_eq!(bricks.ranges[3..], [[0.0, 0.0], [-3.0, 0.0], [-3.0, 0.0]]);
    }

    #[test]
    fn distances_count_bricks_to_the_nearest_visible_one() {
        let mut ranges = vec![[0.0, 0.1]; 6 * 5 * 4];
        ranges[5 + 6 * (4 + 5 * 3)] = [0.9, 1.0];
        let bricks = Bricks { dims: [6, 5, 4], ranges };
        let mut table = vec![[0.0; 4]; 1024];
        table[1000] = [1.0; 4];
        let distances = bricks.distances(&table, 1.0, 0.0, &[]);
        for (n, distance) in distances.iter().enumerate() {
            let expected = (5 - n % 6).max(4 - n / 6 % 5).max(3 - n / 30);
            assert_eq!(usize::from(*distance), expected, "brick {n}");
        }
    }
}
