use egui::Ui;

use crate::document::LabelFormat;
use crate::{Outbox, Request, Session, i18n, theme};

/// Where labels are saved, and as what.
pub(crate) fn save_labels_window(ui: &Ui, session: &mut Session, outbox: &mut Outbox) {
    let Some(mut save) = session.save_labels.take() else { return };
    let mut is_open = true;
    let mut is_done = false;
    let window = egui::Window::new(i18n::text("save-title")).collapsible(false).resizable(false).open(&mut is_open);
    window.anchor(egui::Align2::CENTER_CENTER, egui::Vec2::ZERO).show(ui.ctx(), |ui| {
        ui.set_width(460.0);
        egui::Grid::new("save labels").num_columns(2).spacing([12.0, 8.0]).show(ui, |ui| {
            let label = ui.label(i18n::text("save-format")).id;
            let name = |format: LabelFormat| i18n::text(&format!("format-{}", format.id())).to_owned();
            let list = egui::ComboBox::from_id_salt("label format").width(340.0).selected_text(name(save.format));
            let list = list.show_ui(ui, |ui| {
                for format in LabelFormat::ALL {
                    let possible = save.is_dicom || !format.is_dicom();
                    let button = egui::Button::selectable(save.format == format, name(format));
                    let row = ui.add_enabled(possible, button);
                    if row.on_disabled_hover_text(i18n::text("save-no-dicom")).clicked() {
                        save.set_format(format);
                    }
                }
            });
            list.response.labelled_by(label);
            ui.end_row();
            let label = ui.label(i18n::text("save-file")).id;
            ui.horizontal(|ui| {
                let field = egui::TextEdit::singleline(&mut save.path).desired_width(270.0);
                if ui.add(field).labelled_by(label).changed() {
                    save.replaces = false;
                }
                if ui.button(i18n::text("save-browse")).clicked() {
                    outbox.ask(Request::BrowseSaveLabels(save.volume));
                }
            });
            ui.end_row();
        });
        if save.format.is_mesh() {
            ui.horizontal(|ui| {
                ui.label(i18n::text("save-space"));
                ui.radio_value(&mut save.lps, false, i18n::text("save-ras"));
                ui.radio_value(&mut save.lps, true, i18n::text("save-lps"));
            });
        }
        ui.label(egui::RichText::new(i18n::text(&format!("format-{}-tip", save.format.id()))).small().weak());
        if save.replaces {
            ui.colored_label(theme::legible(ui, theme::WARNING), i18n::text("save-replaces"));
        }
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            let text = if save.replaces { "save-replace" } else { "save-save" };
            let can = !save.path.trim().is_empty();
            let button = ui.add_enabled(can, egui::Button::new(i18n::text(text)));
            if button.clicked() || (can && ui.input(|i| i.key_pressed(egui::Key::Enter))) {
                outbox.ask(Request::SaveLabels(Box::new(save.clone())));
            }
            is_done = ui.button(i18n::text("save-cancel")).clicked() || ui.input(|i| i.key_pressed(egui::Key::Escape));
        });
    });
    if is_open && !is_done {
        session.save_labels = Some(save);
    }
}
