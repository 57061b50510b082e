use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_labelstore::{Document, ImageKey};

use crate::model::{Model, plain, step};
use crate::{geometry, image};

const DIMS: [usize; 3] = [96, 80, 40];
const FOLDER: &str = "VOCO_LABELSTORE_KILL_FOLDER";
const SEED: u64 = 21;

/// A process paints and is killed at 50 random moments. What comes back is what was there after some number of changes, and
/// that number is at least what had been committed a second before.
#[cfg(unix)]
#[test]
fn kill_at_random_moments_loses_at_most_a_second() {
    let mut rng = StdRng::seed_from_u64(1);
    let volume = image(DIMS);
    let key = ImageKey::of(&volume);
    let mut most = 0;
    for n in 0..50 {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "killed::paints_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let progress = folder.path().join("progress");
        let begun = Instant::now();
        while !progress.exists() && begun.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Some live long enough for the first commits to be more than a second old.
        let wait = if n % 5 == 0 { 1000..1600 } else { 0..400 };
        std::thread::sleep(Duration::from_millis(rng.random_range(wait)));
        let before = read_progress(&progress);
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        let path = folder.path().join(key.file_name());
        let (document, recovery) = Document::open(&path, &key, geometry(DIMS), Some(volume.clone()))
            .unwrap_or_else(|error| panic!("kill {n}: {error}"));
        let events = document.audit().len();
        most = most.max(before);
        assert!(events >= before, "kill {n}: {events} of at least {before} events, {recovery:?}");
        // The same work without a journal, up to as many events.
        let mut again = Document::new(geometry(DIMS), Some(volume.clone())).expect("a document");
        let mut model = Model::of(&again);
        let mut rng = StdRng::seed_from_u64(SEED);
        while again.audit().len() < events {
            step(&mut again, &mut model, &mut rng);
        }
        assert_eq!(plain(&document), plain(&again), "kill {n} after {events} events");
    }
    assert!(most > 100, "the children painted");
}

/// The numbers of events that had been committed more than a second ago; the child appends them.
fn read_progress(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let now = now_ms();
    let old = text.lines().filter_map(|line| {
        let (time, events) = line.split_once(' ')?;
        // A line may be cut short.
        (time.parse::<u128>().ok()? + 1000 < now).then(|| events.strip_suffix('.')?.parse().ok())?
    });
    old.max().unwrap_or(0)
}

fn now_ms() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis())
}

#[test]
#[ignore = "the child of the test above"]
fn paints_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let volume = image(DIMS);
    let key = ImageKey::of(&volume);
    let path = folder.join(key.file_name());
    let (mut document, _) = Document::open(&path, &key, geometry(DIMS), Some(volume)).expect("a journal");
    let mut model = Model::of(&document);
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut progress = std::fs::File::create(folder.join("progress")).expect("a file");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        step(&mut document, &mut model, &mut rng);
        writeln!(progress, "{} {}.", now_ms(), document.audit().len()).expect("a line");
    }
}
