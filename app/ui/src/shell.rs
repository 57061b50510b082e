mod keys;
mod layout;
mod menu;
mod palette;
mod preferences;
mod projects;
mod sheet;
mod status;
mod tools;

pub(crate) use tools::icon_of;

use std::collections::BTreeSet;

use egui::{Ui, Widget};

use crate::commands::{self, Command, KeyMap, MouseMap};
use crate::document::{HangingProtocol, Pane, Side};
use crate::panels::{self, section};
use crate::{Outbox, Preferences, Request, Session, ViewSettings, VolumeId, Work, i18n, theme};

/// The whole window: menu, tools, side panels, views, status bar.
pub struct Shell {
    layout: layout::LayoutTree,
    palette: palette::Palette,
    sheet: sheet::Sheet,
    windows: preferences::Windows,
    maps: Maps,
    protocols: Vec<HangingProtocol>,
    /// Volumes that were hung already, by number.
    hung: BTreeSet<u64>,
}

/// What keys and buttons do, made again when the user changes it.
struct Maps {
    made_for: Preferences,
    keys: KeyMap,
    mouse: MouseMap,
}

impl Default for Shell {
    fn default() -> Self {
        let preferences = Preferences::default();
        let (keys, mouse) = (preferences.key_map(), preferences.mouse_map());
        Self {
            layout: layout::LayoutTree::default(),
            palette: palette::Palette::default(),
            sheet: sheet::Sheet::default(),
            windows: preferences::Windows::default(),
            maps: Maps { made_for: preferences, keys, mouse },
            protocols: HangingProtocol::built_in(),
            hung: BTreeSet::new(),
        }
    }
}

impl Shell {
    /// Draws the window and takes its input.
    pub fn show(&mut self, ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
        if self.maps.made_for != settings.preferences {
            let preferences = settings.preferences.clone();
            if self.maps.made_for.scheme != preferences.scheme {
                settings.tool = preferences.scheme.first_tool();
            }
            let (keys, mouse) = (preferences.key_map(), preferences.mouse_map());
            self.maps = Maps { made_for: preferences, keys, mouse };
        }
        theme::set(ui.ctx(), &settings.preferences);
        self.begin_frame(ui, session, settings, outbox);
        if !self.sheet.is_waiting_for_key() {
            keys::take(ui, &self.maps.keys, session, settings, outbox);
        }
        egui::Panel::top("menu").show(ui, |ui| menu::show(ui, &self.maps.keys, session, settings, outbox));
        egui::Panel::top("tools").show(ui, |ui| tools::show(ui, &self.maps.keys, session, settings, outbox));
        egui::Panel::bottom("status").show(ui, |ui| status::show(ui, session, settings));
        // Views come first where there is little room.
        let width = ui.ctx().content_rect().width();
        if settings.show_panels[0] && width >= 520.0 {
            self.left_panel(ui, session, settings, outbox);
        }
        if settings.show_panels[1] && width >= 820.0 {
            egui::Panel::right("right").default_size(330.0).min_size(280.0).show(ui, |ui| {
                egui::ScrollArea::vertical().id_salt("right panel").auto_shrink([false, false]).show(ui, |ui| {
                    work_ui(ui, session, settings, outbox, &self.maps.keys);
                });
            });
        }
        settings.hover_mm = None;
        // Between views the colour that the frame was cleared with is seen: each pixel painted twice costs time where no GPU helps.
        egui::CentralPanel::default().frame(egui::Frame::NONE).show(ui, |ui| {
            settings.views_rect = ui.max_rect();
            if session.active().is_none() {
                empty_ui(ui, session, outbox, &self.maps.keys, settings.preferences.hide_identifiers);
            } else {
                self.layout.show(ui, session, settings, &self.maps.mouse);
            }
        });
        // A view that is not on the screen cannot use a tool.
        settings.uses_tool_at_cursor = None;
        settings.asks.drain(..).for_each(|ask| outbox.ask(ask));
        panels::series_window(ui, session, outbox, settings.preferences.hide_identifiers);
        panels::models_window(ui, session, outbox);
        panels::runs_window(ui, session, outbox);
        panels::curve_window(ui, session, settings, outbox);
        panels::export_window(ui, session, settings, outbox);
        panels::save_labels_window(ui, session, outbox);
        panels::terms_window(ui, session);
        self.sheet.show(ui, &self.maps.keys, settings);
        self.windows.show(ui, settings);
        if let Some(command) = self.palette.show(ui, &self.maps.keys, session, settings) {
            commands::run(command, session, settings, outbox);
        }
        drop_hint(ui);
        panels::closing_window(ui, session, settings, outbox);
    }

    fn left_panel(&self, ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
        egui::Panel::left("left").default_size(280.0).min_size(230.0).show(ui, |ui| {
            egui::ScrollArea::vertical().id_salt("left panel").auto_shrink([false, false]).show(ui, |ui| {
                section(ui, i18n::text("section-volumes"), |ui| {
                    panels::volumes_ui(ui, session, settings, outbox, &self.maps.keys);
                });
                section(ui, i18n::text("section-image"), |ui| {
                    panels::times_ui(ui, session, settings, outbox, &self.maps.keys);
                    panels::image_ui(ui, session, settings, &self.maps.keys);
                });
                section(ui, i18n::text("section-3d"), |ui| panels::volume3d_ui(ui, session, settings, &self.maps.keys));
                section(ui, i18n::text("section-measurements"), |ui| {
                    panels::measure_ui(ui, session, settings, outbox, &self.maps.keys);
                });
                section(ui, i18n::text("section-labels"), |ui| {
                    panels::resample_ui(ui, session, outbox);
                    panels::labels_ui(ui, session, settings, outbox);
                });
                if session.volumes.len() > 1 {
                    section(ui, i18n::text("section-overlays"), |ui| panels::overlays_ui(ui, session, settings));
                }
                section(ui, i18n::text("section-compare"), |ui| panels::compare_ui(ui, session, settings, outbox));
                section(ui, i18n::text("section-grid"), |ui| panels::position_ui(ui, session, settings, outbox));
            });
        });
    }

    /// What goes on without a hand: hanging of a new volume, cine, counting of voxels, keeping of measurements.
    fn begin_frame(&mut self, ui: &Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
        settings.overlays.retain(|o| session.volume(o.volume).is_some());
        if settings.compare.other.is_some_and(|id| session.volume(id).is_none()) {
            settings.compare.other = None;
        }
        if settings.layout.compares() && settings.compare.other.is_none() && session.volumes.len() > 1 {
            commands::set_layout(session, settings, settings.layout);
            commands::align_centers(session, settings);
        }
        commands::advance_times(session, outbox);
        let Some(id) = session.active else { return };
        for volume in session.volumes.iter().map(|v| v.id).collect::<Vec<_>>() {
            if self.hung.insert(volume.0) {
                outbox.ask(Request::LoadMeasurements(volume));
                if settings.preferences.hang {
                    hang(&self.protocols, session, settings, volume);
                }
                projects::hang(session, settings, volume, &self.protocol_of(session, volume));
                let window = session.volume(volume).map(|v| v.window);
                settings.opened_with.extend(window.map(|w| (volume.0, w)));
            }
        }
        crate::views::ask_for_scene(ui, session, settings, outbox);
        let seconds = ui.input(|i| i.stable_dt);
        let steps = settings.cine.advance(seconds, settings.preferences.cine_per_second);
        if steps > 0 && settings.cine.is_over_time {
            commands::step_time_cine(session, settings);
        } else if steps > 0 {
            commands::step_cine(session, settings, steps);
        }
        if settings.cine.is_playing {
            ui.ctx().request_repaint();
        }
        let is_idle = settings.drag.is_none();
        if is_idle && !ui.input(|i| i.pointer.any_down()) {
            projects::remember(session, settings, id, &self.protocol_of(session, id));
        }
        for id in [Some(id), settings.compare.other].into_iter().flatten() {
            let Some(volume) = session.volumes.iter().find(|v| v.id == id) else { continue };
            let Some(doc) = session.measurements.get_mut(&id.0) else { continue };
            if doc.advance(&volume.volume) {
                ui.ctx().request_repaint();
            }
            if is_idle && doc.key.is_some() && doc.revision != doc.saved_revision {
                doc.saved_revision = doc.revision;
                outbox.ask(Request::SaveMeasurements(id));
            }
        }
    }

    /// The name of the protocol that a volume is hung by.
    fn protocol_of(&self, session: &Session, id: VolumeId) -> String {
        let found =
            session.volume(id).and_then(|v| HangingProtocol::find(&self.protocols, v, session.exams.get(&id.0)));
        found.map_or_else(String::new, |protocol| protocol.name.clone())
    }
}

/// Lays a new volume out by the first protocol that fits. What the user set up by hand stays: only the four views that one
/// begins with are changed.
fn hang(protocols: &[HangingProtocol], session: &mut Session, settings: &mut ViewSettings, id: VolumeId) {
    let Some(volume) = session.volume(id) else { return };
    let Some(protocol) = HangingProtocol::find(protocols, volume, session.exams.get(&id.0)) else { return };
    let window = settings.preferences.windows.iter().find(|w| w.name == protocol.window).map(|w| w.window);
    let is_shown = session.active == Some(id);
    let preset = settings.transfer_functions.iter().position(|t| t.name == protocol.preset_3d);
    if let Some(preset) = preset.filter(|_| is_shown) {
        settings.transfer_function = preset;
    }
    if is_shown && session.volumes.len() == 1 && settings.layout == crate::Layout::default() {
        settings.layout = protocol.layout();
        settings.active_view = Pane { kind: settings.main_view, side: Side::A };
    }
    if let (Some(window), Some(volume)) = (window, session.volume_mut(id)) {
        volume.window = window;
    }
}

/// The right panel: what networks are wanted for.
fn work_ui(
    ui: &mut Ui,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
    keys: &commands::KeyMap,
) {
    ui.horizontal(|ui| {
        for (work, command, hint, is_running) in [
            (Work::Label, Command::LabelWork, "work-label-tip", false),
            (Work::Pretrain, Command::Pretrain, "work-pretrain-tip", session.training.is_running()),
            (Work::Finetune, Command::Finetune, "work-finetune-tip", session.finetune.is_running()),
            (Work::Segment, Command::Segment, "work-segment-tip", session.segment.is_running()),
        ] {
            let text = if is_running { format!("{} …", command.title()) } else { command.title().to_owned() };
            ui.selectable_value(&mut settings.work, work, text).on_hover_text(i18n::text(hint));
        }
    });
    ui.separator();
    match settings.work {
        Work::Label => panels::label_tools_ui(ui, session, settings, outbox, keys),
        Work::Pretrain => panels::training_ui(ui, session, settings, outbox),
        Work::Finetune => panels::finetune_ui(ui, session, outbox),
        Work::Segment => panels::segment_ui(ui, session, outbox),
    }
}

/// What to do when nothing is open.
fn empty_ui(ui: &mut Ui, session: &Session, outbox: &mut Outbox, keys: &KeyMap, hides_names: bool) {
    ui.painter().rect_filled(ui.max_rect(), 0, theme::VIEW_BACKGROUND);
    // It lies on black in every look.
    ui.visuals_mut().override_text_color = Some(theme::ON_PICTURE);
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.33);
        if let Some(loading) = session.loading.first() {
            let name = if hides_names { "" } else { loading.name.as_str() };
            ui.heading(i18n::text_with("opening", [("name", name.into())]));
            ui.add(egui::ProgressBar::new(loading.progress).desired_width(320.0));
            return;
        }
        ui.heading(i18n::text("empty-drop"));
        ui.add_space(4.0);
        ui.label(egui::RichText::new(i18n::text("empty-formats")).color(theme::ON_PICTURE_WEAK));
        ui.add_space(14.0);
        ui.visuals_mut().override_text_color = None;
        for (text, request, command) in [
            ("empty-open", Request::OpenDialog, Command::Open),
            ("empty-folder", Request::OpenFolderDialog, Command::OpenFolder),
            ("empty-sample", Request::OpenSample, Command::OpenSample),
        ] {
            let button = egui::Button::new(i18n::text(text)).min_size(egui::vec2(190.0, 28.0)).ui(ui);
            if button.on_hover_text(keys.tip(command)).clicked() {
                outbox.ask(request);
            }
        }
    });
}

/// Says what will happen to files held over the window.
fn drop_hint(ui: &Ui) {
    let count = ui.input(|i| i.raw.hovered_files.len());
    if count > 0 {
        let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
        let rect = ui.ctx().content_rect();
        painter.rect_filled(rect, 0, egui::Color32::from_black_alpha(170));
        let text = i18n::text_with("drop-files", [("count", count.into())]);
        let font = egui::FontId::proportional(26.0);
        painter.text(rect.center(), egui::Align2::CENTER_CENTER, text, font, theme::ON_PICTURE);
    }
}
