/// Slices that go by on their own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cine {
    /// Going.
    pub is_playing: bool,
    /// Through the volumes of a time series rather than through slices.
    pub is_over_time: bool,
    rest: f32,
}

impl Cine {
    /// Starts or stops.
    pub fn toggle(&mut self) {
        *self = Self { is_playing: !self.is_playing, ..Self::default() };
    }

    /// Starts or stops going through time.
    pub fn toggle_time(&mut self) {
        let starts = !(self.is_playing && self.is_over_time);
        *self = Self { is_playing: starts, is_over_time: starts, rest: 0.0 };
    }

    /// Whole slices to go on after this time; what is left counts for the next frame.
    pub fn advance(&mut self, seconds: f32, per_second: f32) -> usize {
        if !self.is_playing {
            return 0;
        }
        // After a long frame the pace is kept, not caught up with.
        self.rest += (seconds * per_second).min(4.0);
        let whole = self.rest.floor();
        self.rest -= whole;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0…5")]
        let steps = whole as usize;
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::Cine;

    #[test]
    fn the_pace_does_not_depend_on_the_frames() {
        for frames in [10, 60, 144] {
            let mut cine = Cine::default();
            cine.toggle();
            let steps: usize = (0..frames * 10).map(|_| cine.advance(1.0 / frames as f32, 7.5)).sum();
            assert!((74..=75).contains(&steps), "{steps}");
        }
        assert_eq!(Cine::default().advance(5.0, 10.0), 0, "stopped");
    }
}
