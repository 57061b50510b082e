//! The thread that owns a document beside a window: edits go in, what the document then holds comes out.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never};

use crate::{Document, ImageKey, JournalHealth, StoreError};

/// Edits that the thread has not begun; more wait on the window's side.
const QUEUE: usize = 256;
/// History lines that are published, around the last one that is done; all are in [`Document::history`].
const SHOWN_HISTORY: usize = 500;
/// How many of them, at most, can be done again.
const SHOWN_UNDONE: usize = 250;

/// How long the thread waits, at least, before it tries again to begin a journal that could not be begun.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Something to do to a document.
pub type Edit = Box<dyn FnOnce(&mut Document) -> Result<(), StoreError> + Send>;

/// Owns a [`Document`] on the thread `label-writer`. Edits are done in the order in which they were given, each is published
/// once, and dropping the worker does what waits and ends the journal.
pub struct LabelWorker {
    edits: Option<Sender<(u64, Edit)>>,
    waiting: VecDeque<(u64, Edit)>,
    published: Receiver<Published>,
    next: u64,
    thread: Option<JoinHandle<()>>,
}

/// What a document holds after an edit.
#[derive(Debug, Clone)]
pub struct Published {
    /// The edit's ticket; 0 for the document as it was in the beginning.
    pub ticket: u64,
    /// The voxels and segments; see [`Document::frozen`].
    pub document: Arc<Document>,
    /// Some hundred changes around the last one that is done, the oldest first. What undo and redo would do is in [`Self::steps`].
    pub history: Arc<[HistoryLine]>,
    /// How many changes there are before and after those.
    pub not_shown: [usize; 2],
    /// The change that undo would take back, and the one that redo would do again.
    pub steps: [Option<HistoryLine>; 2],
    /// The number of the last change that is done; 0 if there is none.
    pub last_change: u64,
    /// The number of the newest change, done or not.
    pub newest_change: u64,
    /// True if there were changes before the oldest that can be taken back.
    pub has_forgotten: bool,
    /// Why the edit was not done, as one sentence.
    pub error: Option<String>,
    /// Whether the journal keeps up; `None` before there is one.
    pub journal: Option<JournalHealth>,
    /// That a journal cannot be begun, or now is; told once each.
    pub news: Option<JournalNews>,
}

/// What became of the journal of a document that had none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalNews {
    /// Changes are not kept, and why; it is tried again with later changes.
    NotKept(String),
    /// Changes are not kept, and why; trying again would not help.
    NeverKept(String),
    /// All changes are kept from now on, those from before included.
    KeptAgain,
}

/// A line of the history list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// The number of the change.
    pub change: u64,
    /// What it is called.
    pub name: String,
    /// By which tool.
    pub tool: String,
    /// Milliseconds since 1970, UTC.
    pub time_ms: u64,
    /// Voxels whose value differs.
    pub voxels: u64,
    /// False if it is undone and can be done again.
    pub is_done: bool,
}

impl LabelWorker {
    /// Takes a document over. If it has no journal, the first edit begins one at `journal`. `wake` is called from the thread
    /// whenever there is something for [`Self::published`].
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn start(
        document: Document,
        journal: Option<(PathBuf, ImageKey)>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<(Self, Published)> {
        Self::start_with(document, journal, wake, RETRY_AFTER)
    }

    fn start_with(
        document: Document,
        journal: Option<(PathBuf, ImageKey)>,
        wake: Arc<dyn Fn() + Send + Sync>,
        retry_after: Duration,
    ) -> std::io::Result<(Self, Published)> {
        let (edits, inbox) = bounded::<(u64, Edit)>(QUEUE);
        let (outbox, published) = bounded(QUEUE);
        let first = publish(&document, 0, None, None);
        let keeper = Keeper { journal, retry_after, next_try: None };
        let body = move || run(document, keeper, &inbox, &outbox, &*wake);
        let thread = std::thread::Builder::new().name("label-writer".into()).spawn(body)?;
        Ok((Self { edits: Some(edits), waiting: VecDeque::new(), published, next: 1, thread: Some(thread) }, first))
    }

    /// Queues an edit; its ticket comes back with what it did. It never waits.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Document) -> Result<(), StoreError> + Send + 'static) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.waiting.push_back((ticket, Box::new(edit)));
        self.hand_over();
        ticket
    }

    fn hand_over(&mut self) {
        while let (Some(edits), Some(edit)) = (&self.edits, self.waiting.pop_front()) {
            if let Err(TrySendError::Full(edit) | TrySendError::Disconnected(edit)) = edits.try_send(edit) {
                self.waiting.push_front(edit);
                return;
            }
        }
    }

    /// The ticket of the last edit.
    pub fn last_ticket(&self) -> u64 {
        self.next - 1
    }

    /// What has been published since the last call, the oldest first.
    pub fn published(&mut self) -> Vec<Published> {
        let published = self.published.try_iter().collect();
        self.hand_over();
        published
    }

    /// Waits for the next one. For tests and for closing.
    pub fn wait(&self) -> Option<Published> {
        self.published.recv().ok()
    }
}

impl Drop for LabelWorker {
    fn drop(&mut self) {
        // Nobody reads any more: the thread must not wait for room.
        self.published = never();
        if let Some(edits) = self.edits.take() {
            for edit in self.waiting.drain(..) {
                drop(edits.send(edit));
            }
        }
        if let Some(thread) = self.thread.take() {
            // Panics are caught in the thread.
            drop(thread.join());
        }
    }
}

/// Begins the journal of a document, and tries again where that did not work.
struct Keeper {
    /// Where it is to be; none if there is one already, or will not be.
    journal: Option<(PathBuf, ImageKey)>,
    retry_after: Duration,
    /// Not before then; it did not work earlier.
    next_try: Option<Instant>,
}

impl Keeper {
    /// Before each change.
    fn keep(&mut self, document: &mut Document) -> Option<JournalNews> {
        let (path, key) = self.journal.as_ref().filter(|_| !document.has_journal())?;
        if self.next_try.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        let is_again = self.next_try.is_some();
        match document.keep_in(path, key) {
            Ok(()) => {
                self.journal = None;
                is_again.then_some(JournalNews::KeptAgain)
            }
            // The disk may get room, the folder may come back, the other window may be closed.
            Err(problem @ (StoreError::Io(_) | StoreError::InUse)) => {
                self.next_try = Some(Instant::now() + self.retry_after);
                (!is_again).then(|| JournalNews::NotKept(problem.to_string()))
            }
            Err(problem) => {
                self.journal = None;
                Some(JournalNews::NeverKept(problem.to_string()))
            }
        }
    }
}

fn run(
    mut document: Document,
    mut keeper: Keeper,
    inbox: &Receiver<(u64, Edit)>,
    outbox: &Sender<Published>,
    wake: &(dyn Fn() + Send + Sync),
) {
    for (ticket, edit) in inbox {
        let mut error = None;
        let news = keeper.keep(&mut document);
        match catch_unwind(AssertUnwindSafe(|| edit(&mut document))) {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => error = Some(problem.to_string()),
            Err(_) => {
                error = Some("an error in the program stopped this change of the labels; please report it".into());
            }
        }
        // An edit that failed halfway must not swallow those after it.
        document.end_group();
        if outbox.send(publish(&document, ticket, error, news)).is_err() {
            // The window has gone; what waits is done all the same.
            continue;
        }
        wake();
    }
}

fn publish(document: &Document, ticket: u64, error: Option<String>, news: Option<JournalNews>) -> Published {
    let (count, done) = (document.history().len(), document.num_done());
    // The newest, unless so many of them are undone that the last one that is done would be out of sight.
    let first = count.saturating_sub(SHOWN_HISTORY).min(done.saturating_sub(SHOWN_HISTORY - SHOWN_UNDONE));
    let history: Arc<[_]> = document.history().skip(first).take(SHOWN_HISTORY).map(line).collect();
    let step = |at: Option<usize>| at.and_then(|at| document.history().nth(at)).map(line);
    Published {
        ticket,
        document: Arc::new(document.frozen()),
        not_shown: [first, count - first - history.len()],
        history,
        steps: [step(done.checked_sub(1)), step(Some(done))],
        last_change: document.current_change(),
        newest_change: document.last_change(),
        has_forgotten: document.has_forgotten(),
        error,
        journal: document.journal_health(),
        news,
    }
}

fn line(item: crate::HistoryItem<'_>) -> HistoryLine {
    HistoryLine {
        change: item.what.change,
        name: item.what.name.clone(),
        tool: item.what.tool.clone(),
        time_ms: item.what.time_ms,
        voxels: item.what.voxels,
        is_done: item.is_done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rules, Target};

    fn document() -> Document {
        let geometry = voco_volume::Geometry::new([40, 40, 40], glam::DAffine3::IDENTITY).expect("a grid");
        Document::new(geometry, None).expect("a document")
    }

    #[test]
    fn edits_are_published_in_order_and_the_journal_begins_with_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let geometry = *document().geometry();
        let key = ImageKey::of_dims(geometry.dims());
        let path = folder.path().join(key.file_name());
        let mut opened = document();
        let layer = opened.layers().next().expect("one layer").id;
        let liver = opened.add_segment(layer, "liver", None).expect("added");
        let (mut worker, first) =
            LabelWorker::start(opened, Some((path.clone(), key.clone())), Arc::new(|| {})).expect("a thread");
        assert_eq!(first.document.segments().len(), 1);
        assert!(!path.exists(), "looking at labels leaves no file behind");
        for n in 0..3_usize {
            worker.edit(move |document| {
                let mut gesture = document.begin(Target::Paint(liver), Rules::default(), "brush", "Brush: liver")?;
                gesture.staged.insert([n, 0, 0]);
                document.commit(&gesture).map(drop)
            });
        }
        worker.edit(|document| document.undo().map(drop));
        worker.edit(|document| document.begin(Target::Erase(crate::SegmentId(99)), Rules::default(), "", "").map(drop));
        let all: Vec<Published> = (0..5).filter_map(|_| worker.wait()).collect();
        assert_eq!(all.iter().map(|p| p.ticket).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let voxels = |p: &Published| p.document.mask(liver).expect("there").count();
        assert_eq!(all.iter().map(voxels).collect::<Vec<_>>(), [1, 2, 3, 2, 2]);
        assert!(all[4].error.as_ref().is_some_and(|e| e.contains("segment 99")));
        let last = all[4].history.last().expect("a history");
        assert_eq!((last.name.as_str(), last.is_done), ("Brush: liver", false));
        drop(worker);
        let (again, recovery) = Document::open(&path, &key, geometry, None).expect("kept");
        assert_eq!((again.mask(liver).expect("there").count(), recovery.cut_bytes), (2, 0));
        assert!(again.can_undo() && again.can_redo());
    }

    #[test]
    fn hundreds_of_changes_are_undone_to_the_beginning_and_redone() {
        const MANY: u64 = 700;
        let mut opened = document();
        let layer = opened.layers().next().expect("one layer").id;
        for n in 0..MANY {
            opened.add_segment(layer, &format!("{n}"), None).expect("added");
        }
        let (mut worker, first) = LabelWorker::start(opened, None, Arc::new(|| {})).expect("a thread");
        let number = |step: &Option<HistoryLine>| step.as_ref().map(|line| line.change);
        let check = |now: &Published, done: u64| {
            let next = (done < MANY).then_some(done + 1);
            assert_eq!([number(&now.steps[0]), number(&now.steps[1])], [(done > 0).then_some(done), next]);
            assert_eq!((now.last_change, now.newest_change, now.has_forgotten), (done, MANY, false));
            assert_eq!(now.document.segments().len() as u64, done);
            assert_eq!(now.not_shown.iter().sum::<usize>() + now.history.len(), MANY as usize);
            let shown = now.history.iter().rev().find(|line| line.is_done).map(|line| line.change);
            assert_eq!(shown, number(&now.steps[0]), "the last that is done is in sight");
        };
        check(&first, MANY);
        for n in 1..=MANY {
            worker.edit(|document| document.undo().map(drop));
            check(&worker.wait().expect("published"), MANY - n);
        }
        for n in 1..=MANY {
            worker.edit(|document| document.redo().map(drop));
            check(&worker.wait().expect("published"), n);
        }
    }

    /// Without a journal, what memory has no room for cannot be taken back: the rest is not the beginning.
    #[test]
    fn the_oldest_that_is_left_is_not_taken_for_the_beginning() {
        let mut opened = document();
        let layer = opened.layers().next().expect("one layer").id;
        opened.set_undo_bytes(2000);
        for n in 0..20 {
            opened.add_segment(layer, &format!("{n}"), None).expect("added");
        }
        while opened.undo().expect("undone").is_some() {}
        let left = opened.segments().len() as u64;
        let (_worker, first) = LabelWorker::start(opened, None, Arc::new(|| {})).expect("a thread");
        assert!(left > 0 && first.has_forgotten && first.steps[0].is_none());
        assert_eq!(first.last_change, left, "as many changes as segments are done");
    }

    #[test]
    fn a_journal_with_other_work_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let geometry = *document().geometry();
        let key = ImageKey::of_dims(geometry.dims());
        let path = folder.path().join(key.file_name());
        let (mut kept, _) = Document::open(&path, &key, geometry, None).expect("a journal");
        let layer = kept.layers().next().expect("one layer").id;
        kept.add_segment(layer, "spleen", None).expect("added");
        drop(kept);
        let (mut worker, _) =
            LabelWorker::start(document(), Some((path.clone(), key.clone())), Arc::new(|| {})).expect("a thread");
        worker.edit(move |document| document.add_segment(layer, "liver", None).map(drop));
        let told = worker.wait().and_then(|p| p.news);
        assert!(matches!(&told, Some(JournalNews::NeverKept(why)) if why.contains("other work")), "{told:?}");
        drop(worker);
        let (again, _) = Document::open(&path, &key, geometry, None).expect("still there");
        assert_eq!(again.segments()[0].name, "spleen");
    }

    #[test]
    fn a_journal_that_cannot_be_begun_is_tried_again_and_then_holds_everything() {
        let folder = tempfile::tempdir().expect("a folder");
        let geometry = *document().geometry();
        let key = ImageKey::of_dims(geometry.dims());
        // A file stands where the folder should be.
        let blocked = folder.path().join("labels");
        std::fs::write(&blocked, "in the way").expect("writable");
        let path = blocked.join(key.file_name());
        let pause = Duration::from_millis(60);
        let place = Some((path.clone(), key.clone()));
        let (mut worker, first) = LabelWorker::start_with(document(), place, Arc::new(|| {}), pause).expect("a thread");
        let layer = first.document.layers().next().expect("one layer").id;
        let mut add = |name: &'static str| {
            worker.edit(move |document| document.add_segment(layer, name, None).map(drop));
            let published = worker.wait().expect("published");
            assert_eq!(published.error, None);
            (published.news, published.journal.is_some())
        };
        let (news, has_journal) = add("one");
        assert!(matches!(news, Some(JournalNews::NotKept(_))) && !has_journal, "{news:?}");
        assert_eq!(add("two"), (None, false), "told once");
        std::thread::sleep(pause);
        assert_eq!(add("three"), (None, false), "tried again, and still told once");
        std::fs::remove_file(&blocked).expect("removed");
        assert_eq!(add("four"), (None, false), "not before the pause is over");
        std::thread::sleep(pause);
        assert_eq!(add("five"), (Some(JournalNews::KeptAgain), true));
        assert_eq!(add("six"), (None, true));
        drop(worker);
        let (mut again, _) = Document::open(&path, &key, geometry, None).expect("kept");
        let names: Vec<&str> = again.segments().iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["one", "two", "three", "four", "five", "six"]);
        again.undo().expect("undone");
        assert_eq!(again.segments().len(), 5, "with what can be undone");
    }
}
