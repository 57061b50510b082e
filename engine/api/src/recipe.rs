use serde::{Deserialize, Serialize};
use voco_volume::PreprocessSpec;
use voco_volume::position::PositionGrid;

/// A recipe of VoCo pre-training: what is done to which volumes, the position task, augmentation, loss and training. Read from a
/// TOML file that people edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainRecipe {
    kind: PretrainKind,
    /// On the command line.
    pub name: String,
    /// For people.
    pub about: String,
    /// The group of volumes that are given none, if it is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_group: Option<String>,
    /// The position task.
    pub position: PositionTask,
    /// Groups of volumes, each with its own preprocessing.
    #[serde(rename = "group")]
    pub groups: Vec<RecipeGroup>,
    /// Random changes to crops.
    #[serde(default)]
    pub augment: CropAugmentation,
    /// The losses.
    pub loss: RecipeLoss,
    /// Numbers of the training, for the published sizes.
    pub training: RecipeTraining,
}

/// What a recipe file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PretrainKind {
    Pretrain,
}

/// The grid of base crops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionTask {
    /// Base crops along x and along y.
    pub grid: usize,
    /// Edge of a crop in voxels of the frame; the network sees it at 64.
    pub crop_voxels: usize,
}

/// Volumes that are treated alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeGroup {
    /// Its name, by which data are assigned to it.
    pub name: String,
    /// How often its volumes are drawn, compared with those of other groups.
    #[serde(default = "one")]
    pub weight: f64,
    /// What is done to a volume. The frame of the position task is a random window of the result, or all of it where
    /// `resize_to` stretches the body to the frame.
    pub preprocess: PreprocessSpec,
}

/// Random changes to a crop after cutting, each crop by itself; a part that is left out does not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CropAugmentation {
    /// Chance of a flip, for each axis.
    pub flip: f64,
    /// Chance of one to three quarter turns in the x-y plane.
    pub quarter_turn: f64,
    /// Chance of an added constant.
    pub shift_chance: f64,
    /// Its greatest size, in units of the scaled intensity.
    pub shift: f32,
}

/// The losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeLoss {
    /// Whose.
    pub version: LossVersion,
    /// Chance with which a crop's whole embedding is set to 0 on its way to the student.
    #[serde(default)]
    pub row_dropout: f64,
}

/// The published versions of the losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossVersion {
    /// Logarithmic negatives, contrast between volumes, student crops against teacher bases.
    Tpami,
    /// Squared negatives, no contrast between volumes, both crossings averaged.
    Cvpr,
}

/// Numbers of a training at the published sizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeTraining {
    /// Optimiser steps.
    pub steps: u64,
    /// Volumes in a batch.
    pub volumes_per_step: usize,
    /// Random crops of each.
    pub crops_per_volume: usize,
    /// Batches whose gradients make one step.
    #[serde(default = "one_batch")]
    pub accumulate: usize,
    /// Greatest learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up before the cosine.
    pub warmup_steps: u64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Greatest common norm of the gradients; none leaves them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
}

fn one() -> f64 {
    1.0
}

fn one_batch() -> usize {
    1
}

/// The files that come with the program, by name.
const BUILT_IN: [(&str, &str); 6] = [
    ("abdomen-unlabelled", include_str!("../../../assets/recipes/abdomen-unlabelled.toml")),
    ("abdomen", include_str!("../../../assets/recipes/abdomen.toml")),
    ("chest", include_str!("../../../assets/recipes/chest.toml")),
    ("head-neck", include_str!("../../../assets/recipes/head-neck.toml")),
    ("tpami", include_str!("../../../assets/recipes/tpami.toml")),
    ("cvpr", include_str!("../../../assets/recipes/cvpr.toml")),
];

impl PretrainRecipe {
    /// Names of the recipes that come with the program; the first is the default.
    pub fn names() -> [&'static str; 6] {
        BUILT_IN.map(|(name, _)| name)
    }

    /// The file of a recipe that comes with the program.
    pub fn built_in_text(name: &str) -> Option<&'static str> {
        file_named(&BUILT_IN, name)
    }

    /// A recipe that comes with the program.
    pub fn built_in(name: &str) -> Option<Self> {
        // A test goes through all of them.
        Self::built_in_text(name).and_then(|text| Self::from_toml(name, text).ok())
    }

    /// The recipe for any CT.
    ///
    /// # Panics
    /// Never: a test reads the file that comes with the program.
    pub fn default_recipe() -> Self {
        Self::built_in(BUILT_IN[0].0).expect("the default recipe is whole")
    }

    /// Reads a recipe's file; `file` is its name, for the message.
    ///
    /// # Errors
    /// One sentence: the file, the line, and what is wrong with it.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, String> {
        read_checked(file, text, Self::problem)
    }

    /// The recipe as a file, without comments.
    ///
    /// # Errors
    /// None for a recipe that was read.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|e| e.to_string())
    }

    /// The grid of base crops.
    pub fn position_grid(&self) -> PositionGrid {
        PositionGrid { n: self.position.grid, edge: self.position.crop_voxels }
    }

    /// The group of that name; without a name the default one.
    pub fn group(&self, name: Option<&str>) -> Option<&RecipeGroup> {
        match name.or(self.default_group.as_deref()) {
            Some(name) => self.groups.iter().find(|group| group.name == name),
            None => self.groups.first(),
        }
    }

    /// Position loss of the best predictor that does not look at the picture, where it is known.
    pub fn constant_predictor_loss(&self) -> Option<f64> {
        // Found by search, for this grid and loss.
        (self.position.grid == 3 && self.loss.version == LossVersion::Tpami).then_some(0.506)
    }

    /// One sentence on what is wrong with the numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let PositionTask { grid, crop_voxels } = self.position;
        let is_chance = |chance: f64| (0.0..=1.0).contains(&chance);
        let frame = |grid: PositionGrid| grid.frame_dims();
        if !(2..=8).contains(&grid) || !(8..=256).contains(&crop_voxels) {
            return Some("position: grid must be from 2 to 8, crop_voxels from 8 to 256".into());
        }
        if self.groups.is_empty() {
            return Some("there must be at least one [[group]]".into());
        }
        for (n, group) in self.groups.iter().enumerate() {
            let name = &group.name;
            let spec = &group.preprocess;
            if let Some(problem) = spec.problem() {
                return Some(format!("group {name}: {problem}"));
            }
            if self.groups[..n].iter().any(|other| other.name == *name) {
                return Some(format!("there are two groups {name}"));
            }
            if !(group.weight > 0.0 && group.weight <= 1000.0) {
                return Some(format!("group {name}: weight must be above 0 and at most 1000"));
            }
            let needed = frame(self.position_grid());
            let given = spec.resize_to.unwrap_or(spec.pad_to);
            let fits = (0..3).all(|axis| given[axis] >= needed[axis]);
            if !fits {
                return Some(format!(
                    "group {name}: pad_to or resize_to must make volumes of at least {needed:?} voxels, the frame of the grid"
                ));
            }
        }
        if self.default_group.is_some() && self.group(None).is_none() {
            return Some("default_group is not the name of a group".into());
        }
        let CropAugmentation { flip, quarter_turn, shift_chance, shift } = self.augment;
        if ![flip, quarter_turn, shift_chance].into_iter().all(is_chance) || !(0.0..=10.0).contains(&shift) {
            return Some("augment: chances must be from 0 to 1, shift from 0 to 10".into());
        }
        None
    }
}

/// The file of that name among those that come with the program.
pub(crate) fn file_named(files: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    files.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Reads a TOML file of settings whose numbers have to go together.
///
/// # Errors
/// One sentence: the file, the line or field, and what is wrong with it.
pub(crate) fn read_checked<T: serde::de::DeserializeOwned>(
    file: &str,
    text: &str,
    problem: impl Fn(&T) -> Option<String>,
) -> Result<T, String> {
    let settings: T = read_toml(file, text)?;
    match problem(&settings) {
        Some(problem) => Err(format!("{file}: {problem}")),
        None => Ok(settings),
    }
}

/// Reads a TOML file of settings, with one sentence on what is wrong with it.
///
/// # Errors
/// File, line, and what the parser says.
pub fn read_toml<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|e| {
        // The parser's own text has several lines, with an arrow to the place.
        let what = e.message().lines().next().unwrap_or("it cannot be read").to_owned();
        match e.span() {
            Some(span) => {
                let line = 1 + text[..span.start.min(text.len())].matches('\n').count();
                format!("{file}, line {line}: {what}")
            }
            None => format!("{file}: {what}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_come_with_the_program_are_whole() {
        for name in PretrainRecipe::names() {
            let text = PretrainRecipe::built_in_text(name).expect("a file");
            let recipe = PretrainRecipe::from_toml(name, text).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(recipe.name, name, "a recipe is called as its file");
            let again = PretrainRecipe::from_toml(name, &recipe.to_toml().expect("a file")).expect("readable");
            assert_eq!(again, recipe, "{name}: written and read again");
        }
        let tpami = PretrainRecipe::built_in("tpami").expect("it is there");
        let weights: Vec<f64> = tpami.groups.iter().map(|group| group.weight).collect();
        assert_eq!(weights, [8.0, 8.0, 1.0], "facts 1.1");
        assert_eq!(tpami.group(None).map(|group| group.name.as_str()), Some("head-neck"), "a whole CT");
    }

    /// The groups of the recipe files are the preprocessing that the published code is compared with.
    #[test]
    fn the_groups_are_those_of_the_published_code() {
        use voco_volume::Recipe;
        let pairs = [
            ("abdomen", "abdomen", Recipe::Abdomen),
            ("abdomen-unlabelled", "abdomen-unlabelled", Recipe::AbdomenUnlabelled),
            ("chest", "chest", Recipe::Chest),
            ("head-neck", "head-neck", Recipe::HeadNeck),
            ("cvpr", "all", Recipe::Cvpr),
            ("tpami", "abdomen", Recipe::Abdomen),
            ("tpami", "head-neck", Recipe::HeadNeck),
            ("tpami", "chest", Recipe::Chest),
        ];
        for (name, group, published) in pairs {
            let recipe = PretrainRecipe::built_in(name).expect("it is there");
            let spec = &recipe.group(Some(group)).expect("a group").preprocess;
            assert_eq!(*spec, published.spec(), "{name}, {group}");
            assert_eq!(recipe.position_grid(), published.position_grid(), "{name}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let text = PretrainRecipe::built_in_text("chest").expect("a file");
        let line_of = |word: &str| 1 + text[..text.find(word).expect("it is there")].matches('\n').count();
        let cases = [
            ("warmup_steps", "warm_up_steps", "unknown field `warm_up_steps`"),
            ("version = \"tpami\"", "version = \"cvpr24\"", "unknown variant"),
            ("spacing_mm = [1.25, 1.25, 5.0]", "spacing_mm = [1.25, 5.0]", "invalid length"),
            ("flip = 0.2", "flip = 1.2.0", ""),
        ];
        for (good, bad, what) in cases {
            let error = PretrainRecipe::from_toml("mine.toml", &text.replace(good, bad)).expect_err(bad);
            let place = format!("mine.toml, line {}:", line_of(good));
            assert!(error.starts_with(&place) && error.contains(what), "{bad}: '{error}' begins with '{place}'");
        }
        let small = text.replace("pad_to = [192, 192, 64]", "pad_to = [64, 64, 64]");
        let error = PretrainRecipe::from_toml("mine.toml", &small).expect_err("smaller than the frame");
        assert!(error.contains("[192, 192, 64]"), "{error}");
    }
}
