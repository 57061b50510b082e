use std::time::Instant;

/// Seconds of so many crops on trial.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Forward alone, without a graph.
    pub forward: f64,
    /// Forward and backward.
    pub both: f64,
}

impl Pace {
    /// Takes the time of both; they must wait for the device, as reading a number does.
    pub fn of(forward: impl Fn(), both: impl Fn()) -> Self {
        let time = |run: &dyn Fn()| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64()
        };
        let mut pace = Self { forward: time(&forward), both: time(&both) };
        if pace.forward + pace.both < 5.0 {
            // The first time includes what is made once.
            pace = Self { forward: time(&forward), both: time(&both) };
        }
        pace
    }
}
