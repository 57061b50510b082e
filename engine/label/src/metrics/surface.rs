//! The two definitions of a surface.

use rayon::prelude::*;

use crate::mask::WORD;
use crate::runs::for_each_bit;
use crate::{LabelError, Mask};

/// Empty voxels that the masks here have around the set.
pub(crate) const MARGIN: usize = 1;

/// What a surface consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurfaceKind {
    /// The voxels of the set with a face that is not shared with the set (the border of the grid counts as outside); each
    /// counts once. As in MONAI.
    EdgeVoxels,
    /// The corners of voxels whose eight neighbours are neither all inside nor all outside; each counts with the area of the
    /// marching cubes' triangles around it. As in `DeepMind`'s surface-distance.
    Elements,
}

/// A surface: its points, and what each counts.
pub(crate) struct Surface {
    /// Points of a grid. All surfaces of one kind, from masks of the same dims, have the same grid.
    pub points: Mask,
    /// Area in mm² of each point, in the order of their indices; empty if each counts 1.
    pub areas: Vec<f64>,
}

/// The surface of a mask with [`MARGIN`] empty voxels around it.
pub(crate) fn surface(mask: &Mask, spacing_mm: [f64; 3], kind: SurfaceKind) -> Result<Surface, LabelError> {
    match kind {
        SurfaceKind::EdgeVoxels => Ok(Surface { points: edge_voxels(mask)?, areas: Vec::new() }),
        SurfaceKind::Elements => elements(mask, spacing_mm),
    }
}

/// Area in mm² of the surface of a mask with [`MARGIN`] empty voxels around it.
pub(crate) fn surface_area_mm2(mask: &Mask, spacing_mm: [f64; 3]) -> Result<f64, LabelError> {
    Ok(elements(mask, spacing_mm)?.areas.iter().sum())
}

fn edge_voxels(mask: &Mask) -> Result<Mask, LabelError> {
    let dims = mask.dims();
    let mut edge = Mask::empty(dims)?;
    let per_row = edge.words_per_row();
    edge.words_mut().par_chunks_mut(per_row * dims[1]).enumerate().for_each(|(k, slab)| {
        if k == 0 || k + 1 == dims[2] {
            return; // the margin
        }
        for j in 1..dims[1] - 1 {
            let row = mask.row(j, k);
            let across = [mask.row(j - 1, k), mask.row(j + 1, k), mask.row(j, k - 1), mask.row(j, k + 1)];
            for (n, out) in slab[j * per_row..][..per_row].iter_mut().enumerate() {
                let left = row[n] << 1 | if n > 0 { row[n - 1] >> (WORD - 1) } else { 0 };
                let inner = across.iter().fold(left & shifted_down(row, n), |inner, row| inner & row[n]);
                *out = row[n] & !inner;
            }
        }
    });
    Ok(edge)
}

/// Word n of a row moved down by one: bit i holds voxel i + 1.
fn shifted_down(row: &[u64], n: usize) -> u64 {
    row[n] >> 1 | row.get(n + 1).map_or(0, |next| next << (WORD - 1))
}

/// Point (i, j, k) lies between the voxels i and i + 1, j and j + 1, k and k + 1.
fn elements(mask: &Mask, spacing_mm: [f64; 3]) -> Result<Surface, LabelError> {
    let dims = mask.dims().map(|n| n - 1);
    let mut points = Mask::empty(dims)?;
    let (per_row, last) = (points.words_per_row(), points.last_word());
    let area_of_code = areas_of_codes(spacing_mm);
    let areas_of_slab = |(k, slab): (usize, &mut [u64])| {
        let mut areas = Vec::new();
        for (j, out) in slab.chunks_mut(per_row).enumerate() {
            let rows = [mask.row(j, k), mask.row(j + 1, k), mask.row(j, k + 1), mask.row(j + 1, k + 1)];
            let mut has_points = 0;
            for (n, out) in out.iter_mut().enumerate() {
                let (mut any, mut all) = (0, u64::MAX);
                for row in rows {
                    let next = shifted_down(row, n);
                    any |= row[n] | next;
                    all &= row[n] & next;
                }
                *out = any & !all;
                has_points |= *out;
            }
            out[per_row - 1] &= last;
            if has_points != 0 {
                let bit = |row: &[u64], i: usize| (row[i / WORD] >> (i % WORD) & 1) as usize;
                for_each_bit(out, |i| {
                    let code = rows
                        .iter()
                        .enumerate()
                        .fold(0, |code, (n, row)| code | bit(row, i) << (2 * n) | bit(row, i + 1) << (2 * n + 1));
                    areas.push(area_of_code[code]);
                });
            }
        }
        areas
    };
    let slabs = points.words_mut().par_chunks_mut(per_row * dims[1]).enumerate();
    let areas: Vec<Vec<f64>> = slabs.map(areas_of_slab).collect();
    Ok(Surface { points, areas: areas.concat() })
}

/// The area in mm² of the surface between the inside and the outside ones of eight voxels, for each of the 256 ways to be
/// inside; bit 0, 1, 2 of a bit's number is the voxel's place along i, j, k.
///
/// The surface is that of marching cubes (Lorensen and Cline, 1987) with vertices half way between voxels: each connected
/// group of the voxels that are fewer has its own sheet. The sheets that are not flat are cut into triangles as in the table
/// of the surface-distance package, which the tests compare this with.
fn areas_of_codes(spacing_mm: [f64; 3]) -> [f64; 256] {
    let [x, y, z] = spacing_mm;
    // Faces of a voxel by the axis they are normal to, squared areas of the cuts by the axis they contain, and the triangle
    // that cuts off a corner.
    let face = [y * z, x * z, x * y];
    let cut = |a: usize| {
        let [b, c] = [face[(a + 1) % 3], face[(a + 2) % 3]];
        (b * b + c * c).sqrt() / 2.0
    };
    let corner = face.iter().map(|f| f * f).sum::<f64>().sqrt() / 8.0;
    let sheet = |group: u8| {
        let edges = [0, 1, 2].map(|a| edges_along(group, a).count());
        let longest = edges.iter().copied().max().unwrap_or(0);
        match group.count_ones() {
            1 => corner,
            // A pair along a: two triangles.
            2 => (0..3).filter(|&a| edges[a] > 0).map(cut).sum(),
            // Three in a plane: a flat triangle and a bent rest.
            3 => (0..3).filter(|&a| edges[a] == 0).map(|a| face[a] / 2.0).sum::<f64>() + 3.0 * corner,
            // Four in a plane: that plane.
            _ if longest == 2 => (0..3).filter(|&a| edges[a] == 0).map(|a| face[a]).sum(),
            // One and its three neighbours: a hexagon.
            _ if (0..8).any(|v| group >> v & 1 == 1 && (0..3).all(|a| group >> (v ^ 1 << a) & 1 == 1)) => 6.0 * corner,
            // A chain around a corner: its first and last step have a cut each.
            _ => {
                let is_middle = |v: usize| (0..3).filter(|a| group >> (v ^ 1 << a) & 1 == 1).count() == 2;
                let middle = |a: &usize| edges_along(group, *a).any(|v| is_middle(v) && is_middle(v ^ 1 << a));
                (0..3).filter(|a| !middle(a)).map(|a| cut(a) / 2.0).sum::<f64>() + 4.0 * corner
            }
        }
    };
    std::array::from_fn(|code| {
        let code = code as u8;
        let fewer = if code.count_ones() > 4 { !code } else { code };
        groups(fewer).map(sheet).sum()
    })
}

/// The lower ends of the edges along axis `a` between voxels of the group.
fn edges_along(group: u8, a: usize) -> impl Iterator<Item = usize> {
    (0..8).filter(move |v| v >> a & 1 == 0 && group >> v & 1 == 1 && group >> (v | 1 << a) & 1 == 1)
}

/// The groups of voxels that share faces.
fn groups(code: u8) -> impl Iterator<Item = u8> {
    let mut left = code;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let mut group = left & left.wrapping_neg();
        loop {
            let along = |low: u8, shift: u8| (group & low) << shift | group >> shift & low;
            let grown = (group | along(0x55, 1) | along(0x33, 2) | along(0x0f, 4)) & code;
            if grown == group {
                break;
            }
            group = grown;
        }
        left &= !group;
        Some(group)
    })
}

#[cfg(test)]
mod tests {
    use super::areas_of_codes;

    /// Sums over all codes of the table of google-deepmind/surface-distance 0.1, with weights 1, code and code² mod 251.
    #[test]
    fn areas_have_the_sums_of_the_published_table() {
        let cases = [
            ([1.0, 1.0, 1.0], [241.343_139_705_537_45, 30_771.250_312_456_017, 29_760.341_647_965_473]),
            ([0.7, 0.9, 2.5], [398.929_856_402_880_1, 50_863.556_691_367_216, 49_065.236_326_735_656]),
            ([3.0, 0.5, 1.25], [542.803_946_717_995_6, 69_207.503_206_544_42, 66_855.091_260_086_28]),
        ];
        for (spacing, sums) in cases {
            let areas = areas_of_codes(spacing);
            let weights: [fn(usize) -> usize; 3] = [|_| 1, |n| n, |n| n * n % 251];
            for (weight, sum) in weights.iter().zip(sums) {
                let ours: f64 = areas.iter().enumerate().map(|(n, a)| weight(n) as f64 * a).sum();
                assert!((ours - sum).abs() < 1e-11 * sum, "{spacing:?}: {ours}, theirs {sum}");
            }
        }
    }
}
