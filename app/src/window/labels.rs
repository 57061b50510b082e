//! Label maps that are edited: opened, found again in their journal, proposed to, counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use voco_io::{Control, LabelNames, Opened};
use voco_label::{LabelMap, LabelVolume, Watch};
use voco_labelstore::{Document, ImageKey, PresetEntry, Recovery, StoreError, change_name};
use voco_render::{LabelTexture, RenderContext};
use voco_ui::labelling::{Ask, DisplayIds, FlatLabels, NetworkPrior, Proposal, propose};
use voco_ui::{LabelStats, LabelStatsRow, OpenLabels, VolumeId, i18n, numbers_only};
use voco_volume::{Geometry, LabelTable, Volume};

use super::tasks::{ImageSource, TaskOutcome};

/// What a label map is opened as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelRole {
    /// Over the image.
    Shown,
    /// To compare the one over the image with.
    Reference,
}

/// A file with more is no label map.
pub(crate) const MAX_LAYERS: usize = 64;

/// Labels as a file has them.
pub(crate) struct ReadLabels {
    pub name: String,
    pub path: Option<PathBuf>,
    /// They are in a file, or come with the program.
    pub is_saved: bool,
    pub names_from: String,
    pub geometry: Geometry,
    pub layers: Vec<(LabelVolume, Vec<PresetEntry>)>,
}

/// A document ready to be worked on, with its picture.
pub(super) struct ReadyLabels {
    pub name: String,
    pub path: Option<PathBuf>,
    pub names_from: String,
    pub document: Document,
    /// Where a journal is begun with the first change.
    pub journal: Option<(PathBuf, ImageKey)>,
    pub saved_change: u64,
    pub texture: Arc<LabelTexture>,
    pub notes: Vec<String>,
}

impl ReadLabels {
    /// Names come from the file itself, or from one beside it. Without one, labels have numbers until the user says whose they are.
    ///
    /// # Errors
    /// One sentence if it is no label map.
    pub fn new(source: &ImageSource, name: String, opened: &[Opened]) -> Result<Self, String> {
        let (names, mut names_from) = names_of(source);
        let failed = |e: &dyn std::fmt::Display| format!("{name}: {e}.");
        let mut layers = Vec::new();
        for one in opened {
            let map = LabelMap::from_volume(&one.volume).map_err(|e| failed(&e))?;
            let volume = match map.values() {
                voco_label::LabelValues::U8(values) => LabelVolume::from_values(values, one.volume.dims()),
                voco_label::LabelValues::U16(values) => LabelVolume::from_values(values, one.volume.dims()),
                voco_label::LabelValues::U32(values) => LabelVolume::from_values(values, one.volume.dims()),
            };
            let volume = volume.map_err(|e| failed(&e))?;
            let own: Vec<_> = one.segments.iter().filter(|s| s.layer == one.component).collect();
            let entries = if own.is_empty() {
                // Only the names of a known data set are no guess.
                let is_known = matches!(source, ImageSource::Sample);
                let entry = if is_known { PresetEntry::named } else { PresetEntry::new };
                let named = |(id, _): (u16, u64)| names.get(&id).map(|name| entry(id, name));
                volume.counts().into_iter().filter_map(named).collect()
            } else {
                names_from = i18n::text("names-from-itself");
                let entry = |s: &&voco_io::Segment| PresetEntry {
                    color: s.color,
                    terms: s.terms.clone(),
                    visible: !s.review.hidden,
                    locked: s.review.locked,
                    status: s.review.status,
                    comment: s.review.comment.clone(),
                    ..PresetEntry::new(s.value, &s.name)
                };
                own.iter().map(entry).collect()
            };
            layers.push((volume, entries));
        }
        let geometry = opened
            .first()
            .map(|o| *o.volume.geometry())
            .ok_or_else(|| i18n::text_with("tell-no-labels-in-it", [("name", name.as_str().into())]))?;
        let path = if let ImageSource::File(path) = source { Some(path.clone()) } else { None };
        Ok(Self { name, path, is_saved: true, names_from: names_from.into(), geometry, layers })
    }

    /// Each voxel of a grid takes the nearest label.
    fn resampled(self, image: &Geometry) -> Result<Self, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}.", self.name);
        let mut layers = Vec::new();
        for (volume, entries) in &self.layers {
            let values = volume.to_values().map_err(|e| failed(&e))?;
            let map = LabelMap::new(self.geometry, values).map_err(|e| failed(&e))?;
            let map = map.resampled(image).map_err(|e| failed(&e))?;
            let values = map.values().to_u32();
            layers.push((LabelVolume::from_values(&values, image.dims()).map_err(|e| failed(&e))?, entries.clone()));
        }
        Ok(Self { layers, geometry: *image, ..self })
    }
}

fn names_of(source: &ImageSource) -> (LabelNames, &'static str) {
    match source {
        ImageSource::Sample => (crate::label_presets::of_sample(), "TotalSegmentator CT"),
        ImageSource::File(path) | ImageSource::Series(_, path) => match voco_io::label_names_beside(path) {
            Some(names) => (names, i18n::text("names-from-beside")),
            None => (LabelNames::new(), numbers_only()),
        },
    }
}

/// Where journals of labels are kept: by the content of their image, so that no name of a file or patient is in it.
pub(super) fn journal_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("VOCO_LABELS_DIR") {
        return Some(folder.into());
    }
    Some(directories::ProjectDirs::from("", "", "voco-workbench")?.data_dir().join("labels"))
}

/// The file that says which change of a journal is the last one that the user has saved.
fn saved_mark(journal: &Path) -> PathBuf {
    journal.with_extension("saved")
}

/// The change that it names.
pub(super) fn saved_in(journal: &Path) -> Option<u64> {
    std::fs::read_to_string(saved_mark(journal)).ok()?.trim().parse().ok()
}

/// Notes which change was saved; runs on a task.
pub(crate) fn mark_saved(image: &Volume, change: u64) {
    let Some(folder) = journal_folder() else { return };
    let journal = folder.join(ImageKey::of(image).file_name());
    // Without a journal there is nothing to mark; without the mark the user is only told once more than needed.
    if journal.exists() {
        drop(crate::folders::write_whole(&saved_mark(&journal), change.to_string().as_bytes()));
    }
}

/// The document of an image: its journal if there is one, and what a file holds. `None` if there is neither, unless `is_new`.
///
/// # Errors
/// One sentence.
pub(super) fn open(
    image: &Volume,
    read: Option<ReadLabels>,
    is_new: bool,
    render: &RenderContext,
) -> Result<Option<ReadyLabels>, String> {
    find(journal_folder(), image, read, is_new)?.map(|found| ready(found, render)).transpose()
}

/// A document, and what is known of it.
struct Found {
    read: Option<ReadLabels>,
    document: Document,
    journal: Option<(PathBuf, ImageKey)>,
    saved_change: Option<u64>,
    notes: Vec<String>,
}

impl Found {
    fn new(read: Option<ReadLabels>, document: Document) -> Self {
        Self { read, document, journal: None, saved_change: None, notes: Vec::new() }
    }
}

fn find(
    folder: Option<PathBuf>,
    image: &Volume,
    read: Option<ReadLabels>,
    is_new: bool,
) -> Result<Option<Found>, String> {
    let failed = |e: StoreError| i18n::text_with("tell-labels-not-opened", [("problem", e.to_string().into())]);
    let new = || Document::new(*image.geometry(), Some(image.clone())).map_err(failed);
    if let Some(other) = read.as_ref().filter(|r| !r.geometry.is_same_grid(image.geometry(), 1e-3)) {
        // Looked at only, until they are on the image's grid.
        let mut document = Document::new(other.geometry, None).map_err(failed)?;
        import(&mut document, other).map_err(failed)?;
        return Ok(Some(Found::new(read, document)));
    }
    let place = folder.map(|folder| (folder, ImageKey::of(image)));
    let place = place.map(|(folder, key)| (folder.join(key.file_name()), key));
    let mut notes = Vec::new();
    if let Some((path, key)) = place.as_ref().filter(|(path, _)| path.exists()) {
        let mut is_kept = true;
        match Document::open(path, key, *image.geometry(), Some(image.clone())) {
            Ok((document, recovery)) => {
                notes.extend(damage(&recovery));
                if document.current_change() > 0 || !document.segments().is_empty() {
                    let mut found = with_work(path, document, read).map_err(failed)?;
                    found.notes.splice(0..0, notes);
                    return Ok(Some(found));
                }
                // Begun, and never used: as if it were not there. Its lock goes with it.
                drop(document);
            }
            Err(StoreError::InUse) => {
                notes.push(i18n::text("tell-labels-in-use").into());
                is_kept = false;
            }
            Err(problem @ (StoreError::BadJournal(_) | StoreError::OtherJournal)) => {
                let aside = begin_anew(path);
                is_kept = aside.is_ok();
                notes.push(match aside {
                    Ok(aside) => i18n::text_with(
                        "tell-work-set-aside",
                        [("problem", why(&problem).into()), ("place", aside.to_string_lossy().into_owned().into())],
                    ),
                    Err(_) => i18n::text_with("tell-work-lost", [("problem", problem.to_string().into())]),
                });
            }
            Err(problem) => {
                notes.push(i18n::text_with("tell-work-lost", [("problem", problem.to_string().into())]));
                is_kept = false;
            }
        }
        if !is_kept {
            let mut document = new()?;
            if let Some(read) = &read {
                import(&mut document, read).map_err(failed)?;
            }
            return Ok(Some(Found { notes, ..Found::new(read, document) }));
        }
    }
    if read.is_none() && !is_new && notes.is_empty() {
        return Ok(None);
    }
    let mut document = new()?;
    if let Some(read) = &read {
        import(&mut document, read).map_err(failed)?;
    } else {
        let layer = document.layers().next().map(|layer| layer.id);
        let name = i18n::text_with("segment-numbered", [("number", 1.into())]);
        layer.map_or(Ok(()), |l| document.add_segment(l, &name, None).map(drop)).map_err(failed)?;
    }
    Ok(Some(Found { journal: place, notes, ..Found::new(read, document) }))
}

/// What was lost of a journal, if anything was.
fn damage(recovery: &Recovery) -> Option<String> {
    let kilobytes = recovery.cut_bytes.div_ceil(1000);
    match &recovery.damaged {
        Some(place) => Some(i18n::text_with(
            "tell-work-damaged",
            [
                ("records", recovery.records.into()),
                ("kilobytes", kilobytes.into()),
                ("place", place.to_string_lossy().into_owned().into()),
            ],
        )),
        None if recovery.cut_bytes > 0 => Some(i18n::text("tell-work-torn").into()),
        None => None,
    }
}

/// Why a journal cannot be used, without advice to move it: that is done.
fn why(problem: &StoreError) -> String {
    match problem {
        StoreError::BadJournal(what) => (*what).into(),
        _ => i18n::text("work-of-other-image").into(),
    }
}

/// Moves a journal that cannot be read aside, with what was noted of it.
fn begin_anew(journal: &Path) -> std::io::Result<PathBuf> {
    let aside = voco_labelstore::set_aside(journal)?;
    // The numbers of its changes mean something else in the next one.
    if let Err(e) = std::fs::remove_file(saved_mark(journal))
        && e.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("the mark of what was saved stays: {}", e.kind());
    }
    Ok(aside)
}

/// Work that was begun earlier, together with what was read now: neither is lost.
fn with_work(journal: &Path, mut document: Document, read: Option<ReadLabels>) -> Result<Found, StoreError> {
    let mut saved_change = saved_in(journal);
    let is_unsaved = saved_change != Some(document.current_change());
    let mut notes = Vec::new();
    match &read {
        Some(read) if is_unsaved && !read.is_saved => {
            document.add_layers(&change_name("add-layers", &[&read.name]), &read.name, &read.layers)?;
            notes.push(i18n::text_with("tell-work-and-file", [("name", read.name.as_str().into())]));
        }
        Some(read) if is_unsaved => {
            notes.push(i18n::text_with("tell-work-instead-of-file", [("name", read.name.as_str().into())]));
        }
        Some(read) if !document.holds(&read.layers) => {
            import(&mut document, read)?;
            saved_change = read.is_saved.then(|| document.current_change());
        }
        Some(_) => {}
        None => notes.push(i18n::text("tell-work-found-again").into()),
    }
    let read = read.filter(|_| !is_unsaved);
    Ok(Found { saved_change, notes, ..Found::new(read, document) })
}

pub(super) fn import(document: &mut Document, read: &ReadLabels) -> Result<(), StoreError> {
    document.replace_with(&change_name("open", &[&read.name]), "import", &read.layers)
}

fn ready(found: Found, render: &RenderContext) -> Result<ReadyLabels, String> {
    let Found { read, document, journal, saved_change, notes } = found;
    let read = read.as_ref();
    let ids = DisplayIds::of(&document);
    let table = ids.table(&document);
    let flat = FlatLabels { document: Arc::new(document.frozen()), ids, table };
    let texture = texture(&flat, render)?;
    let is_saved = read.is_some_and(|read| read.is_saved);
    let saved_change = saved_change.unwrap_or(if is_saved { document.current_change() } else { 0 });
    let has_names = document.segments().iter().any(|s| !s.name.starts_with("Label "));
    let names_from = match read {
        Some(read) => read.names_from.clone(),
        None if has_names => i18n::text("names-from-your-work").to_owned(),
        None => numbers_only().to_owned(),
    };
    Ok(ReadyLabels {
        name: read.map_or_else(|| i18n::text("labels-unnamed").to_owned(), |read| read.name.clone()),
        path: read.and_then(|read| read.path.clone()),
        names_from,
        document,
        journal,
        saved_change,
        texture,
        notes,
    })
}

fn texture(flat: &FlatLabels, render: &RenderContext) -> Result<Arc<LabelTexture>, String> {
    let is_empty = flat.document.layers().all(|layer| flat.document.layer(layer.id).is_ok_and(|v| v.num_bytes() == 0));
    let made = if is_empty && flat.table.entries().is_empty() {
        LabelTexture::empty(render, flat.geometry(), &flat.table)
    } else {
        let volume =
            flat.volume().map_err(|e| i18n::text_with("tell-labels-not-shown", [("problem", e.to_string().into())]))?;
        LabelTexture::upload(render, &volume, &flat.table)
    };
    made.map(Arc::new).map_err(|e| e.to_string())
}

/// A label map that is only looked at, from its first layer.
///
/// # Errors
/// One sentence.
pub(super) fn reference(
    source: &ImageSource,
    name: String,
    opened: &Opened,
    render: &RenderContext,
) -> Result<OpenLabels, String> {
    let (names, names_from) = names_of(source);
    let volume = opened.volume.clone();
    let mut table = voco_io::label_table(&volume, &names).map_err(|e| format!("{name}: {e}"))?;
    let names_from = if opened.name_labels(&mut table) { i18n::text("names-from-itself") } else { names_from };
    let texture = LabelTexture::upload(render, &volume, &table).map_err(|e| format!("{name}: {e}"))?;
    Ok(OpenLabels { name, volume, table, names_from: names_from.into(), texture: Arc::new(texture) })
}

/// The labels on show as a label map that is only looked at.
///
/// # Errors
/// One sentence.
pub(super) fn as_reference(flat: &FlatLabels, name: String, render: &RenderContext) -> Result<OpenLabels, String> {
    let volume = flat.volume().map_err(|e| format!("{name}: {e}."))?;
    let table: LabelTable = flat.table.clone();
    let texture = LabelTexture::upload(render, &volume, &table).map_err(|e| format!("{name}: {e}"))?;
    Ok(OpenLabels {
        name,
        volume,
        table,
        names_from: i18n::text("names-from-labels").into(),
        texture: Arc::new(texture),
    })
}

/// What a network found, as layers of a document; runs on a task.
///
/// # Errors
/// One sentence.
pub(super) fn network_layers(
    geometry: &Geometry,
    values: &[u16],
    table: &LabelTable,
) -> Result<Vec<(LabelVolume, Vec<PresetEntry>)>, String> {
    let volume = LabelVolume::from_values(values, geometry.dims())
        .map_err(|e| i18n::text_with("tell-prediction-failed", [("problem", e.to_string().into())]))?;
    let entry = |e: &voco_volume::LabelEntry| PresetEntry { color: Some(e.color), ..PresetEntry::new(e.id, &e.name) };
    Ok(vec![(volume, table.entries().iter().map(entry).collect())])
}

/// Numbers of each segment; runs on a task.
///
/// # Errors
/// One sentence, or cancelled.
pub(super) fn count(document: &Document, cancel: &AtomicBool) -> Result<LabelStats, String> {
    let mut rows = Vec::new();
    let (watch, ids) = (Watch::cancelled_by(cancel), DisplayIds::of(document));
    for segment in document.segments() {
        let volume = document.layer(segment.layer).map_err(|e| e.to_string())?;
        let found = voco_label::segment_stats(volume, document.geometry(), document.image(), &[segment.value], &watch);
        let found =
            found.map_err(|e| i18n::text_with("tell-segments-not-counted", [("problem", e.to_string().into())]))?;
        // The number that a saved file has, as values of different layers may be the same.
        let value = ids.id(document, segment.id).unwrap_or(segment.value);
        let row = |stats: voco_label::SegmentStats| LabelStatsRow {
            name: segment.name.clone(),
            stats: voco_label::SegmentStats { value, ..stats },
        };
        rows.extend(found.into_iter().map(row));
    }
    Ok(LabelStats { revision: document.revision(), rows })
}

/// The statistics as CSV.
pub(super) fn stats_csv(stats: &LabelStats) -> String {
    let names: BTreeMap<u16, &str> = stats.rows.iter().map(|row| (row.stats.value, row.name.as_str())).collect();
    let rows: Vec<_> = stats.rows.iter().map(|row| row.stats.clone()).collect();
    voco_label::stats_csv(&rows, |n| names.get(&n).map_or_else(String::new, |name| (*name).to_owned()))
}

/// Asks an algorithm; runs on a task.
pub(super) fn run_propose(
    document: &Document,
    ask: &Ask,
    prior: Option<&NetworkPrior>,
    cancel: &AtomicBool,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Proposal, String> {
    propose(document, ask, prior, &Watch::new(cancel, progress)).map_err(|e| format!("{e}."))
}

/// Labels of a document on another grid; runs on a task.
///
/// # Errors
/// One sentence.
pub(super) fn resampled(
    document: &Document,
    name: String,
    names_from: String,
    image: &Volume,
    render: &RenderContext,
) -> Result<Option<ReadyLabels>, String> {
    let mut layers = Vec::new();
    for layer in document.layers() {
        let volume = document.layer(layer.id).map_err(|e| e.to_string())?.clone();
        let of_layer = document.segments().iter().filter(|s| s.layer == layer.id);
        layers.push((volume, of_layer.map(PresetEntry::of).collect()));
    }
    let read = ReadLabels { name, path: None, is_saved: false, names_from, geometry: *document.geometry(), layers };
    open(image, Some(read.resampled(image.geometry())?), true, render)
}

/// What [`TaskOutcome`] an opened document is.
pub(super) fn outcome(volume_id: VolumeId, opened: Result<Option<ReadyLabels>, String>) -> TaskOutcome {
    match opened {
        Ok(Some(ready)) => TaskOutcome::Work { volume_id, ready: Box::new(ready) },
        Ok(None) => TaskOutcome::NoWork,
        Err(text) => TaskOutcome::Failed(text),
    }
}

/// Reads a label map for an image.
///
/// # Errors
/// One sentence, or `None` if it was cancelled.
pub(super) fn read(
    path: &Path,
    image: &Geometry,
    control: Control<'_>,
) -> Result<(ReadLabels, Option<String>), Option<String>> {
    let said = |e: voco_io::OpenError| (!e.is_cancelled()).then(|| e.to_string());
    let opened = voco_io::open_label_layers(path, image, MAX_LAYERS, control).map_err(said)?;
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let note = opened.first().and_then(|o| grid_note(&name, o.volume.geometry(), image));
    let read = ReadLabels::new(&ImageSource::File(path.to_owned()), name, &opened).map_err(Some)?;
    Ok((read, note))
}

/// By how much a label map's grid differs from its image's.
pub(super) fn grid_note(name: &str, labels: &Geometry, image: &Geometry) -> Option<String> {
    let what = labels.mismatch(image, 0.5)?;
    Some(i18n::text_with("tell-other-grid", [("name", name.into()), ("what", what.into())]))
}

/// The image with everything outside (or inside) a segment blank; runs on a task.
///
/// # Errors
/// One sentence.
pub(super) fn masked(
    image: &Volume,
    document: &Document,
    segment: voco_labelstore::SegmentId,
    inside: bool,
    fill: f64,
) -> Result<Volume, String> {
    let mask = document.mask(segment).map_err(|e| format!("{e}."))?;
    voco_label::tools::blank::masked_image(image, &mask, fill, inside)
        .map_err(|e| i18n::text_with("tell-image-not-masked", [("problem", e.to_string().into())]))
}

#[cfg(test)]
mod tests {
    use voco_volume::{Rescale, Voxels};

    use super::*;

    fn image() -> Volume {
        let geometry = Geometry::new([2, 2, 1], glam::DAffine3::IDENTITY).expect("a grid");
        Volume::new(geometry, Voxels::U8([0, 1, 2, 3].into()), Rescale::IDENTITY).expect("a volume")
    }

    fn read(is_saved: bool) -> ReadLabels {
        let volume = LabelVolume::from_values(&[0_u16, 7, 7, 0], [2, 2, 1]).expect("labels");
        ReadLabels {
            name: "resampled".into(),
            path: None,
            is_saved,
            names_from: String::new(),
            geometry: *image().geometry(),
            layers: vec![(volume, vec![PresetEntry::new(7, "organ")])],
        }
    }

    /// A journal with one segment at the first voxel that is in no file.
    fn begun(folder: &Path) {
        let (image, key) = (image(), ImageKey::of(&image()));
        let path = folder.join(key.file_name());
        let (mut document, _) = Document::open(&path, &key, *image.geometry(), None).expect("a journal");
        let layer = document.layers().next().expect("a layer").id;
        let mine = document.add_segment(layer, "mine", None).expect("added");
        let target = voco_labelstore::Target::Paint(mine);
        let mut gesture = document.begin(target, voco_labelstore::Rules::default(), "brush", "").expect("begun");
        gesture.staged.insert([0, 0, 0]);
        gesture.staged.insert([1, 0, 0]);
        document.commit(&gesture).expect("painted");
    }

    #[test]
    fn labels_in_no_file_join_work_in_no_file_and_neither_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        begun(folder.path());
        let found = find(Some(folder.path().into()), &image(), Some(read(false)), true).expect("opened").expect("work");
        let mut document = found.document;
        assert!(found.notes[0].contains("resampled"), "{:?}", found.notes);
        let voxels = |document: &Document, name: &str| {
            let segment = document.segments().iter().find(|s| s.name == name)?;
            document.mask(segment.id).ok().map(|mask| mask.count())
        };
        assert_eq!((voxels(&document, "mine"), voxels(&document, "organ")), (Some(2), Some(2)), "they overlap in one");
        assert_ne!(found.saved_change, Some(document.current_change()), "it is in no file");
        document.undo().expect("undone");
        assert_eq!((voxels(&document, "mine"), voxels(&document, "organ")), (Some(2), None));
        document.redo().expect("redone");
        drop(document);
        let again = find(Some(folder.path().into()), &image(), None, false).expect("opened").expect("work");
        let document = again.document;
        assert_eq!((voxels(&document, "mine"), voxels(&document, "organ")), (Some(2), Some(2)), "in the journal");
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_set_aside_and_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(ImageKey::of(&image()).file_name());
        std::fs::write(&path, [7; 100]).expect("written");
        std::fs::write(saved_mark(&path), "3").expect("written");
        let found = find(Some(folder.path().into()), &image(), Some(read(true)), true).expect("opened").expect("work");
        assert!(found.notes[0].contains(".bad"), "{:?}", found.notes);
        assert_eq!((found.journal.map(|(place, _)| place), path.exists()), (Some(path.clone()), false), "begun anew");
        assert_eq!(std::fs::read(path.with_extension("bad")).expect("kept"), [7; 100]);
        assert!(!saved_mark(&path).exists());
    }

    #[test]
    fn a_file_waits_until_work_in_no_file_was_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        begun(folder.path());
        let found = find(Some(folder.path().into()), &image(), Some(read(true)), true).expect("opened").expect("work");
        assert_eq!(found.document.segments().len(), 1);
        assert!(found.notes[0].contains("once more"), "{:?}", found.notes);
    }
}
