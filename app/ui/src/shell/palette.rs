use egui::{Align2, Key, Modifiers, Ui, vec2};

use crate::commands::{self, Command, KeyMap};
use crate::{Session, ViewSettings, i18n};

/// Every command by typing a part of its name.
#[derive(Default)]
pub(super) struct Palette {
    typed: String,
    at: usize,
    was_open: bool,
}

/// The name of a command; of the window presets, the user's own.
pub(super) fn title(command: Command, settings: &ViewSettings) -> String {
    let index = command.id().strip_prefix("window.").and_then(|n| n.parse::<usize>().ok());
    let preset = index.and_then(|n| settings.preferences.windows.get(n.wrapping_sub(1)));
    match preset {
        Some(preset) => i18n::text_with("window-preset", [("name", preset.name.as_str().into())]),
        None => command.title().to_owned(),
    }
}

impl Palette {
    /// The command that was chosen.
    pub fn show(&mut self, ui: &Ui, keys: &KeyMap, session: &Session, settings: &mut ViewSettings) -> Option<Command> {
        if !settings.show_palette {
            self.was_open = false;
            return None;
        }
        let just_opened = !std::mem::replace(&mut self.was_open, true);
        if just_opened {
            self.typed.clear();
            self.at = 0;
        }
        let mut found = commands::find(&self.typed);
        let wanted = self.typed.to_lowercase();
        if !wanted.is_empty() {
            // Presets are found by the names that the user gave them.
            let named = Command::ALL.iter().copied().filter(|&c| title(c, settings).to_lowercase().contains(&wanted));
            for command in named {
                if !found.contains(&command) {
                    found.insert(0, command);
                }
            }
        }
        found.retain(|c| !matches!(c, Command::Palette | Command::Cancel));
        let (down, up, enter) = ui.input_mut(|i| {
            let down = i.count_and_consume_key(Modifiers::NONE, Key::ArrowDown);
            let up = i.count_and_consume_key(Modifiers::NONE, Key::ArrowUp);
            (down, up, i.consume_key(Modifiers::NONE, Key::Enter))
        });
        self.at = (self.at + down).saturating_sub(up).min(found.len().saturating_sub(1));
        let mut chosen = found.get(self.at).copied().filter(|_| enter);
        let width = 460.0;
        let window = egui::Window::new(i18n::text("palette-title"))
            .title_bar(false)
            .resizable(false)
            .anchor(Align2::CENTER_TOP, vec2(0.0, 72.0))
            .fixed_size(vec2(width, 0.0));
        let shown = window.show(ui.ctx(), |ui| {
            let field = egui::TextEdit::singleline(&mut self.typed)
                .hint_text(i18n::text("palette-hint"))
                .desired_width(f32::INFINITY);
            let field = ui.add(field);
            ui.ctx().accesskit_node_builder(field.id, |node| node.set_label(i18n::text("palette-hint")));
            if just_opened {
                field.request_focus();
            }
            if field.changed() {
                self.at = 0;
            }
            ui.separator();
            if found.is_empty() {
                ui.weak(i18n::text("palette-nothing"));
            }
            egui::ScrollArea::vertical().max_height(420.0).min_scrolled_height(420.0).auto_shrink([false, true]).show(
                ui,
                |ui| {
                    for (n, &command) in found.iter().enumerate() {
                        let enabled = commands::is_enabled(command, session, settings);
                        let text = format!("{}  ·  {}", title(command, settings), command.group().title());
                        let button = egui::Button::selectable(n == self.at, text)
                            .shortcut_text(keys.shown(command))
                            .min_size(vec2(ui.available_width(), 0.0));
                        let row = ui.add_enabled(enabled, button);
                        if n == self.at && (down > 0 || up > 0) {
                            row.scroll_to_me(None);
                        }
                        if row.clicked() {
                            chosen = Some(command);
                        }
                    }
                },
            );
        });
        let clicked_outside = shown.is_some_and(|s| s.response.clicked_elsewhere()) && !just_opened;
        if chosen.is_some() || clicked_outside {
            settings.show_palette = false;
        }
        chosen
    }
}
