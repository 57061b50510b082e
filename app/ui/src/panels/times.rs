use egui::{Slider, Ui};

use crate::commands::{Command, KeyMap};
use crate::{Outbox, Session, ViewSettings, commands, i18n};

/// Which volume of a time series is on show: slider, steps, cine.
pub(crate) fn times_ui(
    ui: &mut Ui,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
    keys: &KeyMap,
) {
    let Some(series) = session.active.and_then(|id| session.times.get_mut(&id.0)) else { return };
    let mut number = series.wanted + 1;
    let count = series.count;
    let is_waiting = series.shown != series.wanted;
    ui.horizontal(|ui| {
        let name = ui.label(i18n::text("times-volume")).id;
        let slider = Slider::new(&mut number, 1..=count).integer().suffix(format!(" / {count}"));
        let tip = [Command::PreviousTime, Command::NextTime].map(|c| keys.tip(c)).join("\n");
        ui.add(slider).labelled_by(name).on_hover_text(tip);
        if is_waiting {
            ui.spinner();
        }
    });
    if number != series.wanted + 1 {
        series.want(number - 1);
    }
    ui.horizontal(|ui| {
        for command in [Command::PreviousTime, Command::NextTime, Command::TimeCine] {
            let is_on = commands::is_on(command, session, settings).unwrap_or(false);
            let text = i18n::text(match command {
                Command::PreviousTime => "times-back",
                Command::NextTime => "times-on",
                _ if is_on => "times-stop",
                _ => "times-play",
            });
            if ui.add(egui::Button::new(text).selected(is_on)).on_hover_text(keys.tip(command)).clicked() {
                commands::run(command, session, settings, outbox);
            }
        }
    });
}
