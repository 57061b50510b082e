use egui::{Color32, ComboBox, RichText, TextEdit, Ui};
use egui_plot::{Line, Plot, PlotPoints};

use crate::{Outbox, Request, RunKind, RunSummary, RunsState, Session, i18n, theme};

/// The window with all runs on disk: their curves in one plot, settings, numbers and notes.
pub(crate) fn runs_window(ui: &Ui, session: &mut Session, outbox: &mut Outbox) {
    let mut open = session.runs.is_open;
    egui::Window::new(i18n::text("runs-runs"))
        .open(&mut open)
        .default_size([980.0, 700.0])
        .default_pos(ui.ctx().content_rect().center() - egui::vec2(490.0, 370.0))
        .min_size([560.0, 320.0])
        .show(ui.ctx(), |ui| runs_ui(ui, session, outbox));
    if !open {
        save_note(&mut session.runs, outbox);
    }
    session.runs.is_open = open;
}

fn runs_ui(ui: &mut Ui, session: &mut Session, outbox: &mut Outbox) {
    let runs = &mut session.runs;
    ui.horizontal(|ui| {
        let name = runs.root.as_ref().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
        ui.weak(i18n::text_with(
            "runs-runs-in",
            [
                ("count", runs.list.len().into()),
                ("into", name.unwrap_or_else(|| i18n::text("runs-own-folder").into()).into()),
            ],
        ));
        if ui
            .small_button(i18n::text("runs-other-folder"))
            .on_hover_text(i18n::text("runs-a-folder-that-holds-run"))
            .clicked()
        {
            outbox.ask(Request::RunsRootDialog);
        }
        if ui
            .small_button(i18n::text("runs-read-again"))
            .on_hover_text(i18n::text("runs-look-for-new-runs-and"))
            .clicked()
        {
            outbox.ask(Request::ListRuns);
        }
        if runs.is_loading {
            ui.spinner();
        }
    });
    ui.separator();
    if runs.list.is_empty() {
        ui.weak(i18n::text("runs-there-is-no-run-yet"));
        return;
    }
    egui::Panel::left("runs list").default_size(300.0).show(ui, |ui| list_ui(ui, runs, outbox));
    egui::CentralPanel::default().show(ui, |ui| {
        plot_ui(ui, runs);
        let focus = runs.focus.clone().and_then(|folder| runs.find(&folder).cloned());
        match focus {
            Some(run) => details_ui(ui, runs, &run, outbox),
            None => drop(ui.weak(i18n::text("runs-choose-a-run-in-the"))),
        }
    });
}

fn list_ui(ui: &mut Ui, runs: &mut RunsState, outbox: &mut Outbox) {
    let height = 2.0 * ui.text_style_height(&egui::TextStyle::Body) + 10.0;
    let mut focus = None;
    let mut compared = runs.compared.clone();
    egui::ScrollArea::vertical().auto_shrink(false).show_rows(ui, height, runs.list.len(), |ui, range| {
        for run in &runs.list[range] {
            ui.horizontal(|ui| {
                let mut is_compared = compared.contains(&run.folder);
                if ui.checkbox(&mut is_compared, "").on_hover_text(i18n::text("runs-draw-its-curves")).changed() {
                    if is_compared {
                        compared.insert(run.folder.clone());
                    } else {
                        compared.remove(&run.folder);
                    }
                }
                let (swatch, _) = ui.allocate_exact_size(egui::vec2(9.0, 9.0), egui::Sense::hover());
                if let Some(color) = curve_color(&compared, run) {
                    ui.painter().rect_filled(swatch, 2, color);
                }
                let is_focus = runs.focus.as_ref() == Some(&run.folder);
                let chosen = ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 0.0;
                    let button = egui::Button::selectable(is_focus, &run.name).truncate();
                    let response = ui.add(button);
                    ui.add(egui::Label::new(RichText::new(headline(run)).small().weak()).truncate());
                    response.clicked()
                });
                if chosen.inner {
                    focus = Some(run.folder.clone());
                }
            });
        }
    });
    runs.compared = compared;
    if let Some(folder) = focus {
        save_note(runs, outbox);
        runs.compared.insert(folder.clone());
        runs.focus = Some(folder);
    }
    for folder in runs.compared.iter().filter(|f| !runs.curves.contains_key(*f)) {
        outbox.ask(Request::ReadRun(folder.clone()));
    }
}

/// What was trained, model, steps and the last number of interest.
pub(super) fn headline(run: &RunSummary) -> String {
    let setting = |name: &str| run.settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |list: &[(String, f64)], name: &str| list.iter().find(|(key, _)| key == name).map(|(_, v)| *v);
    // In a run with labels the network is a setting of its labelled part.
    let model = setting("model").or_else(|| setting("labelled.model")).unwrap_or("?");
    let mut parts = vec![
        run.kind.text().to_owned(),
        model.to_owned(),
        i18n::text_with("runs-steps", [("steps", run.steps.into())]),
    ];
    if let Some(dice) = number(&run.validation, "mean_dice") {
        parts.push(i18n::text_with("runs-dice", [("dice", format!("{dice:.3}").into())]));
    } else if let Some(top1) = number(&run.validation, "top1_accuracy").or(number(&run.last, "top1_accuracy")) {
        parts.push(i18n::text_with("runs-top-1", [("top", format!("{:.0}", top1 * 100.0).into())]));
    } else if let Some(loss) = number(&run.last, "loss") {
        parts.push(i18n::text_with("runs-loss", [("loss", format!("{loss:.3}").into())]));
    }
    parts.join(", ")
}

/// Okabe and Ito's colours, in the order of the compared runs.
fn curve_color(compared: &std::collections::BTreeSet<std::path::PathBuf>, run: &RunSummary) -> Option<Color32> {
    let place = compared.iter().position(|folder| folder == &run.folder)?;
    Some(theme::SERIES[place % theme::SERIES.len()])
}

fn plot_ui(ui: &mut Ui, runs: &mut RunsState) {
    let names: Vec<String> = runs.series_names().into_iter().map(str::to_owned).collect();
    if !names.contains(&runs.series)
        && let Some(first) = ["loss", "validation mean_dice"].iter().find(|n| names.iter().any(|m| m == *n))
    {
        (*first).clone_into(&mut runs.series);
    }
    if runs.compared.is_empty() {
        ui.weak(i18n::text("runs-tick-runs-to-draw-their"));
        return;
    }
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("runs-curve")).id;
        ComboBox::from_id_salt("series")
            .selected_text(&runs.series)
            .width(220.0)
            .show_ui(ui, |ui| {
                for name in &names {
                    ui.selectable_value(&mut runs.series, name.clone(), name);
                }
            })
            .response
            .labelled_by(label);
        let count = runs.compared.len();
        ui.weak(if count == 1 {
            i18n::text("runs-of-one-run").to_owned()
        } else {
            i18n::text_with("runs-of-runs", [("count", count.to_string().into())])
        });
    });
    // The colours of the list are the key: inside, one would hide the curves.
    Plot::new("runs plot").height(220.0).allow_scroll(false).include_y(0.0).show(ui, |plot| {
        for run in &runs.list {
            let Some(color) = curve_color(&runs.compared, run) else { continue };
            let Some(points) = runs.curves.get(&run.folder).and_then(|c| c.series.get(&runs.series)) else { continue };
            let points: PlotPoints<'_> = PlotPoints::from(points.clone());
            plot.line(Line::new(run.name.clone(), points).color(color).width(1.5));
        }
    });
}

fn details_ui(ui: &mut Ui, runs: &mut RunsState, run: &RunSummary, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        ui.strong(&run.name);
        if ui.button(i18n::text("runs-go-on")).on_hover_text(i18n::text("runs-put-it-into-the-training")).clicked() {
            outbox.ask(Request::ContinueRun(run.folder.clone()));
        }
        let fine_tune = ui.add_enabled(run.has_checkpoint, egui::Button::new(i18n::text("runs-fine-tune-from-it")));
        if fine_tune.on_hover_text(i18n::text("runs-begin-the-next-fine-tuning")).clicked() {
            outbox.ask(Request::StartFromRun(run.folder.clone()));
        }
        let can_segment = run.has_checkpoint && run.kind != RunKind::Pretrain;
        let segment = ui.add_enabled(can_segment, egui::Button::new(i18n::text("runs-segment-with-it")));
        let segment = segment.on_disabled_hover_text(i18n::text("runs-it-trained-no-decoder-or"));
        if segment.clicked() {
            outbox.ask(Request::UseCheckpoint(run.folder.clone()));
        }
    });
    let is_mine = runs.draft.as_ref().is_some_and(|(folder, _)| folder == &run.folder);
    if !is_mine {
        save_note(runs, outbox);
        runs.draft = Some((run.folder.clone(), run.note.clone()));
    }
    if let Some((_, text)) = &mut runs.draft {
        let edit = TextEdit::multiline(text)
            .hint_text(i18n::text("runs-notes-on-this-run"))
            .desired_rows(2)
            .desired_width(f32::INFINITY);
        if ui.add(edit).lost_focus() {
            save_note(runs, outbox);
        }
    }
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.columns(2, |columns| {
            let [left, right] = columns else { return };
            grid(
                left,
                i18n::text("runs-settings"),
                run.settings.iter().map(|(name, value)| (name.as_str(), value.clone())),
            );
            let number = |(name, value): &(String, f64)| (name.clone(), short(*value));
            let last: Vec<_> = run.last.iter().map(number).collect();
            grid(right, i18n::text("runs-last-step"), last.iter().map(|(name, value)| (name.as_str(), value.clone())));
            let validation: Vec<_> = run.validation.iter().map(number).collect();
            if !validation.is_empty() {
                grid(
                    right,
                    i18n::text("runs-validation"),
                    validation.iter().map(|(name, value)| (name.as_str(), value.clone())),
                );
            }
        });
    });
}

/// Four digits, whatever the size.
fn short(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (value.fract() == 0.0 && size < 1e6) => format!("{value:.0}"),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.3e}"),
        size => format!("{value:.*}", (3 - size.log10().floor() as i32).clamp(0, 6) as usize),
    }
}

fn grid<'a>(ui: &mut Ui, title: &str, rows: impl Iterator<Item = (&'a str, String)>) {
    ui.label(RichText::new(title).small().strong());
    egui::Grid::new(title).num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
        for (name, value) in rows {
            ui.label(RichText::new(name).small().weak());
            ui.add(egui::Label::new(RichText::new(value).small()).truncate());
            ui.end_row();
        }
    });
}

/// Asks for the note to be kept if it is another than that on disk.
fn save_note(runs: &mut RunsState, outbox: &mut Outbox) {
    let Some((folder, text)) = &runs.draft else { return };
    if let Some(run) = runs.list.iter_mut().find(|r| &r.folder == folder)
        && run.note != *text
    {
        run.note.clone_from(text);
        outbox.ask(Request::SaveRunNote { folder: folder.clone(), note: text.clone() });
    }
}
