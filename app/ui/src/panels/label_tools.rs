use egui::{DragValue, RichText, Slider, Ui};
use voco_engine_api::CardClass;
use voco_label::tools::brush::Tip;

use super::{choice, label_effects};
use crate::commands::{self, Command, KeyMap};
use crate::document::Tool;
use crate::labelling::{CutDepth, IslandUse, LabelSettings, LabelTool, LabelWork, Over, TraceSide, change_text};
use crate::{Outbox, Request, Session, ViewSettings, i18n, icons, theme};

/// The right panel for labels by hand: tools and their settings, what may change, algorithms, history.
pub(crate) fn label_tools_ui(
    ui: &mut Ui,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
    keys: &KeyMap,
) {
    let Some(id) = session.active else {
        ui.weak(i18n::text("label-no-volume"));
        return;
    };
    tools_ui(ui, session, settings, outbox, keys);
    let Some(volume) = session.active() else { return };
    let Some(work) = &volume.labels else {
        ui.weak(i18n::text("label-none"));
        if ui.button(i18n::text("labels-new")).on_hover_text(i18n::text("labels-new-tip")).clicked() {
            outbox.ask(Request::NewLabels(id));
        }
        return;
    };
    if !work.geometry().is_same_grid(volume.volume.geometry(), 1e-3) {
        ui.colored_label(theme::legible(ui, theme::WARNING), i18n::text("label-other-grid"));
    }
    let (unit, values) = (volume.unit(), [volume.stats.min, volume.stats.max]);
    current_ui(ui, work, outbox, id);
    if let Some(tool) = commands::tool_in_hand(settings) {
        ui.add_space(4.0);
        ui.label(RichText::new(tool.command().title()).strong());
        ui.label(RichText::new(i18n::text(&format!("label-{}-hint", tool.id()))).small().weak());
        let num_marks = work.marks.len();
        tool_settings_ui(ui, settings, tool, unit, keys);
        if tool == LabelTool::Smart {
            smart_ui(ui, session, settings, outbox, num_marks);
        }
    }
    ui.add_space(6.0);
    super::section(ui, i18n::text("label-rules"), |ui| rules_ui(ui, session, settings, unit, values));
    super::section(ui, i18n::text("label-algorithms"), |ui| {
        label_effects::effects_ui(ui, session, settings, outbox);
    });
    super::section(ui, i18n::text("label-history"), |ui| history_ui(ui, session, outbox));
    super::section(ui, i18n::text("label-stats-title"), |ui| super::label_stats_ui(ui, session, settings, outbox));
}

fn tools_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox, keys: &KeyMap) {
    let mut chosen = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(3.0, 3.0);
        for tool in LabelTool::ALL {
            let command = tool.command();
            let is_on = settings.tool == Tool::Label(tool);
            if icons::button(ui, tool.id(), command.title(), &keys.tip(command), is_on, true).clicked() {
                chosen = Some(command);
            }
        }
    });
    if let Some(command) = chosen {
        commands::run(command, session, settings, outbox);
    }
}

/// The segment that tools work on.
fn current_ui(ui: &mut Ui, work: &LabelWork, outbox: &mut Outbox, id: crate::VolumeId) {
    ui.horizontal(|ui| {
        ui.label(i18n::text("label-current"));
        match work.current.and_then(|id| work.document().segment(id).ok()) {
            Some(segment) => {
                let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(12.0), egui::Sense::hover());
                ui.painter().rect_filled(rect, 2, theme::label_color(segment.color));
                let text = RichText::new(&segment.name).strong();
                ui.add(egui::Label::new(text).truncate());
                if segment.locked {
                    ui.colored_label(theme::legible(ui, theme::WARNING), i18n::text("label-is-locked"));
                }
            }
            None => {
                if ui.button(i18n::text("labels-add")).on_hover_text(i18n::text("labels-add-tip")).clicked() {
                    outbox.ask(Request::NewSegment(id));
                }
            }
        }
    });
}

fn tool_settings_ui(ui: &mut Ui, settings: &mut ViewSettings, tool: LabelTool, unit: &str, keys: &KeyMap) {
    let labels = &mut settings.labels;
    match tool {
        LabelTool::Paint | LabelTool::Erase => brush_ui(ui, labels, unit, keys),
        LabelTool::Fill => {
            value(ui, "label-tolerance", &mut labels.tolerance, 0.0..=5000.0, unit);
            value(ui, "label-leak", &mut labels.leak_mm, 0.0..=20.0, "mm");
            value(ui, "label-reach", &mut labels.reach_mm, 1.0..=2000.0, "mm");
        }
        LabelTool::Grow => {
            value(ui, "label-multiplier", &mut labels.multiplier, 0.5..=10.0, "SD");
            value(ui, "label-leak", &mut labels.leak_mm, 0.0..=20.0, "mm");
            value(ui, "label-reach", &mut labels.reach_mm, 1.0..=2000.0, "mm");
        }
        LabelTool::Scissors => scissors_ui(ui, labels),
        LabelTool::Island => {
            ui.horizontal(|ui| {
                for (island, text) in [
                    (IslandUse::Keep, "label-island-keep"),
                    (IslandUse::Remove, "label-island-remove"),
                    (IslandUse::Separate, "label-island-separate"),
                ] {
                    ui.selectable_value(&mut labels.island, island, i18n::text(text));
                }
            });
        }
        LabelTool::Smart => value(ui, "label-smart-margin", &mut labels.smart_margin_mm, 0.0..=200.0, "mm"),
        LabelTool::Polygon | LabelTool::Lasso | LabelTool::LiveWire => {
            ui.checkbox(&mut labels.outline_erases, i18n::text("label-outline-erases"))
                .on_hover_text(i18n::text("label-outline-erases-tip"));
            if tool == LabelTool::Lasso {
                ui.checkbox(&mut labels.lasso_edits, i18n::text("label-lasso-edits"));
            }
        }
        LabelTool::LevelTrace => {
            let all = [TraceSide::Auto, TraceSide::Bright, TraceSide::Dark];
            ui.horizontal(|ui| {
                let label = ui.label(i18n::text("label-trace-side")).on_hover_text(i18n::text("label-trace-tip")).id;
                choice(ui, label, &mut labels.trace, &all, |side| {
                    i18n::text(match side {
                        TraceSide::Auto => "label-trace-auto",
                        TraceSide::Bright => "label-trace-bright",
                        TraceSide::Dark => "label-trace-dark",
                    })
                    .to_owned()
                });
            });
        }
        LabelTool::Pick => {}
    }
}

fn scissors_ui(ui: &mut Ui, labels: &mut LabelSettings) {
    ui.checkbox(&mut labels.cut_outside, i18n::text("label-cut-outside"));
    ui.checkbox(&mut labels.cut_fills, i18n::text("label-cut-fills"));
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("label-cut-depth")).id;
        choice(ui, label, &mut labels.cut_depth, &[CutDepth::All, CutDepth::Slice, CutDepth::Within], |depth| {
            i18n::text(match depth {
                CutDepth::All => "label-cut-all",
                CutDepth::Slice => "label-cut-slice",
                CutDepth::Within => "label-cut-within",
            })
            .to_owned()
        });
    });
    if labels.cut_depth == CutDepth::Within {
        value(ui, "label-cut-mm", &mut labels.cut_mm, 0.0..=500.0, "mm");
    }
}

fn brush_ui(ui: &mut Ui, labels: &mut LabelSettings, unit: &str, keys: &KeyMap) {
    let mut diameter = labels.radius_mm * 2.0;
    let slider = Slider::new(&mut diameter, 0.5..=200.0).logarithmic(true).suffix(" mm").max_decimals(1);
    let tip = format!("{}\n{}", keys.tip(Command::LargerTip), keys.tip(Command::SmallerTip));
    ui.add(slider.text(i18n::text("label-diameter"))).on_hover_text(tip);
    labels.radius_mm = diameter / 2.0;
    ui.horizontal(|ui| {
        for (tip, text) in [
            (Tip::Disc, "label-disc"),
            (Tip::Square, "label-square"),
            (Tip::Ball, "label-ball"),
            (Tip::Cube, "label-cube"),
        ] {
            ui.selectable_value(&mut labels.tip, tip, i18n::text(text));
        }
    });
    ui.horizontal(|ui| {
        let mut adapts = labels.adapt.is_some();
        if ui.checkbox(&mut adapts, i18n::text("label-adapt")).on_hover_text(i18n::text("label-adapt-tip")).changed() {
            labels.adapt = adapts.then_some(50.0);
        }
        if let Some(tolerance) = &mut labels.adapt {
            ui.add(DragValue::new(tolerance).range(0.0..=5000.0).speed(1.0).prefix("± ").suffix(format!(" {unit}")));
        }
    });
    ui.checkbox(&mut labels.erase_any, i18n::text("label-erase-any"));
}

/// A number with its name before it.
pub(super) fn value(ui: &mut Ui, text: &str, value: &mut f64, range: std::ops::RangeInclusive<f64>, unit: &str) {
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text(text)).id;
        let speed = (range.end() - range.start()).min(400.0) / 400.0;
        ui.add(DragValue::new(value).range(range).speed(speed).max_decimals(2).suffix(format!(" {unit}")))
            .labelled_by(label);
    });
}

/// Which voxels may change.
fn rules_ui(ui: &mut Ui, session: &Session, settings: &mut ViewSettings, unit: &str, values: [f64; 2]) {
    let Some(work) = session.active().and_then(|v| v.labels.as_ref()) else { return };
    let current = work.current;
    let segments = work.document().segments().to_vec();
    let labels = &mut settings.labels;
    let is_gone = |id| !segments.iter().any(|s| s.id == id);
    if let Over::Inside(id) | Over::Outside(id) = labels.over
        && is_gone(id)
    {
        labels.over = Over::Everything;
    }
    let chosen = current.or(segments.first().map(|s| s.id));
    let mut all = vec![Over::Everything, Over::Empty, Over::Visible];
    if let Some(id) = chosen {
        let id = if let Over::Inside(id) | Over::Outside(id) = labels.over { id } else { id };
        all.extend([Over::Inside(id), Over::Outside(id)]);
    }
    let name = |id: &voco_labelstore::SegmentId| {
        segments.iter().find(|s| s.id == *id).map_or_else(String::new, |s| s.name.clone())
    };
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("label-over")).id;
        choice(ui, label, &mut labels.over, &all, |over| match over {
            Over::Everything => i18n::text("label-over-everything").to_owned(),
            Over::Empty => i18n::text("label-over-empty").to_owned(),
            Over::Visible => i18n::text("label-over-visible").to_owned(),
            Over::Inside(id) => i18n::text_with("label-over-inside", [("name", name(id).into())]),
            Over::Outside(id) => i18n::text_with("label-over-outside", [("name", name(id).into())]),
        });
    });
    if let Over::Inside(id) | Over::Outside(id) = &mut labels.over {
        ui.horizontal(|ui| {
            let label = ui.label(i18n::text("label-over-which")).id;
            let ids: Vec<_> = segments.iter().map(|s| s.id).collect();
            choice(ui, label, id, &ids, name);
        });
    }
    ui.horizontal(|ui| {
        ui.checkbox(&mut labels.use_range, i18n::text("label-range")).on_hover_text(i18n::text("label-range-tip"));
        if labels.use_range {
            let [low, high] = &mut labels.range;
            let speed = (values[1] - values[0]).abs().max(1e-6) / 500.0;
            ui.add(DragValue::new(low).speed(speed).max_decimals(1));
            ui.label("–");
            ui.add(DragValue::new(high).speed(speed).max_decimals(1).suffix(format!(" {unit}")));
        }
    });
}

fn smart_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox, num_marks: usize) {
    let has_network = !session.segment.config.checkpoints.is_empty();
    ui.add_enabled_ui(has_network, |ui| {
        ui.checkbox(&mut settings.labels.smart_prior, i18n::text("label-smart-prior"))
            .on_hover_text(i18n::text("label-smart-prior-tip"))
            .on_disabled_hover_text(i18n::text("label-smart-prior-none"));
    });
    settings.labels.smart_prior &= has_network;
    if settings.labels.smart_prior {
        class_ui(ui, session, settings);
    }
    ui.horizontal(|ui| {
        ui.label(i18n::text_with("label-marks", [("count", num_marks.into())]));
        ui.add_enabled_ui(num_marks > 0, |ui| {
            if ui.small_button(i18n::text("label-marks-undo")).clicked() {
                commands::take_back_mark(session, settings);
            }
            let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return };
            if ui.small_button(i18n::text("label-marks-clear")).clicked() {
                work.clear_marks();
                work.reject();
                // What was asked with them must not come any more.
                outbox.ask(Request::StopProposing);
            }
        });
    });
}

/// Which class of the network the segment is.
fn class_ui(ui: &mut Ui, session: &Session, settings: &mut ViewSettings) {
    let Some(Ok(card)) = session.segment.card.as_ref().map(|card| &card.card) else { return };
    let chosen = &mut settings.labels.smart_class;
    // That of another checkpoint.
    chosen.take_if(|id| !card.classes.iter().any(|class| class.id == *id));
    let work = session.active().and_then(|v| v.labels.as_ref());
    let segment = work.and_then(|work| work.document().segment(work.current?).ok());
    let named = segment.and_then(|segment| CardClass::named(&card.classes, &segment.name));
    let all: Vec<Option<u16>> = std::iter::once(None).chain(card.classes.iter().map(|class| Some(class.id))).collect();
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("label-smart-class")).id;
        choice(ui, label, chosen, &all, |id| match (id, named) {
            (Some(id), _) => {
                card.classes.iter().find(|class| class.id == *id).map_or_else(String::new, |class| class.name.clone())
            }
            (None, Some(class)) => i18n::text_with("label-smart-class-named", [("name", class.name.as_str().into())]),
            (None, None) => i18n::text("label-smart-class-choose").to_owned(),
        });
    });
}

/// What was done, newest first; a click goes back to there.
fn history_ui(ui: &mut Ui, session: &mut Session, outbox: &mut Outbox) {
    let Some(volume) = session.active_mut() else { return };
    let id = volume.id;
    let Some(work) = &mut volume.labels else { return };
    let (history, [older, newer]) = (work.now().history.clone(), work.now().not_shown);
    let (has_none_done, has_forgotten) = (work.now().steps[0].is_none(), work.now().has_forgotten);
    if history.is_empty() && !has_forgotten {
        ui.weak(i18n::text("label-history-empty"));
        return;
    }
    if newer > 0 {
        ui.weak(i18n::text_with("label-history-newer", [("count", newer.into())]));
    }
    let last_done = history.iter().rposition(|line| line.is_done);
    let row = ui.text_style_height(&egui::TextStyle::Body);
    let mut go_to = None;
    let scroll = egui::ScrollArea::vertical().id_salt("label history").max_height(170.0).auto_shrink([false, true]);
    scroll.show_rows(ui, row, history.len() + 1, |ui, range| {
        for n in range {
            let Some(at) = history.len().checked_sub(n + 1) else {
                let text = i18n::text(if has_forgotten { "label-history-oldest" } else { "label-history-begin" });
                let response = ui.add(egui::Button::selectable(has_none_done, text).truncate());
                let tip = i18n::text(if has_forgotten { "label-history-oldest-tip" } else { "label-history-tip" });
                if response.on_hover_text(tip).clicked() {
                    go_to = Some(0);
                }
                continue;
            };
            let line = &history[at];
            let voxels = if line.voxels > 0 { format!("  ({})", grouped(line.voxels)) } else { String::new() };
            let text = RichText::new(format!("{}{voxels}", change_text(&line.name)));
            let text = if line.is_done { text } else { text.weak().strikethrough() };
            let response = ui.add(egui::Button::selectable(last_done == Some(at), text).truncate());
            if response.on_hover_text(i18n::text("label-history-tip")).clicked() {
                go_to = Some(line.change);
            }
        }
    });
    if older > 0 {
        ui.weak(i18n::text_with("label-history-older", [("count", older.into())]));
    }
    if let Some(change) = go_to {
        work.abandon();
        work.edit(move |document| document.go_to(change));
    }
    if ui.small_button(i18n::text("label-history-export")).on_hover_text(i18n::text("label-audit-tip")).clicked() {
        outbox.ask(Request::ExportAudit(id));
    }
}

/// 12345678 as 12 345 678.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}
