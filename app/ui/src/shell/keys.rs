use egui::text_selection::LabelSelectionState;
use egui::{Event, Key, Ui, ViewportCommand};

use crate::commands::{self, Command, KeyMap, Shortcut};
use crate::{Outbox, Session, ViewSettings};

/// Runs what the keys of this frame say, and takes them from the widgets.
pub(super) fn take(ui: &Ui, keys: &KeyMap, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let is_typing = ui.ctx().text_edit_focused();
    // A widget that was reached by Tab takes the keys that move within it; a view that was clicked does not.
    let is_on_widget = ui.memory(egui::Memory::focused).is_some() && !settings.is_view_focused;
    settings.is_view_focused = false;
    let has_marked_text = ui.ctx().plugin::<LabelSelectionState>().lock().has_selection();
    let mut pressed = Vec::new();
    let mut for_clipboard = Vec::new();
    ui.input_mut(|input| {
        input.events.retain(|event| {
            let Event::Key { key, pressed: true, modifiers, .. } = event else { return true };
            let mut shortcut = Shortcut::of(*key, *modifiers);
            if let Some(asked) = clipboard(shortcut)
                && (is_typing || has_marked_text && matches!(asked, ViewportCommand::RequestCopy))
            {
                for_clipboard.push(asked);
                return false;
            }
            if shortcut == (Shortcut { ctrl: false, shift: true, alt: false, key: Key::Slash }) {
                shortcut = Shortcut { shift: false, key: Key::Questionmark, ..shortcut };
            }
            let Some(command) = keys.command(shortcut) else { return true };
            let is_plain = !shortcut.ctrl && !shortcut.alt && !is_function_key(*key);
            let belongs_to_text = is_typing && (is_plain || is_editing(*key));
            let belongs_to_widget = is_on_widget && is_plain && moves_focus(*key);
            if (belongs_to_text || belongs_to_widget) && command != Command::Cancel {
                return true;
            }
            if session.closing.is_some() || session.save_labels.is_some() && is_plain {
                // The windows that ask whether to close, and where to save, take Enter and Esc themselves. Behind the former nothing
                // else happens either.
                return true;
            }
            if settings.show_palette && is_plain && command != Command::Cancel {
                return true;
            }
            pressed.push(command);
            false
        });
    });
    for asked in for_clipboard {
        ui.ctx().send_viewport_cmd(asked);
    }
    for command in pressed {
        commands::run(command, session, settings, outbox);
    }
}

/// What a key asks of the clipboard while a text has the keyboard.
fn clipboard(shortcut: Shortcut) -> Option<ViewportCommand> {
    if !shortcut.ctrl || shortcut.shift || shortcut.alt {
        return None;
    }
    match shortcut.key {
        Key::C => Some(ViewportCommand::RequestCopy),
        Key::X => Some(ViewportCommand::RequestCut),
        Key::V => Some(ViewportCommand::RequestPaste),
        _ => None,
    }
}

fn is_function_key(key: Key) -> bool {
    let name = key.name();
    name.len() > 1 && name.starts_with('F') && name[1..].chars().all(|c| c.is_ascii_digit())
}

/// Keys that mean something to a text field together with Ctrl.
fn is_editing(key: Key) -> bool {
    matches!(key, Key::A | Key::C | Key::V | Key::X | Key::Y | Key::Z | Key::H | Key::W | Key::K)
        || matches!(key, Key::ArrowLeft | Key::ArrowRight | Key::ArrowUp | Key::ArrowDown | Key::Home | Key::End)
        || matches!(key, Key::Backspace | Key::Delete)
}

fn moves_focus(key: Key) -> bool {
    matches!(key, Key::Space | Key::Enter | Key::ArrowLeft | Key::ArrowRight | Key::ArrowUp | Key::ArrowDown)
        || matches!(key, Key::Home | Key::End | Key::PageUp | Key::PageDown)
}
