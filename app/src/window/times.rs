//! Time series: reading the volumes of a file or series that were asked for, one after the other.

use std::sync::Arc;

use parking_lot::Mutex;
use voco_io::{Control, OpenError, Opened};
use voco_render::{RenderContext, VolumeTexture};
use voco_ui::{Examination, Reading, TimePoint, TimeSeries, VolumeId, i18n};
use voco_volume::{Geometry, Stats};

use super::app::App;
use super::tasks::{ImageSource, LoadedImage, TaskOutcome, TaskWork};

/// Volumes as they are read: task, volume of the window, number, what was read.
pub(super) type TimeSlot = Arc<Mutex<Vec<(u64, VolumeId, usize, TimePoint)>>>;

/// What to read.
pub(super) struct ReadTimes {
    pub(super) volume_id: VolumeId,
    source: ImageSource,
    geometry: Geometry,
    /// From this one on.
    first: usize,
    /// How many, at most; after the last one comes the first.
    most: usize,
    count: usize,
    slot: TimeSlot,
    render: RenderContext,
}

/// Reads until all were read or it is stopped.
pub(super) fn read(work: &ReadTimes, task: u64, control: Control<'_>) -> TaskOutcome {
    let mut number_read = 0;
    let mut problem = None;
    let mut take = |number: usize, opened: Opened| {
        if opened.volume.geometry().mismatch(&work.geometry, 0.5).is_some() {
            problem = Some(i18n::text("tell-times-grids").to_owned());
            return false;
        }
        let stats = Stats::of(&opened.volume);
        match VolumeTexture::of(&work.render, &opened.volume, &stats) {
            Ok(texture) => {
                let point = TimePoint { volume: opened.volume, stats, texture: Arc::new(texture) };
                work.slot.lock().push((task, work.volume_id, number, point));
            }
            Err(error) => {
                problem = Some(error.to_string());
                return false;
            }
        }
        number_read += 1;
        (control.progress)(number_read as f32 / work.most as f32);
        number_read < work.most && !(control.is_cancelled)()
    };
    let silent = Control { progress: &|_| {}, is_cancelled: control.is_cancelled };
    let mut result = read_from(&work.source, work.first, work.count, silent, &mut take);
    if matches!(result, Ok(true)) {
        result = read_from(&work.source, 0, work.first, silent, &mut take);
    }
    if number_read == 0 && result.is_ok() && !(control.is_cancelled)() {
        // Without a word it would be asked for again and again.
        problem.get_or_insert_with(|| i18n::text("tell-times-unread").to_owned());
    }
    match (result, problem) {
        (_, Some(text)) => TaskOutcome::Times { volume_id: work.volume_id, failed: Some(text) },
        (Err(e), None) if !e.is_cancelled() => {
            TaskOutcome::Times { volume_id: work.volume_id, failed: Some(e.to_string()) }
        }
        _ => TaskOutcome::Times { volume_id: work.volume_id, failed: None },
    }
}

/// Gives the volumes of a range to `take`; true if it never said that it has enough.
fn read_from(
    source: &ImageSource,
    first: usize,
    end: usize,
    control: Control<'_>,
    take: &mut dyn FnMut(usize, Opened) -> bool,
) -> Result<bool, OpenError> {
    let mut goes_on = true;
    match source {
        ImageSource::Series(series, _) => {
            for number in first..end {
                goes_on = goes_on && take(number, voco_io::open_component(series, number, control)?);
                if !goes_on {
                    break;
                }
            }
        }
        ImageSource::File(path) if first < end => {
            voco_io::read_volumes(path, first, control, &mut |opened| {
                let number = opened.component;
                goes_on = number < end && take(number, opened);
                goes_on && number + 1 < end
            })?;
        }
        ImageSource::Sample | ImageSource::File(_) => {}
    }
    Ok(goes_on)
}

impl App {
    /// Remembers where a volume comes from, and that there are more of it.
    pub(super) fn keep_source(&mut self, id: VolumeId, source: &ImageSource, loaded: &LoadedImage) {
        self.sources.insert(id.0, source.clone());
        if let ImageSource::Series(series, _) = source {
            let exam = Examination {
                modality: series.modality.clone(),
                body_part: series.body_part.clone(),
                description: series.description.clone(),
            };
            self.session.exams.insert(id.0, exam);
        }
        let opened = &loaded.opened;
        if opened.num_components > 1 {
            let point =
                TimePoint { volume: opened.volume.clone(), stats: loaded.stats, texture: Arc::clone(&loaded.texture) };
            self.session.times.insert(id.0, TimeSeries::new(opened.num_components, opened.component, point));
        }
    }

    pub(super) fn forget_source(&mut self, id: VolumeId) {
        self.sources.remove(&id.0);
        self.session.exams.remove(&id.0);
        if let Some(reading) = self.session.times.remove(&id.0).and_then(|series| series.reading) {
            reading.cancel.cancel();
        }
    }

    /// Starts to read at the volume that was asked for, instead of what was being read.
    pub(super) fn read_times(&mut self, id: VolumeId) {
        let (Some(source), Some(volume)) = (self.sources.get(&id.0), self.session.volume(id)) else { return };
        let geometry = *volume.volume.geometry();
        let Some(series) = self.session.times.get_mut(&id.0) else { return };
        if let Some(reading) = series.reading.take() {
            reading.cancel.cancel();
        }
        let work = ReadTimes {
            volume_id: id,
            source: source.clone(),
            geometry,
            first: series.wanted,
            most: series.capacity.saturating_sub(1).max(1),
            count: series.count,
            slot: Arc::clone(&self.times),
            render: self.render.clone(),
        };
        match self.tasks.start(TaskWork::Times(Box::new(work))) {
            Ok((task, cancel)) => series.reading = Some(Reading { task, cancel, next: series.wanted }),
            Err(text) => {
                series.has_failed = true;
                self.session.notice(text, true);
            }
        }
    }

    /// Takes up what the tasks have read since the last frame.
    pub(super) fn take_times(&mut self) {
        for (task, id, number, point) in std::mem::take(&mut *self.times.lock()) {
            let Some(series) = self.session.times.get_mut(&id.0) else { continue };
            series.put(number, point);
            if let Some(reading) = series.reading.as_mut().filter(|r| r.task == task) {
                reading.next = number + 1;
            }
        }
    }

    pub(super) fn times_ended(&mut self, task: u64, id: VolumeId, failed: Option<String>) {
        self.take_times();
        let Some(series) = self.session.times.get_mut(&id.0) else { return };
        if series.reading.take_if(|r| r.task == task).is_some() && failed.is_some() {
            series.has_failed = true;
            series.wanted = series.shown;
        }
        if let Some(text) = failed {
            self.session.notice(text, true);
        }
    }
}
