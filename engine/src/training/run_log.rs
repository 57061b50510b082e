use std::fs::{self, File};
use std::io::Write;

use serde::Serialize;
use serde_json::Value;
use voco_engine_api::EngineFailure;

use super::run_folder::write_atomically;
use super::tensorboard::EventFile;
use super::{RunFolder, cannot_save};

/// What a run says of itself: `log.jsonl`, one object a line, and the same numbers for `TensorBoard`.
pub(crate) struct RunLog {
    lines: File,
    events: EventFile,
}

impl RunLog {
    /// A new log, or the run's own, cut behind the step from which it goes on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(folder: &RunFolder, continue_after: Option<u64>) -> Result<Self, EngineFailure> {
        let path = folder.path().join("log.jsonl");
        let kept: String = match continue_after {
            Some(step) => fs::read_to_string(&path)
                .unwrap_or_default()
                .lines()
                .filter(|line| step_of(line).is_some_and(|s| s <= step))
                .flat_map(|line| [line, "\n"])
                .collect(),
            None => String::new(),
        };
        write_atomically(&path, kept.as_bytes()).map_err(cannot_save)?;
        let lines = File::options().append(true).open(&path).map_err(cannot_save)?;
        let events = EventFile::create(folder.path(), continue_after.map(|step| step + 1)).map_err(cannot_save)?;
        Ok(Self { lines, events })
    }

    /// Writes `report`, an object with a number `step`. Its other numbers go to the curves `group/field`, those of an object in
    /// it to `group/field/key`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, group: &str, report: &impl Serialize) -> Result<(), EngineFailure> {
        let value = serde_json::to_value(report).map_err(|e| EngineFailure::Internal(e.to_string()))?;
        let mut line = value.to_string().into_bytes();
        line.push(b'\n');
        let step = value.get("step").and_then(Value::as_u64).unwrap_or_default();
        let mut scalars = Vec::new();
        for (field, value) in value.as_object().into_iter().flatten().filter(|(field, _)| *field != "step") {
            collect(format!("{group}/{field}"), value, &mut scalars);
        }
        let written = self.lines.write_all(&line).and_then(|()| self.events.scalars(step, &scalars));
        written.map_err(|e| {
            let why = e.kind();
            EngineFailure::Io(format!("The run's log cannot be written ({why}); free disk space and resume"))
        })
    }
}

fn step_of(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?.get("step")?.as_u64()
}

fn collect(name: String, value: &Value, scalars: &mut Vec<(String, f32)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                collect(format!("{name}/{field}"), value, scalars);
            }
        }
        _ => scalars.extend(value.as_f64().map(|number| (name, number as f32))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_that_is_gone_on_with_has_each_step_once() {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::open(scratch.path()).expect("made");
        let mut log = RunLog::open(&folder, None).expect("new");
        for step in 1..=3 {
            log.write("train", &json!({ "step": step, "loss": 0.5 })).expect("written");
        }
        let path = scratch.path().join("log.jsonl");
        // A kill in the middle of a line.
        let mut file = File::options().append(true).open(&path).expect("there");
        file.write_all(br#"{"step": 4, "lo"#).expect("written");
        let mut log = RunLog::open(&folder, Some(2)).expect("gone on with");
        log.write("train", &json!({ "step": 3, "loss": 0.25 })).expect("written");
        let lines: Vec<Value> = fs::read_to_string(path)
            .expect("a log")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let losses: Vec<_> = lines.iter().map(|line| (line["step"].as_u64(), line["loss"].as_f64())).collect();
        assert_eq!(losses, [(Some(1), Some(0.5)), (Some(2), Some(0.5)), (Some(3), Some(0.25))], "cut and continued");
    }

    #[test]
    fn numbers_in_objects_become_curves() {
        let mut scalars = Vec::new();
        collect("val".into(), &json!({ "dice": { "1": 0.5, "mean": 0.25 }, "split": "validation" }), &mut scalars);
        assert_eq!(scalars, [("val/dice/1".to_owned(), 0.5), ("val/dice/mean".to_owned(), 0.25)], "by path");
    }
}
