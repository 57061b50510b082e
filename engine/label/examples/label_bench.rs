//! Times of this crate's algorithms, for `tests/compare/metrics_vs_monai.py`.
//!
//!     label_bench FOLDER NX NY NZ SX SY SZ REPEATS
//!
//! Reads FOLDER/mask.u8, prediction.u8 and reference.u8 (i fastest), prints the least seconds of each as JSON, and writes
//! results for comparison.

use std::path::Path;
use std::time::Instant;

use voco_label::{
    Border, ClassRule, Components, Connectivity, Element, Lattice, Mask, Protocol, dilate, distance_mm, erode,
    evaluate, fill_holes, nearest,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, nx, ny, nz, sx, sy, sz, repeats] = args.as_slice() else {
        return Err("usage: label_bench FOLDER NX NY NZ SX SY SZ REPEATS".into());
    };
    let folder = Path::new(folder);
    let dims = [nx.parse()?, ny.parse()?, nz.parse()?];
    let lattice = Lattice::new(dims, [sx.parse()?, sy.parse()?, sz.parse()?])?;
    let mut bench = Bench { repeats: repeats.parse()?, seconds: serde_json::Map::new() };
    let values = std::fs::read(folder.join("mask.u8"))?;

    // From bytes to results, as a caller in Python gives and gets them.
    let inside = bench.time("distance_inside", || {
        let mut mask = Mask::of_nonzero(&values, dims)?;
        mask.invert();
        distance_mm(&mask, &lattice)
    })?;
    let outside = bench.time("distance_outside", || distance_mm(&Mask::of_nonzero(&values, dims)?, &lattice))?;
    bench.time("nearest_outside", || nearest(&Mask::of_nonzero(&values, dims)?, &lattice))?;
    let kinds = [("6", Connectivity::Faces6), ("18", Connectivity::Edges18), ("26", Connectivity::Corners26)];
    let mut labels = voco_label::LabelValues::U8(Vec::new());
    for (name, connectivity) in kinds {
        let run = || Components::of_mask(&Mask::of_nonzero(&values, dims)?, connectivity)?.to_values();
        labels = bench.time(&format!("components_{name}"), run)?;
    }
    bench.time("largest_26", || {
        let found = Components::of_mask(&Mask::of_nonzero(&values, dims)?, Connectivity::Corners26)?;
        found.keep_largest()?.to_values()
    })?;
    bench.time("fill_holes", || fill_holes(&Mask::of_nonzero(&values, dims)?, None)?.to_values())?;
    let small = Element::Ball { radius_mm: 3.0 * lattice.spacing_mm()[0] };
    let large = Element::Ball { radius_mm: 12.0 * lattice.spacing_mm()[0] };
    for (name, element) in [("ball_3", small), ("ball_12", large), ("box_3", Element::Box { reach: [3; 3] })] {
        bench.time(&format!("dilate_{name}"), || {
            dilate(&Mask::of_nonzero(&values, dims)?, &lattice, element)?.to_values()
        })?;
        bench.time(&format!("erode_{name}"), || {
            erode(&Mask::of_nonzero(&values, dims)?, &lattice, element, Border::Background)?.to_values()
        })?;
    }
    let (prediction, reference) =
        (std::fs::read(folder.join("prediction.u8"))?, std::fs::read(folder.join("reference.u8"))?);
    let ids = bench.time("present_labels", || voco_label::present_labels(&reference, dims))?;
    let rules: Vec<ClassRule> = ids.iter().map(|&id| ClassRule { id, tolerance_mm: 2.0, is_trimmed: false }).collect();
    for (name, protocol) in [("monai", Protocol::Monai), ("flare", Protocol::Flare)] {
        let run = || evaluate(&prediction, &reference, &lattice, protocol, &rules);
        let classes = bench.time(&format!("evaluate_{name}"), run)?;
        let rows: Vec<_> =
            classes.iter().map(|c| serde_json::json!([c.id, c.dice, c.hd, c.hd95, c.assd, c.nsd])).collect();
        std::fs::write(folder.join(format!("{name}.json")), serde_json::to_vec(&rows)?)?;
    }
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    std::fs::write(folder.join("inside.f32"), bytes(&inside))?;
    std::fs::write(folder.join("outside.f32"), bytes(&outside))?;
    std::fs::write(
        folder.join("labels26.u32"),
        labels.to_u32().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
    )?;
    std::io::Write::write_all(&mut std::io::stdout(), serde_json::Value::Object(bench.seconds).to_string().as_bytes())?;
    Ok(())
}

struct Bench {
    repeats: usize,
    seconds: serde_json::Map<String, serde_json::Value>,
}

impl Bench {
    /// The result of the last run; notes the least time of all.
    fn time<T>(&mut self, name: &str, run: impl Fn() -> Result<T, voco_label::LabelError>) -> Result<T, Failure> {
        let mut least = f64::INFINITY;
        let mut timed = || {
            let began = Instant::now();
            let result = run()?;
            least = least.min(began.elapsed().as_secs_f64());
            Ok::<_, Failure>(result)
        };
        for _ in 1..self.repeats {
            timed()?;
        }
        let result = timed()?;
        self.seconds.insert(name.to_owned(), least.into());
        Ok(result)
    }
}
