use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;
use voco_engine_api::{Task, built_in_tasks, task_file, task_named};

#[derive(Debug, Args)]
pub(crate) struct TasksArgs {
    #[command(subcommand)]
    command: Option<TasksCommand>,
    /// One JSON document.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum TasksCommand {
    /// All numbers of a task: the file to start one's own from.
    Show {
        /// A task's name, or its .toml file.
        name: String,
    },
}

pub(crate) fn run(args: &TasksArgs) -> anyhow::Result<()> {
    match &args.command {
        None if args.json => super::print_json(&built_in_tasks().iter().map(document).collect()),
        None => {
            for task in built_in_tasks() {
                super::print(&format!("{:<22} {}", task.name, task.title));
            }
            Ok(())
        }
        Some(TasksCommand::Show { name }) => {
            let task = parse_task(name).map_err(anyhow::Error::msg)?;
            if args.json {
                return super::print_json(&document(&task));
            }
            match task_file(name) {
                Some(text) => super::print(text.trim_end()),
                None => super::print(std::fs::read_to_string(name)?.trim_end()),
            }
            Ok(())
        }
    }
}

/// A task by its name, or from its file.
pub(crate) fn parse_task(text: &str) -> Result<Task, String> {
    if let Some(task) = task_named(text) {
        return Ok(task);
    }
    let path = Path::new(text);
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml")) {
        return Err(format!(
            "there is no task '{name}'; 'voco tasks' lists them, and a .toml file can describe another"
        ));
    }
    let contents =
        std::fs::read_to_string(path).map_err(|e| format!("{name}: the task cannot be read ({})", e.kind()))?;
    Task::from_toml(&name, &contents)
}

fn document(task: &Task) -> serde_json::Value {
    json!({
        "name": task.name,
        "title": task.title,
        "kind": "segmentation",
        "modality": task.modality,
        "channels": task.channels,
        "window": task.window(),
        "spacing_mm": task.preprocess.spacing_mm,
        "roi": task.roi,
        "classes": task.class_names(),
        "preprocess": task.preprocess,
        "training": task.training,
    })
}
