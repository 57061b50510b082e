use std::collections::BTreeMap;
use std::fmt;

use egui::{Key, Modifiers};

use super::{Command, Scheme};

/// A key with modifiers; `Ctrl` is ⌘ on a Mac.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shortcut {
    /// With Ctrl (⌘).
    pub ctrl: bool,
    /// With Shift.
    pub shift: bool,
    /// With Alt (⌥).
    pub alt: bool,
    /// The key.
    pub key: Key,
}

impl Shortcut {
    /// Reads `Ctrl+Shift+P`.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut ctrl, mut shift, mut alt) = (false, false, false);
        let mut parts = text.split('+').map(str::trim).peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return Key::from_name(part).map(|key| Self { ctrl, shift, alt, key });
            }
            match part.to_ascii_lowercase().as_str() {
                "ctrl" | "cmd" | "command" => ctrl = true,
                "shift" => shift = true,
                "alt" | "option" => alt = true,
                _ => return None,
            }
        }
        None
    }

    /// What was pressed.
    pub fn of(key: Key, modifiers: Modifiers) -> Self {
        // '?' and '+' are typed with Shift on some keyboards and without on others.
        let shift = modifiers.shift && !matches!(key, Key::Questionmark | Key::Plus);
        Self { ctrl: modifiers.command, shift, alt: modifiers.alt, key }
    }
}

impl fmt::Display for Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "Ctrl+"), (self.shift, "Shift+"), (self.alt, "Alt+")] {
            if held {
                f.write_str(name)?;
            }
        }
        f.write_str(self.key.name())
    }
}

impl Shortcut {
    /// For people: signs for arrows and punctuation.
    pub fn shown(&self) -> String {
        let text = self.to_string();
        let name = self.key.name();
        let sign = match self.key {
            Key::ArrowUp => "↑",
            Key::ArrowDown => "↓",
            Key::ArrowLeft => "←",
            Key::ArrowRight => "→",
            Key::Comma => ",",
            Key::Period => ".",
            Key::Minus => "−",
            Key::Plus => "+",
            Key::Equals => "=",
            Key::Questionmark => "?",
            Key::PageUp => "Page up",
            Key::PageDown => "Page down",
            key => key.symbol_or_name(),
        };
        format!("{}{sign}", &text[..text.len() - name.len()])
    }
}

/// Which keys do what: a scheme, and what the user changed.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyMap {
    keys: BTreeMap<Command, Vec<Shortcut>>,
}

impl KeyMap {
    /// The scheme with the user's changes. A key that was given to one command is taken from all others.
    pub fn new(scheme: Scheme, changes: &BTreeMap<Command, Vec<Shortcut>>) -> Self {
        let mut keys: BTreeMap<Command, Vec<Shortcut>> =
            Command::ALL.iter().map(|&c| (c, c.default_keys(scheme))).collect();
        for (command, shortcuts) in changes {
            for (other, theirs) in &mut keys {
                if other != command && !changes.contains_key(other) {
                    theirs.retain(|k| !shortcuts.contains(k));
                }
            }
            keys.insert(*command, shortcuts.clone());
        }
        Self { keys }
    }

    /// Keys of a command.
    pub fn of(&self, command: Command) -> &[Shortcut] {
        self.keys.get(&command).map_or(&[], Vec::as_slice)
    }

    /// What a key does.
    pub fn command(&self, shortcut: Shortcut) -> Option<Command> {
        self.keys.iter().find(|(_, keys)| keys.contains(&shortcut)).map(|(&command, _)| command)
    }

    /// The first key of a command for people; empty if there is none.
    pub fn shown(&self, command: Command) -> String {
        self.of(command).first().map_or_else(String::new, Shortcut::shown)
    }

    /// `Title (key)`, for tool-tips.
    pub fn tip(&self, command: Command) -> String {
        match self.of(command).first() {
            Some(key) => format!("{} ({})", command.title(), key.shown()),
            None => command.title().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use egui::Key;

    use super::{KeyMap, Shortcut};
    use crate::commands::{Command, Scheme};

    #[test]
    fn shortcuts_survive_being_written_and_read() {
        for &command in Command::ALL {
            for key in command.default_keys(Scheme::Pacs) {
                assert_eq!(Shortcut::parse(&key.to_string()), Some(key));
            }
        }
        assert_eq!(Shortcut::parse("Hyper+K"), None);
        assert_eq!(Shortcut::parse(""), None);
        assert_eq!(Shortcut { ctrl: true, shift: false, alt: false, key: Key::ArrowUp }.shown(), "Ctrl+↑");
    }

    #[test]
    fn a_key_given_away_leaves_its_old_command() {
        let w = Shortcut::parse("W").expect("a key");
        let keys = KeyMap::new(Scheme::Annotator, &BTreeMap::from([(Command::ToolLength, vec![w])]));
        assert_eq!(keys.command(w), Some(Command::ToolLength));
        assert!(keys.of(Command::ToolWindow).is_empty());
        let l = Shortcut::parse("L").expect("a key");
        assert_eq!(keys.command(l), None, "the old key of the command is free");
    }
}
