//! Tells a script that measures when the window and its first picture are there (`voco --time-start`).

/// Says each thing once, then has the window closed.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    is_on: bool,
    was_drawn: bool,
    had_volume: bool,
}

impl Stopwatch {
    pub fn new(is_on: bool) -> Self {
        Self { is_on, ..Self::default() }
    }

    /// To be called before each frame: what the frame before drew is on the screen by now. `wants_picture` if a file was named.
    pub fn tick(&mut self, ctx: &egui::Context, has_volume: bool, wants_picture: bool) {
        if !self.is_on {
            return;
        }
        ctx.request_repaint();
        if !std::mem::replace(&mut self.was_drawn, true) {
            return;
        }
        if !self.had_volume && !has_volume {
            crate::cli::print("window");
            // Once is enough for the reader; it takes the first.
        }
        if self.had_volume || !wants_picture {
            crate::cli::print("picture");
            self.is_on = false;
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        self.had_volume = has_volume;
    }
}
