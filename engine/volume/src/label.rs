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
