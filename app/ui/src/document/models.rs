/// The published models, as the window knows them.
#[derive(Default)]
pub struct ModelsState {
    /// In the order of the built-in list; empty until somebody looked which are there.
    pub rows: Vec<ModelRow>,
    /// The look was asked for.
    pub is_asked: bool,
    /// Where they come from, for people.
    pub origin: String,
    /// The folder in which they are kept, for people.
    pub folder: String,
}

/// A published model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    /// Its name.
    pub name: String,
    /// Bytes, for people.
    pub size: String,
    /// Its licence.
    pub licence: String,
    /// The network whose weights these are.
    pub network: String,
    /// What it is good for.
    pub purpose: String,
    /// Whether it is there.
    pub state: ModelState,
    /// Why the last fetch failed, as one sentence.
    pub error: Option<String>,
}

/// Whether a model is there.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelState {
    /// Nothing of it.
    Absent,
    /// So much of it, for people; a fetch goes on from there.
    Partial(String),
    /// On its way.
    Running {
        /// What is being done and how far it is, for people.
        text: String,
        /// 0…1.
        share: f32,
        /// The user asked to stop it.
        is_stopping: bool,
    },
    /// All of it.
    Present,
}

impl ModelsState {
    /// The model of that name.
    pub fn row_mut(&mut self, name: &str) -> Option<&mut ModelRow> {
        self.rows.iter_mut().find(|row| row.name == name)
    }
}
