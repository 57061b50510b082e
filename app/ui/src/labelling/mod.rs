//! The label map over a volume while it is edited: what is on show of it, the gesture in hand, and the way to its writer.
//!
//! [`LabelWork`] never changes voxels itself. It holds the last state that the writer's thread has published, draws it together with
//! what is not committed yet, and sends edits. So a frame never waits for a commit, however large.

mod change_text;
mod display;
mod parts;
mod propose;
mod settings;
mod smart;
mod stale;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;
use voco_label::{BRICK, BRICK_VOXELS, BrickMask, LabelError, VoxelBox};
use voco_labelstore::{
    Document, DrawOver, Gesture, JournalNews, LabelWorker, Published, Rules, SegmentId, StoreError, Target,
};
use voco_render::{LabelTexture, RenderContext, RenderError};
use voco_volume::{Geometry, LabelTable};

pub use change_text::change_text;
pub use display::{DisplayIds, FlatLabels};
pub use propose::{Ask, NetworkPrior, ProposeError, What, propose};
pub use settings::{
    CutDepth, Effect, EffectKind, IslandUse, Islands, LabelSettings, LabelTool, Mark, Over, Proposal, Smoothing,
    TraceSide,
};
pub use smart::smart_box;

use crate::document::next_stamp;
use crate::panels::TermsEdit;
use stale::Stale;

/// Bricks that go to the graphics memory in one frame while no hand is painting: a few milliseconds.
const BRICKS_PER_FRAME: usize = 96;

/// The label map over a volume.
pub struct LabelWork {
    /// Name of the file it came from or was saved to, or what it is.
    pub name: String,
    /// Where the names of its segments come from, for people.
    pub names_from: String,
    /// The segment that tools work on.
    pub current: Option<SegmentId>,
    /// The last change that is in a file.
    pub saved_change: u64,
    /// The file that a save goes to without asking.
    pub path: Option<PathBuf>,
    /// The edit that made it what its file holds.
    pub is_file_at: Option<u64>,
    /// The next segment that is added is worked on.
    pub choose_new: bool,
    /// Marks of the smart tool.
    pub marks: Vec<Mark>,
    /// Marks that were taken back, the last one first to come again.
    pub marks_taken_back: Vec<Mark>,
    /// Terms of a segment that are being edited.
    pub terms_edit: Option<TermsEdit>,
    worker: LabelWorker,
    now: Published,
    /// What it was before the last change.
    before: Option<Arc<Document>>,
    /// When each change was made in this window, in the order of all that can be undone there; those from before it are not in it.
    stamps: BTreeMap<u64, u64>,
    ids: DisplayIds,
    table: LabelTable,
    texture: Arc<LabelTexture>,
    is_wide: bool,
    /// Bricks whose picture is not up to date.
    stale: Stale,
    colors_changed: bool,
    /// In hand.
    gesture: Option<Gesture>,
    /// Sent, and not published yet.
    sent: Vec<(u64, Gesture)>,
    /// What an algorithm proposes.
    proposal: Option<Proposal>,
}

/// What [`LabelWork::poll`] found.
#[derive(Debug, Default)]
pub struct Polled {
    /// Voxels or segments differ.
    pub has_changed: bool,
    /// What went wrong, one sentence each.
    pub errors: Vec<String>,
    /// What became of the journal.
    pub news: Vec<JournalNews>,
}

impl LabelWork {
    /// Takes over what a worker's document holds. `texture` shows it already.
    pub fn new(
        name: String,
        names_from: String,
        worker: LabelWorker,
        first: Published,
        texture: Arc<LabelTexture>,
    ) -> Self {
        let ids = DisplayIds::of(&first.document);
        let table = ids.table(&first.document);
        let is_wide = wide(&table);
        let current = first.document.segments().iter().find(|s| !s.locked).map(|s| s.id);
        Self {
            name,
            names_from,
            current,
            saved_change: first.last_change,
            path: None,
            is_file_at: None,
            choose_new: false,
            marks: Vec::new(),
            marks_taken_back: Vec::new(),
            terms_edit: None,
            worker,
            now: first,
            before: None,
            stamps: BTreeMap::new(),
            ids,
            table,
            texture,
            is_wide,
            stale: Stale::default(),
            colors_changed: false,
            gesture: None,
            sent: Vec::new(),
            proposal: None,
        }
    }

    /// Segments, layers and voxels as the writer last published them.
    pub fn document(&self) -> &Arc<Document> {
        &self.now.document
    }

    /// Everything that was published last.
    pub fn now(&self) -> &Published {
        &self.now
    }

    /// What is on show as one label map.
    pub fn flat(&self) -> FlatLabels {
        FlatLabels { document: Arc::clone(&self.now.document), ids: self.ids.clone(), table: self.table.clone() }
    }

    /// The same before the last change.
    pub fn flat_before(&self) -> Option<FlatLabels> {
        let document = Arc::clone(self.before.as_ref()?);
        let ids = DisplayIds::of(&document);
        let table = ids.table(&document);
        Some(FlatLabels { document, ids, table })
    }

    /// Where it lies.
    pub fn geometry(&self) -> &Geometry {
        self.now.document.geometry()
    }

    /// Names, colours and visibility by the number that is drawn.
    pub fn table(&self) -> &LabelTable {
        &self.table
    }

    /// How segments are numbered.
    pub fn ids(&self) -> &DisplayIds {
        &self.ids
    }

    /// Its texture.
    pub fn texture(&self) -> &Arc<LabelTexture> {
        &self.texture
    }

    /// True if there are changes that are in no file.
    pub fn is_unsaved(&self) -> bool {
        self.now.last_change != self.saved_change
    }

    /// True if there are changes that are in no file and that no journal keeps.
    pub fn would_be_lost(&self) -> bool {
        let is_kept = self.now.journal.as_ref().is_some_and(|journal| journal.problem.is_none());
        // A map that was only begun holds nothing.
        let is_worth = self.now.ticket > 0 || !self.now.document.is_blank();
        self.is_unsaved() && !is_kept && is_worth
    }

    /// The number of the last change that is done.
    pub fn last_change(&self) -> u64 {
        self.now.last_change
    }

    /// True if somebody said what its numbers mean.
    pub fn has_names(&self) -> bool {
        self.names_from != crate::numbers_only()
    }

    /// All numbers and names, and which are hidden, as one text, to see whether they have changed.
    pub fn names_key(&self) -> String {
        if !self.has_names() {
            return String::new();
        }
        // Of two of one name the visible one is meant.
        let one = |entry: &voco_volume::LabelEntry| {
            format!("{}={}{}", entry.name, entry.id, if entry.visible { "" } else { " hidden" })
        };
        self.table.entries().iter().map(one).collect::<Vec<_>>().join(";")
    }

    /// The label at a point in the patient: its number and name.
    pub fn at_world(&self, point_mm: glam::DVec3) -> Option<(u16, &str)> {
        let id = self.ids.at(&self.now.document, self.voxel_at(point_mm)?);
        self.table.get(id).map(|entry| (entry.id, entry.name.as_str()))
    }

    /// The segment at a point in the patient.
    pub fn segment_at_world(&self, point_mm: glam::DVec3) -> Option<SegmentId> {
        let id = self.ids.at(&self.now.document, self.voxel_at(point_mm)?);
        self.ids.segment(&self.now.document, id)
    }

    /// The voxel whose cell holds a point; none beyond the grid.
    pub fn voxel_at(&self, point_mm: glam::DVec3) -> Option<[usize; 3]> {
        let geometry = self.geometry();
        let at = geometry.voxel_from_world().transform_point3(point_mm).round().to_array();
        let dims = geometry.dims();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside the grid")]
        (0..3).all(|a| at[a] >= 0.0 && at[a] < dims[a] as f64).then(|| at.map(|v| v as usize))
    }

    /// Sends an edit to the writer; gives its ticket.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Document) -> Result<(), StoreError> + Send + 'static) -> u64 {
        self.worker.edit(edit)
    }

    /// Changes a segment's name, colour, visibility and the like; `name` is what the history calls it.
    pub fn update_segment(
        &mut self,
        id: SegmentId,
        name: String,
        change: impl FnOnce(&mut voco_labelstore::Segment) + Send + 'static,
    ) {
        self.edit(move |document| document.update_segment(id, &name, change).map(drop));
    }

    /// Takes the last change back, or does the next one again.
    pub fn step(&mut self, redo: bool) {
        self.abandon();
        // They belong before the change that is stepped over.
        self.marks_taken_back.clear();
        self.edit(move |document| if redo { document.redo() } else { document.undo() }.map(drop));
    }

    /// When the last change was made, and when the one that was taken back last was.
    pub fn stamps(&self) -> [Option<u64>; 2] {
        let stamp = |line: &voco_labelstore::HistoryLine| self.stamps.get(&line.change).copied().unwrap_or(0);
        self.now.steps.each_ref().map(|step| step.as_ref().map(stamp))
    }

    /// Begins a gesture: nothing changes until [`Self::finish`]. One that is in hand is given up.
    ///
    /// # Errors
    /// A segment that is not there.
    pub fn begin(&mut self, target: Target, rules: Rules, tool: &str, name: &str) -> Result<(), StoreError> {
        self.abandon();
        if let Target::Paint(id) | Target::Erase(id) = target {
            let segment = self.now.document.segment(id)?;
            if segment.locked {
                return Err(StoreError::Locked(segment.name.clone()));
            }
        }
        self.gesture = Some(self.now.document.begin(target, rules, tool, name)?);
        Ok(())
    }

    /// Adds voxels to the gesture in hand; `add` gives the box they lie in.
    ///
    /// # Errors
    /// Those of `add`.
    pub fn stage(
        &mut self,
        add: impl FnOnce(&mut BrickMask) -> Result<VoxelBox, LabelError>,
    ) -> Result<(), LabelError> {
        let Some(gesture) = &mut self.gesture else { return Ok(()) };
        let before = gesture.staged.clone();
        let part = add(&mut gesture.staged)?;
        if !part.is_empty() {
            for brick in gesture.staged.grid().touching(&part) {
                let n = brick as usize;
                self.stale.add_changed(brick, before.brick(n), gesture.staged.brick(n));
            }
        }
        Ok(())
    }

    /// The gesture in hand.
    pub fn gesture(&self) -> Option<&Gesture> {
        self.gesture.as_ref()
    }

    /// Gives the gesture in hand to the writer.
    pub fn finish(&mut self) {
        if let Some(gesture) = self.gesture.take()
            && !gesture.staged.is_empty()
        {
            self.send(gesture);
        }
    }

    fn send(&mut self, gesture: Gesture) {
        let sent = gesture.clone();
        let ticket = self.edit(move |document| document.commit(&sent).map(drop));
        self.sent.push((ticket, gesture));
    }

    /// Drops the gesture in hand, and what an algorithm proposes.
    pub fn abandon(&mut self) {
        if let Some(gesture) = self.gesture.take() {
            self.stale.extend(gesture.staged.touched());
        }
        self.reject();
    }

    /// Shows what an algorithm found, until it is taken or rejected.
    pub fn propose(&mut self, proposal: Proposal) {
        self.reject();
        self.stale.extend(proposal.gestures.iter().flat_map(|gesture| gesture.staged.touched()));
        self.colors_changed |= proposal.apart.is_some();
        self.proposal = Some(proposal);
    }

    /// What an algorithm proposes.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// Drops what an algorithm proposes.
    pub fn reject(&mut self) {
        if let Some(proposal) = self.proposal.take() {
            self.colors_changed |= proposal.apart.is_some();
            self.stale.extend(proposal.gestures.iter().flat_map(|gesture| gesture.staged.touched()));
        }
    }

    /// Forgets the marks of the smart tool, those taken back too.
    pub fn clear_marks(&mut self) {
        self.marks.clear();
        self.marks_taken_back.clear();
    }

    /// Gives what an algorithm proposes to the writer, as one change.
    pub fn accept(&mut self) {
        let Some(Proposal { mut gestures, name, tool, apart, .. }) = self.proposal.take() else { return };
        self.clear_marks();
        if let Some(from) = apart {
            self.colors_changed = true;
            return self.set_apart(gestures, from, name, tool);
        }
        if gestures.len() == 1
            && let Some(gesture) = gestures.pop()
        {
            return self.send(gesture);
        }
        let sent = gestures.clone();
        let ticket = self.edit(move |document| {
            document.begin_group(&name, tool);
            for gesture in &sent {
                document.commit(gesture)?;
            }
            document.end_group();
            Ok(())
        });
        self.sent.extend(gestures.into_iter().map(|gesture| (ticket, gesture)));
    }

    /// Each gesture's voxels become a segment of their own.
    fn set_apart(&mut self, gestures: Vec<Gesture>, from: SegmentId, name: String, tool: &'static str) {
        let sent = gestures.clone();
        let ticket = self.edit(move |document| {
            document.begin_group(&name, tool);
            let source = document.segment(from)?.clone();
            for (n, gesture) in (2..).zip(sent) {
                let id = document.add_segment(source.layer, &format!("{} {n}", source.name), None)?;
                let rules = Rules { draw_over: DrawOver::Inside(vec![from]), range: None };
                document.commit(&Gesture { target: Target::Paint(id), rules, ..gesture })?;
            }
            document.end_group();
            Ok(())
        });
        self.sent.extend(gestures.into_iter().map(|gesture| (ticket, gesture)));
    }

    /// True while something that was sent is not published yet.
    pub fn is_writing(&self) -> bool {
        self.now.ticket < self.worker.last_ticket()
    }

    /// Takes what the writer has published.
    pub fn poll(&mut self) -> Polled {
        let mut polled = Polled::default();
        for published in self.worker.published() {
            let (old, new) = (Arc::clone(&self.now.document), &published.document);
            for layer in new.layers() {
                if let Ok(dirty) = new.dirty_since(layer.id, old.revision()) {
                    self.stale.extend(dirty.bricks);
                }
            }
            for (_, gesture) in self.sent.extract_if(.., |(ticket, _)| *ticket <= published.ticket) {
                self.stale.extend(gesture.staged.touched());
            }
            let ids = DisplayIds::of(new);
            if ids != self.ids {
                self.stale.extend(self.ids.filled_bricks(&old));
                self.stale.extend(ids.filled_bricks(new));
                self.ids = ids;
            }
            let table = self.ids.table(new);
            if table != self.table {
                (self.table, self.colors_changed) = (table, true);
            }
            for change in self.now.newest_change + 1..=published.newest_change {
                self.stamps.insert(change, next_stamp());
            }
            if old.revision() != new.revision() {
                polled.has_changed = true;
                if published.last_change != self.now.last_change {
                    self.before = Some(Arc::clone(&old));
                }
            }
            polled.errors.extend(published.error.clone());
            polled.news.extend(published.news.clone());
            let added = new.segments().iter().map(|s| s.id).filter(|id| old.segment(*id).is_err()).max();
            if self.choose_new && added.is_some() {
                (self.current, self.choose_new) = (added, false);
            }
            if self.is_file_at == Some(published.ticket) {
                self.saved_change = published.last_change;
            }
            self.now = published;
        }
        if self.current.is_none_or(|id| self.now.document.segment(id).is_err()) {
            self.current = self.now.document.segments().iter().find(|s| !s.locked).map(|s| s.id);
        }
        polled
    }

    /// Brings the texture up to date with the document and what is not committed yet. True if something was drawn: then another frame
    /// must follow, for what is left, and for the surfaces that are made from the texture.
    ///
    /// # Errors
    /// If the labels need a larger texture and the device has no memory for it.
    pub fn draw(&mut self, render: &RenderContext) -> Result<bool, RenderError> {
        if self.colors_changed && wide(&self.table) && !self.is_wide {
            self.texture = Arc::new(LabelTexture::empty(render, self.geometry(), &self.table)?);
            self.is_wide = true;
            self.stale.extend(self.ids.filled_bricks(&self.now.document));
        }
        if std::mem::take(&mut self.colors_changed) {
            self.texture.set_colors(render, &parts::table(&self.table, self.proposal.as_ref()));
        }
        if self.stale.is_empty() {
            return Ok(false);
        }
        // A stroke is drawn whole, so that it never tears.
        let most = if self.gesture.is_some() { usize::MAX } else { BRICKS_PER_FRAME };
        let some: Vec<(u32, [usize; 2])> = self.stale.first(most);
        let proposed = self.proposal.iter().flat_map(|proposal| &proposal.gestures);
        let gestures: Vec<&Gesture> =
            self.sent.iter().map(|(_, gesture)| gesture).chain(proposed).chain(&self.gesture).collect();
        let parts: Vec<(u16, &Gesture)> =
            self.proposal.iter().flat_map(|p| parts::ids(&self.table, p).into_iter().zip(&p.gestures)).collect();
        let Some(grid) = self.now.document.layers().next().and_then(|l| self.now.document.layer(l.id).ok()) else {
            self.stale.clear();
            return Ok(false);
        };
        let grid = grid.grid();
        let drawn: Vec<(VoxelBox, Vec<u16>)> = some
            .par_iter()
            .with_min_len(4)
            .map(|&(n, [first, end])| {
                let mut brick = vec![0; BRICK_VOXELS];
                self.ids.compose(&self.now.document, &gestures, n as usize, &mut brick);
                for (id, gesture) in &parts {
                    parts::draw(&self.now.document, gesture, *id, n as usize, &mut brick);
                }
                let mut part = grid.voxels(n as usize);
                let end = end.min(part.size()[2]);
                (part.min[2], part.max[2]) = (part.min[2] + first.min(end), part.min[2] + end);
                (part, cropped(&brick, first.min(end), part.size()))
            })
            .collect();
        for (part, labels) in drawn {
            self.texture.write(render, part.min, part.size(), &labels);
        }
        for (n, _) in some {
            self.stale.remove(n);
        }
        Ok(true)
    }
}

fn wide(table: &LabelTable) -> bool {
    table.entries().last().is_some_and(|entry| entry.id > 255)
}

/// Slices of a brick from `first` on; at the border of the grid there are fewer voxels than 32 across.
fn cropped(brick: &[u16], first: usize, size: [usize; 3]) -> Vec<u16> {
    let slices = &brick[BRICK * BRICK * first..];
    if size[0] == BRICK && size[1] == BRICK {
        return slices[..size.iter().product()].to_vec();
    }
    let mut part = Vec::with_capacity(size.iter().product());
    for k in 0..size[2] {
        for j in 0..size[1] {
            part.extend_from_slice(&slices[BRICK * (j + BRICK * k)..][..size[0]]);
        }
    }
    part
}
