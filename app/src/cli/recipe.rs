use std::path::Path;

use voco_engine_api::{OmniRecipe, PretrainRecipe, read_toml};
use voco_volume::PreprocessSpec;

/// What `--recipe` says: a name, or a file to be read.
#[derive(Debug, Clone)]
pub(crate) struct RecipeArg(String);

/// A recipe of any kind.
#[derive(Debug)]
pub(crate) enum AnyRecipe {
    /// Of the contrast of volumes alone.
    Pretrain(Box<PretrainRecipe>),
    /// Of a whole network with labels.
    Omni(Box<OmniRecipe>),
}

/// Names of all recipes that come with the program.
pub(crate) fn names() -> Vec<&'static str> {
    PretrainRecipe::names().into_iter().chain(OmniRecipe::names()).collect()
}

/// The file of a recipe that comes with the program.
pub(crate) fn built_in_text(name: &str) -> Option<&'static str> {
    PretrainRecipe::built_in_text(name).or_else(|| OmniRecipe::built_in_text(name))
}

/// Accepts the names that come with the program and names of TOML files.
pub(crate) fn parse_recipe(text: &str) -> Result<RecipeArg, String> {
    let is_file = Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    if is_file || names().contains(&text) {
        return Ok(RecipeArg(text.to_owned()));
    }
    Err(format!("the recipes are {}, or a file that ends in .toml", names().join(", ")))
}

impl RecipeArg {
    /// The recipe itself.
    pub(crate) fn load(&self) -> anyhow::Result<AnyRecipe> {
        let (name, text) = self.read()?;
        let read = |text: &str| -> Result<AnyRecipe, String> {
            // The kind says what else the file has to hold.
            let file: serde_json::Value = read_toml(&name, text)?;
            Ok(match file["kind"].as_str() {
                Some("supervised" | "semi" | "omni") => AnyRecipe::Omni(Box::new(OmniRecipe::from_toml(&name, text)?)),
                _ => AnyRecipe::Pretrain(Box::new(PretrainRecipe::from_toml(&name, text)?)),
            })
        };
        read(&text).map_err(|e| anyhow::anyhow!("{e}; 'voco recipes show tpami' prints a whole file"))
    }

    /// The recipe, which must be one with the position task alone.
    pub(crate) fn load_pretrain(&self) -> anyhow::Result<PretrainRecipe> {
        match self.load()? {
            AnyRecipe::Pretrain(recipe) => Ok(*recipe),
            AnyRecipe::Omni(recipe) => anyhow::bail!(
                "the recipe {} trains a whole network; choose one of {}",
                recipe.name,
                PretrainRecipe::names().join(", ")
            ),
        }
    }

    /// What is done to a volume: by a group of the recipe, the default one if none is named, or by a file that holds nothing
    /// but such settings.
    pub(crate) fn preprocess(&self, group: Option<&str>) -> anyhow::Result<PreprocessSpec> {
        let (name, text) = self.read()?;
        let file: serde_json::Value = read_toml(&name, &text).map_err(anyhow::Error::msg)?;
        // Files of whole recipes say what kind they are.
        if file.get("kind").is_none() {
            anyhow::ensure!(group.is_none(), "{name}: these settings have no groups; leave out --group");
            let spec: PreprocessSpec = read_toml(&name, &text).map_err(anyhow::Error::msg)?;
            return match spec.problem() {
                Some(problem) => Err(anyhow::anyhow!("{name}: {problem}")),
                None => Ok(spec),
            };
        }
        let recipe = self.load_pretrain()?;
        let known: Vec<&str> = recipe.groups.iter().map(|g| g.name.as_str()).collect();
        let found = recipe.group(group).ok_or_else(|| {
            anyhow::anyhow!("the recipe {} has no group of that name; its groups are {}", recipe.name, known.join(", "))
        })?;
        Ok(found.preprocess.clone())
    }

    /// Name and text of the file.
    fn read(&self) -> anyhow::Result<(String, String)> {
        let path = Path::new(&self.0);
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let text = match built_in_text(&self.0) {
            Some(text) => text.to_owned(),
            None => std::fs::read_to_string(path)
                .map_err(|e| anyhow::anyhow!("{name}: the recipe cannot be read ({}); check the path", e.kind()))?,
        };
        Ok((name, text))
    }

    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}
