use egui::{Button, ProgressBar, RichText, Ui};

use crate::{ModelRow, ModelState, ModelsState, Outbox, Request, Session, i18n, theme};

/// The window with the published models: what each is for, whether it is there, and how to get it.
pub(crate) fn models_window(ui: &Ui, session: &mut Session, outbox: &mut Outbox) {
    let mut open = session.models.is_open;
    egui::Window::new(i18n::text("models-models"))
        .open(&mut open)
        .default_size([620.0, 580.0])
        .default_pos(ui.ctx().content_rect().center() - egui::vec2(310.0, 300.0))
        .vscroll(true)
        .show(ui.ctx(), |ui| models_ui(ui, &session.models, outbox));
    session.models.is_open = open;
}

fn models_ui(ui: &mut Ui, models: &ModelsState, outbox: &mut Outbox) {
    if models.rows.is_empty() {
        ui.weak(i18n::text("models-looking-which-of-them-are"));
        return;
    }
    let text = i18n::text_with(
        "models-fetched-from-only-when-you",
        [("origin", models.origin.clone().into()), ("folder", models.folder.clone().into())],
    );
    ui.label(RichText::new(text).small().weak()).on_hover_text(i18n::text("models-voco-hub-endpoint-names-another"));
    for row in &models.rows {
        ui.separator();
        row_ui(ui, row, outbox);
    }
}

fn row_ui(ui: &mut Ui, row: &ModelRow, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(&row.name).strong());
        ui.label(RichText::new(format!("{}, {}", row.size, row.licence)).weak());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| actions_ui(ui, row, outbox));
    });
    ui.label(RichText::new(format!("{}. {}.", row.network, row.purpose)).small());
    match &row.state {
        ModelState::Running { text, share: 0.0, .. } => {
            ui.label(RichText::new(text).small().weak());
        }
        ModelState::Running { text, share, .. } => {
            ui.add(ProgressBar::new(*share).text(text));
        }
        ModelState::Partial(kept) => {
            ui.label(
                RichText::new(i18n::text_with("models-are-here-already-a-fetch", [("kept", kept.clone().into())]))
                    .small()
                    .weak(),
            );
        }
        ModelState::Absent | ModelState::Present => {}
    }
    if let Some(error) = &row.error {
        ui.label(RichText::new(error).small().color(theme::legible(ui, theme::ERROR)));
    }
}

/// From right to left.
fn actions_ui(ui: &mut Ui, row: &ModelRow, outbox: &mut Outbox) {
    let name = || row.name.clone();
    match &row.state {
        ModelState::Present => {
            if row.network.contains("classes")
                && ui
                    .small_button(i18n::text("models-segment-with-it"))
                    .on_hover_text(i18n::text("models-choose-it-for-segmentation"))
                    .clicked()
            {
                outbox.ask(Request::UseCheckpoint(row.path.clone()));
            }
            if ui
                .small_button(i18n::text("models-fine-tune-from-it"))
                .on_hover_text(i18n::text("models-begin-the-next-fine-tuning"))
                .clicked()
            {
                outbox.ask(Request::StartFromRun(row.path.clone()));
            }
            ui.label(RichText::new(i18n::text("models-on-this-machine")).color(theme::legible(ui, theme::TRUTH)));
        }
        ModelState::Running { is_stopping, .. } => {
            let text = if *is_stopping { i18n::text("models-stopping") } else { i18n::text("models-cancel") };
            let cancel = ui.add_enabled(!is_stopping, Button::new(text).small());
            if cancel.on_hover_text(i18n::text("models-what-has-arrived-is-kept")).clicked() {
                outbox.ask(Request::CancelModel(name()));
            }
        }
        ModelState::Absent | ModelState::Partial(_) => {
            let folder = ui.small_button(i18n::text("models-choose-folder"));
            if folder.on_hover_text(i18n::text("models-take-it-from-a-folder")).clicked() {
                outbox.ask(Request::ModelFolderDialog(name()));
            }
            let text =
                if row.state == ModelState::Absent { i18n::text("models-fetch") } else { i18n::text("models-go-on") };
            if ui.small_button(text).on_hover_text(i18n::text("models-fetch-it-over-the-network")).clicked() {
                outbox.ask(Request::FetchModel(name()));
            }
        }
    }
}
