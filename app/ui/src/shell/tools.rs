use egui::Ui;
use voco_render::SlabMode;

use crate::commands::{self, Command, KeyMap};
use crate::document::Tool;
use crate::measure::MeasureKind;
use crate::{Outbox, Session, ViewSettings, i18n, icons};

const LAYOUTS: [(Command, &str); 6] = [
    (Command::LayoutFour, "layout-four"),
    (Command::LayoutOne, "layout-one"),
    (Command::LayoutOneThree, "layout-one-three"),
    (Command::LayoutRow, "layout-row"),
    (Command::LayoutSideBySide, "layout-side-by-side"),
    (Command::LayoutCompareRows, "layout-compare-rows"),
];

/// The bar below the menu: what the left button does, layouts, how slices look.
pub(super) fn show(
    ui: &mut Ui,
    keys: &KeyMap,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
) {
    let mut chosen = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        let mut add = |ui: &mut Ui, command: Command, icon: &str| {
            let is_on = commands::is_on(command, session, settings) == Some(true);
            let enabled = commands::is_enabled(command, session, settings);
            if icons::button(ui, icon, command.title(), &keys.tip(command), is_on, enabled).clicked() {
                chosen = Some(command);
            }
        };
        for tool in Tool::ALL {
            if tool == Tool::Measure(MeasureKind::Length) {
                ui.separator();
            }
            add(ui, tool.command(), icon_of(tool));
        }
        ui.separator();
        for (command, icon) in LAYOUTS {
            add(ui, command, icon);
        }
        ui.separator();
        add(ui, Command::Fit, "fit");
        add(ui, Command::Invert, "invert");
        add(ui, Command::Cine, if settings.cine.is_playing { "pause" } else { "play" });
        add(ui, Command::ObliqueReset, "oblique");
        slab(ui, keys, settings);
    });
    if let Some(command) = chosen {
        commands::run(command, session, settings, outbox);
    }
}

/// Switches at the right end of the menu bar; the last one is outermost.
pub(super) fn switches(ui: &mut Ui, keys: &KeyMap, session: &Session, settings: &ViewSettings) -> Option<Command> {
    let is_dark = settings.preferences.look == crate::Look::Dark;
    let is_hidden = settings.preferences.hide_identifiers;
    let mut chosen = None;
    ui.spacing_mut().item_spacing.x = 2.0;
    for (command, icon) in [
        (Command::ToggleRightPanel, "panel-right"),
        (Command::ToggleLeftPanel, "panel-left"),
        (Command::Preferences, "settings"),
        (Command::ToggleTheme, if is_dark { "sun" } else { "theme" }),
        (Command::HideIdentifiers, if is_hidden { "eye-off" } else { "eye" }),
    ] {
        let is_on = commands::is_on(command, session, settings) == Some(true);
        if icons::button(ui, icon, command.title(), &keys.tip(command), is_on, true).clicked() {
            chosen = Some(command);
        }
    }
    chosen
}

fn slab(ui: &mut Ui, keys: &KeyMap, settings: &mut ViewSettings) {
    ui.separator();
    let modes = [
        (SlabMode::Thin, "slab-thin"),
        (SlabMode::Max, "slab-max"),
        (SlabMode::Min, "slab-min"),
        (SlabMode::Mean, "slab-mean"),
    ];
    let name = modes.iter().find(|(m, _)| *m == settings.slab.mode).map_or("", |(_, id)| i18n::text(id));
    let list = egui::ComboBox::from_id_salt("slab").width(86.0).selected_text(name).show_ui(ui, |ui| {
        for (mode, id) in modes {
            ui.selectable_value(&mut settings.slab.mode, mode, i18n::text(id));
        }
    });
    let list = list.response.on_hover_text(keys.tip(Command::SlabMode)).id;
    if settings.slab.mode != SlabMode::Thin {
        ui.add_space(4.0);
        let value = egui::DragValue::new(&mut settings.slab.thickness_mm)
            .range(1.0..=200.0)
            .speed(0.5)
            .max_decimals(1)
            .suffix(" mm");
        ui.add(value).labelled_by(list).on_hover_text(keys.tip(Command::SlabThicker));
    }
}

pub(crate) fn icon_of(tool: Tool) -> &'static str {
    match tool {
        Tool::Crosshair => "crosshair",
        Tool::Window => "window",
        Tool::Zoom => "zoom",
        Tool::Pan => "pan",
        Tool::Scroll => "scroll",
        Tool::Measure(kind) => kind.id(),
        Tool::Label(tool) => tool.id(),
    }
}
