use clap::{Args, Subcommand};
use serde_json::json;
use voco_engine_api::PretrainRecipe;

#[derive(Debug, Args)]
pub(crate) struct RecipesArgs {
    #[command(subcommand)]
    command: Option<RecipesCommand>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RecipesCommand {
    /// Prints the file of a recipe, to be edited and given to `--recipe`.
    Show {
        /// Its name.
        name: String,
    },
}

pub(crate) fn run(args: &RecipesArgs) -> anyhow::Result<()> {
    if let Some(RecipesCommand::Show { name }) = &args.command {
        let text = PretrainRecipe::built_in_text(name).ok_or_else(|| {
            anyhow::anyhow!("there is no recipe '{name}'; the recipes are {}", PretrainRecipe::names().join(", "))
        })?;
        super::print(text.trim_end());
        return Ok(());
    }
    let recipes = PretrainRecipe::names().into_iter().filter_map(PretrainRecipe::built_in);
    if args.json {
        let list = recipes.map(|r| serde_json::to_value(&r)).collect::<Result<Vec<_>, _>>()?;
        return super::print_json(&json!(list));
    }
    for recipe in recipes {
        super::print(&format!("{:<20} {}", recipe.name, recipe.about));
    }
    Ok(())
}
