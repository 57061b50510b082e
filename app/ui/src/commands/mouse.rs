use std::collections::BTreeMap;

use egui::{Modifiers, PointerButton};

use super::Scheme;
use crate::i18n;

/// A mouse button with at most one modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MouseInput {
    /// 0 left, 1 right, 2 middle, 3 and 4 the ones at the side; 5 is the wheel.
    pub button: u8,
    /// 0 none, 1 Ctrl, 2 Shift, 3 Alt.
    pub modifier: u8,
}

const BUTTONS: [&str; 6] = ["Left", "Right", "Middle", "Extra1", "Extra2", "Wheel"];
const MODIFIERS: [&str; 4] = ["", "Ctrl+", "Shift+", "Alt+"];

impl MouseInput {
    /// The wheel's number.
    pub const WHEEL: u8 = 5;

    /// What is pressed; Ctrl counts before Shift, Shift before Alt.
    pub fn of(button: PointerButton, modifiers: Modifiers) -> Self {
        let button = match button {
            PointerButton::Primary => 0,
            PointerButton::Secondary => 1,
            PointerButton::Middle => 2,
            PointerButton::Extra1 => 3,
            PointerButton::Extra2 => 4,
        };
        Self { button, modifier: modifier(modifiers) }
    }

    /// The wheel, turned with these modifiers.
    pub fn wheel(modifiers: Modifiers) -> Self {
        Self { button: Self::WHEEL, modifier: modifier(modifiers) }
    }

    /// Reads `Ctrl+Left`.
    pub fn parse(text: &str) -> Option<Self> {
        let (held, name) = match text.rsplit_once('+') {
            Some((held, name)) => (format!("{}+", held.trim()), name.trim()),
            None => (String::new(), text.trim()),
        };
        let index = |names: &[&str], name: &str| names.iter().position(|n| n.eq_ignore_ascii_case(name));
        let (button, modifier) = (index(&BUTTONS, name)?, index(&MODIFIERS, &held)?);
        Some(Self { button: u8::try_from(button).ok()?, modifier: u8::try_from(modifier).ok()? })
    }

    /// Its name in files.
    pub fn id(self) -> String {
        let name = |names: &[&'static str], n: u8| names.get(usize::from(n)).copied().unwrap_or("");
        format!("{}{}", name(&MODIFIERS, self.modifier), name(&BUTTONS, self.button))
    }

    /// For people.
    pub fn shown(self) -> String {
        let button = ["mouse-left", "mouse-right", "mouse-middle", "mouse-extra1", "mouse-extra2", "mouse-wheel"];
        let held = MODIFIERS.get(usize::from(self.modifier)).copied().unwrap_or("");
        format!("{held}{}", i18n::text(button.get(usize::from(self.button)).copied().unwrap_or("")))
    }
}

fn modifier(held: Modifiers) -> u8 {
    if held.command || held.ctrl {
        1
    } else if held.shift {
        2
    } else if held.alt {
        3
    } else {
        0
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $id:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in files.
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// What it is called on the screen.
            pub fn title(self) -> &'static str {
                i18n::text(match self { $(Self::$variant => $text,)* })
            }

            /// The one of that name.
            pub fn from_id(id: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|a| a.id() == id)
            }
        }
    };
}

named! {
    /// What a drag on a slice does.
    MouseAction {
        /// What the tool in hand does.
        Tool "tool" "action-tool",
        /// Moves the crosshair.
        Crosshair "crosshair" "action-crosshair",
        /// Window sideways, level up and down.
        Window "window" "action-window",
        /// Zooms.
        Zoom "zoom" "action-zoom",
        /// Moves the picture.
        Pan "pan" "action-pan",
        /// Goes through the slices.
        Scroll "scroll" "action-scroll",
        /// Nothing.
        Nothing "nothing" "action-nothing",
    }
}

named! {
    /// What the wheel does on a slice.
    WheelAction {
        /// One slice per notch.
        Slice "slice" "action-slice",
        /// Five slices per notch.
        FiveSlices "five-slices" "action-five-slices",
        /// Zooms about the pointer.
        Zoom "zoom" "action-zoom",
        /// Opacity of labels.
        LabelOpacity "label-opacity" "action-label-opacity",
        /// Thickness of the slab.
        Slab "slab" "action-slab",
        /// Nothing.
        Nothing "nothing" "action-nothing",
    }
}

/// Which button does what: a scheme, and what the user changed.
#[derive(Debug, Clone, PartialEq)]
pub struct MouseMap {
    drags: BTreeMap<MouseInput, MouseAction>,
    wheel: BTreeMap<MouseInput, WheelAction>,
}

impl MouseMap {
    /// The scheme with the user's changes.
    pub fn new(
        scheme: Scheme,
        drags: &BTreeMap<MouseInput, MouseAction>,
        wheel: &BTreeMap<MouseInput, WheelAction>,
    ) -> Self {
        use MouseAction::{Crosshair, Nothing, Pan, Scroll, Tool, Window, Zoom};
        let table: [[MouseAction; 4]; 5] = match scheme {
            // Plain, Ctrl, Shift, Alt: of left, right, middle, and the two at the side.
            Scheme::Annotator => [
                [Tool, Window, Crosshair, Pan],
                [Zoom, Window, Pan, Scroll],
                [Pan, Zoom, Scroll, Nothing],
                [Scroll, Nothing, Nothing, Nothing],
                [Window, Nothing, Nothing, Nothing],
            ],
            Scheme::Pacs => [
                [Tool, Zoom, Crosshair, Pan],
                [Zoom, Window, Pan, Scroll],
                [Pan, Window, Scroll, Nothing],
                [Scroll, Nothing, Nothing, Nothing],
                [Crosshair, Nothing, Nothing, Nothing],
            ],
        };
        let mut all = BTreeMap::new();
        for (button, row) in (0..).zip(table) {
            for (modifier, action) in (0..).zip(row) {
                all.insert(MouseInput { button, modifier }, action);
            }
        }
        all.extend(drags);
        let turned = [WheelAction::Slice, WheelAction::Zoom, WheelAction::FiveSlices, WheelAction::Slab];
        let input = |modifier| MouseInput { button: MouseInput::WHEEL, modifier };
        let mut turns: BTreeMap<_, _> = (0..).zip(turned).map(|(modifier, action)| (input(modifier), action)).collect();
        turns.extend(wheel);
        Self { drags: all, wheel: turns }
    }

    /// What a drag does.
    pub fn drag(&self, input: MouseInput) -> MouseAction {
        self.drags.get(&input).copied().unwrap_or(MouseAction::Nothing)
    }

    /// What the wheel does.
    pub fn wheel(&self, modifiers: Modifiers) -> WheelAction {
        self.wheel.get(&MouseInput::wheel(modifiers)).copied().unwrap_or(WheelAction::Nothing)
    }

    /// All drags, buttons first.
    pub fn drags(&self) -> impl Iterator<Item = (MouseInput, MouseAction)> {
        self.drags.iter().map(|(&i, &a)| (i, a))
    }

    /// All turns of the wheel.
    pub fn wheels(&self) -> impl Iterator<Item = (MouseInput, WheelAction)> {
        self.wheel.iter().map(|(&i, &a)| (i, a))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use egui::{Modifiers, PointerButton};

    use super::{MouseAction, MouseInput, MouseMap};
    use crate::commands::Scheme;

    #[test]
    fn buttons_survive_being_written_and_read() {
        let map = MouseMap::new(Scheme::Pacs, &BTreeMap::new(), &BTreeMap::new());
        for (input, _) in map.drags() {
            assert_eq!(MouseInput::parse(&input.id()), Some(input));
            assert!(!input.shown().contains("mouse-"));
        }
        assert_eq!(MouseInput::parse("Ctrl+Shift+Left"), None);
    }

    #[test]
    fn any_button_can_be_given_another_meaning() {
        let left = MouseInput::of(PointerButton::Primary, Modifiers::NONE);
        let changed = BTreeMap::from([(left, MouseAction::Pan)]);
        let map = MouseMap::new(Scheme::Annotator, &changed, &BTreeMap::new());
        assert_eq!(map.drag(left), MouseAction::Pan);
        assert_eq!(map.drag(MouseInput::of(PointerButton::Secondary, Modifiers::NONE)), MouseAction::Zoom);
    }
}
