//! Measures the cache on a folder or list of images: `measure DATA CACHE [EDGE]`. Numbers go to standard output as JSON.

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use voco_data::crop::random_start;
use voco_data::{DataList, LabelMap, SampleCache, Source, rng};
use voco_engine_api::CancelFlag;
use voco_volume::Recipe;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, folder, ..] = args.as_slice() else { return Err("measure DATA CACHE [EDGE]".into()) };
    let edge: usize = args.get(2).map_or(Ok(96), |e| e.parse())?;
    let mut spec = Recipe::Abdomen.spec();
    spec.pad_to = [edge; 3];
    let began = Instant::now();
    let list = DataList::open(vec![Source { path: data.into(), spec: spec.clone(), weight: 1.0 }])?;
    let listed = began.elapsed();
    let began = Instant::now();
    let cache = SampleCache::open(Path::new(folder), 1 << 40)?;
    let opened = began.elapsed();
    let began = Instant::now();
    let (cancel, classes) = (CancelFlag::default(), LabelMap::identity(255));
    let (mut raw_bytes, mut samples) = (0_u64, 0_u64);
    for case in list.cases().iter().take(1000) {
        let Ok(sample) = cache.get_or_prepare(case, &spec, Some(&classes), &cancel) else { continue };
        let label_bytes = if sample.has_label() { 2 } else { 0 };
        raw_bytes += sample.geometry().num_voxels() as u64 * (4 * sample.channels() as u64 + label_bytes);
        samples += 1;
    }
    let built = began.elapsed();
    let mut random = rng(1, 0, 0);
    let (mut reads, mut get, mut image, mut label) = (0_u32, 0.0, 0.0, 0.0);
    for case in list.cases().iter().take(1000).cycle().take(20 * list.cases().len().min(20)) {
        let began = Instant::now();
        let Ok(sample) = cache.get_or_prepare(case, &spec, Some(&classes), &cancel) else { continue };
        get += began.elapsed().as_secs_f64();
        let Some(start) = random_start(sample.dims(), [edge; 3], &mut random) else { continue };
        let began = Instant::now();
        sample.read_image(start, [edge; 3])?;
        image += began.elapsed().as_secs_f64();
        let began = Instant::now();
        sample.read_label(start, [edge; 3])?;
        label += began.elapsed().as_secs_f64();
        reads += 1;
    }
    let per_read = |seconds: f64| 1e3 * seconds / f64::from(reads.max(1));
    let disk_bytes = cache.bytes()?;
    let report = cache.report();
    let skipped: Vec<String> = report.skipped.iter().map(ToString::to_string).collect();
    let document = json!({
        "cases": list.cases().len(), "list_s": listed.as_secs_f64(), "open_s": opened.as_secs_f64(),
        "samples": samples, "found": report.found, "made": report.made, "build_s": built.as_secs_f64(), "skipped": skipped,
        "raw_mb": raw_bytes as f64 / 1e6, "disk_mb": disk_bytes as f64 / 1e6,
        "ratio": raw_bytes as f64 / disk_bytes.max(1) as f64,
        "get_ms": per_read(get), "image_ms": per_read(image), "label_ms": per_read(label), "reads": reads,
    });
    serde_json::to_writer_pretty(std::io::stdout(), &document)?;
    Ok(())
}
