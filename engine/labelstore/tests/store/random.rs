use rand::SeedableRng;
use rand::rngs::StdRng;
use voco_labelstore::{Document, ImageKey};

use crate::model::{Model, plain, step};
use crate::{geometry, image};

/// 10,000 pieces of work, a quarter of them undo and redo; the arrays are compared throughout.
#[test]
fn ten_thousand_random_operations_equal_plain_arrays() {
    let dims = [70, 37, 33];
    let mut document = Document::new(geometry(dims), Some(image(dims))).expect("a document");
    let mut model = Model::of(&document);
    let mut rng = StdRng::seed_from_u64(7);
    document.set_undo_bytes(usize::MAX);
    let mut revision = document.revision();
    let mut shadow = plain(&document);
    for n in 0..10_000 {
        step(&mut document, &mut model, &mut rng);
        // Comparing everything after each step takes longer than the steps.
        if n % 10 == 0 {
            assert_eq!(plain(&document), model.now, "after step {n}");
            follow_dirty(&document, &mut shadow, &mut revision);
            assert_eq!(shadow.layers, model.now.layers, "what a renderer would have after step {n}");
        }
    }
    while document.undo().expect("an undo").is_some() {}
    assert!(document.segments().is_empty(), "all taken back");
    while document.redo().expect("a redo").is_some() {}
    let last = model.undo.len() + model.redo.len();
    assert_eq!(document.history().len(), last, "as many entries as changes");
}

/// Reads only the bricks that are said to differ.
fn follow_dirty(document: &Document, shadow: &mut crate::model::Plain, revision: &mut u64) {
    let before = std::mem::take(&mut shadow.layers);
    for info in document.layers() {
        let volume = document.layer(info.id).expect("a layer");
        let old = before.iter().find(|l| l.0 == info.id);
        let since = if old.is_some() { *revision } else { 0 };
        let mut values = old.map_or_else(|| vec![0; document.geometry().num_voxels()], |l| l.2.clone());
        let [nx, ny, _] = volume.dims();
        for brick in document.dirty_since(info.id, since).expect("a layer").bricks {
            let part = volume.grid().voxels(brick as usize);
            let size = part.size();
            for (n, value) in volume.read_box(&part).expect("values").into_iter().enumerate() {
                let [i, j, k] = [n % size[0], n / size[0] % size[1], n / size[0] / size[1]];
                values[part.min[0] + i + nx * (part.min[1] + j + ny * (part.min[2] + k))] = value;
            }
        }
        shadow.layers.push((info.id, info.name.clone(), values));
    }
    *revision = document.revision();
}

/// The same with a journal, a tiny memory for undo, restarts and compactions in between.
#[test]
fn restarts_and_a_small_memory_change_nothing() {
    let dims = [40, 33, 20];
    let folder = tempfile::tempdir().expect("a folder");
    let volume = image(dims);
    let key = ImageKey::of(&volume);
    let path = folder.path().join(key.file_name());
    let open = || Document::open(&path, &key, geometry(dims), Some(volume.clone())).expect("a journal");
    let (mut document, _) = open();
    document.set_undo_bytes(50_000);
    let mut model = Model::of(&document);
    let mut rng = StdRng::seed_from_u64(11);
    for n in 0..1500 {
        step(&mut document, &mut model, &mut rng);
        if n % 100 == 99 {
            document.flush().expect("a disk");
            let (segments, audit) = (document.segments().to_vec(), document.audit().to_vec());
            drop(document);
            let (again, recovery) = open();
            document = again;
            document.set_undo_bytes(50_000);
            assert_eq!(recovery.cut_bytes, 0, "nothing is torn");
            assert_eq!(document.segments(), segments, "segments after {n}");
            assert_eq!(document.audit(), audit, "audit trail after {n}");
            assert_eq!(plain(&document), model.now, "voxels after {n}");
        }
        if n % 400 == 250 {
            document.flush().expect("a disk");
            document.compact();
            document.flush().expect("a disk");
            let (steps, done) = (document.history().len(), document.num_done());
            assert_eq!((done, steps - done), (model.undo.len(), model.redo.len()), "all can be undone and done again");
        }
    }
    assert_eq!(plain(&document), model.now, "at the end");
    while document.undo().expect("an undo").is_some() {}
    assert!(document.segments().is_empty() && !document.has_forgotten(), "taken back to the beginning");
    while document.redo().expect("a redo").is_some() {}
    while model.redo.pop().is_some() {}
    assert_eq!(document.num_done(), document.history().len());
}

/// A journal that keeps only some of the older changes says that there were others, after a restart, too.
#[test]
fn older_changes_than_the_disk_may_hold_are_known_to_be_missing() {
    let dims = [40, 33, 20];
    let folder = tempfile::tempdir().expect("a folder");
    let volume = image(dims);
    let key = ImageKey::of(&volume);
    let path = folder.path().join(key.file_name());
    let open = || Document::open(&path, &key, geometry(dims), Some(volume.clone())).expect("a journal").0;
    let mut document = open();
    let layer = document.layers().next().expect("a layer").id;
    for n in 0..100 {
        document.add_segment(layer, &format!("{n}"), None).expect("added");
    }
    document.flush().expect("a disk");
    let length = std::fs::metadata(&path).expect("a file").len();
    document.set_undo_bytes(0);
    document.set_undo_disk_bytes(length / 4);
    document.compact();
    document.flush().expect("a disk");
    let (kept, last) = (document.num_done(), document.current_change());
    assert!(document.has_forgotten() && (20..30).contains(&kept), "a quarter of them: {kept}");
    drop(document);
    let mut document = open();
    assert_eq!((document.num_done(), document.current_change(), document.has_forgotten()), (kept, last, true));
    while document.undo().expect("an undo").is_some() {}
    assert_eq!((document.segments().len(), document.current_change()), (100 - kept, last - kept as u64));
    drop(document);
    let mut document = open();
    assert_eq!((document.num_done(), document.current_change()), (0, last - kept as u64));
    document.compact();
    drop(document);
    let mut document = open();
    assert_eq!((document.num_done(), document.current_change()), (0, last - kept as u64));
    while document.redo().expect("a redo").is_some() {}
    assert_eq!((document.segments().len(), document.current_change()), (100, last));
}
