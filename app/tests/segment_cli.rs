//! `voco segment`, `voco tasks` and `voco finetune` as scripts rely on them: exit status, one sentence, JSON fields.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn voco(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voco")).current_dir(folder).args(args).output().expect("the program starts")
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/segment").join(name);
    path.to_str().expect("a readable path").to_owned()
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"))
}

#[test]
fn segment_writes_a_label_map_and_says_what_is_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (image, model) = (fixture("image.nii.gz"), fixture("model.safetensors"));
    let args = [
        "segment",
        &image,
        "--checkpoint",
        &model,
        "--out",
        "labels.nii.gz",
        "--overlap",
        "0.5",
        "--device",
        "cpu",
        "--json",
    ];
    let result = json(&voco(folder.path(), &args));
    assert!(result["seconds"].as_f64().is_some_and(|s| s > 0.0), "{result}");
    assert!(
        cfg!(not(target_os = "linux")) || result["peak_rss_bytes"].as_u64().is_some_and(|b| b > 1_000_000),
        "{result}"
    );
    let classes = result["classes"].as_array().expect("classes");
    let names: Vec<&str> = classes.iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["liver", "spleen", "kidneys"], "{result}");
    for class in classes {
        assert!(class["id"].is_u64() && class["voxels"].is_u64() && class["ml"].is_f64(), "{class}");
    }
    assert!(
        folder.path().join("labels.nii.gz").exists() && folder.path().join("labels.json").exists(),
        "map and names"
    );
    // A second time it is there already, and the numbers are the same.
    let again = json(&voco(folder.path(), &args));
    assert_eq!((&again["classes"], &again["cases"][0]["skipped"]), (&result["classes"], &Value::Bool(true)), "{again}");

    // The same by a folder, with probabilities.
    std::fs::create_dir(folder.path().join("in")).expect("made");
    std::fs::copy(&image, folder.path().join("in/a.nii.gz")).expect("copied");
    let args = [
        "segment",
        "in",
        "--checkpoint",
        &model,
        "--out",
        "out",
        "--overlap",
        "0.5",
        "--probabilities",
        "--device",
        "cpu",
        "--json",
    ];
    let many = json(&voco(folder.path(), &args));
    assert_eq!(many["classes"], result["classes"], "{many}");
    assert!(
        folder.path().join("out/a_seg.nii.gz").exists() && folder.path().join("out/a_seg_prob.nii.gz").exists(),
        "both"
    );
}

#[test]
fn what_cannot_be_segmented_gets_one_sentence_and_status_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let (image, model) = (fixture("image.nii.gz"), fixture("model.safetensors"));
    std::fs::write(folder.path().join("text.nii"), "no volume").expect("written");
    let base = ["--checkpoint", &model, "--device", "cpu"];
    for (input, more, status) in [
        ("absent.nii", &["--out", "x.nii.gz"][..], 1),
        ("text.nii", &["--out", "x.nii.gz"], 1),
        (&image, &["--out", "absent/x.nii.gz"], 1),
        (&image, &["--out", "x.nii.gz", "--roi", "5,5,5"], 1),
        (&image, &["--out", "x.nii.gz", "--tta", "sideways"], 2),
        (&image, &["--out", "x.nii.gz", "--task", "no-such-task"], 2),
        (&image, &[], 2),
    ] {
        let output = voco(folder.path(), &[&["segment", input], more, &base].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{input} {more:?}: {text}");
        assert!(output.stdout.is_empty(), "{input} {more:?}: nothing for a machine");
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(errors.len(), 1, "{input} {more:?}: {text}");
        assert!(!text.contains(&*folder.path().to_string_lossy()), "no folder: {text}");
    }
    assert!(!folder.path().join("x.nii.gz").exists(), "nothing is left of them");
}

#[test]
fn tasks_are_listed_and_a_wrong_file_is_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = json(&voco(folder.path(), &["tasks", "--json"]));
    let names: Vec<&str> = all.as_array().expect("tasks").iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.len() >= 18 && names.contains(&"vocomni") && names.contains(&"msd09-spleen"), "{names:?}");
    let btcv = json(&voco(folder.path(), &["tasks", "show", "btcv", "--json"]));
    for (field, expected) in [
        ("kind", serde_json::json!("segmentation")),
        ("modality", serde_json::json!("CT")),
        ("window", serde_json::json!([-175.0, 250.0])),
        ("spacing_mm", serde_json::json!([1.5, 1.5, 1.5])),
        ("roi", serde_json::json!([96, 96, 96])),
    ] {
        assert_eq!(btcv[field], expected, "{field}");
    }
    assert_eq!(btcv["classes"].as_array().map(Vec::len), Some(14), "{btcv}");

    // What is shown can be used, and what is spelt wrongly is refused before anything else.
    let shown = voco(folder.path(), &["tasks", "show", "btcv"]).stdout;
    let text = String::from_utf8(shown).expect("text");
    std::fs::write(folder.path().join("own.toml"), text.replace("\"btcv\"", "\"own\"")).expect("written");
    assert_eq!(json(&voco(folder.path(), &["tasks", "show", "own.toml", "--json"]))["name"], "own");
    std::fs::write(folder.path().join("wrong.toml"), text.replace("spacing_mm", "spacing")).expect("written");
    let args = ["finetune", "--task", "wrong.toml", "--data", ".", "--out", "run"];
    let output = voco(folder.path(), &args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("wrong.toml") && text.contains("spacing"), "{text}");
    for args in [&["finetune"][..], &["finetune", "--task", "btcv", "--data", ".", "--out", "r", "--fold", "0/3"]] {
        assert_eq!(voco(folder.path(), args).status.code(), Some(2), "{args:?}");
    }
    let nothing = voco(folder.path(), &["finetune", "--task", "btcv", "--data", ".", "--out", "r", "--device", "cpu"]);
    assert_eq!(nothing.status.code(), Some(1), "{}", String::from_utf8_lossy(&nothing.stderr));
}
