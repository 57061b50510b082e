use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::Value;
use voco_ui::{RunCurves, RunKind, RunSummary, i18n};

/// Points of a curve that are kept; a plot is not much wider.
const MAX_POINTS: usize = 2000;

/// Where the program keeps its runs.
pub(super) fn default_root() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "voco-workbench")?.data_dir().join("runs"))
}

/// A folder in the user's data folder that no run has used.
pub(super) fn new_run_folder() -> Option<PathBuf> {
    let runs = default_root()?;
    (1..100_000).map(|n| runs.join(format!("run-{n:03}"))).find(|p| !p.exists())
}

/// A file in the user's data folder for the next prediction. Its name says nothing of the patient.
pub(super) fn new_prediction_file() -> Option<PathBuf> {
    let folder = directories::ProjectDirs::from("", "", "voco-workbench")?.data_dir().join("predictions");
    fs::create_dir_all(&folder).ok()?;
    (1..1_000_000).map(|n| folder.join(format!("prediction-{n:04}.nii.gz"))).find(|p| !p.exists())
}

/// All runs of a folder (or the one that it is), newest first. What is not a run is passed over.
pub(super) fn list(root: &Path) -> Vec<RunSummary> {
    let inside = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut runs: Vec<RunSummary> =
        std::iter::once(root.to_owned()).chain(inside).filter_map(|f| summary(&f)).collect();
    runs.sort_by(|a, b| b.changed_at.cmp(&a.changed_at).then_with(|| a.name.cmp(&b.name)));
    runs
}

fn summary(folder: &Path) -> Option<RunSummary> {
    let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).ok()?).ok()?;
    let log = folder.join("log.jsonl");
    let changed = fs::metadata(&log).and_then(|m| m.modified()).ok();
    let mut run = RunSummary {
        folder: folder.to_owned(),
        name: folder.file_name()?.to_string_lossy().into_owned(),
        changed_at: changed.and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs()),
        note: fs::read_to_string(folder.join("note.txt")).unwrap_or_default(),
        ..RunSummary::default()
    };
    run.kind = match (config.get("task"), config.get("labelled")) {
        (Some(_), _) => RunKind::Finetune,
        (None, Some(_)) => RunKind::Omni,
        (None, None) => RunKind::Pretrain,
    };
    let checkpoints = fs::read_dir(folder.join("checkpoints")).into_iter().flatten().flatten();
    run.has_checkpoint =
        checkpoints.filter_map(|entry| entry.file_name().into_string().ok()).any(|n| n.starts_with("step-"));
    run.has_best = folder.join("best.json").is_file();
    flatten(&config, "", &mut run.settings);
    for line in last_lines(&log) {
        let numbers = numbers(&line);
        if is_validation(&line) {
            run.validation = numbers;
        } else {
            run.steps = line.get("step").and_then(Value::as_u64).unwrap_or(run.steps);
            run.last = numbers;
        }
    }
    Some(run)
}

/// Settings of settings as "a.b"; lists of plain values in one line.
fn flatten(value: &Value, name: &str, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(value, &name, out);
            }
        }
        Value::String(text) => out.push((name.to_owned(), text.clone())),
        Value::Null => {}
        other => out.push((name.to_owned(), other.to_string())),
    }
}

/// The lines at the end of a log, oldest first; enough that a validation is among them as a rule.
fn last_lines(log: &Path) -> Vec<Value> {
    use std::io::{Read, Seek, SeekFrom};
    const TAIL: u64 = 1 << 18;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    bytes.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn is_validation(line: &Value) -> bool {
    line.get("split").and_then(Value::as_str) == Some("validation") || line.get("mean_dice").is_some()
}

/// Every number of a log line but the step, nested ones as "dice liver".
fn numbers(line: &Value) -> Vec<(String, f64)> {
    fn walk(value: &Value, name: &str, out: &mut Vec<(String, f64)>) {
        match value {
            Value::Number(n) => out.extend(n.as_f64().map(|v| (name.to_owned(), v))),
            Value::Object(map) => {
                for (key, value) in map.iter().filter(|(key, _)| !name.is_empty() || *key != "step") {
                    walk(value, &if name.is_empty() { key.clone() } else { format!("{name} {key}") }, out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(line, "", &mut out);
    out
}

/// The curves of a run. Long ones are thinned while they are read: memory does not grow with the log.
pub(super) fn curves(folder: &Path, is_cancelled: &dyn Fn() -> bool) -> Result<RunCurves, String> {
    let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let file = File::open(folder.join("log.jsonl")).map_err(|e| {
        i18n::text_with("tell-log-unread", [("name", name.as_str().into()), ("why", e.kind().to_string().into())])
    })?;
    let mut series: std::collections::BTreeMap<String, Thinned> = std::collections::BTreeMap::new();
    for (n, line) in BufReader::new(file).lines().map_while(Result::ok).enumerate() {
        if n % 1000 == 0 && is_cancelled() {
            return Err("cancelled".into());
        }
        // The last line of a run that is going on may be half written.
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(step) = line.get("step").and_then(Value::as_f64) else { continue };
        let prefix = if is_validation(&line) { "validation " } else { "" };
        for (key, value) in numbers(&line) {
            series.entry(format!("{prefix}{key}")).or_default().push([step, value]);
        }
    }
    Ok(RunCurves { series: series.into_iter().map(|(name, thinned)| (name, thinned.points)).collect() })
}

/// Every n-th point, n doubling whenever there are too many.
struct Thinned {
    points: Vec<[f64; 2]>,
    every: usize,
    skipped: usize,
}

impl Default for Thinned {
    fn default() -> Self {
        Self { points: Vec::new(), every: 1, skipped: 0 }
    }
}

impl Thinned {
    fn push(&mut self, point: [f64; 2]) {
        self.skipped += 1;
        if self.skipped < self.every {
            return;
        }
        self.skipped = 0;
        self.points.push(point);
        if self.points.len() >= 2 * MAX_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                !keep
            });
            self.every *= 2;
        }
    }
}

/// Keeps a note beside the run.
pub(super) fn save_note(folder: &Path, note: &str) -> Result<(), String> {
    crate::folders::write_whole(&folder.join("note.txt"), note.as_bytes())
        .map_err(|e| i18n::text_with("tell-note-not-saved", [("why", e.kind().to_string().into())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_with_its_validation_and_note() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("run-001");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("config.json"), r#"{"model":"tiny","steps":3,"task":{"name":"organs"}}"#).expect("write");
        let log = "{\"step\":1,\"loss\":0.5}\n{\"step\":1,\"split\":\"validation\",\"dice\":{\"liver\":0.25},\"mean_dice\":0.25}\n\
                   {\"step\":2,\"loss\":0.4}\n{\"step\":3,\"lo";
        fs::write(folder.join("log.jsonl"), log).expect("write");
        save_note(&folder, "warm-up too short").expect("saved");
        let runs = list(root.path());
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].steps, 2);
        assert_eq!(runs[0].note, "warm-up too short");
        assert!(runs[0].settings.contains(&("task.name".into(), "organs".into())));
        assert_eq!(runs[0].validation, [("dice liver".into(), 0.25), ("mean_dice".into(), 0.25)]);
        let curves = curves(&folder, &|| false).expect("curves");
        assert_eq!(curves.series["loss"], [[1.0, 0.5], [2.0, 0.4]]);
        assert_eq!(curves.series["validation dice liver"], [[1.0, 0.25]]);
    }

    #[test]
    fn a_long_curve_is_thinned_evenly() {
        let mut thinned = Thinned::default();
        (0..100_000).for_each(|n| thinned.push([f64::from(n), 0.0]));
        assert!((MAX_POINTS..2 * MAX_POINTS).contains(&thinned.points.len()));
        let gaps: Vec<f64> = thinned.points.windows(2).map(|w| w[1][0] - w[0][0]).collect();
        let (least, most) = gaps.iter().fold((f64::MAX, 0.0_f64), |(a, b), &g| (a.min(g), b.max(g)));
        assert!(most <= 2.0 * least, "gaps from {least} to {most}");
    }
}
