use egui::{Button, ProgressBar, RichText, Ui};

use crate::{ModelRow, ModelState, ModelsState, Outbox, Request, Session, theme};

/// The window with the published models: what each is for, whether it is there, and how to get it.
pub(crate) fn models_window(ui: &Ui, session: &mut Session, outbox: &mut Outbox) {
    let mut open = session.models.is_open;
    egui::Window::new("Models")
        .open(&mut open)
        .default_size([620.0, 580.0])
        .default_pos(ui.ctx().content_rect().center() - egui::vec2(310.0, 300.0))
        .vscroll(true)
        .show(ui.ctx(), |ui| models_ui(ui, &session.models, outbox));
    session.models.is_open = open;
}

fn models_ui(ui: &mut Ui, models: &ModelsState, outbox: &mut Outbox) {
    if models.rows.is_empty() {
        ui.weak("Looking which of them are on this machine…");
        return;
    }
    let text = format!(
        "Fetched from {} only when you press Fetch; nothing of a patient or a volume is sent. Kept in {}",
        models.origin, models.folder
    );
    ui.label(RichText::new(text).small().weak())
        .on_hover_text("VOCO_HUB_ENDPOINT names another hub, VOCO_MODELS_DIR another folder");
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
            ui.label(RichText::new(format!("{kept} are here already; a fetch goes on from there")).small().weak());
        }
        ModelState::Absent | ModelState::Present => {}
    }
    if let Some(error) = &row.error {
        ui.label(RichText::new(error).small().color(theme::ERROR));
    }
}

/// From right to left.
fn actions_ui(ui: &mut Ui, row: &ModelRow, outbox: &mut Outbox) {
    let name = || row.name.clone();
    match &row.state {
        ModelState::Present => {
            if row.network.contains("classes")
                && ui.small_button("Segment with it").on_hover_text("Choose it for segmentation").clicked()
            {
                outbox.ask(Request::UseCheckpoint(row.path.clone()));
            }
            if ui.small_button("Fine-tune from it").on_hover_text("Begin the next fine-tuning with it").clicked() {
                outbox.ask(Request::StartFromRun(row.path.clone()));
            }
            ui.label(RichText::new("on this machine").color(theme::TRUTH));
        }
        ModelState::Running { is_stopping, .. } => {
            let text = if *is_stopping { "Stopping…" } else { "Cancel" };
            let cancel = ui.add_enabled(!is_stopping, Button::new(text).small());
            if cancel.on_hover_text("What has arrived is kept").clicked() {
                outbox.ask(Request::CancelModel(name()));
            }
        }
        ModelState::Absent | ModelState::Partial(_) => {
            let folder = ui.small_button("Choose folder…");
            if folder.on_hover_text("Take it from a folder of this machine that holds it").clicked() {
                outbox.ask(Request::ModelFolderDialog(name()));
            }
            let text = if row.state == ModelState::Absent { "Fetch" } else { "Go on" };
            if ui.small_button(text).on_hover_text("Fetch it over the network").clicked() {
                outbox.ask(Request::FetchModel(name()));
            }
        }
    }
}
