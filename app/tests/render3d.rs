//! `voco render` in 3D: films, folders of pictures, times.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn voco(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_voco")).args(args).output().expect("the program starts")
}

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples").join(name);
    path.to_str().expect("a readable path").to_owned()
}

/// False, said, where there is no adapter; a failure where one is required.
#[expect(clippy::print_stderr, reason = "the reader of a test log must know")]
fn draws(args: &[&str]) -> bool {
    let output = voco(args);
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return true;
    }
    assert!(std::env::var("VOCO_REQUIRE_GPU").as_deref() != Ok("1") && text.contains("adapter"), "{args:?}: {text}");
    eprintln!("skipped: {text}");
    false
}

fn text(path: &Path) -> String {
    path.to_str().expect("a readable path").to_owned()
}

#[test]
fn a_turn_is_a_film_or_a_folder_of_pictures_and_comes_round() {
    let folder = tempfile::tempdir().expect("a folder");
    let (volume, labels) = (sample("ts_abdomen.nii.gz"), sample("ts_abdomen_label.nii.gz"));
    let film = folder.path().join("turn.gif");
    let common = ["--view", "3d", "--labels", &labels, "--turntable", "4", "--fps", "10", "--size", "96x80"];
    if !draws(&[&["render", &volume, &text(&film)], &common[..]].concat()) {
        return;
    }
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut reader = options.read_info(std::fs::File::open(&film).expect("a film")).expect("a GIF");
    let mut frames = Vec::new();
    while let Some(frame) = reader.read_next_frame().expect("a frame") {
        assert_eq!((frame.width, frame.height, frame.delay), (96, 80, 10));
        frames.push(frame.buffer.to_vec());
    }
    assert_eq!(frames.len(), 4);
    for n in 1..4 {
        let differs = frames[n].chunks(4).zip(frames[0].chunks(4)).filter(|(a, b)| a != b).count();
        assert!(differs > 500, "picture {n} shows another side: {differs}");
    }
    let pictures = folder.path().join("turn");
    assert!(draws(&[&["render", &volume, &text(&pictures)], &common[..]].concat()));
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(&pictures).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names[3].ends_with("0003.png"));
    let first = image::open(&names[0]).expect("a picture").to_rgb8();
    // 256 colours are near those of the picture.
    let far = first.pixels().zip(frames[0].chunks(4)).filter(|(p, f)| (0..3).any(|c| p.0[c].abs_diff(f[c]) > 48));
    assert!(far.count() < 96 * 80 / 50, "the film looks as the pictures do");
}

#[test]
fn times_of_pictures_are_told_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = text(&folder.path().join("picture.png"));
    let volume = sample("ts_abdomen.nii.gz");
    let args = ["render", &volume, &out, "--view", "3d", "--mode", "isosurface", "--iso", "-300", "--size", "64x64"];
    let args = [&args[..], &["--repeat", "3", "--json"]].concat();
    if !draws(&args) {
        return;
    }
    let told: Value = serde_json::from_slice(&voco(&args).stdout).expect("JSON");
    let seconds = |name: &str| told[name].as_f64().expect("seconds");
    assert_eq!(told["num_frames"], 3);
    assert!(seconds("least_seconds") > 0.0 && seconds("least_seconds") <= seconds("seconds_per_frame"));
    assert_eq!(image::open(&out).expect("a picture").to_rgb8().dimensions(), (64, 64));
}

#[test]
fn what_there_is_not_is_said_in_one_sentence() {
    let volume = sample("ts_abdomen.nii.gz");
    for args in [["--mode", "magic"], ["--crop", "5:2,0:1,0:1"], ["--turntable", "1"]] {
        let output = voco(&[&["render", &volume, "x.png", "--view", "3d"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
