//! Times of the labelling tools, for `tests/compare/labels_vs_python.py`.
//!
//!     tools_bench FOLDER NX NY NZ SX SY SZ REPEATS
//!
//! Reads FOLDER/image.i16, mask.u8, seeds.u16 (1 object, 2 background) and markers.u16 (i fastest), prints the least seconds of
//! each tool as JSON, and writes results for comparison.

use std::path::{Path, PathBuf};
use std::time::Instant;

use glam::{DAffine3, DMat3, DVec3};
use voco_label::mesh::{Smoothing, surface_mesh};
use voco_label::tools::between::fill_between;
use voco_label::tools::flood::{Limits, flood_fill};
use voco_label::tools::grow::{GrowthCost, grow_from_seeds};
use voco_label::tools::shape::{gaussian_smoothed, keep_largest, margin, median};
use voco_label::tools::smooth::gradient_length;
use voco_label::tools::threshold::histogram;
use voco_label::tools::trace::LiveWire;
use voco_label::tools::walker::{Walk, random_walker};
use voco_label::tools::watershed::watershed;
use voco_label::{BrickMask, Connectivity, LabelVolume, Lattice, Mask, VoxelBox, Watch, read_image_box, segment_stats};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, nx, ny, nz, sx, sy, sz, repeats] = args.as_slice() else {
        return Err("usage: tools_bench FOLDER NX NY NZ SX SY SZ REPEATS".into());
    };
    let dims: [usize; 3] = [nx.parse()?, ny.parse()?, nz.parse()?];
    let spacing: [f64; 3] = [sx.parse()?, sy.parse()?, sz.parse()?];
    let mut bench = Bench { repeats: repeats.parse()?, seconds: serde_json::Map::new(), folder: folder.into() };
    let lattice = Lattice::new(dims, spacing)?;
    let affine = DAffine3 { matrix3: DMat3::from_diagonal(DVec3::from_array(spacing)), translation: DVec3::ZERO };
    let geometry = Geometry::new(dims, affine)?;
    let stored: Vec<i16> = bench.read("image.i16")?.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
    let volume = Volume::new(geometry, Voxels::I16(stored.into()), Rescale::IDENTITY)?;
    let image = volume.to_f32();
    let mask = bench.read("mask.u8")?;
    let words = |bytes: Vec<u8>| -> Vec<u16> { bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect() };
    let (seeds, markers) = (words(bench.read("seeds.u16")?), words(bench.read("markers.u16")?));
    let set = BrickMask::of_mask(dims, &Mask::of_nonzero(&mask, dims)?, [0; 3])?;
    let all = VoxelBox { min: [0; 3], max: dims };
    let watch = Watch::NONE;
    let values = |set: &BrickMask| -> Result<Vec<u8>, Failure> { Ok(set.to_mask(&all)?.to_values()?) };

    let found = bench.time("median", || Ok(median(&set, [1; 3], &watch)?))?;
    bench.write("median.u8", &values(&found)?)?;
    let found = bench.time("gaussian", || Ok(gaussian_smoothed(&set, spacing, 2.0, &watch)?))?;
    bench.write("gaussian.u8", &values(&found)?)?;
    let found = bench.time("grow", || Ok(margin(&set, spacing, 4.0, &watch)?))?;
    bench.write("grow.u8", &values(&found)?)?;
    let found = bench.time("shrink", || Ok(margin(&set, spacing, -3.0, &watch)?))?;
    bench.write("shrink.u8", &values(&found)?)?;
    let found = bench.time("largest", || Ok(keep_largest(&set, Connectivity::Corners26, &watch)?))?;
    bench.write("largest.u8", &values(&found)?)?;
    let inside = mask.iter().position(|v| *v != 0).ok_or("an empty mask")?;
    let seed_index = seeds.iter().position(|v| *v == 1).unwrap_or(inside);
    let seed = [seed_index % dims[0], seed_index / dims[0] % dims[1], seed_index / dims[0] / dims[1]];
    let value = volume.value(seed).ok_or("no seed")?;
    let range = [value - 60.0, value + 60.0];
    let found = bench.time("flood", || Ok(flood_fill(&volume, seed, range, &Limits::whole(dims), &watch)?))?;
    bench.write("flood.u8", &values(&found)?)?;
    let otsu = bench.time("otsu", || Ok(histogram(&volume, 256)?.otsu()))?;
    let gradient = bench.time("gradient", || Ok(gradient_length(&image, dims, spacing)?))?;
    let whole: Vec<f32> = gradient.iter().map(|g| g.round()).collect();
    bench.write("gradient.f32", &whole.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    let found = bench.time("watershed", || Ok(watershed(&whole, dims, &markers, &watch)?))?;
    bench.write("watershed.u16", &found.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    for (name, rounds) in [("grow_from_seeds", 2), ("grow_from_seeds_to_end", 50)] {
        let cost = GrowthCost { rounds, ..GrowthCost::default() };
        let found = bench.time(name, || Ok(grow_from_seeds(&image, &lattice, &seeds, None, cost, &watch)?))?;
        bench.write(&format!("{name}.u16"), &found.labels.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
        bench.write(&format!("{name}.f32"), &found.cost.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    // The walker around the seeds: a quarter of each side.
    let part = VoxelBox {
        min: std::array::from_fn(|a| seed[a].saturating_sub(dims[a] / 8)),
        max: std::array::from_fn(|a| (seed[a] + dims[a] / 8).min(dims[a])),
    };
    let (size, crop) = (part.size(), read_image_box(&volume, &part)?);
    let small: Vec<u8> = (0..part.num_voxels())
        .map(|n| {
            let at = [n % size[0], n / size[0] % size[1], n / size[0] / size[1]];
            let on_border = (0..2).any(|a| at[a] == 0 || at[a] + 1 == size[a]);
            let near = (0..3).all(|a| (at[a] + part.min[a]).abs_diff(seed[a]) <= 1);
            if near { 1 } else { u8::from(on_border) * 2 }
        })
        .collect();
    let lattice_small = Lattice::new(size, spacing)?;
    let walk = Walk::default();
    let found =
        bench.time("random_walker", || Ok(random_walker(&crop, &lattice_small, &small, None, walk, &watch)?))?;
    bench.write("walker.f32", &found.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    bench.write("walker_image.f32", &crop.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    bench.write("walker_seeds.u8", &small)?;
    let labels = LabelVolume::from_values(&mask, dims)?;
    let stats = bench.time("statistics", || Ok(segment_stats(&labels, &geometry, Some(&volume), &[1], &watch)?))?;
    let net = Smoothing { passes: 0, ..Smoothing::default() };
    let mesh = bench.time("mesh", || Ok(surface_mesh(&set, &affine, net, &watch)?))?;
    bench.time("mesh_smoothed", || Ok(surface_mesh(&set, &affine, Smoothing::default(), &watch)?))?;
    let slices = set.bounding_box().ok_or("an empty mask")?;
    let mut some = BrickMask::empty(dims)?;
    for k in (slices.min[2]..slices.max[2]).step_by(6) {
        some.add_box(&VoxelBox { min: [0, 0, k], max: [dims[0], dims[1], k + 1] });
    }
    some.intersect(&set)?;
    bench.time("fill_between", || Ok(fill_between(&some, spacing, 2, &watch)?))?;
    let slice = &image[seed[2] * dims[0] * dims[1]..][..dims[0] * dims[1]];
    bench.time("live_wire", || {
        let mut wire = LiveWire::new(slice, [dims[0], dims[1]], [spacing[0], spacing[1]])?;
        wire.set_anchor([seed[0], seed[1]])?;
        Ok(wire.path_to([0, 0]))
    })?;
    let first = stats.first().ok_or("no numbers")?;
    let intensity = first.intensity.ok_or("no intensities")?;
    let result = serde_json::json!({
        "seconds": bench.seconds, "otsu": otsu, "walker_size": size, "seed": seed,
        "statistics": {
            "voxels": first.voxels, "mean": intensity.mean, "sd": intensity.sd, "median": intensity.percentiles[2],
            "area": first.surface_mm2,
        },
        "mesh": {"area": mesh.area_mm2(), "triangles": mesh.triangles.len(), "ml": mesh.volume_ml()},
    });
    std::io::Write::write_all(&mut std::io::stdout(), result.to_string().as_bytes())?;
    Ok(())
}

struct Bench {
    repeats: usize,
    seconds: serde_json::Map<String, serde_json::Value>,
    folder: PathBuf,
}

impl Bench {
    fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        Ok(std::fs::read(Path::new(&self.folder).join(name))?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        Ok(std::fs::write(self.folder.join(name), bytes)?)
    }

    /// The result of the last run; notes the least time of all.
    fn time<T>(&mut self, name: &str, run: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut least = f64::INFINITY;
        let mut result = None;
        for _ in 0..self.repeats.max(1) {
            let began = Instant::now();
            let value = run()?;
            least = least.min(began.elapsed().as_secs_f64());
            result = Some(value);
        }
        self.seconds.insert(name.to_owned(), least.into());
        result.ok_or_else(|| "nothing was run".into())
    }
}
