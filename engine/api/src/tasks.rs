use crate::Task;

macro_rules! task_files {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each task file.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../assets/tasks/", $name, ".toml")))),*];
    };
}

task_files![
    "abdomen-organs",
    "vocomni",
    "btcv",
    "amos-ct",
    "amos-mr",
    "flare22",
    "flare23",
    "totalsegmentator",
    "msd01-brain",
    "msd02-heart",
    "msd03-liver",
    "msd04-hippocampus",
    "msd05-prostate",
    "msd06-lung",
    "msd07-pancreas",
    "msd08-hepatic-vessel",
    "msd09-spleen",
    "msd10-colon",
];

/// The tasks that come with the program.
pub fn built_in_tasks() -> Vec<Task> {
    // A test reads each of them.
    FILES.iter().filter_map(|(name, text)| Task::from_toml(name, text).ok()).collect()
}

/// The built-in task of that name, whatever its case.
pub fn task_named(name: &str) -> Option<Task> {
    let (file, text) = FILES.iter().find(|(file, _)| file.eq_ignore_ascii_case(name))?;
    Task::from_toml(file, text).ok()
}

/// The file of a built-in task, to start one's own from.
pub fn task_file(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| file.eq_ignore_ascii_case(name)).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_task_and_has_the_published_numbers() {
        for (name, text) in FILES {
            let task = Task::from_toml(name, text).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(task.name, *name, "the file is called like its task");
            assert_eq!(task_file(name), Some(*text));
        }
        assert_eq!(built_in_tasks().len(), FILES.len(), "all");
        // Outputs, crops per volume, epochs and weight decay as in the published scripts.
        for (name, outputs, crops, epochs, decay) in [
            ("btcv", 14, 4, 1000, 1e-5),
            ("amos-ct", 16, 4, 1000, 0.005),
            ("amos-mr", 16, 2, 300, 1e-5),
            ("flare22", 14, 4, 1000, 0.005),
            ("msd01-brain", 4, 2, 300, 1e-5),
            ("msd03-liver", 3, 2, 500, 1e-5),
            ("msd06-lung", 2, 4, 1000, 0.005),
            ("msd08-hepatic-vessel", 3, 2, 500, 1e-5),
            ("msd09-spleen", 2, 4, 500, 1e-5),
            ("vocomni", 21, 4, 30, 1e-5),
        ] {
            let task = task_named(name).expect("a task");
            let t = &task.training;
            assert_eq!((task.class_names().len(), t.crops, t.epochs), (outputs, crops, epochs), "{name}");
            assert_eq!((t.weight_decay, t.learning_rate), (decay, 3e-4), "{name}");
        }
        assert_eq!(task_named("BTCV").and_then(|t| t.window()), Some([-175.0, 250.0]));
        assert_eq!(task_named("msd05-prostate").map(|t| (t.channels, t.window())), Some((2, None)));
        assert_eq!(task_named("vocomni").expect("a task").class_names()[14], "liver tumor", "facts 2.1");
    }

    #[test]
    fn a_wrong_file_gets_one_sentence_with_its_name_and_line() {
        let text = task_file("btcv").expect("a file");
        for (from, to, expected) in [
            ("spacing_mm", "spacing", "spacing"),
            ("epochs = 1000", "epochs = 0", "epochs"),
            ("roi = [96, 96, 96]", "roi = [96, 96]", "line 4"),
            ("low = -175.0", "low = 900.0", "window"),
            ("    \"liver\",", "    \"spleen\",", "classes"),
            ("crops = 4", "crops = four", "line"),
            ("positive = 9.0", "positive = -9.0", "positive"),
            ("title", "tittle", "tittle"),
        ] {
            let wrong = text.replacen(from, to, 1);
            assert_ne!(wrong, text, "{from} is in the file");
            let error = Task::from_toml("my task.toml", &wrong).expect_err(to);
            assert!(error.starts_with("my task.toml") && error.contains(expected), "{to}: {error}");
            assert_eq!(error.lines().count(), 1, "{to}: {error}");
        }
    }
}
