//! What a screen reader and a keyboard reach.

use std::collections::BTreeSet;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use voco_ui::{Layout, RunKind, RunSummary, SeriesChoice, SeriesRow, Work};

use crate::support::App;

const ROLES: [Role; 8] = [
    Role::Button,
    Role::CheckBox,
    Role::ComboBox,
    Role::RadioButton,
    Role::Slider,
    Role::SpinButton,
    Role::TextInput,
    Role::MultilineTextInput,
];

fn nameless(harness: &Harness<'_, App>, place: &str, out: &mut Vec<String>) {
    for role in ROLES {
        for node in harness.query_all_by_role(role) {
            let node = node.accesskit_node();
            let is_named = node.label().is_some_and(|l| !l.trim().is_empty());
            // The number of a slider, and what a list shows, is its value: it needs a name beside.
            let names_itself =
                matches!(role, Role::Button | Role::ComboBox) && node.value().is_some_and(|v| !v.is_empty());
            if !is_named && !names_itself {
                let rect = node.bounding_box().map(|b| format!("{:.0},{:.0}", b.x0, b.y0));
                out.push(format!("{place}: a {role:?} at {} shows {:?}", rect.unwrap_or_default(), node.value()));
            }
        }
    }
}

#[test]
fn every_panel_and_window_names_its_controls() {
    let Some(mut harness) = crate::two() else { return };
    let mut found = Vec::new();
    harness.state_mut().session.tasks = voco_engine_api::built_in_tasks();
    for (work, name) in
        [(Work::Pretrain, "pre-training"), (Work::Finetune, "fine-tuning"), (Work::Segment, "segmenting")]
    {
        harness.state_mut().settings.work = work;
        harness.run_steps(3);
        nameless(&harness, name, &mut found);
    }
    harness.state_mut().settings.layout = Layout::SideBySide;
    harness.state_mut().settings.show_preferences = true;
    harness.run_steps(3);
    nameless(&harness, "preferences", &mut found);
    harness.state_mut().settings.show_preferences = false;
    harness.state_mut().settings.show_palette = true;
    harness.run_steps(3);
    nameless(&harness, "palette", &mut found);
    harness.state_mut().settings.show_palette = false;
    let run = RunSummary { name: "run".into(), kind: RunKind::Finetune, ..RunSummary::default() };
    harness.state_mut().session.runs.set_list(vec![run]);
    harness.state_mut().session.runs.is_open = true;
    harness.run_steps(3);
    nameless(&harness, "runs", &mut found);
    harness.state_mut().session.runs.is_open = false;
    let row = SeriesRow {
        description: "thorax".into(),
        modality: "CT".into(),
        num_volumes: 1,
        dims: [4, 4, 4],
        spacing_mm: [1.0; 3],
        warnings: Vec::new(),
        thumbnail: None,
        is_chosen: false,
    };
    harness.state_mut().session.series =
        Some(SeriesChoice { folder: "study".into(), rows: vec![row], notes: Vec::new() });
    harness.run_steps(3);
    nameless(&harness, "series", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn tab_goes_through_the_window_one_control_after_the_other() {
    let Some(mut harness) = crate::one() else { return };
    let mut reached = BTreeSet::new();
    for _ in 0..60 {
        harness.key_press(Key::Tab);
        harness.run_steps(1);
        let focused = harness.ctx.memory(egui::Memory::focused);
        reached.extend(focused.map(|id| id.value()));
    }
    assert!(reached.len() > 40, "{} controls in 60 steps", reached.len());
}
