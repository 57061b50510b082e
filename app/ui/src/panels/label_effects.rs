use egui::{DragValue, Slider, Ui};
use voco_label::tools::shape::Shell;
use voco_labelstore::{Logic, SegmentId};

use super::{choice, label_tools::value};
use crate::commands;
use crate::labelling::{Ask, Effect, EffectKind, Islands, LabelSettings, Smoothing, change_text};
use crate::{Outbox, Request, Session, ViewSettings, VolumeId, i18n, theme};

/// Algorithms on whole segments: settings, preview, apply.
pub(super) fn effects_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let Some(volume) = session.active() else { return };
    let (id, unit, stats) = (volume.id, volume.unit(), volume.stats);
    let Some(work) = &volume.labels else { return };
    let current = work.current;
    let segments: Vec<(SegmentId, String)> =
        work.document().segments().iter().map(|s| (s.id, s.name.clone())).collect();
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("effect-which")).id;
        let name = |kind: &EffectKind| i18n::text(&format!("effect-{}", kind.id())).to_owned();
        choice(ui, label, &mut settings.labels.effect, &EffectKind::ALL, name);
    });
    let kind = settings.labels.effect;
    ui.label(egui::RichText::new(i18n::text(&format!("effect-{}-tip", kind.id()))).small().weak());
    let before = settings.labels.effect();
    let mut effect = before.clone();
    match &mut effect {
        Effect::Threshold { low, high, replace } => {
            let range = stats.min..=stats.max;
            let slider = |value, text: &str| Slider::new(value, range.clone()).text(i18n::text(text).to_owned());
            ui.add(slider(low, "effect-low").suffix(format!(" {unit}")).max_decimals(1));
            ui.add(slider(high, "effect-high").suffix(format!(" {unit}")).max_decimals(1));
            ui.checkbox(replace, i18n::text("effect-replace"));
        }
        Effect::GrowFromSeeds { margin_mm, smoothness } => {
            value(ui, "effect-margin-around", margin_mm, 0.0..=500.0, "mm");
            ui.add(Slider::new(smoothness, 0.0..=5.0).text(i18n::text("effect-smoothness")).max_decimals(2));
        }
        Effect::Watershed { margin_mm, sigma_mm } => {
            value(ui, "effect-margin-around", margin_mm, 0.0..=500.0, "mm");
            value(ui, "effect-sigma", sigma_mm, 0.0..=10.0, "mm");
        }
        Effect::BetweenSlices => {}
        Effect::Islands(islands, least_ml) => {
            let all = [Islands::KeepLargest, Islands::RemoveSmall, Islands::Split];
            ui.horizontal(|ui| {
                let label = ui.label(i18n::text("effect-how")).id;
                choice(ui, label, islands, &all, |islands| {
                    i18n::text(match islands {
                        Islands::KeepLargest => "effect-keep-largest",
                        Islands::RemoveSmall => "effect-remove-small",
                        Islands::Split => "effect-split",
                    })
                    .to_owned()
                });
            });
            if *islands != Islands::KeepLargest {
                value(ui, "effect-least", least_ml, 0.0..=1000.0, "mL");
            }
        }
        Effect::Smooth(how, mm) => {
            let all = [Smoothing::Gaussian, Smoothing::Median, Smoothing::Open, Smoothing::Close, Smoothing::Joint];
            ui.horizontal(|ui| {
                let label = ui.label(i18n::text("effect-how")).id;
                choice(ui, label, how, &all, |how| {
                    i18n::text(match how {
                        Smoothing::Gaussian => "effect-gaussian",
                        Smoothing::Median => "effect-median",
                        Smoothing::Open => "effect-open",
                        Smoothing::Close => "effect-close",
                        Smoothing::Joint => "effect-joint",
                    })
                    .to_owned()
                });
            });
            value(ui, "effect-size", mm, 0.2..=30.0, "mm");
        }
        Effect::Margin(mm) => value(ui, "effect-grow-by", mm, -50.0..=50.0, "mm"),
        Effect::Hollow(shell, mm) => {
            ui.horizontal(|ui| {
                let label = ui.label(i18n::text("effect-wall")).id;
                choice(ui, label, shell, &[Shell::Inside, Shell::Middle, Shell::Outside], |shell| {
                    i18n::text(match shell {
                        Shell::Inside => "effect-wall-inside",
                        Shell::Middle => "effect-wall-middle",
                        Shell::Outside => "effect-wall-outside",
                    })
                    .to_owned()
                });
            });
            value(ui, "effect-thickness", mm, 0.2..=50.0, "mm");
        }
        Effect::FillHoles { in_slices } => drop(ui.checkbox(in_slices, i18n::text("effect-in-slices"))),
        Effect::Logic(logic, other) => logic_ui(ui, logic, other, current, &segments),
    }
    if effect != before {
        settings.labels.effects.insert(kind, effect.clone());
        let now = ui.input(|i| i.time);
        ui.data_mut(|d| d.insert_temp(changed_id(), now));
    }
    apply_ui(ui, session, settings, outbox, &effect);
    mask_ui(ui, &mut settings.labels, [stats.min, stats.max], unit, |inside, fill| {
        let Some(segment) = current else { return };
        outbox.ask(Request::MaskImage { volume: id, segment, inside, fill });
    });
}

/// When a setting was changed last.
fn changed_id() -> egui::Id {
    egui::Id::unique("effect changed")
}

/// A copy of the image that is blank outside of the segment, or inside of it.
fn mask_ui(
    ui: &mut Ui,
    labels: &mut LabelSettings,
    [least, most]: [f64; 2],
    unit: &str,
    mut make: impl FnMut(bool, Option<f64>),
) {
    ui.separator();
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("effect-mask-where")).id;
        choice(ui, label, &mut labels.mask_inside, &[false, true], |inside| {
            i18n::text(if *inside { "effect-mask-inside" } else { "effect-mask-outside" }).to_owned()
        });
    });
    ui.horizontal(|ui| {
        let mut has_value = labels.mask_fill.is_some();
        let switch = ui.checkbox(&mut has_value, i18n::text("effect-mask-value"));
        let switch = switch.on_hover_text(i18n::text("effect-mask-value-tip"));
        if switch.changed() {
            labels.mask_fill = has_value.then_some(least);
        }
        if let Some(fill) = &mut labels.mask_fill {
            let speed = (most - least).abs().max(1e-6) / 500.0;
            ui.add(DragValue::new(fill).speed(speed).max_decimals(2).suffix(format!(" {unit}"))).labelled_by(switch.id);
        }
    });
    if ui.small_button(i18n::text("effect-mask")).on_hover_text(i18n::text("effect-mask-tip")).clicked() {
        make(labels.mask_inside, labels.mask_fill);
    }
}

fn logic_ui(
    ui: &mut Ui,
    logic: &mut Logic,
    other: &mut Option<SegmentId>,
    current: Option<SegmentId>,
    segments: &[(SegmentId, String)],
) {
    let all = [Logic::Copy, Logic::Add, Logic::Subtract, Logic::Intersect, Logic::Invert, Logic::Clear, Logic::Fill];
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("effect-how")).id;
        choice(ui, label, logic, &all, |logic| {
            i18n::text(match logic {
                Logic::Copy => "effect-copy",
                Logic::Add => "effect-add",
                Logic::Subtract => "effect-subtract",
                Logic::Intersect => "effect-intersect",
                Logic::Invert => "effect-invert",
                Logic::Clear => "effect-clear",
                Logic::Fill => "effect-fill",
            })
            .to_owned()
        });
    });
    if matches!(logic, Logic::Invert | Logic::Clear | Logic::Fill) {
        return;
    }
    let others: Vec<Option<SegmentId>> =
        segments.iter().filter(|(id, _)| Some(*id) != current).map(|(id, _)| Some(*id)).collect();
    if !others.contains(other) {
        *other = others.first().copied().flatten();
    }
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("effect-other")).id;
        choice(ui, label, other, &others, |id| {
            segments.iter().find(|(s, _)| Some(*s) == *id).map_or_else(String::new, |(_, name)| name.clone())
        });
    });
}

/// Seconds without a change after which what is proposed follows the settings.
const REST_S: f64 = 0.25;

/// Preview, apply, cancel; and what the preview found.
fn apply_ui(ui: &mut Ui, session: &mut Session, settings: &ViewSettings, outbox: &mut Outbox, effect: &Effect) {
    let Some(id) = session.active else { return };
    if effect.is_by_slices() && settings.is_turned() {
        ui.colored_label(theme::legible(ui, theme::WARNING), i18n::text("label-turned"));
    }
    let ask = commands::effect_ask(session, settings, effect.clone());
    let is_stale = commands::is_stale(session, settings);
    if is_stale {
        follow(ui, id, ask.clone(), outbox);
    }
    let proposing = session.proposing.as_ref().filter(|p| p.volume == id).map(|p| p.progress);
    let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return };
    let has_proposal = work.proposal().is_some();
    let is_current = match (work.proposal().and_then(|p| p.effect.as_ref()), work.current) {
        (Some((shown, segment)), Some(current)) => shown == effect && *segment == current,
        _ => false,
    };
    ui.horizontal(|ui| {
        if let Some(progress) = proposing {
            ui.add(egui::ProgressBar::new(progress).desired_width(120.0));
            if ui.button(i18n::text("effect-stop")).clicked() {
                outbox.ask(Request::StopProposing);
            }
            return;
        }
        let preview = ui.add_enabled(ask.is_some() && !is_current, egui::Button::new(i18n::text("effect-preview")));
        if preview.on_hover_text(i18n::text("effect-preview-tip")).clicked()
            && let Some(ask) = ask
        {
            outbox.ask(Request::Propose(id, Box::new(ask)));
        }
        // Never what was found with other settings than those on show.
        let apply = ui.add_enabled(has_proposal && !is_stale, egui::Button::new(i18n::text("effect-apply")));
        let apply = apply.on_disabled_hover_text(i18n::text("effect-other-settings"));
        if apply.on_hover_text(i18n::text("effect-apply-tip")).clicked() {
            work.accept();
        }
        if ui.add_enabled(has_proposal, egui::Button::new(i18n::text("effect-cancel"))).clicked() {
            work.abandon();
        }
    });
    if let Some(proposal) = work.proposal() {
        let count = super::label_tools::grouped(proposal.voxels);
        let (name, voxels) = (change_text(&proposal.name).into(), proposal.voxels.into());
        ui.label(i18n::text_with("effect-found", [("name", name), ("voxels", voxels), ("count", count.into())]));
        if proposal.left_out > 0 {
            ui.label(i18n::text_with("effect-left-out", [("count", proposal.left_out.into())]));
        }
    }
}

/// Asks again once the settings rest. The question before it is given up by that.
fn follow(ui: &Ui, id: VolumeId, ask: Option<Ask>, outbox: &mut Outbox) {
    let now = ui.input(|i| i.time);
    let changed = ui.data(|d| d.get_temp::<f64>(changed_id())).unwrap_or(f64::NEG_INFINITY);
    let rest = now - changed;
    if rest < REST_S {
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(REST_S - rest));
    } else if let Some(ask) = ask {
        outbox.ask(Request::Propose(id, Box::new(ask)));
    }
}
