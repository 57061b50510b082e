use egui::{DragValue, ProgressBar, Ui};

use crate::document::View3dRequest;
use crate::{Outbox, Request, Session, ViewSettings, i18n};

/// The window from which pictures and turns of the 3D view are written.
pub(crate) fn export_window(ui: &Ui, session: &Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    if !settings.view3d.export.is_open || session.active().is_none() {
        return;
    }
    let mut open = true;
    let export = &mut settings.view3d.export;
    egui::Window::new(i18n::text("export-title"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .default_width(330.0)
        .show(ui.ctx(), |ui| {
            egui::Grid::new("export").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
                let name = ui.label(i18n::text("export-size")).id;
                ui.horizontal(|ui| {
                    for side in &mut export.size {
                        ui.add(DragValue::new(side).range(16..=8192).suffix(" px")).labelled_by(name);
                    }
                });
                ui.end_row();
                let name = ui.label(i18n::text("export-frames")).id;
                ui.add(DragValue::new(&mut export.num_frames).range(2..=1440)).labelled_by(name);
                ui.end_row();
                let name = ui.label(i18n::text("export-rate")).id;
                ui.add(DragValue::new(&mut export.frames_per_second).range(1..=50)).labelled_by(name);
                ui.end_row();
            });
            if let Some((_, share)) = export.running {
                let percent = (share * 100.0).round() as u32;
                let text = i18n::text_with("export-running", [("done", percent.into())]);
                ui.add(ProgressBar::new(share).text(text));
                if ui.button(i18n::text("export-cancel")).clicked() {
                    outbox.ask(Request::View3d(View3dRequest::CancelWriting));
                }
                return;
            }
            ui.horizontal(|ui| {
                for (id, request) in
                    [("export-still", View3dRequest::PictureDialog), ("export-turn", View3dRequest::TurnDialog)]
                {
                    if ui.button(i18n::text(id)).on_hover_text(i18n::text("export-tip")).clicked() {
                        outbox.ask(Request::View3d(request));
                    }
                }
            });
        });
    settings.view3d.export.is_open &= open;
}
