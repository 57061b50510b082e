use std::path::PathBuf;

use voco_engine_api::{
    FinetuneConfig, Model, OmniRecipe, OmniRunConfig, PretrainConfig, PretrainRecipe, SegmentationModel, Task,
    task_named,
};

/// What a pre-training that also learns from labels has besides: its recipe and its labelled volumes.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledData {
    /// A folder of volumes with label maps, or a JSON list.
    pub data: Option<PathBuf>,
    /// What the ids of its label maps mean, where the data does not say: title of a label preset.
    pub names: Option<String>,
    /// Numbers and choices.
    pub config: OmniRunConfig,
}

impl LabelledData {
    /// The recipe of that name for a network and a number of steps. None if it is not one of those that learn from labels, or there is
    /// no whole network of that size.
    pub fn new(recipe: &str, model: Model, steps: u64) -> Option<Self> {
        let recipe = OmniRecipe::built_in(recipe)?;
        let task = task_named(&recipe.task)?;
        let model = SegmentationModel::from_name(model.name())?;
        let config = OmniRunConfig::new(recipe, task, model, Some(steps)).ok()?;
        Some(Self { data: None, names: None, config })
    }

    /// The same data with the numbers for another recipe, network or length; the task stays if the user chose it.
    #[must_use]
    pub fn with(&self, recipe: &str, model: Model, steps: u64) -> Self {
        let Some(mut fresh) = Self::new(recipe, model, steps) else { return self.clone() };
        let is_chosen = self.config.labelled.task.name != self.config.recipe.task;
        if is_chosen {
            fresh.set_task(self.config.labelled.task.clone());
        }
        Self { data: self.data.clone(), names: self.names.clone(), config: fresh.config }
    }

    /// Another task, with the crops of the recipe.
    pub fn set_task(&mut self, task: Task) {
        let config = &self.config;
        let model = config.labelled.model;
        let fresh = OmniRunConfig::new(config.recipe.clone(), task, model, Some(config.steps));
        if let Ok(fresh) = fresh {
            let labelled = FinetuneConfig { holdout: config.labelled.holdout, ..fresh.labelled };
            self.config = OmniRunConfig { labelled, ..config.clone() };
        }
    }

    /// True if it learns from volumes without labels, too.
    pub fn needs_unlabelled(&self) -> bool {
        self.config.recipe.pseudo.is_some() || self.config.contrast.is_some()
    }

    /// The settings of the run, with what the panel has in common for all recipes.
    pub fn run_config(&self, common: &PretrainConfig) -> OmniRunConfig {
        let labelled = FinetuneConfig { seed: common.seed, device: common.device, ..self.config.labelled.clone() };
        OmniRunConfig { labelled, ..self.config.clone() }
    }
}

/// Names of all recipes of pre-training, those that learn from labels last.
pub fn recipe_names() -> Vec<&'static str> {
    PretrainRecipe::names().into_iter().chain(OmniRecipe::names()).collect()
}
