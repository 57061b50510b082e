use egui::{Button, Ui};

use crate::commands::{self, Command, Group, KeyMap};
use crate::labelling::change_text;
use crate::{Outbox, Request, Session, ViewSettings, i18n};

/// Width that all menus need in one row; with less, as on a small screen at a large scale, they take two.
const MENUS: f32 = 620.0;
/// Width of the switches at the right.
const SWITCHES: f32 = 150.0;

/// All commands in menus, with their keys.
pub(super) fn show(
    ui: &mut Ui,
    keys: &KeyMap,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
) {
    egui::MenuBar::new().ui(ui, |ui| {
        let room = ui.available_width();
        let chosen = if room < MENUS {
            ui.horizontal_wrapped(|ui| menus(ui, keys, session, settings, outbox)).inner
        } else {
            menus(ui, keys, session, settings, outbox)
        };
        if let Some(command) = chosen {
            commands::run(command, session, settings, outbox);
            ui.close();
        }
        // What has no room is left out rather than laid over the menus: all of it is in them, too.
        let room = ui.available_width();
        if room < SWITCHES {
            return;
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if let Some(command) = super::tools::switches(ui, keys, session, settings) {
                commands::run(command, session, settings, outbox);
            }
            ui.add_space(8.0);
            let key = keys.shown(Command::Palette);
            let button = if room > SWITCHES + 220.0 {
                Button::new(i18n::text("palette-button")).shortcut_text(key).min_size(egui::vec2(200.0, 0.0))
            } else if room > SWITCHES + 80.0 {
                Button::new(key)
            } else {
                return;
            };
            let button =
                button.fill(ui.visuals().extreme_bg_color).stroke(ui.visuals().widgets.noninteractive.bg_stroke);
            if ui.add(button).on_hover_text(keys.tip(Command::Palette)).clicked() {
                commands::run(Command::Palette, session, settings, outbox);
            }
        });
    });
}

/// All menus; gives the command that was chosen.
fn menus(
    ui: &mut Ui,
    keys: &KeyMap,
    session: &Session,
    settings: &ViewSettings,
    outbox: &mut Outbox,
) -> Option<Command> {
    let mut chosen = None;
    ui.menu_button(Group::File.title(), |ui| {
        items(ui, keys, session, settings, &[Command::Open, Command::OpenFolder, Command::OpenSample], &mut chosen);
        recent(ui, session, outbox, settings.preferences.hide_identifiers);
        ui.separator();
        let labels = [
            Command::OpenLabels,
            Command::OpenReference,
            Command::SaveLabels,
            Command::SaveImage,
            Command::ExportMeasurements,
            Command::ExportReport,
            Command::SavePicture,
        ];
        items(ui, keys, session, settings, &labels, &mut chosen);
        ui.separator();
        let volumes = [Command::NextVolume, Command::PreviousVolume, Command::CloseVolume];
        items(ui, keys, session, settings, &volumes, &mut chosen);
        ui.separator();
        items(ui, keys, session, settings, &[Command::Quit], &mut chosen);
    });
    ui.menu_button(Group::Edit.title(), |ui| {
        let steps = session.active().and_then(|v| v.labels.as_ref()).map(|l| l.now().steps.clone());
        let names = steps.unwrap_or_default().map(|step| step.map(|line| line.name));
        for (command, name) in [Command::Undo, Command::Redo].into_iter().zip(names) {
            let response = item(ui, keys, session, settings, command);
            if let Some(name) = name {
                response.clone().on_hover_text(change_text(&name));
            }
            if response.clicked() {
                chosen = Some(command);
            }
        }
        ui.separator();
        let rest = [Command::DeleteMeasurement, Command::NextMeasurement, Command::Preferences];
        items(ui, keys, session, settings, &rest, &mut chosen);
    });
    for (group, separators) in [
        (Group::Layout, &[Command::NextLayout][..]),
        (Group::View, &[Command::NextView, Command::ShowCrosshair, Command::FromFront, Command::ToggleLeftPanel]),
        (Group::Slices, &[Command::Cine, Command::SlabMode, Command::ObliqueReset]),
        (Group::Window, &[Command::AutoWindow]),
        (Group::Tool, &[Command::ToolLength, Command::DeleteMeasurement]),
        (Group::Labels, &[Command::LabelPaint, Command::NextSegment, Command::PreviewLabels, Command::CopySlice]),
        (Group::Compare, &[Command::AlignHere, Command::Blend]),
        (Group::Training, &[Command::Runs]),
        (Group::Help, &[]),
    ] {
        ui.menu_button(group.title(), |ui| {
            let room = ui.ctx().content_rect().height() - 60.0;
            egui::ScrollArea::vertical().max_height(room).min_scrolled_height(room).show(ui, |ui| {
                for &command in Command::ALL.iter().filter(|c| c.group() == group) {
                    if separators.contains(&command) {
                        ui.separator();
                    }
                    if item(ui, keys, session, settings, command).clicked() {
                        chosen = Some(command);
                    }
                }
            });
        });
    }
    chosen
}

fn items(
    ui: &mut Ui,
    keys: &KeyMap,
    session: &Session,
    settings: &ViewSettings,
    commands: &[Command],
    chosen: &mut Option<Command>,
) {
    for &command in commands {
        if item(ui, keys, session, settings, command).clicked() {
            *chosen = Some(command);
        }
    }
}

fn item(ui: &mut Ui, keys: &KeyMap, session: &Session, settings: &ViewSettings, command: Command) -> egui::Response {
    ui.set_min_width(230.0);
    let title = super::palette::title(command, settings);
    let button = Button::selectable(commands::is_on(command, session, settings) == Some(true), title);
    let key = keys.shown(command);
    // An empty one would be a part of the name that a screen reader says.
    let button = if key.is_empty() { button } else { button.shortcut_text(key) };
    ui.add_enabled(commands::is_enabled(command, session, settings), button)
}

fn recent(ui: &mut Ui, session: &Session, outbox: &mut Outbox, hides_names: bool) {
    ui.add_enabled_ui(!session.recent.is_empty() && !hides_names, |ui| {
        ui.menu_button(i18n::text("recent-files"), |ui| {
            for path in &session.recent {
                let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                if ui.button(name).clicked() {
                    outbox.ask(Request::Open(vec![path.clone()]));
                    ui.close();
                }
            }
        });
    });
}
