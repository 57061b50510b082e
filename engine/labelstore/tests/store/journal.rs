use std::fs;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_labelstore::{Document, ImageKey, StoreError, last_change_in};

use crate::model::{Model, plain, step};
use crate::{geometry, image};

const DIMS: [usize; 3] = [40, 20, 9];

/// Cut at any byte, the journal opens with the changes that were whole.
#[test]
fn a_torn_tail_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let volume = image(DIMS);
    let key = ImageKey::of(&volume);
    let path = folder.path().join(key.file_name());
    let (mut document, _) = Document::open(&path, &key, geometry(DIMS), Some(volume.clone())).expect("a journal");
    let mut model = Model::of(&document);
    let mut rng = StdRng::seed_from_u64(3);
    let mut states = vec![(0, plain(&document))];
    for _ in 0..60 {
        step(&mut document, &mut model, &mut rng);
        states.push((document.audit().len(), plain(&document)));
    }
    drop(document);
    let whole = fs::read(&path).expect("the file");
    let torn = folder.path().join("torn");
    for n in 0..150 {
        let cut = if n == 0 { whole.len() } else { rng.random_range(0..whole.len()) };
        let mut bytes = whole[..cut].to_vec();
        if n % 3 == 2 {
            // A tail of noise, as a disk may leave it.
            bytes.extend((0..rng.random_range(1..200)).map(|_| rng.random::<u8>()));
        }
        fs::write(&torn, &bytes).expect("a file");
        match Document::open(&torn, &key, geometry(DIMS), Some(volume.clone())) {
            Ok((document, _)) => {
                let events = document.audit().len();
                let known = states.iter().find(|s| s.0 == events).expect("a state with as many events");
                assert_eq!(plain(&document), known.1, "cut at {cut}");
            }
            // Only a file whose first bytes are not ours is refused.
            Err(error) => assert!(cut < 8, "cut at {cut}: {error}"),
        }
        let again = Document::open(&torn, &key, geometry(DIMS), None);
        let Ok((mut document, recovery)) = again else { continue };
        assert_eq!(recovery.cut_bytes, 0, "cut once, whole after");
        document.add_layer("goes on");
    }
}

#[test]
fn another_image_and_another_window_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let volume = image(DIMS);
    let key = ImageKey::of(&volume);
    let path = folder.path().join(key.file_name());
    let open = |key: &ImageKey| Document::open(&path, key, geometry(DIMS), None);
    let first = open(&key).expect("a journal");
    assert!(matches!(open(&key), Err(StoreError::InUse)), "locked");
    drop(first);
    assert!(matches!(open(&ImageKey::of_dims(DIMS)), Err(StoreError::OtherJournal)), "another image");
    assert!(open(&key).is_ok(), "free again");
    let bytes = fs::read(&path).expect("the file");
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains(&*folder.path().to_string_lossy()), "no path in the file");
}

/// What the last change is can be told without opening a journal: closed, killed, compacted, in use.
#[test]
fn the_last_change_is_told_without_opening_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let volume = image(DIMS);
    let key = ImageKey::of(&volume);
    let (path, killed) = (folder.path().join("a"), folder.path().join("killed"));
    let mut rng = StdRng::seed_from_u64(17);
    for round in 0..6 {
        let (mut document, recovery) =
            Document::open(&path, &key, geometry(DIMS), Some(volume.clone())).expect("a journal");
        assert_eq!((recovery.cut_bytes, round == 0), (0, recovery.records == 0));
        for n in 0..20 {
            let layer = document.layers().next().expect("a layer").id;
            document.add_segment(layer, &format!("{n}"), None).expect("added");
            if rng.random_range(0..3) == 0 {
                document.undo().expect("undone");
            }
            if rng.random_range(0..6) == 0 {
                document.redo().expect("redone");
            }
        }
        if round % 2 == 1 {
            document.compact();
            document.undo().expect("undone");
        }
        document.flush().expect("a disk");
        let current = document.current_change();
        assert_eq!(last_change_in(&path).expect("read"), None, "in use");
        // As a program that is killed leaves it.
        fs::copy(&path, &killed).expect("copied");
        assert_eq!(last_change_in(&killed).expect("read"), Some(current), "killed in round {round}");
        drop(document);
        assert_eq!(last_change_in(&path).expect("read"), Some(current), "closed in round {round}");
    }
    fs::write(&killed, "something else").expect("a file");
    assert!(last_change_in(&killed).is_err());
}

#[test]
fn hostile_bytes_are_refused_without_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let volume = image(DIMS);
    let key = ImageKey::of(&volume);
    let path = folder.path().join("a");
    let (mut document, _) = Document::open(&path, &key, geometry(DIMS), Some(volume.clone())).expect("a journal");
    let mut model = Model::of(&document);
    let mut rng = StdRng::seed_from_u64(5);
    (0..40).for_each(|_| step(&mut document, &mut model, &mut rng));
    document.compact();
    (0..20).for_each(|_| step(&mut document, &mut model, &mut rng));
    drop(document);
    let whole = fs::read(&path).expect("the file");
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        let other = folder.path().join("b");
        fs::write(&other, &bytes).expect("a file");
        drop(last_change_in(&other));
        drop(Document::open(&other, &key, geometry(DIMS), Some(volume.clone())));
    }
}

/// A journal is begun, and its folder goes away before what it has to begin with is written: nothing is added without that, and once
/// the folder is back, all of it is there.
#[test]
fn a_beginning_that_could_not_be_written_comes_before_all_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (volume, place) = (image(DIMS), folder.path().join("labels"));
    fs::create_dir(&place).expect("a folder");
    let key = ImageKey::of(&volume);
    let path = place.join(key.file_name());
    let (mut document, _) = Document::open(&path, &key, geometry(DIMS), None).expect("a journal");
    fs::remove_dir_all(&place).expect("removed");
    document.compact();
    let layer = document.layers().next().expect("a layer").id;
    document.add_segment(layer, "one", None).expect("added");
    assert!(document.flush().is_err(), "the folder is gone");
    assert!(document.journal_health().expect("a journal").problem.is_some());
    fs::create_dir(&place).expect("a folder");
    document.add_segment(layer, "two", None).expect("added");
    document.flush().expect("the folder is back");
    assert_eq!(document.journal_health().expect("a journal").problem, None);
    let before = plain(&document);
    drop(document);
    let (again, recovery) = Document::open(&path, &key, geometry(DIMS), None).expect("there");
    assert_eq!((plain(&again), recovery.cut_bytes, again.segments().len()), (before, 0, 2));
}

/// A segment as journals from before there were several terms have it.
#[test]
fn segments_with_one_code_are_still_read() {
    let text = r#"{"id":3,"layer":1,"value":2,"name":"liver","color":[1,2,3],"opacity":255,"code":{"scheme":"SCT","value":"10200004","meaning":"Liver"},"visible":true,"locked":false,"status":"done"}"#;
    let segment: voco_labelstore::Segment = serde_json::from_str(text).expect("read");
    assert_eq!(segment.terms.kind.as_ref().map(|c| c.meaning.as_str()), Some("Liver"));
    assert_eq!((segment.terms.category.as_ref(), segment.comment.as_str()), (None, ""));
    let none: voco_labelstore::Segment =
        serde_json::from_str(&text.replace(r#"{"scheme":"SCT","value":"10200004","meaning":"Liver"}"#, "null"))
            .expect("read");
    assert!(none.terms.is_empty());
    let again: voco_labelstore::Segment =
        serde_json::from_str(&serde_json::to_string(&segment).expect("written")).expect("read");
    assert_eq!(again, segment);
}

/// Terms are one change: in the history, in the journal, and taken back.
#[test]
fn terms_are_kept_and_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let volume = image(DIMS);
    let key = ImageKey::of(&volume);
    let path = folder.path().join(key.file_name());
    let (mut document, _) = Document::open(&path, &key, geometry(DIMS), None).expect("a journal");
    let layer = document.layers().next().expect("a layer").id;
    let id = document.add_segment(layer, "kidney_left", None).expect("added");
    let terms = voco_labelstore::terms_of_name("kidney_left").expect("known").clone();
    let name = voco_labelstore::change_name("terms", &["kidney_left"]);
    document.update_segment(id, &name, |segment| segment.terms.clone_from(&terms)).expect("changed");
    drop(document);
    let (mut again, _) = Document::open(&path, &key, geometry(DIMS), None).expect("there");
    assert_eq!(again.segment(id).expect("there").terms, terms);
    assert_eq!(again.history().last().map(|item| item.what.name.clone()), Some(name));
    again.undo().expect("undone");
    assert!(again.segment(id).expect("there").terms.is_empty());
}

/// What is damaged is told, kept, and never written over by what is damaged later.
#[test]
fn damage_is_kept_under_a_name_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = ImageKey::of_dims(DIMS);
    let path = folder.path().join(key.file_name());
    let open = || Document::open(&path, &key, geometry(DIMS), None);
    for n in 1..=2 {
        let (mut document, _) = open().expect("a journal");
        document.flush().expect("written");
        let whole = fs::metadata(&path).expect("there").len() as usize;
        let layer = document.layers().next().expect("a layer").id;
        for name in ["one", "two", "three"] {
            document.add_segment(layer, name, None).expect("added");
        }
        drop(document);
        let mut bytes = fs::read(&path).expect("there");
        bytes[whole + 12] ^= 1;
        fs::write(&path, &bytes).expect("changed");
        let (document, recovery) = open().expect("the rest");
        assert_eq!((document.segments().len(), recovery.cut_bytes), (0, (bytes.len() - whole) as u64), "time {n}");
        let ending = if n == 1 { "damaged".to_owned() } else { format!("damaged-{n}") };
        let place = path.with_extension(ending);
        assert_eq!(recovery.damaged.as_ref(), Some(&place));
        assert_eq!(fs::read(&place).expect("kept"), &bytes[whole..]);
    }
    fs::write(&path, [7; 100]).expect("changed");
    assert!(matches!(open(), Err(voco_labelstore::StoreError::BadJournal(_))));
    let aside = voco_labelstore::set_aside(&path).expect("moved");
    assert_eq!(fs::read(aside).expect("kept"), [7; 100]);
    assert!(open().is_ok(), "begun anew");
}
