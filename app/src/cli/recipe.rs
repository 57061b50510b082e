use std::path::Path;

use voco_engine_api::{PretrainRecipe, read_toml};
use voco_volume::PreprocessSpec;

/// What `--recipe` says: a name, or a file to be read.
#[derive(Debug, Clone)]
pub(crate) struct RecipeArg(String);

/// Accepts the names that come with the program and names of TOML files.
pub(crate) fn parse_recipe(text: &str) -> Result<RecipeArg, String> {
    let is_file = Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    if is_file || PretrainRecipe::names().contains(&text) {
        return Ok(RecipeArg(text.to_owned()));
    }
    Err(format!("the recipes are {}, or a file that ends in .toml", PretrainRecipe::names().join(", ")))
}

impl RecipeArg {
    /// The recipe itself.
    pub(crate) fn load(&self) -> anyhow::Result<PretrainRecipe> {
        if let Some(recipe) = PretrainRecipe::built_in(&self.0) {
            return Ok(recipe);
        }
        let (name, text) = self.read()?;
        PretrainRecipe::from_toml(&name, &text)
            .map_err(|e| anyhow::anyhow!("{e}; 'voco recipes show tpami' prints a whole file"))
    }

    /// What is done to a volume: by a group of the recipe, the default one if none is named, or by a file that holds nothing
    /// but such settings.
    pub(crate) fn preprocess(&self, group: Option<&str>) -> anyhow::Result<PreprocessSpec> {
        if !PretrainRecipe::names().contains(&self.0.as_str()) {
            let (name, text) = self.read()?;
            // Files of whole recipes say what kind they are.
            let is_recipe = text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("kind"));
            if !is_recipe {
                anyhow::ensure!(group.is_none(), "{name}: these settings have no groups; leave out --group");
                let spec: PreprocessSpec = read_toml(&name, &text).map_err(anyhow::Error::msg)?;
                return match spec.problem() {
                    Some(problem) => Err(anyhow::anyhow!("{name}: {problem}")),
                    None => Ok(spec),
                };
            }
        }
        let recipe = self.load()?;
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
        let text = std::fs::read_to_string(path)
            .map_err(|e| anyhow::anyhow!("{name}: the recipe cannot be read ({}); check the path", e.kind()))?;
        Ok((name, text))
    }

    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}
