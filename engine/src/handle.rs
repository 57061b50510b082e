use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use voco_engine_api::{CancelFlag, EngineCommand, EngineEvent, JobId, JobSpec, PositionPreview, Slot};

use crate::priority::lower_beside_window;
use crate::worker;

/// The way to the engine thread. Dropping it shuts the engine down and waits for it.
pub struct EngineHandle {
    commands: Option<Sender<EngineCommand>>,
    events: Receiver<EngineEvent>,
    preview: Slot<PositionPreview>,
    next_job: AtomicU64,
    thread: Option<JoinHandle<()>>,
    // Kept so that a drop can stop a long step early.
    running: parking_lot::Mutex<Vec<CancelFlag>>,
}

impl EngineHandle {
    /// Starts the thread. `wake` is called after each event, from the engine's threads; the window asks for a repaint in it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(wake: Arc<dyn Fn() + Send + Sync>) -> std::io::Result<Self> {
        let (commands, command_receiver) = bounded(64);
        let (event_sender, events) = bounded(1024);
        let preview = Slot::default();
        let outlet = worker::Outlet::new(event_sender, wake, preview.clone());
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
            lower_beside_window();
            worker::run(&command_receiver, &outlet);
        })?;
        Ok(Self {
            commands: Some(commands),
            events,
            preview,
            next_job: AtomicU64::new(1),
            thread: Some(thread),
            running: parking_lot::Mutex::default(),
        })
    }

    /// Begins a job.
    ///
    /// # Errors
    /// If the queue is full or the engine is gone, as a sentence.
    pub fn start_job(&self, spec: JobSpec) -> Result<(JobId, CancelFlag), String> {
        let job = JobId(self.next_job.fetch_add(1, Ordering::Relaxed));
        let cancel = CancelFlag::default();
        self.send(EngineCommand::Start { job, spec, cancel: cancel.clone() })?;
        self.running.lock().push(cancel.clone());
        Ok((job, cancel))
    }

    /// Sends a command without waiting.
    ///
    /// # Errors
    /// If the queue is full or the engine is gone, as a sentence.
    pub fn send(&self, command: EngineCommand) -> Result<(), String> {
        let Some(commands) = &self.commands else { return Err("The engine has ended.".into()) };
        commands.try_send(command).map_err(|e| match e {
            TrySendError::Full(_) => "The engine is busy; try again in a moment.".into(),
            TrySendError::Disconnected(_) => "The engine has ended; start the program again.".into(),
        })
    }

    /// What the engine says.
    pub fn events(&self) -> &Receiver<EngineEvent> {
        &self.events
    }

    /// The latest position predictions.
    pub fn preview(&self) -> &Slot<PositionPreview> {
        &self.preview
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        for flag in self.running.lock().iter() {
            flag.cancel();
        }
        if let Some(commands) = self.commands.take() {
            // A full queue needs no word: dropping the sender ends the loop as well.
            commands.try_send(EngineCommand::Shutdown).ok();
        }
        // The engine may be waiting for room in the event queue.
        while self.thread.as_ref().is_some_and(|t| !t.is_finished()) {
            while self.events.recv_timeout(std::time::Duration::from_millis(5)).is_ok() {}
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
