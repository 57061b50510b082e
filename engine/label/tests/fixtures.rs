//! Numbers of MONAI, surface-distance, scipy and cc3d (see fixtures/README.md), on a few cases here and on the whole set
//! beside the checkout.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use voco_label::{
    ClassMetrics, ClassRule, Components, Connectivity, Lattice, Mask, Protocol, SurfaceKind, distance_mm, evaluate,
    fill_holes, nearest, surface_distances,
};

/// Millimetres.
const DISTANCE: f64 = 1e-4;
const OVERLAP: f64 = 1e-6;
const NSD: f64 = 1e-5;
/// For an NSD with distances that lie on the tolerance itself.
const NSD_ON_TOLERANCE: f64 = 5e-3;
const TRANSFORM: f64 = 1e-5;

/// The folders to test on.
#[expect(clippy::print_stderr, reason = "the reader of a test log must know")]
fn folders() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let whole = here.join("../../../shared/fixtures/metrics");
    let mut folders = vec![here.join("tests/fixtures")];
    if whole.exists() {
        folders.push(whole);
    } else {
        assert!(std::env::var("VOCO_REQUIRE_SHARED").as_deref() != Ok("1"), "the whole set is required");
        eprintln!("skipped: the whole set of fixtures is not beside this checkout");
    }
    folders
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("JSON")
}

/// A tensor [x, y, z] as dims and values with x fastest.
struct Grid<T> {
    dims: [usize; 3],
    values: Vec<T>,
}

fn grid<T: Copy, const N: usize>(file: &SafeTensors<'_>, name: &str, from: fn([u8; N]) -> T) -> Grid<T> {
    let tensor = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let dims: [usize; 3] = tensor.shape().try_into().expect("three axes");
    let (data, _) = tensor.data().as_chunks::<N>();
    let [nx, ny, nz] = dims;
    let mut values = Vec::with_capacity(data.len());
    for k in 0..nz {
        for j in 0..ny {
            values.extend((0..nx).map(|i| from(data[(i * ny + j) * nz + k])));
        }
    }
    Grid { dims, values }
}

fn byte(bytes: [u8; 1]) -> u8 {
    bytes[0]
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("nan") => f64::NAN,
        _ => value.as_f64().unwrap_or_else(|| panic!("{value} is no number")),
    }
}

fn spacing(value: &Value) -> [f64; 3] {
    std::array::from_fn(|a| number(&value[a]))
}

#[track_caller]
fn assert_near(what: &str, ours: f64, theirs: f64, tolerance: f64) {
    let equal = ours == theirs || (ours.is_nan() && theirs.is_nan()) || (ours - theirs).abs() <= tolerance;
    assert!(equal, "{what}: {ours}, theirs {theirs}");
}

/// A pair of label maps and what the fixtures say of one class.
struct Case<'a> {
    name: String,
    id: u32,
    lattice: Lattice,
    prediction: &'a Grid<u8>,
    reference: &'a Grid<u8>,
    expected: &'a Value,
}

impl Case<'_> {
    fn metrics(&self, protocol: Protocol, tolerance_mm: f64, is_trimmed: bool) -> ClassMetrics {
        let rule = ClassRule { id: self.id, tolerance_mm, is_trimmed };
        let (p, r) = (&self.prediction.values, &self.reference.values);
        evaluate(p, r, &self.lattice, protocol, &[rule]).expect("equal grids")[0]
    }

    fn nsd_tolerance(&self, millimetres: u32) -> f64 {
        let on = &self.expected["surface_points_within_1e-5_mm_of_tolerance"][format!("{millimetres}mm")];
        // Where the spacing is a binary fraction nothing is rounded.
        let exact = self.lattice.spacing_mm().iter().all(|s| (s * 16.0).fract() == 0.0);
        if exact || on == 0 { NSD } else { NSD_ON_TOLERANCE }
    }
}

fn for_each_case(mut f: impl FnMut(&Case<'_>)) {
    for folder in folders() {
        let bytes = std::fs::read(folder.join("volumes.safetensors")).expect("a fixture");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let document = json(&folder.join("metrics.json"));
        let cases = document["cases"].as_object().expect("cases");
        assert!(!cases.is_empty(), "there are cases");
        for (name, case) in cases {
            let prediction = grid(&file, &format!("{name}.pred"), byte);
            let reference = grid(&file, &format!("{name}.ref"), byte);
            let lattice = Lattice::new(prediction.dims, spacing(&case["spacing"])).expect("a lattice");
            for (id, expected) in case["classes"].as_object().expect("classes") {
                let id = id.parse().expect("an id");
                let (prediction, reference) = (&prediction, &reference);
                f(&Case { name: format!("{name} {id}"), id, lattice, prediction, reference, expected });
            }
        }
    }
}

#[test]
fn monai_protocol_equals_monai() {
    for_each_case(|case| {
        let theirs = |field: &str| number(&case.expected["monai"][field]);
        for mm in [1, 2, 3] {
            let ours = case.metrics(Protocol::Monai, f64::from(mm), true);
            let name = &case.name;
            assert_near(&format!("{name} dice"), ours.dice, theirs("dice_ignore_empty"), OVERLAP);
            assert_near(&format!("{name} iou"), ours.iou, theirs("iou_ignore_empty"), OVERLAP);
            assert_near(&format!("{name} hd"), ours.hd, theirs("hd"), DISTANCE);
            assert_near(&format!("{name} hd95"), ours.hd95, theirs("hd95"), DISTANCE);
            assert_near(&format!("{name} assd"), ours.assd, theirs("assd"), DISTANCE);
            let nsd = theirs(&format!("nsd_{mm}mm"));
            assert_near(&format!("{name} nsd at {mm} mm"), ours.nsd, nsd, case.nsd_tolerance(mm));
            for (volume, who) in [(ours.volume_ml_prediction, "pred"), (ours.volume_ml_reference, "ref")] {
                let theirs = number(&case.expected["volume_ml"][who]);
                assert_near(&format!("{name} volume of {who}"), volume, theirs, 1e-9 * theirs);
            }
        }
    });
}

#[test]
fn flare_protocol_follows_the_rules_of_flare() {
    for_each_case(|case| {
        let theirs = &case.expected["flare"];
        for (prefix, is_trimmed) in [("", false), ("trimmed_", true)] {
            for mm in [1, 2, 3] {
                let ours = case.metrics(Protocol::Flare, f64::from(mm), is_trimmed);
                let field = |name: String| theirs.get(format!("{prefix}{name}")).map(number);
                if let (Some(dice), Some(nsd)) = (field("dsc".into()), field(format!("nsd_{mm}mm"))) {
                    assert_near(&format!("{} {prefix}dsc", case.name), ours.dice, dice, OVERLAP);
                    let what = format!("{} {prefix}nsd at {mm} mm", case.name);
                    assert_near(&what, ours.nsd, nsd, case.nsd_tolerance(mm));
                }
            }
        }
    });
}

#[test]
fn surface_elements_equal_the_surface_distance_package() {
    for_each_case(|case| {
        let theirs = |field: &str| number(&case.expected["deepmind"][field]);
        let mask = |of: &Grid<u8>| Mask::of_label(&of.values, of.dims, case.id as u8).expect("a mask");
        let (p, r) = (mask(case.prediction), mask(case.reference));
        let ours = surface_distances(&p, &r, &case.lattice, SurfaceKind::Elements).expect("distances");
        let name = &case.name;
        assert_near(&format!("{name} hd"), ours.hausdorff(), theirs("hd"), DISTANCE);
        assert_near(&format!("{name} hd95"), ours.hausdorff_percentile(0.95), theirs("hd95"), DISTANCE);
        assert_near(&format!("{name} p to r"), ours.from_prediction.mean(), theirs("asd_pred_to_ref"), DISTANCE);
        assert_near(&format!("{name} r to p"), ours.from_reference.mean(), theirs("asd_ref_to_pred"), DISTANCE);
        let areas = [(&ours.from_prediction, "surface_area_pred_mm2"), (&ours.from_reference, "surface_area_ref_mm2")];
        for (surface, field) in areas {
            assert_near(&format!("{name} {field}"), surface.area(), theirs(field), 1e-8 * theirs(field));
        }
        for mm in [1, 2, 3] {
            let nsd = ours.nsd(f64::from(mm));
            assert_near(&format!("{name} nsd at {mm}"), nsd, theirs(&format!("nsd_{mm}mm")), case.nsd_tolerance(mm));
            // MONAI's subvoxel surface is the same surface.
            let monai = number(&case.expected["monai"][format!("nsd_{mm}mm_subvoxel")]);
            assert_near(&format!("{name} subvoxel nsd at {mm}"), nsd, monai, case.nsd_tolerance(mm));
        }
    });
}

#[test]
fn components_and_holes_equal_scipys() {
    for folder in folders() {
        let bytes = std::fs::read(folder.join("components.safetensors")).expect("a fixture");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let document = json(&folder.join("components.json"));
        for (case, expected) in document.as_object().expect("cases") {
            let values = grid(&file, &format!("{case}.mask"), byte);
            let mask = Mask::of_nonzero(&values.values, values.dims).expect("a mask");
            let kinds = [("6", Connectivity::Faces6), ("18", Connectivity::Edges18), ("26", Connectivity::Corners26)];
            for (name, connectivity) in kinds {
                let expected = &expected[name];
                let found = Components::of_mask(&mask, connectivity).expect("components");
                assert_eq!(found.count() as u64, expected["count"], "{case} {name}: count");
                let mut sizes = found.sizes().to_vec();
                sizes.sort_unstable_by(|a, b| b.cmp(a));
                assert_eq!(Value::from(sizes), expected["sizes_sorted"], "{case} {name}: sizes");
                let labels = grid(&file, &format!("{case}.labels{name}"), u32::from_le_bytes);
                assert!(found.to_values().expect("labels").to_u32() == labels.values, "{case} {name}: labels");
                // Label and not index: counted from 1.
                assert_eq!(found.largest().map(|n| n as u64 + 1), expected["largest_label"].as_u64(), "{case} {name}");
            }
            let filled = grid(&file, &format!("{case}.filled"), byte);
            let ours = fill_holes(&mask, None).and_then(|m| m.to_values()).expect("filled");
            assert!(ours == filled.values, "{case}: holes");
        }
    }
}

#[test]
fn distance_transform_equals_scipys() {
    for folder in folders() {
        let bytes = std::fs::read(folder.join("edt.safetensors")).expect("a fixture");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let document = json(&folder.join("edt.json"));
        for (case, expected) in document.as_object().expect("cases") {
            let values = grid(&file, &format!("{case}.mask"), byte);
            let lattice = Lattice::new(values.dims, spacing(&expected["spacing"])).expect("a lattice");
            let mut mask = Mask::of_nonzero(&values.values, values.dims).expect("a mask");
            // "distance" is that of a set voxel to the nearest one outside, "distance_outside" the other way round.
            for field in ["distance_outside", "distance"] {
                let name = format!("{case}.{field}");
                if file.names().contains(&name.as_str()) {
                    let theirs = grid(&file, &name, f32::from_le_bytes);
                    let both = nearest(&mask, &lattice).expect("distances");
                    let ours = distance_mm(&mask, &lattice).expect("distances");
                    assert_eq!(ours, both.distance_mm, "{name}: with and without the nearest voxel");
                    for (n, (a, b)) in ours.iter().zip(&theirs.values).enumerate() {
                        assert_near(&format!("{name} at {n}"), f64::from(*a), f64::from(*b), TRANSFORM);
                    }
                }
                mask.invert();
            }
        }
    }
}
