//! What a task is about, so that its end is noted whatever comes of it.

use voco_ui::VolumeId;

use super::tasks::{TaskOutcome, TaskWork};

/// What the window remembers of a task while it runs: whatever comes of it, a panic included, that is over with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Nothing,
    /// Writes a file of the user's: the program does not end before that.
    Writes,
    /// Opens the document of an image.
    Opens(VolumeId),
    /// Packs what a network found.
    Packs(VolumeId),
    CountsLabels,
    Surfaces,
    Times(VolumeId),
    ListsRuns,
}

impl About {
    /// What stands in place of the result of a task that panicked.
    pub(super) fn failed(self, text: String) -> TaskOutcome {
        match self {
            Self::Surfaces => super::view3d::Done::Surfaces(Err(text)).into(),
            Self::Times(volume_id) => TaskOutcome::Times { volume_id, failed: Some(text) },
            _ => TaskOutcome::Failed(text),
        }
    }
}

impl TaskWork {
    pub(super) fn about(&self) -> About {
        match self {
            Self::OpenDocument { volume_id, .. } | Self::ResampleLabels { volume_id, .. } => About::Opens(*volume_id),
            Self::KeepPrediction { volume_id, .. } => About::Packs(*volume_id),
            Self::CountLabels { .. } => About::CountsLabels,
            Self::View3d(work) if matches!(**work, super::view3d::Work::Surfaces { .. }) => About::Surfaces,
            Self::Times(work) => About::Times(work.volume_id),
            Self::ListRuns(_) => About::ListsRuns,
            Self::SaveLabels(..)
            | Self::SaveNote { .. }
            | Self::WriteText { .. }
            | Self::WriteReport(_)
            | Self::WritePicture { .. } => About::Writes,
            #[cfg(test)]
            Self::Panic(about) => *about,
            _ => About::Nothing,
        }
    }

    /// True if it opens the journal of an image.
    pub(super) fn opens_journal(&self) -> bool {
        matches!(self.about(), About::Opens(_)) || matches!(self, Self::Image { labels: Some(_), .. })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tasks::Tasks;
    use super::*;

    #[test]
    fn a_task_that_panics_ends_once_and_says_what_it_was_about() {
        let mut tasks = Tasks::new(&(Arc::new(|| {}) as Arc<dyn Fn() + Send + Sync>));
        let all = [About::Surfaces, About::Opens(VolumeId(3)), About::Times(VolumeId(4)), About::CountsLabels];
        let begun: Vec<u64> = all.map(|about| tasks.start(TaskWork::Panic(about)).expect("queued").0).into();
        let mut ended = Vec::new();
        for _ in 0..200 {
            ended.extend(tasks.results());
            std::thread::sleep(std::time::Duration::from_millis(10));
            if ended.len() >= all.len() {
                break;
            }
        }
        ended.sort_by_key(|r| r.task);
        assert_eq!(ended.iter().map(|r| r.task).collect::<Vec<_>>(), begun);
        assert_eq!(ended.iter().map(|r| r.about).collect::<Vec<_>>(), all);
        let is_surfaces = |outcome: &TaskOutcome| {
            let TaskOutcome::View3d(done) = outcome else { return false };
            matches!(**done, super::super::view3d::Done::Surfaces(Err(_)))
        };
        assert!(is_surfaces(&ended[0].outcome), "surfaces can be asked for again");
        assert!(matches!(ended[1].outcome, TaskOutcome::Failed(_)));
        assert!(matches!(&ended[2].outcome, TaskOutcome::Times { volume_id: VolumeId(4), failed: Some(_) }));
        assert!(tasks.results().is_empty());
    }
}
