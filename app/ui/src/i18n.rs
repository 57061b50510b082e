//! All texts of the window, from Fluent files under `assets/locale`. English is built in.

use std::collections::HashMap;
use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};

pub use fluent_bundle::FluentValue;

const ENGLISH: [&str; 9] = [
    include_str!("../../../assets/locale/en/commands.ftl"),
    include_str!("../../../assets/locale/en/views.ftl"),
    include_str!("../../../assets/locale/en/panels.ftl"),
    include_str!("../../../assets/locale/en/reading.ftl"),
    include_str!("../../../assets/locale/en/work.ftl"),
    include_str!("../../../assets/locale/en/volume3d.ftl"),
    include_str!("../../../assets/locale/en/labels.ftl"),
    include_str!("../../../assets/locale/en/window.ftl"),
    include_str!("../../../assets/locale/en/changes.ftl"),
];

/// Texts of one language.
struct Texts {
    bundle: FluentBundle<FluentResource>,
    /// Those without arguments, ready: most texts are asked for in every frame.
    plain: HashMap<String, String>,
    /// What is wrong with the files, for a test.
    #[cfg_attr(not(test), expect(dead_code, reason = "files are built in: a test looks at it"))]
    problems: Vec<String>,
}

/// The text of an id without arguments; the id itself if there is none, so that a gap is seen and does no harm.
pub fn text(id: &str) -> &str {
    find(id).unwrap_or(id)
}

/// The text of an id without arguments, if there is one.
pub fn find(id: &str) -> Option<&'static str> {
    texts().plain.get(id).map(String::as_str)
}

/// The text of an id, with its arguments put in.
pub fn text_with<'a>(id: &str, arguments: impl IntoIterator<Item = (&'a str, FluentValue<'a>)>) -> String {
    let texts = texts();
    let Some(pattern) = texts.bundle.get_message(id).and_then(|m| m.value()) else { return id.to_owned() };
    let arguments: FluentArgs<'_> = arguments.into_iter().collect();
    // An argument that is missing stands as its name in the text.
    texts.bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
}

/// True if a text of this id exists.
pub fn has_text(id: &str) -> bool {
    texts().bundle.has_message(id)
}

fn texts() -> &'static Texts {
    static TEXTS: OnceLock<Texts> = OnceLock::new();
    TEXTS.get_or_init(|| Texts::new(&ENGLISH))
}

impl Texts {
    fn new(files: &[&str]) -> Self {
        let mut bundle = FluentBundle::new_concurrent(vec![unic_langid::LanguageIdentifier::default()]);
        // The marks around arguments are for text of mixed direction; fonts draw them as boxes.
        bundle.set_use_isolating(false);
        let (mut ids, mut problems) = (Vec::new(), Vec::new());
        for file in files {
            let resource = FluentResource::try_new((*file).to_owned()).unwrap_or_else(|(rest, errors)| {
                problems.extend(errors.iter().map(ToString::to_string));
                rest
            });
            let messages = file.lines().filter_map(|line| line.split_once(" = ").map(|(id, _)| id));
            ids.extend(messages.filter(|id| !id.starts_with([' ', '#', '-'])).map(str::to_owned));
            if let Err(errors) = bundle.add_resource(resource) {
                problems.extend(errors.iter().map(ToString::to_string));
            }
        }
        let mut plain = HashMap::new();
        for id in ids {
            let Some(pattern) = bundle.get_message(&id).and_then(|m| m.value()) else { continue };
            let mut errors = Vec::new();
            let text = bundle.format_pattern(pattern, None, &mut errors).into_owned();
            if errors.is_empty() {
                plain.insert(id, text);
            }
        }
        Self { bundle, plain, problems }
    }
}

#[cfg(test)]
mod tests {
    use super::{FluentValue, has_text, text, text_with, texts};

    #[test]
    fn the_files_are_without_fault_and_gaps_show_their_id() {
        assert!(texts().problems.is_empty(), "{:?}", texts().problems);
        assert_eq!(text("file-quit"), "Quit");
        assert_eq!(text("no-such-text"), "no-such-text");
        assert!(!has_text("no-such-text"));
        let shown = text_with("drop-files", [("count", FluentValue::from(1))]);
        assert_eq!(shown, "Drop to open 1 file");
        assert_eq!(text_with("drop-files", [("count", FluentValue::from(3))]), "Drop to open 3 files");
    }
}
