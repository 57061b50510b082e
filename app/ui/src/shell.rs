use egui::{Key, Modifiers, RichText, Ui};
use egui_tiles::{Behavior, SimplificationOptions, TileId, Tiles, Tree, UiResponse};
use voco_volume::Stats;

use crate::panels::{self, section};
use crate::views::{slice_ui, volume_ui};
use crate::{LeftDrag, Notice, Outbox, Request, Session, ViewKind, ViewSettings, Window, WindowPreset, Work, theme};

/// The whole window: menu, side panels, four views, status bar.
pub struct Shell {
    tree: Tree<ViewKind>,
    opacity_before_hiding: f32,
    /// Set when a label's visibility changed, so that its colours go to the graphics memory again.
    pub labels_changed: bool,
}

impl Default for Shell {
    fn default() -> Self {
        let mut tiles = Tiles::default();
        let panes = ViewKind::ALL.map(|kind| tiles.insert_pane(kind)).to_vec();
        let root = tiles.insert_grid_tile(panes);
        Self {
            tree: Tree::new(egui::Id::unique("views"), root, tiles),
            opacity_before_hiding: 0.35,
            labels_changed: false,
        }
    }
}

impl Shell {
    /// Draws the window and takes its input.
    pub fn show(&mut self, ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
        self.keys(ui, session, settings, outbox);
        egui::Panel::top("menu").show(ui, |ui| menu_ui(ui, session, settings, outbox));
        egui::Panel::bottom("status").show(ui, |ui| status_ui(ui, session, settings));
        egui::Panel::left("left").default_size(270.0).min_size(220.0).show(ui, |ui| {
            egui::ScrollArea::vertical().id_salt("left panel").auto_shrink([false, false]).show(ui, |ui| {
                section(ui, "Volumes", |ui| panels::volumes_ui(ui, session, settings, outbox));
                section(ui, "Image", |ui| panels::image_ui(ui, session, settings));
                section(ui, "Labels", |ui| {
                    panels::resample_ui(ui, session, outbox);
                    self.labels_changed |= panels::labels_ui(ui, session, settings);
                });
                section(ui, "Compare", |ui| panels::compare_ui(ui, session, settings, outbox));
                section(ui, "VoCo grid", |ui| panels::position_ui(ui, session, settings, outbox));
            });
        });
        egui::Panel::right("right").default_size(330.0).min_size(280.0).show(ui, |ui| {
            egui::ScrollArea::vertical().id_salt("right panel").auto_shrink([false, false]).show(ui, |ui| {
                work_ui(ui, session, settings, outbox);
            });
        });
        settings.hover_mm = None;
        let frame = egui::Frame::NONE.fill(theme::VIEW_BACKGROUND);
        egui::CentralPanel::default().frame(frame).show(ui, |ui| {
            if session.active().is_none() {
                empty_ui(ui, session, outbox);
            } else if let Some(kind) = settings.maximized {
                view_ui(ui, session, settings, kind);
            } else {
                self.tree.ui(&mut Views { session, settings }, ui);
            }
        });
        panels::series_window(ui, session, outbox);
        panels::models_window(ui, session, outbox);
        panels::runs_window(ui, session, outbox);
        help_window(ui, settings);
        drop_hint(ui);
    }

    fn keys(&mut self, ui: &Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
        if ui.ctx().text_edit_focused() {
            return;
        }
        let pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
        if ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::O)) {
            outbox.ask(Request::OpenDialog);
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::S))
            && let Some(volume) = session.active().filter(|v| v.labels.is_some())
        {
            outbox.ask(Request::SaveLabelsDialog(volume.id));
        }
        // With Shift first: the other pattern would match it, too.
        if ui.input_mut(|i| {
            i.consume_key(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z) || i.consume_key(Modifiers::COMMAND, Key::Y)
        }) {
            outbox.ask(Request::RedoLabels);
        } else if ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::Z)) {
            outbox.ask(Request::UndoLabels);
        }
        let digits =
            [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];
        for (key, preset) in digits.into_iter().zip(WindowPreset::ALL) {
            if pressed(key)
                && let Some(volume) = session.active_mut()
            {
                volume.window = preset.window;
            }
        }
        if pressed(Key::A) {
            settings.label_opacity = (settings.label_opacity - 0.1).max(0.0);
        }
        if pressed(Key::D) {
            settings.label_opacity = (settings.label_opacity + 0.1).min(1.0);
        }
        if pressed(Key::S) {
            if settings.label_opacity > 0.0 {
                self.opacity_before_hiding = settings.label_opacity;
                settings.label_opacity = 0.0;
            } else {
                settings.label_opacity = self.opacity_before_hiding;
            }
        }
        if pressed(Key::C) {
            settings.left_drag = LeftDrag::Crosshair;
        }
        if pressed(Key::W) {
            settings.left_drag = LeftDrag::Window;
        }
        if pressed(Key::X) {
            settings.show_crosshair = !settings.show_crosshair;
        }
        if pressed(Key::G) {
            settings.show_grid = !settings.show_grid;
        }
        if pressed(Key::R)
            && let Some(volume) = session.active()
        {
            settings.reset_slices();
            settings.camera = voco_render::VolumeCamera::fit(volume.volume.geometry());
        }
        if pressed(Key::F1) {
            settings.show_help = !settings.show_help;
        }
        if pressed(Key::Escape) {
            settings.maximized = None;
            settings.show_help = false;
        }
    }
}

/// The right panel: what networks are wanted for.
fn work_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        for (work, text, hint, is_running) in [
            (Work::Pretrain, "Pre-train", "VoCo, on volumes without labels", session.training.is_running()),
            (Work::Finetune, "Fine-tune", "Training with labels", session.finetune.is_running()),
            (Work::Segment, "Segment", "Labels for the volume on show", session.segment.is_running()),
        ] {
            let text = if is_running { format!("{text} …") } else { text.to_owned() };
            ui.selectable_value(&mut settings.work, work, text).on_hover_text(hint);
        }
    });
    ui.separator();
    match settings.work {
        Work::Pretrain => panels::training_ui(ui, session, settings, outbox),
        Work::Finetune => panels::finetune_ui(ui, session, outbox),
        Work::Segment => panels::segment_ui(ui, session, outbox),
    }
}

struct Views<'a> {
    session: &'a mut Session,
    settings: &'a mut ViewSettings,
}

impl Behavior<ViewKind> for Views<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, kind: &mut ViewKind) -> UiResponse {
        view_ui(ui, self.session, self.settings, *kind);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, kind: &ViewKind) -> egui::WidgetText {
        kind.title().into()
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        3.0
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: false, ..Default::default() }
    }
}

fn view_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, kind: ViewKind) {
    match kind {
        ViewKind::Slice(plane) => slice_ui(ui, session, settings, plane),
        ViewKind::Volume => volume_ui(ui, session, settings),
    }
}

fn menu_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    egui::MenuBar::new().ui(ui, |ui| {
        ui.menu_button("File", |ui| {
            let mut item = |ui: &mut Ui, text: &str, request: Request| {
                if ui.button(text).clicked() {
                    outbox.ask(request);
                    ui.close();
                }
            };
            item(ui, "Open…  (Ctrl+O)", Request::OpenDialog);
            item(ui, "Open DICOM folder…", Request::OpenFolderDialog);
            item(ui, "Open sample CT", Request::OpenSample);
            ui.add_enabled_ui(session.active.is_some(), |ui| item(ui, "Open label map…", Request::OpenLabelsDialog));
            let has_labels = session.active().is_some_and(|v| v.labels.is_some());
            ui.add_enabled_ui(has_labels, |ui| item(ui, "Open reference labels…", Request::OpenReferenceDialog));
            if let Some(id) = session.active {
                ui.add_enabled_ui(has_labels, |ui| item(ui, "Save labels…  (Ctrl+S)", Request::SaveLabelsDialog(id)));
            }
            ui.add_enabled_ui(!session.recent.is_empty(), |ui| {
                ui.menu_button("Recent files", |ui| {
                    for path in &session.recent {
                        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                        if ui.button(name).clicked() {
                            outbox.ask(Request::Open(vec![path.clone()]));
                            ui.close();
                        }
                    }
                });
            });
            if let Some(id) = session.active
                && ui.button("Close volume").clicked()
            {
                outbox.ask(Request::Close(id));
                ui.close();
            }
            ui.separator();
            if ui.button("Quit").clicked() {
                outbox.ask(Request::Quit);
            }
        });
        ui.menu_button("Edit", |ui| {
            let history = session.active().map(|v| &v.label_history);
            for (verb, keys, name, request) in [
                ("Undo", "Ctrl+Z", history.and_then(|h| h.undo_name()), Request::UndoLabels),
                ("Redo", "Ctrl+Y", history.and_then(|h| h.redo_name()), Request::RedoLabels),
            ] {
                let text = name.map_or(format!("{verb}  ({keys})"), |name| format!("{verb}: {name}  ({keys})"));
                if ui.add_enabled(name.is_some(), egui::Button::new(text)).clicked() {
                    outbox.ask(request);
                    ui.close();
                }
            }
        });
        ui.menu_button("View", |ui| {
            for kind in ViewKind::ALL {
                if ui.selectable_label(settings.maximized == Some(kind), kind.title()).clicked() {
                    settings.maximized = Some(kind);
                    ui.close();
                }
            }
            if ui.selectable_label(settings.maximized.is_none(), "Four views").clicked() {
                settings.maximized = None;
                ui.close();
            }
            ui.separator();
            ui.checkbox(&mut settings.show_crosshair, "Crosshair  (X)");
            ui.checkbox(&mut settings.show_grid, "Base crops  (G)");
            if ui.button("Fit and centre  (R)").clicked() {
                settings.reset_slices();
                ui.close();
            }
        });
        ui.menu_button("Training", |ui| {
            if ui.button("Runs…").on_hover_text("Compare runs, read their settings, write notes").clicked() {
                session.runs.is_open = true;
                outbox.ask(Request::ListRuns);
                ui.close();
            }
            let models = ui.button("Models…").on_hover_text("Published networks, to fine-tune and to segment with");
            if models.clicked() {
                session.models.is_open = true;
                outbox.ask(Request::ListModels);
                ui.close();
            }
        });
        ui.menu_button("Help", |ui| {
            if ui.button("Mouse and keys  (F1)").clicked() {
                settings.show_help = true;
                ui.close();
            }
        });
    });
}

fn status_ui(ui: &mut Ui, session: &mut Session, settings: &ViewSettings) {
    ui.horizontal(|ui| {
        if let Some(volume) = session.active() {
            let point = settings.hover_mm.unwrap_or(settings.cursor_mm);
            let side =
                |v: f64, plus: char, minus: char| format!("{} {:.1}", if v >= 0.0 { plus } else { minus }, v.abs());
            let place = [side(point.x, 'R', 'L'), side(point.y, 'A', 'P'), side(point.z, 'S', 'I')].join("  ");
            ui.monospace(format!("{place} mm"));
            ui.separator();
            if let Some(voxel @ [i, j, k]) = volume.volume.voxel_at_world(point) {
                let value = volume.volume.value(voxel).unwrap_or(f64::NAN);
                let digits = panels::decimals(volume.stats.max - volume.stats.min);
                let unit = if looks_like_ct(&volume.stats) { " HU" } else { "" };
                ui.monospace(format!("voxel {i}, {j}, {k}"));
                ui.separator();
                ui.monospace(format!(
                    "{}{unit}",
                    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.digits$}") }
                ));
                if let Some((id, name)) = volume.labels.as_ref().and_then(|l| l.at_world(point)) {
                    ui.separator();
                    ui.label(format!("{name} ({id})"));
                }
            } else {
                ui.weak("outside the volume");
            }
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new(&session.adapter_name).small().weak()).on_hover_text("Graphics adapter");
            notices_ui(ui, session);
        });
    });
}

/// The last thing said to the user, and how many are below it; all of them on hovering.
fn notices_ui(ui: &mut Ui, session: &mut Session) {
    let Some(last) = session.notices.last() else { return };
    let color = |notice: &Notice| if notice.is_error { theme::ERROR } else { theme::ON_PICTURE };
    let dismiss = ui.small_button("×").on_hover_text("Dismiss").clicked();
    let more = session.notices.len() - 1;
    let text = if more == 0 { last.text.clone() } else { format!("{} (+{more})", last.text) };
    let label = ui.add(egui::Label::new(RichText::new(text).color(color(last))).truncate());
    label.on_hover_ui(|ui| {
        for notice in session.notices.iter().rev() {
            ui.label(RichText::new(&notice.text).color(color(notice)));
        }
    });
    if dismiss {
        session.notices.pop();
    }
}

fn looks_like_ct(stats: &Stats) -> bool {
    Window::default_for(stats) == WindowPreset::ALL[0].window
}

/// What to do when nothing is open.
fn empty_ui(ui: &mut Ui, session: &Session, outbox: &mut Outbox) {
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.33);
        if let Some(loading) = session.loading.first() {
            ui.heading(format!("Opening {}…", loading.name));
            ui.add(egui::ProgressBar::new(loading.progress).desired_width(320.0));
            return;
        }
        ui.heading("Drop a CT or MR volume here");
        ui.add_space(4.0);
        ui.weak("NIfTI, DICOM files and folders, NRRD, MetaImage, OME-Zarr");
        ui.add_space(12.0);
        if ui.button("Open files…").clicked() {
            outbox.ask(Request::OpenDialog);
        }
        if ui.button("Open a DICOM folder…").clicked() {
            outbox.ask(Request::OpenFolderDialog);
        }
        if ui.button("Open the sample CT").clicked() {
            outbox.ask(Request::OpenSample);
        }
    });
}

fn help_window(ui: &Ui, settings: &mut ViewSettings) {
    let mut open = settings.show_help;
    egui::Window::new("Mouse and keys")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(egui::Align2::CENTER_CENTER, egui::Vec2::ZERO)
        .show(ui.ctx(), panels::help_ui);
    settings.show_help = open;
}

/// Says what will happen to files held over the window.
fn drop_hint(ui: &Ui) {
    let count = ui.input(|i| i.raw.hovered_files.len());
    if count > 0 {
        let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
        let rect = ui.ctx().content_rect();
        painter.rect_filled(rect, 0, egui::Color32::from_black_alpha(170));
        let text = format!("Drop to open {count} file{}", if count == 1 { "" } else { "s" });
        let font = egui::FontId::proportional(26.0);
        painter.text(rect.center(), egui::Align2::CENTER_CENTER, text, font, theme::ON_PICTURE);
    }
}
