//! Closing a volume or the program: the user is asked once if something would be lost, and files that are being written are waited for.

use voco_ui::labelling::LabelWork;
use voco_ui::{Closing, VolumeId, i18n};

use super::app::App;

/// How far the end of the program is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    #[default]
    No,
    /// Files are being written; it ends after them.
    AfterFiles,
    /// The user was asked, or nothing is lost.
    Yes,
}

impl App {
    /// Looks whether the window is to be closed, by its own button, by the system or by a command.
    pub(super) fn watch_close(&mut self, ctx: &egui::Context) {
        if ctx.input(|i| i.viewport().close_requested()) && self.leaving != Leaving::Yes {
            if self.tasks.is_writing() {
                ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
                if self.leaving == Leaving::No {
                    self.session.notice(i18n::text("tell-closes-after-files"), false);
                }
                self.leaving = Leaving::AfterFiles;
            } else if let Some(closing) = self.lost_with(None) {
                ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
                self.session.closing = Some(closing);
            }
        }
        if self.leaving == Leaving::AfterFiles && !self.tasks.is_writing() {
            // Only now it is known whether anything would be lost.
            self.leaving = Leaving::No;
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }

    /// A file could not be written: the program stays, so that this is read.
    pub(super) fn stay_after_failure(&mut self) {
        if self.leaving == Leaving::AfterFiles {
            self.leaving = Leaving::No;
        }
    }

    /// Closes a volume, or asks first.
    pub(super) fn close_or_ask(&mut self, id: VolumeId) {
        match self.lost_with(Some(id)) {
            Some(closing) => self.session.closing = Some(closing),
            None => self.close(id),
        }
    }

    /// Closes what was asked about.
    pub(super) fn close_anyway(&mut self, volume: Option<VolumeId>, ctx: &egui::Context) {
        if let Some(id) = volume {
            return self.close(id);
        }
        self.leaving = Leaving::Yes;
        ctx.send_viewport_cmd(egui::ViewportCommand::Close);
    }

    /// What would be lost with a volume, or with the program; none if nothing would.
    fn lost_with(&self, volume: Option<VolumeId>) -> Option<Closing> {
        let session = &self.session;
        let is_meant = |id: VolumeId| volume.is_none_or(|volume| volume == id);
        let labels: Vec<VolumeId> = session
            .volumes
            .iter()
            .filter(|v| is_meant(v.id) && v.labels.as_ref().is_some_and(LabelWork::would_be_lost))
            .map(|v| v.id)
            .collect();
        let is_segmented = session.volumes.iter().any(|v| is_meant(v.id) && v.incoming.is_some());
        let jobs: Vec<&'static str> = [
            ("closing-pretrain", volume.is_none() && session.training.is_running()),
            ("closing-finetune", volume.is_none() && session.finetune.is_running()),
            ("closing-segment", is_segmented),
        ]
        .into_iter()
        .filter_map(|(text, is_running)| is_running.then_some(text))
        .collect();
        let is_lost = !labels.is_empty() || !jobs.is_empty();
        is_lost.then_some(Closing { volume, labels, jobs, is_new: true })
    }
}
