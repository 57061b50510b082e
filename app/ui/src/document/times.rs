use std::collections::BTreeMap;
use std::sync::Arc;

use voco_engine_api::CancelFlag;
use voco_render::VolumeTexture;
use voco_volume::{Stats, Volume};

/// The volumes of one file or series at the same place: points in time, phases, echoes, components.
#[derive(Debug)]
pub struct TimeSeries {
    /// How many there are; above 1.
    pub count: usize,
    /// The one on show, from 0.
    pub shown: usize,
    /// The one that was asked for.
    pub wanted: usize,
    /// The task that reads.
    pub reading: Option<Reading>,
    /// Reading failed, which was said; asking again tries again.
    pub has_failed: bool,
    /// Most that are kept.
    pub capacity: usize,
    ready: BTreeMap<usize, TimePoint>,
}

/// A task that reads volumes, one after the other.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its number.
    pub task: u64,
    /// To stop it.
    pub cancel: CancelFlag,
    /// The volume that comes next, counted on beyond the end, where it begins again.
    pub next: usize,
}

/// A volume that can be shown at once.
#[derive(Debug, Clone)]
pub struct TimePoint {
    /// Its voxels.
    pub volume: Volume,
    /// Their range and mean.
    pub stats: Stats,
    /// Its texture.
    pub texture: Arc<VolumeTexture>,
}

impl TimeSeries {
    /// Memory for the volumes of one series, textures included.
    const MAX_BYTES: usize = 1 << 30;

    /// A series of which one volume has been read.
    pub fn new(count: usize, shown: usize, point: TimePoint) -> Self {
        // Voxels, and a texture of 2 bytes each.
        let bytes = point.volume.voxels().as_bytes().len() + 2 * point.volume.voxels().len();
        let capacity = (Self::MAX_BYTES / bytes.max(1)).clamp(2, count.max(2));
        let ready = BTreeMap::from([(shown, point)]);
        Self { count, shown, wanted: shown, reading: None, has_failed: false, capacity, ready }
    }

    /// Asks for a volume by its distance from the one asked for last; the ends meet.
    pub fn step(&mut self, by: isize) {
        let count = self.count.max(1);
        let by = usize::try_from(by.rem_euclid(count.cast_signed())).unwrap_or(0);
        self.want((self.wanted + by) % count);
    }

    /// Asks for a volume.
    pub fn want(&mut self, number: usize) {
        self.wanted = number.min(self.count.saturating_sub(1));
        self.has_failed = false;
    }

    /// A volume that is there.
    pub fn ready(&self, number: usize) -> Option<&TimePoint> {
        self.ready.get(&number)
    }

    /// How many are there.
    pub fn num_ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes up what was read. Where there is no room, the one that was passed last goes.
    pub fn put(&mut self, number: usize, point: TimePoint) {
        self.ready.insert(number, point);
        let ahead = |n: usize| (n + self.count - self.wanted) % self.count;
        while self.ready.len() > self.capacity {
            let farthest = self.ready.keys().copied().filter(|&n| n != self.shown).max_by_key(|&n| ahead(n));
            let Some(farthest) = farthest else { break };
            self.ready.remove(&farthest);
        }
    }

    /// True if the one asked for is neither there nor about to be read.
    pub fn must_read(&self) -> bool {
        const SOON: usize = 3;
        if self.has_failed || self.ready.contains_key(&self.wanted) {
            return false;
        }
        let until = |next: usize| (self.wanted + self.count - next % self.count) % self.count;
        self.reading.as_ref().is_none_or(|r| until(r.next) > SOON)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading, TimePoint, TimeSeries};
    use voco_engine_api::CancelFlag;

    /// Without an adapter there is no texture to put into a point; the order of reading needs none.
    fn series(count: usize) -> TimeSeries {
        TimeSeries {
            count,
            shown: 0,
            wanted: 0,
            reading: None,
            has_failed: false,
            capacity: 3,
            ready: std::collections::BTreeMap::<usize, TimePoint>::new(),
        }
    }

    #[test]
    fn steps_go_round_and_a_reader_on_its_way_is_waited_for() {
        let mut series = series(5);
        series.step(-1);
        assert_eq!(series.wanted, 4);
        series.step(2);
        assert_eq!(series.wanted, 1);
        assert!(series.must_read());
        series.reading = Some(Reading { task: 1, cancel: CancelFlag::default(), next: 5 });
        assert!(!series.must_read(), "number 1 comes after 5, which is 0 again");
        series.want(4);
        assert!(series.must_read(), "four volumes away: a reader that begins there is sooner");
        series.has_failed = true;
        assert!(!series.must_read());
        series.want(9);
        assert_eq!((series.wanted, series.has_failed), (4, false));
    }
}
