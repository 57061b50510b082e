/// What the values of a label map mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelTable {
    entries: Vec<LabelEntry>,
}

/// One label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelEntry {
    /// The voxel value; never 0, which is background.
    pub id: u16,
    /// What a reader calls it.
    pub name: String,
    /// sRGB.
    pub color: [u8; 3],
    /// Drawn or not.
    pub visible: bool,
}

impl LabelTable {
    /// A table for `ids` (0 is left out) with names from `name`, sorted by id, each with its own colour.
    pub fn from_ids(ids: impl IntoIterator<Item = u16>, name: impl Fn(u16) -> Option<String>) -> Self {
        let mut ids: Vec<u16> = ids.into_iter().filter(|&id| id != 0).collect();
        ids.sort_unstable();
        ids.dedup();
        let entry = |id| LabelEntry {
            id,
            name: name(id).unwrap_or_else(|| format!("Label {id}")),
            color: distinct_color(id),
            visible: true,
        };
        Self { entries: ids.into_iter().map(entry).collect() }
    }

    /// A table of these labels, sorted by id; of several with one id the first stays, and id 0 is left out.
    pub fn from_entries(entries: impl IntoIterator<Item = LabelEntry>) -> Self {
        let mut entries: Vec<LabelEntry> = entries.into_iter().filter(|e| e.id != 0).collect();
        entries.sort_by_key(|e| e.id);
        entries.dedup_by_key(|e| e.id);
        Self { entries }
    }

    /// All labels by id.
    pub fn entries(&self) -> &[LabelEntry] {
        &self.entries
    }

    /// The label with this voxel value.
    pub fn get(&self, id: u16) -> Option<&LabelEntry> {
        self.entries.binary_search_by_key(&id, |e| e.id).ok().map(|n| &self.entries[n])
    }

    /// Names the labels anew; those without a name get their number.
    pub fn rename(&mut self, name: impl Fn(u16) -> Option<String>) {
        for entry in &mut self.entries {
            entry.name = name(entry.id).unwrap_or_else(|| format!("Label {}", entry.id));
        }
    }

    /// Gives all labels the colours of a set.
    pub fn recolor(&mut self, colors: LabelColors) {
        for entry in &mut self.entries {
            entry.color = colors.color(entry.id);
        }
    }

    /// Gives one label a colour (sRGB).
    pub fn set_color(&mut self, id: u16, color: [u8; 3]) {
        if let Ok(n) = self.entries.binary_search_by_key(&id, |e| e.id) {
            self.entries[n].color = color;
        }
    }

    /// Shows or hides one label.
    pub fn set_visible(&mut self, id: u16, visible: bool) {
        if let Ok(n) = self.entries.binary_search_by_key(&id, |e| e.id) {
            self.entries[n].visible = visible;
        }
    }
}

/// A set of label colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelColors {
    /// As many hues as there are labels.
    #[default]
    Distinct,
    /// Eight hues that people with any colour vision tell apart (Okabe and Ito), in bands of lightness.
    AnyVision,
}

impl LabelColors {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Distinct, Self::AnyVision];

    /// The colour of an id, sRGB.
    pub fn color(self, id: u16) -> [u8; 3] {
        match self {
            Self::Distinct => distinct_color(id),
            Self::AnyVision => any_vision_color(id),
        }
    }
}

/// Okabe and Ito's hues without black; each further round is darker or lighter.
fn any_vision_color(id: u16) -> [u8; 3] {
    const HUES: [[u8; 3]; 7] =
        [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [0, 114, 178], [204, 121, 167]];
    let index = usize::from(id.saturating_sub(1));
    let color = HUES[index % HUES.len()];
    match index / HUES.len() % 3 {
        0 => color,
        1 => color.map(|c| c - c / 5 * 2),
        _ => color.map(|c| c + (255 - c) / 2),
    }
}

/// Neighbouring ids get hues far apart (golden angle), in three bands of lightness.
fn distinct_color(id: u16) -> [u8; 3] {
    let hue = f64::from(id) * 137.507_764 % 360.0 / 60.0;
    let value = [0.95, 0.75, 0.85][usize::from(id) % 3];
    let saturation = [0.65, 0.8, 0.5][usize::from(id / 3) % 3];
    let chroma = value * saturation;
    let x = chroma * (1.0 - (hue % 2.0 - 1.0).abs());
    let rgb = match hue {
        h if h < 1.0 => [chroma, x, 0.0],
        h if h < 2.0 => [x, chroma, 0.0],
        h if h < 3.0 => [0.0, chroma, x],
        h if h < 4.0 => [0.0, x, chroma],
        h if h < 5.0 => [x, 0.0, chroma],
        _ => [chroma, 0.0, x],
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "each part lies in 0…1")]
    rgb.map(|c| ((c + value - chroma) * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::{LabelColors, LabelTable};

    #[test]
    fn the_first_labels_of_a_set_have_different_colours() {
        for set in LabelColors::ALL {
            let mut table = LabelTable::from_ids(1..=21, |_| None);
            table.recolor(set);
            let mut colors: Vec<[u8; 3]> = table.entries().iter().map(|e| e.color).collect();
            colors.sort_unstable();
            colors.dedup();
            assert_eq!(colors.len(), 21, "{set:?}");
        }
    }
}
