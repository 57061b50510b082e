use egui::{Modal, Ui};

use crate::{Outbox, Request, Session, ViewSettings, i18n};

/// Asks once before something is closed with which something else would be lost. Enter and Esc stay.
pub(crate) fn closing_window(ui: &Ui, session: &mut Session, settings: &ViewSettings, outbox: &mut Outbox) {
    let Some(mut closing) = session.closing.take() else { return };
    let mut is_done = false;
    let modal = Modal::new(egui::Id::unique("closing")).show(ui.ctx(), |ui| {
        ui.set_width(440.0);
        ui.heading(i18n::text(if closing.volume.is_some() { "closing-volume" } else { "closing-program" }));
        ui.add_space(4.0);
        for volume in closing.labels.iter().filter_map(|id| session.volume(*id)) {
            let name = if settings.hides_names() { i18n::text("name-hidden") } else { &volume.name };
            ui.label(i18n::text_with("closing-labels", [("name", name.into())]));
        }
        for job in &closing.jobs {
            ui.label(i18n::text(job));
        }
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            let stay = ui.button(i18n::text("closing-stay"));
            if std::mem::take(&mut closing.is_new) {
                stay.request_focus();
            }
            is_done |= stay.clicked();
            if let Some(&id) = closing.labels.first()
                && ui.button(i18n::text("closing-save")).clicked()
            {
                outbox.ask(Request::SaveLabelsDialog(id));
                is_done = true;
            }
            let text = if closing.volume.is_some() { "closing-close" } else { "closing-quit" };
            if ui.button(i18n::text(text)).clicked() {
                outbox.ask(Request::CloseAnyway(closing.volume));
                is_done = true;
            }
        });
    });
    if !is_done && !modal.should_close() {
        session.closing = Some(closing);
    }
}
