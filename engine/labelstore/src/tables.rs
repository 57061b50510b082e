//! Tables of labels in text: ITK-SNAP's label descriptions and Slicer's colour tables.
//!
//! ITK-SNAP: `index r g b alpha visible mesh-visible "name"`. Slicer, as `FreeSurfer`: `index name r g b alpha`, where blanks in
//! names are underscores; newer versions write a table with columns separated by commas.

use voco_volume::{Code, Terms};

use crate::{PresetEntry, Segment, StoreError};

/// Whose table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// ITK-SNAP's label description file.
    ItkSnap,
    /// Slicer's colour table (`.ctbl`, `.txt`, `.csv`).
    Slicer,
}

/// Most labels in a table.
const MAX_ENTRIES: usize = 65_536;

/// Reads a table of either format, and says which it was. Value 0 and comments are left out; later lines win.
///
/// # Errors
/// A line that is no label.
pub fn read_table(text: &str) -> Result<(TableFormat, Vec<PresetEntry>), StoreError> {
    let mut format = None;
    let mut entries: Vec<PresetEntry> = Vec::new();
    let mut columns: Option<Vec<String>> = None;
    for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
            continue;
        }
        let bad = |what| StoreError::BadTable { line: n + 1, what };
        if n == 0 || (format.is_none() && columns.is_none()) {
            let head: Vec<String> = line.split(',').map(|c| c.trim().trim_matches('"').to_lowercase()).collect();
            if head.iter().any(|c| c == "labelvalue") && head.iter().any(|c| c == "name") {
                (format, columns) = (Some(TableFormat::Slicer), Some(head));
                continue;
            }
        }
        let entry = if let Some(columns) = &columns {
            of_columns(line, columns)
        } else if line.contains('"') {
            format.get_or_insert(TableFormat::ItkSnap);
            of_itksnap(line)
        } else {
            format.get_or_insert(TableFormat::Slicer);
            of_slicer(line)
        };
        let entry = entry.ok_or(bad("it should have a value from 0 to 65535, a name and a colour"))?;
        if entry.value == 0 {
            continue;
        }
        match entries.binary_search_by_key(&entry.value, |e| e.value) {
            Ok(at) => entries[at] = entry,
            Err(_) if entries.len() >= MAX_ENTRIES => return Err(bad("there are too many")),
            Err(at) => entries.insert(at, entry),
        }
    }
    format.map(|format| (format, entries)).ok_or(StoreError::BadTable { line: 1, what: "the table is empty" })
}

/// Segments as ITK-SNAP's label description file.
pub fn write_itksnap(segments: &[Segment]) -> String {
    let mut out = String::from(
        "# ITK-SNAP label description file\n# IDX  R  G  B  A  VIS  MSH  \"LABEL\"\n0 0 0 0 0 0 0 \"Clear Label\"\n",
    );
    for s in segments {
        let [r, g, b] = s.color;
        let visible = u8::from(s.visible);
        let alpha = f64::from(s.opacity) / 255.0;
        let name: String = s.name.chars().map(|c| if c == '"' || c.is_control() { '\'' } else { c }).collect();
        out.extend([format!("{} {r} {g} {b} {alpha:.3} {visible} 1 \"{name}\"\n", s.value)]);
    }
    out
}

/// Segments as Slicer's colour table.
pub fn write_slicer(segments: &[Segment]) -> String {
    let mut out = String::from("# Color table file\n0 Background 0 0 0 0\n");
    for s in segments {
        let [r, g, b] = s.color;
        let name: String = s.name.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect();
        out.extend([format!("{} {name} {r} {g} {b} {}\n", s.value, s.opacity)]);
    }
    out
}

fn of_itksnap(line: &str) -> Option<PresetEntry> {
    let (numbers, rest) = line.split_once('"')?;
    let name = rest.rsplit_once('"')?.0;
    let fields: Vec<&str> = numbers.split_whitespace().collect();
    let [value, r, g, b, alpha, visible, _mesh] = fields[..] else { return None };
    let mut entry = PresetEntry::new(value.parse().ok()?, name);
    entry.color = Some([r.parse().ok()?, g.parse().ok()?, b.parse().ok()?]);
    entry.opacity = (alpha.parse::<f64>().ok()?.clamp(0.0, 1.0) * 255.0).round() as u8;
    entry.visible = visible != "0";
    Some(entry)
}

fn of_slicer(line: &str) -> Option<PresetEntry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    // A name with blanks has more fields.
    let (value, rest) = fields.split_first()?;
    let at = rest.len().checked_sub(4).filter(|&at| at > 0)?;
    let (names, color) = rest.split_at(at);
    let mut entry = PresetEntry::new(value.parse().ok()?, &names.join(" ").replace('_', " "));
    entry.color = Some([color[0].parse().ok()?, color[1].parse().ok()?, color[2].parse().ok()?]);
    entry.opacity = color[3].parse().ok()?;
    Some(entry)
}

fn of_columns(line: &str, columns: &[String]) -> Option<PresetEntry> {
    let fields = split_csv(line);
    let get = |name: &str| columns.iter().position(|c| c == name).and_then(|n| fields.get(n)).map(String::as_str);
    let part = |name| get(name).and_then(|v| v.trim().parse::<u8>().ok());
    let mut entry = PresetEntry::new(get("labelvalue")?.trim().parse().ok()?, get("name")?);
    if let (Some(r), Some(g), Some(b)) = (part("color_r"), part("color_g"), part("color_b")) {
        entry.color = Some([r, g, b]);
    }
    entry.opacity = part("color_a").unwrap_or(255);
    let code = |what: &str| {
        let part = |name: &str| get(&format!("{what}_{name}")).unwrap_or_default().trim().to_owned();
        let scheme = [part("codingschemedesignator"), part("codingscheme")].concat();
        let code = Code { scheme, value: part("codevalue"), meaning: part("codemeaning") };
        (!code.value.is_empty() && !code.scheme.is_empty()).then_some(code)
    };
    entry.terms = Terms {
        category: code("category"),
        kind: code("type"),
        modifier: code("typemodifier"),
        region: code("region"),
        region_modifier: code("regionmodifier"),
    };
    Some(entry)
}

fn split_csv(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}
