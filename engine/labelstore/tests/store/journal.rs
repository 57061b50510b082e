use std::fs;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_labelstore::{Document, ImageKey, StoreError};

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
        drop(Document::open(&other, &key, geometry(DIMS), Some(volume.clone())));
    }
}
