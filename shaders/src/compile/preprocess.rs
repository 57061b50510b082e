use std::collections::BTreeSet;

/// A shader with its imports put in, and where each of its lines came from.
pub struct Expanded {
    /// Plain WGSL.
    pub source: String,
    /// File (as imported) and line number, counted from 1, of every line of `source`.
    pub origins: Vec<(String, usize)>,
}

impl Expanded {
    /// Where a line of the expanded source, counted from 1, stands in the files.
    pub fn origin(&self, line: usize) -> Option<&(String, usize)> {
        self.origins.get(line.checked_sub(1)?)
    }
}

/// Replaces every line `#import name` by the text of `name`, each file once however often it is asked for.
///
/// # Errors
/// One sentence with file and line if an import has no name or `read` does not know it.
pub fn expand(name: &str, read: &mut dyn FnMut(&str) -> Option<String>) -> Result<Expanded, String> {
    let text = read(name).ok_or_else(|| format!("there is no shader file {name}"))?;
    let mut expanded = Expanded { source: String::new(), origins: Vec::new() };
    let mut seen = BTreeSet::from([name.to_owned()]);
    append(name, &text, read, &mut seen, &mut expanded)?;
    Ok(expanded)
}

fn append(
    name: &str,
    text: &str,
    read: &mut dyn FnMut(&str) -> Option<String>,
    seen: &mut BTreeSet<String>,
    into: &mut Expanded,
) -> Result<(), String> {
    for (n, line) in text.lines().enumerate() {
        if let Some(import) = line.strip_prefix("#import") {
            let import = import.trim();
            if import.is_empty() {
                return Err(format!("{name}:{}: #import needs a name", n + 1));
            }
            let file = format!("shared/{import}.wgsl");
            if seen.insert(file.clone()) {
                let text = read(&file).ok_or_else(|| format!("{name}:{}: there is no file {file} to import", n + 1))?;
                append(&file, &text, read, seen, into)?;
            }
        } else {
            into.source.push_str(line);
            into.source.push('\n');
            into.origins.push((name.to_owned(), n + 1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::expand;

    fn read(name: &str) -> Option<String> {
        let text = match name {
            "a.wgsl" => "// a\n#import b\n#import c\nfn a() {}\n",
            "shared/b.wgsl" => "#import c\nfn b() {}\n",
            "shared/c.wgsl" => "fn c() {}\n",
            "bad.wgsl" => "\n#import nothing\n",
            _ => return None,
        };
        Some(text.to_owned())
    }

    #[test]
    fn imports_each_file_once_and_remembers_lines() {
        let expanded = expand("a.wgsl", &mut read).unwrap();
        assert_eq!(expanded.source, "// a\nfn c() {}\nfn b() {}\nfn a() {}\n");
        assert_eq!(expanded.origin(3), Some(&("shared/b.wgsl".to_owned(), 2)));
        assert_eq!(expanded.origin(4), Some(&("a.wgsl".to_owned(), 4)));
    }

    #[test]
    fn names_file_and_line_of_an_unknown_import() {
        let message = expand("bad.wgsl", &mut read).err().unwrap();
        assert_eq!(message, "bad.wgsl:2: there is no file shared/nothing.wgsl to import");
    }
}
