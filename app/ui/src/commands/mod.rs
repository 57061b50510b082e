//! Everything that the window can be told to do: one table that menus, palette, keys, tool-tips and the shortcut sheet read.

mod edits;
mod hand;
mod keymap;
mod label;
mod mouse;
mod run;
mod times;
mod windows;

pub(crate) use edits::select;
pub use keymap::{KeyMap, Shortcut};
pub(crate) use label::{effect_ask, is_stale, take_back_mark, tool_in_hand};
pub use mouse::{MouseAction, MouseInput, MouseMap, WheelAction};
pub use run::show_volume;
pub(crate) use run::{align_centers, is_enabled, is_on, run, set_layout, step_cine, step_slab, step_slices};

pub(crate) use times::{advance as advance_times, step_cine as step_time_cine};

use crate::document::Tool;
use crate::i18n;

/// Who the keys and buttons are laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scheme {
    /// A left drag does what the tool says; it begins with the crosshair.
    #[default]
    Annotator,
    /// As in hospital workstations: the left button sets the window, the right one zooms.
    Pacs,
}

impl Scheme {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Annotator, Self::Pacs];

    /// Its name in files.
    pub fn id(self) -> &'static str {
        match self {
            Self::Annotator => "annotator",
            Self::Pacs => "pacs",
        }
    }

    /// What it is called on the screen.
    pub fn title(self) -> &'static str {
        match self {
            Self::Annotator => i18n::text("scheme-annotator"),
            Self::Pacs => i18n::text("scheme-pacs"),
        }
    }

    /// The tool that the left button has when no other is in hand: it is what sets the schemes apart.
    pub(crate) fn first_tool(self) -> Tool {
        match self {
            Self::Annotator => Tool::Crosshair,
            Self::Pacs => Tool::Window,
        }
    }
}

/// Where a command stands in menus and lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Group {
    File,
    Edit,
    Layout,
    View,
    Slices,
    Window,
    Tool,
    Labels,
    Compare,
    Training,
    Help,
}

impl Group {
    /// In the order of the shortcut sheet.
    pub const ALL: [Self; 11] = [
        Self::File,
        Self::Edit,
        Self::Layout,
        Self::View,
        Self::Slices,
        Self::Window,
        Self::Tool,
        Self::Labels,
        Self::Compare,
        Self::Training,
        Self::Help,
    ];

    /// What it is called on the screen.
    pub fn title(self) -> &'static str {
        i18n::text(match self {
            Self::File => "group-file",
            Self::Edit => "group-edit",
            Self::Layout => "group-layout",
            Self::View => "group-view",
            Self::Slices => "group-slices",
            Self::Window => "group-window",
            Self::Tool => "group-tool",
            Self::Labels => "group-labels",
            Self::Compare => "group-compare",
            Self::Training => "group-training",
            Self::Help => "group-help",
        })
    }
}

/// A row of the table.
struct Row {
    command: Command,
    id: &'static str,
    group: Group,
    /// Keys, separated by spaces, in the annotator's scheme.
    keys: &'static str,
    /// Those of the PACS scheme.
    pacs: &'static str,
}

macro_rules! commands {
    ($($variant:ident $id:literal $group:ident $keys:literal $pacs:literal;)*) => {
        /// Something that the window can be told to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "their ids and texts say it")]
        pub enum Command { $($variant,)* }

        const TABLE: &[Row] = &[$(Row {
            command: Command::$variant,
            id: $id,
            group: Group::$group,
            keys: $keys,
            pacs: $pacs,
        },)*];

        impl Command {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

// Variant, id (the text's id is the same with '-' for '.'), group, keys, keys in the PACS scheme.
commands! {
    Open "file.open" File "Ctrl+O" "Ctrl+O";
    OpenFolder "file.folder" File "" "";
    OpenSample "file.sample" File "" "";
    OpenLabels "file.labels" File "Ctrl+Shift+O" "Ctrl+Shift+O";
    OpenReference "file.reference" File "" "";
    SaveLabels "file.save-labels" File "Ctrl+S" "Ctrl+S";
    SaveImage "file.save-image" File "" "";
    SavePicture "file.picture" File "Ctrl+Shift+E" "Ctrl+Shift+E";
    NextVolume "file.next" File "Ctrl+PageDown" "PageDown";
    PreviousVolume "file.previous" File "Ctrl+PageUp" "PageUp";
    CloseVolume "file.close" File "Ctrl+W" "Ctrl+W";
    Quit "file.quit" File "Ctrl+Q" "Ctrl+Q";
    Undo "edit.undo" Edit "Ctrl+Z" "Ctrl+Z";
    Redo "edit.redo" Edit "Ctrl+Shift+Z Ctrl+Y" "Ctrl+Shift+Z Ctrl+Y";
    Preferences "edit.preferences" Edit "Ctrl+Comma" "Ctrl+Comma";
    LayoutFour "layout.four" Layout "Alt+1" "Alt+1";
    LayoutOne "layout.one" Layout "Alt+2" "Alt+2";
    LayoutOneThree "layout.one-three" Layout "Alt+3" "Alt+3";
    LayoutRow "layout.row" Layout "Alt+4" "Alt+4";
    LayoutSideBySide "layout.side-by-side" Layout "Alt+5" "Alt+5";
    LayoutCompareRows "layout.compare-rows" Layout "Alt+6" "Alt+6";
    NextLayout "layout.next" Layout "Alt+Period" "Period";
    PreviousLayout "layout.previous" Layout "Alt+Comma" "Comma";
    Maximize "view.maximize" View "Enter" "Enter";
    NextView "view.next" View "F6" "F6 ArrowRight";
    PreviousView "view.previous" View "Shift+F6" "Shift+F6 ArrowLeft";
    Fit "view.fit" View "R" "R Space";
    ZoomIn "view.zoom-in" View "Equals Plus" "Equals Plus";
    ZoomOut "view.zoom-out" View "Minus" "Minus";
    ShowCrosshair "view.crosshair" View "X" "X";
    ShowTexts "view.texts" View "T" "T";
    HideIdentifiers "view.hide-identifiers" View "Ctrl+H" "Ctrl+H";
    ShowGrid "view.grid" View "G" "G";
    TurnLeft "view.turn-left" View "Ctrl+Shift+ArrowLeft" "Ctrl+Shift+ArrowLeft";
    TurnRight "view.turn-right" View "Ctrl+Shift+ArrowRight" "Ctrl+Shift+ArrowRight";
    TurnUp "view.turn-up" View "Ctrl+Shift+ArrowUp" "Ctrl+Shift+ArrowUp";
    TurnDown "view.turn-down" View "Ctrl+Shift+ArrowDown" "Ctrl+Shift+ArrowDown";
    FromFront "view.front" View "Alt+A" "Alt+A";
    FromLeft "view.left" View "Alt+L" "Alt+L";
    FromAbove "view.above" View "Alt+S" "Alt+S";
    RenderMode3d "view.render-mode" View "Alt+R" "Alt+R";
    CropBox "view.crop" View "Alt+C" "Alt+C";
    Slices3d "view.slices-3d" View "Alt+P" "Alt+P";
    CurveEditor "view.curve" View "Alt+E" "Alt+E";
    Export3d "view.export" View "" "";
    ToggleLeftPanel "view.left-panel" View "F2" "F2";
    ToggleRightPanel "view.right-panel" View "F3" "F3";
    ToggleTheme "view.theme" View "Ctrl+Shift+L" "Ctrl+Shift+L";
    ScaleUp "view.scale-up" View "Ctrl+Equals Ctrl+Plus" "Ctrl+Equals Ctrl+Plus";
    ScaleDown "view.scale-down" View "Ctrl+Minus" "Ctrl+Minus";
    ScaleReset "view.scale-reset" View "Ctrl+0" "Ctrl+0";
    NextSlice "slice.next" Slices "ArrowUp ArrowRight" "ArrowUp";
    PreviousSlice "slice.previous" Slices "ArrowDown ArrowLeft" "ArrowDown";
    FiveForward "slice.five-forward" Slices "PageUp" "Shift+ArrowUp";
    FiveBack "slice.five-back" Slices "PageDown" "Shift+ArrowDown";
    FirstSlice "slice.first" Slices "Home" "Home";
    LastSlice "slice.last" Slices "End" "End";
    Cine "slice.cine" Slices "Space" "C";
    CineFaster "slice.cine-faster" Slices "Shift+Period" "Shift+Period";
    CineSlower "slice.cine-slower" Slices "Shift+Comma" "Shift+Comma";
    NextTime "slice.next-time" Slices "Ctrl+ArrowRight" "Ctrl+ArrowRight";
    PreviousTime "slice.previous-time" Slices "Ctrl+ArrowLeft" "Ctrl+ArrowLeft";
    TimeCine "slice.time-cine" Slices "Shift+Space" "Shift+Space";
    SlabMode "slice.slab-mode" Slices "M" "M";
    SlabThicker "slice.slab-thicker" Slices "Shift+M" "Shift+M";
    SlabThinner "slice.slab-thinner" Slices "Alt+M" "Alt+M";
    ObliqueReset "slice.oblique-reset" Slices "O" "O";
    CursorLeft "cursor.left" Slices "Alt+ArrowLeft" "Alt+ArrowLeft";
    CursorRight "cursor.right" Slices "Alt+ArrowRight" "Alt+ArrowRight";
    CursorUp "cursor.up" Slices "Alt+ArrowUp" "Alt+ArrowUp";
    CursorDown "cursor.down" Slices "Alt+ArrowDown" "Alt+ArrowDown";
    CursorFarLeft "cursor.far-left" Slices "Shift+Alt+ArrowLeft" "Shift+Alt+ArrowLeft";
    CursorFarRight "cursor.far-right" Slices "Shift+Alt+ArrowRight" "Shift+Alt+ArrowRight";
    CursorFarUp "cursor.far-up" Slices "Shift+Alt+ArrowUp" "Shift+Alt+ArrowUp";
    CursorFarDown "cursor.far-down" Slices "Shift+Alt+ArrowDown" "Shift+Alt+ArrowDown";
    Window1 "window.1" Window "1" "1";
    Window2 "window.2" Window "2" "2";
    Window3 "window.3" Window "3" "3";
    Window4 "window.4" Window "4" "4";
    Window5 "window.5" Window "5" "5";
    Window6 "window.6" Window "6" "6";
    Window7 "window.7" Window "7" "7";
    Window8 "window.8" Window "8" "8";
    Window9 "window.9" Window "9" "9";
    AutoWindow "window.auto" Window "Ctrl+J" "Ctrl+J";
    ResetWindow "window.reset" Window "0" "0";
    Invert "window.invert" Window "I" "I";
    ToolCrosshair "tool.crosshair" Tool "C" "Shift+C";
    ToolWindow "tool.window" Tool "W" "W";
    ToolZoom "tool.zoom" Tool "Z" "Z";
    ToolPan "tool.pan" Tool "H" "H";
    ToolScroll "tool.scroll" Tool "V" "V";
    ToolLength "tool.length" Tool "L" "L";
    ToolAngle "tool.angle" Tool "N" "N";
    ToolCobb "tool.cobb" Tool "Shift+N" "Shift+N";
    ToolBidirectional "tool.bidirectional" Tool "B" "B";
    ToolEllipse "tool.ellipse" Tool "E" "E";
    ToolRectangle "tool.rectangle" Tool "Q" "Q";
    ToolFreehand "tool.freehand" Tool "F" "F";
    ToolSphere "tool.sphere" Tool "U" "U";
    ToolProbe "tool.probe" Tool "P" "P";
    UseTool "tool.use" Tool "Alt+Enter Insert" "Alt+Enter Insert";
    DeleteMeasurement "tool.delete" Tool "Delete Backspace" "Delete Backspace";
    NextMeasurement "tool.next" Tool "J" "J";
    ExportMeasurements "tool.export" Tool "Ctrl+E" "Ctrl+E";
    ExportReport "tool.export-report" Tool "" "";
    Cancel "tool.cancel" Tool "Escape" "Escape";
    LabelFainter "label.fainter" Labels "A" "A";
    LabelToggle "label.toggle" Labels "S" "S";
    LabelStronger "label.stronger" Labels "D" "D";
    LabelOutline "label.outline" Labels "Shift+S" "Shift+S";
    OutlineThinner "label.outline-thinner" Labels "Shift+A" "Shift+A";
    OutlineWider "label.outline-wider" Labels "Shift+D" "Shift+D";
    LabelPaint "label.paint" Labels "Shift+B" "Shift+B";
    LabelErase "label.erase" Labels "Shift+E" "Shift+E";
    LabelPolygon "label.polygon" Labels "Shift+P" "Shift+P";
    LabelLasso "label.lasso" Labels "Shift+L" "Shift+L";
    LabelLiveWire "label.livewire" Labels "Shift+W" "Shift+W";
    LabelScissors "label.scissors" Labels "Shift+X" "Shift+X";
    LabelFill "label.fill" Labels "Shift+F" "Shift+F";
    LabelGrow "label.grow" Labels "Shift+G" "Shift+G";
    LabelLevelTrace "label.level-trace" Labels "Shift+T" "Shift+T";
    LabelIsland "label.island" Labels "Shift+I" "Shift+I";
    LabelSmart "label.smart" Labels "Shift+Q" "Shift+Q";
    LabelPick "label.pick" Labels "Y" "Y";
    NextSegment "label.next" Labels "Period" "Alt+Period";
    PreviousSegment "label.previous" Labels "Comma" "Alt+Comma";
    NewSegment "label.new" Labels "Ctrl+Shift+N" "Ctrl+Shift+N";
    ToggleSegment "label.toggle-one" Labels "Shift+V" "Shift+V";
    LockSegment "label.lock" Labels "Shift+O" "Shift+O";
    LargerTip "label.larger" Labels "CloseBracket" "CloseBracket";
    SmallerTip "label.smaller" Labels "OpenBracket" "OpenBracket";
    ApplyLabels "label.apply" Labels "Ctrl+Enter" "Ctrl+Enter";
    PreviewLabels "label.preview" Labels "Shift+Enter" "Shift+Enter";
    EffectThreshold "label.threshold" Labels "Shift+Alt+T" "Shift+Alt+T";
    EffectGrowFromSeeds "label.grow-from-seeds" Labels "Shift+Alt+G" "Shift+Alt+G";
    EffectWatershed "label.watershed" Labels "Shift+Alt+W" "Shift+Alt+W";
    EffectBetweenSlices "label.between-slices" Labels "Shift+Alt+B" "Shift+Alt+B";
    EffectIslands "label.islands" Labels "Shift+Alt+I" "Shift+Alt+I";
    EffectSmooth "label.smooth" Labels "Shift+Alt+S" "Shift+Alt+S";
    EffectMargin "label.margin" Labels "Shift+Alt+M" "Shift+Alt+M";
    EffectHollow "label.hollow" Labels "Shift+Alt+H" "Shift+Alt+H";
    EffectFillHoles "label.fill-holes" Labels "Shift+Alt+F" "Shift+Alt+F";
    EffectLogic "label.logic" Labels "Shift+Alt+L" "Shift+Alt+L";
    CopySlice "label.copy-slice" Labels "Ctrl+C" "Ctrl+C";
    PasteSlice "label.paste-slice" Labels "Ctrl+V" "Ctrl+V";
    LabelStatistics "label.statistics" Labels "" "";
    LabelWork "label.work" Labels "" "";
    LinkScroll "compare.link-scroll" Compare "Ctrl+L" "Ctrl+L";
    LinkZoom "compare.link-zoom" Compare "" "";
    LinkWindow "compare.link-window" Compare "" "";
    AlignHere "compare.align" Compare "Ctrl+Shift+A" "Ctrl+Shift+A";
    SwapSides "compare.swap" Compare "Ctrl+Shift+S" "Ctrl+Shift+S";
    Blend "compare.blend" Compare "" "";
    Checkerboard "compare.checkerboard" Compare "K" "K";
    Swipe "compare.swipe" Compare "Shift+K" "Shift+K";
    Pretrain "training.pretrain" Training "" "";
    Finetune "training.finetune" Training "" "";
    Segment "training.segment" Training "" "";
    Runs "training.runs" Training "" "";
    Models "training.models" Training "" "";
    Palette "help.palette" Help "Ctrl+K Ctrl+Shift+P" "Ctrl+K Ctrl+Shift+P";
    Shortcuts "help.shortcuts" Help "F1 Questionmark" "F1 Questionmark";
}

impl Command {
    fn row(self) -> &'static Row {
        // The table is written in the order of the enum.
        &TABLE[self as usize]
    }

    /// Its name in files.
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The command of that name.
    pub fn from_id(id: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.id == id).map(|row| row.command)
    }

    /// Where it stands.
    pub fn group(self) -> Group {
        self.row().group
    }

    /// What it is called on the screen.
    pub fn title(self) -> &'static str {
        i18n::find(&text_id(self.id())).unwrap_or(self.id())
    }

    /// The keys of a scheme.
    pub fn default_keys(self, scheme: Scheme) -> Vec<Shortcut> {
        let row = self.row();
        let keys = if scheme == Scheme::Pacs { row.pacs } else { row.keys };
        keys.split_whitespace().filter_map(Shortcut::parse).collect()
    }
}

fn text_id(id: &str) -> String {
    id.replace('.', "-")
}

/// Commands whose text holds all letters of `typed` in order, best first: whole words and beginnings before scattered letters.
pub fn find(typed: &str) -> Vec<Command> {
    let wanted = typed.trim().to_lowercase();
    let mut found: Vec<(usize, Command)> = Command::ALL
        .iter()
        .filter_map(|&command| {
            let title = command.title().to_lowercase();
            let text = format!("{title} {}", command.group().title()).to_lowercase();
            score(&text, title.len(), &wanted).map(|score| (score, command))
        })
        .collect();
    found.sort_by_key(|&(score, _)| score);
    found.into_iter().map(|(_, command)| command).collect()
}

/// Less is better. Letters that are scattered count within the title only: over the group's name, nearly everything has them.
fn score(text: &str, title_len: usize, wanted: &str) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    if let Some(at) = text.find(wanted) {
        let begins_word = at == 0 || text[..at].ends_with([' ', '(', '/', '-']);
        return Some(at + if begins_word { 0 } else { 100 });
    }
    let words_all_found = wanted.split_whitespace().all(|word| text.contains(word));
    if words_all_found {
        return Some(300);
    }
    let mut letters = text.get(..title_len)?.char_indices();
    let (mut first, mut last) = (None, 0);
    for letter in wanted.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = letters.find(|&(_, c)| c == letter)?;
        first.get_or_insert(at);
        last = at;
    }
    let reach = last - first.unwrap_or(0);
    // Further apart they are a chance.
    (reach <= wanted.len() * 5 / 2).then_some(1000 + reach)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Command, Group, Scheme, TABLE, find};
    use crate::i18n;

    #[test]
    fn every_command_has_a_text_one_id_and_keys_that_are_read() {
        for (n, row) in TABLE.iter().enumerate() {
            assert_eq!(row.command as usize, n, "{}", row.id);
            assert!(i18n::has_text(&super::text_id(row.id)), "{} has no text", row.id);
            assert_eq!(Command::from_id(row.id), Some(row.command));
            for (scheme, keys) in [(Scheme::Annotator, row.keys), (Scheme::Pacs, row.pacs)] {
                let read = row.command.default_keys(scheme).len();
                assert_eq!(read, keys.split_whitespace().count(), "{}: {keys}", row.id);
            }
        }
        for group in Group::ALL {
            assert!(!group.title().starts_with("group-"), "{group:?} has no text");
        }
    }

    #[test]
    fn no_key_does_two_things() {
        for scheme in Scheme::ALL {
            let mut taken = HashMap::new();
            for &command in Command::ALL {
                for key in command.default_keys(scheme) {
                    let before = taken.insert(key.to_string(), command);
                    assert_eq!(before, None, "{scheme:?}: {key} is {command:?}, too");
                }
            }
        }
    }

    #[test]
    fn the_palette_finds_by_words_beginnings_and_scattered_letters() {
        assert_eq!(find("length")[0], Command::ToolLength);
        assert_eq!(find("side")[0], Command::LayoutSideBySide);
        assert!(find("opnlb").contains(&Command::OpenLabels));
        let slab = [Command::SlabMode, Command::SlabThicker, Command::SlabThinner];
        assert_eq!(find("slab"), slab, "not what has these letters here and there");
        assert_eq!(find("").len(), Command::ALL.len());
        assert!(find("qqqq").is_empty());
    }
}
