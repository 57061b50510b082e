use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use glam::{DAffine3, DMat3, DVec3};
use serde::{Deserialize, Serialize};
use voco_volume::{Geometry, Grid};

use super::disk::size_of;
use super::foreground::{Group, VoxelDraw};
use super::sample::{Facts, Voxels};
use super::shelf::Lease;
use super::zarr::{self, Damage, Layout};

/// Edge of a chunk: a crop of 96³ reads 27 to 64 of them.
const EDGE: usize = 32;
/// A group's file of attributes; larger is something else.
const MAX_ATTRIBUTES: u64 = 64 << 20;

/// A zarr group: `image` [C, X, Y, Z], `label` [X, Y, Z] and `voxels` [N] (flat indices to draw crops around), and these
/// attributes.
#[derive(Serialize, Deserialize)]
struct Group3 {
    zarr_format: u32,
    node_type: String,
    attributes: Attributes,
}

#[derive(Serialize, Deserialize)]
struct Attributes {
    channels: usize,
    grid: GridFacts,
    uncropped: GridFacts,
    has_label: bool,
    num_unknown: u64,
    fingerprint: u64,
    foreground: Vec<ClassFacts>,
    background: Vec<ClassFacts>,
}

#[derive(Serialize, Deserialize)]
struct GridFacts {
    dims: [usize; 3],
    /// Three rows of four numbers, voxel to RAS millimetres, as text: JSON numbers do not come back to the last bit.
    affine: String,
}

/// A class and how many of the indices in `voxels` are its own; they follow one another.
#[derive(Serialize, Deserialize)]
struct ClassFacts {
    class: u16,
    count: u64,
    kept: usize,
}

/// Writes a sample into the new folder `folder`; returns its bytes.
pub(super) fn write(folder: &Path, facts: &Facts, voxels: &Voxels) -> std::io::Result<u64> {
    std::fs::create_dir(folder)?;
    let too_large = || std::io::Error::other("the sample is too large");
    let (image, label) = layouts(facts).ok_or_else(too_large)?;
    zarr::write(&folder.join("image"), image, |start, size| {
        let mut out = vec![0.0; size[1] * size[2] * size[3]];
        voxels.images[start[0]].copy_crop([start[1], start[2], start[3]], [size[1], size[2], size[3]], &mut out);
        out
    })?;
    if let Some(values) = &voxels.label {
        let dims = facts.geometry.dims();
        zarr::write(&folder.join("label"), label, |start, size| super::sample::cut(values, dims, start, size))?;
        let indices: Vec<u32> = groups(facts).flat_map(|g| g.voxels.iter().copied()).collect();
        if let Some(layout) = Layout::new([indices.len()], [1 << 16]) {
            zarr::write(&folder.join("voxels"), layout, |[start], [size]| indices[start..start + size].to_vec())?;
        }
    }
    let mut document = BufWriter::new(File::create_new(folder.join("zarr.json"))?);
    let group = Group3 { zarr_format: 3, node_type: "group".into(), attributes: attributes(facts) };
    serde_json::to_writer(&mut document, &group)?;
    document.flush()?;
    document.into_inner()?.sync_all()?;
    Ok(size_of(folder))
}

/// What a sample on the disk says of itself.
pub(super) fn open(folder: &Path) -> Result<Facts, Damage> {
    let damage = |what: &str| Damage(what.into());
    let mut text = Vec::new();
    File::open(folder.join("zarr.json"))?.take(MAX_ATTRIBUTES).read_to_end(&mut text)?;
    let group: Group3 = serde_json::from_slice(&text).map_err(|_e| damage("its attributes are damaged"))?;
    let a = group.attributes;
    let geometry = a.grid.geometry().ok_or_else(|| damage("its grid is none"))?;
    let uncropped = a.uncropped.geometry().ok_or_else(|| damage("its grid is none"))?;
    let all = || a.foreground.iter().chain(&a.background);
    let kept =
        all().try_fold(0_usize, |n, g| n.checked_add(g.kept)).ok_or_else(|| damage("its attributes are damaged"))?;
    let layout = Layout::new([kept], [1 << 16]);
    let indices: Vec<u32> = match layout {
        // No more than are remembered of each class there can be.
        Some(layout) if kept <= 1 << 28 => zarr::read(&folder.join("voxels"), layout, [0], [kept])?,
        Some(_) => return Err(damage("its attributes are damaged")),
        None => Vec::new(),
    };
    let last = geometry.num_voxels() as u64;
    if all().any(|g| (g.count == 0) != (g.kept == 0)) || indices.iter().any(|&n| u64::from(n) >= last) {
        return Err(damage("its voxels are damaged"));
    }
    let mut rest = indices.as_slice();
    let mut draw = |classes: &[ClassFacts]| {
        let group = |c: &ClassFacts| {
            let (own, others) = rest.split_at(c.kept);
            rest = others;
            Group { class: c.class, count: c.count, voxels: own.to_vec() }
        };
        VoxelDraw::new(classes.iter().map(group).collect())
    };
    let (foreground, background) = (draw(&a.foreground), draw(&a.background));
    Ok(Facts {
        geometry,
        uncropped,
        channels: a.channels,
        has_label: a.has_label,
        num_unknown: a.num_unknown,
        fingerprint: a.fingerprint,
        foreground,
        background,
    })
}

/// Intensities of a box, [C, X, Y, Z].
pub(super) fn read_image(
    lease: &Lease,
    facts: &Facts,
    start: [usize; 3],
    size: [usize; 3],
) -> Result<Vec<f32>, Damage> {
    let (layout, _) = layouts(facts).ok_or_else(|| Damage("its sizes are damaged".into()))?;
    let start = [0, start[0], start[1], start[2]];
    zarr::read(&lease.folder().join("image"), layout, start, [facts.channels, size[0], size[1], size[2]])
}

/// Classes of a box, [X, Y, Z].
pub(super) fn read_label(
    lease: &Lease,
    facts: &Facts,
    start: [usize; 3],
    size: [usize; 3],
) -> Result<Vec<u16>, Damage> {
    let (_, layout) = layouts(facts).ok_or_else(|| Damage("its sizes are damaged".into()))?;
    zarr::read(&lease.folder().join("label"), layout, start, size)
}

fn layouts(facts: &Facts) -> Option<(Layout<4>, Layout<3>)> {
    let [x, y, z] = facts.geometry.dims();
    Some((Layout::new([facts.channels, x, y, z], [1, EDGE, EDGE, EDGE])?, Layout::new([x, y, z], [EDGE; 3])?))
}

fn groups(facts: &Facts) -> impl Iterator<Item = &Group> {
    facts.foreground.groups().iter().chain(facts.background.groups())
}

fn attributes(facts: &Facts) -> Attributes {
    let classes = |draw: &VoxelDraw| {
        let class = |g: &Group| ClassFacts { class: g.class, count: g.count, kept: g.voxels.len() };
        draw.groups().iter().map(class).collect()
    };
    Attributes {
        channels: facts.channels,
        grid: GridFacts::of(&facts.geometry),
        uncropped: GridFacts::of(&facts.uncropped),
        has_label: facts.has_label,
        num_unknown: facts.num_unknown,
        fingerprint: facts.fingerprint,
        foreground: classes(&facts.foreground),
        background: classes(&facts.background),
    }
}

impl GridFacts {
    fn of(geometry: &Geometry) -> Self {
        let numbers: Vec<String> = geometry.affine_rows()[..3].iter().flatten().map(f64::to_string).collect();
        Self { dims: geometry.dims(), affine: numbers.join(" ") }
    }

    fn geometry(&self) -> Option<Geometry> {
        let numbers: Vec<f64> = self.affine.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        let rows: [f64; 12] = numbers.try_into().ok()?;
        let column = |c: usize| DVec3::new(rows[c], rows[4 + c], rows[8 + c]);
        let matrix = DMat3::from_cols(column(0), column(1), column(2));
        Geometry::new(self.dims, DAffine3::from_mat3_translation(matrix, column(3))).ok()
    }
}

/// The values of a sample in memory.
pub(super) fn cut_image(images: &[Grid], start: [usize; 3], size: [usize; 3]) -> Vec<f32> {
    let len: usize = size.iter().product();
    let mut out = vec![0.0; len * images.len()];
    out.chunks_exact_mut(len.max(1)).zip(images).for_each(|(out, grid)| grid.copy_crop(start, size, out));
    out
}
