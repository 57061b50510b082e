//! What a change is called: a key and its arguments, so that each reader can say it in his language.

/// The name of a change as journals and audit trails have it: `rename["Liver","Spleen"]`.
pub fn change_name(key: &str, arguments: &[&str]) -> String {
    // A list of strings is always JSON.
    format!("{key}{}", serde_json::to_string(arguments).unwrap_or_else(|_| "[]".into()))
}

/// Key and arguments of a name; `None` for the plain English of journals from before there were keys.
pub fn split_change_name(name: &str) -> Option<(&str, Vec<String>)> {
    let at = name.find('[')?;
    let (key, arguments) = name.split_at(at);
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !is_key {
        return None;
    }
    Some((key, serde_json::from_str(arguments).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_as_they_were_put_together() {
        let name = change_name("rename", &["Niere [links] \"1\"", ""]);
        assert_eq!(name, "rename[\"Niere [links] \\\"1\\\"\",\"\"]");
        assert_eq!(split_change_name(&name), Some(("rename", vec!["Niere [links] \"1\"".into(), String::new()])));
        assert_eq!(split_change_name(&change_name("show-all", &[])), Some(("show-all", Vec::new())));
        for old in ["Paint Liver", "Fill [1]", "paint[", "[]", "", "rename Liver to [\"x\"]"] {
            assert_eq!(split_change_name(old), None, "{old}");
        }
    }
}
