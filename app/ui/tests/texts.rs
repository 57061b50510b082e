//! All texts that a user sees are in the Fluent files, and every text that the code asks for is there.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            // Tests follow the code.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            out.push((path, code));
        }
    }
}

fn all() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 50, "the sources lie elsewhere now");
    found
}

/// The literals right behind `call`, with the rest of what stands before them on the way.
fn literals<'a>(code: &'a str, call: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(call).filter_map(move |(at, _)| {
        let rest = code[at + call.len()..].trim_start();
        rest.strip_prefix('"')?.split('"').next()
    })
}

#[test]
fn what_users_read_is_in_the_locale_files() {
    let calls = [
        "label(",
        "button(",
        "hover_text(",
        "weak(",
        "strong(",
        "heading(",
        "monospace(",
        "RichText::new(",
        "Button::new(",
        "Window::new(",
        "hint_text(",
        ".text(",
        "selectable(",
        "notice(",
    ];
    let mut found = Vec::new();
    for (path, code) in all() {
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("a source of this crate").display().to_string();
        for call in calls {
            let texts = literals(&code, call).filter(|text| {
                let longest = text.split(|c: char| !c.is_ascii_alphabetic()).map(str::len).max().unwrap_or(0);
                // Letters of directions, units and prefixes of numbers are the same everywhere.
                longest > 2 && !text.starts_with('{')
            });
            found.extend(texts.map(|text| format!("{name}: {call}\"{text}\"")));
        }
    }
    assert!(found.is_empty(), "texts outside assets/locale:\n{}", found.join("\n"));
}

#[test]
fn every_text_that_is_asked_for_is_there() {
    let mut missing = Vec::new();
    for (path, code) in all() {
        for call in ["i18n::text(", "i18n::text_with(", "i18n::find("] {
            let ids = literals(&code, call).filter(|id| !id.is_empty() && !voco_ui::i18n::has_text(id));
            missing.extend(ids.map(|id| format!("{}: {id}", path.display())));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
