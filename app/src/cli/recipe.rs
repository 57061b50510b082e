use std::path::Path;

use voco_engine_api::PretrainRecipe;

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
        let path = Path::new(&self.0);
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let text = std::fs::read_to_string(path)
            .map_err(|e| anyhow::anyhow!("{name}: the recipe cannot be read ({}); check the path", e.kind()))?;
        PretrainRecipe::from_toml(&name, &text)
            .map_err(|e| anyhow::anyhow!("{e}; 'voco recipes show tpami' prints a whole file"))
    }
}
