//! The published models on the command line: list, fetch, kill, go on, and their names in place of paths.

#[path = "../../engine/hub/tests/server/mod.rs"]
mod server;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use server::{Body, Server, Site};

/// As long as `VoComni_nnunet.pt` can be, and nothing but zeros.
const BYTES: u64 = 124_900_000;

/// Of so many zeros, by sha256sum.
const SHA256: &str = "6cab884a727b75fb5dba8c9ef617243949d90618d69aa4bd3066d99fd884e0f2";

const FILE: &str = "VoComni_nnunet.pt";

fn command(args: &[&str], folder: &Path, endpoint: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voco"));
    command.args(args).env("VOCO_MODELS_DIR", folder).env("VOCO_HUB_ENDPOINT", endpoint);
    command
}

fn voco(args: &[&str], folder: &Path, endpoint: &str) -> Output {
    command(args, folder, endpoint).output().expect("the program starts")
}

fn json(args: &[&str], folder: &Path, endpoint: &str) -> Value {
    let output = voco(args, folder, endpoint);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}"))
}

/// A hub that has the file and sends it slowly.
fn slow_hub() -> Server {
    let pause = Duration::from_millis(5);
    Server::start(Site { body: Body::Zeros(BYTES), sha256: Some(SHA256.to_owned()), pause, ..Site::default() })
}

/// A fetch that runs, and has some of the file already.
fn running_fetch(folder: &Path, hub: &Server) -> Child {
    let mut fetch = command(&["model", "fetch", "VoComni_nnunet"], folder, &hub.endpoint);
    let child = fetch.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let part = folder.join(format!("{FILE}.part"));
    while part.metadata().map_or(0, |info| info.len()) < 2_000_000 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn entry(list: &Value, name: &str) -> Value {
    let models = list["models"].as_array().expect("models");
    models.iter().find(|model| model["name"] == name).expect("a known name").clone()
}

#[test]
fn the_list_gives_what_others_rely_on_and_asks_nobody() {
    let (folder, hub) = (tempfile::tempdir().expect("a folder"), slow_hub());
    let list = json(&["model", "list", "--json"], folder.path(), &hub.endpoint);
    assert_eq!(list["models"].as_array().map(Vec::len), Some(7), "{list}");
    let model = entry(&list, "VoCo_B_SSL_head");
    assert_eq!(model["md5"], "f80c4da2f81d700bdae3df188f2057eb", "{model}");
    assert_eq!((&model["licence"], &model["state"]), (&"Apache-2.0".into(), &"absent".into()), "{model}");
    assert!(model["bytes"].is_u64() && model["parameters"].is_u64() && model["path"].is_null(), "{model}");
    assert!(hub.requests().is_empty(), "nothing is asked for");
}

#[test]
fn names_of_models_stand_for_their_files_once_they_are_there() {
    let (folder, hub) = (tempfile::tempdir().expect("a folder"), slow_hub());
    let (out, data) = (folder.path().join("run"), folder.path().join("data"));
    let [out, data] = [&out, &data].map(|path| path.to_str().expect("a readable path"));
    for args in [
        &["model", "show", "VoComni_B"][..],
        &["model", "convert", "VoComni_B.pt", "x.safetensors"],
        &["model", "run", "vocomni_b", "--input", "x.safetensors", "--output", "y.safetensors"],
        &["pretrain", "--data", data, "--out", out, "--init", "VoComni_B"],
    ] {
        let output = voco(args, folder.path(), &hub.endpoint);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(text.contains("voco model fetch VoComni_B") && text.lines().count() == 1, "{args:?}: {text}");
    }
    assert!(hub.requests().is_empty(), "nothing is fetched unless that is asked for");
    // The smallest file of a network that there is: one bias of a SwinUNETR.
    let header = br#"{"swinViT.patch_embed.proj.bias":{"dtype":"F32","shape":[12],"data_offsets":[0,48]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 48]].concat();
    std::fs::write(folder.path().join("VoComni_B.pt"), bytes).expect("written");
    let info = json(&["model", "show", "VoComni_B", "--json"], folder.path(), &hub.endpoint);
    assert_eq!(info["feature_size"], 12, "{info}");
    // A checkpoint that cannot be the published one is not taken for it when it is fetched.
    let output = voco(&["model", "fetch", "VoComni_B"], folder.path(), &hub.endpoint);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_killed_fetch_goes_on_where_it_was() {
    let (folder, hub) = (tempfile::tempdir().expect("a folder"), slow_hub());
    let folder = folder.path();
    let mut child = running_fetch(folder, &hub);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let kept = folder.join(format!("{FILE}.part")).metadata().expect("a part").len();
    let model = entry(&json(&["model", "list", "--json"], folder, &hub.endpoint), "VoComni_nnunet");
    assert_eq!((&model["state"], &model["bytes_here"]), (&"partial".into(), &kept.into()), "{model}");

    hub.requests();
    hub.site.lock().pause = Duration::ZERO;
    let fetched = json(&["model", "fetch", "VoComni_nnunet", "--json"], folder, &hub.endpoint);
    assert_eq!((&fetched["bytes"], &fetched["checked"]), (&BYTES.into(), &"sha256".into()), "{fetched}");
    let asked = hub.requests();
    assert!(asked.len() == 2 && asked[1].contains(&format!("range: bytes={kept}-")), "{asked:?}");
    let model = entry(&json(&["model", "list", "--json"], folder, &hub.endpoint), "VoComni_nnunet");
    assert_eq!((&model["state"], &model["path"]), (&"present".into(), &fetched["path"]), "{model}");

    // From there to another folder.
    let other = tempfile::tempdir().expect("a folder");
    let [from, to] = [folder, other.path()].map(|path| path.to_str().expect("a readable path"));
    let copied = json(&["model", "fetch", FILE, "--from", from, "--to", to, "--json"], folder, "http://127.0.0.1:1");
    assert_eq!((&copied["bytes"], &copied["checked"]), (&BYTES.into(), &"size".into()), "{copied}");
    assert!(other.path().join(FILE).exists() && hub.requests().is_empty(), "copied without the hub");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_part_and_says_so() {
    let (folder, hub) = (tempfile::tempdir().expect("a folder"), slow_hub());
    let child = running_fetch(folder.path(), &hub);
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(interrupted.success(), "the signal went out");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("are kept, fetch it again to go on"), "{text}");
    assert!(folder.path().join(format!("{FILE}.part")).exists(), "the part is there");
}

#[test]
fn what_cannot_be_fetched_gets_a_sentence() {
    let (folder, hub) = (tempfile::tempdir().expect("a folder"), slow_hub());
    let empty = folder.path().to_str().expect("a readable path");
    hub.site.lock().status = Some(404);
    for (args, endpoint, status) in [
        (&["model", "fetch", "VoComni_nnunet"][..], hub.endpoint.as_str(), 1),
        (&["model", "fetch", "VoComni_nnunet"], "http://127.0.0.1:1", 1),
        (&["model", "fetch", "VoComni_nnunet"], "a hub", 1),
        (&["model", "fetch", "VoComni_nnunet", "--from", empty], "", 1),
        (&["model", "fetch", "VoCo_10k"], "", 2),
        (&["model", "fetch"], "", 2),
    ] {
        let output = voco(args, &folder.path().join("models"), endpoint);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {text}");
        let error = text.lines().find(|line| line.starts_with("error: ")).expect("a sentence");
        assert!(!error.contains(empty) && output.stdout.is_empty(), "{args:?}: {error}");
    }
}
