use egui::{RichText, Ui};
use voco_labelstore::{Code, SegmentId, Terms, change_name, search_terms, terms_of_name};

use crate::labelling::LabelWork;
use crate::{Session, i18n};

/// What each of a segment's terms is called, in their order.
const NAMES: [&str; 5] = ["terms-category", "terms-type", "terms-modifier", "terms-region", "terms-region-modifier"];
/// As long as DICOM lets a code and its scheme be.
const MAX_CODE: usize = 16;
const MAX_MEANING: usize = 64;

/// A segment's terms while they are edited.
#[derive(Debug, Clone)]
pub struct TermsEdit {
    segment: SegmentId,
    terms: Terms,
    search: String,
    /// Not shown yet: the first frame puts the cursor into the field.
    is_new: bool,
}

impl TermsEdit {
    /// Begins with what the segment has, and looks for terms of its name if there are any.
    pub(crate) fn new(segment: &voco_labelstore::Segment) -> Self {
        let name = segment.name.replace('_', " ");
        let search = if search_terms(&name).is_empty() { String::new() } else { name };
        Self { segment: segment.id, terms: segment.terms.clone(), search, is_new: true }
    }
}

/// Edits the terms of a segment, if somebody asked for that.
pub(crate) fn terms_window(ui: &Ui, session: &mut Session) {
    let Some(work) = session.active_mut().and_then(|v| v.labels.as_mut()) else { return };
    let Some(mut edit) = work.terms_edit.take() else { return };
    let Ok(segment) = work.document().segment(edit.segment).cloned() else { return };
    let (mut is_open, mut is_done) = (true, false);
    let title = i18n::text_with("terms-title", [("name", segment.name.as_str().into())]);
    let window = egui::Window::new(title).id(egui::Id::unique("terms")).collapsible(false).resizable(false);
    window.open(&mut is_open).anchor(egui::Align2::CENTER_CENTER, egui::Vec2::ZERO).show(ui.ctx(), |ui| {
        ui.set_width(560.0);
        search_ui(ui, &mut edit);
        ui.separator();
        grid_ui(ui, &mut edit.terms);
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            let can = edit.terms.all().into_iter().flatten().all(is_whole);
            let button = ui.add_enabled(can, egui::Button::new(i18n::text("terms-apply")));
            if button.on_disabled_hover_text(i18n::text("terms-incomplete")).clicked() {
                let terms = edit.terms.clone();
                work.update_segment(segment.id, change_name("terms", &[&segment.name]), move |s| s.terms = terms);
                is_done = true;
            }
            if ui.button(i18n::text("terms-clear")).clicked() {
                edit.terms = Terms::default();
            }
            if ui.button(i18n::text("terms-all")).on_hover_text(i18n::text("terms-all-tip")).clicked() {
                by_names(work);
                is_done = true;
            }
            is_done |= ui.button(i18n::text("terms-cancel")).clicked();
        });
    });
    is_done |= ui.input(|i| i.key_pressed(egui::Key::Escape));
    if is_open && !is_done {
        work.terms_edit = Some(edit);
    }
}

/// Known terms that hold the words in the field; a click takes one.
fn search_ui(ui: &mut Ui, edit: &mut TermsEdit) {
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("terms-search")).id;
        let hint = i18n::text("terms-search-hint");
        let field = egui::TextEdit::singleline(&mut edit.search).desired_width(f32::INFINITY).hint_text(hint);
        let field = ui.add(field).labelled_by(label);
        if std::mem::take(&mut edit.is_new) {
            field.request_focus();
        }
    });
    let found = search_terms(&edit.search);
    if found.is_empty() {
        ui.weak(i18n::text("terms-none"));
        return;
    }
    let row = ui.text_style_height(&egui::TextStyle::Body).max(ui.spacing().interact_size.y);
    let scroll = egui::ScrollArea::vertical().id_salt("known terms").max_height(190.0).auto_shrink([false, true]);
    scroll.show_rows(ui, row, found.len(), |ui, range| {
        for known in &found[range] {
            let text = summary(&known.terms);
            let name = known.names.first().map_or("", String::as_str);
            ui.horizontal(|ui| {
                let is_it = edit.terms == known.terms;
                if ui.selectable_label(is_it, text).clicked() {
                    edit.terms = known.terms.clone();
                }
                ui.weak(name);
            });
        }
    });
}

/// Each term with its scheme, code and meaning, to be typed over.
fn grid_ui(ui: &mut Ui, terms: &mut Terms) {
    egui::Grid::new("terms").num_columns(4).spacing([10.0, 6.0]).show(ui, |ui| {
        ui.label("");
        for head in ["terms-scheme", "terms-code", "terms-meaning"] {
            ui.label(RichText::new(i18n::text(head)).small().weak());
        }
        ui.end_row();
        for (name, term) in NAMES.into_iter().zip(terms.all_mut()) {
            let label = ui.label(i18n::text(name)).id;
            let mut code = term.clone().unwrap_or_default();
            let mut field = |text: &mut String, width: f32, most: usize| {
                // Sized: a cell of a grid would make it as narrow as its column began.
                let field = egui::TextEdit::singleline(text).char_limit(most);
                ui.add_sized([width, ui.spacing().interact_size.y], field).labelled_by(label);
            };
            field(&mut code.scheme, 60.0, MAX_CODE);
            field(&mut code.value, 110.0, MAX_CODE);
            field(&mut code.meaning, 220.0, MAX_MEANING);
            *term = (code != Code::default()).then_some(code);
            ui.end_row();
        }
    });
}

/// A term says who coded it, how, and what that means.
fn is_whole(code: &Code) -> bool {
    [&code.scheme, &code.value, &code.meaning].iter().all(|part| !part.trim().is_empty())
}

/// Terms in one line: type and modifier, and where it is.
pub(crate) fn summary(terms: &Terms) -> String {
    let meaning = |code: &Option<Code>| code.as_ref().map(|code| code.meaning.clone());
    let joined = |parts: [&Option<Code>; 2]| parts.into_iter().filter_map(meaning).collect::<Vec<_>>().join(", ");
    let what = joined([&terms.kind, &terms.modifier]);
    let place = joined([&terms.region, &terms.region_modifier]);
    if place.is_empty() { what } else { i18n::text_with("terms-at", [("what", what.into()), ("place", place.into())]) }
}

/// Each segment that has no terms gets those of its name, as one change.
fn by_names(work: &mut LabelWork) {
    work.edit(|document| {
        document.begin_group(&change_name("terms-all", &[]), "segments");
        for (id, name) in document.segments().iter().map(|s| (s.id, s.name.clone())).collect::<Vec<_>>() {
            if let Some(terms) = terms_of_name(&name) {
                document.update_segment(id, "", |segment| {
                    if segment.terms.is_empty() {
                        segment.terms.clone_from(terms);
                    }
                })?;
            }
        }
        document.end_group();
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_read_as_people_say_them() {
        let text = |name: &str| summary(terms_of_name(name).expect("known"));
        assert_eq!(text("kidney left"), "Kidney, Left");
        assert_eq!(text("liver tumour"), "Neoplasm in Liver");
        assert_eq!(text("kidney cyst right"), "Cyst in Kidney, Right");
    }

    #[test]
    fn a_term_without_a_meaning_is_not_whole() {
        assert!(is_whole(&Code::tissue()));
        assert!(!is_whole(&Code { meaning: " ".into(), ..Code::tissue() }));
    }
}
