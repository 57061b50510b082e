//! Surfaces of segments as triangles.
//!
//! Surface nets (Gibson, 1998): one vertex in each cube of eight voxels that the surface passes, at the mean of the crossings of
//! the cube's edges, and one quadrangle for each edge that is crossed. Smoothing (Taubin, 1995) moves vertices within their cube
//! or a little beyond, so that the surface stays where the voxels are.

mod write;

use glam::{DAffine3, DVec3, Vec3};
use rayon::prelude::*;

use crate::error::filled;
use crate::mask::WORD;
use crate::{BrickMask, LabelError, Mask, Watch};

pub use write::{MeshFormat, Space, write_mesh};

/// Most vertices: three of them are one `u32` index each, and the files hold no more.
const MAX_VERTICES: usize = 200_000_000;
const NONE: u32 = u32::MAX;

/// Triangles in the patient.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mesh {
    /// World mm, RAS+.
    pub points_mm: Vec<Vec3>,
    /// Unit vectors out of the segment, one per point.
    pub normals: Vec<Vec3>,
    /// Indices of points, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// How a surface is smoothed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothing {
    /// Passes; 0 leaves the net as it is. 20 is soft.
    pub passes: u32,
    /// How far a vertex may move from where the net had it, in voxels.
    pub reach_voxels: f64,
}

impl Default for Smoothing {
    fn default() -> Self {
        Self { passes: 15, reach_voxels: 0.7 }
    }
}

impl Mesh {
    /// Area in mm².
    pub fn area_mm2(&self) -> f64 {
        self.corners().map(|[a, b, c]| (b - a).cross(c - a).length() / 2.0).sum()
    }

    /// Enclosed volume in millilitres; positive if triangles look outwards.
    pub fn volume_ml(&self) -> f64 {
        self.corners().map(|[a, b, c]| a.dot(b.cross(c)) / 6000.0).sum()
    }

    fn corners(&self) -> impl Iterator<Item = [DVec3; 3]> + '_ {
        self.triangles.iter().map(|t| t.map(|n| self.points_mm[n as usize].as_dvec3()))
    }
}

/// The surface of a set of voxels, half way between its voxels and those around it; where it meets the border of the grid it
/// is closed. `world_from_voxel` may be oblique and may mirror.
///
/// # Errors
/// Too many vertices, too little memory, or cancelled.
pub fn surface_mesh(
    mask: &BrickMask,
    world_from_voxel: &DAffine3,
    smoothing: Smoothing,
    watch: &Watch<'_>,
) -> Result<Mesh, LabelError> {
    let Some(part) = mask.bounding_box() else { return Ok(Mesh::default()) };
    let mut around = Mask::empty(part.size().map(|n| n + 2))?;
    around.unite_at(&mask.to_mask(&part)?, [1; 3]);
    let net = Net::of(&around, watch)?;
    // From the mask with its margin to the grid.
    let shift = DVec3::from_array(part.min.map(|n| n as f64)) - 1.0;
    let m = world_from_voxel.matrix3;
    let spacing = DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length());
    let points = net.smoothed(smoothing, spacing, watch)?;
    let is_mirrored = m.determinant() < 0.0;
    let mut triangles = Vec::with_capacity(net.quads.len() * 2);
    for quad in &net.quads {
        let mut quad = *quad;
        if is_mirrored {
            quad.swap(1, 3);
        }
        let [a, b, c, d] = quad;
        let length = |a: u32, b: u32| ((points[a as usize] - points[b as usize]) * spacing).length_squared();
        if length(a, c) <= length(b, d) {
            triangles.extend([[a, b, c], [a, c, d]]);
        } else {
            triangles.extend([[a, b, d], [b, c, d]]);
        }
    }
    let to_world = |p: &DVec3| world_from_voxel.transform_point3(*p + shift).as_vec3();
    let points_mm: Vec<Vec3> = points.par_iter().with_min_len(4096).map(to_world).collect();
    watch.at(0.95)?;
    let mut normals = filled(points_mm.len(), Vec3::ZERO)?;
    for triangle in &triangles {
        let [a, b, c] = triangle.map(|n| points_mm[n as usize]);
        let normal = (b - a).cross(c - a);
        for &n in triangle {
            normals[n as usize] += normal;
        }
    }
    normals.par_iter_mut().with_min_len(4096).for_each(|n| *n = n.normalize_or(Vec3::Z));
    Ok(Mesh { points_mm, normals, triangles })
}

struct Net {
    /// Voxels of the mask with its margin.
    points: Vec<DVec3>,
    quads: Vec<[u32; 4]>,
}

impl Net {
    /// Of a mask with a margin of one empty voxel.
    fn of(mask: &Mask, watch: &Watch<'_>) -> Result<Self, LabelError> {
        let [nx, ny, nz] = mask.dims();
        let bit = |row: &[u64], i: usize| (row[i / WORD] >> (i % WORD) & 1) as usize;
        let mut net = Self { points: Vec::new(), quads: Vec::new() };
        // The vertex of each cube of the slab below and of this one; cube (i, j) lies between voxels i and i + 1, j and j + 1.
        let mut below = filled(nx * ny, NONE)?;
        let mut here = filled(nx * ny, NONE)?;
        for k in 0..nz - 1 {
            if k % 16 == 0 {
                watch.at(0.5 * k as f32 / nz as f32)?;
            }
            here.fill(NONE);
            for j in 0..ny - 1 {
                let rows = [mask.row(j, k), mask.row(j + 1, k), mask.row(j, k + 1), mask.row(j + 1, k + 1)];
                if rows.iter().all(|row| row.iter().all(|&w| w == 0)) {
                    continue;
                }
                let mut i = 0;
                while i < nx - 1 {
                    if i.is_multiple_of(WORD) && i + WORD < nx {
                        // 64 cubes without a change at once.
                        let n = i / WORD;
                        let all = |w: u64| rows.iter().all(|r| r[n] == w && r[n + 1] & 1 == w & 1);
                        if all(0) || all(u64::MAX) {
                            i += WORD;
                            continue;
                        }
                    }
                    let code = rows
                        .iter()
                        .enumerate()
                        .fold(0, |code, (n, row)| code | bit(row, i) << (2 * n) | bit(row, i + 1) << (2 * n + 1));
                    if code != 0 && code != 0xff {
                        if net.points.len() >= MAX_VERTICES {
                            return Err(LabelError::Memory(net.points.len() / 1_000_000 * 24));
                        }
                        here[i + nx * j] = net.points.len() as u32;
                        net.points.push(DVec3::new(i as f64, j as f64, k as f64) + middle(code));
                    }
                    i += 1;
                }
            }
            net.connect(mask, k, &below, &here);
            std::mem::swap(&mut below, &mut here);
        }
        Ok(net)
    }

    /// A quadrangle for each crossed edge whose four cubes are known now: those along i and j of layer k, and those along k
    /// from layer k to k + 1.
    fn connect(&mut self, mask: &Mask, k: usize, below: &[u32], here: &[u32]) {
        let [nx, ny, _] = mask.dims();
        let bit = |row: &[u64], i: usize| row[i / WORD] >> (i % WORD) & 1 == 1;
        for j in 0..ny - 1 {
            let (row, next_j, next_k) = (mask.row(j, k), mask.row(j + 1, k), mask.row(j, k + 1));
            if [row, next_j, next_k].iter().all(|row| row.iter().all(|&w| w == 0)) {
                continue;
            }
            for i in 0..nx - 1 {
                let (own, at) = (bit(row, i), i + nx * j);
                // An edge of voxels that lies in the grid without its margin has four cubes around.
                let mut quad = |inside: bool, outside: bool, cubes: [u32; 4]| {
                    if inside != outside && !cubes.contains(&NONE) {
                        let [a, b, c, d] = cubes;
                        self.quads.push(if inside { [a, b, c, d] } else { [a, d, c, b] });
                    }
                };
                if j > 0 && k > 0 {
                    quad(own, bit(row, i + 1), [below[at - nx], below[at], here[at], here[at - nx]]);
                }
                if i > 0 && k > 0 {
                    quad(own, bit(next_j, i), [below[at - 1], here[at - 1], here[at], below[at]]);
                }
                if i > 0 && j > 0 {
                    quad(own, bit(next_k, i), [here[at - nx - 1], here[at - nx], here[at], here[at - 1]]);
                }
            }
        }
    }

    fn smoothed(&self, smoothing: Smoothing, spacing: DVec3, watch: &Watch<'_>) -> Result<Vec<DVec3>, LabelError> {
        if smoothing.passes == 0 {
            return Ok(self.points.clone());
        }
        // Neighbours of each vertex along the quadrangles' edges; each edge belongs to two quadrangles, so counting one
        // direction per quadrangle finds each neighbour once on a closed surface.
        let mut starts = filled(self.points.len() + 1, 0_u32)?;
        for quad in &self.quads {
            for &n in quad {
                starts[n as usize + 1] += 1;
            }
        }
        for n in 1..starts.len() {
            starts[n] += starts[n - 1];
        }
        let mut neighbours = filled(self.quads.len() * 4, 0_u32)?;
        let mut next = starts.clone();
        for quad in &self.quads {
            for (n, &vertex) in quad.iter().enumerate() {
                let place = &mut next[vertex as usize];
                neighbours[*place as usize] = quad[(n + 1) % 4];
                *place += 1;
            }
        }
        let mut points = self.points.clone();
        // In millimetres distances count alike along all axes.
        for point in &mut points {
            *point *= spacing;
        }
        let reach = spacing * smoothing.reach_voxels;
        let mut moved = points.clone();
        for pass in 0..smoothing.passes * 2 {
            watch.at(0.5 + 0.4 * pass as f32 / (smoothing.passes * 2) as f32)?;
            let factor = if pass % 2 == 0 { 0.5 } else { -0.53 };
            let step = |(n, to): (usize, &mut DVec3)| {
                let own = points[n];
                let around = &neighbours[starts[n] as usize..starts[n + 1] as usize];
                if around.is_empty() {
                    return;
                }
                let sum: DVec3 = around.iter().map(|&m| points[m as usize]).sum();
                let home = self.points[n] * spacing;
                let wanted = own + (sum / around.len() as f64 - own) * factor;
                *to = wanted.clamp(home - reach, home + reach);
            };
            moved.par_iter_mut().enumerate().with_min_len(4096).for_each(step);
            std::mem::swap(&mut points, &mut moved);
        }
        for point in &mut points {
            *point /= spacing;
        }
        Ok(points)
    }
}

/// The mean of the middles of the crossed edges of a cube; bits 0, 1, 2 of a corner's number are its place.
fn middle(code: usize) -> DVec3 {
    let (mut sum, mut count) = (DVec3::ZERO, 0.0);
    for corner in 0..8_usize {
        for axis in (0..3).filter(|axis| corner >> axis & 1 == 0) {
            let other = corner | 1 << axis;
            if (code >> corner ^ code >> other) & 1 == 1 {
                let place = |c: usize| DVec3::new((c & 1) as f64, (c >> 1 & 1) as f64, (c >> 2) as f64);
                sum += (place(corner) + place(other)) / 2.0;
                count += 1.0;
            }
        }
    }
    sum / count
}
