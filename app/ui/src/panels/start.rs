use std::path::{Path, PathBuf};

use egui::{ComboBox, RichText, Ui};

use crate::{ModelState, ModelsState, Outbox, Request, RunKind, RunsState, i18n};

/// What was chosen as the weights to begin with.
pub(super) enum Start {
    /// Random ones.
    Random,
    /// A file, or a run's folder.
    Path(PathBuf),
    /// Whatever the user finds in a dialog.
    Dialog,
}

/// Weights that can be had by name: fetched models and one's own runs.
pub(super) struct Known<'a> {
    /// The published models.
    pub models: &'a ModelsState,
    /// The runs on this machine.
    pub runs: &'a RunsState,
    /// Only runs of these kinds.
    pub kinds: &'a [RunKind],
}

/// The list of weights to begin with, named by the label before it. `random` is what having none is called; none if there must be
/// some.
pub(super) fn start_choice(
    ui: &mut Ui,
    label: egui::Id,
    chosen: Option<&Path>,
    random: Option<&str>,
    known: &Known<'_>,
    outbox: &mut Outbox,
) -> Option<Start> {
    let shown = match chosen {
        Some(path) => name_of(path, known),
        None => random.unwrap_or(i18n::text("begin-choose")).to_owned(),
    };
    let mut picked = None;
    let list =
        ComboBox::from_id_salt(label).selected_text(shown).truncate().width(super::CHOICE_WIDTH).show_ui(ui, |ui| {
            if let Some(text) = random
                && ui.selectable_label(chosen.is_none(), text).clicked()
            {
                picked = Some(Start::Random);
            }
            let title = |ui: &mut Ui, text: &str| ui.label(RichText::new(text).small().weak());
            let there = known.models.rows.iter().filter(|row| row.state == ModelState::Present);
            for (n, row) in there.enumerate() {
                if n == 0 {
                    title(ui, i18n::text("begin-published-models"));
                }
                let path = &row.path;
                let item = ui.selectable_label(chosen == Some(path), &row.name);
                if item.on_hover_text(format!("{}. {}.", row.network, row.purpose)).clicked() {
                    picked = Some(Start::Path(path.clone()));
                }
            }
            let runs = known.runs.list.iter().filter(|run| run.has_checkpoint && known.kinds.contains(&run.kind));
            for (n, run) in runs.enumerate() {
                if n == 0 {
                    title(ui, i18n::text("begin-runs"));
                }
                let hover = format!("{}, {}", run.kind.text(), super::runs::headline(run));
                for which in [run.has_best.then_some("best"), Some("last")].into_iter().flatten() {
                    let path = run.folder.join(which);
                    let item = ui.selectable_label(chosen == Some(path.as_path()), format!("{}, {which}", run.name));
                    if item.on_hover_text(&hover).clicked() {
                        picked = Some(Start::Path(path));
                    }
                }
            }
            ui.separator();
            if ui.selectable_label(false, i18n::text("begin-a-file")).clicked() {
                picked = Some(Start::Dialog);
            }
            if ui.selectable_label(false, i18n::text("begin-fetch-a-published-model")).clicked() {
                outbox.ask(Request::OpenModels);
            }
        });
    list.response.labelled_by(label);
    picked
}

/// What a file of weights or a run is called in the lists.
fn name_of(path: &Path, known: &Known<'_>) -> String {
    if let Some(row) = known.models.rows.iter().find(|row| row.path == path) {
        return row.name.clone();
    }
    let last = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let name = last(path);
    match path.parent() {
        // `RUN/best` and `RUN/last` are no files.
        Some(run) if name == "best" || name == "last" => format!("{}, {name}", last(run)),
        _ => name,
    }
}
