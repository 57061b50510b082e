/// The series of a folder, to choose from.
#[derive(Default)]
pub struct SeriesChoice {
    /// Name of the folder.
    pub folder: String,
    /// One for each series, in the order in which they are opened by number.
    pub rows: Vec<SeriesRow>,
    /// What else there is to know of the folder, a sentence each.
    pub notes: Vec<String>,
}

/// A series.
pub struct SeriesRow {
    /// What the scanner's operator called it; may be empty.
    pub description: String,
    /// E.g. `CT`.
    pub modality: String,
    /// Volumes at one place (points in time and the like).
    pub num_volumes: usize,
    /// Columns, rows, slices.
    pub dims: [usize; 3],
    /// Distances between them.
    pub spacing_mm: [f64; 3],
    /// What to know before opening it.
    pub warnings: Vec<String>,
    /// Its middle slice.
    pub thumbnail: Option<Thumbnail>,
    /// Ticked.
    pub is_chosen: bool,
}

/// A small grey picture.
#[derive(Default)]
pub struct Thumbnail {
    /// Columns and rows.
    pub size: [usize; 2],
    /// A byte for each pixel, row by row.
    pub gray: Vec<u8>,
    /// Made when it is first drawn.
    pub(crate) texture: Option<egui::TextureHandle>,
}

impl Thumbnail {
    /// `gray` has a byte for each pixel.
    pub fn new(size: [usize; 2], gray: Vec<u8>) -> Self {
        Self { size, gray, texture: None }
    }
}
