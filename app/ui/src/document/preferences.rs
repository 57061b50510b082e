use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Window, WindowPreset};
use crate::commands::{Command, KeyMap, MouseAction, MouseInput, MouseMap, Scheme, Shortcut, WheelAction};
use crate::i18n;

/// Dark or light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Look {
    /// For a dark reading room.
    #[default]
    Dark,
    /// For a bright office.
    Light,
}

/// A window of the user's list.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedWindow {
    /// What readers call it.
    pub name: String,
    /// Its numbers.
    pub window: Window,
}

/// What a user likes; kept as TOML in the configuration folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Preferences {
    /// Keys and buttons.
    pub scheme: Scheme,
    /// Keys that differ from the scheme's.
    pub keys: BTreeMap<Command, Vec<Shortcut>>,
    /// Drags that differ from the scheme's.
    pub drags: BTreeMap<MouseInput, MouseAction>,
    /// Turns of the wheel that differ.
    pub wheel: BTreeMap<MouseInput, WheelAction>,
    /// A drag down raises the level (OHIF) rather than a drag up (Slicer).
    pub down_raises_level: bool,
    /// The patient's left is on the left of axial and coronal pictures (neurological), rather than on the right (radiological).
    pub neurological: bool,
    /// Dark or light.
    pub look: Look,
    /// Size of everything, percent: 75…300.
    pub scale_percent: u16,
    /// Names of files and patients are not drawn.
    pub hide_identifiers: bool,
    /// CT windows; the first nine have the keys 1 to 9.
    pub windows: Vec<NamedWindow>,
    /// Width of the outlines of labels on slices, in points.
    pub outline_points: f32,
    /// Slices per second of cine.
    pub cine_per_second: f32,
    /// The layout and window of a new volume follow the hanging protocols.
    pub hang: bool,
    /// A CT opens in the window that was last used in its folder.
    pub keep_windows: bool,
    /// Those windows, by a number that stands for the folder; the one used last comes last.
    pub project_windows: Vec<(u64, Window)>,
}

impl Default for Preferences {
    fn default() -> Self {
        let window = |p: &WindowPreset| NamedWindow { name: p.name.to_owned(), window: p.window };
        Self {
            scheme: Scheme::Annotator,
            keys: BTreeMap::new(),
            drags: BTreeMap::new(),
            wheel: BTreeMap::new(),
            down_raises_level: false,
            neurological: false,
            look: Look::Dark,
            scale_percent: 100,
            hide_identifiers: false,
            windows: WindowPreset::ALL.iter().map(window).collect(),
            outline_points: 1.0,
            cine_per_second: 12.0,
            hang: true,
            keep_windows: true,
            project_windows: Vec::new(),
        }
    }
}

impl Preferences {
    /// Least and greatest scale, percent.
    pub const SCALES: std::ops::RangeInclusive<u16> = 75..=300;
    /// Least and greatest width of outlines, in points.
    pub const OUTLINES_POINTS: std::ops::RangeInclusive<f32> = 0.5..=5.0;
    const MAX_WINDOWS: usize = 64;
    /// Folders whose window is remembered.
    pub const MAX_PROJECTS: usize = 200;

    /// Keys of this scheme with these changes.
    pub fn key_map(&self) -> KeyMap {
        KeyMap::new(self.scheme, &self.keys)
    }

    /// Buttons of this scheme with these changes.
    pub fn mouse_map(&self) -> MouseMap {
        MouseMap::new(self.scheme, &self.drags, &self.wheel)
    }

    /// Outlines of labels half a point wider or thinner.
    pub fn step_outline(&mut self, wider: bool) {
        let step = if wider { 0.5 } else { -0.5 };
        self.outline_points =
            (self.outline_points + step).clamp(*Self::OUTLINES_POINTS.start(), *Self::OUTLINES_POINTS.end());
    }

    /// One step larger or smaller.
    pub fn step_scale(&mut self, up: bool) {
        const STEPS: [u16; 10] = [75, 90, 100, 110, 125, 150, 175, 200, 250, 300];
        let next = if up {
            STEPS.into_iter().find(|&s| s > self.scale_percent)
        } else {
            STEPS.into_iter().rev().find(|&s| s < self.scale_percent)
        };
        self.scale_percent = next.unwrap_or(self.scale_percent);
    }

    /// As TOML. Only what the user changed of keys and buttons is written, so that later versions can bring new ones.
    pub fn to_toml(&self) -> String {
        let mut table = Table::new();
        let mut put = |name: &str, value: Value| table.insert(name.to_owned(), value);
        put("scheme", self.scheme.id().into());
        put("theme", if self.look == Look::Light { "light" } else { "dark" }.into());
        put("scale_percent", i64::from(self.scale_percent).into());
        put("hide_identifiers", self.hide_identifiers.into());
        put("down_raises_level", self.down_raises_level.into());
        put("neurological", self.neurological.into());
        put("hanging_protocols", self.hang.into());
        put("keep_windows", self.keep_windows.into());
        let projects = self.project_windows.iter().map(|(key, window)| {
            let numbers = [window.width, window.level].map(Value::Float);
            Value::Array(std::iter::once(format!("{key:016x}").into()).chain(numbers).collect())
        });
        put("projects", Value::Array(projects.collect()));
        put("outline_points", f64::from(self.outline_points).into());
        put("cine_per_second", f64::from(self.cine_per_second).into());
        let windows = self.windows.iter().map(|w| {
            let mut row = Table::new();
            row.insert("name".into(), w.name.as_str().into());
            row.insert("width".into(), w.window.width.into());
            row.insert("level".into(), w.window.level.into());
            Value::Table(row)
        });
        put("windows", Value::Array(windows.collect()));
        let names = |keys: &[Shortcut]| Value::Array(keys.iter().map(|k| k.to_string().into()).collect());
        put("keys", Value::Table(self.keys.iter().map(|(c, k)| (c.id().to_owned(), names(k))).collect()));
        put("mouse", Value::Table(self.drags.iter().map(|(i, a)| (i.id(), a.id().into())).collect()));
        put("wheel", Value::Table(self.wheel.iter().map(|(i, a)| (i.id(), a.id().into())).collect()));
        table.to_string()
    }

    /// Reads what [`Self::to_toml`] wrote, possibly edited by hand. What cannot be read keeps its default, and a sentence says
    /// so.
    pub fn from_toml(text: &str) -> (Self, Vec<String>) {
        let mut result = Self::default();
        let mut problems = Vec::new();
        let Ok(table) = text.parse::<Table>() else {
            let problem = i18n::text("tell-preferences-not-toml");
            return (result, vec![problem.to_owned()]);
        };
        for (name, value) in &table {
            if result.set(name, value).is_none() {
                problems.push(i18n::text_with("tell-preference-not-usable", [("name", name.as_str().into())]));
            }
        }
        (result, problems)
    }

    /// Sets one entry; none if its value makes no sense. Names that are not known are left alone.
    fn set(&mut self, name: &str, value: &Value) -> Option<()> {
        match name {
            "scheme" => {
                let id = value.as_str()?;
                self.scheme = Scheme::ALL.into_iter().find(|s| s.id() == id)?;
            }
            "theme" => {
                self.look = match value.as_str()? {
                    "light" => Look::Light,
                    "dark" => Look::Dark,
                    _ => return None,
                }
            }
            "scale_percent" => {
                let scale = u16::try_from(value.as_integer()?).ok()?;
                self.scale_percent = Self::SCALES.contains(&scale).then_some(scale)?;
            }
            "hide_identifiers" => self.hide_identifiers = value.as_bool()?,
            "down_raises_level" => self.down_raises_level = value.as_bool()?,
            "neurological" => self.neurological = value.as_bool()?,
            "hanging_protocols" => self.hang = value.as_bool()?,
            "keep_windows" => self.keep_windows = value.as_bool()?,
            "projects" => {
                let rows = value.as_array()?.iter().rev().take(Self::MAX_PROJECTS);
                self.project_windows = rows.map(project_window).collect::<Option<Vec<_>>>()?;
                self.project_windows.reverse();
            }
            "outline_points" => {
                let points = number(value)? as f32;
                self.outline_points = Self::OUTLINES_POINTS.contains(&points).then_some(points)?;
            }
            "cine_per_second" => {
                let rate = number(value)?;
                self.cine_per_second = (1.0..=120.0).contains(&rate).then_some(rate)? as f32;
            }
            "windows" => {
                let rows = value.as_array()?.iter().take(Self::MAX_WINDOWS);
                self.windows = rows.map(named_window).collect::<Option<Vec<_>>>()?;
            }
            "keys" => {
                for (id, keys) in value.as_table()? {
                    // A command of another version is not an error.
                    let Some(command) = Command::from_id(id) else { continue };
                    let keys = keys.as_array()?.iter().map(|k| Shortcut::parse(k.as_str()?));
                    self.keys.insert(command, keys.collect::<Option<Vec<_>>>()?);
                }
            }
            "mouse" => {
                for (input, action) in value.as_table()? {
                    self.drags.insert(MouseInput::parse(input)?, MouseAction::from_id(action.as_str()?)?);
                }
            }
            "wheel" => {
                for (input, action) in value.as_table()? {
                    self.wheel.insert(MouseInput::parse(input)?, WheelAction::from_id(action.as_str()?)?);
                }
            }
            _ => {}
        }
        Some(())
    }
}

fn project_window(value: &Value) -> Option<(u64, Window)> {
    let [key, width, level] = value.as_array()?.as_slice() else { return None };
    let (width, level) = (number(width)?, number(level)?);
    let is_window = width > 0.0 && width.is_finite() && level.is_finite();
    is_window.then_some((u64::from_str_radix(key.as_str()?, 16).ok()?, Window { width, level }))
}

fn named_window(value: &Value) -> Option<NamedWindow> {
    let row = value.as_table()?;
    let (width, level) = (number(row.get("width")?)?, number(row.get("level")?)?);
    let is_window = width > 0.0 && width.is_finite() && level.is_finite();
    is_window.then_some(NamedWindow { name: row.get("name")?.as_str()?.to_owned(), window: Window { width, level } })
}

#[expect(clippy::cast_precision_loss, reason = "numbers written by a person")]
fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|i| i as f64))
}

#[cfg(test)]
mod tests {
    use egui::PointerButton;

    use super::{Look, NamedWindow, Preferences};
    use crate::commands::{Command, MouseAction, MouseInput, Scheme, Shortcut, WheelAction};
    use crate::document::Window;

    #[test]
    fn preferences_survive_being_written_and_read() {
        let mut preferences = Preferences { scheme: Scheme::Pacs, look: Look::Light, ..Preferences::default() };
        preferences.keys.insert(Command::Fit, vec![Shortcut::parse("Ctrl+Shift+F5").expect("a key")]);
        let middle = MouseInput::of(PointerButton::Middle, egui::Modifiers::SHIFT);
        preferences.drags.insert(middle, MouseAction::Zoom);
        preferences.wheel.insert(MouseInput::wheel(egui::Modifiers::ALT), WheelAction::Nothing);
        let window = Window { width: 1.5, level: 0.25 };
        preferences.windows.push(NamedWindow { name: "ADC \"map\"".into(), window });
        preferences.scale_percent = 175;
        preferences.project_windows.push((u64::MAX - 3, window));
        preferences.keep_windows = false;
        assert_eq!(Preferences::from_toml(&preferences.to_toml()), (preferences, Vec::new()));
        let plain = Preferences::default();
        assert_eq!(Preferences::from_toml(&plain.to_toml()), (plain, Vec::new()));
    }

    #[test]
    fn a_wrong_value_keeps_its_default_and_the_rest_is_used() {
        let text = "scheme = \"pacs\"\nscale_percent = 5000\nwindows = [{name = 'x', width = -3, level = 0}]\nnew = 3\n[keys]\n'no.such' = ['A']\n";
        let (preferences, problems) = Preferences::from_toml(text);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(preferences, Preferences { scheme: Scheme::Pacs, ..Preferences::default() });
        assert_eq!(Preferences::from_toml("}{").1.len(), 1);
    }

    #[test]
    fn scale_steps_stay_in_their_range() {
        let mut preferences = Preferences::default();
        for up in [true, false] {
            for _ in 0..20 {
                preferences.step_scale(up);
                assert!(Preferences::SCALES.contains(&preferences.scale_percent));
            }
        }
        assert_eq!(preferences.scale_percent, 75);
    }
}
