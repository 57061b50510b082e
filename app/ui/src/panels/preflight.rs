use egui::{RichText, Ui};

use crate::{Preflight, PreflightAsked, PreflightReport, theme};

/// What was found in the data before a run. Returns true if a look is wanted.
pub(crate) fn preflight_ui(ui: &mut Ui, preflight: &Preflight, now: &PreflightAsked) -> bool {
    if !now.has_data() {
        return false;
    }
    match preflight {
        Preflight::Running(of, share, _, cancel) if of.is_same_data(now) => {
            ui.horizontal(|ui| {
                if ui.small_button("×").on_hover_text("Stop looking").clicked() {
                    cancel.cancel();
                }
                // Reading is most of it; then a step is computed on trial.
                let text = if *share < 0.95 { "Looking at the data…" } else { "Computing a step on trial…" };
                ui.add(egui::ProgressBar::new(*share).text(text));
            });
            false
        }
        Preflight::Done(of, report) if of.is_same_data(now) => {
            report_ui(ui, report);
            ui.horizontal(|ui| {
                let again = ui.small_button("Look again").clicked();
                if of != now {
                    let text = RichText::new("The settings have changed since.").small().color(theme::WARNING);
                    ui.label(text);
                }
                again
            })
            .inner
        }
        _ => ui
            .button("Look at the data first")
            .on_hover_text("Which volumes and classes are in it, what the run will need")
            .clicked(),
    }
}

fn report_ui(ui: &mut Ui, report: &PreflightReport) {
    if let Some(problem) = report.problem() {
        ui.label(RichText::new(problem).color(theme::ERROR));
    }
    egui::Grid::new("preflight").num_columns(2).spacing([10.0, 3.0]).show(ui, |ui| {
        let mut row = |name: &str, value: String| {
            ui.label(RichText::new(name).small().weak());
            ui.label(RichText::new(value).small());
            ui.end_row();
        };
        let usable = report.volumes - report.refused.len();
        row("Volumes", format!("{usable} usable of {}, {} persons", report.volumes, report.persons));
        if report.labelled > 0 {
            row("With labels", report.labelled.to_string());
        }
        match report.held_out {
            Some(0) => row("Held out", "nobody: the run cannot tell how good it is".into()),
            Some(count) => row("Held out", count.to_string()),
            None => {}
        }
        if report.unlabelled > 0 {
            row("Without labels", report.unlabelled.to_string());
        }
        let against = |needed: Option<u64>, free: Option<u64>| {
            let bytes = |n: u64| {
                if n < 1 << 30 { format!("{:.0} MB", n as f64 / 1e6) } else { format!("{:.1} GB", n as f64 / 1e9) }
            };
            match (needed, free) {
                (Some(n), Some(f)) => Some(format!("about {} of {} free", bytes(n), bytes(f))),
                (Some(n), None) => Some(format!("about {}", bytes(n))),
                _ => None,
            }
        };
        if let Some(text) = against(report.memory_bytes, report.free_memory_bytes) {
            row("Memory", text);
        }
        if let Some(text) = against(Some(report.cache_bytes).filter(|&b| b > 0), report.free_disk_bytes) {
            row("Disk", text);
        }
        if let Some(seconds) = report.seconds {
            let step = report.seconds_per_step.map_or(String::new(), |s| format!(", {s:.2} s a step"));
            row("Time", format!("about {}{step}", super::human_seconds(seconds)));
        } else if report.is_busy {
            row("Time", "not measured while another run computes".into());
        }
    });
    if !report.refused.is_empty() {
        let count = report.refused.len();
        let title =
            if count == 1 { "1 volume cannot be used".into() } else { format!("{count} volumes cannot be used") };
        egui::CollapsingHeader::new(RichText::new(title).small().color(theme::WARNING)).show(ui, |ui| {
            for line in report.refused.iter().take(200) {
                ui.label(RichText::new(line).small());
            }
        });
    }
    if !report.classes.is_empty() {
        let found = report.classes.iter().filter(|(_, n)| *n > 0).count();
        let title = format!("{found} of {} classes found", report.classes.len());
        let color = if found == report.classes.len() { theme::TRUTH } else { theme::WARNING };
        egui::CollapsingHeader::new(RichText::new(title).small().color(color)).show(ui, |ui| {
            ui.weak(RichText::new(format!("in the {} label maps looked at", report.looked_at)).small());
            for (name, count) in &report.classes {
                let text = RichText::new(format!("{name}: {count}")).small();
                ui.label(if *count == 0 { text.color(theme::WARNING) } else { text });
            }
            if !report.unknown_ids.is_empty() {
                let text = format!("Becomes background: {}", report.unknown_ids.join(", "));
                ui.label(RichText::new(text).small().weak());
            }
        });
    }
}
