use egui::{RichText, Ui};

use crate::{Preflight, PreflightAsked, PreflightReport, i18n, theme};

/// What was found in the data before a run. Returns true if a look is wanted.
pub(crate) fn preflight_ui(ui: &mut Ui, preflight: &Preflight, now: &PreflightAsked) -> bool {
    if !now.has_data() {
        return false;
    }
    match preflight {
        Preflight::Running(of, share, _, cancel) if of.is_same_data(now) => {
            ui.horizontal(|ui| {
                if super::sign_button(ui, "×", i18n::text("look-stop-looking")).clicked() {
                    cancel.cancel();
                }
                // Reading is most of it; then a step is computed on trial.
                let text = if *share < 0.95 {
                    i18n::text("look-looking-at-the-data")
                } else {
                    i18n::text("look-computing-a-step-on-trial")
                };
                ui.add(egui::ProgressBar::new(*share).text(text));
            });
            false
        }
        Preflight::Done(of, report) if of.is_same_data(now) => {
            report_ui(ui, report);
            ui.horizontal(|ui| {
                let again = ui.small_button(i18n::text("look-look-again")).clicked();
                if of != now {
                    let text = RichText::new(i18n::text("look-the-settings-have-changed-since"))
                        .small()
                        .color(theme::legible(ui, theme::WARNING));
                    ui.label(text);
                }
                again
            })
            .inner
        }
        _ => ui
            .button(i18n::text("look-look-at-the-data-first"))
            .on_hover_text(i18n::text("look-which-volumes-and-classes-are"))
            .clicked(),
    }
}

#[expect(clippy::too_many_lines, reason = "one panel from top to bottom")]
fn report_ui(ui: &mut Ui, report: &PreflightReport) {
    if let Some(problem) = report.problem() {
        ui.label(RichText::new(problem).color(theme::legible(ui, theme::ERROR)));
    }
    egui::Grid::new("preflight").num_columns(2).spacing([10.0, 3.0]).show(ui, |ui| {
        let mut row = |name: &str, value: String| {
            ui.label(RichText::new(name).small().weak());
            ui.label(RichText::new(value).small());
            ui.end_row();
        };
        let usable = report.volumes - report.refused.len();
        row(
            i18n::text("look-volumes"),
            i18n::text_with(
                "look-usable-of-persons",
                [
                    ("usable", usable.to_string().into()),
                    ("volumes", report.volumes.to_string().into()),
                    ("persons", report.persons.into()),
                ],
            ),
        );
        if report.labelled > 0 {
            row(i18n::text("look-with-labels"), report.labelled.to_string());
        }
        match report.held_out {
            Some(0) => row(i18n::text("look-held-out"), i18n::text("look-nobody-the-run-cannot-tell").into()),
            Some(count) => row(i18n::text("look-held-out"), count.to_string()),
            None => {}
        }
        if report.unlabelled > 0 {
            row(i18n::text("look-without-labels"), report.unlabelled.to_string());
        }
        let against = |needed: Option<u64>, free: Option<u64>| {
            let bytes = |n: u64| {
                if n < 1 << 30 { format!("{:.0} MB", n as f64 / 1e6) } else { format!("{:.1} GB", n as f64 / 1e9) }
            };
            match (needed, free) {
                (Some(n), Some(f)) => Some(i18n::text_with(
                    "look-about-of-free",
                    [("bytes", bytes(n).clone().into()), ("bytes-2", bytes(f).clone().into())],
                )),
                (Some(n), None) => Some(i18n::text_with("look-about", [("bytes", bytes(n).clone().into())])),
                _ => None,
            }
        };
        if let Some(text) = against(report.memory_bytes, report.free_memory_bytes) {
            row(i18n::text("look-memory"), text);
        }
        if let Some(text) = against(Some(report.cache_bytes).filter(|&b| b > 0), report.free_disk_bytes) {
            row(i18n::text("look-disk"), text);
        }
        if let Some(seconds) = report.seconds {
            let step = report
                .seconds_per_step
                .map_or(String::new(), |s| i18n::text_with("look-s-a-step", [("s", format!("{s:.2}").into())]));
            row(
                i18n::text("look-time"),
                i18n::text_with(
                    "look-about-2",
                    [("seconds", (super::human_seconds(seconds)).clone().into()), ("step", step.clone().into())],
                ),
            );
        } else if report.is_busy {
            row(i18n::text("look-time"), i18n::text("look-not-measured-while-another-run").into());
        }
    });
    if !report.refused.is_empty() {
        let count = report.refused.len();
        let title = if count == 1 {
            i18n::text("look-1-volume-cannot-be-used").into()
        } else {
            i18n::text_with("look-volumes-cannot-be-used", [("count", count.to_string().into())])
        };
        egui::CollapsingHeader::new(RichText::new(title).small().color(theme::legible(ui, theme::WARNING))).show(
            ui,
            |ui| {
                for line in report.refused.iter().take(200) {
                    ui.label(RichText::new(line).small());
                }
            },
        );
    }
    if !report.classes.is_empty() {
        let found = report.classes.iter().filter(|(_, n)| *n > 0).count();
        let title = i18n::text_with(
            "look-of-classes-found",
            [("found", found.to_string().into()), ("count", report.classes.len().to_string().into())],
        );
        let color = theme::legible(ui, if found == report.classes.len() { theme::TRUTH } else { theme::WARNING });
        egui::CollapsingHeader::new(RichText::new(title).small().color(color)).show(ui, |ui| {
            ui.weak(
                RichText::new(i18n::text_with(
                    "look-in-the-label-maps-looked",
                    [("looked-at", report.looked_at.to_string().into())],
                ))
                .small(),
            );
            for (name, count) in &report.classes {
                let text = RichText::new(format!("{name}: {count}")).small();
                ui.label(if *count == 0 { text.color(theme::legible(ui, theme::WARNING)) } else { text });
            }
            if !report.unknown_ids.is_empty() {
                let text = i18n::text_with(
                    "look-becomes-background",
                    [("join", (report.unknown_ids.join(", ")).clone().into())],
                );
                ui.label(RichText::new(text).small().weak());
            }
        });
    }
}
