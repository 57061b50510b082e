use std::collections::BTreeMap;

use voco_ui::VolumeId;

use super::tasks::TaskOutcome;

/// Volumes whose labels are being opened to be worked on, with labels that came meanwhile: they wait for the journal.
#[derive(Default)]
pub(super) struct OpeningLabels(BTreeMap<VolumeId, Vec<TaskOutcome>>);

impl OpeningLabels {
    /// A task begins to open the labels of a volume.
    pub fn begin(&mut self, id: VolumeId) {
        self.0.entry(id).or_default();
    }

    pub fn is_opening(&self, id: VolumeId) -> bool {
        self.0.contains_key(&id)
    }

    /// Keeps labels for a volume whose own are being opened; gives back all else.
    pub fn hold(&mut self, outcome: TaskOutcome) -> Option<TaskOutcome> {
        if let TaskOutcome::Labels { volume_id, .. } | TaskOutcome::Prediction { volume_id, .. } = &outcome
            && let Some(waiting) = self.0.get_mut(volume_id)
        {
            waiting.push(outcome);
            return None;
        }
        Some(outcome)
    }

    /// The task has ended, whatever came of it: what waited, in the order in which it came.
    pub fn end(&mut self, id: VolumeId) -> Vec<TaskOutcome> {
        self.0.remove(&id).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use voco_volume::Geometry;

    use super::super::labels::ReadLabels;
    use super::*;

    fn labels(id: u64, name: &str) -> TaskOutcome {
        let read = ReadLabels {
            name: name.into(),
            path: None,
            is_saved: true,
            names_from: String::new(),
            geometry: Geometry::new([2; 3], glam::DAffine3::IDENTITY).expect("a grid"),
            layers: Vec::new(),
        };
        TaskOutcome::Labels { volume_id: VolumeId(id), read: Box::new(read), note: None }
    }

    fn name(outcome: &TaskOutcome) -> &str {
        let TaskOutcome::Labels { read, .. } = outcome else { return "something else" };
        &read.name
    }

    #[test]
    fn files_wait_for_the_journal_of_their_own_image_in_their_order() {
        let mut opening = OpeningLabels::default();
        assert!(opening.hold(labels(1, "early")).is_some(), "nothing is being opened");
        opening.begin(VolumeId(1));
        assert!(opening.hold(labels(1, "first")).is_none());
        assert!(opening.hold(labels(1, "second")).is_none());
        let other = opening.hold(labels(2, "other")).expect("another image");
        assert_eq!(name(&other), "other");
        assert!(opening.hold(TaskOutcome::NoWork).is_some(), "no labels");
        // Asked for again: what waits stays.
        opening.begin(VolumeId(1));
        assert!(opening.is_opening(VolumeId(1)) && !opening.is_opening(VolumeId(2)));
        let waited = opening.end(VolumeId(1));
        assert_eq!(waited.iter().map(name).collect::<Vec<_>>(), ["first", "second"]);
        assert!(!opening.is_opening(VolumeId(1)));
        assert!(opening.hold(labels(1, "late")).is_some(), "the labels are open");
        assert!(opening.end(VolumeId(1)).is_empty());
    }
}
