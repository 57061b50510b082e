//! Work on labels that is in no file: what the program says about it when it starts.

use std::path::Path;

use voco_labelstore::last_change_in;
use voco_ui::i18n;

use super::labels::saved_in;
use super::tasks::TaskOutcome;

/// Looks through all journals in a folder; runs on a task. Only their number is told: they do not know whose images they belong to.
pub(super) fn find(folder: &Path, is_cancelled: &dyn Fn() -> bool) -> TaskOutcome {
    match count(folder, is_cancelled) {
        0 => TaskOutcome::Cancelled,
        count => TaskOutcome::Told(i18n::text_with("tell-unsaved-labels", [("count", count.into())])),
    }
}

fn count(folder: &Path, is_cancelled: &dyn Fn() -> bool) -> usize {
    // No folder: nobody has labelled anything yet.
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let journals = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let journals = journals.filter(|path| path.extension().is_some_and(|e| e == "vocolabels"));
    journals.take_while(|_| !is_cancelled()).filter(|path| is_unsaved(path)).count()
}

/// What is in use is no work that waits; what cannot be read says so when its image is opened.
fn is_unsaved(journal: &Path) -> bool {
    matches!(last_change_in(journal), Ok(Some(change)) if change > 0 && saved_in(journal) != Some(change))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use voco_labelstore::{Document, ImageKey};
    use voco_volume::Geometry;

    use super::*;

    /// Opens the journal of an image, adds a segment, and gives its place with the document.
    fn labelled(folder: &Path, size: usize) -> (PathBuf, Document) {
        let dims = [size; 3];
        let key = ImageKey::of_dims(dims);
        let path = folder.join(key.file_name());
        let geometry = Geometry::new(dims, glam::DAffine3::IDENTITY).expect("a grid");
        let (mut document, _) = Document::open(&path, &key, geometry, None).expect("a journal");
        let layer = document.layers().next().expect("a layer").id;
        document.add_segment(layer, "liver", None).expect("added");
        document.flush().expect("a disk");
        (path, document)
    }

    #[test]
    fn images_with_labels_in_no_file_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        assert_eq!(count(&folder.join("none"), &|| false), 0);
        let (path, document) = labelled(folder, 4);
        assert_eq!(count(folder, &|| false), 0, "it is worked on in a window");
        // As after kill -9: nothing was closed.
        std::fs::copy(&path, folder.join("killed.vocolabels")).expect("copied");
        assert_eq!(count(folder, &|| false), 1);
        drop(document);
        assert_eq!(count(folder, &|| false), 2);
        std::fs::write(path.with_extension("saved"), "1").expect("written");
        assert_eq!(count(folder, &|| false), 1, "all of it is in a file");
        let (_, mut document) = labelled(folder, 5);
        document.undo().expect("undone");
        drop(document);
        assert_eq!(count(folder, &|| false), 1, "begun, and all of it taken back");
        assert_eq!(count(folder, &|| true), 0, "cancelled");
        let told = find(folder, &|| false);
        assert!(matches!(&told, TaskOutcome::Told(text) if text.contains("one image") && !text.contains("killed")));
    }
}
