//! The command line as scripts rely on it: exit status, one sentence, JSON fields.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn voco(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voco")).args(args).output().expect("the program starts")
}

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    path.to_str().expect("a readable path").to_owned()
}

fn json(args: &[&str]) -> Value {
    let output = voco(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}"))
}

#[test]
fn info_gives_what_others_rely_on() {
    let info = json(&["info", &repository("assets/samples/ts_abdomen.nii.gz"), "--json"]);
    assert_eq!(info["format"], "NIfTI-1", "{info}");
    assert_eq!(info["dims"], serde_json::json!([122, 101, 112]), "{info}");
    assert_eq!(info["orientation"], "RAS", "{info}");
    assert_eq!(info["dtype"], "int16", "{info}");
    assert_eq!((info["min"].as_f64(), info["max"].as_f64()), (Some(-1207.0), Some(3382.0)), "{info}");
    assert_eq!(info["num_components"], 1, "{info}");
    assert_eq!(info["affine_ras"].as_array().map(Vec::len), Some(4), "{info}");
    for axis in 0..3 {
        let spacing = info["spacing_mm"][axis].as_f64().expect("a number");
        assert!((spacing - 3.0).abs() < 1e-6, "{info}");
    }
    assert!(info["warnings"].is_array() && info["mean"].is_number(), "{info}");
}

#[test]
fn bad_files_end_with_one_sentence_and_status_1() {
    let folder = repository("tests/fixtures/nifti/malformed");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    files.push("no_such_file.nii".into());
    files.retain(|f| f.extension().is_some_and(|e| e == "nii" || e == "gz"));
    assert!(files.len() > 10, "there are malformed files");
    for file in files {
        let output = voco(&["info", file.to_str().expect("a readable path"), "--json"]);
        let text = String::from_utf8_lossy(&output.stderr);
        let name = file.file_name().expect("a name").to_string_lossy();
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(output.stdout.is_empty(), "{name}: nothing for a machine");
        assert!(
            text.trim().lines().count() == 1 && text.contains(&*name),
            "{name}: '{text}' is one sentence with its name"
        );
    }
}

#[test]
fn wrong_usage_is_status_2() {
    for args in [&["frobnicate"][..], &["info"], &["render", "a.nii", "b.png", "--view", "behind"], &["pretrain"]] {
        assert_eq!(voco(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn position_targets_are_repeatable_and_complete() {
    let sample = repository("assets/samples/ts_abdomen.nii.gz");
    for (recipe, bases, dims) in [("abdomen-unlabelled", 9, [192, 192, 64]), ("cvpr", 16, [384, 384, 96])] {
        let args = ["position", "targets", &sample, "--recipe", recipe, "--seed", "5", "--count", "3", "--json"];
        let targets = json(&args);
        assert_eq!(targets["frame"]["dims"], serde_json::json!(dims), "{recipe}");
        assert_eq!(targets["base"].as_array().map(Vec::len), Some(bases), "{recipe}");
        let crops = targets["crops"].as_array().expect("crops");
        assert_eq!(crops.len(), 3, "{recipe}");
        for crop in crops {
            let target = crop["target"].as_array().expect("a target").iter().filter_map(Value::as_f64);
            assert!((target.sum::<f64>() - 1.0).abs() < 1e-9, "{recipe}: {crop}");
            assert_eq!(crop["box_ras"].as_array().map(Vec::len), Some(2), "{recipe}: {crop}");
        }
        assert_eq!(targets, json(&args), "{recipe}: the same seed gives the same crops");
    }
}

#[test]
fn pretrain_streams_json_lines_and_leaves_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let list = folder.path().join("list.json");
    let sample = repository("assets/samples/ts_abdomen.nii.gz");
    let text = serde_json::json!({ "training": [{ "image": sample }, { "image": sample }] }).to_string();
    std::fs::write(&list, text).expect("written");
    let args = [
        "pretrain",
        "--data",
        list.to_str().expect("a path"),
        "--out",
        out.to_str().expect("a path"),
        "--device",
        "cpu",
    ];
    let output = voco(&[&args[..], &["--steps", "2", "--crops", "1", "--seed", "1"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let lines: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|l| serde_json::from_str(l).expect("a JSON line"))
        .collect();
    assert_eq!(lines.len(), 2, "one line for each step");
    for line in &lines {
        for field in ["step", "loss", "intra", "inter", "reg", "lr", "top1_accuracy", "seconds"] {
            assert!(line[field].is_number(), "{field} in {line}");
        }
    }
    assert!(out.join("checkpoints/step-0000002/model.safetensors").exists(), "a checkpoint at the end");
    assert!(out.join("config.json").exists() && out.join("log.jsonl").exists(), "settings and log");
}

#[test]
fn recipes_are_files_to_edit_and_mistakes_in_them_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = json(&["recipes", "--json"]);
    let names: Vec<&str> = list.as_array().expect("a list").iter().filter_map(|r| r["name"].as_str()).collect();
    for name in ["tpami", "cvpr", "abdomen", "abdomen-unlabelled", "chest", "head-neck", "supervised", "semi", "omni"] {
        assert!(names.contains(&name), "{name} among {names:?}");
        let text = String::from_utf8(voco(&["recipes", "show", name]).stdout).expect("text");
        assert!(text.contains(&format!("name = \"{name}\"")), "{name}: {text}");
    }
    let text = String::from_utf8(voco(&["recipes", "show", "chest"]).stdout).expect("text");
    let mine = folder.path().join("mine.toml");
    std::fs::write(&mine, text.replace("warmup_steps", "warm_up_steps")).expect("written");
    let line = 1 + text[..text.find("warmup_steps").expect("it is there")].matches('\n').count();
    let sample = repository("assets/samples/ts_abdomen.nii.gz");
    let output = voco(&["position", "targets", &sample, "--recipe", mine.to_str().expect("a path")]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("mine.toml, line {line}: unknown field")), "{error}");
    std::fs::write(&mine, text).expect("written");
    let targets = json(&["position", "targets", &sample, "--recipe", mine.to_str().expect("a path"), "--json"]);
    assert_eq!(targets["group"], "chest", "{targets}");
    // A recipe that learns from labels asks for them.
    let out = folder.path().join("run");
    let out = out.to_str().expect("a path");
    let output = voco(&["pretrain", "--recipe", "semi", "--data", &sample, "--out", out]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains("--labelled"), "{error}");
}

#[test]
fn model_show_and_convert_give_what_others_rely_on() {
    // The smallest file of a network that there is: one bias of a SwinUNETR.
    let folder = tempfile::tempdir().expect("a scratch folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a readable path").to_owned();
    let header = br#"{"module.swin_vit.patch_embed.proj.bias":{"dtype":"F32","shape":[12],"data_offsets":[0,48]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend([0; 48]);
    std::fs::write(at("one.safetensors"), &bytes).expect("written");
    let info = json(&["model", "show", &at("one.safetensors"), "--json"]);
    assert_eq!(info["architecture"], "SwinUNETR encoder", "{info}");
    assert_eq!((info["feature_size"].as_u64(), info["parameters"].as_u64()), (Some(12), Some(12)), "{info}");
    assert_eq!(info["matched"], serde_json::json!(["swinViT.patch_embed.proj.bias"]), "{info}");
    assert_eq!(info["missing"].as_array().map(Vec::len), Some(136), "{info}");
    for list in ["unexpected", "shape_mismatch"] {
        assert_eq!(info[list], serde_json::json!([]), "{info}");
    }
    let report = json(&["model", "convert", &at("one.safetensors"), &at("one.bpk"), "--json"]);
    assert_eq!(report["tensors"], 1, "{report}");
    assert_eq!(
        json(&["model", "show", &at("one.bpk"), "--json"])["matched"],
        info["matched"],
        "the same in burn's file"
    );

    std::fs::write(at("cut.pt"), &bytes[..60]).expect("written");
    let input = at("one.safetensors");
    for (args, status) in [
        (vec!["model", "show", &at("cut.pt")], 1),
        (vec!["model", "show", &at("absent.pt")], 1),
        (vec!["model", "convert", &input, &at("one.pt")], 1),
        (vec!["model", "convert", &input, &at("absent/one.bpk")], 1),
        (vec!["model", "convert", &input, &at("absent/one.safetensors")], 1),
        (vec!["model", "run", &input, "--input", &input, "--output", &at("y.safetensors"), "--device", "cpu"], 1),
        (vec!["model", "run", &input, "--input", &input, "--output", "y", "--roi", "96,96"], 2),
        (vec!["model", "run", &input, "--input", &input, "--output", "y", "--overlap", "1"], 2),
        (vec!["model", "run", &input], 2),
        (vec!["model", "teach"], 2),
    ] {
        let output = voco(&args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {text}");
        if status == 1 {
            let path = folder.path().to_string_lossy();
            assert!(
                text.trim().lines().count() == 1 && !text.contains(&*path),
                "'{text}' is one sentence without paths"
            );
        }
    }
}

#[test]
fn preprocess_writes_each_stage_with_its_label_map() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a readable path").to_owned();
    let settings = "spacing_mm = [6, 6, 6]\nintensity = { window = { low = -175, high = 250 } }\n\
                    foreground_above = 0\npad_to = [64, 64, 64]\n";
    std::fs::write(path("coarse.toml"), settings).expect("written");
    let (image, label) =
        (repository("assets/samples/ts_abdomen.nii.gz"), repository("assets/samples/ts_abdomen_label.nii.gz"));
    let out = path("out.nii");
    let stages = path("stages");
    let recipe = path("coarse.toml");
    let args = ["preprocess", &image, &out, "--recipe", &recipe, "--label", &label, "--stages", &stages, "--json"];
    let document = json(&args);
    let listed = document["stages"].as_array().expect("stages");
    let names: Vec<&str> = listed.iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, ["load", "orient", "spacing", "scale", "cropfg", "pad"], "{document}");
    for (file, stage) in [("out.nii", "pad"), ("stages/pad.nii.gz", "pad"), ("stages/spacing.nii.gz", "spacing")] {
        let facts = listed.iter().find(|s| s["name"] == stage).expect("listed");
        for (file, dtype) in [(file.to_owned(), "float32"), (file.replace(".nii", "_label.nii"), "uint8")] {
            let file = if file == "out_label.nii" { "out_label.nii.gz".to_owned() } else { file };
            let info = json(&["info", &path(&file), "--json"]);
            assert_eq!((&info["dims"], info["dtype"].as_str()), (&facts["dims"], Some(dtype)), "{file}: {info}");
            let near = |r: usize, c: usize| {
                let at = |v: &Value| v[r][c].as_f64().expect("a number");
                (at(&info["affine_ras"]) - at(&facts["affine"])).abs() < 1e-4
            };
            assert!((0..16).all(|n| near(n / 4, n % 4)), "{file}: {info}");
        }
    }
    assert_eq!(voco(&["preprocess", &image, &out, "--recipe", "nope"]).status.code(), Some(2), "wrong usage");
    assert_eq!(voco(&["preprocess", &image, &path("out.png")]).status.code(), Some(1), "no NIfTI");
}

#[test]
fn folders_list_their_series_and_convert_takes_one() {
    let folder = repository("tests/fixtures/dicom/two");
    let info = json(&["info", &folder, "--json"]);
    let series = info["series"].as_array().expect("a list");
    let told: Vec<_> =
        series.iter().map(|s| (s["description"].as_str(), s["modality"].as_str(), s["num_slices"].as_u64())).collect();
    assert_eq!(told, [(Some("synthetic"), Some("CT"), Some(4)), (Some("second"), Some("CT"), Some(4))], "{info}");
    assert_eq!(series[0]["dims"], serde_json::json!([40, 32, 4]), "{info}");
    assert_eq!(series[0]["spacing_mm"], serde_json::json!([0.5, 0.75, 2.5]), "{info}");
    let out = tempfile::tempdir().expect("a folder");
    let path = |name: &str| out.path().join(name).to_str().expect("a readable path").to_owned();
    let asked = voco(&["convert", &folder, &path("a.nii.gz")]);
    assert_eq!(asked.status.code(), Some(1), "two series and none chosen");
    let args = ["convert", &folder, &path("a.nrrd"), "--series", "1", "--orientation", "RAS", "--json"];
    let done = json(&args);
    assert_eq!((done["orientation"].as_str(), done["dtype"].as_str()), (Some("RAS"), Some("int16")), "{done}");
    let ([one, two], nii) =
        ([info_of(&path("a.nrrd")), json(&["info", &folder, "--series", "1", "--json"])], path("b.nii.gz"));
    for field in ["min", "max", "mean", "dims"] {
        assert_eq!(one[field], two[field], "{field}");
    }
    // Back onto the grid of another file, to the voxel.
    json(&["convert", &folder, &nii, "--series", "1", "--json"]);
    json(&["convert", &path("a.nrrd"), &path("c.nii"), "--like", &nii, "--interpolation", "nearest", "--json"]);
    let (b, c) = (info_of(&nii), info_of(&path("c.nii")));
    assert_eq!((&b["affine_ras"], &b["mean"], &b["orientation"]), (&c["affine_ras"], &c["mean"], &c["orientation"]));
    let spaced = json(&["convert", &nii, &path("d.nii"), "--spacing", "1,1.5,5", "--json"]);
    assert_eq!(spaced["spacing_mm"], serde_json::json!([1.0, 1.5, 5.0]), "{spaced}");
    let wrong = voco(&["convert", &nii, &path("e.nii"), "--orientation", "RRS"]);
    assert_eq!(wrong.status.code(), Some(2), "no such orientation");
}

fn info_of(path: &str) -> Value {
    json(&["info", path, "--json"])
}
