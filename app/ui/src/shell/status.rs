use egui::{RichText, Ui};

use crate::{Notice, Session, Side, ViewSettings, i18n, panels, theme};

/// Where the pointer is, what is there, and the last thing said to the user.
pub(super) fn show(ui: &mut Ui, session: &mut Session, settings: &ViewSettings) {
    ui.horizontal(|ui| {
        let side = if settings.hover_mm.is_some() { settings.hover_side } else { Side::A };
        if let Some(volume) = session.of_side(settings, side) {
            let point = settings.hover_mm.unwrap_or(settings.cursor_mm);
            let part =
                |v: f64, plus: char, minus: char| format!("{} {:.1}", if v >= 0.0 { plus } else { minus }, v.abs());
            let place = [part(point.x, 'R', 'L'), part(point.y, 'A', 'P'), part(point.z, 'S', 'I')].join("  ");
            ui.monospace(format!("{place} mm"));
            ui.separator();
            if let Some(voxel @ [i, j, k]) = volume.volume.voxel_at_world(point) {
                let value = volume.volume.value(voxel).unwrap_or(f64::NAN);
                let digits = panels::decimals(volume.stats.max - volume.stats.min);
                let unit = if volume.unit().is_empty() { String::new() } else { format!(" {}", volume.unit()) };
                ui.monospace(i18n::text_with("status-voxel", [("voxel", format!("{i}, {j}, {k}").into())]));
                ui.separator();
                let value = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.digits$}") };
                ui.monospace(format!("{}{unit}", crate::measure::with_minus(&value)));
                if let Some((id, name)) =
                    volume.labels.as_ref().filter(|_| volume.incoming.is_none()).and_then(|l| l.at_world(point))
                {
                    ui.separator();
                    ui.label(format!("{name} ({id})"));
                }
            } else {
                ui.weak(i18n::text("status-outside"));
            }
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            // Where there is little room, what is said to the user needs it most.
            if ui.available_width() > 420.0 {
                let adapter = RichText::new(&session.adapter_name).small().weak();
                ui.label(adapter).on_hover_text(i18n::text("status-adapter"));
            }
            notices(ui, session);
        });
    });
}

/// The last thing said to the user, and how many are below it; all of them on hovering.
fn notices(ui: &mut Ui, session: &mut Session) {
    let Some(last) = session.notices.last() else { return };
    let text_color = ui.visuals().text_color();
    let error = theme::legible(ui, theme::ERROR);
    let color = |notice: &Notice| if notice.is_error { error } else { text_color };
    let dismiss = crate::panels::sign_button(ui, "×", i18n::text("status-dismiss")).clicked();
    let more = session.notices.len() - 1;
    let text = if more == 0 { last.text.clone() } else { format!("{} (+{more})", last.text) };
    let label = ui.add(egui::Label::new(RichText::new(text).color(color(last))).truncate());
    label.on_hover_ui(|ui| {
        for notice in session.notices.iter().rev() {
            ui.label(RichText::new(&notice.text).color(color(notice)));
        }
    });
    if dismiss {
        session.notices.pop();
    }
}
