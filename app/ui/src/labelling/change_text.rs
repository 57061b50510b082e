use voco_labelstore::split_change_name;

use crate::i18n;

/// What a change is called on the screen. Journals from before there were keys have plain English, which is shown as it is.
pub fn change_text(name: &str) -> String {
    let Some((key, arguments)) = split_change_name(name) else { return name.to_owned() };
    let id = format!("change-{key}");
    // A key of a later version.
    if !i18n::has_text(&id) {
        return name.to_owned();
    }
    let mut arguments = arguments.into_iter();
    let [a, b] = std::array::from_fn(|_| arguments.next().unwrap_or_default());
    i18n::text_with(&id, [("a", a.into()), ("b", b.into())])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use voco_labelstore::change_name;

    use super::*;

    #[test]
    fn changes_read_in_the_language_of_the_window_and_old_journals_as_they_are() {
        assert_eq!(change_text(&change_name("rename", &["Liver", "Spleen"])), "Rename Liver to Spleen");
        assert_eq!(change_text(&change_name("show-all", &[])), "Show all");
        assert_eq!(change_text("Brush: [old] liver"), "Brush: [old] liver");
        assert_eq!(change_text("of-tomorrow[\"x\"]"), "of-tomorrow[\"x\"]");
    }

    #[test]
    fn every_key_in_the_code_has_its_text() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![root.join("src"), root.join("../src"), root.join("../../engine/labelstore/src")];
        let mut found = 0;
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("text");
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                for call in ["change_name(\"", "change_all(work, \""] {
                    for key in code.split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
                        assert!(i18n::has_text(&format!("change-{key}")), "{}: {key}", path.display());
                        found += 1;
                    }
                }
            }
        }
        assert!(found > 20, "the calls look different now");
        let in_variables = [
            "hide",
            "show",
            "lock",
            "unlock",
            "show-all",
            "hide-all",
            "lock-all",
            "unlock-all",
            "brush",
            "eraser",
            "polygon",
            "lasso",
            "livewire",
            "polygon-erase",
            "lasso-erase",
            "livewire-erase",
            "threshold",
            "grow-from-seeds",
            "watershed",
            "between-slices",
            "keep-largest",
            "remove-small",
            "split",
            "smooth",
            "shrink",
            "margin",
            "hollow",
            "fill-holes",
            "logic",
            "fill",
            "grow",
            "level-trace",
            "island",
            "scissors",
            "smart",
            "logic-copy",
            "logic-add",
            "logic-subtract",
            "logic-intersect",
            "logic-invert",
            "logic-clear",
            "logic-fill",
        ];
        for key in in_variables {
            assert!(i18n::has_text(&format!("change-{key}")), "{key}");
        }
    }
}
