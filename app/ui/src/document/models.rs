/// The published models, as the window knows them.
#[derive(Default)]
pub struct ModelsState {
    /// The window is open.
    pub is_open: bool,
    /// In the order of the built-in list; empty until somebody looked which are there.
    pub rows: Vec<ModelRow>,
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
    /// Its file, there or not.
    pub path: std::path::PathBuf,
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
    /// Takes a new list; what is on its way stays so, and why something is not there stays to be read.
    pub fn set_list(&mut self, mut rows: Vec<ModelRow>) {
        for row in &mut rows {
            if let Some(old) = self.rows.iter().find(|old| old.name == row.name) {
                if row.state != ModelState::Present {
                    row.error.clone_from(&old.error);
                }
                if matches!(old.state, ModelState::Running { .. }) {
                    row.state = old.state.clone();
                }
            }
        }
        self.rows = rows;
    }

    /// The model of that name.
    pub fn row_mut(&mut self, name: &str) -> Option<&mut ModelRow> {
        self.rows.iter_mut().find(|row| row.name == name)
    }
}
