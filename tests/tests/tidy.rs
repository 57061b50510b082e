//! Rules for the whole tree: who may import whom, and what no file may contain.
//!
//! ARCHITECTURE.md explains the tables below; a change of one is a change of the other.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Each package with the workspace packages that it may depend on, in any way (normal, build or dev).
const ALLOWED_EDGES: &[(&str, &[&str])] = &[
    ("voco_volume", &[]),
    ("voco_shaders", &[]),
    ("voco_label", &["voco_volume"]),
    ("voco_labelstore", &["voco_label", "voco_volume"]),
    ("voco_nn", &["voco_volume"]),
    ("voco_io", &["voco_volume"]),
    ("voco_hub", &[]),
    ("voco_engine_api", &["voco_volume"]),
    ("voco_render", &["voco_shaders", "voco_volume"]),
    ("voco_data", &["voco_engine_api", "voco_io", "voco_volume"]),
    ("voco_engine", &["voco_data", "voco_engine_api", "voco_io", "voco_label", "voco_nn", "voco_volume"]),
    ("voco_ui", &["voco_engine_api", "voco_label", "voco_labelstore", "voco_render", "voco_shaders", "voco_volume"]),
    ("voco_app", LIBRARIES),
    ("voco_tests", LIBRARIES),
];

/// Every package but the program and the tests: nobody may depend on those two.
const LIBRARIES: &[&str] = &[
    "voco_data",
    "voco_engine",
    "voco_engine_api",
    "voco_hub",
    "voco_io",
    "voco_label",
    "voco_labelstore",
    "voco_nn",
    "voco_render",
    "voco_shaders",
    "voco_ui",
    "voco_volume",
];

/// Each package with the outside crates that it must not reach through normal dependencies, however far.
/// A name stands for every crate that begins with it: `burn` covers `burn-core` and the rest.
const FORBIDDEN_CRATES: &[(&str, &[&str])] = &[
    ("voco_volume", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_shaders", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_label", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_labelstore", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_nn", &["eframe", "egui"]),
    ("voco_io", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_hub", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_engine_api", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_render", &["burn", "eframe", "egui"]),
    ("voco_data", &["burn", "eframe", "egui", "wgpu"]),
    ("voco_engine", &["eframe", "egui"]),
    ("voco_ui", &["burn", "eframe", "rfd"]),
];

/// The one package that opens network connections, and the crates that do so: nobody else may reach them but through it.
const NETWORK: (&str, &[&str]) = ("voco_hub", &["hyper", "reqwest", "rustls", "ureq"]);

const TOP_LEVEL_FOLDERS: &[&str] = &["app", "assets", "engine", "packaging", "render", "shaders", "tests"];

const MAX_LINES: usize = 600;

/// Where every text that people read comes from the Fluent files: no literal that looks like one may stand there.
const TRANSLATED: &[&str] = &[
    "app/src/label_files.rs",
    "app/src/surfaces.rs",
    "app/src/turntable.rs",
    "app/src/window",
    "app/ui/src/panels",
    "app/ui/src/shell",
    "app/ui/src/shell.rs",
    "app/ui/src/views",
];

/// Literals there that look like texts and are none.
const NO_TEXTS: &[&str] = &["Dice", "Fonts", "Label ", "TotalSegmentator CT", "VoCo Workbench", "dice per class"];

/// Names of entries of a label map's history: they are kept in journals, in the language in which they were made.
const HISTORY: &[&str] = &[
    "Brush: {}",
    "Erase: {}",
    "Hide all",
    "Hide",
    "Lasso: {name}",
    "Live wire: {name}",
    "Lock all",
    "Lock",
    "Polygon: {name}",
    "Show all",
    "Show",
    "Unlock all",
    "Unlock",
];

/// Calls whose literals are for programmers: logs, reasons, what ends the program before there is a window, and the names of entries
/// of a label map's history, which are kept in files.
const NOT_FOR_READERS: &[&str] = &[
    "anyhow::",
    "begin_group",
    "change_all",
    "concat!",
    "expect(",
    "label: Some(",
    "reason =",
    "replace_with",
    "tracing::",
    "update_segment",
];

/// Written in two halves, so that this file does not contain them.
const UNFINISHED: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!(")];

#[test]
fn workspace_packages_import_only_what_they_may() {
    let metadata = metadata();
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some((_, allowed)) = ALLOWED_EDGES.iter().find(|(known, _)| *known == name) else {
            problems.push(format!("{name} has no row in ALLOWED_EDGES"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.path.is_some()) {
            if !allowed.contains(&dependency.name.as_str()) {
                problems.push(format!("{name} -> {}: edge not allowed", dependency.name));
            }
        }
    }
    for (name, _) in ALLOWED_EDGES.iter().chain(FORBIDDEN_CRATES) {
        let exists = |p: &&cargo_metadata::Package| p.name.as_str() == *name;
        if metadata.workspace_packages().iter().any(exists) {
            continue;
        }
        problems.push(format!("the tables name {name}, which is no member"));
    }
    report(&problems);
}

#[test]
fn packages_do_not_reach_forbidden_crates() {
    let metadata = metadata();
    let mut problems = Vec::new();
    for (name, forbidden) in FORBIDDEN_CRATES {
        for prefix in *forbidden {
            if let Some(path) = path_to(&metadata, name, prefix, None) {
                problems.push(format!("{name} must not reach {prefix}: {path}"));
            }
        }
    }
    report(&problems);
}

#[test]
fn one_package_reaches_the_network() {
    let metadata = metadata();
    let (gate, crates) = NETWORK;
    let mut problems = Vec::new();
    for package in metadata.workspace_packages().into_iter().filter(|p| p.name.as_str() != gate) {
        for prefix in crates {
            if let Some(path) = path_to(&metadata, &package.name, prefix, Some(gate)) {
                problems.push(format!("{} must not reach {prefix} but through {gate}: {path}", package.name));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_package_takes_the_workspace_lints() {
    let metadata = metadata();
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let manifest = fs::read_to_string(&package.manifest_path).expect("a manifest");
        let mut lines = manifest.lines().map(str::trim).filter(|l| !l.is_empty());
        let inherits = lines.any(|l| l == "[lints]") && lines.next().is_some_and(|l| l == "workspace = true");
        if !inherits {
            problems.push(format!("{}: add [lints] workspace = true", package.manifest_path));
        }
    }
    report(&problems);
}

#[test]
fn source_files_are_short_and_finished() {
    let root = workspace_root();
    let mut problems = Vec::new();
    for path in source_files(&root) {
        let text = fs::read_to_string(&path).expect("source files are UTF-8 text");
        let shown = path.strip_prefix(&root).unwrap_or(&path).display();
        let lines = text.lines().count();
        if lines > MAX_LINES {
            problems.push(format!("{shown}: {lines} lines, at most {MAX_LINES}"));
        }
        for (number, line) in text.lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                problems.push(format!("{shown}:{}: {word}..) left in", number + 1));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_text_that_is_asked_for_exists() {
    let root = workspace_root();
    let mut known = std::collections::BTreeSet::new();
    for path in entries(&root.join("assets/locale/en")) {
        let text = fs::read_to_string(&path).expect("Fluent files are UTF-8 text");
        let ids = text.lines().filter_map(|line| line.split_once(" = ").or_else(|| line.split_once(" =")));
        known.extend(ids.map(|(id, _)| id.to_owned()).filter(|id| !id.starts_with([' ', '#', '-'])));
    }
    let mut problems = Vec::new();
    let mut asked = 0;
    for path in source_files(&root.join("app")) {
        let text = fs::read_to_string(&path).expect("source files are UTF-8 text");
        let shown = path.strip_prefix(&root).unwrap_or(&path).display();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["i18n::text(", "i18n::text_with(", "i18n::find("] {
            for after in code.split(call).skip(1) {
                let Some(literal) = after.trim_start().strip_prefix('"') else { continue };
                let id = literal.split('"').next().unwrap_or_default();
                asked += 1;
                if !known.contains(id) {
                    problems.push(format!("{shown}: there is no text {id} in assets/locale/en"));
                }
            }
        }
    }
    report(&problems);
    assert!(asked > 500, "the search for {asked} texts has lost its way");
}

#[test]
fn what_people_read_is_in_the_fluent_files() {
    let root = workspace_root();
    let mut problems = Vec::new();
    for place in TRANSLATED.iter().map(|place| root.join(place)) {
        let paths = if place.is_dir() { source_files(&place) } else { vec![place] };
        for path in paths {
            let text = fs::read_to_string(&path).expect("source files are UTF-8 text");
            let shown = path.strip_prefix(&root).unwrap_or(&path).display();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let mut before = "";
            for (number, line) in code.lines().enumerate() {
                let line = line.trim();
                let is_spared = line.starts_with("//")
                    || NOT_FOR_READERS.iter().any(|call| line.contains(call))
                    || NOT_FOR_READERS.iter().any(|call| before.contains(call) && before.ends_with('('));
                for literal in line.split('"').skip(1).step_by(2).filter(|l| !is_spared && looks_like_a_text(l)) {
                    problems.push(format!("{shown}:{}: move \"{literal}\" into assets/locale/en", number + 1));
                }
                before = line;
            }
        }
    }
    report(&problems);
}

/// A word with a capital, or a sentence: two words after one another, the first of which ends in a letter or a sign.
fn looks_like_a_text(literal: &str) -> bool {
    let words: Vec<&str> = literal.split(' ').collect();
    let is_word =
        |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_alphabetic() || ".,;:!?'…()".contains(c));
    let begins = literal.chars().next().is_some_and(|c| c.is_ascii_uppercase());
    let is_title = begins && literal.chars().skip(1).take(2).filter(char::is_ascii_lowercase).count() == 2;
    let is_sentence = words.windows(3).any(|w| w.iter().all(|word| is_word(word)));
    (is_title || is_sentence) && !NO_TEXTS.contains(&literal) && !HISTORY.contains(&literal)
}

#[test]
fn top_level_folders_are_the_decided_ones() {
    let mut problems = Vec::new();
    for path in entries(&workspace_root()).into_iter().filter(|p| p.is_dir()) {
        let name = file_name(&path);
        if !is_ignored(&name) && !TOP_LEVEL_FOLDERS.contains(&name.as_str()) {
            problems.push(format!("{name}/ is not one of {TOP_LEVEL_FOLDERS:?}"));
        }
    }
    report(&problems);
}

/// The resolved dependency graph. It needs every package of the lock file on the disk, those of other systems too.
fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(workspace_root().join("Cargo.toml"))
        .other_options(["--locked", "--offline"].map(String::from))
        .exec()
        .expect("cargo metadata works offline (run `cargo fetch --locked` once)")
}

/// The shortest path over normal dependencies from a package to a crate whose name begins with `prefix`, and that does not
/// lead through `around`.
fn path_to(metadata: &Metadata, from: &str, prefix: &str, around: Option<&str>) -> Option<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: HashMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let names: HashMap<&PackageId, &str> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let members = metadata.workspace_packages();
    let start = &members.iter().find(|p| p.name.as_str() == from)?.id;
    let mut came_from: HashMap<&PackageId, Option<&PackageId>> = HashMap::from([(start, None)]);
    let mut queue = VecDeque::from([start]);
    while let Some(id) = queue.pop_front() {
        if names[id].starts_with(prefix) {
            let steps = std::iter::successors(Some(id), |step| came_from[step]);
            let mut path: Vec<&str> = steps.map(|step| names[step]).collect();
            path.reverse();
            return Some(path.join(" -> "));
        }
        let is_normal = |d: &&cargo_metadata::NodeDep| {
            let mut kinds = d.dep_kinds.iter();
            kinds.any(|k| k.kind == DependencyKind::Normal)
        };
        for dependency in nodes[id].deps.iter().filter(is_normal).filter(|d| Some(names[&d.pkg]) != around) {
            if !came_from.contains_key(&dependency.pkg) {
                came_from.insert(&dependency.pkg, Some(id));
                queue.push_back(&dependency.pkg);
            }
        }
    }
    None
}

fn workspace_root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ has a parent").to_path_buf()
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() && !path.is_symlink() {
            if !is_ignored(&file_name(&path)) {
                found.extend(source_files(&path));
            }
        } else if path.extension().is_some_and(|e| e == "rs" || e == "wgsl") {
            found.push(path);
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).expect("a readable folder");
    let mut paths: Vec<PathBuf> = read.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Hidden folders and build output are not part of the tree.
fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || name == "target"
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
