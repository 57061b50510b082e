use egui::{Event, Grid, Key, RichText, ScrollArea, Ui, Vec2};

use crate::commands::{self, Command, Group, KeyMap, MouseAction, MouseInput, Scheme, Shortcut, WheelAction};
use crate::{Preferences, ViewSettings, i18n, theme};

/// All keys and buttons, and how to change them.
#[derive(Default)]
pub(super) struct Sheet {
    filter: String,
    /// The command that gets the next key.
    waiting: Option<Command>,
}

impl Sheet {
    /// True while the next key is to be given to a command rather than run.
    pub fn is_waiting_for_key(&self) -> bool {
        self.waiting.is_some()
    }

    pub fn show(&mut self, ui: &Ui, keys: &KeyMap, settings: &mut ViewSettings) {
        if !settings.show_help {
            self.waiting = None;
            return;
        }
        self.take_key(ui, &mut settings.preferences);
        let screen = ui.ctx().content_rect().size();
        let mut open = true;
        egui::Window::new(i18n::text("sheet-title"))
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(egui::Align2::CENTER_CENTER, Vec2::ZERO)
            .fixed_size((screen * 0.82).min(egui::vec2(920.0, 760.0)))
            .show(ui.ctx(), |ui| self.contents(ui, keys, &mut settings.preferences));
        settings.show_help &= open;
    }

    fn contents(&mut self, ui: &mut Ui, keys: &KeyMap, preferences: &mut Preferences) {
        ui.horizontal(|ui| {
            let name = ui.label(i18n::text("sheet-scheme")).id;
            for scheme in Scheme::ALL {
                ui.selectable_value(&mut preferences.scheme, scheme, scheme.title()).labelled_by(name);
            }
            ui.separator();
            let hint = i18n::text("sheet-search");
            ui.add(egui::TextEdit::singleline(&mut self.filter).hint_text(hint).desired_width(180.0));
            let is_changed =
                !(preferences.keys.is_empty() && preferences.drags.is_empty() && preferences.wheel.is_empty());
            let reset = ui.add_enabled(is_changed, egui::Button::new(i18n::text("sheet-reset")));
            if reset.on_hover_text(i18n::text("sheet-reset-tip")).clicked() {
                preferences.keys.clear();
                preferences.drags.clear();
                preferences.wheel.clear();
            }
        });
        ui.weak(i18n::text(if self.waiting.is_some() { "sheet-press" } else { "sheet-how" }));
        ui.separator();
        let found = commands::find(&self.filter);
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.columns(2, |columns| {
                let [left, right] = columns else { return };
                if self.filter.is_empty() {
                    mouse(left, preferences);
                }
                // Long groups on the right, beside the mouse.
                for group in Group::ALL {
                    let on_left = matches!(group, Group::File | Group::Edit | Group::Compare | Group::Training);
                    let column = if on_left { &mut *left } else { &mut *right };
                    self.group(column, keys, preferences, group, &found);
                }
            });
            ui.add_space(6.0);
            ui.weak(i18n::text("sheet-foot"));
        });
    }

    fn group(&mut self, ui: &mut Ui, keys: &KeyMap, preferences: &mut Preferences, group: Group, found: &[Command]) {
        let rows: Vec<Command> =
            Command::ALL.iter().copied().filter(|c| c.group() == group && found.contains(c)).collect();
        if rows.is_empty() {
            return;
        }
        heading(ui, group.title());
        Grid::new(group).num_columns(2).striped(true).min_col_width(120.0).spacing([12.0, 4.0]).show(ui, |ui| {
            for command in rows {
                ui.horizontal(|ui| self.keys_of(ui, keys, preferences, command));
                ui.label(command.title());
                ui.end_row();
            }
        });
    }

    fn keys_of(&mut self, ui: &mut Ui, keys: &KeyMap, preferences: &mut Preferences, command: Command) {
        if self.waiting == Some(command) {
            ui.label(RichText::new(i18n::text("sheet-next-key")).color(theme::legible(ui, theme::WARNING)));
            return;
        }
        let shown: Vec<String> = keys.of(command).iter().map(Shortcut::shown).collect();
        let text = if shown.is_empty() { "–".to_owned() } else { shown.join("  ") };
        let is_changed = preferences.keys.contains_key(&command);
        let text = RichText::new(text).family(theme::semi_bold(ui.ctx()));
        let button = ui.add(egui::Button::new(text).frame_when_inactive(is_changed));
        let name = i18n::text_with("sheet-change", [("command", command.title().into())]);
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name.clone()));
        if button.on_hover_text(i18n::text("sheet-change-tip")).clicked() {
            self.waiting = Some(command);
        }
        if is_changed && crate::panels::sign_button(ui, "↺", i18n::text("sheet-undo-change")).clicked() {
            preferences.keys.remove(&command);
        }
    }

    /// Gives the key that was pressed to the command that waits. Esc leaves it, Backspace takes all its keys.
    fn take_key(&mut self, ui: &Ui, preferences: &mut Preferences) {
        let Some(command) = self.waiting else { return };
        let pressed = ui.input_mut(|input| {
            let at = input.events.iter().position(|e| matches!(e, Event::Key { pressed: true, .. }))?;
            match input.events.remove(at) {
                Event::Key { key, modifiers, .. } => Some(Shortcut::of(key, modifiers)),
                _ => None,
            }
        });
        let Some(shortcut) = pressed else { return };
        self.waiting = None;
        match shortcut.key {
            Key::Escape => {}
            Key::Backspace => {
                preferences.keys.insert(command, Vec::new());
            }
            _ => {
                for (other, keys) in &mut preferences.keys {
                    if *other != command {
                        keys.retain(|k| *k != shortcut);
                    }
                }
                preferences.keys.insert(command, vec![shortcut]);
            }
        }
    }
}

fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(text).family(theme::semi_bold(ui.ctx())).size(15.0));
}

/// Buttons and wheel on slices, each with a list of what it can do.
fn mouse(ui: &mut Ui, preferences: &mut Preferences) {
    heading(ui, i18n::text("sheet-mouse"));
    let map = preferences.mouse_map();
    Grid::new("mouse").num_columns(2).striped(true).min_col_width(120.0).spacing([12.0, 4.0]).show(ui, |ui| {
        for (input, action) in map.drags() {
            // The buttons at the side have no second meaning that one would look for here.
            let is_rare = input.button > 2 && input.modifier > 0;
            if is_rare {
                continue;
            }
            let mut chosen = action;
            pick(ui, input, &mut chosen, MouseAction::ALL, MouseAction::title);
            if chosen != action {
                preferences.drags.insert(input, chosen);
            }
        }
        for (input, action) in map.wheels() {
            let mut chosen = action;
            pick(ui, input, &mut chosen, WheelAction::ALL, WheelAction::title);
            if chosen != action {
                preferences.wheel.insert(input, chosen);
            }
        }
        for (input, what) in [
            ("mouse-double", "mouse-double-does"),
            ("mouse-handle", "mouse-handle-does"),
            ("mouse-3d", "mouse-3d-does"),
        ] {
            ui.strong(i18n::text(input));
            ui.label(i18n::text(what));
            ui.end_row();
        }
    });
}

fn pick<T: Copy + PartialEq>(ui: &mut Ui, input: MouseInput, value: &mut T, all: &[T], title: fn(T) -> &'static str) {
    let name = ui.strong(input.shown()).id;
    let list = egui::ComboBox::from_id_salt(("mouse", input.button, input.modifier))
        .width(190.0)
        .selected_text(title(*value))
        .show_ui(ui, |ui| {
            for &one in all {
                ui.selectable_value(value, one, title(one));
            }
        });
    list.response.labelled_by(name);
    ui.end_row();
}
