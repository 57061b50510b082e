//! `voco evaluate`: what scripts rely on.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn evaluate(prediction: &Path, reference: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voco"));
    command.arg("evaluate").arg("--prediction").arg(prediction).arg("--reference").arg(reference).args(more);
    command.output().expect("the program starts")
}

fn json_of(output: &Output, status: i32) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"))
}

/// The one sentence of a run that fails.
fn sentence(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty(), "nothing for a machine");
    assert_eq!(text.lines().count(), 1, "'{text}' is one sentence");
    text
}

/// A label map of 32-bit labels, i fastest.
struct Map {
    dims: [usize; 3],
    spacing: [f32; 3],
    origin: [f32; 3],
    labels: Vec<u32>,
}

impl Map {
    fn empty() -> Self {
        let dims = [12, 10, 8];
        Self { dims, spacing: [1.0, 1.0, 2.0], origin: [0.0; 3], labels: vec![0; dims.iter().product()] }
    }

    /// With a box of `label`.
    fn with(mut self, label: u32, start: [usize; 3], size: [usize; 3]) -> Self {
        for k in start[2]..start[2] + size[2] {
            for j in start[1]..start[1] + size[1] {
                let row = self.dims[0] * (j + self.dims[1] * k);
                self.labels[row + start[0]..][..size[0]].fill(label);
            }
        }
        self
    }

    /// As NIfTI-1.
    fn write(&self, path: &Path) {
        let mut bytes = vec![0_u8; 352];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &348_i32.to_le_bytes());
        put(40, &3_i16.to_le_bytes());
        for axis in 0..3 {
            put(42 + 2 * axis, &i16::try_from(self.dims[axis]).expect("a small map").to_le_bytes());
            put(80 + 4 * axis, &self.spacing[axis].to_le_bytes());
            put(280 + 16 * axis + 4 * axis, &self.spacing[axis].to_le_bytes());
            put(280 + 16 * axis + 12, &self.origin[axis].to_le_bytes());
        }
        for at in [48, 50, 52, 54, 254] {
            put(at, &1_i16.to_le_bytes());
        }
        put(70, &768_i16.to_le_bytes()); // uint32
        put(72, &32_i16.to_le_bytes());
        put(76, &1.0_f32.to_le_bytes());
        put(108, &352.0_f32.to_le_bytes());
        put(112, &1.0_f32.to_le_bytes());
        put(344, b"n+1\0");
        bytes.extend(self.labels.iter().flat_map(|label| label.to_le_bytes()));
        std::fs::write(path, bytes).expect("written");
    }
}

/// A folder with a reference and a prediction, moved by one voxel along i.
fn pair() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let (p, r) = (folder.path().join("prediction.nii"), folder.path().join("reference.nii"));
    Map::empty().with(1, [2, 2, 2], [4, 4, 4]).write(&r);
    Map::empty().with(1, [3, 2, 2], [4, 4, 4]).with(7, [10, 0, 0], [1, 1, 1]).write(&p);
    (folder, p, r)
}

#[track_caller]
fn assert_near(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn monai_numbers_of_two_boxes() {
    let (_folder, p, r) = pair();
    let document = json_of(&evaluate(&p, &r, &["--nsd-tolerance", "0.5", "--json"]), 0);
    assert_eq!(document["protocol"], "monai", "{document}");
    let classes = document["classes"].as_array().expect("classes");
    assert_eq!(classes.iter().map(|c| c["id"].clone()).collect::<Vec<_>>(), [1, 7], "{document}");
    let one = &classes[0];
    assert_near(&one["dice"], 0.75);
    assert_near(&one["iou"], 0.6);
    assert_near(&one["hd"], 1.0);
    assert_near(&one["hd95"], 1.0);
    // Of the 56 edge voxels of each box 16 lie beyond the other box and 4 inside of it, all at 1 mm.
    assert_near(&one["assd"], 20.0 / 56.0);
    assert_near(&one["nsd"], 36.0 / 56.0);
    assert_near(&one["volume_ml_prediction"], 0.128);
    assert_near(&one["volume_ml_reference"], 0.128);
    // The reference does not have class 7: there is no overlap, and no distance is finite.
    for field in ["dice", "iou", "hd", "hd95", "assd"] {
        assert_eq!(classes[1][field], Value::Null, "{field} in {document}");
    }
    assert_near(&classes[1]["nsd"], 0.0);
    assert_near(&document["mean"]["dice"], 0.75);
    assert_near(&document["mean"]["nsd"], 18.0 / 56.0);
    assert_eq!(document["mean"]["hd"], Value::Null, "{document}");
}

#[test]
fn flare_scores_its_organs_with_their_tolerances() {
    let (folder, p, r) = pair();
    let document = json_of(&evaluate(&p, &r, &["--protocol", "flare", "--json"]), 0);
    let classes = document["classes"].as_array().expect("classes");
    assert_eq!(classes.iter().filter_map(|c| c["id"].as_u64()).collect::<Vec<_>>(), (1..=13).collect::<Vec<_>>());
    assert_eq!((&classes[0]["name"], &classes[0]["nsd_tolerance_mm"]), (&json!("liver"), &json!(5.0)), "{document}");
    assert_near(&classes[0]["nsd"], 1.0);
    assert_near(&classes[6]["dice"], 0.0);
    assert_near(&classes[1]["dice"], 1.0);
    assert_near(&document["mean"]["dice"], (11.0 + 0.75) / 13.0);
    // By names: the label 1 is an aorta here, whose last slice does not count, and 7 is none of FLARE's.
    let names = folder.path().join("names.json");
    std::fs::write(&names, r#"{"1": "aorta", "7": "rib", "9": "spleen"}"#).expect("written");
    let names = names.to_str().expect("a path");
    let document = json_of(&evaluate(&p, &r, &["--protocol", "flare", "--labels", names, "--json"]), 0);
    let classes = document["classes"].as_array().expect("classes");
    let named: Vec<_> = classes.iter().map(|c| (&c["name"], &c["nsd_tolerance_mm"])).collect();
    let expected = [(&json!("aorta"), &json!(2.0)), (&json!("rib"), &json!(2.0)), (&json!("spleen"), &json!(3.0))];
    assert_eq!(named, expected, "{document}");
    // The volumes are those of all slices.
    assert_near(&classes[0]["volume_ml_reference"], 0.128);
}

#[test]
fn chosen_classes_come_in_their_order_with_or_without_voxels() {
    let (_folder, p, r) = pair();
    let document = json_of(&evaluate(&p, &r, &["--classes", "4000000000,1", "--json"]), 0);
    let ids: Vec<_> = document["classes"].as_array().expect("classes").iter().map(|c| c["id"].as_u64()).collect();
    assert_eq!(ids, [Some(4_000_000_000), Some(1)], "{document}");
    assert_eq!(document["classes"][0]["nsd"], Value::Null, "{document}");
}

#[test]
fn grids_that_differ_get_one_sentence_or_are_resampled() {
    let (folder, p, r) = pair();
    let other = folder.path().join("moved.nii");
    // The same boxes in the patient: one voxel less at the low end of i.
    let mut moved = Map::empty().with(1, [2, 2, 2], [4, 4, 4]);
    moved.origin[0] = 1.0;
    moved.write(&other);
    let text = sentence(&evaluate(&other, &r, &["--json"]));
    assert!(text.contains("moved.nii") && text.contains("1.000 mm") && text.contains("--resample"), "{text}");
    let document = json_of(&evaluate(&other, &r, &["--resample", "--json"]), 0);
    assert_near(&document["classes"][0]["dice"], 0.75);
    assert_eq!(document["warnings"].as_array().map(Vec::len), Some(1), "{document}");
    // Each voxel of a map with half the spacing along i, in which the reference's box is one of twice as many voxels.
    let mut fine = Map { dims: [24, 10, 8], labels: vec![0; 24 * 10 * 8], ..Map::empty() };
    fine = fine.with(1, [4, 2, 2], [8, 4, 4]);
    (fine.spacing[0], fine.origin[0]) = (0.5, -0.25);
    fine.write(&other);
    let text = sentence(&evaluate(&other, &r, &[]));
    assert!(text.contains("24×10×8") && text.contains("12×10×8"), "{text}");
    let document = json_of(&evaluate(&other, &r, &["--resample", "--json"]), 0);
    assert_near(&document["classes"][0]["dice"], 1.0);
    // A grid that differs by rounding is the same.
    let mut near = Map::empty().with(1, [2, 2, 2], [4, 4, 4]);
    near.origin[1] = 0.01;
    near.write(&p);
    assert_near(&json_of(&evaluate(&p, &r, &["--json"]), 0)["mean"]["dice"], 1.0);
}

#[test]
fn folders_give_cases_and_means_and_name_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (p, r) = (folder.path().join("predictions"), folder.path().join("references"));
    std::fs::create_dir(&p).expect("a folder");
    std::fs::create_dir(&r).expect("a folder");
    let reference = || Map::empty().with(1, [2, 2, 2], [4, 4, 4]);
    for case in ["a", "b"] {
        reference().write(&r.join(format!("{case}_label.nii")));
    }
    reference().write(&p.join("a_label.nii"));
    Map::empty().with(1, [3, 2, 2], [4, 4, 4]).write(&p.join("b_seg.nii"));
    let document = json_of(&evaluate(&p, &r, &["--json"]), 0);
    let names: Vec<_> = document["cases"].as_array().expect("cases").iter().map(|c| &c["case"]).collect();
    assert_eq!(names, ["a_label", "b_label"], "{document}");
    assert_near(&document["cases"][1]["classes"][0]["dice"], 0.75);
    assert_near(&document["classes"][0]["dice"], 0.875);
    assert_eq!(document["classes"][0]["cases"], 2, "{document}");
    assert_near(&document["mean"]["dice"], 0.875);
    // Case c has no prediction, and prediction d no reference.
    reference().write(&r.join("c.nii"));
    reference().write(&p.join("d.nii"));
    let output = evaluate(&p, &r, &["--json"]);
    let document = json_of(&output, 1);
    assert!(document["cases"][2]["error"].as_str().is_some_and(|e| e.contains('c')), "{document}");
    assert!(document["warnings"][0].as_str().is_some_and(|w| w.contains("d.nii")), "{document}");
    assert_near(&document["mean"]["dice"], 0.875);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("1 of 3 cases"), "{text}");
    // A file and a folder, and folders without label maps.
    assert!(sentence(&evaluate(&p, &r.join("c.nii"), &[])).contains("two folders"), "a folder and a file");
    assert!(sentence(&evaluate(&p, folder.path(), &[])).contains("no .nii"), "an empty folder");
}

#[test]
fn what_is_no_label_map_is_refused() {
    let (_folder, p, r) = pair();
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples/ts_abdomen.nii.gz");
    let text = sentence(&evaluate(&image, &r, &["--json"]));
    assert!(text.contains("ts_abdomen.nii.gz") && text.contains("not a label map"), "{text}");
    let text = sentence(&evaluate(&p, Path::new("none.nii"), &["--json"]));
    assert!(text.contains("none.nii"), "{text}");
    for wrong in
        [&["--nsd-tolerance", "-1"][..], &["--nsd-tolerance", "nan"], &["--protocol", "dice"], &["--classes", "a"]]
    {
        assert_eq!(evaluate(&p, &r, wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_sample_agrees_with_itself() {
    let labels = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples/ts_abdomen_label.nii.gz");
    for protocol in ["monai", "flare"] {
        let document = json_of(&evaluate(&labels, &labels, &["--protocol", protocol, "--json"]), 0);
        let classes = document["classes"].as_array().expect("classes");
        assert!(classes.len() >= 61, "{protocol}: all structures");
        for field in ["dice", "iou", "nsd"] {
            assert_near(&document["mean"][field], 1.0);
        }
    }
    let table = evaluate(&labels, &labels, &[]);
    let text = String::from_utf8_lossy(&table.stdout);
    assert_eq!(text.lines().filter(|line| line.contains("1.0000")).count(), 62, "61 structures and their mean: {text}");
}
