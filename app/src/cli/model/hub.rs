use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use voco_engine_api::CancelFlag;
use voco_hub::{Check, Control, Hub, Model, Phase, Presence, Progress, Source, Store, catalogue, human_bytes};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// One of the names that 'voco model list' gives.
    #[arg(value_parser = parse_model)]
    name: &'static Model,
    /// Take it from this folder, where it lies under its published name, instead of the hub.
    #[arg(long)]
    from: Option<PathBuf>,
    /// Put it into this folder instead of the user's folder of models.
    #[arg(long)]
    to: Option<PathBuf>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

fn parse_model(name: &str) -> Result<&'static Model, String> {
    let all = catalogue();
    all.find(name).ok_or_else(|| format!("the models are {}", all.names()))
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<()> {
    let (all, store) = (catalogue(), Store::from_env()?);
    if args.json {
        let models: Vec<_> = all.models.iter().map(|model| about(model, &store)).collect();
        return crate::cli::print_json(&json!({ "folder": store.folder(), "models": models }));
    }
    for model in &all.models {
        let state = match store.presence(model) {
            Presence::Present { .. } => store.path(model).display().to_string(),
            Presence::Partial { bytes } => format!("{} fetched so far", human_bytes(bytes)),
            Presence::Absent => "not on this machine".to_owned(),
        };
        let (name, size) = (&model.name, human_bytes(model.bytes));
        crate::cli::print(&format!("{name:<16} {size:>8}  {}  {state}", all.licence));
        crate::cli::print(&format!("{:27}{}. {}.", "", model.network, model.purpose));
    }
    crate::cli::say("fetch one with 'voco model fetch NAME'; nothing is fetched otherwise");
    Ok(())
}

/// What is known of a model, and where it is.
fn about(model: &Model, store: &Store) -> serde_json::Value {
    let all = catalogue();
    let (state, path, bytes_here) = match store.presence(model) {
        Presence::Present { bytes } => ("present", Some(store.path(model)), bytes),
        Presence::Partial { bytes } => ("partial", None, bytes),
        Presence::Absent => ("absent", None, 0),
    };
    json!({
        "name": model.name,
        "file": model.file,
        "network": model.network,
        "purpose": model.purpose,
        "parameters": model.parameters,
        "bytes": model.bytes,
        "md5": model.md5,
        "licence": all.licence,
        "origin": format!("{}/{}", all.endpoint, all.repository),
        "state": state,
        "path": path,
        "bytes_here": bytes_here,
    })
}

pub(super) fn fetch(args: &FetchArgs) -> anyhow::Result<()> {
    let model = args.name;
    let store = args.to.as_ref().map_or_else(Store::from_env, |folder| Ok(Store::at(folder)))?;
    let source = match &args.from {
        Some(folder) => Source::Folder(folder.clone()),
        None => Source::Hub(Hub::from_env()?),
    };
    let cancel = CancelFlag::default();
    let flag = cancel.clone();
    ctrlc::set_handler(move || flag.cancel())?;
    let meter = Meter::default();
    let control = Control { progress: &|p| meter.show(p), is_cancelled: &|| cancel.is_cancelled() };
    let fetched = store.fetch(model, &source, control);
    meter.end();
    let fetched = fetched?;
    let check = match fetched.check {
        Check::Md5 => "md5",
        Check::Sha256 => "sha256",
        Check::Size => "size",
    };
    if args.json {
        return crate::cli::print_json(&json!({
            "name": model.name,
            "path": fetched.path,
            "bytes": fetched.bytes,
            "checked": check,
            "was_there": fetched.was_there,
        }));
    }
    let verb = if fetched.was_there { "was there already" } else { "is there" };
    crate::cli::say(&format!("{} {verb}, {} by {}", model.name, human_bytes(fetched.bytes), fetched.check));
    crate::cli::print(&fetched.path.display().to_string());
    Ok(())
}

/// Progress on standard error: one line that changes on a terminal, else a line for each tenth.
#[derive(Default)]
struct Meter {
    last: Cell<Option<(Phase, u64)>>,
    is_open: Cell<bool>,
}

impl Meter {
    fn show(&self, progress: Progress) {
        let Progress { phase, done, total } = progress;
        let what = match phase {
            Phase::Connecting => "asking the hub",
            Phase::Downloading => "fetching",
            Phase::Copying => "copying",
            Phase::Checking => "checking",
        };
        let percent = done.saturating_mul(100) / total.max(1);
        let line = match phase {
            Phase::Connecting => what.to_owned(),
            _ => format!("{what}: {} of {} ({percent} %)", human_bytes(done), human_bytes(total)),
        };
        if std::io::stderr().is_terminal() {
            self.is_open.set(true);
            // Nothing can be told to a user whose standard error is closed.
            write!(std::io::stderr(), "\r{line}\x1b[K").ok();
        } else if self.last.replace(Some((phase, percent / 10))) != Some((phase, percent / 10)) {
            crate::cli::say(&line);
        }
    }

    /// Leaves the line that changes.
    fn end(&self) {
        if self.is_open.get() {
            crate::cli::say("");
        }
    }
}
