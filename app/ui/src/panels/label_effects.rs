use egui::{Slider, Ui};
use voco_label::tools::shape::Shell;
use voco_labelstore::{Logic, SegmentId};

use super::{choice, label_tools::value};
use crate::commands;
use crate::labelling::{Effect, EffectKind, Islands, Smoothing, change_text};
use crate::{Outbox, Request, Session, ViewSettings, i18n};

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
    }
    apply_ui(ui, session, settings, outbox, &effect);
    if ui.small_button(i18n::text("effect-mask")).on_hover_text(i18n::text("effect-mask-tip")).clicked()
        && let Some(segment) = current
    {
        outbox.ask(Request::MaskImage { volume: id, segment, inside: false });
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

/// Preview, apply, cancel; and what the preview found.
fn apply_ui(ui: &mut Ui, session: &mut Session, settings: &ViewSettings, outbox: &mut Outbox, effect: &Effect) {
    let Some(id) = session.active else { return };
    let ask = commands::effect_ask(session, settings, effect.clone());
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
        let apply = ui.add_enabled(has_proposal, egui::Button::new(i18n::text("effect-apply")));
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
    }
}
